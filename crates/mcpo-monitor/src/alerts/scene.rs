//! A made-up picture for the tests of this room, and a clock that they move.

use std::time::{Duration, SystemTime};

use mcpo_config::{AlertRule, Monitoring};
use mcpo_core::fault::FaultKind;
use mcpo_core::life::HeldBy;
use mcpo_core::sketch::Sketch;
use mcpo_upstream::journal::UpstreamCounters;

use super::{Alert, Engine, Notice, Phase, Severity};
use crate::picture::{
    BreakerName, BurnWindows, CallPicture, FIVE_MINUTES, Picture, ServerPicture, ShedPicture,
    Standing, Tally, WatchPicture, WholeCachePicture, WholePicture,
};
use crate::resources::MachineSample;
use crate::score::Score;

/// A picture that tests paint, and the engine that looks at it.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) engine: Engine,
    pub(crate) picture: Picture,
    pub(crate) wall: SystemTime,
}

/// With all rules as they are by default, but for what is said here.
pub(crate) fn with_rules(rules: &[(&str, AlertRule)]) -> Monitoring {
    let mut monitoring = Monitoring::default();
    monitoring.alerts.rules =
        rules.iter().map(|(name, rule)| ((*name).to_owned(), *rule)).collect();
    monitoring
}

/// An alert that fires.
pub(crate) fn firing(rule: &str, server: Option<&str>) -> Alert {
    Alert {
        rule: rule.to_owned(),
        server: server.map(str::to_owned),
        severity: Severity::Critical,
        phase: Phase::Firing,
        since: 1_767_323_045.5,
        resolved_at: None,
        value: 1.0,
        threshold: 0.0,
        summary: "x: it cannot be called: it cannot be reached".to_owned(),
        fix: "Look at /diagnostics.".to_owned(),
        inhibited_by: None,
    }
}

/// The same when it is over, a minute later.
pub(crate) fn resolved(rule: &str, server: Option<&str>) -> Alert {
    let alert = firing(rule, server);
    Alert {
        phase: Phase::Resolved,
        resolved_at: Some(alert.since + 60.0),
        summary: "x: it can be called again".to_owned(),
        ..alert
    }
}

/// Of each notice its rule, its server, its phase, and whether people are told.
pub(crate) fn said(notices: &[Notice]) -> Vec<(&str, Option<&str>, Phase, bool)> {
    notices.iter().map(in_short).collect()
}

fn in_short(notice: &Notice) -> (&str, Option<&str>, Phase, bool) {
    let Alert { rule, server, phase, .. } = &notice.alert;
    (rule, server.as_deref(), *phase, notice.is_told)
}

/// The same of those that people are told.
pub(crate) fn told(notices: &[Notice]) -> Vec<(&str, Option<&str>, Phase)> {
    let told = notices.iter().map(in_short).filter(|(.., is_told)| *is_told);
    told.map(|(rule, server, phase, _)| (rule, server, phase)).collect()
}

// === impl Scene ===

