//! Writes queued frames, one a line, as many at once as there are.

use std::io::{self, IoSlice};

use tokio::io::{AsyncWrite, AsyncWriteExt};

use crate::multiplex::{Outbox, Outgoing, QUEUE_FRAMES_MAX};

/// Writes until the outbox ends, and then closes the stream. A child that does not read blocks
/// only this task: the queue fills, and calls end at their deadlines.
///
/// # Errors
/// The stream broke. Requests of which no byte had left count as not sent.
pub(super) async fn write_messages(
    mut sink: impl AsyncWrite + Unpin,
    mut outbox: Outbox,
) -> io::Result<()> {
    let mut batch = Vec::with_capacity(QUEUE_FRAMES_MAX);
    while outbox.next(&mut batch).await {
        for outgoing in &mut batch {
            outgoing.frame.push(b'\n');
        }
        let (written, result) = write_batch(&mut sink, &batch).await;
        if result.is_err() {
            outbox.take_back(starting_at(&batch, written));
            return result;
        }
        batch.clear();
    }
    sink.shutdown().await
}

/// Also tells how many bytes were written before an error.
async fn write_batch(
    sink: &mut (impl AsyncWrite + Unpin),
    batch: &[Outgoing],
) -> (usize, io::Result<()>) {
    let mut slices = [IoSlice::new(&[]); QUEUE_FRAMES_MAX];
    let mut written = 0;
    for frames in batch.chunks(slices.len()) {
        for (slice, outgoing) in slices.iter_mut().zip(frames) {
            *slice = IoSlice::new(&outgoing.frame);
        }
        let mut rest = &mut slices[..frames.len()];
        while !rest.is_empty() {
            match sink.write_vectored(rest).await {
                Ok(0) => return (written, Err(io::ErrorKind::WriteZero.into())),
                Ok(bytes) => {
                    written += bytes;
                    IoSlice::advance_slices(&mut rest, bytes);
                }
                Err(error) => return (written, Err(error)),
            }
        }
    }
    (written, sink.flush().await)
}

/// The requests of the batch that begin at this byte or after it.
fn starting_at(batch: &[Outgoing], written: usize) -> impl Iterator<Item = u64> {
    let starts = batch.iter().scan(0, |start, outgoing| {
        let this = *start;
        *start += outgoing.frame.len();
        Some((this, outgoing.id))
    });
    starts.filter_map(move |(start, id)| id.filter(|_| start >= written))
}

#[cfg(test)]
mod tests;
