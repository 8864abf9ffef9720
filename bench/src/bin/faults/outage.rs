//! Trouble that lasts: an upstream that is killed over and over, and one that is away for half a
//! minute under load. How much a dead upstream is asked, how fast calls fail meanwhile, and how
//! soon everything is as it was.

use std::time::Duration;

use anyhow::{Context, Result};
use mcpo_testkit::faults::{
    Class, Count, DEADLINE, End, Record, Stage, Steady, Way as Road, quantile, script,
};
use mcpo_testkit::{Request, Requests, ScriptedChild, Step, Weather, What, now_ns};
use serde::Serialize;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::options::Options;
use crate::say;

/// How often the child is killed.
const KILL_EVERY: Duration = Duration::from_secs(10);
/// Load before and after.
const HEALTHY: Duration = Duration::from_secs(3);
/// How long the load goes on after an outage.
const AFTER: Duration = Duration::from_secs(15);
/// While an outage is younger than this it may be a restart, for which calls wait.
const BRIDGED: Duration = Duration::from_secs(12);
/// What a call keeps the upstream busy for; one at a time.
const WORK_MS: u64 = 5;
/// How many calls at once find out what the upstream can bear.
const CALLERS: usize = 8;
/// For how long they do.
const CAPACITY_LENGTH: Duration = Duration::from_secs(2);
/// The share of it that the load is.
const SHARE: f64 = 0.8;
/// Whether all is as it was is judged by parts of this length.
const WINDOW_NS: u64 = 250_000_000;
/// How much slower than before the median of such a part may be.
const SLOWER: f64 = 1.5;

/// What a minute of kills came to.
#[derive(Debug, Serialize)]
pub(crate) struct Kills {
    pub(crate) kills: usize,
    pub(crate) seconds: f64,
    pub(crate) read: Count,
    pub(crate) write: Count,
    pub(crate) duplicated: usize,
}

/// How an upstream is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Nobody listens.
    Refused,
    /// Every request is reset.
    Reset,
    /// Every request is swallowed.
    Swallowed,
}

/// What an outage came to.
#[derive(Debug, Serialize)]
pub(crate) struct Outage {
    pub(crate) how: &'static str,
    pub(crate) seconds: f64,
    pub(crate) load_per_second: f64,
    /// Calls that came in while it lasted.
    pub(crate) calls: usize,
    /// Requests that somebody carried to the upstream meanwhile, in vain.
    pub(crate) carried: u64,
    /// The one divided by the other.
    pub(crate) amplification: f64,
    /// Latency of the calls that came in when it was no restart any more.
    pub(crate) fail_fast_p50_ms: Option<f64>,
    pub(crate) fail_fast_p99_ms: Option<f64>,
    /// From its end until all calls were right and as fast as before; `None` is never.
    pub(crate) baseline_after_s: Option<f64>,
    pub(crate) lost: usize,
    pub(crate) duplicated: usize,
}

impl Way {
    pub(crate) const ALL: [Self; 3] = [Self::Refused, Self::Reset, Self::Swallowed];

    const fn name(self) -> &'static str {
        match self {
            Self::Refused => "connections refused",
            Self::Reset => "requests reset",
            Self::Swallowed => "requests swallowed",
        }
    }

    async fn begin(self, stage: &mut Stage) -> Result<()> {
        let proxy = stage.proxy()?;
        match self {
            Self::Refused => {
                proxy.refuse().await;
                proxy.reset_existing();
            }
            Self::Reset => proxy.set(Weather { requests: Requests::Reset, ..Weather::default() }),
            Self::Swallowed => {
                proxy.set(Weather { requests: Requests::Swallow, ..Weather::default() });
            }
        }
        Ok(())
    }

    async fn end(self, stage: &mut Stage) -> Result<()> {
        let proxy = stage.proxy()?;
        proxy.set(Weather::default());
        proxy.listen().await
    }
}

/// Kills a child every ten seconds under load.
pub(crate) async fn kills(options: &Options) -> Result<Kills> {
    let scripts = [script("victim"), script("neighbour")];
    let stage = Stage::with(scripts, Road::Stdio, options.ours()).await?;
    let rates = [(Class::Read, 100.0), (Class::Write, 50.0)];
    let load = Steady::start(&stage.url(""), &rates, DEADLINE + Duration::from_secs(1));
    let begin = Instant::now();
    let length = Duration::from_secs(options.outage_seconds * 2);
    let mut kills = 0;
    while begin.elapsed() + KILL_EVERY <= length {
        sleep(KILL_EVERY).await;
        ScriptedChild::newest(&stage.victim.journal)?.kill()?;
        kills += 1;
        say(&format!("killed the {kills}. time"));
    }
    sleep(HEALTHY).await;
    let seconds = begin.elapsed().as_secs_f64();
    let records = load.finish().await;
    let (read, write) = (Count::of(&records, Class::Read), Count::of(&records, Class::Write));
    let duplicated = Count::duplicated(&records, Class::Write, &stage.victim.journal)?;
    Ok(Kills { kills, seconds, read, write, duplicated })
}

