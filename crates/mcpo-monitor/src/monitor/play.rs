//! Upstreams in memory, kept by the real supervisor, calls to them as the meters see them, and a
//! monitor that runs, all in virtual time.

use std::collections::HashMap;
use std::future::ready;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use mcpo_config::{
    Endpoint, Era, Http, HttpKind, Monitoring, PoolSizes, Server, ServerName, StatePlace,
};
use mcpo_core::catalog::{CatalogPolicy, ServerIdentity};
use mcpo_core::fault::Stage;
use mcpo_core::identity::Identity;
use mcpo_core::load::ServerLoad;
use mcpo_core::outcome::Outcome;
use mcpo_core::trace::TraceContext;
use mcpo_mcp::answer::Answer;
use mcpo_mcp::custom::{BoxFuture, Custom, Dial, Wire};
use mcpo_mcp::endpoint;
use mcpo_mcp::error::{Cause, RequestError, RpcError};
use mcpo_policy::cache::Freshness;
use mcpo_policy::pipeline::{Call, Pipeline, PipelineOptions, Report};
use mcpo_upstream::clock::Clock;
use mcpo_upstream::directory::{Directory, Upstream, View};
use mcpo_upstream::meter::{CallResult, Ended};
use mcpo_upstream::supervisor::{Dialler, Supervisor, SupervisorOptions};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::{Monitor, MonitorOptions};
use crate::history::KeptEvent;
use crate::picture::Picture;
use crate::resources::Sampled;

/// When all plays begin: 2026-01-01, noon.
pub(crate) const NOON: Duration = Duration::from_secs(1_767_268_800);

/// Whether an upstream listens.
#[derive(Debug)]
struct Up {
    listens: watch::Sender<bool>,
}

/// What an upstream does with a call, in its arguments.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Act {
    Answer,
    /// The tool's own error.
    Err,
    /// JSON-RPC's internal error.
    Fail,
}

/// One session: it ends when its upstream listens no more.
#[derive(Debug)]
struct Line {
    up: Arc<Up>,
    closed: watch::Sender<bool>,
    changed: watch::Sender<u64>,
}

#[derive(Debug)]
struct Dialled(Arc<Up>);

/// Makes calls as the surface does.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    directory: Arc<Directory>,
    pipeline: Arc<Pipeline>,
}

/// Upstreams, what keeps them, and who watches them.
pub(crate) struct Play {
    ups: HashMap<String, Arc<Up>>,
    pub(crate) directory: Arc<Directory>,
    pub(crate) monitor: Monitor,
    pub(crate) caller: Caller,
    started: Instant,
    stop: watch::Sender<bool>,
    wanted: watch::Sender<Arc<Vec<Server>>>,
    _keeping: JoinSet<()>,
    running: JoinSet<()>,
}

impl Dial for Dialled {
    fn dial(&self) -> BoxFuture<Result<Custom, Cause>> {
        let up = Arc::clone(&self.0);
        let mut listens = up.listens.subscribe();
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
            let wire = Arc::new(Line { up, closed, changed: watch::Sender::new(0) });
            Ok(Custom { identity: ServerIdentity::default(), wire, ended: Box::pin(ended) })
        })
    }
}

