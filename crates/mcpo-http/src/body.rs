//! Reads the body of a request: once, within bounds of bytes and of time, and of what all bodies
//! take together.

use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::poll;
use http::HeaderMap;
use http::header::EXPECT;
use http_body::Body;
use http_body_util::BodyExt;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use crate::problem::Problem;

/// How long a body may take to arrive: the largest allowed by default (16 MiB) over 5 Mbit/s.
const BODY_TIME_MAX: Duration = Duration::from_secs(30);

/// How much of a refused body is read and thrown away. A downstream that is cut off while it
/// writes often does not get to read why.
const THROWN_AWAY_BYTES_MAX: usize = 64 << 20;

/// How long that may take.
const THROWN_AWAY_TIME_MAX: Duration = Duration::from_secs(5);

/// What bodies may take together while their calls go on. Without it 4096 downstreams with 16 MiB
/// each would take all memory there is.
const BODIES_BYTES_MAX: usize = 256 << 20;

/// Room is taken in pieces of this size. The first piece of each body is free, so that ordinary
/// calls never lack room.
const PIECE_BYTES: usize = 64 << 10;

/// Reads bodies, within what each and all of them may take.
#[derive(Debug)]
pub(crate) struct Bodies {
    limit: usize,
    pieces: Semaphore,
}

/// A body, and the room that it takes until it is dropped.
#[derive(Debug)]
pub(crate) struct Whole<'b> {
    pub(crate) bytes: Bytes,
    pub(crate) room: Room<'b>,
}

/// Pieces of room; free again when dropped.
pub(crate) type Room<'b> = SemaphorePermit<'b>;

// === impl Bodies ===

impl Bodies {
    /// Each body may take so many bytes.
    pub(crate) fn new(limit: usize) -> Self {
        // One of the largest that are allowed always finds room.
        Self { limit, pieces: Semaphore::new(BODIES_BYTES_MAX.max(limit) / PIECE_BYTES) }
    }

    /// Reads all of one, if it comes in time.
    ///
    /// Cancel-safe: dropping it drops the body.
    ///
    /// # Errors
    /// It is too large, too slow, or breaks off; or too many large ones are held.
    pub(crate) async fn read<B>(
        &self,
        headers: &HeaderMap,
        mut body: B,
    ) -> Result<Whole<'_>, Problem>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let read = self.collect_in_time(&mut body).await;
        // Who asks before sending has not sent yet, and would be told to go on.
        if matches!(read, Err(Problem::BodyTooLarge { .. })) && !headers.contains_key(EXPECT) {
            // The answer is the same, however much could be thrown away.
            let _late = timeout(THROWN_AWAY_TIME_MAX, throw_away(&mut body)).await;
        }
        read
    }

    /// Most bodies came with their heads, and need neither clock nor timer.
    async fn collect_in_time<B>(&self, body: &mut B) -> Result<Whole<'_>, Problem>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let mut collected = pin!(self.collect(body));
        if let Poll::Ready(read) = poll!(&mut collected) {
            return read;
        }
        timeout(BODY_TIME_MAX, collected).await.unwrap_or(Err(Problem::BodyTooSlow))
    }

    async fn collect<B>(&self, body: &mut B) -> Result<Whole<'_>, Problem>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let mut room = self.pieces.try_acquire_many(0).expect("no room is always there");
        if body.size_hint().lower() > self.limit as u64 {
            return Err(self.too_large());
        }
        let Some(first) = next(body).await? else {
            return Ok(Whole { bytes: Bytes::new(), room });
        };
        self.make_room(&mut room, first.len())?;
        if body.is_end_stream() {
            return Ok(Whole { bytes: first, room });
        }
        // What is promised is within the limit, and costs nothing before it comes.
        let expected = usize::try_from(body.size_hint().lower()).unwrap_or(self.limit);
        let mut whole = BytesMut::with_capacity(first.len() + expected.min(self.limit));
        whole.extend_from_slice(&first);
        drop(first);
        while let Some(data) = next(body).await? {
            self.make_room(&mut room, whole.len() + data.len())?;
            whole.extend_from_slice(&data);
        }
        Ok(Whole { bytes: whole.freeze(), room })
    }

    /// Makes room for a body that has grown to that.
    fn make_room<'b>(&'b self, room: &mut Room<'b>, bytes: usize) -> Result<(), Problem> {
        if bytes > self.limit {
            return Err(self.too_large());
        }
        let more = (bytes / PIECE_BYTES).saturating_sub(room.num_permits());
        let more = u32::try_from(more).map_err(|_| Problem::NoRoomForBody)?;
        room.merge(self.pieces.try_acquire_many(more).map_err(|_| Problem::NoRoomForBody)?);
        Ok(())
    }

    const fn too_large(&self) -> Problem {
        Problem::BodyTooLarge { limit: self.limit }
    }
}

async fn next<B>(body: &mut B) -> Result<Option<Bytes>, Problem>
where
    B: Body<Data = Bytes> + Unpin,
{
    body.frame().await.map(data_of::<B>).transpose()
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
