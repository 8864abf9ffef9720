//! The signals that ask us to stop.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGTERM and SIGINT, from the moment this exists.
#[derive(Debug)]
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Starts to listen; from then on neither signal ends the program by itself.
    pub(crate) fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Ends when the next of them comes. Cancel-safe.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _came = self.terminate.recv() => {}
            _came = self.interrupt.recv() => {}
        }
    }
}
