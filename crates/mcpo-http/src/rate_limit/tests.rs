use std::num::NonZeroU32;
use std::time::Duration;

use mcpo_policy::rate::RateOf;

use super::*;

fn rate(calls: u32, millis: u64, burst: u32) -> Rate {
    let count = |count| NonZeroU32::new(count).unwrap();
    Rate { calls: count(calls), per: Duration::from_millis(millis), burst: count(burst) }
}

#[test]
fn a_rate_is_told_as_a_window_of_whole_seconds_that_lets_as_many_calls_through() {
    for (rate, told) in [
        (rate(60, 60_000, 60), (60, 60)),
        (rate(60, 60_000, 10), (60, 60)),
        (rate(10, 1000, 10), (10, 1)),
        (rate(10, 1000, 50), (50, 5)),
        // One and a half seconds are none: two, then, with what they let through.
        (rate(10, 1000, 15), (20, 2)),
        (rate(5, 100, 5), (50, 1)),
        (rate(100, 1000, 1), (100, 1)),
        (rate(1, 3_600_000, 1), (1, 3600)),
    ] {
        assert_eq!(policy(rate), told, "{rate:?}");
    }
    let endless = Rate { per: Duration::MAX, ..rate(1, 1, u32::MAX) };
    assert_eq!(policy(endless).1, INTEGER_MAX);
}

#[test]
fn what_is_left_stands_in_each_answer_and_all_that_is_known_in_a_refusal() {
    let quota = Quota {
        of: RateOf::Tool,
        rate: rate(10, 1000, 20),
        limit: 20,
        remaining: 7,
        reset: Duration::from_millis(1300),
    };
    let (mut answer, mut refusal) = (Answer::default(), Answer::default());
    tell(&mut answer, &quota);
    tell_refused(&mut refusal, &quota);
    for answer in [&answer, &refusal] {
        let told = NAMES.map(|name| answer.headers()[name].to_str().unwrap().to_owned());
        assert_eq!(told, ["20", "7", "2"]);
    }
    assert_eq!((answer.headers().len(), refusal.headers().len()), (3, 5));
    assert_eq!(refusal.headers()[POLICY], r#""tool";q=20;w=2"#);
    assert_eq!(refusal.headers()[SERVICE], r#""tool";r=7;t=2"#);
}

/// What is remembered of a rate is told of that rate alone, and of whose it is.
#[test]
fn each_rate_is_told_as_it_is_however_they_take_turns() {
    let (slow, fast) = (rate(10, 1000, 20), rate(1_000_000, 1000, 1_000_000));
    let slowest = Rate { per: Duration::from_secs(u64::from(u32::MAX)), ..rate(1, 1, u32::MAX) };
    let tell_of = |of: RateOf, rate: Rate, remaining: u32, seconds: u64| {
        let (limit, reset) = (rate.burst.get(), Duration::from_secs(seconds));
        let mut answer = Answer::default();
        tell_refused(&mut answer, &Quota { of, rate, limit, remaining, reset });
        let told = |name| answer.headers()[name].to_str().unwrap().to_owned();
        [LIMIT, REMAINING, RESET, POLICY, SERVICE].map(told).join(" ")
    };
    for _ in 0..2 {
        let told = tell_of(RateOf::Tool, slow, 7, 2);
        assert_eq!(told, r#"20 7 2 "tool";q=20;w=2 "tool";r=7;t=2"#);
        let told = tell_of(RateOf::Tool, fast, 999_999, 1);
        assert_eq!(told, r#"1000000 999999 1 "tool";q=1000000;w=1 "tool";r=999999;t=1"#);
        let told = tell_of(RateOf::Server, slow, 0, 10);
        assert_eq!(told, r#"20 0 10 "server";q=20;w=2 "server";r=0;t=10"#);
        let told = tell_of(RateOf::Identity, slowest, u32::MAX, u64::from(u32::MAX));
        let policy = r#""identity";q=4294967295;w=999999999999999"#;
        let left = r#""identity";r=4294967295;t=4294967295"#;
        assert_eq!(told, format!("4294967295 4294967295 4294967295 {policy} {left}"));
    }
}
