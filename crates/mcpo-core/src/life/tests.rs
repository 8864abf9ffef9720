use proptest::prelude::*;

use super::*;
use crate::fault::Stage;

mod play;

#[expect(clippy::disallowed_methods, reason = "a test needs some instant to count from")]
fn epoch() -> Instant {
    Instant::now()
}

fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn fault(kind: FaultKind) -> Fault {
    Fault::new(kind, "")
}

fn away() -> Fault {
    fault(FaultKind::Unreachable)
}

fn crash() -> Fault {
    fault(FaultKind::Disconnected)
}

fn refused() -> Fault {
    Fault { stage: Some(Stage::Refused), ..away() }
}

fn new() -> Life {
    Life::new(LifePolicy::default())
}

fn wait(phase: Phase, now: Instant) -> Duration {
    let Phase::Resting { until } = phase else { panic!("expected a rest, not {phase:?}") };
    until - now
}

fn is_held(phase: Phase) -> bool {
    matches!(phase, Phase::Held { by: HeldBy::Fault, .. })
}

#[test]
fn a_sustained_session_is_replaced_at_once() {
    let start = epoch();
    let mut life = new();
    life.connected(start);
    assert_eq!(life.lost(start + Duration::from_secs(11), 0.0, &away()), Phase::Starting);
}

