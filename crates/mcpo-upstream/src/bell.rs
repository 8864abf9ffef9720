//! How calls and sessions get their keeper's attention. It carries no news: the keeper looks at
//! everything there is whenever it rings, so that nothing is lost however often it does.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// One upstream's bell.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    rung: Notify,
    /// Whether crowded sessions are worth a ring: while the pool may grow.
    may_grow: AtomicBool,
    /// A call waits for a session.
    wanted: AtomicBool,
}

impl Bell {
    /// Something is there to be looked at.
    pub(crate) fn ring(&self) {
        self.rung.notify_one();
    }

    /// A session has as many calls under way as make another one worth its while. Rings once until
    /// the keeper asks to be told again; costs a load otherwise.
    pub(crate) fn crowded(&self) {
        if self.may_grow.load(Ordering::Relaxed) && self.may_grow.swap(false, Ordering::Relaxed) {
            self.ring();
        }
    }

    /// The keeper's word on whether it wants to hear of crowded sessions.
    pub(crate) fn tell_crowded(&self, worth_it: bool) {
        self.may_grow.store(worth_it, Ordering::Relaxed);
    }

    /// Whether the next crowded session rings.
    pub(crate) fn hears_crowded(&self) -> bool {
        self.may_grow.load(Ordering::Relaxed)
    }

    /// A call waits for a session.
    pub(crate) fn want(&self) {
        if !self.wanted.swap(true, Ordering::Relaxed) {
            self.ring();
        }
    }

    /// Whether a call has waited since this was asked last.
    pub(crate) fn take_wanted(&self) -> bool {
        self.wanted.swap(false, Ordering::Relaxed)
    }

    /// Ends when it rings, or has rung since this ended last. Cancel-safe.
    pub(crate) async fn rings(&self) {
        self.rung.notified().await;
    }
}
