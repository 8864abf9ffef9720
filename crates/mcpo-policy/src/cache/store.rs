//! The answers that are kept: which one may be given, which may be kept, and which are forgotten.
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
use tokio::task::yield_now;
use tokio::time::Instant;

use super::entries::{ENTRY_BYTES, Entries};
use super::keepable::{Term, term};
use super::{CacheReading, Purge, ServerCacheReading};
use crate::pipeline::{Call, Report};
use crate::question::Question;

/// One answer takes at most this part of all bytes: one that is larger would drive out the rest.
const PART_OF_ALL: u64 = 8;

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

/// An answer that is kept.
#[derive(Debug)]
pub(crate) struct Kept {
    /// A copy of its own: what came is a slice of a read buffer, which it would keep alive.
    result: Bytes,
    /// When it came, which its age is counted from.
    pub(super) at: Instant,
    /// When it was asked for, or a little before.
    pub(super) asked_at: Instant,
    times: CacheTimes,
    meter: Arc<Meter>,
    /// What it takes in memory, with its question.
    pub(super) bytes: u64,
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
        if kept.is_over(now) {
            self.forget(question, &kept);
            return Look::Nothing;
        }
        kept.look(age, call.freshness.allows(age))
    }

    /// To be asked when a call begins whose answer may be kept; `at` is now, or a little before.
    pub(crate) fn asked(&self, at: Instant) -> Asked {
        Asked { purges: self.purges(), at }
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
        let entries = self.kept.get_or_init(|| Entries::new(self.bounds));
        let kept = Arc::new(kept);
        let is_kept = entries.put(question, &kept);
        // Either the order sees the answer, or we see the order.
        if is_kept && asked.purges != self.purges() {
            entries.take(question, &kept);
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
        let bytes = (ENTRY_BYTES + question.bytes() + result.len()) as u64;
        if bytes > self.bounds.bytes_max.get() as u64 / PART_OF_ALL {
            return None;
        }
        Some(Kept {
            result: Bytes::copy_from_slice(result),
            at: Instant::now(),
            asked_at: asked.at,
            times: term.times,
            meter: Arc::clone(call.upstream.meter()),
            bytes,
            asked: AtomicU32::new(0),
            is_refreshed: AtomicBool::new(false),
            refresh_from_us: AtomicU64::new(0),
        })
    }

    /// Forgets an answer whose time is over, unless a new one came between.
    fn forget(&self, question: &Question, over: &Arc<Kept>) {
        if self.kept.get().is_some_and(|entries| entries.take(question, over)) {
            count(&over.meter.sharing().expirations);
        }
    }

    /// Forgets all answers whose time is over; lets others have the thread meanwhile.
    ///
    /// Cancel-safe: what was not looked at stays.
    pub(crate) async fn sweep(&self, now: Instant) {
        let Some(entries) = self.kept.get() else { return };
        for (index, (question, kept)) in entries.iter().enumerate() {
            if index % SWEPT_AT_ONCE == SWEPT_AT_ONCE - 1 {
                yield_now().await;
            }
            if kept.is_over(now) {
                self.forget(&question, &kept);
            }
        }
    }

    /// Forgets answers by order, and says how many.
    pub(crate) fn purge(&self, which: Purge<'_>) -> usize {
        self.purges.fetch_add(1, Ordering::SeqCst);
        let Some(entries) = self.kept.get() else { return 0 };
        let mut count = 0;
        for (question, kept) in entries.iter() {
            // One that came in its place meanwhile was asked for after the order, or sees it.
            if kept.is_meant(&question, which) && entries.take(&question, &kept) {
                kept.meter.sharing().purged.fetch_add(1, Ordering::Relaxed);
                count += 1;
            }
        }
        count
    }

    /// How everything stands.
    pub(crate) fn reading(&self) -> CacheReading {
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

    fn is_over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.at) >= self.lasts()
    }

    fn is_meant(&self, question: &Question, which: Purge<'_>) -> bool {
        let is_of = |upstream| {
            upstream == self.meter.upstream()
                && which.tool.is_none_or(|tool| question.is_of_tool(tool))
        };
        which.upstream.is_none_or(is_of)
    }

    /// It is among the entries from now on, or will be at once.
    pub(super) fn comes(&self) {
        let sharing = self.meter.sharing();
        count(&sharing.entries);
        sharing.bytes.fetch_add(self.bytes, Ordering::Relaxed);
    }

    /// It is no longer among the entries.
    pub(super) fn goes(&self) {
        let sharing = self.meter.sharing();
        sharing.entries.fetch_sub(1, Ordering::Relaxed);
        sharing.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }

    /// It is no longer among the entries, since another one needed the room.
    pub(super) fn makes_room(&self, now: Instant) {
        self.goes();
        let sharing = self.meter.sharing();
        count(if self.is_over(now) { &sharing.expirations } else { &sharing.evictions });
    }
}

fn micros(length: Duration) -> u64 {
    u64::try_from(length.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
