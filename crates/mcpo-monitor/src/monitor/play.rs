//! Upstreams in memory, kept by the real supervisor, calls to them as the meters see them, and a
//! monitor that runs, all in virtual time.

use std::future::ready;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use mcpo_config::{
    Endpoint, Era, Http, HttpKind, Monitoring, PoolSizes, Server, ServerName, StatePlace,
};
use mcpo_core::catalog::{CatalogPolicy, ServerIdentity};
use mcpo_core::fault::Stage;
use mcpo_core::trace::TraceContext;
use mcpo_mcp::answer::Answer;
use mcpo_mcp::custom::{BoxFuture, Custom, Dial, Wire};
use mcpo_mcp::endpoint;
use mcpo_mcp::error::{Cause, RequestError};
use mcpo_policy::pipeline::{Pipeline, PipelineOptions};
use mcpo_upstream::directory::{Directory, Upstream, View};
use mcpo_upstream::meter::{CallResult, Ended};
use mcpo_upstream::supervisor::{Dialler, Supervisor, SupervisorOptions};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::clock::Clock;
use super::{Monitor, MonitorOptions};
use crate::history::KeptEvent;
use crate::picture::Picture;

/// When all plays begin: 2026-01-01, noon.
pub(crate) const NOON: Duration = Duration::from_secs(1_767_268_800);

/// Whether the upstreams listen: all of them or none.
#[derive(Debug)]
struct Up {
    listens: watch::Sender<bool>,
}

/// One session: it ends when its upstream listens no more.
#[derive(Debug)]
struct Line {
    closed: watch::Sender<bool>,
    changed: watch::Sender<u64>,
}

#[derive(Debug)]
struct Dialled(Arc<Up>);

/// Upstreams, what keeps them, and who watches them.
pub(crate) struct Play {
    up: Arc<Up>,
    pub(crate) directory: Arc<Directory>,
    pub(crate) monitor: Monitor,
    started: Instant,
    stop: watch::Sender<bool>,
    _wanted: watch::Sender<Arc<Vec<Server>>>,
    _keeping: JoinSet<()>,
    running: JoinSet<()>,
}

impl Dial for Dialled {
    fn dial(&self) -> BoxFuture<Result<Custom, Cause>> {
        let mut listens = self.0.listens.subscribe();
        Box::pin(async move {
            if !*listens.borrow() {
                let reason = "connect http://secret@10.0.0.1: refused".to_owned();
                return Err(Cause::Connect { stage: Stage::Refused, reason });
            }
            let closed = watch::Sender::new(false);
            let mut closes = closed.subscribe();
            let ended = async move {
                tokio::select! {
                    _ = listens.wait_for(|listens| !*listens) => Cause::Broken("reset".to_owned()),
                    _ = closes.wait_for(|closed| *closed) => Cause::Closed,
                }
            };
            let wire = Arc::new(Line { closed, changed: watch::Sender::new(0) });
            Ok(Custom { identity: ServerIdentity::default(), wire, ended: Box::pin(ended) })
        })
    }
}

impl Wire for Line {
    fn call(
        &self,
        _: &str,
        _: &[u8],
        _: Instant,
        _: Option<&TraceContext>,
    ) -> BoxFuture<Result<Answer, RequestError>> {
        Box::pin(ready(Ok(Answer::Result("{}".into()))))
    }

    fn list(&self, _: Instant) -> BoxFuture<Result<Vec<Value>, RequestError>> {
        Box::pin(ready(Ok(vec![json!({"name": "read"}), json!({"name": "write"})])))
    }

    fn probe(&self, _: Instant) -> BoxFuture<Result<(), RequestError>> {
        Box::pin(ready(Ok(())))
    }

    fn tools_changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    fn close(&self) {
        self.closed.send_replace(true);
    }
}

// === impl Play ===

impl Play {
    /// The upstreams of these names are ready, and nothing was watched yet.
    pub(crate) async fn ready(names: &[&str], monitoring: Monitoring) -> Self {
        Self::ready_at(NOON, names, monitoring).await
    }

