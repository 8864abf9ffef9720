//! Rules about upstreams that cannot be called: what is broken on the way to their tools.

use mcpo_config::{Endpoint, Http, Server};
use mcpo_core::event::Event;
use mcpo_core::fault::{FaultKind, Stage};

use super::{Finding, Judge, Rule, SYMPTOMS};
use crate::alerts::Severity;
use crate::diagnosis::case::{Case, LATELY, Trouble};
use crate::diagnosis::words::{ago, counted, length, times};

pub(super) const COMMAND_NOT_FOUND: Rule = Rule {
    id: "command_not_found",
    severity: Severity::Critical,
    title: "a command cannot be started",
    when: "The program named by `command` is not in `PATH`, is not executable, or its interpreter or its `cwd` is missing.",
    fix: &[
        "Write the program's absolute path as `command` of `{server}`, or set `PATH` in its `env`.",
        "`mcpo admin reset {server}` tries it at once; else it is tried every minute at most.",
    ],
    explains: SYMPTOMS,
    judge: Judge::Server(command_not_found),
};

pub(super) const COMMAND_FAILS: Rule = Rule {
    id: "command_fails",
    severity: Severity::Critical,
    title: "a command ends before it can be used",
    when: "The process is started and ends, before it has shaken hands or again and again; its exit code and its last words are told.",
    fix: &[
        "Run the command of `{server}` by hand with the same `args`, `env` and `cwd`: its last words say what it lacks.",
        "`mcpo admin reset {server}` tries it at once.",
    ],
    explains: SYMPTOMS,
    judge: Judge::Server(command_fails),
};

pub(super) const CRASH_LOOP: Rule = Rule {
    id: "crash_loop",
    severity: Severity::Critical,
    title: "a process that worked crashes again and again",
    when: "A process that shook hands before ended three times or more within five minutes, or is held for crashing.",
    fix: &[
        "Read its last words in the evidence, and see what came before them: `mcpo admin journal --server {server}`.",
        "If it began with an update, name the version before in `args` of `{server}`.",
        "`mcpo admin release {server}` tries it at once after the repair.",
    ],
    explains: CRASHES_EXPLAIN,
    judge: Judge::Server(crash_loop),
};

pub(super) const DNS_FAILED: Rule = Rule {
    id: "dns_failed",
    severity: Severity::Critical,
    title: "a server's name has no address",
    when: "The host in `url` cannot be resolved.",
    fix: &[
        "Check the host in `url` of `{server}` for a slip.",
        "In a container, names such as `localhost` or another service's must be known inside of it: put both into one network, or use `host.docker.internal` for the host.",
    ],
    explains: SYMPTOMS,
    judge: Judge::Server(|case| unreachable(case, |stage| stage == Some(Stage::Name))),
};

pub(super) const UPSTREAM_UNREACHABLE: Rule = Rule {
    id: "upstream_unreachable",
    severity: Severity::Critical,
    title: "a server cannot be reached",
    when: "Its name has an address, but nobody listens there, nobody answers, connections are closed at once, or a gateway says that nothing is behind it.",
    fix: &[
        "See that the server behind `{server}` runs, and that the port in its `url` is the one that it listens on.",
        "See that it listens on an address that can be reached from here, not on its own 127.0.0.1 in another container.",
        "Nothing needs to be done here once it is back: it is tried again by itself.",
    ],
    explains: SYMPTOMS,
    judge: Judge::Server(upstream_unreachable),
};

pub(super) const TLS_FAILED: Rule = Rule {
    id: "tls_failed",
    severity: Severity::Critical,
    title: "no encrypted connection to a server comes about",
    when: "The TCP connection stands, but TLS fails: the certificate is not trusted or for another name, or the port speaks no TLS.",
    fix: &[
        "If the port speaks no TLS, write `http://` in `url` of `{server}`.",
        "If its certificate is your own, add its authority to the system's store (`update-ca-certificates`); see also that it is not expired and is for that name.",
    ],
    explains: SYMPTOMS,
    judge: Judge::Server(|case| unreachable(case, |stage| stage == Some(Stage::Tls))),
};

pub(super) const UNAUTHORIZED: Rule = Rule {
    id: "unauthorized",
    severity: Severity::Critical,
    title: "a server refuses our credentials",
    when: "It answers 401 or 403, at the handshake or to calls.",
    fix: &[
        "Of a URL: renew the key in `headers` of `{server}`, and reload the configuration.",
        "Of a command: renew the key in `env` of `{server}`, and reload the configuration.",
        "`mcpo admin release {server}` tries it at once after the repair.",
    ],
    explains: SYMPTOMS,
    judge: Judge::Server(unauthorized),
};

