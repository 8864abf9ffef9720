use std::num::NonZeroUsize;
use std::time::Duration;

use mcpo_core::load::{CacheTimes, ServerLoad};
use mcpo_core::outcome::OutcomeKind::{NotSent, Reply, Unknown};
use mcpo_mcp::answer::Answer;
use mcpo_mcp::error::Sent;
use mcpo_upstream::directory::LiveSession;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::*;
use crate::cache::{Purge, ServerCacheReading};
use crate::play::{Act, Ask, Bench, MINUTE, Make, TIMES, broken, status, told};

mod kept;
mod stale;

const SECOND: Duration = Duration::from_secs(1);

fn read() -> Ask {
    Ask { tool: "read", ..Ask::default() }
}

/// What the upstream answered: how many calls had come by then.
fn number(report: &Report) -> Option<u64> {
    let Outcome::Reply(Answer::Result(raw)) = &report.outcome else { return None };
    serde_json::from_slice::<serde_json::Value>(raw).ok()?["n"].as_u64()
}

fn figures(bench: &Bench) -> ServerCacheReading {
    bench.pipeline.cache_reading().servers.into_iter().next().expect("it is listed")
}

async fn ready() -> Arc<Bench> {
    Arc::new(Bench::ready(Make::default()).await)
}

/// Sends calls, and waits until each of them is under way.
async fn crowd(bench: &Arc<Bench>, asks: impl IntoIterator<Item = Ask>) -> JoinSet<Report> {
    let mut calls = JoinSet::new();
    for ask in asks {
        let bench = Arc::clone(bench);
        calls.spawn(async move { bench.ask(ask).await });
    }
    sleep(Duration::from_millis(1)).await;
    calls
}

