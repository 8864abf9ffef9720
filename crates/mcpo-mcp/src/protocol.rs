//! What both eras say and how it is read: versions, the handshake, `_meta`, the parameters of a
//! call, and what a result must look like. Pure; every transport uses it.

mod pager;

use std::borrow::Cow;

use bytes::Bytes;
use mcpo_core::catalog::ServerIdentity;
use mcpo_core::trace::{TRACEPARENT, TRACESTATE, TraceContext};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::error::{Cause, RequestError, RpcError};
use crate::session::ConnectOptions;

pub(crate) use pager::Pager;

/// The version that we offer in `initialize`.
pub(crate) const LEGACY_LATEST: &str = "2025-11-25";
/// The one modern version. Versions are dates: whatever sorts before it has the `initialize`
/// handshake.
pub(crate) const MODERN: &str = "2026-07-28";
/// For an upstream that answers `initialize` without a version: the first one that there was.
const LEGACY_OLDEST: &str = "2024-11-05";

/// MCP 2026-07-28, basic/versioning: the version in `_meta` is not supported.
pub(crate) const UNSUPPORTED_VERSION: i64 = -32022;

/// Where `_meta` of a discovery keeps the upstream's identity (MCP 2026-07-28).
const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";

/// How requests are written in the era that was agreed on.
#[derive(Debug, Clone)]
pub(crate) enum Dialect {
    /// Parameters stand alone.
    Legacy,
    /// Every request carries `_meta`.
    Modern {
        /// `{...}`: version, client and capabilities.
        meta: Bytes,
    },
}

/// What a handshake or a discovery told.
#[derive(Debug, Clone)]
pub(crate) struct Introduction {
    pub(crate) identity: ServerIdentity,
    /// It declares tools.
    pub(crate) has_tools: bool,
    /// It will tell when its tools change.
    pub(crate) tells_tools_changed: bool,
}

/// What came of `server/discover`.
#[derive(Debug)]
pub(crate) enum Discovery {
    /// It speaks the modern era.
    Modern(Introduction),
    /// It answered, and lists no modern version.
    LegacyOnly,
}

// === impl Dialect ===

impl Dialect {
    /// The modern dialect, as `options` introduce us.
    pub(crate) fn modern(options: &ConnectOptions) -> Self {
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientCapabilities": {},
            "io.modelcontextprotocol/clientInfo": client_info(options),
        });
        Self::Modern { meta: Bytes::from(meta.to_string()) }
    }

    /// The parameters of `tools/call`, in parts to be written one after the other. `name` is
    /// [`in_quotes`], `arguments` a JSON object; no arguments at all become `{}`. `trace` is
    /// [`trace_members`].
    pub(crate) fn call_tool<'a>(
        &'a self,
        name: &'a str,
        arguments: &'a [u8],
        trace: Option<&'a str>,
    ) -> [&'a [u8]; 9] {
        let arguments = if arguments.is_empty() { b"{}" } else { arguments };
        let [key, meta, more, close] = self.meta_with(trace.map(str::as_bytes));
        [
            b"{\"name\":\"",
            name.as_bytes(),
            b"\",\"arguments\":",
            arguments,
            key,
            meta,
            more,
            close,
            b"}",
        ]
    }

    /// The parameters of a request that has none of its own.
    pub(crate) fn no_params(&self) -> [&[u8]; 3] {
        match self {
            Self::Legacy => [b"", b"{", b"}"],
            Self::Modern { meta } => [b"{\"_meta\":", meta, b"}"],
        }
    }

    /// The parameters of `tools/list`; `cursor` is raw JSON.
    pub(crate) fn list_tools<'a>(&'a self, cursor: Option<&'a str>) -> [&'a [u8]; 5] {
        let Some(cursor) = cursor else {
            let [open, meta, close] = self.no_params();
            return [open, meta, close, b"", b""];
        };
        let (key, meta) = self.meta_member();
        [b"{\"cursor\":", cursor.as_bytes(), key, meta, b"}"]
    }

    /// The parameters of `subscriptions/listen`, asking for changes of the tools (modern only).
    pub(crate) fn listen(&self) -> [&[u8]; 4] {
        let (key, meta) = self.meta_member();
        [b"{\"notifications\":{\"toolsListChanged\":true}", key, meta, b"}"]
    }

    /// What a request for a sign of life is called.
    pub(crate) const fn probe_method(&self) -> &'static str {
        match self {
            Self::Legacy => "ping",
            Self::Modern { .. } => "server/discover",
        }
    }

    /// Looks at a result that is about to be passed on: in the modern era it may say that it is
    /// not complete. Costs one search where it says nothing.
    pub(crate) fn check_result(&self, result: &[u8]) -> Result<(), Cause> {
        match self {
            Self::Legacy => Ok(()),
            Self::Modern { .. } => check_complete(result),
        }
    }

    /// `_meta` with members of one request's own, which begin with a comma.
    fn meta_with<'a>(&'a self, own: Option<&'a [u8]>) -> [&'a [u8]; 4] {
        match (self, own) {
            (Self::Legacy, None) => [b"", b"", b"", b""],
            (Self::Legacy, Some(own)) => [b",\"_meta\":{", b"", &own[1..], b"}"],
            (Self::Modern { meta }, None) => [b",\"_meta\":", meta, b"", b""],
            (Self::Modern { meta }, Some(own)) => {
                [b",\"_meta\":", meta.strip_suffix(b"}").unwrap_or(meta), own, b"}"]
            }
        }
    }

    fn meta_member(&self) -> (&[u8], &[u8]) {
        match self {
            Self::Legacy => (b"", b""),
            Self::Modern { meta } => (b",\"_meta\":", meta),
        }
    }
}

