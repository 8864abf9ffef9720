//! What the program says when it starts: where to go, and how each server came up.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;

use anstyle::{AnsiColor, Style};
use mcpo_config::{Config, LogFormat, Mode};
use mcpo_upstream::directory::{Directory, Snapshot, State, View};
use tokio::net::TcpListener;

use crate::render;

const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const LINK: Style = AnsiColor::Cyan.on_default();
const BOLD: Style = Style::new().bold();
const FAINT: Style = Style::new().dimmed();

/// Says where to go. Nothing is up yet but the listener.
pub(crate) fn tell(config: &Config, listeners: &[TcpListener]) {
    let Some(Ok(address)) = listeners.first().map(TcpListener::local_addr) else { return };
    if config.log.format == LogFormat::Json {
        tracing::info!(servers = config.servers.len(), "listening on http://{address}");
        return;
    }
    let docs = format!("{}{}/docs", reachable(address), config.site.root_path);
    let version = env!("CARGO_PKG_VERSION");
    let mut text =
        format!("{BOLD}mcpo {version}{BOLD:#} {FAINT}listening on http://{address}{FAINT:#}\n");
    push(&mut text, format_args!("  docs  {LINK}{docs}{LINK:#}"));
    if config.mode == Mode::Many {
        let names: Vec<_> = config.servers.iter().map(|server| server.name.as_str()).collect();
        push(&mut text, format_args!("  {FAINT}starting {}{FAINT:#}", names.join(", ")));
    }
    render::to_stderr(&text);
}

/// Says how each server came up, once each, as soon as it is known; ends when all were told.
///
/// Cancel-safe: dropping it says no more.
pub(crate) async fn tell_outcome(config: Config, directory: Arc<Directory>) {
    if config.log.format == LogFormat::Json {
        return;
    }
    let mut generations = directory.generations();
    let mut told = BTreeSet::new();
    while told.len() < config.servers.len() {
        let snapshot = directory.load().clone();
        tell_news(&config, &snapshot, &mut told);
        drop(snapshot);
        if told.len() < config.servers.len() && generations.changed().await.is_err() {
            return;
        }
    }
}

fn tell_news(config: &Config, snapshot: &Snapshot, told: &mut BTreeSet<String>) {
    for upstream in snapshot.upstreams() {
        let view = &upstream.view;
        if told.contains(&view.name) {
            continue;
        }
        if let Some(line) = line_for(config, view) {
            render::to_stderr(&line);
            told.insert(view.name.clone());
        }
    }
}

/// One server's line, once there is something to say.
fn line_for(config: &Config, view: &View) -> Option<String> {
    let name = match config.mode {
        Mode::Single => "server",
        Mode::Many => &view.name,
    };
    match &view.state {
        State::Ready => {
            let tools = view.catalog.as_ref().map_or(0, |catalog| catalog.tools().len());
            let noun = if tools == 1 { "tool" } else { "tools" };
            let path = mount(config, view);
            Some(format!(
                "  {GOOD}+{GOOD:#} {BOLD}{name}{BOLD:#}  {tools} {noun}  {LINK}{path}{LINK:#}\n"
            ))
        }
        State::Resting { fault, .. } | State::Starting { failures: 1.., fault: Some(fault) } => {
            Some(format!(
                "  {BAD}x{BAD:#} {BOLD}{name}{BOLD:#}  {}  {FAINT}(tried again by itself){FAINT:#}\n",
                fault.detail
            ))
        }
        State::Starting { .. } | State::Stopped => None,
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
