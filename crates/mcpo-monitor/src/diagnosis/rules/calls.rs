//! Rules about upstreams that can be called, and whose calls fail or are late.

use std::time::Duration;

use mcpo_core::event::Event;
use mcpo_core::fault::FaultKind;

use super::{Finding, Judge, Rule};
use crate::alerts::Severity;
use crate::diagnosis::case::{Case, Failures, LATELY};
use crate::diagnosis::check::chain_words;
use crate::diagnosis::words::{counted, length, share, short};
use crate::picture::{
    BreakerName, BurnWindows, FIVE_MINUTES, HOUR, MINUTE, ServerPicture, Tally, WindowPicture,
};

pub(super) const SERVER_ERRORS: Rule = Rule {
    id: "server_errors",
    severity: Severity::Critical,
    title: "a server fails inside",
    when: "It answers with status 500 and above, or with a JSON-RPC internal error: to the handshake, or to three calls and one in twenty within five minutes.",
    fix: &[
        "The cause is in the server behind `{server}`: its own log says what failed.",
        "If it began with an update of the server, go back to the version before.",
    ],
    explains: &["slow_upstream", "error_budget_burn", "upstream_down", "session_churn"],
    judge: Judge::Server(|case| refused(case, FaultKind::ServerError, "fails inside")),
};

pub(super) const THROTTLED: Rule = Rule {
    id: "throttled",
    severity: Severity::Warning,
    title: "a server says \"not now\"",
    when: "It answers 429 or 503: to the handshake, or to three calls and one in twenty within five minutes.",
    fix: &[
        "Send fewer calls to `{server}`, or get a larger quota from who runs it.",
        "A smaller `pool` of `{server}` sends it fewer calls at once.",
    ],
    explains: &[
        "slow_upstream",
        "slow_mcpo",
        "error_budget_burn",
        "upstream_down",
        "pool_saturated",
        "limit_learnt_low",
        "server_full",
        "calls_too_late",
    ],
    judge: Judge::Server(|case| refused(case, FaultKind::Throttled, "asks for fewer calls")),
};

pub(super) const SILENT_UPSTREAM: Rule = Rule {
    id: "silent_upstream",
    severity: Severity::Critical,
    title: "calls get no answer in time",
    when: "Three calls or probes and one in twenty within five minutes came to their deadline without an answer.",
    fix: &[
        "See whether the server behind `{server}` hangs; `mcpo admin reconnect {server}` gives it new sessions, and a command a new process.",
        "If its tools may take so long, raise `timeout` of `{server}` or of the tool, or `--tool-timeout`.",
    ],
    explains: &[
        "slow_upstream",
        "slow_mcpo",
        "error_budget_burn",
        "session_churn",
        "pool_saturated",
        "limit_learnt_low",
        "server_full",
        "calls_too_late",
    ],
    judge: Judge::Server(|case| failing(case, FaultKind::Timeout, "does not answer in time")),
};

pub(super) const SESSION_CHURN: Rule = Rule {
    id: "session_churn",
    severity: Severity::Warning,
    title: "sessions are lost again and again",
    when: "Five sessions or more were lost or replaced within five minutes although the server can be reached.",
    fix: &[
        "If several instances stand behind one address, let the balancer keep a session on one of them (by the header `Mcp-Session-Id`).",
        "Check the idle timeouts of proxies in front of `{server}`: they should be longer than a minute.",
        "See in the log of `{server}` whether it restarts.",
    ],
    explains: &["error_budget_burn", "slow_mcpo", "upstream_down"],
    judge: Judge::Server(session_churn),
};

pub(super) const POOL_SATURATED: Rule = Rule {
    id: "pool_saturated",
    severity: Severity::Warning,
    title: "all sessions are busy and calls wait",
    when: "The pool is as large as it may be, each session has calls under way, and calls wait for a place, or spent a third of their time waiting in the last minute.",
    fix: &[
        "Raise the upper end of `pool` of `{server}`, if the server takes more calls at once.",
        "If not, send fewer calls at once, or run a second server beside it.",
    ],
    explains: &["slow_mcpo"],
    judge: Judge::Server(pool_saturated),
};

