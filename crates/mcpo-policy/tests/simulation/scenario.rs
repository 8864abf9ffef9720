//! What happens in one run, drawn from its seed before it begins: the servers and their troubles,
//! the calls, the changes of the configuration, the operator's orders.

use std::ops::RangeInclusive;
use std::time::Duration;

use fastrand::Rng;
use mcpo_core::load::CacheTimes;
use mcpo_upstream::order::Order;

/// One run.
#[derive(Debug)]
pub(crate) struct Scenario {
    pub(crate) seed: u64,
    pub(crate) family: Family,
    pub(crate) servers: Vec<ServerPlan>,
    pub(crate) calls: Vec<CallPlan>,
    /// In the order of their times.
    pub(crate) changes: Vec<Change>,
}

/// What kind of run it is, and so what is promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// Anything goes wrong at any time.
    Chaos,
    /// Each server is restarted once, and is back within the time that is bridged.
    Restart,
    /// Anything goes wrong, but calls come one after the other.
    Trickle,
}

/// One server, in each of its places.
#[derive(Debug, Clone)]
pub(crate) struct ServerPlan {
    pub(crate) name: String,
    /// Sessions at least and at most.
    pub(crate) pool: (usize, usize),
    /// As over Streamable HTTP; else as over a pipe.
    pub(crate) connection_per_call: bool,
    /// Nothing goes wrong with it, nobody touches it.
    pub(crate) is_quiet: bool,
    /// How many of its answers go wrong by themselves, of a thousand.
    pub(crate) noise: u32,
    /// How long an answer takes at most, in milliseconds.
    pub(crate) latency: u64,
    pub(crate) handshake: Duration,
    pub(crate) troubles: Vec<Trouble>,
}

/// A time in which a server does something wrong.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Trouble {
    pub(crate) from: Duration,
    pub(crate) to: Duration,
    pub(crate) kind: TroubleKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TroubleKind {
    /// It ends with all its sessions, and nobody listens until it is back.
    Down,
    /// The same, but there is no way to it, which costs time to find out.
    Unreachable,
    /// It answers nothing at all; what it was asked meanwhile is lost.
    Hang,
    /// It stands still, and goes on afterwards where it was.
    Frozen,
    /// It answers calls very late.
    Slow,
    /// It has forgotten the sessions that it had; new ones are fine.
    Forgetful,
    /// 429 or 503, with or without the time to come back.
    Throttling(Option<Duration>),
    /// Most calls come to 500.
    Failing,
    /// Most calls come to -32603.
    Internal,
    /// It speaks nonsense.
    Nonsense,
    /// Connections break, before or after the call was carried out.
    Resets,
    /// It refuses our credentials.
    Unauthorized,
    /// It says that its tools changed.
    Relists,
}

/// One call.
#[derive(Debug, Clone)]
pub(crate) struct CallPlan {
    pub(crate) id: u64,
    pub(crate) at: Duration,
    pub(crate) server: usize,
    pub(crate) tool: Tool,
    /// Calls with the same key are the same call.
    pub(crate) key: Option<u64>,
    pub(crate) timeout: Duration,
    /// When its caller goes away.
    pub(crate) dropped_after: Option<Duration>,
    /// What it asks that others ask as well; of [`Tool::Look`] alone.
    pub(crate) topic: u64,
    /// For whom it is made; of [`Tool::Look`] alone.
    pub(crate) identity: u64,
    /// No answer that is kept will do.
    pub(crate) no_cache: bool,
    /// Its answer must not be kept.
    pub(crate) no_store: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tool {
    /// May not act twice.
    Write,
    /// May.
    Read,
    /// May, but is never to be sent again.
    Once,
    /// May; equal calls share an answer, which is kept as [`KEPT`] says.
    Look,
}

/// For how long answers of [`Tool::Look`] are kept.
pub(crate) const KEPT: CacheTimes = CacheTimes {
    ttl: Duration::from_millis(1500),
    stale_while_revalidate: Duration::from_millis(1000),
    stale_if_error: Duration::from_secs(8),
    refresh: true,
};

/// Something that a person does.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) at: Duration,
    pub(crate) server: usize,
    pub(crate) what: Act,
}

