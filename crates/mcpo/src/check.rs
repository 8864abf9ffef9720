//! `mcpo check`: tells everything that is wrong with options and file, or what they come to.

mod load;

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anstyle::{AnsiColor, Style};
use mcpo_config::{Config, Endpoint, Flags, HttpKind, Mode, PoolSizes, Recovery, Server, Stdio};

use crate::exit::Exit;
use crate::render;

const GOOD: Style = AnsiColor::Green.on_default().bold();
const ODD: Style = AnsiColor::Yellow.on_default().bold();
const BOLD: Style = Style::new().bold();

/// Checks, and tells the result. Starts nothing and connects to nobody.
pub(crate) fn run(flags: &Flags) -> Exit {
    match Config::load(flags) {
        Ok(config) => {
            render::to_stderr(&render::all(&config.warnings));
            let text = summary(&config);
            anstream::stdout().write_all(text.as_bytes()).map_or(Exit::Failure, |()| Exit::Ok)
        }
        Err(problems) => render::refusal(&problems),
    }
}

/// What the configuration comes to, with ANSI styles; without secrets.
pub(crate) fn summary(config: &Config) -> String {
    let mut out = format!("{GOOD}ok{GOOD:#}: {}", render::counted(config.servers.len(), "server"));
    if !config.warnings.is_empty() {
        write!(out, ", {}", render::counted(config.warnings.len(), "warning")).expect(STRING);
    }
    out.push_str("\n\n");
    let rows: Vec<_> = config.servers.iter().map(|server| (path(config, server), server)).collect();
    let paths = rows.iter().map(|(path, _)| path.chars().count()).max().unwrap_or(0);
    let kinds = rows.iter().map(|(_, server)| kind(server).len()).max().unwrap_or(0);
    for (path, server) in &rows {
        let (kind, target) = (kind(server), target(server));
        let treatment = treatment(config, server);
        writeln!(out, "  {BOLD}{path:paths$}{BOLD:#}  {kind:kinds$}  {target}{treatment}")
            .expect(STRING);
    }
    let key = match (&config.access.api_key, config.access.strict) {
        (None, _) => "none, everybody may call",
        (Some(_), false) => "needed for calls",
        (Some(_), true) => "needed for calls and documents",
    };
    let timeout = config.limits.tool_timeout.as_secs_f64();
    let host = &config.listen.host;
    let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
    let port = config.listen.port;
    write!(out, "\n  listens on   http://{host}:{port}\n  key          {key}\n  timeout      {timeout} s a call\n")
        .expect(STRING);
    writeln!(out, "  load         {}", load::in_hand(&config.load)).expect(STRING);
    writeln!(out, "  cache        {}", load::cache(config.load.cache)).expect(STRING);
    writeln!(out, "  recovery     {}", recovery(config.recovery)).expect(STRING);
    writeln!(out, "  history      {}", history(config)).expect(STRING);
    match (config.mode, config.hot_reload) {
        (Mode::Single, _) => {}
        (Mode::Many, true) => out.push_str("  reload       when the file changes, and at SIGHUP\n"),
        (Mode::Many, false) => out.push_str("  reload       at SIGHUP\n"),
    }
    out
}

/// How what breaks is healed, in words.
fn recovery(recovery: Recovery) -> String {
    let Recovery { enabled, attempts_max, probe_every } = recovery;
    let probes = match probe_every {
        Some(every) => format!("silent sessions probed every {} s", every.as_secs_f64()),
        None => "no session probed".to_owned(),
    };
    if enabled {
        format!("{} a call, {probes}", render::counted(attempts_max as usize, "attempt"))
    } else {
        "off, nothing is tried again by itself".to_owned()
    }
}

/// Where the history is kept, in words.
fn history(config: &Config) -> String {
    let monitoring = &config.monitoring;
    if !monitoring.enabled {
        return "none, nothing is measured".to_owned();
    }
    match monitoring.state.directory(config.listen.port) {
        Some(directory) => format!("in {}", directory.display()),
        None => "in memory".to_owned(),
    }
}

/// How a server is treated where that is not as usual: each word with what separates it from the
/// one before.
fn treatment(config: &Config, server: &Server) -> String {
    let PoolSizes { min, max } = server.pool;
    let usual = match &server.endpoint {
        Endpoint::Stdio(_) => PoolSizes::STDIO,
        Endpoint::Http(_) => PoolSizes::HTTP,
    };
    let sessions = match (server.pool == usual, min == max) {
        (true, _) => None,
        (false, true) => Some(render::counted(max, "session")),
        (false, false) => Some(format!("{min} to {max} sessions")),
    };
    let tools = |count: usize, how: &str| {
        (count > 0).then(|| format!("{} {how}", render::counted(count, "tool")))
    };
    let said =
        [server.timeout.map(|timeout| format!("{} s a call", timeout.as_secs_f64())), sessions];
    let catalog = [
        tools(server.catalog.disabled_tools.len(), "disabled"),
        tools(server.catalog.tools.len(), "treated specially"),
    ];
    let words = said.into_iter().chain(load::of_server(config, server)).chain(catalog);
    words.flatten().map(|word| format!(", {word}")).collect()
}

const STRING: &str = "writing to a string cannot fail";

/// Where its tools are: a server of the command line has the root to itself.
fn path(config: &Config, server: &Server) -> String {
    match config.mode {
        Mode::Single => "/".to_owned(),
        Mode::Many => format!("{}{}", config.site.path_prefix, server.name.segment()),
    }
}

fn kind(server: &Server) -> &'static str {
    match &server.endpoint {
        Endpoint::Stdio(_) => "stdio",
        Endpoint::Http(http) => match http.kind {
            HttpKind::Streamable => "streamable-http",
            HttpKind::Sse => "sse",
        },
    }
}

/// Where it is. Of a command only the program: arguments often hold tokens.
fn target(server: &Server) -> String {
    match &server.endpoint {
        Endpoint::Http(http) => http.shown_url(),
        Endpoint::Stdio(stdio) => {
            let args = match stdio.args.len() {
                0 => String::new(),
                count => format!(" with {}", render::counted(count, "argument")),
            };
            let missing = if program(stdio).is_some() {
                String::new()
            } else {
                format!("  {ODD}not found on this machine{ODD:#}")
            };
            format!("{}{args}{missing}", stdio.command)
        }
    }
}

/// Where the program of a command is, as the child's own environment has it.
fn program(stdio: &Stdio) -> Option<PathBuf> {
    if stdio.command.contains('/') {
        let base = stdio.cwd.as_deref().unwrap_or(Path::new(""));
        return Some(base.join(&stdio.command)).filter(|path| is_executable(path));
    }
    let path = stdio.environment.get("PATH").unwrap_or(OsStr::new(""));
    std::env::split_paths(path)
        .map(|folder| folder.join(&stdio.command))
        .find(|path| is_executable(path))
}

fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests;
