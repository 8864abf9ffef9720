//! The screen: a line that says whether all is well, the servers, what happened, the keys.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Cell, Paragraph, Row, Table, TableState};
use serde_json::Value;

use super::model::Model;

const FAINT: Style = Style::new().fg(Color::DarkGray);
const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);
const GOOD: Style = Style::new().fg(Color::Green).add_modifier(Modifier::BOLD);
const ODD: Style = Style::new().fg(Color::Yellow).add_modifier(Modifier::BOLD);
const BAD: Style = Style::new().fg(Color::Red).add_modifier(Modifier::BOLD);
/// Reads on a background of any colour.
const POINTED: Style = Style::new().add_modifier(Modifier::REVERSED);

/// Lines of the head, and of the foot.
const HEAD_LINES: u16 = 3;
const FOOT_LINES: u16 = 1;
/// What happened gets a third of the screen, and this much at least.
const EVENTS_LINES_MIN: u16 = 6;

const KEYS: &str =
    "q quit  arrows choose  r reconnect  h hold  u release  d drain  x reset (forget failures)";

/// Draws all of it.
pub(super) fn all(frame: &mut Frame<'_>, model: &Model) {
    let events = (frame.area().height / 3).max(EVENTS_LINES_MIN);
    let [head_area, servers_area, events_area, foot_area] = Layout::vertical([
        Constraint::Length(HEAD_LINES),
        Constraint::Fill(1),
        Constraint::Length(events),
        Constraint::Length(FOOT_LINES),
    ])
    .areas(frame.area());
    frame.render_widget(Paragraph::new(head(model)), head_area);
    servers(frame, servers_area, model);
    frame.render_widget(happened(model, events_area), events_area);
    frame.render_widget(Paragraph::new(foot(model)), foot_area);
}

fn head(model: &Model) -> Vec<Line<'static>> {
    let picture = &model.picture;
    let (word, style) = match (&model.lost, picture["status"].as_str()) {
        (Some(_), _) => ("not reached", BAD),
        (None, Some("healthy")) => ("healthy", GOOD),
        (None, Some("degraded")) => ("degraded", ODD),
        (None, other) => (if other.is_some() { "unhealthy" } else { "unknown" }, BAD),
    };
    let score = number(&picture["score"], 0);
    let first = Line::from(vec![
        Span::styled("mcpo ", BOLD),
        Span::styled(picture["version"].as_str().unwrap_or_default().to_owned(), FAINT),
        Span::raw(format!("  {}  ", model.address)),
        Span::styled(word, style),
        Span::raw(format!("  score {score}")),
        Span::styled(format!("  up {}", length(&picture["uptime"])), FAINT),
    ]);
    let whole = &picture["whole"];
    let second = Line::from(format!(
        "calls {}/s  errors {}  p50 {}  p99 {}  in flight {}  waiting {}  cpu {}  memory {}",
        number(&whole["calls_per_second"], 1),
        share(&whole["error_rate"]),
        latency(&whole["p50"]),
        latency(&whole["p99"]),
        number(&whole["in_flight"], 0),
        number(&whole["queued"], 0),
        share(&picture["machine"]["cpu"]),
        bytes(&picture["process"]["rss_bytes"]),
    ));
    let why = picture["reasons"].get(0).map_or("", |reason| reason["why"].as_str().unwrap_or(""));
    let third = match &model.lost {
        Some(reason) => Line::styled(format!("{reason}; trying again"), BAD),
        None => Line::styled(why.to_owned(), FAINT),
    };
    vec![first, second, third]
}

const COLUMNS: [(&str, Constraint); 10] = [
    ("server", Constraint::Fill(2)),
    ("state", Constraint::Length(9)),
    ("score", Constraint::Length(5)),
    ("calls/s", Constraint::Length(8)),
    ("errors", Constraint::Length(7)),
    ("p50", Constraint::Length(8)),
    ("p99", Constraint::Length(8)),
    ("sess", Constraint::Length(5)),
    ("memory", Constraint::Length(9)),
    ("what is wrong", Constraint::Fill(3)),
];

fn servers(frame: &mut Frame<'_>, area: Rect, model: &Model) {
    let rows = model.servers().into_iter().map(row);
    let head = Row::new(COLUMNS.map(|(name, _)| Cell::from(name))).style(FAINT);
    let table = Table::new(rows, COLUMNS.map(|(_, width)| width))
        .header(head)
        .row_highlight_style(POINTED)
        .block(Block::new().borders(Borders::TOP).border_style(FAINT));
    let mut state = TableState::new().with_selected(model.selected_index());
    frame.render_stateful_widget(table, area, &mut state);
}

