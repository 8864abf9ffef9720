//! Answers calls with what is kept, or with the answer of an equal call in flight, or has them
//! carried out. What is shared outlives whoever asked for it, and so owns all that it needs.

mod refresh;

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{Either, select};
use mcpo_core::breaker::BreakerState;
use mcpo_core::catalog::Tool;
use mcpo_core::event::Event;
use mcpo_core::fault::{Fault, FaultKind};
use mcpo_core::identity::Identity;
use mcpo_core::load::ShedReason;
use mcpo_core::outcome::Outcome;
use mcpo_core::trace::TraceContext;
use mcpo_upstream::directory::Upstream;
use tokio::sync::{Mutex, mpsc};
use tokio::time::Instant;

use refresh::{REFRESHES_WAITING_MAX, Refresh};

use crate::attempt::{Attempts, Concern};
use crate::cache::{Cache, CacheStatus, CacheWord, Freshness, Kept, Look};
use crate::coalesce::{Arrival, Epoch, Facts, Flight, Flights, in_box};
use crate::pipeline::{Call, PipelineOptions, Report, carry_out};
use crate::question::{Question, Questions};

/// How many flights a call waits for that end before it has its answer; then it goes alone.
const FLIGHTS_MAX: usize = 3;

/// What carries calls out, and what they share.
#[derive(Debug)]
pub(crate) struct Carrier {
    pub(crate) attempts: Attempts,
    pub(crate) cache: Arc<Cache>,
    flights: Arc<Flights>,
    questions: Questions,
    /// Of a tool without a time of its own.
    tool_timeout: Duration,
    refreshes: mpsc::Sender<Refresh>,
    refreshes_rx: Mutex<mpsc::Receiver<Refresh>>,
    /// Somebody makes the refreshes.
    is_refreshing: AtomicBool,
}

/// All that a call needs that nobody waits for but those who share it.
#[derive(Debug)]
struct Errand {
    upstream: Upstream,
    /// Its place in the catalog of the upstream's view.
    tool: usize,
    arguments: Bytes,
    identity: Identity,
    freshness: Freshness,
    trace: Option<TraceContext>,
    question: Question,
}

// === impl Carrier ===

impl Carrier {
    pub(crate) fn new(options: &PipelineOptions, attempts: Attempts) -> Arc<Self> {
        let (refreshes, refreshes_rx) = mpsc::channel(REFRESHES_WAITING_MAX);
        Arc::new(Self {
            attempts,
            cache: Cache::new(options.cache),
            flights: Arc::new(Flights::new()),
            questions: Questions::default(),
            tool_timeout: options.tool_timeout,
            refreshes,
            refreshes_rx: Mutex::new(refreshes_rx),
            is_refreshing: AtomicBool::new(false),
        })
    }

    /// Answers a call whose answer may be shared.
    ///
    /// Cancel-safe: dropping it cancels the call upstream, unless another one shares it.
    pub(crate) async fn answer(self: &Arc<Self>, call: &Call<'_>, began: Instant) -> Report {
        let Some(question) = self.questions.of(call) else {
            return self.unshared(call, began).await;
        };
        self.cache.list(call.upstream.meter());
        let (word, spare) = match self.cache.look(call, &question, began) {
            Look::Off => (None, None),
            Look::Bypass => (Some(CacheWord::Bypass), None),
            Look::Nothing => (Some(CacheWord::Miss), None),
            Look::Fresh { kept, age, refresh } => {
                if refresh {
                    self.refresh(call, &question, &kept, age);
                }
                return given(call, &kept, CacheWord::Hit, age);
            }
            Look::Revalidate { kept, age } if self.refresh(call, &question, &kept, age) => {
                return given(call, &kept, CacheWord::Stale, age);
            }
            Look::IfError { kept, age } if is_away(call) => {
                return given(call, &kept, CacheWord::Stale, age);
            }
            Look::Revalidate { kept, .. } | Look::IfError { kept, .. } => {
                (Some(CacheWord::Miss), Some(kept))
            }
        };
        if call.freshness.only_if_kept {
            return not_kept(call, word);
        }
        let fetch = pin!(self.fetch(call, &question, began));
        let report = match &spare {
            None => fetch.await,
            Some(kept) => match select(fetch, pin!(goes_away(call))).await {
                Either::Left((report, _)) => report,
                // With an answer in hand nobody waits for a server to come back.
                Either::Right(((), fetch)) => match kept.age_if_error(Instant::now()) {
                    Some(age) => return given(call, kept, CacheWord::Stale, age),
                    None => fetch.await,
                },
            },
        };
        if let Some(kept) = spare
            && report.outcome.fault().is_some()
            && let Some(age) = kept.age_if_error(Instant::now())
        {
            self.tell_failed(call, &report);
            return given(call, &kept, CacheWord::Stale, age);
        }
        if let Some(word) = word {
            count(call, word);
        }
        Report { cache: word.map(CacheStatus::of), ..report }
    }

