//! The screen: a line that says whether all is well, the servers, what happened, the keys.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Paragraph, TableState};
use serde_json::Value;

use super::model::Model;
use super::table;
use super::words::{bytes, latency, length, number, share};
use crate::render::shown;

pub(super) const FAINT: Style = Style::new().fg(Color::DarkGray);
const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);
pub(super) const GOOD: Style = Style::new().fg(Color::Green).add_modifier(Modifier::BOLD);
pub(super) const ODD: Style = Style::new().fg(Color::Yellow).add_modifier(Modifier::BOLD);
pub(super) const BAD: Style = Style::new().fg(Color::Red).add_modifier(Modifier::BOLD);

/// Lines of the head, and of the foot.
const HEAD_LINES: u16 = 3;
const FOOT_LINES: u16 = 1;
/// What happened gets a third of the screen, and this much at least,
const EVENTS_LINES_MIN: u16 = 6;
/// but leaves so much to the servers.
const SERVERS_LINES_MIN: u16 = 6;

const KEYS: &str =
    "q quit  arrows choose  r reconnect  h hold  u release  d drain  x reset (forget failures)";
/// Where those do not fit.
const KEYS_SHORT: &str = "q quit r reconnect h hold u release d drain x reset";

/// Draws all of it.
pub(super) fn all(frame: &mut Frame<'_>, model: &Model, state: &mut TableState) {
    let height = frame.area().height;
    let room = height.saturating_sub(HEAD_LINES + SERVERS_LINES_MIN + FOOT_LINES);
    let events = (height / 3).max(EVENTS_LINES_MIN).min(room);
    let [head_area, servers_area, events_area, foot_area] = Layout::vertical([
        Constraint::Length(HEAD_LINES),
        Constraint::Fill(1),
        Constraint::Length(events),
        Constraint::Length(FOOT_LINES),
    ])
    .areas(frame.area());
    frame.render_widget(Paragraph::new(head(model)), head_area);
    table::draw(frame, servers_area, model, state);
    frame.render_widget(happened(model, events_area), events_area);
    frame.render_widget(Paragraph::new(foot(model, foot_area.width)), foot_area);
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
        if whole["p50"].is_null() { "-".to_owned() } else { share(&whole["error_rate"]) },
        latency(&whole["p50"]),
        latency(&whole["p99"]),
        number(&whole["in_flight"], 0),
        number(&whole["queued"], 0),
        share(&picture["machine"]["cpu"]),
        bytes(&picture["process"]["rss_bytes"]),
    ));
    let third = match &model.lost {
        Some(reason) => Line::styled(format!("trying again: {reason}"), BAD),
        None => Line::styled(worst(model), FAINT),
    };
    vec![first, second, third]
}

/// What pulls the score down most.
fn worst(model: &Model) -> String {
    let servers = model.servers();
    let down = servers.iter().filter(|server| server["standing"] == "down").count();
    let reasons = model.picture["reasons"].as_array().into_iter().flatten();
    // Where several are down their number says more than the first of them.
    let mut others = reasons.filter(|reason| down < 2 || reason["part"] != "state");
    let other = others.next().map(|reason| {
        let server = reason["server"].as_str().map(|server| format!("{server}: "));
        shown(&format!("{}{}", server.unwrap_or_default(), reason["why"].as_str().unwrap_or("")))
    });
    let several = (down > 1).then(|| format!("{down} of {} servers are down", servers.len()));
    several.into_iter().chain(other).collect::<Vec<_>>().join("; ")
}

fn happened(model: &Model, area: Rect) -> Paragraph<'static> {
    let fits = usize::from(area.height.saturating_sub(1));
    let from = model.events.len().saturating_sub(fits);
    let lines: Vec<Line<'static>> = model.events.range(from..).map(event).collect();
    Paragraph::new(lines).block(
        Block::new()
            .borders(Borders::TOP)
            .border_style(FAINT)
            .title(Span::styled(" events, at UTC ", FAINT)),
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

fn foot(model: &Model, width: u16) -> Line<'static> {
    let note = model.note.as_ref().map(|note| format!("{}  ", shown(note))).unwrap_or_default();
    let keys = if note.len() + KEYS.len() <= usize::from(width) { KEYS } else { KEYS_SHORT };
    match &model.question {
        Some(question) => {
            let server = shown(&question.server);
            let text = format!("{} {server}? y for yes, any other key for no", question.order);
            Line::styled(text, ODD)
        }
        None => Line::from(vec![Span::styled(note, BOLD), Span::styled(keys, FAINT)]),
    }
}
