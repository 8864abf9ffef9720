//! Facts of an mcpo that is well, and single changes of them.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mcpo_config::{ChildEnvironment, Endpoint, Era, Http, HttpKind, PoolSizes, Server, Stdio};
use mcpo_core::catalog::CatalogPolicy;
use mcpo_core::event::Event;
use mcpo_core::fault::{Fault, FaultKind, Stage};
use mcpo_core::life::HeldBy;
use mcpo_core::load::ServerLoad;
use mcpo_core::outcome::OutcomeKind;
use mcpo_core::sketch::Sketch;
use mcpo_upstream::journal::Entry;
use mcpo_upstream::meter::CallResult;

use super::super::{Facts, TrendFact};
use crate::history::Metric;
use crate::picture::{
    BreakerName, BurnWindows, CallPicture, Picture, ServerPicture, ShedPicture, Standing, Tally,
    WatchPicture, WholeCachePicture, WholePicture, WindowPicture,
};
use crate::resources::{MachineSample, ProcessSample};
use crate::score::Score;
use crate::trend::{self, Options};

/// Now.
pub(super) fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_790_000_000)
}

/// A command by the name of `files`, and a URL by the name of `search`; both are well.
pub(super) fn healthy() -> Facts {
    let servers = vec![command("files", "npx"), url("search", "http://search.example:9000/mcp")];
    let pictures = servers.iter().map(|server| well(server.name.as_str())).collect();
    let mut facts = Facts::new(now(), Arc::new(servers));
    facts.picture = Some(Arc::new(picture(pictures)));
    for name in ["files", "search"] {
        let (upstream, protocol_version) = (name.to_owned(), "2025-11-25".to_owned());
        let took = Duration::from_millis(40);
        tell(&mut facts, 3600, Event::UpstreamReady { upstream, tools: 5, protocol_version, took });
    }
    facts
}

pub(super) fn command(name: &str, command: &str) -> Server {
    let (args, environment) = (vec!["-y".to_owned()], ChildEnvironment::default());
    server(
        name,
        Endpoint::Stdio(Stdio { command: command.to_owned(), args, environment, cwd: None }),
    )
}

pub(super) fn url(name: &str, url: &str) -> Server {
    let (url, kind) = (url.parse().unwrap(), HttpKind::Streamable);
    server(name, Endpoint::Http(Http { url, headers: Vec::new(), kind }))
}

fn server(name: &str, endpoint: Endpoint) -> Server {
    Server {
        name: mcpo_config::ServerName::new(name).unwrap(),
        endpoint,
        era: Era::Auto,
        timeout: None,
        pool: PoolSizes::STDIO,
        catalog: CatalogPolicy::default(),
        load: ServerLoad::default(),
    }
}

fn picture(servers: Vec<ServerPicture>) -> Picture {
    Picture {
        at: now(),
        uptime: Duration::from_secs(7200),
        servers,
        whole: WholePicture {
            calls: calls(),
            max_concurrent: 10_000,
            in_flight: 3,
            peak: 20,
            queued: 0,
            shed: ShedPicture::default(),
            cache: WholeCachePicture::default(),
            faults_last_hour: Vec::new(),
            burn: BurnWindows::default(),
            score: Score { score: 100, reasons: Vec::new() },
        },
        requests: Vec::new(),
        process: Some(sample(40)),
        machine: Some(MachineSample {
            cpu: 0.2,
            memory: 0.5,
            memory_bytes_max: 8 << 30,
            processors: 4.0,
            is_container: false,
            state_disk_bytes_free: Some(10 << 30),
        }),
        watch: WatchPicture::default(),
    }
}

fn sample(fds: u64) -> ProcessSample {
    ProcessSample {
        processes: 1,
        cpu: 0.1,
        cpu_seconds: 12.0,
        rss_bytes: 20 << 20,
        fds: Some(fds),
        fds_max: Some(1024),
        threads: 4,
        uptime_seconds: 7200.0,
    }
}

fn calls() -> CallPicture {
    let windows =
        [60, 300, 3600].map(|seconds| window(Duration::from_secs(seconds), seconds * 2, 0.1));
    CallPicture { windows, ..CallPicture::default() }
}

/// So many calls, each of that length, nine tenths of it at the upstream.
pub(super) fn window(length: Duration, count: u64, seconds: f64) -> WindowPicture {
    let mut duration = Sketch::default();
    duration.add_many(mcpo_core::sketch::bucket(seconds), count);
    let mut ended = [0; CallResult::ALL.len()];
    ended[0] = count;
    let all = Duration::from_secs_f64(seconds * count as f64);
    WindowPicture {
        length,
        ended,
        duration,
        duration_sum: all,
        waited_sum: all / 20,
        upstream_sum: all * 9 / 10,
    }
}