fn row(server: &Value) -> Row<'static> {
    let style = match server["standing"].as_str() {
        Some("ok") => GOOD,
        Some("degraded") => ODD,
        Some(_) | None => BAD,
    };
    let wrong = server["reason"].as_str().map(str::to_owned).or_else(|| {
        (server["breaker"] != "closed" && !server["breaker"].is_null())
            .then(|| "its breaker lets few calls through".to_owned())
    });
    Row::new([
        Cell::from(plain(&server["name"])),
        Cell::from(plain(&server["state"])).style(style),
        Cell::from(number(&server["score"], 0)),
        Cell::from(number(&server["calls_per_second"], 1)),
        Cell::from(share(&server["error_rate"])),
        Cell::from(latency(&server["p50"])),
        Cell::from(latency(&server["p99"])),
        Cell::from(format!("{}/{}", number(&server["in_use"], 0), number(&server["sessions"], 0))),
        Cell::from(bytes(&server["processes"]["rss_bytes"])),
        Cell::from(wrong.unwrap_or_default()),
    ])
}

fn happened(model: &Model, area: Rect) -> Paragraph<'static> {
    let fits = usize::from(area.height.saturating_sub(1));
    let from = model.events.len().saturating_sub(fits);
    let lines: Vec<Line<'static>> = model.events.range(from..).map(event).collect();
    Paragraph::new(lines).block(
        Block::new()
            .borders(Borders::TOP)
            .border_style(FAINT)
            .title(Span::styled(" events ", FAINT)),
    )
}

fn event(entry: &Value) -> Line<'static> {
    let style = match entry["level"].as_str() {
        Some("error") => BAD,
        Some("warn") => ODD,
        Some(_) | None => Style::new(),
    };
    let at = entry["at"].as_str().and_then(|at| at.get(11..19)).unwrap_or_default();
    let server = entry["server"].as_str().map(|server| format!("{server}: ")).unwrap_or_default();
    let said = entry["sentence"].as_str().or_else(|| entry["event"].as_str()).unwrap_or_default();
    Line::from(vec![
        Span::styled(format!("{at}  "), FAINT),
        Span::styled(shown(&server), BOLD),
        Span::styled(shown(said), style),
    ])
}

fn foot(model: &Model) -> Line<'static> {
    match (&model.question, &model.note) {
        (Some(question), _) => {
            let text = format!(
                "{} {}? y for yes, any other key for no",
                question.order,
                shown(&question.server)
            );
            Line::styled(text, ODD)
        }
        (None, Some(note)) => Line::from(vec![
            Span::styled(format!("{}  ", shown(note)), BOLD),
            Span::styled(KEYS, FAINT),
        ]),
        (None, None) => Line::styled(KEYS, FAINT),
    }
}

/// A text of somebody else's without what a terminal would obey.
fn shown(text: &str) -> String {
    text.chars().map(|char| if char.is_control() { ' ' } else { char }).collect()
}

fn plain(value: &Value) -> String {
    shown(value.as_str().unwrap_or("-"))
}

fn number(value: &Value, digits: usize) -> String {
    value.as_f64().map_or_else(|| "-".to_owned(), |number| format!("{number:.digits$}"))
}

fn share(value: &Value) -> String {
    value.as_f64().map_or_else(|| "-".to_owned(), |share| format!("{:.1} %", share * 100.0))
}

/// Seconds, in a unit that needs few digits.
fn latency(value: &Value) -> String {
    match value.as_f64() {
        None => "-".to_owned(),
        Some(seconds) if seconds < 0.001 => format!("{:.0} us", seconds * 1e6),
        Some(seconds) if seconds < 1.0 => format!("{:.1} ms", seconds * 1e3),
        Some(seconds) => format!("{seconds:.2} s"),
    }
}

fn length(value: &Value) -> String {
    let seconds = value.as_f64().unwrap_or_default() as u64;
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        7200..=172_799 => format!("{} h", seconds / 3600),
        172_800.. => format!("{} d", seconds / 86_400),
    }
}

fn bytes(value: &Value) -> String {
    match value.as_f64() {
        None => "-".to_owned(),
        Some(bytes) if bytes < 1024.0 * 1024.0 * 1024.0 => {
            format!("{:.1} MiB", bytes / (1024.0 * 1024.0))
        }
        Some(bytes) => format!("{:.1} GiB", bytes / (1024.0 * 1024.0 * 1024.0)),
    }
}
