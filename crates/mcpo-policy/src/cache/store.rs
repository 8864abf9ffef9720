//! The answers that are kept: bounded in number and bytes, the least recently used goes first.
//! Times are judged here, by the clock that everything else goes by.
//!
//! ```text
//!  kept at       ttl              ttl + stale-while-revalidate      ttl + stale-if-error
//!    | as good as new |  given, and fetched anew beside  |  given if no new one can be had  | gone
//! ```

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use mcpo_config::CacheBounds;
use mcpo_core::load::CacheTimes;
use mcpo_core::outcome::Outcome;
use mcpo_mcp::answer::Answer;
use mcpo_upstream::meter::Meter;
use moka::notification::RemovalCause;
use moka::ops::compute::{CompResult, Op};
use moka::policy::EvictionPolicy;
use moka::sync;
use tokio::task::yield_now;
use tokio::time::Instant;

use super::keepable::{Term, term};
use super::{CacheReading, Purge, ServerCacheReading};
use crate::pipeline::{Call, Report};
use crate::question::{ByQuestion, Question};

/// One answer takes at most this part of all bytes: one that is larger would drive out the rest.
const PART_OF_ALL: u64 = 8;

/// What an entry takes beside its texts: its share of the maps and the queues, and its
/// allocations, rounded up.
const ENTRY_BYTES: usize = 512;

/// What an answer counts at least, so that one bound holds for both number and bytes: large enough
/// that rounding does not matter.
const UNIT: u64 = 1024;

/// An answer that was asked for so often is worth being fetched before it is asked for again.
const ASKED_OFTEN: u32 = 2;

/// One that is asked for often is fetched anew in the last part of its ttl: a fifth.
const LAST_PART: u32 = 5;

/// Answers that are looked at in one go, some hundred nanoseconds each.
const SWEPT_AT_ONCE: usize = 512;

/// After a fetch beside that failed, the next one waits for so long.
const REFRESH_PAUSE: Duration = Duration::from_secs(1);

/// Everything that is kept.
#[derive(Debug)]
pub(crate) struct Cache {
    bounds: CacheBounds,
    /// Takes no memory before the first answer that is kept.
    kept: OnceLock<Entries>,
    /// Orders to forget anything, so far.
    purges: AtomicU64,
    /// The upstreams whose calls shared anything.
    meters: Mutex<Vec<Weak<Meter>>>,
}

type Entries = sync::Cache<Question, Arc<Kept>, ByQuestion>;

/// An answer that is kept.
#[derive(Debug)]
pub(crate) struct Kept {
    /// A copy of its own: what came is a slice of a read buffer, which it would keep alive.
    result: Bytes,
    /// When it came, which its age is counted from.
    at: Instant,
    /// When it was asked for, or a little before.
    asked_at: Instant,
    times: CacheTimes,
    meter: Arc<Meter>,
    tool: Box<str>,
    bytes: u64,
    asked: AtomicU32,
    /// It is being fetched anew.
    is_refreshed: AtomicBool,
    /// Not fetched anew before that age, in microseconds.
    refresh_from_us: AtomicU64,
}

/// What is kept for a call.
#[derive(Debug)]
pub(crate) enum Look {
    /// Answers to it are not kept.
    Off,
    /// The caller wants none that is kept.
    Bypass,
    /// None, or none that will do.
    Nothing,
    /// One that is as good as new.
    Fresh { kept: Arc<Kept>, age: Duration, refresh: bool },
    /// One that is given while it is fetched anew.
    Revalidate { kept: Arc<Kept>, age: Duration },
    /// One that is given if no new one can be had.
    IfError { kept: Arc<Kept>, age: Duration },
}

/// When a call began, and how often it had been ordered to forget by then: what was asked before an
/// order is not kept after it, and no answer takes the place of one that was asked for later.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    purges: u64,
    at: Instant,
}

// === impl Cache ===

impl Cache {
    pub(crate) fn new(bounds: CacheBounds) -> Arc<Self> {
        let (purges, meters) = (AtomicU64::new(0), Mutex::default());
        Arc::new(Self { bounds, kept: OnceLock::new(), purges, meters })
    }

