//! mcpo itself stands still, as when a laptop sleeps, and its upstreams go on without it: the first
//! call afterwards works, and runs once.

use std::time::Duration;

use mcpo_testkit::WorldBuilder;
use rustix::process::{Pid, Signal, kill_process};

use super::idle::behind_proxy;
use super::{Bench, HTTP, Over, bench, write_and_read};

/// Longer than what counts as a busy machine.
const NAP: Duration = Duration::from_secs(3);

fn signal(bench: &Bench, signal: Signal) {
    kill_process(Pid::from_raw(bench.world.pid()).unwrap(), signal).unwrap();
}

/// Stops mcpo for a while, in which that happens.
async fn sleeps(bench: &Bench, meanwhile: impl Future<Output = ()>) {
    signal(bench, Signal::STOP);
    // The length of the sleep is what is tested.
    tokio::join!(meanwhile, tokio::time::sleep(NAP));
    signal(bench, Signal::CONT);
}

async fn first_call_works(bench: &Bench, key: &str) {
    let reply = bench.call("write", key).await;
    let about = format!("{:?} {key}: {reply}\n{}", bench.over, bench.world.stderr());
    assert_eq!(reply.status, 200, "{about}");
    assert_eq!(bench.journal.runs(key), 1, "{about}");
}

#[tokio::test]
async fn after_a_sleep_in_which_all_sessions_expired_the_first_call_works() {
    let mut bench = bench(Over::Legacy, write_and_read(&[])).await;
    bench.works("write", "before").await;
    let http = bench.http.take().unwrap();
    sleeps(&bench, async { http.forget_sessions() }).await;
    first_call_works(&bench, "after").await;
}

async fn restarted_meanwhile(over: Over) {
    let mut bench = bench(over, write_and_read(&[])).await;
    bench.works("write", "before").await;
    let mut http = bench.http.take().unwrap();
    sleeps(&bench, async { http.restart().await.unwrap() }).await;
    first_call_works(&bench, "after").await;
}

#[tokio::test]
async fn after_a_sleep_in_which_a_legacy_server_was_restarted_the_first_call_works() {
    restarted_meanwhile(HTTP[0]).await;
}

#[tokio::test]
async fn after_a_sleep_in_which_a_modern_server_was_restarted_the_first_call_works() {
    restarted_meanwhile(HTTP[1]).await;
}

#[tokio::test]
async fn after_a_sleep_in_which_an_sse_server_was_restarted_the_first_call_works() {
    restarted_meanwhile(HTTP[2]).await;
}

async fn dead_line_meanwhile(over: Over) {
    let (bench, proxy) = behind_proxy(over, write_and_read(&[]), |world: WorldBuilder| world).await;
    bench.works("write", "before").await;
    sleeps(&bench, async { proxy.half_open_existing() }).await;
    first_call_works(&bench, "after").await;
}

#[tokio::test]
async fn after_a_sleep_in_which_the_line_to_a_legacy_server_died_the_first_call_works() {
    dead_line_meanwhile(HTTP[0]).await;
}

#[tokio::test]
async fn after_a_sleep_in_which_the_line_to_a_modern_server_died_the_first_call_works() {
    dead_line_meanwhile(HTTP[1]).await;
}

#[tokio::test]
async fn after_a_sleep_in_which_the_line_to_an_sse_server_died_the_first_call_works() {
    dead_line_meanwhile(HTTP[2]).await;
}

#[tokio::test]
async fn after_a_sleep_in_which_its_child_was_killed_the_first_call_works() {
    let bench = bench(Over::Stdio, write_and_read(&[])).await;
    bench.works("write", "before").await;
    sleeps(&bench, super::down::kill_child(&bench)).await;
    first_call_works(&bench, "after").await;
}
