//! What came of calls, by kind.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::super::{LATENCY_DIGITS, LATENCY_NS_MAX};

/// What one call came to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// 200 and what was expected.
    Right,
    /// 200 and something else.
    Wrong,
    /// Another status, with the reason or else the code in its body: `503 server_full`.
    Refused(String),
    /// The connection broke, or could not be made.
    Broken,
    /// The caller went away before an answer came.
    GivenUp,
}

/// What came of the calls of one group in the recorded time.
#[derive(Debug, Clone)]
pub struct Tally {
    /// Right answers in time.
    pub good: u64,
    /// Right answers that came too late.
    pub late: u64,
    /// Calls that were due while as many as may be were in flight: the generator's own failure.
    pub unsent: u64,
    /// Calls of the warm-up; nothing else of them is counted.
    pub warm_up: u64,
    length: Duration,
    /// From the beginning of the recorded time to the last answer.
    last: Duration,
    others: BTreeMap<Kind, Other>,
    right: Times,
    launched: Times,
}

/// How long a call took.
#[derive(Debug, Clone, Copy)]
pub(super) struct Took {
    /// From when it was due.
    pub(super) due: Duration,
    /// From when it was sent.
    pub(super) sent: Duration,
}

/// What was refused for one reason.
#[derive(Debug, Clone, Copy)]
pub struct Refused<'a> {
    /// Status and reason, else code.
    pub why: &'a str,
    /// How often.
    pub calls: u64,
    /// The slowest in a hundred in microseconds, from when the call was due.
    pub due_p99_us: f64,
    /// The same from when it was sent: without what the generator was late.
    pub sent_p99_us: f64,
}

/// How long calls took that were not answered rightly.
#[derive(Debug, Clone)]
struct Other {
    due: Times,
    sent: Times,
}

/// How often, and how long it took each time.
#[derive(Debug, Clone)]
struct Times(Histogram<u64>);

// === impl Tally ===

impl Tally {
    pub(super) fn new(length: Duration) -> Self {
        Self {
            good: 0,
            late: 0,
            unsent: 0,
            warm_up: 0,
            length,
            last: Duration::ZERO,
            others: BTreeMap::new(),
            right: Times::new(),
            launched: Times::new(),
        }
    }

    /// Counts one that took so long and came so long after the beginning of the recorded time.
    pub(super) fn count(
        &mut self,
        kind: Kind,
        (took, after): (Took, Duration),
        in_time: Option<Duration>,
    ) {
        self.last = self.last.max(after);
        if kind == Kind::Right {
            self.right.add(took.due);
            if in_time.is_none_or(|in_time| took.due <= in_time) {
                self.good += 1;
            } else {
                self.late += 1;
            }
            return;
        }
        let other = self.others.entry(kind).or_insert_with(Other::new);
        other.due.add(took.due);
        other.sent.add(took.sent);
    }

    pub(super) fn launched(&mut self, late: Duration) {
        self.launched.add(late);
    }

    /// Adds what another one counted.
    pub fn add(&mut self, other: &Self) {
        self.good += other.good;
        self.late += other.late;
        self.unsent += other.unsent;
        self.warm_up += other.warm_up;
        self.last = self.last.max(other.last);
        self.right.join(&other.right);
        self.launched.join(&other.launched);
        for (kind, other) in &other.others {
            let own = self.others.entry(kind.clone()).or_insert_with(Other::new);
            own.due.join(&other.due);
            own.sent.join(&other.sent);
        }
    }

    /// Calls that were sent in the recorded time; each is counted as exactly one thing.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.right.count() + self.others.values().map(|other| other.due.count()).sum::<u64>()
    }

    /// Calls that were launched in the recorded time; open loop only, with the first group.
    #[must_use]
    pub fn launched_calls(&self) -> u64 {
        self.launched.count()
    }

    /// Right answers in time for each second of the recorded time; where calls take longer than
    /// that, of the time until the last answer.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    pub fn good_per_second(&self) -> f64 {
        let is_slow = self.last > self.length * 2;
        self.good as f64 / if is_slow { self.last } else { self.length }.as_secs_f64()
    }

    /// Calls that were answered 200 with something else.
    #[must_use]
    pub fn wrong(&self) -> u64 {
        self.of(&Kind::Wrong)
    }

    /// Calls without an answer: their connection broke, or the caller gave up.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.of(&Kind::Broken) + self.of(&Kind::GivenUp)
    }

    /// Calls that were answered with anything but 200.
    #[must_use]
    pub fn refusals(&self) -> u64 {
        self.refused().map(|refused| refused.calls).sum()
    }

    /// What was refused, by reason.
    pub fn refused(&self) -> impl Iterator<Item = Refused<'_>> {
        self.others.iter().filter_map(|(kind, other)| match kind {
            Kind::Refused(why) => Some(Refused {
                why,
                calls: other.due.count(),
                due_p99_us: other.due.us(0.99),
                sent_p99_us: other.sent.us(0.99),
            }),
            Kind::Right | Kind::Wrong | Kind::Broken | Kind::GivenUp => None,
        })
    }

    /// Latency in microseconds of right answers, late ones too, from when they were due.
    #[must_use]
    pub fn latency_us(&self, quantile: f64) -> f64 {
        self.right.us(quantile)
    }

    /// How late the generator launched, in microseconds; open loop only, with the first group.
    #[must_use]
    pub fn lateness_us(&self, quantile: f64) -> f64 {
        self.launched.us(quantile)
    }

    fn of(&self, kind: &Kind) -> u64 {
        self.others.get(kind).map_or(0, |other| other.due.count())
    }
}

// === impl Other ===

impl Other {
    fn new() -> Self {
        Self { due: Times::new(), sent: Times::new() }
    }
}

// === impl Times ===

impl Times {
    fn new() -> Self {
        Self(Histogram::new_with_max(LATENCY_NS_MAX, LATENCY_DIGITS).expect("the bounds are valid"))
    }

    fn add(&mut self, took: Duration) {
        self.0.saturating_record(u64::try_from(took.as_nanos()).unwrap_or(LATENCY_NS_MAX));
    }

    fn join(&mut self, other: &Self) {
        self.0.add(&other.0).expect("both have the same bounds");
    }

    fn count(&self) -> u64 {
        self.0.len()
    }

    #[expect(clippy::cast_precision_loss, reason = "nanoseconds of a minute are below 2^52")]
    fn us(&self, quantile: f64) -> f64 {
        self.0.value_at_quantile(quantile) as f64 / 1000.0
    }
}