    /// Counts the upstream among those whose calls share something.
    pub(crate) fn list(&self, meter: &Arc<Meter>) {
        if meter.sharing().begin() {
            let mut meters = self.meters.lock().unwrap_or_else(PoisonError::into_inner);
            meters.retain(|known| known.strong_count() > 0);
            meters.push(Arc::downgrade(meter));
        }
    }

    /// Looks up what is kept for a call.
    pub(crate) fn look(&self, call: &Call<'_>, question: &Question, now: Instant) -> Look {
        if !self.bounds.enabled {
            return Look::Off;
        }
        let by_word = call.tool.cache.is_some();
        let has_told = || call.upstream.meter().sharing().has_told.load(Ordering::Relaxed);
        // Hardly any upstream says so of a result: it is looked up once one did.
        if !(by_word || call.tool.cache_as_told && has_told()) {
            return Look::Off;
        }
        if !call.freshness.may_be_kept {
            return Look::Bypass;
        }
        let Some(kept) = self.kept.get().and_then(|entries| entries.get(question)) else {
            return if by_word { Look::Nothing } else { Look::Off };
        };
        let age = now.saturating_duration_since(kept.at);
        if age >= kept.lasts() {
            self.forget(question, &kept);
            return Look::Nothing;
        }
        kept.look(age, call.freshness.allows(age))
    }

    /// To be asked when a call begins whose answer may be kept.
    pub(crate) fn asked(&self) -> Asked {
        Asked { purges: self.purges(), at: Instant::now() }
    }

    /// Orders to forget anything, so far.
    pub(crate) fn purges(&self) -> u64 {
        self.purges.load(Ordering::SeqCst)
    }

    /// Keeps what the call came to, if that is right. Whether it is kept.
    pub(crate) fn keep(
        &self,
        call: &Call<'_>,
        question: &Question,
        report: &Report,
        asked: Asked,
    ) -> bool {
        let may_be = call.tool.cache.is_some() || call.tool.cache_as_told;
        let Outcome::Reply(Answer::Result(result)) = &report.outcome else { return false };
        if !self.bounds.enabled || !may_be || !call.freshness.may_be_stored {
            return false;
        }
        if asked.purges != self.purges() {
            return false;
        }
        let Some(term) = term(call, result) else { return false };
        let Some(kept) = self.kept_of((call, question, asked), result, term) else { return false };
        if term.is_told {
            kept.meter.sharing().has_told.store(true, Ordering::Relaxed);
        }
        let entries = self.kept.get_or_init(|| entries(self.bounds));
        let is_kept = put(entries, question, &Arc::new(kept));
        // Either the order sees the answer, or we see the order.
        if is_kept && asked.purges != self.purges() {
            entries.invalidate(question);
            return false;
        }
        is_kept
    }

