//! Many threads at once, which the calls in virtual time do not have.

use std::num::NonZeroUsize;
use std::sync::atomic::AtomicUsize;
use std::thread::{available_parallelism, scope};

use fastrand::Rng;
use futures_util::FutureExt;
use mcpo_core::identity::Identity;

use super::*;
use crate::cache::Freshness;
use crate::play::{Bench, MINUTE, Make};
use crate::question::Questions;

const THREADS: u64 = 4;

/// A cache, and an upstream whose answers are kept in it.
struct Room {
    cache: Arc<Cache>,
    questions: Questions,
    bench: Bench,
}

impl Room {
    async fn of(entries: usize, bytes: usize) -> Self {
        let bound = |number| NonZeroUsize::new(number).expect("it is not zero");
        let (entries_max, bytes_max) = (bound(entries), bound(bytes));
        let cache = Cache::new(CacheBounds { enabled: true, entries_max, bytes_max });
        let bench = Bench::ready(Make::default()).await;
        cache.list(bench.upstream().meter());
        Self { cache, questions: Questions::default(), bench }
    }

    /// Does that with a call for that answer, and its question.
    fn with<T>(&self, index: u64, act: impl FnOnce(&Call<'_>, &Question) -> T) -> T {
        let upstream = self.bench.upstream();
        let catalog = upstream.view.catalog.as_ref().expect("it is ready");
        let call = Call {
            upstream: &upstream,
            tool: catalog.tool("kept").expect("it is there"),
            arguments: format!("{{\"index\":{index}}}").into(),
            deadline: Instant::now() + MINUTE,
            is_hurried: false,
            idempotency_key: None,
            trace: None,
            identity: Identity::COMMON,
            freshness: Freshness::default(),
        };
        let question = self.questions.of(&call).expect("it can be compared");
        act(&call, &question)
    }

    fn keep(&self, index: u64, asked: Asked, says: &str) -> bool {
        let result = format!("{{\"content\":[],\"says\":\"{says}\"}}").into();
        let report = Report::new(Outcome::Reply(Answer::Result(result)), 1, Duration::ZERO);
        self.with(index, |call, question| self.cache.keep(call, question, &report, asked))
    }

    fn figures(&self) -> ServerCacheReading {
        self.cache.reading().servers.into_iter().next().expect("it is listed")
    }

    /// What is there, whatever the counters say.
    fn there(&self) -> Vec<Arc<Kept>> {
        self.cache.kept.get().into_iter().flat_map(Entries::iter).map(|(_, kept)| kept).collect()
    }

    fn holds_its_bounds(&self) {
        let there = self.there();
        let bytes: u64 = there.iter().map(|kept| kept.bytes).sum();
        let CacheReading { entries, entries_max, bytes: told, bytes_max, .. } =
            self.cache.reading();
        assert_eq!((there.len() as u64, bytes), (entries, told));
        assert!(entries <= entries_max && bytes <= bytes_max, "{entries} {bytes}");
    }
}

/// Each row: the bounds, and how long answers are at most.
const ROWS: [(usize, usize, usize); 6] = [
    (1, 1 << 20, 10),
    (2, 1 << 16, 9000),
    (33, 1 << 20, 100),
    (1000, 1 << 18, 3000),
    (1000, 1 << 20, 10),
    (5000, 1 << 21, 200_000),
];

#[tokio::test]
async fn both_bounds_hold_whatever_comes() {
    for (entries, bytes, longest) in ROWS {
        let room = Room::of(entries, bytes).await;
        let mut dice = Rng::with_seed(7);
        let mut kept = 0;
        for turn in 0..4000 {
            let says = "x".repeat(dice.usize(0..longest));
            kept +=
                u64::from(room.keep(dice.u64(0..4000), room.cache.asked(Instant::now()), &says));
            if turn % 101 == 0 {
                room.holds_its_bounds();
            }
        }
        room.holds_its_bounds();
        let all = room.figures();
        assert!(all.evictions > 0 && all.evictions + all.entries <= kept, "{all:?}");
        // Nobody is turned out while there is room for more than a few.
        let is_full = all.entries * 10 >= (entries as u64) * 9;
        let in_bytes = all.bytes + bytes as u64 / PART_OF_ALL * 4 >= bytes as u64;
        assert!(is_full || in_bytes, "{entries} {bytes}: {all:?}");
    }
}

#[tokio::test]
async fn both_bounds_hold_while_many_come_at_once() {
    for (entries, bytes, longest) in ROWS {
        let room = Room::of(entries, bytes).await;
        scope(|threads| {
            for seed in 0..THREADS {
                let room = &room;
                threads.spawn(move || {
                    let mut dice = Rng::with_seed(seed);
                    for _ in 0..1500 {
                        let says = "x".repeat(dice.usize(0..longest));
                        room.keep(dice.u64(0..3000), room.cache.asked(Instant::now()), &says);
                        let is_full = room.cache.kept.get().map(Entries::fullness);
                        assert!(is_full.is_none_or(|(weight, capacity)| weight <= capacity));
                    }
                });
            }
        });
        room.holds_its_bounds();
    }
}

#[tokio::test]
async fn an_answer_whose_time_is_over_is_counted_once_however_many_notice() {
    const ANSWERS: u64 = 300;
    let room = Room::of(1000, 1 << 20).await;
    for index in 0..ANSWERS {
        assert!(room.keep(index, room.cache.asked(Instant::now()), ""));
    }
    let later = Instant::now() + 2 * MINUTE;
    scope(|threads| {
        for _ in 0..THREADS {
            threads.spawn(|| {
                for index in 0..ANSWERS {
                    let look = |call: &Call<'_>, question: &Question| {
                        matches!(room.cache.look(call, question, later), Look::Nothing)
                    };
                    assert!(room.with(index, look));
                }
            });
            threads.spawn(|| room.cache.sweep(later).now_or_never().expect("they are few"));
        }
    });
    let all = room.figures();
    assert_eq!((all.expirations, all.evictions, all.purged), (ANSWERS, 0, 0));
    assert_eq!((all.entries, all.bytes, room.there().len()), (0, 0, 0));
}

