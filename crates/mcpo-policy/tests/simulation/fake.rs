//! Servers in memory: what they do with a call, a probe, a handshake follows their troubles and
//! their dice. They never say of a call that it was not carried out when it was, or can be.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use fastrand::Rng;
use mcpo_core::catalog::ServerIdentity;
use mcpo_core::fault::Stage;
use mcpo_mcp::answer::Answer;
use mcpo_mcp::custom::{BoxFuture, Custom, Dial, Wire};
use mcpo_mcp::error::{Cause, RequestError, RpcError, Sent};
use serde_json::{Value, json};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, sleep_until};

use crate::history::{Alive, Happening, History};
use crate::scenario::{ServerPlan, Trouble, TroubleKind};

/// How long it takes to find out that there is no way.
const NO_WAY: Duration = Duration::from_secs(3);
/// Longer than most callers wait.
const SLOW: Duration = Duration::from_secs(6);

/// One server in one place.
#[derive(Debug)]
pub(crate) struct Server {
    plan: ServerPlan,
    place: usize,
    history: Arc<History>,
    /// From now on nothing goes wrong.
    pub(crate) is_calm: AtomicBool,
    lines: Mutex<Vec<Arc<Line>>>,
}

/// A session, as the server knows it. Whoever waits for it wakes in the order of coming, unlike
/// with `watch`, whose order is random.
#[derive(Debug, Default)]
struct Line {
    state: Mutex<LineState>,
    changed: Notify,
    tools: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct LineState {
    end: Option<Cause>,
    /// How often what was under way broke, and nothing else.
    cuts: u64,
}

/// How sessions with it are made.
#[derive(Debug)]
pub(crate) struct Dialled(pub(crate) Arc<Server>);

/// A session, as the other side has it.
#[derive(Debug)]
struct Session {
    server: Arc<Server>,
    number: usize,
    born: Duration,
    line: Arc<Line>,
    _alive: Alive,
}

/// What becomes of one attempt at a call.
#[derive(Debug, Clone)]
enum Fate {
    /// It is carried out and answered.
    Answer,
    /// The tool itself says no.
    ToolError,
    /// It was never carried out, and the server says so.
    Refused(Cause),
    /// It was never even sent.
    NeverSent(Cause),
    /// It may have been carried out.
    Lost { acted: bool, cause: Cause, takes_session: bool },
    /// The same, as -32603.
    Internal { acted: bool },
    /// It waits in a queue until its deadline.
    NeverWritten,
    /// Nothing ever comes.
    Silence { acted: bool },
}

// === impl Server ===

impl Server {
    pub(crate) fn new(plan: &ServerPlan, place: usize, history: &Arc<History>) -> Arc<Self> {
        let (plan, history) = (plan.clone(), Arc::clone(history));
        let (is_calm, lines) = (AtomicBool::new(false), Mutex::default());
        Arc::new(Self { plan, place, history, is_calm, lines })
    }

    fn troubles_now(&self) -> impl Iterator<Item = &Trouble> {
        let now = self.history.now();
        let calm = self.is_calm.load(Ordering::Relaxed);
        self.plan.troubles.iter().filter(move |one| !calm && (one.from..one.to).contains(&now))
    }

    fn trouble(&self, kind: TroubleKind) -> Option<&Trouble> {
        self.troubles_now().find(|one| one.kind == kind)
    }

    fn refusal(&self) -> Option<Cause> {
        self.troubles_now().find_map(|one| match one.kind {
            TroubleKind::Unauthorized => Some(status(401, None, false)),
            TroubleKind::Throttling(wait) => {
                let code = if self.history.dice(Rng::bool) { 429 } else { 503 };
                Some(status(code, wait, false))
            }
            TroubleKind::Down
            | TroubleKind::Unreachable
            | TroubleKind::Hang
            | TroubleKind::Frozen
            | TroubleKind::Slow
            | TroubleKind::Forgetful
            | TroubleKind::Failing
            | TroubleKind::Internal
            | TroubleKind::Nonsense
            | TroubleKind::Resets
            | TroubleKind::Relists => None,
        })
    }

    /// Breaks whatever is under way. Over a pipe the sessions end with it; over HTTP nobody learns
    /// of it before the next call.
    pub(crate) fn crash(&self) {
        for line in &*self.lines.lock().unwrap_or_else(PoisonError::into_inner) {
            line.state().cuts += 1;
            line.changed.notify_waiters();
            if !self.plan.connection_per_call {
                line.end(broken());
            }
        }
    }

