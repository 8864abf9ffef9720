//! What is kept has bounds: in bytes, in age, in names.

use super::{NOON, Scratch, ask, event, frame, kept, row, time};
use crate::history::{
    Bounds, Frame, MEMORY_BYTES_MAX, Metric, NAMES_MAX, OTHER, Place, Query, ROW_EMPTY,
    STORE_BYTES_MAX, Store,
};

const DAY: u64 = 24 * 3600;
const MIB: u64 = 1024 * 1024;

fn wide_frame(at: u64, servers: usize) -> Frame {
    let row = [0.5; Metric::ALL.len()];
    let mut frame = frame(at, 1.0);
    frame.servers.extend((0..servers).map(|index| (format!("server-{index}"), row)));
    frame
}

#[test]
fn the_file_stays_below_its_bound_and_the_newest_stays_in_it() {
    for (bytes_max, servers) in [(MIB, 100), (3 * MIB / 2, 200), (2 * MIB, 1000)] {
        let scratch = Scratch::new();
        let place = Place::Directory(scratch.state());
        let (store, _) = Store::open_with(place, Bounds::of_bytes(bytes_max));
        let frame_bytes = servers as u64 * 70;
        let frames = 3 * bytes_max / frame_bytes;
        let mut longest = 0;
        for at in (NOON..).step_by(30).take(frames as usize) {
            store.append(wide_frame(at, servers));
            longest = longest.max(scratch.file().metadata().unwrap().len());
        }
        assert!(longest <= bytes_max, "{servers} servers: {longest} of {bytes_max}");
        let last = NOON + 30 * (frames - 1);
        assert_eq!(*kept(&store, last - 600, last).last().unwrap(), last);
        let used = (last - store.base().span().unwrap().unwrap().full_from) / 30 * frame_bytes;
        assert!(used > bytes_max / 8, "{servers} servers: only {used} of {bytes_max} are used");
    }
}

#[test]
fn memory_stays_below_its_bound() {
    let (store, _) = Store::open(Place::Memory);
    for at in (NOON..).step_by(30).take(100) {
        store.append(wide_frame(at, 1000));
        assert!(store.base().length() <= MEMORY_BYTES_MAX);
    }
    let last = NOON + 99 * 30;
    assert_eq!(*kept(&store, last - 600, last).last().unwrap(), last);
    assert!(store.base().span().unwrap().unwrap().full_from > NOON);
}

#[test]
fn a_storm_of_events_costs_no_samples() {
    let (store, _) = Store::open_with(Place::Memory, Bounds::of_bytes(2 * MIB));
    for at in (NOON..).step_by(30).take(100) {
        store.append(frame(at, 1.0));
    }
    for at in NOON..NOON + 30 {
        store.append_events((0..500).map(|_| event(at, "storm")).collect());
        store.append(frame(NOON + 3000 + 30 * (at - NOON), 1.0));
    }
    assert!(store.base().length() <= 2 * MIB);
    assert_eq!(kept(&store, NOON, NOON + 6000).len(), 130);
    assert!(store.base().length() > MIB / 2, "it was no storm");
    let events = store.events(time(NOON), time(NOON + DAY), None, 100_000);
    assert_eq!(events.last().unwrap().at_ms, (NOON + 29) * 1000);
    assert!(events.len() > 100, "{}", events.len());
}

#[test]
fn samples_become_roll_ups_and_those_go_in_the_end() {
    let hours = |hours: u64| hours * 3600;
    let bounds = Bounds {
        full_seconds: hours(3),
        rolled_seconds: hours(24),
        events_seconds: hours(12),
        ..Bounds::of_bytes(MIB)
    };
    let (store, _) = Store::open_with(Place::Memory, bounds);
    let end = NOON + hours(30);
    store.append_events(vec![event(NOON, "old"), event(end - hours(1), "new")]);
    for at in (NOON..=end).step_by(300) {
        store.append(frame(at, 1.0));
    }
    let span = store.base().span().unwrap().unwrap();
    assert!(span.full_from.abs_diff(end - hours(3)) <= 900, "{span:?}");
    assert!(span.from.abs_diff(end - hours(24)) <= 900, "{span:?}");
    let names: Vec<_> =
        store.events(time(0), time(end), None, 10).into_iter().map(|event| event.name).collect();
    assert_eq!(names, ["new"]);
}

