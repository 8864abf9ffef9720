//! What a child writes to stderr: always read, so that it never blocks on it, told line by line,
//! and its end kept for the diagnosis.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::redact::Redactor;

/// A longer line is told in pieces.
const LINE_BYTES_MAX: usize = 8 * 1024;
/// How much of it is kept: enough for a long stack trace.
const TAIL_BYTES_MAX: usize = 64 * 1024;
/// How much of it goes with an error, which every waiting call gets a copy of.
const LAST_LINES_BYTES_MAX: usize = 4 * 1024;

/// The last lines, without secrets.
#[derive(Debug)]
pub(crate) struct Tail {
    lines: Mutex<Lines>,
    redactor: Redactor,
}

#[derive(Debug, Default)]
struct Lines {
    lines: VecDeque<String>,
    bytes: usize,
}

impl Tail {
    pub(super) fn new(redactor: Redactor) -> Self {
        Self { lines: Mutex::default(), redactor }
    }

    /// All that is kept.
    pub(crate) fn text(&self) -> String {
        join(self.lines().lines.iter())
    }

    /// The end of it that fits into an error.
    pub(super) fn last_lines(&self) -> String {
        let lines = self.lines();
        let mut bytes = 0;
        let fitting = lines.lines.iter().rev().take_while(|line| {
            bytes += line.len() + 1;
            bytes <= LAST_LINES_BYTES_MAX
        });
        let first = lines.lines.len() - fitting.count();
        join(lines.lines.iter().skip(first))
    }

    /// The text without what it must not tell.
    pub(super) fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    pub(super) fn push(&self, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        let line = self.redactor.redact(line.trim_end());
        tracing::debug!(target: "mcpo_mcp::stderr", "{line}");
        let mut lines = self.lines();
        lines.bytes += line.len() + 1;
        lines.lines.push_back(line.into_owned());
        while lines.bytes > TAIL_BYTES_MAX {
            let Some(oldest) = lines.lines.pop_front() else { break };
            lines.bytes -= oldest.len() + 1;
        }
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn join<'a>(lines: impl Iterator<Item = &'a String>) -> String {
    lines.map(String::as_str).collect::<Vec<_>>().join("\n")
}

/// Reads to the end of the stream.
pub(super) async fn keep_tail(mut source: impl AsyncRead + Unpin, tail: &Tail) {
    let mut buffer = BytesMut::with_capacity(LINE_BYTES_MAX);
    loop {
        // A broken pipe is an end like any other.
        let read = source.read_buf(&mut buffer).await.unwrap_or(0);
        while let Some(end) = memchr::memchr(b'\n', &buffer) {
            tail.push(&buffer[..end]);
            buffer.advance(end + 1);
        }
        if buffer.len() >= LINE_BYTES_MAX || (read == 0 && !buffer.is_empty()) {
            tail.push(&buffer);
            buffer.clear();
        }
        if read == 0 {
            return;
        }
        buffer.reserve(LINE_BYTES_MAX);
    }
}
