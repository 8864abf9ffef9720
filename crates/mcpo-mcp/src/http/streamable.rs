//! A session over Streamable HTTP, in either era, and the driver behind it.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use mcpo_core::trace::{TRACEPARENT, TRACESTATE, TraceContext};
use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tracing::Instrument;

use crate::answer::Answer;
use crate::error::{Cause, RequestError};
use crate::frame::METHOD_NOT_FOUND;
use crate::http::bounds::{OUTBOUND_POSTS_MAX, SESSION_ID_BYTES_MAX, SIDE_POST_WAIT_MAX};
use crate::http::line::{Line, LineEra, Manner, PROTOCOL_VERSION, Request, SESSION_ID};
use crate::http::mirror::{Mirrors, header_value};
use crate::http::peer::Peer;
use crate::http::refusal::{is_session_lost, names_lost_session};
use crate::http::{HttpConnected, listen};
use crate::protocol::{
    self, Dialect, Discovery, Introduction, Pager, UNSUPPORTED_VERSION, in_quotes, trace_members,
};
use crate::session::{Call, ConnectOptions};

const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const NAME: HeaderName = HeaderName::from_static("mcp-name");
/// MCP 2026-07-28, basic/transports/streamable-http, "Server Validation".
const HEADER_MISMATCH: i64 = -32020;
const CALL: &str = "tools/call";

/// A session that both sides agreed on.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) line: Line,
    pub(crate) dialect: Dialect,
    pub(crate) introduction: Introduction,
    /// Which arguments are shown in headers (modern).
    mirrors: Mirrors,
}

/// Owns what goes on beside the requests: the upstream's own stream, replies and cancellations.
#[derive(Debug)]
pub(crate) struct Driver {
    session: Arc<Session>,
    outbound: mpsc::Receiver<Bytes>,
    grace: Duration,
}

/// What came of opening the modern era.
#[derive(Debug)]
pub(crate) enum Opened {
    Modern(Box<HttpConnected>),
    /// The upstream answered, and speaks only the legacy era.
    LegacyOnly,
}

/// Shakes hands in the legacy era.
///
/// # Errors
/// No answer, or one that is not an agreement.
pub(crate) async fn initialize(
    peer: Peer,
    options: &ConnectOptions,
) -> Result<HttpConnected, RequestError> {
    const INITIALIZE: &str = "initialize";
    let (mut line, outbound) = Line::new(peer, LineEra::Legacy);
    let params = protocol::initialize_params(options);
    let request = Request {
        method: INITIALIZE,
        params: &[params.as_bytes()],
        headers: HeaderMap::new(),
        deadline: options.deadline,
        manner: Manner::CloseOnly,
    };
    let answer = line.request(request).await?;
    let result = protocol::expect_result(INITIALIZE, answer)?;
    let introduction = protocol::read_initialize(&result).map_err(RequestError::maybe_sent)?;
    if let Some(mut id) = line.take_offered_session() {
        id.set_sensitive(true);
        if id.len() > SESSION_ID_BYTES_MAX {
            return Err(RequestError::maybe_sent(Cause::TooLarge {
                limit_bytes: SESSION_ID_BYTES_MAX,
            }));
        }
        line.always_send(SESSION_ID, id);
    }
    if let Ok(version) = HeaderValue::from_str(&introduction.identity.protocol_version) {
        line.always_send(PROTOCOL_VERSION, version);
    }
    let initialized = crate::frame::notification("notifications/initialized", &[]).into();
    let status = line.post(initialized).await?;
    if !status.is_success() {
        // It said yes to `initialize`; if it means no, the first request will tell.
        tracing::debug!(status = status.as_u16(), "the upstream does not take notifications");
    }
    Ok(connected(line, outbound, Dialect::Legacy, introduction, options))
}

/// Opens the modern era with `server/discover`.
///
/// # Errors
/// No answer, or an error as answer.
pub(crate) async fn discover(
    peer: Peer,
    options: &ConnectOptions,
    deadline: Instant,
) -> Result<Opened, RequestError> {
    const DISCOVER: &str = "server/discover";
    let (mut line, outbound) = Line::new(peer, LineEra::Modern);
    line.always_send(PROTOCOL_VERSION, HeaderValue::from_static(protocol::MODERN));
    let dialect = Dialect::modern(options);
    let mut tried = 0;
    let answer = loop {
        let request = Request {
            method: DISCOVER,
            params: &dialect.no_params(),
            headers: method_header(DISCOVER),
            deadline,
            manner: Manner::CloseOnly,
        };
        tried += 1;
        match line.request(request).await {
            // Some name our version only after they refused it once.
            Err(RequestError { cause: Cause::Status { rpc: Some(error), .. }, .. })
                if tried == 1 && protocol::offers_modern(&error) => {}
            answered => break answered?,
        }
    };
    let result = protocol::expect_result(DISCOVER, answer)?;
    match protocol::read_discover(&result).map_err(RequestError::maybe_sent)? {
        Discovery::Modern(introduction) => {
            Ok(Opened::Modern(Box::new(connected(line, outbound, dialect, introduction, options))))
        }
        Discovery::LegacyOnly => Ok(Opened::LegacyOnly),
    }
}

