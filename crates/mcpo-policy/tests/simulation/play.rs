//! Plays a scenario: the real supervisor, directory and pipeline, in virtual time.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use mcpo_config::{Endpoint, Era, Http, HttpKind, PoolSizes, Server, ServerName};
use mcpo_core::catalog::{CatalogPolicy, ToolPolicy};
use mcpo_core::fault::FaultKind;
use mcpo_core::identity::Identity;
use mcpo_core::life::HeldBy;
use mcpo_core::load::{CacheRule, ServerLoad};
use mcpo_core::outcome::Outcome;
use mcpo_core::trace::TraceContext;
use mcpo_mcp::answer::Answer;
use mcpo_mcp::endpoint;
use mcpo_policy::cache::{Freshness, Purge};
use mcpo_policy::pipeline::{Call, Pipeline, PipelineOptions, Report};
use mcpo_upstream::directory::{Directory, State, Upstream};
use mcpo_upstream::order::Order;
use mcpo_upstream::supervisor::{Dialler, Supervisor, SupervisorOptions};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::fake::{self, Dialled};
use crate::history::{Happening, History, Told};
use crate::scenario::{
    Act, CallPlan, Change, KEPT, Scenario, ServerPlan, Tool, Trouble, TroubleKind,
};

/// Longer than the longest wait that an upstream is given: held by its fault it is looked at after
/// ten minutes, and then perhaps rests.
const CALM: Duration = Duration::from_mins(13);
/// No upstream takes longer to be ended.
const STOP: Duration = Duration::from_mins(1);
/// No breaker is open for longer at a time.
const BREAKER_OPEN: Duration = Duration::from_mins(1);
/// More than all upstreams together change in one second.
const CHANGES_MAX: usize = 800;
/// How long an order is waited for.
const ORDER: Duration = Duration::from_secs(10);

/// All that a run is made of.
struct World {
    scenario: Scenario,
    history: Arc<History>,
    servers: Arc<Servers>,
    directory: Arc<Directory>,
    pipeline: Pipeline,
}

/// The servers in their places. New places come with moves.
struct Servers {
    plans: Vec<ServerPlan>,
    history: Arc<History>,
    there: Mutex<BTreeMap<(usize, usize), Arc<fake::Server>>>,
}

/// What the configuration says of one server.
#[derive(Debug, Clone)]
struct Wanted {
    is_there: bool,
    place: usize,
    max: usize,
}

/// Plays it to the end, until nothing is left; gives what happened.
pub(crate) async fn play(scenario: Scenario) -> Arc<History> {
    fastrand::seed(scenario.seed);
    let history = History::new(scenario.seed);
    let servers = Arc::new(Servers::new(&scenario.servers, &history));
    let directory = Directory::new();
    let pipeline = Pipeline::new(PipelineOptions::default(), directory.journal());
    let circles = no_circles(Arc::clone(&directory), Arc::clone(&history));
    let world = Arc::new(World { scenario, history, servers, directory, pipeline });
    let history = Arc::clone(&world.history);
    tokio::select! {
        biased;
        () = live(world) => {}
        () = circles => {}
    }
    history
}

async fn live(world: Arc<World>) {
    let dialled = Arc::clone(&world.servers);
    let options = SupervisorOptions {
        dialler: Some(Dialler(Arc::new(move |server| dialled.endpoint(server)))),
        ..SupervisorOptions::default()
    };
    let mut wanted: Vec<_> = world.scenario.servers.iter().map(Wanted::first).collect();
    let (config, config_rx) = watch::channel(Arc::new(configuration(&world.scenario, &wanted)));
    let mut keeping = JoinSet::new();
    keeping.spawn(Supervisor::new(options, Arc::clone(&world.directory)).run(config_rx));
    let mut refreshing = JoinSet::new();
    refreshing.spawn(world.pipeline.refreshes());
    let mut tasks = JoinSet::new();
    for call in world.scenario.calls.clone() {
        tasks.spawn(make_call(Arc::clone(&world), call));
    }
    tasks.spawn(bring_troubles(Arc::clone(&world)));
    for change in &world.scenario.changes {
        sleep_until(world.history.at(change.at)).await;
        world.carry_out(change, &mut wanted, &mut tasks);
        config.send_replace(Arc::new(configuration(&world.scenario, &wanted)));
    }
    while tasks.join_next().await.is_some() {}
    // What nobody asked for any more would go on until its deadline.
    refreshing.shutdown().await;
    world.settle(&wanted).await;
    drop(config);
    let ended = timeout(STOP, async { while keeping.join_next().await.is_some() {} }).await;
    if ended.is_err() {
        world.history.wrong("the supervisor does not end");
    }
}

