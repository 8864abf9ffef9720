//! What costs how many points. The figures are judgements: what makes an upstream useless costs all,
//! what callers feel costs up to 60, what they may soon feel up to 30, what only costs them time
//! or room up to 20.

use mcpo_core::life::HeldBy;

use super::usual::USUAL_CALLS_MIN;
use super::{Reason, Score, ServerFacts, WORST_SHARE, WholeFacts};
use crate::picture::{BreakerName, Standing};

/// Whose points it costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// An upstream's, and by that also the whole's.
    Server,
    /// The whole's alone.
    Whole,
}

/// One thing that costs points.
#[derive(Debug, Clone, Copy)]
pub struct Part {
    /// Its stable name.
    pub name: &'static str,
    /// Whose points it costs.
    pub scope: Scope,
    /// It costs no more than this.
    pub points_max: f64,
    /// What is lost when, for people.
    pub formula: &'static str,
}

/// Everything that costs points.
pub const PARTS: [Part; 13] = [
    Part {
        name: "state",
        scope: Scope::Server,
        points_max: 100.0,
        formula: "100 while it cannot be called; 20 if that is since an operator holds it, or since \
                  it starts for the first time; nothing while it is dormant, since a call wakes it",
    },
    Part {
        name: "breaker",
        scope: Scope::Server,
        points_max: 50.0,
        formula: "50 while its breaker is open, 30 while it is half open",
    },
    Part {
        name: "errors",
        scope: Scope::Server,
        points_max: 60.0,
        formula: "60 times its error rate of the last five minutes divided by 10 %, 60 at most. The \
                  error rate is failed / (answered + failed + 10): ten calls that went well are \
                  thought of, so that one failure among few is not all. A call that was turned away \
                  since too many waited for it, or it would have been too late, is a failed one",
    },
    Part {
        name: "latency",
        scope: Scope::Server,
        points_max: 20.0,
        formula: "10 for each doubling of its median of the last five minutes beyond twice the usual \
                  one, 20 at most; nothing with fewer than 10 calls, or less than 20 ms slower",
    },
    Part {
        name: "recovery",
        scope: Scope::Server,
        points_max: 20.0,
        formula: "4 for each recovery of the last hour after the first, 20 at most",
    },
    Part {
        name: "pool",
        scope: Scope::Server,
        points_max: 20.0,
        formula: "20 times the share of its sessions that is missing",
    },
    Part {
        name: "queue",
        scope: Scope::Server,
        points_max: 15.0,
        formula: "15 while calls wait for a place",
    },
    Part {
        name: "tools",
        scope: Scope::Server,
        points_max: 15.0,
        formula: "15 while tools are missing that it offered before",
    },
    Part {
        name: "cpu",
        scope: Scope::Whole,
        points_max: 15.0,
        formula: "from nothing at 80 % of the processor time that we may use to 15 at 100 %",
    },
    Part {
        name: "memory",
        scope: Scope::Whole,
        points_max: 30.0,
        formula: "from nothing at 85 % of the memory that we may use to 30 at 100 %",
    },
    Part {
        name: "limits",
        scope: Scope::Whole,
        points_max: 30.0,
        formula: "from nothing at 80 % of the file descriptors, or of the calls at once, to 30 at \
                  100 %; the worse of the two",
    },
    Part {
        name: "shed",
        scope: Scope::Whole,
        points_max: 60.0,
        formula: "60 times the share of the calls of the last five minutes that mcpo itself had no \
                  room or no processor time for, divided by 10 %, 60 at most. The share is turned \
                  away / (all + 10). What rates turn away costs nothing: they do what they are for",
    },
    Part {
        name: "disk",
        scope: Scope::Whole,
        points_max: 10.0,
        formula: "10 with less than 64 MiB free on the disk of the state directory",
    },
];

/// An error rate of this costs all that errors can cost.
const ERROR_RATE_WORST: f64 = 0.1;
/// So many calls that went well are thought of.
const CALLS_THOUGHT_OF: f64 = 10.0;
/// Slower by less than this is not felt, in seconds.
const SLOWER_SECONDS_MIN: f64 = 0.02;
/// The store may grow to four times as much; below, writes are about to fail.
const DISK_BYTES_MIN: u64 = 64 << 20;

/// What one upstream loses.
pub(super) fn of_server(facts: &ServerFacts) -> Vec<Reason> {
    let down = state(facts);
    if down.is_some() {
        // What cannot be called has no other trouble that matters.
        return down.into_iter().collect();
    }
    let parts = [breaker, errors, latency, recovery, pool, queue, tools];
    parts.into_iter().filter_map(|part| part(facts)).collect()
}

/// What the whole loses: the mean of its upstreams, at least [`WORST_SHARE`] of the worst one, and
/// what it has of its own.
pub(super) fn of_whole(facts: &WholeFacts) -> Vec<Reason> {
    let lost = |score: &Score| score.lost().min(100.0);
    let sum: f64 = facts.servers.iter().map(lost).sum();
    let worst = facts.servers.iter().map(lost).fold(0.0, f64::max);
    let mean = sum / facts.servers.len().max(1) as f64;
    let weight = if sum > 0.0 { mean.max(worst * WORST_SHARE) / sum } else { 0.0 };
    let of_servers = facts.servers.iter().flat_map(|score| {
        // One that lost more than all has no more to lose.
        let share = weight * (lost(score) / score.lost().max(f64::MIN_POSITIVE));
        score
            .reasons
            .iter()
            .map(move |reason| Reason { points: reason.points * share, ..reason.clone() })
    });
    let own = [
        rising("cpu", facts.cpu, 0.8, "the processors' time is used"),
        rising("memory", facts.memory, 0.85, "the memory is used"),
        limits(facts),
        shed(facts),
        disk(facts),
    ];
    of_servers.chain(own.into_iter().flatten()).collect()
}

