//! Another configuration: what did not change stays, what did is replaced or drained.

use mcpo_config::{Endpoint, Era, PoolSizes, Server};
use mcpo_core::catalog::ToolPolicy;

use super::*;

const SIZES: PoolSizes = PoolSizes { min: 1, max: 1 };

impl Bench {
    fn want(&self, servers: Vec<Server>) {
        self.wanted.send_replace(Arc::new(servers));
    }
}

/// Another upstream of the same name.
fn other() -> Server {
    Server { era: Era::Modern, ..server("up", SIZES) }
}

#[tokio::test(start_paused = true)]
async fn what_is_decided_call_by_call_changes_in_place() {
    let bench = bench(Manner { call_takes: 10 * SECOND, ..Manner::default() }, 1, 1);
    bench.until_ready(1).await;
    let mut calls = bench.calls(1, MINUTE);
    let mut changed = server("up", PoolSizes { min: 2, max: 3 });
    changed.timeout = Some(7 * SECOND);
    changed.catalog.disabled_tools = vec!["write".to_owned()];
    bench.want(vec![changed]);
    let view = bench.until("changed", |view| view.timeout == Some(7 * SECOND)).await;
    let catalog = view.catalog.as_ref().expect("it has one");
    assert!(catalog.tool("write").is_none() && catalog.tool("read").is_some());
    assert_eq!((view.pool.min, view.pool.max), (2, 3));
    assert!(view.missing_tools.is_empty(), "the operator took it away");
    let view = bench.until_ready(2).await;
    assert_eq!(view.sessions[0].epoch, 1);
    assert_eq!(calls.join_next().await.map(Result::unwrap), Some(true));
    bench.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_is_replaced_starts_at_once_and_the_old_one_drains_beside() {
    let bench = bench(Manner { call_takes: 10 * SECOND, ..Manner::default() }, 1, 1);
    bench.until_ready(1).await;
    bench.up.set(|manner| manner.dial_takes = 3 * SECOND);
    let mut calls = bench.calls(1, MINUTE);
    let waiting = bench.upstream();
    let began = Instant::now();
    bench.want(vec![other()]);
    let view = bench.until("replaced", |view| !view.is_ready()).await;
    assert_eq!(view.state.name(), "starting");
    assert!(view.catalog.is_some(), "calls wait, they are not sent away");
    let view = bench.until_ready(1).await;
    assert_eq!((view.sessions[0].epoch, began.elapsed()), (2, 3 * SECOND));
    assert_eq!(waiting.follow().borrow().epochs, 2, "who waited before sees the new one");
    assert_eq!(bench.up.open(), 2);
    assert_eq!(calls.join_next().await.map(Result::unwrap), Some(true));
    sleep(SECOND).await;
    assert_eq!(bench.up.open(), 1);
    bench.stop().await;
}

#[tokio::test(start_paused = true)]
async fn one_that_is_removed_leaves_at_once_and_its_calls_end_within_their_time() {
    let bench = bench(Manner { call_takes: 10 * SECOND, ..Manner::default() }, 1, 1);
    bench.until_ready(1).await;
    let mut calls = bench.calls(1, MINUTE);
    let waiting = bench.upstream();
    let mut views = waiting.follow();
    bench.want(Vec::new());
    views.wait_for(|view| view.state == State::Stopped).await.expect("its keeper is there");
    assert!(bench.directory.load().upstream("up").is_none());
    assert_eq!(calls.join_next().await.map(Result::unwrap), Some(true));
    // One that never ends is cut off.
    bench.want(vec![server("up", SIZES)]);
    bench.until_ready(1).await;
    bench.up.set(|manner| manner.call_takes = 60 * MINUTE);
    let mut calls = bench.calls(1, 2 * 60 * MINUTE);
    let began = Instant::now();
    bench.want(Vec::new());
    assert_eq!(calls.join_next().await.map(Result::unwrap), Some(false));
    assert_eq!(began.elapsed(), 30 * SECOND);
    bench.stop().await;
}

#[tokio::test(start_paused = true)]
async fn upstreams_stand_in_the_order_of_the_configuration() {
    let bench = bench(Manner::default(), 1, 1);
    bench.until_ready(1).await;
    bench.want(vec![server("new", SIZES), server("up", SIZES)]);
    let mut generations = bench.directory.generations();
    let names = || -> Vec<String> {
        let snapshot = bench.directory.load();
        snapshot.upstreams().iter().map(|upstream| upstream.view.name.clone()).collect()
    };
    while names() != ["new", "up"] {
        generations.changed().await.expect("the directory is there");
    }
    assert_eq!(bench.view().epochs, 1);
    bench.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_process_that_is_replaced_ends_before_the_next_one_starts() {
    use mcpo_config::{ChildEnvironment, Stdio};
    // Neither speaks MCP; what counts is who runs when.
    let child = |seconds: &str| Server {
        endpoint: Endpoint::Stdio(Stdio {
            command: "/bin/sleep".to_owned(),
            args: vec![seconds.to_owned()],
            environment: ChildEnvironment::default(),
            cwd: None,
        }),
        ..server("up", SIZES)
    };
    let directory = Directory::new();
    let (wanted, wanted_rx) = watch::channel(Arc::new(vec![child("600")]));
    let options = crate::supervisor::SupervisorOptions::default();
    let mut tasks = JoinSet::new();
    tasks.spawn(crate::supervisor::Supervisor::new(options, directory.clone()).run(wanted_rx));
    let mut generations = directory.generations();
    let mut until_starting = async |starting: usize| {
        let is = |directory: &Directory| {
            directory.load().upstream("up").map(|upstream| upstream.view.pool.starting)
                == Some(starting)
        };
        while !is(&directory) {
            generations.changed().await.expect("the directory is there");
        }
    };
    until_starting(1).await;
    wanted.send_replace(Arc::new(vec![child("700")]));
    until_starting(0).await;
    until_starting(1).await;
    drop(wanted);
    tasks.join_next().await.expect("it was running").expect("it does not break");
}

#[tokio::test(start_paused = true)]
async fn names_of_tools_that_are_not_offered_are_told_once_for_each_change() {
    let bench = bench(Manner::default(), 1, 1);
    bench.until_ready(1).await;
    assert!(bench.events("tools_unknown").is_empty());
    let mut changed = server("up", SIZES);
    changed.catalog.disabled_tools = vec!["wirte".to_owned(), "write".to_owned()];
    changed.catalog.tools.insert("raed".to_owned(), ToolPolicy::default());
    bench.want(vec![changed.clone()]);
    bench.until("changed", |view| view.catalog_version == 2).await;
    bench.up.kill_all();
    bench.until("again", |view| view.epochs == 2 && view.is_ready()).await;
    let names = ["raed".to_owned(), "wirte".to_owned()];
    assert!(matches!(
        &bench.events("tools_unknown")[..],
        [Event::ToolsUnknown { names: told, .. }] if *told == names
    ));
    changed.catalog.disabled_tools.remove(0);
    changed.catalog.tools.clear();
    bench.want(vec![changed]);
    bench.until("mended", |view| view.catalog_version == 3).await;
    assert_eq!(bench.events("tools_unknown").len(), 1);
    bench.stop().await;
}

/// Who was held may do harm; that it is written down otherwise now does not release it.
#[tokio::test(start_paused = true)]
async fn what_an_operator_holds_stays_held_when_it_is_replaced() {
    let bench = bench(Manner::default(), 1, 1);
    bench.until_ready(1).await;
    bench.order(Order::Hold).await;
    bench.want(vec![other()]);
    sleep(MINUTE).await;
    assert_eq!((bench.view().state.name(), bench.up.made()), ("held", 1));
    assert_eq!(bench.up.open(), 0, "it is another one, and the old one is gone");
    bench.order(Order::Release).await;
    bench.until_ready(1).await;
    assert_eq!(bench.up.made(), 2);
    bench.stop().await;
}
