//! The writer's side of the queue: frames that are still wanted, marked before they are written.

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::multiplex::{Outgoing, QUEUE_FRAMES_MAX, Shared};

/// What is to be written, in order. Dropping it refuses every later request.
#[derive(Debug)]
pub(crate) struct Outbox {
    shared: Arc<Shared>,
    queue: mpsc::Receiver<Outgoing>,
    closed: bool,
}

impl Outbox {
    pub(super) fn new(shared: Arc<Shared>, queue: mpsc::Receiver<Outgoing>) -> Self {
        Self { shared, queue, closed: false }
    }

    /// Waits until something is to be written and appends it to `batch`. Requests that were given
    /// up meanwhile are left out; the others count as sent from now on. `false`: nothing comes
    /// any more.
    ///
    /// Cancel-safe: nothing is taken out before it is returned.
    pub(crate) async fn next(&mut self, batch: &mut Vec<Outgoing>) -> bool {
        loop {
            let Self { shared, queue, closed } = &mut *self;
            let count = tokio::select! {
                biased;
                () = shared.closing.notified(), if !*closed => None,
                count = queue.recv_many(batch, QUEUE_FRAMES_MAX) => Some(count),
            };
            let Some(count) = count else {
                queue.close();
                *closed = true;
                continue;
            };
            if count == 0 {
                return false;
            }
            self.mark_written(batch);
            if !batch.is_empty() {
                return true;
            }
        }
    }

    /// Not a byte of these requests left after all.
    pub(crate) fn take_back(&self, ids: impl IntoIterator<Item = u64>) {
        let mut table = self.shared.table();
        for id in ids {
            if let Some(pending) = table.pending.get_mut(&id) {
                pending.written = false;
            }
        }
    }

    fn mark_written(&self, batch: &mut Vec<Outgoing>) {
        let mut table = self.shared.table();
        batch.retain(|outgoing| {
            let Some(id) = outgoing.id else { return true };
            let Some(pending) = table.pending.get_mut(&id) else { return false };
            pending.written = true;
            true
        });
    }
}
