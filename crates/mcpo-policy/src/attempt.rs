//! One call's attempts: pick the session, send, classify, and decide whether to send again.

use std::time::Duration;

use mcpo_core::backoff::Backoff;
use mcpo_core::event::Event;
use mcpo_core::fault::{Fault, FaultKind};
use mcpo_core::outcome::{Outcome, OutcomeKind};
use mcpo_mcp::answer::Answer;
use mcpo_upstream::classify::classify;
use mcpo_upstream::directory::{LiveSession, State, View};
use mcpo_upstream::record::record;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::pipeline::{Call, Report};

/// Attempts per call, the first included (AWS SDK retry mode "standard": 3).
const ATTEMPTS_MAX: u32 = 3;

/// The wait before an attempt that nothing else delays (AWS SDK: base 50 ms, cap 20 s).
const RETRY: Backoff = Backoff { first: Duration::from_millis(50), most: Duration::from_secs(20) };

/// How many starts of an upstream may fail in a row before calls stop waiting for it. A restart is
/// bridged, an outage fails fast.
const FAILED_STARTS_BRIDGED: u32 = 3;

/// However many starts fail, calls wait for an upstream that went away no longer ago than this:
/// servers in Python or Node take some seconds to come back.
const AWAY_BRIDGED: Duration = Duration::from_secs(10);

/// What became of the attempts so far.
#[derive(Debug, Default)]
struct Tries {
    made: u32,
    /// Sessions up to this one are of no use to this call.
    spent_epoch: u64,
    /// One of them came to [`Outcome::Unknown`]: whatever follows, the call may have acted.
    may_have_acted: bool,
}

/// Makes attempts until the call has an outcome that must not or cannot be improved.
///
/// Cancel-safe: dropping it cancels the attempt under way.
pub(crate) async fn attempt(call: &Call<'_>) -> Report {
    let mut tries = Tries::default();
    loop {
        let live = match session_for(call, tries.spent_epoch).await {
            Err(fault) => return tries.report(Outcome::NotSent(fault)),
            Ok(live) => live,
        };
        let outcome = send(call, &live).await;
        tries.note(&live, &outcome);
        let Some(fault) = outcome.fault() else { return tries.report(outcome) };
        let again = outcome.kind().may_be_sent_again(call.tool.idempotent) && worth_another(fault);
        let at = Instant::now() + tries.wait_before_next(&live, fault);
        if !again || tries.made >= ATTEMPTS_MAX || at >= call.deadline {
            return tries.report(outcome);
        }
        record(&Event::CallSentAgain {
            upstream: call.upstream.view.name.clone(),
            tool: call.tool.definition.name.clone(),
            attempt: tries.made,
            fault: fault.clone(),
        });
        sleep_until(at).await;
    }
}

async fn send(call: &Call<'_>, live: &LiveSession) -> Outcome<Answer> {
    let name = &call.tool.definition.name;
    let outcome = classify(live.session.call_tool(name, &call.arguments, call.deadline).await);
    if let Some(fault) = outcome.fault()
        && live.is_spent_by(&outcome)
    {
        call.upstream.replace_session(live.epoch, fault.clone());
    }
    outcome
}

// === impl Tries ===

impl Tries {
    fn note(&mut self, live: &LiveSession, outcome: &Outcome<Answer>) {
        self.made += 1;
        self.may_have_acted |= outcome.kind() == OutcomeKind::Unknown;
        if live.is_spent_by(outcome) {
            self.spent_epoch = live.epoch;
        }
    }

    fn wait_before_next(&self, live: &LiveSession, fault: &Fault) -> Duration {
        if self.spent_epoch == live.epoch {
            // The wait is for the next session, not for the clock.
            return Duration::ZERO;
        }
        // On top of what the upstream asks: those whom it refused together do not all come back
        // at the same moment.
        fault.retry_after.unwrap_or_default() + RETRY.wait(self.made, fastrand::f64())
    }

