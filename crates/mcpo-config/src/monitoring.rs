//! What is watched, kept and told to whom.

use std::path::PathBuf;
use std::time::Duration;

use crate::secret::Secret;

/// What is watched, kept and told to whom.
#[derive(Debug, Clone, PartialEq)]
pub struct Monitoring {
    /// Whether anything is measured at all (`MCPO_MONITOR_ENABLED`).
    pub enabled: bool,
    /// From sample to sample (`MCPO_MONITOR_INTERVAL`), from [`Monitoring::INTERVAL_MIN`] to
    /// [`Monitoring::INTERVAL_MAX`].
    pub interval: Duration,
    /// Where the history is kept.
    pub state: StatePlace,
    /// What share of the calls must come to an answer, above 0 and below 1.
    pub slo_objective: f64,
    /// What is told to whom.
    pub alerts: Alerts,
    /// Where traces and metrics are sent (`OTEL_*`); `None` sends nothing.
    pub otlp: Option<Otlp>,
}

/// Where the history is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatePlace {
    /// Nowhere: it ends with the process (`--no-state`).
    Memory,
    /// In this directory, which is made if need be (`--state-dir`).
    Directory(PathBuf),
    /// In a directory of the port's own under this one (`$XDG_STATE_HOME/mcpo`, else
    /// `~/.local/state/mcpo`): two of us on one machine do not share a history. In memory where the
    /// system chooses the port.
    PortUnder(PathBuf),
}

/// What is told to whom.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Alerts {
    /// What the file says of rules, by name; rules that are not named are as they are by default.
    pub rules: Vec<(String, AlertRule)>,
    /// Who is told.
    pub webhooks: Vec<Webhook>,
}

/// What the file says of one rule; `None` leaves the default.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct AlertRule {
    /// Whether it is looked at.
    pub enabled: Option<bool>,
    /// Above which value it holds, in the rule's own unit.
    pub threshold: Option<f64>,
    /// For how long it must hold.
    pub hold_for: Option<Duration>,
    /// How bad it is.
    pub severity: Option<AlertSeverity>,
}

/// How bad an alert is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AlertSeverity {
    /// For working hours.
    Warning,
    /// For now.
    Critical,
}

/// Somebody who is told of alerts.
#[derive(Debug, Clone, PartialEq)]
pub struct Webhook {
    /// Where it is sent; with its secrets, if it has any.
    pub url: Secret,
    /// In which shape.
    pub format: WebhookFormat,
    /// Headers to send along.
    pub headers: Vec<(String, Secret)>,
    /// Less severe ones are not told.
    pub min_severity: AlertSeverity,
}

/// The shape of what a webhook gets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum WebhookFormat {
    /// Our own JSON.
    #[default]
    Json,
    /// What Slack and those after its model take.
    Slack,
    /// Alertmanager's API, version 2: `url` is its base, as `http://host:9093`.
    Alertmanager,
}

/// Where traces and metrics are sent, by OpenTelemetry's environment variables.
#[derive(Debug, Clone, PartialEq)]
pub struct Otlp {
    /// Where traces go, whole URL; `None` sends none.
    pub traces_url: Option<Secret>,
    /// Where metrics go, whole URL; `None` sends none.
    pub metrics_url: Option<Secret>,
    /// `OTEL_EXPORTER_OTLP_HEADERS` and those of each signal.
    pub headers: Vec<(String, Secret)>,
    /// `OTEL_EXPORTER_OTLP_TIMEOUT`: how long one export may take.
    pub timeout: Duration,
    /// `OTEL_METRIC_EXPORT_INTERVAL`.
    pub metrics_every: Duration,
    /// The share of traces that begin here which are sampled (`OTEL_TRACES_SAMPLER`,
    /// `OTEL_TRACES_SAMPLER_ARG`), 0 to 1; a caller's own decision is followed where the sampler
    /// is `parentbased_*`.
    pub sample_ratio: f64,
    /// See `sample_ratio`.
    pub parent_based: bool,
    /// `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES`, `service.name` always among them.
    pub resource: Vec<(String, String)>,
}

/// The rules that there are, by name.
pub const ALERT_RULES: [&str; 10] = [
    "cpu_high",
    "memory_high",
    "error_rate",
    "slow_responses",
    "server_down",
    "crash_loop",
    "held",
    "slo_burn_fast",
    "slo_burn_slow",
    "calls_shed",
];

/// So many webhooks are told at most: each has a queue and a connection of its own.
pub const WEBHOOKS_MAX: usize = 16;

// === impl StatePlace ===

impl StatePlace {
    /// The directory of a mcpo that listens on that port; `None` for memory.
    #[must_use]
    pub fn directory(&self, port: u16) -> Option<PathBuf> {
        match self {
            Self::Directory(directory) => Some(directory.clone()),
            Self::PortUnder(base) if port > 0 => Some(base.join(format!("port-{port}"))),
            Self::PortUnder(_) | Self::Memory => None,
        }
    }
}

// === impl Monitoring ===

impl Monitoring {
    /// `MCPO_MONITOR_INTERVAL`: often enough to see a minute, and a week of it is small.
    pub const INTERVAL: Duration = Duration::from_secs(30);
    /// Processor time is counted in hundredths of a second: below a second shares are noise.
    pub const INTERVAL_MIN: Duration = Duration::from_secs(1);
    /// Alerts look back five minutes; samples further apart see nothing of them.
    pub const INTERVAL_MAX: Duration = Duration::from_secs(300);
    /// Of a hundred calls one may fail before anybody is woken.
    pub const SLO_OBJECTIVE: f64 = 0.99;

    /// The same, but for what `new` says of what can change while mcpo runs: what calls are held
    /// to, the alerts, and who is told.
    #[must_use]
    pub fn reloaded(&self, new: &Self) -> Self {
        Self { slo_objective: new.slo_objective, alerts: new.alerts.clone(), ..self.clone() }
    }
}

impl Default for Monitoring {
    /// On, in memory, with no one told but the log.
    fn default() -> Self {
        Self {
            enabled: true,
            interval: Self::INTERVAL,
            state: StatePlace::Memory,
            slo_objective: Self::SLO_OBJECTIVE,
            alerts: Alerts::default(),
            otlp: None,
        }
    }
}
