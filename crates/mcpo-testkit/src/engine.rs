//! What a scripted upstream makes of each message, whatever it came in on: finds the turn, plays
//! it, gives the ordinary answer where the turn gave none. Writes effects; the transport does them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use serde_json::{Value, json};
use tokio::sync::{broadcast, mpsc, oneshot};

use crate::control::Control;
use crate::journal::{Entry, Journal, What};
use crate::play::Call;
use crate::reply::{self, MODERN, VERSION_KEY};
use crate::script::{Era, HttpStep, Script, Step};
use crate::trouble::On;

/// What a transport is to do.
#[derive(Debug)]
pub(crate) enum Effect {
    /// Write this message; more follows.
    Message(String),
    /// Write this message, the answer.
    Last(String),
    /// Write these bytes as they are, and no answer.
    Bytes(Vec<u8>),
    /// Write these bytes without ending the message, then break.
    Half(Vec<u8>),
    /// Respond like that.
    Http(HttpStep),
    /// End the process, or cut the connection.
    Exit(i32),
    /// End the stream after a priming event; what follows waits for a GET.
    SseBreak { id: String, retry_ms: u64 },
    /// Write so many lines to stderr.
    Stderr(usize),
    /// Read nothing more.
    IgnoreStdin,
    /// Write nothing more, and let the reader know.
    CloseStdout,
    /// Forget every session.
    ForgetSessions,
}

/// How many effects may wait for the transport.
pub(crate) const EFFECTS_MAX: usize = 64;
/// How many notices a slow listener may lag behind before it misses some.
const NOTICES_MAX: usize = 64;

/// One upstream's mind.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) script: Script,
    pub(crate) journal: Journal,
    pub(crate) control: Control,
    pub(crate) tools: Mutex<Vec<Value>>,
    /// Pings of ours that wait for the client.
    pub(crate) pings: Mutex<HashMap<String, oneshot::Sender<()>>>,
    /// Notifications that belong to no request.
    pub(crate) notices: broadcast::Sender<String>,
    /// Whether a legacy handshake was completed, so that notices may go out unasked on stdio.
    pub(crate) legacy_live: AtomicBool,
    /// Held by the call that works.
    pub(crate) worker: tokio::sync::Mutex<()>,
}

impl Engine {
    pub(crate) fn new(script: Script) -> Result<Arc<Self>> {
        std::fs::create_dir_all(&script.control)?;
        Ok(Arc::new(Self {
            journal: Journal::new(&script.control),
            control: Control::new(&script.control),
            tools: Mutex::new(script.tools.clone()),
            pings: Mutex::default(),
            notices: broadcast::Sender::new(NOTICES_MAX),
            legacy_live: AtomicBool::new(false),
            worker: tokio::sync::Mutex::default(),
            script,
        }))
    }

    /// Plays the turn of a new life.
    pub(crate) async fn start(&self, out: mpsc::Sender<Effect>) {
        let turn = self.record(&Entry::new(What::Start));
        let steps = pick(&self.script.start, turn);
        if self.play_or_trouble(On::Start, steps, &Call::none(), &out).await {
            self.record(&Entry::new(What::Ready));
        }
    }

    /// Plays the trouble that is on for this, or these steps. True when none of them ended the
    /// turn.
    async fn play_or_trouble(
        &self,
        on: On,
        steps: &[Step],
        call: &Call,
        out: &mpsc::Sender<Effect>,
    ) -> bool {
        let troubles = self.control.troubles().expect("the troubles of a test can be read");
        let met = troubles.into_iter().find(|trouble| {
            trouble.fits(on, &call.tool)
                && trouble.times.is_none_or(|times| {
                    self.record(&Entry::new(What::Trouble).tool(&trouble.name)) < times
                })
        });
        match met {
            Some(trouble) => self.play(&trouble.steps, call, out).await,
            None => self.play(steps, call, out).await,
        }
    }

