use std::sync::Arc;
use std::time::Duration;

use mcpo_config::{ChildEnvironment, Endpoint, Era, Http, HttpKind, Server, ServerName, Stdio};
use mcpo_core::backoff::Backoff;
use mcpo_core::catalog::{Catalog, CatalogPolicy, ServerIdentity, ToolDefinition};
use mcpo_core::identity::Identity;
use mcpo_core::life::LifePolicy;
use mcpo_core::load::ServerLoad;
use mcpo_core::outcome::OutcomeKind;
use mcpo_testkit::{HttpUpstream, Script, Step, What, tool};
use mcpo_upstream::directory::{CALLS_IN_FLIGHT_MAX, CALLS_WAITING_MAX, Directory, State};
use mcpo_upstream::supervisor::{Supervisor, SupervisorOptions};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::*;
use crate::cache::Freshness;
use crate::play::{self, Act, Ask, Make};

mod keyed;

/// One upstream, `up`, that is kept, and the calls to it.
struct Bench {
    directory: Arc<Directory>,
    wanted: watch::Sender<Arc<Vec<Server>>>,
    pipeline: Pipeline,
    catalog: Catalog,
    _tasks: JoinSet<()>,
}

fn bench(endpoint: Endpoint, backoff: Backoff) -> Bench {
    let name = ServerName::new("up").expect("a valid name");
    let catalog = CatalogPolicy::default();
    let pool = mcpo_config::PoolSizes::STDIO;
    let load = ServerLoad::default();
    let server = Server { name, endpoint, era: Era::Auto, timeout: None, pool, catalog, load };
    let directory = Directory::new();
    let life = LifePolicy { backoff, ..LifePolicy::default() };
    let options = SupervisorOptions { life, ..SupervisorOptions::default() };
    let (wanted, wanted_rx) = watch::channel(Arc::new(vec![server]));
    let mut tasks = JoinSet::new();
    tasks.spawn(Supervisor::new(options, Arc::clone(&directory)).run(wanted_rx));
    let mut read = tool("read");
    read["annotations"] = serde_json::json!({"readOnlyHint": true});
    let tools = [tool("write"), read].iter().filter_map(ToolDefinition::from_json).collect();
    Bench {
        pipeline: Pipeline::new(
            PipelineOptions { calls_in_flight_max: 2, ..PipelineOptions::default() },
            directory.journal(),
        ),
        directory,
        wanted,
        catalog: Catalog::new(ServerIdentity::default(), tools, &CatalogPolicy::default()),
        _tasks: tasks,
    }
}

fn http(upstream: &HttpUpstream) -> Endpoint {
    let url = upstream.url().parse().expect("a valid address");
    Endpoint::Http(Http { url, headers: Vec::new(), kind: HttpKind::Streamable })
}

fn child(command: &str, args: &[&str]) -> Endpoint {
    Endpoint::Stdio(Stdio {
        command: command.to_owned(),
        args: args.iter().map(|&argument| argument.to_owned()).collect(),
        environment: ChildEnvironment::default(),
        cwd: None,
    })
}

const QUICK: Backoff = Backoff { first: Duration::from_millis(1), most: Duration::from_millis(5) };
const SLOW: Backoff = Backoff { first: Duration::from_millis(500), most: Duration::from_secs(60) };

impl Bench {
    async fn until(&self, holds: impl Fn(&State) -> bool) {
        let mut generations = self.directory.generations();
        loop {
            let snapshot = Arc::clone(&self.directory.load());
            if snapshot.upstream("up").is_some_and(|upstream| holds(&upstream.view.state)) {
                return;
            }
            generations.changed().await.expect("the directory is there");
        }
    }

    async fn call(&self, tool: &str, limit: Duration) -> Report {
        let upstream = self.directory.load().upstream("up").expect("it is there").clone();
        let tool = self.catalog.tool(tool).expect("it is there");
        let arguments = Bytes::from_static(b"{}");
        let deadline = Instant::now() + limit;
        let call = Call {
            upstream: &upstream,
            tool,
            arguments,
            deadline,
            is_hurried: false,
            idempotency_key: None,
            trace: None,
            identity: Identity::COMMON,
            freshness: Freshness::default(),
        };
        self.pipeline.call(&call).await.expect("it has no key")
    }
}