fn connected(
    line: Line,
    outbound: mpsc::Receiver<Bytes>,
    dialect: Dialect,
    introduction: Introduction,
    options: &ConnectOptions,
) -> HttpConnected {
    let identity = introduction.identity.clone();
    let session = Arc::new(Session { line, dialect, introduction, mirrors: Mirrors::default() });
    let driver = Driver { session: Arc::clone(&session), outbound, grace: options.grace };
    HttpConnected {
        handle: crate::http::Handle::Streamable(session),
        driver: crate::http::Driver::Streamable(driver),
        identity,
    }
}

pub(crate) fn method_header(method: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(METHOD, HeaderValue::from_static(method))])
}

/// W3C Trace Context, sections 3.2 and 3.3.
fn show_trace(trace: &TraceContext, headers: &mut HeaderMap) {
    let parts = [
        (TRACEPARENT, Some(trace.traceparent())),
        (TRACESTATE, trace.tracestate().map(str::to_owned)),
    ];
    for (name, value) in parts {
        // Both are printable ASCII.
        if let Some(Ok(value)) = value.map(HeaderValue::try_from) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
}

// === impl Session ===

impl Session {
    /// See [`Session::call_tool`](crate::session::Session::call_tool).
    pub(crate) async fn call_tool(&self, call: &Call<'_>) -> Result<Answer, RequestError> {
        let answer = match self.call_once(call).await {
            Err(error) if self.is_modern() && is_header_mismatch(&error.cause) => {
                Box::pin(self.call_with_new_headers(call, error)).await?
            }
            answered => answered?,
        };
        if let Answer::Result(result) = &answer {
            self.dialect.check_result(result).map_err(RequestError::maybe_sent)?;
        }
        Ok(answer)
    }

    /// It was refused unseen: the tool's schema, and so its headers, may have changed.
    async fn call_with_new_headers(
        &self,
        call: &Call<'_>,
        refused: RequestError,
    ) -> Result<Answer, RequestError> {
        let before = self.mirrors.of(call.name);
        let listed = self.list_tools(call.deadline).await;
        if listed.is_err() || self.mirrors.of(call.name) == before {
            return Err(refused);
        }
        self.call_once(call).await
    }

    fn call_once(
        &self,
        &Call { name, arguments, deadline, trace }: &Call<'_>,
    ) -> impl Future<Output = Result<Answer, RequestError>> + use<'_> {
        let mut headers = self.headers_for(CALL);
        if self.is_modern() {
            headers.insert(NAME, header_value(name));
            self.mirrors.show(name, arguments, &mut headers);
        }
        if let Some(trace) = trace {
            show_trace(trace, &mut headers);
        }
        let name = in_quotes(name);
        let trace = trace.map(trace_members);
        let params = self.dialect.call_tool(&name, arguments, trace.as_deref());
        self.ask(CALL, &params, headers, deadline)
    }

    /// See [`Session::list_tools`](crate::session::Session::list_tools). In the modern era a tool
    /// whose `x-mcp-header` is invalid is left out, as the specification demands.
    pub(crate) async fn list_tools(&self, deadline: Instant) -> Result<Vec<Value>, RequestError> {
        const LIST: &str = "tools/list";
        let mut pager = Pager::default();
        while let Some(params) = pager.next_params(&self.dialect) {
            let answer = match self.ask(LIST, &params, self.headers_for(LIST), deadline).await {
                // An upstream that declares no tools and does not know the method has none.
                Err(error) if !self.introduction.has_tools && is_unknown_method(&error.cause) => {
                    break;
                }
                Ok(Answer::Error(error))
                    if !self.introduction.has_tools && error.code == METHOD_NOT_FOUND =>
                {
                    break;
                }
                answered => answered?,
            };
            pager
                .take(&protocol::expect_result(LIST, answer)?)
                .map_err(RequestError::maybe_sent)?;
        }
        let (mut tools, unreadable) = pager.into_tools();
        if unreadable > 0 {
            tracing::warn!(unreadable, "tools that cannot be read are left out");
        }
        if self.is_modern() {
            self.mirrors.learn(&mut tools);
        }
        Ok(tools)
    }

    /// See [`Session::probe`](crate::session::Session::probe).
    pub(crate) async fn probe(&self, deadline: Instant) -> Result<(), RequestError> {
        let method = self.dialect.probe_method();
        match self.ask(method, &self.dialect.no_params(), self.headers_for(method), deadline).await
        {
            Err(error) if is_unknown_method(&error.cause) => Ok(()),
            answered => answered.map(|_sign_of_life| ()),
        }
    }

    pub(crate) fn tools_changed(&self) -> watch::Receiver<u64> {
        self.line.ear.inbound.tools_changed()
    }

    pub(crate) fn close(&self) {
        self.line.end(Cause::Closed);
    }

    pub(crate) const fn is_modern(&self) -> bool {
        matches!(self.dialect, Dialect::Modern { .. })
    }

    fn ask(
        &self,
        method: &'static str,
        params: &[&[u8]],
        headers: HeaderMap,
        deadline: Instant,
    ) -> impl Future<Output = Result<Answer, RequestError>> + use<'_> {
        let manner = if self.is_modern() { Manner::CloseOnly } else { Manner::CancelAndResume };
        let post = self.line.compose(Request { method, params, headers, deadline, manner });
        async move {
            match self.line.answered(&post).await {
                Ok(Answer::Error(error))
                    if self.line.has_session() && names_lost_session(&error) =>
                {
                    let cause = Cause::Refused { method, error };
                    self.line.end(cause.clone());
                    Err(RequestError::maybe_sent(cause))
                }
                Err(error) => {
                    if self.is_over(&error.cause)
                        || self.may_be_over(&error.cause)
                            && Box::pin(self.is_denied(deadline)).await
                    {
                        self.line.end(error.cause.clone());
                    }
                    Err(error)
                }
                answer @ Ok(_) => answer,
            }
        }
    }

    /// Whether the cause says that this session, or its era, is not spoken any more, so that the
    /// next one must be agreed on anew.
    fn is_over(&self, cause: &Cause) -> bool {
        is_session_lost(cause)
            || self.is_modern()
                && matches!(cause, Cause::Status { rpc: Some(error), .. } if error.code == UNSUPPORTED_VERSION)
    }

    /// Whether the cause is one that legacy upstreams give to every request without a session. A
    /// gateway gives the same to a single request that it does not like.
    fn may_be_over(&self, cause: &Cause) -> bool {
        let Cause::Status { status, rpc, .. } = cause else { return false };
        let code = rpc.as_ref().map(|error| error.code);
        self.is_modern()
            && (*status == 400 && matches!(code, None | Some(-32000 | -32600))
                || matches!(status, 404 | 405) && code.is_none())
    }

    /// Asks whether the upstream still speaks the modern era: one refused request must not cost
    /// all others their session.
    async fn is_denied(&self, deadline: Instant) -> bool {
        const DISCOVER: &str = "server/discover";
        let request = Request {
            method: DISCOVER,
            params: &self.dialect.no_params(),
            headers: method_header(DISCOVER),
            deadline: deadline.min(Instant::now() + SIDE_POST_WAIT_MAX),
            manner: Manner::CloseOnly,
        };
        match self.line.request(request).await {
            Ok(Answer::Result(result)) => {
                !matches!(protocol::read_discover(&result), Ok(Discovery::Modern(_)))
            }
            Ok(Answer::Error(_)) => true,
            Err(error) => self.is_over(&error.cause) || self.may_be_over(&error.cause),
        }
    }

    fn headers_for(&self, method: &'static str) -> HeaderMap {
        if self.is_modern() { method_header(method) } else { HeaderMap::new() }
    }
}

