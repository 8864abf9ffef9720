//! The checked configuration: plain data that the rest of the program trusts.

use std::num::NonZeroUsize;
use std::time::Duration;

use http::HeaderName;
use mcpo_core::load::Rate;

use crate::monitoring::Monitoring;
use crate::problem::Problem;
use crate::secret::Secret;
use crate::server::Server;

/// All that the operator decided.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Where to listen.
    pub listen: Listen,
    /// Who may come in.
    pub access: Access,
    /// What the documents say, and where they are mounted.
    pub site: Site,
    /// Bounds in time and space.
    pub limits: Limits,
    /// How what breaks is healed.
    pub recovery: Recovery,
    /// What is taken in hand at once, how often, and what is kept of it.
    pub load: Load,
    /// What is watched, kept and told to whom.
    pub monitoring: Monitoring,
    /// Whether changes of the configuration file are followed; never in [`Mode::Single`].
    pub hot_reload: bool,
    /// What is logged, and how.
    pub log: Log,
    /// Whether one server is served at the root, or many under their names.
    pub mode: Mode,
    /// The upstreams, in the order of the file; never empty. In [`Mode::Single`] exactly one.
    pub servers: Vec<Server>,
    /// What is odd but no reason to stop: to be told at start.
    pub warnings: Vec<Problem>,
}

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// A host name or an address, IPv6 without brackets.
    pub host: String,
    /// 0 lets the system choose.
    pub port: u16,
}

/// Who may come in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// The key that downstreams must show; never empty, fit for a header.
    pub api_key: Option<Secret>,
    /// Whether documents need the key, too.
    pub strict: bool,
    /// Origins that browsers may call from: `*`, or `scheme://host[:port]` each. Never empty.
    pub cors_origins: Vec<String>,
}

/// What the documents say, and where they are mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// Title of the root document.
    pub name: Option<String>,
    /// Its description.
    pub description: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// The path under which a reverse proxy shows us: empty, or `/a/b` without a slash at the end.
    pub root_path: String,
    /// In front of every server's mount: starts and ends with a slash, `/` by default.
    pub path_prefix: String,
}

/// Bounds in time and space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// How long a call may take when nobody says otherwise.
    pub tool_timeout: Duration,
    /// The longest that anybody may ask for; at least `tool_timeout` and every server's timeout.
    pub max_tool_timeout: Duration,
    /// The largest request body in bytes.
    pub body_bytes_max: usize,
    /// How long connecting to an upstream (with its handshake) may take; `None` is the default of
    /// the one who connects.
    pub connect_timeout: Option<Duration>,
    /// How long calls in flight may go on after the signal to stop; zero does not wait.
    pub drain_timeout: Duration,
}

/// How what breaks is healed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recovery {
    /// Whether anything is tried again by itself. Otherwise a call that fails is told so at once,
    /// and an upstream that is lost is connected anew by the next call of it.
    pub enabled: bool,
    /// How often a call is tried in all, the first time included; from 1 to
    /// [`Recovery::ATTEMPTS_MAX`].
    pub attempts_max: u32,
    /// After how long without a sign of life a session is probed; `None` never probes.
    pub probe_every: Option<Duration>,
}

/// What is taken in hand at once, how often, and what is kept of it. What holds for one server
/// stands with it.
#[derive(Debug, Clone, PartialEq)]
pub struct Load {
    /// Calls in hand at once, those that wait included.
    pub max_concurrent: NonZeroUsize,
    /// The same for one identity; `None` for no bound of its own.
    pub max_per_identity: Option<NonZeroUsize>,
    /// The request header that says for whom a downstream calls. Believed as the key is: whoever
    /// shows the key may name anybody. `None`: all who show the key are the same.
    pub identity_header: Option<HeaderName>,
    /// How often one identity may call.
    pub rate: Option<Rate>,
    /// Whether calls are turned away while the process is short of processor time.
    pub guard: bool,
    /// Connections of downstreams at once.
    pub max_connections: NonZeroUsize,
    /// What is kept of answers.
    pub cache: CacheBounds,
}

/// How much is kept of answers, in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheBounds {
    /// Whether anything is.
    pub enabled: bool,
    /// Answers at most.
    pub entries_max: NonZeroUsize,
    /// Bytes that they take at most.
    pub bytes_max: NonZeroUsize,
}

/// What is logged, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Log {
    /// Less urgent lines are left out.
    pub level: LogLevel,
    /// The shape of a line.
    pub format: LogFormat,
}

/// How urgent a line is, in Python's words.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Every call.
    Debug,
    /// Changes of state.
    #[default]
    Info,
    /// Healed by ourselves.
    Warning,
    /// A person must act.
    Error,
    /// Nothing goes on.
    Critical,
}