fn well(name: &str) -> ServerPicture {
    let good = Tally { good: 1000, bad: 0 };
    ServerPicture {
        name: name.to_owned(),
        state: "ready",
        standing: Standing::Ok,
        since: now() - Duration::from_secs(3600),
        fault: None,
        detail: None,
        held_by: None,
        retry_in: None,
        sessions: 1,
        sessions_in_use: 0,
        pool_min: 1,
        pool_max: 4,
        breaker: BreakerName::Closed,
        retry_tokens: 500,
        reconnects: 0,
        tools_offered: Some(5),
        missing_tools: Vec::new(),
        counters: mcpo_upstream::journal::UpstreamCounters::default(),
        last_error: None,
        faults_last_hour: Vec::new(),
        recoveries_last_hour: 0,
        burn: BurnWindows { five_minutes: good, half_hour: good, hour: good, six_hours: good },
        calls: calls(),
        tools: Vec::new(),
        queued: 0,
        limit: 1024,
        limit_max: 1024,
        shed: ShedPicture::default(),
        cache: None,
        processes: (name == "files").then(|| sample(10)),
        score: Score { score: 100, reasons: Vec::new() },
    }
}

/// Changes the picture of one upstream.
pub(super) fn with(facts: &mut Facts, name: &str, change: impl FnOnce(&mut ServerPicture)) {
    with_picture(facts, |picture| {
        change(picture.servers.iter_mut().find(|server| server.name == name).unwrap());
    });
}

/// Changes the picture.
pub(super) fn with_picture(facts: &mut Facts, change: impl FnOnce(&mut Picture)) {
    change(Arc::make_mut(facts.picture.as_mut().unwrap()));
}

/// Something happened so many seconds ago.
pub(super) fn tell(facts: &mut Facts, seconds_ago: u64, event: Event) {
    let seq = facts.entries.len() as u64 + 1;
    facts.entries.push(Entry { seq, at: now() - Duration::from_secs(seconds_ago), event });
}

/// The upstream has failed to come up so often, and rests.
pub(super) fn down(facts: &mut Facts, name: &str, fault: &Fault) {
    for failures in [1, 2] {
        let (upstream, fault) = (name.to_owned(), fault.clone());
        let retry_in = Duration::from_secs(4);
        tell(
            facts,
            60 / u64::from(failures),
            Event::UpstreamFailed { upstream, fault, failures, retry_in },
        );
    }
    with(facts, name, |server| {
        server.state = "resting";
        server.standing = Standing::Down;
        server.sessions = 0;
        server.fault = Some(fault.kind);
        server.detail = Some(fault.detail.as_str().into());
        server.since = now() - Duration::from_secs(20);
    });
}

/// The upstream is held.
pub(super) fn hold(facts: &mut Facts, name: &str, by: HeldBy) {
    with(facts, name, |server| {
        server.state = "held";
        server.standing = Standing::Down;
        server.sessions = 0;
        server.held_by = Some(by);
    });
}

/// So many calls failed, one a second until now.
pub(super) fn failed_calls(facts: &mut Facts, name: &str, kind: FaultKind, count: u64) {
    for seconds_ago in (0..count).rev() {
        let (upstream, tool) = (name.to_owned(), "get".to_owned());
        let (outcome, attempts) = (OutcomeKind::Unknown, 1);
        let fault = Fault::new(kind, "no answer within the deadline");
        tell(facts, seconds_ago, Event::CallFailed { upstream, tool, outcome, fault, attempts });
    }
}

/// A session was lost so many seconds ago, and is there again.
pub(super) fn lost(facts: &mut Facts, name: &str, kind: FaultKind, seconds_ago: u64) {
    let fault = Fault::new(kind, "the process ended (exit code 7); its last words: out of luck");
    let (upstream, retry_in) = (name.to_owned(), Duration::ZERO);
    tell(facts, seconds_ago, Event::SessionLost { upstream, fault: fault.clone(), retry_in });
    let (upstream, away) = (name.to_owned(), Duration::from_millis(30));
    tell(facts, seconds_ago, Event::Recovered { upstream, away, fault });
}

/// No connection was made.
pub(super) fn no_connection(stage: Stage) -> Fault {
    let fault = Fault::new(FaultKind::Unreachable, "connect: http://search.example:9000: no");
    Fault { stage: Some(stage), ..fault }
}

/// A series that grew by that much an hour for so many hours, to where it is now.
pub(super) fn growth(server: Option<&str>, metric: Metric, level: f64, per_hour: f64) -> TrendFact {
    let last = now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let points: Vec<(u64, f64)> = (0..=120_u64)
        .map(|step| (last - step * 60, level - per_hour * step as f64 / 60.0))
        .collect();
    let trend = trend::analyse(&points, Options::default());
    TrendFact { server: server.map(str::to_owned), metric, trend }
}
