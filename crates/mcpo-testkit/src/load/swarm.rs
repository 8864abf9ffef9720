//! Load of many kinds of calls, told apart by what came of them: good, late, turned away and why.
//! In an open loop a call is launched when it is due whatever the answers to others do, on a
//! connection of its own if need be; its latency counts from when it was due.

mod tally;
mod wire;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use tally::Took;
pub use tally::{Kind, Refused, Tally};
use wire::{Line, Received};

use super::{Arrivals, Pace, Plan, Timer};

/// Digits of the number that makes a call differ from all others.
pub const NUMBER_DIGITS: usize = 12;
/// A caller waits for so long at most, unless the swarm says otherwise: longer than any deadline.
const PATIENCE_MAX: Duration = Duration::from_secs(90);
/// Connections are opened in turns of so many: less than the queue of a listener takes.
const OPENED_AT_ONCE_MAX: usize = 128;

/// One kind of call.
#[derive(Debug, Clone)]
pub struct Call {
    /// The whole request, head and body.
    pub request: Bytes,
    /// Where in the request [`NUMBER_DIGITS`] digits are written that no other call has; within the
    /// first [`Self::NUMBER_WITHIN`] bytes. `None`: it is sent as it is.
    pub number_at: Option<usize>,
    /// Which tally it is counted in.
    pub group: usize,
    /// What the body of a right answer (status 200) holds, the number before it, if there is one.
    pub expected: Bytes,
    /// The body of a right answer has so many bytes at least.
    pub bytes_min: usize,
}

/// Calls in turn, over and over.
#[derive(Debug)]
pub struct Swarm {
    /// Where to.
    pub address: SocketAddr,
    /// Whose turn it is goes round; never empty.
    pub calls: Vec<Call>,
    /// A right answer is good until so long after it was due, then late. `None`: always good.
    pub in_time: Option<Duration>,
    /// A caller goes away so long after it sent.
    pub patience: Duration,
    next: AtomicU64,
}

/// One run of it.
#[derive(Debug)]
struct Run {
    arrivals: Arrivals,
    tallies: Mutex<Vec<Tally>>,
    /// Open loop: connections that wait for a call; the last used one first.
    idle: Mutex<Vec<Line>>,
}

// === impl Call ===

impl Call {
    /// Within so many bytes from its start a request has its number.
    pub const NUMBER_WITHIN: usize = 4096;
}

// === impl Swarm ===

impl Swarm {
    /// Calls in turn to that address.
    #[must_use]
    pub fn new(address: SocketAddr, calls: Vec<Call>) -> Arc<Self> {
        Arc::new(Self::unshared(address, calls))
    }

    /// The same, still to be changed.
    #[must_use]
    pub const fn unshared(address: SocketAddr, calls: Vec<Call>) -> Self {
        Self { address, calls, in_time: None, patience: PATIENCE_MAX, next: AtomicU64::new(0) }
    }

