//! Eight servers under constant load, one of which hangs in every other turn: what the others feel.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use mcpo_testkit::load::{Pace, Plan, Swarm, Tally};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::chapter::{Over, Sheet, Target};
use crate::options::Options;
use crate::stage::{Echo, Look, Stage, call, closed, count, together};

/// Servers, the last of which hangs.
const SERVERS: usize = 8;
/// Calls a second of all of them; well below what the machine bears, so that nothing but the hung
/// one disturbs.
const PER_SECOND: f64 = 4000.0;
/// The same in a debug build, where only counts are looked at.
const PER_SECOND_SMOKE: f64 = 400.0;
/// A call may take so long, of any server: what hangs holds its places for that time.
const TIMEOUT: Duration = Duration::from_secs(2);
/// Turns with and without, each of twice the usual time, so that the hung one's calls pile up.
const TURNS_TIMES: usize = 4;
/// Calls in flight at most.
const IN_FLIGHT_MAX: usize = 8000;
/// How long until the healed one may be called again, at most.
const HEAL_MAX: Duration = Duration::from_secs(60);

pub(crate) async fn measure(options: &Options) -> Result<(Vec<Sheet>, Vec<Target>)> {
    let echo = Echo::start(options, &[]).await?;
    let keys = json!({"timeout": TIMEOUT.as_secs_f64()});
    let stage =
        Stage::start(options, (0..SERVERS).map(|server| echo.server(server, &keys)), &[]).await?;
    let swarm = callers(&stage);
    let columns = [
        ("good/s", 0),
        ("p50 us", 0),
        ("p99 us", 0),
        ("p99.9 us", 0),
        ("x without", 3),
        ("refused", 0),
        ("lost", 0),
        ("unsent", 0),
    ];
    let title = "Seven servers beside one that accepts calls and never answers (open loop)";
    let mut sheet = Sheet::new(title, &["turn", "of"], &columns)
        .over(Over::Sum, &["refused", "lost", "unsent"]);
    for round in 0..options.turns(TURNS_TIMES) {
        let mut without = None;
        // Whoever comes second meets a warmer machine: they change places.
        let order = if round % 2 == 0 { [false, true] } else { [true, false] };
        let mut found = Vec::new();
        for hangs in order {
            found.push((hangs, turn(options, &echo, &swarm, hangs).await?));
        }
        found.sort_by_key(|(hangs, _)| *hangs);
        for (hangs, tallies) in &found {
            let (others, last) = tallies.split_at(SERVERS - 1);
            let others = together(others).context("the others")?;
            let last = last.first().context("the last one")?;
            ensure!(others.wrong() + last.wrong() == 0, "wrong answers: {others:?}, {last:?}");
            let p99 = others.latency_us(0.99);
            let without = *without.get_or_insert(p99);
            let turn = if *hangs { "one hangs" } else { "all well" };
            sheet.note(&[turn, "the seven"], round, &values(&others, Some(p99 / without)));
            sheet.note(&[turn, "the eighth"], round, &values(last, None));
        }
    }
    let ratio = sheet.value(&["one hangs", "the seven"], "x without");
    let target = Target::at_most("p99 of the seven beside that without", 1.1, " x", ratio);
    Ok((vec![sheet], vec![target]))
}

fn values(tally: &Tally, ratio: Option<f64>) -> [Option<f64>; 8] {
    // Of what never answers there is no latency.
    let latency = |quantile| (tally.good > 0).then(|| tally.latency_us(quantile));
    [
        Some(tally.good_per_second()),
        latency(0.5),
        latency(0.99),
        latency(0.999),
        ratio,
        Some(count(tally.refusals())),
        Some(count(tally.lost())),
        Some(count(tally.unsent)),
    ]
}

/// Calls of all servers in turn, each in a group of its own.
fn callers(stage: &Stage) -> Arc<Swarm> {
    let calls = (0..SERVERS).map(|group| {
        call(stage.address, &format!("/s{group}/echo"), Look { group, ..Look::default() })
    });
    let mut swarm = Swarm::unshared(stage.address, calls.collect());
    swarm.patience = TIMEOUT + Duration::from_secs(3);
    Arc::new(swarm)
}

/// One turn; afterwards all are well again.
async fn turn(
    options: &Options,
    echo: &Echo,
    swarm: &Arc<Swarm>,
    hangs: bool,
) -> Result<Vec<Tally>> {
    let per_second = if options.smoke { PER_SECOND_SMOKE } else { PER_SECOND };
    let pace = Pace::Open { per_second };
    let plan = Plan { pace, length: options.length * 2, ..closed(options, IN_FLIGHT_MAX) };
    if hangs {
        echo.hang(Some(SERVERS - 1)).await?;
    }
    let tallies = swarm.run(&plan).await?;
    if hangs {
        echo.hang(None).await?;
        heal(swarm).await?;
    }
    Ok(tallies)
}

/// Waits until every server answers.
async fn heal(swarm: &Arc<Swarm>) -> Result<()> {
    let deadline = Instant::now() + HEAL_MAX;
    loop {
        // Each of so many connections calls the next server.
        let (tally, _) = swarm.once_each(SERVERS).await?;
        if tally.good == SERVERS as u64 {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!(
                "the server that hung cannot be called {HEAL_MAX:?} after it was healed: {tally:?}"
            );
        }
        sleep(Duration::from_millis(50)).await;
    }
}
