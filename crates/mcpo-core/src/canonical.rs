//! JSON texts brought into one form, so that calls that mean the same are known as equal: no
//! blanks, members in the order of their names, strings escaped only where they must be. Numbers
//! stay as they were written: `1` and `1.0` are the same to some tools and not to others. Two texts
//! that differ in meaning never come out as one; of two that mean the same, some do not.

use std::ops::Range;

use crate::arguments::plain_length;

/// Deeper texts have no such form: recursion over them must fit any thread's stack.
const DEPTH_MAX: usize = 128;

/// A text is not read over more often than that to bring its members into their order, which each
/// object does with all that is in it: out of order down to that depth, hardly any text is.
const ARRANGED_TIMES_MAX: usize = 16;

/// Writes the one form of a JSON text behind what is in `out`. `None`, with anything behind it, for
/// a text that is no JSON (but of numbers and encoding, which are not looked at, anything passes), is
/// nested too deeply, or repeats a name in an object, which readers do not agree on.
#[must_use]
pub fn canonical(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut writer = Writer { text, at: 0, depth: 0, arranged: 0, out };
    writer.value()?;
    writer.skip_blanks();
    (writer.at == text.len()).then_some(())
}

/// The values of these members of a JSON object, as they were written. `None` for a text that is no
/// object, and one in which one of these names is repeated, or any name is escaped: readers might not
/// agree on it. Of a text that is no JSON anything may come, or nothing.
#[must_use]
pub fn members<'t, const N: usize>(
    text: &'t [u8],
    names: [&str; N],
) -> Option<[Option<&'t [u8]>; N]> {
    let mut found = [None; N];
    let mut reader = Reader { text, at: 0 };
    reader.expect(b'{')?;
    if reader.next_is(b'}') {
        return reader.ended().then_some(found);
    }
    loop {
        let name = reader.name()?;
        let value = reader.skip_value()?;
        if let Some(index) = names.iter().position(|one| one.as_bytes() == name)
            && found[index].replace(value).is_some()
        {
            return None;
        }
        if reader.next_is(b'}') {
            return reader.ended().then_some(found);
        }
        reader.expect(b',')?;
    }
}

/// One member of an object that was written.
struct Member<'t> {
    name: &'t [u8],
    text: &'t [u8],
}

struct Writer<'t, 'o> {
    text: &'t [u8],
    at: usize,
    depth: usize,
    /// Bytes that were brought into order.
    arranged: usize,
    out: &'o mut Vec<u8>,
}

// === impl Writer ===

