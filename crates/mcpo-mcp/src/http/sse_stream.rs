//! Server-sent events, read incrementally: any cut of the bytes into chunks gives the same events
//! (WHATWG HTML, "Server-sent events"). Data that lies in one piece is passed on without a copy.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use http::HeaderValue;

use crate::error::Cause;
use crate::http::bounds::{EVENT_ID_BYTES_MAX, MESSAGE_BYTES_MAX};

/// One event that carries data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) kind: EventKind,
    /// The `data` lines, joined with line feeds.
    pub(crate) data: Bytes,
}

/// The event types that MCP knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EventKind {
    /// A JSON-RPC message; also what an event without a type is.
    Message,
    /// Where to POST to (HTTP+SSE).
    Endpoint,
    /// Something else, to be ignored.
    Other,
}

/// Where a stream can be taken up again, as far as its upstream said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// The id of the last whole event.
    pub(crate) last_event_id: Option<HeaderValue>,
    /// How long to wait before reconnecting.
    pub(crate) retry: Option<Duration>,
}

/// The incremental parser.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    started: bool,
    /// The last line ended in CR: a LF that follows belongs to it.
    after_cr: bool,
    chunks: VecDeque<Bytes>,
    /// The start of a line that goes on in the next chunk.
    line: BytesMut,
    id: Option<Option<HeaderValue>>,
    kind: Option<EventKind>,
    data: Data,
    cursor: Cursor,
}

#[derive(Debug, Default)]
enum Data {
    #[default]
    None,
    One(Bytes),
    Many(BytesMut),
}

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

impl Parser {
    /// Starts where another stream ended, so that its cursor lives on.
    pub(crate) fn resuming(cursor: Cursor) -> Self {
        Self { cursor, ..Self::default() }
    }

    pub(crate) fn cursor(&self) -> &Cursor {
        &self.cursor
    }

    /// Takes in the next piece of the stream.
    pub(crate) fn feed(&mut self, chunk: Bytes) {
        if !chunk.is_empty() {
            self.chunks.push_back(chunk);
        }
    }

    /// The next event among what was fed, if it is whole.
    ///
    /// # Errors
    /// [`Cause::TooLarge`] when a line or an event passes the bound for a message.
    pub(crate) fn next_event(&mut self) -> Result<Option<Event>, Cause> {
        while let Some(line) = self.next_line()? {
            if line.is_empty() {
                if let Some(event) = self.dispatch() {
                    return Ok(Some(event));
                }
            } else {
                self.take_field(&line)?;
            }
        }
        Ok(None)
    }

    /// What is left when the stream has ended. The standard drops an event without its blank
    /// line; some upstreams never write the last one, and whole JSON proves itself. Anything else
    /// was cut: neither its data nor its id counts.
    pub(crate) fn finish(&mut self) -> Result<Option<Event>, Cause> {
        let rest = self.line.split().freeze();
        if rest.starts_with(b"data") {
            self.take_field(&rest)?;
        }
        let is_whole = matches!(self.kind, None | Some(EventKind::Message)) && self.data.is_json();
        if is_whole {
            return Ok(self.dispatch());
        }
        (self.id, self.kind, self.data) = (None, None, Data::None);
        Ok(None)
    }

    /// Whether an event has begun and its blank line has not come.
    pub(crate) fn is_amid_event(&self) -> bool {
        !self.line.is_empty()
            || self.id.is_some()
            || self.kind.is_some()
            || !matches!(self.data, Data::None)
    }

    fn next_line(&mut self) -> Result<Option<Bytes>, Cause> {
        while let Some(chunk) = self.chunks.front_mut() {
            if std::mem::take(&mut self.after_cr) && chunk.first() == Some(&b'\n') {
                chunk.advance(1);
            }
            let Some(end) = memchr::memchr2(b'\n', b'\r', chunk) else {
                self.line.extend_from_slice(chunk);
                self.chunks.pop_front();
                within_bound(self.line.len())?;
                continue;
            };
            self.after_cr = chunk[end] == b'\r';
            let tail = chunk.split_to(end);
            chunk.advance(1);
            if chunk.is_empty() {
                self.chunks.pop_front();
            }
            within_bound(self.line.len() + tail.len())?;
            return Ok(Some(self.without_mark(tail)));
        }
        Ok(None)
    }

