use super::*;

use proptest::prelude::*;

fn broken() -> Fault {
    Fault::new(FaultKind::Unreachable, "no route")
}

#[expect(clippy::disallowed_methods, reason = "a test needs some instant to count from")]
fn epoch() -> Instant {
    Instant::now()
}

#[test]
fn a_sustained_session_is_replaced_at_once() {
    let start = epoch();
    let mut life = Life::new(LifePolicy::default());
    life.connected(start);
    assert_eq!(life.lost(start + Duration::from_secs(11), 0.0, &broken()), Phase::Starting);
}

#[test]
fn a_session_that_is_lost_soon_after_each_start_waits_longer_and_longer() {
    let mut now = epoch();
    let mut life = Life::new(LifePolicy::default());
    life.connected(now);
    assert_eq!(
        life.lost(now, 0.0, &broken()),
        Phase::Starting,
        "the first loss is repaired at once"
    );
    let mut waits = Vec::new();
    for _ in 0..3 {
        life.connected(now);
        let Phase::Resting { until } = life.lost(now, 0.0, &broken()) else {
            panic!("expected a rest")
        };
        waits.push((until - now).as_millis());
        now = until;
        life.due();
    }
    assert_eq!(waits, [500, 1000, 2000]);
}

#[test]
fn a_start_that_succeeds_takes_back_the_waits_of_those_that_failed() {
    let now = epoch();
    let mut life = Life::new(LifePolicy::default());
    for _ in 0..5 {
        life.failed(now, 0.0, &broken());
        life.due();
    }
    assert_eq!(life.failures(), 5);
    life.connected(now);
    assert_eq!((life.failures(), life.lost(now, 0.0, &broken())), (0, Phase::Starting));
    assert_eq!(
        life.failed(now, 0.0, &broken()),
        Phase::Resting { until: now + Duration::from_millis(500) }
    );
}

#[derive(Debug, Clone, Copy)]
enum Move {
    Connected,
    Failed,
    Lost,
    Due,
    Stop,
}

proptest! {
    #[test]
    fn whatever_happens_the_next_attempt_is_never_further_off_than_the_cap(
        moves in prop::collection::vec(
            prop_oneof![Just(Move::Connected), Just(Move::Failed), Just(Move::Lost), Just(Move::Due), Just(Move::Stop)],
            0..60,
        ),
        dice in 0.0f64..1.0,
        step_ms in 0u64..30_000,
    ) {
        let policy = LifePolicy::default();
        let mut now = epoch();
        let mut life = Life::new(policy);
        let mut stopped = false;
        for one in moves {
            now += Duration::from_millis(step_ms);
            let phase = match one {
                Move::Connected => life.connected(now),
                Move::Failed => life.failed(now, dice, &broken()),
                Move::Lost => life.lost(now, dice, &broken()),
                Move::Due => life.due(),
                Move::Stop => { stopped = true; life.stop() }
            };
            prop_assert_eq!(stopped, phase == Phase::Stopped, "only a stop stops it, and for good");
            if let Phase::Resting { until } = phase {
                prop_assert!(until - now <= policy.backoff.most && until - now >= policy.backoff.first);
            }
        }
    }
}
