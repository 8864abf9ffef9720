//! Reads what a JSON string says without writing it down: byte by byte for whoever looks into it,
//! or in pieces for whoever passes it on.

use crate::json::Source;

/// The longest that one escape says: a character beyond the basic plane, of two halves.
const ESCAPED_BYTES_MAX: usize = 4;

/// What stands between the quotes of a string token, read as what it says.
#[derive(Debug)]
pub(crate) struct Unescaped<'a> {
    bytes: &'a [u8],
    /// What follows what was read, in the token.
    at: usize,
    /// What the last escape says, as far as it was not read.
    said: Said,
    /// By how many bytes the escapes that were read are longer than what they say.
    saved: usize,
    /// There was half a surrogate pair, which no text can say.
    is_broken: bool,
    token: Vec<u8>,
    is_in_token: bool,
}

#[derive(Debug, Default, Clone, Copy)]
struct Said {
    bytes: [u8; ESCAPED_BYTES_MAX],
    at: usize,
    length: usize,
}

// === impl Unescaped ===

impl<'a> Unescaped<'a> {
    /// Reads a token whose escapes are JSON's, from a place at which no escape is under way.
    pub(crate) fn new(inside: &'a [u8], at: usize) -> Self {
        Self {
            bytes: inside,
            at,
            said: Said::default(),
            saved: 0,
            is_broken: false,
            token: Vec::new(),
            is_in_token: false,
        }
    }

    /// How many bytes the token says that was read to its end; `None` if no text can say it.
    pub(crate) const fn length(&self) -> Option<usize> {
        let is_at_end = self.at == self.bytes.len() && self.said.at == self.said.length;
        if is_at_end && !self.is_broken { Some(self.bytes.len() - self.saved) } else { None }
    }

    /// Appends what it says until there are so many bytes, or a little more, or the end is reached.
    /// Returns the place from which to go on.
    pub(crate) fn fill(mut self, out: &mut Vec<u8>, bytes_max: usize) -> usize {
        while out.len() < bytes_max && self.at < self.bytes.len() && !self.is_broken {
            let room = (bytes_max - out.len()).min(self.bytes.len() - self.at);
            let ahead = &self.bytes[self.at..self.at + room];
            let plain = memchr::memchr(b'\\', ahead).unwrap_or(room);
            out.extend_from_slice(&ahead[..plain]);
            self.at += plain;
            if plain < room {
                self.read_escape();
                out.extend_from_slice(&self.said.bytes[..self.said.length]);
            }
        }
        if self.is_broken { self.bytes.len() } else { self.at }
    }

    /// Reads the escape at hand.
    fn read_escape(&mut self) {
        let Some((character, length)) = escaped(&self.bytes[self.at..]) else {
            self.is_broken = true;
            self.said = Said::default();
            return;
        };
        let mut bytes = [0; ESCAPED_BYTES_MAX];
        let said = character.encode_utf8(&mut bytes).len();
        self.said = Said { bytes, at: 0, length: said };
        self.at += length;
        self.saved += length - said;
    }
}

impl Source for Unescaped<'_> {
    fn peek(&mut self) -> Option<u8> {
        if self.said.at == self.said.length {
            let byte = *self.bytes.get(self.at).filter(|_| !self.is_broken)?;
            if byte != b'\\' {
                return Some(byte);
            }
            self.read_escape();
        }
        self.said.bytes[..self.said.length].get(self.said.at).copied()
    }

    fn pass(&mut self) {
        let Some(byte) = self.peek() else { return };
        if self.said.at < self.said.length {
            self.said.at += 1;
        } else {
            self.at += 1;
        }
        if self.is_in_token {
            self.token.push(byte);
        }
    }

    fn pass_plain(&mut self) {
        if self.said.at == self.said.length {
            // Quotes and control characters are escapes here.
            let rest = &self.bytes[self.at..];
            self.at += memchr::memchr(b'\\', rest).unwrap_or(rest.len());
        }
    }

    fn begin_token(&mut self) {
        self.token.clear();
        self.is_in_token = true;
    }

    fn end_token(&mut self) -> &[u8] {
        self.is_in_token = false;
        &self.token
    }
}

/// The character that stands first, escaped, and how many bytes that takes.
fn escaped(bytes: &[u8]) -> Option<(char, usize)> {
    let character = match bytes.get(1)? {
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unicode(bytes),
        &other => char::from(other),
    };
    Some((character, 2))
}

fn unicode(bytes: &[u8]) -> Option<(char, usize)> {
    let first = hex(bytes)?;
    if !(0xD800..0xDC00).contains(&first) {
        return char::from_u32(first).map(|character| (character, 6));
    }
    let second = hex(bytes.get(6..)?).filter(|second| (0xDC00..0xE000).contains(second))?;
    let code = 0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00);
    char::from_u32(code).map(|character| (character, 12))
}

/// The four digits behind `\u`.
fn hex(bytes: &[u8]) -> Option<u32> {
    let digits = bytes.strip_prefix(b"\\u")?.get(..4)?;
    u32::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests;
