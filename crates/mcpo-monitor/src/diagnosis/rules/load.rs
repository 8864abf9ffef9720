//! Rules about calls that are turned away, and about bounds that are too narrow or too wide.

use mcpo_core::load::ShedReason;

use super::{Finding, Judge, Rule};
use crate::alerts::Severity;
use crate::diagnosis::Facts;
use crate::diagnosis::case::Case;
use crate::diagnosis::words::{counted, share};
use crate::picture::{FIVE_MINUTES, ServerPicture, ShedPicture};

pub(super) const PROCESS_FULL: Rule = Rule {
    id: "process_full",
    severity: Severity::Critical,
    title: "mcpo turns calls away: it has as many in hand as it takes",
    when: "Ten calls or more of the last five minutes were turned away since as many were in hand as `MCPO_MAX_CONCURRENT` allows, or half as many of one server, which leaves the rest to the others.",
    fix: &[
        "See which server is slow: its calls take the places. A smaller `maxConcurrent` of it leaves more to the others.",
        "If the machine has processor time and memory left, raise `MCPO_MAX_CONCURRENT`.",
        "Send fewer calls at once, or spread them over several instances.",
    ],
    explains: &["no_room"],
    judge: Judge::Own(|facts, _| {
        let what = "calls are turned away: mcpo has as many in hand as it takes";
        of_process(facts, ShedReason::ProcessFull, what, "places: all taken")
    }),
};

pub(super) const PROCESS_SLOW: Rule = Rule {
    id: "process_slow",
    severity: Severity::Critical,
    title: "mcpo turns calls away: it is short of processor time",
    when: "Ten calls or more of the last five minutes were turned away since the processor was used up and calls waited for it for too long.",
    fix: &[
        "Give the machine or the container more processors, or move servers that run beside mcpo elsewhere.",
        "Keep answers of read-only tools (`cache`), so that fewer calls have to be made; or spread calls over several instances.",
        "`MCPO_OVERLOAD_GUARD=false` takes every call, and lets all of them wait instead.",
    ],
    explains: &["cpu_saturated", "slow_mcpo", "slow_upstream"],
    judge: Judge::Own(|facts, _| {
        let what = "calls are turned away: mcpo is short of processor time";
        of_process(facts, ShedReason::ProcessSlow, what, "processor time: too little")
    }),
};

pub(super) const LIMIT_LEARNT_LOW: Rule = Rule {
    id: "limit_learnt_low",
    severity: Severity::Warning,
    title: "a server takes far fewer calls at once than it is configured for",
    when: "It refused calls, let them time out or made them wait for each other, so that it is sent at most half as many at once as `maxConcurrent` says; and calls wait for it, or ten or more of the last five minutes were turned away.",
    fix: &[
        "See in the log of `{server}` what it runs out of: its own limit of calls, memory, what it calls itself. The number rises by itself once it does well again.",
        "If it can never take more, set `maxConcurrent` of `{server}` to what it takes.",
        "Over several sessions it may take more: raise the upper end of `pool` of `{server}`.",
        "If it answers late but does answer, raise `timeout` of `{server}`; `adaptiveLimit: false` sends it `maxConcurrent` calls whatever it does.",
    ],
    explains: &[
        "server_full",
        "calls_too_late",
        "pool_saturated",
        "slow_mcpo",
        "error_budget_burn",
    ],
    judge: Judge::Server(limit_learnt_low),
};

pub(super) const SERVER_FULL: Rule = Rule {
    id: "server_full",
    severity: Severity::Warning,
    title: "calls to a server are turned away: too many wait for it",
    when: "Ten calls or more of the last five minutes were turned away since as many waited for the server as `maxWaiting` allows.",
    fix: &[
        "If the server takes more calls at once, raise `maxConcurrent` of `{server}`, and the upper end of its `pool`.",
        "If not, send it fewer calls, run a second server beside it, or keep answers of its read-only tools (`cache`).",
        "If calls only come in bursts, raise `maxWaiting` of `{server}`: more then wait, each until its deadline.",
    ],
    explains: &["calls_too_late", "pool_saturated", "slow_mcpo", "error_budget_burn"],
    judge: Judge::Server(|case| {
        let what = format!("calls to `{}` are turned away: too many wait for it", case.name);
        of_server(case, ShedReason::ServerFull, what, "queue: full")
    }),
};

