//! The order of the steps that a call passes, on one screen.

mod gauge;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mcpo_config::{CacheBounds, Limits, Load};
use mcpo_core::catalog::Tool;
use mcpo_core::event::Event;
use mcpo_core::fault::{Fault, FaultKind};
use mcpo_core::identity::Identity;
use mcpo_core::load::{Rate, ShedReason};
use mcpo_core::outcome::Outcome;
use mcpo_core::retry::RetryPolicy;
use mcpo_core::trace::TraceContext;
use mcpo_mcp::answer::Answer;
use mcpo_upstream::directory::Upstream;
use mcpo_upstream::journal::Journal;
use mcpo_upstream::rooms::{Feedback, Ticket};
use tokio::time::Instant;

use crate::admission::Admission;
use crate::attempt::{Attempts, Concern};
use crate::cache::{CacheReading, CacheStatus, Freshness, Purge};
use crate::carrier::Carrier;
use crate::coalesce::in_box;
use crate::guard::Watch;
use crate::idempotency::{Claim, IdempotencyPolicy, KeyMisused, Keyed, Store};
use crate::rate::{Quota, Rates, TooOften};
use crate::scatter::scatter;

pub use gauge::PipelineGauge;
pub(crate) use gauge::Place as GaugePlace;

/// What decides how calls are taken through their steps.
#[derive(Debug, Clone, Copy)]
pub struct PipelineOptions {
    /// Calls at once, those that wait for an upstream included; one more is sent away.
    pub calls_in_flight_max: usize,
    /// The same for one identity; `None` for no bound of its own.
    pub calls_per_identity_max: Option<NonZeroUsize>,
    /// Whether calls are turned away while the process is short of processor time.
    pub guard: bool,
    /// How often one identity may call.
    pub rate: Option<Rate>,
    /// How much is kept of answers.
    pub cache: CacheBounds,
    /// How long a call may take whose caller has no wish, where nothing is set for its tool or its
    /// upstream.
    pub tool_timeout: Duration,
    /// How a call is sent again. How many are is for each upstream's gate to say.
    pub retry: RetryPolicy,
    /// Whether calls are sent again at all.
    pub recovery_enabled: bool,
    /// What is kept of calls with a key.
    pub idempotency: IdempotencyPolicy,
}

/// One call: checked, and with its deadline set.
#[derive(Debug)]
pub struct Call<'a> {
    /// Where it goes.
    pub upstream: &'a Upstream,
    /// What is called.
    pub tool: &'a Tool,
    /// One JSON object.
    pub arguments: Bytes,
    /// When the caller must have its answer.
    pub deadline: Instant,
    /// The caller gave it less time than is set for its tool: that it takes longer is no fault of
    /// the upstream's.
    pub is_hurried: bool,
    /// The caller's word that the call may be sent again, and that a call of the same tool with
    /// the same key is the same call.
    pub idempotency_key: Option<String>,
    /// The trace that it belongs to, if any; the upstream is told.
    pub trace: Option<TraceContext>,
    /// For whom it is made.
    pub identity: Identity,
    /// What the caller says of answers that are kept.
    pub freshness: Freshness,
}

/// What a call came to, and how often it was sent.
#[derive(Debug, Clone)]
pub struct Report {
    /// What the last attempt came to.
    pub outcome: Outcome<Answer>,
    /// How many attempts were made to send it; 0 for a repeated call.
    pub attempts: u32,
    /// It is the answer of another call with the same key; this one was not sent.
    pub repeated: bool,
    /// The time in which no attempt was under way: until there was a place, a breaker that let the
    /// call through and a session for it, and between attempts. All of it for a repeated call.
    pub waited: Duration,
    /// The time of all attempts together.
    pub upstream: Duration,
    /// Why it was turned away, if it was: nothing was sent.
    pub shed: Option<ShedReason>,
    /// It is the answer of an equal call that was in flight; this one was not sent.
    pub shared: bool,
    /// What the cache did; `None` where the tool's answers are not kept.
    pub cache: Option<CacheStatus>,
}

/// Why a call is not even read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turned {
    /// Too much is in hand.
    Shed {
        /// What of.
        reason: ShedReason,
        /// When to come again.
        retry_after: Duration,
    },
    /// It comes too often.
    TooOften(TooOften),
}

/// Everything a call passes between the surface and a session.
#[derive(Debug)]
pub struct Pipeline {
    admission: Admission,
    rates: Rates,
    answered: Store,
    carrier: Arc<Carrier>,
    /// Whether any answers are kept, of whatever tool.
    keeps_answers: bool,
    journal: Arc<Journal>,
}

