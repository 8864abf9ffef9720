//! An upstream in memory whose behaviour is data, kept by the real supervisor, and the calls to
//! it, all in virtual time.

mod up;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mcpo_config::{Endpoint, Era, Http, HttpKind, PoolSizes, Server, ServerName};
use mcpo_core::catalog::{Catalog, CatalogPolicy, ServerIdentity, ToolDefinition, ToolPolicy};
use mcpo_core::fault::FaultKind;
use mcpo_core::identity::Identity;
use mcpo_core::load::{CacheRule, CacheTimes, ServerLoad};
use mcpo_core::outcome::OutcomeKind;
use mcpo_mcp::custom::Dial;
use mcpo_mcp::endpoint;
use mcpo_upstream::directory::{Directory, State, Upstream};
use mcpo_upstream::supervisor::{Dialler, Recovery, Supervisor, SupervisorOptions};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::cache::Freshness;
use crate::idempotency::KeyMisused;
use crate::pipeline::{Call, Pipeline, PipelineOptions, Report};
use crate::play::up::{Dialled, tools};

pub(crate) use up::{Act, Up, broken, forgotten, status};

/// The upstream `up`, what keeps it, and the calls to it.
pub(crate) struct Bench {
    pub(crate) up: Arc<Up>,
    /// What [another](Self::and_another) is.
    pub(crate) other: Arc<Up>,
    pub(crate) directory: Arc<Directory>,
    pub(crate) pipeline: Pipeline,
    catalog: Catalog,
    wanted: watch::Sender<Arc<Vec<Server>>>,
    _tasks: JoinSet<()>,
}

/// What a bench is made of where that is not the ordinary.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Make {
    pub(crate) sessions: usize,
    pub(crate) connection_per_call: bool,
    pub(crate) options: PipelineOptions,
    /// Of what is kept.
    pub(crate) times: CacheTimes,
    /// The protocol that is spoken.
    pub(crate) version: &'static str,
    /// How much the upstream takes.
    pub(crate) load: ServerLoad,
}

/// A call that may be answered with what was asked for by others.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) tool: &'static str,
    pub(crate) arguments: &'static str,
    pub(crate) limit: Duration,
    pub(crate) is_hurried: bool,
    pub(crate) key: Option<&'static str>,
    pub(crate) identity: Identity,
    pub(crate) freshness: Freshness,
}

/// Kept for a minute, and for nothing after that.
pub(crate) const TIMES: CacheTimes = CacheTimes {
    ttl: MINUTE,
    stale_while_revalidate: Duration::ZERO,
    stale_if_error: Duration::ZERO,
    refresh: false,
};

/// The name of the upstream beside `up`.
pub(crate) const OTHER: &str = "another";

pub(crate) const MINUTE: Duration = Duration::from_secs(60);

impl Default for Make {
    fn default() -> Self {
        let options = PipelineOptions::default();
        let version = "2025-11-25";
        let load = ServerLoad::default();
        Self { sessions: 1, connection_per_call: false, options, times: TIMES, version, load }
    }
}

impl Default for Ask {
    /// In no hurry, with no wish, for nobody in particular.
    fn default() -> Self {
        Self {
            tool: "kept",
            arguments: "{}",
            limit: MINUTE,
            is_hurried: false,
            key: None,
            identity: Identity::COMMON,
            freshness: Freshness::default(),
        }
    }
}

// === impl Bench ===

impl Bench {
    /// With its sessions there.
    pub(crate) async fn ready(make: Make) -> Self {
        let bench = Self::new(make).await;
        let mut views = bench.upstream().follow();
        views.wait_for(|view| view.sessions.len() == make.sessions).await.expect("it is kept");
        bench
    }

    /// Without waiting for its sessions.
    pub(crate) async fn new(make: Make) -> Self {
        let (up, other) = (Up::new(&make), Up::new(&make));
        let directory = Directory::new();
        let dials: [Arc<dyn Dial>; 2] =
            [&up, &other].map(|up| Arc::new(Dialled(Arc::clone(up))) as Arc<dyn Dial>);
        let options = SupervisorOptions {
            recovery: Recovery { enabled: make.options.recovery_enabled, ..Recovery::default() },
            dialler: Some(Dialler(Arc::new(move |server| {
                let [up, other] = &dials;
                let dial = if server.name.as_str() == OTHER { other } else { up };
                endpoint::Endpoint::Custom(Arc::clone(dial))
            }))),
            ..SupervisorOptions::default()
        };
        let (wanted, wanted_rx) = watch::channel(Arc::new(vec![server(&make)]));
        let mut tasks = JoinSet::new();
        tasks.spawn(Supervisor::new(options, Arc::clone(&directory)).run(wanted_rx));
        let mut generations = directory.generations();
        while directory.load().upstream("up").is_none() {
            generations.changed().await.expect("the directory is there");
        }
        let definitions = tools().iter().filter_map(ToolDefinition::from_json).collect();
        Self {
            up,
            other,
            pipeline: Pipeline::new(make.options, directory.journal()),
            directory,
            catalog: Catalog::new(ServerIdentity::default(), definitions, &policy(make.times)),
            wanted,
            _tasks: tasks,
        }
    }

    pub(crate) fn upstream(&self) -> Upstream {
        self.directory.load().upstream("up").expect("it is there").clone()
    }

    pub(crate) async fn until(&self, holds: impl Fn(&State) -> bool) {
        let mut views = self.upstream().follow();
        views.wait_for(|view| holds(&view.state)).await.expect("it is kept");
    }

