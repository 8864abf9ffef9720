//! What everything costs while nothing is wrong: all of it switched on, and what is on by itself,
//! beside all of it switched off, in many short turns; beside them the floor and, at 64 connections, the original.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use mcpo_testkit::load::Swarm;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::chapter::{Over, Sheet, Target};
use crate::options::Options;
use crate::parts::{scrape, view};
use crate::say;
use crate::stage::{Echo, Look, Measured, Stage, call, closed, count, stdio_server};

/// Rounds for each that the load has, each of half the time: what is looked for is a few parts in a
/// hundred.
const ROUNDS_TIMES: usize = 2;
/// The original takes part at so many connections alone: it is much slower and better known.
const PYTHON_CONNECTIONS: usize = 64;
/// A rate that no call here reaches; it is counted all the same.
const RATE: &str = "1000000/s";

/// Everything on that may be switched on; the rates' are those of the file.
const ON: [(&str, &str); 2] = [("MCPO_RATE_LIMIT", RATE), ("MCPO_OVERLOAD_GUARD", "true")];
/// Everything off that may be switched off.
const OFF: [(&str, &str); 6] = [
    ("MCPO_ERROR_RECOVERY_ENABLED", "false"),
    ("MCPO_MONITOR_ENABLED", "false"),
    ("MCPO_OVERLOAD_GUARD", "false"),
    ("MCPO_ADAPTIVE_LIMIT", "false"),
    ("MCPO_CACHE_ENABLED", "false"),
    ("MCPO_COALESCE", "false"),
];

/// Who is measured.
struct Contestant {
    name: &'static str,
    stage: Stage,
    swarm: Arc<Swarm>,
}

pub(crate) async fn measure(options: &Options) -> Result<(Vec<Sheet>, Vec<Target>)> {
    let columns = [
        ("calls/s", 0),
        ("x all off", 3),
        ("x floor", 3),
        ("x python", 1),
        ("p50 us", 0),
        ("p99 us", 0),
        ("cpu us/call", 1),
        ("RSS MiB", 1),
        ("refused", 0),
        ("lost", 0),
    ];
    let title = "Distinct calls of a read-only tool, closed loop";
    let labels = ["upstream", "connections", "who"];
    let mut sheet = Sheet::new(title, &labels, &columns).over(Over::Sum, &["refused", "lost"]);
    for upstream in ["stdio", "http"] {
        let echo = Echo::start(options, &["--read-only"]).await?;
        let group = start_all(options, upstream, &echo).await?;
        let mut watching = JoinSet::new();
        if let Some(on) = group.first() {
            watching.spawn(scrape(on.stage.address));
            watching.spawn(view(on.stage.address));
        }
        for round in 0..options.turns(ROUNDS_TIMES) {
            for &connections in &options.connections {
                measure_round(options, &group, (upstream, connections, round), &mut sheet).await?;
            }
        }
        if let Some(ended) = watching.try_join_next() {
            ended?.context("who watches was let down")?;
        }
    }
    let mut targets = Vec::new();
    for upstream in ["stdio", "http"] {
        let mut target = |who, of, bound, column| {
            let what = format!("{upstream}, 64 connections: {who} beside {of}");
            let ratio = sheet.value(&[upstream, "64", who], column);
            targets.push(Target::at_least(&what, bound, " x", ratio));
        };
        for who in ["all on", "defaults"] {
            target(who, "all off", 0.9, "x all off");
            target(who, "the floor", 0.8, "x floor");
            target(who, "the original", 40.0, "x python");
        }
    }
    Ok((vec![sheet], targets))
}

async fn start_all(options: &Options, upstream: &str, echo: &Echo) -> Result<Vec<Contestant>> {
    let server = |keys: &Value| match upstream {
        "stdio" => stdio_server(options, &["--read-only"], keys),
        _ => echo.server(0, keys),
    };
    let on = json!({"cache": {"ttl": 60}, "coalesce": true, "rateLimit": RATE});
    let url = format!("http://{}/mcp/0", echo.address);
    let stdio = options.program("echo-stdio");
    let floor = if upstream == "stdio" { ["stdio", &stdio] } else { ["http", &url] };
    let with = |name, stage: Stage, path| {
        let swarm = Swarm::new(stage.address, vec![call(stage.address, path, Look::default())]);
        Contestant { name, stage, swarm }
    };
    let mut group = vec![
        with("all on", Stage::start(options, [server(&on)], &ON).await?, "/s0/echo"),
        with("defaults", Stage::start(options, [server(&json!({}))], &[]).await?, "/s0/echo"),
        with("all off", Stage::start(options, [server(&json!({}))], &OFF).await?, "/s0/echo"),
        with("floor", Stage::start_floor(options, &floor).await?, "/echo"),
    ];
    let before = match upstream {
        "stdio" => vec!["--".to_owned(), stdio],
        _ => ["--server-type", "streamable-http", "--", &url].map(str::to_owned).to_vec(),
    };
    match Stage::start_python(options, &before).await {
        Ok(stage) => group.push(with("python", stage, "/echo")),
        Err(error) => say(&format!("the original is left out: {error:#}")),
    }
    Ok(group)
}

async fn measure_round(
    options: &Options,
    group: &[Contestant],
    (upstream, connections, round): (&str, usize, usize),
    sheet: &mut Sheet,
) -> Result<()> {
    let length = (options.length / 2).max(Duration::from_millis(100));
    let mut found: Vec<(&str, Measured)> = Vec::new();
    // Whoever comes second meets a warmer machine: they change places.
    let order: Vec<&Contestant> =
        if round % 2 == 0 { group.iter().collect() } else { group.iter().rev().collect() };
    for one in order {
        if one.name == "python" && connections != PYTHON_CONNECTIONS {
            continue;
        }
        let plan = mcpo_testkit::load::Plan { length, ..closed(options, connections) };
        found.push((one.name, one.stage.load(&one.swarm, &plan).await?));
    }
    let rate = |name: &str| {
        let one = found.iter().find(|(other, _)| *other == name);
        one.map(|(_, measured)| measured.tally.good_per_second())
    };
    for name in ["all on", "defaults", "all off", "floor", "python"] {
        let Some((_, measured)) = found.iter().find(|(other, _)| *other == name) else { continue };
        let tally = &measured.tally;
        let own = tally.good_per_second();
        let beside = |other| rate(other).map(|other| own / other);
        let values = [
            Some(own),
            beside("all off"),
            beside("floor"),
            beside("python"),
            Some(tally.latency_us(0.5)),
            Some(tally.latency_us(0.99)),
            measured.processor_us,
            measured.resident_mib,
            Some(count(tally.refusals())),
            Some(count(tally.lost())),
        ];
        sheet.note(&[upstream, &connections.to_string(), name], round, &values);
    }
    Ok(())
}
