//! Claims about children that end with their parent. The test binary plays all the roles: it
//! starts itself as a parent, which starts itself as a launcher.
#![expect(
    clippy::disallowed_methods,
    reason = "roles are given to the processes by their environment"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use super::*;

const ROLE: &str = "MCPO_TEST_LAUNCHER_ROLE";
/// The test in which a process plays its role.
const STAGE: &str = "launcher::tests::a_process_with_a_role_plays_it";

fn play(role: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("a test has a binary"));
    command
        .args(["--exact", STAGE, "--nocapture"])
        .env(ROLE, role)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    command
}

#[test]
fn a_process_with_a_role_plays_it() {
    let Ok(role) = std::env::var(ROLE) else { return };
    if role == "parent" || role == "silent parent" {
        let mut child = play(&std::process::id().to_string())
            .stdout(Stdio::inherit())
            .spawn()
            .expect("it starts");
        let mut stdin = child.stdin.take().expect("it is piped");
        if role == "parent" {
            stdin.write_all(GO).expect("it waits for it");
        }
        // Until it is killed, or the child is.
        child.wait().expect("it is ours");
    } else {
        let parent = role.parse().expect("the role of a launcher is its parent's id");
        let script = OsString::from("echo started $$; exec sleep 1000");
        let error = become_child(parent, OsStr::new("/bin/sh"), [OsString::from("-c"), script]);
        println!("refused: {error}");
    }
}

#[test]
fn a_child_gets_sigterm_when_its_parent_is_killed() {
    let mut parent = play("parent").spawn().expect("it starts");
    let lines = BufReader::new(parent.stdout.take().expect("it is piped")).lines();
    let started = lines
        .map_while(Result::ok)
        .find_map(|line| line.split("started ").nth(1).map(str::to_owned));
    let stat = Path::new("/proc").join(started.expect("it says so").trim()).join("stat");
    assert!(stat.exists());
    parent.kill().expect("it is ours");
    parent.wait().expect("it is ours");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("it needs nothing");
    let gone = async {
        while std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z ")) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let in_time =
        runtime.block_on(async { tokio::time::timeout(Duration::from_secs(20), gone).await });
    assert!(in_time.is_ok(), "it outlives its parent");
}

#[test]
fn a_child_waits_until_it_is_told_to_go_and_ends_with_a_parent_that_never_says_it() {
    let mut parent = play("silent parent").spawn().expect("it starts");
    let mut said = parent.stdout.take().expect("it is piped");
    parent.kill().expect("it is ours");
    parent.wait().expect("it is ours");
    let mut all = String::new();
    // Until the child has closed it too.
    said.read_to_string(&mut all).expect("it ends");
    assert!(!all.contains("started"), "{all}");
}

#[test]
fn a_child_whose_parent_ended_before_does_not_start() {
    let mut child = play("1073741824").spawn().expect("it starts");
    let mut said = String::new();
    child.stdout.take().expect("it is piped").read_to_string(&mut said).expect("it ends");
    child.wait().expect("it is ours");
    assert!(said.contains("refused: the parent process has ended"), "{said}");
}
