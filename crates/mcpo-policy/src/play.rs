//! An upstream in memory whose behaviour is data, kept by the real supervisor, and the calls to
//! it, all in virtual time.

use std::collections::VecDeque;
use std::future::{pending, ready};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use mcpo_config::{Endpoint, Era, Http, HttpKind, PoolSizes, Server, ServerName};
use mcpo_core::catalog::{Catalog, CatalogPolicy, ServerIdentity, ToolDefinition, ToolPolicy};
use mcpo_core::fault::{FaultKind, Stage};
use mcpo_core::identity::Identity;
use mcpo_core::load::{CacheRule, CacheTimes, ServerLoad};
use mcpo_core::outcome::OutcomeKind;
use mcpo_core::trace::TraceContext;
use mcpo_mcp::answer::Answer;
use mcpo_mcp::custom::{BoxFuture, Custom, Dial, Wire};
use mcpo_mcp::endpoint;
use mcpo_mcp::error::{Cause, RequestError, RpcError, Sent};
use mcpo_testkit::tool;
use mcpo_upstream::directory::{Directory, State, Upstream};
use mcpo_upstream::supervisor::{Dialler, Recovery, Supervisor, SupervisorOptions};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::cache::Freshness;
use crate::idempotency::KeyMisused;
use crate::pipeline::{Call, Pipeline, PipelineOptions, Report};

/// What the upstream does with one call.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// Answers with the arguments.
    Echo,
    /// Answers with an error of the tool's own.
    Refuse,
    /// Fails; the session stays.
    Fail(Sent, Cause),
    /// Fails, and the session with it.
    Die(Sent, Cause),
    /// Answers after that time.
    Slow(Duration),
    /// Never answers.
    Hang,
    /// Answers with how many calls have come.
    Count,
    /// The same, after that time.
    CountAfter(Duration),
    /// Answers with that result.
    Say(&'static str),
}

/// A call under way; one that is dropped was given up.
#[derive(Debug)]
struct UnderWay {
    up: Arc<Up>,
    is_over: bool,
}

/// The upstream.
#[derive(Debug)]
pub(crate) struct Up {
    script: Mutex<Script>,
    connection_per_call: bool,
    version: &'static str,
}

#[derive(Debug)]
struct Script {
    acts: VecDeque<Act>,
    /// Once these are over.
    then: Act,
    is_up: bool,
    /// What happens to a session that is asked for while it is not up.
    refusal: Cause,
    /// Calls that came.
    calls: usize,
    /// Calls that were given up.
    given_up: usize,
    /// Sessions asked for.
    dials: usize,
    sessions: Vec<watch::Sender<Option<Cause>>>,
}

#[derive(Debug)]
struct Dialled(Arc<Up>);

/// One session.
#[derive(Debug)]
struct Line {
    up: Arc<Up>,
    ended: watch::Sender<Option<Cause>>,
    changed: watch::Sender<u64>,
}

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

// === impl Up ===

impl Up {
    fn new(make: &Make) -> Arc<Self> {
        let script = Script {
            acts: VecDeque::new(),
            then: Act::Echo,
            is_up: true,
            refusal: refused(),
            calls: 0,
            given_up: 0,
            dials: 0,
            sessions: Vec::new(),
        };
        let connection_per_call = make.connection_per_call;
        Arc::new(Self { script: Mutex::new(script), connection_per_call, version: make.version })
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it does with the next calls.
    pub(crate) fn acts(&self, acts: impl IntoIterator<Item = Act>) {
        self.script().acts.extend(acts);
    }

    /// What it does with every further call.
    pub(crate) fn always(&self, act: Act) {
        let mut script = self.script();
        script.acts.clear();
        script.then = act;
    }

    /// What it does once those that are set are over.
    pub(crate) fn always_next(&self, act: Act) {
        self.script().then = act;
    }

    /// Nobody is told any more whether it lives.
    pub(crate) fn stop_answering_probes(&self) {
        self.script().is_up = false;
    }

    /// All sessions end with what is under way on them, and nobody listens.
    pub(crate) fn go_down(&self) {
        let mut script = self.script();
        script.is_up = false;
        for session in &script.sessions {
            session.send_replace(Some(broken()));
        }
    }

    /// What whoever asks for a session is told while it is down.
    pub(crate) fn refuse_sessions(&self, refusal: Cause) {
        self.script().refusal = refusal;
    }

    /// It listens again.
    pub(crate) fn come_back(&self) {
        self.script().is_up = true;
    }

    /// How many calls it has seen.
    pub(crate) fn seen(&self) -> usize {
        self.script().calls
    }

    /// How many of them were given up before their answer.
    pub(crate) fn given_up(&self) -> usize {
        self.script().given_up
    }

    /// How many sessions were asked for.
    pub(crate) fn dials(&self) -> usize {
        self.script().dials
    }

    /// How many sessions were made.
    pub(crate) fn sessions(&self) -> usize {
        self.script().sessions.len()
    }

    fn count(&self) -> Answer {
        Answer::Result(format!("{{\"content\":[],\"n\":{}}}", self.seen()).into())
    }

    fn take(&self) -> Act {
        let mut script = self.script();
        script.calls += 1;
        script.acts.pop_front().unwrap_or_else(|| script.then.clone())
    }
}

impl UnderWay {
    fn new(up: &Arc<Up>) -> Self {
        Self { up: Arc::clone(up), is_over: false }
    }