    pub(crate) fn tell_tools_changed(&self) {
        for line in &*self.lines.lock().unwrap_or_else(PoisonError::into_inner) {
            line.tools.send_modify(|version| *version += 1);
        }
    }

    /// Waits while it stands still.
    async fn thaw(&self) {
        while let Some(until) = self.trouble(TroubleKind::Frozen).map(|one| one.to) {
            sleep_until(self.history.at(until)).await;
        }
    }

    /// What stands in the way of a handshake.
    async fn shake(&self) -> Result<(), Cause> {
        if self.trouble(TroubleKind::Down).is_some() {
            let reason = "nobody listens".to_owned();
            return Err(Cause::Connect { stage: Stage::Refused, reason });
        }
        if self.trouble(TroubleKind::Unreachable).is_some() {
            sleep(NO_WAY).await;
            return Err(Cause::Connect { stage: Stage::Route, reason: "no way".to_owned() });
        }
        if self.trouble(TroubleKind::Hang).is_some() {
            return std::future::pending().await;
        }
        self.thaw().await;
        sleep(self.plan.handshake).await;
        if let Some(refusal) = self.refusal() {
            return Err(refusal);
        }
        if self.trouble(TroubleKind::Nonsense).is_some() {
            return Err(Cause::Malformed("<html>".to_owned()));
        }
        if self.trouble(TroubleKind::Failing).is_some() && self.history.dice(Rng::bool) {
            return Err(status(500, None, false));
        }
        if self.trouble(TroubleKind::Down).is_some() {
            return Err(broken());
        }
        Ok(())
    }

    fn fate(&self, born: Duration) -> Fate {
        if let Some(refusal) = self.refusal() {
            return Fate::Refused(refusal);
        }
        let now = self.history.now();
        let is = |kind| self.trouble(kind).is_some();
        if is(TroubleKind::Down) {
            let reason = "nobody listens".to_owned();
            return Fate::NeverSent(Cause::Connect { stage: Stage::Refused, reason });
        }
        let forgot = |one: &Trouble| {
            matches!(one.kind, TroubleKind::Forgetful | TroubleKind::Down)
                && born < one.from
                && one.from <= now
        };
        if self.plan.connection_per_call && self.plan.troubles.iter().any(forgot) {
            return Fate::Refused(status(404, None, true));
        }
        let [acted, mostly] = self.history.dice(|dice| [dice.bool(), dice.u32(0..4) > 0]);
        if is(TroubleKind::Hang) {
            return Fate::Silence { acted };
        }
        if is(TroubleKind::Unreachable) && self.plan.connection_per_call {
            let reason = "no way".to_owned();
            return Fate::NeverSent(Cause::Connect { stage: Stage::Route, reason });
        }
        if mostly && is(TroubleKind::Failing) {
            return Fate::Lost { acted, cause: status(500, None, false), takes_session: false };
        }
        if mostly && is(TroubleKind::Internal) {
            return Fate::Internal { acted };
        }
        if mostly && is(TroubleKind::Nonsense) {
            let cause = Cause::Malformed("<html>".to_owned());
            return Fate::Lost { acted, cause, takes_session: false };
        }
        if mostly && is(TroubleKind::Resets) {
            return Fate::Lost {
                acted,
                cause: broken(),
                takes_session: !self.plan.connection_per_call,
            };
        }
        self.noise(acted)
    }

    fn noise(&self, acted: bool) -> Fate {
        let calm = self.is_calm.load(Ordering::Relaxed);
        let (dice, which) = self.history.dice(|dice| (dice.u32(0..1000), dice.u32(0..8)));
        if calm || dice >= self.plan.noise {
            return Fate::Answer;
        }
        let takes_session = !self.plan.connection_per_call;
        match which {
            0 => Fate::ToolError,
            1 => Fate::Lost { acted, cause: broken(), takes_session },
            2 => Fate::Lost { acted, cause: status(502, None, false), takes_session: false },
            3 => Fate::Internal { acted },
            4 => Fate::NeverSent(broken()),
            5 => Fate::NeverWritten,
            6 => Fate::Silence { acted },
            _ => Fate::Lost {
                acted,
                cause: Cause::TooLarge { limit_bytes: 1 },
                takes_session: false,
            },
        }
    }
}

fn broken() -> Cause {
    Cause::Broken("reset".to_owned())
}

fn status(status: u16, retry_after: Option<Duration>, had_session: bool) -> Cause {
    Cause::Status { status, retry_after, body: String::new(), rpc: None, had_session }
}

/// What every server offers: see [`crate::scenario::Tool`].
fn tools() -> Vec<Value> {
    let schema = json!({"type": "object"});
    let tool = |name: &str, read_only: bool| json!({"name": name, "inputSchema": schema, "annotations": {"readOnlyHint": read_only}});
    vec![tool("write", false), tool("read", true), tool("once", true)]
}

// === impl Line ===

impl Line {
    fn state(&self) -> MutexGuard<'_, LineState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first end is the reason.
    fn end(&self, cause: Cause) {
        self.state().end.get_or_insert(cause);
        self.changed.notify_waiters();
    }

