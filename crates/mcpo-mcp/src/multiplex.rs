//! Many requests over one stream of messages in either direction: gives out ids, keeps who waits
//! for which, and knows of each request whether a byte of it can have left. Knows no transport:
//! one takes frames out of the [`Outbox`] and hands what comes in to [`Multiplexer::receive`].

mod alarm;
mod outbox;
mod waiting;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::answer::Answer;
use crate::by_id::ById;
use crate::error::{Cause, RequestError, Sent};
use crate::frame::{self, FrameError, Message, Reply};
use crate::inbound::Inbound;

pub(crate) use outbox::Outbox;
use waiting::Waiting;

/// Frames between the callers and the writer. Small: what waits here has certainly not been sent,
/// and an upstream that does not read should be felt early. A caller waits for room as long as its
/// deadline allows, since a writer that works empties the queue in microseconds.
pub(crate) const QUEUE_FRAMES_MAX: usize = 64;
/// Requests without an answer. Far above what admission lets through to one session.
pub(crate) const REQUESTS_PENDING_MAX: usize = 4096;

/// The shared side of one stream; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Multiplexer {
    shared: Arc<Shared>,
}

/// One request to be made.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) method: &'static str,
    /// Raw JSON in parts; none for no parameters.
    pub(crate) params: &'a [&'a [u8]],
    pub(crate) deadline: Instant,
    pub(crate) manner: Manner,
}

/// How a request is treated beyond its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Cancelled by a notification when given up.
    Call,
    /// `initialize`: the specification forbids to cancel it.
    Handshake,
    /// Stays open as long as it can (`subscriptions/listen`).
    Lasting,
}

/// A frame on its way out.
#[derive(Debug)]
pub(crate) struct Outgoing {
    /// The request that it is; `None` for notifications and replies.
    pub(crate) id: Option<u64>,
    /// One JSON value without line breaks, with room for one behind it.
    pub(crate) frame: Vec<u8>,
}

/// What went past without meaning anything to anybody.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Answers to requests that nobody waits for any more (cancelled ones, mostly).
    pub(crate) late: AtomicU64,
    /// Responses without a usable id that belong to nobody for certain.
    pub(crate) homeless: AtomicU64,
    /// Replies and cancellations that found the queue full.
    pub(crate) dropped: AtomicU64,
}

#[derive(Debug)]
struct Shared {
    next_id: AtomicU64,
    table: Mutex<Table>,
    queue: mpsc::Sender<Outgoing>,
    closing: Notify,
    inbound: Inbound,
    counts: Counts,
    /// Told when the alarm of the table is to ring earlier than it was.
    sooner: Arc<Notify>,
    /// [`alarm::keep`].
    _alarm: JoinSet<()>,
}

#[derive(Debug, Default)]
struct Table {
    pending: ById<Pending>,
    /// When to look for requests whose deadline is over: never later than the first deadline of
    /// all, and mostly earlier, since most of those that it was set for have been answered.
    alarm: Option<Instant>,
    /// Set once; no request is taken after it.
    ended: Option<Cause>,
}

#[derive(Debug)]
struct Pending {
    answer: oneshot::Sender<Result<Answer, RequestError>>,
    /// `false`: it waits in the queue, and no byte of it has left.
    written: bool,
    manner: Manner,
    deadline: Instant,
}

// === impl Multiplexer ===

impl Multiplexer {
    /// A new stream, and the queue that its writer empties.
    ///
    /// Must be called within a runtime.
    pub(crate) fn new() -> (Self, Outbox) {
        let (queue, receiver) = mpsc::channel(QUEUE_FRAMES_MAX);
        let sooner = Arc::new(Notify::new());
        let shared = Arc::new_cyclic(|shared| Shared {
            // Not 0: some upstreams take that for no id.
            next_id: AtomicU64::new(1),
            table: Mutex::default(),
            queue,
            closing: Notify::new(),
            inbound: Inbound::new(),
            counts: Counts::default(),
            sooner: Arc::clone(&sooner),
            _alarm: [alarm::keep(Weak::clone(shared), sooner)].into_iter().collect(),
        });
        let outbox = Outbox::new(Arc::clone(&shared), receiver);
        (Self { shared }, outbox)
    }

