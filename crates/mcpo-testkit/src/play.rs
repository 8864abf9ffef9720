//! Plays the steps of a turn, one after another, until one of them ends it.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use crate::engine::{Effect, Engine, is_modern, lock, say};
use crate::journal::{Entry, What};
use crate::reply;
use crate::script::Step;

/// The request that a turn is played for.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) id: Value,
    pub(crate) tool: String,
    pub(crate) params: Value,
    pub(crate) headers: Value,
    pub(crate) modern: bool,
}

impl Call {
    pub(crate) fn new(id: Value, params: Value, headers: Value) -> Self {
        let tool = params.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        Self { id, tool, modern: is_modern(&params), params, headers }
    }

    /// No request at all: a start, or something in the background.
    pub(crate) fn none() -> Self {
        Self::new(Value::Null, Value::Null, Value::Null)
    }

    fn arguments(&self) -> &Value {
        self.params.get("arguments").unwrap_or(&Value::Null)
    }

    /// An entry about this request.
    pub(crate) fn entry(&self, what: What) -> Entry {
        let arguments = if self.tool.is_empty() { &self.params } else { self.arguments() };
        Entry {
            tool: self.tool.clone(),
            key: arguments.get("key").and_then(Value::as_str).unwrap_or_default().to_owned(),
            id: self.id.clone(),
            arguments: arguments.clone(),
            headers: self.headers.clone(),
            ..Entry::new(what)
        }
    }
}

/// What a step comes to.
enum Next {
    /// The turn goes on.
    More,
    /// The turn is over, and this is its end.
    End(Effect),
    /// The turn is over without an end.
    Silence,
}

impl Engine {
    /// Plays the steps. True when none of them ended the turn.
    pub(crate) async fn play(
        &self,
        steps: &[Step],
        call: &Call,
        out: &mpsc::Sender<Effect>,
    ) -> bool {
        let mut batch = false;
        let mut ran = false;
        for step in steps {
            batch |= *step == Step::Batch;
            if !ran && !call.tool.is_empty() && acts(step) {
                self.record(&call.entry(What::Run));
                ran = true;
            }
            match self.step(step, call, out).await {
                Next::More => {}
                Next::End(Effect::Last(answer)) if batch => {
                    let notice = reply::notification(
                        "notifications/message",
                        &json!({"level": "info", "data": "batch"}),
                    );
                    self.end(call, out, Effect::Last(format!("[{notice},{answer}]"))).await;
                    return false;
                }
                Next::End(effect) => {
                    self.end(call, out, effect).await;
                    return false;
                }
                Next::Silence => return false,
            }
        }
        true
    }

    async fn end(&self, call: &Call, out: &mpsc::Sender<Effect>, effect: Effect) {
        if out.send(effect).await.is_err() {
            self.record(&call.entry(What::Gone));
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "`ending` names every step")]
    async fn step(&self, step: &Step, call: &Call, out: &mpsc::Sender<Effect>) -> Next {
        match step {
            Step::Gate(name) => {
                self.record(&Entry::new(What::Gate).key(name).tool(&call.tool));
                self.control.pass(name).await;
            }
            Step::Delay(ms) => tokio::time::sleep(Duration::from_millis(*ms)).await,
            Step::Work(ms) => {
                let _turn = self.worker.lock().await;
                tokio::time::sleep(Duration::from_millis(*ms)).await;
            }
            Step::StderrLines(lines) => say(out, Effect::Stderr(*lines)).await,
            Step::IgnoreStdin => say(out, Effect::IgnoreStdin).await,
            Step::ForgetSessions => say(out, Effect::ForgetSessions).await,
            Step::Send(text) => say(out, Effect::Message(reply::with_id(text, &call.id))).await,
            Step::NotifyToolsChanged(tools) => self.change_tools(tools),
            Step::PingClientFirst => self.ping(out).await,
            Step::SseThenClose { retry_ms, id } => {
                say(out, Effect::SseBreak { id: id.clone(), retry_ms: *retry_ms }).await;
            }
            Step::Batch | Step::Run => {}
            Step::EndTurn => return Next::Silence,
            Step::Hang => {
                out.closed().await;
                self.record(&call.entry(What::Gone));
                return Next::Silence;
            }
            last => return Next::End(ending(last, call)),
        }
        Next::More
    }

