//! What each idle thing takes, and whether ten million calls leave anything behind.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use mcpo_testkit::load::{Plan, Swarm};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::chapter::{Sheet, Target};
use crate::options::Options;
use crate::report::median;
use crate::stage::{Echo, Look, Stage, call, closed, count, stdio_server};

/// Calls at once while memory is watched.
const CONNECTIONS: usize = 64;
/// How long it is left alone before its memory is looked at.
const SETTLE: Duration = Duration::from_secs(3);
/// An idle machine answers at once: who waits this long was not let in.
const PATIENCE: Duration = Duration::from_secs(10);
/// Rows of the long run.
const POINTS: usize = 20;
/// Rounds of calls at least, however many calls they have.
const ROUNDS_MIN: usize = 10;
const KIB_PER_MIB: f64 = 1024.0;

pub(crate) async fn measure(options: &Options) -> Result<(Vec<Sheet>, Vec<Target>)> {
    let columns = [("without MiB", 2), ("with MiB", 2), ("KiB each", 1)];
    let mut idle = Sheet::new("Resident memory of idle things", &["what", "how many"], &columns);
    upstreams(options, &mut idle).await?;
    connections(options, &mut idle).await?;
    let (growth, grown) = growth(options).await?;
    let each = |what: &str| {
        let rows = idle.rows();
        idle.value(rows.iter().find(|row| row.first() == Some(&what))?, "KiB each")
    };
    let targets = vec![
        Target::at_most("an idle HTTP upstream", 64.0, " KiB", each("HTTP upstream")),
        Target::at_most("an idle connection", 40.0, " KiB", each("connection after a call")),
        Target::at_most(
            "growth from the second fifth of the calls to the last one",
            0.5,
            " MiB",
            grown,
        ),
    ];
    Ok((vec![idle, growth], targets))
}

/// More upstreams of a kind, beside one of it.
async fn upstreams(options: &Options, sheet: &mut Sheet) -> Result<()> {
    let echo = Echo::start(options, &[]).await?;
    let (http, stdio) = if options.smoke { (20, 3) } else { (1000, 20) };
    let one_http = |number| echo.server(number, &json!({}));
    let one_stdio = |_| stdio_server(options, &[], &json!({}));
    let without = settled(options, (0..1).map(one_http).collect()).await?;
    let with = settled(options, (0..=http).map(one_http).collect()).await?;
    note(sheet, "HTTP upstream", http, (without, with));
    let without = settled(options, (0..1).map(one_stdio).collect()).await?;
    let with = settled(options, (0..=stdio).map(one_stdio).collect()).await?;
    note(sheet, "stdio upstream (its own process apart)", stdio, (without, with));
    Ok(())
}

/// Memory once all of them have been reached and nothing happens any more.
async fn settled(options: &Options, servers: Vec<Value>) -> Result<f64> {
    let stage = Stage::start(options, servers, &[]).await?;
    rest(options).await;
    stage.resident_mib()
}

async fn rest(options: &Options) {
    sleep(if options.smoke { SETTLE / 30 } else { SETTLE }).await;
}

/// More connections of downstreams: such that never said a word, and such that have called.
async fn connections(options: &Options, sheet: &mut Sheet) -> Result<()> {
    let many = if options.smoke { 100 } else { 10_000 };
    for what in ["silent connection", "connection after a call"] {
        // Every connection is to have its call, however busy the machine is.
        let environment = [("MCPO_OVERLOAD_GUARD", "false")];
        let server = stdio_server(options, &[], &json!({}));
        let stage = Stage::start(options, [server], &environment).await?;
        let calls = vec![call(stage.address, "/s0/echo", Look::default())];
        let mut swarm = Swarm::unshared(stage.address, calls);
        swarm.patience = PATIENCE;
        let swarm = Arc::new(swarm);
        // What the first calls leave for good is not the connections'.
        drop(swarm.once_each(CONNECTIONS).await?);
        rest(options).await;
        let without = stage.resident_mib()?;
        let mut held = Vec::new();
        if what == "silent connection" {
            held.push(swarm.hold(many).await?);
        } else {
            // A few at once: it is their rest that counts, not ten thousand calls at once.
            while held.len() * CONNECTIONS < many {
                let (tally, lines) = swarm.once_each(CONNECTIONS).await?;
                anyhow::ensure!(
                    tally.good == CONNECTIONS as u64,
                    "not all were answered: {tally:?}"
                );
                held.push(lines);
            }
        }
        let open = if what == "silent connection" { many } else { held.len() * CONNECTIONS };
        rest(options).await;
        note(sheet, what, open, (without, stage.resident_mib()?));
    }
    Ok(())
}

fn note(sheet: &mut Sheet, what: &str, many: usize, (without, with): (f64, f64)) {
    let each = (with - without) * KIB_PER_MIB / count(many as u64);
    sheet.note(&[what, &many.to_string()], 0, &[Some(without), Some(with), Some(each)]);
}

/// Memory as calls go by.
async fn growth(options: &Options) -> Result<(Sheet, Option<f64>)> {
    let stage = Stage::start(options, [stdio_server(options, &[], &json!({}))], &[]).await?;
    let swarm = Swarm::new(stage.address, vec![call(stage.address, "/s0/echo", Look::default())]);
    let columns = [("RSS MiB", 2), ("calls/s", 0), ("lost", 0)];
    let title = "Resident memory as calls go by (stdio, 64 connections)";
    let mut sheet = Sheet::new(title, &["calls"], &columns);
    let plan = Plan { warm_up: Duration::ZERO, ..closed(options, CONNECTIONS) };
    let (mut calls, mut lost, mut next, mut points) = (0, 0, 0, Vec::new());
    // A fast machine makes few calls of few rounds; the growth is seen between several.
    while calls < options.calls || points.len() < ROUNDS_MIN {
        let measured = stage.load(&swarm, &plan).await?;
        calls += measured.tally.sent();
        lost += measured.tally.lost();
        let resident = measured.resident_mib.context("a proxy has a process")?;
        points.push(resident);
        if calls >= next {
            let rate = measured.tally.good_per_second();
            sheet.note(&[&calls.to_string()], 0, &[Some(resident), Some(rate), Some(count(lost))]);
            next += options.calls / POINTS as u64;
        }
    }
    Ok((sheet, grown(&points)))
}

/// From the second fifth to the last one, medians: the first fifth fills pools and buffers, and
/// allocators breathe by more than a leak would show in between.
fn grown(points: &[f64]) -> Option<f64> {
    let fifth = points.len() / 5;
    let middle = |part: &[f64]| median(part.to_vec());
    Some(middle(points.get(points.len() - fifth..)?)? - middle(points.get(fifth..2 * fifth)?)?)
}