#[derive(Debug)]
pub(crate) enum Act {
    Remove,
    Add,
    /// The same name leads somewhere else.
    Move,
    /// Timeout and pool.
    Settings {
        max: usize,
    },
    Order(Order),
    /// Answers that are kept are forgotten.
    Purge,
}

impl Tool {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Read => "read",
            Self::Once => "once",
            Self::Look => "look",
        }
    }
}

impl CallPlan {
    /// What it is to its server: the same for all that share a key.
    pub(crate) fn logical(&self) -> u64 {
        self.key.unwrap_or(self.id)
    }

    /// Whether it may be carried out more than once.
    pub(crate) fn may_act_twice(&self) -> bool {
        self.tool != Tool::Write || self.key.is_some()
    }
}

impl ServerPlan {
    /// What a call takes at most while it is well, a session that is being made included.
    pub(crate) fn needed(&self) -> Duration {
        Duration::from_millis(self.latency) + self.handshake + Duration::from_millis(100)
    }
}

// === impl Scenario ===

impl Scenario {
    pub(crate) fn draw(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        match seed % 10 {
            0 | 1 => Self::restart(seed, &mut rng),
            2 => Self::trickle(seed, &mut rng),
            _ => Self::chaos(seed, &mut rng),
        }
    }

    fn chaos(seed: u64, rng: &mut Rng) -> Self {
        let length = seconds(rng, 3..=20);
        let servers: Vec<_> = (0..rng.usize(1..=4)).map(|at| server(rng, at, length)).collect();
        let burst = rng.bool().then(|| part_of(rng, length));
        let mut calls = calls(rng, servers.len(), length, burst);
        for call in &mut calls {
            call.timeout = millis(rng, 20..=40_000);
            call.dropped_after = (rng.u32(0..8) == 0).then(|| millis(rng, 0..=3000));
        }
        let mut changes: Vec<_> = (0..rng.usize(0..=5))
            .map(|_| Change {
                at: part_of(rng, length),
                server: rng.usize(0..servers.len()),
                what: act(rng),
            })
            .filter(|change| !servers[change.server].is_quiet)
            .collect();
        changes.sort_by_key(|change| change.at);
        Self { seed, family: Family::Chaos, servers, calls, changes }
    }

    /// One server, and never more than one call.
    fn trickle(seed: u64, rng: &mut Rng) -> Self {
        let length = Duration::from_mins(2);
        let mut servers = vec![server(rng, 0, length)];
        servers[0].pool = (1, 1);
        let mut calls = calls(rng, 1, length, None);
        calls.truncate(60);
        for (index, call) in calls.iter_mut().enumerate() {
            // The next one comes after its deadline.
            call.at = Duration::from_secs(2) * u32::try_from(index).unwrap_or(u32::MAX);
            call.timeout = millis(rng, 20..=1900);
            call.dropped_after = (rng.u32(0..8) == 0).then(|| millis(rng, 0..=1500));
        }
        Self { seed, family: Family::Trickle, servers, calls, changes: Vec::new() }
    }

    /// A restart: down at one moment, up again within what is bridged.
    fn restart(seed: u64, rng: &mut Rng) -> Self {
        let length = Duration::from_secs(14);
        let mut servers: Vec<_> = (0..rng.usize(1..=2)).map(|at| server(rng, at, length)).collect();
        for server in &mut servers {
            let from = millis(rng, 100..=3000);
            let to = from + millis(rng, 0..=8000);
            server.troubles = vec![Trouble { from, to, kind: TroubleKind::Down }];
            (server.noise, server.is_quiet) = (0, false);
        }
        // Many calls are under way when it goes down.
        let down = servers[0].troubles[0].from;
        let burst = rng.bool().then(|| down.saturating_sub(millis(rng, 0..=50)));
        let mut calls = calls(rng, servers.len(), length, burst);
        for call in &mut calls {
            call.timeout = millis(rng, 30_000..=60_000);
        }
        Self { seed, family: Family::Restart, servers, calls, changes: Vec::new() }
    }
}