#[test]
fn what_is_kept_is_a_week_a_season_and_a_month() {
    let bounds = Bounds::of_bytes(STORE_BYTES_MAX);
    let days = |seconds| seconds / DAY;
    let of = (days(bounds.full_seconds), days(bounds.rolled_seconds), days(bounds.events_seconds));
    assert_eq!(of, (7, 90, 30));
}

#[test]
fn a_clock_that_jumps_ahead_and_back_costs_nothing() {
    let (store, _) = Store::open(Place::Memory);
    for at in (NOON..NOON + DAY).step_by(300) {
        store.append(frame(at, 1.0));
    }
    let wrong = NOON + 3650 * DAY;
    for at in (wrong..wrong + 1800).step_by(30) {
        store.append(frame(at, 9.0));
    }
    for at in (NOON + DAY..NOON + 2 * DAY).step_by(300) {
        store.append(frame(at, 1.0));
    }
    store.trim();
    let all = ask(&store, Metric::Rate, (NOON, NOON + 2 * DAY), 3600);
    assert_eq!(all.points.len(), 48);
    assert!(all.points.iter().all(|(_, value)| *value == 1.0));
}

#[test]
fn a_clock_that_is_set_back_an_hour_overwrites_and_goes_on() {
    let scratch = Scratch::new();
    let store = scratch.open_well();
    for at in (NOON..NOON + 7200).step_by(60) {
        store.append(frame(at, 1.0));
    }
    for at in (NOON + 3630..NOON + 5400).step_by(60) {
        store.append(frame(at, 3.0));
    }
    drop(store);
    let store = scratch.open_well();
    store.append(frame(NOON + 5430, 3.0));
    let points = ask(&store, Metric::Rate, (NOON, NOON + 7200), 900).points;
    assert_eq!(points.len(), 8);
    assert_eq!(points[0].1, 1.0);
    assert!(points[5].1 > 1.0, "{points:?}");
}

#[test]
fn names_beyond_the_bound_are_kept_as_one() {
    let (store, _) = Store::open(Place::Memory);
    let of = |rate, p50, p99, score| {
        row(&[(Metric::Rate, rate), (Metric::P50, p50), (Metric::P99, p99), (Metric::Score, score)])
    };
    let mut frame = Frame { at: NOON, whole: ROW_EMPTY, servers: Vec::new() };
    for index in 0..NAMES_MAX - 1 {
        frame.servers.push((format!("server-{index}"), of(1.0, 1.0, 1.0, 100.0)));
    }
    frame.servers.push(("a".to_owned(), of(3.0, 0.1, 0.5, 90.0)));
    frame.servers.push(("b".to_owned(), of(1.0, 0.5, 2.0, 70.0)));
    frame.servers.push(("never called".to_owned(), ROW_EMPTY));
    store.append(frame);
    let value = |server: &str, metric| {
        let (from, to) = (time(NOON), time(NOON));
        let query = Query { server: Some(server.to_owned()), metric, from, to, step_seconds: 1 };
        store.query(&query).unwrap().points.first().map(|(_, value)| *value)
    };
    assert_eq!(value("server-0", Metric::Rate), Some(1.0));
    assert_eq!(value("a", Metric::Rate), None);
    assert_eq!(value(OTHER, Metric::Rate), Some(4.0));
    assert_eq!(value(OTHER, Metric::P50), Some(0.2));
    assert_eq!(value(OTHER, Metric::P99), Some(2.0));
    assert_eq!(value(OTHER, Metric::Score), Some(70.0));
}