    /// The last attempt's outcome, unless an earlier one leaves it unknown what was done.
    fn report(self, last: Outcome<Answer>) -> Report {
        let outcome = match last {
            Outcome::NotSent(fault) | Outcome::Refused(fault) if self.may_have_acted => {
                Outcome::Unknown(fault)
            }
            Outcome::Reply(_) | Outcome::NotSent(_) | Outcome::Refused(_) | Outcome::Unknown(_) => {
                last
            }
        };
        Report { outcome, attempts: self.made }
    }
}

/// A session to send on that is newer than the one spent already; waits for one while there is
/// hope, until the deadline at most.
async fn session_for(call: &Call<'_>, spent_epoch: u64) -> Result<LiveSession, Fault> {
    if let Some(live) = &call.upstream.view.session
        && live.epoch > spent_epoch
    {
        return Ok(live.clone());
    }
    let mut views = call.upstream.follow();
    loop {
        let until = {
            let view = views.borrow_and_update();
            let until = hope_ends(&view, call.deadline);
            match standing(&view, spent_epoch, until) {
                Standing::Ready(live) => return Ok(live),
                Standing::Hopeless(fault) => return Err(fault),
                Standing::Hopeful => until,
            }
        };
        match timeout_at(until, views.changed()).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => {
                return Err(Fault::new(FaultKind::Stopping, "the upstream was removed"));
            }
            Err(_) => return Err(no_session_in_time(&views.borrow())),
        }
    }
}

enum Standing {
    Ready(LiveSession),
    Hopeful,
    Hopeless(Fault),
}

/// How a call that waits until then stands.
fn standing(view: &View, spent_epoch: u64, until: Instant) -> Standing {
    match &view.session {
        Some(live) if live.epoch > spent_epoch => return Standing::Ready(live.clone()),
        Some(_) => return Standing::Hopeful,
        None => {}
    }
    let now = Instant::now();
    match &view.state {
        State::Ready => Standing::Hopeful,
        State::Starting { fault: Some(fault), .. } if until <= now => {
            Standing::Hopeless(away(fault))
        }
        State::Starting { .. } => Standing::Hopeful,
        State::Resting { fault, retry_at, .. } if *retry_at >= until => {
            let wait = retry_at.saturating_duration_since(now);
            Standing::Hopeless(away(fault).with_retry_after(Some(wait)))
        }
        State::Resting { .. } => Standing::Hopeful,
        State::Stopped => {
            Standing::Hopeless(Fault::new(FaultKind::Stopping, "the upstream is stopped"))
        }
    }
}

/// Until when it makes sense to wait for an upstream, at most until the call's deadline. In the
/// past where it makes none.
fn hope_ends(view: &View, deadline: Instant) -> Instant {
    let (failures, fault) = match &view.state {
        State::Starting { failures, fault: Some(fault) }
        | State::Resting { failures, fault, .. } => (*failures, fault),
        State::Starting { fault: None, .. } | State::Ready | State::Stopped => return deadline,
    };
    if fault.kind.needs_operator() {
        return view.away_since;
    }
    if failures <= FAILED_STARTS_BRIDGED {
        return deadline;
    }
    deadline.min(view.away_since + AWAY_BRIDGED)
}

fn no_session_in_time(view: &View) -> Fault {
    view.state.fault().map_or_else(
        || Fault::new(FaultKind::Unreachable, "no session within the call's deadline"),
        away,
    )
}

/// An upstream's fault as a call meets it. A handshake that took too long is no deadline of the
/// call's: to the caller the upstream is not there.
fn away(fault: &Fault) -> Fault {
    let mut fault = fault.clone();
    if fault.kind == FaultKind::Timeout {
        fault.kind = FaultKind::Unreachable;
    }
    fault
}

/// Some faults are not mended by sending again, although nothing forbids it.
fn worth_another(fault: &Fault) -> bool {
    match fault.kind {
        FaultKind::Unreachable
        | FaultKind::Disconnected
        | FaultKind::Timeout
        | FaultKind::ServerError
        | FaultKind::SessionLost
        | FaultKind::Throttled
        | FaultKind::Overloaded
        // The session was closed under the call; whether there will be another, its upstream says.
        | FaultKind::Stopping => true,
        FaultKind::NotStartable
        | FaultKind::Unauthorized
        | FaultKind::Nonsense
        | FaultKind::Held
        | FaultKind::BreakerOpen => false,
    }
}
