//! What an upstream says unasked: requests are answered at once (`ping`) or refused, and
//! notifications that matter are kept as facts to watch.

use bytes::Bytes;
use serde_json::value::RawValue;
use tokio::sync::watch;

use crate::frame;

/// An id goes back as it came, and replies wait in a queue: real ids are numbers or UUIDs, and
/// ones as large as a message would fill the memory.
const REQUEST_ID_BYTES_MAX: usize = 1024;

/// The ear of one session; its transport tells it every request and notification that comes in.
#[derive(Debug)]
pub(crate) struct Inbound {
    tools_changed: watch::Sender<u64>,
}

impl Inbound {
    pub(crate) fn new() -> Self {
        Self { tools_changed: watch::Sender::new(0) }
    }

    /// The reply that the transport must send back; `None` where it would have to carry too long
    /// an id.
    #[must_use]
    pub(crate) fn on_request(&self, id: &RawValue, method: &str) -> Option<Bytes> {
        if id.get().len() > REQUEST_ID_BYTES_MAX {
            tracing::debug!("a request with an id that is too long is not answered");
            return None;
        }
        Some(if method == "ping" { frame::empty_result(id) } else { frame::method_not_found(id) })
    }

    pub(crate) fn on_notification(&self, method: &str) {
        if method == "notifications/tools/list_changed" {
            self.tools_changed.send_modify(|times| *times += 1);
        }
    }

    /// Counts how often the upstream said that its tools changed.
    pub(crate) fn tools_changed(&self) -> watch::Receiver<u64> {
        self.tools_changed.subscribe()
    }
}
