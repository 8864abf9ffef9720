//! Fetching answers anew beside the calls that are given the old ones: bounded work, made by
//! whoever runs it.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::{Carrier, Errand, place_of};
use crate::cache::{Freshness, Kept};
use crate::pipeline::Call;
use crate::question::Question;

/// Answers that wait to be fetched anew; one more is fetched by whoever asks for it.
pub(super) const REFRESHES_WAITING_MAX: usize = 256;

/// Answers that are fetched anew at once: few beside the calls that somebody waits for.
const REFRESHES_AT_ONCE_MAX: usize = 32;

/// How often answers are looked for whose time is over. Nobody is given one meanwhile.
const SWEEP_EVERY: Duration = Duration::from_secs(30);

/// An answer to be fetched anew.
#[derive(Debug)]
pub(super) struct Refresh {
    errand: Errand,
    kept: Arc<Kept>,
}

/// An answer is being fetched anew until this is dropped, in whatever way that ends.
struct UnderWay(Arc<Kept>);

/// Refreshes are made until this is dropped.
struct Refreshing<'a>(&'a AtomicBool);

// === impl Carrier ===

impl Carrier {
    /// Has an answer fetched anew by whoever makes refreshes. Whether that is so, or was tried a
    /// moment ago.
    pub(super) fn refresh(
        &self,
        call: &Call<'_>,
        question: &Question,
        kept: &Arc<Kept>,
        age: Duration,
    ) -> bool {
        let Some(place) = place_of(call) else { return false };
        // What is fetched for a caller that wants nothing stored is not stored.
        if !call.freshness.may_be_stored || !self.is_refreshing.load(Ordering::Relaxed) {
            return false;
        }
        if !kept.begin_refresh(age) {
            return true;
        }
        let errand =
            Errand { freshness: Freshness::default(), ..Errand::of(call, place, question) };
        let is_taken = self.refreshes.try_send(Refresh { errand, kept: Arc::clone(kept) }).is_ok();
        if !is_taken {
            kept.refresh_refused();
        }
        is_taken
    }

    /// Fetches answers anew that are asked for often, or were given past their ttl, and forgets
    /// those whose time is over. Never ends; one of those who call it does the work at a time.
    ///
    /// Cancel-safe: what was under way is cancelled.
    pub(crate) async fn make_refreshes(self: Arc<Self>) {
        let mut waiting = self.refreshes_rx.lock().await;
        let _refreshing = Refreshing::begin(&self.is_refreshing);
        let mut under_way = FuturesUnordered::new();
        let mut sweeping = pin!(self.sweeps());
        loop {
            let has_room = under_way.len() < REFRESHES_AT_ONCE_MAX;
            tokio::select! {
                biased;
                Some(()) = under_way.next(), if !under_way.is_empty() => {}
                Some(refresh) = waiting.recv(), if has_room => {
                    under_way.push(self.make_refresh(refresh));
                }
                // Beside the rest: calls may share what is being fetched.
                _never = &mut sweeping => {}
            }
        }
    }

    /// Forgets answers whose time is over, again and again.
    async fn sweeps(&self) -> Infallible {
        let mut ticks = interval(SWEEP_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let now = ticks.tick().await;
            self.cache.sweep(now).await;
        }
    }

    async fn make_refresh(self: &Arc<Self>, refresh: Refresh) {
        let Refresh { errand, kept } = refresh;
        let _under_way = UnderWay(kept);
        let began = Instant::now();
        let deadline = began + self.usual(&errand.upstream, errand.tool());
        let call = errand.call(deadline, false);
        let fetching = AssertUnwindSafe(self.fetch(&call, &errand.question, began));
        // One that panics has said so; the others go on.
        if let Ok(report) = fetching.catch_unwind().await {
            let sharing = call.upstream.meter().sharing();
            let is_answered = report.outcome.fault().is_none();
            sharing.refreshes.fetch_add(u64::from(is_answered), Ordering::Relaxed);
            self.tell_failed(&call, &report);
        }
    }
}

// === impl Refreshing ===

impl<'a> Refreshing<'a> {
    fn begin(flag: &'a AtomicBool) -> Self {
        flag.store(true, Ordering::Relaxed);
        Self(flag)
    }
}

impl Drop for Refreshing<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

// === impl UnderWay ===

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.refresh_ended(Instant::now());
    }
}