    /// The same, at that time since the Unix epoch.
    pub(crate) async fn ready_at(at: Duration, names: &[&str], monitoring: Monitoring) -> Self {
        let up = Arc::new(Up { listens: watch::Sender::new(true) });
        let directory = Directory::new();
        let dial: Arc<dyn Dial> = Arc::new(Dialled(Arc::clone(&up)));
        let dialler = Dialler(Arc::new(move |_| endpoint::Endpoint::Custom(Arc::clone(&dial))));
        let options = SupervisorOptions { dialler: Some(dialler), ..SupervisorOptions::default() };
        let servers: Vec<Server> = names.iter().map(|name| server(name)).collect();
        let (wanted, servers) = watch::channel(Arc::new(servers));
        let mut keeping = JoinSet::new();
        keeping.spawn(Supervisor::new(options, Arc::clone(&directory)).run(servers.clone()));
        let pipeline = Pipeline::new(PipelineOptions::default(), directory.journal()).gauge();
        let options = MonitorOptions { monitoring, port: 0, servers, pipeline };
        let clock = Clock::From(SystemTime::UNIX_EPOCH + at, Instant::now());
        let monitor = Monitor::with_clock(options, Arc::clone(&directory), clock);
        let (stop, running) = (watch::Sender::new(false), JoinSet::new());
        let started = Instant::now();
        let play = Self {
            up,
            directory,
            monitor,
            started,
            stop,
            _wanted: wanted,
            _keeping: keeping,
            running,
        };
        for name in names {
            play.until(name, View::is_ready).await;
        }
        play
    }

    /// The monitor runs from now on.
    pub(crate) fn run(&mut self) {
        self.running.spawn(self.monitor.clone().run(self.stop.subscribe()));
    }

    /// Ends when the monitor has ended; how long that took.
    pub(crate) async fn stop(&mut self) -> Duration {
        let before = Instant::now();
        self.stop.send_replace(true);
        while let Some(ended) = self.running.join_next().await {
            ended.expect("it does not break");
        }
        before.elapsed()
    }

    /// The monitor's work is cut off.
    pub(crate) async fn abort(&mut self) {
        self.running.shutdown().await;
    }

    pub(crate) fn upstream(&self, name: &str) -> Upstream {
        self.directory.load().upstream(name).expect("it is there").clone()
    }

    pub(crate) async fn until(&self, name: &str, holds: impl Fn(&View) -> bool) {
        let mut generations = self.directory.generations();
        let wait = async {
            while !self.directory.load().upstream(name).is_some_and(|one| holds(&one.view)) {
                generations.changed().await.expect("the directory is there");
            }
        };
        timeout(Duration::from_secs(3600), wait).await.expect("in time");
    }

    /// All upstreams go away, or come back.
    pub(crate) fn listen(&self, listens: bool) {
        self.up.listens.send_replace(listens);
    }

    /// A call of a tool that takes so long, a tenth of it until it is sent.
    pub(crate) async fn call(&self, server: &str, tool: &str, took: Duration, result: CallResult) {
        let call = self.upstream(server).meter().begin(tool);
        sleep(took).await;
        let waited = took / 10;
        let (bytes_in, bytes_out) = (10, 100);
        let upstream = took - waited;
        call.end(Ended { result, waited, upstream, bytes_in, bytes_out, trace_id: None });
    }

    /// One call a second for so many seconds, each of that length.
    pub(crate) async fn calls(&self, server: &str, seconds: u32, took: Duration) {
        for _ in 0..seconds {
            self.call(server, "read", took, CallResult::Ok).await;
            sleep(Duration::from_secs(1) - took).await;
        }
    }

    /// A picture of this moment.
    pub(crate) fn look(&self) -> Arc<Picture> {
        self.monitor.inner.fresh()
    }

    /// All events that are kept, of one upstream or of all. The journal goes by the system's clock.
    pub(crate) async fn events(&self, server: Option<&str>) -> Vec<KeptEvent> {
        let century = Duration::from_secs(100 * 365 * 86_400);
        let all = (SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH + century);
        self.monitor.events(all, server.map(str::to_owned), 100).await
    }

    /// What time it is, and was so long ago.
    pub(crate) fn time(&self, ago: Duration) -> SystemTime {
        self.monitor.inner.clock.now() - ago
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}

/// Everything is kept there.
pub(crate) fn kept_in(path: &Path) -> Monitoring {
    Monitoring { state: StatePlace::Directory(path.to_owned()), ..Monitoring::default() }
}

fn server(name: &str) -> Server {
    let url = "http://127.0.0.1:1/mcp".parse().expect("a valid address");
    Server {
        name: ServerName::new(name).expect("a valid name"),
        endpoint: Endpoint::Http(Http { url, headers: Vec::new(), kind: HttpKind::Streamable }),
        era: Era::Auto,
        timeout: None,
        pool: PoolSizes { min: 1, max: 1 },
        catalog: CatalogPolicy::default(),
    }
}