    /// A call that cannot be compared with others.
    async fn unshared(&self, call: &Call<'_>, began: Instant) -> Report {
        if call.freshness.only_if_kept {
            return not_kept(call, None);
        }
        in_box(|| carry_out(&self.attempts, call, began, Concern::Nobody)).await
    }

    /// Has a call carried out, together with equal ones where that is right, and keeps its answer
    /// where that is.
    async fn fetch(
        self: &Arc<Self>,
        call: &Call<'_>,
        question: &Question,
        began: Instant,
    ) -> Report {
        let mut at = began;
        for _ in 0..FLIGHTS_MAX {
            let Some(flight) = self.board(call, question, at) else { break };
            match flight.arrive(call.deadline).await {
                Arrival::Landed(report) => {
                    if report.shared {
                        let sharing = call.upstream.meter().sharing();
                        sharing.coalesced.fetch_add(1, Ordering::Relaxed);
                    }
                    return report;
                }
                Arrival::TooLate { may_have_acted, attempts } => {
                    return too_late(may_have_acted, attempts, at);
                }
                Arrival::StillInLine => return Report::turned_away(call, ShedReason::TooLate),
                Arrival::TooEarly => at = Instant::now(),
            }
        }
        let asked = self.cache.asked(at);
        let report = in_box(|| carry_out(&self.attempts, call, began, Concern::Nobody)).await;
        self.cache.keep(call, question, &report, asked);
        report
    }

    /// A place in the flight for that question; `None` where the call is to go alone.
    fn board(
        self: &Arc<Self>,
        call: &Call<'_>,
        question: &Question,
        at: Instant,
    ) -> Option<Flight> {
        if !call.tool.coalesce || call.freshness.wants_new() {
            return None;
        }
        let place = place_of(call)?;
        let writes = call.upstream.meter().sharing().writes();
        let facts = self.facts(call, Epoch { writes, purges: self.cache.purges() }, at);
        self.flights.board(question, facts, |facts| {
            let is_hurried = call.is_hurried && facts.impatient_at.is_none();
            let errand = Errand::of(call, place, question);
            let carrier = Arc::clone(self);
            async move { carrier.fly(&errand, &facts, at, is_hurried).await }
        })
    }

    /// A caller in a hurry does not cut the call short for those who come after.
    fn facts(&self, call: &Call<'_>, epoch: Epoch, at: Instant) -> Facts {
        if !call.is_hurried {
            return Facts::new(epoch, call.deadline, None);
        }
        let deadline = call.deadline.max(at + self.usual(call.upstream, call.tool));
        let impatient_at = (call.deadline < deadline).then_some(call.deadline);
        Facts::new(epoch, deadline, impatient_at)
    }

    /// How long a call may take whose caller has no wish.
    fn usual(&self, upstream: &Upstream, tool: &Tool) -> Duration {
        tool.timeout.or(upstream.view.timeout).unwrap_or(self.tool_timeout)
    }

    /// The work of a flight.
    async fn fly(
        &self,
        errand: &Errand,
        facts: &Facts,
        began: Instant,
        is_hurried: bool,
    ) -> Report {
        let asked = self.cache.asked(began);
        let call = errand.call(facts.deadline, is_hurried);
        let report = carry_out(&self.attempts, &call, began, Concern::Flight(facts)).await;
        self.cache.keep(&call, &errand.question, &report, asked);
        report
    }

