//! One caller's side of a pending request: whatever ends the wait, nothing of it is left behind.

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use crate::answer::Answer;
use crate::error::{Cause, RequestError, Sent};
use crate::multiplex::Shared;

/// Gives its request up when dropped before the answer.
#[derive(Debug)]
pub(super) struct Waiting<'a> {
    shared: &'a Shared,
    id: u64,
    receiver: oneshot::Receiver<Result<Answer, RequestError>>,
    answered: bool,
}

impl<'a> Waiting<'a> {
    pub(super) fn new(
        shared: &'a Shared,
        id: u64,
        receiver: oneshot::Receiver<Result<Answer, RequestError>>,
    ) -> Self {
        Self { shared, id, receiver, answered: false }
    }

    pub(super) async fn answer(mut self, deadline: Instant) -> Result<Answer, RequestError> {
        let received = timeout_at(deadline, &mut self.receiver).await;
        self.answered = true;
        match received {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(RequestError::maybe_sent(Cause::Closed)),
            Err(_) => match self.shared.give_up(self.id, "the deadline is over") {
                Some(sent) => Err(RequestError { sent, cause: Cause::Deadline }),
                // It was answered between the deadline and now.
                None => self
                    .receiver
                    .try_recv()
                    .unwrap_or(Err(RequestError { sent: Sent::Maybe, cause: Cause::Deadline })),
            },
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !self.answered {
            self.shared.give_up(self.id, "the caller is gone");
        }
    }
}
