//! The work of the monitor: looks at everything again and again, keeps what it sees, and tells of
//! what is wrong.
//!
//! ```text
//! each beat:    picture -> windows, alerts -> log, webhooks; events -> history
//! each sample:  processes and machine -> picture -> history, what is usual
//! each reload:  other rules and webhooks, which are looked at and told at once
//! ```
//!
//! What must not be done twice is in the monitor's memory: the work may be begun anew.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use mcpo_config::Monitoring;
use mcpo_upstream::directory::{LiveSession, Snapshot, Upstream};
use mcpo_upstream::journal::ENTRIES_MAX;
use tokio::sync::watch;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{MissedTickBehavior, interval};

use super::{Monitor, Resources, keep};
use crate::alerts::{Deliverer, Engine, Notice, deliver};
use crate::history::Store;
use crate::picture::Picture;
use crate::resources::{Reader, Sampled};

/// Alerts are looked at, and events kept, at least this often; a slot of the windows is twice as
/// long.
const BEAT_MAX: Duration = Duration::from_secs(5);

/// What the work needs.
#[derive(Debug)]
pub(super) struct Sampler {
    monitor: Monitor,
    store: Arc<Store>,
    engine: Engine,
    deliverer: Arc<Deliverer>,
    /// Away while it reads.
    reader: Option<Reader>,
    /// A sample is as many beats as it takes for none to be longer than [`BEAT_MAX`].
    beats_per_sample: u32,
    /// Beats so far.
    beats: u32,
}

/// Works until `stop` is true or gone.
pub(super) async fn run(monitor: Monitor, mut stop: watch::Receiver<bool>) {
    let options = &monitor.inner.options;
    let mut wanted = monitor.inner.wanted.subscribe();
    let monitoring = Arc::clone(&wanted.borrow_and_update());
    let instance = deliver::instance(options.port);
    let deliverer = Arc::new(Deliverer::new(monitoring.alerts.webhooks.clone(), &instance));
    let mut tasks = JoinSet::new();
    if let Some(exporter) = monitor.inner.memory().exporter.take() {
        let watched = monitor.clone();
        let look = move || (watched.picture(), Arc::clone(&watched.alerts().borrow()));
        tasks.spawn(exporter.run(look, stop.clone()));
    }
    let (delivering, delivering_stop) = (Arc::clone(&deliverer), stop.clone());
    tasks.spawn(async move { delivering.run(delivering_stop).await });
    let mut sampler = Sampler::new(monitor, Engine::new(&monitoring), deliverer).await;
    let mut beats = interval(sampler.interval() / sampler.beats_per_sample);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = until_stopped(&mut stop) => break,
            // The monitor, which the sampler has, holds the sender.
            Ok(()) = wanted.changed() => {
                let monitoring = Arc::clone(&wanted.borrow_and_update());
                sampler.reconfigure(&monitoring);
            }
            _at = beats.tick() => sampler.beat().await,
        }
    }
    sampler.end().await;
    while tasks.join_next().await.is_some() {}
}

async fn until_stopped(stop: &mut watch::Receiver<bool>) {
    // Gone is stopped.
    let _stopped = stop.wait_for(|stop| *stop).await;
}

// === impl Sampler ===

impl Sampler {
    async fn new(monitor: Monitor, engine: Engine, deliverer: Arc<Deliverer>) -> Self {
        let store = monitor.store().await;
        monitor.remember(&store).await;
        let options = &monitor.inner.options;
        let directory = options.monitoring.state.directory(options.port);
        let beats = options.monitoring.interval.as_secs_f64() / BEAT_MAX.as_secs_f64();
        let beats_per_sample = (beats.ceil() as u32).max(1);
        Self {
            engine,
            reader: Some(Reader::new(directory)),
            store,
            deliverer,
            beats_per_sample,
            beats: 0,
            monitor,
        }
    }

    fn interval(&self) -> Duration {
        self.monitor.inner.options.monitoring.interval
    }

    async fn beat(&mut self) {
        // Counted, since a beat that comes a little early must not make a sample one beat late.
        let is_sample = self.beats.is_multiple_of(self.beats_per_sample);
        self.beats = self.beats.wrapping_add(1);
        if is_sample {
            self.sample_resources().await;
        }
        let picture = self.monitor.inner.fresh();
        self.look(&picture);
        self.keep(is_sample.then_some(&*picture)).await;
    }

