use mcpo_core::fault::{Fault, FaultKind, Stage};

use super::*;

#[test]
fn a_command_that_cannot_be_started() {
    let mut facts = healthy();
    let detail = "start the command `npx`: it is not in PATH (/bin)";
    down(&mut facts, "files", &Fault::new(FaultKind::NotStartable, detail));
    let cause = ["command cannot be started"];
    let issue = only(&facts, "command_not_found", Some("files"), &cause);
    assert_eq!(issue.severity, Severity::Critical);
    assert_eq!(issue.evidence, [detail]);
    assert_eq!(issue.fix[0], "Install `npx`: it comes with Node.js (https://nodejs.org).");
    assert!(issue.fix[1].contains("`files`"), "{:?}", issue.fix);
    assert_eq!(issue.since, Some(1_790_000_000.0 - 60.0));
}

#[test]
fn a_command_that_ends_at_each_start() {
    let mut facts = healthy();
    let detail = "the process ended (exit code 7); its last words: KEY is not set";
    down(&mut facts, "files", &Fault::new(FaultKind::Disconnected, detail));
    let cause = ["command ok", "started", "process ended (exit code 7)"];
    let issue = only(&facts, "command_fails", Some("files"), &cause);
    assert!(issue.evidence[0].ends_with("KEY is not set"));
    assert!(issue.what.contains("exit code 7"));
}

#[test]
fn a_process_that_crashes_again_and_again() {
    let mut facts = healthy();
    lost(&mut facts, "files", FaultKind::Disconnected, 120);
    lost(&mut facts, "files", FaultKind::Disconnected, 60);
    none(&facts);
    lost(&mut facts, "files", FaultKind::Disconnected, 30);
    let cause = ["command ok", "started", "process ended"];
    let issue = only(&facts, "crash_loop", Some("files"), &cause);
    assert_eq!(issue.severity, Severity::Warning, "for now it can be called");
    let detail = "the process ended (exit code 7); its last words: out of luck";
    down(&mut facts, "files", &Fault::new(FaultKind::Disconnected, detail));
    hold(&mut facts, "files", HeldBy::Fault);
    let cause = ["command ok", "started", "process ended (exit code 7)"];
    let issue = only(&facts, "crash_loop", Some("files"), &cause);
    assert_eq!(issue.severity, Severity::Critical);
    assert!(issue.evidence.iter().any(|text| text.contains("3 times")), "{:?}", issue.evidence);
}

#[test]
fn how_far_a_connection_came_chooses_the_issue() {
    let cases = [
        (Stage::Name, "dns_failed", vec!["dns failed"]),
        (Stage::Refused, "upstream_unreachable", vec!["dns ok", "tcp refused"]),
        (Stage::Route, "upstream_unreachable", vec!["dns ok", "tcp no answer"]),
        (Stage::Other, "upstream_unreachable", vec!["dns ok", "connection failed"]),
        (Stage::Tls, "tls_failed", vec!["dns ok", "tcp ok", "tls failed"]),
    ];
    for (stage, id, cause) in cases {
        let mut facts = healthy();
        down(&mut facts, "search", &no_connection(stage));
        let issue = only(&facts, id, Some("search"), &cause);
        assert!(issue.what.contains("http://search.example:9000"), "{}", issue.what);
    }
}

#[test]
fn what_a_server_answers_chooses_the_issue() {
    let cases = [
        (FaultKind::Unauthorized, "unauthorized", "handshake: credentials refused"),
        (FaultKind::Nonsense, "not_mcp", "handshake: not MCP"),
        (FaultKind::Timeout, "handshake_timeout", "handshake: no answer in time"),
        (FaultKind::ServerError, "server_errors", "handshake: an internal error"),
        (FaultKind::Throttled, "throttled", "handshake: \"not now\""),
        (FaultKind::Disconnected, "upstream_unreachable", "handshake: the connection was closed"),
        (FaultKind::SessionLost, "session_churn", "handshake: the session is not known"),
        (FaultKind::Overloaded, "upstream_down", "handshake: no room"),
    ];
    for (kind, id, link) in cases {
        let mut facts = healthy();
        down(&mut facts, "search", &Fault::new(kind, "what it said"));
        only(&facts, id, Some("search"), &["dns ok", "tcp ok", link]);
    }
}

