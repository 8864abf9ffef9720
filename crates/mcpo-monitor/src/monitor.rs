//! The handle that faces read from, and the work that keeps it true: samples, history, alerts.

mod facts;
mod frames;
mod keep;
#[cfg(test)]
pub(crate) mod play;
mod reads;
mod sampler;
mod shared;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use mcpo_config::{Monitoring, Server};
use mcpo_policy::pipeline::PipelineGauge;
use mcpo_upstream::clock::Clock;
use mcpo_upstream::directory::Directory;
use mcpo_upstream::meter::UpstreamReading;
use tokio::sync::{OnceCell, watch};
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use crate::alerts::Alerts;
use crate::diagnosis::{self, Diagnosis, LATELY, check};
use crate::history::{HistoryError, KeptEvent, Query, Series, Store};
use crate::otlp::{self, Exporter, Tracer};
use crate::picture::{self, Picture, Recent, Room, Sources, WatchPicture};
use crate::requests::Requests;
#[cfg(test)]
use crate::resources::Sampled;
use crate::resources::{MachineSample, ProcessSample};
use crate::score::Baselines;
use crate::windows::{Loads, Windows};
use frames::Framer;
use keep::Memories;
use reads::Reads;
use shared::Shared;

/// No picture is older than this when it is shown: many who look at once cost no more than one.
pub const PICTURE_AGE_MAX: Duration = Duration::from_millis(250);

/// What to watch, and how.
#[derive(Debug)]
pub struct MonitorOptions {
    /// What the operator decided; see also [`Monitor::reconfigure`].
    pub monitoring: Monitoring,
    /// The port that we listen on; 0 in tests that listen on none.
    pub port: u16,
    /// What is configured: the diagnosis looks at the endpoints itself.
    pub servers: watch::Receiver<Arc<Vec<Server>>>,
    /// How full the pipeline is.
    pub pipeline: Arc<PipelineGauge>,
}

/// Reads what is known. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Monitor {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    options: MonitorOptions,
    directory: Arc<Directory>,
    requests: Requests,
    alerts: watch::Sender<Arc<Alerts>>,
    /// As the operator wants it by now.
    wanted: watch::Sender<Arc<Monitoring>>,
    started: Instant,
    clock: Clock,
    memory: Mutex<Memory>,
    tracer: Option<Tracer>,
    /// Opened when it is needed first.
    store: OnceCell<Arc<Store>>,
    reads: Reads,
    shared: Shared,
}

/// What pictures are made from beside what runs now.
#[derive(Debug)]
struct Memory {
    last: Option<(Instant, Arc<Picture>)>,
    recent: Recent,
    windows: Windows,
    baselines: Baselines,
    resources: Resources,
    /// What the history knew was taken in.
    has_remembered: bool,
    framer: Framer,
    /// Entries of the journal up to this one are in the history.
    kept_seq: u64,
    /// Until it runs.
    exporter: Option<Exporter>,
    /// What is used, where that is made up.
    #[cfg(test)]
    told: Option<Sampled>,
}

/// What was used when it was looked at last.
#[derive(Debug, Default)]
struct Resources {
    process: Option<ProcessSample>,
    machine: Option<MachineSample>,
    /// By upstream.
    children: HashMap<String, ProcessSample>,
}

// === impl Monitor ===

impl Monitor {
    /// A monitor of what runs in the directory. It samples nothing until it [runs](Self::run).
    #[must_use]
    pub fn new(options: MonitorOptions, directory: Arc<Directory>) -> Self {
        Self::with_clock(options, directory, Clock::default())
    }

