//! The upstream itself.

use std::collections::VecDeque;
use std::future::{pending, ready};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use mcpo_core::catalog::ServerIdentity;
use mcpo_core::fault::Stage;
use mcpo_core::trace::TraceContext;
use mcpo_mcp::answer::Answer;
use mcpo_mcp::custom::{BoxFuture, Custom, Dial, Wire};
use mcpo_mcp::error::{Cause, RequestError, RpcError, Sent};
use mcpo_testkit::tool;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::play::Make;

/// What the upstream does with one call.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// Answers with the arguments.
    Echo,
    /// Answers with an error of the tool's own.
    Refuse,
    /// Fails; the session stays.
    Fail(Sent, Cause),
    /// Fails, and the session with it.
    Die(Sent, Cause),
    /// Answers after that time.
    Slow(Duration),
    /// Never answers.
    Hang,
    /// Answers with how many calls have come.
    Count,
    /// The same, after that time.
    CountAfter(Duration),
    /// Answers with that result.
    Say(&'static str),
}

/// A call under way; one that is dropped was given up.
#[derive(Debug)]
struct UnderWay {
    up: Arc<Up>,
    is_over: bool,
}

/// The upstream.
#[derive(Debug)]
pub(crate) struct Up {
    script: Mutex<Script>,
    connection_per_call: bool,
    version: &'static str,
}

#[derive(Debug)]
struct Script {
    acts: VecDeque<Act>,
    /// Once these are over.
    then: Act,
    is_up: bool,
    /// What happens to a session that is asked for while it is not up.
    refusal: Cause,
    /// Calls that came.
    calls: usize,
    /// Calls that were given up.
    given_up: usize,
    /// Sessions asked for.
    dials: usize,
    sessions: Vec<watch::Sender<Option<Cause>>>,
}

#[derive(Debug)]
pub(super) struct Dialled(pub(super) Arc<Up>);

/// One session.
#[derive(Debug)]
struct Line {
    up: Arc<Up>,
    ended: watch::Sender<Option<Cause>>,
    changed: watch::Sender<u64>,
}

// === impl Up ===

impl Up {
    pub(super) fn new(make: &Make) -> Arc<Self> {
        let script = Script {
            acts: VecDeque::new(),
            then: Act::Echo,
            is_up: true,
            refusal: refused(),
            calls: 0,
            given_up: 0,
            dials: 0,
            sessions: Vec::new(),
        };
        let connection_per_call = make.connection_per_call;
        Arc::new(Self { script: Mutex::new(script), connection_per_call, version: make.version })
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it does with the next calls.
    pub(crate) fn acts(&self, acts: impl IntoIterator<Item = Act>) {
        self.script().acts.extend(acts);
    }

    /// What it does with every further call.
    pub(crate) fn always(&self, act: Act) {
        let mut script = self.script();
        script.acts.clear();
        script.then = act;
    }

    /// What it does once those that are set are over.
    pub(crate) fn always_next(&self, act: Act) {
        self.script().then = act;
    }

    /// Nobody is told any more whether it lives.
    pub(crate) fn stop_answering_probes(&self) {
        self.script().is_up = false;
    }

    /// All sessions end with what is under way on them, and nobody listens.
    pub(crate) fn go_down(&self) {
        let mut script = self.script();
        script.is_up = false;
        for session in &script.sessions {
            session.send_replace(Some(broken()));
        }
    }

    /// What whoever asks for a session is told while it is down.
    pub(crate) fn refuse_sessions(&self, refusal: Cause) {
        self.script().refusal = refusal;
    }

    /// It listens again.
    pub(crate) fn come_back(&self) {
        self.script().is_up = true;
    }

    /// How many calls it has seen.
    pub(crate) fn seen(&self) -> usize {
        self.script().calls
    }

    /// How many of them were given up before their answer.
    pub(crate) fn given_up(&self) -> usize {
        self.script().given_up
    }

    /// How many sessions were asked for.
    pub(crate) fn dials(&self) -> usize {
        self.script().dials
    }

    /// How many sessions were made.
    pub(crate) fn sessions(&self) -> usize {
        self.script().sessions.len()
    }

    fn count(&self) -> Answer {
        Answer::Result(format!("{{\"content\":[],\"n\":{}}}", self.seen()).into())
    }

    fn take(&self) -> Act {
        let mut script = self.script();
        script.calls += 1;
        script.acts.pop_front().unwrap_or_else(|| script.then.clone())
    }
}

impl UnderWay {
    fn new(up: &Arc<Up>) -> Self {
        Self { up: Arc::clone(up), is_over: false }
    }

