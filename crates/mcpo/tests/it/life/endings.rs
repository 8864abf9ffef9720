//! Signals: a call in flight is finished, a second signal does not wait, and whatever kills us, no
//! child is left.

use std::path::Path;
use std::time::Duration;

use mcpo_testkit::{Script, Step, What, World};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::{Instant, sleep};

use crate::program::{ready, world};

/// How long a process may take to be gone; generous, since CI machines stall.
const PATIENCE: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(5);

fn pids(world: &World, upstream: &str) -> Vec<u32> {
    world
        .journal(upstream)
        .matching(|entry| entry.what == What::Start)
        .iter()
        .map(|e| e.pid)
        .collect()
}

/// Waits until a process is gone, or a corpse that waits for its new parent.
async fn gone(pid: u32) {
    let deadline = Instant::now() + PATIENCE;
    while let Ok(status) =
        std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat"))
    {
        if status.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with(['Z', 'X'])) {
            return;
        }
        assert!(Instant::now() < deadline, "{pid} is still there: {status}");
        sleep(LOOK_EVERY).await;
    }
}

fn gated() -> Script {
    Script::echo().on_call("slow", vec![vec![Step::Gate("slow".into()), Step::Text("done".into())]])
}

#[tokio::test]
async fn a_call_in_flight_is_finished_before_the_end() {
    let mut world = ready(world().stdio("one", gated()).unwrap()).await;
    let url = world.url("/one/slow");
    let stop = async {
        world.control("one").wait_at("slow", 1).await.unwrap();
        world.terminate().unwrap();
        world.wait_stderr("stopping").await.unwrap();
        world.control("one").open("slow").unwrap();
    };
    let (reply, ()) = tokio::join!(mcpo_testkit::Request::post(&url).send(), stop);
    assert_eq!(reply.unwrap().json(), "done");
    assert_eq!(world.wait_exit().await.unwrap().code(), Some(0), "{}", world.stderr());
    for pid in pids(&world, "one") {
        gone(pid).await;
    }
    assert_eq!(
        world.journal("one").count(What::Eof),
        1,
        "it was asked to end by the end of its stdin"
    );
}

#[tokio::test]
async fn a_call_that_outlasts_the_drain_is_cut_off() {
    let hang = Script::echo().on_call("hang", vec![vec![Step::Hang]]);
    let mut world = ready(world().stdio("one", hang).unwrap().arg("--drain-timeout=0.2")).await;
    let url = world.url("/one/hang");
    let stop = async {
        world.journal("one").wait_for("hang", 1).await.unwrap();
        world.terminate().unwrap();
    };
    let (reply, ()) = tokio::join!(mcpo_testkit::Request::post(&url).send(), stop);
    assert!(reply.is_err() || reply.is_ok_and(|reply| reply.status.is_server_error()));
    assert_eq!(world.wait_exit().await.unwrap().code(), Some(0), "{}", world.stderr());
    gone(pids(&world, "one")[0]).await;
}

#[tokio::test]
async fn a_second_signal_ends_at_once() {
    let stubborn = Script { ignore_eof: true, ignore_sigterm: true, ..gated() };
    let mut world = ready(world().stdio("one", stubborn).unwrap().arg("--drain-timeout=600")).await;
    let url = world.url("/one/slow");
    let stop = async {
        world.control("one").wait_at("slow", 1).await.unwrap();
        world.terminate().unwrap();
        world.wait_stderr("stopping").await.unwrap();
        kill_process(Pid::from_raw(world.pid()).unwrap(), Signal::INT).unwrap();
    };
    let (reply, ()) = tokio::join!(mcpo_testkit::Request::post(&url).send(), stop);
    // Cut off, and never told that its server went first.
    assert!(reply.is_err(), "{reply:?}");
    assert_eq!(world.wait_exit().await.unwrap().code(), Some(0), "{}", world.stderr());
    gone(pids(&world, "one")[0]).await;
}

#[tokio::test]
async fn children_that_do_not_listen_are_killed() {
    let stubborn =
        Script { ignore_eof: true, ignore_sigterm: true, grandchild: true, ..Script::echo() };
    let mut world = ready(world().stdio("one", stubborn).unwrap()).await;
    world.terminate().unwrap();
    assert_eq!(world.wait_exit().await.unwrap().code(), Some(0), "{}", world.stderr());
    gone(pids(&world, "one")[0]).await;
    let grandchild = &world.journal("one").matching(|entry| entry.what == What::Grandchild)[0].id;
    gone(grandchild.as_u64().unwrap().try_into().unwrap()).await;
}

#[tokio::test]
async fn children_die_with_us_however_we_die() {
    let deaf = Script { ignore_eof: true, ..Script::echo() };
    let stubborn = Script { ignore_sigterm: true, ..Script::echo() };
    let world = world().stdio("deaf", deaf).unwrap().stdio("stubborn", stubborn).unwrap();
    let mut world = ready(world).await;
    kill_process(Pid::from_raw(world.pid()).unwrap(), Signal::KILL).unwrap();
    assert_eq!(world.wait_exit().await.unwrap().code(), None);
    for name in ["deaf", "stubborn"] {
        gone(pids(&world, name)[0]).await;
    }
}