    /// A failure that no caller is told of.
    fn tell_failed(&self, call: &Call<'_>, report: &Report) {
        let Some(fault) = report.outcome.fault() else { return };
        if report.shed.is_none() {
            self.attempts.journal.record(&Event::CallFailed {
                upstream: call.upstream.view.name.clone(),
                tool: call.tool.definition.name.clone(),
                outcome: report.outcome.kind(),
                fault: fault.clone(),
                attempts: report.attempts,
            });
        }
    }
}

/// An answer that was kept, for that call.
fn given(call: &Call<'_>, kept: &Kept, word: CacheWord, age: Duration) -> Report {
    count(call, word);
    let cache = Some(CacheStatus { word, age: Some(age) });
    Report { cache, ..Report::new(Outcome::Reply(kept.answer()), 0, Duration::ZERO) }
}

/// The caller wants an answer that is kept, and there is none. Nothing was sent. No word: none ever is,
/// so that nothing was missed.
fn not_kept(call: &Call<'_>, word: Option<CacheWord>) -> Report {
    if let Some(word) = word {
        count(call, word);
    }
    Report { cache: word.map(CacheStatus::of), ..Report::not_kept() }
}

/// The caller's deadline came before the end of the flight. What it did not lead it did not send.
fn too_late(may_have_acted: bool, attempts: Option<u32>, began: Instant) -> Report {
    let fault = Fault::new(FaultKind::Timeout, "no answer within the deadline");
    let outcome = if may_have_acted { Outcome::Unknown(fault) } else { Outcome::NotSent(fault) };
    let made = attempts.unwrap_or(0);
    let upstream = if made > 0 { began.elapsed() } else { Duration::ZERO };
    Report { shared: attempts.is_none(), ..Report::new(outcome, made, upstream) }
}

fn count(call: &Call<'_>, word: CacheWord) {
    let sharing = call.upstream.meter().sharing();
    let counter: &AtomicU64 = match word {
        CacheWord::Hit => &sharing.hits,
        CacheWord::Miss => &sharing.misses,
        CacheWord::Stale => &sharing.stale,
        CacheWord::Bypass => &sharing.bypassed,
    };
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Whether it is plain that a new answer cannot be had now. A keeper that only tries when it is
/// asked is asked.
fn is_away(call: &Call<'_>) -> bool {
    if call.upstream.view.pick(&[]).is_none() {
        call.upstream.want();
        return true;
    }
    match call.upstream.gate().breaker_state() {
        BreakerState::Closed | BreakerState::HalfOpen { probing: false, .. } => false,
        BreakerState::Open { until, .. } => Instant::now().into_std() < until,
        BreakerState::HalfOpen { probing: true, .. } => true,
    }
}

/// Ends when no session of the upstream can be used.
///
/// Cancel-safe, as it changes nothing.
async fn goes_away(call: &Call<'_>) {
    let mut views = call.upstream.follow();
    // An upstream that is removed has none either.
    let _removed = views.wait_for(|view| view.pick(&[]).is_none()).await;
}

/// Where the call's tool stands in the catalog of its upstream; `None` if it is of another one.
fn place_of(call: &Call<'_>) -> Option<usize> {
    let tools = call.upstream.view.catalog.as_ref()?.tools();
    let (first, tool) = (tools.as_ptr().addr(), std::ptr::from_ref(call.tool).addr());
    let index = tool.checked_sub(first)? / size_of::<Tool>();
    tools.get(index).filter(|found| std::ptr::eq(*found, call.tool)).map(|_| index)
}

// === impl Errand ===

impl Errand {
    fn of(call: &Call<'_>, tool: usize, question: &Question) -> Self {
        Self {
            upstream: call.upstream.clone(),
            tool,
            arguments: call.arguments.clone(),
            identity: call.identity.clone(),
            freshness: call.freshness,
            trace: call.trace.clone(),
            question: question.clone(),
        }
    }

    fn tool(&self) -> &Tool {
        let catalog = self.upstream.view.catalog.as_ref();
        &catalog.expect("the tool was found in it").tools()[self.tool]
    }

    fn call(&self, deadline: Instant, is_hurried: bool) -> Call<'_> {
        Call {
            upstream: &self.upstream,
            tool: self.tool(),
            arguments: self.arguments.clone(),
            deadline,
            is_hurried,
            idempotency_key: None,
            trace: self.trace.clone(),
            identity: self.identity.clone(),
            freshness: self.freshness,
        }
    }
}

#[cfg(test)]
mod tests;
