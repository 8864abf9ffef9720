//! What is asked, and how many samples become one point.

use super::{NOON, Scratch, ask, event, frame, row, time};
use crate::history::{
    Bounds, Frame, HistoryError, Metric, POINTS_MAX, Place, Query, ROW_EMPTY, Store, export,
};

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

#[test]
fn metrics_are_found_by_the_names_they_have() {
    for (index, metric) in Metric::ALL.into_iter().enumerate() {
        assert_eq!(metric.index(), index);
        assert_eq!(Metric::from_name(metric.name()), Some(metric));
        let json = serde_json::to_value(metric).unwrap();
        assert_eq!(json, metric.name());
    }
    assert_eq!(Metric::from_name("Rate"), None);
}

#[test]
fn what_was_written_is_answered_after_a_restart() {
    let scratch = Scratch::new();
    let store = scratch.open_well();
    for at in (NOON..NOON + 600).step_by(30) {
        store.append(frame(at, 0.1));
    }
    let before = ask(&store, Metric::Rate, (NOON, NOON + 600), 60);
    assert_eq!(before.points.len(), 10);
    assert!(before.points.iter().all(|(at, value)| at % 60 == 0 && *value == 0.1));
    drop(store);
    assert_eq!(ask(&scratch.open_well(), Metric::Rate, (NOON, NOON + 600), 60), before);
}

#[test]
fn a_quarter_with_a_restart_in_it_is_rolled_up_whole() {
    let scratch = Scratch::new();
    let rolled = |rates: [f32; 2], restart: bool| {
        let scratch = Scratch::new();
        let mut store = scratch.open_well();
        for (half, rate) in [NOON, NOON + 450].into_iter().zip(rates) {
            for at in (half..half + 450).step_by(30) {
                store.append(frame(at, rate));
            }
            if restart {
                drop(store);
                store = scratch.open_well();
            }
        }
        // Eight days later the samples are gone, and the roll-up stands for them.
        for at in (NOON + 8 * DAY..NOON + 8 * DAY + 2 * HOUR).step_by(300) {
            store.append(frame(at, 1.0));
        }
        ask(&store, Metric::Rate, (NOON, NOON + 899), 1)
    };
    let series = rolled([2.0, 4.0], true);
    assert_eq!((series.step_seconds, series.points.clone()), (900, vec![(NOON, 3.0)]));
    assert_eq!(series, rolled([2.0, 4.0], false));
    drop(scratch);
}

#[test]
fn values_weigh_by_time_or_by_calls_and_the_worst_tail_stays() {
    let (store, _) = Store::open(Place::Memory);
    let of = |rate, error_rate, p50, p99| {
        row(&[
            (Metric::Rate, rate),
            (Metric::ErrorRate, error_rate),
            (Metric::P50, p50),
            (Metric::P99, p99),
            (Metric::Score, 100.0 - 100.0 * error_rate),
        ])
    };
    // The first stands for 30 s, since nothing was before it; the others for the time since then.
    for (at, row) in [
        (NOON, of(1.0, 0.0, 0.1, 0.2)),
        (NOON + 30, of(1.0, 0.0, 0.1, 9.0)),
        (NOON + 90, of(9.0, 0.5, 0.3, 0.4)),
    ] {
        let servers = vec![("time".to_owned(), row)];
        store.append(Frame { at, whole: ROW_EMPTY, servers });
    }
    let value = |metric| {
        let series = ask(&store, metric, (NOON, NOON + 90), 900);
        assert_eq!(series.points.len(), 1);
        series.points[0].1
    };
    assert_eq!(value(Metric::Rate), 5.0); // (30 + 30 + 60 * 9) / 120
    assert_eq!(value(Metric::ErrorRate), 0.45); // 270 of 600 calls
    assert_eq!(value(Metric::P50), 0.28); // (60 * 0.1 + 540 * 0.3) / 600
    assert_eq!(value(Metric::P99), 9.0);
    assert_eq!(value(Metric::Score), 75.0);
    assert!(ask(&store, Metric::Memory, (NOON, NOON + 90), 900).points.is_empty());
}

