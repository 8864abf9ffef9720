//! HTTP+SSE (2024-11-05): requests are POSTed, everything comes back on one stream of events. When
//! that breaks, what was under way is lost and the session with it.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tracing::Instrument;
use url::Url;

use crate::conversation::Conversation;
use crate::error::{Cause, RequestError, Sent};
use crate::http::HttpConnected;
use crate::http::agent::HandedOver;
use crate::http::bounds::{POST_WAIT_MAX, POSTS_MAX, REFUSALS_WAIT_MAX, SESSION_ID_BYTES_MAX};
use crate::http::detect::endpoint_wait;
use crate::http::exchange::Response;
use crate::http::peer::{Outgoing, Peer, origin};
use crate::http::refusal::{is_event_stream, is_session_lost, refusal};
use crate::http::reply::{EventStream, Next, whole_body};
use crate::http::sse_stream::{Cursor, Event, EventKind};
use crate::multiplex::{self, Multiplexer, Outbox};
use crate::session::ConnectOptions;

/// Owns the stream, and the POSTs that are under way.
#[derive(Debug)]
pub(crate) struct Driver {
    stream: EventStream,
    outbox: Outbox,
    /// Taken out of the outbox, not POSTed yet, and so not sent.
    batch: Vec<multiplex::Outgoing>,
    /// What ended a session is their result.
    posts: JoinSet<Option<Cause>>,
    target: Arc<Target>,
    multiplexer: Multiplexer,
    grace: Duration,
}

/// Where messages are POSTed.
#[derive(Debug)]
struct Target {
    peer: Peer,
    headers: HeaderMap,
    multiplexer: Multiplexer,
}

/// Opens the stream and shakes hands.
///
/// # Errors
/// No stream of that kind, or no agreement.
pub(crate) async fn connect(peer: Peer, options: &ConnectOptions) -> Result<HttpConnected, Cause> {
    let mut stream = open(&peer).await?;
    let wait = endpoint_wait(options.deadline);
    let endpoint = timeout(wait, endpoint(&mut stream, &peer.url())).await;
    let endpoint = endpoint.unwrap_or_else(|_| {
        Err(Cause::Malformed("a stream without an endpoint event".to_owned()))
    })?;
    let (multiplexer, outbox) = Multiplexer::new();
    let mut headers = peer.headers().clone();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let target = Target { peer: peer.at(endpoint)?, headers, multiplexer: multiplexer.clone() };
    let mut driver = Driver {
        stream,
        outbox,
        batch: Vec::new(),
        posts: JoinSet::new(),
        target: Arc::new(target),
        multiplexer: multiplexer.clone(),
        grace: options.grace,
    };
    let conversation = tokio::select! {
        agreed = Conversation::initialize(multiplexer, options) => agreed.map_err(|error| error.cause)?,
        cause = driver.work() => return Err(cause),
    };
    driver.post_in_order().await?;
    let identity = conversation.introduction().identity.clone();
    let handle = crate::http::Handle::Sse(Box::new(conversation));
    Ok(HttpConnected { handle, driver: crate::http::Driver::Sse(Box::new(driver)), identity })
}

async fn open(peer: &Peer) -> Result<EventStream, Cause> {
    let mut headers = peer.headers().clone();
    headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
    let handed_over = HandedOver::default();
    let get =
        Outgoing { method: Method::GET, headers: &headers, body: None, handed_over: &handed_over };
    let response = peer.send(&get).await.map_err(|error| error.cause)?;
    if !response.status().is_success() {
        return Err(refusal(response, false).await);
    }
    if !is_event_stream(response.headers()) {
        return Err(Cause::Malformed(
            "a GET was answered with something else than events".to_owned(),
        ));
    }
    Ok(EventStream::new(response, Cursor::default()))
}

/// Waits for the event that says where to POST; that must be where the stream comes from, since
/// credentials go there.
async fn endpoint(stream: &mut EventStream, base: &Url) -> Result<Url, Cause> {
    loop {
        match stream.next().await? {
            Next::Event(Event { kind: EventKind::Endpoint, data }) => return resolve(&data, base),
            Next::Event(_) => {}
            Next::Json(_) => {
                return Err(Cause::Malformed("JSON instead of an endpoint event".to_owned()));
            }
            // It may be a stream of another kind.
            Next::End => {
                return Err(Cause::Malformed("a stream without an endpoint event".to_owned()));
            }
            Next::Cut(reason) => {
                return Err(Cause::Broken(format!("before the endpoint event: {reason}")));
            }
        }
    }
}

fn resolve(data: &Bytes, base: &Url) -> Result<Url, Cause> {
    if data.len() > SESSION_ID_BYTES_MAX {
        return Err(Cause::TooLarge { limit_bytes: SESSION_ID_BYTES_MAX });
    }
    let url = std::str::from_utf8(data).ok().and_then(|text| base.join(text.trim()).ok());
    let url =
        url.ok_or_else(|| Cause::Malformed("an endpoint event without an address".to_owned()))?;
    if url.origin() == base.origin() {
        Ok(url)
    } else {
        Err(Cause::Malformed(format!(
            "the endpoint event leads from {} to {}",
            origin(base),
            origin(&url)
        )))
    }
}

// === impl Driver ===

impl Driver {
    pub(crate) async fn run(mut self) -> Cause {
        let target = Arc::clone(&self.target);
        let cause = tokio::select! {
            cause = self.work() => cause,
            never = target.peer.tend() => match never {},
        };
        if is_session_lost(&cause) {
            // The others are about to be refused, too, and a call that was is known not to have
            // been carried out.
            let all_refused = async { while self.posts.join_next().await.is_some() {} };
            let _in_time = timeout(REFUSALS_WAIT_MAX, all_refused).await;
        }
        // First, since each of them says whether it has left.
        self.posts.shutdown().await;
        self.multiplexer.end(&cause);
        cause
    }

