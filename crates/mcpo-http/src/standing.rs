//! How an upstream stands, in pieces of JSON that probes and operators are both shown. Words are
//! fixed: a fault's detail may name addresses and commands.

use std::time::Duration;

use mcpo_core::breaker::BreakerState;
use mcpo_core::fault::FaultKind;
use mcpo_core::life::HeldBy;
use mcpo_upstream::directory::{LiveSession, State, View};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

/// Whether a call would be sent. One that is dormant is woken by the call: were it said not to be
/// ready, no balancer would ever send it one.
pub(crate) fn is_callable(view: &View) -> bool {
    view.is_ready() || view.state == State::Dormant
}

/// These sessions one by one.
pub(crate) fn sessions(lives: &[LiveSession]) -> Value {
    let one = |live: &LiveSession| {
        json!({
            "number": live.epoch,
            "in_flight": live.outstanding(),
            "doubted": live.is_doubted(),
        })
    };
    lives.iter().map(one).collect()
}

/// Where a breaker is, and when it lets the next call through.
pub(crate) fn breaker(state: BreakerState) -> Value {
    let ago = |since| seconds(Instant::now().saturating_duration_since(Instant::from_std(since)));
    match state {
        BreakerState::Closed => json!({"state": "closed"}),
        BreakerState::Open { since, until } => json!({
            "state": "open",
            "since_seconds": ago(since),
            "retry_in_seconds": left(Instant::from_std(until)),
        }),
        BreakerState::HalfOpen { since, probing } => json!({
            "state": "half_open",
            "since_seconds": ago(since),
            "probing": probing,
        }),
    }
}

/// Why it cannot be called, and what comes next; nothing of one that is ready.
pub(crate) fn put_trouble(out: &mut Map<String, Value>, state: &State) {
    if *state == State::Ready {
        return;
    }
    if let Some(code) = code(state) {
        out.insert("code".to_owned(), code.into());
    }
    out.insert("reason".to_owned(), reason(state).into());
    put_next(out, state);
}

/// What comes next, and how often it was tried.
pub(crate) fn put_next(out: &mut Map<String, Value>, state: &State) {
    match state {
        State::Starting { failures, .. } if *failures > 0 => {
            out.insert("failures".to_owned(), (*failures).into());
        }
        State::Resting { failures, retry_at, .. } => {
            out.insert("failures".to_owned(), (*failures).into());
            out.insert("retry_in_seconds".to_owned(), left(*retry_at).into());
        }
        State::Held { by, look_at, .. } => {
            out.insert("held_by".to_owned(), held_by(*by).into());
            if let Some(look_at) = look_at {
                out.insert("retry_in_seconds".to_owned(), left(*look_at).into());
            }
        }
        State::Starting { .. } | State::Ready | State::Dormant | State::Stopped => {}
    }
}

/// The code of what is wrong with it. What is held has that one, whatever led to it.
fn code(state: &State) -> Option<&'static str> {
    match state {
        State::Held { by: HeldBy::Operator, .. } => Some(FaultKind::Held.name()),
        State::Held { fault, by: HeldBy::Fault, .. } => {
            Some(fault.as_ref().map_or(FaultKind::Held, |fault| fault.kind).name())
        }
        State::Starting { .. }
        | State::Ready
        | State::Resting { .. }
        | State::Dormant
        | State::Stopped => state.fault().map(|fault| fault.kind.name()),
    }
}

fn reason(state: &State) -> &'static str {
    match state {
        State::Held { by: HeldBy::Operator, .. } => FaultKind::Held.reason(),
        State::Dormant => "it is connected when it is called",
        State::Stopped => FaultKind::Stopping.reason(),
        State::Held { fault, .. } => {
            fault.as_ref().map_or(FaultKind::Held.reason(), |fault| fault.kind.reason())
        }
        State::Starting { .. } | State::Resting { .. } | State::Ready => {
            state.fault().map_or("it is still starting", |fault| fault.kind.reason())
        }
    }
}

/// Who holds it, in answers.
pub(crate) const fn held_by(by: HeldBy) -> &'static str {
    match by {
        HeldBy::Operator => "operator",
        HeldBy::Fault => "fault",
    }
}

/// Whole seconds until then, rounded up: whoever comes then does not come too early.
pub(crate) fn left(until: Instant) -> u64 {
    let left = until.saturating_duration_since(Instant::now());
    seconds(left) + u64::from(left.subsec_nanos() > 0)
}

const fn seconds(length: Duration) -> u64 {
    length.as_secs()
}
