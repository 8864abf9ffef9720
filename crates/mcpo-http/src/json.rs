//! Looks at JSON without building anything: whether a text is one JSON value that every client
//! can read, and the small pieces that splicing needs.

/// How deep a value may be nested. serde_json, Jackson and others stop at 128 or above; Python
/// at about 1000.
const DEPTH_MAX: u32 = 128;

/// Whether the text is one JSON value, blanks around it allowed, that fits common readers: no
/// deeper than [`DEPTH_MAX`], and no fraction or exponent beyond a double. Integers may be of any
/// length.
pub(crate) fn is_readable(text: &str) -> bool {
    let mut scan = Scan { bytes: text.as_bytes(), at: 0 };
    scan.value().is_some() && {
        scan.blanks();
        scan.at == scan.bytes.len()
    }
}

/// Whether a text that starts so can be JSON at all. A `false` is certain.
pub(crate) const fn may_start(byte: u8) -> bool {
    matches!(byte, b'{' | b'[' | b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n')
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

struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Scan<'_> {
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
                self.at += 1;
                self.blanks();
                if self.peek()? != if object { b'}' } else { b']' } {
                    depth += 1;
                    objects = objects << 1 | u128::from(object);
                    if object {
                        self.key()?;
                    }
                    continue;
                }
                self.at += 1;
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
        self.bytes[self.at..].starts_with(word).then(|| self.at += word.len())
    }

    fn string(&mut self) -> Option<()> {
        if self.next()? != b'"' {
            return None;
        }
        loop {
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
        let start = self.at;
        self.at += usize::from(self.peek()? == b'-');
        match self.next()? {
            b'0' => {}
            b'1'..=b'9' => self.digits(),
            _ => return None,
        }
        let whole = self.at;
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.some_digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            self.some_digits()?;
        }
        if self.at == whole {
            return Some(());
        }
        let token = str::from_utf8(&self.bytes[start..self.at]).expect("a number is ASCII");
        token.parse::<f64>().is_ok_and(f64::is_finite).then_some(())
    }

    fn some_digits(&mut self) -> Option<()> {
        let start = self.at;
        self.digits();
        (self.at > start).then_some(())
    }

    fn digits(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }
}

#[cfg(test)]
mod tests;
