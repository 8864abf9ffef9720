use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[expect(clippy::disallowed_methods, reason = "any moment will do; all others are counted from it")]
fn origin() -> Instant {
    Instant::now()
}

/// Who has no more time left than this is late.
const LATE_MAX: Duration = Duration::from_secs(5);

/// For one who is late, or will be at once.
const LITTLE: Duration = LATE_MAX;

fn bounds(len_max: usize) -> Bounds {
    Bounds { len_max, short_max: usize::MAX, standing_max: STANDING_MIN, late_max: LATE_MAX }
}

/// A line whose members are known by what they were called, and a clock.
struct Line {
    queue: Queue<&'static str>,
    now: Instant,
    len_max: usize,
}

impl Line {
    fn new(len_max: usize) -> Self {
        Self { queue: Queue::default(), now: origin(), len_max }
    }

    /// Who had to go, or the newcomer where it was not let in.
    fn join(&mut self, identity: &str, item: &'static str) -> Option<&'static str> {
        self.join_for(identity, item, MINUTE)
    }

    fn join_for(
        &mut self,
        identity: &str,
        item: &'static str,
        time: Duration,
    ) -> Option<&'static str> {
        let deadline = self.now + time;
        let at = (self.now, bounds(self.len_max));
        match self.queue.join(&Identity::named(identity), deadline, item, at) {
            Ok(joined) => joined.pushed_out,
            Err(item) => Some(item),
        }
    }

    fn next(&mut self) -> Option<&'static str> {
        match self.queue.next(self.now, bounds(self.len_max), |_| Duration::ZERO)? {
            Next::Starts(item) => Some(item),
            Next::TooLate(item) => panic!("{item} has time"),
        }
    }

    fn all(&mut self) -> Vec<&'static str> {
        std::iter::from_fn(|| self.next()).collect()
    }
}

#[test]
fn identities_take_turns_and_each_goes_in_the_order_of_its_coming() {
    let mut line = Line::new(100);
    for item in ["a1", "a2", "a3", "a4"] {
        line.join("a", item);
    }
    line.join("b", "b1");
    line.join("c", "c1");
    line.join("c", "c2");
    assert_eq!(line.next(), Some("a1"));
    line.join("d", "d1");
    assert_eq!(line.all(), ["b1", "c1", "a2", "d1", "c2", "a3", "a4"]);
    assert!(line.queue.is_empty());
}

#[test]
fn the_newest_go_first_once_the_line_has_stood_and_the_oldest_is_late() {
    let mut line = Line::new(100);
    line.join_for("a", "a1", LITTLE);
    line.join_for("a", "a2", LITTLE);
    line.now += millis(100);
    line.join("a", "a3");
    assert_eq!(line.next(), Some("a1"), "it stands for no longer than a burst may");
    line.now += millis(1);
    line.join("a", "a4");
    assert_eq!(line.all(), ["a4", "a3", "a2"]);
    line.join("a", "a5");
    line.join("a", "a6");
    assert_eq!(line.all(), ["a5", "a6"], "it was empty since");
}

#[test]
fn a_line_that_stands_for_long_but_moves_in_time_keeps_its_order() {
    let mut line = Line::new(3);
    let mut was_next = Vec::new();
    for item in ["a1", "a2", "a3", "a4", "a5", "a6"] {
        if line.queue.len() == 3 {
            assert_eq!(line.join("a", "more"), Some("more"), "nobody in the line goes for it");
            was_next.extend(line.next());
        }
        assert_eq!(line.join("a", item), None);
        line.now += Duration::from_secs(18);
    }
    was_next.extend(line.all());
    assert_eq!(was_next, ["a1", "a2", "a3", "a4", "a5", "a6"]);
}

#[test]
fn one_identity_that_is_late_turns_the_order_of_no_other() {
    let mut line = Line::new(100);
    line.join_for("a", "a1", LITTLE);
    line.join_for("a", "a2", LITTLE);
    line.join("b", "b1");
    line.join("b", "b2");
    line.now += millis(101);
    assert_eq!(line.all(), ["a2", "b1", "a1", "b2"]);
}

#[test]
fn a_line_that_stands_for_a_round_of_slow_calls_is_a_burst() {
    let mut line = Line::new(100);
    line.join_for("a", "a1", LITTLE);
    line.join_for("a", "a2", LITTLE);
    line.now += millis(900);
    let slow = Bounds { standing_max: Duration::from_secs(1), ..bounds(100) };
    let none = |_: &&str| Duration::ZERO;
    assert_eq!(line.queue.next(line.now, slow, none), Some(Next::Starts("a1")));
}

