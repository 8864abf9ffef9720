//! Pictures by hand.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mcpo_core::event::Event;
use mcpo_core::fault::{Fault, FaultKind};
use mcpo_core::outcome::OutcomeKind;
use mcpo_core::sketch::Sketch;
use mcpo_monitor::alerts::{Alert, Alerts, Phase, Severity, WebhookState};
use mcpo_monitor::picture::{
    BreakerName, BurnWindows, CacheCounts, CachePicture, CallPicture, Picture, ServerPicture,
    ShedPicture, Standing, Tally, ToolPicture, WatchPicture, WholeCachePicture, WholePicture,
};
use mcpo_monitor::requests::{RequestSeries, Route};
use mcpo_monitor::resources::{MachineSample, ProcessSample};
use mcpo_monitor::score::Score;
use mcpo_upstream::journal::{Journal, UpstreamCounters};
use mcpo_upstream::meter::Exemplar;

pub(crate) fn at() -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(1_750_000_000_250)
}

/// Nothing but mcpo itself, with these upstreams.
pub(crate) fn picture(servers: Vec<ServerPicture>) -> Picture {
    Picture {
        at: at(),
        uptime: Duration::from_secs(3600),
        servers,
        whole: WholePicture {
            calls: CallPicture::default(),
            max_concurrent: 10_000,
            in_flight: 1,
            peak: 7,
            queued: 0,
            shed: ShedPicture { all: [2, 0, 0, 0, 0, 0], ..ShedPicture::default() },
            cache: WholeCachePicture::default(),
            faults_last_hour: Vec::new(),
            burn: BurnWindows::default(),
            score: score(97),
        },
        requests: Vec::new(),
        process: None,
        machine: None,
        watch: WatchPicture { slo_objective: 0.99, ..WatchPicture::default() },
    }
}

/// An upstream that is well and was never called.
pub(crate) fn server(name: &str) -> ServerPicture {
    ServerPicture {
        name: name.to_owned(),
        state: "ready",
        standing: Standing::Ok,
        since: at() - Duration::from_secs(60),
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
        tools_offered: Some(2),
        missing_tools: Vec::new(),
        counters: UpstreamCounters::default(),
        last_error: None,
        faults_last_hour: Vec::new(),
        recoveries_last_hour: Default::default(),
        burn: BurnWindows::default(),
        calls: CallPicture::default(),
        tools: Vec::new(),
        queued: 0,
        limit: 1024,
        limit_max: 1024,
        shed: ShedPicture::default(),
        cache: None,
        processes: None,
        score: score(100),
    }
}

/// A tool whose calls took so many seconds each.
pub(crate) fn tool(name: &str, seconds: &[f64]) -> ToolPicture {
    ToolPicture { tool: name.to_owned(), calls: calls(seconds) }
}

pub(crate) fn calls(seconds: &[f64]) -> CallPicture {
    let mut duration = Sketch::default();
    seconds.iter().for_each(|&one| duration.add(one));
    let ended = [seconds.len() as u64, 0, 0, 0, 0, 0];
    let duration_sum = Duration::from_secs_f64(seconds.iter().sum());
    CallPicture { ended, duration, duration_sum, ..CallPicture::default() }
}

pub(crate) fn no_alerts() -> Alerts {
    Alerts::none(at())
}

/// One of everything.
pub(crate) fn small() -> (Picture, Alerts) {
    let mut picture = picture(vec![time_server(), broken_server()]);
    picture.requests = vec![RequestSeries {
        route: Route::Tool,
        method: "POST",
        status: 200,
        duration: calls(&[0.004, 0.3]).duration,
        duration_sum: Duration::from_millis(304),
    }];
    picture.process = Some(ProcessSample { fds_max: Some(1024), ..process() });
    picture.machine = Some(MachineSample {
        cpu: 0.5,
        memory: 0.25,
        memory_bytes_max: 1 << 33,
        processors: 1.5,
        is_container: true,
        state_disk_bytes_free: Some(1 << 40),
    });
    picture.whole.burn.hour = Tally { good: 90, bad: 10 };
    picture.whole.cache =
        WholeCachePicture { enabled: true, entries_max: 1000, bytes_max: 64 << 20, all: kept() };
    picture.watch.journal_seq = 41;
    picture.watch.history_bytes = Some(65_536);
    (picture, alerts())
}