    /// Ends when the session has, with the reason.
    async fn ended(self: Arc<Self>) -> Cause {
        self.until(|state| state.end.clone()).await
    }

    /// Ends when what is under way breaks, with the reason.
    fn cut(self: Arc<Self>) -> impl Future<Output = Cause> {
        let before = self.state().cuts;
        async move {
            let broke = |state: &LineState| (state.cuts > before).then(broken);
            self.until(|state| state.end.clone().or_else(|| broke(state))).await
        }
    }

    async fn until(&self, holds: impl Fn(&LineState) -> Option<Cause>) -> Cause {
        loop {
            let changed = self.changed.notified();
            if let Some(cause) = holds(&self.state()) {
                return cause;
            }
            changed.await;
        }
    }
}

impl Dial for Dialled {
    fn dial(&self) -> BoxFuture<Result<Custom, Cause>> {
        let server = Arc::clone(&self.0);
        let alive = server.history.alive();
        Box::pin(async move {
            server.shake().await?;
            let line = Arc::new(Line::default());
            let number = {
                let mut lines = server.lines.lock().unwrap_or_else(PoisonError::into_inner);
                lines.push(Arc::clone(&line));
                lines.len()
            };
            let (name, place) = (server.plan.name.clone(), server.place);
            server.history.note(Happening::Opened { server: name, place, session: number });
            let born = server.history.now();
            let session = Session { server, number, born, line: Arc::clone(&line), _alive: alive };
            Ok(Custom {
                identity: ServerIdentity::default(),
                wire: Arc::new(session),
                ended: Box::pin(line.ended()),
            })
        })
    }

    fn has_connection_per_call(&self) -> bool {
        self.0.plan.connection_per_call
    }
}

// === impl Session ===

impl Session {
    fn ended(&self) -> Option<Cause> {
        self.line.state().end.clone()
    }

    /// A question that is no call: answered, refused, or met with silence.
    fn asked<T: Send + 'static>(&self, answer: T) -> BoxFuture<Result<T, RequestError>> {
        if let Some(cause) = self.ended() {
            return Box::pin(std::future::ready(Err(RequestError::not_sent(cause))));
        }
        let (server, born, line) = (Arc::clone(&self.server), self.born, Arc::clone(&self.line));
        let answering = async move {
            server.thaw().await;
            let fate = server.fate(born);
            match fate {
                Fate::Silence { .. } | Fate::NeverWritten => std::future::pending().await,
                Fate::Refused(cause) => Err(RequestError::maybe_sent(cause)),
                Fate::NeverSent(cause) => Err(RequestError::not_sent(cause)),
                Fate::Lost { cause, .. } => Err(RequestError::maybe_sent(cause)),
                Fate::Answer | Fate::ToolError | Fate::Internal { .. } => Ok(answer),
            }
        };
        Box::pin(async move {
            tokio::select! {
                biased;
                cause = line.cut() => Err(RequestError::maybe_sent(cause)),
                answered = answering => answered,
            }
        })
    }
}

impl Wire for Session {
    fn call(
        &self,
        name: &str,
        arguments: &[u8],
        deadline: Instant,
    ) -> BoxFuture<Result<Answer, RequestError>> {
        if let Some(cause) = self.ended() {
            return Box::pin(std::future::ready(Err(RequestError::not_sent(cause))));
        }
        let attempt = Attempt::new(&self.server, self.number, name, arguments);
        let fate = self.server.fate(self.born);
        let (server, line) = (Arc::clone(&self.server), Arc::clone(&self.line));
        Box::pin(attempt.run(fate, server, line, deadline))
    }

    fn list(&self, _deadline: Instant) -> BoxFuture<Result<Vec<Value>, RequestError>> {
        self.asked(tools())
    }

    fn probe(&self, _deadline: Instant) -> BoxFuture<Result<(), RequestError>> {
        self.asked(())
    }

    fn tools_changed(&self) -> watch::Receiver<u64> {
        self.line.tools.subscribe()
    }

