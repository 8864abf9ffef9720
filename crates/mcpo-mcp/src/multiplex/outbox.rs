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
    /// Taken out of the queue, not given to the writer yet: none of it is marked as written.
    held: Vec<Outgoing>,
    closed: bool,
}

impl Outbox {
    pub(super) fn new(shared: Arc<Shared>, queue: mpsc::Receiver<Outgoing>) -> Self {
        Self { shared, queue, held: Vec::new(), closed: false }
    }

    /// Waits until something is to be written and appends it to `batch`. Requests that were given
    /// up meanwhile are left out; the others count as sent from now on. `false`: nothing comes
    /// any more.
    ///
    /// Cancel-safe: nothing comes into `batch` before it is marked and returned.
    pub(crate) async fn next(&mut self, batch: &mut Vec<Outgoing>) -> bool {
        loop {
            if !self.take().await {
                return false;
            }
            self.mark_written();
            if !self.held.is_empty() {
                batch.append(&mut self.held);
                return true;
            }
        }
    }

    /// [`Outbox::next`] for a transport that has a way of its own for each request: none of them
    /// counts as sent before [`Multiplexer::begin`](super::Multiplexer::begin).
    pub(crate) async fn next_unsent(&mut self, batch: &mut Vec<Outgoing>) -> bool {
        let some = self.take().await;
        batch.append(&mut self.held);
        some
    }

    /// Fills what is held. `false`: nothing comes any more.
    async fn take(&mut self) -> bool {
        if self.held.is_empty() && !self.receive().await {
            return false;
        }
        self.gather().await;
        true
    }

    /// Waits for the first frames. `false`: none comes any more.
    async fn receive(&mut self) -> bool {
        loop {
            let Self { shared, queue, held, closed } = &mut *self;
            tokio::select! {
                biased;
                () = shared.closing.notified(), if !*closed => {
                    queue.close();
                    *closed = true;
                }
                count = queue.recv_many(held, QUEUE_FRAMES_MAX) => return count > 0,
            }
        }
    }

    /// Under load, lets the callers that are ready to go put their frames in first: one write for
    /// many is the better part of what a call costs here. A lone caller does not wait for others.
    async fn gather(&mut self) {
        let alone = self.shared.table().pending.len() <= self.held.len();
        if alone || self.held.len() >= QUEUE_FRAMES_MAX {
            return;
        }
        yield_now().await;
        while self.held.len() < QUEUE_FRAMES_MAX
            && let Ok(outgoing) = self.queue.try_recv()
        {
            self.held.push(outgoing);
        }
    }

    /// Not a byte of these requests left after all.
    pub(crate) fn take_back(&self, ids: impl IntoIterator<Item = u64>) {
        self.shared.take_back(ids);
    }

    fn mark_written(&mut self) {
        let mut table = self.shared.table();
        self.held.retain(|outgoing| {
            let Some(id) = outgoing.id else { return true };
            let Some(pending) = table.pending.get_mut(&id) else { return false };
            pending.written = true;
            true
        });
    }
}
