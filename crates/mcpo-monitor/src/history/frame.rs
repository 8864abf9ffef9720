//! A frame as bytes. Little-endian:
//!
//! ```text
//! seconds that it stands for: u32
//! rows, the whole first, under the empty name:
//!   length of the name: u16 | name | which metrics follow, one bit each: u32 | each of them: f32
//! ```
//!
//! Metrics that a reader does not know come last in a row and are passed over.

use super::{Frame, NAMES_MAX, OTHER, ROW_EMPTY, Row, fold};

/// Of a name that is longer, the rest is cut off: longer ones are nobody's names.
const NAME_BYTES_MAX: usize = 512;

/// The name that the whole is kept under; no upstream has it.
pub(super) const WHOLE: &str = "";

/// The frame with no more names than are kept: the rest is one row, [`OTHER`].
pub(super) fn bounded(mut frame: Frame) -> Frame {
    if frame.servers.len() > NAMES_MAX {
        let rest = frame.servers.split_off(NAMES_MAX - 1);
        let other = fold::together(rest.iter().map(|(_, row)| row));
        frame.servers.push((OTHER.to_owned(), other));
    }
    frame
}

/// The bytes of a [bounded](bounded) frame that stands for so many seconds.
pub(super) fn encode(covered_seconds: u32, frame: &Frame) -> Vec<u8> {
    let mut bytes = covered_seconds.to_le_bytes().to_vec();
    push_row(&mut bytes, WHOLE, &frame.whole);
    for (name, row) in &frame.servers {
        push_row(&mut bytes, name, row);
    }
    bytes
}

fn push_row(bytes: &mut Vec<u8>, name: &str, row: &Row) {
    let name = &name[..name.floor_char_boundary(NAME_BYTES_MAX)];
    let length = u16::try_from(name.len()).expect("a name is bounded above");
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(name.as_bytes());
    let mut present = 0u32;
    for (index, value) in row.iter().enumerate() {
        present |= u32::from(value.is_finite()) << index;
    }
    bytes.extend_from_slice(&present.to_le_bytes());
    for value in row.iter().filter(|value| value.is_finite()) {
        bytes.extend_from_slice(&value.to_le_bytes());
    }
}

/// How many seconds a frame stands for; 0 where the bytes are none of ours.
pub(super) fn covered_seconds(bytes: &[u8]) -> u32 {
    bytes.first_chunk().map_or(0, |seconds| u32::from_le_bytes(*seconds))
}

/// The rows of a frame. It ends early where the bytes are none of ours.
pub(super) fn rows(bytes: &[u8]) -> Rows<'_> {
    Rows { rest: bytes.get(4..).unwrap_or_default() }
}

/// The row of one name, if the frame has it.
pub(super) fn find(bytes: &[u8], name: &str) -> Option<Row> {
    rows(bytes).find(|(of, _)| *of == name).map(|(_, row)| row)
}

/// See [`rows`].
pub(super) struct Rows<'a> {
    rest: &'a [u8],
}

// === impl Rows ===

impl<'a> Rows<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    fn take_chunk<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.first_chunk().copied()
    }
}

impl<'a> Iterator for Rows<'a> {
    type Item = (&'a str, Row);

    fn next(&mut self) -> Option<Self::Item> {
        let length = u16::from_le_bytes(self.take_chunk()?);
        let name = std::str::from_utf8(self.take(length.into())?).ok()?;
        let present = u32::from_le_bytes(self.take_chunk()?);
        let mut row = ROW_EMPTY;
        for index in (0..u32::BITS).filter(|index| present & (1 << index) != 0) {
            let value = f32::from_le_bytes(self.take_chunk()?);
            if let Some(known) = row.get_mut(index as usize) {
                *known = value;
            }
        }
        Some((name, row))
    }
}