impl Writer<'_, '_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn skip_blanks(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// The next byte that is no blank, where it is this one.
    fn take(&mut self, byte: u8) -> Option<()> {
        self.skip_blanks();
        (self.peek()? == byte).then(|| self.at += 1)
    }

    fn value(&mut self) -> Option<()> {
        self.skip_blanks();
        match self.peek()? {
            b'"' => self.string(),
            b'{' => self.nested(Self::object),
            b'[' => self.nested(Self::array),
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'n' => self.word(b"null"),
            b'-' | b'0'..=b'9' => self.number(),
            _ => None,
        }
    }

    fn nested(&mut self, write: fn(&mut Self) -> Option<()>) -> Option<()> {
        if self.depth == DEPTH_MAX {
            return None;
        }
        self.depth += 1;
        self.at += 1;
        write(self)?;
        self.depth -= 1;
        Some(())
    }

    fn word(&mut self, word: &[u8]) -> Option<()> {
        self.text[self.at..].starts_with(word).then(|| {
            self.at += word.len();
            self.out.extend_from_slice(word);
        })
    }

    /// What stands before it and behind it keeps it apart from its neighbours, so that its grammar
    /// is of no matter here.
    fn number(&mut self) -> Option<()> {
        let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
        let length = self.text[self.at..].iter().take_while(|byte| is_part(byte)).count();
        self.out.extend_from_slice(&self.text[self.at..self.at + length]);
        self.at += length;
        Some(())
    }

    fn array(&mut self) -> Option<()> {
        self.out.push(b'[');
        self.skip_blanks();
        if self.peek()? == b']' {
            self.at += 1;
            self.out.push(b']');
            return Some(());
        }
        loop {
            self.value()?;
            self.skip_blanks();
            let byte = self.peek()?;
            self.at += 1;
            self.out.push(byte);
            match byte {
                b',' => {}
                b']' => return Some(()),
                _ => return None,
            }
        }
    }

    fn object(&mut self) -> Option<()> {
        self.out.push(b'{');
        self.skip_blanks();
        if self.peek()? == b'}' {
            self.at += 1;
            self.out.push(b'}');
            return Some(());
        }
        let from = self.out.len();
        let (mut last, mut is_arranged) = (0..0, true);
        loop {
            let name = self.member()?;
            is_arranged &= self.out[last] < self.out[name.clone()];
            last = name;
            self.skip_blanks();
            let byte = self.peek()?;
            self.at += 1;
            self.out.push(byte);
            match byte {
                b',' => {}
                b'}' => break,
                _ => return None,
            }
        }
        // Most texts have their members in order already.
        if is_arranged { Some(()) } else { self.arrange(from) }
    }

    /// Writes a member; where its name stands in what is written.
    fn member(&mut self) -> Option<Range<usize>> {
        self.skip_blanks();
        if self.peek()? != b'"' {
            return None;
        }
        let from = self.out.len();
        self.string()?;
        let to = self.out.len();
        self.take(b':')?;
        self.out.push(b':');
        self.value()?;
        Some(from..to)
    }

    /// Brings the members of the object that was written last into their order. Behind its opening
    /// bracket it begins there.
    fn arrange(&mut self, from: usize) -> Option<()> {
        self.arranged += self.out.len() - from;
        if self.arranged > self.text.len() * ARRANGED_TIMES_MAX {
            return None;
        }
        let written = self.out.split_off(from);
        let mut members = Reader { text: &written, at: 0 }.members()?;
        members.sort_unstable_by_key(|member| member.name);
        if members.windows(2).any(|pair| pair[0].name == pair[1].name) {
            return None;
        }
        for (index, member) in members.iter().enumerate() {
            self.out.extend_from_slice(if index == 0 { b"" } else { b"," });
            self.out.extend_from_slice(member.text);
        }
        self.out.push(b'}');
        Some(())
    }

    /// A string at its opening quote.
    fn string(&mut self) -> Option<()> {
        self.out.push(b'"');
        self.at += 1;
        loop {
            let rest = &self.text[self.at..];
            let plain = plain_length(rest)?;
            self.out.extend_from_slice(&rest[..plain]);
            self.at += plain + 1;
            match rest[plain] {
                b'"' => {
                    self.out.push(b'"');
                    return Some(());
                }
                b'\\' => self.escape()?,
                _ => return None,
            }
        }
    }

    /// What stands behind a backslash, in the one way to write it.
    fn escape(&mut self) -> Option<()> {
        let byte = self.peek()?;
        self.at += 1;
        let meant = match byte {
            b'"' | b'\\' | b'/' => u32::from(byte),
            b'b' => 0x08,
            b't' => 0x09,
            b'n' => 0x0A,
            b'f' => 0x0C,
            b'r' => 0x0D,
            b'u' => self.unicode()?,
            _ => return None,
        };
        self.push(meant);
        Some(())
    }

    /// The code point of `\uXXXX`, or of two of them that are one; half of such a pair by itself.
    fn unicode(&mut self) -> Option<u32> {
        let high = self.hex(self.at)?;
        self.at += 4;
        let is_pair = (0xD800..0xDC00).contains(&high) && self.text[self.at..].starts_with(b"\\u");
        let low = if is_pair { self.hex(self.at + 2) } else { None };
        match low.filter(|low| (0xDC00..0xE000).contains(low)) {
            Some(low) => {
                self.at += 6;
                Some(0x1_0000 + ((high - 0xD800) << 10) + (low - 0xDC00))
            }
            None => Some(high),
        }
    }

    fn hex(&self, at: usize) -> Option<u32> {
        let digits = self.text.get(at..at + 4)?;
        digits.iter().try_fold(0, |sum, &digit| Some(sum * 16 + char::from(digit).to_digit(16)?))
    }

    fn push(&mut self, meant: u32) {
        match char::from_u32(meant) {
            Some('"') => self.out.extend_from_slice(b"\\\""),
            Some('\\') => self.out.extend_from_slice(b"\\\\"),
            Some(shown) if shown >= ' ' => {
                let mut bytes = [0; 4];
                self.out.extend_from_slice(shown.encode_utf8(&mut bytes).as_bytes());
            }
            // A control character, or half of a pair, which no text can hold as it is.
            Some(_) | None => self.out.extend_from_slice(format!("\\u{meant:04x}").as_bytes()),
        }
    }
}

/// Reads over an object without looking into its values.
struct Reader<'t> {
    text: &'t [u8],
    at: usize,
}

// === impl Reader ===

impl<'t> Reader<'t> {
    /// The next byte that is no blank, and its place.
    fn peek(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.text.get(self.at) {
            self.at += 1;
        }
        self.text.get(self.at).copied()
    }

    fn next_is(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        self.next_is(byte).then_some(())
    }

    fn ended(&mut self) -> bool {
        self.peek().is_none()
    }

    fn name(&mut self) -> Option<&'t [u8]> {
        if self.peek()? != b'"' {
            return None;
        }
        let from = self.at + 1;
        self.skip_string()?;
        let name = &self.text[from..self.at - 1];
        self.expect(b':')?;
        (!name.contains(&b'\\')).then_some(name)
    }

    /// The members of an object in its one form, behind its opening bracket.
    fn members(&mut self) -> Option<Vec<Member<'t>>> {
        let mut members = Vec::new();
        loop {
            let from = self.at;
            self.skip_string()?;
            let name = &self.text[from..self.at];
            self.expect(b':')?;
            self.skip_value()?;
            members.push(Member { name, text: &self.text[from..self.at] });
            if self.next_is(b'}') {
                return Some(members);
            }
            self.expect(b',')?;
        }
    }

    fn skip_string(&mut self) -> Option<()> {
        self.at += 1;
        loop {
            // No JSON has a control character there, and nobody looks for one.
            let rest = self.text.get(self.at..)?;
            let plain = memchr::memchr2(b'"', b'\\', rest)?;
            self.at += plain + 1;
            if rest[plain] == b'"' {
                return Some(());
            }
            self.at += 1;
        }
    }

    /// One value of whatever kind; of what is nested only the brackets are counted.
    fn skip_value(&mut self) -> Option<&'t [u8]> {
        self.peek()?;
        let (from, mut depth) = (self.at, 0_usize);
        loop {
            match *self.text.get(self.at)? {
                b'"' => self.skip_string()?,
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' if depth > 0 => {
                    depth -= 1;
                    self.at += 1;
                }
                b',' | b'}' | b']' if depth == 0 => break,
                _ => self.at += 1,
            }
        }
        let value = self.text[from..self.at].trim_ascii_end();
        (!value.is_empty()).then_some(value)
    }
}

#[cfg(test)]
mod tests;
