//! What happened, in one plain sentence. Fixed words with figures and names: never a fault's
//! detail, nor what a configuration says.

use std::time::Duration;

use crate::event::Event;
use crate::fault::Fault;
use crate::life::HeldBy;
use crate::load::ShedReason;
use crate::outcome::OutcomeKind;

/// So many names of a list are told; the rest is a number.
const NAMES_TOLD_MAX: usize = 5;

/// Upstreams choose the names of their tools; no more than this of each is told.
const NAME_CHARS_MAX: usize = 64;

impl Event {
    /// What happened, in one plain sentence for people, without the upstream's name and without a
    /// full stop. One line, of bounded length, and nothing in it that only operators may see.
    #[must_use]
    pub fn sentence(&self) -> String {
        match self {
            Self::UpstreamReady { tools, took, .. } => {
                format!("ready after {}, with {}", length(*took), count(*tools, "tool"))
            }
            Self::UpstreamFailed { fault, failures, retry_in, .. } => {
                let (why, when) = (words(fault), when(*retry_in));
                format!("attempt {failures} to connect failed ({why}); tried again {when}")
            }
            Self::SessionLost { fault, retry_in, .. } => {
                format!("session lost ({}); a new one is made {}", words(fault), when(*retry_in))
            }
            Self::ToolsChanged { added, removed, .. } => changed(added, removed),
            Self::ToolsStale { fault, .. } => {
                format!("tools could not be listed anew ({}); the known ones stay", words(fault))
            }
            Self::ToolFlawed { tool, .. } => {
                format!("the declaration of {} has a flaw; it is served all the same", name(tool))
            }
            Self::UpstreamStopped { .. } => "stopped, as it was told to".to_owned(),
            Self::CallSentAgain { tool, attempt, fault, .. } => {
                format!("attempt {attempt} of {} failed ({}); sent again", name(tool), words(fault))
            }
            Self::CallFailed { tool, outcome, fault, attempts, .. } => {
                failed(tool, *outcome, fault, *attempts)
            }
            Self::CallRecovered { attempts, took, .. } => {
                format!("{attempts} attempts: answered after {}", length(*took))
            }
            Self::CallsShed { reason, count, over, .. } => shed(*reason, *count, *over),
            Self::SessionProbed { session, fault, .. } => probed(*session, fault.as_ref()),
            Self::SessionReplaced { session, fault, .. } => {
                format!("session {session} taken out of service ({}); others go on", words(fault))
            }
            Self::Recovered { away, .. } => format!("back after {}", length(*away)),
            Self::Held { by, fault, .. } => held(*by, fault.as_ref()),
            Self::Released { .. } => "released; it is tried again".to_owned(),
            Self::BreakerOpened { fault, open_for, .. } => {
                let (why, open_for) = (words(fault), length(*open_for));
                format!("failed too often ({why}); its calls are sent away for {open_for}")
            }
            Self::BreakerClosed { after, .. } => {
                format!("answers again after {}; all calls are sent to it", length(*after))
            }
            Self::BudgetSpent { .. } => "too many calls fail to send each of them again".to_owned(),
            Self::PoolGrew { sessions, .. } => format!("session added: {sessions} now"),
            Self::PoolShrank { sessions, .. } => format!("idle session ended: {sessions} left"),
            Self::ToolsVanished { tools, .. } => format!("came back without {}", list(tools)),
            Self::ToolsUnknown { names, .. } => {
                format!("the configuration names tools that it does not offer: {}", list(names))
            }
            Self::ConfigReloaded { started, stopped, replaced, kept } => {
                let [new, gone, other] = [started.len(), stopped.len(), replaced.len()];
                let kept = kept.len();
                format!(
                    "configuration reloaded: {new} started, {gone} stopped, {other} replaced, {kept} kept"
                )
            }
            Self::ConfigRefused { problems } => {
                let problems = count(problems.len(), "problem");
                format!("configuration refused ({problems}); the one before stays in force")
            }
            Self::ClockJumped { by } => {
                format!("time jumped by {}; every session is looked at", length(*by))
            }
            Self::OrderGiven { order, .. } => format!("an operator gave the order {order:?}"),
        }
    }
}

