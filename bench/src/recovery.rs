//! What the machinery of recovery costs while nothing breaks: ours beside ours with recovery
//! switched off, in many short turns, since the difference is smaller than a machine's drift.

use anyhow::{Context, Result};
use mcpo_testkit::load::{Pace, Plan};

use crate::contestant::{Contestant, Kind, SharedUpstream};
use crate::options::{Options, Upstream};
use crate::report::{Recovery, Results};
use crate::say;

/// Rounds for each that the load has: what is looked for is a few parts in a hundred.
const ROUNDS_TIMES: usize = 5;

pub(crate) async fn measure(options: &Options, results: &mut Results) -> Result<()> {
    for &upstream in &options.upstreams {
        // Node is slower than either, so that it shows neither.
        if upstream == Upstream::NodeStdio {
            continue;
        }
        let shared = match upstream {
            Upstream::Http => Some(SharedUpstream::start(options).await?),
            Upstream::RustStdio | Upstream::NodeStdio => None,
        };
        let mut pair = Vec::new();
        for kind in [Kind::Mcpo, Kind::WithoutRecovery] {
            pair.push(Contestant::start(options, kind, upstream, shared.as_ref()).await?);
        }
        for round in 0..options.rounds * ROUNDS_TIMES {
            for &connections in &options.connections {
                let found = measure_round(options, upstream, &mut pair, (round, connections));
                results.recovery.push(found.await?);
            }
        }
    }
    Ok(())
}

async fn measure_round(
    options: &Options,
    upstream: Upstream,
    pair: &mut [Contestant],
    (round, connections): (usize, usize),
) -> Result<Recovery> {
    let (warm_up, length) = (options.warm_up, options.length);
    let plan = Plan { connections, warm_up, length, pace: Pace::Closed };
    // Whoever comes second meets a warmer machine: they change places.
    let order = if round % 2 == 0 { [0, 1] } else { [1, 0] };
    let mut per_second = [0.0; 2];
    for which in order {
        let contestant = pair.get_mut(which).context("both were started")?;
        let (report, _) = contestant.load(&plan).await?;
        per_second[which] = report.per_second();
    }
    let [on_per_second, off_per_second] = per_second;
    let upstream = upstream.name();
    let ratio = on_per_second / off_per_second;
    say(&format!(
        "{upstream} x{connections} #{round}: on {on_per_second:.0}/s, off {off_per_second:.0}/s, {ratio:.3}"
    ));
    Ok(Recovery { upstream, connections, round, on_per_second, off_per_second })
}
