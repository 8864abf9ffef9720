use std::sync::OnceLock;
use std::time::Duration;

use mcpo_core::catalog::{Catalog, CatalogPolicy, ServerIdentity, ToolDefinition};
use mcpo_core::fault::FaultKind;
use mcpo_core::identity::Identity;

use super::*;
use crate::order::{Order, OrderError};
use crate::rooms::Ticket;

fn view(name: &str, state: State, catalog_version: u64) -> View {
    let catalog = Catalog::new(ServerIdentity::default(), Vec::new(), &CatalogPolicy::default());
    View {
        name: name.to_owned(),
        state,
        since: Instant::now(),
        away_since: Instant::now(),
        catalog: (catalog_version > 0).then(|| Arc::new(catalog)),
        catalog_version,
        missing_tools: Vec::new(),
        sessions: Vec::new(),
        withheld: Vec::new(),
        timeout: None,
        load: mcpo_core::load::ServerLoad::default(),
        epochs: 0,
        reconnects: 0,
        pool: PoolView { min: 1, max: 1, starting: 0, draining: 0 },
    }
}

fn ticket(deadline: Instant) -> Ticket<'static> {
    static ANYBODY: Identity = Identity::COMMON;
    static CATALOG: OnceLock<Catalog> = OnceLock::new();
    let catalog = CATALOG.get_or_init(|| {
        let tool = ToolDefinition::from_json(&serde_json::json!({"name": "tool"}));
        let tools = vec![tool.expect("it has a name")];
        Catalog::new(ServerIdentity::default(), tools, &CatalogPolicy::default())
    });
    Ticket { tool: &catalog.tools()[0], identity: &ANYBODY, deadline }
}

fn fault() -> Fault {
    Fault::new(FaultKind::Unreachable, "refused")
}

const STARTING: State = State::Starting { failures: 0, fault: None };

fn generations(directory: &Directory) -> (u64, u64) {
    let snapshot = directory.load();
    (snapshot.generation, snapshot.catalog_generation)
}

fn names(directory: &Directory) -> Vec<String> {
    directory.load().upstreams().iter().map(|upstream| upstream.view.name.clone()).collect()
}