#[tokio::test(start_paused = true)]
async fn a_stampede_of_equal_calls_comes_to_the_upstream_once() {
    for tool in ["read", "kept"] {
        let bench = ready().await;
        bench.up.always(Act::CountAfter(SECOND));
        let calls = crowd(&bench, vec![Ask { tool, ..Ask::default() }; 1000]).await;
        let reports = calls.join_all().await;
        assert_eq!(bench.up.seen(), 1);
        assert!(reports.iter().all(|report| number(report) == Some(1)));
        assert_eq!(reports.iter().filter(|report| report.shared).count(), 999);
        assert_eq!(reports.iter().map(|report| report.attempts).sum::<u32>(), 1);
        assert_eq!(figures(&bench).coalesced, 999);
        assert_eq!(bench.pipeline.carrier().flights.count(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn calls_that_differ_are_not_shared_and_those_that_only_look_different_are() {
    let bench = ready().await;
    bench.up.always(Act::CountAfter(SECOND));
    let who = |name: &str| Ask { identity: Identity::named(name), ..read() };
    let says = |arguments| Ask { arguments, ..read() };
    let asks = [
        says(r#"{"a":1,"b":[{"x":1,"y":"A"}]}"#),
        says(r#"{ "b": [{"y": "\u0041", "x": 1}], "a": 1 }"#),
        says(r#"{"a":1.0,"b":[{"x":1,"y":"A"}]}"#),
        says(r#"{"a":1}"#),
        who("one"),
        who("other"),
        read(),
        Ask { tool: "once", ..read() },
        // Of a tool that is not read-only.
        Ask { tool: "write", ..read() },
        Ask { tool: "write", ..read() },
        // With a key of its own, and for nothing that was asked for before.
        Ask { key: Some("key"), ..read() },
        Ask { freshness: Freshness { may_be_kept: false, ..Freshness::default() }, ..read() },
    ];
    let total = asks.len();
    let reports = crowd(&bench, asks).await.join_all().await;
    assert_eq!(bench.up.seen(), total - 1);
    assert_eq!(reports.iter().filter(|report| report.shared).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_was_given_is_not_shared_with_those_who_come_later() {
    let bench = ready().await;
    bench.up.always(Act::Count);
    for wanted in 1..=3 {
        assert_eq!(number(&bench.ask(read()).await), Some(wanted));
    }
}

#[tokio::test(start_paused = true)]
async fn a_followers_deadline_is_its_own() {
    let bench = ready().await;
    bench.up.always(Act::CountAfter(20 * SECOND));
    let mut leader = crowd(&bench, [read()]).await;
    let began = Instant::now();
    let follower = bench.ask(Ask { limit: 5 * SECOND, ..read() }).await;
    assert_eq!(told(&follower), (Unknown, 0, Some(FaultKind::Timeout)));
    assert_eq!((follower.shared, began.elapsed()), (true, 5 * SECOND));
    let leader = leader.join_next().await.expect("it goes on").expect("it does not panic");
    assert_eq!((told(&leader), number(&leader)), ((Reply, 1, None), Some(1)));
    assert_eq!((bench.up.seen(), bench.up.given_up()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_leaves_leaves_the_call_to_its_followers_and_the_last_one_cancels_it() {
    let bench = ready().await;
    bench.up.always(Act::CountAfter(20 * SECOND));
    let mut leader = crowd(&bench, [read()]).await;
    let mut follower = crowd(&bench, [read()]).await;
    leader.shutdown().await;
    assert_eq!((bench.up.seen(), bench.up.given_up()), (1, 0));
    let second = timeout(SECOND, bench.ask(read())).await;
    assert!(second.is_err(), "it waits with the others, and goes");
    assert_eq!((bench.up.seen(), bench.up.given_up()), (1, 0));
    let report = follower.join_next().await.expect("it waits").expect("it does not panic");
    assert_eq!((number(&report), report.shared), (Some(1), true));
    assert_eq!((bench.up.seen(), bench.up.given_up()), (1, 0));

    let mut both = crowd(&bench, [read(), read()]).await;
    assert_eq!(bench.up.seen(), 2);
    both.shutdown().await;
    assert_eq!((bench.up.seen(), bench.up.given_up()), (2, 1));
    assert_eq!(bench.pipeline.carrier().flights.count(), 0);
}

/// Whoever drives it then came with that catalog, too; nobody else has it any more.
#[tokio::test(start_paused = true)]
async fn a_flight_goes_on_with_the_catalog_that_it_began_with() {
    let bench = ready().await;
    bench.up.always(Act::CountAfter(20 * SECOND));
    let mut leader = crowd(&bench, [Ask::default()]).await;
    let before = crowd(&bench, [Ask::default()]).await;
    bench.treat_anew(CacheTimes { ttl: 2 * MINUTE, ..TIMES }).await;
    let after = crowd(&bench, [Ask::default()]).await;
    assert_eq!(bench.up.seen(), 2, "one that began with another catalog is not joined");
    leader.shutdown().await;
    let (before, after) = (before.join_all().await, after.join_all().await);
    assert_eq!((number(&before[0]), number(&after[0])), (Some(1), Some(2)));
    assert_eq!((bench.up.seen(), bench.up.given_up()), (2, 0));
    assert_eq!(number(&bench.ask(Ask::default()).await), Some(2), "kept with its own catalog");
}

#[tokio::test(start_paused = true)]
async fn a_leader_in_a_hurry_does_not_cut_the_call_short_for_its_followers() {
    let bench = ready().await;
    bench.up.always(Act::CountAfter(20 * SECOND));
    let began = Instant::now();
    let mut leader = crowd(&bench, [Ask { limit: 3 * SECOND, is_hurried: true, ..read() }]).await;
    let mut follower = crowd(&bench, [read()]).await;
    let leader = leader.join_next().await.expect("it led").expect("it does not panic");
    assert_eq!(told(&leader), (Unknown, 1, Some(FaultKind::Timeout)));
    assert_eq!((leader.upstream, began.elapsed()), (3 * SECOND, 3 * SECOND));
    let follower = follower.join_next().await.expect("it waits").expect("it does not panic");
    assert_eq!((told(&follower), number(&follower)), ((Reply, 0, None), Some(1)));
    assert_eq!((began.elapsed(), bench.up.seen()), (20 * SECOND, 1));
}

/// As a call does that goes alone: nobody else looks whether the session lives.
#[tokio::test(start_paused = true)]
async fn a_leader_whose_patience_ends_leaves_a_doubt_of_the_session() {
    let bench = ready().await;
    bench.up.always(Act::Hang);
    bench.up.stop_answering_probes();
    let report = bench.ask(Ask { limit: SECOND, is_hurried: true, ..read() }).await;
    assert_eq!(told(&report), (Unknown, 1, Some(FaultKind::Timeout)));
    assert!(bench.upstream().view.sessions.iter().all(LiveSession::is_doubted));
}

/// Room for one call at once.
async fn ready_for_one() -> Arc<Bench> {
    let load = ServerLoad { max_concurrent: NonZeroUsize::MIN, ..ServerLoad::default() };
    Arc::new(Bench::ready(Make { load, ..Make::default() }).await)
}

/// Nobody would be there any more to take the answer.
#[tokio::test(start_paused = true)]
async fn a_read_in_a_hurry_is_given_no_place_that_it_could_not_use() {
    let bench = ready_for_one().await;
    bench.up.always(Act::CountAfter(2 * SECOND));
    assert_eq!(told(&bench.ask(read()).await), (Reply, 1, None));
    let first = crowd(&bench, [read()]).await;
    let began = Instant::now();
    let hurried = |name| Ask {
        limit: 3 * SECOND,
        is_hurried: true,
        identity: Identity::named(name),
        ..read()
    };
    // The place is free after two seconds, and one more is too little.
    let reports = crowd(&bench, [hurried("one"), hurried("one"), hurried("other")]).await;
    for report in reports.join_all().await {
        assert_eq!((told(&report).0, report.shed), (NotSent, Some(ShedReason::TooLate)));
    }
    assert!(began.elapsed() < 3 * SECOND, "{:?}", began.elapsed());
    assert_eq!((first.join_all().await.len(), bench.up.seen(), bench.up.given_up()), (1, 2, 0));
}

#[tokio::test(start_paused = true)]
async fn who_waits_in_line_until_its_deadline_is_told_so_whether_it_leads_or_follows() {
    let bench = ready_for_one().await;
    bench.up.always(Act::CountAfter(20 * SECOND));
    let _first = crowd(&bench, [read()]).await;
    let who = |limit: u32, is_hurried| {
        let identity = Identity::named("other");
        Ask { limit: limit * SECOND, is_hurried, identity, ..read() }
    };
    let asks = [who(5, true), who(3, true), who(4, false), who(50, false)];
    let reports = crowd(&bench, asks).await.join_all().await;
    let shed: Vec<_> = reports.iter().filter(|report| report.shed.is_some()).collect();
    assert_eq!(shed.len(), 3, "{reports:?}");
    for report in shed {
        assert_eq!((told(report).0, report.shed), (NotSent, Some(ShedReason::TooLate)));
    }
    // It joined those in a hurry, and led when they had gone.
    assert_eq!(reports.iter().filter_map(number).collect::<Vec<_>>(), [2]);
    assert_eq!((bench.up.seen(), bench.up.given_up()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn a_follower_with_time_left_leads_when_a_flight_ends_for_its_deadline() {
    let bench = ready().await;
    bench.up.acts([Act::Hang]);
    bench.up.always_next(Act::Count);
    let began = Instant::now();
    let mut leader = crowd(&bench, [Ask { limit: 10 * SECOND, ..read() }]).await;
    let mut followers = crowd(&bench, vec![read(); 10]).await;
    let leader = leader.join_next().await.expect("it led").expect("it does not panic");
    assert_eq!(told(&leader), (Unknown, 1, Some(FaultKind::Timeout)));
    let mut led = 0;
    while let Some(report) = followers.join_next().await {
        let report = report.expect("it does not panic");
        assert_eq!(report.outcome.kind(), Reply);
        led += usize::from(!report.shared);
    }
    assert!(led >= 1 && bench.up.seen() == 1 + led, "{led} {}", bench.up.seen());
    assert_eq!(began.elapsed(), 10 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn what_a_caller_wrote_it_reads() {
    let bench = ready().await;
    bench.up.always(Act::CountAfter(20 * SECOND));
    // It began before the write, and before the second reader.
    let before = crowd(&bench, [read()]).await;
    bench.up.acts([Act::Count]);
    let write = bench.ask(Ask { tool: "write", ..Ask::default() }).await;
    assert_eq!(number(&write), Some(2));
    let after = crowd(&bench, [read(), read()]).await;
    assert_eq!(bench.up.seen(), 3);
    let after = after.join_all().await;
    assert!(after.iter().all(|report| number(report) == Some(3)), "{after:?}");
    assert_eq!(number(&before.join_all().await[0]), Some(1));
}

/// A write that nobody waits for any more may be carried out all the same.
#[tokio::test(start_paused = true)]
async fn a_write_that_is_under_way_or_was_given_up_counts_as_well() {
    let bench = ready().await;
    bench.up.always(Act::CountAfter(20 * SECOND));
    let _before = crowd(&bench, [read()]).await;
    let mut write = crowd(&bench, [Ask { tool: "write", ..Ask::default() }]).await;
    let _during = crowd(&bench, [read()]).await;
    assert_eq!(bench.up.seen(), 3, "a flight from before the write is not joined");
    let _joins = crowd(&bench, [read()]).await;
    assert_eq!(bench.up.seen(), 3, "one that began beside it is");
    write.shutdown().await;
    let _after = crowd(&bench, [read()]).await;
    assert_eq!(bench.up.seen(), 4);
}

#[tokio::test(start_paused = true)]
async fn all_who_wait_share_a_failure_too() {
    let bench = ready().await;
    bench.up.always(Act::Fail(Sent::Maybe, status(401, None)));
    bench.up.acts([Act::CountAfter(SECOND)]);
    let calls = crowd(&bench, vec![read(); 5]).await;
    bench.up.go_down();
    bench.up.refuse_sessions(broken());
    let reports = calls.join_all().await;
    assert!(
        reports
            .iter()
            .all(|report| report.outcome.kind() == NotSent || report.outcome.kind() == Unknown),
        "{reports:?}"
    );
    assert_eq!(bench.up.seen(), 1);
}

/// A call without one in hand waits for the next session.
#[tokio::test(start_paused = true)]
async fn with_a_stale_answer_in_hand_nobody_waits_for_a_server_to_come_back() {
    let times = CacheTimes { stale_if_error: 10 * MINUTE, ..TIMES };
    let bench = Arc::new(Bench::ready(Make { times, ..Make::default() }).await);
    bench.up.always(Act::Count);
    bench.ask(Ask::default()).await;
    sleep(2 * MINUTE).await;
    // It is lost only when it is asked.
    bench.up.always(Act::Die(Sent::No, broken()));
    bench.up.refuse_sessions(broken());
    bench.up.stop_answering_probes();
    let began = Instant::now();
    let report = bench.ask(Ask::default()).await;
    assert_eq!((number(&report), report.attempts), (Some(1), 0));
    assert_eq!(report.cache.map(|status| status.word), Some(CacheWord::Stale));
    assert_eq!(began.elapsed(), Duration::ZERO);
    let report = bench.ask(read()).await;
    assert_eq!((report.outcome.kind(), bench.up.seen()), (NotSent, 2));
    assert!(began.elapsed() > SECOND, "{:?}", began.elapsed());
}
