//! One timer for all requests of a stream, which is moved only where a deadline comes before all
//! others: a timer of its own would be set and taken back for each call, under a lock that all
//! calls share, and hardly any ever rings.

use std::sync::{Arc, Weak};

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::error::{Cause, RequestError};
use crate::multiplex::{Pending, Shared};

/// Fails requests at their deadlines, for as long as the stream is there.
pub(super) async fn keep(shared: Weak<Shared>, sooner: Arc<Notify>) {
    loop {
        let Some(alarm) = shared.upgrade().map(|shared| shared.table().alarm) else { return };
        let Some(alarm) = alarm else {
            sooner.notified().await;
            continue;
        };
        if timeout_at(alarm, sooner.notified()).await.is_err()
            && let Some(shared) = shared.upgrade()
        {
            shared.expire(Instant::now());
        }
    }
}

impl Shared {
    /// Fails the requests whose deadline is over, and sets the alarm for those that are left.
    fn expire(&self, now: Instant) {
        let late: Vec<(u64, Pending)> = {
            let mut table = self.table();
            let late = table.pending.extract_if(|_, pending| pending.deadline <= now).collect();
            table.alarm = table.pending.values().map(|pending| pending.deadline).min();
            late
        };
        for (id, pending) in late {
            self.cancel(id, &pending, "the deadline is over");
            let error = RequestError { sent: pending.sent(), cause: Cause::Deadline };
            // Whoever gave up at this moment needs no answer.
            let _ = pending.answer.send(Err(error));
        }
    }
}
