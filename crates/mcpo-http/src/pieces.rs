//! A long body in pieces: slices of what the upstream sent, and texts that are read as the
//! downstream takes them. Beside what the upstream sent it takes the room of one piece.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::unescape::Unescaped;

/// How much is made at a time: what a socket takes at once, and little beside a long answer.
pub(crate) const PIECE_BYTES_MAX: usize = 64 << 10;

/// From this length on a slice goes by itself; shorter ones are copied together, since each takes a
/// turn of its own.
const SLICE_BYTES_MIN: usize = 8 << 10;

/// What is left of a body.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Pieces {
    rest: VecDeque<Piece>,
    bytes_left: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Slice(Bytes),
    /// What stands between the quotes of a string token, and how far it was read.
    Text {
        inside: Bytes,
        at: usize,
    },
}

// === impl Pieces ===

impl Pieces {
    /// Adds bytes as they are.
    pub(crate) fn push(&mut self, slice: Bytes) {
        // No piece is empty: over HTTP/2 each is a frame.
        if slice.is_empty() {
            return;
        }
        self.bytes_left += slice.len();
        self.rest.push_back(Piece::Slice(slice));
    }

    /// Adds what a string token says, by what stands between its quotes; that is so many bytes.
    pub(crate) fn push_text(&mut self, inside: Bytes, length: usize) {
        self.bytes_left += length;
        self.rest.push_back(Piece::Text { inside, at: 0 });
    }

    /// How many bytes are left.
    pub(crate) const fn bytes_left(&self) -> usize {
        self.bytes_left
    }

    /// The next piece; `None` at the end.
    pub(crate) fn next(&mut self) -> Option<Bytes> {
        if let Some(slice) = self.long_slice() {
            self.bytes_left -= slice.len();
            return Some(slice);
        }
        if self.bytes_left == 0 {
            return None;
        }
        // The last slice, or the last character of a text, may reach beyond the end of the piece.
        let room = PIECE_BYTES_MAX + SLICE_BYTES_MIN;
        let mut out = Vec::with_capacity(self.bytes_left.min(room));
        while out.len() < PIECE_BYTES_MAX {
            match self.rest.front_mut() {
                Some(Piece::Slice(slice)) if slice.len() < SLICE_BYTES_MIN => {
                    out.extend_from_slice(slice);
                    self.rest.pop_front();
                }
                Some(Piece::Text { inside, at }) => {
                    *at = Unescaped::new(inside, *at).fill(&mut out, PIECE_BYTES_MAX);
                    if *at == inside.len() {
                        self.rest.pop_front();
                    }
                }
                Some(Piece::Slice(_)) | None => break,
            }
        }
        self.bytes_left -= out.len();
        Some(out.into())
    }

    fn long_slice(&mut self) -> Option<Bytes> {
        match self.rest.front_mut() {
            Some(Piece::Slice(slice)) if slice.len() >= SLICE_BYTES_MIN => {
                let slice = std::mem::take(slice);
                self.rest.pop_front();
                Some(slice)
            }
            Some(_) | None => None,
        }
    }
}

#[cfg(test)]
mod tests;
