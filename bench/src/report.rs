//! What was measured, and the ratios in it: always of two samples of the same round, then the
//! median over the rounds.

use std::time::Duration;

use mcpo_testkit::load::Report;
use serde::Serialize;

use crate::options::Options;

/// Everything, as it is written to the file.
#[derive(Debug, Serialize)]
pub(crate) struct Results {
    pub(crate) machine: String,
    pub(crate) rounds: usize,
    pub(crate) seconds: f64,
    pub(crate) connections: Vec<usize>,
    pub(crate) samples: Vec<Sample>,
    pub(crate) memory: Vec<Memory>,
    pub(crate) starts: Vec<Start>,
    pub(crate) twenty: Option<Twenty>,
    pub(crate) million: Vec<Growth>,
    pub(crate) parts: Vec<Turn>,
}

/// Which load a sample is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Load {
    /// Closed loop: as much as it takes.
    Full,
    /// Open loop at half of its own capacity.
    Half,
    /// Open loop at half of the original's capacity.
    PythonHalf,
}

/// Who is measured, before what, over how many connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Place {
    pub(crate) upstream: &'static str,
    pub(crate) contestant: &'static str,
    pub(crate) connections: usize,
}

/// One contestant, one load, one round.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Sample {
    pub(crate) place: Place,
    pub(crate) load: Load,
    pub(crate) round: usize,
    pub(crate) per_second: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) p999_us: f64,
    /// How late the generator itself was, at the median; open loop only.
    pub(crate) generator_late_us: f64,
    /// Processor time of the proxy's process per call.
    pub(crate) processor_us: Option<f64>,
    pub(crate) calls: u64,
    pub(crate) errors: u64,
}

/// Resident memory of a process in KiB.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Resident {
    /// All of it.
    pub(crate) kib: u64,
    /// What it allocated; the rest is its program's file.
    pub(crate) allocated_kib: u64,
}

/// Resident memory of a proxy's process alone.
#[derive(Debug, Serialize)]
pub(crate) struct Memory {
    pub(crate) upstream: &'static str,
    pub(crate) contestant: &'static str,
    pub(crate) at_start: Resident,
    pub(crate) after_load: Resident,
}

/// Times from exec, to about a millisecond.
#[derive(Debug, Serialize)]
pub(crate) struct Start {
    pub(crate) contestant: &'static str,
    pub(crate) listening_ms: Vec<f64>,
    pub(crate) first_answer_ms: Vec<f64>,
}

/// Twenty servers, one of which never answers.
#[derive(Debug, Serialize)]
pub(crate) struct Twenty {
    /// From exec to the first right answer, of each of the others.
    pub(crate) callable_ms: Vec<f64>,
    /// The status that a call of the silent one gets, and after how long.
    pub(crate) silent_status: Option<u16>,
    pub(crate) silent_ms: f64,
}

/// Resident memory as calls go by.
#[derive(Debug, Serialize)]
pub(crate) struct Growth {
    pub(crate) calls: u64,
    pub(crate) resident: Resident,
}

/// Capacity and memory with a part of the machinery and without it, in one round.
#[derive(Debug, Serialize)]
pub(crate) struct Turn {
    pub(crate) part: &'static str,
    pub(crate) upstream: &'static str,
    pub(crate) connections: usize,
    pub(crate) round: usize,
    pub(crate) on_per_second: f64,
    pub(crate) off_per_second: f64,
    pub(crate) on_resident: Option<Resident>,
    pub(crate) off_resident: Option<Resident>,
}

impl Sample {
    pub(crate) fn new(
        place: Place,
        load: Load,
        round: usize,
        report: &Report,
        processor: Option<Duration>,
    ) -> Self {
        Self {
            place,
            load,
            round,
            per_second: report.per_second(),
            p50_us: report.latency_us(0.5),
            p99_us: report.latency_us(0.99),
            p999_us: report.latency_us(0.999),
            generator_late_us: report.lateness_us(0.5),
            processor_us: processor.map(|time| time.as_secs_f64() * 1e6),
            calls: report.calls,
            errors: report.errors,
        }
    }

    /// The sample for whoever watches the run.
    pub(crate) fn line(&self) -> String {
        let Place { upstream, contestant, connections } = self.place;
        let load = format!("{:?} #{}", self.load, self.round);
        let measured = format!(
            "{:.0}/s, p50 {:.0} us, p99 {:.0} us",
            self.per_second, self.p50_us, self.p99_us
        );
        format!(
            "{upstream:>4} {contestant:>6} x{connections:<2} {load}: {measured}, {} errors",
            self.errors
        )
    }
}

impl Results {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            machine: machine(),
            rounds: options.rounds,
            seconds: options.length.as_secs_f64(),
            connections: options.connections.clone(),
            samples: Vec::new(),
            memory: Vec::new(),
            starts: Vec::new(),
            twenty: None,
            million: Vec::new(),
            parts: Vec::new(),
        }
    }

    fn of(&self, place: Place, load: Load) -> impl Iterator<Item = &Sample> {
        self.samples.iter().filter(move |sample| sample.place == place && sample.load == load)
    }

    /// The median over the rounds of something measured.
    pub(crate) fn median(
        &self,
        place: Place,
        load: Load,
        value: impl Fn(&Sample) -> f64,
    ) -> Option<f64> {
        median(self.of(place, load).map(value).collect())
    }

    /// The median over the rounds of the ratio of this contestant's value to another's in the
    /// same round.
    pub(crate) fn ratio(
        &self,
        place: Place,
        to: &'static str,
        load: Load,
        value: impl Fn(&Sample) -> f64,
    ) -> Option<f64> {
        let others: Vec<&Sample> = self.of(Place { contestant: to, ..place }, load).collect();
        let ratios = self.of(place, load).filter_map(|sample| {
            let other = others.iter().find(|other| other.round == sample.round)?;
            Some(value(sample) / value(other))
        });
        median(ratios.collect())
    }

    /// Wrong answers and broken connections over all rounds.
    pub(crate) fn errors(&self, place: Place, load: Load) -> u64 {
        self.of(place, load).map(|sample| sample.errors).sum()
    }
}

/// The middle one (the lower of two); `None` of nothing.
pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied()
}

/// How many processors, and how busy they were before the run.
fn machine() -> String {
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let minute = load.split(' ').next().unwrap_or_default();
    format!("{processors} processors, load average {minute} before the run")
}
