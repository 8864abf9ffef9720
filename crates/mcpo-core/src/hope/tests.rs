use proptest::prelude::*;

use super::*;

#[expect(clippy::disallowed_methods, reason = "a test needs some instant to count from")]
fn epoch() -> Instant {
    Instant::now()
}

fn second(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// Each row: is it a restart, when is the chance, how many seconds after the trouble began is the
/// call's now and its deadline; how many seconds after the trouble began does it stop waiting, or
/// what is it told.
#[test]
fn a_restart_is_bridged_and_an_outage_fails_fast() {
    let since = epoch();
    let at = |count: u64| Chance::At(since + second(count));
    let never = Chance::NotByItself(None);
    let later = Chance::NotByItself(Some(since + second(600)));
    let rows = [
        (true, Chance::UnderWay, 1, 60, Ok(60)),
        (true, Chance::UnderWay, 60, 60, Err(None)),
        (true, at(30), 20, 60, Ok(60)),
        (true, at(60), 20, 60, Err(Some(40))),
        (true, at(1), 2, 60, Ok(60)),
        (false, Chance::UnderWay, 1, 60, Ok(10)),
        (false, Chance::UnderWay, 1, 5, Ok(5)),
        (false, Chance::UnderWay, 10, 60, Err(None)),
        (false, at(9), 1, 60, Ok(10)),
        (false, at(10), 1, 60, Err(Some(9))),
        (false, at(9), 1, 9, Err(Some(8))),
        (false, at(12), 11, 60, Err(Some(1))),
        (false, at(10), 11, 60, Err(Some(0))),
        (true, never, 1, 60, Err(None)),
        (true, later, 100, 1_000, Err(Some(500))),
    ];
    for (is_restart, chance, now, deadline, wanted) in rows {
        let trouble = Trouble { since, is_restart, chance };
        let wanted = match wanted {
            Ok(until) => Hope::Wait { until: since + second(until) },
            Err(wait) => Hope::None { retry_after: wait.map(second) },
        };
        let hope = trouble.hope(since + second(now), since + second(deadline));
        assert_eq!(hope, wanted, "{trouble:?} at {now} until {deadline}");
    }
}

proptest! {
    /// Nobody waits beyond the deadline, in the past, or for what comes too late.
    #[test]
    fn hope_never_outlives_its_reason(
        is_restart: bool,
        kind in 0..3,
        now in 0_u64..100,
        chance in 0_u64..100,
        deadline in 0_u64..100,
    ) {
        let since = epoch();
        let point = since + second(chance);
        let (now, deadline) = (since + second(now), since + second(deadline));
        let chance = match kind {
            0 => Chance::UnderWay,
            1 => Chance::At(point),
            _ => Chance::NotByItself(Some(point)),
        };
        match (Trouble { since, is_restart, chance }).hope(now, deadline) {
            Hope::Wait { until } => {
                prop_assert!(now < until && until <= deadline);
                prop_assert!(is_restart || until <= since + TROUBLE_BRIDGED);
                prop_assert!(chance == Chance::UnderWay || chance == Chance::At(point) && point < until);
            }
            Hope::None { retry_after } => {
                let told = chance != Chance::UnderWay;
                let left = point.saturating_duration_since(now);
                prop_assert_eq!(retry_after, told.then_some(left));
            }
        }
    }
}