    /// Plays the steps that follow a handshake.
    async fn background(&self, out: &mpsc::Sender<Effect>) {
        self.play(&self.script.background, &Call::none(), out).await;
    }

    /// Takes one message; everything that follows from it is written to `out`.
    pub(crate) async fn take(
        self: Arc<Self>,
        message: Value,
        headers: Value,
        out: mpsc::Sender<Effect>,
    ) {
        let id = message.get("id").cloned().unwrap_or(Value::Null);
        let Some(method) = message.get("method").and_then(Value::as_str).map(str::to_owned) else {
            return self.take_response(&id);
        };
        let call = Call::new(id, message.get("params").cloned().unwrap_or(Value::Null), headers);
        if call.id.is_null() {
            return self.take_notification(&method, &call, &out).await;
        }
        if let Some(refusal) = self.wrong_era(&method, &call) {
            self.record(&call.entry(What::Other).tool(&method));
            return say(&out, Effect::Last(refusal)).await;
        }
        self.take_request(&method, &call, &out).await;
    }

    fn take_response(&self, id: &Value) {
        let waiting = id.as_str().and_then(|id| lock(&self.pings).remove(id));
        if let Some(waiting) = waiting {
            self.record(&Entry::new(What::Pong).id(id.clone()));
            // The step that pinged may be gone with its connection; then nobody needs to know.
            let _ = waiting.send(());
        }
    }

    async fn take_notification(&self, method: &str, call: &Call, out: &mpsc::Sender<Effect>) {
        match method {
            "notifications/initialized" => {
                self.record(&call.entry(What::Initialized));
                self.legacy_live.store(true, Ordering::Release);
                self.background(out).await;
            }
            "notifications/cancelled" => {
                let id = call.params["requestId"].clone();
                self.record(&call.entry(What::Cancelled).id(id));
            }
            other => {
                self.record(&call.entry(What::Other).tool(other));
            }
        }
    }

    /// The refusal of a request of an era that the script does not speak.
    fn wrong_era(&self, method: &str, call: &Call) -> Option<String> {
        let wanted = match self.script.era {
            Era::Legacy => method != "server/discover",
            Era::Modern => call.modern && method != "initialize",
            Era::Both => true,
        };
        if wanted {
            return None;
        }
        Some(if self.script.era == Era::Legacy {
            reply::error(&call.id, -32601, "Method not found", &Value::Null)
        } else {
            let data = json!({"supported": [MODERN], "requested": call.params["protocolVersion"]});
            reply::error(&call.id, -32022, "unsupported protocol version", &data)
        })
    }

    async fn take_request(&self, method: &str, call: &Call, out: &mpsc::Sender<Effect>) {
        match method {
            "initialize" | "server/discover" => {
                let turn = self.record(&call.entry(What::Handshake).tool(method));
                let steps = pick(&self.script.handshake, turn);
                if self.play_or_trouble(On::Handshake, steps, call, out).await {
                    say(out, Effect::Last(reply::result(&call.id, &self.identity(method, call))))
                        .await;
                }
                // A modern client says nothing after this that could be waited for.
                if method == "server/discover" {
                    self.background(out).await;
                }
            }
            "tools/list" => {
                let turn = self.record(&call.entry(What::List));
                let steps = pick(&self.script.list, turn);
                if self.play_or_trouble(On::List, steps, call, out).await {
                    say(out, Effect::Last(self.page(call))).await;
                }
            }
            "tools/call" => self.take_call(call, out).await,
            "ping" => {
                self.record(&call.entry(What::Ping));
                say(out, Effect::Last(reply::result(&call.id, &json!({})))).await;
            }
            "subscriptions/listen" if call.modern => self.subscribe(call, out).await,
            other => {
                self.record(&call.entry(What::Other).tool(other));
                say(
                    out,
                    Effect::Last(reply::error(&call.id, -32601, "Method not found", &Value::Null)),
                )
                .await;
            }
        }
    }