    /// Makes a request and waits for its answer.
    ///
    /// Cancel-safe: dropping it gives the request up; it is then never written, or, where it was
    /// already, cancelled by a notification.
    ///
    /// # Errors
    /// No answer; `sent` is exact up to the batch that the writer had in hand.
    pub(crate) async fn request(&self, request: Request<'_>) -> Result<Answer, RequestError> {
        let permit = self.room(request.deadline).await?;
        let id = self.shared.next_id.fetch_add(1, Ordering::Relaxed);
        let frame = frame::request(id, request.method, request.params);
        let waiting = self.register(id, &request)?;
        permit.send(Outgoing { id: Some(id), frame });
        waiting.answer().await
    }

    /// Sends a notification; waits for room in the queue until the deadline.
    ///
    /// # Errors
    /// It was not queued.
    pub(crate) async fn notify(
        &self,
        method: &str,
        params: &[&[u8]],
        deadline: Instant,
    ) -> Result<(), RequestError> {
        let permit = self.room(deadline).await?;
        permit.send(Outgoing { id: None, frame: frame::notification(method, params) });
        Ok(())
    }

    /// Takes in one message, or one batch of them, as it came.
    ///
    /// # Errors
    /// It is not JSON-RPC; nothing was done.
    pub(crate) fn receive(&self, text: &Bytes) -> Result<(), FrameError> {
        if !frame::is_batch(text) {
            return self.receive_one(text, text);
        }
        for message in frame::split_batch(text)? {
            if let Err(error) = self.receive_one(text, message.get().as_bytes()) {
                tracing::debug!(%error, "a message of a batch was skipped");
            }
        }
        Ok(())
    }

    /// Takes in what stands in the answer to the POST of the request `id`: an error without an id
    /// is that request's.
    ///
    /// # Errors
    /// It is not JSON-RPC; nothing was done.
    pub(crate) fn receive_for(&self, id: u64, text: &Bytes) -> Result<(), FrameError> {
        match Message::parse(text)? {
            Message::Response { id: None, reply: reply @ Reply::Error(_) } => {
                self.shared.on_response(text, Some(id), reply);
                Ok(())
            }
            Message::Response { .. } | Message::Request { .. } | Message::Notification { .. } => {
                self.receive_one(text, text)
            }
        }
    }

    /// Takes no request any more. What is queued is still written and answers still count; then
    /// the outbox ends.
    pub(crate) fn close(&self) {
        self.shared.table().ended.get_or_insert(Cause::Closed);
        self.end_outbox();
    }

    /// What is queued is still written; then the outbox ends.
    pub(crate) fn end_outbox(&self) {
        self.shared.closing.notify_one();
    }

    /// The stream is gone: every pending request fails with the cause, and every later one too.
    pub(crate) fn end(&self, cause: &Cause) {
        let pending = {
            let mut table = self.shared.table();
            table.ended.get_or_insert_with(|| cause.clone());
            std::mem::take(&mut table.pending)
        };
        self.end_outbox();
        self.shared.counts.tell();
        for pending in pending.into_values() {
            let error = match pending.sent() {
                Sent::No => RequestError::not_sent(cause.clone()),
                Sent::Maybe => RequestError::maybe_sent(inherited(cause)),
            };
            // Whoever gave up at this moment needs no answer.
            let _ = pending.answer.send(Err(error));
        }
    }

    /// A request, or another message, is about to be sent on a way of its own, and counts as sent
    /// from now on. `false`: it was given up meanwhile, and must not be sent.
    pub(crate) fn begin(&self, id: Option<u64>) -> bool {
        let Some(id) = id else { return true };
        let mut table = self.shared.table();
        let pending = table.pending.get_mut(&id);
        pending.map(|pending| pending.written = true).is_some()
    }

    /// Not a byte of this request left after all.
    pub(crate) fn take_back(&self, id: u64) {
        self.shared.take_back([id]);
    }

    /// Whether anybody waits for the answer to this request.
    pub(crate) fn awaits(&self, id: u64) -> bool {
        self.shared.table().pending.contains_key(&id)
    }

    /// One request failed on its way, where the transport can tell (an own connection for each).
    pub(crate) fn fail(&self, id: u64, error: RequestError) {
        if let Some(pending) = self.shared.table().pending.remove(&id) {
            let _ = pending.answer.send(Err(error));
        }
    }

