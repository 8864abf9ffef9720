//! MCP as a server of both eras speaks it: one message in, at most one out, and calls that take
//! their time on the side.

use std::collections::HashMap;

use serde_json::{Map, Value, json};
use tokio::task::{AbortHandle, JoinSet};

use crate::demo::tools::{self, Called, Memory};

/// Versions with a handshake, newest first.
const LEGACY: [&str; 4] = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];
/// The version without one.
const MODERN: &str = "2026-07-28";
/// Where a modern request says its version.
const VERSION_KEY: &str = "io.modelcontextprotocol/protocolVersion";
const SERVER_INFO_KEY: &str = "io.modelcontextprotocol/serverInfo";

/// Calls that may take their time at once: each costs a timer only, but nobody needs more.
const CALLS_MAX: usize = 256;

const PARSE_ERROR: i64 = -32700;
const INVALID_REQUEST: i64 = -32600;
const METHOD_NOT_FOUND: i64 = -32601;
const INVALID_PARAMS: i64 = -32602;
const UNSUPPORTED_VERSION: i64 = -32022;

const INSTRUCTIONS: &str = "A server to try things with. It tells the time, repeats what it is told, \
    remembers values until it ends, takes its time (slow), and fails on request (fail).";

/// The state of the server.
#[derive(Default)]
pub(super) struct Server {
    memory: Memory,
    /// Calls that take their time; each ends in its answer.
    calls: JoinSet<Value>,
    /// The same by their request's id, for cancelling.
    by_request: HashMap<String, AbortHandle>,
}

/// A request: what is asked, and in which era.
struct Request {
    id: Value,
    method: String,
    params: Value,
    is_modern: bool,
}

/// An error of the protocol.
struct Refusal {
    code: i64,
    message: String,
    data: Option<Value>,
}

/// What a request comes to.
enum Answer {
    Now(Value),
    /// It takes its time: the answer comes from [`Server::next_done`].
    Later,
}

impl Server {
    /// Takes one message; gives the answer if there is one at once.
    pub(super) fn take(&mut self, line: &[u8]) -> Option<Value> {
        let message: Value = match serde_json::from_slice(line) {
            Ok(message) => message,
            Err(error) => {
                return Some(refused(&Value::Null, &Refusal::new(PARSE_ERROR, error.to_string())));
            }
        };
        let id = message.get("id").cloned();
        let method = message.get("method").and_then(Value::as_str).map(str::to_owned);
        let params = message.get("params").cloned().unwrap_or(Value::Null);
        match (id, method) {
            (Some(id), Some(method)) if id.is_string() || id.is_number() => {
                let is_modern =
                    params.pointer("/_meta").is_some_and(|meta| meta.get(VERSION_KEY).is_some());
                let request = Request { id, method, params, is_modern };
                match self.answer(&request) {
                    Ok(Answer::Now(result)) => Some(request.reply(result)),
                    Ok(Answer::Later) => None,
                    Err(refusal) => Some(refused(&request.id, &refusal)),
                }
            }
            (None, Some(method)) => {
                if method == "notifications/cancelled" {
                    self.cancel(&params);
                }
                None
            }
            // An answer: we ask nothing, so it is not for us.
            (Some(_), None)
                if message.get("result").is_some() || message.get("error").is_some() =>
            {
                None
            }
            (Some(_) | None, Some(_) | None) => {
                let refusal = Refusal::new(INVALID_REQUEST, "not a request".to_owned());
                Some(refused(&Value::Null, &refusal))
            }
        }
    }

    /// The answer to the next call that is done; inside is `None` for a cancelled one. Gives
    /// `None` at once when no call runs.
    ///
    /// Cancel-safe: an answer is taken or left, never lost.
    pub(super) async fn next_done(&mut self) -> Option<Option<Value>> {
        let done = self.calls.join_next_with_id().await?;
        let (id, reply) = match done {
            Ok((id, reply)) => (id, Some(reply)),
            Err(error) => (error.id(), None),
        };
        self.by_request.retain(|_, call| call.id() != id);
        Some(reply)
    }

