//! The answer to one POST: JSON, a batch, or a stream of events, read until the awaited answer.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{StatusCode, Version};

use crate::answer::Answer;
use crate::error::Cause;
use crate::frame::FrameError;
use crate::http::agent;
use crate::http::bounds::{BODY_AHEAD_BYTES_MAX, MESSAGE_BYTES_MAX};
use crate::http::ear::{Ear, Heard, malformed};
use crate::http::exchange::Response;
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
    mut response: Response,
    ear: &Ear,
    id: u64,
    had_session: bool,
) -> Result<Read, Cause> {
    let status = response.status();
    if !status.is_success() {
        return Err(Box::pin(refusal(response, had_session)).await);
    }
    if is_event_stream(response.headers()) {
        let stream = EventStream::new(response, Cursor::default());
        return Box::pin(follow(stream, ear, id)).await;
    }
    if matches!(status, StatusCode::ACCEPTED | StatusCode::NO_CONTENT) {
        return Err(Cause::Malformed(format!(
            "status {} without an answer to a request",
            status.as_u16()
        )));
    }
    let may_be_cut = ends_with_its_connection(&response);
    let body = whole_body(&mut response).await?;
    if body.is_empty() && may_be_cut {
        return Err(Cause::Broken("the connection was closed before the body".to_owned()));
    }
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
                    Heard::Answer(answer) => {
                        stream.response.let_go();
                        return Ok(Read::Answer(answer));
                    }
                    Heard::Nonsense(why) => return Err(Cause::Malformed(why.to_owned())),
                    Heard::Other => {}
                }
            }
            Next::Event(_) => {}
            Next::Json(body) => return only_answer(&body, ear, id).map(Read::Answer),
            Next::End => {
                let reason = "the stream ended".to_owned();
                return Ok(Read::Cut { cursor: stream.cursor().clone(), reason });
            }
            Next::Cut(reason) => {
                return Ok(Read::Cut { cursor: stream.cursor().clone(), reason });
            }
        }
    }
}

fn only_answer(body: &Bytes, ear: &Ear, id: u64) -> Result<Answer, Cause> {
    match ear.hear(body, Some(id)).map_err(|error| cut_or_malformed(&error, body))? {
        Heard::Answer(answer) => Ok(answer),
        Heard::Nonsense(why) => Err(Cause::Malformed(why.to_owned())),
        Heard::Other => {
            Err(Cause::Malformed("a body without the answer to its request".to_owned()))
        }
    }
}

/// JSON that ends in its middle was cut, also where the framing does not show it: a body may end
/// with its connection, and gateways pass on as whole what they got of a body.
fn cut_or_malformed(error: &FrameError, body: &[u8]) -> Cause {
    match error {
        FrameError::Json(json) if json.is_eof() && !body.trim_ascii().is_empty() => {
            Cause::Broken(format!("the body ended in its middle: {json}"))
        }
        FrameError::Json(_) | FrameError::Shapeless => malformed(error, body),
    }
}

/// Whether nothing but the end of the connection ends the body (RFC 9112, section 6.3), so that a
/// broken one looks whole.
fn ends_with_its_connection(response: &Response) -> bool {
    let headers = response.headers();
    response.content_length().is_none()
        && response.version() <= Version::HTTP_11
        && !headers.contains_key(CONTENT_LENGTH)
        && !headers.contains_key(TRANSFER_ENCODING)
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
    /// The end, after whole events.
    End,
    /// It broke off, or may have; how.
    Cut(String),
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
                Ok(None) => return self.end(),
                Err(error) => return Ok(Next::Cut(agent::reason(&error))),
            }
        }
    }

    fn end(&mut self) -> Result<Next, Cause> {
        let was_amid_event = self.parser.is_amid_event();
        if let Some(event) = self.parser.finish()? {
            return Ok(Next::Event(event));
        }
        Ok(if was_amid_event {
            Next::Cut("the stream ended in the middle of an event".to_owned())
        } else if ends_with_its_connection(&self.response) {
            Next::Cut("the connection was closed".to_owned())
        } else {
            Next::End
        })
    }
}

/// No field of an event begins like this.
fn is_json(chunk: &[u8]) -> bool {
    matches!(chunk.trim_ascii_start().first(), Some(b'{' | b'['))
}

/// The whole body, without a copy where it comes in one piece.
pub(crate) async fn whole_body(response: &mut Response) -> Result<Bytes, Cause> {
    match chunk(response).await? {
        Some(first) if response.is_over() => Ok(first),
        Some(first) => Box::pin(collect(response, first)).await,
        None => Ok(Bytes::new()),
    }
}

async fn collect(response: &mut Response, first: Bytes) -> Result<Bytes, Cause> {
    let promised = usize::try_from(response.content_length().unwrap_or(0)).unwrap_or(usize::MAX);
    if promised > MESSAGE_BYTES_MAX {
        return Err(Cause::TooLarge { limit_bytes: MESSAGE_BYTES_MAX });
    }
    let Some(second) = chunk(response).await? else { return Ok(first) };
    let mut body = Vec::with_capacity(promised.min(BODY_AHEAD_BYTES_MAX));
    body.extend_from_slice(&first);
    body.extend_from_slice(&second);
    while let Some(piece) = chunk(response).await? {
        let length = body.len() + piece.len();
        if length > MESSAGE_BYTES_MAX {
            return Err(Cause::TooLarge { limit_bytes: MESSAGE_BYTES_MAX });
        }
        if length > body.capacity() && length <= promised {
            // Much of it came, so the rest will: it is never copied to make room for more.
            body.reserve_exact(promised - body.len());
        }
        body.extend_from_slice(&piece);
    }
    Ok(Bytes::from(body))
}

async fn chunk(response: &mut Response) -> Result<Option<Bytes>, Cause> {
    response.chunk().await.map_err(|error| Cause::Broken(agent::reason(&error)))
}
