//! More calls than the upstream can bear: launched by the clock, whatever the answers do, from
//! half of the capacity to three times as much.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use mcpo_testkit::load::{Pace, Plan, Refused, Swarm, Tally};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::chapter::{Over, Sheet, Target};
use crate::options::Options;
use crate::stage::{Echo, Look, Measured, Stage, call, closed, count};

/// The upstream works on so many calls at once.
const WORKERS: usize = 16;
/// Each takes it so long, in milliseconds; its capacity is 4,000 a second less what timers cost.
const SERVICE_MS: u64 = 4;
/// A caller waits so long, and says so with `X-Tool-Timeout`.
const IN_TIME: Duration = Duration::from_millis(250);
/// A caller goes away so long after it sent: an answer later than that is nobody's.
const PATIENCE: Duration = Duration::from_secs(2);
/// Calls in flight at most; more would be the generator's failure and are told of as unsent.
const IN_FLIGHT_MAX: usize = 12_000;
/// Load over capacity.
const LOADS: [f64; 6] = [0.5, 0.8, 1.0, 1.5, 2.0, 3.0];
/// How the upstream behaves when it has too much.
const UPSTREAMS: [(&str, &str); 3] =
    [("says 503", "503"), ("says 429", "429"), ("queues without end", "endless")];
/// Before each load the upstream has answered so many calls in a row within that time, in
/// microseconds: no queue is left of the load before.
const SETTLED_CALLS: usize = 5;
const SETTLED_US: f64 = 50_000.0;
/// That takes so long at most.
const SETTLE_MAX: Duration = Duration::from_secs(60);
/// Of the calls that were due, so many may be off by the edges of the recorded time.
const SHARE_OFF_MAX: f64 = 0.02;

/// What mcpo was told of the upstream's capacity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    /// Nothing: it has to learn.
    Nothing,
    /// How many calls at once are any good.
    Bound,
}

/// What is filled as it goes.
struct Found {
    loads: Sheet,
    answers: Sheet,
    targets: Vec<Target>,
}

impl Told {
    const ALL: [Self; 2] = [Self::Nothing, Self::Bound];

    const fn name(self) -> &'static str {
        match self {
            Self::Nothing => "defaults",
            Self::Bound => "maxConcurrent",
        }
    }

    /// The server's timeout is that of the callers: one that comes for want of time counts.
    fn keys(self) -> Value {
        let timeout = IN_TIME.as_secs_f64();
        match self {
            Self::Nothing => json!({"timeout": timeout}),
            Self::Bound => json!({"timeout": timeout, "maxConcurrent": WORKERS}),
        }
    }
}

pub(crate) async fn measure(options: &Options) -> Result<(Vec<Sheet>, Vec<Target>)> {
    let mut found = Found::new();
    let upstreams = if options.smoke { &UPSTREAMS[..1] } else { &UPSTREAMS[..] };
    for (upstream, full) in upstreams {
        for told in Told::ALL {
            // To us 429 and 503 say the same: one row of it is enough.
            if (*full, told) == ("429", Told::Bound) {
                continue;
            }
            let (workers, service) = (WORKERS.to_string(), SERVICE_MS.to_string());
            let arguments = ["--workers", &workers, "--service-ms", &service, "--full", full];
            let echo = Echo::start(options, &arguments).await?;
            let stage = Stage::start(options, [echo.server(0, &told.keys())], &[]).await?;
            let place = (*upstream, told.name());
            found
                .study(options, place, &stage)
                .await
                .with_context(|| format!("an upstream that {upstream}, {}", told.name()))?;
        }
    }
    Ok((vec![found.loads, found.answers], found.targets))
}