    /// One request fails with the cause; it counts as sent if it was written.
    /// Returns whether anybody waited for it.
    pub(crate) fn fail_with(&self, id: u64, cause: Cause) -> bool {
        let Some(pending) = self.shared.table().pending.remove(&id) else { return false };
        let error = RequestError { sent: pending.sent(), cause };
        let _ = pending.answer.send(Err(error));
        true
    }

    /// Requests without an answer.
    pub(crate) fn pending(&self) -> usize {
        self.shared.table().pending.len()
    }

    /// What went past unheard.
    #[cfg(test)]
    pub(crate) fn counts(&self) -> &Counts {
        &self.shared.counts
    }

    /// See [`Inbound::tools_changed`].
    pub(crate) fn tools_changed(&self) -> watch::Receiver<u64> {
        self.shared.inbound.tools_changed()
    }

    /// The tools may have changed while nobody could tell us.
    pub(crate) fn suppose_tools_changed(&self) {
        self.shared.inbound.on_notification(TOOLS_CHANGED);
    }

    async fn room(&self, deadline: Instant) -> Result<mpsc::Permit<'_, Outgoing>, RequestError> {
        match self.shared.queue.try_reserve() {
            Ok(permit) => return Ok(permit),
            Err(mpsc::error::TrySendError::Closed(())) => return Err(self.refusal()),
            Err(mpsc::error::TrySendError::Full(())) => {}
        }
        match timeout_at(deadline, self.shared.queue.reserve()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) => Err(self.refusal()),
            Err(_) => Err(RequestError::not_sent(Cause::Full { waiting: QUEUE_FRAMES_MAX })),
        }
    }

    /// The writer is gone; if the reason is not known yet, the driver is about to find it.
    fn refusal(&self) -> RequestError {
        let ended = self.shared.table().ended.clone();
        RequestError::not_sent(
            ended.unwrap_or_else(|| Cause::Broken("nothing can be written any more".to_owned())),
        )
    }

    fn register(&self, id: u64, request: &Request<'_>) -> Result<Waiting<'_>, RequestError> {
        let &Request { manner, deadline, .. } = request;
        let (answer, receiver) = oneshot::channel();
        let mut table = self.shared.table();
        if let Some(cause) = &table.ended {
            return Err(RequestError::not_sent(cause.clone()));
        }
        if table.pending.len() >= REQUESTS_PENDING_MAX {
            return Err(RequestError::not_sent(Cause::Full { waiting: REQUESTS_PENDING_MAX }));
        }
        let is_sooner = table.alarm.is_none_or(|alarm| deadline < alarm);
        if is_sooner {
            if deadline <= Instant::now() {
                return Err(RequestError::not_sent(Cause::Deadline));
            }
            table.alarm = Some(deadline);
        }
        table.pending.insert(id, Pending { answer, written: false, manner, deadline });
        Ok(Waiting::new(&self.shared, id, receiver, is_sooner))
    }

    fn receive_one(&self, whole: &Bytes, text: &[u8]) -> Result<(), FrameError> {
        match Message::parse(text)? {
            Message::Response { id, reply } => self.shared.on_response(whole, id, reply),
            Message::Request { id, method } => {
                if let Some(reply) = self.shared.inbound.on_request(id, &method) {
                    self.shared.queue_or_drop(reply.into());
                }
            }
            Message::Notification { method, params } => {
                self.shared.on_notification(&method, params);
            }
        }
        Ok(())
    }
}

const TOOLS_CHANGED: &str = "notifications/tools/list_changed";
const CANCELLED: &str = "notifications/cancelled";

// === impl Shared ===

