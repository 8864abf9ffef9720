use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use tokio::time::advance;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn rate(calls: u32, per: Duration, burst: u32) -> Rate {
    let count = |count| NonZeroU32::new(count).unwrap();
    Rate { calls: count(calls), per, burst: count(burst) }
}

fn asked(identity: &Identity) -> Asked<'_> {
    Asked { server: "one", tool: "echo", identity, of_server: None, of_tool: None }
}

/// How many calls are let through one after the other, 1000 at most.
fn let_through(rates: &Rates, asked: Asked<'_>) -> usize {
    (0..1000).take_while(|_| rates.take_each(asked).is_ok()).count()
}

#[tokio::test(start_paused = true)]
async fn a_burst_is_let_through_and_then_one_call_for_each_token() {
    let rates = Rates::new(Some(rate(2, SECOND, 5)));
    let common = asked(&Identity::COMMON);
    assert_eq!(let_through(&rates, common), 5);
    let too_often = rates.take_each(common).unwrap_err();
    assert_eq!(too_often.retry_after, SECOND / 2);
    advance(SECOND / 2 - Duration::from_nanos(1)).await;
    assert!(rates.take_each(common).is_err());
    advance(Duration::from_nanos(1)).await;
    assert_eq!(let_through(&rates, common), 1);
    advance(3600 * SECOND).await;
    assert_eq!(let_through(&rates, common), 5, "no more than the burst is ever saved up");
}

