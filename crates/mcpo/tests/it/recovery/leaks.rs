//! Fifty deaths and recoveries leave nothing behind: no file, no thread, no process.

use std::path::Path;

use mcpo_testkit::ScriptedChild;

use super::{Bench, HTTP, Over, bench, until, write_and_read};

const CYCLES: usize = 50;
/// What pools of connections, and threads that wait for work, may come and go by.
const TOLERANCE: usize = 6;

/// What the system knows of a process.
#[derive(Debug, Clone, Copy)]
struct Held {
    files: usize,
    threads: usize,
    children: usize,
}

impl Held {
    fn by(bench: &Bench) -> Self {
        let place = format!("/proc/{}", bench.world.pid());
        let count = |what: &str| std::fs::read_dir(Path::new(&place).join(what)).unwrap().count();
        Self {
            files: count("fd"),
            threads: count("task"),
            children: children_of(bench.world.pid()),
        }
    }

    fn is_no_more_than(self, before: Self) -> bool {
        self.files <= before.files + TOLERANCE
            && self.threads <= before.threads + TOLERANCE
            && self.children <= before.children
    }
}

/// Those that were not reaped included.
fn children_of(parent: i32) -> usize {
    let all = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let stats = all.filter_map(|entry| std::fs::read_to_string(entry.path().join("stat")).ok());
    let parents = stats.filter_map(|stat| {
        stat.rsplit_once(") ").and_then(|(_, fields)| fields.split(' ').nth(1)?.parse().ok())
    });
    parents.filter(|id: &i32| *id == parent).count()
}

async fn check(over: Over) {
    let mut bench = bench(over, write_and_read(&[])).await;
    let mut before = None;
    for cycle in 0..=CYCLES {
        match &mut bench.http {
            Some(http) if cycle % 2 == 0 => http.restart().await.unwrap(),
            Some(http) => http.forget_sessions(),
            None => ScriptedChild::newest(&bench.journal).unwrap().kill().unwrap(),
        }
        let key = format!("call-{cycle}");
        let reply = bench.call("read", &key).await;
        assert_eq!(reply.status, 200, "{over:?} {key}: {reply}\n{}", bench.world.stderr());
        if cycle == 0 {
            // All that is made once has been made.
            before = Some(Held::by(&bench));
        }
    }
    let before = before.unwrap();
    until(
        &format!("{over:?}: no more than {before:?}, and not {:?}", Held::by(&bench)),
        async || Held::by(&bench).is_no_more_than(before),
    )
    .await;
}

#[tokio::test]
async fn children_that_are_killed_leave_nothing_behind() {
    check(Over::Stdio).await;
}

#[tokio::test]
async fn sessions_of_a_legacy_server_that_are_lost_leave_nothing_behind() {
    check(HTTP[0]).await;
}

#[tokio::test]
async fn restarts_of_a_modern_server_leave_nothing_behind() {
    check(HTTP[1]).await;
}

#[tokio::test]
async fn restarts_of_an_sse_server_leave_nothing_behind() {
    check(HTTP[2]).await;
}