pub(super) const NOT_MCP: Rule = Rule {
    id: "not_mcp",
    severity: Severity::Critical,
    title: "what answers does not speak MCP",
    when: "It answers, but with something else: a web page, text on stdout, a protocol version that mcpo does not know.",
    fix: &[
        "Of a URL: check that `url` of `{server}` has the path of the MCP endpoint (often `/mcp` or `/sse`), and that `type` is right.",
        "Of a command: `{server}` must write nothing but MCP to stdout; send its log to stderr.",
        "`mcpo admin release {server}` tries it at once after the repair.",
    ],
    explains: SYMPTOMS,
    judge: Judge::Server(not_mcp),
};

pub(super) const HANDSHAKE_TIMEOUT: Rule = Rule {
    id: "handshake_timeout",
    severity: Severity::Critical,
    title: "a server does not answer the handshake",
    when: "It can be reached or started, but says nothing within the time for a handshake.",
    fix: &[
        "See in the log of `{server}` what it waits for.",
        "Of a command: one that downloads its package at its start (`npx`, `uvx`) is faster once that is installed.",
        "If it is merely slow to start, raise `--connect-timeout`.",
        "Of a URL: check that `type` of `{server}` is what it speaks, `streamable-http` or `sse`.",
    ],
    explains: SYMPTOMS,
    judge: Judge::Server(handshake_timeout),
};

pub(super) const UPSTREAM_DOWN: Rule = Rule {
    id: "upstream_down",
    severity: Severity::Critical,
    title: "a server cannot be called",
    when: "It has no session, for a reason that no other rule knows.",
    fix: &[
        "See `mcpo admin servers` and `mcpo admin journal --server {server}` for what happened.",
        "`mcpo admin reset {server}` tries it at once.",
    ],
    explains: &["error_budget_burn", "slow_mcpo", "pool_saturated"],
    judge: Judge::Server(|case| {
        let trouble = case.trouble.as_ref()?;
        Some(found(case, trouble, format!("`{}` cannot be called", case.name)))
    }),
};

pub(super) const HELD_BY_OPERATOR: Rule = Rule {
    id: "held_by_operator",
    severity: Severity::Warning,
    title: "an operator holds a server",
    when: "`mcpo admin hold` or `drain` was given, and no `release` since.",
    fix: &["`mcpo admin release {server}` sends calls to it again."],
    explains: HOLD_EXPLAINS,
    judge: Judge::Server(held_by_operator),
};

/// A process that crashes is also one that ended.
const CRASHES_EXPLAIN: &[&str] = &[
    "command_fails",
    "server_errors",
    "throttled",
    "silent_upstream",
    "session_churn",
    "pool_saturated",
    "slow_upstream",
    "slow_mcpo",
    "error_budget_burn",
    "upstream_down",
];

/// Whatever was wrong before it was held is not looked at while it is.
const HOLD_EXPLAINS: &[&str] = CRASHES_EXPLAIN;

/// So many crashes within [`LATELY`] are a loop: one is an accident and two may be a restart by hand.
const CRASHES_MIN: usize = 3;

/// Programs that configurations name most, and where they come from.
const PROGRAMS: [(&str, &str); 9] = [
    ("npx", "Node.js (https://nodejs.org)"),
    ("node", "Node.js (https://nodejs.org)"),
    ("npm", "Node.js (https://nodejs.org)"),
    ("uvx", "uv (https://docs.astral.sh/uv)"),
    ("uv", "uv (https://docs.astral.sh/uv)"),
    ("bunx", "Bun (https://bun.sh)"),
    ("deno", "Deno (https://deno.com)"),
    ("docker", "Docker (https://docs.docker.com/get-docker)"),
    ("python", "Python (many systems have it as `python3` only)"),
];