fn time_server() -> ServerPicture {
    let mut busy = tool("get_current_time", &[0.015, 0.015, 0.4, 900.0]);
    busy.calls.exemplars =
        vec![Exemplar { seconds: 0.4, at: 1_749_999_999.5, trace_id: [0xab; 16] }];
    busy.calls.in_flight = 1;
    let mut rare = tool("convert_time", &[]);
    rare.calls.ended[4] = 1;
    let mut whole = busy.calls.clone();
    whole.ended[4] = 1;
    whole.peak = 3;
    whole.waited_sum = Duration::from_millis(125);
    whole.upstream_sum = Duration::from_secs(900);
    (whole.bytes_in, whole.bytes_out) = (120, 4096);
    let journal = Journal::new();
    let fault = || Fault::new(FaultKind::Disconnected, "it ended");
    journal.record(&Event::SessionLost {
        upstream: "time".to_owned(),
        fault: fault(),
        retry_in: Duration::ZERO,
    });
    journal.record(&Event::Recovered {
        upstream: "time".to_owned(),
        away: Duration::from_millis(12),
        fault: fault(),
    });
    journal.record(&Event::CallFailed {
        upstream: "time".to_owned(),
        tool: "convert_time".to_owned(),
        outcome: OutcomeKind::Unknown,
        fault: fault(),
        attempts: 1,
    });
    ServerPicture {
        calls: whole,
        tools: vec![busy, rare],
        counters: journal.counters().upstreams["time"].clone(),
        reconnects: 1,
        limit: 90,
        shed: ShedPicture { all: [1, 0, 3, 2, 0, 0], ..ShedPicture::default() },
        cache: Some(kept()),
        processes: Some(process()),
        ..server("time")
    }
}

fn kept() -> CachePicture {
    let counts = CacheCounts {
        hits: 60,
        misses: 20,
        stale: 4,
        bypassed: 3,
        coalesced: 5,
        evictions: 2,
        expirations: 6,
        purged: 1,
        refreshes: 7,
    };
    CachePicture { counts, entries: 9, bytes: 4096, ..CachePicture::default() }
}

fn broken_server() -> ServerPicture {
    ServerPicture {
        state: "resting",
        standing: Standing::Down,
        fault: Some(FaultKind::Unreachable),
        retry_in: Some(Duration::from_millis(1500)),
        sessions: 0,
        breaker: BreakerName::Open,
        tools_offered: None,
        missing_tools: vec!["gone".to_owned()],
        score: score(0),
        ..server("broken")
    }
}

fn process() -> ProcessSample {
    ProcessSample {
        processes: 2,
        cpu: 0.25,
        cpu_seconds: 12.5,
        rss_bytes: 40 << 20,
        fds: Some(17),
        fds_max: None,
        threads: 5,
        uptime_seconds: 60.5,
    }
}

fn alerts() -> Alerts {
    let alert = |rule: &str, server: Option<&str>, severity, phase| Alert {
        rule: rule.to_owned(),
        server: server.map(str::to_owned),
        severity,
        phase,
        since: 1_749_999_900.0,
        resolved_at: None,
        value: 1.0,
        threshold: 0.0,
        summary: "it cannot be called".to_owned(),
        fix: "look at it".to_owned(),
        inhibited_by: None,
    };
    let webhook = |sent, failed| WebhookState {
        name: "1:slack".to_owned(),
        sent,
        failed,
        dropped: 0,
        queued: 0,
        last_error: None,
    };
    Alerts {
        active: vec![
            alert("server_down", Some("broken"), Severity::Critical, Phase::Firing),
            alert("memory_high", None, Severity::Critical, Phase::Firing),
            alert("cpu_high", None, Severity::Warning, Phase::Pending),
        ],
        webhooks: vec![webhook(4, 1), webhook(2, 0)],
        ..no_alerts()
    }
}

fn score(score: u8) -> Score {
    Score { score, reasons: Vec::new() }
}
