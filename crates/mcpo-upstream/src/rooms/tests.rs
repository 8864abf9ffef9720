mod overload;

use std::sync::OnceLock;

use mcpo_core::catalog::{Catalog, CatalogPolicy, ServerIdentity, ToolDefinition, ToolPolicy};
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, yield_now};
use tokio::time::{advance, sleep};

use super::*;
use crate::meter::Meters;

const MINUTE: Duration = Duration::from_secs(60);

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// `free` has no bound of its own, `one` is called once at a time.
fn tool(name: &str) -> &'static Tool {
    static CATALOG: OnceLock<Catalog> = OnceLock::new();
    let catalog = CATALOG.get_or_init(|| {
        let tools = ["free", "one"];
        let tools =
            tools.iter().filter_map(|name| ToolDefinition::from_json(&json!({"name": name})));
        let one = ToolPolicy { max_concurrent: NonZeroUsize::new(1), ..ToolPolicy::default() };
        let tool_policies = [("one".to_owned(), one)].into();
        let policy = CatalogPolicy { tools: tool_policies, ..CatalogPolicy::default() };
        Catalog::new(ServerIdentity::default(), tools.collect(), &policy)
    });
    catalog.tool(name).expect("it is there")
}

pub(super) fn slot() -> Slot {
    Slot::of(tool("free"))
}

fn load(max_concurrent: usize) -> ServerLoad {
    let max_concurrent = NonZeroUsize::new(max_concurrent).expect("it is not zero");
    ServerLoad { max_concurrent, ..ServerLoad::default() }
}

fn rooms(load: ServerLoad) -> Arc<Rooms> {
    Rooms::new(Meters::default().of("up"), &load)
}

fn ticket<'a>(name: &str, identity: &'a Identity, limit: Duration) -> Ticket<'a> {
    Ticket { tool: tool(name), identity, deadline: Instant::now() + limit }
}

static ANYBODY: Identity = Identity::COMMON;

async fn enter(rooms: &Rooms) -> Result<Place<'_>, ShedReason> {
    rooms.enter(ticket("free", &ANYBODY, MINUTE)).await
}

/// Calls that wait; each says who it is when it is in, and stays for so long.
struct Callers {
    rooms: Arc<Rooms>,
    served: Arc<std::sync::Mutex<Vec<String>>>,
    tasks: JoinSet<Option<ShedReason>>,
}

impl Callers {
    fn new(rooms: &Arc<Rooms>) -> Self {
        Self { rooms: Arc::clone(rooms), served: Arc::default(), tasks: JoinSet::new() }
    }

    /// It is in the line when this ends, or in, or turned away.
    async fn call(&mut self, who: &str, name: &'static str, limit: Duration, stay: Duration) {
        let (rooms, served, who) = (self.rooms.clone(), self.served.clone(), who.to_owned());
        let identity = Identity::named(&who[..1]);
        let deadline = Instant::now() + limit;
        self.tasks.spawn(async move {
            let ticket = Ticket { tool: tool(name), identity: &identity, deadline };
            match rooms.enter(ticket).await {
                Err(reason) => Some(reason),
                Ok(place) => {
                    served.lock().expect("nobody panics").push(who);
                    sleep(stay).await;
                    place.settle(Instant::now(), Feedback::Answered);
                    None
                }
            }
        });
        for _ in 0..5 {
            yield_now().await;
        }
    }

    fn served(&self) -> Vec<String> {
        self.served.lock().expect("nobody panics").clone()
    }

    async fn all(&mut self) -> Vec<ShedReason> {
        let mut shed = Vec::new();
        while let Some(ended) = self.tasks.join_next().await {
            shed.extend(ended.expect("nobody panics"));
        }
        shed
    }
}

