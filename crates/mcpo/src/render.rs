//! Shows problems to people, on stderr: what it is, where it stands, and the cure. Colours are
//! dropped where stderr is no terminal.

use std::fmt::Write as _;
use std::io::Write as _;

use anstyle::{AnsiColor, Style};
use mcpo_config::{Excerpt, Place, Problem, Problems, Severity};

use crate::exit::Exit;

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const FRAME: Style = AnsiColor::Blue.on_default().bold();
const BOLD: Style = Style::new().bold();

/// Tells why mcpo does not start: every problem, then how many there are.
pub(crate) fn refusal(problems: &Problems) -> Exit {
    to_stderr(&format!("{}{}", all(&problems.all), summary(problems)));
    Exit::Usage
}

/// Tells a failure that has no place in a configuration.
pub(crate) fn failure(message: &str) -> Exit {
    to_stderr(&format!("{ERROR}error{ERROR:#}{BOLD}: {message}{BOLD:#}\n"));
    Exit::Failure
}

/// Writes a text with ANSI styles to stderr. That it cannot be written is nowhere to be told.
pub(crate) fn to_stderr(styled: &str) {
    anstream::stderr().write_all(styled.as_bytes()).ok();
}

/// A text of somebody else's without what a terminal would obey.
pub(crate) fn shown(text: &str) -> String {
    text.chars().map(|char| if char.is_control() { ' ' } else { char }).collect()
}

/// Every problem, each with an empty line behind it, with ANSI styles.
pub(crate) fn all(problems: &[Problem]) -> String {
    problems.iter().map(|problem| one(problem) + "\n").collect()
}

fn one(problem: &Problem) -> String {
    let (style, word) = match problem.severity {
        Severity::Error => (ERROR, "error"),
        Severity::Warning => (WARNING, "warning"),
    };
    let mut out = format!("{style}{word}{style:#}{BOLD}: {}{BOLD:#}\n", problem.message);
    let gutter = place(&mut out, &problem.place, style);
    let pad = " ".repeat(gutter);
    if !problem.path.is_empty() {
        push(&mut out, format_args!("{pad} {FRAME}={FRAME:#} {BOLD}in{BOLD:#}: {}", problem.path));
    }
    if let Some(cure) = &problem.cure {
        push(&mut out, format_args!("{pad} {FRAME}={FRAME:#} {BOLD}help{BOLD:#}: {cure}"));
    }
    out
}

/// Writes where it stands; gives the width of the column of line numbers.
fn place(out: &mut String, place: &Place, style: Style) -> usize {
    let at = |gutter: usize| format!("{}{FRAME}-->{FRAME:#}", " ".repeat(gutter));
    match place {
        Place::File { file, line, column, excerpt } => {
            let gutter = line.to_string().len();
            push(out, format_args!("{} {file}:{line}:{column}", at(gutter)));
            if let Some(excerpt) = excerpt {
                lines(out, *line, excerpt, style);
            }
            return gutter;
        }
        Place::WholeFile(file) => push(out, format_args!("{} {file}", at(1))),
        Place::Flag(flag) => push(out, format_args!("{} option {flag}", at(1))),
        Place::Variable(name) => push(out, format_args!("{} environment variable {name}", at(1))),
        Place::CommandLine => {}
    }
    1
}

fn lines(out: &mut String, line: usize, excerpt: &Excerpt, style: Style) {
    let number = line.to_string();
    let pad = " ".repeat(number.len());
    let (before, mark) = (" ".repeat(excerpt.mark_start), "^".repeat(excerpt.mark_width));
    push(out, format_args!("{pad} {FRAME}|{FRAME:#}"));
    push(out, format_args!("{FRAME}{number} |{FRAME:#} {}", excerpt.text));
    push(out, format_args!("{pad} {FRAME}|{FRAME:#} {before}{style}{mark}{style:#}"));
}

fn push(out: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(out, "{line}").expect("writing to a string cannot fail");
}

fn summary(problems: &Problems) -> String {
    let errors = problems.error_count();
    let warnings = problems.all.len() - errors;
    let beside = if warnings == 0 {
        String::new()
    } else {
        format!(" and {}", counted(warnings, "warning"))
    };
    let what = format!("mcpo cannot start: {}{beside}", counted(errors, "error"));
    format!("{ERROR}error{ERROR:#}{BOLD}: {what}{BOLD:#}\n")
}

/// How wide a text stands in a terminal, in cells: some characters take two.
pub(crate) fn cells(text: &str) -> usize {
    ratatui::text::Span::raw(text).width()
}

/// `1 error`, `2 errors`.
pub(crate) fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// So many bytes, in a unit that needs few digits.
pub(crate) fn bytes(count: f64) -> String {
    const KIB: f64 = 1024.0;
    if count < KIB {
        format!("{count:.0} B")
    } else if count < KIB * KIB {
        format!("{:.1} KiB", count / KIB)
    } else if count < KIB * KIB * KIB {
        format!("{:.1} MiB", count / (KIB * KIB))
    } else {
        format!("{:.1} GiB", count / (KIB * KIB * KIB))
    }
}

#[cfg(test)]
mod tests;
