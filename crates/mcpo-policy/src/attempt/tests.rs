use std::sync::Arc;
use std::time::Duration;

use mcpo_core::breaker::BreakerState;
use mcpo_core::outcome::OutcomeKind::{NotSent, Refused, Reply, Unknown};
use mcpo_mcp::error::Sent::{Maybe, No};
use mcpo_upstream::directory::State;
use mcpo_upstream::order::Order;
use tokio::task::JoinSet;
use tokio::time::{advance, timeout};

use super::*;
use crate::pipeline::PipelineOptions;
use crate::play::{Act, Bench, MINUTE, Make, broken, forgotten, status, told};

mod breaker;
mod throttled;
mod times;

const SECOND: Duration = Duration::from_secs(1);

fn malformed() -> mcpo_mcp::error::Cause {
    mcpo_mcp::error::Cause::Malformed("html".to_owned())
}

/// Each row: what the upstream does with the first call, and what then becomes of the call of a
/// tool that may not act twice, one that may, one that may not but has a key, and one that may but
/// is never to be sent again.
#[tokio::test(start_paused = true)]
async fn what_an_attempt_came_to_decides_whether_there_is_another() {
    let full = mcpo_mcp::error::Cause::Full { waiting: 9 };
    let rows = [
        (Act::Echo, [(Reply, 1), (Reply, 1), (Reply, 1), (Reply, 1)]),
        (Act::Refuse, [(Reply, 1), (Reply, 1), (Reply, 1), (Reply, 1)]),
        (Act::Fail(No, full), [(Reply, 2), (Reply, 2), (Reply, 2), (NotSent, 1)]),
        (Act::Die(No, broken()), [(Reply, 2), (Reply, 2), (Reply, 2), (NotSent, 1)]),
        (Act::Fail(Maybe, forgotten()), [(Reply, 2), (Reply, 2), (Reply, 2), (NotSent, 1)]),
        (Act::Fail(Maybe, status(429, None)), [(Reply, 2), (Reply, 2), (Reply, 2), (Refused, 1)]),
        (Act::Fail(Maybe, status(503, None)), [(Reply, 2), (Reply, 2), (Reply, 2), (Refused, 1)]),
        (Act::Fail(Maybe, status(500, None)), [(Unknown, 1), (Reply, 2), (Reply, 2), (Unknown, 1)]),
        (Act::Die(Maybe, broken()), [(Unknown, 1), (Reply, 2), (Reply, 2), (Unknown, 1)]),
        (Act::Hang, [(Unknown, 1), (Unknown, 1), (Unknown, 1), (Unknown, 1)]),
        (
            Act::Fail(Maybe, status(401, None)),
            [(NotSent, 1), (NotSent, 1), (NotSent, 1), (NotSent, 1)],
        ),
        (Act::Fail(Maybe, malformed()), [(Unknown, 1), (Reply, 2), (Reply, 2), (Unknown, 1)]),
    ];
    for (act, wanted) in rows {
        let calls = [("write", None), ("read", None), ("write", Some("key")), ("once", None)];
        for ((tool, key), wanted) in calls.into_iter().zip(wanted) {
            let bench = Bench::ready(Make::default()).await;
            bench.up.acts([act.clone()]);
            let began = Instant::now();
            let report = bench.made(tool, key, b"{}", MINUTE).await.expect("its key is its own");
            let came_to = (report.outcome.kind(), report.attempts);
            assert_eq!(came_to, wanted, "{tool} {key:?} after {act:?}: {report:?}");
            assert_eq!(bench.up.seen(), wanted.1 as usize);
            assert!(began.elapsed() <= MINUTE);
        }
    }
}

