//! SIGKILL at any moment, whatever the children ignore: nothing of them is left.

use std::path::Path;
use std::time::Duration;

use mcpo_testkit::{Script, Step, What, World};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::program::{ready, world};

/// How long a process may take to be gone; generous, since CI machines stall.
const PATIENCE: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Ignores all that asks it to end, and is not alone in its group.
fn stubborn() -> Script {
    Script { ignore_eof: true, ignore_sigterm: true, grandchild: true, ..Script::echo() }
}

/// Every process that an upstream was, and what these started.
fn family(world: &World, upstream: &str) -> Vec<i32> {
    let journal = world.journal(upstream);
    let children = journal.matching(|entry| entry.what == What::Start);
    let grandchildren = journal.matching(|entry| entry.what == What::Grandchild);
    let ids = grandchildren.iter().filter_map(|entry| entry.id.as_i64());
    let pids = children.iter().map(|entry| i64::from(entry.pid));
    pids.chain(ids).map(|pid| pid.try_into().unwrap()).collect()
}

/// A process that is neither gone nor a corpse that waits for its new parent.
struct Alive {
    pid: i32,
    parent: i32,
    words: String,
}

impl Alive {
    fn find(pid: i32) -> Option<Self> {
        let place = Path::new("/proc").join(pid.to_string());
        let stat = std::fs::read_to_string(place.join("stat")).ok()?;
        let mut fields = stat.rsplit_once(") ")?.1.split(' ');
        fields.next().filter(|state| !matches!(*state, "Z" | "X"))?;
        let parent = fields.next()?.parse().ok()?;
        let words = std::fs::read(place.join("cmdline")).ok()?;
        Some(Self { pid, parent, words: String::from_utf8_lossy(&words).into_owned() })
    }

    fn has(&self, word: &str) -> bool {
        self.words.contains(word)
    }
}

fn all_alive() -> Vec<Alive> {
    let all = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(Alive::find).collect()
}

fn children_of(parent: i32) -> Vec<Alive> {
    all_alive().into_iter().filter(|one| one.parent == parent).collect()
}

/// The process that stands guard for a mcpo.
fn guard_of(mcpo: i32) -> Option<i32> {
    children_of(mcpo).iter().find(|one| one.has("__guard")).map(|one| one.pid)
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "in vain: {what}");
        sleep(LOOK_EVERY).await;
    }
}

async fn gone(pids: &[i32]) {
    for &pid in pids {
        until(&format!("{pid} is gone"), || Alive::find(pid).is_none()).await;
    }
}

fn kill(pid: i32) {
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
}

/// Kills it with SIGKILL and waits for that; gives the guard that it had.
async fn slay(world: &mut World) -> Option<i32> {
    let guard = guard_of(world.pid());
    kill(world.pid());
    assert_eq!(world.wait_exit().await.unwrap().code(), None);
    guard
}

#[tokio::test]
async fn nothing_is_left_of_children_that_ignore_everything_and_of_their_children() {
    let builder = world().stdio("one", stubborn()).unwrap().stdio("two", stubborn()).unwrap();
    let mut world = ready(builder).await;
    let family: Vec<i32> = ["one", "two"].iter().flat_map(|name| family(&world, name)).collect();
    assert_eq!(family.len(), 4);
    assert!(family.iter().all(|&pid| Alive::find(pid).is_some()));
    let guard = slay(&mut world).await.unwrap();
    gone(&family).await;
    gone(&[guard]).await;
}

/// Or it would be killed by those who kill all that is called `mcpo`, and leave the children.
#[tokio::test]
async fn the_guard_has_a_name_of_its_own() {
    let world = ready(world().stdio("one", stubborn()).unwrap()).await;
    let guard = guard_of(world.pid()).unwrap();
    let comm = Path::new("/proc").join(guard.to_string()).join("comm");
    until("it names itself", || std::fs::read_to_string(&comm).unwrap() == "child-guard\n").await;
    assert_eq!(Alive::find(guard).unwrap().words, "child-guard\0__guard\0");
}

