//! What parts of the machinery cost while nothing breaks: ours beside ours with the part switched
//! off, in many short turns, since the difference is smaller than a machine's drift.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use mcpo_testkit::load::{Pace, Plan};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::contestant::{Contestant, Kind, SharedUpstream};
use crate::options::{Options, Upstream};
use crate::process::Process;
use crate::report::{Resident, Results, Turn};
use crate::say;

/// Rounds for each that the load has: what is looked for is a few parts in a hundred.
const ROUNDS_TIMES: usize = 5;

/// As often as the busiest Prometheus asks.
const SCRAPE_EVERY: Duration = Duration::from_secs(5);

/// A part of the machinery that can be switched off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// Probes, breaker, budget, attempts.
    Recovery,
    /// Meters, samples, history, alerts; scraped by a Prometheus and looked at by a dashboard.
    Monitor,
}

impl Part {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Recovery => "recovery",
            Self::Monitor => "monitor",
        }
    }

    const fn kinds(self) -> [Kind; 2] {
        match self {
            Self::Recovery => [Kind::Mcpo, Kind::WithoutRecovery],
            Self::Monitor => [Kind::Mcpo, Kind::WithoutMonitor],
        }
    }
}

pub(crate) async fn measure(options: &Options, part: Part, results: &mut Results) -> Result<()> {
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
        for kind in part.kinds() {
            pair.push(Contestant::start(options, kind, upstream, shared.as_ref()).await?);
        }
        let mut watching = JoinSet::new();
        if part == Part::Monitor
            && let Some(address) = pair.first().and_then(Contestant::address)
        {
            watching.spawn(scrape(address));
            watching.spawn(view(address));
        }
        for round in 0..options.rounds * ROUNDS_TIMES {
            for &connections in &options.connections {
                let found =
                    measure_round(options, (part, upstream), &mut pair, (round, connections));
                results.parts.push(found.await?);
            }
        }
        if let Some(ended) = watching.try_join_next() {
            ended?.context("who watches was let down")?;
        }
    }
    Ok(())
}

async fn measure_round(
    options: &Options,
    (part, upstream): (Part, Upstream),
    pair: &mut [Contestant],
    (round, connections): (usize, usize),
) -> Result<Turn> {
    let (warm_up, length) = (options.warm_up, options.length);
    let plan = Plan { connections, warm_up, length, pace: Pace::Closed };
    // Whoever comes second meets a warmer machine: they change places.
    let order = if round % 2 == 0 { [0, 1] } else { [1, 0] };
    let mut per_second = [0.0; 2];
    let mut resident: [Option<Resident>; 2] = [None; 2];
    for which in order {
        let contestant = pair.get_mut(which).context("both were started")?;
        let (report, _) = contestant.load(&plan).await?;
        per_second[which] = report.per_second();
        resident[which] = contestant.process.as_ref().map(Process::resident).transpose()?;
    }
    let [on_per_second, off_per_second] = per_second;
    let [on_resident, off_resident] = resident;
    let (part, upstream) = (part.name(), upstream.name());
    let ratio = on_per_second / off_per_second;
    say(&format!(
        "{part}: {upstream} x{connections} #{round}: on {on_per_second:.0}/s, off {off_per_second:.0}/s, {ratio:.3}"
    ));
    Ok(Turn {
        part,
        upstream,
        connections,
        round,
        on_per_second,
        off_per_second,
        on_resident,
        off_resident,
    })
}

/// Asks for the metrics as Prometheus does, for as long as it is let.
pub(crate) async fn scrape(address: SocketAddr) -> Result<()> {
    let mut due = interval(SCRAPE_EVERY);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        due.tick().await;
        let mut socket = ask(address, "/metrics?format=prometheus").await?;
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).await?;
        anyhow::ensure!(answer.starts_with(b"HTTP/1.1 200"), "a scrape was refused");
    }
}

/// Reads the live stream as a dashboard does, for as long as it is let.
pub(crate) async fn view(address: SocketAddr) -> Result<()> {
    let mut socket = ask(address, "/admin/live").await?;
    let mut answer = vec![0; 64 << 10];
    let first = socket.read(&mut answer).await?;
    anyhow::ensure!(answer[..first].starts_with(b"HTTP/1.1 200"), "the live stream was refused");
    while socket.read(&mut answer).await? > 0 {}
    anyhow::bail!("the live stream ended")
}

async fn ask(address: SocketAddr, path: &str) -> Result<TcpStream> {
    let mut socket = TcpStream::connect(address).await?;
    let head = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    socket.write_all(head.as_bytes()).await?;
    Ok(socket)
}
