//! Random moves against one life, with the invariants after each.

use super::*;

#[derive(Debug, Clone, Copy)]
enum Move {
    Connected,
    Failed(FaultKind, bool),
    Lost(FaultKind, bool),
    Proved,
    Due,
    Hold(HeldBy),
    Release,
    Reset,
    Called,
    Stop,
}

fn moves() -> impl Strategy<Value = Vec<(Move, u64)>> {
    let kind = || prop::sample::select(FaultKind::ALL.to_vec());
    let by = prop::sample::select(vec![HeldBy::Operator, HeldBy::Fault]);
    let one = prop_oneof![
        6 => Just(Move::Connected),
        8 => (kind(), any::<bool>()).prop_map(|(kind, free)| Move::Failed(kind, free)),
        6 => (kind(), any::<bool>()).prop_map(|(kind, free)| Move::Lost(kind, free)),
        1 => Just(Move::Proved),
        9 => Just(Move::Due),
        1 => by.prop_map(Move::Hold),
        2 => Just(Move::Release),
        1 => Just(Move::Reset),
        2 => Just(Move::Called),
        1 => Just(Move::Stop),
    ];
    let step = prop_oneof![2 => Just(0u64), 3 => 0u64..3000, 1 => 0u64..700_000];
    prop::collection::vec((one, step), 0..100)
}

fn made(kind: FaultKind, free: bool) -> Fault {
    if free { Fault { stage: Some(Stage::Refused), ..fault(kind) } } else { fault(kind) }
}

/// What may follow, whatever the numbers.
fn may_follow(before: Phase, one: Move, after: Phase, recovery: bool) -> bool {
    let held_by_operator = |phase| matches!(phase, Phase::Held { by: HeldBy::Operator, .. });
    let by_fault = |phase| matches!(phase, Phase::Held { by: HeldBy::Fault, .. });
    let unchanged = before == after;
    if before == Phase::Stopped {
        return unchanged;
    }
    match one {
        Move::Stop => after == Phase::Stopped,
        Move::Hold(HeldBy::Operator) => held_by_operator(after),
        Move::Release if matches!(before, Phase::Held { .. }) => after == Phase::Starting,
        _other if held_by_operator(before) => unchanged,
        Move::Hold(HeldBy::Fault) => by_fault(after),
        Move::Release | Move::Proved => unchanged,
        Move::Connected => matches!(after, Phase::Ready { .. }),
        Move::Due if matches!(before, Phase::Resting { .. }) || by_fault(before) => {
            after == Phase::Starting
        }
        Move::Called if before == Phase::Dormant => after == Phase::Starting,
        Move::Reset => after == Phase::Starting || matches!(before, Phase::Ready { .. }),
        Move::Failed(..) if before != Phase::Starting => unchanged,
        Move::Lost(..) if !matches!(before, Phase::Ready { .. }) => unchanged,
        Move::Failed(..) | Move::Lost(..) if !recovery => after == Phase::Dormant,
        Move::Failed(..) | Move::Lost(..) => {
            matches!(after, Phase::Starting | Phase::Resting { .. }) || by_fault(after)
        }
        Move::Due | Move::Called => unchanged,
    }
}

proptest! {
    #[test]
    fn whatever_happens_the_picture_holds_and_the_next_attempt_is_in_sight(
        moves in moves(),
        recovery in prop::bool::weighted(0.8),
        dice in prop_oneof![0.0f64..1.0, Just(1.0), Just(f64::NAN)],
    ) {
        let policy = LifePolicy { recovery, ..LifePolicy::default() };
        let mut now = epoch();
        let mut life = Life::new(policy);
        for (one, step_ms) in moves {
            now += millis(step_ms);
            let before = life.phase();
            let after = match one {
                Move::Connected => life.connected(now),
                Move::Failed(kind, free) => life.failed(now, dice, &made(kind, free)),
                Move::Lost(kind, free) => life.lost(now, dice, &made(kind, free)),
                Move::Proved => { life.proved(); life.phase() }
                Move::Due => life.due(),
                Move::Hold(by) => life.hold(by, now),
                Move::Release => life.release(),
                Move::Reset => life.reset(),
                Move::Called => life.called(),
                Move::Stop => life.stop(),
            };
            prop_assert_eq!(after, life.phase());
            prop_assert!(may_follow(before, one, after, recovery), "{:?} {:?} {:?}", before, one, after);
            prop_assert!(life.record.crashes.len() <= CRASHES_MAX);
            prop_assert_eq!(life.away_since().is_some_and(|away| away > now), false);
            if before == after {
                continue;
            }
            match after {
                Phase::Resting { until } => {
                    let free = matches!(one, Move::Failed(_, true));
                    let (least, most) = if free {
                        (FREE_LEAST, FREE_MOST)
                    } else {
                        (policy.backoff.first, policy.backoff.most)
                    };
                    prop_assert!(until - now >= least && until - now <= most);
                }
                Phase::Held { by, look_at } => {
                    prop_assert_eq!(look_at.is_some(), by == HeldBy::Fault);
                    let Backoff { first, most } = policy.held_look;
                    let wait = look_at.map_or(first, |at| at - now);
                    prop_assert!(first <= wait && wait <= most);
                }
                Phase::Ready { since } => {
                    prop_assert_eq!((since, life.away_since()), (now, None));
                }
                Phase::Starting | Phase::Dormant | Phase::Stopped => {}
            }
        }
    }

    #[test]
    fn an_upstream_that_can_be_reached_again_is_found_without_an_operator(
        faults in prop::collection::vec(
            (prop::sample::select(FaultKind::ALL.to_vec()), any::<bool>()),
            0..60,
        ),
        dice in 0.0f64..1.0,
    ) {
        let mut now = epoch();
        let mut life = new();
        for (kind, free) in faults {
            life.failed(now, dice, &made(kind, free));
            let next = match life.phase() {
                Phase::Resting { until } => until,
                Phase::Held { look_at, .. } => look_at.expect("a fault's hold looks again"),
                Phase::Starting | Phase::Ready { .. } | Phase::Dormant | Phase::Stopped => now,
            };
            prop_assert!(next - now <= HELD_LOOK.most);
            now = next;
            prop_assert_eq!(life.due(), Phase::Starting);
        }
        prop_assert_eq!(life.connected(now), Phase::Ready { since: now });
    }
}