    fn close(&self) {
        self.line.end(Cause::Closed);
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let (server, place) = (self.server.plan.name.clone(), self.server.place);
        self.server.history.note(Happening::Closed { server, place, session: self.number });
    }
}

/// One attempt at a call. Dropped without an end, nobody knows what it did.
struct Attempt {
    call: u64,
    arguments: Bytes,
    history: Arc<History>,
    is_over: bool,
    _alive: Alive,
}

impl Attempt {
    fn new(server: &Server, session: usize, tool: &str, arguments: &[u8]) -> Self {
        let said: Value = serde_json::from_slice(arguments).unwrap_or_default();
        let history = Arc::clone(&server.history);
        let call = said["call"].as_u64().unwrap_or(u64::MAX);
        if said["server"] != server.plan.name || said["tool"] != tool {
            history.wrong(format!("{said} came to {} of {}", tool, server.plan.name));
        }
        let (name, place) = (server.plan.name.clone(), server.place);
        history.note(Happening::Came { call, server: name, place, session });
        let alive = history.alive();
        let arguments = Bytes::copy_from_slice(arguments);
        Self { call, arguments, history, is_over: false, _alive: alive }
    }

    async fn run(
        mut self,
        fate: Fate,
        server: Arc<Server>,
        line: Arc<Line>,
        deadline: Instant,
    ) -> Result<Answer, RequestError> {
        let cut = Arc::clone(&line).cut();
        let came_to = tokio::select! {
            biased;
            cause = cut => Err(cause),
            came_to = self.meet(fate, &server, &line, deadline) => Ok(came_to),
        };
        let came_to = came_to.unwrap_or_else(|cause| {
            if self.is_over {
                return Err(RequestError::not_sent(cause));
            }
            self.ambiguous("its connection broke");
            Err(RequestError::maybe_sent(cause))
        });
        self.is_over = true;
        came_to
    }

    async fn meet(
        &mut self,
        fate: Fate,
        server: &Server,
        line: &Line,
        deadline: Instant,
    ) -> Result<Answer, RequestError> {
        match fate {
            Fate::Refused(cause) => return Err(self.not_acted(Sent::Maybe, cause)),
            Fate::NeverSent(cause) => return Err(self.not_acted(Sent::No, cause)),
            Fate::NeverWritten => {
                self.is_over = true;
                sleep_until(deadline).await;
                return Err(RequestError::not_sent(Cause::Deadline));
            }
            Fate::Answer
            | Fate::ToolError
            | Fate::Lost { .. }
            | Fate::Internal { .. }
            | Fate::Silence { .. } => {}
        }
        server.thaw().await;
        let latency = server.history.dice(|dice| dice.u64(0..=server.plan.latency));
        sleep(Duration::from_millis(latency / 2)).await;
        if let Some(_slow) = server.trouble(TroubleKind::Slow) {
            sleep(SLOW).await;
        }
        let (acted, fate) = match fate {
            Fate::Lost { acted, .. } | Fate::Internal { acted } | Fate::Silence { acted } => {
                (acted, fate)
            }
            Fate::Answer
            | Fate::ToolError
            | Fate::Refused(_)
            | Fate::NeverSent(_)
            | Fate::NeverWritten => (true, fate),
        };
        if acted {
            self.history.note(Happening::Acted { call: self.call });
        }
        sleep(Duration::from_millis(latency - latency / 2)).await;
        self.end(fate, line).await
    }

    async fn end(&mut self, fate: Fate, line: &Line) -> Result<Answer, RequestError> {
        match fate {
            Fate::ToolError => Ok(Answer::Error(error(-32602))),
            Fate::Internal { .. } => {
                self.ambiguous("-32603");
                Ok(Answer::Error(error(-32603)))
            }
            Fate::Lost { cause, takes_session, .. } => {
                self.ambiguous("the answer was lost");
                if takes_session {
                    line.end(cause.clone());
                }
                Err(RequestError::maybe_sent(cause))
            }
            Fate::Silence { .. } => std::future::pending().await,
            Fate::Answer | Fate::Refused(_) | Fate::NeverSent(_) | Fate::NeverWritten => {
                Ok(Answer::Result(self.arguments.clone()))
            }
        }
    }

    fn not_acted(&mut self, sent: Sent, cause: Cause) -> RequestError {
        self.is_over = true;
        RequestError { sent, cause }
    }

    fn ambiguous(&self, why: &'static str) {
        self.history.note(Happening::Ambiguous { call: self.call, why });
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if !self.is_over {
            self.ambiguous("it was given up");
        }
    }
}

fn error(code: i64) -> RpcError {
    RpcError { code, message: "no".to_owned(), data: None }
}
