//! More calls than an upstream bears, launched by the clock whatever becomes of them, from the moment
//! at which nothing is known of it.

use std::pin::pin;

use fastrand::Rng;
use tokio::time::timeout_at;

use super::*;

/// The upstream works on so many at once, each for so long.
const WORKERS: usize = 16;
const SERVICE: Duration = Duration::from_millis(4);

/// Callers wait so long.
const PATIENCE: Duration = Duration::from_millis(250);

/// Where the limit is told there is nothing to be learnt.
const TOLD: (Duration, f64) = (Duration::ZERO, 0.98);

/// Where it is learnt the first trial may be misled by what the upstream still works on for nobody,
/// and is made again after a second; and now and then a trial leaves places unused.
const LEARNT: (Duration, f64) = (Duration::from_millis(2500), 0.8);

/// From here on a third and more are too many, and the line is kept short. With fewer it may stand, and
/// some are served as late as they can bear.
const OVERLOAD: f64 = 1.5;

/// So long it is looked at after that.
const STEADY: Duration = Duration::from_secs(1);

/// What comes in a millisecond is thrown with so many dice.
const DICE: u32 = 64;

/// What the upstream does with those that it does not work on at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Full {
    /// As many as there are workers wait, and the others are refused (503 and 429 alike).
    Refuses,
    /// All wait, and are worked on, also those that nobody waits for any more.
    QueuesWithoutEnd,
}

struct Upstream {
    full: Full,
    workers: Semaphore,
    inside: AtomicUsize,
}

impl Upstream {
    fn new(full: Full) -> Arc<Self> {
        Arc::new(Self { full, workers: Semaphore::new(WORKERS), inside: AtomicUsize::new(0) })
    }

    /// Whether it was done.
    async fn work(&self) -> bool {
        let inside = self.inside.fetch_add(1, Ordering::Relaxed);
        let is_done = self.full == Full::QueuesWithoutEnd || inside < 2 * WORKERS;
        if is_done {
            let _worker = self.workers.acquire().await.expect("it is never closed");
            sleep(SERVICE).await;
        }
        self.inside.fetch_sub(1, Ordering::Relaxed);
        is_done
    }
}

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Answered,
    Shed,
    Refused,
    Late,
}

#[derive(Debug, Clone, Copy)]
struct Fate {
    came: Instant,
    end: End,
    after: Duration,
}

async fn call(rooms: Arc<Rooms>, upstream: Arc<Upstream>) -> Fate {
    let came = Instant::now();
    let fate = |end| Fate { came, end, after: came.elapsed() };
    let entered = rooms.enter(ticket("free", &ANYBODY, PATIENCE)).await;
    let Ok(place) = entered else { return fate(End::Shed) };
    let (sent, mut work) = (Instant::now(), pin!(upstream.work()));
    match timeout_at(came + PATIENCE, &mut work).await {
        Ok(true) => {
            place.settle(Instant::now(), Feedback::Answered);
            fate(End::Answered)
        }
        Ok(false) => {
            place.lost(sent, Instant::now());
            fate(End::Refused)
        }
        Err(_) => {
            // Of one that had waited for the most of its time it says nothing.
            if sent - came < PATIENCE / 2 {
                place.lost(sent, Instant::now());
            }
            drop(place);
            let fate = fate(End::Late);
            work.await;
            fate
        }
    }
}

/// Calls come for so long, so many times as many as the upstream bears.
async fn load(
    (rooms, upstream): (&Arc<Rooms>, &Arc<Upstream>),
    times: f64,
    length: Duration,
) -> Vec<Fate> {
    let per_milli = times * WORKERS as f64 / SERVICE.as_millis() as f64;
    let (mut dice, mut calls) = (Rng::with_seed(7), JoinSet::new());
    let began = Instant::now();
    while began.elapsed() < length {
        for _ in 0..DICE {
            if dice.f64() * f64::from(DICE) < per_milli {
                calls.spawn(call(Arc::clone(rooms), Arc::clone(upstream)));
            }
        }
        sleep(millis(1)).await;
    }
    calls.join_all().await
}

fn p99(fates: &[Fate], of: End) -> Duration {
    let of = fates.iter().filter(|fate| fate.end == of);
    let mut after: Vec<Duration> = of.map(|fate| fate.after).collect();
    after.sort_unstable();
    after.get(after.len() * 99 / 100).copied().unwrap_or(Duration::ZERO)
}

/// The oldest in the line is late after its callers' patience, and the line has grown until it came
/// for as long as it takes to serve so many: that is when overload can be seen first.
fn noticed(times: f64) -> Duration {
    PATIENCE.mul_f64(times / (times - 1.0)) + millis(50)
}

/// After the time that it takes to notice, as many are answered as the upstream bears; under overload
/// in not much more time than while there is room for all, and the others are told at once.
async fn check(told: usize, full: Full, (settled, good_min): (Duration, f64)) {
    let fresh = || (rooms(super::load(told)), Upstream::new(full));
    let (rooms, upstream) = fresh();
    let usual = p99(&load((&rooms, &upstream), 0.8, millis(500)).await, End::Answered);
    for times in [1.2, 1.5, 2.0, 3.0] {
        let ((rooms, upstream), began) = (fresh(), Instant::now());
        let settled = noticed(times) + settled;
        let fates = load((&rooms, &upstream), times, settled + STEADY).await;
        let is_after = |fate: &&Fate| fate.came - began >= settled;
        let fates: Vec<Fate> = fates.iter().filter(is_after).copied().collect();
        let good = fates.iter().filter(|fate| fate.end == End::Answered).count();
        let (slow, no) = (p99(&fates, End::Answered), p99(&fates, End::Shed));
        let what = format!("{times} x: {good} good, {slow:?} ({usual:?}), no {no:?}");
        let capacity = WORKERS as f64 * STEADY.as_secs_f64() / SERVICE.as_secs_f64();
        assert!(good as f64 >= good_min * capacity, "{what}");
        if times >= OVERLOAD {
            assert!(slow <= usual * 3, "{what}");
            assert!(no <= millis(1), "{what}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn told_and_refusing() {
    check(WORKERS, Full::Refuses, TOLD).await;
}

#[tokio::test(start_paused = true)]
async fn told_and_endless() {
    check(WORKERS, Full::QueuesWithoutEnd, TOLD).await;
}

#[tokio::test(start_paused = true)]
async fn learnt_and_refusing() {
    check(1024, Full::Refuses, LEARNT).await;
}

#[tokio::test(start_paused = true)]
async fn learnt_and_endless() {
    check(1024, Full::QueuesWithoutEnd, LEARNT).await;
}
