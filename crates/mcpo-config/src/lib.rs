//! As typed -> checked -> planned. Command line values, environment and file become a `Config`
//! that is right in itself, or the list of everything that is wrong with them, each with its
//! place and its cure. The environment of this process is read here and nowhere else.

mod check;
mod config;
mod dotenv;
mod environment;
mod field;
mod flags;
mod load;
mod monitoring;
mod plan;
mod problem;
mod reloads;
mod report;
mod secret;
mod server;
mod source;

pub use config::{
    Access, CacheBounds, Config, Limits, Listen, Load, Log, LogFormat, LogLevel, Mode, Recovery,
    Site,
};
pub use environment::variable;
pub use flags::Flags;
pub use monitoring::{
    ALERT_RULES, AlertRule, AlertSeverity, Alerts, Monitoring, Otlp, StatePlace, WEBHOOKS_MAX,
    Webhook, WebhookFormat,
};
pub use plan::Plan;
pub use problem::{Excerpt, Place, Problem, Problems, Severity};
pub use reloads::Reloads;
pub use secret::Secret;
pub use server::{
    ChildEnvironment, Endpoint, Era, Http, HttpKind, InheritEnv, NameError, PoolSizes,
    RESERVED_NAMES, Server, ServerName, Stdio,
};
