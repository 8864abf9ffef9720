//! What a trial came to, from what the callers saw and what the upstream's journal holds.

use std::collections::{BTreeMap, HashMap};

use anyhow::Result;
use serde::Serialize;

use super::stage::Kind;
use super::steady::{Class, End, Record};
use super::{Fault, Way};
use crate::journal::{Journal, What};

/// A call that came in so long before the fault has its answer before it; in nanoseconds.
const EARLY_NS: u64 = 200_000_000;
/// One call in so many may be late without a fault.
const HEALTHY_PART: usize = 20;

/// The moments of a trial, on the clock of `now_ns`.
#[derive(Debug)]
pub(super) struct Times {
    pub(super) begun: u64,
    pub(super) broken: u64,
    pub(super) healed: u64,
    pub(super) able: Option<u64>,
    pub(super) recovered: Option<u64>,
    pub(super) first_success: Option<u64>,
    pub(super) over: u64,
    pub(super) own_start: Option<u64>,
}

/// What the callers of one class saw.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    /// Calls that came in.
    pub calls: usize,
    /// Without any answer.
    pub lost: usize,
    /// With an answer other than their own.
    pub errors: usize,
    /// Of these: told that it may have acted.
    pub unknown: usize,
}

/// What a trial came to.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// The fault's name.
    pub fault: &'static str,
    /// The way's name.
    pub way: &'static str,
    /// The contestant's name.
    pub contestant: &'static str,
    /// Whether the upstream was able again within every deadline.
    pub back: bool,
    /// Idempotent calls of the victim.
    pub read: Count,
    /// The other calls of the victim.
    pub write: Count,
    /// Calls of the neighbour.
    pub neighbour: Count,
    /// Non-idempotent calls that ran more than once.
    pub duplicated: usize,
    /// Idempotent calls that ran more than once: rightly, but they cost something.
    pub repeated: usize,
    /// Calls that were told that nothing was sent or that they were refused, and that ran.
    pub told_wrongly: usize,
    /// How often which status was answered by the victim; 0 is no answer.
    pub statuses: BTreeMap<u16, usize>,
    /// From when the upstream was able to answer until a call succeeded; `None` is never.
    pub recovery_ms: Option<f64>,
    /// From the end of the fault until a call succeeded, the upstream's start included.
    pub since_healed_ms: Option<f64>,
    /// From the upstream's first breath until it was able to answer, if it had to start.
    pub own_start_ms: Option<f64>,
    /// Calls that came in before the fault, early enough to be answered before it.
    pub healthy_calls: usize,
    /// Of these: without their answer when the fault began.
    pub healthy_late: usize,
    /// The neighbour's latency before the fault.
    #[serde(skip)]
    pub neighbour_before_us: Vec<f64>,
    /// The neighbour's latency from the fault's begin until calls succeeded.
    #[serde(skip)]
    pub neighbour_during_us: Vec<f64>,
    /// Its p99 before the fault.
    pub neighbour_p99_before_us: Option<f64>,
    /// Its p99 from the fault's begin until calls succeeded.
    pub neighbour_p99_during_us: Option<f64>,
}

impl Finding {
    pub(super) fn new(
        (fault, way, kind): (&Fault, Way, Kind),
        times: &Times,
        records: &[Record],
        journal: &Journal,
    ) -> Result<Self> {
        let runs = runs(journal)?;
        let neighbour = |from: u64, to: u64| latencies(records, from, to);
        let before = neighbour(times.begun, times.broken);
        let during = neighbour(times.broken, times.recovered.unwrap_or(times.over));
        let early: Vec<&Record> = early(records, times).collect();
        let in_time = |record: &&&Record| record.end == End::Right && record.done_ns < times.broken;
        let between = |from: Option<u64>, to: Option<u64>| Some(ms(to?.saturating_sub(from?)));
        Ok(Self {
            fault: fault.name,
            way: way.name(),
            contestant: kind.name(),
            back: fault.back,
            read: Count::of(records, Class::Read),
            write: Count::of(records, Class::Write),
            neighbour: Count::of(records, Class::Neighbour),
            duplicated: more_than_once(records, Class::Write, &runs),
            repeated: more_than_once(records, Class::Read, &runs),
            told_wrongly: records.iter().filter(|record| told_wrongly(record, &runs)).count(),
            statuses: statuses(records),
            healthy_calls: early.len(),
            healthy_late: early.len() - early.iter().filter(in_time).count(),
            recovery_ms: between(times.able, times.recovered),
            since_healed_ms: between(Some(times.healed), times.first_success),
            own_start_ms: times.own_start.map(ms),
            neighbour_p99_before_us: quantile(&before, 0.99),
            neighbour_p99_during_us: quantile(&during, 0.99),
            neighbour_before_us: before,
            neighbour_during_us: during,
        })
    }

