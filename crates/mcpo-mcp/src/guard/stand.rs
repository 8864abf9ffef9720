//! What the guard's own process does, and the words in which it is told.

use std::collections::HashMap;
use std::io::BufRead;
use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};

/// What a group is given between SIGTERM and SIGKILL: as long as mcpo itself gives it.
const GRACE: Duration = Duration::from_secs(2);
/// How often it is looked meanwhile whether anybody is left.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Stands for the start of a leader that could not be asked for.
pub(super) const START_UNKNOWN: u64 = 0;

/// The words for a group that has come.
pub(super) fn here(group: Pid, started: u64) -> String {
    format!("+{} {started}\n", group.as_raw_nonzero())
}

/// The words for a group in which nobody is left.
pub(super) fn gone(group: Pid) -> String {
    format!("-{}\n", group.as_raw_nonzero())
}

/// When a process started, in ticks since the system did: with its id, a name that is never given
/// twice (proc(5), `/proc/pid/stat`, field 22). `None`: there is no such process.
pub(super) fn start_of(process: Pid) -> Option<u64> {
    /// Behind the name, which may hold blanks and brackets and is the second field.
    const FIELDS_AFTER_NAME: usize = 19;
    let file = Path::new("/proc").join(process.as_raw_nonzero().to_string()).join("stat");
    let stat = std::fs::read_to_string(file).ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split(' ').nth(FIELDS_AFTER_NAME)?.parse().ok()
}

/// Follows what is told about process groups until `told` ends, which it does when whoever tells
/// is gone; then ends the groups that are left, and returns when nobody is left in them or all was
/// done that can be.
pub fn stand_guard(mut told: impl BufRead) {
    // Tools that show a process by its program alone say `exe` otherwise.
    let _for_people = std::fs::write("/proc/self/comm", super::NAME);
    let mut groups = HashMap::new();
    let mut line = Vec::new();
    // Words that cannot be read, or a broken pipe, end nobody's life.
    while told.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
        take(&mut groups, &line);
        line.clear();
    }
    // Its number belongs to somebody else by now, whom we must not touch.
    groups.retain(|&group, &mut started| {
        started == START_UNKNOWN || start_of(group).is_none_or(|start| start == started)
    });
    signal(&groups, Signal::TERM);
    let mut left = GRACE;
    while !left.is_zero() && is_anybody_left(&groups) {
        rest(LOOK_EVERY);
        left = left.saturating_sub(LOOK_EVERY);
    }
    signal(&groups, Signal::KILL);
}

/// Understands one line; what is cut off or nonsense says nothing.
fn take(groups: &mut HashMap<Pid, u64>, line: &[u8]) -> Option<()> {
    let line = std::str::from_utf8(line).ok()?.strip_suffix('\n')?;
    if let Some(group) = line.strip_prefix('-') {
        groups.remove(&group_of(group)?);
    } else {
        let (group, started) = line.strip_prefix('+')?.split_once(' ')?;
        groups.insert(group_of(group)?, started.parse().ok()?);
    }
    Some(())
}

/// Neither "every process" nor "our own group" (kill(2)).
fn group_of(text: &str) -> Option<Pid> {
    text.parse().ok().filter(|&id: &i32| id > 1).and_then(Pid::from_raw)
}

fn signal(groups: &HashMap<Pid, u64>, signal: Signal) {
    for &group in groups.keys() {
        // The only way to fail is that nobody is left.
        let _ = kill_process_group(group, signal);
    }
}

fn is_anybody_left(groups: &HashMap<Pid, u64>) -> bool {
    groups.keys().any(|&group| test_kill_process_group(group) != Err(rustix::io::Errno::SRCH))
}

#[expect(clippy::disallowed_methods, reason = "the guard has no runtime and nothing else to do")]
fn rest(time: Duration) {
    std::thread::sleep(time);
}
