//! What is told when, and random play against a receiver that fails in every way.

use std::collections::BTreeMap;
use std::time::Duration;

use mcpo_config::WebhookFormat;
use proptest::prelude::*;
use tokio::time::Instant;

use super::super::super::scene::{firing, resolved};
use super::super::super::{Alert, Phase};
use super::super::DeliveryError;
use super::{
    ALERTS_MAX, BACKOFF_MAX, BACKOFF_MIN, BATCH_MAX, Batch, GIVE_UP_AFTER, Mailbox, RESEND_EVERY,
};

const SECOND: Duration = Duration::from_secs(1);

fn json() -> Mailbox {
    Mailbox::new(WebhookFormat::Json)
}

fn phases(batch: &Batch) -> Vec<(&str, Phase)> {
    batch.alerts().iter().map(|alert| (alert.rule.as_str(), alert.phase)).collect()
}

/// Takes and reports at once.
fn tell(mailbox: &mut Mailbox, result: Result<(), DeliveryError>, now: Instant) -> Option<Batch> {
    let batch = mailbox.take(now)?;
    let copy = Batch { alerts: batch.alerts.clone(), versions: batch.versions.clone() };
    mailbox.report(batch, result, now, 1.0);
    Some(copy)
}

#[test]
fn an_alert_is_told_once_and_its_end_once() {
    let (mut mailbox, now) = (json(), Instant::now());
    assert!(mailbox.take(now).is_none());
    mailbox.put(&firing("a", None), now);
    assert_eq!(mailbox.state("x").queued, 1);
    let batch = tell(&mut mailbox, Ok(()), now).expect("it is due");
    assert_eq!(phases(&batch), [("a", Phase::Firing)]);
    assert_eq!(mailbox.next_due(), None);
    assert_eq!(mailbox.state("x").queued, 0);
    mailbox.put(&resolved("a", None), now);
    let batch = tell(&mut mailbox, Ok(()), now).expect("it is due");
    assert_eq!(phases(&batch), [("a", Phase::Resolved)]);
    assert!(mailbox.entries.is_empty(), "nothing is left to know of it");
    let state = mailbox.state("1:json");
    assert_eq!((state.sent, state.failed, state.dropped), (2, 0, 0));
    assert_eq!((state.name.as_str(), state.last_error), ("1:json", None));
}

#[test]
fn what_came_and_went_while_nobody_could_be_reached_is_told_to_nobody() {
    let (mut mailbox, now) = (json(), Instant::now());
    mailbox.put(&firing("a", None), now);
    tell(&mut mailbox, Err(DeliveryError::Unreachable), now);
    mailbox.put(&resolved("a", None), now);
    assert_eq!(mailbox.next_due(), None);
    mailbox.put(&resolved("b", None), now);
    assert_eq!(mailbox.next_due(), None, "nobody knows that it fired");
}

#[test]
fn the_end_is_told_to_who_may_have_heard_of_the_beginning() {
    for error in [DeliveryError::Timeout, DeliveryError::Broken, DeliveryError::Failed(502, None)] {
        let (mut mailbox, now) = (json(), Instant::now());
        mailbox.put(&firing("a", None), now);
        tell(&mut mailbox, Err(error), now);
        mailbox.put(&resolved("a", None), now);
        let batch = tell(&mut mailbox, Ok(()), now + BACKOFF_MIN).expect("it is due");
        assert_eq!(phases(&batch), [("a", Phase::Resolved)], "{error}");
    }
}

#[test]
fn an_end_that_comes_while_the_beginning_is_under_way_waits_for_what_becomes_of_it() {
    for (result, follows) in [
        (Ok(()), true),
        (Err(DeliveryError::Timeout), true),
        (Err(DeliveryError::Unreachable), false),
        (Err(DeliveryError::Refused(400)), false),
    ] {
        let (mut mailbox, now) = (json(), Instant::now());
        mailbox.put(&firing("a", None), now);
        let batch = mailbox.take(now).expect("it is due");
        mailbox.put(&resolved("a", None), now);
        assert!(mailbox.take(now).is_none(), "one after the other");
        mailbox.report(batch, result, now, 1.0);
        let next = tell(&mut mailbox, Ok(()), now + BACKOFF_MIN);
        assert_eq!(next.is_some(), follows, "{result:?}");
        assert!(next.is_none_or(|batch| phases(&batch) == [("a", Phase::Resolved)]));
        assert!(mailbox.entries.is_empty(), "{result:?}");
    }
}

