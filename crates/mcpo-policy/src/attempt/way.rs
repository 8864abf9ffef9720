//! A way to send a call: a session that can be used, and a breaker that lets it through. Waits for
//! both while there is hope, until the deadline at most; and for an upstream that has said when it
//! takes calls again.

use std::borrow::Cow;

use mcpo_core::breaker::BreakerState;
use mcpo_core::fault::{Fault, FaultKind};
use mcpo_core::hope::{Chance, FAILED_STARTS_BRIDGED, Hope, Trouble};
use mcpo_core::life::HeldBy;
use mcpo_core::retry::Pace;
use mcpo_upstream::directory::{InFlight, LiveSession, State, View};
use mcpo_upstream::gate::{Entry, Gate, THROTTLED_SPREAD, Turn};
use tokio::time::{Instant, timeout_at};

use crate::attempt::tries::{Failed, Tries};
use crate::pipeline::Call;

/// Where a call is sent now.
#[derive(Debug)]
pub(super) struct Way<'a> {
    pub(super) live: Cow<'a, LiveSession>,
    /// The breaker's word for it.
    pub(super) turn: Turn<'a>,
    /// The call counts as under way on the session.
    pub(super) in_flight: InFlight,
    /// Now.
    pub(super) at: Instant,
}

/// Finds a way. The snapshot that the call came with is good enough for the first look: a ready
/// session costs no look at anything that others wait for.
///
/// Cancel-safe: a probe's turn that it has got already is given back.
pub(super) async fn find<'a>(call: &'a Call<'_>, tries: &mut Tries<'_>) -> Result<Way<'a>, Failed> {
    let mut from_snapshot = if tries.made == 0 { call.upstream.view.pick(&[]) } else { None };
    loop {
        let live = match from_snapshot.take() {
            Some(live) => Cow::Borrowed(live),
            None => Cow::Owned(Box::pin(session(call, tries)).await.map_err(Failed::NotSent)?),
        };
        let mut at = Instant::now();
        let is_jump = call.upstream.notice_jump(at);
        if is_jump || tries.doubt.is_some() || live.is_stale(at) {
            if !Box::pin(is_fit(call, &live, tries)).await? {
                continue;
            }
            at = Instant::now();
        }
        if at >= call.deadline {
            return Err(Failed::NotSent(Fault::new(
                FaultKind::Timeout,
                "it came too late to be sent",
            )));
        }
        match call.upstream.gate().admit(at, &call.tool.definition.name) {
            // A session that was closed a moment ago is passed over, and a probe's turn with it.
            Entry::In(turn) => {
                if let Some(in_flight) = live.begin(at, call.deadline) {
                    return Ok(Way { live, turn, in_flight, at });
                }
            }
            Entry::Wait { .. } | Entry::Throttled { .. } => {
                Box::pin(gate_opens(call)).await.map_err(Failed::NotSent)?;
            }
        }
    }
}

/// Whether a session is there to take the call; one that is not is of no more use to anybody.
/// Fails where the call's next attempt is not in the budget.
async fn is_fit(
    call: &Call<'_>,
    live: &LiveSession,
    tries: &mut Tries<'_>,
) -> Result<bool, Failed> {
    let Some(doubt) = tries.doubt else { return Ok(live.fresh(call.deadline).await) };
    // What was heard of since the failure, as a new session was, shows that the upstream is back.
    if !live.fresh_since(doubt.since, call.deadline).await {
        return Ok(false);
    }
    let is_free = doubt.may_be_free && live.heard_since(doubt.since);
    if is_free
        || call.upstream.gate().try_retry(
            Instant::now(),
            &call.tool.definition.name,
            Pace::Transient,
        )
    {
        tries.settle_doubt(is_free);
        return Ok(true);
    }
    Err(tries.failed.take().expect("an attempt that failed left the doubt"))
}

/// A session to send on; waits for one while there is hope. An upstream that is only tried when a
/// call asks is tried once: without a rest between its attempts, calls would hammer it.
async fn session(call: &Call<'_>, tries: &Tries<'_>) -> Result<LiveSession, Fault> {
    let mut views = call.upstream.follow();
    let mut was_dormant = false;
    loop {
        let until = {
            let view = views.borrow_and_update();
            if let Some(live) = pick(&view, tries) {
                return Ok(live.clone());
            }
            let is_dormant = view.state == State::Dormant;
            if is_dormant && was_dormant {
                let detail = "the start that the call asked for failed";
                return Err(Fault::new(FaultKind::Unreachable, detail));
            }
            was_dormant |= is_dormant;
            hope(&view, call.deadline)?
        };
        call.upstream.want();
        if let Ok(Err(_)) = timeout_at(until, views.changed()).await {
            return Err(Fault::new(FaultKind::Stopping, "the upstream was removed"));
        }
    }
}

/// The session to send on: one that has shown since the last failure that it is there, if any.
fn pick<'v>(view: &'v View, tries: &Tries<'_>) -> Option<&'v LiveSession> {
    let Some(doubt) = tries.doubt else { return view.pick(&[]) };
    let usable = view.sessions.iter().filter(|live| live.is_usable());
    usable.min_by_key(|live| (!live.heard_since(doubt.since), live.cost()))
}