pub(super) const CALLS_TOO_LATE: Rule = Rule {
    id: "calls_too_late",
    severity: Severity::Warning,
    title: "calls to a server are turned away: they would not be answered in time",
    when: "Ten calls or more of the last five minutes waited for a place at the server until their deadline, or were so close to it that they were not started.",
    fix: &[
        "If the server takes more calls at once, raise `maxConcurrent` of `{server}`, and the upper end of its `pool`.",
        "If callers can wait for longer, raise `timeout` of `{server}` or `--tool-timeout`, or have them send a larger `X-Tool-Timeout`.",
        "A smaller `maxWaiting` of `{server}` turns them away at once instead.",
    ],
    explains: &["pool_saturated", "slow_mcpo", "error_budget_burn"],
    judge: Judge::Server(|case| {
        let name = case.name;
        let what = format!("calls to `{name}` are turned away: they would not be answered in time");
        of_server(case, ShedReason::TooLate, what, "queue: too slow")
    }),
};

pub(super) const IDENTITY_FULL: Rule = Rule {
    id: "identity_full",
    severity: Severity::Warning,
    title: "a caller has as many calls in hand as one may",
    when: "Ten calls or more of the last five minutes to the server were turned away since their caller had as many in hand as `maxConcurrentPerIdentity` or `MCPO_MAX_CONCURRENT_PER_IDENTITY` allows.",
    fix: &[
        "If one caller is meant to make so many calls at once, raise `maxConcurrentPerIdentity` of `{server}`, or `MCPO_MAX_CONCURRENT_PER_IDENTITY`.",
        "If many people share one name, set `MCPO_IDENTITY_HEADER` to the header that tells them apart.",
        "If not, nothing: the bound keeps one caller from taking the places of all.",
    ],
    explains: &[],
    judge: Judge::Server(|case| {
        let name = case.name;
        let what = format!("calls to `{name}` are turned away: a caller makes too many at once");
        of_server(case, ShedReason::IdentityFull, what, "places of a caller: all taken")
    }),
};

pub(super) const RATE_LIMITED: Rule = Rule {
    id: "rate_limited",
    severity: Severity::Warning,
    title: "a server or a tool is called more often than is allowed",
    when: "Ten calls or more of the last five minutes to the server were turned away since they came more often than a rate allows: the caller's, the server's or the tool's.",
    fix: &[
        "If the server takes more, raise `rateLimit` of `{server}` or of the tool, `MCPO_RATE_LIMIT` for one caller, or a larger `burst` in it where calls come all at once.",
        "If many people share one name, set `MCPO_IDENTITY_HEADER` to the header that tells them apart.",
        "If not, nothing: callers are told by `Retry-After` when to come again.",
    ],
    explains: &[],
    judge: Judge::Server(|case| {
        let what = format!("`{}` is called more often than is allowed", case.name);
        of_server(case, ShedReason::RateLimited, what, "rate: exceeded")
    }),
};

pub(super) const LOW_CACHE_USE: Rule = Rule {
    id: "low_cache_use",
    severity: Severity::Warning,
    title: "the cache answers hardly any call",
    when: "Of a thousand calls or more in the last hour that it could have answered, it answered less than one in fifty.",
    fix: &[
        "Let answers be kept for longer (`ttl` in `cache` of a server or a tool), if they stay true for longer.",
        "If few calls are ever equal, switch the cache off for these tools (`\"cache\": false`): as it is it only costs memory.",
        "If answers go for want of room (`mcpo_cache_evictions_total`), raise `MCPO_CACHE_MAX_SIZE` or `MCPO_CACHE_MAX_BYTES`.",
    ],
    explains: &[],
    judge: Judge::Own(|facts, _| low_cache_use(facts)),
};

/// Fewer calls of the last five minutes that were turned away are an accident.
const SHED_MIN: u64 = 10;
/// A learnt limit of more than this share of what is configured is no trouble.
const LEARNT_SHARE_MAX: f64 = 0.5;
/// So many servers are named.
const NAMED_MAX: usize = 3;
/// Of fewer calls a share of hits says little.
const CACHE_ASKED_MIN: u64 = 1000;
const CACHE_SHARE_MIN: f64 = 0.02;