#[test]
fn failures_wait_twice_as_long_each_time_and_jitter_takes_half_at_most() {
    let (mut mailbox, mut now) = (json(), Instant::now());
    mailbox.put(&firing("a", None), now);
    let mut waits = Vec::new();
    for dice in [1.0, 0.0, 1.0, 0.5, 1.0, 1.0, 1.0, 0.0, 1.0] {
        let batch = mailbox.take(now).expect("it is due");
        mailbox.report(batch, Err(DeliveryError::Unreachable), now, dice);
        let due = mailbox.next_due().expect("it is tried again");
        waits.push((due - now).as_secs_f64());
        assert!(mailbox.take(due - Duration::from_millis(1)).is_none());
        now = due;
    }
    assert_eq!(waits, [1.0, 1.0, 4.0, 6.0, 16.0, 32.0, 60.0, 30.0, 60.0]);
    assert_eq!(Duration::from_secs(60), BACKOFF_MAX);
    assert_eq!(mailbox.state("x").last_error.as_deref(), Some("it cannot be reached"));
    tell(&mut mailbox, Ok(()), now).expect("it is due");
    assert_eq!(mailbox.state("x").last_error, None);
    mailbox.put(&firing("b", None), now);
    assert!(mailbox.is_due(now), "all is forgotten after a success");
}

#[test]
fn who_asks_for_time_gets_it() {
    let (mut mailbox, now) = (json(), Instant::now());
    mailbox.put(&firing("a", None), now);
    tell(&mut mailbox, Err(DeliveryError::Throttled(Some(30 * SECOND))), now);
    assert_eq!(mailbox.next_due(), Some(now + 30 * SECOND));
    mailbox.put(&firing("b", None), now + SECOND);
    assert_eq!(mailbox.next_due(), Some(now + 30 * SECOND), "also with news");
    let batch = mailbox.take(now + 30 * SECOND).expect("it is due");
    assert_eq!(batch.len(), 2);
}

#[test]
fn what_is_refused_is_not_sent_again() {
    for error in
        [DeliveryError::Refused(404), DeliveryError::Redirected(302), DeliveryError::Unusable]
    {
        let (mut mailbox, now) = (json(), Instant::now());
        mailbox.put(&firing("a", None), now);
        tell(&mut mailbox, Err(error), now);
        assert_eq!(mailbox.next_due(), None, "{error}");
        assert_eq!(mailbox.state("x").failed, 1);
        mailbox.put(&resolved("a", None), now);
        assert_eq!(mailbox.next_due(), None, "who refused the beginning gets no end");
        mailbox.put(&firing("a", None), now);
        assert!(mailbox.is_due(now), "what is new is tried");
    }
}

#[test]
fn what_cannot_be_told_is_given_up_in_the_end() {
    let (mut mailbox, start) = (json(), Instant::now());
    mailbox.put(&firing("a", None), start);
    let (mut now, mut attempts) = (start, 0);
    while let Some(due) = mailbox.next_due() {
        now = due;
        tell(&mut mailbox, Err(DeliveryError::Unreachable), now);
        attempts += 1;
    }
    assert!(now - start >= GIVE_UP_AFTER && now - start < GIVE_UP_AFTER + BACKOFF_MAX);
    assert!(attempts < 100, "{attempts} attempts");
    assert_eq!(mailbox.state("x").failed, 1);
    assert!(mailbox.entries.is_empty());
}

#[test]
fn an_alertmanager_is_told_again_of_what_fires() {
    let (mut mailbox, start) = (Mailbox::new(WebhookFormat::Alertmanager), Instant::now());
    mailbox.put(&firing("a", None), start);
    let mut now = start;
    for _ in 0..10 {
        let batch = tell(&mut mailbox, Ok(()), now).expect("it is due");
        assert_eq!(phases(&batch), [("a", Phase::Firing)]);
        assert_eq!(mailbox.next_due(), Some(now + RESEND_EVERY));
        now += RESEND_EVERY;
    }
    // It is refused, or nobody is there for two hours: that ends nothing, since it still fires.
    tell(&mut mailbox, Err(DeliveryError::Refused(400)), now);
    assert_eq!(mailbox.next_due(), Some(now + RESEND_EVERY));
    let until = now + 2 * GIVE_UP_AFTER;
    while now < until {
        now = mailbox.next_due().expect("it still fires");
        tell(&mut mailbox, Err(DeliveryError::Unreachable), now);
    }
    now = mailbox.next_due().expect("it still fires");
    mailbox.put(&resolved("a", None), now);
    let batch = tell(&mut mailbox, Ok(()), now).expect("it is due");
    assert_eq!(phases(&batch), [("a", Phase::Resolved)]);
    assert_eq!(mailbox.next_due(), None);
}