fn is_header_mismatch(cause: &Cause) -> bool {
    matches!(cause, Cause::Status { rpc: Some(error), .. } if error.code == HEADER_MISMATCH)
}

/// The modern era says with 404 that it does not know a method.
fn is_unknown_method(cause: &Cause) -> bool {
    matches!(cause, Cause::Status { rpc: Some(error), .. } if error.code == METHOD_NOT_FOUND)
}

// === impl Driver ===

impl Driver {
    pub(crate) async fn run(mut self) -> Cause {
        let session = Arc::clone(&self.session);
        let mut listener = JoinSet::new();
        listener.spawn(listen::listen(Arc::clone(&session)).in_current_span());
        let mut posts = JoinSet::new();
        let mut tending = pin!(session.line.peer.tend());
        let cause = loop {
            tokio::select! {
                cause = session.line.ended() => break cause,
                never = &mut tending => match never {},
                Some(message) = self.outbound.recv(), if posts.len() < OUTBOUND_POSTS_MAX => {
                    posts.spawn(post(Arc::clone(&session), message).in_current_span());
                }
                Some(_) = posts.join_next() => {}
            }
        };
        listener.shutdown().await;
        if matches!(cause, Cause::Closed) {
            self.finish(&mut posts).await;
        }
        posts.shutdown().await;
        cause
    }

    /// Closed by us: lets those under way end, says what is left to say, and gives the session
    /// back; each half within the grace.
    async fn finish(&mut self, posts: &mut JoinSet<()>) {
        if timeout(self.grace, self.session.line.ear.idle()).await.is_err() {
            self.session.line.abandon();
        }
        while let Ok(message) = self.outbound.try_recv() {
            posts.spawn(post(Arc::clone(&self.session), message).in_current_span());
        }
        let line = &self.session.line;
        let farewell = async {
            while posts.join_next().await.is_some() {}
            if line.has_session() {
                line.delete().await;
            }
        };
        if timeout(self.grace, farewell).await.is_err() {
            tracing::debug!("the upstream did not take leave in time");
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // After a loss, requests under way may still be answered: only the session is gone.
        self.session.line.abandon_unless_ended();
    }
}

async fn post(session: Arc<Session>, message: Bytes) {
    match session.line.post(message).await {
        Ok(status) => {
            tracing::debug!(status = status.as_u16(), "sent a message without answer");
        }
        Err(error) => tracing::debug!(%error, "a message without answer was not sent"),
    }
}