    fn change_tools(&self, tools: &[Value]) {
        lock(&self.tools).clone_from(&tools.to_vec());
        // Nobody may be listening; the new tools are there all the same.
        let _ =
            self.notices.send(reply::notification("notifications/tools/list_changed", &json!({})));
    }

    async fn ping(&self, out: &mpsc::Sender<Effect>) {
        let (tx, rx) = oneshot::channel();
        let id = {
            let mut pings = lock(&self.pings);
            let id = format!("ping-{}", pings.len() + 1);
            pings.insert(id.clone(), tx);
            id
        };
        let ping = json!({"jsonrpc": "2.0", "id": id, "method": "ping"});
        say(out, Effect::Message(ping.to_string())).await;
        // A client that is gone never answers; its turn ends with its connection.
        let _ = rx.await;
    }
}

/// Whether the step means that the call had, or may have had, its effect.
fn acts(step: &Step) -> bool {
    match step {
        Step::Echo
        | Step::Text(_)
        | Step::Answer(_)
        | Step::ToolError(_)
        | Step::RawResult(_)
        | Step::RawAnswer(_)
        | Step::HugeLine(_)
        | Step::Deep(_)
        | Step::Hang
        | Step::Exit(_)
        | Step::ExitMidLine
        | Step::Garbage(_)
        | Step::DropConnection
        | Step::SseThenClose { .. }
        | Step::Run => true,
        Step::RpcError { .. }
        | Step::Http(_)
        | Step::Crash(_)
        | Step::EndTurn
        | Step::CloseStdout
        | Step::Work(_)
        | Step::Gate(_)
        | Step::Delay(_)
        | Step::StderrLines(_)
        | Step::IgnoreStdin
        | Step::Send(_)
        | Step::NotifyToolsChanged(_)
        | Step::PingClientFirst
        | Step::Batch
        | Step::ForgetSessions => false,
    }
}

/// The effect of a step that ends its turn. Those that do not never come here.
fn ending(step: &Step, call: &Call) -> Effect {
    let answer = |result: &Value| Effect::Last(reply::result(&call.id, result));
    let text = |text: &str, is_error| answer(&reply::text(text, is_error, call.modern));
    match step {
        Step::Text(words) => text(words, false),
        Step::Answer(value) => text(&value.to_string(), false),
        Step::ToolError(words) => text(words, true),
        Step::RawResult(result) => answer(result),
        Step::RawAnswer(raw) => Effect::Last(reply::with_id(raw, &call.id)),
        Step::RpcError { code, message, data } => {
            Effect::Last(reply::error(&call.id, *code, message, data))
        }
        Step::HugeLine(bytes) => Effect::Last(reply::huge(&call.id, *bytes)),
        Step::Deep(levels) => Effect::Last(reply::deep(&call.id, *levels)),
        Step::Http(response) => {
            let body = reply::with_id(&response.body, &call.id);
            Effect::Http(crate::HttpStep { body, ..response.clone() })
        }
        Step::Garbage(bytes) => Effect::Bytes(bytes.clone()),
        Step::ExitMidLine => {
            let whole = reply::result(&call.id, &reply::text("half of this", false, call.modern));
            Effect::Half(whole.as_bytes()[..whole.len() / 2].to_vec())
        }
        Step::Exit(code) | Step::Crash(code) => Effect::Exit(*code),
        Step::CloseStdout => Effect::CloseStdout,
        Step::DropConnection => Effect::Exit(1),
        Step::Echo
        | Step::Run
        | Step::Hang
        | Step::EndTurn
        | Step::Work(_)
        | Step::Gate(_)
        | Step::Delay(_)
        | Step::StderrLines(_)
        | Step::IgnoreStdin
        | Step::Send(_)
        | Step::NotifyToolsChanged(_)
        | Step::PingClientFirst
        | Step::Batch
        | Step::SseThenClose { .. }
        | Step::ForgetSessions => text(&call.arguments().to_string(), false),
    }
}