/// Each answer says how many orders to forget there had been when it was asked for.
#[tokio::test]
async fn no_answer_stays_that_was_asked_for_before_an_order_to_forget() {
    let room = Room::of(5000, 1 << 22).await;
    let (busy, put, purged) = (AtomicU64::new(THREADS), AtomicU64::new(0), AtomicUsize::new(0));
    scope(|threads| {
        for seed in 0..THREADS {
            let (room, busy, put) = (&room, &busy, &put);
            threads.spawn(move || {
                let mut dice = Rng::with_seed(seed);
                for _ in 0..5000 {
                    let asked = room.cache.asked(Instant::now());
                    let is_kept = room.keep(dice.u64(0..50), asked, &asked.purges.to_string());
                    put.fetch_add(u64::from(is_kept), Ordering::Relaxed);
                }
                busy.fetch_sub(1, Ordering::Relaxed);
            });
        }
        threads.spawn(|| {
            while busy.load(Ordering::Relaxed) > 0 {
                purged.fetch_add(room.cache.purge(Purge::default()), Ordering::Relaxed);
            }
        });
    });
    room.holds_its_bounds();
    let orders = format!("\"{}\"", room.cache.purges());
    for kept in room.there() {
        let says = String::from_utf8_lossy(&kept.result);
        assert!(says.contains(&orders), "{says} after {orders}");
    }
    let all = room.figures();
    assert_eq!(all.purged, purged.load(Ordering::Relaxed) as u64);
    assert!(all.purged > 0 || available_parallelism().is_ok_and(|cores| cores.get() == 1));
    assert!(all.purged + all.entries <= put.load(Ordering::Relaxed));
    room.cache.purge(Purge::default());
    assert_eq!((room.figures().entries, room.figures().bytes), (0, 0));
}

#[tokio::test]
async fn of_answers_to_one_question_that_come_at_once_the_last_one_asked_for_stays() {
    let room = Room::of(100, 1 << 20).await;
    let start = Instant::now();
    for round in 0..200 {
        scope(|threads| {
            for seed in 0..THREADS {
                let room = &room;
                threads.spawn(move || {
                    let mut order: Vec<u64> = (seed..100).step_by(THREADS as usize).collect();
                    Rng::with_seed(round * THREADS + seed).shuffle(&mut order);
                    for later in order {
                        let at = start + Duration::from_millis(round * 100 + later);
                        room.keep(0, Asked { at, ..room.cache.asked(Instant::now()) }, "");
                    }
                });
            }
        });
        let last = start + Duration::from_millis(round * 100 + 99);
        assert_eq!(room.there().iter().map(|kept| kept.asked_at).collect::<Vec<_>>(), [last]);
    }
    let all = room.figures();
    assert_eq!((all.entries, all.evictions, all.expirations), (1, 0, 0));
}
