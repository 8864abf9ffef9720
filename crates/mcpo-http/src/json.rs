//! Looks at JSON without building anything: whether a text is one JSON value that every client
//! can read, and the small pieces that splicing needs.

/// How deep a value may be nested. serde_json, Jackson and others stop at 128 or above; Python
/// at about 1000.
const DEPTH_MAX: u32 = 128;

/// Whether the text is one JSON value, blanks around it allowed, that fits common readers: no
/// deeper than [`DEPTH_MAX`], and no fraction or exponent beyond a double. Integers may be of any
/// length.
pub(crate) fn is_readable(text: &str) -> bool {
    is_readable_from(&mut Plain::new(text))
}

/// The same of a text that comes from somewhere, to whose end it is read if it is such a value.
pub(crate) fn is_readable_from(source: &mut impl Source) -> bool {
    let mut scan = Scan { source };
    scan.value().is_some() && {
        scan.blanks();
        scan.peek().is_none()
    }
}

/// Where a text comes from, byte by byte.
pub(crate) trait Source {
    /// The byte at hand; `None` at the end.
    fn peek(&mut self) -> Option<u8>;
    /// Passes the byte at hand, of which there must be one.
    fn pass(&mut self);
    /// Passes as many bytes of a string as are sure to mean nothing in it.
    fn pass_plain(&mut self);
    /// From here on bytes belong to a token.
    fn begin_token(&mut self);
    /// The token that ends here.
    fn end_token(&mut self) -> &[u8];
}

/// Whether a text that starts so can be JSON at all. A `false` is certain.
pub(crate) const fn may_start(byte: u8) -> bool {
    matches!(byte, b'{' | b'[' | b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n')
}

/// The JSON string with which a text begins, with its quotes, and what stands behind it.
pub(crate) fn split_string(text: &str) -> Option<(&str, &str)> {
    let mut plain = Plain::new(text);
    Scan { source: &mut plain }.string()?;
    text.split_at_checked(plain.at)
}

/// The value with which a text begins that fits common readers, and what stands behind it.
pub(crate) fn split_value(text: &str) -> Option<(&str, &str)> {
    let mut plain = Plain::new(text);
    Scan { source: &mut plain }.value()?;
    text.split_at_checked(plain.at).map(|(value, rest)| (value.trim_ascii_start(), rest))
}

/// What stands between the quotes of a string token, escapes and all; `None` if it is no string.
pub(crate) fn inside(token: &str) -> Option<&str> {
    token.strip_prefix('"')?.strip_suffix('"')
}

/// Appends a string as JSON, with its quotes.
pub(crate) fn push_string(out: &mut Vec<u8>, text: &str) {
    // Writing into a vector cannot fail, and neither can serialising a string.
    serde_json::to_writer(out, text).expect("a string is JSON");
}

/// A text in one piece.
struct Plain<'a> {
    bytes: &'a [u8],
    at: usize,
    token_at: usize,
}

struct Scan<'s, S> {
    source: &'s mut S,
}

// === impl Plain ===

impl<'a> Plain<'a> {
    const fn new(text: &'a str) -> Self {
        Self { bytes: text.as_bytes(), at: 0, token_at: 0 }
    }
}

impl Source for Plain<'_> {
    fn peek(&mut self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn pass(&mut self) {
        self.at += 1;
    }

    fn pass_plain(&mut self) {
        let rest = &self.bytes[self.at..];
        let plain = memchr::memchr2(b'"', b'\\', rest).unwrap_or(rest.len());
        // Without an early exit this becomes vector instructions; most texts have none.
        let has_control = rest[..plain].iter().fold(false, |found, &byte| found | (byte < 0x20));
        let controlled = || rest.iter().position(|&byte| byte < 0x20);
        self.at += if has_control { controlled().unwrap_or(plain) } else { plain };
    }

    fn begin_token(&mut self) {
        self.token_at = self.at;
    }

    fn end_token(&mut self) -> &[u8] {
        &self.bytes[self.token_at..self.at]
    }
}

// === impl Scan ===

impl<S: Source> Scan<'_, S> {
    /// Passes one value. Nesting is kept in bits instead of on the stack: 1 is an object.
    fn value(&mut self) -> Option<()> {
        let mut depth = 0;
        let mut objects: u128 = 0;
        loop {
            self.blanks();
            let opened = match self.peek()? {
                b'{' => Some(true),
                b'[' => Some(false),
                _ => None,
            };
            if let Some(object) = opened {
                if depth == DEPTH_MAX {
                    return None;
                }
                self.source.pass();
                self.blanks();
                if self.peek()? != if object { b'}' } else { b']' } {
                    depth += 1;
                    objects = objects << 1 | u128::from(object);
                    if object {
                        self.key()?;
                    }
                    continue;
                }
                self.source.pass();
            } else {
                self.scalar()?;
            }
            loop {
                if depth == 0 {
                    return Some(());
                }
                self.blanks();
                let object = objects & 1 == 1;
                match self.next()? {
                    b',' => {
                        if object {
                            self.key()?;
                        }
                        break;
                    }
                    b'}' if object => {}
                    b']' if !object => {}
                    _ => return None,
                }
                depth -= 1;
                objects >>= 1;
            }
        }
    }

    fn key(&mut self) -> Option<()> {
        self.blanks();
        self.string()?;
        self.blanks();
        (self.next()? == b':').then_some(())
    }

    fn scalar(&mut self) -> Option<()> {
        match self.peek()? {
            b'"' => self.string(),
            b'-' | b'0'..=b'9' => self.number(),
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'n' => self.word(b"null"),
            _ => None,
        }
    }

    fn word(&mut self, word: &[u8]) -> Option<()> {
        word.iter().try_for_each(|&letter| (self.next()? == letter).then_some(()))
    }

    fn string(&mut self) -> Option<()> {
        if self.next()? != b'"' {
            return None;
        }
        loop {
            self.source.pass_plain();
            match self.next()? {
                b'"' => return Some(()),
                b'\\' => match self.next()? {
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {}
                    b'u' => {
                        for _ in 0..4 {
                            if !self.next()?.is_ascii_hexdigit() {
                                return None;
                            }
                        }
                    }
                    _ => return None,
                },
                0..=0x1f => return None,
                _ => {}
            }
        }
    }

    fn number(&mut self) -> Option<()> {
        self.source.begin_token();
        self.pass_if(b"-");
        match self.next()? {
            b'0' => {}
            b'1'..=b'9' => self.digits(),
            _ => return None,
        }
        let mut is_whole = true;
        if self.pass_if(b".") {
            is_whole = false;
            self.some_digits()?;
        }
        if self.pass_if(b"eE") {
            is_whole = false;
            self.pass_if(b"+-");
            self.some_digits()?;
        }
        let token = str::from_utf8(self.source.end_token()).expect("a number is ASCII");
        (is_whole || token.parse::<f64>().is_ok_and(f64::is_finite)).then_some(())
    }

    /// Passes one of these, if it is there.
    fn pass_if(&mut self, these: &[u8]) -> bool {
        let is_there = self.peek().is_some_and(|byte| these.contains(&byte));
        if is_there {
            self.source.pass();
        }
        is_there
    }

    fn some_digits(&mut self) -> Option<()> {
        self.next()?.is_ascii_digit().then(|| self.digits())
    }

    fn digits(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.source.pass();
        }
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.source.pass();
        }
    }

    fn peek(&mut self) -> Option<u8> {
        self.source.peek()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.source.pass();
        Some(byte)
    }
}

#[cfg(test)]
mod tests;
