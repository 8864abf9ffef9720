//! Whether it stays what it is as things grow: servers, tools, connections, bodies, documents.

mod bodies;
mod connections;
mod documents;

use std::sync::Arc;

use anyhow::{Context, Result};
use bench::echo::tool_name;
use mcpo_testkit::load::{Call, Swarm};
use serde_json::{Value, json};

use crate::chapter::{Over, Sheet, Target};
use crate::options::Options;
use crate::stage::{Echo, Look, Measured, Stage, call, closed, count};

/// Calls at once, where something else grows.
const CONNECTIONS: usize = 64;
/// Tools of each server, where servers grow.
const TOOLS: usize = 10;
/// What every table of this part has: the load, who had what work with it, what went wrong.
const COLUMNS: [(&str, usize); 9] = [
    ("calls/s", 0),
    ("x first", 3),
    ("p50 us", 0),
    ("p99 us", 0),
    ("RSS MiB", 1),
    ("cpu us/call", 1),
    ("generator us/call", 1),
    ("refused", 0),
    ("lost", 0),
];

/// One size, with everything that it needs.
struct Size {
    /// Who stands before the servers: mcpo, or the floor, which knows none of them.
    who: &'static str,
    servers: usize,
    tools: usize,
    stage: Stage,
    swarm: Arc<Swarm>,
    _echo: Echo,
}

pub(crate) async fn measure(options: &Options) -> Result<(Vec<Sheet>, Vec<Target>)> {
    let (sizes, mut targets) = sizes(options).await?;
    let connections = connections::measure(options).await?;
    let bodies = bodies::measure(options).await?;
    let (documents, asked) = documents::measure(options).await?;
    targets.extend(asked);
    Ok((vec![sizes, connections, bodies, documents], targets))
}

/// Servers and tools, each size beside the first one in the same round.
async fn sizes(options: &Options) -> Result<(Sheet, Vec<Target>)> {
    let servers: &[usize] = if options.smoke { &[1, 10] } else { &[1, 10, 100, 1000] };
    let tools: &[usize] = if options.smoke { &[100] } else { &[100, 1000, 10_000] };
    let of_servers = servers.iter().map(|&servers| (servers, TOOLS));
    let of_tools = tools.iter().map(|&tools| (1, tools));
    let mut sizes = Vec::new();
    for (servers, tools) in of_servers.chain(of_tools) {
        let size = Size::start(options, servers, tools).await;
        sizes.push(size.with_context(|| format!("{servers} servers with {tools} tools each"))?);
    }
    // What more servers cost their own machine and the generator is not mcpo's doing.
    for &servers in [servers.first(), servers.last()].into_iter().flatten() {
        sizes.push(Size::start_floor(options, servers, TOOLS).await?);
    }
    let mut sheet =
        sheet("Servers and tools, 64 connections, Streamable HTTP", &["who", "servers", "tools"]);
    for round in 0..options.rounds {
        // Whoever comes first meets another machine than who comes last: the order is turned.
        let order: Vec<usize> = if round % 2 == 0 {
            (0..sizes.len()).collect()
        } else {
            (0..sizes.len()).rev().collect()
        };
        let mut found = Vec::new();
        for at in order {
            let size = &sizes[at];
            let measured = size.stage.load(&size.swarm, &closed(options, CONNECTIONS)).await?;
            found.push((at, measured));
        }
        found.sort_by_key(|(at, _)| *at);
        let first = |who| {
            let one = found.iter().find(|(at, _)| sizes[*at].who == who);
            one.map(|(_, measured)| measured.tally.good_per_second())
        };
        for (at, measured) in &found {
            let Size { who, servers, tools, .. } = &sizes[*at];
            let (servers, tools) = (servers.to_string(), (servers * tools).to_string());
            sheet.note(&[who, &servers, &tools], round, &values(measured, first(*who)));
        }
    }
    let (most, in_all) =
        (servers.last().context("sizes")?, servers.last().context("sizes")? * TOOLS);
    let ratio = sheet.value(&["mcpo", &most.to_string(), &in_all.to_string()], "x first");
    let asked = format!("throughput of {most} servers with {in_all} tools beside 1 with {TOOLS}");
    Ok((sheet, vec![Target::at_least(&asked, 0.95, " x", ratio)]))
}

/// A table of this part.
fn sheet(title: &str, labels: &[&str]) -> Sheet {
    Sheet::new(title, labels, &COLUMNS).over(Over::Sum, &["refused", "lost"])
}

fn values(measured: &Measured, first: Option<f64>) -> [Option<f64>; COLUMNS.len()] {
    let tally = &measured.tally;
    let rate = tally.good_per_second();
    [
        Some(rate),
        first.map(|first| rate / first),
        Some(tally.latency_us(0.5)),
        Some(tally.latency_us(0.99)),
        measured.resident_mib,
        measured.processor_us,
        Some(measured.generator_us),
        Some(count(tally.refusals())),
        Some(count(tally.lost())),
    ]
}

// === impl Size ===

impl Size {
    async fn start(options: &Options, servers: usize, tools: usize) -> Result<Self> {
        let echo = Echo::start(options, &["--tools", &tools.to_string()]).await?;
        let file = (0..servers).map(|server| echo.server(server, &json!({})));
        let stage = Stage::start(options, file, &[]).await?;
        let calls = all_tools(&stage, servers, tools, Look::default());
        let swarm = Swarm::new(stage.address, calls);
        Ok(Self { who: "mcpo", servers, tools, stage, swarm, _echo: echo })
    }

    async fn start_floor(options: &Options, servers: usize, tools: usize) -> Result<Self> {
        let echo = Echo::start(options, &["--tools", &tools.to_string()]).await?;
        let url = format!("http://{}/mcp", echo.address);
        let stage = Stage::start_floor(options, &["many", &url]).await?;
        let swarm = Swarm::new(stage.address, all_tools(&stage, servers, tools, Look::default()));
        Ok(Self { who: "floor", servers, tools, stage, swarm, _echo: echo })
    }
}

/// A call of every tool of every server, the servers in turn.
fn all_tools(stage: &Stage, servers: usize, tools: usize, look: Look<'_>) -> Vec<Call> {
    let places = (0..tools).flat_map(|tool| (0..servers).map(move |server| (server, tool)));
    places
        .map(|(server, tool)| call(stage.address, &format!("/s{server}/{}", tool_name(tool)), look))
        .collect()
}

/// Nothing that only concerns this server.
fn plain() -> Value {
    json!({})
}