fn state(facts: &ServerFacts) -> Option<Reason> {
    if facts.standing != Standing::Down {
        return None;
    }
    let (share, why) = match facts.held_by {
        Some(HeldBy::Operator) => (0.2, "an operator holds it".to_owned()),
        None if facts.state == "starting" && facts.fault.is_none() => {
            (0.2, "it starts for the first time".to_owned())
        }
        Some(HeldBy::Fault) | None => (1.0, why_down(facts)),
    };
    reason(facts, "state", share, why)
}

fn why_down(facts: &ServerFacts) -> String {
    match facts.fault {
        Some(kind) => format!("it cannot be called: {}", kind.reason()),
        None => format!("it cannot be called: it is {}", facts.state),
    }
}

fn breaker(facts: &ServerFacts) -> Option<Reason> {
    let (share, why) = match facts.breaker {
        BreakerName::Closed => return None,
        BreakerName::Open => (1.0, "its breaker is open: it failed too often of late"),
        BreakerName::HalfOpen => (0.6, "its breaker lets one call at a time through"),
    };
    reason(facts, "breaker", share, why.to_owned())
}

fn errors(facts: &ServerFacts) -> Option<Reason> {
    let (bad, all) = (facts.calls.bad, facts.calls.total());
    let rate = bad as f64 / (all as f64 + CALLS_THOUGHT_OF);
    let why = format!("{bad} of {all} calls failed in the last five minutes");
    reason(facts, "errors", rate / ERROR_RATE_WORST, why)
}

fn latency(facts: &ServerFacts) -> Option<Reason> {
    let (now, usual) = facts.median.zip(facts.usual_median)?;
    let is_felt = now - usual >= SLOWER_SECONDS_MIN && facts.timed >= USUAL_CALLS_MIN;
    if !is_felt || usual <= 0.0 {
        return None;
    }
    let why = format!("it takes {} where {} is usual (median)", length(now), length(usual));
    // One doubling is allowed, and two more cost all.
    reason(facts, "latency", ((now / usual).log2() - 1.0) / 2.0, why)
}

fn recovery(facts: &ServerFacts) -> Option<Reason> {
    let why = format!("it had to be recovered {} times in the last hour", facts.recoveries);
    reason(facts, "recovery", facts.recoveries.saturating_sub(1) as f64 / 5.0, why)
}

fn pool(facts: &ServerFacts) -> Option<Reason> {
    let (there, wanted) = (facts.sessions, facts.sessions_wanted);
    // One that is dormant has none, and needs none.
    if there == 0 || there >= wanted {
        return None;
    }
    let why = format!("it has {there} of {wanted} sessions");
    reason(facts, "pool", (wanted - there) as f64 / wanted as f64, why)
}

fn queue(facts: &ServerFacts) -> Option<Reason> {
    let share = if facts.queued > 0 { 1.0 } else { 0.0 };
    reason(facts, "queue", share, format!("{} calls wait for a place", facts.queued))
}

fn tools(facts: &ServerFacts) -> Option<Reason> {
    let missing = facts.tools_missing;
    let share = if missing > 0 { 1.0 } else { 0.0 };
    reason(facts, "tools", share, format!("{missing} tools are missing that it offered before"))
}

fn limits(facts: &WholeFacts) -> Option<Reason> {
    let files = rising("limits", facts.files, 0.8, "the file descriptors are in use");
    let room = rising("limits", facts.room, 0.8, "the places for calls are taken");
    let points = |reason: &Reason| reason.points;
    files.into_iter().chain(room).max_by(|one, other| points(one).total_cmp(&points(other)))
}

fn shed(facts: &WholeFacts) -> Option<Reason> {
    let (turned_away, came) = (facts.turned_away, facts.came);
    let share = turned_away as f64 / (came as f64 + CALLS_THOUGHT_OF);
    let why = format!("{turned_away} of {came} calls were turned away in the last five minutes");
    lost(None, "shed", share / ERROR_RATE_WORST, why)
}

fn disk(facts: &WholeFacts) -> Option<Reason> {
    let free = facts.disk_bytes_free.filter(|free| *free < DISK_BYTES_MIN)?;
    let why = format!("the disk of the state directory has {} MiB free", free >> 20);
    lost(None, "disk", 1.0, why)
}

/// What grows from nothing at `from` to all at 1.
fn rising(part: &'static str, value: Option<f64>, from: f64, what: &str) -> Option<Reason> {
    let value = value?;
    let why = format!("{:.0} % of {what}", value * 100.0);
    lost(None, part, (value - from) / (1.0 - from), why)
}

fn reason(facts: &ServerFacts, part: &'static str, share: f64, why: String) -> Option<Reason> {
    lost(Some(&facts.name), part, share, why)
}

/// A share of what a part can cost; `None` for nothing.
fn lost(server: Option<&str>, part: &'static str, share: f64, why: String) -> Option<Reason> {
    let most = PARTS.iter().find(|one| one.name == part).map_or(0.0, |one| one.points_max);
    let points = most * share.clamp(0.0, 1.0);
    (points > 0.0).then(|| Reason { part, points, why, server: server.map(str::to_owned) })
}

/// A length of time in seconds, for people.
fn length(seconds: f64) -> String {
    if seconds < 1.0 { format!("{:.0} ms", seconds * 1000.0) } else { format!("{seconds:.1} s") }
}
