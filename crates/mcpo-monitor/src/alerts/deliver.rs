//! Telling webhooks of alerts. Each one has a bounded queue in which the newest state of an alert
//! replaces older ones, and a task of its own: a slow receiver delays neither the rules nor others.

use std::time::Duration;

use mcpo_config::Webhook;
use serde::Serialize;
use tokio::sync::watch;

use super::Notice;

/// Tells webhooks of alerts.
#[derive(Debug)]
pub struct Deliverer {
    webhooks: Vec<Webhook>,
    instance: String,
}

/// What came of telling one webhook, since the start.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WebhookState {
    /// Its place in the configuration and its format, as `1:slack`: its address is a secret.
    pub name: String,
    /// Changes of alerts that it took.
    pub sent: u64,
    /// Changes of alerts that it refused, or that were given up.
    pub failed: u64,
    /// Changes of alerts for which the queue had no room.
    pub dropped: u64,
    /// Alerts that wait to be told.
    pub queued: usize,
    /// Why the last attempt failed, in fixed words; `None` if it did not.
    pub last_error: Option<String>,
}

/// Why a webhook was not told. Says no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DeliveryError {
    /// Its address or a header cannot be used.
    #[error("its address or headers cannot be used")]
    Unusable,
    /// No connection: refused, DNS, TLS.
    #[error("it cannot be reached")]
    Unreachable,
    /// No answer in time. It may have been told.
    #[error("it does not answer in time")]
    Timeout,
    /// The connection broke. It may have been told.
    #[error("the connection broke")]
    Broken,
    /// Not now; after that time, if it says so.
    #[error("it takes no more for now (429)")]
    Throttled(Option<Duration>),
    /// It failed inside. It may have been told.
    #[error("it failed inside ({0})")]
    Failed(u16, Option<Duration>),
    /// It points elsewhere, where we do not go: the alert is meant for the configured address.
    #[error("it redirects ({0})")]
    Redirected(u16),
    /// It refuses what we send.
    #[error("it refuses what is sent ({0})")]
    Refused(u16),
}

// === impl Deliverer ===

impl Deliverer {
    /// One that tells these webhooks; `instance` says who tells (see [`instance`]).
    #[must_use]
    pub fn new(webhooks: Vec<Webhook>, instance: String) -> Self {
        Self { webhooks, instance }
    }

    /// Queues what is to be told. Never waits.
    pub fn tell(&self, notices: &[Notice]) {
        let _later = (notices, &self.instance);
    }

    /// What came of it so far, in the order of the configuration.
    #[must_use]
    pub fn states(&self) -> Vec<WebhookState> {
        Vec::new()
    }

    /// Delivers until `stop` is true or gone, then what is queued for one more second.
    ///
    /// Dropping it leaves what is queued untold; it can be run again.
    pub async fn run(&self, mut stop: watch::Receiver<bool>) {
        let _stopped = stop.wait_for(|stop| *stop).await;
    }
}

/// Sends a test alert, marked as such, to each webhook at once, and says what came of it, in the
/// order of the configuration. Takes as long as one request may.
///
/// Cancel-safe: a request that is under way is given up.
pub async fn test(
    webhooks: &[Webhook],
    instance: &str,
) -> Vec<(String, Result<(), DeliveryError>)> {
    let _later = (webhooks, instance);
    Vec::new()
}

/// Who tells: the machine's name and the port, so that two of us are told apart.
#[must_use]
pub fn instance(port: u16) -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    format!("{}:{port}", if name.is_empty() { "mcpo" } else { name })
}
