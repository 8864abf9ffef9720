//! Load in rounds: every contestant gets its turn in every round, so that whatever drifts on the
//! machine (clocks, caches, neighbours) drifts for all of them.

use anyhow::Result;
use mcpo_testkit::load::{Pace, Plan};

use crate::contestant::{Contestant, Kind, SharedUpstream};
use crate::options::{Options, Upstream};
use crate::report::{Load, Memory, Place, Results, Sample};
use crate::say;

/// The part of its capacity at which a contestant's latency is taken: busy, not saturated.
const SHARE: f64 = 0.5;

pub(crate) async fn measure(options: &Options, results: &mut Results) -> Result<()> {
    for &upstream in &options.upstreams {
        let shared = match upstream {
            Upstream::Http => Some(SharedUpstream::start(options).await?),
            Upstream::RustStdio | Upstream::NodeStdio => None,
        };
        let mut group = start_all(options, upstream, shared.as_ref()).await;
        measure_group(options, upstream, &mut group, results).await?;
        for contestant in &group {
            if let (Some(process), Some(at_start)) =
                (&contestant.process, contestant.resident_at_start)
            {
                results.memory.push(Memory {
                    upstream: upstream.name(),
                    contestant: contestant.kind.name(),
                    at_start,
                    after_load: process.resident()?,
                });
            }
        }
    }
    Ok(())
}

/// Who does not start is told of and left out: the others are worth measuring.
async fn start_all(
    options: &Options,
    upstream: Upstream,
    shared: Option<&SharedUpstream>,
) -> Vec<Contestant> {
    let mut group = Vec::new();
    for &kind in &options.contestants {
        // Without an upstream it is the same whoever stands behind the others.
        if kind == Kind::Bare && options.upstreams.first() != Some(&upstream) {
            continue;
        }
        match Contestant::start(options, kind, upstream, shared).await {
            Ok(contestant) => group.push(contestant),
            Err(error) => {
                say(&format!("{} is left out before {}: {error:#}", kind.name(), upstream.name()));
            }
        }
    }
    group
}

async fn measure_group(
    options: &Options,
    upstream: Upstream,
    group: &mut [Contestant],
    results: &mut Results,
) -> Result<()> {
    for load in [Load::Full, Load::Half, Load::PythonHalf] {
        for round in 0..options.rounds {
            for &connections in &options.connections {
                for contestant in group.iter_mut() {
                    let place = Place {
                        upstream: upstream.name(),
                        contestant: contestant.kind.name(),
                        connections,
                    };
                    let Some(pace) = pace(results, load, place) else { continue };
                    let plan = Plan {
                        connections,
                        warm_up: options.warm_up,
                        length: options.length,
                        pace,
                    };
                    let (report, processor) = contestant.load(&plan).await?;
                    let sample = Sample::new(place, load, round, &report, processor);
                    say(&sample.line());
                    results.samples.push(sample);
                }
            }
        }
    }
    Ok(())
}

/// `None` where there is nothing to compare with, or the rate is beyond the contestant.
fn pace(results: &Results, load: Load, place: Place) -> Option<Pace> {
    let capacity = |contestant| {
        results.median(Place { contestant, ..place }, Load::Full, |sample| sample.per_second)
    };
    let per_second = match load {
        Load::Full => return Some(Pace::Closed),
        Load::Half => SHARE * capacity(place.contestant)?,
        Load::PythonHalf => SHARE * capacity(Kind::Python.name())?,
    };
    (per_second > 0.0 && per_second < capacity(place.contestant)?)
        .then_some(Pace::Open { per_second })
}