#[test]
fn a_full_line_turns_the_newcomer_away_and_under_overload_the_oldest() {
    let mut line = Line::new(2);
    assert_eq!(line.join_for("a", "a1", LITTLE), None);
    assert_eq!(line.join_for("a", "a2", LITTLE), None);
    assert_eq!(line.join("a", "a3"), Some("a3"));
    line.now += millis(101);
    assert_eq!(line.join("a", "a4"), Some("a1"));
    assert_eq!(line.all(), ["a4", "a2"]);
    let mut none = Line::new(0);
    assert_eq!(none.join("a", "a1"), Some("a1"), "there is no line at all");
}

/// Callers who have ten seconds each, three a second, before a server that takes one a second: a line
/// under overload, and the time.
fn overloaded() -> (Queue<u32>, Instant) {
    let (mut queue, mut now) = (Queue::default(), origin());
    let mut waiting = std::collections::VecDeque::new();
    for item in 0..900 {
        let time = Duration::from_secs(10);
        if let Ok(joined) = queue.join(&Identity::COMMON, now + time, item, (now, SHORT)) {
            waiting.push_back((now + time, joined.number));
        }
        while let Some((_, number)) = waiting.pop_front_if(|(deadline, _)| *deadline <= now) {
            let _gone = queue.leave(&Identity::COMMON, number);
        }
        if item % 3 == 2 {
            let _next = queue.next(now, SHORT, |_| Duration::ZERO);
            now += Duration::from_secs(1);
        }
    }
    (queue, now)
}

const SHORT: Bounds =
    Bounds { len_max: 1000, short_max: 2, standing_max: STANDING_MIN, late_max: LATE_MAX };

#[test]
fn under_overload_the_line_is_short_until_it_has_been_quiet() {
    let (mut queue, now) = overloaded();
    assert_eq!(queue.len(), 1, "one of two was started after the last newcomer");
    let join = |queue: &mut Queue<u32>, item| {
        queue.join(&Identity::COMMON, now + MINUTE, item, (now, SHORT)).map(|_| ())
    };
    assert_eq!(join(&mut queue, 1000), Ok(()));
    assert_eq!(join(&mut queue, 1001), Err(1001), "it is told so at once");
    while queue.next(now, SHORT, |_| Duration::ZERO).is_some() {}
    assert_eq!(join(&mut queue, 1002), Ok(()));
    assert_eq!(join(&mut queue, 1003), Ok(()));
    assert_eq!(join(&mut queue, 1004), Err(1004), "it was empty for a moment only");
    while queue.next(now, SHORT, |_| Duration::ZERO).is_some() {}
    let later = now + STANDING_MIN + millis(1);
    for item in 0..10 {
        let joined = queue.join(&Identity::COMMON, later + MINUTE, item, (later, SHORT));
        assert!(joined.is_ok(), "it has been quiet");
    }
}

/// Who has waited is served, if it has time; who comes is told at once.
#[test]
fn under_overload_a_line_that_was_longer_is_served_and_nobody_goes_for_a_newcomer() {
    let (mut queue, now) = overloaded();
    let long = Bounds { short_max: usize::MAX, ..SHORT };
    let join = |queue: &mut Queue<u32>, item, at| {
        queue.join(&Identity::COMMON, now + LITTLE, item, at).map(|joined| joined.pushed_out)
    };
    for item in 1000..1010 {
        assert_eq!(join(&mut queue, item, (now, long)), Ok(None));
    }
    let later = now + STANDING_MIN + millis(1);
    assert_eq!(join(&mut queue, 2000, (later, SHORT)), Err(2000));
    let other = queue.join(&Identity::named("b"), now + LITTLE, 3000, (later, SHORT));
    let pushed_out = other.map(|joined| joined.pushed_out.is_some());
    assert_eq!(pushed_out, Ok(true), "it has fewer in it");
    let next = std::iter::from_fn(|| queue.next(later, SHORT, |_| Duration::ZERO));
    assert_eq!(next.filter(|next| matches!(next, Next::Starts(_))).count(), 11);
}

#[test]
fn a_line_in_which_nobody_comes_in_vain_any_more_may_be_long_again() {
    let (mut queue, mut now) = overloaded();
    for item in 0..600 {
        let joined = queue.join(&Identity::COMMON, now + MINUTE, item, (now, SHORT));
        assert!(joined.is_ok(), "{item}");
        assert!(queue.next(now, SHORT, |_| Duration::ZERO).is_some());
        now += millis(10);
    }
    for item in 0..10 {
        let joined = queue.join(&Identity::COMMON, now + MINUTE, item, (now, SHORT));
        assert!(joined.is_ok(), "{item}");
    }
}

