//! Reads a request body as JSON: strict grammar, exact numbers, repeated keys noticed, depth
//! bounded, and errors placed and worded as Python's `json` module does (FastAPI passes them on).

use serde_json::{Map, Value};

use super::number::exact;

/// Deeper bodies are refused: recursion over them must fit any thread's stack, and serde_json,
/// which reads them upstream, stops at the same depth.
pub(super) const DEPTH_MAX: usize = 128;

/// A body of more values is refused: each takes some hundred bytes while it is checked, so that a
/// body of 16 MiB that is nothing but digits and commas would take a gigabyte.
pub(super) const VALUES_MAX: usize = 1 << 20;

/// A body that is JSON.
#[derive(Debug)]
pub(super) struct Parsed {
    /// What it says; of a repeated key, the last one.
    pub(super) value: Value,
    /// Some object repeats a key, so readers may disagree on what it says.
    pub(super) has_duplicates: bool,
}

/// Why a body is not JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SyntaxError {
    /// In characters from the start.
    pub(super) position: usize,
    /// As Python words it.
    pub(super) message: &'static str,
}

/// Parses one JSON text.
pub(super) fn parse(text: &str) -> Result<Parsed, SyntaxError> {
    let mut parser = Parser {
        text,
        bytes: text.as_bytes(),
        at: 0,
        depth: 0,
        values_left: VALUES_MAX,
        has_duplicates: false,
    };
    parser.skip_blanks();
    let value = parser.value()?;
    parser.skip_blanks();
    if parser.at < text.len() {
        return Err(parser.error("Extra data"));
    }
    Ok(Parsed { value, has_duplicates: parser.has_duplicates })
}

struct Parser<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    depth: usize,
    values_left: usize,
    has_duplicates: bool,
}