fn came_to(report: &Report, outcome: OutcomeKind, kind: FaultKind) {
    assert_eq!(report.outcome.kind(), outcome, "{report:?}");
    assert_eq!(report.outcome.fault().map(|fault| fault.kind), Some(kind), "{report:?}");
}

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn a_call_does_not_wait_for_a_command_that_is_not_there() {
    let bench = bench(child("/nonexistent/command", &[]), SLOW);
    bench.until(|state| matches!(state, State::Resting { .. })).await;
    let began = Instant::now();
    let report = bench.call("write", MINUTE).await;
    came_to(&report, OutcomeKind::NotSent, FaultKind::NotStartable);
    assert_eq!((report.attempts, began.elapsed()), (0, Duration::ZERO));
    assert!(report.outcome.fault().is_some_and(|fault| fault.retry_after.is_some()));
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_for_a_start_exactly_until_its_deadline() {
    // It never answers the handshake, which may take two minutes.
    let bench = bench(child("/bin/sleep", &["600"]), SLOW);
    bench.until(|state| matches!(state, State::Starting { .. })).await;
    let began = Instant::now();
    let report = bench.call("write", Duration::from_secs(7)).await;
    came_to(&report, OutcomeKind::NotSent, FaultKind::Unreachable);
    assert_eq!((report.attempts, began.elapsed()), (0, Duration::from_secs(7)));
}

#[tokio::test(start_paused = true)]
async fn a_call_does_not_wait_for_a_start_that_comes_after_its_deadline() {
    // Its handshake hangs, and it is given longer than the call has.
    let long = Backoff { first: MINUTE, most: 2 * MINUTE };
    let bench = bench(child("/bin/sleep", &["600"]), long);
    bench.until(|state| matches!(state, State::Resting { .. })).await;
    let began = Instant::now();
    let report = bench.call("write", Duration::from_secs(5)).await;
    came_to(&report, OutcomeKind::NotSent, FaultKind::Unreachable);
    assert_eq!((report.attempts, began.elapsed()), (0, Duration::ZERO));
    let wait = report.outcome.fault().and_then(|fault| fault.retry_after);
    assert!(wait.is_some_and(|wait| wait > Duration::from_secs(5)), "{wait:?}");
}

#[tokio::test(start_paused = true)]
async fn an_upstream_whose_handshakes_hang_is_away_and_no_deadline_of_the_call() {
    let bench = bench(child("/bin/sleep", &["6000"]), SLOW);
    bench.until(|state| matches!(state, State::Starting { failures: 4, .. })).await;
    let began = Instant::now();
    let report = bench.call("write", MINUTE).await;
    came_to(&report, OutcomeKind::NotSent, FaultKind::Unreachable);
    assert_eq!((report.attempts, began.elapsed()), (0, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_for_an_upstream_ends_when_that_is_removed() {
    let bench = bench(child("/bin/sleep", &["600"]), SLOW);
    bench.until(|state| matches!(state, State::Starting { .. })).await;
    let began = Instant::now();
    let (report, ()) = tokio::join!(bench.call("write", MINUTE), async {
        bench.wanted.send_replace(Arc::default());
    });
    came_to(&report, OutcomeKind::NotSent, FaultKind::Stopping);
    assert!(began.elapsed() < MINUTE, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_call_beyond_the_room_is_refused_at_once_and_a_place_is_given_back() {
    let bench = bench(child("/bin/sleep", &["600"]), SLOW);
    bench.until(|state| matches!(state, State::Starting { .. })).await;
    let began = Instant::now();
    let second = Duration::from_secs(1);
    let (first, second, third) =
        tokio::join!(bench.call("write", second), bench.call("write", second), async {
            let report = bench.call("write", second).await;
            (report, began.elapsed())
        });
    came_to(&first, OutcomeKind::NotSent, FaultKind::Unreachable);
    came_to(&second, OutcomeKind::NotSent, FaultKind::Unreachable);
    came_to(&third.0, OutcomeKind::NotSent, FaultKind::Overloaded);
    assert_eq!(third.1, Duration::ZERO);
    let report = bench.call("write", Duration::from_millis(1)).await;
    came_to(&report, OutcomeKind::NotSent, FaultKind::Unreachable);
}

#[tokio::test(start_paused = true)]
async fn calls_that_can_share_nothing_are_not_compared() {
    for (enabled, listed) in [(true, 1), (false, 0)] {
        let cache = CacheBounds { enabled, ..CacheBounds::default() };
        let options = PipelineOptions { cache, ..PipelineOptions::default() };
        let bench = play::Bench::ready(Make { options, ..Make::default() }).await;
        // Its answers are kept where any are, and its calls in flight are not shared.
        let report = bench.ask(Ask { tool: "alone", ..Ask::default() }).await;
        assert_eq!(report.outcome.kind(), OutcomeKind::Reply, "{report:?}");
        assert_eq!(bench.pipeline.cache_reading().servers.len(), listed);
    }
}

#[tokio::test]
async fn what_may_have_acted_once_stays_unknown_however_the_last_attempt_failed() {
    let script = Script::new("scripted").on_call("read", vec![vec![Step::Run, Step::Hang]]);
    let mut upstream = HttpUpstream::start(script).await.unwrap();
    let bench = bench(http(&upstream), QUICK);
    bench.until(|state| *state == State::Ready).await;
    let (report, ()) = tokio::join!(bench.call("read", MINUTE), async {
        upstream.journal().wait_for("read", 1).await.unwrap();
        upstream.stop().await;
    });
    came_to(&report, OutcomeKind::Unknown, FaultKind::Unreachable);
    // Nobody listened there any more, so it was not even tried again.
    assert_eq!(report.attempts, 1, "{report:?}");
    assert_eq!(upstream.journal().runs("read"), 1);
}

#[tokio::test]
async fn an_outage_ends_a_call_once_the_starts_worth_waiting_for_have_failed() {
    let mut upstream =
        HttpUpstream::start(Script::new("scripted").tool(tool("write"))).await.unwrap();
    let bench = bench(http(&upstream), QUICK);
    bench.until(|state| *state == State::Ready).await;
    let report = bench.call("write", MINUTE).await;
    assert_eq!((report.outcome.kind(), report.attempts), (OutcomeKind::Reply, 1));
    upstream.stop().await;
    let report = bench.call("write", MINUTE).await;
    came_to(&report, OutcomeKind::NotSent, FaultKind::Unreachable);
    upstream.restart().await.unwrap();
    bench.until(|state| *state == State::Ready).await;
    let report = bench.call("write", MINUTE).await;
    assert_eq!((report.outcome.kind(), report.attempts), (OutcomeKind::Reply, 1));
    assert_eq!(upstream.journal().runs("write"), 2);
}

/// More than the budget would pay for, on a server that knows its sessions and on one that has none.
#[tokio::test]
async fn a_server_that_is_started_anew_under_load_fails_no_call_that_may_be_sent_again() {
    use mcpo_testkit::Era as Speaks;
    const CALLS: usize = 64;
    for era in [Speaks::Legacy, Speaks::Modern] {
        let mut turns = vec![vec![Step::Run, Step::Hang]; CALLS];
        turns.push(Vec::new());
        let script = Script::new("scripted").on_call("read", turns).era(era);
        let mut upstream = HttpUpstream::start(script).await.unwrap();
        let mut bench = bench(http(&upstream), QUICK);
        bench.pipeline = Pipeline::new(PipelineOptions::default(), bench.directory.journal());
        bench.until(|state| *state == State::Ready).await;
        let bench = Arc::new(bench);
        let mut calls = JoinSet::new();
        for _ in 0..CALLS {
            let bench = Arc::clone(&bench);
            calls.spawn(async move { bench.call("read", MINUTE).await });
        }
        upstream.journal().wait_for("read", CALLS).await.unwrap();
        upstream.restart().await.unwrap();
        for report in calls.join_all().await {
            assert_eq!(
                (report.outcome.kind(), report.attempts),
                (OutcomeKind::Reply, 2),
                "{era:?}"
            );
        }
        assert_eq!(upstream.journal().runs("read"), 2 * CALLS);
    }
}

#[tokio::test]
async fn a_server_that_refuses_the_version_of_a_call_is_agreed_with_anew() {
    use mcpo_testkit::{Era as Speaks, HttpStep};
    let error = r#"{"jsonrpc":"2.0","id":$ID,"error":{"code":-32022,"message":"unsupported protocol version"}}"#;
    let turns = vec![vec![], vec![Step::Http(HttpStep::json(400, error))], vec![]];
    for era in [Speaks::Legacy, Speaks::Modern] {
        let script = Script::new("scripted").on_call("write", turns.clone()).era(era);
        let upstream = HttpUpstream::start(script).await.unwrap();
        let bench = bench(http(&upstream), QUICK);
        bench.until(|state| *state == State::Ready).await;
        let before = bench.call("write", MINUTE).await;
        assert_eq!((before.outcome.kind(), before.attempts), (OutcomeKind::Reply, 1), "{era:?}");
        let report = bench.call("write", MINUTE).await;
        assert_eq!((report.outcome.kind(), report.attempts), (OutcomeKind::Reply, 2), "{era:?}");
        assert_eq!(upstream.journal().runs("write"), 2, "{era:?}");
        let handshakes = upstream.journal().matching(|entry| entry.what == What::Handshake).len();
        assert_eq!(handshakes, 2, "{era:?}");
    }
}

/// Takes all places of an upstream, and as many waiting calls as it allows.
async fn crowd(bench: &Arc<play::Bench>, count: usize) -> JoinSet<Report> {
    bench.up.always(Act::Slow(Duration::from_secs(30)));
    let mut calls = JoinSet::new();
    for _ in 0..count {
        let bench = Arc::clone(bench);
        calls.spawn(async move { bench.call("write", MINUTE).await });
    }
    while bench.up.seen() < count.min(CALLS_IN_FLIGHT_MAX) {
        tokio::task::yield_now().await;
    }
    // Each of those that wait now has its turn as well.
    for _ in 0..count {
        tokio::task::yield_now().await;
    }
    calls
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_for_one_of_its_upstreams_places_until_its_deadline() {
    let bench = Arc::new(play::Bench::ready(Make::default()).await);
    let _crowd = crowd(&bench, CALLS_IN_FLIGHT_MAX).await;
    let began = Instant::now();
    let report = bench.call("write", Duration::from_secs(9)).await;
    came_to(&report, OutcomeKind::NotSent, FaultKind::Overloaded);
    assert_eq!((report.attempts, began.elapsed()), (0, Duration::from_secs(9)));
    let report = bench.call("write", 2 * MINUTE).await;
    assert_eq!((report.outcome.kind(), report.attempts), (OutcomeKind::Reply, 1));
    assert_eq!(began.elapsed(), MINUTE, "the first place was free after half a minute");
}

#[tokio::test(start_paused = true)]
async fn no_more_calls_wait_for_an_upstreams_places_than_would_be_served_in_time() {
    let bench = Arc::new(play::Bench::ready(Make::default()).await);
    let crowd = crowd(&bench, CALLS_IN_FLIGHT_MAX + CALLS_WAITING_MAX).await;
    let began = Instant::now();
    let report = bench.call("write", MINUTE).await;
    came_to(&report, OutcomeKind::NotSent, FaultKind::Overloaded);
    assert_eq!((report.attempts, began.elapsed()), (0, Duration::ZERO));
    let late = crowd.join_all().await;
    let replies = late.iter().filter(|report| report.outcome.kind() == OutcomeKind::Reply).count();
    assert!(replies >= CALLS_IN_FLIGHT_MAX, "{replies}");
    assert_eq!(began.elapsed(), MINUTE);
}
