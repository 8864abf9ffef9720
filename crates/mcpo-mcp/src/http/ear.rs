//! What one HTTP session hears on any of its streams: answers go to who waits for them, requests
//! get their reply queued, notifications are noted.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{Notify, mpsc, oneshot};

use crate::answer::Answer;
use crate::by_id::ById;
use crate::error::Cause;
use crate::frame::{self, FrameError, Message, Reply};
use crate::http::bounds::OUTBOUND_WAITING_MAX;
use crate::http::refusal::excerpt;
use crate::inbound::Inbound;

/// See the module. Each transport task holds a reference to it.
#[derive(Debug)]
pub(crate) struct Ear {
    pub(crate) inbound: Inbound,
    waiting: Mutex<ById<oneshot::Sender<Answer>>>,
    outbound: mpsc::Sender<Bytes>,
    /// Whether requests are answered: the modern era knows none, and forbids replies.
    replies: bool,
    idle: Notify,
}

/// What was heard of the awaited answer.
#[derive(Debug)]
pub(crate) enum Heard {
    /// It.
    Answer(Answer),
    /// It, without meaning; why.
    Nonsense(&'static str),
    /// Something else.
    Other,
}

/// One request's place among those that wait. Dropping it gives the place up.
#[derive(Debug)]
pub(crate) struct Waiting<'a> {
    ear: &'a Ear,
    id: u64,
    answer: oneshot::Receiver<Answer>,
}

impl Ear {
    /// The ear, and the messages that it wants POSTed.
    pub(crate) fn new(replies: bool) -> (Self, mpsc::Receiver<Bytes>) {
        let (outbound, queue) = mpsc::channel(OUTBOUND_WAITING_MAX);
        (
            Self {
                inbound: Inbound::new(),
                waiting: Mutex::default(),
                outbound,
                replies,
                idle: Notify::new(),
            },
            queue,
        )
    }

    /// Waits for the answer to a request, on whichever stream it comes.
    pub(crate) fn wait_for(&self, id: u64) -> Waiting<'_> {
        let (tx, answer) = oneshot::channel();
        self.lock().insert(id, tx);
        Waiting { ear: self, id, answer }
    }

    /// Returns when nobody waits for an answer.
    ///
    /// Cancel-safe.
    pub(crate) async fn idle(&self) {
        while !self.lock().is_empty() {
            self.idle.notified().await;
        }
    }

    /// Nothing will come any more for those that wait now.
    pub(crate) fn give_up(&self) {
        self.lock().clear();
        self.idle.notify_one();
    }

    /// Queues a message to be POSTed. When the queue is full it is dropped: all that goes this
    /// way is a courtesy.
    pub(crate) fn say(&self, message: Bytes) {
        if self.outbound.try_send(message).is_err() {
            tracing::debug!("a reply or cancellation was dropped: too many wait to be sent");
        }
    }

    /// Takes in one message, or a batch, from a stream. `own` is the request whose stream it is:
    /// its answer comes back by value, also when it names no id.
    ///
    /// # Errors
    /// What is not JSON-RPC.
    pub(crate) fn hear(&self, text: &Bytes, own: Option<u64>) -> Result<Heard, FrameError> {
        if !frame::is_batch(text) {
            return Ok(self.take(Message::parse(text)?, text, own));
        }
        let mut own_answer = Heard::Other;
        for message in frame::split_batch(text)? {
            match Message::parse(message.get().as_bytes()) {
                Ok(message) => match self.take(message, text, own) {
                    Heard::Other => {}
                    heard @ (Heard::Answer(_) | Heard::Nonsense(_)) => own_answer = heard,
                },
                // The answer may stand beside it.
                Err(error) => tracing::debug!(%error, "a message of a batch was skipped"),
            }
        }
        Ok(own_answer)
    }

    fn take(&self, message: Message<'_>, text: &Bytes, own: Option<u64>) -> Heard {
        match message {
            Message::Response { id, reply } => {
                let answer = match reply {
                    Reply::Result(result) => Answer::Result(text.slice_ref(result.as_bytes())),
                    Reply::Error(error) => Answer::Error(error),
                    Reply::Nonsense(why) => return Heard::Nonsense(why),
                };
                if own.is_some() && (id.is_none() || id == own) {
                    return Heard::Answer(answer);
                }
                self.pass_on(id, answer);
            }
            Message::Request { id, method } if self.replies => {
                if let Some(reply) = self.inbound.on_request(id, &method) {
                    self.say(reply);
                }
            }
            Message::Request { method, .. } => {
                tracing::debug!(method, "a request that this era does not know");
            }
            Message::Notification { method, .. } => self.inbound.on_notification(&method),
        }
        Heard::Other
    }

    fn pass_on(&self, id: Option<u64>, answer: Answer) {
        let waiting = id.and_then(|id| self.lock().remove(&id));
        match waiting {
            Some(waiting) => drop(waiting.send(answer)),
            None => tracing::debug!(id, "an answer that nobody waits for"),
        }
    }

    fn lock(&self) -> MutexGuard<'_, ById<oneshot::Sender<Answer>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting<'_> {
    /// The answer; `None` when nothing will come any more.
    ///
    /// Cancel-safe: dropping it loses nothing.
    pub(crate) async fn answer(&mut self) -> Option<Answer> {
        (&mut self.answer).await.ok()
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut waiting = self.ear.lock();
        waiting.remove(&self.id);
        if waiting.is_empty() {
            self.ear.idle.notify_one();
        }
    }
}

/// Something that is not MCP, with its start.
pub(crate) fn malformed(error: &FrameError, text: &[u8]) -> Cause {
    Cause::Malformed(format!("{error}: {:?}", excerpt(&text[..text.len().min(SHOWN_BYTES_MAX)])))
}

/// How much of what is not MCP is shown.
pub(crate) const SHOWN_BYTES_MAX: usize = 120;