/// The part of an issue that is the same for all that cannot be called.
fn found(case: &Case<'_>, trouble: &Trouble, what: String) -> Finding {
    let words = case.chain.and_then(|chain| chain.last_words.as_deref());
    let words = words.filter(|words| !words.trim().is_empty()).map(last_words);
    let detail = trouble.fault.detail.as_str();
    // Where they are known line by line, the short form of them is left out.
    let head = detail.split_once("; its last words").map_or(detail, |(head, _)| head);
    let mut evidence = vec![if words.is_some() { head } else { detail }.to_owned()];
    evidence.extend(words);
    let mut fix = Vec::new();
    if trouble.is_over {
        evidence.push("a look just now found nothing wrong with it".to_owned());
        let name = case.name;
        fix.push(if case.is_held_by_fault() {
            format!("`mcpo admin release {name}`: it seems to be mended.")
        } else {
            "Nothing: it will be connected again in a moment.".to_owned()
        });
    }
    let severity = trouble.is_over.then_some(Severity::Warning);
    let cause = trouble.links.clone();
    Finding { severity, what, since: trouble.since, evidence, cause, fix }
}

/// The last lines of stderr, as one line.
fn last_words(words: &str) -> String {
    const LINES_MAX: usize = 8;
    let lines: Vec<&str> = words.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let last = &lines[lines.len().saturating_sub(LINES_MAX)..];
    format!("its last words: {}", last.join(" | "))
}

fn command_not_found(case: &Case<'_>) -> Option<Finding> {
    let trouble = case.trouble_of(FaultKind::NotStartable)?;
    let command = command(case.config).unwrap_or("its command");
    let what = format!("`{}` cannot be started: `{command}` cannot be run", case.name);
    let mut finding = found(case, trouble, what);
    let program = PROGRAMS.iter().find(|(program, _)| *program == command);
    finding
        .fix
        .extend(program.map(|(_, origin)| format!("Install `{command}`: it comes with {origin}.")));
    Some(finding)
}

fn command(config: Option<&Server>) -> Option<&str> {
    match &config?.endpoint {
        Endpoint::Stdio(stdio) => Some(&stdio.command),
        Endpoint::Http(_) => None,
    }
}

fn command_fails(case: &Case<'_>) -> Option<Finding> {
    let trouble = case.trouble_of(FaultKind::Disconnected).filter(|_| case.is_process())?;
    let end = trouble.links.last().map_or("it ended", String::as_str);
    Some(found(case, trouble, format!("`{}` ends instead of serving: {end}", case.name)))
}

fn crash_loop(case: &Case<'_>) -> Option<Finding> {
    let crashes = case.within(LATELY).filter(|entry| is_crash(&entry.event));
    let crashes: Vec<_> = crashes.collect();
    let was_ready = case.seen.is_some_and(|seen| seen.tools_offered.is_some());
    let is_held = case.is_held_by_fault() && case.trouble_of(FaultKind::Disconnected).is_some();
    if !case.is_process() || !was_ready || crashes.len() < CRASHES_MIN && !is_held {
        return None;
    }
    let what = format!("`{}` crashes again and again", case.name);
    let mut finding = match &case.trouble {
        Some(trouble) => found(case, trouble, what),
        None => Finding {
            // For now it can be called.
            severity: Some(Severity::Warning),
            what,
            evidence: crashes
                .last()
                .and_then(|entry| entry.event.fault())
                .map(|fault| fault.detail.clone())
                .into_iter()
                .collect(),
            cause: vec!["command ok".to_owned(), "started".to_owned(), "process ended".to_owned()],
            ..Finding::default()
        },
    };
    finding.since = crashes.first().map(|entry| entry.at).or(finding.since);
    if let Some(last) = crashes.last() {
        let (count, ago) = (times(crashes.len()), ago(last.at, case.facts.at));
        finding.evidence.push(format!("it crashed {count} in the last five minutes, last {ago}"));
    }
    Some(finding)
}

/// A process that had a session ended by itself.
fn is_crash(event: &Event) -> bool {
    matches!(event, Event::SessionLost { .. } | Event::SessionReplaced { .. })
        && event.fault().is_some_and(|fault| fault.kind == FaultKind::Disconnected)
}

fn unreachable(case: &Case<'_>, is_it: fn(Option<Stage>) -> bool) -> Option<Finding> {
    let trouble = case.trouble_of(FaultKind::Unreachable).filter(|t| is_it(t.fault.stage))?;
    let link = trouble.links.last().map_or("no connection", String::as_str);
    let place = origin(case.config);
    Some(found(case, trouble, format!("`{}` cannot be reached{place}: {link}", case.name)))
}

/// ` at http://host:port`, without what may be secret of the rest.
fn origin(config: Option<&Server>) -> String {
    match config.map(|server| &server.endpoint) {
        Some(Endpoint::Http(Http { url, .. })) => {
            format!(" at {}", url.origin().ascii_serialization())
        }
        Some(Endpoint::Stdio(_)) | None => String::new(),
    }
}

