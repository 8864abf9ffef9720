//! What bounds everything that an HTTP upstream can send us or make us wait for.

use std::time::Duration;

pub(crate) use crate::frame::MESSAGE_BYTES_MAX;

/// How much room is made ahead of the bytes because a `Content-Length` promises them. Room for the
/// rest is made once so much has come, so that a lie costs its teller the bytes.
pub(crate) const BODY_AHEAD_BYTES_MAX: usize = 1024 * 1024;

/// The body of an HTTP error: enough for a JSON-RPC error with data.
pub(crate) const ERROR_BODY_BYTES_MAX: usize = 64 * 1024;

/// How much of that body is kept as text, for the log and for telling what a status means.
pub(crate) const EXCERPT_BYTES_MAX: usize = 2048;

/// How long the body of an HTTP error may take once its head is there.
pub(crate) const ERROR_BODY_WAIT_MAX: Duration = Duration::from_secs(5);

/// The id of an SSE event goes back in a header, and servers commonly refuse headers over 8 KiB.
pub(crate) const EVENT_ID_BYTES_MAX: usize = 4096;

/// A session id, and an `endpoint` event: both end up in a request's head as well.
pub(crate) const SESSION_ID_BYTES_MAX: usize = 4096;

/// `Retry-After` beyond this is cut to it: an hour is as good as "ask an operator".
pub(crate) const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// SSE `retry` beyond this is cut to it for streams of our own.
pub(crate) const STREAM_RETRY_MAX: Duration = RETRY_AFTER_MAX;

/// Pauses between attempts at a stream grow up to this.
pub(crate) const STREAM_PAUSE_MAX: Duration = Duration::from_secs(60);

/// SSE `retry` below this is raised to it, so that an upstream that closes its streams at once
/// does not make us spin.
pub(crate) const STREAM_RETRY_MIN: Duration = Duration::from_millis(100);

/// The wait before a stream is taken up again where the upstream named none.
pub(crate) const STREAM_RETRY: Duration = Duration::from_secs(1);

/// Reconnections of one call's stream that bring nothing new, before the call is given up.
pub(crate) const RESUMES_IN_VAIN_MAX: u32 = 5;

/// How often one request is sent to another address of the same origin.
pub(crate) const REDIRECTS_MAX: usize = 3;

/// A connection that takes longer than this will hardly come at all.
pub(crate) const CONNECT_WAIT_MAX: Duration = Duration::from_secs(10);

/// Replies and cancellations that wait to be sent; when it is full the newest is dropped, which
/// costs the upstream no more than work on a call that nobody awaits.
pub(crate) const OUTBOUND_WAITING_MAX: usize = 64;

/// How many of them are under way at once.
pub(crate) const OUTBOUND_POSTS_MAX: usize = 4;

/// How long one of them, or the DELETE at the end, may take.
pub(crate) const SIDE_POST_WAIT_MAX: Duration = Duration::from_secs(5);

/// Header fields in an answer over HTTP/1, which are so many that hyper finds room for them without
/// asking for memory; it also bounds their bytes.
pub(crate) const HEADERS_MAX: usize = 100;
/// The bytes of such fields over HTTP/2.
pub(crate) const HEADER_BYTES_MAX: u32 = 64 * 1024;

/// Over HTTP+SSE, POSTs under way at once: each is short, their answers come on the stream.
pub(crate) const POSTS_MAX: usize = 64;

/// How long one of them may take that nobody waits for, and the body of its answer. A POST that is
/// held open lives as long as its call, whose deadline is the bound.
pub(crate) const POST_WAIT_MAX: Duration = Duration::from_secs(300);

/// How long POSTs under way may take once one of them was refused because the session is lost: the
/// refusals of the others are a round trip away, and the new session waits for this.
pub(crate) const REFUSALS_WAIT_MAX: Duration = Duration::from_millis(250);
