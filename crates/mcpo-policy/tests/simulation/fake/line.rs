//! A session, as its server knows it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mcpo_mcp::error::Cause;
use tokio::sync::{Notify, watch};

use super::broken;

/// A session, as the server knows it. Whoever waits for it wakes in the order of coming, unlike
/// with `watch`, whose order is random.
#[derive(Debug, Default)]
pub(super) struct Line {
    state: Mutex<LineState>,
    changed: Notify,
    pub(super) tools: watch::Sender<u64>,
}

#[derive(Debug, Default)]
pub(super) struct LineState {
    pub(super) end: Option<Cause>,
    /// How often what was under way broke, and nothing else.
    cuts: u64,
}

impl Line {
    pub(super) fn state(&self) -> MutexGuard<'_, LineState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Breaks what is under way.
    pub(super) fn break_off(&self) {
        self.state().cuts += 1;
        self.changed.notify_waiters();
    }

    /// The first end is the reason.
    pub(super) fn end(&self, cause: Cause) {
        self.state().end.get_or_insert(cause);
        self.changed.notify_waiters();
    }

    /// Ends when the session has, with the reason.
    pub(super) async fn ended(self: Arc<Self>) -> Cause {
        self.until(|state| state.end.clone()).await
    }

    /// Ends when what is under way breaks, with the reason.
    pub(super) fn cut(self: Arc<Self>) -> impl Future<Output = Cause> {
        let before = self.state().cuts;
        async move {
            let broke = |state: &LineState| (state.cuts > before).then(broken);
            self.until(|state| state.end.clone().or_else(|| broke(state))).await
        }
    }

    async fn until(&self, holds: impl Fn(&LineState) -> Option<Cause>) -> Cause {
        loop {
            let changed = self.changed.notified();
            if let Some(cause) = holds(&self.state()) {
                return cause;
            }
            changed.await;
        }
    }
}
