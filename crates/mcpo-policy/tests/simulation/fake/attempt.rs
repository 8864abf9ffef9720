//! One attempt at a call, as its server meets it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mcpo_core::trace::TraceContext;
use mcpo_mcp::answer::Answer;
use mcpo_mcp::error::{Cause, RequestError, RpcError, Sent};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, sleep_until};

use super::Server;
use super::line::Line;
use crate::history::{Alive, Happening, History};
use crate::scenario::TroubleKind;

/// Longer than most callers wait.
const SLOW: Duration = Duration::from_secs(6);

/// What becomes of one attempt at a call.
#[derive(Debug, Clone)]
pub(super) enum Fate {
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

/// What is asked of the server.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) tool: &'a str,
    pub(super) arguments: &'a [u8],
    pub(super) trace: Option<&'a TraceContext>,
}

/// One attempt at a call. Dropped without an end, nobody knows what it did.
pub(super) struct Attempt {
    call: u64,
    arguments: Bytes,
    history: Arc<History>,
    is_over: bool,
    shared: Option<Shared>,
    _alive: Alive,
}

/// What an answer is known by that may be shared.
#[derive(Clone)]
struct Shared {
    server: String,
    place: usize,
    topic: u64,
    came: Duration,
}

impl Attempt {
    pub(super) fn new(server: &Server, session: usize, asked: Asked<'_>) -> Self {
        let Asked { tool, arguments, trace } = asked;
        let said: Value = serde_json::from_slice(arguments).unwrap_or_default();
        let history = Arc::clone(&server.history);
        let topic = said["topic"].as_u64();
        let named = || said["call"].as_u64().unwrap_or(u64::MAX);
        // Those that are shared do not name their call, but for the trace of the first one.
        let call = if topic.is_some() { trace.map_or(u64::MAX, call_of) } else { named() };
        if said["server"] != server.plan.name || said["tool"] != tool {
            history.wrong(format!("{said} came to {} of {}", tool, server.plan.name));
        }
        let (name, place) = (server.plan.name.clone(), server.place);
        history.note(Happening::Came { call, server: name.clone(), place, session });
        let (alive, came) = (history.alive(), history.now());
        let shared = topic.map(|topic| Shared { server: name, place, topic, came });
        let arguments = Bytes::copy_from_slice(arguments);
        Self { call, arguments, history, is_over: false, shared, _alive: alive }
    }

    /// The arguments, and the number of the answer where it may be shared.
    fn answer(&self) -> Bytes {
        let Some(Shared { server, place, topic, came }) = self.shared.clone() else {
            return self.arguments.clone();
        };
        let (call, number) = (self.call, self.history.number());
        let given = Happening::Given { call, server, place, topic, number, came };
        self.history.note(given);
        let mut said: Value = serde_json::from_slice(&self.arguments).unwrap_or_default();
        said["number"] = json!(number);
        said.to_string().into()
    }

    pub(super) async fn run(
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
                self.history.note(Happening::Unwritten { call: self.call });
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
                Ok(Answer::Result(self.answer()))
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

/// The number of the call that a trace was made for.
fn call_of(trace: &TraceContext) -> u64 {
    trace.trace_id()[8..].iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn error(code: i64) -> RpcError {
    RpcError { code, message: "no".to_owned(), data: None }
}