/// One cause, one issue: all that follows from an upstream that is away is left out.
#[test]
fn an_upstream_that_is_away_explains_what_follows() {
    let mut facts = healthy();
    failed_calls(&mut facts, "search", FaultKind::ServerError, 20);
    for ago in 0..6 {
        lost(&mut facts, "search", FaultKind::Disconnected, ago);
    }
    down(&mut facts, "search", &no_connection(Stage::Refused));
    with(&mut facts, "search", |server| {
        let bad = crate::picture::Tally { good: 0, bad: 100 };
        (server.burn.hour, server.burn.five_minutes) = (bad, bad);
        server.calls.windows[1] = window(std::time::Duration::from_secs(300), 100, 20.0);
    });
    only(&facts, "upstream_unreachable", Some("search"), &["dns ok", "tcp refused"]);
}

#[test]
fn a_look_says_more_than_the_journal() {
    let mut facts = healthy();
    down(&mut facts, "search", &Fault::new(FaultKind::Timeout, "no answer within the deadline"));
    let links = vec!["dns ok".to_owned(), "tcp refused".to_owned()];
    let fault = Some(no_connection(Stage::Refused));
    looked(&mut facts, "search", Chain { links, fault, ..Chain::default() });
    only(&facts, "upstream_unreachable", Some("search"), &["dns ok", "tcp refused"]);
}

#[test]
fn a_look_that_goes_well_makes_it_a_warning() {
    let mut facts = healthy();
    down(&mut facts, "search", &Fault::new(FaultKind::Unauthorized, "HTTP status 401"));
    hold(&mut facts, "search", HeldBy::Fault);
    looked(&mut facts, "search", Chain { tools: Some(5), ..Chain::default() });
    let cause = ["dns ok", "tcp ok", "handshake: credentials refused"];
    let issue = only(&facts, "unauthorized", Some("search"), &cause);
    assert_eq!(issue.severity, Severity::Warning);
    assert_eq!(issue.fix[0], "`mcpo admin release search`: it seems to be mended.");
    assert!(issue.fix[1].starts_with("`search` has no `headers`"), "{:?}", issue.fix);
}

#[test]
fn a_session_lost_a_moment_ago_is_nothing_yet() {
    let mut facts = healthy();
    lost(&mut facts, "files", FaultKind::Disconnected, 1);
    with(&mut facts, "files", |server| {
        (server.state, server.sessions) = ("starting", 0);
        server.standing = crate::picture::Standing::Down;
        server.fault = Some(FaultKind::Disconnected);
        server.since = now() - std::time::Duration::from_secs(1);
    });
    none(&facts);
    with(&mut facts, "files", |server| server.since = now() - std::time::Duration::from_secs(30));
    only(
        &facts,
        "command_fails",
        Some("files"),
        &["command ok", "started", "process ended (exit code 7)"],
    );
}

#[test]
fn a_start_that_takes_long_is_told_by_a_look() {
    let mut facts = healthy();
    let name = "search";
    with(&mut facts, name, |server| {
        (server.state, server.sessions) = ("starting", 0);
        server.standing = crate::picture::Standing::Down;
        server.since = now() - std::time::Duration::from_secs(2);
    });
    assert_eq!(check::wanted(&facts), [], "it has just begun");
    with(&mut facts, name, |server| server.since = now() - std::time::Duration::from_secs(9));
    assert_eq!(check::wanted(&facts).len(), 1);
    none(&facts);
    let links = vec!["tcp ok".to_owned(), "handshake: no answer in time".to_owned()];
    let fault = Some(Fault::new(FaultKind::Timeout, "no answer within the deadline"));
    looked(&mut facts, name, Chain { links, fault, ..Chain::default() });
    let cause = ["tcp ok", "handshake: no answer in time"];
    only(&facts, "handshake_timeout", Some(name), &cause);
}

#[test]
fn starting_stopped_and_dormant_are_no_trouble() {
    for state in ["starting", "stopped", "dormant"] {
        let mut facts = healthy();
        with(&mut facts, "files", |server| {
            (server.state, server.sessions) = (state, 0);
            server.standing = crate::picture::Standing::Down;
        });
        none(&facts);
    }
}