    fn end(mut self) {
        self.is_over = true;
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.up.script().given_up += usize::from(!self.is_over);
    }
}

impl Dial for Dialled {
    fn dial(&self) -> BoxFuture<Result<Custom, Cause>> {
        let up = Arc::clone(&self.0);
        Box::pin(async move {
            let mut script = up.script();
            script.dials += 1;
            if !script.is_up {
                return Err(script.refusal.clone());
            }
            let ended = watch::Sender::new(None);
            script.sessions.push(ended.clone());
            drop(script);
            let mut end = ended.subscribe();
            let protocol_version = up.version.to_owned();
            let wire = Line { up, ended, changed: watch::Sender::new(0) };
            let ended = async move {
                let cause =
                    end.wait_for(Option::is_some).await.ok().and_then(|cause| cause.clone());
                cause.unwrap_or(Cause::Closed)
            };
            let identity = ServerIdentity { protocol_version, ..ServerIdentity::default() };
            Ok(Custom { identity, wire: Arc::new(wire), ended: Box::pin(ended) })
        })
    }

    fn has_connection_per_call(&self) -> bool {
        self.0.connection_per_call
    }
}

impl Wire for Line {
    fn call(
        &self,
        _name: &str,
        arguments: &[u8],
        _deadline: Instant,
        _trace: Option<&TraceContext>,
    ) -> BoxFuture<Result<Answer, RequestError>> {
        if let Some(cause) = self.ended.borrow().clone() {
            return Box::pin(ready(Err(RequestError::not_sent(cause))));
        }
        let answer = Ok(Answer::Result(Bytes::copy_from_slice(arguments)));
        let mut ended = self.ended.subscribe();
        let end = async move {
            let cause = ended.wait_for(Option::is_some).await.ok().and_then(|cause| cause.clone());
            Err(RequestError::maybe_sent(cause.unwrap_or(Cause::Closed)))
        };
        match self.up.take() {
            Act::Echo => Box::pin(ready(answer)),
            Act::Refuse => {
                let error = RpcError { code: -32602, message: "no".to_owned(), data: None };
                Box::pin(ready(Ok(Answer::Error(error))))
            }
            Act::Fail(sent, cause) => Box::pin(ready(Err(RequestError { sent, cause }))),
            Act::Die(sent, cause) => {
                self.ended.send_replace(Some(cause.clone()));
                Box::pin(ready(Err(RequestError { sent, cause })))
            }
            Act::Slow(length) => Box::pin(async move {
                tokio::select! {
                    () = sleep(length) => answer,
                    ended = end => ended,
                }
            }),
            Act::Hang => {
                let under_way = UnderWay::new(&self.up);
                Box::pin(async move {
                    let ended = end.await;
                    under_way.end();
                    ended
                })
            }
            Act::Count => Box::pin(ready(Ok(self.up.count()))),
            Act::CountAfter(length) => {
                let (counted, under_way) = (self.up.count(), UnderWay::new(&self.up));
                Box::pin(async move {
                    tokio::select! {
                        () = sleep(length) => {}
                        ended = end => return ended,
                    }
                    under_way.end();
                    Ok(counted)
                })
            }
            Act::Say(result) => {
                Box::pin(ready(Ok(Answer::Result(Bytes::from_static(result.as_bytes())))))
            }
        }
    }

    fn list(&self, _deadline: Instant) -> BoxFuture<Result<Vec<Value>, RequestError>> {
        Box::pin(ready(Ok(tools())))
    }

    fn probe(&self, _deadline: Instant) -> BoxFuture<Result<(), RequestError>> {
        match self.ended.borrow().clone() {
            Some(cause) => Box::pin(ready(Err(RequestError::not_sent(cause)))),
            None if self.up.script().is_up => Box::pin(ready(Ok(()))),
            None => Box::pin(pending()),
        }
    }

    fn tools_changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    fn close(&self) {
        self.ended.send_if_modified(|ended| {
            let news = ended.is_none();
            *ended = ended.take().or(Some(Cause::Closed));
            news
        });
    }
}

/// `write` may not act twice, `read` may; `once` may as well, but is never to be sent again. What
/// `kept` and `alone` say is kept, and calls of `alone` are not shared in flight; so is what `acts`
/// says, which may not act twice. `told` is kept as its upstream says.
pub(super) fn tools() -> Vec<Value> {
    let mut read = tool("read");
    read["annotations"] = json!({"readOnlyHint": true});
    let mut once = read.clone();
    once["name"] = json!("once");
    let [kept, alone, told] = ["kept", "alone", "told"].map(|name| {
        let mut tool = read.clone();
        tool["name"] = json!(name);
        tool
    });
    vec![tool("write"), read, once, kept, alone, told, tool("acts")]
}

fn refused() -> Cause {
    Cause::Connect { stage: Stage::Refused, reason: "refused".to_owned() }
}

pub(crate) fn broken() -> Cause {
    Cause::Broken("reset".to_owned())
}

pub(crate) fn status(status: u16, retry_after: Option<Duration>) -> Cause {
    Cause::Status { status, retry_after, body: String::new(), rpc: None, had_session: false }
}

/// The upstream says that it does not know the session.
pub(crate) fn forgotten() -> Cause {
    Cause::Status {
        status: 404,
        retry_after: None,
        body: String::new(),
        rpc: None,
        had_session: true,
    }
}
