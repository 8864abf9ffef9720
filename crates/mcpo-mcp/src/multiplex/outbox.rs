//! The writer's side of the queue: frames that are still wanted, marked before they are written.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::yield_now;

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
    /// Cancel-safe: what was taken out is in `batch`.
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
            self.gather(batch).await;
            self.mark_written(batch);
            if !batch.is_empty() {
                return true;
            }
        }
    }

    /// Under load, lets the callers that are ready to go put their frames in first: one write for
    /// many is the better part of what a call costs here. A lone caller does not wait for others.
    async fn gather(&mut self, batch: &mut Vec<Outgoing>) {
        let alone = self.shared.table().pending.len() <= batch.len();
        if alone || batch.len() >= QUEUE_FRAMES_MAX {
            return;
        }
        yield_now().await;
        while batch.len() < QUEUE_FRAMES_MAX
            && let Ok(outgoing) = self.queue.try_recv()
        {
            batch.push(outgoing);
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