fn changed(added: &[String], removed: &[String]) -> String {
    let part = |names: &[String], what: &str| {
        (!names.is_empty()).then(|| format!("{} {what}: {}", names.len(), list(names)))
    };
    let parts = [part(added, "added"), part(removed, "removed")];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() {
        "tools changed".to_owned()
    } else {
        format!("tools {}", parts.join("; "))
    }
}

fn failed(tool: &str, outcome: OutcomeKind, fault: &Fault, attempts: u32) -> String {
    let end = match outcome {
        // It would not have failed.
        OutcomeKind::Reply => "was answered",
        OutcomeKind::NotSent => "was not sent",
        OutcomeKind::Refused => "was refused",
        OutcomeKind::Unknown => "was sent and not answered",
    };
    let (tool, why) = (name(tool), words(fault));
    match attempts {
        0 | 1 => format!("call of {tool} {end} ({why})"),
        more => format!("call of {tool} {end} after {more} attempts ({why})"),
    }
}

fn shed(reason: ShedReason, calls: u64, over: Duration) -> String {
    let why = match reason {
        ShedReason::ProcessFull => "mcpo has as many in hand as it takes",
        ShedReason::ProcessSlow => "mcpo is short of processor time",
        ShedReason::ServerFull => "as many wait for it as may",
        ShedReason::TooLate => "they would not have been answered in time",
        ShedReason::IdentityFull => "their caller has as many in hand as one may",
        ShedReason::RateLimited => "they came too often",
    };
    let calls = if calls == 1 { "1 call".to_owned() } else { format!("{calls} calls") };
    if over.is_zero() {
        format!("{calls} turned away ({why})")
    } else {
        format!("{calls} turned away within {} ({why})", length(over))
    }
}

fn probed(session: u64, fault: Option<&Fault>) -> String {
    match fault {
        None => format!("session {session} answered a probe"),
        Some(fault) => format!("session {session} did not answer a probe ({})", words(fault)),
    }
}

fn held(by: HeldBy, fault: Option<&Fault>) -> String {
    match (by, fault) {
        (HeldBy::Operator, _) => "held by an operator until it is released".to_owned(),
        (HeldBy::Fault, None) => "held; a person must act".to_owned(),
        (HeldBy::Fault, Some(fault)) => format!("held ({}); a person must act", words(fault)),
    }
}

/// What failed.
const fn words(fault: &Fault) -> &'static str {
    fault.kind.reason()
}

fn when(wait: Duration) -> String {
    if wait.is_zero() { "at once".to_owned() } else { format!("in {}", length(wait)) }
}

fn count(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// Lengths as people say them: two digits are enough to judge one.
fn length(length: Duration) -> String {
    let seconds = length.as_secs_f64();
    match seconds {
        ..0.001 => "less than 1 ms".to_owned(),
        ..0.9995 => format!("{:.0} ms", seconds * 1000.0),
        ..9.95 => format!("{seconds:.1} s"),
        ..119.5 => format!("{seconds:.0} s"),
        ..7_170.0 => format!("{:.0} min", seconds / 60.0),
        ..171_000.0 => format!("{:.0} h", seconds / 3600.0),
        _ => format!("{:.0} days", seconds / 86_400.0),
    }
}

fn list(names: &[String]) -> String {
    let mut told: Vec<String> = names.iter().take(NAMES_TOLD_MAX).map(|one| name(one)).collect();
    if names.len() > NAMES_TOLD_MAX {
        told.push(format!("{} more", names.len() - NAMES_TOLD_MAX));
    }
    told.join(", ")
}

/// A name that others have chosen, on one line and not too long.
fn name(name: &str) -> String {
    let shown = |letter: char| if letter.is_control() { '\u{fffd}' } else { letter };
    let mut told: String = name.chars().take(NAME_CHARS_MAX).map(shown).collect();
    if name.chars().nth(NAME_CHARS_MAX).is_some() {
        told.push('…');
    }
    told
}