/// Each row: what happens, and whether a document may be another one after it.
#[tokio::test(start_paused = true)]
async fn every_change_is_a_generation_and_only_what_documents_show_is_one_of_theirs() {
    let directory = Directory::new();
    let mut last = generations(&directory);
    let mut grew = |what: &str, documents: bool| {
        let now = generations(&directory);
        assert_eq!(now, (last.0 + 1, last.1 + u64::from(documents)), "{what}");
        last = now;
    };
    let a = directory.enter(view("a", STARTING, 0), GatePolicy::default());
    grew("an upstream enters", true);
    a.publish(view("a", State::Ready, 1));
    grew("its first catalog", true);
    a.publish(view("a", STARTING, 1));
    grew("it is started again", false);
    let retry_at = Instant::now();
    a.publish(view("a", State::Resting { failures: 1, fault: fault(), retry_at }, 1));
    grew("it rests", false);
    a.publish(view("a", State::Ready, 1));
    grew("it is back with the same tools", false);
    a.publish(view("a", State::Ready, 2));
    grew("its tools changed", true);
    directory.show_resting("a", fault(), retry_at);
    grew("its keeper broke", false);
    let _again = directory.enter(view("a", STARTING, 0), GatePolicy::default());
    grew("it is replaced, its tools unknown", true);
    directory.leave("a");
    grew("it leaves", true);
    assert!(names(&directory).is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_is_replaced_keeps_its_place_in_the_order() {
    let directory = Directory::new();
    let places: Vec<Seat> = ["a", "b", "c"]
        .map(|name| directory.enter(view(name, STARTING, 0), GatePolicy::default()))
        .into();
    let _b = directory.enter(view("b", State::Ready, 1), GatePolicy::default());
    places[2].publish(view("c", State::Ready, 1));
    assert_eq!(names(&directory), ["a", "b", "c"]);
    directory.leave("a");
    assert_eq!(names(&directory), ["b", "c"]);
    let snapshot = directory.load();
    for name in ["b", "c"] {
        assert_eq!(snapshot.upstream(name).expect("it is there").view.name, name);
    }
    assert!(snapshot.upstream("a").is_none());
}

#[tokio::test(start_paused = true)]
async fn who_follows_an_upstream_sees_a_view_that_the_snapshot_has_already() {
    let directory = Directory::new();
    let place = directory.enter(view("a", STARTING, 0), GatePolicy::default());
    let mut views = directory.load().upstream("a").expect("it is there").follow();
    let mut generations = directory.generations();
    assert_eq!(views.borrow_and_update().state, STARTING);
    place.publish(view("a", State::Ready, 1));
    views.changed().await.expect("its keeper is there");
    assert_eq!(views.borrow().state, State::Ready);
    generations.changed().await.expect("the directory is there");
    assert_eq!(directory.load().upstream("a").expect("it is there").view.state, State::Ready);
    drop(place);
    assert!(views.changed().await.is_err(), "nothing more will come");
}

#[tokio::test(start_paused = true)]
async fn what_a_keeper_that_left_publishes_late_changes_no_upstream() {
    let directory = Directory::new();
    let place = directory.enter(view("a", STARTING, 0), GatePolicy::default());
    directory.leave("a");
    place.publish(view("a", State::Ready, 1));
    assert!(names(&directory).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_seat_that_was_taken_over_changes_nothing_and_those_who_wait_see_its_successor() {
    let directory = Directory::new();
    let old = directory.enter(view("a", State::Ready, 1), GatePolicy::default());
    let before = directory.load().upstream("a").expect("it is there").clone();
    let mut views = before.follow();
    let new = directory.enter(view("a", STARTING, 1), GatePolicy::default());
    old.publish(view("a", State::Stopped, 1));
    drop(old);
    assert_eq!(views.borrow_and_update().state, STARTING);
    new.publish(view("a", State::Ready, 2));
    views.changed().await.expect("its keeper is there");
    assert_eq!(views.borrow().state, State::Ready);
    assert_eq!(directory.load().upstream("a").expect("it is there").view.state, State::Ready);
    let soon = Instant::now() + Duration::from_secs(1);
    assert_eq!(before.order(Order::Hold, soon).await, Err(OrderError::Gone));
    let now = directory.load().upstream("a").expect("it is there").clone();
    assert_eq!(now.order(Order::Hold, soon).await, Err(OrderError::Late));
}

#[tokio::test(start_paused = true)]
async fn upstreams_stand_in_the_order_that_they_are_brought_into() {
    let directory = Directory::new();
    let _seats: Vec<Seat> = ["a", "b", "c", "d"]
        .map(|name| directory.enter(view(name, STARTING, 0), GatePolicy::default()))
        .into();
    directory.arrange(&["c", "a", "b"]);
    assert_eq!(names(&directory), ["c", "a", "b", "d"]);
    let before = generations(&directory);
    directory.arrange(&["c", "a", "b"]);
    assert_eq!(generations(&directory), before, "nothing is published twice");
    assert_eq!(directory.load().upstream("a").expect("it is there").view.name, "a");
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_for_a_place_until_its_deadline_and_the_queue_is_bounded() {
    let directory = Directory::new();
    let _seat = directory.enter(view("a", STARTING, 0), GatePolicy::default());
    let upstream = directory.load().upstream("a").expect("it is there").clone();
    let began = Instant::now();
    let deadline = began + Duration::from_secs(3);
    let mut taken = Vec::new();
    for _ in 0..CALLS_IN_FLIGHT_MAX {
        taken.push(upstream.enter(ticket(began)).await.expect("there is room"));
    }
    assert!(upstream.enter(ticket(deadline)).await.is_err());
    assert_eq!(began.elapsed(), Duration::from_secs(3));

    let began = Instant::now();
    let deadline = began + Duration::from_secs(3);
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..CALLS_WAITING_MAX {
        let upstream = upstream.clone();
        waiting.spawn(async move { upstream.enter(ticket(deadline)).await.is_ok() });
    }
    // So often that each of them has had its turn.
    for _ in 0..CALLS_WAITING_MAX {
        tokio::task::yield_now().await;
    }
    assert!(upstream.enter(ticket(deadline)).await.is_err());
    assert_eq!(began.elapsed(), Duration::ZERO, "whoever comes when all wait is told at once");
    drop(taken.pop());
    assert!(waiting.join_next().await.expect("one waits").expect("it ends"));
    assert_eq!(began.elapsed(), Duration::ZERO, "a place that is given back goes on at once");
    drop(taken);
    assert!(waiting.join_all().await.into_iter().all(|served| served));
    assert!(upstream.enter(ticket(deadline)).await.is_ok(), "nothing is left of the queue");
}

#[tokio::test(start_paused = true)]
async fn an_upstream_whose_keeper_broke_is_shown_resting_with_its_tools() {
    let directory = Directory::new();
    let place = directory.enter(view("a", State::Ready, 3), GatePolicy::default());
    drop(place);
    let retry_at = Instant::now() + Duration::from_secs(5);
    directory.show_resting("a", fault(), retry_at);
    directory.show_resting("unknown", fault(), retry_at);
    let snapshot = directory.load();
    let view = &snapshot.upstream("a").expect("it is there").view;
    assert_eq!(view.state, State::Resting { failures: 1, fault: fault(), retry_at });
    assert!(view.catalog.is_some() && !view.is_ready());
    assert_eq!(snapshot.upstreams().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_upstream_is_counted_on_when_it_is_replaced_or_comes_back() {
    let directory = Directory::new();
    let _first = directory.enter(view("a", STARTING, 0), GatePolicy::default());
    let meter = || Arc::clone(directory.load().upstream("a").unwrap().meter());
    drop(meter().begin("tool"));
    let _second = directory.enter(view("a", STARTING, 0), GatePolicy::default());
    drop(meter().begin("tool"));
    directory.leave("a");
    assert_eq!(directory.meters().read().len(), 1, "what was counted stays");
    let _third = directory.enter(view("a", STARTING, 0), GatePolicy::default());
    drop(meter().begin("tool"));
    let [read] = directory.meters().read().try_into().unwrap();
    assert_eq!(read.tools[0].ended.iter().sum::<u64>(), 3);
    assert_eq!(directory.load().upstream("a").unwrap().queued(), 0);
}

/// Whatever comes, goes or is put in order: who is in the list is found by name, and nobody else.
#[tokio::test(start_paused = true)]
async fn names_lead_to_upstreams_after_every_change() {
    const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
    let directory = Directory::new();
    let mut seats: Vec<Seat> = Vec::new();
    let mut dice = fastrand::Rng::with_seed(1);
    for _ in 0..1000 {
        let name = NAMES[dice.usize(..NAMES.len())];
        match dice.u8(..4) {
            0 => seats.push(directory.enter(view(name, STARTING, 0), GatePolicy::default())),
            1 => directory.leave(name),
            2 => {
                let mut names = NAMES;
                dice.shuffle(&mut names);
                directory.arrange(&names[..dice.usize(..=NAMES.len())]);
            }
            _ => seats.iter().for_each(|seat| {
                seat.publish(view(&seat.view().name.clone(), State::Ready, 1));
            }),
        }
        let snapshot = directory.load();
        for name in NAMES {
            let listed = snapshot.upstreams().iter().filter(|one| one.view.name == name).count();
            let found = snapshot.upstream(name);
            assert!(listed <= 1 && found.is_some_and(|one| one.view.name == name) == (listed == 1));
        }
        seats.truncate(12);
    }
}
