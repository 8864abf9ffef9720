use mcpo_config::{ChildEnvironment, Endpoint, Era, Http, HttpKind, ServerName, Stdio};
use mcpo_core::backoff::Backoff;
use mcpo_core::catalog::CatalogPolicy;
use mcpo_core::life::LifePolicy;
use mcpo_core::load::ServerLoad;
use mcpo_testkit::{HttpStep, HttpUpstream, Script, Step, What};

use super::*;
use crate::directory::{State, View};

fn server(name: &str, endpoint: Endpoint) -> Server {
    Server {
        name: ServerName::new(name).expect("a valid name"),
        endpoint,
        era: Era::Auto,
        timeout: None,
        pool: mcpo_config::PoolSizes::STDIO,
        catalog: CatalogPolicy::default(),
        load: ServerLoad::default(),
    }
}

fn http(name: &str, upstream: &HttpUpstream) -> Server {
    let url = upstream.url().parse().expect("a valid address");
    server(name, Endpoint::Http(Http { url, headers: Vec::new(), kind: HttpKind::Streamable }))
}

/// A command that is not there: it fails without waiting for anything, so that time can be moved.
fn missing(name: &str) -> Server {
    let command = "/nonexistent/command".to_owned();
    let environment = ChildEnvironment::default();
    server(name, Endpoint::Stdio(Stdio { command, args: Vec::new(), environment, cwd: None }))
}

fn options(life: LifePolicy) -> SupervisorOptions {
    SupervisorOptions { life, ..SupervisorOptions::default() }
}

fn quick() -> SupervisorOptions {
    let backoff = Backoff { first: Duration::from_millis(1), most: Duration::from_millis(5) };
    options(LifePolicy { backoff, ..LifePolicy::default() })
}

struct Running {
    directory: Arc<Directory>,
    wanted: watch::Sender<Arc<Vec<Server>>>,
    tasks: JoinSet<()>,
}

fn run(options: SupervisorOptions, servers: Vec<Server>) -> Running {
    let directory = Directory::new();
    let (wanted, wanted_rx) = watch::channel(Arc::new(servers));
    let mut tasks = JoinSet::new();
    tasks.spawn(Supervisor::new(options, Arc::clone(&directory)).run(wanted_rx));
    Running { directory, wanted, tasks }
}

impl Running {
    fn want(&self, servers: Vec<Server>) {
        self.wanted.send_replace(Arc::new(servers));
    }

    /// Waits until the upstreams are these, in this order, and are all as wanted.
    async fn until(&self, names: &[&str], holds: impl Fn(&View) -> bool) {
        let mut generations = self.directory.generations();
        let wait = async {
            loop {
                let snapshot = Arc::clone(&self.directory.load());
                let all: Vec<&str> = snapshot
                    .upstreams()
                    .iter()
                    .map(|upstream| upstream.view.name.as_str())
                    .collect();
                if all == names && snapshot.upstreams().iter().all(|one| holds(&one.view)) {
                    return;
                }
                generations.changed().await.expect("the directory is there");
            }
        };
        let in_time = timeout(Duration::from_secs(20), wait).await;
        assert!(in_time.is_ok(), "{names:?} in vain; {:?}", self.directory.load());
    }

    async fn ends(&mut self) {
        let ended = timeout(Duration::from_secs(20), self.tasks.join_next()).await;
        ended.expect("it ends in time").expect("it was running").expect("it does not break");
    }
}

#[tokio::test]
async fn what_is_wanted_runs_in_its_order_and_what_is_not_ends_without_touching_the_rest() {
    let [a, b, c] = [
        HttpUpstream::start(Script::echo()).await.unwrap(),
        HttpUpstream::start(Script::echo()).await.unwrap(),
        HttpUpstream::start(Script::echo()).await.unwrap(),
    ];
    let mut running = run(quick(), vec![http("a", &a), http("b", &b)]);
    running.until(&["a", "b"], View::is_ready).await;
    running.want(vec![http("b", &b), http("c", &c)]);
    running.until(&["b", "c"], View::is_ready).await;
    a.journal().wait_for_what(What::Deleted, 1).await.unwrap();
    assert_eq!((b.sessions_made(), b.sessions_open()), (1, 1));

    drop(running.wanted);
    running.tasks.join_next().await.unwrap().unwrap();
    for upstream in [&a, &b, &c] {
        assert_eq!((upstream.sessions_made(), upstream.sessions_open()), (1, 0));
    }
}

#[tokio::test]
async fn an_upstream_that_moved_is_replaced_in_its_place() {
    let [old, new, other] = [
        HttpUpstream::start(Script::echo()).await.unwrap(),
        HttpUpstream::start(Script::echo()).await.unwrap(),
        HttpUpstream::start(Script::echo()).await.unwrap(),
    ];
    let running = run(quick(), vec![http("a", &old), http("b", &other)]);
    running.until(&["a", "b"], View::is_ready).await;
    running.want(vec![http("a", &new), http("b", &other)]);
    new.journal().wait_for_what(What::Initialized, 1).await.unwrap();
    running.until(&["a", "b"], View::is_ready).await;
    assert_eq!((old.sessions_open(), new.sessions_made(), other.sessions_made()), (0, 1, 1));

    // Away and back again, before anything of it could end.
    running.want(vec![http("b", &other)]);
    running.want(vec![http("a", &old), http("b", &other)]);
    old.journal().wait_for_what(What::Initialized, 2).await.unwrap();
    running.until(&["a", "b"], View::is_ready).await;
    assert_eq!((new.sessions_open(), other.sessions_made()), (0, 1));
}

