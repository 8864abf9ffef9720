use std::panic::AssertUnwindSafe;
use std::sync::mpsc::{SyncSender, sync_channel};

use super::*;

/// Writes that end when they are told to.
fn gated(etag: &str) -> (SyncSender<()>, impl FnOnce() -> Document + Send + 'static) {
    let (release, released) = sync_channel(1);
    let etag = etag.to_owned();
    let write = move || {
        let _released = released.recv();
        Document::new(etag.clone().into(), etag)
    };
    (release, write)
}

fn never() -> fn() -> Document {
    panic!("it is not written again")
}

#[tokio::test]
async fn nothing_begins_while_one_is_under_way_and_what_begins_then_is_for_all_who_waited() {
    let flights = Flights::default();
    let (release, write) = gated("1");
    let first = flights.join("", "1", None, || write);
    for etag in ["1", "2", "3"] {
        assert_eq!(flights.join("", etag, None, never).number, first.number, "{etag}");
    }
    release.send(()).expect("it waits for that");
    assert_eq!(first.ended().await.etag, "1");
    let (release, write) = gated("2");
    let second = flights.join("", "2", Some(&first), || write);
    assert_ne!(second.number, first.number);
    // Begun after it came, so that it is as new as anybody can want.
    assert_eq!(flights.join("", "3", Some(&first), never).number, second.number);
    // One that comes only now has to wait for the next.
    assert_eq!(flights.join("", "3", None, never).number, second.number);
    release.send(()).expect("it waits for that");
    assert_eq!(second.ended().await.etag, "2");
    assert_eq!(flights.join("", "2", None, never).ended().await.etag, "2", "it is kept");
}

#[tokio::test]
async fn upstreams_do_not_wait_for_each_other_and_are_forgotten_when_they_are_gone() {
    let flights = Flights::default();
    let (_stuck, write) = gated("1");
    let _first = flights.join("a", "1", None, || write);
    let (release, write) = gated("2");
    release.send(()).expect("there is room");
    assert_eq!(flights.join("b", "2", None, || write).ended().await.etag, "2");
    flights.retain(|name| name == "a");
    let (release, write) = gated("3");
    release.send(()).expect("there is room");
    assert_eq!(flights.join("b", "3", None, || write).number, 0);
}

#[tokio::test]
async fn whoever_asks_after_one_that_broke_gets_another_try() {
    let flights = Flights::default();
    let broken = flights.join("", "1", None, || || -> Document { panic!("it breaks") });
    assert!(AssertUnwindSafe(broken.ended()).catch_unwind().await.is_err());
    let (release, write) = gated("1");
    release.send(()).expect("there is room");
    assert_eq!(flights.join("", "1", None, || write).ended().await.etag, "1");
}
