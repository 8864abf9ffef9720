//! What a scripted upstream does, as data: its tools, and for every kind of request a list of
//! turns, each a list of steps. The first request takes the first turn; the last turn repeats.
//! Turns are counted in the journal, so that they go on where a process or server that was
//! restarted left off ("die at the first call, answer the second").

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The whole behaviour of one upstream.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Script {
    /// `serverInfo.name`.
    pub name: String,
    /// `serverInfo.version`.
    pub version: String,
    /// `instructions`.
    pub instructions: Option<String>,
    /// Which eras it speaks.
    pub era: Era,
    /// The legacy version that it answers; `None` is the one that the client asked for.
    pub protocol_version: Option<String>,
    /// The entries of `tools/list`, as they go over the wire.
    pub tools: Vec<Value>,
    /// How many tools a page holds; `None` is all of them.
    pub page_size: Option<usize>,
    /// What happens when a process or server starts, before it reads anything.
    pub start: Vec<Vec<Step>>,
    /// What happens at `initialize` and `server/discover`, before the ordinary answer.
    pub handshake: Vec<Vec<Step>>,
    /// What happens at `tools/list`, before the ordinary answer.
    pub list: Vec<Vec<Step>>,
    /// What happens at a call of the tool of that name, before the ordinary answer ([`Step::Echo`]).
    pub calls: BTreeMap<String, Vec<Vec<Step>>>,
    /// What happens by itself after each handshake (`initialized`, or the first modern request).
    pub background: Vec<Step>,
    /// stdio: go on running after stdin has ended.
    pub ignore_eof: bool,
    /// stdio: go on running after SIGTERM.
    pub ignore_sigterm: bool,
    /// stdio: start a `sleep` that a careless killer leaves behind; its pid is journaled.
    pub grandchild: bool,
    /// HTTP: how answers are wrapped.
    pub reply_as: ReplyAs,
    /// HTTP, legacy: whether `initialize` gives a session id.
    pub sessions: bool,
    /// HTTP, legacy: what a request with an unknown session id gets.
    pub lost_session: LostSession,
    /// Where the journal and the gates live; filled in by whoever starts the upstream.
    pub control: PathBuf,
}

/// Which eras an upstream speaks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Era {
    /// `initialize` and sessions.
    #[default]
    Legacy,
    /// 2026-07-28 only.
    Modern,
    /// Both, told apart by the request.
    Both,
}

/// How an HTTP upstream wraps an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplyAs {
    /// `application/json`.
    #[default]
    Json,
    /// An event stream with the answer as its last event.
    Sse,
    /// The content type of an event stream around a bare JSON body, as some servers do.
    JsonTypedAsSse,
}

/// What a legacy HTTP upstream answers to a session id that it does not know.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LostSession {
    /// 404 with -32001, as the specification and the Python SDK have it.
    #[default]
    NotFound,
    /// 400 with -32000 and `id: null`, as `server-everything` does it.
    BadRequest,
    /// 400 with a text body and no JSON at all.
    PlainBadRequest,
}

/// One thing that an upstream does. Steps marked *last* end their turn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// *Last.* The arguments as JSON in one text item.
    Echo,
    /// *Last.* One text item.
    Text(String),
    /// *Last.* One text item that holds this value as JSON.
    Answer(Value),
    /// *Last.* A result with `isError: true` and this text.
    ToolError(String),
    /// *Last.* The `result` as it stands.
    RawResult(Value),
    /// *Last.* The whole message as it stands, with `$ID` replaced by the request's id.
    RawAnswer(String),
    /// *Last.* A JSON-RPC error.
    RpcError {
        /// Its code.
        code: i64,
        /// Its message.
        message: String,
        /// Its data; null is left out.
        #[serde(default)]
        data: Value,
    },
    /// *Last.* An answer whose text is this many bytes long, on one line.
    HugeLine(usize),
    /// *Last.* An answer whose `structuredContent` is an array nested this deep.
    Deep(usize),
    /// *Last.* HTTP: this response, nothing else.
    Http(HttpStep),
    /// *Last.* Never answers.
    Hang,
    /// *Last.* stdio: ends the process at once. HTTP: cuts the connection.
    Exit(i32),
    /// *Last.* As [`Step::Exit`], before the call had any effect.
    Crash(i32),
    /// *Last.* Gives no answer; where one is streamed the stream ends without it.
    EndTurn,
    /// *Last.* stdio: closes stdout, and goes on running.
    CloseStdout,
    /// *Last.* Half an answer, then as [`Step::Exit`] with code 1.
    ExitMidLine,
    /// *Last.* These bytes instead of a message (on stdio followed by a line end).
    Garbage(Vec<u8>),
    /// *Last.* HTTP: cuts the connection without a response. stdio: as `Exit(1)`.
    DropConnection,
    /// Counts the call as run in the journal although no answer follows.
    Run,
    /// Waits until the test opens the gate of that name.
    Gate(String),
    /// Waits this many milliseconds; prefer [`Step::Gate`].
    Delay(u64),
    /// Works for this many milliseconds; a call at a time works, the others wait for their turn.
    Work(u64),
    /// stdio: writes this many numbered lines to stderr.
    StderrLines(usize),
    /// stdio: reads nothing more, for ever.
    IgnoreStdin,
    /// Sends this text as a message before the answer, `$ID` replaced.
    Send(String),
    /// Offers these tools from now on, and says so out of band.
    NotifyToolsChanged(Vec<Value>),
    /// Pings the client and waits for its answer before going on.
    PingClientFirst,
    /// The answer comes in a JSON-RPC batch, after a notification.
    Batch,
    /// HTTP: sends a priming event with this id and ends the stream; the rest of the turn is
    /// delivered to a GET with that `Last-Event-ID`.
    SseThenClose {
        /// `retry:` in milliseconds.
        retry_ms: u64,
        /// The event's id.
        id: String,
    },
    /// HTTP, legacy: forgets every session, then goes on.
    ForgetSessions,
}