fn server(rng: &mut Rng, at: usize, length: Duration) -> ServerPlan {
    let is_quiet = rng.u32(0..4) == 0;
    let (min, max) = if rng.bool() { (1, 1) } else { (rng.usize(1..=2), rng.usize(2..=4)) };
    let troubles = if is_quiet { 0 } else { rng.usize(1..=3) };
    ServerPlan {
        name: format!("server-{at}"),
        pool: (min, max),
        connection_per_call: rng.bool(),
        is_quiet,
        noise: if is_quiet { 0 } else { [0, 0, 10, 50][rng.usize(0..4)] },
        latency: [0, 5, 50, 400][rng.usize(0..4)],
        handshake: millis(rng, 0..=300),
        troubles: (0..troubles).map(|_| trouble(rng, length)).collect(),
    }
}

fn trouble(rng: &mut Rng, length: Duration) -> Trouble {
    use TroubleKind as T;
    let from = part_of(rng, length);
    let asked = rng.bool().then(|| seconds(rng, 0..=5));
    let kinds = [
        T::Down,
        T::Down,
        T::Unreachable,
        T::Hang,
        T::Frozen,
        T::Slow,
        T::Forgetful,
        T::Throttling(asked),
        T::Failing,
        T::Internal,
        T::Nonsense,
        T::Resets,
        T::Unauthorized,
        T::Relists,
    ];
    // Most are short; some outlast the run.
    let lasts = if rng.u32(0..4) == 0 { millis(rng, 0..=60_000) } else { millis(rng, 0..=4000) };
    Trouble { from, to: from + lasts, kind: kinds[rng.usize(0..kinds.len())] }
}

/// Half of them come at the time of the burst.
fn calls(
    rng: &mut Rng,
    servers: usize,
    length: Duration,
    burst: Option<Duration>,
) -> Vec<CallPlan> {
    // Many meet limits, a few meet idle sessions.
    let count = if rng.u32(0..4) == 0 { rng.u64(150..=300) } else { rng.u64(50..=120) };
    let mut calls: Vec<_> = (0..count).map(|id| call(rng, id, servers, length, burst)).collect();
    // Some share a key, and so all that it stands for.
    for at in 1..calls.len() {
        let before = rng.usize(0..at);
        if let Some(key) = calls[before].key.filter(|_| rng.u32(0..4) == 0) {
            let (server, tool) = (calls[before].server, calls[before].tool);
            calls[at] = CallPlan { key: Some(key), server, tool, ..calls[at].clone() };
        }
    }
    let reads = calls.iter_mut().filter(|call| call.tool == Tool::Read && call.key.is_none());
    for call in reads {
        if rng.u32(0..3) > 0 {
            call.tool = Tool::Look;
            (call.topic, call.identity) = (rng.u64(0..2), rng.u64(0..2));
            (call.no_cache, call.no_store) = (rng.u32(0..10) == 0, rng.u32(0..10) == 0);
        }
    }
    calls
}

fn call(
    rng: &mut Rng,
    id: u64,
    servers: usize,
    length: Duration,
    burst: Option<Duration>,
) -> CallPlan {
    let at = burst.filter(|_| rng.bool()).unwrap_or_else(|| part_of(rng, length));
    let tool = [Tool::Write, Tool::Write, Tool::Read, Tool::Read, Tool::Once][rng.usize(0..5)];
    CallPlan {
        id,
        at,
        server: rng.usize(0..servers),
        tool,
        key: (tool != Tool::Once && rng.u32(0..6) == 0).then_some(id),
        timeout: Duration::ZERO,
        dropped_after: None,
        topic: 0,
        identity: 0,
        no_cache: false,
        no_store: false,
    }
}

fn act(rng: &mut Rng) -> Act {
    match rng.u32(0..11) {
        9 | 10 => Act::Purge,
        0 => Act::Remove,
        1 | 2 => Act::Add,
        3 => Act::Move,
        4 => Act::Settings { max: rng.usize(1..=4) },
        _ => Act::Order(Order::ALL[rng.usize(0..Order::ALL.len())]),
    }
}

fn seconds(rng: &mut Rng, range: RangeInclusive<u64>) -> Duration {
    Duration::from_secs(rng.u64(range))
}

fn millis(rng: &mut Rng, range: RangeInclusive<u64>) -> Duration {
    Duration::from_millis(rng.u64(range))
}

fn part_of(rng: &mut Rng, length: Duration) -> Duration {
    let most = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
    millis(rng, 0..=most)
}
