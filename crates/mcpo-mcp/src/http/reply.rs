//! The answer to one POST: JSON, a batch, or a stream of events, read until the awaited answer.

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use reqwest::Response;

use crate::answer::Answer;
use crate::error::Cause;
use crate::http::agent;
use crate::http::bounds::{BODY_AHEAD_BYTES_MAX, MESSAGE_BYTES_MAX};
use crate::http::ear::{Ear, Heard, malformed};
use crate::http::refusal::{is_event_stream, refusal};
use crate::http::sse_stream::{Cursor, Event, EventKind, Parser};

/// How the reading of an answer ended without a fault.
#[derive(Debug)]
pub(crate) enum Read {
    /// With the answer.
    Answer(Answer),
    /// The stream ended before it; from here it may go on.
    Cut {
        /// Where.
        cursor: Cursor,
        /// Why it ended.
        reason: String,
    },
}

/// Reads the answer to the request `id`.
///
/// # Errors
/// A status, something that is not MCP, or a bound that was passed.
pub(crate) async fn read(
    response: Response,
    ear: &Ear,
    id: u64,
    had_session: bool,
) -> Result<Read, Cause> {
    let status = response.status();
    if !status.is_success() {
        return Err(refusal(response, had_session).await);
    }
    if is_event_stream(response.headers()) {
        return follow(EventStream::new(response, Cursor::default()), ear, id).await;
    }
    if matches!(status, StatusCode::ACCEPTED | StatusCode::NO_CONTENT) {
        return Err(Cause::Malformed(format!(
            "status {} without an answer to a request",
            status.as_u16()
        )));
    }
    let body = whole_body(response).await?;
    only_answer(&body, ear, id).map(Read::Answer)
}

/// Follows a stream until the awaited answer or its end.
pub(crate) async fn follow(mut stream: EventStream, ear: &Ear, id: u64) -> Result<Read, Cause> {
    loop {
        match stream.next().await? {
            Next::Event(event) if event.kind == EventKind::Message => {
                match ear
                    .hear(&event.data, Some(id))
                    .map_err(|error| malformed(&error, &event.data))?
                {
                    Heard::Answer(answer) => return Ok(Read::Answer(answer)),
                    Heard::Nonsense(why) => return Err(Cause::Malformed(why.to_owned())),
                    Heard::Other => {}
                }
            }
            Next::Event(_) => {}
            Next::Json(body) => return only_answer(&body, ear, id).map(Read::Answer),
            Next::End(reason) => {
                return Ok(Read::Cut { cursor: stream.parser.cursor().clone(), reason });
            }
        }
    }
}

fn only_answer(body: &Bytes, ear: &Ear, id: u64) -> Result<Answer, Cause> {
    match ear.hear(body, Some(id)).map_err(|error| malformed(&error, body))? {
        Heard::Answer(answer) => Ok(answer),
        Heard::Nonsense(why) => Err(Cause::Malformed(why.to_owned())),
        Heard::Other => {
            Err(Cause::Malformed("a body without the answer to its request".to_owned()))
        }
    }
}

/// A response's body as events.
pub(crate) struct EventStream {
    response: Response,
    parser: Parser,
    begun: bool,
}

impl std::fmt::Debug for EventStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A response shows its whole address.
        f.debug_struct("EventStream").field("cursor", self.cursor()).finish_non_exhaustive()
    }
}

/// What comes next on a stream.
#[derive(Debug)]
pub(crate) enum Next {
    /// An event with data.
    Event(Event),
    /// No events at all: a bare JSON body in spite of the content type.
    Json(Bytes),
    /// The end, and what made it.
    End(String),
}

impl EventStream {
    pub(crate) fn new(response: Response, cursor: Cursor) -> Self {
        Self { response, parser: Parser::resuming(cursor), begun: false }
    }

    pub(crate) fn cursor(&self) -> &Cursor {
        self.parser.cursor()
    }

    /// Cancel-safe: what was read stays with the parser.
    ///
    /// # Errors
    /// [`Cause::TooLarge`].
    pub(crate) async fn next(&mut self) -> Result<Next, Cause> {
        loop {
            if let Some(event) = self.parser.next_event()? {
                return Ok(Next::Event(event));
            }
            match self.response.chunk().await {
                Ok(Some(chunk)) if !self.begun && is_json(&chunk) => {
                    return collect(&mut self.response, chunk).await.map(Next::Json);
                }
                Ok(Some(chunk)) => {
                    self.begun = self.begun || !chunk.trim_ascii().is_empty();
                    self.parser.feed(chunk);
                }
                Ok(None) => {
                    return Ok(self
                        .parser
                        .finish()?
                        .map_or_else(|| Next::End("it ended".to_owned()), Next::Event));
                }
                Err(error) => return Ok(Next::End(agent::reason(&error))),
            }
        }
    }
}

/// No field of an event begins like this.
fn is_json(chunk: &[u8]) -> bool {
    matches!(chunk.trim_ascii_start().first(), Some(b'{' | b'['))
}

/// The whole body, without a copy where it comes in one piece.
pub(crate) async fn whole_body(mut response: Response) -> Result<Bytes, Cause> {
    match chunk(&mut response).await? {
        Some(first) => collect(&mut response, first).await,
        None => Ok(Bytes::new()),
    }
}

async fn collect(response: &mut Response, first: Bytes) -> Result<Bytes, Cause> {
    let Some(second) = chunk(response).await? else { return Ok(first) };
    let rest = response.content_length().unwrap_or(0).min(BODY_AHEAD_BYTES_MAX as u64);
    let ahead = usize::try_from(rest).unwrap_or(BODY_AHEAD_BYTES_MAX);
    let mut body = BytesMut::with_capacity(ahead.max(first.len() + second.len()));
    body.extend_from_slice(&first);
    body.extend_from_slice(&second);
    while let Some(piece) = chunk(response).await? {
        if body.len() + piece.len() > MESSAGE_BYTES_MAX {
            return Err(Cause::TooLarge { limit_bytes: MESSAGE_BYTES_MAX });
        }
        body.extend_from_slice(&piece);
    }
    Ok(body.freeze())
}

async fn chunk(response: &mut Response) -> Result<Option<Bytes>, Cause> {
    response.chunk().await.map_err(|error| Cause::Broken(agent::reason(&error)))
}