    fn with_clock(options: MonitorOptions, directory: Arc<Directory>, clock: Clock) -> Self {
        let started = Instant::now();
        let otlp = options.monitoring.otlp.clone().filter(|_| options.monitoring.enabled);
        let (tracer, exporter) = otlp.map(otlp::pair).unzip();
        let wanted = watch::Sender::new(Arc::new(options.monitoring.clone()));
        let inner = Inner {
            options,
            directory,
            requests: Requests::default(),
            alerts: watch::Sender::new(Arc::new(Alerts::none(SystemTime::UNIX_EPOCH))),
            wanted,
            started,
            clock,
            memory: Mutex::new(Memory { exporter, ..Memory::new(started) }),
            tracer: tracer.flatten(),
            store: OnceCell::new(),
            reads: Reads::new(),
            shared: Shared::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Whether anything is measured at all.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.inner.options.monitoring.enabled
    }

    /// From now on calls are held to what this says, and alerts are as it says; the rest of it
    /// takes a restart.
    pub fn reconfigure(&self, monitoring: &Monitoring) {
        let new = self.inner.options.monitoring.reloaded(monitoring);
        self.inner.wanted.send_if_modified(|wanted| {
            let differs = **wanted != new;
            if differs {
                *wanted = Arc::new(new);
            }
            differs
        });
    }

    /// Where calls tell their spans; `None` where no traces are sent.
    #[must_use]
    pub fn tracer(&self) -> Option<&Tracer> {
        self.inner.tracer.as_ref()
    }

    /// Samples, keeps, alerts and exports until `stop` is true or gone, then brings to an end what is under
    /// way, within 2 s.
    ///
    /// Dropping it loses what was not written yet: one sample at most. It may be run again after
    /// that, then without exporting.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        if self.is_enabled() {
            sampler::run(self, stop).await;
        } else {
            let _stopped = stop.wait_for(|stop| *stop).await;
        }
    }

    /// All that is known, at most [`PICTURE_AGE_MAX`] old.
    #[must_use]
    pub fn picture(&self) -> Arc<Picture> {
        let now = Instant::now();
        let mut memory = self.inner.memory();
        if let Some((taken, picture)) = &memory.last
            && now.saturating_duration_since(*taken) <= PICTURE_AGE_MAX
        {
            return Arc::clone(picture);
        }
        let readings = self.inner.directory.meters().read();
        let picture = Arc::new(self.inner.take(&mut memory, now, readings));
        memory.last = Some((now, Arc::clone(&picture)));
        picture
    }

    /// Where the surface counts requests.
    #[must_use]
    pub fn requests(&self) -> &Requests {
        &self.inner.requests
    }

    /// What the alerts are, and changes of it.
    #[must_use]
    pub fn alerts(&self) -> watch::Receiver<Arc<Alerts>> {
        self.inner.alerts.subscribe()
    }

    /// What was; few read at once, and more wait. Cancel-safe.
    ///
    /// # Errors
    /// See [`HistoryError`].
    pub async fn history(&self, query: Query) -> Result<Series, HistoryError> {
        let store = self.store().await;
        let read = self.inner.reads.read(move || store.query(&query)).await;
        // A panic was told.
        read.unwrap_or_else(|broken| Err(HistoryError::Unreadable(Box::new(broken))))
    }

    /// The newest events from one time to another that are kept, oldest first, of one upstream or
    /// of all; at most `limit`, within the history's own bound. None where they cannot be read.
    /// Cancel-safe.
    pub async fn events(
        &self,
        (from, to): (SystemTime, SystemTime),
        server: Option<String>,
        limit: usize,
    ) -> Vec<KeptEvent> {
        let store = self.store().await;
        let read = move || store.events(from, to, server.as_deref(), limit);
        self.inner.reads.read(read).await.unwrap_or_default()
    }

    /// Looks at the upstreams that are worth a look, in parallel, until the deadline at the latest,
    /// and says what is wrong. What was looked at within the last five seconds is not looked at
    /// again. Cancel-safe: dropping it leaves neither a process nor a connection behind.
    pub async fn diagnose(&self, deadline: Instant) -> Diagnosis {
        let mut facts = facts::facts(self).await;
        facts.chains = self.inner.shared.look(check::wanted(&facts), deadline).await;
        // With many upstreams and a long journal it takes some milliseconds.
        let diagnosed = spawn_blocking(move || diagnosis::diagnose(&facts)).await;
        diagnosed.expect("rules do not panic")
    }

    /// The history, which is opened now if it was not before.
    async fn store(&self) -> Arc<Store> {
        let options = &self.inner.options;
        let open = async {
            let directory = options.monitoring.state.directory(options.port);
            let opened = spawn_blocking(move || keep::open(directory)).await;
            // One that panics over its own files must not take the rest with it.
            Arc::new(opened.unwrap_or_else(|_| keep::open(None)))
        };
        Arc::clone(self.inner.store.get_or_init(|| open).await)
    }

    /// Takes from the history what is to be known from the start.
    async fn remember(&self, store: &Arc<Store>) {
        let (store, now) = (Arc::clone(store), self.inner.clock.now());
        match spawn_blocking(move || keep::remember(&store, now)).await {
            Ok(Ok(memories)) => self.inner.memory().take(memories),
            Ok(Err(error)) => tracing::warn!(%error, "the past is not known"),
            // A panic was told.
            Err(_broken) => {}
        }
    }
}