/// Whoever stops a service may signal all of its processes; mcpo still drains then.
#[tokio::test]
async fn the_guard_outlives_the_signals_that_stop_a_service() {
    let mut world = ready(world().stdio("one", stubborn()).unwrap()).await;
    let (family, guard) = (family(&world, "one"), guard_of(world.pid()).unwrap());
    let comm = Path::new("/proc").join(guard.to_string()).join("comm");
    until("it stands", || std::fs::read_to_string(&comm).unwrap() == "child-guard\n").await;
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        kill_process(Pid::from_raw(guard).unwrap(), signal).unwrap();
    }
    assert_eq!(slay(&mut world).await, Some(guard));
    gone(&family).await;
    gone(&[guard]).await;
}

#[tokio::test]
async fn signals_to_our_group_do_not_reach_the_guard() {
    let mut world = ready(world().stdio("one", stubborn()).unwrap()).await;
    let (family, guard) = (family(&world, "one"), guard_of(world.pid()).unwrap());
    let group = Pid::from_raw(world.pid()).unwrap();
    kill_process_group(group, Signal::INT).unwrap();
    world.wait_stderr("stopping").await.unwrap();
    kill_process_group(group, Signal::KILL).unwrap();
    world.wait_exit().await.unwrap();
    gone(&family).await;
    gone(&[guard]).await;
}

#[tokio::test]
async fn a_guard_that_was_killed_is_replaced_by_one_that_knows_as_much() {
    let mut world = ready(world().stdio("one", stubborn()).unwrap()).await;
    let (family, first) = (family(&world, "one"), guard_of(world.pid()).unwrap());
    kill(first);
    until("another guard stands", || guard_of(world.pid()).is_some_and(|pid| pid != first)).await;
    slay(&mut world).await;
    gone(&family).await;
}

#[tokio::test]
async fn one_that_ended_before_is_not_looked_for_and_the_guard_ends_with_us() {
    let one = Script::echo().on_call("die", vec![vec![Step::Exit(1)]]);
    let mut world = ready(world().stdio("one", one).unwrap()).await;
    world.post("/one/die", &json!({})).await.unwrap();
    world.journal("one").wait_for_what(What::Start, 2).await.unwrap();
    world.wait_ready().await.unwrap();
    let guard = guard_of(world.pid()).unwrap();
    let began = Instant::now();
    world.terminate().unwrap();
    assert_eq!(world.wait_exit().await.unwrap().code(), Some(0), "{}", world.stderr());
    gone(&[guard]).await;
    // Nobody was left to whom it would have given its grace.
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

#[tokio::test]
async fn without_children_there_is_no_guard() {
    let world =
        world().server("away", json!({"type": "streamable-http", "url": "http://127.0.0.1:9/mcp"}));
    let world = world.start().await.unwrap();
    world.get("/healthz").await.unwrap();
    assert_eq!(children_of(world.pid()).len(), 0);
}

/// Killed at every stage of a launch, from the first moment on: before the guard knows, before
/// the child may go, while it becomes the command, and after.
#[tokio::test]
async fn a_kill_in_the_middle_of_a_launch_leaves_nothing() {
    let delays = (0..16).map(|step| Duration::from_micros(step * 500));
    futures_util::future::join_all(delays.map(killed_in_a_launch)).await;
}

async fn killed_in_a_launch(delay: Duration) {
    let mut world = world().stdio("one", stubborn()).unwrap().start().await.unwrap();
    sleep(delay).await;
    slay(&mut world).await;
    let script = world.directory().display().to_string();
    until("nobody has the script", || all_alive().iter().all(|one| !one.has(&script))).await;
    // Whoever was started has died since: now all that it started must be gone as well.
    gone(&family(&world, "one")).await;
}