    /// Joins the line's start with its tail, and cuts the byte order mark off the first line.
    fn without_mark(&mut self, tail: Bytes) -> Bytes {
        let mut line = if self.line.is_empty() {
            tail
        } else {
            self.line.extend_from_slice(&tail);
            self.line.split().freeze()
        };
        if !std::mem::replace(&mut self.started, true) && line.starts_with(BYTE_ORDER_MARK) {
            line.advance(BYTE_ORDER_MARK.len());
        }
        line
    }

    fn take_field(&mut self, line: &Bytes) -> Result<(), Cause> {
        let (name, value) = match memchr::memchr(b':', line) {
            Some(colon) => (&line[..colon], line.slice(colon + 1..)),
            None => (&line[..], Bytes::new()),
        };
        let value = if value.first() == Some(&b' ') { value.slice(1..) } else { value };
        match name {
            b"data" => self.data.push(value)?,
            b"event" => self.kind = Some(EventKind::named(&value)),
            b"id" => self.take_id(&value),
            b"retry" => self.take_retry(&value),
            _comment_or_unknown => {}
        }
        Ok(())
    }

    fn take_id(&mut self, value: &[u8]) {
        if value.contains(&0) || value.len() > EVENT_ID_BYTES_MAX {
            return;
        }
        // An id that cannot stand in a header cannot be asked for either.
        self.id = Some(HeaderValue::from_bytes(value).ok().filter(|id| !id.is_empty()));
    }

    fn take_retry(&mut self, value: &[u8]) {
        if value.iter().all(u8::is_ascii_digit)
            && let Some(milliseconds) =
                std::str::from_utf8(value).ok().and_then(|digits| digits.parse().ok())
        {
            self.cursor.retry = Some(Duration::from_millis(milliseconds));
        }
    }

    fn dispatch(&mut self) -> Option<Event> {
        if let Some(id) = self.id.take() {
            self.cursor.last_event_id = id;
        }
        let kind = self.kind.take().unwrap_or(EventKind::Message);
        let data = match std::mem::take(&mut self.data) {
            Data::None => return None,
            Data::One(data) => data,
            Data::Many(data) => data.freeze(),
        };
        // Data that is empty only primes the cursor (2025-11-25).
        (!data.is_empty()).then_some(Event { kind, data })
    }
}

impl Data {
    fn is_json(&self) -> bool {
        let text: &[u8] = match self {
            Self::None => return false,
            Self::One(data) => data,
            Self::Many(data) => data,
        };
        serde_json::from_slice::<serde::de::IgnoredAny>(text).is_ok()
    }

    fn push(&mut self, line: Bytes) -> Result<(), Cause> {
        *self = match std::mem::take(self) {
            Self::None => Self::One(line),
            Self::One(first) => {
                let mut joined = BytesMut::with_capacity(first.len() + 1 + line.len());
                joined.extend_from_slice(&first);
                Self::Many(joined).joined(&line)?
            }
            Self::Many(joined) => Self::Many(joined).joined(&line)?,
        };
        Ok(())
    }

    fn joined(self, line: &[u8]) -> Result<Self, Cause> {
        let Self::Many(mut joined) = self else { return Ok(self) };
        within_bound(joined.len() + 1 + line.len())?;
        joined.extend_from_slice(b"\n");
        joined.extend_from_slice(line);
        Ok(Self::Many(joined))
    }
}

impl EventKind {
    fn named(name: &[u8]) -> Self {
        match name {
            b"" | b"message" => Self::Message,
            b"endpoint" => Self::Endpoint,
            _unknown => Self::Other,
        }
    }
}

fn within_bound(bytes: usize) -> Result<(), Cause> {
    if bytes > MESSAGE_BYTES_MAX {
        Err(Cause::TooLarge { limit_bytes: MESSAGE_BYTES_MAX })
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
