//! JSON-RPC frames: written around raw parameters, read without touching raw results.

mod answer;

use bytes::Bytes;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::error::RpcError;

/// The largest message that an upstream may send, over any transport: a body, an event, or a line.
/// Room for 100 MB of payload (the largest results seen are images of some MiB), low enough that
/// one answer cannot exhaust a small machine: it is in memory once.
pub const MESSAGE_BYTES_MAX: usize = 128 * 1024 * 1024;

/// A message from the upstream, told apart by its members.
#[derive(Debug)]
pub enum Message<'a> {
    /// The answer to a request of ours.
    Response {
        /// The id that it answers; `None` where the upstream sent none, null, or none of ours.
        id: Option<u64>,
        /// What it says.
        reply: Reply<'a>,
    },
    /// A request to us.
    Request {
        /// To be sent back as it came.
        id: &'a RawValue,
        /// What it asks for.
        method: String,
    },
    /// A notification.
    Notification {
        /// What it is about.
        method: String,
        /// What it says.
        params: Option<&'a RawValue>,
    },
}

/// What a response says.
#[derive(Debug)]
pub enum Reply<'a> {
    /// Its `result`, raw; `null` is a result.
    Result(&'a str),
    /// Its `error`.
    Error(RpcError),
    /// It has an id and no meaning; why.
    Nonsense(&'static str),
}

/// Why bytes are not a message.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// Not JSON, or members of the wrong type.
    #[error("read JSON-RPC: {0}")]
    Json(#[from] serde_json::Error),
    /// JSON, but neither a request, a notification nor a response.
    #[error("neither method, result nor error in it")]
    Shapeless,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(default)]
    method: Option<String>,
    #[serde(borrow, default)]
    params: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "even_null")]
    result: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

/// Without this, `"result": null` would read as if there were no result, and its call would hang.
fn even_null<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

#[derive(Deserialize)]
struct ErrorBody {
    #[serde(default)]
    code: Option<serde_json::Number>,
    #[serde(default)]
    message: Option<serde_json::Value>,
    #[serde(default)]
    data: Option<Box<RawValue>>,
}

impl<'a> Message<'a> {
    /// Reads one message (not a batch).
    ///
    /// # Errors
    /// See [`FrameError`].
    pub fn parse(text: &'a [u8]) -> Result<Self, FrameError> {
        if is_batch(text) {
            // Serde would read an array as the members in order.
            return Err(FrameError::Shapeless);
        }
        if let Ok(text) = std::str::from_utf8(text)
            && let Some((id, result)) = answer::plain_answer(text)
        {
            return Ok(Self::Response { id: Some(id), reply: Reply::Result(result) });
        }
        let envelope: Envelope<'a> = serde_json::from_slice(text)?;
        let id = envelope.id.filter(|id| id.get() != "null");
        if let Some(method) = envelope.method {
            return Ok(match id {
                Some(id) => Self::Request { id, method },
                None => Self::Notification { method, params: envelope.params },
            });
        }
        let id = id.and_then(our_id);
        let reply = match (envelope.result, envelope.error) {
            (Some(result), None) => Reply::Result(result.get()),
            (None, Some(error)) => Reply::Error(read_error(error)),
            // JSON-RPC 1.0 sent both always, one of them null.
            (Some(result), Some(error)) if result.get() == "null" => {
                Reply::Error(read_error(error))
            }
            (Some(_), Some(_)) => Reply::Nonsense("a response with both result and error"),
            (None, None) if id.is_some() => {
                Reply::Nonsense("a response with neither result nor error")
            }
            (None, None) => return Err(FrameError::Shapeless),
        };
        Ok(Self::Response { id, reply })
    }
}

/// Our ids are plain numbers; some upstreams give them back as strings or as floats.
fn our_id(id: &RawValue) -> Option<u64> {
    let digits = id.get().trim_matches('"');
    digits.strip_suffix(".0").unwrap_or(digits).parse().ok()
}