/// Until when to wait for a session.
fn hope(view: &View, deadline: Instant) -> Result<Instant, Fault> {
    let now = Instant::now();
    let Some(trouble) = trouble(view) else {
        return Err(Fault::new(FaultKind::Stopping, "the upstream is stopped"));
    };
    match trouble.hope(now.into_std(), deadline.into_std()) {
        Hope::Wait { until } => Ok(until.into()),
        Hope::None { retry_after } => {
            let fault = away(&view.state);
            let retry_after = retry_after.or(fault.retry_after);
            Err(fault.with_retry_after(retry_after))
        }
    }
}

/// What keeps an upstream from having a session; `None` if it will never have one.
fn trouble(view: &View) -> Option<Trouble> {
    let (starts_failed, chance) = match &view.state {
        State::Ready | State::Dormant | State::Starting { fault: None, .. } => {
            (0, Chance::UnderWay)
        }
        State::Starting { failures, fault: Some(fault) } if fault.kind.needs_operator() => {
            (*failures, Chance::NotByItself(None))
        }
        State::Starting { failures, fault: Some(_) } => (*failures, Chance::UnderWay),
        State::Resting { failures, fault, retry_at } if fault.kind.needs_operator() => {
            (*failures, Chance::NotByItself(Some(retry_at.into_std())))
        }
        State::Resting { failures, retry_at, .. } => (*failures, Chance::At(retry_at.into_std())),
        State::Held { look_at, .. } => (0, Chance::NotByItself(look_at.map(Instant::into_std))),
        State::Stopped => return None,
    };
    let is_restart = starts_failed <= FAILED_STARTS_BRIDGED;
    Some(Trouble { since: view.away_since.into_std(), is_restart, chance })
}

/// Why there is no session, as a call meets it.
fn away(state: &State) -> Fault {
    match state {
        State::Held { by: HeldBy::Operator, .. } | State::Held { fault: None, .. } => {
            Fault::new(FaultKind::Held, "held until it is released")
        }
        State::Starting { fault: Some(fault), .. }
        | State::Resting { fault, .. }
        | State::Held { fault: Some(fault), .. } => {
            let mut fault = fault.clone();
            // A handshake that took too long is no deadline of the call's: to the caller the
            // upstream is not there.
            if fault.kind == FaultKind::Timeout {
                fault.kind = FaultKind::Unreachable;
            }
            fault
        }
        State::Starting { fault: None, .. } | State::Ready | State::Dormant | State::Stopped => {
            Fault::new(FaultKind::Unreachable, "no session within the call's deadline")
        }
    }
}

/// Waits until the gate may let a call through; who gets in is found out by asking.
async fn gate_opens(call: &Call<'_>) -> Result<(), Fault> {
    let gate = call.upstream.gate();
    let mut changes = gate.changes();
    loop {
        changes.mark_unchanged();
        let now = Instant::now();
        let Some(look_at) = gate_hope(gate, now, call)? else { return Ok(()) };
        let _changed_or_due = timeout_at(look_at, changes.changed()).await;
    }
}

/// When to look at the gate again; `None` if it may let a call through now.
fn gate_hope(gate: &Gate, now: Instant, call: &Call<'_>) -> Result<Option<Instant>, Fault> {
    let (since, opens_at) = match gate.breaker_state() {
        BreakerState::Open { since, until } if now.into_std() < until => (since, Some(until)),
        BreakerState::HalfOpen { since, probing: true } => (since, None),
        BreakerState::Closed | BreakerState::Open { .. } | BreakerState::HalfOpen { .. } => {
            let throttled = gate.throttled_until(now, &call.tool.definition.name);
            return throttled.map(|until| throttled_hope(now, until, call.deadline)).transpose();
        }
    };
    let chance = opens_at.map_or(Chance::UnderWay, Chance::At);
    let trouble = Trouble { since, is_restart: false, chance };
    match trouble.hope(now.into_std(), call.deadline.into_std()) {
        Hope::Wait { until } => Ok(Some(opens_at.map_or(until, |at| at.min(until)).into())),
        Hope::None { retry_after } => {
            let fault = Fault::new(FaultKind::BreakerOpen, "its calls failed too often of late");
            Err(fault.with_retry_after(retry_after))
        }
    }
}

/// When a call goes that an upstream's own word keeps back until then: each a little later than
/// that, as chance will have it, and with at least half of what its deadline leaves it.
fn throttled_hope(now: Instant, until: Instant, deadline: Instant) -> Result<Instant, Fault> {
    let chance = Chance::At(until.into_std());
    let trouble = Trouble { since: now.into_std(), is_restart: true, chance };
    match trouble.hope(now.into_std(), deadline.into_std()) {
        Hope::Wait { .. } => {
            let spread = THROTTLED_SPREAD.min(deadline.saturating_duration_since(until) / 2);
            Ok(until + spread.mul_f64(fastrand::f64()))
        }
        Hope::None { retry_after } => {
            let fault = Fault::new(FaultKind::Throttled, "it takes no calls for a while");
            Err(fault.with_retry_after(retry_after))
        }
    }
}
