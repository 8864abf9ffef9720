//! Reads messages, one a line, without copying them: a result is a slice of the read buffer.

mod oversize;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::error::Cause;
use crate::frame::MESSAGE_BYTES_MAX;
use crate::multiplex::Multiplexer;
use crate::stdio::stderr::Tail;
use oversize::Oversize;

/// Room for one read: a pipe holds as much (pipe(7)).
const READ_BYTES: usize = 64 * 1024;
/// With less room than this the buffer grows before the next read.
const READ_BYTES_MIN: usize = 8 * 1024;
/// A buffer that grew beyond this is left to the message that needed it, and not used on.
const BUFFER_BYTES_KEPT_MAX: usize = 1024 * 1024;
/// Lines that are not messages are told aloud this often; after that only at `debug`.
const GARBAGE_WARNINGS_MAX: u64 = 3;
/// How much of such a line is shown.
const GARBAGE_CHARS_MAX: usize = 200;

/// Reads until the stream ends, breaks, or cannot be read on from, and tells which.
pub(super) async fn read_messages(
    source: impl AsyncRead + Unpin,
    multiplexer: &Multiplexer,
    tail: &Tail,
) -> Cause {
    Reader { multiplexer, tail, garbage: 0, message_bytes_max: MESSAGE_BYTES_MAX }.run(source).await
}

#[derive(Debug)]
struct Reader<'a> {
    multiplexer: &'a Multiplexer,
    tail: &'a Tail,
    garbage: u64,
    message_bytes_max: usize,
}

impl Reader<'_> {
    async fn run(mut self, mut source: impl AsyncRead + Unpin) -> Cause {
        let mut buffer = BytesMut::with_capacity(READ_BYTES);
        // No line break in the bytes before it.
        let mut scanned = 0;
        loop {
            while let Some(end) = memchr::memchr(b'\n', &buffer[scanned..]) {
                let line = buffer.split_to(scanned + end + 1).freeze();
                scanned = 0;
                self.take(&line);
                if line.len() > BUFFER_BYTES_KEPT_MAX {
                    buffer = fresh_copy(&buffer);
                }
            }
            scanned = buffer.len();
            if scanned > self.message_bytes_max {
                if let Err(cause) = self.skip(&mut source, &mut buffer).await {
                    return cause;
                }
                scanned = 0;
                continue;
            }
            if buffer.capacity() - buffer.len() < READ_BYTES_MIN {
                buffer.reserve(READ_BYTES);
            }
            match source.read_buf(&mut buffer).await {
                Ok(0) => {
                    self.take(&buffer.freeze());
                    return Cause::Broken("stdout was closed".to_owned());
                }
                Ok(_) => {}
                Err(error) => return Cause::Broken(format!("read from stdout: {error}")),
            }
        }
    }

    fn take(&mut self, line: &Bytes) {
        if line.trim_ascii().is_empty() {
            return;
        }
        let Err(error) = self.multiplexer.receive(line) else { return };
        // One byte that is not UTF-8 in a text must not cost the whole answer.
        if let Err(utf8) = std::str::from_utf8(line) {
            let mended = Bytes::from(String::from_utf8_lossy(line).into_owned());
            if self.multiplexer.receive(&mended).is_ok() {
                tracing::debug!(error = %utf8, "a message that is not UTF-8 was mended");
                return;
            }
        }
        self.garbage += 1;
        if self.garbage <= GARBAGE_WARNINGS_MAX {
            tracing::warn!(%error, garbage_lines = self.garbage, "the child wrote a line to stdout that is not a message");
        }
        let line: String = String::from_utf8_lossy(line).chars().take(GARBAGE_CHARS_MAX).collect();
        if self.garbage <= GARBAGE_WARNINGS_MAX {
            // Somebody who wonders why there is no answer is told by it.
            self.tail
                .push(format!("on stdout, where only MCP belongs: {}", line.trim_end()).as_bytes());
        }
        tracing::debug!(line = %self.tail.redactor().redact(line.trim_end()), "skipped on stdout");
    }

    /// Reads past a line that is too long and fails the request that it answers. Where that cannot
    /// be told, it could be anyone's, and no one must wait in vain: the session ends.
    async fn skip(
        &self,
        source: &mut (impl AsyncRead + Unpin),
        buffer: &mut BytesMut,
    ) -> Result<(), Cause> {
        let too_large = Cause::TooLarge { limit_bytes: self.message_bytes_max };
        let mut line = Oversize::new(std::mem::take(buffer));
        loop {
            buffer.reserve(READ_BYTES);
            match source.read_buf(buffer).await {
                Ok(0) => return Err(Cause::Broken("stdout was closed".to_owned())),
                Ok(_) => {}
                Err(error) => return Err(Cause::Broken(format!("read from stdout: {error}"))),
            }
            let end = memchr::memchr(b'\n', buffer);
            let part = buffer.split_to(end.map_or(buffer.len(), |end| end + 1));
            if !line.append(&part) {
                return Err(too_large);
            }
            if end.is_some() {
                break;
            }
        }
        match line.answers() {
            Some(id) if self.multiplexer.fail_with(id, too_large.clone()) => {
                tracing::warn!(id, limit_bytes = self.message_bytes_max, "an answer is too large");
                Ok(())
            }
            Some(_) | None => Err(too_large),
        }
    }
}

fn fresh_copy(buffer: &[u8]) -> BytesMut {
    let mut fresh = BytesMut::with_capacity(READ_BYTES.max(buffer.len()));
    fresh.extend_from_slice(buffer);
    fresh
}

#[cfg(test)]
mod tests;