#[test]
fn a_session_that_is_lost_soon_after_each_start_waits_longer_and_longer() {
    let mut now = epoch();
    let mut life = new();
    life.connected(now);
    assert_eq!(life.lost(now, 0.0, &away()), Phase::Starting, "the first loss is repaired at once");
    let mut waits = Vec::new();
    for _ in 0..3 {
        life.connected(now);
        let Phase::Resting { until } = life.lost(now, 0.0, &away()) else {
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
    let mut life = new();
    for _ in 0..5 {
        life.failed(now, 0.0, &away());
        life.due();
    }
    assert_eq!(life.failures(), 5);
    life.connected(now);
    assert_eq!((life.failures(), life.lost(now, 0.0, &away())), (0, Phase::Starting));
    assert_eq!(wait(life.failed(now, 0.0, &away()), now), millis(500));
}

#[test]
fn a_session_that_answered_is_replaced_at_once_however_short_it_lived() {
    let now = epoch();
    let mut life = new();
    for _ in 0..100 {
        life.connected(now);
        life.proved();
        assert_eq!(life.lost(now, 0.0, &away()), Phase::Starting);
    }
}

#[test]
fn what_one_session_proved_says_nothing_of_the_next() {
    let now = epoch();
    let mut life = new();
    life.connected(now);
    life.proved();
    life.lost(now, 0.0, &away());
    life.connected(now);
    assert_eq!(wait(life.lost(now, 0.0, &away()), now), millis(500));
}

#[test]
fn one_that_was_held_for_nonsense_is_held_again_by_the_first() {
    let now = epoch();
    let mut life = new();
    life.hold(HeldBy::Fault, now);
    life.due();
    assert!(is_held(life.failed(now, 0.0, &fault(FaultKind::Nonsense))));
}

#[test]
fn an_upstream_that_refuses_is_looked_at_more_often_the_shorter_it_is_away() {
    let start = epoch();
    let mut life = new();
    life.connected(start);
    let lost = start + millis(60_000);
    life.lost(lost, 0.0, &refused());
    let mut after = |away_ms| {
        let now = lost + millis(away_ms);
        let waits = [0.0, 1.0].map(|dice| {
            let mut life = life.clone();
            wait(life.failed(now, dice, &refused()), now).as_millis()
        });
        life.failed(now, 0.0, &refused());
        life.due();
        waits
    };
    assert_eq!(after(1), [20, 30]);
    assert_eq!(after(1000), [20, 30]);
    assert_eq!(after(2000), [20, 30]);
    assert_eq!(after(10_000), [100, 150]);
    assert_eq!(after(100_000), [666, 1000]);
    assert_eq!(after(100_000_000), [666, 1000]);
}

#[test]
fn what_the_upstream_asks_for_is_heeded_up_to_the_longest_wait() {
    let now = epoch();
    for (asked, expected) in [(100, 500), (5000, 5000), (u64::MAX, 60_000)] {
        let throttled = fault(FaultKind::Throttled).with_retry_after(Some(millis(asked)));
        assert_eq!(wait(new().failed(now, 0.0, &throttled), now), millis(expected));
    }
}

#[test]
fn one_that_refuses_our_credentials_is_held_at_once_and_looked_at_now_and_then() {
    let now = epoch();
    let mut life = new();
    let look_at = Some(now + Duration::from_secs(30));
    let held = Phase::Held { by: HeldBy::Fault, look_at };
    assert_eq!(life.failed(now, 0.0, &fault(FaultKind::Unauthorized)), held);
    assert_eq!(life.due(), Phase::Starting);
    assert!(is_held(life.failed(now, 0.0, &fault(FaultKind::Unauthorized))));
    life.due();
    assert_eq!(life.connected(now), Phase::Ready { since: now }, "it heals without an operator");
}

#[test]
fn a_session_whose_credentials_ran_out_is_made_anew_once() {
    let start = epoch();
    let mut life = new();
    life.connected(start);
    let unauthorized = fault(FaultKind::Unauthorized);
    assert_eq!(life.lost(start + millis(9000), 0.0, &unauthorized), Phase::Starting);
    assert!(is_held(life.failed(start + millis(9000), 0.0, &unauthorized)));
}

#[test]
fn nonsense_is_given_one_more_try_at_once_and_then_held() {
    let now = epoch();
    let nonsense = fault(FaultKind::Nonsense);
    let mut life = new();
    assert_eq!(life.failed(now, 0.0, &nonsense), Phase::Starting);
    assert!(is_held(life.failed(now, 0.0, &nonsense)));
    let mut life = new();
    life.connected(now);
    assert_eq!(life.lost(now, 0.0, &nonsense), Phase::Starting);
    life.connected(now);
    assert!(is_held(life.lost(now, 0.0, &nonsense)));
}

#[test]
fn ten_crashes_within_the_window_are_a_crash_loop() {
    let mut now = epoch();
    let mut life = new();
    for crashes in 1..10 {
        let phase = life.failed(now, 1.0, &crash());
        assert!(matches!(phase, Phase::Resting { .. }), "held after {crashes}");
        now += wait(phase, now);
        life.due();
    }
    assert!(now - epoch() < CRASH_WINDOW / 2);
    assert!(is_held(life.failed(now, 0.0, &crash())));
}

#[test]
fn crashes_that_are_long_ago_do_not_count() {
    let mut now = epoch();
    let mut life = new();
    for _ in 0..100 {
        assert!(!is_held(life.failed(now, 0.0, &crash())));
        life.due();
        now += CRASH_WINDOW / 8;
    }
}

#[test]
fn one_that_is_away_for_whatever_other_reason_is_tried_for_ever() {
    let now = epoch();
    for kind in FaultKind::ALL {
        let mut life = new();
        let mut held = false;
        for _ in 0..100 {
            held |= is_held(life.failed(now, 0.0, &fault(kind)));
            life.due();
        }
        let is_hopeless =
            matches!(kind, FaultKind::Unauthorized | FaultKind::Nonsense | FaultKind::Disconnected);
        assert_eq!(held, is_hopeless, "{kind}");
    }
}

#[test]
fn a_stream_over_the_network_that_breaks_at_each_start_is_no_crash_loop() {
    let now = epoch();
    let mut life = Life::new(LifePolicy { crashes_max: None, ..LifePolicy::default() });
    for _ in 0..100 {
        assert!(matches!(life.failed(now, 0.0, &crash()), Phase::Resting { .. }));
        life.due();
    }
}

#[test]
fn sessions_that_last_make_no_crash_loop() {
    let mut now = epoch();
    let mut life = new();
    for _ in 0..100 {
        life.connected(now);
        now += millis(9500);
        assert_eq!(life.lost(now, 0.0, &crash()), Phase::Starting, "killed every ten seconds");
    }
}

#[test]
fn one_that_was_held_is_held_again_by_the_first_crash_until_it_lasts() {
    let mut now = epoch();
    let mut life = new();
    for _ in 0..10 {
        life.failed(now, 0.0, &crash());
        life.due();
    }
    assert_eq!(life.phase(), Phase::Starting, "this is the look");
    now += HELD_LOOK.first;
    assert!(is_held(life.failed(now, 0.0, &crash())));
    life.due();
    assert!(!is_held(life.failed(now, 0.0, &away())), "being away is another matter");
    life.due();
    life.connected(now);
    now += HELD_LOOK.most;
    assert_eq!(life.lost(now, 0.0, &crash()), Phase::Starting);
    assert!(!is_held(life.failed(now, 0.0, &crash())), "it lasted: all is forgiven");
}

#[test]
fn what_an_operator_holds_only_an_operator_releases() {
    let now = epoch();
    let held = Phase::Held { by: HeldBy::Operator, look_at: None };
    let mut life = new();
    assert_eq!(life.hold(HeldBy::Operator, now), held);
    assert_eq!(life.hold(HeldBy::Fault, now), held);
    assert_eq!(life.connected(now), held);
    assert_eq!(life.failed(now, 0.0, &away()), held);
    assert_eq!(life.lost(now, 0.0, &away()), held);
    assert_eq!((life.due(), life.called(), life.reset()), (held, held, held));
    assert_eq!(life.release(), Phase::Starting);
    assert_eq!(life.release(), Phase::Starting, "there is nothing to be released");
}

#[test]
fn an_operator_takes_over_what_a_fault_holds() {
    let now = epoch();
    let mut life = new();
    life.failed(now, 0.0, &fault(FaultKind::Unauthorized));
    assert_eq!(
        life.hold(HeldBy::Operator, now),
        Phase::Held { by: HeldBy::Operator, look_at: None }
    );
}

#[test]
fn a_release_or_a_reset_forgets_all_that_was_held_against_it() {
    let now = epoch();
    for forget in [Life::release, Life::reset] {
        let mut life = new();
        for _ in 0..10 {
            life.due();
            life.failed(now, 0.0, &crash());
        }
        assert!(is_held(life.phase()));
        assert_eq!(forget(&mut life), Phase::Starting);
        assert_eq!(wait(life.failed(now, 0.0, &crash()), now), millis(500));
    }
}

#[test]
fn a_failed_start_of_a_further_session_does_not_take_the_upstream_away() {
    let now = epoch();
    let mut life = new();
    let ready = life.connected(now);
    assert_eq!(life.failed(now, 0.0, &fault(FaultKind::Unauthorized)), ready);
    assert_eq!(life.connected(now + millis(1)), ready);
    assert_eq!((life.failures(), life.away_since()), (0, None));
}

#[test]
fn without_recovery_only_a_call_starts_it() {
    let now = epoch();
    let policy = LifePolicy { recovery: false, ..LifePolicy::default() };
    for kind in FaultKind::ALL {
        let mut life = Life::new(policy);
        assert_eq!(life.failed(now, 0.0, &fault(kind)), Phase::Dormant);
        assert_eq!(life.due(), Phase::Dormant);
        assert_eq!(life.called(), Phase::Starting);
        life.connected(now);
        assert_eq!(life.lost(now, 0.0, &fault(kind)), Phase::Dormant);
        assert_eq!(life.reset(), Phase::Starting);
    }
}

#[test]
fn it_is_away_since_its_session_was_lost_or_its_first_attempt_failed() {
    let start = epoch();
    let at = |ms| start + millis(ms);
    let mut life = new();
    assert_eq!(life.away_since(), None);
    life.failed(at(1), 0.0, &away());
    life.due();
    life.failed(at(2), 0.0, &away());
    assert_eq!(life.away_since(), Some(at(1)));
    life.due();
    life.connected(at(3));
    assert_eq!(life.away_since(), None);
    life.lost(at(4), 0.0, &away());
    life.failed(at(5), 0.0, &away());
    assert_eq!(life.away_since(), Some(at(4)));
}

#[test]
fn a_clock_that_goes_back_and_dice_of_any_kind_do_no_harm() {
    let start = epoch() + millis(100_000);
    let early = start - millis(50_000);
    for dice in [0.0, 1.0, -1.0, 7.0, f64::NAN] {
        let mut life = new();
        life.connected(start);
        life.lost(early, dice, &refused());
        assert!(wait(life.failed(early, dice, &away()), early) <= millis(750));
        life.due();
        let free =
            wait(life.failed(start - millis(90_000), dice, &refused()), start - millis(90_000));
        assert!(free >= FREE_LEAST && free <= FREE_MOST);
    }
}

/// Over a network a connection that breaks in the handshake is as good as one that is refused; a
/// process that ends has cost a start.
#[test]
fn a_connection_that_breaks_costs_less_than_a_process_that_ends() {
    let start = epoch();
    let broken = fault(FaultKind::Disconnected);
    for (crashes_max, least, most) in [(None, 20, 30), (Some(10), 500, 750)] {
        let mut life = Life::new(LifePolicy { crashes_max, ..LifePolicy::default() });
        life.connected(start);
        life.lost(start, 0.0, &broken);
        for dice in [0.0, 1.0] {
            let mut life = life.clone();
            let wait =
                wait(life.failed(start + millis(2_000), dice, &broken), start + millis(2_000));
            assert!(millis(least) <= wait && wait <= millis(most), "{wait:?}");
        }
    }
}

/// A server that shakes hands and then breaks the stream is not given sessions without end.
#[test]
fn sessions_that_break_soon_after_their_handshake_are_made_less_and_less_often() {
    let refused = Fault { stage: Some(Stage::Refused), ..fault(FaultKind::Unreachable) };
    for fault in [fault(FaultKind::Disconnected), refused] {
        let mut life = Life::new(LifePolicy { crashes_max: None, ..LifePolicy::default() });
        let mut now = epoch();
        let mut waits = Vec::new();
        for _ in 0..6 {
            life.due();
            life.connected(now);
            let phase = life.lost(now, 0.0, &fault);
            if let Phase::Resting { until } = phase {
                waits.push(until - now);
                now = until;
            }
        }
        assert_eq!(waits, [500, 1000, 2000, 4000, 8000].map(millis));
    }
}

#[test]
fn one_that_is_held_again_and_again_is_looked_at_less_often() {
    let mut now = epoch();
    let mut life = new();
    let mut waits = Vec::new();
    for _ in 0..7 {
        let Phase::Held { look_at: Some(at), .. } =
            life.failed(now, 1.0, &fault(FaultKind::Unauthorized))
        else {
            panic!("not held");
        };
        waits.push((at - now).as_secs());
        now = at;
        life.due();
    }
    assert_eq!(waits, [30, 60, 120, 240, 400, 400, 400]);
}