#[tokio::test(start_paused = true)]
async fn what_is_left_is_told() {
    let rates = Rates::new(Some(rate(1, SECOND, 3)));
    let common = asked(&Identity::COMMON);
    let told = || {
        let quota = rates.take_each(common).unwrap().unwrap();
        assert_eq!((quota.of, quota.limit), (RateOf::Identity, 3));
        (quota.remaining, quota.reset.as_secs())
    };
    // Until all three are there again; with none left, until the next one is.
    assert_eq!([told(), told(), told()], [(2, 1), (1, 2), (0, 1)]);
    let TooOften { quota, retry_after } = rates.take_each(common).unwrap_err();
    assert_eq!((quota.remaining, quota.reset, retry_after), (0, SECOND, SECOND));
    advance(3 * SECOND).await;
    assert_eq!(told(), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn where_no_rate_is_set_nothing_is_kept() {
    let rates = Rates::new(None);
    assert_eq!(rates.take_each(asked(&Identity::named("a"))), Ok(None));
    assert_eq!(rates.identities.len() + rates.targets.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn each_caller_server_and_tool_has_its_own_bucket() {
    let rates = Rates::new(Some(rate(1, SECOND, 4)));
    let (a, b) = (Identity::named("a"), Identity::named("b"));
    assert_eq!(let_through(&rates, asked(&a)), 4);
    assert_eq!(let_through(&rates, asked(&b)), 4);
    assert_eq!(let_through(&rates, asked(&Identity::COMMON)), 4);
    let rates = Rates::new(None);
    let (tool, server) = (Some(rate(1, SECOND, 2)), Some(rate(1, SECOND, 5)));
    let of = |tool_name: &'static str, server_name: &'static str| Asked {
        tool: tool_name,
        server: server_name,
        of_server: server,
        of_tool: tool,
        identity: &Identity::COMMON,
    };
    assert_eq!(let_through(&rates, of("echo", "one")), 2);
    assert_eq!(let_through(&rates, of("other", "one")), 2);
    assert_eq!(let_through(&rates, of("third", "one")), 1, "the server's own rate");
    assert_eq!(let_through(&rates, of("echo", "two")), 2);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_refused_by_one_rate_takes_nothing_of_the_others() {
    let rates = Rates::new(Some(rate(1, SECOND, 3)));
    let identity = Identity::named("a");
    let narrow = Asked {
        of_tool: Some(rate(1, SECOND, 2)),
        of_server: Some(rate(1, 10 * SECOND, 1)),
        ..asked(&identity)
    };
    let first = rates.take_each(narrow).unwrap().unwrap();
    assert_eq!((first.of, first.remaining), (RateOf::Server, 0), "the narrowest is told");
    for _ in 0..100 {
        let too_often = rates.take_each(narrow).unwrap_err();
        assert_eq!(too_often.quota.of, RateOf::Server);
        assert_eq!(too_often.retry_after, 10 * SECOND);
    }
    // One of each went with the first call, none with the others.
    let without_server = Asked { of_server: None, ..narrow };
    assert_eq!(let_through(&rates, without_server), 1, "the tool's burst is 2");
    assert_eq!(let_through(&rates, asked(&identity)), 1, "the caller's burst is 3");
}

#[tokio::test(start_paused = true)]
async fn another_rate_holds_from_the_next_call_on() {
    let rates = Rates::new(None);
    let of = |rate| Asked { of_server: Some(rate), ..asked(&Identity::COMMON) };
    let slow = of(rate(1, 60 * SECOND, 10));
    assert_eq!(let_through(&rates, slow), 10);
    // Emptied at the slow rate, it fills up at the fast one.
    let fast = of(rate(10, SECOND, 10));
    assert_eq!(rates.take_each(fast).unwrap_err().retry_after, SECOND / 10);
    advance(SECOND / 2).await;
    assert_eq!(let_through(&rates, fast), 5);
    // A rate that was not there for a while is as it was left.
    assert_eq!(rates.take_each(asked(&Identity::COMMON)), Ok(None));
    assert!(rates.take_each(fast).is_err());
    // A smaller burst holds at once.
    advance(10 * SECOND).await;
    assert_eq!(let_through(&rates, of(rate(10, SECOND, 3))), 3);
}

#[tokio::test(start_paused = true)]
async fn callers_who_come_and_go_take_no_more_room_than_is_meant_for_them() {
    let rates = Rates::new(Some(rate(1, SECOND, 2)));
    for index in 0..3 * IDENTITIES_MAX {
        assert!(rates.take_each(asked(&Identity::named(&index.to_string()))).is_ok());
        assert!(rates.identities.len() <= IDENTITIES_MAX);
    }
    // Whoever lacks most is remembered in a crowd of those who lack less.
    let greedy = Identity::named("greedy");
    assert_eq!(let_through(&rates, asked(&greedy)), 2);
    for index in 0..IDENTITIES_MAX {
        assert!(rates.take_each(asked(&Identity::named(&format!("x{index}")))).is_ok());
        assert!(rates.identities.len() <= IDENTITIES_MAX);
    }
    assert!(rates.take_each(asked(&greedy)).is_err());
}

#[tokio::test(start_paused = true)]
async fn rates_at_the_ends_of_what_can_be_said_do_not_break() {
    let ends = [
        (1, Duration::MAX, u32::MAX, 1000),
        (u32::MAX, Duration::from_nanos(1), 1, 1),
        (u32::MAX, SECOND, u32::MAX, 1000),
        (1, 3_000_000_000 * SECOND, 7, 6),
        (1, SECOND, 1, 1),
    ];
    for (calls, per, burst, most) in ends {
        let rates = Rates::new(Some(rate(calls, per, burst)));
        let common = asked(&Identity::COMMON);
        let count = let_through(&rates, common);
        assert!(count >= 1 && count <= most, "{calls} {per:?} {burst}: {count}");
    }
}

/// Threads that call at once get as many tokens as there are, and those that another rate refuses
/// leave none missing.
#[test]
fn threads_at_once_share_the_tokens_that_there_are() {
    const CALLS: u32 = 4000;
    let hour = 3600 * SECOND;
    let rates = Arc::new(Rates::new(None));
    let taken = Arc::new(AtomicU32::new(0));
    let threads: Vec<_> = (0..4)
        .map(|index: u32| {
            // Every other thread calls a tool that lets hardly anything through.
            let is_narrow = index.is_multiple_of(2);
            let (rates, taken) = (Arc::clone(&rates), Arc::clone(&taken));
            thread::spawn(move || {
                for _ in 0..CALLS {
                    let of_server = Some(rate(1, hour, 1000));
                    let of_tool = is_narrow.then(|| rate(1, hour, 1));
                    let tool = if is_narrow { "narrow" } else { "wide" };
                    let identity = &Identity::COMMON;
                    let asked = Asked { server: "one", tool, identity, of_server, of_tool };
                    if rates.take_each(asked).is_ok() {
                        taken.fetch_add(1, Ordering::Relaxed);
                    }
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(taken.load(Ordering::Relaxed), 1000);
}

#[test]
fn what_another_rate_refuses_costs_the_shared_bucket_nothing_however_threads_meet() {
    let hour = 3600 * SECOND;
    let rates = Arc::new(Rates::new(Some(rate(1, hour, 100_000))));
    let refused = Asked { of_server: Some(rate(1, hour, 1)), ..asked(&Identity::COMMON) };
    assert!(rates.take_each(refused).is_ok());
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let rates = Arc::clone(&rates);
            thread::spawn(move || (0..2000).all(|_| rates.take_each(refused).is_err()))
        })
        .collect();
    for thread in threads {
        assert!(thread.join().unwrap());
    }
    let quota = rates.take_each(asked(&Identity::COMMON)).unwrap().unwrap();
    assert_eq!(quota.remaining, 100_000 - 2);
}
