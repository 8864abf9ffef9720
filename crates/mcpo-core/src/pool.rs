//! How many sessions an upstream should have, and which of them a call should take.

use std::time::{Duration, Instant};

/// What decides the size of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolPolicy {
    /// So many sessions are kept, whatever comes. One is kept in any case.
    pub min: usize,
    /// There are never more than this, those being started included. Wins over `min`.
    pub max: usize,
    /// A pool grows when each session that is ready has so many calls in flight.
    pub grow_at: usize,
    /// Beyond `min`, a session without a call for so long is retired.
    pub idle: Duration,
}

impl Default for PoolPolicy {
    /// One session, since state may live in it; a second one would be started when 16 calls are in
    /// flight on each, and retired after a minute without any.
    fn default() -> Self {
        Self { min: 1, max: 1, grow_at: 16, idle: Duration::from_secs(60) }
    }
}

/// One session, as the pool sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemberNow {
    /// Which; a later session has a larger one.
    pub epoch: u64,
    /// Calls in flight on it.
    pub outstanding: usize,
    /// Since when it has had none; `None` while it has one.
    pub idle_since: Option<Instant>,
    /// What may be expected of it.
    pub state: MemberState,
}

/// What may be expected of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberState {
    /// It takes calls.
    Ready,
    /// It takes calls if there is no better one, until it is known whether it lives.
    Doubted,
    /// It takes no more calls and ends with the last one that it has. Counts for nothing.
    Draining,
}

/// What to do to a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Start so many more sessions.
    Start(usize),
    /// Let the session of that epoch drain, and end it.
    Retire(u64),
}

/// A session in doubt is taken only if there is no other, however busy the others are.
const COST_OF_DOUBT: u64 = 1 << 32;

/// What it costs to send a call to a session with so many calls in flight. The least is taken; of
/// equals the oldest, since state may live in it.
#[must_use]
pub fn cost(outstanding: usize, doubted: bool) -> u64 {
    let calls = u64::try_from(outstanding).unwrap_or(u64::MAX);
    calls.min(COST_OF_DOUBT - 1) + if doubted { COST_OF_DOUBT } else { 0 }
}

/// What to do to a pool with these sessions, and so many being started: start what is missing, or
/// one more where all are busy, or retire one that is not needed.
#[must_use]
pub fn plan(
    policy: &PoolPolicy,
    now: Instant,
    members: &[MemberNow],
    starting: usize,
) -> Vec<Step> {
    let min = policy.min.max(1).min(policy.max);
    let serving = members.iter().filter(|one| one.state != MemberState::Draining).count();
    let there = serving.saturating_add(starting);
    if there < min {
        return vec![Step::Start(min - there)];
    }
    if starting == 0 && there < policy.max && !has_room(policy, members, None) {
        return vec![Step::Start(1)];
    }
    let retired = (starting == 0).then(|| superfluous(policy, min, now, members)).flatten();
    retired.map(|one| Step::Retire(one.epoch)).into_iter().collect()
}

/// Whether a session other than that one is ready and not busy.
fn has_room(policy: &PoolPolicy, members: &[MemberNow], without: Option<u64>) -> bool {
    members.iter().any(|one| {
        one.state == MemberState::Ready
            && one.outstanding < policy.grow_at.max(1)
            && Some(one.epoch) != without
    })
}

/// The newest session that was idle for long enough, if there are more than enough without it.
fn superfluous<'a>(
    policy: &PoolPolicy,
    min: usize,
    now: Instant,
    members: &'a [MemberNow],
) -> Option<&'a MemberNow> {
    let is_ready = |one: &&MemberNow| one.state == MemberState::Ready;
    let is_draining = members.iter().any(|one| one.state == MemberState::Draining);
    if is_draining || members.iter().filter(is_ready).count() <= min {
        return None;
    }
    let is_idle = |one: &&MemberNow| {
        let since = one.idle_since.filter(|_| one.outstanding == 0);
        since.is_some_and(|since| now.saturating_duration_since(since) >= policy.idle)
    };
    let newest = members.iter().filter(is_ready).filter(is_idle).max_by_key(|one| one.epoch);
    newest.filter(|one| has_room(policy, members, Some(one.epoch)))
}

#[cfg(test)]
mod tests;