#[tokio::test(start_paused = true)]
async fn identities_take_turns_at_an_upstream() {
    let rooms = rooms(load(1));
    let mut callers = Callers::new(&rooms);
    for who in ["a1", "a2", "a3", "a4", "b1", "c1"] {
        callers.call(who, "free", MINUTE, millis(10)).await;
    }
    assert_eq!(rooms.queued(), 5);
    assert_eq!(callers.all().await, []);
    assert_eq!(callers.served(), ["a1", "a2", "b1", "c1", "a3", "a4"]);
    assert_eq!((rooms.queued(), rooms.all.in_flight()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn the_newest_go_first_once_the_oldest_is_late_and_the_oldest_is_turned_away() {
    let rooms = rooms(ServerLoad { max_waiting: 3, ..load(1) });
    let mut callers = Callers::new(&rooms);
    // Calls take 50 ms, so that who has 100 ms left is late.
    let place = enter(&rooms).await.expect("there is room");
    advance(millis(50)).await;
    place.settle(Instant::now(), Feedback::Answered);
    let place = enter(&rooms).await.expect("there is room");
    callers.call("a1", "free", millis(200), millis(10)).await;
    callers.call("a2", "free", millis(300), millis(10)).await;
    advance(millis(101)).await;
    for who in ["a3", "a4"] {
        callers.call(who, "free", millis(190), millis(10)).await;
    }
    // a1 went; the oldest that is left, a2, is in time for another 99 ms.
    advance(millis(100)).await;
    drop(place);
    assert_eq!(callers.all().await, [ShedReason::ServerFull]);
    assert_eq!(callers.served(), ["a4", "a3", "a2"]);
}

/// More callers than places, each of which calls again as soon as it is answered.
#[tokio::test(start_paused = true)]
async fn a_line_that_stands_for_minutes_loses_no_call_while_it_moves_fast_enough() {
    let rooms = rooms(load(4));
    let mut callers = JoinSet::new();
    let ends = Instant::now() + 5 * MINUTE;
    for _ in 0..40 {
        let rooms = Arc::clone(&rooms);
        callers.spawn(async move {
            let (mut served, mut longest) = (0, Duration::ZERO);
            while Instant::now() < ends {
                let began = Instant::now();
                // Nine rounds of 100 ms until it is its turn, one for itself, and one in reserve.
                let place = rooms.enter(ticket("free", &ANYBODY, millis(1200))).await;
                longest = longest.max(began.elapsed());
                sleep(millis(100)).await;
                place.expect("nobody is late").settle(Instant::now(), Feedback::Answered);
                served += 1;
            }
            (served, longest)
        });
    }
    for (served, longest) in callers.join_all().await {
        assert!((295..=305).contains(&served), "{served}: each has its share");
        assert!(longest <= millis(910), "{longest:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_waits_is_let_go_at_its_deadline_or_as_soon_as_that_cannot_be_met() {
    let rooms = rooms(load(1));
    let place = enter(&rooms).await.expect("there is room");
    let began = Instant::now();
    let entered = rooms.enter(ticket("free", &ANYBODY, millis(300))).await;
    assert_eq!((entered.err(), began.elapsed()), (Some(ShedReason::TooLate), millis(300)));
    advance(millis(500)).await;
    place.settle(Instant::now(), Feedback::Answered);
    // Now it is known that nothing is answered within 800 ms.
    let place = enter(&rooms).await.expect("there is room");
    let began = Instant::now();
    let entered = rooms.enter(ticket("free", &ANYBODY, millis(1000))).await;
    assert_eq!((entered.err(), began.elapsed()), (Some(ShedReason::TooLate), millis(200)));
    drop(place);
    let hurried = rooms.enter(ticket("free", &ANYBODY, millis(1))).await;
    assert!(hurried.is_ok(), "with room, nobody judges");
    assert_eq!(rooms.queued(), 0);
}

#[tokio::test(start_paused = true)]
async fn one_who_would_be_late_by_now_is_not_started_and_the_next_one_is() {
    let rooms = rooms(load(1));
    let place = enter(&rooms).await.expect("there is room");
    let mut callers = Callers::new(&rooms);
    callers.call("a1", "free", millis(400), millis(10)).await;
    callers.call("b1", "free", MINUTE, millis(10)).await;
    advance(millis(300)).await;
    // It took 300 ms, and a1 has 100 left.
    place.settle(Instant::now(), Feedback::Answered);
    assert_eq!(callers.all().await, [ShedReason::TooLate]);
    assert_eq!(callers.served(), ["b1"]);
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_for_one_tool_are_in_nobodys_way() {
    let rooms = rooms(load(2));
    let mut callers = Callers::new(&rooms);
    for who in ["a1", "a2", "a3"] {
        callers.call(who, "one", MINUTE, Duration::from_secs(5)).await;
    }
    assert_eq!((rooms.all.in_flight(), rooms.all.waiting(), rooms.queued()), (1, 0, 2));
    for who in ["b1", "b2", "b3"] {
        callers.call(who, "free", MINUTE, Duration::ZERO).await;
        sleep(millis(1)).await;
    }
    assert_eq!(callers.served(), ["a1", "b1", "b2", "b3"]);
    assert_eq!(callers.all().await, []);
    assert_eq!(callers.served()[4..], ["a2", "a3"]);
    assert_eq!((rooms.all.in_flight(), rooms.queued()), (0, 0));
    let one = rooms.tool("one", NonZeroUsize::MIN);
    assert_eq!((one.in_flight(), one.waiting()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn one_that_is_dropped_anywhere_on_its_way_leaves_nothing_behind() {
    let rooms = rooms(ServerLoad { max_per_identity: NonZeroUsize::new(9), ..load(1) });
    let place = enter(&rooms).await.expect("there is room");
    let mut callers = Callers::new(&rooms);
    callers.call("a1", "one", MINUTE, MINUTE).await;
    callers.call("a2", "one", MINUTE, MINUTE).await;
    callers.call("b1", "free", MINUTE, MINUTE).await;
    let one = rooms.tool("one", NonZeroUsize::MIN);
    assert_eq!((one.in_flight(), one.waiting(), rooms.all.waiting()), (1, 1, 2));
    assert_eq!((rooms.queued(), rooms.identities.identities()), (3, 3));
    callers.tasks.shutdown().await;
    assert_eq!((one.in_flight(), one.waiting(), rooms.all.waiting()), (0, 0, 0));
    assert_eq!((rooms.queued(), rooms.identities.identities()), (0, 1));
    drop(place);
    assert_eq!((rooms.all.in_flight(), rooms.identities.identities()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn an_identity_has_so_many_in_flight_and_waiting_at_most() {
    let rooms = rooms(ServerLoad { max_per_identity: NonZeroUsize::new(2), ..load(1) });
    let mut callers = Callers::new(&rooms);
    for who in ["a1", "a2", "a3", "b1"] {
        callers.call(who, "free", MINUTE, millis(10)).await;
    }
    assert_eq!(callers.all().await, [ShedReason::IdentityFull]);
    assert_eq!(callers.served(), ["a1", "a2", "b1"]);
}

#[tokio::test(start_paused = true)]
async fn other_bounds_hold_at_once_also_for_those_who_wait() {
    let rooms = rooms(load(1));
    let mut callers = Callers::new(&rooms);
    for who in ["a1", "a2", "a3", "a4"] {
        callers.call(who, "free", MINUTE, millis(10)).await;
    }
    assert_eq!(callers.served(), ["a1"]);
    rooms.follow(&load(3));
    assert_eq!((rooms.all.in_flight(), rooms.all.waiting()), (3, 1));
    rooms.follow(&ServerLoad { max_waiting: 1, ..load(1) });
    assert_eq!(rooms.meter.read().limit, 1);
    callers.call("b1", "free", MINUTE, millis(10)).await;
    assert_eq!(rooms.all.in_flight(), 3, "nobody is thrown out");
    assert_eq!(callers.all().await, [ShedReason::ServerFull]);
    assert_eq!(rooms.all.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_learnt_limit_falls_to_one_and_comes_back_by_itself() {
    let rooms = rooms(load(100));
    for _ in 0..100 {
        let began = Instant::now();
        let place = enter(&rooms).await.expect("there is room");
        advance(millis(10)).await;
        place.lost(began, Instant::now());
    }
    assert_eq!((rooms.all.bound(), rooms.meter.read().limit), (1, 1));
    // As many as there are places for, over and over.
    for _ in 0..30 {
        let mut callers = Callers::new(&rooms);
        for _ in 0..150 {
            callers.call("a", "free", MINUTE, millis(10)).await;
        }
        assert_eq!(callers.all().await, []);
    }
    assert_eq!((rooms.all.bound(), rooms.meter.read().limit), (100, 100));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_to_be_learnt_is_not_and_is_forgotten() {
    let rooms = rooms(load(10));
    enter(&rooms).await.expect("there is room").settle(Instant::now(), Feedback::Lost);
    assert_eq!(rooms.all.bound(), 9);
    rooms.follow(&ServerLoad { adaptive: false, ..load(10) });
    assert_eq!(rooms.all.bound(), 10);
    advance(millis(10)).await;
    enter(&rooms).await.expect("there is room").settle(Instant::now(), Feedback::Lost);
    assert_eq!(rooms.all.bound(), 10);
}

#[tokio::test(start_paused = true)]
async fn one_of_several_upstreams_has_its_share_of_the_process_and_one_alone_has_all() {
    let rooms = rooms(load(100));
    let first = rooms.take_in_hand(2);
    let second = rooms.take_in_hand(2);
    assert!(first.is_some() && second.is_some());
    assert!(rooms.take_in_hand(2).is_none());
    rooms.set_alone(true);
    assert!(rooms.take_in_hand(2).is_some());
    rooms.set_alone(false);
    drop(first);
    assert!(rooms.take_in_hand(2).is_some(), "what was turned away is not counted");
}

#[tokio::test(start_paused = true)]
async fn who_is_turned_away_is_told_when_its_turn_would_have_come() {
    let rooms = rooms(load(2));
    assert_eq!(rooms.come_back_in(), COME_BACK_MIN, "nothing is known");
    let places = [enter(&rooms).await, enter(&rooms).await];
    advance(Duration::from_secs(4)).await;
    for place in places {
        place.expect("there is room").settle(Instant::now(), Feedback::Answered);
    }
    let mut callers = Callers::new(&rooms);
    for _ in 0..7 {
        callers.call("a", "free", MINUTE, MINUTE).await;
    }
    assert_eq!(rooms.come_back_in(), Duration::from_secs(12), "5 wait, 4 s for 2 at once");
    for _ in 0..100 {
        callers.call("a", "free", MINUTE, MINUTE).await;
    }
    assert_eq!(rooms.come_back_in(), COME_BACK_MAX);
}

/// What became of a call, and when, in milliseconds from its coming.
type Fate = Result<u128, (ShedReason, u128)>;

/// One of an upstream that works on 16 at once for 5 ms each, and has the others wait.
async fn call_queueing(rooms: Arc<Rooms>, workers: Arc<Semaphore>) -> Fate {
    let came = Instant::now();
    let place = rooms.enter(ticket("free", &ANYBODY, millis(250))).await;
    let place = place.map_err(|reason| (reason, came.elapsed().as_millis()))?;
    let worker = workers.acquire().await.expect("it is never closed");
    sleep(millis(5)).await;
    drop(worker);
    place.settle(Instant::now(), Feedback::Answered);
    Ok(came.elapsed().as_millis())
}

/// So many calls in each of so many milliseconds.
async fn load_queueing(rooms: &Arc<Rooms>, per_milli: u32, length: u64) -> Vec<Fate> {
    let (workers, mut calls) = (Arc::new(Semaphore::new(16)), JoinSet::new());
    for _ in 0..length {
        for _ in 0..per_milli {
            calls.spawn(call_queueing(Arc::clone(rooms), Arc::clone(&workers)));
        }
        sleep(millis(1)).await;
    }
    calls.join_all().await
}

/// The upstream bears 3.2 calls in a millisecond.
#[tokio::test(start_paused = true)]
async fn an_upstream_that_queues_without_end_has_a_short_line_before_it() {
    let rooms = rooms(load(1024));
    load_queueing(&rooms, 2, 500).await;
    assert_eq!(rooms.all.bound(), 1024);
    load_queueing(&rooms, 10, 1000).await;
    assert!((17..=32).contains(&rooms.all.bound()), "{}", rooms.all.bound());
    let fates = load_queueing(&rooms, 10, 1000).await;
    let good: Vec<u128> = fates.iter().filter_map(|fate| fate.ok()).collect();
    assert!(good.len() >= 3000, "{}", good.len());
    let slow = good.iter().filter(|took| **took > 20).count();
    assert!(slow * 100 <= good.len(), "{slow} of {}", good.len());
    let late = fates.iter().filter(|fate| matches!(fate, Err((_, after)) if *after > 1)).count();
    assert_eq!(late, 0, "who is turned away is told at once");
}
