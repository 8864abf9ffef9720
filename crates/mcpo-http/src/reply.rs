//! A tool's result -> the JSON that a downstream gets. Texts are spliced in as the upstream wrote
//! them; nothing is decoded and encoded again unless it must be looked into.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::json::{
    inside, is_readable, is_readable_from, may_start, push_string, split_string, split_value,
};
use crate::pieces::{PIECE_BYTES_MAX, Pieces};
use crate::unescape::Unescaped;

/// What a tool answered, ready to be sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// One JSON value.
    Value(Said),
    /// The tool says that it failed.
    Failed {
        /// What it says, as a JSON string.
        message: Vec<u8>,
        /// All that it says, as a JSON array, where that is more than one text.
        content: Option<Vec<u8>>,
    },
    /// That was no result of a tool.
    Nonsense,
}

/// One JSON value, ready to be sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// In one piece.
    Whole(Bytes),
    /// A long one.
    Long(Box<Pieces>),
}

/// The parts of a result, as they came.
#[derive(Deserialize)]
struct ToolResult<'a> {
    #[serde(borrow)]
    content: Option<Vec<&'a RawValue>>,
    #[serde(borrow, rename = "structuredContent")]
    structured: Option<&'a RawValue>,
    #[serde(borrow, rename = "isError")]
    is_error: Option<&'a RawValue>,
}

/// The parts of a content item that are looked at, as they came. Nothing is required: whatever is
/// not as expected is handed on whole.
#[derive(Default, Deserialize)]
struct Item<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    text: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow, rename = "mimeType")]
    mime: Option<&'a RawValue>,
    #[serde(borrow)]
    resource: Option<&'a RawValue>,
    #[serde(borrow)]
    blob: Option<&'a RawValue>,
}

/// What a glance shows of a result that did not fail.
struct Glance<'a> {
    /// A string token.
    text: &'a str,
    structured: Option<&'a str>,
}