pub(super) const SLOW_UPSTREAM: Rule = Rule {
    id: "slow_upstream",
    severity: Severity::Warning,
    title: "a server is slow",
    when: "Of twenty calls or more in the last five minutes one in ten took 5 s or longer, or half of them took three times as long as in the last hour (and half a second), and most of that time was the server's.",
    fix: &[
        "See what the server behind `{server}` waits for: its own log, the machine that it runs on, what it calls itself.",
        "`GET /metrics` tells which of its tools are slow.",
    ],
    explains: &["error_budget_burn"],
    judge: Judge::Server(|case| slow(case, Where::Upstream)),
};

pub(super) const SLOW_MCPO: Rule = Rule {
    id: "slow_mcpo",
    severity: Severity::Warning,
    title: "calls are late before or after the server has them",
    when: "As for a slow server, but most of the time was spent waiting for a place or a session, or in mcpo itself.",
    fix: &[
        "If calls wait: raise the upper end of `pool` of `{server}`.",
        "If mcpo itself is slow: give it more processor time, or see what else runs on the machine.",
    ],
    explains: &["error_budget_burn"],
    judge: Judge::Server(|case| slow(case, Where::Ours)),
};

pub(super) const ERROR_BUDGET_BURN: Rule = Rule {
    id: "error_budget_burn",
    severity: Severity::Critical,
    title: "calls fail faster than the objective allows",
    when: "Failed calls use up the error budget 14.4 times too fast over the last hour and the last five minutes, or 6 times over the last six hours and the last half hour (The Site Reliability Workbook, chapter 5), with ten failures at least.",
    fix: &[
        "`mcpo admin journal --server {server}` says which calls fail and how.",
        "If so many failures are as they should be, lower `slo.objective` in `monitor`.",
    ],
    explains: &[],
    judge: Judge::Server(|case| {
        let seen = case.seen?;
        let about = format!("calls to `{}` fail", case.name);
        budget_burn(&seen.burn, case.facts.slo_objective, &about)
    }),
};

/// So many lost sessions within [`LATELY`] are no accident.
const CHURN_MIN: usize = 5;
/// Waiting takes up that share of the time of calls where a pool is too small.
const WAITED_SHARE_MIN: f64 = 1.0 / 3.0;
/// Quantiles of fewer calls say little.
const SLOW_CALLS_MIN: u64 = 20;
/// The threshold of the alert `slow_responses`.
const SLOW: f64 = 5.0;
/// So many times the usual time is slow, from [`SLOWER_FROM`] on.
const SLOWER: f64 = 3.0;
/// Below half a second nobody waits.
const SLOWER_FROM: f64 = 0.5;
/// The Site Reliability Workbook, chapter 5, table 5-8: 2 % of a month's budget in an hour.
const BURN_FAST: f64 = 14.4;
/// The same: 5 % in six hours.
const BURN_SLOW: f64 = 6.0;
/// Of fewer failures a share says little.
const BURNT_MIN: u64 = 10;

/// Its calls fail in this way.
pub(super) fn failing(case: &Case<'_>, kind: FaultKind, how: &str) -> Option<Finding> {
    let Failures { count, share: part, since } = case.failures(kind)?;
    let mut evidence = Vec::new();
    if count > 0 {
        let attempts = counted(count, "attempt");
        let part = share(part);
        evidence
            .push(format!("{attempts} failed so in the last five minutes, {part} of the calls"));
    }
    if case.seen.is_some_and(|seen| seen.breaker != BreakerName::Closed) {
        evidence.push("its breaker is open: it is sent one call now and then".to_owned());
    }
    let detail = case.within(LATELY).rev().filter_map(|entry| entry.event.fault());
    let detail = detail.filter(|fault| fault.kind == kind).map(|fault| fault.detail.clone()).next();
    evidence.extend(detail.map(|detail| format!("the last one: {detail}")));
    Some(Finding {
        what: format!("`{}` can be reached, but {how}", case.name),
        since,
        evidence,
        cause: vec!["handshake ok".to_owned(), format!("calls: {}", chain_words(kind))],
        ..Finding::default()
    })
}