impl Shared {
    /// Sections under this lock are a few map operations long and never panic half-way.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_back(&self, ids: impl IntoIterator<Item = u64>) {
        let mut table = self.table();
        for id in ids {
            if let Some(pending) = table.pending.get_mut(&id) {
                pending.written = false;
            }
        }
    }

    fn on_response(&self, whole: &Bytes, id: Option<u64>, reply: Reply<'_>) {
        let pending = match id {
            Some(id) => self.table().pending.remove(&id),
            None => self.only_one_waiting(&reply),
        };
        let Some(pending) = pending else {
            let count = if id.is_some() { &self.counts.late } else { &self.counts.homeless };
            count.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(id, "an answer that nobody waits for");
            return;
        };
        let answer = match reply {
            Reply::Result(result) => Ok(Answer::Result(whole.slice_ref(result.as_bytes()))),
            Reply::Error(error) => Ok(Answer::Error(error)),
            Reply::Nonsense(why) => Err(RequestError::maybe_sent(Cause::Malformed(why.to_owned()))),
        };
        // Whoever gave up at this moment needs no answer.
        let _ = pending.answer.send(answer);
    }

    /// An error without an id, as upstreams send for what they could not read, is that of the only
    /// request that they can have seen. Of several it could be anyone's: their deadlines decide.
    fn only_one_waiting(&self, reply: &Reply<'_>) -> Option<Pending> {
        if !matches!(reply, Reply::Error(_)) {
            return None;
        }
        let mut table = self.table();
        let mut seen = table
            .pending
            .iter()
            .filter(|(_, pending)| pending.written && pending.manner != Manner::Lasting);
        let (&id, _) = seen.next()?;
        if seen.next().is_some() {
            return None;
        }
        table.pending.remove(&id)
    }

    fn on_notification(&self, method: &str, params: Option<&RawValue>) {
        if method == CANCELLED {
            self.on_cancelled(params);
        } else {
            self.inbound.on_notification(method);
        }
    }

    /// A modern upstream ends a subscription this way.
    fn on_cancelled(&self, params: Option<&RawValue>) {
        #[derive(Deserialize)]
        struct Params {
            #[serde(rename = "requestId")]
            request_id: u64,
        }
        let Some(Ok(Params { request_id })) =
            params.map(|params| serde_json::from_str(params.get()))
        else {
            return;
        };
        let mut table = self.table();
        if table.pending.get(&request_id).is_some_and(|pending| pending.manner == Manner::Lasting)
            && let Some(pending) = table.pending.remove(&request_id)
        {
            let cause = Cause::Broken("the upstream ended the subscription".to_owned());
            let _ = pending.answer.send(Err(RequestError::maybe_sent(cause)));
        }
    }

    /// Takes a request back, unless it has been answered.
    fn give_up(&self, id: u64) {
        let pending = self.table().pending.remove(&id);
        if let Some(pending) = pending {
            self.cancel(id, &pending, "the caller is gone");
        }
    }

    /// Tells the upstream that nobody waits for it any more.
    fn cancel(&self, id: u64, pending: &Pending, reason: &str) {
        if pending.written && pending.manner != Manner::Handshake {
            let params = format!("{{\"requestId\":{id},\"reason\":\"{reason}\"}}");
            self.queue_or_drop(frame::notification(CANCELLED, &[params.as_bytes()]));
        }
    }

    /// For what nobody waits for: an upstream that does not read misses it.
    fn queue_or_drop(&self, frame: Vec<u8>) {
        if self.queue.try_send(Outgoing { id: None, frame }).is_err() {
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Counts {
    fn tell(&self) {
        let [late, homeless, dropped] =
            [&self.late, &self.homeless, &self.dropped].map(|count| count.load(Ordering::Relaxed));
        if late + homeless + dropped > 0 {
            tracing::debug!(late, homeless, dropped, "messages that meant nothing to anybody");
        }
    }
}

impl Pending {
    const fn sent(&self) -> Sent {
        if self.written { Sent::Maybe } else { Sent::No }
    }
}

/// What the end of a session means to a request that was sent before. An upstream that refuses
/// another request, since it does not know the session any more, has not refused this one: it may
/// have carried it out.
fn inherited(cause: &Cause) -> Cause {
    match cause {
        Cause::Status { .. } | Cause::Refused { .. } => {
            Cause::Broken(format!("the session was lost with the call under way: {cause}"))
        }
        Cause::Start { .. }
        | Cause::Connect { .. }
        | Cause::Exited { .. }
        | Cause::Broken(_)
        | Cause::Deadline
        | Cause::Silent { .. }
        | Cause::Malformed(_)
        | Cause::TooLarge { .. }
        | Cause::Unsupported(_)
        | Cause::Full { .. }
        | Cause::Closed => cause.clone(),
    }
}

#[cfg(test)]
mod tests;
