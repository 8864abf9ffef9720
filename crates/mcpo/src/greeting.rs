//! What the program says when it starts: where to go, and how each server came up.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use mcpo_config::{Config, LogFormat, Mode};
use mcpo_upstream::directory::{Directory, Snapshot, State, View};
use tokio::time::timeout;

use crate::render;

const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const LINK: Style = AnsiColor::Cyan.on_default();
const BOLD: Style = Style::new().bold();
const FAINT: Style = Style::new().dimmed();

/// Says where to go. Nothing is up yet but the listener.
pub(crate) fn tell(config: &Config, address: SocketAddr) {
    if config.log.format == LogFormat::Json {
        tracing::info!(servers = config.servers.len(), "listening on http://{address}");
        return;
    }
    let docs = format!("{}{}/docs", reachable(address), config.site.root_path);
    let version = env!("CARGO_PKG_VERSION");
    let mut text =
        format!("{BOLD}mcpo {version}{BOLD:#} {FAINT}listening on http://{address}{FAINT:#}\n");
    push(&mut text, format_args!("  docs       {LINK}{docs}{LINK:#}"));
    if config.monitoring.enabled {
        let page = format!("{}{}/dashboard", reachable(address), config.site.root_path);
        push(&mut text, format_args!("  dashboard  {LINK}{page}{LINK:#}"));
    }
    render::to_stderr(&text);
}

/// How long the table of servers waits for those that have neither come up nor failed yet.
const SETTLE_TIME_MAX: Duration = Duration::from_secs(10);

/// Says how the servers came up, in one table, as soon as each has come up or failed once; those
/// that take longer are said to be still starting. What follows is told by the log.
///
/// Cancel-safe: dropping it says nothing.
pub(crate) async fn tell_outcome(config: Config, address: SocketAddr, directory: Arc<Directory>) {
    if config.log.format == LogFormat::Json {
        return;
    }
    let mut generations = directory.generations();
    let settled = async {
        while !is_settled(&config, &directory.load()) && generations.changed().await.is_ok() {}
    };
    // Whether it is settled or not, the table says how things stand.
    let _in_time = timeout(SETTLE_TIME_MAX, settled).await;
    let snapshot = directory.load();
    // Where a stop came first nobody wants to know any more.
    let is_stopping =
        snapshot.upstreams().iter().any(|upstream| upstream.view.state == State::Stopped);
    if !is_stopping {
        render::to_stderr(&table(&config, address, &snapshot));
    }
}

fn is_settled(config: &Config, snapshot: &Snapshot) -> bool {
    snapshot.upstreams().len() == config.servers.len()
        && snapshot.upstreams().iter().all(|upstream| match &upstream.view.state {
            State::Ready
            | State::Resting { .. }
            | State::Held { .. }
            | State::Dormant
            | State::Stopped => true,
            State::Starting { failures, .. } => *failures > 0,
        })
}

fn table(config: &Config, address: SocketAddr, snapshot: &Snapshot) -> String {
    let views: Vec<_> = snapshot.upstreams().iter().map(|upstream| &upstream.view).collect();
    let width = views.iter().map(|view| render::cells(&view.name)).max().unwrap_or(0);
    views.iter().fold(String::new(), |mut text, view| {
        let name = &view.name;
        let pad = " ".repeat(width - render::cells(name));
        let (mark, says) = verdict(config, address, view);
        push(&mut text, format_args!("  {mark} {BOLD}{name}{BOLD:#}{pad}  {says}"));
        text
    })
}

/// A mark and what to say of one server.
fn verdict(config: &Config, address: SocketAddr, view: &View) -> (String, String) {
    let failed = |reason: &str| {
        let reason = shortened(reason);
        (format!("{BAD}x{BAD:#}"), format!("{reason}  {FAINT}(tried again by itself){FAINT:#}"))
    };
    match &view.state {
        State::Ready => {
            let tools = view.catalog.as_ref().map_or(0, |catalog| catalog.tools().len());
            let noun = if tools == 1 { "tool " } else { "tools" };
            let url = format!("{}{}", reachable(address), mount(config, view));
            (format!("{GOOD}+{GOOD:#}"), format!("{tools:>3} {noun}  {LINK}{url}{LINK:#}"))
        }
        State::Resting { fault, .. } | State::Starting { fault: Some(fault), .. } => {
            failed(&fault.detail)
        }
        State::Held { fault, .. } => {
            let reason = fault.as_ref().map_or("held by an operator", |fault| &fault.detail);
            let how = format!("{FAINT}(needs somebody; looked at now and then){FAINT:#}");
            (format!("{BAD}x{BAD:#}"), format!("{}  {how}", shortened(reason)))
        }
        State::Dormant => ("-".to_owned(), "connects when it is called".to_owned()),
        State::Starting { fault: None, .. } => ("-".to_owned(), "still starting".to_owned()),
        State::Stopped => ("-".to_owned(), "stopped".to_owned()),
    }
}

/// As much of a reason as fits a terminal; the log has all of it.
const REASON_CHARS_MAX: usize = 140;

fn shortened(reason: &str) -> String {
    match reason.char_indices().nth(REASON_CHARS_MAX) {
        Some((end, _)) => format!("{}...", &reason[..end]),
        None => reason.to_owned(),
    }
}

fn mount(config: &Config, view: &View) -> String {
    let segment = config
        .servers
        .iter()
        .find(|server| server.name.as_str() == view.name)
        .map(|server| server.name.segment());
    match (config.mode, segment) {
        (Mode::Many, Some(segment)) => {
            format!("{}{}{segment}/docs", config.site.root_path, config.site.path_prefix)
        }
        (Mode::Many | Mode::Single, _) => format!("{}/docs", config.site.root_path),
    }
}

/// The address as a person on this machine would type it.
fn reachable(address: SocketAddr) -> String {
    let port = address.port();
    if address.ip().is_unspecified() || address.ip().is_loopback() {
        format!("http://localhost:{port}")
    } else {
        format!("http://{address}")
    }
}

fn push(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "{line}").expect("writing to a String cannot fail");
}