    /// Takes the upstream out of the configuration.
    pub(crate) fn remove(&self) {
        self.wanted.send_replace(Arc::default());
    }

    pub(crate) async fn call(&self, tool: &str, limit: Duration) -> Report {
        self.made(tool, None, b"{}", limit).await.expect("it has no key")
    }

    pub(crate) async fn keyed(&self, key: &str, limit: Duration) -> Report {
        self.made("write", Some(key), b"{}", limit).await.expect("its key is its own")
    }

    pub(crate) async fn made(
        &self,
        tool: &str,
        key: Option<&str>,
        arguments: &'static [u8],
        limit: Duration,
    ) -> Result<Report, KeyMisused> {
        self.sent(tool, key, arguments, (limit, false)).await
    }

    /// A call of a tool as its upstream's catalog has it, which is what is shared.
    pub(crate) async fn ask(&self, ask: Ask) -> Report {
        let upstream = self.upstream();
        self.ask_of(&upstream, ask).await
    }

    /// The same, of the upstream as it was.
    pub(crate) async fn ask_of(&self, upstream: &Upstream, ask: Ask) -> Report {
        let catalog = upstream.view.catalog.as_ref().expect("it was ready");
        let call = Call {
            upstream,
            tool: catalog.tool(ask.tool).expect("it is there"),
            arguments: Bytes::from_static(ask.arguments.as_bytes()),
            deadline: Instant::now() + ask.limit,
            is_hurried: ask.is_hurried,
            idempotency_key: ask.key.map(str::to_owned),
            trace: None,
            identity: ask.identity,
            freshness: ask.freshness,
        };
        self.pipeline.call(&call).await.expect("its key is its own")
    }

    /// Has the upstream be at another place from now on.
    pub(crate) async fn replace(&self) {
        let before = self.upstream().incarnation();
        self.wanted.send_modify(|wanted| {
            let mut server = wanted[0].clone();
            let url = "http://in.memory/elsewhere".parse().expect("a valid address");
            server.endpoint =
                Endpoint::Http(Http { url, headers: Vec::new(), kind: HttpKind::Streamable });
            *wanted = Arc::new(vec![server]);
        });
        let mut generations = self.directory.generations();
        while self.upstream().incarnation() == before || !self.upstream().view.is_ready() {
            generations.changed().await.expect("the directory is there");
        }
    }

    /// Has another upstream beside it from now on.
    pub(crate) async fn and_another(&self) {
        self.wanted.send_modify(|wanted| {
            let mut servers = wanted.to_vec();
            let name = ServerName::new(OTHER).expect("a valid name");
            servers.push(Server { name, ..servers[0].clone() });
            *wanted = Arc::new(servers);
        });
        let mut generations = self.directory.generations();
        while self.directory.load().upstream(OTHER).is_none() {
            generations.changed().await.expect("the directory is there");
        }
    }

    /// Has the operator say something else of the tools from now on.
    pub(crate) async fn treat_anew(&self, times: CacheTimes) {
        let before = self.upstream().view.catalog_version;
        self.wanted.send_modify(|wanted| {
            let mut server = wanted[0].clone();
            server.catalog = policy(times);
            *wanted = Arc::new(vec![server]);
        });
        let mut generations = self.directory.generations();
        while self.upstream().view.catalog_version == before {
            generations.changed().await.expect("the directory is there");
        }
    }

    /// A call whose caller gave it less time than is set for it.
    pub(crate) async fn hurried(&self, tool: &str, limit: Duration) -> Report {
        self.sent(tool, None, b"{}", (limit, true)).await.expect("it has no key")
    }

    async fn sent(
        &self,
        tool: &str,
        key: Option<&str>,
        arguments: &'static [u8],
        (limit, is_hurried): (Duration, bool),
    ) -> Result<Report, KeyMisused> {
        let upstream = self.upstream();
        let call = Call {
            upstream: &upstream,
            tool: self.catalog.tool(tool).expect("it is there"),
            arguments: Bytes::from_static(arguments),
            deadline: Instant::now() + limit,
            is_hurried,
            idempotency_key: key.map(str::to_owned),
            trace: None,
            identity: Identity::COMMON,
            freshness: Freshness::default(),
        };
        self.pipeline.call(&call).await
    }
}

fn server(make: &Make) -> Server {
    let url = "http://in.memory/mcp".parse().expect("a valid address");
    Server {
        name: ServerName::new("up").expect("a valid name"),
        endpoint: Endpoint::Http(Http { url, headers: Vec::new(), kind: HttpKind::Streamable }),
        era: Era::Auto,
        timeout: None,
        pool: PoolSizes { min: make.sessions, max: make.sessions },
        catalog: policy(make.times),
        load: make.load,
    }
}

/// What a call came to.
pub(crate) fn told(report: &Report) -> (OutcomeKind, u32, Option<FaultKind>) {
    let fault = report.outcome.fault().map(|fault| fault.kind);
    (report.outcome.kind(), report.attempts, fault)
}

fn policy(times: CacheTimes) -> CatalogPolicy {
    let once = ToolPolicy { retry: false, ..ToolPolicy::default() };
    let kept = ToolPolicy { cache: Some(CacheRule::Keep(times)), ..ToolPolicy::default() };
    let alone = ToolPolicy { coalesce: Some(false), ..kept };
    let tools = [("once", once), ("kept", kept), ("alone", alone), ("acts", kept)];
    let tools = tools.map(|(name, policy)| (name.to_owned(), policy));
    CatalogPolicy { tools: tools.into(), ..CatalogPolicy::default() }
}