impl Wire for Line {
    fn call(
        &self,
        _: &str,
        arguments: &[u8],
        _: Instant,
        _: Option<&TraceContext>,
    ) -> BoxFuture<Result<Answer, RequestError>> {
        let arguments: Value = serde_json::from_slice(arguments).expect("they are JSON");
        let took = Duration::from_millis(arguments["ms"].as_u64().expect("they say so"));
        let answer = match arguments["act"].as_str() {
            Some("fail") => Answer::Error(RpcError {
                code: -32603,
                message: "internal error".to_owned(),
                data: None,
            }),
            Some("err") => Answer::Result(r#"{"content":[],"isError":true}"#.into()),
            _answer => Answer::Result(r#"{"content":[]}"#.into()),
        };
        let mut listens = self.up.listens.subscribe();
        Box::pin(async move {
            tokio::select! {
                _ = listens.wait_for(|listens| !*listens) => {
                    Err(RequestError::maybe_sent(Cause::Broken("reset".to_owned())))
                }
                () = sleep(took) => Ok(answer),
            }
        })
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
        let up =
            |name: &&str| ((*name).to_owned(), Arc::new(Up { listens: watch::Sender::new(true) }));
        let ups: HashMap<String, Arc<Up>> = names.iter().map(up).collect();
        let clock = Clock::From(SystemTime::UNIX_EPOCH + at, Instant::now());
        let directory = Directory::with_clock(clock);
        let known = ups.clone();
        let dialler = Dialler(Arc::new(move |server| {
            endpoint::Endpoint::Custom(Arc::new(Dialled(Arc::clone(&known[server.name.as_str()]))))
        }));
        let options = SupervisorOptions { dialler: Some(dialler), ..SupervisorOptions::default() };
        let servers: Vec<Server> = names.iter().map(|name| server(name)).collect();
        let (wanted, servers) = watch::channel(Arc::new(servers));
        let mut keeping = JoinSet::new();
        keeping.spawn(Supervisor::new(options, Arc::clone(&directory)).run(servers.clone()));
        let pipeline = Arc::new(Pipeline::new(PipelineOptions::default(), directory.journal()));
        let options = MonitorOptions { monitoring, port: 0, servers, pipeline: pipeline.gauge() };
        let caller = Caller { directory: Arc::clone(&directory), pipeline };
        let monitor = Monitor::with_clock(options, Arc::clone(&directory), clock);
        let (stop, running) = (watch::Sender::new(false), JoinSet::new());
        let started = Instant::now();
        let play = Self {
            ups,
            directory,
            monitor,
            caller,
            started,
            stop,
            wanted,
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
        self.ups.keys().for_each(|name| self.listens(name, listens));
    }

    /// One upstream goes away, or comes back.
    pub(crate) fn listens(&self, name: &str, listens: bool) {
        self.ups[name].listens.send_replace(listens);
    }

    /// Only these are configured from now on.
    pub(crate) fn reload(&self, names: &[&str]) {
        self.wanted.send_replace(Arc::new(names.iter().map(|name| server(name)).collect()));
    }

    /// From the next sample on that is what is used.
    pub(crate) fn uses(&self, sampled: Sampled) {
        self.monitor.inner.memory().told = Some(sampled);
    }

    /// A call of a tool that takes so long, a tenth of it until it is sent.
    pub(crate) async fn call(&self, server: &str, tool: &str, took: Duration, result: CallResult) {
        let called = self.upstream(server);
        let call = called.meter().begin(tool);
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

    /// A picture of this moment, as faces see it.
    pub(crate) fn look(&self) -> Arc<Picture> {
        self.monitor.inner.memory().last = None;
        self.monitor.picture()
    }

    /// All events that are kept, of one upstream or of all.
    pub(crate) async fn events(&self, server: Option<&str>) -> Vec<KeptEvent> {
        let all = (SystemTime::UNIX_EPOCH, self.time(Duration::ZERO));
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

// === impl Caller ===

impl Caller {
    /// A call that the upstream has for so long, counted as the surface counts it.
    pub(crate) async fn call(
        self,
        server: &str,
        tool: &str,
        took: Duration,
        act: Act,
    ) -> CallResult {
        let upstream = self.directory.load().upstream(server).expect("it is there").clone();
        let catalog = upstream.view.catalog.clone().expect("it was ready");
        let arguments = json!({"ms": took.as_millis() as u64, "act": act.name()}).to_string();
        let metered = upstream.meter().begin(tool);
        let bytes_in = arguments.len() as u64;
        let call = Call {
            upstream: &upstream,
            tool: catalog.tool(tool).expect("it is offered"),
            arguments: arguments.into(),
            deadline: Instant::now() + Duration::from_secs(60),
            is_hurried: false,
            idempotency_key: None,
            trace: None,
            identity: Identity::COMMON,
            freshness: Freshness::default(),
        };
        let report = self.pipeline.call(&call).await.expect("it has no key");
        let result = match &report.outcome {
            Outcome::Reply(Answer::Result(result)) if result.ends_with(b"true}") => {
                CallResult::ToolError
            }
            Outcome::Reply(Answer::Result(_)) => CallResult::Ok,
            Outcome::Reply(Answer::Error(_)) => CallResult::ToolError,
            Outcome::NotSent(_) => CallResult::NotSent,
            Outcome::Refused(_) => CallResult::Refused,
            Outcome::Unknown(_) => CallResult::Unknown,
        };
        let Report { waited, upstream, .. } = report;
        metered.end(Ended { result, waited, upstream, bytes_in, bytes_out: 2, trace_id: None });
        result
    }

    /// A call that takes so long, though its upstream has it for hardly any of that.
    pub(crate) async fn late(self, server: &str, tool: &str, took: Duration) -> CallResult {
        let upstream = self.directory.load().upstream(server).expect("it is there").clone();
        let call = upstream.meter().begin(tool);
        sleep(took).await;
        let (result, waited, upstream) = (CallResult::Ok, took / 10, took / 10);
        call.end(Ended { result, waited, upstream, bytes_in: 10, bytes_out: 100, trace_id: None });
        result
    }
}

// === impl Act ===

impl Act {
    const fn name(self) -> &'static str {
        match self {
            Self::Answer => "answer",
            Self::Err => "err",
            Self::Fail => "fail",
        }
    }
}

/// Everything is kept there.
pub(crate) fn kept_in(path: &Path) -> Monitoring {
    Monitoring { state: StatePlace::Directory(path.to_owned()), ..Monitoring::default() }
}

pub(crate) fn server(name: &str) -> Server {
    let url = "http://127.0.0.1:1/mcp".parse().expect("a valid address");
    Server {
        name: ServerName::new(name).expect("a valid name"),
        endpoint: Endpoint::Http(Http { url, headers: Vec::new(), kind: HttpKind::Streamable }),
        era: Era::Auto,
        timeout: None,
        pool: PoolSizes { min: 1, max: 1 },
        catalog: CatalogPolicy::default(),
        load: ServerLoad::default(),
    }
}