fn configuration(scenario: &Scenario, wanted: &[Wanted]) -> Vec<Server> {
    let all = scenario.servers.iter().zip(wanted).filter(|(_, wanted)| wanted.is_there);
    all.map(|(plan, wanted)| server(plan, wanted)).collect()
}

fn server(plan: &ServerPlan, wanted: &Wanted) -> Server {
    let url = format!("http://{}/{}", plan.name, wanted.place).parse().expect("an address");
    let once = ToolPolicy { retry: false, ..ToolPolicy::default() };
    let look = ToolPolicy { cache: Some(CacheRule::Keep(KEPT)), ..ToolPolicy::default() };
    let tools = [(Tool::Once.name().to_owned(), once), (Tool::Look.name().to_owned(), look)].into();
    Server {
        name: ServerName::new(&plan.name).expect("a name"),
        endpoint: Endpoint::Http(Http { url, headers: Vec::new(), kind: HttpKind::Streamable }),
        era: Era::Auto,
        timeout: None,
        pool: PoolSizes { min: plan.pool.0.min(wanted.max), max: wanted.max },
        catalog: CatalogPolicy { tools, ..CatalogPolicy::default() },
        load: ServerLoad::default(),
    }
}

/// At the time of its call, like the surface: takes the snapshot, and tells what came of it.
async fn make_call(world: Arc<World>, plan: CallPlan) {
    sleep_until(world.history.at(plan.at)).await;
    let call = plan.id;
    let name = &world.scenario.servers[plan.server].name;
    let upstream = world.directory.load().upstream(name).cloned();
    let catalog = upstream.as_ref().and_then(|upstream| upstream.view.catalog.clone());
    let tool = catalog.as_ref().and_then(|catalog| catalog.tool(plan.tool.name()));
    let (Some(upstream), Some(tool)) = (&upstream, tool) else {
        return world.history.note(Happening::Absent { call });
    };
    let is_shared = plan.tool == Tool::Look;
    let said = if is_shared {
        json!({"server": name, "tool": plan.tool.name(), "topic": plan.topic})
    } else {
        json!({"call": plan.logical(), "server": name, "tool": plan.tool.name()})
    };
    let asked = Call {
        upstream,
        tool,
        arguments: Bytes::from(said.to_string()),
        deadline: Instant::now() + plan.timeout,
        // Less than what the operator would give it.
        is_hurried: plan.timeout < world.scenario.servers[plan.server].needed(),
        idempotency_key: plan.key.map(|key| format!("key-{key}")),
        trace: is_shared.then(|| trace_of(call)),
        identity: if is_shared { who(plan.identity) } else { Identity::COMMON },
        freshness: Freshness {
            may_be_kept: !plan.no_cache,
            may_be_stored: !plan.no_store,
            ..Freshness::default()
        },
    };
    let made = world.pipeline.call(&asked);
    let report = match plan.dropped_after {
        None => made.await,
        Some(after) => match timeout(after, made).await {
            Ok(report) => report,
            Err(_) => return world.history.note(Happening::Dropped { call }),
        },
    };
    match report {
        Ok(report) => world.history.note(Happening::Told(told(call, &report, &said))),
        Err(misused) => world.history.wrong(format!("call {call}: {misused}")),
    }
}

/// A trace that says which call it was made for.
fn trace_of(call: u64) -> TraceContext {
    // Neither part may be zero.
    let parent = format!("00-1000000000000000{call:016x}-1000000000000000-01");
    TraceContext::parse(parent.as_bytes(), std::iter::empty()).expect("it is a trace")
}

/// One of those for whom calls are made; one of them has no name.
fn who(identity: u64) -> Identity {
    if identity == 0 { Identity::COMMON } else { Identity::named(&format!("who-{identity}")) }
}