    /// What is an alert by the rules of before is over at once, and new webhooks are told of what
    /// fires.
    fn reconfigure(&mut self, monitoring: &Monitoring) {
        self.engine.reconfigure(monitoring);
        self.look(&self.monitor.inner.fresh());
        self.deliverer.replace(&monitoring.alerts.webhooks, &self.engine.told());
        self.show();
        tracing::info!("alerts are as the new configuration says");
    }

    /// What came since the last beat is not to be lost.
    async fn end(&mut self) {
        let picture = self.monitor.inner.fresh();
        self.keep(Some(&picture)).await;
    }

    async fn sample_resources(&mut self) {
        let snapshot = Arc::clone(&self.monitor.inner.directory.load());
        let Some(sampled) = self.read(&snapshot).await else { return };
        let name = |index: usize| snapshot.upstreams()[index].view.name.clone();
        let named = sampled.servers.into_iter().map(|(index, sample)| (name(index), sample));
        let resources = Resources {
            process: sampled.own,
            machine: sampled.machine,
            children: named.collect::<HashMap<_, _>>(),
        };
        self.monitor.inner.memory().resources = resources;
    }

    /// What is used; `None` where that cannot be read any more.
    async fn read(&mut self, snapshot: &Snapshot) -> Option<Sampled> {
        #[cfg(test)]
        if let Some(told) = self.monitor.inner.memory().told.clone() {
            return Some(told);
        }
        let mut reader = self.reader.take()?;
        let children: Vec<(usize, Vec<u32>)> =
            snapshot.upstreams().iter().map(processes).enumerate().collect();
        let read = spawn_blocking(move || {
            let sampled = reader.sample(&children);
            (reader, sampled)
        });
        // One that panicked has said so, and would again.
        let (reader, sampled) = read.await.ok()?;
        self.reader = Some(reader);
        Some(sampled)
    }

    fn look(&mut self, picture: &Picture) {
        let notices = self.engine.look(picture, picture.at);
        notices.iter().for_each(Notice::log);
        self.deliverer.tell(&notices);
        self.show();
    }

    /// Shows what the alerts are, and what the webhooks were told.
    fn show(&self) {
        let mut alerts = self.engine.alerts();
        alerts.webhooks = self.deliverer.states();
        self.monitor.inner.alerts.send_if_modified(|known| {
            let news = (&known.active, &known.resolved, &known.webhooks)
                != (&alerts.active, &alerts.resolved, &alerts.webhooks);
            *known = Arc::new(alerts);
            news
        });
    }

    /// Keeps the events that came, and the picture where one is to be kept.
    async fn keep(&mut self, picture: Option<&Picture>) {
        let (events, frame) = {
            let mut memory = self.monitor.inner.memory();
            let journal = self.monitor.inner.directory.journal();
            let entries = journal.entries(memory.kept_seq, None, ENTRIES_MAX);
            memory.kept_seq = entries.last().map_or(memory.kept_seq, |entry| entry.seq);
            let events: Vec<_> = entries.iter().filter_map(keep::kept).collect();
            let frame = picture.and_then(|picture| memory.framer.frame(picture));
            frame.iter().for_each(|frame| memory.baselines.follow(frame));
            (events, frame)
        };
        if events.is_empty() && frame.is_none() {
            return;
        }
        let (store, is_sample) = (Arc::clone(&self.store), frame.is_some());
        let written = spawn_blocking(move || {
            store.append_events(events);
            frame.into_iter().for_each(|frame| store.append(frame));
        });
        // A panic was told; the next sample may be kept.
        let _written = written.await;
        if is_sample {
            self.monitor.inner.shared.has_sample();
        }
    }
}

/// The processes that an upstream's sessions are spoken to in.
fn processes(upstream: &Upstream) -> Vec<u32> {
    let lives = upstream.view.sessions.iter().chain(&upstream.view.withheld);
    lives.filter_map(|live: &LiveSession| live.session.process_id()).collect()
}