    async fn take_call(&self, call: &Call, out: &mpsc::Sender<Effect>) {
        let turn = self.record(&call.entry(What::Received));
        if !lock(&self.tools).iter().any(|tool| tool["name"] == call.tool.as_str()) {
            let message = format!("Unknown tool: {}", call.tool);
            return say(out, Effect::Last(reply::error(&call.id, -32602, &message, &Value::Null)))
                .await;
        }
        let turns = self.script.calls.get(&call.tool).map_or(&[][..], Vec::as_slice);
        if self.play_or_trouble(On::Call, pick(turns, turn), call, out).await {
            self.play(&[Step::Echo], call, out).await;
        }
    }

    async fn subscribe(&self, call: &Call, out: &mpsc::Sender<Effect>) {
        let mut notices = self.notices.subscribe();
        self.record(&call.entry(What::Listen));
        say(out, Effect::Message(reply::acknowledged(&call.id))).await;
        loop {
            tokio::select! {
                notice = notices.recv() => match notice {
                    Ok(message) => say(out, Effect::Message(reply::for_subscription(&message, &call.id))).await,
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return,
                },
                () = out.closed() => return,
            }
        }
    }

    fn identity(&self, method: &str, call: &Call) -> Value {
        let server = json!({"name": self.script.name, "version": self.script.version});
        let capabilities = json!({"tools": {"listChanged": true}});
        let mut result = if method == "initialize" {
            let asked = call.params["protocolVersion"].as_str().unwrap_or("2025-11-25");
            let version = self.script.protocol_version.as_deref().unwrap_or(asked);
            json!({"protocolVersion": version, "capabilities": capabilities, "serverInfo": server})
        } else {
            json!({
                "resultType": "complete", "supportedVersions": [MODERN], "capabilities": capabilities,
                "ttlMs": 0, "cacheScope": "private",
                "_meta": {"io.modelcontextprotocol/serverInfo": server},
            })
        };
        if let Some(instructions) = &self.script.instructions {
            result["instructions"] = instructions.clone().into();
        }
        result
    }

    fn page(&self, call: &Call) -> String {
        let tools = lock(&self.tools);
        let size = self.script.page_size.unwrap_or(usize::MAX);
        let from = match call.params["cursor"].as_str() {
            None => 0,
            // The first page's cursor is the empty string: valid, and often mishandled.
            Some("") => size,
            Some(cursor) => cursor.parse().unwrap_or(usize::MAX),
        };
        let page: Vec<&Value> = tools.iter().skip(from).take(size).collect();
        let next = from.saturating_add(size);
        let mut result = reply::complete(json!({"tools": page}), call.modern);
        if next < tools.len() {
            result["nextCursor"] = if from == 0 { "".into() } else { next.to_string().into() };
        }
        if call.modern {
            result["ttlMs"] = 0.into();
            result["cacheScope"] = "private".into();
        }
        reply::result(&call.id, &result)
    }

    /// Writes into the journal; tells how many of the kind there were before.
    pub(crate) fn record(&self, entry: &Entry) -> usize {
        self.journal.record(entry).expect("the journal of a test can be written")
    }
}

/// Whether the request is one of the modern era.
pub(crate) fn is_modern(params: &Value) -> bool {
    params.get("_meta").and_then(|meta| meta.get(VERSION_KEY)).is_some()
}

/// The turn of that number; the last one repeats.
fn pick(turns: &[Vec<Step>], number: usize) -> &[Step] {
    turns.get(number).or(turns.last()).map_or(&[], Vec::as_slice)
}

/// A receiver that is gone took its connection with it: then there is nobody to tell.
pub(crate) async fn say(out: &mpsc::Sender<Effect>, effect: Effect) {
    let _ = out.send(effect).await;
}

/// A panic elsewhere has failed the test already; the data is as good as it was.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