    /// Runs the plan and waits for what is still in flight; a tally for each group. In an open loop
    /// the plan's connections are the most calls in flight: what is due beyond is told as unsent.
    /// Numbers of calls are never used again, nor in a later run. Cancel-safe: dropping it closes
    /// the connections.
    ///
    /// # Errors
    /// When no connection can be made to begin with.
    pub async fn run(self: &Arc<Self>, plan: &Plan) -> Result<Vec<Tally>> {
        let lines = match plan.pace {
            Pace::Closed => self.connect(plan.connections).await?,
            Pace::Open { .. } => self.connect(1).await?,
        };
        let groups = self.calls.iter().map(|call| call.group + 1).max().unwrap_or_default();
        let run = Arc::new(Run {
            arrivals: Arrivals::new(plan),
            tallies: Mutex::new((0..groups).map(|_| Tally::new(plan.length)).collect()),
            idle: Mutex::default(),
        });
        let mut tasks = JoinSet::new();
        match plan.pace {
            Pace::Closed => {
                for line in lines {
                    let (swarm, run) = (Arc::clone(self), Arc::clone(&run));
                    tasks.spawn(async move { swarm.keep_calling(line, &run).await });
                }
            }
            Pace::Open { .. } => {
                run.idle().extend(lines);
                self.launch(plan.connections, &run, &mut tasks).await?;
            }
        }
        while let Some(ended) = tasks.join_next().await {
            ended.context("a call's task")?;
        }
        drop(tasks);
        let run = Arc::into_inner(run).context("nobody runs any more")?;
        Ok(run.tallies.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// Sends the next call on each of so many connections at once, each once; for stampedes and for
    /// connections that are to stay open. The lines are given back with the tally of all.
    ///
    /// # Errors
    /// When a connection cannot be made.
    pub async fn once_each(self: &Arc<Self>, connections: usize) -> Result<(Tally, Held)> {
        let plan = Plan {
            connections,
            warm_up: Duration::ZERO,
            length: Duration::from_secs(1),
            pace: Pace::Closed,
        };
        let lines = self.connect(connections).await?;
        let groups = self.calls.iter().map(|call| call.group + 1).max().unwrap_or_default();
        let run = Arc::new(Run {
            arrivals: Arrivals::new(&plan),
            tallies: Mutex::new((0..groups).map(|_| Tally::new(plan.length)).collect()),
            idle: Mutex::default(),
        });
        let mut tasks = JoinSet::new();
        for mut line in lines {
            let (swarm, run) = (Arc::clone(self), Arc::clone(&run));
            tasks.spawn(async move {
                swarm.call(&mut line, Instant::now(), &run).await;
                line
            });
        }
        let mut held = Vec::with_capacity(connections);
        while let Some(line) = tasks.join_next().await {
            held.push(line.context("a call's task")?);
        }
        let mut all = Tally::new(plan.length);
        for tally in run.tallies().iter() {
            all.add(tally);
        }
        Ok((all, Held { _lines: held }))
    }

    /// Opens connections and sends nothing.
    ///
    /// # Errors
    /// When one cannot be made.
    pub async fn hold(&self, connections: usize) -> Result<Held> {
        Ok(Held { _lines: self.connect(connections).await? })
    }

    async fn connect(&self, connections: usize) -> Result<Vec<Line>> {
        let mut lines = Vec::with_capacity(connections);
        while lines.len() < connections {
            let turn = OPENED_AT_ONCE_MAX.min(connections - lines.len());
            let opened = (0..turn).map(|_| Line::open(self.address));
            lines.extend(
                futures_util::future::try_join_all(opened)
                    .await
                    .with_context(|| format!("open connection {}", lines.len()))?,
            );
        }
        Ok(lines)
    }

    async fn keep_calling(&self, mut line: Line, run: &Run) {
        let mut recorded = false;
        loop {
            let due = match run.arrivals.next() {
                Some(due) => due,
                // A call may have taken all of the recorded time: then the next one counts.
                None if !recorded => Instant::now(),
                None => break,
            };
            recorded |= due >= run.arrivals.recorded_from;
            self.call(&mut line, due, run).await;
        }
    }

    /// Launches each call when it is due.
    async fn launch(
        self: &Arc<Self>,
        in_flight_max: usize,
        run: &Arc<Run>,
        tasks: &mut JoinSet<()>,
    ) -> Result<()> {
        let timer = Timer::new()?;
        while let Some(due) = run.arrivals.next() {
            timer.until(due).await?;
            // The runtime looks at sockets between turns: who is behind would never look.
            tokio::task::consume_budget().await;
            while tasks.try_join_next().is_some() {}
            if tasks.len() >= in_flight_max {
                run.unsent(due);
                continue;
            }
            let line = run.idle().pop().unwrap_or_else(|| Line::closed(self.address));
            let (swarm, run) = (Arc::clone(self), Arc::clone(run));
            tasks.spawn(async move {
                let mut line = line;
                run.late(due);
                swarm.call(&mut line, due, &run).await;
                run.idle().push(line);
            });
        }
        Ok(())
    }

    /// Makes the next call and counts what comes of it.
    async fn call(&self, line: &mut Line, due: Instant, run: &Run) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let turn = usize::try_from(number).unwrap_or_default() % self.calls.len();
        let call = &self.calls[turn];
        let sent = Instant::now();
        let received = match timeout(self.patience, line.call(call, number)).await {
            Ok(Ok(received)) => received,
            Ok(Err(_)) => Received::broken(),
            Err(_) => Received::given_up(),
        };
        let took = Took { due: due.elapsed(), sent: sent.elapsed() };
        if received.ends {
            line.close();
        }
        if due >= run.arrivals.recorded_from {
            // An open loop has its rate from the clock, however late the last answer is.
            let is_closed = run.arrivals.interval.is_none();
            let after =
                if is_closed { run.arrivals.recorded_from.elapsed() } else { Duration::ZERO };
            run.tallies()[call.group].count(received.kind, (took, after), self.in_time);
        } else {
            run.tallies()[call.group].warm_up += 1;
        }
    }
}

// === impl Run ===

impl Run {
    fn tallies(&self) -> std::sync::MutexGuard<'_, Vec<Tally>> {
        self.tallies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Line>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One could not be launched. Whose turn it would have been does not matter: it is a failure of
    /// the generator, told with the first group.
    fn unsent(&self, due: Instant) {
        if due >= self.arrivals.recorded_from
            && let Some(tally) = self.tallies().first_mut()
        {
            tally.unsent += 1;
        }
    }

    fn late(&self, due: Instant) {
        if due >= self.arrivals.recorded_from
            && let Some(tally) = self.tallies().first_mut()
        {
            tally.launched(due.elapsed());
        }
    }
}

/// Connections that stay open until this is dropped.
#[derive(Debug)]
pub struct Held {
    _lines: Vec<Line>,
}