/// It cannot be called for that, or its calls fail so.
fn refused(case: &Case<'_>, kind: FaultKind, how: &str) -> Option<Finding> {
    let Some(trouble) = case.trouble_of(kind) else { return failing(case, kind, how) };
    Some(Finding {
        what: format!("`{}` {how}, at the handshake already", case.name),
        since: trouble.since,
        evidence: vec![trouble.fault.detail.clone()],
        cause: trouble.links.clone(),
        severity: Some(Severity::Critical),
        ..Finding::default()
    })
}

fn session_churn(case: &Case<'_>) -> Option<Finding> {
    let is_loss =
        |event: &Event| matches!(event, Event::SessionLost { .. } | Event::SessionReplaced { .. });
    let is_ours = |kind: FaultKind| kind == FaultKind::Stopping;
    let lost: Vec<_> = case
        .within(LATELY)
        .filter(|entry| is_loss(&entry.event))
        .filter(|entry| entry.event.fault().is_some_and(|fault| !is_ours(fault.kind)))
        .collect();
    let unknown = case.trouble_of(FaultKind::SessionLost);
    if lost.len() < CHURN_MIN && unknown.is_none() {
        return None;
    }
    let detail = lost.last().and_then(|entry| entry.event.fault());
    let detail = detail.or(unknown.map(|trouble| &trouble.fault));
    let counted = counted(lost.len(), "session");
    Some(Finding {
        severity: unknown.map(|_| Severity::Critical),
        what: format!("sessions with `{}` do not last", case.name),
        since: lost.first().map(|entry| entry.at).or(unknown.and_then(|trouble| trouble.since)),
        evidence: [format!("{counted} lost in the last five minutes")]
            .into_iter()
            .chain(detail.map(|fault| format!("the last one: {}", fault.detail)))
            .collect(),
        cause: unknown.map_or_else(
            || vec!["handshake ok".to_owned(), "sessions: lost".to_owned()],
            |trouble| trouble.links.clone(),
        ),
        ..Finding::default()
    })
}

fn pool_saturated(case: &Case<'_>) -> Option<Finding> {
    let seen = case.seen?;
    let is_full = seen.sessions >= seen.pool_max && seen.sessions_in_use >= seen.sessions;
    let minute = &seen.calls.windows[MINUTE];
    let waited = waited_share(minute);
    let waits = seen.queued > 0 || waited.is_some_and(|part| part >= WAITED_SHARE_MIN);
    if seen.sessions == 0 || !is_full || !waits {
        return None;
    }
    let busy =
        format!("{} of {} sessions have calls under way", seen.sessions_in_use, seen.pool_max);
    let queued =
        (seen.queued > 0).then(|| format!("{} wait for a place", counted(seen.queued, "call")));
    let waited = waited.map(|part| format!("{} of the time of calls is waiting", share(part)));
    Some(Finding {
        what: format!("all sessions of `{}` are busy, and calls wait", case.name),
        evidence: [busy].into_iter().chain(queued).chain(waited).collect(),
        cause: vec!["sessions ok".to_owned(), "no session free".to_owned()],
        ..Finding::default()
    })
}

fn waited_share(window: &WindowPicture) -> Option<f64> {
    let all = window.duration_sum.as_secs_f64();
    let is_known = window.duration.count() >= SLOW_CALLS_MIN && all > 0.0;
    is_known.then(|| window.waited_sum.as_secs_f64() / all)
}

/// Where the time of calls goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Where {
    Upstream,
    Ours,
}

/// What a slow call's time was spent on, on average.
struct Spent {
    all: Duration,
    waiting: Duration,
    upstream: Duration,
    own: Duration,
}

