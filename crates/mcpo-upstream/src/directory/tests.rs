use mcpo_core::catalog::{CatalogPolicy, ServerIdentity};

use super::*;

fn view(name: &str, state: State, catalog_version: u64) -> View {
    let catalog = Catalog::new(ServerIdentity::default(), Vec::new(), &CatalogPolicy::default());
    View {
        name: name.to_owned(),
        state,
        since: Instant::now(),
        away_since: Instant::now(),
        catalog: (catalog_version > 0).then(|| Arc::new(catalog)),
        catalog_version,
        session: None,
        timeout: None,
        reconnects: 0,
    }
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
    let a = directory.enter(view("a", STARTING, 0));
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
    let _again = directory.enter(view("a", STARTING, 0));
    grew("it is replaced, its tools unknown", true);
    directory.leave("a");
    grew("it leaves", true);
    assert!(names(&directory).is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_is_replaced_keeps_its_place_in_the_order() {
    let directory = Directory::new();
    let places: Vec<Place> =
        ["a", "b", "c"].map(|name| directory.enter(view(name, STARTING, 0))).into();
    let _b = directory.enter(view("b", State::Ready, 1));
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
    let place = directory.enter(view("a", STARTING, 0));
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
    let place = directory.enter(view("a", STARTING, 0));
    directory.leave("a");
    place.publish(view("a", State::Ready, 1));
    assert!(names(&directory).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_session_is_suspected_once_however_many_calls_say_so() {
    let directory = Directory::new();
    let mut place = directory.enter(view("a", STARTING, 0));
    let upstream = directory.load().upstream("a").expect("it is there").clone();
    let news = |place: &mut Place| {
        let changed = place.suspicions.has_changed().expect("somebody can suspect");
        (changed, place.suspicions.borrow_and_update().epoch)
    };
    upstream.replace_session(2, fault());
    assert_eq!(news(&mut place), (true, 2));
    upstream.replace_session(2, Fault::new(FaultKind::SessionLost, "later"));
    upstream.replace_session(1, fault());
    assert_eq!(news(&mut place), (false, 2));
    assert_eq!(place.suspicions.borrow().fault, Some(fault()), "the first word counts");
    upstream.replace_session(3, fault());
    assert_eq!(news(&mut place), (true, 3));
}

#[tokio::test(start_paused = true)]
async fn an_upstream_whose_keeper_broke_is_shown_resting_with_its_tools() {
    let directory = Directory::new();
    let place = directory.enter(view("a", State::Ready, 3));
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
