//! The table of servers: as many columns as fit, the names and what is wrong before all others.

use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::Span;
use ratatui::widgets::{Block, Borders, Cell, Row, Table, TableState};
use serde_json::Value;

use crate::render;

use super::draw::{BAD, FAINT, GOOD, ODD};
use super::model::Model;
use super::words::{bytes, latency, number, plain, share};

/// Reads on a background of any colour.
const POINTED: Style = Style::new().add_modifier(Modifier::REVERSED);

/// A column of figures.
struct Column {
    title: &'static str,
    width: u16,
    /// Those of lower rank are there on narrower screens, too.
    rank: u8,
    text: fn(&Value) -> String,
}

/// In the order in which they stand.
const COLUMNS: [Column; 9] = [
    Column { title: "score", width: 5, rank: 1, text: |server| number(&server["score"], 0) },
    Column {
        title: "calls/s",
        width: 7,
        rank: 3,
        text: |server| number(&server["calls_per_second"], 1),
    },
    Column { title: "errors", width: 7, rank: 2, text: errors },
    Column { title: "p50", width: 8, rank: 5, text: |server| latency(&server["p50"]) },
    Column { title: "p99", width: 8, rank: 4, text: |server| latency(&server["p99"]) },
    Column { title: "sess", width: 5, rank: 7, text: sessions },
    Column { title: "away", width: 6, rank: 8, text: |server| number(&server["shed"], 0) },
    Column { title: "cached", width: 7, rank: 9, text: cached },
    Column {
        title: "memory",
        width: 9,
        rank: 6,
        text: |server| bytes(&server["processes"]["rss_bytes"]),
    },
];

const STATE_WIDTH: u16 = 8;
/// Longer names are cut, where there is more to show than names.
const NAME_WIDTH_MIN: u16 = 6;
const NAME_WIDTH_MAX: u16 = 24;
/// The longest thing that is wrong fits: columns of figures have to leave this.
const WRONG_WIDTH_MIN: u16 = 34;

/// Draws it. The scroll position is the caller's to keep.
pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, model: &Model, state: &mut TableState) {
    let servers = model.servers();
    let names = servers.iter().map(|server| render::cells(&plain(&server["name"]))).max();
    let names = names.and_then(|width| width.try_into().ok()).unwrap_or(NAME_WIDTH_MAX);
    let names = names.clamp(NAME_WIDTH_MIN, NAME_WIDTH_MAX);
    let columns = fitting(area.width.saturating_sub(names + STATE_WIDTH + WRONG_WIDTH_MIN + 2));
    let titles = columns.iter().map(|column| column.title);
    let titles = ["server", "state"].into_iter().chain(titles).chain(["what is wrong"]);
    let widths = columns.iter().map(|column| Constraint::Length(column.width));
    let widths = [Constraint::Length(names), Constraint::Length(STATE_WIDTH)]
        .into_iter()
        .chain(widths)
        .chain([Constraint::Fill(1)]);
    let position = model.selected_index().map_or(0, |index| index + 1);
    let title = format!(" servers, {position} of {} ", servers.len());
    let table = Table::new(servers.iter().map(|server| row(server, &columns)), widths)
        .header(Row::new(titles).style(FAINT))
        .row_highlight_style(POINTED)
        .block(
            Block::new()
                .borders(Borders::TOP)
                .border_style(FAINT)
                .title(Span::styled(title, FAINT)),
        );
    state.select(model.selected_index());
    frame.render_stateful_widget(table, area, state);
}

/// The columns of lowest rank that fit, each with the space before it.
fn fitting(width: u16) -> Vec<&'static Column> {
    let mut left = width;
    let mut ranked: Vec<&Column> = COLUMNS.iter().collect();
    ranked.sort_by_key(|column| column.rank);
    let fits = |column: &&&Column| match left.checked_sub(column.width + 1) {
        Some(rest) => {
            left = rest;
            true
        }
        None => false,
    };
    let last = ranked.iter().take_while(fits).last().map_or(0, |column| column.rank);
    COLUMNS.iter().filter(|column| column.rank <= last).collect()
}

fn row(server: &Value, columns: &[&Column]) -> Row<'static> {
    let style = match server["standing"].as_str() {
        Some("ok") => GOOD,
        Some("degraded") => ODD,
        Some(_) | None => BAD,
    };
    let head =
        [Cell::from(plain(&server["name"])), Cell::from(plain(&server["state"])).style(style)];
    let figures = columns.iter().map(|column| Cell::from((column.text)(server)));
    Row::new(head.into_iter().chain(figures).chain([Cell::from(wrong(server))]))
}

fn wrong(server: &Value) -> String {
    let breaker = &server["breaker"];
    match server["reason"].as_str() {
        Some(reason) => render::shown(reason),
        None if breaker.is_null() || breaker == "closed" => turned_away(server),
        None => "its breaker lets few calls through".to_owned(),
    }
}

/// Calls of the last minute that were turned away.
fn turned_away(server: &Value) -> String {
    let reasons = server["turned_away"].as_object();
    let counts = reasons.into_iter().flatten().filter_map(|(_, count)| count.as_u64());
    match counts.sum::<u64>() {
        0 => String::new(),
        1 => "a call was turned away".to_owned(),
        count => format!("{count} calls were turned away"),
    }
}

/// Where nothing was called nothing can be said.
fn errors(server: &Value) -> String {
    if server["p50"].is_null() { "-".to_owned() } else { share(&server["error_rate"]) }
}

/// Of the last minute, or of the hour where nothing was asked in it.
fn cached(server: &Value) -> String {
    let rates = [&server["cache"]["hit_rate"], &server["cache"]["hit_rate_hour"]];
    rates.into_iter().find(|rate| rate.is_number()).map_or("-".to_owned(), share)
}

fn sessions(server: &Value) -> String {
    format!("{}/{}", number(&server["in_use"], 0), number(&server["sessions"], 0))
}