#[tokio::test]
async fn an_upstream_that_never_answers_does_not_hold_up_a_stop() {
    let upstream = HttpUpstream::start(Script::never_answers_initialize()).await.unwrap();
    let mut running = run(quick(), vec![http("a", &upstream), missing("b")]);
    upstream.journal().wait_for_what(What::Handshake, 1).await.unwrap();
    drop(std::mem::replace(&mut running.wanted, watch::Sender::new(Arc::default())));
    running.ends().await;
    upstream.journal().wait_for_what(What::Gone, 1).await.unwrap();
}

#[tokio::test]
async fn an_upstream_whose_session_ends_within_the_handshake_is_tried_again() {
    let list = vec![vec![Step::DropConnection], vec![]];
    let upstream = HttpUpstream::start(Script { list, ..Script::echo() }).await.unwrap();
    let url = upstream.sse_url().parse().expect("a valid address");
    let sse = Endpoint::Http(Http { url, headers: Vec::new(), kind: HttpKind::Sse });
    let running = run(quick(), vec![server("a", sse)]);
    running.until(&["a"], View::is_ready).await;
    assert_eq!(upstream.journal().count(What::List), 2);
    let snapshot = running.directory.load();
    let view = &snapshot.upstream("a").expect("it is there").view;
    assert_eq!((&view.state, view.reconnects), (&State::Ready, 0));
}

#[tokio::test]
async fn an_upstream_that_refuses_a_start_for_a_while_is_left_alone_for_so_long() {
    let refusal = HttpStep::status(429).header("retry-after", "1");
    let script = Script::echo().on_handshake(vec![vec![Step::Http(refusal)], vec![]]);
    let upstream = HttpUpstream::start(script.era(mcpo_testkit::Era::Modern)).await.unwrap();
    let long = Backoff { first: Duration::from_millis(1), most: Duration::from_secs(60) };
    let life = LifePolicy { backoff: long, ..LifePolicy::default() };
    let running = run(options(life), vec![http("a", &upstream)]);
    upstream.journal().wait_for_what(What::Handshake, 1).await.unwrap();
    let refused = Instant::now();
    running.until(&["a"], View::is_ready).await;
    // The journal is looked at every few milliseconds.
    assert!(refused.elapsed() >= Duration::from_millis(900), "{:?}", refused.elapsed());
    assert_eq!(upstream.journal().count(What::Handshake), 2);
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_cannot_be_started_is_tried_again_after_growing_waits_for_ever() {
    let running = run(options(LifePolicy::default()), vec![missing("a")]);
    running.until(&["a"], |_| true).await;
    let mut views = running.directory.load().upstream("a").expect("it is there").follow();
    let mut step = Duration::from_millis(500);
    for failure in 1..=12 {
        let resting = |view: &Arc<View>| matches!(&view.state, State::Resting { failures, .. } if *failures == failure);
        let view = Arc::clone(&*views.wait_for(resting).await.expect("its keeper is there"));
        let State::Resting { fault, retry_at, .. } = &view.state else { unreachable!("asked for") };
        assert_eq!(fault.kind, FaultKind::NotStartable);
        let wait = retry_at.saturating_duration_since(Instant::now());
        let least = step.min(Duration::from_secs(40));
        // The clock is moved in whole milliseconds.
        assert!(wait + Duration::from_millis(2) >= least, "{failure}: {wait:?}");
        assert!(wait <= (step * 3 / 2).min(Duration::from_secs(60)), "{failure}: {wait:?}");
        step *= 2;
    }
}

#[tokio::test(start_paused = true)]
async fn an_upstream_whose_keeper_broke_keeps_its_place_rests_and_gets_another() {
    let directory = Directory::new();
    let servers = Arc::new(vec![missing("a"), missing("b")]);
    let mut supervisor = Supervisor::new(options(LifePolicy::default()), Arc::clone(&directory));
    supervisor.turn(&servers);
    supervisor.keepers.abort_all();
    let (wanted, wanted_rx) = watch::channel(servers);
    let mut running = Running { directory, wanted, tasks: JoinSet::new() };
    running.tasks.spawn(supervisor.run(wanted_rx));
    let broke = |view: &View| {
        let fault = view.state.fault();
        fault.is_some_and(|fault| fault.detail.contains("broke")) && !view.is_ready()
    };
    running.until(&["a", "b"], broke).await;
    let began = Instant::now();
    let kept =
        |view: &View| view.state.fault().is_some_and(|fault| fault.kind == FaultKind::NotStartable);
    running.until(&["a", "b"], kept).await;
    assert!(began.elapsed() >= BROKEN_REST, "{:?}", began.elapsed());
    drop(std::mem::replace(&mut running.wanted, watch::Sender::new(Arc::default())));
    running.ends().await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_does_not_wait_for_the_rest_after_a_broken_keeper() {
    let directory = Directory::new();
    let servers = Arc::new(vec![missing("a")]);
    let mut supervisor = Supervisor::new(options(LifePolicy::default()), Arc::clone(&directory));
    supervisor.turn(&servers);
    supervisor.keepers.abort_all();
    let (wanted, wanted_rx) = watch::channel(servers);
    let mut running = Running { directory, wanted, tasks: JoinSet::new() };
    running.tasks.spawn(supervisor.run(wanted_rx));
    running.until(&["a"], |view| matches!(view.state, State::Resting { .. })).await;
    let began = Instant::now();
    running.want(Vec::new());
    running.until(&[], |_| true).await;
    assert!(began.elapsed() < BROKEN_REST, "{:?}", began.elapsed());
}
