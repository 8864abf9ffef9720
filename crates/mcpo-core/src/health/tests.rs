use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

const TICK: Duration = Duration::from_millis(250);
const PROBE_EVERY: Duration = Duration::from_secs(30);
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

#[expect(clippy::disallowed_methods, reason = "a test needs some instant to count from")]
fn origin() -> Instant {
    Instant::now()
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn idle(heard_at: Instant) -> Signs {
    Signs { heard_at, busy_since: None, doubted: false, patience: Duration::ZERO }
}

#[test]
fn an_idle_silent_session_is_dead_after_a_pause_and_two_questions() {
    let start = origin();
    let mut health = Health::new(HealthPolicy::default(), start);
    let signs = idle(start);
    let first = start + PROBE_EVERY;
    assert_eq!(health.next(start, &signs), Next::WaitUntil(Some(first)));
    assert_eq!(health.next(first, &signs), Next::Ask(Question::Ping));
    health.asked(first, Question::Ping);
    health.unanswered(first + PROBE_TIMEOUT);
    assert_eq!(health.next(first + PROBE_TIMEOUT, &signs), Next::Ask(Question::List));
    health.asked(first + PROBE_TIMEOUT, Question::List);
    health.unanswered(first + PROBE_TIMEOUT * 2);
    assert_eq!(health.next(first + PROBE_TIMEOUT * 2, &signs), Next::Dead);
}

#[test]
fn one_that_is_in_doubt_is_asked_at_once_but_not_all_the_time() {
    let start = origin();
    let mut health =
        Health::new(HealthPolicy { probe_every: None, ..HealthPolicy::default() }, start);
    assert_eq!(health.next(start + seconds(999), &idle(start)), Next::WaitUntil(None));
    let doubted = Signs { doubted: true, ..idle(start) };
    assert_eq!(health.next(start, &doubted), Next::Ask(Question::Ping));
    health.asked(start, Question::Ping);
    health.answered(start);
    assert_eq!(health.next(start, &doubted), Next::WaitUntil(Some(start + ASK_PAUSE)));
    assert_eq!(health.next(start + ASK_PAUSE, &doubted), Next::Ask(Question::Ping));
}

#[test]
fn a_word_heard_from_a_call_ends_the_questions() {
    let start = origin();
    let mut health = Health::new(HealthPolicy::default(), start);
    health.asked(start + seconds(30), Question::Ping);
    health.unanswered(start + seconds(35));
    let heard = start + seconds(36);
    assert_eq!(health.next(heard, &idle(heard)), Next::WaitUntil(Some(heard + PROBE_EVERY)));
    // What comes late of the old question says nothing.
    health.unanswered(heard);
    assert_eq!(health.next(heard, &idle(heard)), Next::WaitUntil(Some(heard + PROBE_EVERY)));
}

#[test]
fn one_whose_calls_were_given_up_is_asked_once_more_before_it_counts_as_dead() {
    let start = origin();
    let mut health = Health::new(HealthPolicy::default(), start);
    let busy = Signs { busy_since: Some(start), patience: seconds(300), ..idle(start) };
    ask_in_vain(&mut health, start + seconds(30));
    let now = start + seconds(40);
    assert_eq!(health.next(now, &busy), Next::WaitUntil(Some(start + seconds(300))));
    assert_eq!(health.next(now, &idle(start)), Next::Ask(Question::Ping));
    ask_in_vain(&mut health, now);
    assert_eq!(health.next(now + seconds(10), &idle(start)), Next::Dead);
}

#[test]
fn a_question_of_which_nobody_tells_is_lost_after_a_while() {
    let start = origin();
    let mut health = Health::new(HealthPolicy::default(), start);
    health.asked(start, Question::Ping);
    let lost = start + PROBE_TIMEOUT * 2;
    assert_eq!(health.next(start, &idle(start)), Next::WaitUntil(Some(lost)));
    assert_eq!(health.next(lost, &idle(start)), Next::Ask(Question::List));
}

#[test]
fn a_clock_that_stands_still_or_goes_back_asks_nothing_and_kills_nobody() {
    let start = origin() + seconds(1000);
    let mut health = Health::new(HealthPolicy::default(), start);
    for now in [start, start - seconds(500)] {
        let later = start + PROBE_EVERY;
        assert_eq!(health.next(now, &idle(start)), Next::WaitUntil(Some(later)));
        let busy = Signs { busy_since: Some(start), patience: Duration::MAX, ..idle(now) };
        assert_eq!(health.next(now, &busy), Next::WaitUntil(Some(later)));
    }
}

fn ask_in_vain(health: &mut Health, now: Instant) {
    health.asked(now, Question::Ping);
    health.unanswered(now + PROBE_TIMEOUT);
    health.asked(now + PROBE_TIMEOUT, Question::List);
    health.unanswered(now + PROBE_TIMEOUT * 2);
}

/// A server of one thread, in front of which everything waits its turn.
struct Upstream {
    knows_ping: bool,
    stops_at: Option<Instant>,
    queue: VecDeque<Item>,
}

enum Item {
    Call { takes: Duration },
    Asked(Question),
}

/// A session, its calls and its prober, in steps of [`TICK`].
struct Scene {
    now: Instant,
    health: Health,
    signs: Signs,
    upstream: Upstream,
    /// The deadlines of the calls in flight.
    calls: VecDeque<Instant>,
    /// Until when an answer to the question under way is waited for.
    asked_until: Option<Instant>,
}

impl Scene {
    fn new(knows_ping: bool, stops_after: Option<Duration>, patience: Duration) -> Self {
        let now = origin();
        let stops_at = stops_after.map(|length| now + length);
        Self {
            now,
            health: Health::new(HealthPolicy::default(), now),
            signs: Signs { patience, ..idle(now) },
            upstream: Upstream { knows_ping, stops_at, queue: VecDeque::new() },
            calls: VecDeque::new(),
            asked_until: None,
        }
    }

    fn is_stopped(&self) -> bool {
        self.upstream.stops_at.is_some_and(|at| self.now >= at)
    }

    fn call(&mut self, takes: Duration) {
        self.upstream.queue.push_back(Item::Call { takes });
        self.calls.push_back(self.now + self.signs.patience);
        self.signs.busy_since.get_or_insert(self.now);
    }

    fn hear(&mut self) {
        self.signs.heard_at = self.now;
        self.signs.doubted = false;
    }

    /// Lets the upstream work for a tick.
    fn work(&mut self) {
        if self.is_stopped() {
            return;
        }
        while let Some(item) = self.upstream.queue.pop_front() {
            match item {
                Item::Call { takes } if takes > TICK => {
                    self.upstream.queue.push_front(Item::Call { takes: takes - TICK });
                    return;
                }
                Item::Call { .. } => {
                    self.hear();
                    self.calls.pop_front();
                    return;
                }
                Item::Asked(Question::Ping) if !self.upstream.knows_ping => {}
                Item::Asked(_) => {
                    self.hear();
                    if self.asked_until.take().is_some() {
                        self.health.answered(self.now);
                    }
                }
            }
        }
    }

    /// Gives up what is due; says whether the session is taken for dead.
    fn tick(&mut self) -> bool {
        self.now += TICK;
        self.work();
        while self.calls.front().is_some_and(|&deadline| deadline <= self.now) {
            self.calls.pop_front();
            self.signs.doubted = true;
        }
        if self.calls.is_empty() {
            self.signs.busy_since = None;
        }
        if self.asked_until.is_some_and(|until| until <= self.now) {
            self.asked_until = None;
            self.health.unanswered(self.now);
        }
        match self.health.next(self.now, &self.signs) {
            Next::Dead => true,
            Next::WaitUntil(_) => false,
            Next::Ask(question) => {
                self.health.asked(self.now, question);
                self.asked_until = Some(self.now + PROBE_TIMEOUT);
                self.upstream.queue.push_back(Item::Asked(question));
                false
            }
        }
    }
}

/// Pauses between calls and lengths of calls, in quarters of a second. One call at a time: how
/// long a call may wait for others is not the server's silence.
fn calls() -> impl Strategy<Value = Vec<(u64, u64)>> {
    prop::collection::vec((0u64..300, 1u64..400), 0..12)
}

fn ticks(count: u64) -> Duration {
    Duration::from_millis(250 * count)
}

proptest! {
    #[test]
    fn a_server_that_answers_within_patience_is_never_taken_for_dead(
        calls in calls(),
        knows_ping in any::<bool>(),
    ) {
        let patience = ticks(402);
        let mut scene = Scene::new(knows_ping, None, patience);
        for (pause, takes) in calls {
            for _ in 0..pause {
                prop_assert!(!scene.tick(), "dead while idle");
            }
            scene.call(ticks(takes));
            while !scene.calls.is_empty() {
                prop_assert!(!scene.tick(), "dead while at work");
            }
        }
        for _ in 0..400 {
            prop_assert!(!scene.tick(), "dead in the end");
        }
    }

    #[test]
    fn a_stopped_server_with_calls_in_flight_is_found_within_patience_and_two_questions(
        pause in 0u64..200,
        patience in 1u64..400,
    ) {
        let patience = ticks(patience);
        let mut scene = Scene::new(true, Some(ticks(pause)), patience);
        for _ in 0..pause {
            prop_assert!(!scene.tick());
        }
        let silent_since = scene.signs.heard_at.max(scene.now);
        scene.call(ticks(1));
        let limit = silent_since + patience + PROBE_TIMEOUT * 2 + TICK * 2;
        while !scene.tick() {
            prop_assert!(scene.now <= limit, "{:?} after its silence", scene.now - silent_since);
        }
    }

    #[test]
    fn a_stopped_server_is_found_however_calls_come_and_go(
        pauses in prop::collection::vec(0u64..40, 1..20),
        patience in 1u64..400,
    ) {
        let patience = ticks(patience);
        let mut scene = Scene::new(true, Some(Duration::ZERO), patience);
        let limit = scene.now + PROBE_EVERY + patience + PROBE_TIMEOUT * 4 + TICK * 2;
        let mut pauses = pauses.into_iter().cycle();
        let mut pause = 0;
        loop {
            if scene.calls.is_empty() {
                if pause == 0 {
                    scene.call(ticks(1));
                    pause = pauses.next().unwrap_or_default();
                } else {
                    pause -= 1;
                }
            }
            if scene.tick() {
                break;
            }
            prop_assert!(scene.now <= limit, "still not found");
        }
    }

    #[test]
    fn an_idle_server_that_stops_is_found_within_a_pause_and_two_questions(
        stops_after in 0u64..800,
        knows_ping in any::<bool>(),
    ) {
        let mut scene = Scene::new(knows_ping, Some(ticks(stops_after)), Duration::ZERO);
        while !scene.is_stopped() {
            prop_assert!(!scene.tick());
        }
        let limit = scene.signs.heard_at.max(scene.now) + PROBE_EVERY + PROBE_TIMEOUT * 2 + TICK * 2;
        while !scene.tick() {
            prop_assert!(scene.now <= limit, "still not found");
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Move {
    Next,
    Asked,
    Answered,
    Unanswered,
    Heard,
    Busy,
    Idle,
    Doubt,
    Trust,
}

proptest! {
    #[test]
    fn whatever_happens_nobody_is_dead_who_was_heard_or_not_asked_twice(
        moves in prop::collection::vec((prop::sample::select(vec![
            Move::Next, Move::Next, Move::Asked, Move::Answered, Move::Unanswered, Move::Heard,
            Move::Busy, Move::Idle, Move::Doubt, Move::Trust,
        ]), 0u64..20_000), 0..80),
        patience in 0u64..100,
    ) {
        let policy = HealthPolicy::default();
        let mut now = origin();
        let mut health = Health::new(policy, now);
        let mut signs = Signs { patience: seconds(patience), ..idle(now) };
        let (mut heard, mut told) = (now, None);
        let mut put = Vec::new();
        for (one, step_ms) in moves {
            now += Duration::from_millis(step_ms);
            match one {
                Move::Next => match health.next(now, &signs) {
                    Next::Ask(question) => told = Some(question),
                    Next::WaitUntil(until) => {
                        told = None;
                        prop_assert!(until.is_some_and(|until| until > now), "never at rest for good");
                    }
                    Next::Dead => {
                        prop_assert!(put.contains(&Question::Ping) && put.contains(&Question::List));
                        if signs.busy_since.is_some() {
                            prop_assert!(now - heard >= signs.patience, "it may be at work");
                        }
                    }
                },
                Move::Asked => if let Some(question) = told.take() {
                    health.asked(now, question);
                    put.push(question);
                },
                Move::Answered => { health.answered(now); heard = now; put.clear(); }
                Move::Unanswered => health.unanswered(now),
                Move::Heard => { signs.heard_at = now; heard = now; put.clear(); }
                Move::Busy => { signs.busy_since.get_or_insert(now); }
                Move::Idle => signs.busy_since = None,
                Move::Doubt => signs.doubted = true,
                Move::Trust => signs.doubted = false,
            }
        }
    }
}
