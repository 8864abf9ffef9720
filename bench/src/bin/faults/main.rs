//! Breaks upstreams in every way of the matrix under a steady load of calls, before our proxy and
//! before the original, and tells what the callers saw: calls lost, calls run twice, visible
//! errors, and how long until calls succeeded again.

mod options;
mod outage;
mod summary;
mod table;

use std::io::Write;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures_util::future::join_all;
use mcpo_testkit::faults::{Contestant, Fault, Finding, Kind, Timing, Way, matrix, run};
use options::{Options, Part};
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;

/// A trial that takes longer than anything in it may take has gone wrong.
const TRIAL_MAX: Duration = Duration::from_secs(120);

/// One trial that could not be made.
#[derive(Debug, Serialize)]
struct Failure {
    fault: &'static str,
    way: &'static str,
    contestant: &'static str,
    why: String,
}

/// All that was found, as it is written to the file.
#[derive(Debug, Default, Serialize)]
struct Results {
    findings: Vec<Finding>,
    failures: Vec<Failure>,
    kills: Option<outage::Kills>,
    outages: Vec<outage::Outage>,
}

// Two threads: reading a long journal must not hold up the load.
#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<()> {
    let options = Options::parse(std::env::args().skip(1))?;
    let (mut interrupt, mut terminate) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    // Whatever ends the run drops it, and that kills every process it started.
    tokio::select! {
        result = measure(&options) => result,
        _ = interrupt.recv() => bail!("interrupted"),
        _ = terminate.recv() => bail!("terminated"),
    }
}

async fn measure(options: &Options) -> Result<()> {
    let mut results = Results::default();
    match options.part {
        Part::List => return print(&table::list(&matrix())),
        Part::Matrix => try_all(options, &mut results).await?,
        Part::Outage => {
            results.kills = Some(outage::kills(options).await?);
            for kind in outage::Way::ALL {
                results.outages.push(outage::outage(options, kind).await?);
            }
        }
    }
    print(&table::markdown(&results))?;
    if let Some(file) = &options.json {
        if let Some(directory) = file.parent() {
            std::fs::create_dir_all(directory)?;
        }
        std::fs::write(file, serde_json::to_vec_pretty(&results)?)
            .with_context(|| format!("write {}", file.display()))?;
        say(&format!("everything is in {}", file.display()));
    }
    verdict(options, &results)
}

async fn try_all(options: &Options, results: &mut Results) -> Result<()> {
    let chosen: Vec<Fault> = matrix().into_iter().filter(|fault| options.wants(fault)).collect();
    if let Some(name) = options.only.iter().find(|name| !chosen.iter().any(|f| f.name == **name)) {
        bail!("no fault is called {name}; `bench/faults --list` tells them all");
    }
    let trials: Vec<(&Fault, Way)> = chosen
        .iter()
        .flat_map(|fault| fault.ways.iter().map(move |way| (fault, *way)))
        .filter(|(_, way)| options.ways.is_empty() || options.ways.contains(way))
        .collect();
    for contestant in &options.contestants {
        let known: Vec<_> =
            trials.iter().filter(|(_, way)| contestant.kind.knows(*way)).copied().collect();
        let total = known.len();
        let (pairs, alone) =
            known.into_iter().partition::<Vec<_>, _>(|(_, way)| can_share(contestant.kind, *way));
        let turns = alone.chunks(1).chain(pairs.chunks(2));
        let mut done = 0;
        for some in turns {
            let tried = some.iter().map(|(fault, way)| try_one(options, fault, *way, contestant));
            for tried in join_all(tried).await {
                done += 1;
                results.take(tried, &format!("{done}/{total}"));
            }
        }
    }
    Ok(())
}

/// Whether two trials may go at once. Most of the original's end with waiting for what never
/// comes, and before stdio it bears several times the load; over HTTP it needs the machine for
/// itself. Ours always has it, since milliseconds count.
fn can_share(kind: Kind, way: Way) -> bool {
    kind == Kind::Python && way.is_stdio()
}

async fn try_one(
    options: &Options,
    fault: &Fault,
    way: Way,
    contestant: &Contestant,
) -> std::result::Result<Finding, Failure> {
    let timing = Timing { load: options.load, ..Timing::default() };
    let tried = timeout(TRIAL_MAX, run(fault, way, contestant, timing)).await;
    let tried = tried.unwrap_or_else(|_| Err(anyhow::anyhow!("it took over {TRIAL_MAX:?}")));
    tried.map_err(|error| Failure {
        fault: fault.name,
        way: way.name(),
        contestant: contestant.kind.name(),
        why: format!("{error:#}"),
    })
}

impl Results {
    fn take(&mut self, tried: std::result::Result<Finding, Failure>, progress: &str) {
        match tried {
            Ok(finding) => {
                say(&format!("{progress} {}", table::line(&finding)));
                self.findings.push(finding);
            }
            Err(failure) => {
                say(&format!("{progress} could not be tried: {failure:?}"));
                self.failures.push(failure);
            }
        }
    }
}

/// What no run of ours may show; what depends on the machine's speed is for the reader.
fn verdict(options: &Options, results: &Results) -> Result<()> {
    let ours = |finding: &&Finding| finding.contestant == Kind::Mcpo.name();
    let lost: usize = results.findings.iter().filter(ours).map(Finding::lost).sum();
    let duplicated: usize =
        results.findings.iter().filter(ours).map(|finding| finding.duplicated).sum();
    let failed = results.failures.iter().filter(|failure| failure.contestant == "mcpo").count();
    if options.strict && (lost, duplicated, failed) != (0, 0, 0) {
        bail!("{lost} calls lost, {duplicated} run twice, {failed} trials could not be made");
    }
    Ok(())
}

fn print(text: &str) -> Result<()> {
    Ok(std::io::stdout().lock().write_all(text.as_bytes())?)
}

/// Tells whoever waits how far the run is; the tables go to stdout, this does not.
fn say(text: &str) {
    // Nobody may be reading it.
    let _ = writeln!(std::io::stderr(), "faults: {text}");
}