impl Default for PipelineOptions {
    /// 10,000 calls; everything else as its own default has it.
    fn default() -> Self {
        Self {
            calls_in_flight_max: Load::MAX_CONCURRENT.get(),
            calls_per_identity_max: None,
            guard: true,
            rate: None,
            cache: CacheBounds::default(),
            tool_timeout: Limits::TOOL_TIMEOUT,
            retry: RetryPolicy::default(),
            recovery_enabled: true,
            idempotency: IdempotencyPolicy::default(),
        }
    }
}

// === impl Pipeline ===

impl Pipeline {
    /// A pipeline that tells what happens to `journal`.
    #[must_use]
    pub fn new(options: PipelineOptions, journal: &Arc<Journal>) -> Self {
        let attempts = Attempts {
            retry: options.retry,
            recovery_enabled: options.recovery_enabled,
            journal: Arc::clone(journal),
        };
        let (admission, carrier) =
            (Admission::new(&options, journal), Carrier::new(&options, attempts));
        admission.gauge().watch_cache(&carrier.cache);
        Self {
            admission,
            rates: Rates::new(options.rate),
            answered: Store::new(options.idempotency),
            carrier,
            keeps_answers: options.cache.enabled,
            journal: Arc::clone(journal),
        }
    }

    /// How many calls pass it.
    #[must_use]
    pub fn gauge(&self) -> Arc<PipelineGauge> {
        Arc::clone(self.admission.gauge())
    }

    /// What turns calls away while the process is short of processor time, for as long as it is run.
    #[must_use]
    pub fn guard(&self) -> Watch {
        self.admission.watch()
    }

    /// Whether a call may be made now, before anything of it is read: takes it out of the rates that
    /// hold for it, and tells what is left of the narrowest one.
    ///
    /// # Errors
    /// It may not: too many calls are in hand, or they come too often.
    pub fn admit(
        &self,
        upstream: &Upstream,
        tool: &Tool,
        identity: &Identity,
    ) -> Result<Option<Quota>, Turned> {
        self.admission.look().map_err(|reason| {
            self.admission.turned_away(upstream, reason);
            Turned::Shed { reason, retry_after: upstream.come_back_in() }
        })?;
        self.rates.take(upstream, tool, identity).map_err(|too_often| {
            self.admission.turned_away(upstream, ShedReason::RateLimited);
            Turned::TooOften(too_often)
        })
    }

    #[cfg(test)]
    pub(crate) fn carrier(&self) -> &Carrier {
        &self.carrier
    }

    /// Forgets answers that are kept, and says how many. What is asked for now is not kept either.
    pub fn purge(&self, which: Purge<'_>) -> usize {
        self.carrier.cache.purge(which)
    }

    /// How the cache stands.
    #[must_use]
    pub fn cache_reading(&self) -> CacheReading {
        self.carrier.cache.reading()
    }

    /// Fetches answers anew beside the calls that are given the old ones, for as long as it is run;
    /// it never ends. Where nobody runs it, answers are fetched anew by those who ask for them.
    ///
    /// Cancel-safe: what is being fetched is cancelled.
    pub fn refreshes(&self) -> impl Future<Output = ()> + Send + use<> {
        Arc::clone(&self.carrier).make_refreshes()
    }

    /// Takes one call through all steps; has an answer by its deadline.
    ///
    /// Cancel-safe: dropping it cancels the call towards the upstream and frees its place; others
    /// with the same key go on without it.
    ///
    /// # Errors
    /// The call's key cannot be taken for what it says; nothing was sent.
    pub async fn call(&self, call: &Call<'_>) -> Result<Report, KeyMisused> {
        let began = Instant::now();
        let _in_hand = match self.admission.enter(call.upstream, &call.identity) {
            Ok(in_hand) => in_hand,
            Err(reason) => return Ok(self.turned_away(call, began, reason)),
        };
        let attempts = &self.carrier.attempts;
        let mut report = match &call.idempotency_key {
            None if self.may_share(call.tool) => self.carrier.answer(call, began).await,
            None | Some(_) if call.freshness.only_if_kept => Report::not_kept(),
            None => carry_out(attempts, call, began, Concern::Nobody).await,
            Some(key) => in_box(|| self.answer_once(call, began, key)).await?,
        };
        self.tell(call, began, &mut report);
        Ok(report)
    }

    /// Whether calls of the tool may be answered with what was asked for by others: only these are
    /// compared.
    const fn may_share(&self, tool: &Tool) -> bool {
        tool.coalesce || self.keeps_answers && (tool.cache.is_some() || tool.cache_as_told)
    }