    fn answer(&mut self, request: &Request) -> Result<Answer, Refusal> {
        request.check_version()?;
        match request.method.as_str() {
            "initialize" => Ok(Answer::Now(initialize(&request.params))),
            "server/discover" => Ok(Answer::Now(discover())),
            "ping" => Ok(Answer::Now(json!({}))),
            "tools/list" => Ok(Answer::Now(json!({"tools": tools::definitions()}))),
            "tools/call" => self.call(request),
            other => Err(Refusal::new(METHOD_NOT_FOUND, format!("no method {other}"))),
        }
    }

    fn call(&mut self, request: &Request) -> Result<Answer, Refusal> {
        let name = request.params.get("name").and_then(Value::as_str).unwrap_or_default();
        let nothing = Value::Object(Map::new());
        let arguments = request.params.get("arguments").unwrap_or(&nothing);
        match tools::call(name, arguments, &mut self.memory) {
            None => Err(Refusal::new(INVALID_PARAMS, format!("Unknown tool: {name}"))),
            Some(Called::Done(result)) => Ok(Answer::Now(result)),
            Some(Called::After(_, _)) if self.calls.len() >= CALLS_MAX => {
                Ok(Answer::Now(tools::failure("too many calls at once")))
            }
            Some(Called::After(wait, result)) => {
                let reply = request.reply(result);
                let call = self.calls.spawn(async move {
                    tokio::time::sleep(wait).await;
                    reply
                });
                self.by_request.insert(request.id.to_string(), call);
                Ok(Answer::Later)
            }
        }
    }

    fn cancel(&mut self, params: &Value) {
        let request = params.get("requestId").map(Value::to_string).unwrap_or_default();
        if let Some(call) = self.by_request.remove(&request) {
            call.abort();
        }
    }
}

// === impl Request ===

impl Request {
    /// A modern request for a version that we do not speak is refused, with those that we do.
    fn check_version(&self) -> Result<(), Refusal> {
        let requested = self.params.get("_meta").and_then(|meta| meta.get(VERSION_KEY));
        match requested {
            Some(requested) if requested != MODERN => Err(Refusal {
                code: UNSUPPORTED_VERSION,
                message: "Unsupported protocol version".to_owned(),
                data: Some(json!({"supported": versions(), "requested": requested})),
            }),
            Some(_) | None => Ok(()),
        }
    }

    /// The answer's frame; a modern result says that it is complete, and how long a list is good.
    fn reply(&self, mut result: Value) -> Value {
        if let Some(fields) = result.as_object_mut().filter(|_| self.is_modern) {
            fields.entry("resultType").or_insert_with(|| json!("complete"));
            if self.method == "tools/list" {
                fields.insert("ttlMs".to_owned(), json!(LIST_FRESH_MS));
                fields.insert("cacheScope".to_owned(), json!("public"));
            }
        }
        json!({"jsonrpc": "2.0", "id": self.id, "result": result})
    }
}

/// How long our lists are good, in milliseconds: they never change, so any length is right.
const LIST_FRESH_MS: u64 = 300_000;

impl Refusal {
    fn new(code: i64, message: String) -> Self {
        Self { code, message, data: None }
    }
}

fn refused(id: &Value, refusal: &Refusal) -> Value {
    let mut error = json!({"code": refusal.code, "message": refusal.message});
    if let Some(data) = &refusal.data {
        error["data"] = data.clone();
    }
    json!({"jsonrpc": "2.0", "id": id, "error": error})
}

/// Agrees to the version that is asked for, else offers the newest with a handshake.
fn initialize(params: &Value) -> Value {
    let asked = params.get("protocolVersion").and_then(Value::as_str).unwrap_or_default();
    let version = LEGACY.iter().find(|version| **version == asked).unwrap_or(&LEGACY[0]);
    json!({
        "protocolVersion": version,
        "capabilities": {"tools": {}},
        "serverInfo": server_info(),
        "instructions": INSTRUCTIONS,
    })
}

fn discover() -> Value {
    json!({
        "resultType": "complete",
        "supportedVersions": versions(),
        "capabilities": {"tools": {}},
        "instructions": INSTRUCTIONS,
        "ttlMs": LIST_FRESH_MS,
        "cacheScope": "public",
        "_meta": {SERVER_INFO_KEY: server_info()},
    })
}

fn versions() -> Vec<&'static str> {
    std::iter::once(MODERN).chain(LEGACY).collect()
}

fn server_info() -> Value {
    json!({"name": "mcpo-demo", "title": "mcpo demo", "version": env!("CARGO_PKG_VERSION")})
}