/// A connection that breaks under its own call says nothing of the session: it stays.
#[tokio::test(start_paused = true)]
async fn a_call_whose_own_connection_broke_is_sent_again_on_the_same_session() {
    let make = Make { connection_per_call: true, ..Make::default() };
    for (tool, wanted) in [("write", (Unknown, 1)), ("read", (Reply, 2))] {
        let bench = Bench::ready(make).await;
        bench.up.acts([Act::Fail(Maybe, broken())]);
        let report = bench.call(tool, MINUTE).await;
        assert_eq!((report.outcome.kind(), report.attempts), wanted);
        assert_eq!(bench.up.sessions(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_asks_for_time_gets_it() {
    for _ in 0..20 {
        let bench = Bench::ready(Make::default()).await;
        bench.up.acts([Act::Fail(Maybe, status(429, Some(3 * SECOND)))]);
        let began = Instant::now();
        let report = bench.call("write", MINUTE).await;
        assert_eq!(told(&report), (Reply, 2, None));
        let took = began.elapsed();
        assert!(3 * SECOND <= took && took <= 8 * SECOND, "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_asks_for_more_time_than_the_call_has_is_not_waited_for() {
    let bench = Bench::ready(Make::default()).await;
    bench.up.acts([Act::Fail(Maybe, status(503, Some(10 * SECOND)))]);
    let began = Instant::now();
    let report = bench.call("write", 10 * SECOND).await;
    assert_eq!(told(&report), (Refused, 1, Some(FaultKind::Throttled)));
    assert_eq!(began.elapsed(), Duration::ZERO);
    let asked = report.outcome.fault().and_then(|fault| fault.retry_after);
    assert_eq!(asked, Some(10 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn there_are_no_more_attempts_than_allowed_and_no_wait_after_the_last() {
    for attempts_max in [1, 2, 3, 7] {
        let retry = RetryPolicy { attempts_max, ..RetryPolicy::default() };
        let options = PipelineOptions { retry, ..PipelineOptions::default() };
        let bench = Bench::ready(Make { options, ..Make::default() }).await;
        bench.up.always(Act::Fail(Maybe, status(429, Some(SECOND))));
        let began = Instant::now();
        let report = bench.call("write", 10 * MINUTE).await;
        assert_eq!(told(&report), (Refused, attempts_max, Some(FaultKind::Throttled)));
        assert_eq!(bench.up.seen(), attempts_max as usize);
        let (took, waits) = (began.elapsed(), attempts_max - 1);
        assert!(SECOND * waits <= took && took <= 6 * SECOND * waits, "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_may_have_acted_once_stays_unknown_whatever_follows() {
    for last in [Act::Fail(Maybe, status(429, None)), Act::Fail(Maybe, status(401, None))] {
        let bench = Bench::ready(Make::default()).await;
        bench.up.always(last);
        bench.up.acts([Act::Fail(Maybe, status(500, None))]);
        assert_eq!(bench.call("read", MINUTE).await.outcome.kind(), Unknown);
    }
}

/// With recovery switched off, a call waits for a session and is sent once.
#[tokio::test(start_paused = true)]
async fn without_recovery_a_call_is_sent_once_and_the_next_one_makes_a_session() {
    let options = PipelineOptions { recovery_enabled: false, ..PipelineOptions::default() };
    let bench = Bench::ready(Make { options, ..Make::default() }).await;
    bench.up.acts([Act::Die(No, broken())]);
    assert_eq!(
        told(&bench.call("read", MINUTE).await),
        (NotSent, 1, Some(FaultKind::Disconnected))
    );
    bench.until(|state| *state == State::Dormant).await;
    assert_eq!(told(&bench.call("write", MINUTE).await), (Reply, 1, None));
    assert_eq!(bench.up.sessions(), 2);
}

#[tokio::test(start_paused = true)]
async fn without_recovery_each_call_asks_once_for_a_session() {
    let options = PipelineOptions { recovery_enabled: false, ..PipelineOptions::default() };
    let bench = Bench::ready(Make { options, ..Make::default() }).await;
    bench.up.go_down();
    bench.until(|state| *state == State::Dormant).await;
    for dials in 2..5 {
        let began = Instant::now();
        let report = bench.call("read", MINUTE).await;
        assert_eq!(told(&report), (NotSent, 0, Some(FaultKind::Unreachable)));
        assert_eq!((bench.up.dials(), began.elapsed()), (dials, Duration::ZERO));
    }
    bench.up.come_back();
    assert_eq!(told(&bench.call("write", MINUTE).await), (Reply, 1, None));
}

/// A server with four sessions is started anew, and knows none of them.
#[tokio::test(start_paused = true)]
async fn a_call_does_not_use_up_its_attempts_on_sessions_that_are_all_lost() {
    let bench = Bench::ready(Make { sessions: 4, ..Make::default() }).await;
    advance(SECOND).await;
    bench.up.go_down();
    bench.up.come_back();
    let report = bench.call("write", MINUTE).await;
    assert_eq!(report.outcome.kind(), Reply, "{report:?}");
    assert!(report.attempts <= 2, "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn a_lost_session_is_one_failure_however_many_calls_it_takes_along() {
    let bench = Arc::new(Bench::ready(Make::default()).await);
    bench.up.always(Act::Hang);
    let mut calls = JoinSet::new();
    for _ in 0..50 {
        let bench = Arc::clone(&bench);
        calls.spawn(async move { told(&bench.call("write", MINUTE).await) });
    }
    while bench.up.seen() < 50 {
        tokio::task::yield_now().await;
    }
    bench.up.always(Act::Echo);
    bench.up.go_down();
    bench.up.come_back();
    let came_to = calls.join_all().await;
    assert_eq!(came_to, [(Unknown, 1, Some(FaultKind::Disconnected)); 50]);
    assert_eq!(bench.upstream().gate().breaker_state(), BreakerState::Closed);
    assert_eq!(told(&bench.call("write", MINUTE).await), (Reply, 1, None));
}

/// However many calls a session takes along, all that may be sent again are, on the next one.
#[tokio::test(start_paused = true)]
async fn a_restart_under_load_costs_no_call_that_may_be_sent_again() {
    for connection_per_call in [false, true] {
        let make = Make { sessions: 2, connection_per_call, ..Make::default() };
        let bench = Arc::new(Bench::ready(make).await);
        bench.up.always(Act::Hang);
        let mut calls = JoinSet::new();
        for _ in 0..500 {
            let bench = Arc::clone(&bench);
            calls.spawn(async move { told(&bench.call("read", MINUTE).await) });
        }
        while bench.up.seen() < 500 {
            tokio::task::yield_now().await;
        }
        advance(SECOND).await;
        bench.up.always(Act::Echo);
        bench.up.go_down();
        sleep_until(Instant::now() + 3 * SECOND).await;
        bench.up.come_back();
        assert_eq!(calls.join_all().await, [(Reply, 2, None); 500]);
        assert_eq!(bench.up.seen(), 1_000);
        // Nothing of it was charged.
        assert_eq!(bench.upstream().gate().tokens(), 500);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_for_an_upstream_that_was_just_lost_and_is_back_soon() {
    let bench = Bench::ready(Make::default()).await;
    bench.up.go_down();
    bench.until(|state| *state != State::Ready).await;
    let (report, ()) = tokio::join!(bench.call("write", MINUTE), async {
        sleep_until(Instant::now() + 5 * SECOND).await;
        bench.up.come_back();
    });
    assert_eq!(told(&report), (Reply, 1, None));
}

/// Each row: what happens to a call, how many of a thousand at once, or one after the other, are
/// seen by an upstream on which none of them ever succeeds.
#[tokio::test(start_paused = true)]
async fn an_outage_sees_hardly_more_calls_than_came_in() {
    let acts = [
        Act::Fail(Maybe, status(500, None)),
        Act::Fail(Maybe, status(429, None)),
        Act::Fail(No, mcpo_mcp::error::Cause::Full { waiting: 9 }),
        Act::Fail(Maybe, broken()),
    ];
    for act in acts {
        for (at_once, connection_per_call) in [(true, false), (true, true), (false, false)] {
            let make = Make { connection_per_call, ..Make::default() };
            let bench = Arc::new(Bench::ready(make).await);
            bench.up.always(act.clone());
            let mut calls = JoinSet::new();
            for _ in 0..1_000 {
                let one = Arc::clone(&bench);
                calls.spawn(async move { one.call("read", 20 * SECOND).await.outcome.kind() });
                if !at_once {
                    calls.join_next().await;
                }
            }
            calls.join_all().await;
            let seen = bench.up.seen();
            assert!(seen <= 1_100, "{seen} of 1000 after {act:?}, at once: {at_once}");
        }
    }
}

/// Whatever is sent kills it, and it is up again at once: what was under way when it first died
/// may be sent again freely, and after that the budget is the bound.
#[tokio::test(start_paused = true)]
async fn an_upstream_that_dies_of_its_calls_is_not_killed_over_and_over() {
    let bench = Arc::new(Bench::ready(Make::default()).await);
    bench.up.always(Act::Hang);
    let mut calls = JoinSet::new();
    for _ in 0..500 {
        let bench = Arc::clone(&bench);
        calls.spawn(async move { bench.call("read", MINUTE).await.outcome.kind() });
    }
    for _ in 0..20 {
        sleep_until(Instant::now() + SECOND).await;
        bench.up.go_down();
        bench.up.come_back();
    }
    bench.up.always(Act::Echo);
    calls.join_all().await;
    let seen = bench.up.seen();
    assert!((1_000..=1_050).contains(&seen), "{seen}");
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_is_gone_sees_no_call_twice() {
    let bench = Arc::new(Bench::ready(Make::default()).await);
    bench.up.always(Act::Hang);
    let mut calls = JoinSet::new();
    for _ in 0..1_000 {
        let bench = Arc::clone(&bench);
        calls.spawn(async move { bench.call("read", MINUTE).await.outcome.kind() });
    }
    while bench.up.seen() < 1_000 {
        tokio::task::yield_now().await;
    }
    bench.up.go_down();
    assert_eq!(calls.join_all().await, [Unknown; 1_000]);
    assert_eq!(bench.up.seen(), 1_000);
}

#[tokio::test(start_paused = true)]
async fn a_spent_budget_allows_no_second_attempt_until_successes_fill_it() {
    let bench = Bench::ready(Make::default()).await;
    let busy = Act::Fail(Maybe, status(429, None));
    let mut spent = 0;
    while bench.upstream().gate().tokens() >= 5 {
        bench.up.always(busy.clone());
        let report = bench.call("write", MINUTE).await;
        spent += report.attempts - 1;
        assert!(spent <= 200, "the budget has no end");
    }
    assert_eq!(told(&bench.call("write", MINUTE).await), (Refused, 1, Some(FaultKind::Throttled)));
    // The ratio looks back for ten seconds: after these, only the bucket counts.
    advance(11 * SECOND).await;
    assert_eq!(told(&bench.call("write", MINUTE).await), (Refused, 1, Some(FaultKind::Throttled)));
    bench.up.always(Act::Echo);
    for _ in 0..5 {
        bench.call("write", MINUTE).await;
    }
    bench.up.acts([busy]);
    assert_eq!(told(&bench.call("write", MINUTE).await), (Reply, 2, None));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_ends_when_the_upstream_is_removed() {
    let bench = Bench::ready(Make::default()).await;
    bench.up.go_down();
    bench.until(|state| *state != State::Ready).await;
    let began = Instant::now();
    let (report, ()) = tokio::join!(bench.call("write", MINUTE), async { bench.remove() });
    assert_eq!(told(&report), (NotSent, 0, Some(FaultKind::Stopping)));
    assert!(began.elapsed() < 5 * SECOND, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_held_upstream_is_not_waited_for() {
    let bench = Bench::ready(Make::default()).await;
    let (upstream, soon) = (bench.upstream(), Instant::now() + MINUTE);
    upstream.order(Order::Hold, soon).await.expect("it is kept");
    let (seen, began) = (bench.up.seen(), Instant::now());
    let report = bench.call("write", MINUTE).await;
    assert_eq!(told(&report), (NotSent, 0, Some(FaultKind::Held)));
    assert_eq!((bench.up.seen(), began.elapsed()), (seen, Duration::ZERO));
    upstream.order(Order::Release, soon).await.expect("it is kept");
    assert_eq!(told(&bench.call("write", MINUTE).await), (Reply, 1, None));
}

/// What holds it says what a person must do, and when it is looked at again.
#[tokio::test(start_paused = true)]
async fn an_upstream_that_is_held_for_its_own_fault_says_which() {
    let bench = Bench::ready(Make::default()).await;
    bench.up.refuse_sessions(status(401, None));
    bench.up.go_down();
    bench.until(|state| matches!(state, State::Held { .. })).await;
    let began = Instant::now();
    let report = bench.call("write", MINUTE).await;
    assert_eq!(told(&report), (NotSent, 0, Some(FaultKind::Unauthorized)));
    assert_eq!(began.elapsed(), Duration::ZERO);
    let wait = report.outcome.fault().and_then(|fault| fault.retry_after);
    assert_eq!(wait, Some(30 * SECOND), "until the first look");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_comes_too_late_is_not_sent() {
    let bench = Bench::ready(Make::default()).await;
    let report = bench.call("write", Duration::ZERO).await;
    assert_eq!(told(&report), (NotSent, 0, Some(FaultKind::Timeout)));
    assert_eq!(bench.up.seen(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_helped_and_what_failed_is_told() {
    let bench = Bench::ready(Make::default()).await;
    let since = bench.directory.journal().entries(0, None, 1_000).last().map_or(0, |last| last.seq);
    bench.up.acts([Act::Die(No, broken())]);
    bench.call("write", MINUTE).await;
    bench.up.acts([Act::Fail(Maybe, status(500, None))]);
    bench.call("write", MINUTE).await;
    let entries = bench.directory.journal().entries(since, Some("up"), 1_000);
    let names: Vec<&str> = entries
        .iter()
        .map(|entry| entry.event.name())
        .filter(|name| name.starts_with("call"))
        .collect();
    assert_eq!(names, ["call_sent_again", "call_recovered", "call_failed"]);
}

/// Impatient callers would otherwise shut an upstream for everybody that is as fast as ever.
#[tokio::test(start_paused = true)]
async fn callers_in_a_hurry_do_not_open_the_breaker() {
    let bench = Bench::ready(Make::default()).await;
    bench.up.always(Act::Slow(SECOND));
    for _ in 0..20 {
        let report = bench.hurried("write", SECOND / 10).await;
        assert_eq!(told(&report), (Unknown, 1, Some(FaultKind::Timeout)));
    }
    assert_eq!(bench.upstream().gate().breaker_state(), BreakerState::Closed);
    assert_eq!(told(&bench.call("write", MINUTE).await), (Reply, 1, None));
    for _ in 0..7 {
        bench.call("write", SECOND / 10).await;
    }
    assert!(matches!(bench.upstream().gate().breaker_state(), BreakerState::Open { .. }));
}
