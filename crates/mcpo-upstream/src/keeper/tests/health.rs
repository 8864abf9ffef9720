//! Sessions that die without a sign are found, and those that are only busy are left alone.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_session_that_expired_while_idle_is_found_by_a_probe() {
    let bench = bench(Manner::default(), 1, 1);
    bench.until_ready(1).await;
    sleep(5 * MINUTE).await;
    let probed = bench.up.probed();
    assert!((8..=11).contains(&probed), "every 30 s: {probed}");
    bench.up.set(|manner| manner.expired = 1);
    let began = Instant::now();
    bench.until("replaced", |view| view.epochs == 2 && view.is_ready()).await;
    assert!(began.elapsed() <= 31 * SECOND, "{:?}", began.elapsed());
    works(&bench).await;
    assert!(matches!(
        &bench.events("session_lost")[..],
        [Event::SessionLost { fault, .. }] if fault.kind == FaultKind::SessionLost
    ));
    bench.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_session_that_hangs_while_idle_is_replaced_and_closed() {
    let bench = bench(Manner::default(), 1, 1);
    bench.until_ready(1).await;
    works(&bench).await;
    bench.up.set(|manner| manner.hung = 1);
    let began = Instant::now();
    bench.until("replaced", |view| view.epochs == 2 && view.is_ready()).await;
    // Silent for 30 s, then neither a ping nor a list is answered in 5 s each.
    assert!(began.elapsed() <= 45 * SECOND, "{:?}", began.elapsed());
    works(&bench).await;
    bench.until("closed", |view| view.pool.draining == 0).await;
    assert_eq!(bench.up.open(), 1);
    bench.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_session_that_owes_an_answer_is_replaced_only_once_no_call_may_wait_any_longer() {
    let bench = bench(Manner::default(), 1, 1);
    bench.until_ready(1).await;
    bench.up.set(|manner| manner.hung = 1);
    let began = Instant::now();
    let mut calls = bench.calls(1, 3 * MINUTE);
    sleep(2 * MINUTE + 50 * SECOND).await;
    assert_eq!(bench.view().epochs, 1, "it may only be slow");
    bench.until("replaced", |view| view.epochs == 2 && view.is_ready()).await;
    assert!(began.elapsed() >= 3 * MINUTE, "{:?}", began.elapsed());
    assert!(began.elapsed() <= 4 * MINUTE, "{:?}", began.elapsed());
    assert_eq!(calls.join_next().await.map(Result::unwrap), Some(false));
    works(&bench).await;
    bench.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_session_that_answers_nothing_while_it_works_is_left_alone() {
    let manner = Manner { is_single_threaded: true, call_takes: 10 * MINUTE, ..Manner::default() };
    let bench = bench(manner, 1, 1);
    bench.until_ready(1).await;
    let mut calls = bench.calls(1, 20 * MINUTE);
    assert_eq!(calls.join_next().await.map(Result::unwrap), Some(true));
    assert_eq!((bench.up.made(), bench.view().epochs), (1, 1));
    bench.stop().await;
}

#[tokio::test(start_paused = true)]
async fn after_a_jump_of_time_a_call_waits_for_the_probe_and_goes_to_a_living_session() {
    let bench = bench(Manner::default(), 1, 1);
    bench.until_ready(1).await;
    let deadline = Instant::now() + MINUTE;
    let live = bench.view().sessions[0].clone();
    assert!(live.fresh(deadline).await);
    assert_eq!(bench.up.probed(), 0, "one that was heard of lately is not asked");

    bench.upstream().doubt_time();
    assert!(live.fresh(deadline).await);
    assert_eq!(bench.up.probed(), 1);

    sleep(2 * SECOND).await;
    bench.up.set(|manner| manner.expired = 1);
    bench.upstream().doubt_time();
    assert!(!live.fresh(deadline).await, "it did not survive");
    bench.until("replaced", |view| view.epochs == 2 && view.is_ready()).await;
    works(&bench).await;
    bench.stop().await;
}

#[tokio::test(start_paused = true)]
async fn however_many_calls_meet_a_dead_session_it_is_replaced_once() {
    let bench = bench(Manner::default(), 1, 1);
    bench.until_ready(1).await;
    let live = bench.view().sessions[0].clone();
    bench.up.set(|manner| manner.expired = 1);
    let mut firsts = 0;
    for _ in 0..5 {
        let (outcome, noted) = attempt(&live, SECOND).await;
        assert_eq!(outcome.kind(), OutcomeKind::NotSent);
        assert!(noted.spent);
        firsts += usize::from(noted.first);
    }
    assert_eq!(firsts, 1);
    bench.until("replaced", |view| view.epochs == 2 && view.is_ready()).await;
    assert_eq!(bench.up.dialled(), 2);
    works(&bench).await;
    bench.stop().await;
}

#[tokio::test(start_paused = true)]
async fn calls_that_fail_have_a_session_probed_but_not_hammered() {
    let bench = bench(Manner::default(), 1, 1);
    bench.until_ready(1).await;
    let live = bench.view().sessions[0].clone();
    let late = Fault::new(FaultKind::Timeout, "late");
    for _ in 0..100 {
        let outcome = mcpo_core::outcome::Outcome::<()>::Unknown(late.clone());
        assert_eq!(live.note(&outcome, Instant::now()), Default::default());
        sleep(Duration::from_millis(10)).await;
    }
    assert!((2..=12).contains(&bench.up.probed()), "{}", bench.up.probed());
    assert_eq!(bench.up.made(), 1);
    bench.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_list_that_could_not_be_read_is_asked_for_again() {
    let bench = bench(Manner::default(), 1, 1);
    bench.until_ready(1).await;
    bench.up.set(|manner| {
        manner.tools = vec!["new"];
        manner.probe_fails = Some(status(500));
    });
    bench.up.tell_tools_changed();
    sleep(SECOND).await;
    assert_eq!(bench.events("tools_stale").len(), 1);
    bench.up.set(|manner| manner.probe_fails = None);
    let view = bench.until("listed", |view| view.catalog_version == 2).await;
    assert!(view.catalog.as_ref().is_some_and(|catalog| catalog.tool("new").is_some()));
    assert_eq!(view.epochs, 1);
    bench.stop().await;
}
