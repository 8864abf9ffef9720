//! Calls that carry a key of their caller's.

use mcpo_core::outcome::OutcomeKind::{NotSent, Refused, Reply, Unknown};
use mcpo_mcp::error::Sent::Maybe;

use super::*;
use crate::play::{Bench, status, told};

const SECOND: Duration = Duration::from_secs(1);

async fn bench() -> Arc<Bench> {
    Arc::new(Bench::ready(Make::default()).await)
}

#[tokio::test(start_paused = true)]
async fn a_repeated_call_is_answered_and_not_sent() {
    for (act, wanted) in [(Act::Echo, "{}"), (Act::Refuse, "no")] {
        let bench = bench().await;
        bench.up.acts([act]);
        let first = bench.keyed("k", MINUTE).await;
        assert_eq!((told(&first), first.repeated), ((Reply, 1, None), false));
        bench.up.go_down();
        let again = bench.keyed("k", MINUTE).await;
        assert_eq!((told(&again), again.repeated), ((Reply, 0, None), true));
        let text = match again.outcome {
            Outcome::Reply(Answer::Result(raw)) => String::from_utf8(raw.into()).expect("text"),
            Outcome::Reply(Answer::Error(error)) => error.message,
            Outcome::NotSent(fault) | Outcome::Refused(fault) | Outcome::Unknown(fault) => {
                panic!("{fault}")
            }
        };
        assert_eq!((text.as_str(), bench.up.seen()), (wanted, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn calls_with_one_key_at_once_are_sent_once_and_all_answered() {
    let bench = bench().await;
    bench.up.always(Act::Slow(3 * SECOND));
    let calls = (bench.keyed("k", MINUTE), bench.keyed("k", MINUTE), bench.keyed("k", SECOND));
    let (one, two, three) = tokio::join!(calls.0, calls.1, calls.2);
    assert_eq!((told(&one), one.repeated), ((Reply, 1, None), false));
    assert_eq!((told(&two), two.repeated), ((Reply, 0, None), true));
    // Its own deadline came first, and the call that it stands for was under way.
    assert_eq!((told(&three), three.repeated), ((Unknown, 0, Some(FaultKind::Timeout)), false));
    assert_eq!(bench.up.seen(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_stands_for_another_call_is_refused() {
    let bench = bench().await;
    bench.keyed("k", MINUTE).await;
    let other = bench.made("write", Some("k"), b"{\"a\":1}", MINUTE).await;
    assert_eq!(other.map(|report| report.attempts), Err(KeyMisused::OtherArguments));
    let empty = bench.made("write", Some(""), b"{}", MINUTE).await;
    assert_eq!(empty.map(|report| report.attempts), Err(KeyMisused::BadKey));
    assert_eq!(bench.up.seen(), 1);
}

/// Each row: what becomes of a call; whether one with the same key is sent after it.
#[tokio::test(start_paused = true)]
async fn only_replies_are_kept() {
    let rows = [
        (Act::Echo, Reply, false),
        (Act::Refuse, Reply, false),
        (Act::Fail(Maybe, status(401, None)), NotSent, true),
        (Act::Fail(Maybe, status(429, Some(2 * MINUTE))), Refused, true),
        (Act::Hang, Unknown, true),
    ];
    for (act, outcome, is_sent_again) in rows {
        let bench = bench().await;
        bench.up.acts([act]);
        assert_eq!(bench.keyed("k", MINUTE).await.outcome.kind(), outcome);
        let again = bench.keyed("k", MINUTE).await;
        assert_eq!((again.outcome.kind(), again.repeated), (Reply, !is_sent_again));
        assert_eq!(bench.up.seen(), 1 + usize::from(is_sent_again));
    }
}

/// Takes the lead for a key, is seen by the upstream, and goes away.
async fn leave_in_the_middle(bench: &Bench, tool: &str) {
    let lead = bench.made(tool, Some("k"), b"{}", MINUTE);
    tokio::pin!(lead);
    while bench.up.seen() == 0 {
        tokio::select! {
            biased;
            report = &mut lead => panic!("it hangs: {report:?}"),
            () = tokio::task::yield_now() => {}
        }
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_a_call_that_is_given_up_makes_it() {
    let bench = bench().await;
    bench.up.acts([Act::Hang]);
    let (follower, ()) = tokio::join!(
        async {
            while bench.up.seen() == 0 {
                tokio::task::yield_now().await;
            }
            bench.keyed("k", MINUTE).await
        },
        async {
            leave_in_the_middle(&bench, "write").await;
        },
    );
    assert_eq!((told(&follower), follower.repeated), ((Reply, 1, None), false));
    assert_eq!(bench.up.seen(), 2);
}

/// What the first one may have done, the second one cannot take back by failing.
#[tokio::test(start_paused = true)]
async fn whoever_takes_over_does_not_say_that_nothing_was_done() {
    for (tool, attempts) in [("write", 1), ("once", 0)] {
        let bench = bench().await;
        bench.up.always(Act::Fail(Maybe, status(401, None)));
        bench.up.acts([Act::Hang]);
        let mut lead = Box::pin(bench.made(tool, Some("k"), b"{}", MINUTE));
        while bench.up.seen() == 0 {
            tokio::select! {
                biased;
                report = &mut lead => panic!("it hangs: {report:?}"),
                () = tokio::task::yield_now() => {}
            }
        }
        let (follower, ()) = tokio::join!(bench.made(tool, Some("k"), b"{}", MINUTE), async {
            tokio::task::yield_now().await;
            drop(lead);
        });
        let follower = follower.expect("its key is its own");
        assert_eq!((follower.outcome.kind(), follower.attempts), (Unknown, attempts), "{tool}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_kept_needs_no_place_of_its_upstream() {
    let bench = bench().await;
    bench.keyed("k", MINUTE).await;
    let _crowd = crowd(&bench, CALLS_IN_FLIGHT_MAX).await;
    let began = Instant::now();
    assert!(bench.keyed("k", MINUTE).await.repeated);
    assert_eq!(began.elapsed(), Duration::ZERO);
}
