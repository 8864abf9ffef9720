//! Turns calls away while the process is short of processor time.

use std::future;

/// Watches how late its own wake-ups come, for as long as somebody runs it.
#[derive(Debug)]
pub struct Watch {}

impl Watch {
    /// Watches until it is dropped. `cpu` says which share of the processor time that we may use
    /// was used since it was asked last, 0 to 1; `None` where nobody can know.
    ///
    /// Cancel-safe: dropping it ends the watch, and no call is turned away by it any more.
    pub async fn watch(self, _cpu: impl FnMut() -> Option<f64>) {
        future::pending().await
    }
}
