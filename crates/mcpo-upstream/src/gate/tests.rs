use std::time::Duration;

use tokio::time::advance;

use super::*;

fn gate() -> (Gate, Arc<Journal>) {
    let journal = Arc::new(Journal::new());
    (Gate::new("up", GatePolicy::default(), Arc::clone(&journal), Instant::now()), journal)
}

fn fault() -> Fault {
    Fault::new(FaultKind::ServerError, "boom")
}

fn turn(gate: &Gate) -> Turn<'_> {
    match gate.admit(Instant::now(), "a") {
        Entry::In(turn) => turn,
        Entry::Wait { until, .. } => panic!("it must wait until {until:?}"),
        Entry::Throttled { until } => panic!("it is kept back until {until:?}"),
    }
}

/// Fails as often as opens it; gives until when it is open.
fn open(gate: &Gate) -> Instant {
    for _ in 0..7 {
        match gate.admit(Instant::now(), "a") {
            Entry::In(turn) => turn.settle(Instant::now(), Verdict::Bad(&fault())),
            Entry::Wait { until, .. } => return until.expect("no probe is under way"),
            Entry::Throttled { until } => panic!("it is kept back until {until:?}"),
        }
    }
    panic!("it is open after seven failures")
}

fn names(journal: &Journal) -> Vec<&'static str> {
    journal.entries(0, None, usize::MAX).iter().map(|entry| entry.event.name()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_gate_opens_lets_one_probe_in_and_closes_when_that_is_answered() {
    let (gate, journal) = gate();
    let until = open(&gate);
    let mut changes = gate.changes();
    changes.mark_unchanged();
    tokio::time::sleep_until(until).await;
    let probe = turn(&gate);
    assert!(probe.is_probe());
    assert!(matches!(gate.admit(Instant::now(), "a"), Entry::Wait { until: None, .. }));
    probe.settle(Instant::now(), Verdict::Good);
    assert!(changes.has_changed().expect("the gate is there"));
    assert!(!turn(&gate).is_probe());
    assert_eq!(names(&journal), ["breaker_opened", "breaker_closed"]);
    let Event::BreakerClosed { after, .. } = &journal.entries(0, None, 2)[1].event else {
        panic!("it was")
    };
    assert!(*after >= Duration::from_secs(1), "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_dropped_or_says_nothing_leaves_its_part_to_the_next_call() {
    let (gate, journal) = gate();
    tokio::time::sleep_until(open(&gate)).await;
    let mut changes = gate.changes();
    for neutral in [false, true] {
        let probe = turn(&gate);
        assert!(probe.is_probe());
        changes.mark_unchanged();
        if neutral {
            probe.settle(Instant::now(), Verdict::Neutral);
        } else {
            drop(probe);
        }
        assert!(changes.has_changed().expect("the gate is there"), "those who wait look again");
    }
    let probe = turn(&gate);
    assert!(probe.is_probe());
    probe.settle(Instant::now(), Verdict::Bad(&fault()));
    assert!(matches!(gate.admit(Instant::now(), "a"), Entry::Wait { until: Some(_), .. }));
    assert_eq!(names(&journal), ["breaker_opened"], "told once for each trouble");
}

#[tokio::test(start_paused = true)]
async fn a_healthy_gate_changes_nothing_that_others_wait_for() {
    let (gate, _) = gate();
    let changes = gate.changes();
    for _ in 0..1000 {
        gate.call(Instant::now());
        turn(&gate).settle(Instant::now(), Verdict::Good);
        gate.first_try_succeeded();
    }
    assert!(!changes.has_changed().expect("the gate is there"));
    assert_eq!(gate.breaker_state(), BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_budget_that_is_spent_is_told_once_and_reset_fills_it() {
    let (gate, journal) = gate();
    let full = gate.tokens();
    let tries = (0..1000).filter(|_| gate.try_retry(Instant::now(), "a", Pace::Transient)).count();
    assert!((1..1000).contains(&tries), "{tries}");
    assert_eq!(names(&journal), ["budget_spent"]);
    let _until = open(&gate);
    gate.reset(Instant::now());
    assert_eq!((gate.tokens(), gate.breaker_state()), (full, BreakerState::Closed));
    assert!(!turn(&gate).is_probe());
}

/// Each success earns a little, and so ends what was spent; each failure spends it anew.
#[tokio::test(start_paused = true)]
async fn a_budget_that_stays_spent_is_told_once_in_a_while() {
    let (gate, journal) = gate();
    while gate.try_retry(Instant::now(), "a", Pace::Transient) {}
    for _ in 0..100 {
        gate.first_try_succeeded();
        gate.try_retry(Instant::now(), "a", Pace::Transient);
        advance(Duration::from_millis(90)).await;
    }
    assert_eq!(names(&journal), ["budget_spent"]);
    advance(WINDOW).await;
    while gate.try_retry(Instant::now(), "a", Pace::Transient) {}
    assert_eq!(names(&journal), ["budget_spent"; 2]);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_the_breaker_is_not_woken_by_what_leaves_it_as_it_is() {
    let (gate, _) = gate();
    let late: Vec<_> = (0..100).map(|_| turn(&gate)).collect();
    let _until = open(&gate);
    let changes = gate.changes();
    late.into_iter().for_each(|turn| turn.settle(Instant::now(), Verdict::Bad(&fault())));
    assert!(!changes.has_changed().expect("the gate is there"));
}

const SECOND: Duration = Duration::from_secs(1);

fn refusal(retry_after: Option<Duration>) -> Fault {
    Fault::new(FaultKind::Throttled, "not now").with_retry_after(retry_after)
}

fn throttled_for(gate: &Gate) -> Option<Duration> {
    match gate.admit(Instant::now(), "a") {
        Entry::In(_) => None,
        Entry::Throttled { until } => Some(until - Instant::now()),
        Entry::Wait { until, .. } => panic!("the breaker is open until {until:?}"),
    }
}

/// Each row: the fault of a refusal, and for how long it keeps others back.
#[tokio::test(start_paused = true)]
async fn a_refusal_keeps_calls_back_for_as_long_as_it_says_and_ten_seconds_at_most() {
    let rows = [
        (refusal(None), None),
        (refusal(Some(Duration::ZERO)), None),
        (refusal(Some(SECOND)), Some(SECOND)),
        (refusal(Some(3600 * SECOND)), Some(THROTTLED_MAX)),
        (refusal(Some(Duration::MAX)), Some(THROTTLED_MAX)),
        (fault().with_retry_after(Some(SECOND)), None),
    ];
    for (fault, wanted) in rows {
        let (gate, _) = gate();
        gate.refused(Instant::now(), "a", &fault);
        assert_eq!(throttled_for(&gate), wanted, "{fault:?}");
        let Some(wanted) = wanted else {
            assert!(gate.is_quiet.load(Ordering::Relaxed), "{fault:?}");
            continue;
        };
        advance(wanted - Duration::from_millis(1)).await;
        turn_late(&gate);
        assert_eq!(throttled_for(&gate), Some(Duration::from_millis(1)));
        advance(Duration::from_millis(1)).await;
        assert_eq!((throttled_for(&gate), gate.throttled_until(Instant::now(), "a")), (None, None));
        assert!(gate.is_quiet.load(Ordering::Relaxed), "the call that passed has made it so");
    }
}

/// One that was under way before ends well: this says nothing of the calls to come.
fn turn_late(gate: &Gate) {
    Turn::new(gate, false).settle(Instant::now(), Verdict::Good);
}

#[tokio::test(start_paused = true)]
async fn of_two_refusals_the_later_time_counts() {
    let (gate, _) = gate();
    gate.refused(Instant::now(), "a", &refusal(Some(5 * SECOND)));
    gate.refused(Instant::now(), "a", &refusal(Some(SECOND)));
    assert_eq!(throttled_for(&gate), Some(5 * SECOND));
    gate.refused(Instant::now(), "a", &refusal(Some(7 * SECOND)));
    assert_eq!(throttled_for(&gate), Some(7 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn reset_lets_those_go_that_a_refusal_keeps_back() {
    let (gate, _) = gate();
    gate.refused(Instant::now(), "a", &refusal(Some(SECOND)));
    let changes = gate.changes();
    gate.reset(Instant::now());
    assert!(changes.has_changed().expect("the gate is there"), "those who wait look again");
    assert!(gate.is_quiet.load(Ordering::Relaxed));
    assert_eq!(throttled_for(&gate), None);
}

#[tokio::test(start_paused = true)]
async fn while_the_time_is_named_a_retry_costs_tokens_only() {
    let (gate, _) = gate();
    let throttled = |gate: &Gate| gate.try_retry(Instant::now(), "a", Pace::Throttled);
    gate.refused(Instant::now(), "a", &refusal(Some(SECOND)));
    assert_eq!((0..1000).filter(|_| throttled(&gate)).count(), 100, "500 tokens, 5 each");
    gate.reset(Instant::now());
    assert_eq!((0..1000).filter(|_| throttled(&gate)).count(), 10, "the reserve is untouched");
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_of_one_tool_keeps_no_other_back() {
    let (gate, _journal) = gate();
    gate.refused(Instant::now(), "a", &refusal(Some(5 * SECOND)));
    assert!(matches!(gate.admit(Instant::now(), "a"), Entry::Throttled { .. }));
    assert!(matches!(gate.admit(Instant::now(), "b"), Entry::In(_)));
}