fn told(call: u64, report: &Report, said: &Value) -> Told {
    let mut given = None;
    let is_its_own = match &report.outcome {
        Outcome::Reply(Answer::Result(raw)) => {
            let mut answer: Value = serde_json::from_slice(raw).unwrap_or_default();
            let number = answer.as_object_mut().and_then(|answer| answer.remove("number"));
            given = number.and_then(|number| number.as_u64());
            answer == *said
        }
        Outcome::Reply(Answer::Error(_))
        | Outcome::NotSent(_)
        | Outcome::Refused(_)
        | Outcome::Unknown(_) => true,
    };
    let fault = report.outcome.fault();
    Told {
        call,
        outcome: report.outcome.kind(),
        fault: fault.map(|fault| fault.kind),
        detail: fault.map(|fault| fault.detail.clone()).unwrap_or_default(),
        attempts: report.attempts,
        repeated: report.repeated,
        is_its_own,
        given,
        shared: report.shared,
        cache: report.cache.map(|status| (status.word.name(), status.age)),
    }
}

/// Ends when the directory changes over and over within one second.
async fn no_circles(directory: Arc<Directory>, history: Arc<History>) {
    let mut generations = directory.generations();
    let (mut since, mut times) = (Instant::now(), 0);
    while times <= CHANGES_MAX {
        // The directory is ours, so that its end never comes.
        let _changed = generations.changed().await;
        times += 1;
        if since.elapsed() > Duration::from_secs(1) {
            (since, times) = (Instant::now(), 0);
        }
    }
    let entries = directory.journal().entries(0, None, usize::MAX);
    let last: Vec<_> = entries.iter().rev().take(10).map(|entry| &entry.event).collect();
    history.wrong(format!("the directory changes in circles: {last:#?}"));
}

/// What servers do at one moment; what they do for a while they look up themselves.
async fn bring_troubles(world: Arc<World>) {
    let mut all: Vec<(usize, Trouble)> = Vec::new();
    for (index, server) in world.scenario.servers.iter().enumerate() {
        all.extend(server.troubles.iter().map(|&trouble| (index, trouble)));
    }
    all.sort_by_key(|(index, trouble)| (trouble.from, *index));
    for (index, trouble) in all {
        sleep_until(world.history.at(trouble.from)).await;
        for server in world.servers.places_of(index) {
            match trouble.kind {
                TroubleKind::Down => server.crash(),
                TroubleKind::Relists => server.tell_tools_changed(),
                TroubleKind::Unreachable
                | TroubleKind::Hang
                | TroubleKind::Frozen
                | TroubleKind::Slow
                | TroubleKind::Forgetful
                | TroubleKind::Throttling(_)
                | TroubleKind::Failing
                | TroubleKind::Internal
                | TroubleKind::Nonsense
                | TroubleKind::Resets
                | TroubleKind::Unauthorized => {}
            }
        }
    }
}

// === impl World ===

impl World {
    fn carry_out(&self, change: &Change, wanted: &mut [Wanted], tasks: &mut JoinSet<()>) {
        let name = &self.scenario.servers[change.server].name;
        let what = format!("{:?} of {name}", change.what);
        self.history.note(Happening::Changed { what });
        let wanted = &mut wanted[change.server];
        match change.what {
            Act::Remove => wanted.is_there = false,
            Act::Add => wanted.is_there = true,
            Act::Move => wanted.place += 1,
            Act::Settings { max } => wanted.max = max,
            Act::Purge => drop(self.pipeline.purge(Purge { upstream: Some(name), tool: None })),
            Act::Order(order) => {
                let Some(upstream) = self.directory.load().upstream(name).cloned() else { return };
                tasks.spawn(async move {
                    let deadline = Instant::now() + ORDER;
                    let _told = upstream.order(order, deadline).await;
                });
            }
        }
    }

