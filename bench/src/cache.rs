//! What a kept answer costs and saves: hits beside axum's own echo, misses beside no cache, and a
//! thousand equal calls at once.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use mcpo_testkit::load::Swarm;
use serde_json::{Value, json};

use crate::chapter::{Over, Sheet, Target};
use crate::options::Options;
use crate::stage::{Echo, Look, Measured, Stage, call, closed, count};

/// Rounds for each that the load has: what is looked for is a few parts in a hundred.
const ROUNDS_TIMES: usize = 3;
/// Calls at once while costs are measured.
const CONNECTIONS: [usize; 2] = [1, 64];
/// How long the upstream works on what all of a stampede ask for, in milliseconds: long enough for
/// all of them to arrive.
const SERVICE_MS: &str = "200";
/// Stampedes, each for something new.
const STAMPEDES: usize = 5;

/// Who is measured, and with which calls.
struct Contestant<'a> {
    name: &'static str,
    stage: &'a Stage,
    swarm: Arc<Swarm>,
    /// Whom it is compared with.
    beside: Option<&'static str>,
}

pub(crate) async fn measure(options: &Options) -> Result<(Vec<Sheet>, Vec<Target>)> {
    let (costs, mut targets) = costs(options).await?;
    let (stampedes, target) = stampedes(options).await?;
    targets.push(target);
    Ok((vec![costs, stampedes], targets))
}

fn kept() -> Value {
    json!({"cache": {"ttl": 60}})
}

async fn costs(options: &Options) -> Result<(Sheet, Vec<Target>)> {
    let echo = Echo::start(options, &["--read-only"]).await?;
    let with = Stage::start(options, [echo.server(0, &kept())], &[]).await?;
    let without_keys = json!({"coalesce": false, "cache": false});
    let without = Stage::start(options, [echo.server(1, &without_keys)], &[]).await?;
    let bare = Stage::start_floor(options, &["bare"]).await?;
    let swarm = |stage: &Stage, path: &str, distinct| {
        let look = Look { distinct, ..Look::default() };
        Swarm::new(stage.address, vec![call(stage.address, path, look)])
    };
    let who = |name, stage, swarm, beside| Contestant { name, stage, swarm, beside };
    let all = [
        who("bare axum", &bare, swarm(&bare, "/echo", false), None),
        who("hit", &with, swarm(&with, "/s0/echo", false), Some("bare axum")),
        who("no cache", &without, swarm(&without, "/s0/echo", true), None),
        who("miss", &with, swarm(&with, "/s0/echo", true), Some("no cache")),
    ];
    let columns = [
        ("calls/s", 0),
        ("x beside", 3),
        ("p50 us", 0),
        ("p99 us", 0),
        ("cpu us/call", 1),
        ("generator us/call", 1),
        ("upstream calls", 0),
        ("refused", 0),
        ("lost", 0),
    ];
    let title = "Hits (equal calls) beside bare axum, misses (distinct calls) beside no cache";
    let mut sheet =
        Sheet::new(title, &["connections", "who"], &columns).over(Over::Sum, &["refused", "lost"]);
    for round in 0..options.turns(ROUNDS_TIMES) {
        for connections in CONNECTIONS {
            let mut found: Vec<(&str, f64)> = Vec::new();
            for one in &all {
                let before = echo.calls().await?;
                let measured = one.stage.load(&one.swarm, &closed(options, connections)).await?;
                let asked = echo.calls().await? - before;
                check(one.name, &measured, asked)?;
                let rate = measured.tally.good_per_second();
                let other = found.iter().find(|(name, _)| Some(*name) == one.beside);
                let ratio = other.map(|(_, other)| rate / other);
                found.push((one.name, rate));
                let labels = [connections.to_string(), one.name.to_owned()];
                let labels = labels.each_ref().map(String::as_str);
                sheet.note(&labels, round, &values(&measured, ratio, asked));
            }
        }
    }
    let ratio = |connections, who| sheet.value(&[connections, who], "x beside");
    let targets = vec![
        Target::at_least("hits beside bare axum, 64 connections", 0.85, " x", ratio("64", "hit")),
        Target::at_least("misses beside no cache, 64 connections", 0.9, " x", ratio("64", "miss")),
    ];
    Ok((sheet, targets))
}

/// A hit does not reach the upstream, and a miss does.
fn check(name: &str, measured: &Measured, asked: u64) -> Result<()> {
    let answered = measured.tally.good + measured.tally.warm_up;
    match name {
        "hit" => ensure!(asked <= 1, "{asked} of {answered} equal calls reached the upstream"),
        "miss" | "no cache" => {
            ensure!(
                asked >= measured.tally.good,
                "{asked} of {answered} distinct calls reached it"
            );
        }
        _ => {}
    }
    Ok(())
}

fn values(measured: &Measured, ratio: Option<f64>, asked: u64) -> [Option<f64>; 9] {
    let tally = &measured.tally;
    [
        Some(tally.good_per_second()),
        ratio,
        Some(tally.latency_us(0.5)),
        Some(tally.latency_us(0.99)),
        measured.processor_us,
        Some(measured.generator_us),
        Some(count(asked)),
        Some(count(tally.refusals())),
        Some(count(tally.lost())),
    ]
}

/// A thousand equal calls at once, for something that nobody has asked for before.
async fn stampedes(options: &Options) -> Result<(Sheet, Target)> {
    let size = if options.smoke { 100 } else { 1000 };
    let arguments = ["--read-only", "--workers", "64", "--service-ms", SERVICE_MS];
    let echo = Echo::start(options, &arguments).await?;
    let setups = [
        ("cache and coalescing", kept()),
        ("coalescing alone", json!({"coalesce": true, "cache": false})),
        ("neither", json!({"coalesce": false, "cache": false})),
    ];
    let title = format!("{size} equal calls at once; the upstream takes {SERVICE_MS} ms");
    let columns = [
        ("upstream calls", 0),
        ("right answers", 0),
        ("slowest ms", 0),
        ("refused", 0),
        ("lost", 0),
    ];
    let mut sheet = Sheet::new(&title, &["with"], &columns)
        .over(Over::Largest, &["upstream calls", "slowest ms"]);
    for (number, (name, keys)) in setups.iter().enumerate() {
        let stage = Stage::start(options, [echo.server(number, keys)], &[]).await?;
        for round in 0..STAMPEDES {
            // Its length is what makes it new: every call of a stampede is the same.
            let look = Look { distinct: false, bytes: 100 + round, ..Look::default() };
            let swarm = Swarm::new(stage.address, vec![call(stage.address, "/s0/echo", look)]);
            let before = echo.calls().await?;
            let (tally, _held) = swarm.once_each(size).await.context("a stampede")?;
            let asked = echo.calls().await? - before;
            ensure!(tally.wrong() == 0, "wrong answers: {tally:?}");
            ensure!(tally.sent() == size as u64, "{} of {size} came to anything", tally.sent());
            let refused = tally.refusals();
            let slowest = tally.latency_us(1.0) / 1e3;
            let all =
                [count(asked), count(tally.good), slowest, count(refused), count(tally.lost())];
            sheet.note(&[name], round, &all.map(Some));
        }
    }
    let most = sheet.value(&["cache and coalescing"], "upstream calls");
    let asked = format!("upstream calls of a stampede of {size}, the most of {STAMPEDES}");
    Ok((sheet, Target::at_most(&asked, 1.0, "", most)))
}