/// What an item comes out as.
enum Shown<'a> {
    Text(&'a str),
    Data { mime: &'a str, base64: &'a str },
    Raw(&'a str),
}

/// The content type of something that does not say what it is (RFC 2046).
const ANY_BYTES: &str = "application/octet-stream";

/// What an error without words says, as the original does.
const NO_WORDS: &str = "Unknown tool execution error";

/// Reads a result. `prefers_structured` says that the tool declares the shape of its
/// `structuredContent`.
pub(crate) fn tell(result: &Bytes, prefers_structured: bool) -> Told {
    if let Some(Glance { text, structured }) = glance(result) {
        let told = match structured.filter(|_| prefers_structured) {
            Some(structured) => Said::Whole(slice_of(result, structured)),
            None => said(result, &[Shown::Text(text)]),
        };
        return Told::Value(told);
    }
    let Ok(parts) = serde_json::from_slice::<ToolResult<'_>>(result) else { return Told::Nonsense };
    let items: Vec<Shown<'_>> = parts.content.iter().flatten().map(|item| show(item)).collect();
    if parts.is_error.is_some_and(|flag| flag.get() == "true") {
        return failed(&items);
    }
    if let Some(structured) = parts.structured
        && (items.is_empty() || prefers_structured && items.iter().all(Shown::is_text))
    {
        return Told::Value(Said::Whole(slice_of(result, structured.get())));
    }
    Told::Value(said(result, &items))
}

/// The parts of the most usual result, which is written by machines and always in one of a few ways:
/// one text, and perhaps the same structured. Of others it says nothing.
fn glance(result: &[u8]) -> Option<Glance<'_>> {
    let rest = str::from_utf8(result).ok()?.strip_prefix(r#"{"content":[{"#)?;
    let (text, rest) = match rest.strip_prefix(r#""type":"text","text":"#) {
        Some(rest) => split_string(rest)?,
        None => {
            let (text, rest) = split_string(rest.strip_prefix(r#""text":"#)?)?;
            (text, rest.strip_prefix(r#","type":"text""#)?)
        }
    };
    let rest = rest.strip_prefix("}]")?;
    let some = |value| (value != "null").then_some(value);
    let (structured, rest) = match rest.strip_prefix(r#","structuredContent":"#) {
        Some(rest) => split_value(rest).map(|(value, rest)| (some(value), rest))?,
        None => (None, rest),
    };
    matches!(rest, "}" | r#","isError":false}"#).then_some(Glance { text, structured })
}

/// The one item, or a list of them. What is short is written at once.
fn said(result: &Bytes, items: &[Shown<'_>]) -> Said {
    match items {
        [Shown::Raw(raw)] => Said::Whole(slice_of(result, raw)),
        [Shown::Text(token)] if !text_may_be_json(token) => Said::Whole(slice_of(result, token)),
        items if result.len() > PIECE_BYTES_MAX => Said::Long(Box::new(pieces(result, items))),
        [item] => {
            let mut out = Vec::new();
            item.push(&mut out);
            Said::Whole(out.into())
        }
        items => Said::Whole(list(items).into()),
    }
}

/// The same, as slices of the result.
fn pieces(result: &Bytes, items: &[Shown<'_>]) -> Pieces {
    let mut pieces = Pieces::default();
    let is_list = items.len() != 1;
    if is_list {
        pieces.push(Bytes::from_static(b"["));
    }
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            pieces.push(Bytes::from_static(b","));
        }
        item.cut(result, &mut pieces);
    }
    if is_list {
        pieces.push(Bytes::from_static(b"]"));
    }
    pieces
}

/// Whether the tool says in its result that it failed.
pub(crate) fn is_error(result: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Flag<'a> {
        #[serde(borrow, rename = "isError")]
        is_error: Option<&'a RawValue>,
    }
    // Most results do not hold the word at all.
    memchr::memmem::find(result, b"\"isError\"").is_some()
        && serde_json::from_slice::<Flag<'_>>(result)
            .is_ok_and(|parts| parts.is_error.is_some_and(|flag| flag.get() == "true"))
}

fn failed(items: &[Shown<'_>]) -> Told {
    let mut message = Vec::new();
    match items.first() {
        Some(Shown::Text(token)) => message.extend_from_slice(token.as_bytes()),
        Some(Shown::Data { .. } | Shown::Raw(_)) | None => push_string(&mut message, NO_WORDS),
    }
    let says_more = !matches!(items, [] | [Shown::Text(_)]);
    Told::Failed { message, content: says_more.then(|| list(items)) }
}

fn list(items: &[Shown<'_>]) -> Vec<u8> {
    let mut out = vec![b'['];
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        item.push(&mut out);
    }
    out.push(b']');
    out
}

/// A part of the result without copying it.
fn slice_of(result: &Bytes, part: &str) -> Bytes {
    result.slice_ref(part.as_bytes())
}

fn show(raw: &RawValue) -> Shown<'_> {
    let item: Item<'_> = serde_json::from_str(raw.get()).unwrap_or_default();
    let whole = Shown::Raw(raw.get());
    match item.kind.map(RawValue::get) {
        Some(r#""text""#) => string(item.text).map_or(whole, Shown::Text),
        Some(r#""image""# | r#""audio""#) => data(item.mime, item.data).unwrap_or(whole),
        Some(r#""resource""#) => item.resource.and_then(embedded).unwrap_or(whole),
        // Links, and whatever later versions of MCP bring.
        _ => whole,
    }
}

fn embedded(raw: &RawValue) -> Option<Shown<'_>> {
    let resource: Item<'_> = serde_json::from_str(raw.get()).ok()?;
    string(resource.text).map(Shown::Text).or_else(|| data(resource.mime, resource.blob))
}

fn data<'a>(mime: Option<&'a RawValue>, base64: Option<&'a RawValue>) -> Option<Shown<'a>> {
    let base64 = inside(string(base64)?)?;
    let mime = string(mime).and_then(inside).filter(|mime| !mime.is_empty());
    Some(Shown::Data { mime: mime.unwrap_or(ANY_BYTES), base64 })
}

fn string(raw: Option<&RawValue>) -> Option<&str> {
    raw.map(RawValue::get).filter(|token| token.starts_with('"'))
}

/// Whether the string token can hold JSON, by its first character that is no blank. `false` is
/// certain.
fn text_may_be_json(token: &str) -> bool {
    let text = inside(token).unwrap_or_default();
    match text.trim_start_matches(' ').bytes().next() {
        // An escape may be a quote or a line break.
        Some(b'\\') => true,
        Some(byte) => may_start(byte),
        None => false,
    }
}

// === impl Shown ===

impl Shown<'_> {
    const fn is_text(&self) -> bool {
        matches!(self, Self::Text(_))
    }

    /// Appends the item as one JSON value.
    fn push(&self, out: &mut Vec<u8>) {
        match self {
            Self::Text(token) => push_text(out, token),
            Self::Data { mime, base64 } => {
                out.reserve(mime.len() + base64.len() + 16);
                out.extend_from_slice(b"\"data:");
                out.extend_from_slice(mime.as_bytes());
                out.extend_from_slice(b";base64,");
                out.extend_from_slice(base64.as_bytes());
                out.push(b'"');
            }
            Self::Raw(raw) => out.extend_from_slice(raw.as_bytes()),
        }
    }

    /// Adds the item to the pieces as one JSON value.
    fn cut(&self, result: &Bytes, pieces: &mut Pieces) {
        match self {
            Self::Text(token) => cut_text(result, token, pieces),
            Self::Data { mime, base64 } => {
                pieces.push(Bytes::from_static(b"\"data:"));
                pieces.push(slice_of(result, mime));
                pieces.push(Bytes::from_static(b";base64,"));
                pieces.push(slice_of(result, base64));
                pieces.push(Bytes::from_static(b"\""));
            }
            Self::Raw(raw) => pieces.push(slice_of(result, raw)),
        }
    }
}

/// Adds a text as the JSON that it holds, or as a string.
fn cut_text(result: &Bytes, token: &str, pieces: &mut Pieces) {
    let inside = inside(token).filter(|_| text_may_be_json(token));
    let mut text = Unescaped::new(inside.unwrap_or_default().as_bytes(), 0);
    let is_json = inside.is_some() && is_readable_from(&mut text);
    match (inside, text.length().filter(|_| is_json)) {
        (Some(inside), Some(length)) if length == inside.len() => {
            pieces.push(slice_of(result, inside));
        }
        (Some(inside), Some(length)) => pieces.push_text(slice_of(result, inside), length),
        (Some(_) | None, Some(_) | None) => pieces.push(slice_of(result, token)),
    }
}

/// Appends a text as the JSON that it holds, or as a string.
fn push_text(out: &mut Vec<u8>, token: &str) {
    if text_may_be_json(token)
        && let Some(text) = decoded(token)
        && is_readable(&text)
    {
        out.extend_from_slice(text.as_bytes());
    } else {
        out.extend_from_slice(token.as_bytes());
    }
}

/// The text of a string token; `None` if it holds half a surrogate pair, which no text can.
fn decoded(token: &str) -> Option<Cow<'_, str>> {
    let text = inside(token)?;
    if memchr::memchr(b'\\', text.as_bytes()).is_none() {
        return Some(Cow::Borrowed(text));
    }
    serde_json::from_str(token).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests;
