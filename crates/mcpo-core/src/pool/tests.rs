use proptest::prelude::*;

use super::*;

#[expect(clippy::disallowed_methods, reason = "a test needs some instant to count from")]
fn origin() -> Instant {
    Instant::now()
}

const POLICY: PoolPolicy =
    PoolPolicy { min: 1, max: 4, grow_at: 16, idle: Duration::from_secs(60) };

fn ready(epoch: u64, outstanding: usize, idle_since: Option<Instant>) -> MemberNow {
    MemberNow { epoch, outstanding, idle_since, state: MemberState::Ready }
}

fn busy(epoch: u64, outstanding: usize) -> MemberNow {
    ready(epoch, outstanding, None)
}

#[test]
fn an_empty_pool_is_filled_up_to_its_least_size() {
    let policy = PoolPolicy { min: 3, ..POLICY };
    assert_eq!(plan(&policy, origin(), &[], 0), [Step::Start(3)]);
    assert_eq!(plan(&policy, origin(), &[busy(1, 1)], 1), [Step::Start(1)]);
    assert_eq!(plan(&policy, origin(), &[busy(1, 1)], 2), []);
}

#[test]
fn a_pool_without_a_least_size_has_one_session_all_the_same() {
    assert_eq!(plan(&PoolPolicy { min: 0, ..POLICY }, origin(), &[], 0), [Step::Start(1)]);
    assert_eq!(plan(&PoolPolicy { min: 9, max: 2, ..POLICY }, origin(), &[], 0), [Step::Start(2)]);
    assert_eq!(plan(&PoolPolicy { min: 9, max: 0, ..POLICY }, origin(), &[], 0), []);
}

#[test]
fn it_grows_by_one_when_every_session_is_busy() {
    let now = origin();
    assert_eq!(plan(&POLICY, now, &[busy(1, 15)], 0), []);
    assert_eq!(plan(&POLICY, now, &[busy(1, 16)], 0), [Step::Start(1)]);
    assert_eq!(plan(&POLICY, now, &[busy(1, 99)], 1), [], "one is on its way");
    assert_eq!(plan(&POLICY, now, &[busy(1, 99), busy(2, 15)], 0), []);
    let full = [busy(1, 99), busy(2, 99), busy(3, 99), busy(4, 99)];
    assert_eq!(plan(&POLICY, now, &full, 0), []);
}

#[test]
fn a_session_in_doubt_is_given_a_spare_where_there_is_room() {
    let doubted = MemberNow { state: MemberState::Doubted, ..busy(1, 0) };
    assert_eq!(plan(&POLICY, origin(), &[doubted], 0), [Step::Start(1)]);
    assert_eq!(plan(&PoolPolicy::default(), origin(), &[doubted], 0), []);
}

#[test]
fn one_that_drains_is_replaced_beside_it() {
    let draining = MemberNow { state: MemberState::Draining, ..busy(1, 5) };
    assert_eq!(plan(&PoolPolicy::default(), origin(), &[draining], 0), [Step::Start(1)]);
}

#[test]
fn the_newest_idle_session_is_retired_and_the_oldest_stays() {
    let start = origin();
    let now = start + POLICY.idle;
    let members = [ready(1, 0, Some(start)), ready(2, 0, Some(start)), ready(3, 2, None)];
    assert_eq!(plan(&POLICY, now, &members, 0), [Step::Retire(2)]);
    assert_eq!(plan(&POLICY, now - Duration::from_millis(1), &members, 0), []);
    assert_eq!(plan(&POLICY, start - POLICY.idle, &members, 0), [], "a clock that goes back");
    assert_eq!(plan(&POLICY, now, &members[..1], 0), []);
    let retiring =
        [members[0], MemberNow { state: MemberState::Draining, ..members[1] }, members[2]];
    assert_eq!(plan(&POLICY, now, &retiring, 0), [], "one at a time");
}

#[test]
fn the_only_session_with_room_is_not_retired() {
    let start = origin();
    let members = [busy(1, 16), ready(2, 0, Some(start))];
    assert_eq!(plan(&POLICY, start + POLICY.idle, &members, 0), []);
}

#[test]
fn a_call_takes_the_session_with_the_fewest_and_one_in_doubt_last() {
    assert!(cost(0, false) < cost(1, false));
    assert!(cost(usize::MAX, false) < cost(0, true));
    assert!(cost(0, true) < cost(1, true));
}

fn member(now: Instant) -> impl Strategy<Value = MemberNow> {
    let state = prop::sample::select(vec![
        MemberState::Ready,
        MemberState::Ready,
        MemberState::Doubted,
        MemberState::Draining,
    ]);
    let calls = prop_oneof![Just(0usize), Just(0usize), 0usize..40];
    (calls, 0u64..120, state).prop_map(move |(outstanding, idle_s, state)| MemberNow {
        epoch: 0,
        outstanding,
        idle_since: (outstanding == 0).then(|| now - Duration::from_secs(idle_s)),
        state,
    })
}

/// Does what was planned; a session that was started is ready, one that was retired drains.
fn carried_out(mut members: Vec<MemberNow>, steps: &[Step], now: Instant) -> Vec<MemberNow> {
    for &step in steps {
        match step {
            Step::Start(count) => {
                let newest = members.iter().map(|one| one.epoch).max().unwrap_or_default();
                let new = (1..=count as u64).map(|more| ready(newest + more, 0, Some(now)));
                members.extend(new);
            }
            Step::Retire(epoch) => members.retain(|one| one.epoch != epoch),
        }
    }
    members
}

fn serving(members: &[MemberNow]) -> usize {
    members.iter().filter(|one| one.state != MemberState::Draining).count()
}

proptest! {
    #[test]
    fn a_pool_stays_within_its_bounds_and_settles(
        min in 0usize..6,
        max in 1usize..6,
        grow_at in 0usize..20,
        starting in 0usize..3,
        members in prop::collection::vec(member(origin() + Duration::from_secs(1000)), 0..8),
    ) {
        let now = origin() + Duration::from_secs(1000);
        let policy = PoolPolicy { min, max, grow_at, ..POLICY };
        let numbered = (1..).zip(members).map(|(epoch, one)| MemberNow { epoch, ..one });
        let mut members: Vec<MemberNow> = numbered.collect();
        let steps = plan(&policy, now, &members, starting);
        prop_assert!(steps.len() <= 1);
        let there = serving(&members) + starting;
        let after = carried_out(members.clone(), &steps, now);
        match steps.first() {
            Some(Step::Start(count)) => prop_assert!(*count > 0 && there + count <= max),
            Some(Step::Retire(epoch)) => {
                let retired = members.iter().find(|one| one.epoch == *epoch);
                prop_assert!(retired.is_some_and(|one| one.outstanding == 0
                    && one.state == MemberState::Ready));
                prop_assert!(serving(&after) >= min.min(max).max(1));
            }
            None => {}
        }
        if there < min.min(max) {
            prop_assert_eq!(serving(&after) + starting, min.min(max));
        }
        // With the load as it is, the plan comes to an end, and does not take back what it did.
        let mut started = false;
        for _ in 0..16 {
            let steps = plan(&policy, now, &members, 0);
            started |= matches!(steps.first(), Some(Step::Start(_)));
            let retires = matches!(steps.first(), Some(Step::Retire(_)));
            prop_assert!(!retires || !started, "started and retired at one moment");
            members = carried_out(members, &steps, now);
        }
        prop_assert_eq!(plan(&policy, now, &members, 0), []);
    }
}
