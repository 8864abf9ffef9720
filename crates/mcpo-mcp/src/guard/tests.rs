//! Claims about what the guard ends and what it leaves alone, with real processes. The test binary
//! plays the guard's own process as well.

use std::path::Path;

use rustix::process::{Signal, kill_process, kill_process_group, test_kill_process_group};
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use super::*;

/// Nothing here should ever take so long.
const LONG: Duration = Duration::from_secs(20);
/// The test in which a process plays the guard.
const STAGE: &str = "guard::tests::a_process_that_plays_the_guard";

#[test]
fn a_process_that_plays_the_guard() {
    // Runners that start each test alone give it no stdin, so that it ends at once.
    if std::env::args().any(|argument| argument == "--exact") {
        stand_guard(io::stdin().lock());
    }
}

/// The test binary as the guard. What its harness prints must not go where a guard prints nothing.
fn guard() -> Guard {
    let ourselves = std::env::current_exe().expect("a test has a binary");
    let script =
        format!("exec 3>&1 >/dev/null; exec '{}' --exact {STAGE} --nocapture", ourselves.display());
    Guard::new(PathBuf::from("/bin/sh"), vec!["-c".to_owned(), script])
}

/// Ends a group when its test is done.
struct Cleared(Pid);

impl Drop for Cleared {
    fn drop(&mut self) {
        let _nobody_is_left = kill_process_group(self.0, Signal::KILL);
    }
}

/// A leader of its own group that ignores SIGTERM, with a member that does so too.
fn stubborn() -> (Child, Pid, Cleared) {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "trap '' TERM; sleep 1000 & wait; sleep 1000"]);
    command.stdin(Stdio::null()).process_group(0).kill_on_drop(true);
    let child = command.spawn().expect("it starts");
    let pid = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
    let pid = pid.expect("it runs");
    (child, pid, Cleared(pid))
}

async fn killed(child: &mut Child) {
    let status = timeout(LONG, child.wait()).await.expect("it ends").expect("it is ours");
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9));
}

/// Gives the words to a process that stands guard, and waits for its end.
async fn stand_until_the_end(words: &str) {
    let mut process = guard().spawn().expect("it starts");
    process.stdin.write_all(words.as_bytes()).await.expect("it listens");
    drop(process.stdin);
    timeout(LONG, process._child.wait()).await.expect("it ends").expect("it is ours");
}

#[tokio::test]
async fn the_groups_that_are_left_are_ended_however_they_resist() {
    let (mut first, one, _first) = stubborn();
    let (mut second, two, _second) = stubborn();
    let start = stand::start_of(one).expect("it runs");
    let began = Instant::now();
    stand_until_the_end(&format!(
        "{}{}+0 1\n+1 0\n+-1 0\nnonsense\n+99",
        stand::here(one, start),
        stand::here(two, stand::START_UNKNOWN)
    ))
    .await;
    killed(&mut first).await;
    killed(&mut second).await;
    assert!(began.elapsed() >= Duration::from_secs(2), "they have their grace");
    let empty = async {
        while test_kill_process_group(one).is_ok() {
            sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(LONG, empty).await.expect("the members are reaped");
}

#[tokio::test]
async fn a_group_that_is_gone_or_whose_number_is_another_one_is_left_alone() {
    let (mut gone, one, _one) = stubborn();
    let (mut other, two, _two) = stubborn();
    let start = |pid| stand::start_of(pid).expect("it runs");
    let words = [stand::here(one, start(one)), stand::here(two, start(two) + 1), stand::gone(one)];
    stand_until_the_end(&words.concat()).await;
    for child in [&mut gone, &mut other] {
        assert!(child.try_wait().expect("it is ours").is_none(), "it was killed");
    }
}

fn process_of(guard: &Guard) -> Option<u32> {
    guard.state().running.as_ref().and_then(|running| running._child.id())
}

/// Waits until another process than this one stands guard.
async fn another_than(guard: &Guard, process: Option<u32>) -> u32 {
    let another = async {
        loop {
            match process_of(guard) {
                Some(now) if Some(now) != process => return now,
                Some(_) | None => sleep(Duration::from_millis(5)).await,
            }
        }
    };
    timeout(LONG, another).await.expect("another one is started")
}

#[tokio::test]
async fn it_starts_with_the_first_child_and_again_when_it_died_and_knows_them_all() {
    let guard = Arc::new(guard());
    assert_eq!(process_of(&guard), None);
    let (mut child, pid, _group) = stubborn();
    let (mut ended, other, _other) = stubborn();
    let guarded = guard.watch_over(pid);
    let early = guard.watch_over(other);
    let first = process_of(&guard).expect("it stands");
    assert!(Path::new("/proc").join(first.to_string()).exists());
    drop(early);

    kill_process(Pid::from_raw(first.cast_signed()).expect("a pid"), Signal::KILL).expect("ours");
    let second = another_than(&guard, Some(first)).await;
    assert_ne!(first, second);

    // As if we had been killed.
    let Running { stdin, mut _child, .. } = guard.state().running.take().expect("it stands");
    drop(stdin);
    timeout(LONG, _child.wait()).await.expect("it ends").expect("it is ours");
    killed(&mut child).await;
    assert!(ended.try_wait().expect("it is ours").is_none(), "it was reported gone");
    drop(guarded);
    assert!(guard.state().groups.is_empty());
}

#[tokio::test]
async fn a_guard_that_cannot_be_started_costs_no_child() {
    let guard = Arc::new(Guard::new(PathBuf::from("/nonexistent"), Vec::new()));
    let (_child, pid, _group) = stubborn();
    let guarded = guard.watch_over(pid);
    assert_eq!(process_of(&guard), None);
    drop(guarded);
}