    /// Carries a call out unless another one with its key was or is being carried out.
    async fn answer_once(
        &self,
        call: &Call<'_>,
        began: Instant,
        key: &str,
    ) -> Result<Report, KeyMisused> {
        let keyed = Keyed {
            upstream: &call.upstream.view.name,
            tool: &call.tool.definition.name,
            key,
            arguments: &call.arguments,
        };
        let lead = match self.answered.claim(keyed, call.deadline).await? {
            Claim::Answered(answer) => return Ok(Report::repeated(answer)),
            Claim::NotInTime { may_have_acted } => return Ok(Report::not_in_time(may_have_acted)),
            Claim::Ours(lead) => lead,
        };
        let attempts = &self.carrier.attempts;
        let report = carry_out(attempts, call, began, Concern::Key(&lead)).await;
        if let Outcome::Reply(answer) = &report.outcome {
            lead.answered(answer);
        }
        Ok(report)
    }

    fn turned_away(&self, call: &Call<'_>, began: Instant, reason: ShedReason) -> Report {
        let mut report = Report::turned_away(call, reason);
        self.tell(call, began, &mut report);
        report
    }

    /// Tells what a call came to, now that it is over.
    fn tell(&self, call: &Call<'_>, began: Instant, report: &mut Report) {
        let took = began.elapsed();
        report.waited = took.saturating_sub(report.upstream);
        if let Some(reason) = report.shed {
            return self.admission.turned_away(call.upstream, reason);
        }
        let upstream = || call.upstream.view.name.clone();
        let tool = || call.tool.definition.name.clone();
        let attempts = report.attempts;
        match report.outcome.fault() {
            None if attempts <= 1 => {}
            None => self.journal.record(&Event::CallRecovered {
                upstream: upstream(),
                tool: tool(),
                attempts,
                took,
            }),
            // Nothing failed: the caller wanted what is kept, and nothing is.
            Some(_) if call.freshness.only_if_kept => {}
            Some(fault) => self.journal.record(&Event::CallFailed {
                upstream: upstream(),
                tool: tool(),
                outcome: report.outcome.kind(),
                fault: fault.clone(),
                attempts,
            }),
        }
    }
}

/// Has a call carried out when there is room for it at its upstream.
pub(crate) async fn carry_out(
    attempts: &Attempts,
    call: &Call<'_>,
    began: Instant,
    concern: Concern<'_>,
) -> Report {
    let _writing = (!call.tool.read_only).then(|| call.upstream.meter().sharing().write());
    let (tool, identity, deadline) = (call.tool, &call.identity, concern.patience(call.deadline));
    match call.upstream.enter(Ticket { tool, identity, deadline }).await {
        Err(reason) => Report::turned_away(call, reason),
        Ok(place) => {
            concern.tell_placed();
            let report = attempts.make(call, &place, began, concern).await;
            let feedback = match report.outcome {
                Outcome::Reply(_) => Feedback::Answered,
                Outcome::NotSent(_) | Outcome::Refused(_) | Outcome::Unknown(_) => {
                    Feedback::Neutral
                }
            };
            let stood = place.began().saturating_duration_since(began);
            place.settle(Instant::now(), feedback);
            scatter(&report, stood, deadline).await;
            report
        }
    }
}

// === impl Report ===

impl Report {
    /// How long the call took, and so waited, is for the end to say.
    pub(crate) const fn new(outcome: Outcome<Answer>, attempts: u32, upstream: Duration) -> Self {
        Self {
            outcome,
            attempts,
            repeated: false,
            waited: Duration::ZERO,
            upstream,
            shed: None,
            shared: false,
            cache: None,
        }
    }

    /// Nothing of it was sent.
    pub(crate) fn turned_away(call: &Call<'_>, reason: ShedReason) -> Self {
        let fault = Fault::new(FaultKind::Overloaded, reason.name());
        let fault = fault.with_retry_after(Some(call.upstream.come_back_in()));
        Self { shed: Some(reason), ..Self::new(Outcome::NotSent(fault), 0, Duration::ZERO) }
    }

    /// The caller wants an answer that is kept, and there is none. Nothing of it was sent.
    pub(crate) fn not_kept() -> Self {
        let fault = Fault::new(FaultKind::Timeout, "no answer to it is kept");
        Self::new(Outcome::NotSent(fault), 0, Duration::ZERO)
    }

    fn repeated(answer: Answer) -> Self {
        Self { repeated: true, ..Self::new(Outcome::Reply(answer), 0, Duration::ZERO) }
    }

    /// The call with the same key that was under way did not end in time.
    fn not_in_time(may_have_acted: bool) -> Self {
        let fault = Fault::new(FaultKind::Timeout, "another call with the same key is under way");
        let outcome =
            if may_have_acted { Outcome::Unknown(fault) } else { Outcome::NotSent(fault) };
        Self::new(outcome, 0, Duration::ZERO)
    }
}

#[cfg(test)]
mod tests;
