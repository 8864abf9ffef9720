//! Servers in memory: what they do with a call, a probe, a handshake follows their troubles and
//! their dice. They never say of a call that it was not carried out when it was, or can be.

mod attempt;
mod line;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fastrand::Rng;
use mcpo_core::catalog::ServerIdentity;
use mcpo_core::fault::Stage;
use mcpo_core::trace::TraceContext;
use mcpo_mcp::answer::Answer;
use mcpo_mcp::custom::{BoxFuture, Custom, Dial, Wire};
use mcpo_mcp::error::{Cause, RequestError};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use crate::history::{Alive, Happening, History};
use crate::scenario::{ServerPlan, Trouble, TroubleKind};
use attempt::{Asked, Attempt, Fate};
use line::Line;

/// How long it takes to find out that there is no way.
const NO_WAY: Duration = Duration::from_secs(3);

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
            line.break_off();
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
    vec![tool("write", false), tool("read", true), tool("once", true), tool("look", true)]
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
        trace: Option<&TraceContext>,
    ) -> BoxFuture<Result<Answer, RequestError>> {
        if let Some(cause) = self.ended() {
            return Box::pin(std::future::ready(Err(RequestError::not_sent(cause))));
        }
        let asked = Asked { tool: name, arguments, trace };
        let attempt = Attempt::new(&self.server, self.number, asked);
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