#[test]
fn a_step_is_raised_where_the_grain_is_coarser_or_there_would_be_too_many_points() {
    let bounds = Bounds { full_seconds: DAY, ..Bounds::of_bytes(1 << 20) };
    let (store, _) = Store::open_with(Place::Memory, bounds);
    for at in (NOON..NOON + 2 * DAY).step_by(300) {
        store.append(frame(at, 1.0));
    }
    let end = NOON + 2 * DAY;
    let step = |from, to, asked| {
        let series = ask(&store, Metric::Rate, (from, to), asked);
        assert!(series.points.len() as u64 <= POINTS_MAX);
        assert!(series.points.is_sorted_by(|(a, _), (b, _)| a < b));
        series.step_seconds
    };
    assert_eq!(step(end - HOUR, end, 0), 2);
    assert_eq!(step(end - HOUR, end, 60), 60);
    assert_eq!(step(end - DAY / 2, end, 1), DAY / 2 / (POINTS_MAX - 1) + 1);
    assert_eq!(step(NOON, NOON + HOUR, 60), 900);
    // Times before anything was kept do not coarsen the answer.
    assert_eq!(step(0, end, 60), 900);
    let mixed = ask(&store, Metric::Rate, (NOON, end), 900);
    assert_eq!(mixed.points.len(), 2 * 96);
    assert!(mixed.points.iter().all(|(_, value)| *value == 1.0));
}

#[test]
fn nonsense_is_refused_and_nothing_is_nothing() {
    let (store, _) = Store::open(Place::Memory);
    assert!(ask(&store, Metric::Rate, (0, u64::MAX >> 2), 60).points.is_empty());
    store.append(frame(NOON, 1.0));
    let query = Query {
        server: None,
        metric: Metric::Rate,
        from: time(NOON + 1),
        to: time(NOON),
        step_seconds: 1,
    };
    assert!(matches!(store.query(&query), Err(HistoryError::BadQuery(_))));
    let other = Query { server: Some("other".to_owned()), from: time(NOON), ..query.clone() };
    assert!(store.query(&other).unwrap().points.is_empty());
    // No upstream is called so: it is how the whole is kept.
    let unnamed = Query { server: Some(String::new()), from: time(NOON), ..query };
    assert!(store.query(&unnamed).unwrap().points.is_empty());
}

#[test]
fn events_are_answered_newest_first_by_bound_and_by_upstream() {
    let scratch = Scratch::new();
    let store = scratch.open_well();
    let mut other = event(NOON + 2, "other");
    other.server = None;
    other.sentence = "ä".repeat(2000);
    store.append_events(vec![event(NOON, "a"), event(NOON, "b"), event(NOON + 1, "c"), other]);
    drop(store);
    let store = scratch.open_well();
    let names = |from, to, server, limit| -> Vec<String> {
        let events = store.events(time(from), time(to), server, limit);
        events.into_iter().map(|event| event.name).collect()
    };
    assert_eq!(names(NOON, NOON + 2, None, 10), ["a", "b", "c", "other"]);
    assert_eq!(names(NOON, NOON + 2, Some("time"), 2), ["b", "c"]);
    assert_eq!(names(NOON, NOON, None, 10), ["a", "b"]);
    assert_eq!(names(NOON + 3, NOON, None, 10), Vec::<String>::new());
    let cut = store.events(time(NOON + 2), time(NOON + 2), None, 1);
    assert_eq!(cut[0].sentence.len(), 1024);
}

#[test]
fn an_export_is_the_last_day_within_bounds() {
    let (store, _) = Store::open(Place::Memory);
    for at in (NOON - HOUR..NOON + DAY).step_by(300) {
        store.append(frame(at, 0.1));
    }
    let mut many = frame(NOON + DAY, 0.1);
    many.servers.extend((0..200).map(|index| (format!("server-{index:03}"), ROW_EMPTY)));
    store.append(many);
    store.append_events((0..600).map(|second| event(NOON + second, "event")).collect());
    let json = serde_json::to_value(export(&store)).unwrap();
    assert_eq!(json["whole"].as_array().unwrap().len(), 289);
    assert_eq!(json["whole"][0][0], NOON);
    assert_eq!(json["whole"][0][1][0], serde_json::json!(0.1));
    assert!(json["whole"][0][1][1].is_null());
    assert_eq!(json["servers"].as_object().unwrap().len(), 100);
    assert_eq!(json["are_all_servers"], false);
    assert_eq!(json["events"].as_array().unwrap().len(), 500);
    assert!(json.get("problem").is_none());
    let empty = serde_json::to_value(export(&Store::open(Place::Memory).0)).unwrap();
    assert_eq!(empty["whole"].as_array().unwrap().len(), 0);
}
