//! The shape of everything that is sent back: a body in one piece, but for what is long, or told
//! live.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use serde::Serialize;

use crate::pieces::Pieces;
use crate::reply::Said;
use crate::viewers::Place;

/// An HTTP response of ours.
pub(crate) type Answer = Response<Content>;

/// What an answer holds.
#[derive(Debug, Default)]
pub struct Content(Shape);

#[derive(Debug)]
enum Shape {
    /// All there is to say: no allocation beside the bytes.
    Whole(Full<Bytes>),
    /// All there is to say, where that is long.
    Long(Box<Pieces>),
    /// What is told as it happens.
    Live(Live),
}

/// A body without an end, for one viewer.
struct Live {
    pieces: Pin<Box<dyn Stream<Item = Bytes> + Send>>,
    place: Place,
}

pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");
pub(crate) const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
pub(crate) const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// An answer with a body of that type.
pub(crate) fn answer(
    status: StatusCode,
    content_type: HeaderValue,
    body: impl Into<Content>,
) -> Answer {
    let mut answer = Answer::new(body.into());
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, content_type);
    answer
}

/// An answer with a body of our own JSON.
pub(crate) fn json(value: &impl Serialize) -> Answer {
    let body = serde_json::to_vec(value).expect("names are strings, and numbers are JSON's");
    answer(StatusCode::OK, JSON, body)
}

/// An answer without a body.
pub(crate) fn empty(status: StatusCode) -> Answer {
    let mut answer = Answer::default();
    *answer.status_mut() = status;
    answer
}

/// Puts a header of ours into an answer.
pub(crate) fn put(answer: &mut Answer, name: HeaderName, value: &str) {
    // A value of ours is plain ASCII; what comes from elsewhere may not be, and is then left out.
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers_mut().insert(name, value);
    }
}

// === impl Content ===

impl Content {
    /// Pieces, made when the downstream has taken those before, for as long as the viewer keeps
    /// its place.
    pub(crate) fn live(pieces: impl Stream<Item = Bytes> + Send + 'static, place: Place) -> Self {
        Self(Shape::Live(Live { pieces: Box::pin(pieces), place }))
    }

    /// Whether it has no end of its own.
    pub(crate) const fn is_live(&self) -> bool {
        matches!(self.0, Shape::Live(_))
    }
}

impl From<Bytes> for Content {
    fn from(whole: Bytes) -> Self {
        Self(Shape::Whole(Full::new(whole)))
    }
}

impl From<Vec<u8>> for Content {
    fn from(whole: Vec<u8>) -> Self {
        Bytes::from(whole).into()
    }
}

impl From<String> for Content {
    fn from(whole: String) -> Self {
        Bytes::from(whole).into()
    }
}

impl From<&'static str> for Content {
    fn from(whole: &'static str) -> Self {
        Bytes::from_static(whole.as_bytes()).into()
    }
}

impl From<&'static [u8]> for Content {
    fn from(whole: &'static [u8]) -> Self {
        Bytes::from_static(whole).into()
    }
}

impl From<Said> for Content {
    fn from(said: Said) -> Self {
        match said {
            Said::Whole(whole) => whole.into(),
            Said::Long(pieces) => Self(Shape::Long(pieces)),
        }
    }
}

impl Default for Shape {
    fn default() -> Self {
        Self::Whole(Full::default())
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut self.get_mut().0 {
            Shape::Whole(whole) => Pin::new(whole).poll_frame(cx),
            Shape::Long(pieces) => Poll::Ready(pieces.next().map(|piece| Ok(Frame::data(piece)))),
            Shape::Live(live) => {
                if !live.place.is_kept() {
                    return Poll::Ready(None);
                }
                let piece = live.pieces.as_mut().poll_next(cx);
                piece.map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Shape::Whole(whole) => whole.is_end_stream(),
            Shape::Long(pieces) => pieces.bytes_left() == 0,
            Shape::Live(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Shape::Whole(whole) => whole.size_hint(),
            Shape::Long(pieces) => SizeHint::with_exact(pieces.bytes_left() as u64),
            Shape::Live(_) => SizeHint::default(),
        }
    }
}

// === impl Live ===

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Live").field("place", &self.place).finish_non_exhaustive()
    }
}