    /// Whether the contestant bore the load before the fault began: else the trial says more about
    /// the load than about the fault.
    #[must_use]
    pub const fn was_healthy(&self) -> bool {
        self.healthy_late * HEALTHY_PART <= self.healthy_calls
    }

    /// Calls without any answer, the neighbour's included.
    #[must_use]
    pub const fn lost(&self) -> usize {
        self.read.lost + self.write.lost + self.neighbour.lost
    }
}

fn early<'a>(records: &'a [Record], times: &Times) -> impl Iterator<Item = &'a Record> {
    let (from, to) = (times.begun, times.broken.saturating_sub(EARLY_NS));
    records.iter().filter(move |record| (from..to).contains(&record.due_ns))
}

/// How often each call ran, by its key.
fn runs(journal: &Journal) -> Result<HashMap<String, usize>> {
    let mut runs = HashMap::new();
    for entry in journal.entries()? {
        if entry.what == What::Run {
            *runs.entry(entry.key).or_default() += 1;
        }
    }
    Ok(runs)
}

fn told_wrongly(record: &Record, runs: &HashMap<String, usize>) -> bool {
    let safe = |outcome: &str| outcome == "not_sent" || outcome == "refused";
    matches!(&record.end, End::Wrong(_, Some(outcome)) if safe(outcome))
        && runs.contains_key(&record.key)
}

impl Count {
    /// What the callers of that class saw.
    #[must_use]
    pub fn of(records: &[Record], class: Class) -> Self {
        let mut count = Self::default();
        for record in records.iter().filter(|record| record.class == class) {
            count.calls += 1;
            match &record.end {
                End::Right => {}
                End::Nothing => count.lost += 1,
                End::Wrong(_, outcome) => {
                    count.errors += 1;
                    count.unknown += usize::from(outcome.as_deref() == Some("unknown"));
                }
            }
        }
        count
    }

    /// How many calls of that class ran more than once.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn duplicated(records: &[Record], class: Class, journal: &Journal) -> Result<usize> {
        Ok(more_than_once(records, class, &runs(journal)?))
    }
}

fn more_than_once(records: &[Record], class: Class, runs: &HashMap<String, usize>) -> usize {
    let of = records.iter().filter(|record| record.class == class);
    of.filter(|record| runs.get(&record.key).is_some_and(|runs| *runs > 1)).count()
}

fn statuses(records: &[Record]) -> BTreeMap<u16, usize> {
    let mut statuses = BTreeMap::new();
    for record in records.iter().filter(|record| record.class != Class::Neighbour) {
        let status = match record.end {
            End::Right => 200,
            End::Wrong(status, _) => status,
            End::Nothing => 0,
        };
        *statuses.entry(status).or_default() += 1;
    }
    statuses
}

/// The neighbour's, of calls that were due then; a lost call takes as long as it was waited for.
fn latencies(records: &[Record], from: u64, to: u64) -> Vec<f64> {
    let due = records
        .iter()
        .filter(|record| record.class == Class::Neighbour && (from..to).contains(&record.due_ns));
    due.map(|record| ms(record.done_ns.saturating_sub(record.due_ns)) * 1000.0).collect()
}

/// The value below which that share of the values lies; `None` of nothing.
#[must_use]
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an index into a list that is in memory"
)]
pub fn quantile(values: &[f64], share: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let index = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(index.saturating_sub(1)).copied()
}

#[expect(clippy::cast_precision_loss, reason = "nanoseconds of a run are below 2^52")]
fn ms(ns: u64) -> f64 {
    ns as f64 / 1e6
}