#[test]
fn a_crowd_that_finds_the_line_full_pushes_nobody_out_who_is_in_time() {
    let (mut queue, now) = (Queue::default(), origin());
    for item in 0..1500 {
        let joined = queue.join(&Identity::COMMON, now + MINUTE, item, (now, SHORT));
        assert_eq!(joined.is_ok(), item < 1000, "{item}");
    }
    let next = |queue: &mut Queue<u32>| queue.next(now, SHORT, |_| Duration::ZERO);
    for item in 0..1000 {
        assert_eq!(next(&mut queue), Some(Next::Starts(item)));
    }
}

#[test]
fn callers_who_can_wait_are_not_turned_away_for_a_few_in_a_hurry() {
    let (mut queue, now) = (Queue::default(), origin());
    for item in 0..900 {
        let joined = queue.join(&Identity::COMMON, now + MINUTE, item, (now, SHORT));
        let number = joined.expect("there is room").number;
        match item % 5 {
            0 => assert_eq!(queue.leave(&Identity::COMMON, number), Some(item)),
            1 | 2 => assert!(queue.next(now, SHORT, |_| Duration::ZERO).is_some()),
            _ => {}
        }
    }
    assert_eq!(queue.len(), 360);
}

#[test]
fn nobody_is_kept_out_by_the_crowd_of_another() {
    let mut line = Line::new(4);
    for item in ["a1", "a2", "a3", "a4"] {
        assert_eq!(line.join("a", item), None);
    }
    assert_eq!(line.join("b", "b1"), Some("a4"), "as if it had come to a full line");
    assert_eq!(line.join("a", "a5"), Some("a5"));
    assert_eq!(line.join("b", "b2"), Some("a3"));
    assert_eq!(line.join("b", "b3"), Some("b3"), "they have the same");
    assert_eq!(line.join("c", "c1"), Some("b2"));
    assert_eq!(line.all(), ["a1", "b1", "c1", "a2"]);
}

#[test]
fn a_call_that_could_not_be_answered_in_time_is_not_started_and_costs_nobody_a_turn() {
    let mut line = Line::new(100);
    line.join_for("a", "a1", millis(50));
    line.join_for("a", "a2", millis(70));
    line.join_for("b", "b1", millis(70));
    line.now += millis(20);
    let needs = |_: &&str| millis(50);
    let mut next = || line.queue.next(line.now, bounds(100), needs);
    assert_eq!(next(), Some(Next::TooLate("a1")));
    assert_eq!(next(), Some(Next::Starts("a2")), "it is still its turn");
    assert_eq!(next(), Some(Next::Starts("b1")), "there is just enough time");
    assert_eq!(next(), None);
}

#[test]
fn who_leaves_leaves_no_hole() {
    let mut line = Line::new(2);
    let (a, b) = (Identity::named("a"), Identity::COMMON);
    let at = (line.now, bounds(2));
    let first = line.queue.join(&a, line.now + MINUTE, "a1", at).expect("there is room");
    let second = line.queue.join(&b, line.now + MINUTE, "b1", at).expect("there is room");
    assert_eq!(line.queue.leave(&a, first.number), Some("a1"));
    assert_eq!(line.queue.leave(&a, first.number), None);
    assert_eq!(line.queue.leave(&a, second.number), None, "it is another's");
    assert_eq!(line.join("a", "a2"), None, "there is room again");
    assert_eq!(line.all(), ["b1", "a2"]);
}

/// One who waits, as a list has it.
#[derive(Debug, Clone, Copy)]
struct Entry {
    identity: u8,
    item: u64,
    number: u64,
    deadline: Instant,
    /// Starts of each identity since it came.
    passed_by: [usize; 4],
}

#[derive(Debug, Clone, Copy)]
enum Move {
    Join { identity: u8, time_ms: u64 },
    Next,
    Leave { which: usize },
}

fn moves() -> impl Strategy<Value = Vec<(Move, u64)>> {
    let one = prop_oneof![
        4 => (0u8..4, 0u64..400).prop_map(|(identity, time_ms)| Move::Join { identity, time_ms }),
        3 => Just(Move::Next),
        1 => any::<usize>().prop_map(|which| Move::Leave { which }),
    ];
    prop::collection::vec(
        (one, prop_oneof![4 => Just(0u64), 2 => 0u64..30, 1 => 0u64..300]),
        0..150,
    )
}

