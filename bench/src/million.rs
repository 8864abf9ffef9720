//! Whether memory grows over a million calls.

use anyhow::{Context, Result};
use mcpo_testkit::load::{Pace, Plan};

use crate::contestant::{Contestant, Kind};
use crate::options::{Options, Upstream};
use crate::report::{Growth, Results};
use crate::say;

/// How many calls.
const CALLS: u64 = 1_000_000;
/// How many at once.
const CONNECTIONS: usize = 64;

pub(crate) async fn measure(options: &Options, results: &mut Results) -> Result<()> {
    let mut mcpo = match Contestant::start(options, Kind::Mcpo, Upstream::RustStdio, None).await {
        Ok(mcpo) => mcpo,
        Err(error) => {
            say(&format!("a million calls are left out: {error:#}"));
            return Ok(());
        }
    };
    let plan = Plan {
        connections: CONNECTIONS,
        warm_up: std::time::Duration::ZERO,
        length: options.length,
        pace: Pace::Closed,
    };
    let mut calls = 0;
    while calls < CALLS {
        let (report, _) = mcpo.load(&plan).await?;
        calls += report.calls_in_all;
        let process = mcpo.process.as_ref().context("a proxy has a process")?;
        let growth = Growth { calls, resident: process.resident()? };
        say(&format!("{growth:?}"));
        results.million.push(growth);
        anyhow::ensure!(report.calls_in_all > 0, "no call was answered");
    }
    Ok(())
}