// === impl Memory ===

impl Memory {
    fn new(started: Instant) -> Self {
        Self {
            last: None,
            recent: Recent::default(),
            windows: Windows::new(started),
            baselines: Baselines::default(),
            resources: Resources::default(),
            has_remembered: false,
            framer: Framer::default(),
            kept_seq: 0,
            exporter: None,
            #[cfg(test)]
            told: None,
        }
    }

    fn take(&mut self, memories: Memories) {
        if std::mem::replace(&mut self.has_remembered, true) {
            return;
        }
        self.baselines = memories.usual;
        for (name, calls) in &memories.calls {
            for (ago, tally) in calls {
                self.windows.seed(name, *ago, *tally);
            }
        }
    }
}

// === impl Inner ===

impl Inner {
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A picture of this moment, for the work of the monitor itself, which asks of no tool how long
    /// its calls took. None is kept: while nobody looks, none takes up room.
    fn fresh(&self) -> Arc<Picture> {
        let mut memory = self.memory();
        memory.last = None;
        let readings = self.directory.meters().read_briefly();
        Arc::new(self.take(&mut memory, Instant::now(), readings))
    }

    fn take(&self, memory: &mut Memory, now: Instant, readings: Vec<UpstreamReading>) -> Picture {
        let snapshot = Arc::clone(&self.directory.load());
        let journal = self.directory.journal();
        let counters = journal.counters();
        memory.recent.follow(journal);
        let pipeline = &self.options.pipeline;
        let (shed, cache) = (pipeline.shed(), pipeline.cache());
        memory.windows.turn(now, &readings, &counters, Loads { shed, cache: &cache });
        memory.recent.retain(|name| snapshot.upstream(name).is_some());
        let store = self.store.get();
        let room = Room {
            max_concurrent: pipeline.capacity(),
            in_flight: pipeline.in_flight(),
            peak: pipeline.peak(),
            shed,
        };
        picture::take(Sources {
            at: self.clock.now(),
            now,
            started: self.started,
            snapshot: &snapshot,
            readings,
            counters: &counters,
            recent: &memory.recent,
            windows: &memory.windows,
            baselines: &memory.baselines,
            requests: self.requests.read(),
            room,
            cache: &cache,
            process: memory.resources.process,
            machine: memory.resources.machine,
            children: &memory.resources.children,
            watch: WatchPicture {
                slo_objective: self.wanted.borrow().slo_objective,
                journal_seq: journal.last_seq(),
                history_bytes: store.map(|store| store.bytes()),
                history_errors: store.map_or(0, |store| store.failures()),
                is_history_troubled: store.is_some_and(|store| store.is_troubled(LATELY)),
            },
        })
    }
}

#[cfg(test)]
mod tests;
