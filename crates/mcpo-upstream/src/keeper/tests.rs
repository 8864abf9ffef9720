//! An upstream breaks, and heals: works -> break -> the right problem -> heal -> works.

mod health;
mod orders;
mod pool;
mod random;
mod reload;

use mcpo_core::event::Event;
use mcpo_core::fault::FaultKind;
use mcpo_core::life::HeldBy;
use mcpo_core::outcome::OutcomeKind;
use tokio::time::{Instant, sleep};

use super::*;
use crate::directory::State;
use crate::order::Order;
use crate::play::*;
use crate::supervisor::Recovery;

async fn works(bench: &Bench) {
    let (outcome, _) = bench.call(SECOND).await;
    assert_eq!(outcome.kind(), OutcomeKind::Reply, "{outcome:?}");
}

#[tokio::test(start_paused = true)]
async fn a_lost_session_is_made_again_at_once() {
    let bench = bench(Manner::default(), 1, 1);
    bench.until_ready(1).await;
    works(&bench).await;
    let began = Instant::now();
    bench.up.kill_all();
    let view = bench.until("replaced", |view| view.reconnects == 1 && view.is_ready()).await;
    assert_eq!((view.sessions[0].epoch, began.elapsed()), (2, Duration::ZERO));
    works(&bench).await;
    assert!(matches!(
        &bench.events("session_lost")[..],
        [Event::SessionLost { fault, .. }] if fault.kind == FaultKind::Disconnected
    ));
    assert_eq!(bench.events("recovered").len(), 1);
    bench.stop().await;
}

#[tokio::test(start_paused = true)]
async fn one_that_listens_again_is_found_within_a_fiftieth_of_its_outage() {
    let bench = bench(Manner::default(), 1, 1);
    bench.until_ready(1).await;
    bench.up.set(|manner| manner.listens = false);
    bench.up.kill_all();
    bench.until("away", |view| !view.is_ready()).await;
    sleep(10 * SECOND).await;
    assert_eq!(bench.fault(), Some(FaultKind::Unreachable));
    assert!(bench.view().pick(&[]).is_none());
    let dialled = bench.up.dialled();
    // Without any jitter: 50 a second for 2 s, then one for each hundredth of the time away.
    assert!(dialled < 265, "{dialled} attempts");
    bench.up.set(|manner| manner.listens = true);
    let back = Instant::now();
    bench.until_ready(1).await;
    assert!(back.elapsed() <= Duration::from_millis(150), "{:?}", back.elapsed());
    works(&bench).await;
    let counters = bench.directory.journal().counters();
    let counted = &counters.upstreams["up"];
    assert_eq!((counted.recoveries_tried, counted.recoveries_succeeded), (1, 1));
    assert_eq!(counted.time_to_recover.count, 1);
    bench.stop().await;
}

#[tokio::test(start_paused = true)]
async fn one_that_refuses_our_credentials_is_tried_once_more_and_then_held() {
    let bench = bench(Manner::default(), 1, 1);
    bench.until_ready(1).await;
    // A call is refused, the probe is refused as well, and so is a new handshake.
    bench.up.set(|manner| {
        manner.probe_fails = Some(status(401));
        manner.dial_fails = Some(status(401));
    });
    let live = bench.view().sessions[0].clone();
    live.member.doubt();
    let view = bench.until("held", |view| matches!(view.state, State::Held { .. })).await;
    assert_eq!(bench.up.dialled(), 2, "one new handshake");
    assert_eq!(bench.fault(), Some(FaultKind::Unauthorized));
    let State::Held { by, look_at: Some(look_at), .. } = view.state else { panic!("{view:?}") };
    assert_eq!(by, HeldBy::Fault);
    assert!(matches!(
        &bench.events("held")[..],
        [Event::Held { cure, .. }] if cure.contains("credentials") && cure.contains("release up")
    ));
    sleep(look_at - Instant::now() + SECOND).await;
    bench.until("held again", |view| matches!(view.state, State::Held { .. })).await;
    assert_eq!(bench.up.dialled(), 3, "one look");
    bench.up.set(|manner| *manner = Manner::default());
    bench.order(Order::Release).await;
    bench.until_ready(1).await;
    works(&bench).await;
    bench.stop().await;
}

#[tokio::test(start_paused = true)]
async fn one_that_was_repaired_without_a_word_is_found_by_the_look() {
    let bench = bench(Manner { dial_fails: Some(status(401)), ..Manner::default() }, 1, 1);
    bench.until("held", |view| matches!(view.state, State::Held { .. })).await;
    assert_eq!(bench.up.dialled(), 1);
    bench.up.set(|manner| manner.dial_fails = None);
    bench.until_ready(1).await;
    works(&bench).await;
    bench.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_crash_loop_is_held_with_its_last_words_and_released() {
    let bench = bench_of_process(Manner { dial_fails: Some(exited()), ..Manner::default() });
    let view = bench.until("held", |view| matches!(view.state, State::Held { .. })).await;
    assert_eq!(bench.up.dialled(), 10);
    assert!(view.state.fault().is_some_and(|fault| fault.detail.contains("last words")));
    bench.up.set(|manner| manner.dial_fails = None);
    bench.order(Order::Release).await;
    bench.until_ready(1).await;
    assert_eq!(bench.events("released").len(), 1);
    works(&bench).await;
    bench.stop().await;
}

#[tokio::test(start_paused = true)]
async fn without_recovery_nothing_is_probed_and_a_lost_session_waits_for_a_call() {
    let recovery = Recovery { enabled: false, ..Recovery::default() };
    let sizes = mcpo_config::PoolSizes { min: 1, max: 1 };
    let bench = bench_with(Manner::default(), recovery, sizes);
    bench.until_ready(1).await;
    sleep(30 * MINUTE).await;
    assert!(bench.view().sessions[0].fresh(Instant::now() + MINUTE).await);
    assert_eq!(bench.up.probed(), 0);
    bench.up.kill_all();
    bench.until("dormant", |view| view.state == State::Dormant).await;
    sleep(30 * MINUTE).await;
    assert_eq!(bench.up.dialled(), 1);
    bench.upstream().want();
    bench.until_ready(1).await;
    works(&bench).await;
    bench.stop().await;
}

#[tokio::test(start_paused = true)]
async fn tools_that_vanished_with_a_new_session_are_told_until_they_are_back() {
    let bench = bench(Manner::default(), 1, 1);
    bench.until_ready(1).await;
    bench.up.set(|manner| manner.tools = vec!["read"]);
    bench.up.kill_all();
    bench.until("degraded", |view| view.missing_tools == ["write"]).await;
    assert_eq!(bench.events("tools_vanished").len(), 1);
    bench.up.kill_all();
    bench.until("replaced", |view| view.epochs == 3 && view.is_ready()).await;
    assert_eq!(bench.view().missing_tools, ["write"], "it is not forgotten");
    bench.up.set(|manner| manner.tools = vec!["read", "write"]);
    bench.up.tell_tools_changed();
    bench.until("whole", |view| view.missing_tools.is_empty()).await;
    // What it takes back by itself is no fault of its restart.
    bench.up.set(|manner| manner.tools = vec!["write"]);
    sleep(SECOND).await;
    bench.up.tell_tools_changed();
    bench.until("changed", |view| view.catalog_version == 4).await;
    assert!(bench.view().missing_tools.is_empty());
    bench.up.set(|manner| manner.tools = vec!["other"]);
    bench.up.kill_all();
    bench.until("degraded", |view| view.missing_tools == ["write"]).await;
    bench.order(Order::Reset).await;
    assert!(bench.view().missing_tools.is_empty());
    bench.stop().await;
}
