//! Tests of what is counted of load of late.

use std::time::Duration;

use mcpo_core::load::ShedReason;
use mcpo_policy::cache::ServerCacheReading;
use tokio::time::Instant;

use super::super::grain::{SLOT, Slot};
use super::{Counted, Few, Track};

/// A clock, and what was counted so far.
struct Bench {
    track: Track,
    started: Instant,
    now: Instant,
    shed: [u64; 6],
    cache: ServerCacheReading,
}

impl Bench {
    fn new() -> Self {
        let (started, cache) = (Instant::now(), ServerCacheReading::default());
        Self { track: Track::default(), started, now: started, shed: [0; 6], cache }
    }

    fn counted(&self) -> Counted {
        Counted::of(self.shed, Some(&self.cache))
    }

    fn pass(&mut self, length: Duration) {
        let until = self.now + length;
        while self.now < until {
            self.now += SLOT;
            let slot = Slot::of(self.started, self.now);
            self.track.push(slot.previous(), self.counted());
            self.track.age(slot);
        }
    }

    fn few(&self) -> Few {
        self.track.show(Slot::of(self.started, self.now), self.counted())
    }

    fn shed(&self, reason: ShedReason) -> [u64; 3] {
        let few = self.few();
        [few.minute, few.five_minutes, few.hour].map(|load| load.shed[reason as usize])
    }
}

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn what_is_turned_away_is_in_each_window_at_once_and_leaves_it_in_time() {
    let mut bench = Bench::new();
    bench.pass(50 * MINUTE);
    bench.shed[ShedReason::TooLate as usize] += 7;
    assert_eq!(bench.shed(ShedReason::TooLate), [7, 7, 7]);
    assert_eq!(bench.shed(ShedReason::ServerFull), [0, 0, 0]);
    bench.pass(MINUTE);
    assert_eq!(bench.shed(ShedReason::TooLate), [0, 7, 7]);
    bench.pass(4 * MINUTE);
    assert_eq!(bench.shed(ShedReason::TooLate), [0, 0, 7]);
    bench.shed[ShedReason::TooLate as usize] += 1;
    assert_eq!(bench.shed(ShedReason::TooLate), [1, 1, 8]);
    bench.pass(70 * MINUTE);
    assert_eq!(bench.shed(ShedReason::TooLate), [0, 0, 0]);
    assert_eq!(bench.track.kept(), 0, "nothing is kept of what was long ago");
}

#[tokio::test(start_paused = true)]
async fn stale_answers_are_answers_and_those_who_want_none_did_not_ask() {
    let mut bench = Bench::new();
    bench.cache = ServerCacheReading {
        hits: 5,
        stale: 2,
        misses: 3,
        bypassed: 40,
        ..ServerCacheReading::default()
    };
    let used = bench.few().hour.cache;
    assert_eq!((used.asked, used.hits, used.hit_rate()), (10, 7, Some(0.7)));
    bench.pass(2 * MINUTE);
    assert_eq!(bench.few().minute.cache.hit_rate(), None, "nobody asked in the last minute");
    // Numbers that began anew are no fewer than none.
    bench.cache = ServerCacheReading { hits: 1, ..ServerCacheReading::default() };
    bench.pass(MINUTE);
    bench.cache.hits += 1;
    assert_eq!(bench.few().minute.cache.hits, 1);
}

#[tokio::test(start_paused = true)]
async fn a_busy_hour_takes_little_room() {
    let mut bench = Bench::new();
    for _ in 0..720 {
        bench.shed.iter_mut().for_each(|count| *count += 3);
        bench.cache.hits += 1;
        bench.pass(SLOT);
    }
    assert!(bench.track.kept() <= 8 * (6 + 5 + 5), "{}", bench.track.kept());
    let (few, all) = (bench.few(), bench.shed[0]);
    assert!(few.minute.shed.iter().all(|count| (15..=18).contains(count)), "{few:?}");
    assert!(few.hour.shed.iter().all(|count| *count < all && *count >= all * 3 / 8), "{few:?}");
}
