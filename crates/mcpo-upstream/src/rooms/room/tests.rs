use std::sync::atomic::AtomicBool;

use tokio::task::{JoinSet, yield_now};
use tokio::time::{sleep, timeout};

use super::*;

const HOUR: Duration = Duration::from_secs(3600);

fn room(bound: usize) -> Arc<Room> {
    Arc::new(Room::new(bound, &Arc::new(Pace::new(Instant::now()))))
}

fn slot() -> Slot {
    super::super::tests::slot()
}

fn wish(identity: &Identity) -> Wish<'_> {
    Wish { identity, deadline: Instant::now() + HOUR, slot: slot(), waiting_max: 100_000 }
}

/// Counts who is in, beside the room.
#[derive(Default)]
struct Seen {
    inside: AtomicUsize,
    served: AtomicUsize,
    most: AtomicUsize,
    is_broken: AtomicBool,
}

impl Seen {
    /// The highest bound there ever is.
    const BOUND_MAX: usize = 5;

    fn enter(&self) {
        let inside = self.inside.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(inside, Ordering::SeqCst);
        if inside > Self::BOUND_MAX {
            self.is_broken.store(true, Ordering::SeqCst);
        }
    }

    fn leave(&self) {
        self.inside.fetch_sub(1, Ordering::SeqCst);
        self.served.fetch_add(1, Ordering::SeqCst);
    }
}

/// In the room; whoever is dropped in there leaves it.
struct Inside(Arc<Room>, Arc<Seen>);

impl Inside {
    async fn enter(room: &Arc<Room>, seen: &Arc<Seen>, identity: &Identity) -> Self {
        room.enter(wish(identity)).await.expect("nobody is turned away");
        seen.enter();
        Self(Arc::clone(room), Arc::clone(seen))
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        // Out of the count before the next one is in it.
        self.1.leave();
        self.0.leave();
    }
}

/// Many come, wait, go in, go away at any time, while the bound changes.
async fn crowd(seed: u64, calls: usize, in_time: bool) {
    let mut dice = fastrand::Rng::with_seed(seed);
    let (room, seen) = (room(3), Arc::new(Seen::default()));
    let mut tasks = JoinSet::new();
    let mut handles = Vec::new();
    for number in 0..calls {
        let shared = (Arc::clone(&room), Arc::clone(&seen));
        let identity = Identity::named(&dice.u8(0..4).to_string());
        let (before, inside) = (dice.u64(0..4), dice.u64(0..4));
        handles.push(tasks.spawn(async move {
            let (room, seen) = shared;
            rest(before, in_time).await;
            let _inside = Inside::enter(&room, &seen, &identity).await;
            rest(inside, in_time).await;
        }));
        match dice.u8(0..8) {
            0 => handles[dice.usize(0..=number)].abort(),
            1 => {
                room.set_bound(dice.usize(1..=Seen::BOUND_MAX));
                room.look();
            }
            2..=3 => rest(dice.u64(0..3), in_time).await,
            _ => {}
        }
    }
    while let Some(ended) = tasks.join_next().await {
        assert!(ended.is_ok() || ended.is_err_and(|error| error.is_cancelled()), "{seed}");
    }
    assert!(!seen.is_broken.load(Ordering::SeqCst), "{seed}: {:?}", seen.most);
    assert_eq!((room.in_flight(), room.waiting()), (0, 0), "{seed}: nothing is left");
    assert!(room.line().is_empty(), "{seed}");
    assert!(seen.served.load(Ordering::SeqCst) >= calls / 2, "{seed}");
}

async fn rest(steps: u64, in_time: bool) {
    if in_time {
        return sleep(Duration::from_millis(steps)).await;
    }
    for _ in 0..steps {
        yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_happens_there_are_never_too_many_and_nobody_is_lost() {
    let began = Instant::now();
    for seed in 0..100 {
        crowd(seed, 60, true).await;
        crowd(seed, 60, false).await;
    }
    assert!(began.elapsed() < HOUR, "somebody was only let go by the clock");
}

/// Real threads meet in each pair of moves.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_wake_up_is_lost_between_threads() {
    for seed in 0..20 {
        let ended = timeout(Duration::from_secs(60), crowd(seed, 500, false)).await;
        assert!(ended.is_ok(), "{seed}: somebody waits for ever");
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_given_a_place_and_goes_away_unheard_gives_it_on() {
    let room = room(1);
    let identity = Identity::COMMON;
    assert!(room.try_enter());
    let mut first = Box::pin(room.enter(wish(&identity)));
    let mut second = Box::pin(room.enter(wish(&identity)));
    for one in [&mut first, &mut second] {
        assert!(timeout(Duration::ZERO, one).await.is_err(), "they wait");
    }
    assert_eq!((room.in_flight(), room.waiting()), (1, 2));
    room.leave();
    assert_eq!((room.in_flight(), room.waiting()), (1, 1), "it is the first one's");
    drop(first);
    assert_eq!((room.in_flight(), room.waiting()), (1, 0), "it is the second one's");
    assert_eq!(second.await, Ok(()));
    assert!(!room.try_enter());
    room.leave();
    assert!(room.try_enter());
}
