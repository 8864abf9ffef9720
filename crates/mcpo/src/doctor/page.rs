//! A diagnosis for people.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use mcpo_monitor::alerts::Severity;
use mcpo_monitor::diagnosis::{Diagnosis, Issue, Status};

use crate::render::shown;

const GOOD: Style = AnsiColor::Green.on_default().bold();
const ODD: Style = AnsiColor::Yellow.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const BOLD: Style = Style::new().bold();
const FAINT: Style = Style::new().dimmed();

const STRING: &str = "writing to a string cannot fail";

/// All of it, with ANSI styles: how all is, each server, each issue with its cause and its cure.
pub(super) fn page(diagnosis: &Diagnosis) -> String {
    let (style, word) = match diagnosis.status {
        Status::Healthy => (GOOD, "healthy"),
        Status::Warning => (ODD, "warning"),
        Status::Critical => (BAD, "critical"),
    };
    let mut out = format!("{style}{word}{style:#}  score {} of 100\n\n", diagnosis.score);
    for (server, is_well) in &diagnosis.connection_health {
        let (style, mark) = if *is_well { (GOOD, "+") } else { (BAD, "x") };
        writeln!(out, "  {style}{mark}{style:#} {}", shown(server)).expect(STRING);
    }
    for issue in &diagnosis.issues {
        write_issue(&mut out, issue);
    }
    if !diagnosis.recommendations.is_empty() {
        out.push_str("\nwould make things better:\n");
        for sentence in &diagnosis.recommendations {
            writeln!(out, "  - {}", shown(sentence)).expect(STRING);
        }
    }
    out
}

fn write_issue(out: &mut String, issue: &Issue) {
    let (style, word) = match issue.severity {
        Severity::Warning => (ODD, "warning"),
        Severity::Critical => (BAD, "critical"),
    };
    let server = issue.server.as_ref().map(|server| format!("{}: ", shown(server)));
    let server = server.unwrap_or_default();
    writeln!(
        out,
        "\n{style}{word}{style:#} {BOLD}{server}{}{BOLD:#} {FAINT}({}){FAINT:#}",
        shown(&issue.what),
        issue.id
    )
    .expect(STRING);
    if !issue.cause.is_empty() {
        let links: Vec<String> = issue.cause.iter().map(|link| shown(link)).collect();
        writeln!(out, "  cause  {}", links.join(" -> ")).expect(STRING);
    }
    for seen in issue.evidence.iter().flat_map(|seen| seen.lines()) {
        writeln!(out, "  {FAINT}seen   {}{FAINT:#}", shown(seen)).expect(STRING);
    }
    for fix in &issue.fix {
        writeln!(out, "  {GOOD}do{GOOD:#}     {}", shown(fix)).expect(STRING);
    }
}
