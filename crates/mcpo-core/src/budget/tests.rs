use std::collections::VecDeque;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::traffic::{Traffic, WINDOW};

#[expect(clippy::disallowed_methods, reason = "a test needs some instant to count from")]
fn origin() -> Instant {
    Instant::now()
}

fn spent_until_refused(budget: &Budget, pace: Pace) -> u32 {
    let spent = (0..1000).take_while(|_| budget.try_spend(pace, u64::MAX, 0)).count();
    u32::try_from(spent).unwrap()
}

#[test]
fn a_full_bucket_pays_for_35_failures_or_100_refusals() {
    let budget = Budget::new(BudgetPolicy::default());
    assert_eq!(spent_until_refused(&budget, Pace::Transient), 35);
    budget.reset();
    assert_eq!(spent_until_refused(&budget, Pace::Throttled), 100);
    assert_eq!(budget.tokens(), 0);
}

#[test]
fn an_empty_bucket_is_filled_by_successes_one_by_one() {
    let budget = Budget::new(BudgetPolicy::default());
    spent_until_refused(&budget, Pace::Throttled);
    for _ in 0..13 {
        budget.first_try_succeeded();
    }
    assert!(!budget.try_spend(Pace::Transient, 1000, 0));
    budget.first_try_succeeded();
    assert!(budget.try_spend(Pace::Transient, 1000, 0));
    for _ in 0..10_000 {
        budget.first_try_succeeded();
    }
    assert_eq!(budget.tokens(), BudgetPolicy::default().tokens_max, "never more than full");
}

#[test]
fn the_reserve_goes_without_traffic_and_the_ratio_takes_over() {
    let budget = Budget::new(BudgetPolicy::default());
    assert!(budget.try_spend(Pace::Throttled, 0, 9));
    assert!(!budget.try_spend(Pace::Throttled, 0, 10));
    assert!(!budget.try_spend(Pace::Throttled, 109, 10));
    assert!(budget.try_spend(Pace::Throttled, 110, 10));
    assert!(!budget.try_spend(Pace::Throttled, u64::MAX, u64::MAX), "counts do not wrap around");
}

#[test]
fn a_policy_out_of_bounds_neither_overflows_nor_pays_out() {
    let greedy = BudgetPolicy { gain: u32::MAX, ratio: f64::NAN, ..BudgetPolicy::default() };
    let budget = Budget::new(greedy);
    assert!(budget.try_spend(Pace::Transient, 0, 0));
    budget.first_try_succeeded();
    assert_eq!(budget.tokens(), greedy.tokens_max);
    assert!(!budget.try_spend(Pace::Transient, 1_000_000, 10));
}

#[test]
fn many_at_once_never_spend_more_than_there_is() {
    let budget = Budget::new(BudgetPolicy::default());
    let spent = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let paid = (0..500).filter(|_| budget.try_spend(Pace::Throttled, u64::MAX, 0));
                spent.fetch_add(u32::try_from(paid.count()).unwrap(), Ordering::Relaxed);
            });
        }
    });
    assert_eq!(spent.into_inner(), 100);
}

/// All that came and was sent again of late.
struct Seen {
    calls: VecDeque<Instant>,
    retries: VecDeque<Instant>,
}

impl Seen {
    /// The retries of the last nine whole seconds are in every count that was looked at.
    fn surely_counted(&self, now: Instant) -> usize {
        let is_counted = |at: &&Instant| now - **at < WINDOW - Duration::from_secs(1);
        self.retries.iter().filter(is_counted).count()
    }

    /// Forgets what no count of [`Traffic`] can hold any more.
    fn forget(&mut self, now: Instant) {
        for list in [&mut self.calls, &mut self.retries] {
            while list.front().is_some_and(|&at| now - at >= WINDOW) {
                list.pop_front();
            }
        }
    }
}

proptest! {
    #[test]
    fn an_upstream_never_sees_more_than_its_share_of_retries(
        moves in prop::collection::vec((0u64..200, 1usize..30, prop::bool::weighted(0.3), any::<bool>()), 1..200),
    ) {
        let policy = BudgetPolicy::default();
        let budget = Budget::new(policy);
        let start = origin();
        let traffic = Traffic::new(start);
        let mut now = start;
        let mut seen = Seen { calls: VecDeque::new(), retries: VecDeque::new() };
        let (mut earned, mut paid) = (0, 0);
        for (pause_ms, calls, succeed, throttled) in moves {
            now += Duration::from_millis(pause_ms);
            let pace = if throttled { Pace::Throttled } else { Pace::Transient };
            let cost = if throttled { policy.cost_throttled } else { policy.cost_transient };
            for _ in 0..calls {
                traffic.call(now);
                seen.calls.push_back(now);
                if succeed {
                    budget.first_try_succeeded();
                    earned += policy.gain;
                } else if budget.try_spend(pace, traffic.calls(now), traffic.retries(now)) {
                    traffic.retry(now);
                    seen.retries.push_back(now);
                    seen.forget(now);
                    paid += cost;
                    let retries = seen.surely_counted(now);
                    let most = (seen.calls.len() / 10).max(policy.reserve as usize);
                    prop_assert!(retries <= most, "{} of {}", retries, seen.calls.len());
                }
                prop_assert!(paid <= policy.tokens_max + earned, "more than the bucket ever held");
                prop_assert!(budget.tokens() <= policy.tokens_max);
            }
        }
    }
}