/// Takes the upstream away under load, and gives it back.
pub(crate) async fn outage(options: &Options, way: Way) -> Result<Outage> {
    let turns = vec![vec![Step::Work(WORK_MS)]];
    let victim = script("victim").on_call("read", turns.clone()).on_call("write", turns);
    let mut stage = Stage::with([victim, script("neighbour")], Road::Http, options.ours()).await?;
    let per_second = SHARE * capacity(&stage.url("/victim/read")).await?;
    say(&format!("{}: {per_second:.0} calls per second", way.name()));
    let rates = [(Class::Read, per_second * 2.0 / 3.0), (Class::Write, per_second / 3.0)];
    let load = Steady::start(&stage.url(""), &rates, DEADLINE + Duration::from_secs(1));
    sleep(HEALTHY).await;
    let withheld = stage.proxy()?.withheld();
    let broken = now_ns();
    way.begin(&mut stage).await?;
    sleep(Duration::from_secs(options.outage_seconds)).await;
    let healed = now_ns();
    let carried = stage.proxy()?.withheld() - withheld + received(&stage, broken, healed)?;
    way.end(&mut stage).await?;
    sleep(AFTER).await;
    let records = load.finish().await;
    let calls = due(&records, broken, healed).count();
    let bridged = u64::try_from(BRIDGED.as_nanos())?.min((healed - broken) / 2);
    let late: Vec<f64> = due(&records, broken + bridged, healed).map(took_ms).collect();
    let lost = records.iter().filter(|record| record.end == End::Nothing).count();
    Ok(Outage {
        how: way.name(),
        seconds: seconds(healed - broken),
        load_per_second: per_second,
        calls,
        carried,
        amplification: f64::from(u32::try_from(carried)?) / f64::from(u32::try_from(calls)?.max(1)),
        fail_fast_p50_ms: quantile(&late, 0.5),
        fail_fast_p99_ms: quantile(&late, 0.99),
        baseline_after_s: baseline_after(&records, broken, healed),
        lost,
        duplicated: Count::duplicated(&records, Class::Write, &stage.victim.journal)?,
    })
}

/// Calls per second that the upstream bears.
async fn capacity(url: &str) -> Result<f64> {
    let begin = Instant::now();
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let request = Request::post(url).json(&json!({"key": format!("capacity-{caller}")}));
        callers.spawn(async move {
            let mut calls = 0_u32;
            while begin.elapsed() < CAPACITY_LENGTH {
                let reply = request.clone().send().await?;
                anyhow::ensure!(reply.status == 200, "a healthy upstream answered {reply}");
                calls += 1;
            }
            anyhow::Ok(calls)
        });
    }
    let mut sum = 0;
    while let Some(calls) = callers.join_next().await {
        sum += calls.context("a caller's task")??;
    }
    Ok(f64::from(sum) / begin.elapsed().as_secs_f64())
}

fn received(stage: &Stage, from: u64, to: u64) -> Result<u64> {
    let entries = stage.victim.journal.entries()?;
    let calls = entries.iter().filter(|entry| entry.what == What::Received);
    Ok(calls.filter(|entry| (from..to).contains(&entry.at_ns)).count().try_into()?)
}

fn due(records: &[Record], from: u64, to: u64) -> impl Iterator<Item = &Record> {
    records.iter().filter(move |record| (from..to).contains(&record.due_ns))
}

#[expect(clippy::cast_precision_loss, reason = "nanoseconds of a run are below 2^52")]
fn took_ms(record: &Record) -> f64 {
    record.done_ns.saturating_sub(record.due_ns) as f64 / 1e6
}

#[expect(clippy::cast_precision_loss, reason = "nanoseconds of a run are below 2^52")]
fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

/// The end of the last part after the outage that had an error or was slower than before it.
fn baseline_after(records: &[Record], broken: u64, healed: u64) -> Option<f64> {
    // The first second is the load's own beginning.
    let before: Vec<f64> = due(records, broken - 2_000_000_000, broken).map(took_ms).collect();
    let bearable = SLOWER * quantile(&before, 0.99)?;
    let end = records.iter().map(|record| record.due_ns).max()?;
    let windows = (end - healed) / WINDOW_NS;
    let mut bad_until = 0;
    for window in 0..windows {
        let (from, to) = (healed + window * WINDOW_NS, healed + (window + 1) * WINDOW_NS);
        let times: Vec<f64> = due(records, from, to).map(took_ms).collect();
        let right = due(records, from, to).all(|record| record.end == End::Right);
        if !right || quantile(&times, 0.5).is_some_and(|median| median > bearable) {
            bad_until = window + 1;
        }
    }
    (bad_until < windows).then(|| seconds(bad_until * WINDOW_NS))
}
