//! One call's attempts: find a way to send it, send it, say what that shows of the upstream, and
//! decide whether to send it again.

mod tries;
mod verdict;
mod way;

use std::pin::pin;
use std::sync::Arc;

use mcpo_core::event::Event;
use mcpo_core::fault::{Fault, FaultKind};
use mcpo_core::outcome::Outcome;
use mcpo_core::retry::{Pace, RetryPolicy};
use mcpo_mcp::answer::Answer;
use mcpo_upstream::classify::classify;
use mcpo_upstream::directory::LiveSession;
use mcpo_upstream::journal::Journal;
use mcpo_upstream::rooms::Place;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::attempt::tries::{Failed, Tries};
use crate::attempt::verdict::{
    began_late, takes_session_along, verdict, was_too_much, worth_another,
};
use crate::attempt::way::Way;
use crate::coalesce::in_box;
use crate::pipeline::{Call, Report};

pub(crate) use crate::attempt::tries::Concern;

/// Makes the attempts of calls.
#[derive(Debug)]
pub(crate) struct Attempts {
    pub(crate) retry: RetryPolicy,
    pub(crate) recovery_enabled: bool,
    pub(crate) journal: Arc<Journal>,
}

impl Attempts {
    /// Makes attempts until the call has an outcome that must not or cannot be improved. Those that
    /// were too much for the upstream are told to the place that the call has there.
    ///
    /// Cancel-safe: dropping it cancels the attempt under way.
    pub(crate) async fn make(
        &self,
        call: &Call<'_>,
        place: &Place<'_>,
        began: Instant,
        concern: Concern<'_>,
    ) -> Report {
        let mut tries = Tries::new(began, concern);
        if tries.may_have_acted && self.attempts_max(call) <= 1 {
            return tries.report(Err(Failed::Unknown(given_up_by_another())));
        }
        loop {
            let way = match way::find(call, &mut tries).await {
                Err(failed) => return tries.report(Err(failed)),
                Ok(way) => way,
            };
            self.tell_again(call, &tries);
            let failed = match send(call, place, way, &mut tries).await {
                Ok(answer) => return tries.report(Ok(answer)),
                Err(failed) => failed,
            };
            match self.next_at(call, &tries, &failed) {
                None => return tries.report(Err(failed)),
                Some(at) => sleep_until(at).await,
            }
            tries.failed = Some(failed);
        }
    }

    /// When the call is sent again; `None` if it is not.
    fn next_at(&self, call: &Call<'_>, tries: &Tries<'_>, failed: &Failed) -> Option<Instant> {
        let may_act_twice = call.tool.idempotent || call.idempotency_key.is_some();
        let fault = failed.fault();
        if tries.made >= self.attempts_max(call)
            || !failed.kind().may_be_sent_again(may_act_twice)
            || !worth_another(failed)
        {
            return None;
        }
        let pace = pace(failed);
        let now = Instant::now();
        let at = if tries.session_is_spent {
            // The wait is for the next session, not for the clock.
            now
        } else {
            now + self.retry.wait(pace, tries.made, fault.retry_after, fastrand::f64())
        };
        let is_paid = || {
            tries.doubt.is_some()
                || call.upstream.gate().try_retry(now, &call.tool.definition.name, pace)
        };
        (at < call.deadline && is_paid()).then_some(at)
    }

    fn attempts_max(&self, call: &Call<'_>) -> u32 {
        if self.recovery_enabled && call.tool.retry { self.retry.attempts_max } else { 1 }
    }

    fn tell_again(&self, call: &Call<'_>, tries: &Tries<'_>) {
        if let Some(failed) = &tries.failed {
            self.journal.record(&Event::CallSentAgain {
                upstream: call.upstream.view.name.clone(),
                tool: call.tool.definition.name.clone(),
                attempt: tries.made,
                fault: failed.fault().clone(),
            });
        }
    }
}

async fn send(
    call: &Call<'_>,
    place: &Place<'_>,
    way: Way<'_>,
    tries: &mut Tries<'_>,
) -> Result<Answer, Failed> {
    let Way { live, turn, in_flight, at } = way;
    if tries.made == 0 {
        call.upstream.gate().call(at);
    }
    tries.sending();
    let name = &call.tool.definition.name;
    let trace = call.trace.as_ref();
    // It is large: made where it is awaited, it is not moved.
    let answering = || live.session.call_tool(name, &call.arguments, call.deadline, trace);
    let answer = match tries.impatient_at() {
        None => answering().await,
        Some(at) => in_box(|| doubting(answering(), &live, at)).await,
    };
    let now = Instant::now();
    tries.upstream += now - at;
    in_flight.end(now);
    let outcome = classify(answer);
    let noted = live.note(&outcome, now);
    let is_short = outcome.fault().is_some()
        && (call.is_hurried || began_late(tries.began, at, call.deadline));
    if was_too_much(&outcome, is_short) {
        place.lost(at, now);
    }
    // Before a probe's turn goes to the next call, which must not be sent either.
    if let Outcome::Refused(fault) = &outcome {
        call.upstream.gate().refused(now, name, fault);
    }
    turn.settle(now, verdict(&outcome, noted, is_short));
    if tries.made == 0 && outcome.fault().is_none() {
        call.upstream.gate().first_try_succeeded();
    }
    let result = Failed::of(outcome);
    let failed = result.as_ref().err();
    let doubted = failed.is_some_and(|failed| noted.spent || takes_session_along(failed.fault()));
    tries.sent(failed, noted.spent, doubted.then_some(now));
    result
}

/// An answer. A session that has not given it when somebody's patience is over is doubted then, as
/// if the call had ended.
async fn doubting<R>(answering: impl Future<Output = R>, live: &LiveSession, at: Instant) -> R {
    let mut answering = pin!(answering);
    match timeout_at(at, &mut answering).await {
        Ok(answer) => answer,
        Err(_) => {
            let fault = Fault::new(FaultKind::Timeout, "no answer within the caller's patience");
            live.note(&Outcome::<()>::Unknown(fault), at);
            answering.await
        }
    }
}

/// "Not now" is an outcome of its own.
const fn pace(failed: &Failed) -> Pace {
    match failed {
        Failed::Refused(_) => Pace::Throttled,
        Failed::NotSent(_) | Failed::Unknown(_) => Pace::Transient,
    }
}

/// A call with the same key may have acted, and went away without its answer; this one must not be
/// sent after it.
fn given_up_by_another() -> Fault {
    Fault::new(FaultKind::Timeout, "a call with the same key was given up before its answer")
}

#[cfg(test)]
mod tests;