    fn end(mut self) {
        self.is_over = true;
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.up.script().given_up += usize::from(!self.is_over);
    }
}

impl Dial for Dialled {
    fn dial(&self) -> BoxFuture<Result<Custom, Cause>> {
        let up = Arc::clone(&self.0);
        Box::pin(async move {
            let mut script = up.script();
            script.dials += 1;
            if !script.is_up {
                return Err(script.refusal.clone());
            }
            let ended = watch::Sender::new(None);
            script.sessions.push(ended.clone());
            drop(script);
            let mut end = ended.subscribe();
            let protocol_version = up.version.to_owned();
            let wire = Line { up, ended, changed: watch::Sender::new(0) };
            let ended = async move {
                let cause =
                    end.wait_for(Option::is_some).await.ok().and_then(|cause| cause.clone());
                cause.unwrap_or(Cause::Closed)
            };
            let identity = ServerIdentity { protocol_version, ..ServerIdentity::default() };
            Ok(Custom { identity, wire: Arc::new(wire), ended: Box::pin(ended) })
        })
    }

    fn has_connection_per_call(&self) -> bool {
        self.0.connection_per_call
    }
}

impl Wire for Line {
    fn call(
        &self,
        _name: &str,
        arguments: &[u8],
        _deadline: Instant,
        _trace: Option<&TraceContext>,
    ) -> BoxFuture<Result<Answer, RequestError>> {
        if let Some(cause) = self.ended.borrow().clone() {
            return Box::pin(ready(Err(RequestError::not_sent(cause))));
        }
        let answer = Ok(Answer::Result(Bytes::copy_from_slice(arguments)));
        let mut ended = self.ended.subscribe();
        let end = async move {
            let cause = ended.wait_for(Option::is_some).await.ok().and_then(|cause| cause.clone());
            Err(RequestError::maybe_sent(cause.unwrap_or(Cause::Closed)))
        };
        match self.up.take() {
            Act::Echo => Box::pin(ready(answer)),
            Act::Refuse => {
                let error = RpcError { code: -32602, message: "no".to_owned(), data: None };
                Box::pin(ready(Ok(Answer::Error(error))))
            }
            Act::Fail(sent, cause) => Box::pin(ready(Err(RequestError { sent, cause }))),
            Act::Die(sent, cause) => {
                self.ended.send_replace(Some(cause.clone()));
                Box::pin(ready(Err(RequestError { sent, cause })))
            }
            Act::Slow(length) => Box::pin(async move {
                tokio::select! {
                    () = sleep(length) => answer,
                    ended = end => ended,
                }
            }),
            Act::Hang => {
                let under_way = UnderWay::new(&self.up);
                Box::pin(async move {
                    let ended = end.await;
                    under_way.end();
                    ended
                })
            }
            Act::Count => Box::pin(ready(Ok(self.up.count()))),
            Act::CountAfter(length) => {
                let (counted, under_way) = (self.up.count(), UnderWay::new(&self.up));
                Box::pin(async move {
                    tokio::select! {
                        () = sleep(length) => {}
                        ended = end => return ended,
                    }
                    under_way.end();
                    Ok(counted)
                })
            }
            Act::Say(result) => {
                Box::pin(ready(Ok(Answer::Result(Bytes::from_static(result.as_bytes())))))
            }
        }
    }

    fn list(&self, _deadline: Instant) -> BoxFuture<Result<Vec<Value>, RequestError>> {
        Box::pin(ready(Ok(tools())))
    }

    fn probe(&self, _deadline: Instant) -> BoxFuture<Result<(), RequestError>> {
        match self.ended.borrow().clone() {
            Some(cause) => Box::pin(ready(Err(RequestError::not_sent(cause)))),
            None if self.up.script().is_up => Box::pin(ready(Ok(()))),
            None => Box::pin(pending()),
        }
    }

    fn tools_changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    fn close(&self) {
        self.ended.send_if_modified(|ended| {
            let news = ended.is_none();
            *ended = ended.take().or(Some(Cause::Closed));
            news
        });
    }
}

/// `write` may not act twice, `read` may; `once` may as well, but is never to be sent again. What
/// `kept` and `alone` say is kept, and calls of `alone` are not shared in flight; so is what `acts`
/// says, which may not act twice. `told` is kept as its upstream says.
fn tools() -> Vec<Value> {
    let mut read = tool("read");
    read["annotations"] = json!({"readOnlyHint": true});
    let mut once = read.clone();
    once["name"] = json!("once");
    let [kept, alone, told] = ["kept", "alone", "told"].map(|name| {
        let mut tool = read.clone();
        tool["name"] = json!(name);
        tool
    });
    vec![tool("write"), read, once, kept, alone, told, tool("acts")]
}

fn policy(times: CacheTimes) -> CatalogPolicy {
    let once = ToolPolicy { retry: false, ..ToolPolicy::default() };
    let kept = ToolPolicy { cache: Some(CacheRule::Keep(times)), ..ToolPolicy::default() };
    let alone = ToolPolicy { coalesce: Some(false), ..kept };
    let tools = [("once", once), ("kept", kept), ("alone", alone), ("acts", kept)];
    let tools = tools.map(|(name, policy)| (name.to_owned(), policy));
    CatalogPolicy { tools: tools.into(), ..CatalogPolicy::default() }
}

fn refused() -> Cause {
    Cause::Connect { stage: Stage::Refused, reason: "refused".to_owned() }
}

pub(crate) fn broken() -> Cause {
    Cause::Broken("reset".to_owned())
}

pub(crate) fn status(status: u16, retry_after: Option<Duration>) -> Cause {
    Cause::Status { status, retry_after, body: String::new(), rpc: None, had_session: false }
}

/// The upstream says that it does not know the session.
pub(crate) fn forgotten() -> Cause {
    Cause::Status {
        status: 404,
        retry_after: None,
        body: String::new(),
        rpc: None,
        had_session: true,
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
        self.pipeline.call(call).await.expect("its key is its own")
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
        self.pipeline.call(call).await
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
