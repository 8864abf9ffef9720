//! One call's attempts: pick the session, send, classify, and decide whether to send again.

use std::time::Duration;

use mcpo_core::backoff::Backoff;
use mcpo_core::event::Event;
use mcpo_core::fault::{Fault, FaultKind};
use mcpo_core::outcome::Outcome;
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

/// How many starts of an upstream may fail in a row before calls stop waiting for it. Three
/// attempts with their backoff take at least 1.5 s: a restart is bridged, an outage fails fast.
const FAILED_STARTS_BRIDGED: u32 = 3;

/// Makes attempts until the call has an outcome that must not or cannot be improved.
///
/// Cancel-safe: dropping it cancels the attempt under way.
pub(crate) async fn attempt(call: &Call<'_>) -> Report {
    let mut attempts = 0;
    let mut spent_epoch = 0;
    loop {
        let outcome = match session_for(call, spent_epoch).await {
            Err(fault) => return Report { outcome: Outcome::NotSent(fault), attempts },
            Ok(live) => {
                attempts += 1;
                let outcome = send(call, &live).await;
                if outcome.fault().is_some_and(|fault| fault.kind.ends_session()) {
                    spent_epoch = live.epoch;
                }
                outcome
            }
        };
        let Some(fault) = outcome.fault() else { return Report { outcome, attempts } };
        let again = outcome.kind().may_be_sent_again(call.tool.idempotent) && worth_another(fault);
        let at = Instant::now() + wait_before_next(fault, attempts);
        if !again || attempts >= ATTEMPTS_MAX || at >= call.deadline {
            return Report { outcome, attempts };
        }
        record(&Event::CallSentAgain {
            upstream: call.upstream.view.name.clone(),
            tool: call.tool.definition.name.clone(),
            attempt: attempts,
            fault: fault.clone(),
        });
        sleep_until(at).await;
    }
}

async fn send(call: &Call<'_>, live: &LiveSession) -> Outcome<Answer> {
    let name = &call.tool.definition.name;
    let outcome = classify(live.session.call_tool(name, &call.arguments, call.deadline).await);
    if let Some(fault) = outcome.fault()
        && fault.kind.ends_session()
    {
        call.upstream.replace_session(live.epoch, fault.clone());
    }
    outcome
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
    let found = timeout_at(call.deadline, async {
        loop {
            match standing(&views.borrow_and_update(), spent_epoch) {
                Standing::Ready(live) => return Ok(live),
                Standing::Hopeless(fault) => return Err(fault),
                Standing::Hopeful => {}
            }
            if views.changed().await.is_err() {
                return Err(Fault::new(FaultKind::Stopping, "the upstream was removed"));
            }
        }
    });
    found.await.unwrap_or_else(|_| Err(no_session_in_time(&call.upstream.follow().borrow())))
}

enum Standing {
    Ready(LiveSession),
    Hopeful,
    Hopeless(Fault),
}

fn standing(view: &View, spent_epoch: u64) -> Standing {
    match &view.session {
        Some(live) if live.epoch > spent_epoch => return Standing::Ready(live.clone()),
        Some(_) => return Standing::Hopeful,
        None => {}
    }
    match &view.state {
        State::Ready => Standing::Hopeful,
        State::Starting { failures, fault: Some(fault) } if !bridged(*failures, fault) => {
            Standing::Hopeless(fault.clone())
        }
        State::Starting { .. } => Standing::Hopeful,
        State::Resting { failures, fault, retry_at } if !bridged(*failures, fault) => {
            let wait = retry_at.saturating_duration_since(Instant::now());
            Standing::Hopeless(fault.clone().with_retry_after(Some(wait)))
        }
        State::Resting { .. } => Standing::Hopeful,
        State::Stopped => {
            Standing::Hopeless(Fault::new(FaultKind::Stopping, "the upstream is stopped"))
        }
    }
}

/// Whether calls wait out the next start of an upstream that failed this often.
fn bridged(failures: u32, fault: &Fault) -> bool {
    failures <= FAILED_STARTS_BRIDGED && !fault.kind.needs_operator()
}

fn no_session_in_time(view: &View) -> Fault {
    view.state.fault().cloned().unwrap_or_else(|| {
        Fault::new(FaultKind::Unreachable, "no session within the call's deadline")
    })
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
        | FaultKind::Overloaded => true,
        FaultKind::NotStartable
        | FaultKind::Unauthorized
        | FaultKind::Nonsense
        | FaultKind::Stopping => false,
    }
}

fn wait_before_next(fault: &Fault, attempts: u32) -> Duration {
    match fault.kind {
        // The wait is for the new session, not for the clock.
        FaultKind::SessionLost
        | FaultKind::Unreachable
        | FaultKind::Disconnected
        | FaultKind::Stopping => Duration::ZERO,
        FaultKind::NotStartable
        | FaultKind::Timeout
        | FaultKind::ServerError
        | FaultKind::Throttled
        | FaultKind::Unauthorized
        | FaultKind::Nonsense
        | FaultKind::Overloaded => {
            fault.retry_after.unwrap_or_else(|| RETRY.wait(attempts, fastrand::f64()))
        }
    }
}