    /// Everything is well from now on, and no person holds anything: whatever was, each upstream
    /// comes back by itself, and answers.
    async fn settle(&self, wanted: &[Wanted]) {
        self.servers.calm();
        // The last change is taken up.
        sleep(Duration::from_millis(1)).await;
        self.history.note(Happening::Changed { what: "calm".to_owned() });
        let names = self.scenario.servers.iter().map(|plan| plan.name.as_str());
        let names: Vec<_> =
            names.zip(wanted).filter(|(_, wanted)| wanted.is_there).map(|(name, _)| name).collect();
        for name in &names {
            let Some(upstream) = self.directory.load().upstream(name).cloned() else {
                self.history.wrong(format!("{name} is wanted and not there"));
                continue;
            };
            // What its fault holds comes back by itself.
            if let State::Held { by: HeldBy::Operator, .. } = upstream.view.state {
                let _told = upstream.order(Order::Release, Instant::now() + ORDER).await;
            }
            let mut views = upstream.follow();
            let ready = timeout(CALM, views.wait_for(|view| view.is_ready())).await;
            // What it gives borrows the view.
            let is_ready = matches!(ready, Ok(Ok(_)));
            drop(ready);
            if !is_ready {
                self.history.wrong(format!("{name} does not come back: {:?}", upstream.view.state));
                continue;
            }
            self.last_calls(name).await;
            let under_way = views.borrow().outstanding();
            if under_way > 0 {
                self.history
                    .wrong(format!("{under_way} calls are thought to be under way at {name}"));
            }
        }
        if self.directory.load().upstreams().len() != names.len() {
            self.history.wrong("an upstream is there that is not wanted");
        }
    }

    /// An upstream that is well answers; only a breaker may ask for patience, once.
    async fn last_calls(&self, name: &str) {
        for patience in [1, 0] {
            let Some(upstream) = self.directory.load().upstream(name).cloned() else { return };
            let report = self.last_call(&upstream, name).await;
            let Some(fault) = report.outcome.fault() else { return };
            if fault.kind != FaultKind::BreakerOpen || patience == 0 {
                self.history.wrong(format!("{name} is well and does not answer: {report:?}"));
                return;
            }
            let Some(wait) = fault.retry_after.filter(|wait| *wait <= BREAKER_OPEN) else {
                self.history.wrong(format!("{name} is well and is not looked at: {report:?}"));
                return;
            };
            sleep(wait).await;
        }
    }

    async fn last_call(&self, upstream: &Upstream, name: &str) -> Report {
        let catalog = upstream.view.catalog.clone().expect("it was ready");
        let said = json!({"call": LAST_CALL, "server": name, "tool": "write"});
        let call = Call {
            upstream,
            tool: catalog.tool("write").expect("every server has it"),
            arguments: Bytes::from(said.to_string()),
            deadline: Instant::now() + Duration::from_secs(30),
            is_hurried: false,
            idempotency_key: None,
            trace: None,
            identity: Identity::COMMON,
            freshness: Freshness::default(),
        };
        self.pipeline.call(&call).await.expect("it has no key")
    }
}

/// Those that are made when all is well; no other has this number.
pub(crate) const LAST_CALL: u64 = u64::MAX - 1;

// === impl Servers ===

impl Servers {
    fn new(plans: &[ServerPlan], history: &Arc<History>) -> Self {
        let history = Arc::clone(history);
        Self { plans: plans.to_vec(), history, there: Mutex::default() }
    }

    /// Where the configuration says that a server is.
    fn endpoint(&self, server: &Server) -> endpoint::Endpoint {
        let Endpoint::Http(Http { url, .. }) = &server.endpoint else {
            unreachable!("every server has an address")
        };
        let place = url.path().trim_matches('/').parse().expect("the place is a number");
        let index = self.plans.iter().position(|plan| plan.name == server.name.as_str());
        let index = index.expect("there is such a server");
        let mut there = self.there.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || fake::Server::new(&self.plans[index], place, &self.history);
        let server = there.entry((index, place)).or_insert_with(new);
        endpoint::Endpoint::Custom(Arc::new(Dialled(Arc::clone(server))))
    }

    fn places_of(&self, index: usize) -> Vec<Arc<fake::Server>> {
        let there = self.there.lock().unwrap_or_else(PoisonError::into_inner);
        there
            .iter()
            .filter(|((one, _), _)| *one == index)
            .map(|(_, server)| server.clone())
            .collect()
    }

    fn calm(&self) {
        for server in self.there.lock().unwrap_or_else(PoisonError::into_inner).values() {
            server.is_calm.store(true, Ordering::Relaxed);
        }
    }
}

impl Wanted {
    fn first(plan: &ServerPlan) -> Self {
        Self { is_there: true, place: 0, max: plan.pool.1 }
    }
}
