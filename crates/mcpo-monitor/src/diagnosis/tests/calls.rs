use std::time::Duration;

use mcpo_core::event::Event;
use mcpo_core::fault::{Fault, FaultKind};
use mcpo_core::sketch::Sketch;

use super::*;
use crate::picture::{BreakerName, Tally, WindowPicture};

#[test]
fn calls_that_fail_choose_the_issue_by_how() {
    let cases = [
        (FaultKind::ServerError, "server_errors", "calls: an internal error"),
        (FaultKind::Throttled, "throttled", "calls: \"not now\""),
        (FaultKind::Timeout, "silent_upstream", "calls: no answer in time"),
        (FaultKind::Unreachable, "upstream_unreachable", "calls: nothing is there"),
        (FaultKind::Unauthorized, "unauthorized", "calls: credentials refused"),
        (FaultKind::Nonsense, "not_mcp", "calls: not MCP"),
    ];
    for (kind, id, link) in cases {
        let mut facts = healthy();
        // Of 600 calls in five minutes.
        failed_calls(&mut facts, "search", kind, 29);
        none(&facts);
        failed_calls(&mut facts, "search", kind, 1);
        let issue = only(&facts, id, Some("search"), &["handshake ok", link]);
        assert_eq!(
            issue.evidence[0],
            "30 attempts failed so in the last five minutes, 5 % of the calls"
        );
        assert_eq!(check::wanted(&facts).len(), 1, "it is looked at");
    }
}

#[test]
fn failures_that_stopped_a_minute_ago_are_over() {
    let mut facts = healthy();
    failed_calls(&mut facts, "search", FaultKind::ServerError, 60);
    only(&facts, "server_errors", Some("search"), &["handshake ok", "calls: an internal error"]);
    facts.at += Duration::from_secs(61);
    none(&facts);
}

#[test]
fn an_open_breaker_needs_no_more_failures() {
    let mut facts = healthy();
    let fault = Fault::new(FaultKind::ServerError, "HTTP status 500");
    let (upstream, open_for) = ("search".to_owned(), Duration::from_secs(9));
    tell(&mut facts, 200, Event::BreakerOpened { upstream, fault, open_for });
    none(&facts);
    failed_calls(&mut facts, "search", FaultKind::ServerError, 1);
    with(&mut facts, "search", |server| server.breaker = BreakerName::Open);
    let cause = ["handshake ok", "calls: an internal error"];
    let issue = only(&facts, "server_errors", Some("search"), &cause);
    assert!(issue.evidence[1].contains("breaker"));
}

#[test]
fn sessions_that_do_not_last() {
    let mut facts = healthy();
    for ago in [200, 150, 100, 50] {
        lost(&mut facts, "search", FaultKind::SessionLost, ago);
    }
    none(&facts);
    lost(&mut facts, "search", FaultKind::SessionLost, 10);
    only(&facts, "session_churn", Some("search"), &["handshake ok", "sessions: lost"]);
}

#[test]
fn a_pool_without_a_free_session() {
    let mut facts = healthy();
    with(&mut facts, "search", |server| (server.sessions, server.sessions_in_use) = (4, 4));
    none(&facts);
    with(&mut facts, "search", |server| server.queued = 7);
    let issue = only(&facts, "pool_saturated", Some("search"), &["sessions ok", "no session free"]);
    assert!(issue.evidence[1].starts_with("7 calls wait"));
    with(&mut facts, "search", |server| {
        server.queued = 0;
        let minute = &mut server.calls.windows[0];
        minute.waited_sum = minute.duration_sum / 2;
    });
    only(&facts, "pool_saturated", Some("search"), &["sessions ok", "no session free"]);
    // Of calls that were turned away it is not known how long they waited.
    with(&mut facts, "search", |server| {
        let minute = &mut server.calls.windows[0];
        (minute.waited_sum, minute.duration) = (minute.duration_sum / 2, Sketch::default());
        minute.duration.add_many(0, 19);
    });
    none(&facts);
}

fn slow(change: impl Fn(&mut WindowPicture)) -> Facts {
    let mut facts = healthy();
    with(&mut facts, "search", |server| {
        server.calls.windows[1] = window(Duration::from_secs(300), 100, 8.0);
        change(&mut server.calls.windows[1]);
    });
    facts
}

#[test]
fn where_the_time_goes_chooses_who_is_slow() {
    let upstream = slow(|_| {});
    let cause = ["calls are answered", "the server: slow"];
    let issue = only(&upstream, "slow_upstream", Some("search"), &cause);
    assert_eq!(issue.evidence[0], "one call in ten takes 8 s or longer");
    let part = "8 s on average: 400 ms waiting for a place or a session, 7.2 s at the server";
    assert!(issue.evidence[1].contains(part), "{}", issue.evidence[1]);
    let waiting = slow(|window| {
        (window.waited_sum, window.upstream_sum) = (window.upstream_sum, window.waited_sum);
    });
    let cause = ["calls are answered", "waiting for a place or a session: slow"];
    only(&waiting, "slow_mcpo", Some("search"), &cause);
    let ours = slow(|window| window.upstream_sum = window.waited_sum);
    let cause = ["calls are answered", "mcpo itself: slow"];
    only(&ours, "slow_mcpo", Some("search"), &cause);
}

#[test]
fn three_times_the_usual_is_slow_too() {
    let mut facts = healthy();
    let minutes = |seconds| window(Duration::from_secs(300), 100, seconds);
    with(&mut facts, "search", |server| server.calls.windows[1] = minutes(0.45));
    none(&facts);
    with(&mut facts, "search", |server| server.calls.windows[1] = minutes(0.55));
    let cause = ["calls are answered", "the server: slow"];
    let issue = only(&facts, "slow_upstream", Some("search"), &cause);
    assert!(issue.evidence[0].ends_with("in the last hour it was 100 ms"), "{}", issue.evidence[0]);
    with(&mut facts, "search", |server| {
        server.calls.windows[1] = window(Duration::from_secs(300), 19, 60.0);
    });
    none(&facts);
}

#[test]
fn a_budget_that_burns() {
    let mut facts = healthy();
    let burnt = Tally { good: 850, bad: 150 };
    with(&mut facts, "search", |server| server.burn.hour = burnt);
    none(&facts);
    with(&mut facts, "search", |server| server.burn.five_minutes = burnt);
    let cause = ["calls are made", "calls: too many fail"];
    let issue = only(&facts, "error_budget_burn", Some("search"), &cause);
    assert_eq!(issue.severity, Severity::Critical);
    assert!(issue.what.contains("15 times"), "{}", issue.what);
    let slowly = Tally { good: 930, bad: 70 };
    with(&mut facts, "search", |server| {
        (server.burn.hour, server.burn.five_minutes) = (slowly, slowly);
        (server.burn.six_hours, server.burn.half_hour) = (slowly, slowly);
    });
    let issue = only(&facts, "error_budget_burn", Some("search"), &cause);
    assert_eq!(issue.severity, Severity::Warning);
}