#[test]
fn the_mailbox_is_bounded_and_counts_what_it_has_no_room_for() {
    let (mut mailbox, now) = (json(), Instant::now());
    for number in 0..ALERTS_MAX + 10 {
        mailbox.put(&firing("a", Some(&number.to_string())), now);
    }
    let state = mailbox.state("x");
    assert_eq!((state.queued, state.dropped), (ALERTS_MAX, 10));
    // The end of what was dropped is dropped with it; that of the others has room.
    mailbox.put(&resolved("a", Some(&ALERTS_MAX.to_string())), now);
    mailbox.put(&resolved("a", Some("0")), now);
    assert_eq!(mailbox.state("x").queued, ALERTS_MAX - 1);
    assert_eq!(mailbox.take(now).expect("they are due").len(), BATCH_MAX);
}

#[derive(Debug, Clone)]
enum Move {
    Fire(usize),
    Resolve(usize),
    Wait(u64),
    Take,
    Report(Option<DeliveryError>, bool),
}

const NAMES: [&str; 3] = ["a", "b", "c"];

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let error = prop_oneof![
        Just(DeliveryError::Unreachable),
        Just(DeliveryError::Timeout),
        Just(DeliveryError::Broken),
        Just(DeliveryError::Failed(500, None)),
        Just(DeliveryError::Throttled(Some(SECOND))),
    ];
    let one = prop_oneof![
        3 => (0..3_usize).prop_map(Move::Fire),
        3 => (0..3_usize).prop_map(Move::Resolve),
        2 => (0_u64..90).prop_map(Move::Wait),
        4 => Just(Move::Take),
        4 => (prop::option::of(error), any::<bool>()).prop_map(|(error, arrives)| Move::Report(error, arrives)),
    ];
    prop::collection::vec(one, 1..150)
}

/// What the receiver knows: the newest phase of each alert that it was told of.
type Known = BTreeMap<String, Phase>;

fn arrive(known: &mut Known, alerts: &[Alert]) {
    for alert in alerts {
        known.insert(alert.rule.clone(), alert.phase);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    /// An end is told only to who was, or may have been, told of the beginning; and once the
    /// receiver is well it comes to know how things are.
    #[test]
    fn the_receiver_comes_to_know_how_things_are(moves in moves(), manager in any::<bool>()) {
        let format = if manager { WebhookFormat::Alertmanager } else { WebhookFormat::Json };
        let (mut mailbox, mut now) = (Mailbox::new(format), Instant::now());
        let (mut wanted, mut known, mut maybe) = (Known::new(), Known::new(), Known::new());
        let mut under_way: Option<Batch> = None;
        for one in moves {
            match one {
                Move::Fire(at) => {
                    wanted.insert(NAMES[at].to_owned(), Phase::Firing);
                    mailbox.put(&firing(NAMES[at], None), now);
                }
                Move::Resolve(at) => {
                    wanted.insert(NAMES[at].to_owned(), Phase::Resolved);
                    mailbox.put(&resolved(NAMES[at], None), now);
                }
                Move::Wait(seconds) => now += Duration::from_secs(seconds),
                Move::Take if under_way.is_none() => {
                    let is_due = mailbox.is_due(now);
                    under_way = mailbox.take(now);
                    prop_assert_eq!(is_due, under_way.is_some());
                    for alert in under_way.iter().flat_map(Batch::alerts) {
                        let is_over = alert.phase == Phase::Resolved;
                        prop_assert!(!is_over || maybe.contains_key(&alert.rule), "{alert:?}");
                    }
                }
                Move::Take => {}
                Move::Report(error, arrives) => {
                    let Some(batch) = under_way.take() else { continue };
                    let may_arrive = error.is_none_or(DeliveryError::may_have_arrived);
                    if may_arrive {
                        arrive(&mut maybe, batch.alerts());
                    }
                    if error.is_none() || (may_arrive && arrives) {
                        arrive(&mut known, batch.alerts());
                    }
                    mailbox.report(batch, error.map_or(Ok(()), Err), now, 0.5);
                }
            }
        }
        if let Some(batch) = under_way {
            mailbox.report(batch, Err(DeliveryError::Unreachable), now, 0.5);
        }
        // From here on it is well.
        for _ in 0..10 {
            let Some(due) = mailbox.next_due() else { break };
            now = now.max(due);
            if let Some(batch) = tell(&mut mailbox, Ok(()), now) {
                arrive(&mut known, batch.alerts());
            }
        }
        for (rule, phase) in wanted {
            let heard = known.get(&rule).copied().unwrap_or(Phase::Resolved);
            prop_assert_eq!(heard, phase, "{}", rule);
        }
        prop_assert_eq!(mailbox.state("x").queued, 0);
    }
}
