//! Tests of the history: what is asked of it, and what it holds against.

mod bounds;
mod crash;
mod damage;
mod frames;
mod places;
mod queries;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{Frame, KeptEvent, Metric, Place, Query, ROW_EMPTY, Row, Series, Store};

/// A time that is the start of a quarter of an hour, in November 2026.
const NOON: u64 = 1_795_348_800;

/// A directory that goes with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name =
            format!("mcpo-history-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn state(&self) -> PathBuf {
        self.0.join("state")
    }

    fn file(&self) -> PathBuf {
        self.state().join("history.redb")
    }

    fn open(&self) -> (Store, Vec<String>) {
        Store::open(Place::Directory(self.state()))
    }

    /// Opens it where that must go without a warning.
    fn open_well(&self) -> Store {
        let (store, warnings) = self.open();
        assert_eq!(warnings, Vec::<String>::new());
        store
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn row(values: &[(Metric, f32)]) -> Row {
    let mut row = ROW_EMPTY;
    for (metric, value) in values {
        row[metric.index()] = *value;
    }
    row
}

/// A frame of one upstream that was called so often a second.
fn frame(at: u64, rate: f32) -> Frame {
    let row = row(&[(Metric::Rate, rate), (Metric::P99, rate / 10.0)]);
    Frame { at, whole: row, servers: vec![("time".to_owned(), row)] }
}

fn event(at: u64, name: &str) -> KeptEvent {
    KeptEvent {
        at_ms: at * 1000,
        name: name.to_owned(),
        level: "warn".to_owned(),
        server: Some("time".to_owned()),
        sentence: "session lost".to_owned(),
        code: None,
    }
}

fn time(at: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(at)
}

fn ask(store: &Store, metric: Metric, times: (u64, u64), step_seconds: u64) -> Series {
    let query = Query {
        server: Some("time".to_owned()),
        metric,
        from: time(times.0),
        to: time(times.1),
        step_seconds,
    };
    store.query(&query).unwrap()
}

/// The times at which there is anything between the two.
fn kept(store: &Store, from: u64, to: u64) -> Vec<u64> {
    ask(store, Metric::Rate, (from, to), 1).points.iter().map(|(at, _)| *at).collect()
}

fn set_aside(directory: &Path) -> usize {
    let names = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name());
    names.filter(|name| name.to_str().unwrap().contains(".broken-")).count()
}
