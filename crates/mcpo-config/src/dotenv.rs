//! Reads `.env` files as python-dotenv does: comments, `export`, quotes, values over several
//! lines, and `${NAME}` or `${NAME:-default}` inside values.

use crate::environment::Environment;

/// One variable of the file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) value: String,
}

/// A line that cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadLine {
    /// Byte offset of its start.
    pub(crate) offset: usize,
    pub(crate) message: &'static str,
}

/// Reads the whole file; what cannot be read is told, and the rest goes on at the next line.
/// `${NAME}` finds variables of `process` first, then earlier ones of the file.
pub(crate) fn parse(text: &str, process: &Environment) -> (Vec<Entry>, Vec<BadLine>) {
    let mut entries: Vec<Entry> = Vec::new();
    let mut bad = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let offset = text.len() - rest.len();
        let (line, after_line) = rest.split_once('\n').unwrap_or((rest, ""));
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            rest = after_line;
            continue;
        }
        match assignment(rest) {
            Ok((name, raw, after)) => {
                let value = expand(&raw, &|wanted| {
                    let earlier = || entries.iter().rev().find(|entry| entry.name == wanted);
                    process.get(wanted).or_else(|| earlier().map(|entry| entry.value.clone()))
                });
                entries.push(Entry { name, value });
                rest = after;
            }
            Err(message) => {
                bad.push(BadLine { offset, message });
                rest = after_line;
            }
        }
    }
    (entries, bad)
}

/// `[export] NAME = VALUE` at the start of `text`; what follows it is the last of the three.
fn assignment(text: &str) -> Result<(String, String, &str), &'static str> {
    let text = text.trim_start();
    let text = text.strip_prefix("export ").map_or(text, str::trim_start);
    let name_end = text.find(['=', '\n']).filter(|&end| text[end..].starts_with('='));
    let Some(name_end) = name_end else { return Err("no `=` on this line") };
    let name = text[..name_end].trim().trim_matches('\'');
    if name.is_empty() || name.contains(char::is_whitespace) {
        return Err("the name of the variable is empty or holds a blank");
    }
    let after = text[name_end + 1..].trim_start_matches([' ', '\t']);
    let (value, rest) = match after.chars().next() {
        Some(quote @ ('"' | '\'')) => quoted(&after[1..], quote)?,
        Some(_) | None => bare(after),
    };
    Ok((name.to_owned(), value, rest))
}

/// A value without quotes: to the end of the line, or to a `#` after a blank.
fn bare(text: &str) -> (String, &str) {
    let (line, rest) = text.split_once('\n').unwrap_or((text, ""));
    let comment = line
        .char_indices()
        .zip(line.chars().skip(1))
        .find(|((_, blank), hash)| blank.is_whitespace() && *hash == '#');
    let value =
        if line.starts_with('#') { "" } else { comment.map_or(line, |((at, _), _)| &line[..at]) };
    (value.trim().to_owned(), rest)
}

/// A value in quotes, which may hold line breaks; `text` starts after the opening quote.
fn quoted(text: &str, quote: char) -> Result<(String, &str), &'static str> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        if char == quote {
            let rest = &text[at + 1..];
            return Ok((value, rest.split_once('\n').map_or("", |(_, rest)| rest)));
        }
        if char != '\\' {
            value.push(char);
            continue;
        }
        match chars.next() {
            Some((_, escaped)) if quote == '"' => match escaped {
                'n' => value.push('\n'),
                'r' => value.push('\r'),
                't' => value.push('\t'),
                '"' | '\'' | '\\' => value.push(escaped),
                other => value.extend(['\\', other]),
            },
            Some((_, escaped @ ('\'' | '\\'))) => value.push(escaped),
            Some((_, other)) => value.extend(['\\', other]),
            None => value.push('\\'),
        }
    }
    Err("the quote is never closed")
}

/// Replaces `${NAME}` and `${NAME:-default}`; what is not set and has no default is empty.
fn expand(value: &str, lookup: &dyn Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((inside, tail)) = after.split_once('}') else { break };
        out.push_str(before);
        let (name, default) = inside.split_once(":-").unwrap_or((inside, ""));
        out.push_str(&lookup(name).unwrap_or_else(|| default.to_owned()));
        rest = tail;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests;
