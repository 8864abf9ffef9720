//! One fault, one way, one contestant: healthy, broken, healed, and how long until calls succeed.

use std::time::Duration;

use anyhow::Result;
use tokio::time::{Instant, sleep};

use super::finding::{Finding, Times};
use super::stage::{Contestant, Stage};
use super::steady::{Class, Steady};
use super::{DEADLINE, Fault, Way};
use crate::journal::{Entry, What, now_ns};

/// Calls per second: idempotent and other ones of the victim, and of the neighbour.
const RATES: [(Class, f64); 3] =
    [(Class::Read, 100.0), (Class::Write, 50.0), (Class::Neighbour, 50.0)];
/// How long the full load goes on after the fault while nothing succeeds. What follows is thin,
/// so that thousands of calls that all fail alike need not be waited for.
const FULL_LOAD_MAX: Duration = Duration::from_secs(4);
/// How often it is looked whether calls succeed.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How long the parts of a trial take, and how much load there is.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// Load before anything is measured.
    pub warm_up: Duration,
    /// Load before the fault.
    pub healthy: Duration,
    /// Load after calls succeed again.
    pub settle: Duration,
    /// What is added to the deadline before a call counts as lost.
    pub slack: Duration,
    /// The share of the usual load.
    pub load: f64,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            warm_up: Duration::from_millis(300),
            healthy: Duration::from_millis(500),
            settle: Duration::from_millis(500),
            slack: Duration::from_secs(1),
            load: 1.0,
        }
    }
}

/// Runs it. Cancel-safe: dropping it ends everything that it started.
///
/// # Errors
/// When something could not be started or broken; what a fault does to calls is no error.
pub async fn run(
    fault: &Fault,
    way: Way,
    contestant: &Contestant,
    timing: Timing,
) -> Result<Finding> {
    let mut stage = Stage::start(fault, way, contestant).await?;
    let rates = RATES.map(|(class, per_second)| (class, per_second * timing.load));
    let load = Steady::start(&stage.url(""), &rates, DEADLINE + timing.slack);
    sleep(timing.warm_up).await;
    let begun = now_ns();
    sleep(timing.healthy).await;
    let broken = now_ns();
    fault.act.begin(&mut stage).await?;
    sleep(fault.length).await;
    fault.act.end(&mut stage).await?;
    if fault.operator {
        stage.release().await;
    }
    let healed = now_ns();
    let (able, recovered) = wait_for_success(fault, &stage, &load, broken, healed).await?;
    if recovered.is_some() {
        load.go_on();
        sleep(timing.settle).await;
    }
    let over = now_ns();
    let records = load.finish().await;
    if let Some(directory) = &contestant.logs {
        let name = format!("{}-{}-{}", fault.name, way.name(), contestant.kind.name());
        stage.leave_logs(directory, &name)?;
    }
    let first = records.iter().filter(|record| record.is_success_since(healed));
    let first_success = first.map(|record| record.done_ns).min();
    let own_start = able.and_then(|able| able.own_start_ns);
    let able = able.map(|able| able.at_ns);
    let times = Times { begun, broken, healed, able, recovered, first_success, over, own_start };
    let names = (fault, way, contestant.kind);
    Finding::new(names, &times, &records, &stage.victim.journal)
}

/// Since when the upstream was able to answer, and what its own start took if it had to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Able {
    pub(super) at_ns: u64,
    pub(super) own_start_ns: Option<u64>,
}

async fn wait_for_success(
    fault: &Fault,
    stage: &Stage,
    load: &Steady,
    broken: u64,
    healed: u64,
) -> Result<(Option<Able>, Option<u64>)> {
    let begin = Instant::now();
    loop {
        let able = able(fault, &stage.victim.journal.entries()?, broken, healed);
        if let Some(able) = able
            && let Some(success) = load.success_since(able.at_ns)
        {
            return Ok((Some(able), Some(success)));
        }
        if begin.elapsed() > fault.patience {
            return Ok((able, None));
        }
        if begin.elapsed() > FULL_LOAD_MAX {
            load.thin_out();
        }
        sleep(LOOK_EVERY).await;
    }
}

/// A life that began since the fault did is able once it says so; without a new life, the
/// upstream is able when the fault is over, unless it died of it.
pub(super) fn able(fault: &Fault, entries: &[Entry], broken: u64, healed: u64) -> Option<Able> {
    let since = |what: What| {
        entries.iter().filter(move |entry| entry.what == what && entry.at_ns >= broken)
    };
    if fault.spare {
        return Some(Able { at_ns: healed, own_start_ns: None });
    }
    // Where several lives followed each other, it is the last one that was able to go on.
    if let Some(ready) = since(What::Ready).next_back() {
        let start = since(What::Start).rfind(|start| start.at_ns <= ready.at_ns);
        let own_start_ns = start.map(|start| ready.at_ns - start.at_ns);
        return Some(Able { at_ns: ready.at_ns.max(broken), own_start_ns });
    }
    let reborn = since(What::Start).next().is_some();
    (!fault.new_life && !reborn).then_some(Able { at_ns: healed, own_start_ns: None })
}