/// An error of the wrong shape is still an error: nothing of it makes its call wait for ever.
fn read_error(raw: &RawValue) -> RpcError {
    match serde_json::from_str::<ErrorBody>(raw.get()) {
        Ok(body) => body.into(),
        Err(_) => {
            let message = serde_json::from_str(raw.get()).unwrap_or_else(|_| raw.get().to_owned());
            RpcError { code: INTERNAL_ERROR, message, data: None }
        }
    }
}

impl From<ErrorBody> for RpcError {
    fn from(body: ErrorBody) -> Self {
        let code = body.code.and_then(|code| code.as_i64()).unwrap_or(INTERNAL_ERROR);
        let message = match body.message {
            Some(serde_json::Value::String(text)) => text,
            Some(other) => other.to_string(),
            None => String::new(),
        };
        Self { code, message, data: body.data }
    }
}

/// JSON-RPC 2.0, section 5.1: internal error.
pub const INTERNAL_ERROR: i64 = -32603;
/// JSON-RPC 2.0, section 5.1: method not found.
pub const METHOD_NOT_FOUND: i64 = -32601;

/// Whether the text can only be a batch (2025-03-26 allows them).
#[must_use]
pub fn is_batch(text: &[u8]) -> bool {
    text.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[')
}

/// Splits a JSON-RPC batch into its messages; a single message comes back alone.
///
/// # Errors
/// When it is not JSON.
pub fn split_batch(text: &[u8]) -> Result<Vec<&RawValue>, FrameError> {
    if is_batch(text) {
        Ok(serde_json::from_slice(text)?)
    } else {
        Ok(vec![serde_json::from_slice(text)?])
    }
}

/// Room for what stands around the parameters, an id of 20 digits, and a line break.
const FRAME_BYTES: usize = 80;

/// A request: `{"jsonrpc":"2.0","id":ID,"method":"METHOD","params":PARAMS}`, without line breaks
/// (JSON holds raw ones only between tokens, so a blank does as well), and with room for one.
#[must_use]
pub fn request(id: u64, method: &str, params: &[&[u8]]) -> Vec<u8> {
    let mut frame = room_for(method, params);
    frame.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"id\":");
    // Writing a number into a buffer that grows cannot fail.
    let _ = serde_json::to_writer(&mut frame, &id);
    put_method_and_params(&mut frame, method, params);
    frame
}

/// A notification, like [`request`] in all else.
#[must_use]
pub fn notification(method: &str, params: &[&[u8]]) -> Vec<u8> {
    let mut frame = room_for(method, params);
    frame.extend_from_slice(b"{\"jsonrpc\":\"2.0\"");
    put_method_and_params(&mut frame, method, params);
    frame
}

fn room_for(method: &str, params: &[&[u8]]) -> Vec<u8> {
    let size: usize = params.iter().map(|part| part.len()).sum();
    Vec::with_capacity(size + method.len() + FRAME_BYTES)
}

fn put_method_and_params(frame: &mut Vec<u8>, method: &str, params: &[&[u8]]) {
    frame.extend_from_slice(b",\"method\":\"");
    frame.extend_from_slice(method.as_bytes());
    frame.push(b'"');
    if !params.is_empty() {
        frame.extend_from_slice(b",\"params\":");
        let start = frame.len();
        for part in params {
            frame.extend_from_slice(part);
        }
        put_on_one_line(&mut frame[start..]);
    }
    frame.push(b'}');
}

fn put_on_one_line(text: &mut [u8]) {
    if memchr::memchr2(b'\n', b'\r', text).is_some() {
        for byte in text {
            if *byte == b'\n' || *byte == b'\r' {
                *byte = b' ';
            }
        }
    }
}

/// The answer to a request that the upstream made.
#[must_use]
pub fn empty_result(id: &RawValue) -> Bytes {
    Bytes::from(format!("{{\"jsonrpc\":\"2.0\",\"id\":{},\"result\":{{}}}}", id.get()))
}

/// The refusal of a request that the upstream made.
#[must_use]
pub fn method_not_found(id: &RawValue) -> Bytes {
    Bytes::from(format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":{},\"error\":{{\"code\":{METHOD_NOT_FOUND},\"message\":\"Method not found\"}}}}",
        id.get()
    ))
}

#[cfg(test)]
mod tests;
