//! Answers of `/admin` as people read them. Members that are not there are left empty, so that it
//! shows what it can of a mcpo of another version.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use serde_json::Value;

use crate::render::{self, cells, counted};

const BAD: Style = AnsiColor::Red.on_default().bold();
const GOOD: Style = AnsiColor::Green.on_default();
const ODD: Style = AnsiColor::Yellow.on_default();
const FAINT: Style = Style::new().dimmed();
const HEAD: Style = Style::new().bold();

/// A cell: what it says, and how.
type Cell = (String, Style);

/// All servers, a line each.
pub(super) fn servers(answer: &Value) -> String {
    let servers = answer["servers"].as_array().map(Vec::as_slice).unwrap_or_default();
    if servers.is_empty() {
        return "no servers\n".to_owned();
    }
    let head = ["SERVER", "STATE", "SINCE", "SESSIONS", "IN FLIGHT", "BREAKER", "TOOLS", "TROUBLE"];
    rows(&head, servers.iter().map(server).collect())
}

/// One server, as after an order.
pub(super) fn one(answer: &Value) -> String {
    servers(&serde_json::json!({ "servers": [answer] }))
}

fn server(server: &Value) -> Vec<Cell> {
    let sessions = server["sessions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let withheld = server["withheld"].as_array().map(Vec::as_slice).unwrap_or_default();
    let all = sessions.iter().chain(withheld);
    let in_flight: u64 = all.filter_map(|one| one["in_flight"].as_u64()).sum();
    let doubted = sessions.iter().filter(|one| one["doubted"] == true).count();
    let most = number(&server["pool"]["max"]);
    let ending = server["pool"]["draining"].as_u64().unwrap_or_default();
    let notes: Vec<String> = [(doubted as u64, "doubted"), (ending, "ending")]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    let note = if notes.is_empty() { String::new() } else { format!(" ({})", notes.join(", ")) };
    let sessions = format!("{}/{most}{note}", sessions.len());
    let state = text(&server["state"]);
    let breaker = text(&server["breaker"]["state"]);
    vec![
        (text(&server["name"]), Style::new()),
        (state.clone(), if state == "ready" { GOOD } else { BAD }),
        (length(&server["since_seconds"]), Style::new()),
        (sessions, Style::new()),
        (in_flight.to_string(), Style::new()),
        (breaker.clone(), if breaker == "closed" { Style::new() } else { ODD }),
        (number(&server["tools"]), Style::new()),
        (trouble(server), Style::new()),
    ]
}

/// What is wrong, and what comes next.
fn trouble(server: &Value) -> String {
    let fault = &server["fault"];
    let mut said: Vec<String> = Vec::new();
    if let Some(code) = fault["code"].as_str() {
        let words = fault["detail"].as_str().or_else(|| fault["reason"].as_str());
        said.push(format!("{code}: {}", words.unwrap_or_default()));
    }
    match server["held_by"].as_str() {
        Some("operator") => said.push("held until `release`".to_owned()),
        Some(_) => said.push("held: mend it, then `release`".to_owned()),
        None => {}
    }
    for wait in [&server["retry_in_seconds"], &server["breaker"]["retry_in_seconds"]] {
        if wait.is_number() {
            said.push(format!("tried again in {}", length(wait)));
        }
    }
    clean(&said.join("; "))
}

/// What a check of all connections found, a line for each server.
pub(super) fn validated(answer: &Value) -> String {
    let servers = answer["servers"].as_array().map(Vec::as_slice).unwrap_or_default();
    let of = |server: &Value| {
        let ok = server["ok"] == true;
        let verdict = if ok { ("ok".to_owned(), GOOD) } else { ("not ok".to_owned(), BAD) };
        let took = format!("{} ms", number(&server["took_ms"]));
        let name = (text(&server["name"]), Style::new());
        vec![name, verdict, (took, Style::new()), (trouble(server), Style::new())]
    };
    rows(&["SERVER", "VERDICT", "TOOK", "TROUBLE"], servers.iter().map(of).collect())
}

/// How the cache stands: all of it in one line, then a line for each server that it is for.
pub(super) fn cache(answer: &Value) -> String {
    let size = |value: &Value| value.as_f64().map_or_else(|| "-".to_owned(), render::bytes);
    let count = |name: &str| number(&answer[name]);
    let mut out = if answer["enabled"] == false {
        format!("{ODD}off{ODD:#}: no answer is kept (MCPO_CACHE_ENABLED)\n")
    } else {
        let (kept, room) = (size(&answer["bytes"]), size(&answer["max_bytes"]));
        format!("{} of {} answers, {kept} of {room}\n", count("entries"), count("max_entries"))
    };
    let Some(servers) = answer["servers"].as_object().filter(|servers| !servers.is_empty()) else {
        return out + "no call has asked for what may be kept or shared\n";
    };
    let head = [
        "SERVER", "ANSWERS", "SIZE", "HIT RATE", "HITS", "STALE", "MISSES", "BYPASSED", "SHARED",
        "EVICTED", "EXPIRED", "PURGED",
    ];
    let of = |(name, server): (&String, &Value)| {
        let asked = ["hits", "stale", "misses"].iter().filter_map(|name| server[*name].as_u64());
        let rate = server["hit_rate"].as_f64().filter(|_| asked.sum::<u64>() > 0);
        let rate = rate.map_or_else(|| "-".to_owned(), |rate| format!("{:.0} %", rate * 100.0));
        let counts =
            ["hits", "stale", "misses", "bypassed", "coalesced", "evictions", "expirations"];
        let counts = counts.iter().chain(&["purged"]).map(|name| number(&server[*name]));
        let cells = [clean(name), number(&server["entries"]), size(&server["bytes"]), rate];
        cells.into_iter().chain(counts).map(|cell| (cell, Style::new())).collect()
    };
    out.push_str(&rows(&head, servers.iter().map(of).collect()));
    out
}

/// How many answers were forgotten.
pub(super) fn purged(answer: &Value) -> String {
    let count = answer["purged"].as_u64().and_then(|count| usize::try_from(count).ok());
    format!("forgot {}\n", counted(count.unwrap_or_default(), "answer"))
}

/// Entries of the journal, a line each.
pub(super) fn journal(answer: &Value) -> String {
    let entries = answer["entries"].as_array().map(Vec::as_slice).unwrap_or_default();
    if entries.is_empty() {
        return "no entries\n".to_owned();
    }
    let servers = entries.iter().map(|entry| cells(&text(&entry["server"])));
    let width = servers.max().unwrap_or_default();
    entries.iter().map(|entry| line(entry, width)).collect()
}

/// One entry of the journal, shown before it is known which others follow.
pub(super) fn entry(entry: &Value) -> String {
    /// Most names are not longer.
    const WIDTH: usize = 12;
    line(entry, WIDTH)
}

fn line(entry: &Value, width: usize) -> String {
    let style = match entry["level"].as_str() {
        Some("error") => BAD,
        Some("warn") => ODD,
        Some(_) | None => Style::new(),
    };
    let at = text(&entry["at"]);
    let (server, name) = (text(&entry["server"]), text(&entry["event"]));
    let mut line = format!("{FAINT}{at}{FAINT:#}  {server:<width$}  {style}{name}{style:#}");
    let Some(fields) = entry["fields"].as_object() else { return line + "\n" };
    for (name, value) in fields {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        push(&mut line, format_args!("  {FAINT}{name}={FAINT:#}{}", clean(&value)));
    }
    line + "\n"
}

/// Columns as wide as what stands in them; the last one has no end.
fn rows(head: &[&str], rows: Vec<Vec<Cell>>) -> String {
    let mut all = vec![head.iter().map(|&name| (name.to_owned(), HEAD)).collect::<Vec<_>>()];
    all.extend(rows);
    let width =
        |column: usize| all.iter().map(|row| cells(&row[column].0)).max().unwrap_or_default();
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let mut out = String::new();
    for row in &all {
        let mut line = String::new();
        let mut gap = 0;
        for ((cell, style), width) in row.iter().zip(&widths) {
            if !cell.is_empty() {
                push(&mut line, format_args!("{}{style}{cell}{style:#}", " ".repeat(gap)));
                gap = 0;
            }
            gap += width - cells(cell) + 2;
        }
        out.push_str(&line);
        out.push('\n');
    }
    out
}

fn text(value: &Value) -> String {
    clean(value.as_str().unwrap_or_default())
}

fn number(value: &Value) -> String {
    if value.is_number() { value.to_string() } else { "-".to_owned() }
}

/// Whole seconds as `42s`, `5m`, `3h`, `2d`.
fn length(value: &Value) -> String {
    let Some(seconds) = value.as_u64() else { return "-".to_owned() };
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86400),
    }
}

/// Without what would move a terminal's cursor: some of it was written by upstreams.
fn clean(text: &str) -> String {
    text.chars().map(|char| if char.is_control() { ' ' } else { char }).collect()
}

fn push(out: &mut String, piece: std::fmt::Arguments<'_>) {
    out.write_fmt(piece).expect("writing to a String cannot fail");
}