/// The shape of a log line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Pretty, coloured on a terminal.
    #[default]
    Auto,
    /// For people.
    Pretty,
    /// One JSON object a line.
    Json,
}

/// How servers are mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// One server, from the command line, at the root.
    Single,
    /// The servers of a file, each under its name.
    Many,
}

// === impl Config ===

impl Config {
    /// Which settings differ from those of `self` in `new` although only a restart can change
    /// them, each in words. What servers there are, how they are treated, and what is an alert is
    /// not among them.
    #[must_use]
    pub fn restart_needed_for(&self, new: &Self) -> Vec<&'static str> {
        let settings = [
            (self.listen != new.listen, "host and port"),
            (self.access != new.access, "key and allowed origins"),
            (self.site != new.site, "texts and paths of the documents"),
            (self.limits != new.limits, "limits"),
            (self.recovery != new.recovery, "recovery"),
            (self.load != new.load, "load and cache"),
            (self.monitoring.reloaded(&new.monitoring) != new.monitoring, "monitoring"),
            (self.hot_reload != new.hot_reload, "hot reload"),
            (self.log != new.log, "log"),
            (self.mode != new.mode, "mode"),
        ];
        settings.into_iter().filter_map(|(differs, name)| differs.then_some(name)).collect()
    }
}

// === impl Recovery ===

impl Recovery {
    /// `MCPO_MAX_RECOVERY_ATTEMPTS`: two more chances heal what a restart breaks; more of them
    /// load an upstream that is in trouble.
    pub const ATTEMPTS: u32 = 3;
    /// The most that `MCPO_MAX_RECOVERY_ATTEMPTS` takes.
    pub const ATTEMPTS_MAX: u32 = 10;
    /// `MCPO_PROBE_INTERVAL`: below the 60 s after which many proxies and load balancers cut idle
    /// connections (nginx `proxy_read_timeout`, AWS ALB idle timeout).
    pub const PROBE_EVERY: Duration = Duration::from_secs(30);
}

impl Default for Recovery {
    fn default() -> Self {
        Self { enabled: true, attempts_max: Self::ATTEMPTS, probe_every: Some(Self::PROBE_EVERY) }
    }
}

// === impl Load ===

impl Load {
    /// `MCPO_MAX_CONCURRENT`: each costs some tens of KiB at most while it waits, so that this many
    /// fit a small machine; what comes on top is told to come back.
    pub const MAX_CONCURRENT: NonZeroUsize = NonZeroUsize::new(10_000).expect("it is not zero");
    /// `MCPO_MAX_CONNECTIONS`: each idle one costs some 30 KiB and a file descriptor.
    pub const MAX_CONNECTIONS: NonZeroUsize = NonZeroUsize::new(16_384).expect("it is not zero");
}

impl Default for Load {
    fn default() -> Self {
        Self {
            max_concurrent: Self::MAX_CONCURRENT,
            max_per_identity: None,
            identity_header: None,
            rate: None,
            guard: true,
            max_connections: Self::MAX_CONNECTIONS,
            cache: CacheBounds::default(),
        }
    }
}

// === impl CacheBounds ===

impl CacheBounds {
    /// `MCPO_CACHE_MAX_SIZE`.
    pub const ENTRIES: NonZeroUsize = NonZeroUsize::new(1000).expect("it is not zero");
    /// `MCPO_CACHE_MAX_BYTES`.
    pub const BYTES: NonZeroUsize = NonZeroUsize::new(64 << 20).expect("it is not zero");
    /// `MCPO_CACHE_DEFAULT_TTL`: of a cache that was asked for without one.
    pub const TTL: Duration = Duration::from_mins(5);
}

impl Default for CacheBounds {
    fn default() -> Self {
        Self { enabled: true, entries_max: Self::ENTRIES, bytes_max: Self::BYTES }
    }
}

// === impl Limits ===

impl Limits {
    /// `--tool-timeout`: a slow model or a web search answers within it; a hang is noticed while
    /// somebody still waits.
    pub const TOOL_TIMEOUT: Duration = Duration::from_secs(60);
    /// `--max-tool-timeout`: an hour holds the longest jobs that people run through tools, and a
    /// value in milliseconds by mistake does not pass.
    pub const MAX_TOOL_TIMEOUT: Duration = Duration::from_secs(3600);
    /// `--max-body-size`: a picture of 10 MB as base64 passes.
    pub const BODY_BYTES: usize = 16 << 20;
    /// `--drain-timeout`: below the 10 s after which `docker stop` kills, with time left to end
    /// the children.
    pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(8);
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            tool_timeout: Self::TOOL_TIMEOUT,
            max_tool_timeout: Self::MAX_TOOL_TIMEOUT,
            body_bytes_max: Self::BODY_BYTES,
            connect_timeout: None,
            drain_timeout: Self::DRAIN_TIMEOUT,
        }
    }
}
