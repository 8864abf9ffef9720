//! A process that is killed while it writes loses nothing that was written.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use super::{NOON, Scratch, event, frame, kept};
use crate::history::{Place, Store};

/// It tells the child that it is one.
const MARK: &str = "write-until-killed";
const FRAMES_MAX: u64 = 100_000;

/// What the child does in its current directory, until it is killed.
fn write_until_killed(first: u64) {
    let (store, warnings) = Store::open(Place::Directory("state".into()));
    assert_eq!(warnings, Vec::<String>::new());
    for at in (first..).step_by(30).take(FRAMES_MAX as usize) {
        store.append(frame(at, 1.0));
        store.append_events(vec![event(at, "written")]);
        println!("\nwrote {at}");
    }
}

/// Lets a child write so many frames, kills it, and says which was the last that it had written.
fn write_and_be_killed(directory: &Path, first: u64, frames: usize) -> u64 {
    fs::write(directory.join(MARK), first.to_string()).unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", "--test-threads=1"])
        .arg("history::tests::crash::a_process_killed_while_it_writes_loses_nothing_that_was_written")
        .current_dir(directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut written = lines
        .map_while(Result::ok)
        .filter_map(|line| line.strip_prefix("wrote ")?.parse::<u64>().ok());
    let mut last = written.nth(frames - 1).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    last = written.last().unwrap_or(last);
    last
}

#[test]
fn a_process_killed_while_it_writes_loses_nothing_that_was_written() {
    // The child is this test, too: only a directory of its own is marked.
    if let Ok(first) = fs::read_to_string(MARK) {
        return write_until_killed(first.parse().unwrap());
    }
    let scratch = Scratch::new();
    let mut first = NOON;
    for round in 0..8 {
        // Past a quarter of an hour each time, so that roll-ups are under way, too.
        let last = write_and_be_killed(&scratch.0, first, 35 + round);
        let store = scratch.open_well();
        let times = kept(&store, first, last);
        assert_eq!(times, (first..=last).step_by(30).collect::<Vec<_>>(), "round {round}");
        let events = store.events(super::time(first), super::time(last), Some("time"), 10_000);
        assert_eq!(events.len(), times.len(), "round {round}");
        // One more may have been written, and not been said so.
        first = last + 60;
    }
    assert_eq!(super::set_aside(&scratch.state()), 0);
}
