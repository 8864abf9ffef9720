//! Reads the body of a request: once, within a bound of bytes and of time.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::EXPECT;
use http_body::Body;
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout, timeout_at};

use crate::problem::Problem;

/// How long a body may take to arrive: the largest allowed by default (16 MiB) over 5 Mbit/s.
pub(crate) const BODY_TIME_MAX: Duration = Duration::from_secs(30);

/// How much of a refused body is read and thrown away. A downstream that is cut off while it
/// writes often does not get to read why.
const THROWN_AWAY_BYTES_MAX: usize = 64 << 20;

/// How long that may take.
const THROWN_AWAY_TIME_MAX: Duration = Duration::from_secs(5);

/// Reads all of it.
///
/// Cancel-safe: dropping it drops the body.
///
/// # Errors
/// It is too large, too slow, or breaks off.
pub(crate) async fn read<B>(
    headers: &HeaderMap,
    mut body: B,
    limit: usize,
    deadline: Instant,
) -> Result<Bytes, Problem>
where
    B: Body<Data = Bytes> + Unpin,
{
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    let read =
        timeout_at(deadline, collect(&mut body, limit)).await.unwrap_or(Err(Problem::BodyTooSlow));
    // Who asks before sending has not sent yet, and would be told to go on.
    if matches!(read, Err(Problem::BodyTooLarge { .. })) && !headers.contains_key(EXPECT) {
        // The answer is the same, however much could be thrown away.
        let _late = timeout(THROWN_AWAY_TIME_MAX, throw_away(&mut body)).await;
    }
    read
}

async fn collect<B>(body: &mut B, limit: usize) -> Result<Bytes, Problem>
where
    B: Body<Data = Bytes> + Unpin,
{
    let too_large = || Problem::BodyTooLarge { limit };
    if body.size_hint().lower() > limit as u64 {
        return Err(too_large());
    }
    let first = match body.frame().await {
        None => return Ok(Bytes::new()),
        Some(frame) => data_of::<B>(frame)?,
    };
    if first.len() > limit {
        return Err(too_large());
    }
    if body.is_end_stream() {
        return Ok(first);
    }
    let mut whole = BytesMut::from(first);
    while let Some(frame) = body.frame().await {
        let data = data_of::<B>(frame)?;
        if whole.len() + data.len() > limit {
            return Err(too_large());
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole.freeze())
}

/// The bytes of a frame; trailers have none.
fn data_of<B: Body<Data = Bytes>>(
    frame: Result<http_body::Frame<Bytes>, B::Error>,
) -> Result<Bytes, Problem> {
    let frame = frame.map_err(|_| Problem::BodyUnreadable)?;
    Ok(frame.into_data().unwrap_or_default())
}

async fn throw_away<B>(body: &mut B)
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut thrown = 0;
    while let Some(Ok(frame)) = body.frame().await {
        thrown += frame.into_data().map_or(0, |data| data.len());
        if thrown > THROWN_AWAY_BYTES_MAX {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