/// Waits until what an earlier load left behind is done: the upstream's queue, and the rest that it
/// is given.
async fn settle(stage: &Stage) -> Result<()> {
    let callers = callers(stage);
    let deadline = Instant::now() + SETTLE_MAX;
    let mut in_a_row = 0;
    while in_a_row < SETTLED_CALLS {
        let (tally, _) = callers.once_each(1).await?;
        let is_idle = tally.good == 1 && tally.latency_us(1.0) <= SETTLED_US;
        in_a_row = if is_idle { in_a_row + 1 } else { 0 };
        ensure!(Instant::now() < deadline, "still busy {SETTLE_MAX:?} after its load: {tally:?}");
        sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// Callers who wait so long and no longer.
fn callers(stage: &Stage) -> Arc<Swarm> {
    let timeout = IN_TIME.as_secs_f64().to_string();
    let look = Look { headers: &[("x-tool-timeout", &timeout)], ..Look::default() };
    let mut swarm = Swarm::unshared(stage.address, vec![call(stage.address, "/s0/echo", look)]);
    (swarm.in_time, swarm.patience) = (Some(IN_TIME), PATIENCE);
    Arc::new(swarm)
}

// === impl Found ===

impl Found {
    fn new() -> Self {
        let labels = ["upstream", "mcpo is told", "load"];
        let columns = [
            ("due/s", 0),
            ("good/s", 0),
            ("x peak", 3),
            ("p50 ms", 1),
            ("p99 ms", 1),
            ("shed", 0),
            ("upstream's no", 0),
            ("late", 0),
            ("lost", 0),
            ("unsent", 0),
            ("generator late p99 us", 0),
        ];
        let title = "Goodput and latency of admitted calls (due by the clock, counted from then; capacity is closed loop)";
        let loads =
            Sheet::new(title, &labels, &columns).over(Over::Sum, &["lost", "unsent", "late"]);
        let labels = ["upstream", "mcpo is told", "load", "answer"];
        let columns = [("calls", 0), ("p99 us", 0), ("p99 us from sent", 0)];
        let answers = Sheet::new("Answers that were no, and how soon", &labels, &columns);
        Self { loads, answers, targets: Vec::new() }
    }

    async fn study(&mut self, options: &Options, place: (&str, &str), stage: &Stage) -> Result<()> {
        // Never more at once than there are workers: nothing is refused, and none is idle for long.
        let capacity = stage.load(&callers(stage), &closed(options, WORKERS)).await?;
        let capacity = capacity.tally.good_per_second();
        ensure!(capacity > 0.0, "it has no capacity");
        let mut found = Vec::new();
        for load in LOADS {
            settle(stage).await?;
            let pace = Pace::Open { per_second: capacity * load };
            let plan = Plan { pace, ..closed(options, IN_FLIGHT_MAX) };
            // What is learnt under one load is not to be forgotten: each begins with a second of it.
            let plan = Plan { warm_up: plan.warm_up.max(options.length / 2), ..plan };
            let measured = stage.load(&callers(stage), &plan).await?;
            check(&measured.tally, &plan)?;
            found.push((load, measured));
        }
        let peak = found.iter().map(|(_, one)| one.tally.good_per_second()).fold(0.0, f64::max);
        for (load, measured) in &found {
            self.note(place, (*load, capacity * load), measured, peak);
        }
        self.judge(place, peak);
        Ok(())
    }

    fn note(
        &mut self,
        (upstream, told): (&str, &str),
        (load, due): (f64, f64),
        measured: &Measured,
        peak: f64,
    ) {
        let tally = &measured.tally;
        let load = format!("{load} x");
        let (mut shed, mut no) = (0, 0);
        for Refused { why, calls, due_p99_us, sent_p99_us } in tally.refused() {
            *(if is_shed(why) { &mut shed } else { &mut no }) += calls;
            let labels = [upstream, told, &load, why];
            let values = [Some(count(calls)), Some(due_p99_us), Some(sent_p99_us)];
            self.answers.note(&labels, 0, &values);
        }
        let good = tally.good_per_second();
        // Of nothing there is no latency.
        let any = tally.good + tally.late > 0;
        let latency_ms = |quantile| any.then(|| tally.latency_us(quantile) / 1e3);
        let values = [
            Some(due),
            Some(good),
            Some(good / peak),
            latency_ms(0.5),
            latency_ms(0.99),
            Some(count(shed)),
            Some(count(no)),
            Some(count(tally.late)),
            Some(count(tally.lost())),
            Some(count(tally.unsent)),
            Some(tally.lateness_us(0.99)),
        ];
        self.loads.note(&[upstream, told, &load], 0, &values);
    }

    fn judge(&mut self, (upstream, told): (&str, &str), peak: f64) {
        let value = |load, column| self.loads.value(&[upstream, told, load], column);
        let goodput = value("3 x", "good/s").map(|good| good / peak);
        let slower = value("3 x", "p99 ms").zip(value("0.8 x", "p99 ms"));
        let fastest_no = self.answers.samples.iter().filter(|sample| {
            let [of, by, load, why] = sample.labels.as_slice() else { return false };
            // Who waited in the queue for its turn was told when it was over; others at once.
            (of.as_str(), by.as_str(), load.as_str()) == (upstream, told, "3 x")
                && is_shed(why)
                && !why.ends_with("too_late")
        });
        let shed_ms =
            fastest_no.filter_map(|sample| sample.values[2]).reduce(f64::max).map(|us| us / 1e3);
        let what = format!("{upstream}, {told}:");
        self.targets.extend([
            Target::at_least(&format!("{what} goodput at 3 x beside the peak"), 0.9, " x", goodput),
            Target::at_most(
                &format!("{what} p99 of admitted calls at 3 x beside that at 0.8 x"),
                3.0,
                " x",
                slower.map(|(much, usual)| much / usual),
            ),
            Target::at_most(
                &format!("{what} p99 of an answer that sheds at once"),
                1.0,
                " ms",
                shed_ms,
            ),
        ]);
    }
}

/// Whether we turned it away before the upstream had it.
fn is_shed(why: &str) -> bool {
    mcpo_reasons().any(|reason| why.ends_with(reason))
}

/// The names of the reasons for which a call is turned away, as they stand in answers.
fn mcpo_reasons() -> impl Iterator<Item = &'static str> {
    [
        "process_full",
        "process_slow",
        "server_full",
        "too_late",
        "identity_full",
        "rate_limited",
        "overloaded",
    ]
    .into_iter()
}

/// Every call that was due was launched or is told of as unsent, and came to exactly one thing.
fn check(tally: &Tally, plan: &Plan) -> Result<()> {
    let Pace::Open { per_second } = plan.pace else { return Ok(()) };
    let due = per_second * plan.length.as_secs_f64();
    let told = count(tally.sent() + tally.unsent);
    ensure!(
        (told - due).abs() <= (due * SHARE_OFF_MAX).max(2.0),
        "{due:.0} calls were due and {told} are accounted for"
    );
    ensure!(tally.launched_calls() == tally.sent(), "{tally:?} does not add up");
    Ok(())
}
