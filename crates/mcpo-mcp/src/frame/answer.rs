//! The shape that nearly every message has, `{"jsonrpc":"2.0","id":7,"result":...}`, read in one
//! pass. Serde reads the same in several, and reads whatever this leaves to it.

/// The id and the result of an answer. `None`: it is none, it is not JSON, or it is one of a shape
/// that only serde reads: with other members, an id that is not plain digits, or nested deep.
pub(super) fn plain_answer(text: &str) -> Option<(u64, &str)> {
    let mut scanner = Scanner { bytes: text.as_bytes(), at: 0 };
    let (mut id, mut result, mut has_version) = (None, None, false);
    scanner.token(b'{')?;
    loop {
        let key = scanner.key()?;
        scanner.skip_blanks();
        let start = scanner.at;
        scanner.value()?;
        let value = text.get(start..scanner.at)?;
        // What stands twice is an error, for serde to tell.
        match key {
            b"id" if id.is_none() => id = Some(plain_number(value)?),
            b"result" if result.is_none() => result = Some(value),
            b"jsonrpc" if !has_version => has_version = true,
            _other => return None,
        }
        match scanner.next_token()? {
            b',' => {}
            b'}' => break,
            _other => return None,
        }
    }
    scanner.skip_blanks();
    (scanner.at == text.len()).then_some(())?;
    Some((id?, result?))
}

fn plain_number(value: &str) -> Option<u64> {
    value.bytes().all(|byte| byte.is_ascii_digit()).then(|| value.parse().ok())?
}

/// Arrays and objects within one another, a bit each. The specification's own results have ten or
/// so; what goes deeper is left to serde.
const DEPTH_MAX: u32 = u64::BITS;

/// Goes over JSON (RFC 8259) in text that is UTF-8; each function gives `None` where the text does
/// not go on as it must.
struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
}

// === impl Scanner ===

impl<'a> Scanner<'a> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn skip_blanks(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn next_token(&mut self) -> Option<u8> {
        self.skip_blanks();
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn token(&mut self, expected: u8) -> Option<()> {
        (self.next_token()? == expected).then_some(())
    }

    /// A member's name, raw, and its colon.
    fn key(&mut self) -> Option<&'a [u8]> {
        self.token(b'"')?;
        let start = self.at;
        self.rest_of_string()?;
        let key = self.bytes.get(start..self.at - 1)?;
        self.token(b':')?;
        Some(key)
    }

    fn value(&mut self) -> Option<()> {
        // The lowest bit is of the innermost; set for an object.
        let (mut nesting, mut depth) = (0_u64, 0);
        loop {
            let begun = self.next_token()?;
            match begun {
                b'{' | b'[' => {
                    if depth == DEPTH_MAX {
                        return None;
                    }
                    self.skip_blanks();
                    let is_object = begun == b'{';
                    if self.peek()? == if is_object { b'}' } else { b']' } {
                        self.at += 1;
                    } else {
                        nesting = nesting << 1 | u64::from(is_object);
                        depth += 1;
                        if is_object {
                            self.key()?;
                        }
                        continue;
                    }
                }
                scalar => self.rest_of_scalar(scalar)?,
            }
            // A value has ended: another follows, or what it stands in ends as well.
            loop {
                if depth == 0 {
                    return Some(());
                }
                let is_object = nesting & 1 == 1;
                match self.next_token()? {
                    b',' => {
                        if is_object {
                            self.key()?;
                        }
                        break;
                    }
                    b'}' if is_object => {}
                    b']' if !is_object => {}
                    _other => return None,
                }
                nesting >>= 1;
                depth -= 1;
            }
        }
    }

    fn rest_of_scalar(&mut self, first: u8) -> Option<()> {
        match first {
            b'"' => self.rest_of_string(),
            b'-' => {
                let digit = self.peek()?;
                self.at += 1;
                self.rest_of_number(digit)
            }
            b'0'..=b'9' => self.rest_of_number(first),
            b't' => self.word(b"rue"),
            b'f' => self.word(b"alse"),
            b'n' => self.word(b"ull"),
            _other => None,
        }
    }

    fn word(&mut self, rest: &[u8]) -> Option<()> {
        self.bytes.get(self.at..)?.starts_with(rest).then(|| self.at += rest.len())
    }

    fn rest_of_number(&mut self, first: u8) -> Option<()> {
        match first {
            b'0' if self.peek().is_some_and(|byte| byte.is_ascii_digit()) => return None,
            b'0' => {}
            b'1'..=b'9' => self.skip_digits(),
            _other => return None,
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        Some(())
    }

    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        self.skip_digits();
        (self.at > start).then_some(())
    }

    fn skip_digits(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
    }

    fn rest_of_string(&mut self) -> Option<()> {
        loop {
            self.skip_plain();
            let byte = self.peek()?;
            self.at += 1;
            match byte {
                b'"' => return Some(()),
                b'\\' => self.escape()?,
                0..b' ' => return None,
                _plain => {}
            }
        }
    }

    /// Goes on to a quote, a backslash or a control character, or to the last few bytes of the
    /// text: eight bytes at once.
    fn skip_plain(&mut self) {
        const ONES: u64 = u64::MAX / 0xFF;
        while let Some((eight, _)) =
            self.bytes.get(self.at..).and_then(<[u8]>::split_first_chunk::<8>)
        {
            let eight = u64::from_le_bytes(*eight);
            // The lowest byte whose highest bit is set is one of these, exactly: a borrow reaches
            // only the bytes above one that was found (Hacker's Delight, section 6-1).
            let is_zero = |bytes: u64| bytes.wrapping_sub(ONES) & !bytes;
            let control = eight.wrapping_sub(ONES * u64::from(b' ')) & !eight;
            let quote = is_zero(eight ^ (ONES * u64::from(b'"')));
            let backslash = is_zero(eight ^ (ONES * u64::from(b'\\')));
            let found = (control | quote | backslash) & (ONES << 7);
            if found != 0 {
                self.at += found.trailing_zeros() as usize / 8;
                return;
            }
            self.at += 8;
        }
    }

    /// Surrogates need not come in pairs: results are passed on as they are.
    fn escape(&mut self) -> Option<()> {
        let escaped = self.peek()?;
        self.at += 1;
        match escaped {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(()),
            b'u' => {
                let digits = self.bytes.get(self.at..self.at + 4)?;
                self.at += 4;
                digits.iter().all(u8::is_ascii_hexdigit).then_some(())
            }
            _other => None,
        }
    }
}

#[cfg(test)]
mod tests;