    fn kept_of(
        &self,
        (call, question, asked): (&Call<'_>, &Question, Asked),
        result: &Bytes,
        term: Term,
    ) -> Option<Kept> {
        let tool = call.tool.definition.name.as_str();
        let bytes = (ENTRY_BYTES + question.bytes() + tool.len() + result.len()) as u64;
        if bytes > self.bounds.bytes_max.get() as u64 / PART_OF_ALL {
            return None;
        }
        Some(Kept {
            result: Bytes::copy_from_slice(result),
            at: Instant::now(),
            asked_at: asked.at,
            times: term.times,
            meter: Arc::clone(call.upstream.meter()),
            tool: tool.into(),
            bytes,
            asked: AtomicU32::new(0),
            is_refreshed: AtomicBool::new(false),
            refresh_from_us: AtomicU64::new(0),
        })
    }

    /// Forgets an answer whose time is over, unless a new one came between.
    fn forget(&self, question: &Question, over: &Arc<Kept>) {
        let Some(entries) = self.kept.get() else { return };
        let is_gone = entries.entry_by_ref(question).and_compute_with(|found| {
            let is_it = found.is_some_and(|found| Arc::ptr_eq(found.value(), over));
            if is_it { Op::Remove } else { Op::Nop }
        });
        if matches!(is_gone, CompResult::Removed(_)) {
            count(&over.meter.sharing().expirations);
        }
    }

    /// Forgets all answers whose time is over; lets others have the thread meanwhile.
    ///
    /// Cancel-safe: what was not looked at stays.
    pub(crate) async fn sweep(&self, now: Instant) {
        for (index, (question, kept)) in self.kept.get().into_iter().flatten().enumerate() {
            if index % SWEPT_AT_ONCE == SWEPT_AT_ONCE - 1 {
                yield_now().await;
            }
            if now.saturating_duration_since(kept.at) >= kept.lasts() {
                self.forget(&question, &kept);
            }
        }
    }

    /// Forgets answers by order, and says how many.
    pub(crate) fn purge(&self, which: Purge<'_>) -> usize {
        self.purges.fetch_add(1, Ordering::SeqCst);
        let Some(entries) = self.kept.get() else { return 0 };
        let mut count = 0;
        for (question, kept) in entries {
            if kept.is_meant(which) && entries.remove(&*question).is_some() {
                kept.meter.sharing().purged.fetch_add(1, Ordering::Relaxed);
                count += 1;
            }
        }
        count
    }

    /// How everything stands.
    pub(crate) fn reading(&self) -> CacheReading {
        if let Some(entries) = self.kept.get() {
            // What has no room any more may not have gone yet.
            entries.run_pending_tasks();
        }
        let meters = self.meters.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut servers: Vec<_> =
            meters.iter().filter_map(Weak::upgrade).map(|meter| reading(&meter)).collect();
        servers.sort_by(|one, other| one.upstream.cmp(&other.upstream));
        CacheReading {
            enabled: self.bounds.enabled,
            entries: servers.iter().map(|server| server.entries).sum(),
            bytes: servers.iter().map(|server| server.bytes).sum(),
            entries_max: self.bounds.entries_max.get() as u64,
            bytes_max: self.bounds.bytes_max.get() as u64,
            servers,
        }
    }
}

/// One bound for both: an answer counts its part of all bytes, and never less than its part of all
/// entries.
fn entries(bounds: CacheBounds) -> Entries {
    let (most, bytes_max) = (bounds.entries_max.get() as u64, bounds.bytes_max.get() as u64);
    // More than four million entries need no finer grain, and what they count must fit.
    let unit = if most < 1 << 22 { UNIT } else { 1 };
    let capacity = most.saturating_mul(unit);
    let weigh = move |_: &Question, kept: &Arc<Kept>| -> u32 {
        let part = u128::from(kept.bytes) * u128::from(capacity);
        let part = part.div_ceil(u128::from(bytes_max)).max(u128::from(unit));
        u32::try_from(part).unwrap_or(u32::MAX)
    };
    let gone = |_: Arc<Question>, kept: Arc<Kept>, why: RemovalCause| {
        let sharing = kept.meter.sharing();
        sharing.entries.fetch_sub(1, Ordering::Relaxed);
        sharing.bytes.fetch_sub(kept.bytes, Ordering::Relaxed);
        if why == RemovalCause::Size {
            count(&sharing.evictions);
        }
    };
    sync::Cache::builder()
        .max_capacity(capacity)
        .weigher(weigh)
        .eviction_policy(EvictionPolicy::lru())
        .eviction_listener(gone)
        .build_with_hasher(ByQuestion::default())
}

/// Keeps an answer, unless there is one that was asked for later: it came sooner. Whether it is kept.
fn put(entries: &Entries, question: &Question, kept: &Arc<Kept>) -> bool {
    let sharing = kept.meter.sharing();
    // Before it can go again, which takes it out of both.
    count(&sharing.entries);
    sharing.bytes.fetch_add(kept.bytes, Ordering::Relaxed);
    let put = entries.entry_by_ref(question).and_compute_with(|found| {
        let is_newer = found.is_some_and(|found| found.value().asked_at > kept.asked_at);
        if is_newer { Op::Nop } else { Op::Put(Arc::clone(kept)) }
    });
    let is_kept = matches!(put, CompResult::Inserted(_) | CompResult::ReplacedWith(_));
    if !is_kept {
        sharing.entries.fetch_sub(1, Ordering::Relaxed);
        sharing.bytes.fetch_sub(kept.bytes, Ordering::Relaxed);
    }
    is_kept
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

fn reading(meter: &Meter) -> ServerCacheReading {
    let sharing = meter.sharing();
    let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    ServerCacheReading {
        upstream: meter.upstream().to_owned(),
        hits: read(&sharing.hits),
        misses: read(&sharing.misses),
        stale: read(&sharing.stale),
        bypassed: read(&sharing.bypassed),
        coalesced: read(&sharing.coalesced),
        evictions: read(&sharing.evictions),
        expirations: read(&sharing.expirations),
        purged: read(&sharing.purged),
        refreshes: read(&sharing.refreshes),
        entries: read(&sharing.entries),
        bytes: read(&sharing.bytes),
    }
}

// === impl Kept ===

impl Kept {
    /// Cheap: the bytes are shared.
    pub(crate) fn answer(&self) -> Answer {
        Answer::Result(self.result.clone())
    }

    fn look(self: Arc<Self>, age: Duration, is_allowed: bool) -> Look {
        let CacheTimes { ttl, stale_while_revalidate, stale_if_error, refresh } = self.times;
        if !is_allowed {
            Look::Nothing
        } else if age < ttl {
            let asked = self.asked.fetch_add(1, Ordering::Relaxed).saturating_add(1);
            let is_late = age >= ttl - ttl / LAST_PART;
            let refresh = refresh && is_late && asked >= ASKED_OFTEN;
            Look::Fresh { kept: self, age, refresh }
        } else if age < ttl.saturating_add(stale_while_revalidate) {
            Look::Revalidate { kept: self, age }
        } else if age < ttl.saturating_add(stale_if_error) {
            Look::IfError { kept: self, age }
        } else {
            Look::Nothing
        }
    }

    /// Its age, if it may be given now where no new one can be had.
    pub(crate) fn age_if_error(&self, now: Instant) -> Option<Duration> {
        let age = now.saturating_duration_since(self.at);
        (age < self.times.ttl.saturating_add(self.times.stale_if_error)).then_some(age)
    }

    /// Says that it is being fetched anew from now on, unless it is already, or that failed a
    /// moment ago.
    pub(crate) fn begin_refresh(&self, age: Duration) -> bool {
        micros(age) >= self.refresh_from_us.load(Ordering::Relaxed)
            && !self.is_refreshed.swap(true, Ordering::Relaxed)
    }

    /// Whoever fetched it anew is done. If it is still kept, that failed, and is not tried again
    /// for a while.
    pub(crate) fn refresh_ended(&self, now: Instant) {
        let age = now.saturating_duration_since(self.at);
        self.refresh_from_us.store(micros(age + REFRESH_PAUSE), Ordering::Relaxed);
        self.is_refreshed.store(false, Ordering::Relaxed);
    }

    /// The refresh was not even begun.
    pub(crate) fn refresh_refused(&self) {
        self.is_refreshed.store(false, Ordering::Relaxed);
    }

    /// For how long it is of any use.
    fn lasts(&self) -> Duration {
        let CacheTimes { ttl, stale_while_revalidate, stale_if_error, .. } = self.times;
        ttl.saturating_add(stale_while_revalidate.max(stale_if_error))
    }

    fn is_meant(&self, which: Purge<'_>) -> bool {
        let is_of = |upstream| {
            upstream == self.meter.upstream() && which.tool.is_none_or(|tool| tool == &*self.tool)
        };
        which.upstream.is_none_or(is_of)
    }
}

fn micros(length: Duration) -> u64 {
    u64::try_from(length.as_micros()).unwrap_or(u64::MAX)
}