/// A whole HTTP response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpStep {
    /// The status code.
    pub status: u16,
    /// Header names and values.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// The body as it stands, `$ID` replaced.
    #[serde(default)]
    pub body: String,
}

/// A tool with that name. It takes `key` and `message` (strings), `number` (an integer), and
/// `value` (anything), none of them required; mcpo drops arguments that a schema does not name.
#[must_use]
pub fn tool(name: &str) -> Value {
    let properties = json!({
        "key": {"type": "string"}, "message": {"type": "string"}, "number": {"type": "integer"}, "value": {},
    });
    let schema = json!({"type": "object", "properties": properties});
    json!({"name": name, "description": format!("Does {name}."), "inputSchema": schema})
}

impl Default for Script {
    fn default() -> Self {
        Self {
            name: "scripted".into(),
            version: "1.0".into(),
            instructions: None,
            era: Era::Legacy,
            protocol_version: None,
            tools: Vec::new(),
            page_size: None,
            start: Vec::new(),
            handshake: Vec::new(),
            list: Vec::new(),
            calls: BTreeMap::new(),
            background: Vec::new(),
            ignore_eof: false,
            ignore_sigterm: false,
            grandchild: false,
            reply_as: ReplyAs::Json,
            sessions: true,
            lost_session: LostSession::NotFound,
            control: PathBuf::new(),
        }
    }
}

impl Script {
    /// An upstream with one tool, `echo`, that takes and answers any arguments.
    #[must_use]
    pub fn echo() -> Self {
        Self::new("scripted").tool(tool("echo"))
    }

    /// An upstream of that name without tools.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// An upstream that starts and never answers the handshake.
    #[must_use]
    pub fn never_answers_initialize() -> Self {
        Self { handshake: vec![vec![Step::Hang]], ..Self::echo() }
    }

    /// An upstream that reads nothing until the gate `start` is opened.
    #[must_use]
    pub fn slow_start() -> Self {
        Self { start: vec![vec![Step::Gate("start".into())]], ..Self::echo() }
    }

    /// With one more tool, given as it goes over the wire.
    #[must_use]
    pub fn tool(mut self, definition: Value) -> Self {
        self.tools.push(definition);
        self
    }

    /// With these turns for the tool of that name, which is added as [`tool`] makes it
    /// when it is not there yet.
    #[must_use]
    pub fn on_call(mut self, name: &str, turns: Vec<Vec<Step>>) -> Self {
        if !self.tools.iter().any(|tool| tool["name"] == name) {
            self.tools.push(tool(name));
        }
        self.calls.insert(name.into(), turns);
        self
    }

    /// With these turns at the handshake.
    #[must_use]
    pub fn on_handshake(self, turns: Vec<Vec<Step>>) -> Self {
        Self { handshake: turns, ..self }
    }

    /// With these turns at the start of each life.
    #[must_use]
    pub fn on_start(self, turns: Vec<Vec<Step>>) -> Self {
        Self { start: turns, ..self }
    }

    /// Speaking that era.
    #[must_use]
    pub fn era(self, era: Era) -> Self {
        Self { era, ..self }
    }

    /// With answers wrapped like that.
    #[must_use]
    pub fn reply_as(self, reply_as: ReplyAs) -> Self {
        Self { reply_as, ..self }
    }
}

impl HttpStep {
    /// A response with a JSON body.
    #[must_use]
    pub fn json(status: u16, body: &str) -> Self {
        Self {
            status,
            headers: vec![("content-type".into(), "application/json".into())],
            body: body.into(),
        }
    }

    /// A response without a body.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: String::new() }
    }

    /// With one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}