// === impl Parser ===

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn error(&self, message: &'static str) -> SyntaxError {
        self.error_at(self.at, message)
    }

    fn error_at(&self, byte: usize, message: &'static str) -> SyntaxError {
        let position = self.bytes[..byte.min(self.bytes.len())]
            .iter()
            .filter(|&&byte| byte & 0xC0 != 0x80)
            .count();
        SyntaxError { position, message }
    }

    fn skip_blanks(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn value(&mut self) -> Result<Value, SyntaxError> {
        let Some(left) = self.values_left.checked_sub(1) else {
            return Err(self.error("More than 1048576 values"));
        };
        self.values_left = left;
        match self.peek() {
            Some(b'"') => self.string().map(Value::String),
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::array),
            Some(b't') => self.literal("true", Value::Bool(true)),
            Some(b'f') => self.literal("false", Value::Bool(false)),
            Some(b'n') => self.literal("null", Value::Null),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(_) | None => Err(self.error("Expecting value")),
        }
    }

    fn nested(
        &mut self,
        read: fn(&mut Self) -> Result<Value, SyntaxError>,
    ) -> Result<Value, SyntaxError> {
        if self.depth == DEPTH_MAX {
            return Err(self.error("Nested more than 128 levels deep"));
        }
        self.depth += 1;
        self.at += 1;
        let value = read(self);
        self.depth -= 1;
        value
    }

    fn literal(&mut self, word: &str, value: Value) -> Result<Value, SyntaxError> {
        if !self.text[self.at..].starts_with(word) {
            return Err(self.error("Expecting value"));
        }
        self.at += word.len();
        Ok(value)
    }

    fn object(&mut self) -> Result<Value, SyntaxError> {
        let mut map = Map::new();
        self.skip_blanks();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Value::Object(map));
        }
        loop {
            if self.peek() != Some(b'"') {
                return Err(self.error("Expecting property name enclosed in double quotes"));
            }
            let name = self.string()?;
            self.skip_blanks();
            if self.peek() != Some(b':') {
                return Err(self.error("Expecting ':' delimiter"));
            }
            self.at += 1;
            self.skip_blanks();
            let value = self.value()?;
            self.has_duplicates |= map.insert(name, value).is_some();
            if self.ends_with(b'}')? {
                return Ok(Value::Object(map));
            }
        }
    }

    fn array(&mut self) -> Result<Value, SyntaxError> {
        let mut items = Vec::new();
        self.skip_blanks();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Value::Array(items));
        }
        loop {
            items.push(self.value()?);
            if self.ends_with(b']')? {
                return Ok(Value::Array(items));
            }
        }
    }

    /// After a member: whether the container ends here. If not, stands at the next member.
    fn ends_with(&mut self, close: u8) -> Result<bool, SyntaxError> {
        self.skip_blanks();
        let next = self.peek();
        if next != Some(close) && next != Some(b',') {
            return Err(self.error("Expecting ',' delimiter"));
        }
        self.at += 1;
        if next == Some(close) {
            return Ok(true);
        }
        self.skip_blanks();
        Ok(false)
    }

    fn number(&mut self) -> Result<Value, SyntaxError> {
        let start = self.at;
        let mut end = start + usize::from(self.bytes[start] == b'-');
        match self.bytes.get(end) {
            Some(b'0') => end += 1,
            Some(b'1'..=b'9') => end = self.digits_end(end),
            Some(_) | None => return Err(self.error("Expecting value")),
        }
        if self.bytes.get(end) == Some(&b'.') && self.digits_end(end + 1) > end + 1 {
            end = self.digits_end(end + 1);
        }
        if let Some(b'e' | b'E') = self.bytes.get(end) {
            let sign = usize::from(matches!(self.bytes.get(end + 1), Some(b'+' | b'-')));
            let digits = end + 1 + sign;
            if self.digits_end(digits) > digits {
                end = self.digits_end(digits);
            }
        }
        self.at = end;
        Ok(Value::Number(exact(&self.text[start..end])))
    }

    fn digits_end(&self, from: usize) -> usize {
        let rest = self.bytes.get(from..).unwrap_or_default();
        from + rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
    }

    fn string(&mut self) -> Result<String, SyntaxError> {
        let opening = self.at;
        self.at += 1;
        let mut text = String::new();
        loop {
            let Some(plain) = plain_length(&self.bytes[self.at..]) else {
                return Err(self.error_at(opening, "Unterminated string starting at"));
            };
            let (from, end) = (self.at, self.at + plain);
            text.push_str(&self.text[from..end]);
            self.at = end + 1;
            match self.bytes[end] {
                b'"' => return Ok(text),
                b'\\' => text.push(self.escape(opening, end)?),
                _ => return Err(self.error_at(end, "Invalid control character at")),
            }
        }
    }

    /// Reads what follows the backslash at `backslash`.
    fn escape(&mut self, opening: usize, backslash: usize) -> Result<char, SyntaxError> {
        let Some(letter) = self.peek() else {
            return Err(self.error_at(opening, "Unterminated string starting at"));
        };
        self.at += 1;
        match letter {
            b'"' | b'\\' | b'/' => Ok(char::from(letter)),
            b'b' => Ok('\u{8}'),
            b'f' => Ok('\u{c}'),
            b'n' => Ok('\n'),
            b'r' => Ok('\r'),
            b't' => Ok('\t'),
            b'u' => self.unicode(backslash),
            _ => Err(self.error_at(backslash, "Invalid \\escape")),
        }
    }

    fn unicode(&mut self, backslash: usize) -> Result<char, SyntaxError> {
        let first = self.hex(backslash)?;
        let is_high = (0xD800..0xDC00).contains(&first);
        if is_high && self.bytes[self.at..].starts_with(b"\\u") {
            let second_at = self.at;
            self.at += 2;
            let second = self.hex(second_at)?;
            if (0xDC00..0xE000).contains(&second) {
                let code = 0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00);
                return Ok(char::from_u32(code).expect("a surrogate pair is a character"));
            }
        }
        // Python takes half a pair, and then hangs on it; no JSON text may carry it on.
        char::from_u32(first).ok_or_else(|| self.error_at(backslash, "Unpaired surrogate"))
    }

    fn hex(&mut self, backslash: usize) -> Result<u32, SyntaxError> {
        let digits = self.bytes.get(self.at..self.at + 4).unwrap_or_default();
        if digits.len() < 4 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(self.error_at(backslash + 1, "Invalid \\uXXXX escape"));
        }
        let text = &self.text[self.at..self.at + 4];
        self.at += 4;
        Ok(u32::from_str_radix(text, 16).expect("four hexadecimal digits"))
    }
}

/// Bytes that are looked at at once.
const WORD_BYTES: usize = 8;

/// How many bytes stand before the next one that means something in a text.
pub(crate) fn plain_length(bytes: &[u8]) -> Option<usize> {
    let is_special = |byte: &u8| (*byte == b'"') | (*byte == b'\\') | (*byte < 0x20);
    // Whole blocks without an early exit become vector instructions; long texts are common.
    let is_plain =
        |block: &&[u8]| !block.iter().fold(false, |found, byte| found | is_special(byte));
    let plain = bytes.chunks_exact(32).take_while(is_plain).count() * 32;
    let (words, rest) = bytes[plain..].as_chunks::<WORD_BYTES>();
    for (index, &word) in words.iter().enumerate() {
        let found = special(u64::from_le_bytes(word));
        if found != 0 {
            return Some(plain + index * WORD_BYTES + found.trailing_zeros() as usize / 8);
        }
    }
    rest.iter().position(is_special).map(|more| bytes.len() - rest.len() + more)
}

/// The highest bit of each byte that means something in a text, and perhaps of some above the lowest
/// of these: a byte borrows from the next one ("Bit Twiddling Hacks", determine if a word has a byte
/// less than n).
fn special(word: u64) -> u64 {
    const ONES: u64 = u64::MAX / 0xFF;
    let below = |word: u64, bound: u8| word.wrapping_sub(ONES * u64::from(bound)) & !word;
    let is = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    (below(word, 0x20) | is(b'"') | is(b'\\')) & (ONES * 0x80)
}
