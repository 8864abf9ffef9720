//! A text with places: lines, columns, and excerpts that do not give secrets away.

use jsonc_parser::common::Range;

use crate::problem::{Excerpt, Place};

/// The longest excerpt in characters, so that a file on one line stays readable.
const EXCERPT_CHARS_MAX: usize = 96;
/// How much of it may stand in front of the mark when it is cut.
const EXCERPT_CHARS_BEFORE: usize = 40;

/// A file's name and text.
#[derive(Clone)]
pub(crate) struct Source {
    /// As the operator named it.
    pub(crate) name: String,
    /// Without a byte order mark.
    pub(crate) text: String,
}

/// Whether the marked value may be seen in an excerpt. Everything else but keys and structure is
/// never seen.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Marked {
    Shown,
    Hidden,
}

impl Source {
    pub(crate) fn new(name: impl Into<String>, text: &str) -> Self {
        Self { name: name.into(), text: text.strip_prefix('\u{feff}').unwrap_or(text).to_owned() }
    }

    /// The place of a JSON token, with an excerpt.
    pub(crate) fn place(&self, range: Range, marked: Marked) -> Place {
        let (line_start, line, column) = self.position(range.start);
        let text = &self.text[line_start..];
        let text = text.split(['\n', '\r']).next().unwrap_or(text);
        let start = (range.start - line_start).min(text.len());
        let end = range.end.saturating_sub(line_start).clamp(start, text.len());
        let excerpt = Some(excerpt(text, start, end, marked));
        Place::File { file: self.name.clone(), line, column, excerpt }
    }

    /// The place of a line, without an excerpt: what stands there may be anything.
    pub(crate) fn bare_place(&self, offset: usize) -> Place {
        let (_, line, column) = self.position(offset);
        Place::File { file: self.name.clone(), line, column, excerpt: None }
    }

    /// Start of the line (in bytes), line and column (from 1, in characters) of a byte offset.
    fn position(&self, offset: usize) -> (usize, usize, usize) {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let before = &self.text[..offset];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.matches('\n').count() + 1;
        (line_start, line, before[line_start..].chars().count() + 1)
    }
}

/// A piece of a line: a value or key as it stands in the text, or what is always shown.
struct Token {
    start: usize,
    end: usize,
    kind: TokenKind,
}

#[derive(PartialEq, Eq)]
enum TokenKind {
    Structure,
    Literal,
    Comment,
}

/// Blots out every value of the line but the marked one, and notes where the mark comes to stand.
fn excerpt(line: &str, mark_start: usize, mark_end: usize, marked: Marked) -> Excerpt {
    let mut out: Vec<char> = Vec::new();
    let (mut shown_start, mut shown_end) = (None, None);
    let mut at = 0;
    while at < line.len() {
        let token = token(line, at);
        let text = &line[token.start..token.end];
        let overlaps = token.start < mark_end && mark_start < token.end;
        let verbatim = match token.kind {
            TokenKind::Structure => true,
            TokenKind::Comment => false,
            TokenKind::Literal => {
                is_key(line, token.end) || is_keyword(text) || (overlaps && marked == Marked::Shown)
            }
        };
        let offset = |position: usize| {
            if verbatim { line[token.start..position].chars().count() } else { 0 }
        };
        if shown_start.is_none() && mark_start < token.end {
            shown_start = Some(out.len() + offset(mark_start.max(token.start)));
        }
        let before = out.len();
        match (verbatim, token.kind) {
            (true, _) => out.extend(text.chars().map(|char| if char == '\t' { ' ' } else { char })),
            (false, TokenKind::Literal) if text.starts_with(['"', '\'']) => {
                out.extend(['"', '…', '"']);
            }
            (false, TokenKind::Literal) => out.push('…'),
            (false, TokenKind::Comment | TokenKind::Structure) => {}
        }
        if shown_end.is_none() && mark_end <= token.end {
            shown_end =
                Some(if verbatim { before + offset(mark_end.max(token.start)) } else { out.len() });
        }
        at = token.end;
    }
    let start = shown_start.unwrap_or(out.len());
    let width = shown_end.unwrap_or(out.len()).saturating_sub(start).max(1);
    cut(&out, start, width)
}

/// Keeps a window around the mark, and ends the line where it says no more.
fn cut(line: &[char], mark_start: usize, mark_width: usize) -> Excerpt {
    let end = line.iter().rposition(|char| !char.is_whitespace()).map_or(0, |last| last + 1);
    let line = &line[..end];
    // A mark in the blanks at the end stands right behind what is left.
    let mark_start = mark_start.min(end);
    if line.len() <= EXCERPT_CHARS_MAX {
        return Excerpt { text: line.iter().collect(), mark_start, mark_width };
    }
    let from = mark_start.saturating_sub(EXCERPT_CHARS_BEFORE).min(line.len());
    let to = (from + EXCERPT_CHARS_MAX).min(line.len());
    let (head, tail) =
        (if from > 0 { "..." } else { "" }, if to < line.len() { "..." } else { "" });
    let text = format!("{head}{}{tail}", line[from..to].iter().collect::<String>());
    let mark_start = mark_start - from + head.len();
    let room = text.chars().count().saturating_sub(mark_start).max(1);
    Excerpt { text, mark_start, mark_width: mark_width.min(room) }
}

/// The token at `start`, which is inside the line.
fn token(line: &str, start: usize) -> Token {
    let rest = &line[start..];
    let first = rest.chars().next().unwrap_or(' ');
    if first == '"' || first == '\'' {
        return Token { start, end: start + string_len(rest, first), kind: TokenKind::Literal };
    }
    if rest.starts_with("//") {
        return Token { start, end: line.len(), kind: TokenKind::Comment };
    }
    if let Some(comment) = rest.strip_prefix("/*") {
        let len = comment.find("*/").map_or(rest.len(), |end| end + 4);
        return Token { start, end: start + len, kind: TokenKind::Comment };
    }
    if is_structure(first) {
        return Token { start, end: start + first.len_utf8(), kind: TokenKind::Structure };
    }
    let len =
        rest.find(|char| is_structure(char) || char == '"' || char == '\'').unwrap_or(rest.len());
    Token { start, end: start + len, kind: TokenKind::Literal }
}

/// The length of a string literal in bytes, to its closing quote or the end of the line.
fn string_len(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, char) in text.char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if char == '\\' {
            escaped = true;
        } else if char == quote {
            return at + 1;
        }
    }
    text.len()
}

fn is_structure(char: char) -> bool {
    char.is_whitespace() || matches!(char, '{' | '}' | '[' | ']' | ':' | ',')
}

fn is_keyword(text: &str) -> bool {
    matches!(text, "true" | "false" | "null")
}

fn is_key(line: &str, end: usize) -> bool {
    line[end..].trim_start().starts_with(':')
}

#[cfg(test)]
mod tests;