fn slow(case: &Case<'_>, wanted: Where) -> Option<Finding> {
    let seen = case.seen.filter(|seen| seen.sessions > 0)?;
    let window = &seen.calls.windows[FIVE_MINUTES];
    let how = how_slow(seen)?;
    let spent = spent(window)?;
    let is_upstream = spent.upstream >= spent.all / 2;
    if is_upstream != (wanted == Where::Upstream) {
        return None;
    }
    let link = match (wanted, spent.waiting >= spent.own) {
        (Where::Upstream, _) => "the server: slow",
        (Where::Ours, true) => "waiting for a place or a session: slow",
        (Where::Ours, false) => "mcpo itself: slow",
    };
    let whom = if is_upstream { "the server" } else { "us" };
    Some(Finding {
        what: format!("calls to `{}` are slow, because of {whom}", case.name),
        evidence: vec![
            how,
            format!(
                "a call takes {} on average: {} waiting for a place or a session, {} at the server, {} in mcpo",
                length(spent.all),
                length(spent.waiting),
                length(spent.upstream),
                length(spent.own)
            ),
        ],
        cause: vec!["calls are answered".to_owned(), link.to_owned()],
        ..Finding::default()
    })
}

/// Why calls count as slow, if they do.
fn how_slow(seen: &ServerPicture) -> Option<String> {
    let window = &seen.calls.windows[FIVE_MINUTES];
    let hour = &seen.calls.windows[HOUR];
    if window.duration.count() < SLOW_CALLS_MIN {
        return None;
    }
    let (p50, p90) = (window.duration.quantile(0.5)?, window.duration.quantile(0.9)?);
    if p90 >= SLOW {
        return Some(format!("one call in ten takes {} s or longer", short(p90)));
    }
    let usual = hour.duration.quantile(0.5)?;
    let is_slower = p50 >= SLOWER_FROM && p50 >= SLOWER * usual;
    is_slower.then(|| {
        let (now, usual) = (Duration::from_secs_f64(p50), Duration::from_secs_f64(usual));
        format!(
            "half of the calls take {} or longer; in the last hour it was {}",
            length(now),
            length(usual)
        )
    })
}

fn spent(window: &WindowPicture) -> Option<Spent> {
    let count = u32::try_from(window.duration.count()).unwrap_or(u32::MAX);
    let mean = |sum: Duration| sum.checked_div(count);
    let (all, waiting) = (mean(window.duration_sum)?, mean(window.waited_sum)?);
    let upstream = mean(window.upstream_sum)?;
    let own = all.saturating_sub(waiting).saturating_sub(upstream);
    Some(Spent { all, waiting, upstream, own })
}

/// Whether both windows of a pair burn the budget that fast.
fn burns(long: Tally, short: Tally, factor: f64, objective: f64) -> bool {
    let bound = factor * (1.0 - objective);
    let fast = |tally: Tally| tally.error_rate() >= bound.min(1.0) && tally.bad > 0;
    long.bad >= BURNT_MIN && fast(long) && fast(short)
}

pub(super) fn budget_burn(burn: &BurnWindows, objective: f64, about: &str) -> Option<Finding> {
    let fast = burns(burn.hour, burn.five_minutes, BURN_FAST, objective);
    let slow = burns(burn.six_hours, burn.half_hour, BURN_SLOW, objective);
    let (name, tally) = match (fast, slow) {
        (true, _) => ("hour", burn.hour),
        (false, true) => ("six hours", burn.six_hours),
        (false, false) => return None,
    };
    let pace = tally.error_rate() / (1.0 - objective).max(f64::EPSILON);
    let (failed, allowed) = (share(tally.error_rate()), share(1.0 - objective));
    Some(Finding {
        severity: (!fast).then_some(Severity::Warning),
        what: format!("{about} {} times as often as the objective allows", short(pace)),
        evidence: vec![format!(
            "{} of {} failed in the last {name} ({failed}); {allowed} may",
            tally.bad,
            counted(usize::try_from(tally.total()).unwrap_or(usize::MAX), "call"),
        )],
        cause: vec!["calls are made".to_owned(), "calls: too many fail".to_owned()],
        ..Finding::default()
    })
}