/// The queue beside a plain list of who is in it.
struct Play {
    queue: Queue<u64>,
    list: Vec<Entry>,
    gone: HashSet<u64>,
    now: Instant,
    joined: u64,
}

const LEN_MAX: usize = 7;
const NEEDS: Duration = Duration::from_millis(20);

fn identity(number: u8) -> Identity {
    Identity::named(&number.to_string())
}

impl Play {
    fn count(&self, identity: u8) -> usize {
        self.list.iter().filter(|entry| entry.identity == identity).count()
    }

    /// It is out for good.
    fn out(&mut self, item: u64) -> Entry {
        assert!(self.gone.insert(item), "nobody goes twice");
        let at = self.list.iter().position(|entry| entry.item == item).expect("it was in");
        self.list.remove(at)
    }

    fn join(&mut self, of: u8, time_ms: u64) {
        self.joined += 1;
        let (item, deadline) = (self.joined, self.now + millis(time_ms));
        let was = (self.list.len(), self.count(of));
        let longest = (0..4).map(|one| self.count(one)).max().unwrap_or(0);
        let at = (self.now, bounds(LEN_MAX));
        match self.queue.join(&identity(of), deadline, item, at) {
            Ok(Joined { number, pushed_out }) => {
                assert_eq!(pushed_out.is_some(), was.0 == LEN_MAX);
                if let Some(out) = pushed_out {
                    let out = self.out(out);
                    let fair = self.count(out.identity) + 1 == longest || out.identity == of;
                    assert!(fair, "it was of the largest crowd, or of its own");
                }
                self.list.push(Entry { identity: of, item, number, deadline, passed_by: [0; 4] });
            }
            Err(back) => {
                assert_eq!((back, was.0), (item, LEN_MAX));
                assert!(longest <= was.1 + 1, "one of a larger crowd would have had to go");
                self.gone.insert(item);
            }
        }
    }

    fn next(&mut self) {
        match self.queue.next(self.now, bounds(LEN_MAX), |_| NEEDS) {
            None => assert!(self.list.is_empty()),
            Some(Next::TooLate(item)) => assert!(self.out(item).deadline < self.now + NEEDS),
            Some(Next::Starts(item)) => {
                let started = self.out(item);
                assert!(started.deadline >= self.now + NEEDS);
                self.pass_by(started.identity);
            }
        }
    }

    /// Nobody else has two turns while one waits.
    fn pass_by(&mut self, started: u8) {
        for one in 0..4 {
            // The turn of all its calls is one.
            let mine: Vec<&mut Entry> =
                self.list.iter_mut().filter(|entry| entry.identity == one).collect();
            for entry in mine {
                if started == one {
                    entry.passed_by = [0; 4];
                } else {
                    entry.passed_by[usize::from(started)] += 1;
                    assert!(entry.passed_by[usize::from(started)] <= 2, "{entry:?}");
                }
            }
        }
    }

    fn leave(&mut self, which: usize) {
        if self.list.is_empty() {
            return;
        }
        let entry = self.list[which % self.list.len()];
        let left = self.queue.leave(&identity(entry.identity), entry.number);
        assert_eq!(left, Some(entry.item));
        self.out(entry.item);
    }

    fn check(&self) {
        let queue = &self.queue;
        assert_eq!(queue.len(), self.list.len());
        assert!(queue.len() <= LEN_MAX);
        assert_eq!(queue.standing_since.is_none(), queue.is_empty());
        let lanes = queue.lanes.len();
        assert_eq!((queue.turns.len(), queue.lengths.len()), (lanes, lanes));
        for (turn, identity) in &queue.turns {
            let lane = &queue.lanes[identity];
            assert_eq!(lane.turn, *turn);
            assert!(!lane.waiting.is_empty() && queue.lengths.contains(&lane.key()));
        }
        assert_eq!(self.gone.len() + self.list.len(), usize::try_from(self.joined).unwrap());
    }
}

proptest! {
    #[test]
    fn whatever_happens_nobody_is_lost_and_all_have_their_turns(moves in moves()) {
        let mut play = Play {
            queue: Queue::default(),
            list: Vec::new(),
            gone: HashSet::new(),
            now: origin(),
            joined: 0,
        };
        for (one, step_ms) in moves {
            play.now += millis(step_ms);
            match one {
                Move::Join { identity, time_ms } => play.join(identity, time_ms),
                Move::Next => play.next(),
                Move::Leave { which } => play.leave(which),
            }
            play.check();
        }
        while !play.list.is_empty() {
            play.next();
            play.check();
        }
    }
}
