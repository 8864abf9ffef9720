//! A line too long to be kept: remembers how it begins and ends, where an answer has its id.

use bytes::BytesMut;

/// Enough for `{"jsonrpc":"2.0","id":18446744073709551615,"result":`, and the same at the end.
const EDGE_BYTES: usize = 256;
/// Past this it is a stream without lines, and nothing good comes after it.
const SKIPPED_BYTES_MAX: usize = 1024 * 1024 * 1024;

/// See the module.
#[derive(Debug)]
pub(super) struct Oversize {
    head: Vec<u8>,
    tail: Vec<u8>,
    bytes: usize,
}

impl Oversize {
    /// `start` is what came of the line so far.
    #[expect(clippy::needless_pass_by_value, reason = "the large buffer ends here")]
    pub(super) fn new(start: BytesMut) -> Self {
        let head = start[..start.len().min(EDGE_BYTES)].to_vec();
        let mut line = Self { head, tail: Vec::new(), bytes: 0 };
        line.append(&start);
        line
    }

    /// `false`: it has become too long even to be skipped.
    pub(super) fn append(&mut self, part: &[u8]) -> bool {
        self.bytes += part.len();
        self.tail.extend_from_slice(&part[part.len().saturating_sub(EDGE_BYTES)..]);
        self.tail.drain(..self.tail.len().saturating_sub(EDGE_BYTES));
        self.bytes <= SKIPPED_BYTES_MAX
    }

    /// The request that the line answers, if it shows beyond doubt: the id stands before the result
    /// (as Python's and Go's libraries write it), or is the last member (as TypeScript's does).
    pub(super) fn answers(&self) -> Option<u64> {
        self.id_at_start().or_else(|| self.id_at_end())
    }

    fn id_at_start(&self) -> Option<u64> {
        let id = memchr::memmem::find(&self.head, b"\"id\"")?;
        let result = memchr::memmem::find(&self.head, b"\"result\"")?;
        // A second object before the id would make it the id of something else.
        let outermost = self.head[..id].iter().filter(|&&byte| byte == b'{').count() == 1;
        if result < id || !outermost {
            return None;
        }
        Some(number(&self.head[id + 4..])?.0)
    }

    fn id_at_end(&self) -> Option<u64> {
        let id = memchr::memmem::rfind(&self.tail, b"\"id\"")?;
        let (number, rest) = number(&self.tail[id + 4..])?;
        // Directly at the end of the outermost object, and not inside of the result.
        let before = self.tail[..id].trim_ascii_end();
        let in_outermost = before.ends_with(b"},") || before.ends_with(b"\"jsonrpc\":\"2.0\",");
        (in_outermost && rest.trim_ascii() == b"}").then_some(number)
    }
}

/// `: 12` or `:"12"`, and what comes after it.
fn number(text: &[u8]) -> Option<(u64, &[u8])> {
    let text = text.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
    let quoted = text.strip_prefix(b"\"");
    let text = quoted.unwrap_or(text);
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let number = std::str::from_utf8(&text[..digits]).ok()?.parse().ok()?;
    let rest = &text[digits..];
    Some((number, if quoted.is_some() { rest.strip_prefix(b"\"")? } else { rest }))
}
