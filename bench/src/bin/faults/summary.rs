//! Many trials in one row: what a fault came to over all its ways, and all faults together.

use mcpo_testkit::faults::{Finding, quantile};

/// What several trials of one contestant came to together.
#[derive(Debug, Default)]
pub(crate) struct Sum {
    pub(crate) trials: usize,
    pub(crate) calls: usize,
    pub(crate) lost: usize,
    pub(crate) duplicated: usize,
    pub(crate) told_wrongly: usize,
    pub(crate) read_errors: usize,
    pub(crate) write_errors: usize,
    pub(crate) write_unknown: usize,
    pub(crate) neighbour_errors: usize,
    /// How many never recovered.
    pub(crate) never: usize,
    /// The longest time from when the upstream was able to answer until a call succeeded.
    pub(crate) slowest_ms: Option<f64>,
    before_us: Vec<f64>,
    during_us: Vec<f64>,
}

impl Sum {
    pub(crate) fn of<'a>(findings: impl Iterator<Item = &'a Finding>) -> Self {
        let mut sum = Self::default();
        for finding in findings {
            sum.add(finding);
        }
        sum
    }

    fn add(&mut self, finding: &Finding) {
        self.trials += 1;
        self.calls += finding.read.calls + finding.write.calls + finding.neighbour.calls;
        self.lost += finding.lost();
        self.duplicated += finding.duplicated;
        self.told_wrongly += finding.told_wrongly;
        self.read_errors += finding.read.errors;
        self.write_errors += finding.write.errors;
        self.write_unknown += finding.write.unknown;
        self.neighbour_errors += finding.neighbour.errors + finding.neighbour.lost;
        match finding.recovery_ms {
            Some(ms) => self.slowest_ms = Some(self.slowest_ms.map_or(ms, |slow| slow.max(ms))),
            None => self.never += 1,
        }
        self.before_us.extend(&finding.neighbour_before_us);
        self.during_us.extend(&finding.neighbour_during_us);
    }

    /// The neighbours' p99 before the faults and during them, in milliseconds, over all trials.
    pub(crate) fn neighbour_p99_ms(&self) -> Option<(f64, f64)> {
        let ms = |values: &[f64]| quantile(values, 0.99).map(|us| us / 1000.0);
        ms(&self.before_us).zip(ms(&self.during_us))
    }

    /// Until calls succeeded again: the slowest, or that some never did.
    pub(crate) fn recovery(&self) -> String {
        let slowest = self.slowest_ms.map(show_ms);
        match (self.never, slowest) {
            (0, slowest) => slowest.unwrap_or_else(|| "-".into()),
            (never, _) if never == self.trials => "never".into(),
            (never, slowest) => {
                format!("{}; never in {never} of {}", slowest.unwrap_or_default(), self.trials)
            }
        }
    }
}

pub(crate) fn show_ms(ms: f64) -> String {
    if ms < 1000.0 { format!("{ms:.0} ms") } else { format!("{:.1} s", ms / 1000.0) }
}