fn upstream_unreachable(case: &Case<'_>) -> Option<Finding> {
    let closed = case.trouble_of(FaultKind::Disconnected).filter(|_| !case.is_process());
    if let Some(trouble) = closed {
        let what = format!("`{}`{} closes every connection", case.name, origin(case.config));
        let mut finding = found(case, trouble, what);
        if scheme(case.config) == Some("http") {
            let name = case.name;
            finding
                .fix
                .push(format!("If the port speaks TLS, write `https://` in `url` of `{name}`."));
        }
        return Some(finding);
    }
    if let Some(finding) = nothing_there(case) {
        return Some(finding);
    }
    let found = unreachable(case, |stage| !matches!(stage, Some(Stage::Name | Stage::Tls)));
    found.or_else(|| fails(case, FaultKind::Unreachable, "cannot be reached"))
}

/// Somebody answers, and says that nothing is at that address. The detail is looked at for showing
/// only: it changes words and advice.
fn nothing_there(case: &Case<'_>) -> Option<Finding> {
    let trouble = case.trouble_of(FaultKind::Unreachable)?;
    if trouble.fault.stage.is_some() || !trouble.fault.detail.starts_with("HTTP status 404") {
        return None;
    }
    let (name, place) = (case.name, origin(case.config));
    let what = format!("what answers{place} has nothing at the path in `url` of `{name}`");
    let mut finding = found(case, trouble, what);
    finding.fix.push(format!("Check the path in `url` of `{name}`: it is often `/mcp` or `/sse`."));
    Some(finding)
}

fn scheme(config: Option<&Server>) -> Option<&str> {
    match config.map(|server| &server.endpoint) {
        Some(Endpoint::Http(http)) => Some(http.url.scheme()),
        Some(Endpoint::Stdio(_)) | None => None,
    }
}

fn handshake_timeout(case: &Case<'_>) -> Option<Finding> {
    let trouble = case.trouble_of(FaultKind::Timeout)?;
    let what = format!("`{}` does not answer the handshake", case.name);
    let mut finding = found(case, trouble, what);
    if let Some(chain) = case.chain {
        let took = length(chain.took);
        finding.evidence.push(format!("a look at it waited {took}"));
    }
    if case.seen.is_none() {
        finding
            .fix
            .push("`mcpo doctor --timeout 120` waits longer, if it is slow to start.".to_owned());
    }
    Some(finding)
}

fn unauthorized(case: &Case<'_>) -> Option<Finding> {
    let Some(trouble) = case.trouble_of(FaultKind::Unauthorized) else {
        return fails(case, FaultKind::Unauthorized, "refuses our credentials");
    };
    let mut finding = found(case, trouble, format!("`{}` refuses our credentials", case.name));
    if case.config.is_some_and(sends_no_headers) {
        let name = case.name;
        finding.fix.push(format!(
            "`{name}` has no `headers`: set there what it asks for, mostly `Authorization`."
        ));
    }
    Some(finding)
}

fn sends_no_headers(server: &Server) -> bool {
    match &server.endpoint {
        Endpoint::Http(http) => http.headers.is_empty(),
        Endpoint::Stdio(_) => false,
    }
}

fn not_mcp(case: &Case<'_>) -> Option<Finding> {
    let trouble = case.trouble_of(FaultKind::Nonsense);
    let what = format!("what answers as `{}` does not speak MCP", case.name);
    trouble
        .map(|trouble| found(case, trouble, what))
        .or_else(|| fails(case, FaultKind::Nonsense, "answers with what is not MCP"))
}

/// It has sessions, but calls fail in this way.
fn fails(case: &Case<'_>, kind: FaultKind, how: &str) -> Option<Finding> {
    super::calls::failing(case, kind, how)
}

fn held_by_operator(case: &Case<'_>) -> Option<Finding> {
    let seen = case.seen.filter(|_| case.is_held_by_operator())?;
    let held = case.facts.at.duration_since(seen.since).unwrap_or_default();
    // A hold that was forgotten is what this is for; one of this minute is known.
    let evidence = vec![format!("it is held since {}", length(held))];
    let waiting =
        (seen.queued > 0).then(|| format!("{} wait for it", counted(seen.queued, "call")));
    Some(Finding {
        what: format!("an operator holds `{}`: calls to it are refused", case.name),
        since: Some(seen.since),
        evidence: evidence.into_iter().chain(waiting).collect(),
        cause: vec!["held by an operator".to_owned()],
        ..Finding::default()
    })
}
