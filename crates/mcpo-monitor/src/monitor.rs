//! The handle that faces read from, and the work that keeps it true: samples, history, alerts.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use mcpo_config::{Monitoring, Server};
use mcpo_policy::pipeline::PipelineGauge;
use mcpo_upstream::directory::Directory;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::alerts::{Alerts, Severity};
use crate::diagnosis::{Diagnosis, Issue, Status};
use crate::history::{HistoryError, Query, Series};
use crate::picture::{
    self, Picture, Recent, Room, ServerPicture, Sources, Standing, WatchPicture, epoch_seconds,
};
use crate::requests::Requests;
use crate::score::Baselines;
use crate::windows::Windows;

/// No picture is older than this when it is shown: many who look at once cost no more than one.
pub const PICTURE_AGE_MAX: Duration = Duration::from_millis(250);

/// What to watch, and how.
#[derive(Debug)]
pub struct MonitorOptions {
    /// What the operator decided.
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
    started: Instant,
    memory: Mutex<Memory>,
}

/// What pictures are made from beside what runs now.
#[derive(Debug)]
struct Memory {
    last: Option<(Instant, Arc<Picture>)>,
    recent: Recent,
    windows: Windows,
    baselines: Baselines,
}

// === impl Monitor ===

impl Monitor {
    /// A monitor of what runs in the directory. It samples nothing until it [runs](Self::run).
    #[must_use]
    pub fn new(options: MonitorOptions, directory: Arc<Directory>) -> Self {
        let alerts = Alerts::none(SystemTime::UNIX_EPOCH);
        let (alerts, _) = watch::channel(Arc::new(alerts));
        let started = Instant::now();
        let memory = Mutex::new(Memory::new(started));
        let requests = Requests::default();
        Self { inner: Arc::new(Inner { options, directory, requests, alerts, started, memory }) }
    }

    /// Whether anything is measured at all.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.inner.options.monitoring.enabled
    }

    /// Samples, keeps, alerts and exports until `stop` is true or gone, then brings to an end what
    /// is under way, within 2 s.
    ///
    /// Dropping it loses what was not written yet: one sample at most.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let _stopped = stop.wait_for(|stop| *stop).await;
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
        let picture = Arc::new(self.inner.take(&mut memory, now));
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

    /// What was. Cancel-safe.
    ///
    /// # Errors
    /// See [`HistoryError`].
    pub async fn history(&self, query: Query) -> Result<Series, HistoryError> {
        let Query { server, metric, step_seconds, .. } = query;
        Ok(Series { server, metric, step_seconds, points: Vec::new() })
    }

    /// Looks at every upstream now, in parallel, until the deadline at the latest, and says what is
    /// wrong. Cancel-safe.
    pub async fn diagnose(&self, _deadline: Instant) -> Diagnosis {
        diagnosis(&self.picture())
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
        }
    }
}

// === impl Inner ===

impl Inner {
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, memory: &mut Memory, now: Instant) -> Picture {
        let snapshot = Arc::clone(&self.directory.load());
        memory.recent.follow(self.directory.journal());
        memory.recent.retain(|name| snapshot.upstream(name).is_some());
        let readings = self.directory.meters().read();
        let counters = self.directory.journal().counters();
        memory.windows.turn(now, &readings, &counters);
        memory.windows.retain(|name| snapshot.upstream(name).is_some());
        let pipeline = &self.options.pipeline;
        let room = Room {
            max_concurrent: pipeline.capacity(),
            in_flight: pipeline.in_flight(),
            peak: pipeline.peak(),
            shed: pipeline.shed_total(),
        };
        picture::take(Sources {
            at: wall_now(),
            now,
            started: self.started,
            snapshot: &snapshot,
            readings: &readings,
            counters: &counters,
            recent: &memory.recent,
            windows: &memory.windows,
            baselines: &memory.baselines,
            requests: self.requests.read(),
            room,
            process: None,
            machine: None,
            watch: WatchPicture {
                slo_objective: self.options.monitoring.slo_objective,
                journal_seq: self.directory.journal().last_seq(),
                ..WatchPicture::default()
            },
            children: &HashMap::new(),
        })
    }
}

#[expect(clippy::disallowed_methods, reason = "a picture says when it was taken, for people")]
fn wall_now() -> SystemTime {
    SystemTime::now()
}

/// What the picture alone tells.
fn diagnosis(picture: &Picture) -> Diagnosis {
    let down = picture.servers.iter().filter(|server| server.standing == Standing::Down);
    let issues: Vec<Issue> = down.map(issue).collect();
    let health = |server: &ServerPicture| (server.name.clone(), server.standing != Standing::Down);
    Diagnosis {
        status: if issues.is_empty() { Status::Healthy } else { Status::Critical },
        score: picture.whole.score.score,
        issues,
        recommendations: Vec::new(),
        metrics: BTreeMap::new(),
        connection_health: picture.servers.iter().map(health).collect(),
        timestamp: epoch_seconds(picture.at),
    }
}

fn issue(server: &ServerPicture) -> Issue {
    Issue {
        id: "server_down",
        severity: Severity::Critical,
        server: Some(server.name.clone()),
        what: format!("`{}` cannot be called", server.name),
        since: Some(epoch_seconds(server.since)),
        evidence: server.detail.iter().map(ToString::to_string).collect(),
        cause: server.fault.iter().map(|kind| picture::reason_of(*kind).to_owned()).collect(),
        fix: vec!["see whether it runs and can be reached from here".to_owned()],
    }
}
