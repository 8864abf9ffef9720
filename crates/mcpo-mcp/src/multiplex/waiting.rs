//! One caller's side of a pending request: whatever ends the wait, nothing of it is left behind.

use tokio::sync::oneshot;

use crate::answer::Answer;
use crate::error::{Cause, RequestError};
use crate::multiplex::Shared;

/// Gives its request up when dropped before the answer.
#[derive(Debug)]
pub(super) struct Waiting<'a> {
    shared: &'a Shared,
    id: u64,
    receiver: oneshot::Receiver<Result<Answer, RequestError>>,
    /// The alarm was set for it.
    is_soonest: bool,
    answered: bool,
}

impl<'a> Waiting<'a> {
    pub(super) fn new(
        shared: &'a Shared,
        id: u64,
        receiver: oneshot::Receiver<Result<Answer, RequestError>>,
        is_soonest: bool,
    ) -> Self {
        Self { shared, id, receiver, is_soonest, answered: false }
    }

    /// The answer, or that the deadline is over, whichever comes first.
    pub(super) async fn answer(mut self) -> Result<Answer, RequestError> {
        if self.is_soonest {
            // Only now, behind the writer: what is queued in time goes out first.
            self.shared.sooner.notify_one();
        }
        let received = (&mut self.receiver).await;
        self.answered = true;
        received.unwrap_or(Err(RequestError::maybe_sent(Cause::Closed)))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !self.answered {
            self.shared.give_up(self.id);
        }
    }
}
