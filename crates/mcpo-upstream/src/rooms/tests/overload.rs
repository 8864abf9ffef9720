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

async fn check(told: usize, full: Full) {
    let fresh = || (rooms(super::load(told)), Upstream::new(full));
    let (rooms, upstream) = fresh();
    let usual = p99(&load((&rooms, &upstream), 0.8, millis(500)).await, End::Answered);
    for times in [1.2, 1.5, 2.0, 3.0] {
        let (rooms, upstream) = fresh();
        let began = Instant::now();
        let length = noticed(times) + millis(1000);
        let fates = load((&rooms, &upstream), times, length).await;
        for from in (0..(length.as_millis() as u64)).step_by(100) {
            let is = |fate: &&Fate| { let at = (fate.came - began + fate.after).as_millis() as u64; at >= from && at < from + 100 };
            let there: Vec<Fate> = fates.iter().filter(is).copied().collect();
            let good = there.iter().filter(|fate| fate.end == End::Answered).count();
            print!("[{from}: {good} p99 {:?} no {:?}] ", p99(&there, End::Answered), p99(&there, End::Shed));
        }
        println!();
        let is_after = |fate: &&Fate| fate.came - began >= noticed(times);
        let fates: Vec<Fate> = fates.iter().filter(is_after).copied().collect();
        let good = fates.iter().filter(|fate| fate.end == End::Answered).count();
        let late = fates.iter().filter(|fate| fate.end == End::Late).count();
        let (slow, no) = (p99(&fates, End::Answered), p99(&fates, End::Shed));
        let what = format!(
            "{told}, {full:?}, {times} x: {good} good, {late} late, p99 {slow:?} ({usual:?}), no {no:?}, bound {}",
            rooms.all.bound(),
        );
        println!("{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn told_and_refusing() {
    check(WORKERS, Full::Refuses).await;
}

#[tokio::test(start_paused = true)]
async fn told_and_endless() {
    check(WORKERS, Full::QueuesWithoutEnd).await;
}

#[tokio::test(start_paused = true)]
async fn learnt_and_refusing() {
    check(1024, Full::Refuses).await;
}

#[tokio::test(start_paused = true)]
async fn learnt_and_endless() {
    check(1024, Full::QueuesWithoutEnd).await;
}