/// Calls were turned away by the process for that reason.
fn of_process(facts: &Facts, reason: ShedReason, what: &str, link: &str) -> Option<Finding> {
    let picture = facts.picture.as_ref()?;
    let whole = &picture.whole;
    let turned_away = told(&whole.shed, reason)?;
    let room = format!("{} of {} calls at once are in hand", whole.in_flight, whole.max_concurrent);
    let mut servers: Vec<&ServerPicture> =
        picture.servers.iter().filter(|server| server.calls.in_flight > 0).collect();
    servers.sort_by_key(|server| std::cmp::Reverse(server.calls.in_flight));
    let most = servers.iter().take(NAMED_MAX).map(|server| {
        format!("`{}` has {} of them", server.name, counted(server.calls.in_flight, "call"))
    });
    Some(Finding {
        what: what.to_owned(),
        evidence: [turned_away, room].into_iter().chain(most).collect(),
        cause: vec![link.to_owned()],
        ..Finding::default()
    })
}

/// Calls to an upstream were turned away for that reason.
fn of_server(case: &Case<'_>, reason: ShedReason, what: String, link: &str) -> Option<Finding> {
    let seen = case.seen?;
    let turned_away = told(&seen.shed, reason)?;
    Some(Finding {
        what,
        evidence: vec![turned_away, room(seen)],
        cause: vec!["calls are made".to_owned(), link.to_owned()],
        ..Finding::default()
    })
}

/// How many calls were turned away for that reason, if enough were.
fn told(shed: &ShedPicture, reason: ShedReason) -> Option<String> {
    let count = shed.of_late(reason);
    let calls = counted(usize::try_from(count).unwrap_or(usize::MAX), "call");
    (count >= SHED_MIN).then(|| format!("{calls} turned away so in the last five minutes"))
}

fn room(seen: &ServerPicture) -> String {
    let (in_flight, waiting) = (seen.calls.in_flight, counted(seen.queued, "call"));
    format!("{in_flight} of {} calls at once are in flight, {waiting} waiting", seen.limit)
}

fn limit_learnt_low(case: &Case<'_>) -> Option<Finding> {
    let seen = case.seen.filter(|seen| seen.limit > 0)?;
    let part = seen.limit as f64 / seen.limit_max.max(1) as f64;
    let late = [ShedReason::ServerFull, ShedReason::TooLate].map(|why| seen.shed.of_late(why));
    let turned_away: u64 = late.iter().sum();
    if part > LEARNT_SHARE_MAX || (seen.queued == 0 && turned_away < SHED_MIN) {
        return None;
    }
    let ended = seen.calls.windows[FIVE_MINUTES].total();
    let lost = (turned_away > 0).then(|| {
        let part = share(turned_away as f64 / ended.max(turned_away) as f64);
        let calls = counted(usize::try_from(turned_away).unwrap_or(usize::MAX), "call");
        format!("{calls} of the last five minutes turned away ({part})")
    });
    let learnt = format!("at most {} calls at once, where {} may be", seen.limit, seen.limit_max);
    Some(Finding {
        what: format!(
            "`{}` does not take as many calls at once as it is configured for",
            case.name
        ),
        evidence: [learnt, room(seen)].into_iter().chain(lost).collect(),
        cause: vec!["calls are answered".to_owned(), "calls at once: too many for it".to_owned()],
        ..Finding::default()
    })
}

fn low_cache_use(facts: &Facts) -> Option<Finding> {
    let cache = facts.cache.filter(|cache| cache.asked >= CACHE_ASKED_MIN)?;
    let part = cache.hits as f64 / cache.asked as f64;
    (part < CACHE_SHARE_MIN).then(|| {
        let all = format!("{} of {} calls in the last hour", cache.hits, cache.asked);
        Finding {
            what: "the cache answers hardly any call".to_owned(),
            evidence: [all].into_iter().chain(least_used(facts)).collect(),
            cause: vec!["cache on".to_owned(), "hits: hardly any".to_owned()],
            ..Finding::default()
        }
    })
}

/// The servers that it was asked for most in vain.
fn least_used(facts: &Facts) -> impl Iterator<Item = String> {
    let servers = facts.picture.iter().flat_map(|picture| &picture.servers);
    let mut asked: Vec<_> = servers
        .filter_map(|server| Some((server.name.as_str(), server.cache?.hour)))
        .filter(|(_, hour)| hour.asked > hour.hits)
        .collect();
    asked.sort_by_key(|(_, hour)| std::cmp::Reverse(hour.asked - hour.hits));
    let lines = asked.into_iter().take(NAMED_MAX);
    lines
        .map(|(name, hour)| format!("of `{name}`: {} of {}", hour.hits, hour.asked))
        .collect::<Vec<_>>()
        .into_iter()
}