    /// POSTs what is queued, one after the other. Requests have connections of their own: the first
    /// one must not overtake `notifications/initialized`, or the upstream refuses it.
    async fn post_in_order(&mut self) -> Result<(), Cause> {
        if self.batch.is_empty() && self.outbox.next_unsent(&mut self.batch).await {
            self.batch.reverse();
        }
        while let Some(message) = self.batch.pop() {
            if let Some(posting) = Posting::begin(&self.target, message)
                && let Some(lost) = posting.post().await
            {
                return Err(lost);
            }
        }
        Ok(())
    }

    /// Carries messages in both directions until the session is lost or closed.
    ///
    /// Cancel-safe: it goes on where it was.
    async fn work(&mut self) -> Cause {
        loop {
            while self.posts.len() < POSTS_MAX
                && let Some(message) = self.batch.pop()
            {
                if let Some(posting) = Posting::begin(&self.target, message) {
                    self.posts.spawn(posting.post().in_current_span());
                }
            }
            tokio::select! {
                next = self.stream.next() => {
                    if let Some(cause) = self.take(next) {
                        return cause;
                    }
                }
                more = self.outbox.next_unsent(&mut self.batch), if self.batch.is_empty() => {
                    if !more {
                        return self.finish().await;
                    }
                    // They are taken from the end.
                    self.batch.reverse();
                }
                Some(posted) = self.posts.join_next() => {
                    if let Ok(Some(cause)) = posted {
                        return cause;
                    }
                }
            }
        }
    }

    /// Closed by us: those under way may still be answered for a while.
    async fn finish(&mut self) -> Cause {
        let until = Instant::now() + self.grace;
        while self.multiplexer.pending() > 0 {
            let Ok(next) = tokio::time::timeout_at(until, self.stream.next()).await else { break };
            if self.take(next).is_some() {
                break;
            }
        }
        Cause::Closed
    }

    fn take(&self, next: Result<Next, Cause>) -> Option<Cause> {
        match next {
            Ok(Next::Event(Event { kind: EventKind::Message, data })) => {
                if let Err(error) = self.multiplexer.receive(&data) {
                    tracing::debug!(%error, "an event that is not MCP");
                }
                None
            }
            Ok(Next::Event(_)) => None,
            Ok(Next::Json(_)) => Some(Cause::Malformed("a stream without events".to_owned())),
            Ok(Next::End) => Some(Cause::Broken("it ended".to_owned())),
            Ok(Next::Cut(reason)) => Some(Cause::Broken(reason)),
            Err(cause) => Some(cause),
        }
    }
}

impl Drop for Driver {
    /// Nobody reads answers any more.
    fn drop(&mut self) {
        self.multiplexer.end(&Cause::Closed);
    }
}

/// One message that is being POSTed. Dropping it says whether it has left.
struct Posting {
    target: Arc<Target>,
    id: Option<u64>,
    body: Bytes,
    handed_over: HandedOver,
}

impl Posting {
    /// `None`: nobody waits for it any more.
    fn begin(target: &Arc<Target>, message: multiplex::Outgoing) -> Option<Self> {
        let multiplex::Outgoing { id, frame } = message;
        target.multiplexer.begin(id).then(|| Self {
            target: Arc::clone(target),
            id,
            body: frame.into(),
            handed_over: HandedOver::default(),
        })
    }

    /// POSTs it; gives the cause where the answer says that the session is gone.
    async fn post(self) -> Option<Cause> {
        let mut response = match self.send().await {
            Ok(response) => response,
            Err(error) => {
                self.fail(error);
                return None;
            }
        };
        self.handed_over.was_answered();
        if !response.status().is_success() {
            let cause = refusal(response, true).await;
            let lost = is_session_lost(&cause).then(|| cause.clone());
            self.fail(RequestError::maybe_sent(cause));
            return lost;
        }
        // Some upstreams answer right here.
        let is_json = response
            .headers()
            .get(CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
        let Some(id) = self.id.filter(|_| is_json) else {
            response.let_go();
            return None;
        };
        if let Ok(Ok(body)) = timeout(POST_WAIT_MAX, whole_body(&mut response)).await
            && body.trim_ascii_start().first() == Some(&b'{')
        {
            let _not_an_answer = self.target.multiplexer.receive_for(id, &body);
        }
        None
    }

    /// Waits for the answer's head: as long as somebody waits for the answer itself, which comes
    /// on the stream and may be long in coming while the upstream holds this open.
    async fn send(&self) -> Result<Response, RequestError> {
        let post = Outgoing {
            method: Method::POST,
            headers: &self.target.headers,
            body: Some(self.body.clone()),
            handed_over: &self.handed_over,
        };
        let mut sending = pin!(self.target.peer.send(&post));
        loop {
            if let Ok(sent) = timeout(POST_WAIT_MAX, &mut sending).await {
                return sent;
            }
            if !self.id.is_some_and(|id| self.target.multiplexer.awaits(id)) {
                let sent = self.handed_over.sent();
                return Err(RequestError { sent, cause: Cause::Deadline });
            }
        }
    }

    fn fail(&self, error: RequestError) {
        if let Some(id) = self.id {
            self.target.multiplexer.fail(id, error);
        }
    }
}

impl Drop for Posting {
    fn drop(&mut self) {
        if let Some(id) = self.id
            && self.handed_over.sent() == Sent::No
        {
            self.target.multiplexer.take_back(id);
        }
    }
}