impl Scene {
    /// All is well: with these upstreams.
    pub(crate) fn new(servers: &[&str], monitoring: &Monitoring) -> Self {
        let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_323_045);
        let picture = Picture {
            at: wall,
            uptime: Duration::ZERO,
            servers: servers.iter().map(|name| server(name, wall)).collect(),
            whole: whole(),
            requests: Vec::new(),
            process: None,
            machine: None,
            watch: WatchPicture::default(),
        };
        Self { engine: Engine::new(monitoring), picture, wall }
    }

    /// Lets time pass, and looks.
    pub(crate) fn after(&mut self, seconds: u64) -> Vec<Notice> {
        let passed = Duration::from_secs(seconds);
        self.wall += passed;
        self.picture.uptime += passed;
        self.look()
    }

    /// Looks now.
    pub(crate) fn look(&mut self) -> Vec<Notice> {
        let mut sum = (Tally::default(), BurnWindows::default());
        for server in &self.picture.servers {
            sum.0 += server.calls.windows[FIVE_MINUTES].tally();
            sum.1.five_minutes += server.burn.five_minutes;
            sum.1.half_hour += server.burn.half_hour;
            sum.1.hour += server.burn.hour;
            sum.1.six_hours += server.burn.six_hours;
        }
        count(&mut self.picture.whole.calls, sum.0);
        self.picture.whole.burn = sum.1;
        self.engine.look(&self.picture, self.wall)
    }

    /// The same every ten seconds, for so long; all that was said.
    pub(crate) fn for_seconds(&mut self, seconds: u64) -> Vec<Notice> {
        (0..seconds / 10).flat_map(|_| self.after(10)).collect()
    }

    pub(crate) fn server(&mut self, name: &str) -> &mut ServerPicture {
        let mut servers = self.picture.servers.iter_mut();
        servers.find(|server| server.name == name).expect("the scene has it")
    }

    pub(crate) fn is_down(&mut self, name: &str, is_down: bool) {
        let server = self.server(name);
        (server.standing, server.state, server.fault) = if is_down {
            (Standing::Down, "resting", Some(FaultKind::Unreachable))
        } else {
            (Standing::Ok, "ready", None)
        };
        server.held_by = None;
    }

    pub(crate) fn is_held(&mut self, name: &str, by: HeldBy, fault: FaultKind) {
        let server = self.server(name);
        (server.standing, server.state) = (Standing::Down, "held");
        (server.held_by, server.fault) = (Some(by), Some(fault));
    }

    /// So many calls of the last five minutes failed, and so many did not; in longer windows, too.
    pub(crate) fn calls(&mut self, name: &str, bad: u64, good: u64) {
        let tally = Tally { good, bad };
        let server = self.server(name);
        count(&mut server.calls, tally);
        server.burn =
            BurnWindows { five_minutes: tally, half_hour: tally, hour: tally, six_hours: tally };
    }

    /// So many calls of the last five minutes took so long.
    pub(crate) fn took(&mut self, name: &str, count: u64, seconds: f64) {
        let bucket = mcpo_core::sketch::bucket(seconds);
        let sketch = Sketch::from_buckets([(bucket, count)]);
        self.server(name).calls.windows[FIVE_MINUTES].duration = sketch;
    }

    pub(crate) fn machine(&mut self, cpu: f64, memory: f64) {
        self.picture.machine = Some(MachineSample {
            cpu,
            memory,
            memory_bytes_max: 1 << 30,
            processors: 2.0,
            is_container: false,
            state_disk_bytes_free: None,
        });
    }

    /// Whether that alert fires, told or not.
    pub(crate) fn fires(&self, rule: &str, server: Option<&str>) -> Option<Alert> {
        self.engine.alerts().active.into_iter().find(|alert| {
            alert.rule == rule && alert.server.as_deref() == server && alert.phase == Phase::Firing
        })
    }
}

fn count(calls: &mut CallPicture, tally: Tally) {
    let ended = &mut calls.windows[FIVE_MINUTES].ended;
    *ended = Default::default();
    // In the order of `CallResult::ALL`: answered, and nobody knows.
    (ended[0], ended[4]) = (tally.good, tally.bad);
}

pub(crate) fn server(name: &str, since: SystemTime) -> ServerPicture {
    ServerPicture {
        name: name.to_owned(),
        state: "ready",
        standing: Standing::Ok,
        since,
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
        tools_offered: Some(1),
        missing_tools: Vec::new(),
        counters: UpstreamCounters::default(),
        last_error: None,
        faults_last_hour: Vec::new(),
        recoveries_last_hour: 0,
        burn: BurnWindows::default(),
        calls: CallPicture::default(),
        tools: Vec::new(),
        queued: 0,
        limit: 1024,
        limit_max: 1024,
        shed: ShedPicture::default(),
        cache: None,
        processes: None,
        score: Score { score: 100, reasons: Vec::new() },
    }
}

fn whole() -> WholePicture {
    WholePicture {
        calls: CallPicture::default(),
        max_concurrent: 100,
        in_flight: 0,
        peak: 0,
        queued: 0,
        shed: ShedPicture::default(),
        cache: WholeCachePicture::default(),
        faults_last_hour: Vec::new(),
        burn: BurnWindows::default(),
        score: Score { score: 100, reasons: Vec::new() },
    }
}