/// A text as it stands between the quotes of a JSON string.
pub(crate) fn in_quotes(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
        return Cow::Borrowed(text);
    }
    let mut quoted = Value::from(text).to_string();
    quoted.pop();
    quoted.remove(0);
    Cow::Owned(quoted)
}

/// What tells in `_meta` which trace a request belongs to: members as JSON, each after a comma. The
/// keys have no prefix, as an exception (MCP 2026-07-28, basic, "Distributed Tracing Conventions").
pub(crate) fn trace_members(trace: &TraceContext) -> String {
    let mut members = format!(",\"{TRACEPARENT}\":\"{}\"", trace.traceparent());
    if let Some(state) = trace.tracestate() {
        // It may hold quotes and backslashes.
        members.push_str(&format!(",\"{TRACESTATE}\":{}", Value::from(state)));
    }
    members
}

fn check_complete(result: &[u8]) -> Result<(), Cause> {
    #[derive(Deserialize)]
    struct Typed {
        #[serde(rename = "resultType", default)]
        result_type: Option<Value>,
    }
    // Serde would read an array as the members in order.
    if !result.starts_with(b"{") || memchr::memmem::find(result, b"\"resultType\"").is_none() {
        return Ok(());
    }
    // The words may stand deep inside a result of any shape; only a member of the result counts.
    let Ok(Typed { result_type: Some(result_type) }) = serde_json::from_slice(result) else {
        return Ok(());
    };
    match result_type.as_str() {
        Some("complete") => Ok(()),
        Some("input_required") => Err(Cause::Unsupported(
            "the upstream asks for input, which mcpo cannot give".to_owned(),
        )),
        Some(other) => Err(Cause::Malformed(format!("a result of the unknown type {other:?}"))),
        None => Err(Cause::Malformed("a resultType that is not a string".to_owned())),
    }
}

// === the handshake ===

fn client_info(options: &ConnectOptions) -> Value {
    json!({ "name": options.client_name, "version": options.client_version })
}

/// The parameters of `initialize`.
pub(crate) fn initialize_params(options: &ConnectOptions) -> String {
    json!({ "protocolVersion": LEGACY_LATEST, "capabilities": {}, "clientInfo": client_info(options) }).to_string()
}

/// Reads the result of `initialize`. A version that sorts before [`MODERN`] is accepted, also one
/// that nobody published: such an upstream works, and refusing it helps nobody.
///
/// # Errors
/// Not an object, or a version that is not legacy ([`Cause::Unsupported`]).
pub(crate) fn read_initialize(result: &[u8]) -> Result<Introduction, Cause> {
    let result = read_object("initialize", result)?;
    let version = result.get("protocolVersion").and_then(Value::as_str).unwrap_or(LEGACY_OLDEST);
    if version >= MODERN {
        return Err(Cause::Unsupported(format!("protocol version {version:?} after initialize")));
    }
    Ok(introduction(&result, result.get("serverInfo"), version))
}

/// Reads the result of `server/discover`.
///
/// # Errors
/// Not an object.
pub(crate) fn read_discover(result: &[u8]) -> Result<Discovery, Cause> {
    let result = read_object("server/discover", result)?;
    let versions = result.get("supportedVersions").and_then(Value::as_array);
    if !versions.is_some_and(|versions| versions.iter().any(|version| version == MODERN)) {
        return Ok(Discovery::LegacyOnly);
    }
    let info = result
        .get("_meta")
        .and_then(|meta| meta.get(SERVER_INFO))
        .or_else(|| result.get("serverInfo"));
    Ok(Discovery::Modern(introduction(&result, info, MODERN)))
}

/// Whether an error of `server/discover` or `initialize` names the modern version as one that
/// would be spoken ([`UNSUPPORTED_VERSION`], `data.supported`).
pub(crate) fn offers_modern(error: &RpcError) -> bool {
    #[derive(Deserialize)]
    struct Data {
        supported: Vec<Value>,
    }
    let Some(data) = error.data.as_ref().filter(|_| error.code == UNSUPPORTED_VERSION) else {
        return false;
    };
    serde_json::from_str::<Data>(data.get())
        .is_ok_and(|data| data.supported.iter().any(|version| version == MODERN))
}

fn read_object(method: &'static str, result: &[u8]) -> Result<Value, Cause> {
    let value: Value = serde_json::from_slice(result)
        .map_err(|error| Cause::Malformed(format!("the result of {method}: {error}")))?;
    if value.is_object() {
        Ok(value)
    } else {
        Err(Cause::Malformed(format!("the result of {method} is not an object")))
    }
}

fn introduction(result: &Value, info: Option<&Value>, version: &str) -> Introduction {
    let text =
        |key: &str| info.and_then(|info| info.get(key)).and_then(Value::as_str).map(str::to_owned);
    Introduction {
        identity: ServerIdentity {
            name: text("name").unwrap_or_default(),
            title: text("title"),
            version: text("version").unwrap_or_default(),
            instructions: result.get("instructions").and_then(Value::as_str).map(str::to_owned),
            protocol_version: version.to_owned(),
        },
        has_tools: result.pointer("/capabilities/tools").is_some_and(|tools| !tools.is_null()),
        tells_tools_changed: result.pointer("/capabilities/tools/listChanged")
            == Some(&Value::Bool(true)),
    }
}

/// The result of a request that we make for ourselves; an error as answer becomes
/// [`Cause::Refused`].
pub(crate) fn expect_result(method: &'static str, answer: Answer) -> Result<Bytes, RequestError> {
    match answer {
        Answer::Result(result) => Ok(result),
        Answer::Error(error) => Err(RequestError::maybe_sent(Cause::Refused { method, error })),
    }
}

#[cfg(test)]
mod tests;
