//! Telling webhooks of alerts. Each one has a bounded queue in which the newest state of an alert
//! replaces older ones, and a task of its own: a slow receiver delays neither the rules nor others.

mod body;
mod mailbox;
mod post;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use mcpo_config::{Webhook, WebhookFormat};
use serde::Serialize;
use serde_json::Value;
use tokio::sync::{Notify, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};

use super::{Alert, Notice, Phase, Severity};
pub(super) use mailbox::{
    ALERTS_MAX, BACKOFF_MAX, BACKOFF_MIN, BATCH_MAX, GIVE_UP_AFTER, RESEND_EVERY,
};
use mailbox::{Batch, Mailbox};
use post::Poster;
pub(super) use post::{REQUEST_TIMEOUT, RETRY_AFTER_MAX};

/// When all stops, what is queued is given this long: half of what the monitor has.
const STOP_GRACE: Duration = Duration::from_secs(1);

/// Tells webhooks of alerts.
#[derive(Debug)]
pub struct Deliverer {
    instance: String,
    /// In the order of the configuration.
    desks: watch::Sender<Vec<Arc<Desk>>>,
}

/// What came of telling one webhook, since the start.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WebhookState {
    /// Its place in the configuration and its format, as `1:slack`: its address is a secret.
    pub name: String,
    /// Alerts that it took, those told again to an Alertmanager included.
    pub sent: u64,
    /// Alerts that it refused, or that were given up.
    pub failed: u64,
    /// Alerts for which the queue had no room.
    pub dropped: u64,
    /// Alerts that wait to be told.
    pub queued: usize,
    /// Why the last attempt failed, in fixed words; `None` if it did not.
    pub last_error: Option<String>,
}

/// Why a webhook was not told. Says no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DeliveryError {
    /// Its address or a header cannot be used, or there is no TLS here.
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
    /// It failed inside, and asks for that much time, if it does. It may have been told.
    #[error("it failed inside ({0})")]
    Failed(u16, Option<Duration>),
    /// It points elsewhere, where we do not go: the alert is meant for the configured address.
    #[error("it redirects ({0})")]
    Redirected(u16),
    /// It refuses what we send.
    #[error("it refuses what is sent ({0})")]
    Refused(u16),
}

/// All that belongs to one webhook.
#[derive(Debug)]
struct Desk {
    /// In the configuration.
    place: AtomicUsize,
    min_severity: Severity,
    poster: Poster,
    mailbox: Mutex<Mailbox>,
    /// Something was put into the mailbox.
    news: Notify,
}

/// The desks' tasks.
#[derive(Debug, Default)]
struct Work {
    tasks: JoinSet<()>,
    /// Whose task is which.
    of: Vec<(Arc<Desk>, AbortHandle)>,
}

// === impl Deliverer ===

impl Deliverer {
    /// One that tells these webhooks; `instance` says who tells (see [`instance`]).
    #[must_use]
    pub fn new(webhooks: Vec<Webhook>, instance: &str) -> Self {
        let desk = |(place, webhook)| Arc::new(Desk::new(place, webhook, instance));
        let desks = webhooks.into_iter().enumerate().map(desk).collect();
        Self { instance: instance.to_owned(), desks: watch::Sender::new(desks) }
    }

    /// Tells these webhooks from now on. Those that it told before go on where they are; new ones
    /// are told of what `fires`, and those that are gone of nothing more.
    pub fn replace(&self, webhooks: &[Webhook], fires: &[Notice]) {
        let mut before = self.desks.borrow().clone();
        let desk = |(place, webhook): (usize, &Webhook)| {
            let known = before.iter().position(|desk| desk.poster.webhook() == webhook);
            if let Some(known) = known {
                let desk = before.swap_remove(known);
                desk.place.store(place, Ordering::Relaxed);
                return desk;
            }
            let desk = Arc::new(Desk::new(place, webhook.clone(), &self.instance));
            desk.tell(fires);
            desk
        };
        let desks = webhooks.iter().enumerate().map(desk).collect();
        self.desks.send_replace(desks);
    }

    /// Queues what is to be told. Never waits.
    pub fn tell(&self, notices: &[Notice]) {
        if notices.iter().any(|notice| notice.is_told) {
            self.desks.borrow().iter().for_each(|desk| desk.tell(notices));
        }
    }

    /// What came of it so far, in the order of the configuration.
    #[must_use]
    pub fn states(&self) -> Vec<WebhookState> {
        self.desks.borrow().iter().map(|desk| desk.mailbox().state(&desk.name())).collect()
    }

    /// Delivers until `stop` is true or gone, then what is queued for one more second.
    ///
    /// Runs once. Dropping it leaves what is queued untold.
    pub async fn run(&self, mut stop: watch::Receiver<bool>) {
        let mut desks = self.desks.subscribe();
        let mut work = Work::default();
        loop {
            let wanted = desks.borrow_and_update().clone();
            work.follow(wanted, &stop);
            tokio::select! {
                biased;
                // We hold the sender. First, so that nobody waits at the end for one that is gone.
                Ok(()) = desks.changed() => {}
                () = until_stopped(&mut stop) => break,
            }
        }
        // One that panicked has said so; the others go on.
        while work.tasks.join_next().await.is_some() {}
    }
}

// === impl Work ===

impl Work {
    /// Ends the tasks of desks that are not wanted any more, and begins those of new ones.
    fn follow(&mut self, wanted: Vec<Arc<Desk>>, stop: &watch::Receiver<bool>) {
        self.of.retain(|(desk, task)| {
            let is_wanted = wanted.iter().any(|one| Arc::ptr_eq(one, desk));
            if !is_wanted {
                task.abort();
            }
            is_wanted
        });
        while self.tasks.try_join_next().is_some() {}
        for desk in wanted {
            if !self.of.iter().any(|(one, _)| Arc::ptr_eq(one, &desk)) {
                let task = self.tasks.spawn(Arc::clone(&desk).run(stop.clone()));
                self.of.push((desk, task));
            }
        }
    }
}

// === impl Desk ===

impl Desk {
    fn new(place: usize, webhook: Webhook, instance: &str) -> Self {
        Self {
            place: AtomicUsize::new(place),
            min_severity: webhook.min_severity.into(),
            mailbox: Mutex::new(Mailbox::new(webhook.format)),
            poster: Poster::new(webhook, instance),
            news: Notify::new(),
        }
    }

    fn name(&self) -> String {
        name(self.place.load(Ordering::Relaxed), self.poster.webhook().format)
    }

    fn mailbox(&self) -> MutexGuard<'_, Mailbox> {
        self.mailbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, notices: &[Notice]) {
        let now = Instant::now();
        let mut mailbox = self.mailbox();
        for Notice { alert, .. } in notices.iter().filter(|notice| notice.is_told) {
            // The end of what was told is told, also where the rule is less severe by now.
            if alert.severity >= self.min_severity || alert.phase == Phase::Resolved {
                mailbox.put(alert, now);
            }
        }
        drop(mailbox);
        self.news.notify_one();
    }

    /// Dropping it leaves untold what is queued; what is under way may have arrived.
    async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        while !*stop.borrow() {
            let due = self.mailbox().next_due();
            let due = async {
                match due {
                    Some(due) => sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                stopped = stop.changed() => if stopped.is_err() { break },
                () = self.news.notified() => {}
                () = due => {}
            }
            if !self.deliver(&mut stop).await {
                return;
            }
        }
        let rest = async { while self.deliver_one().await == Some(Ok(())) {} };
        let _untold = timeout(STOP_GRACE, rest).await;
    }

    /// Delivers all that is due. False: it was stopped meanwhile, and the time that is left then is
    /// used up.
    async fn deliver(&self, stop: &mut watch::Receiver<bool>) -> bool {
        while self.mailbox().is_due(Instant::now()) {
            let one = self.deliver_one();
            tokio::pin!(one);
            tokio::select! {
                _delivered = &mut one => {}
                () = until_stopped(stop) => {
                    let _untold = timeout(STOP_GRACE, one).await;
                    return false;
                }
            }
        }
        true
    }

    /// Delivers one batch; `None` if none is due.
    async fn deliver_one(&self) -> Option<Result<(), DeliveryError>> {
        let batch = self.mailbox().take(Instant::now())?;
        let result = self.poster.post(batch.alerts()).await;
        self.report(batch, result);
        Some(result)
    }

    fn report(&self, batch: Batch, result: Result<(), DeliveryError>) {
        let (webhook, alerts) = (self.name(), batch.len());
        let mut mailbox = self.mailbox();
        let before = mailbox.last_error();
        mailbox.report(batch, result, Instant::now(), fastrand::f64());
        drop(mailbox);
        // One that is away for long fails each minute: what is new is worth a line.
        match (before, result.err()) {
            (None, None) => {}
            (Some(_), None) => tracing::info!(webhook, alerts, "a webhook is told of alerts again"),
            (Some(before), Some(error)) if before == error => {
                tracing::debug!(webhook, alerts, "a webhook was not told of alerts: {error}");
            }
            (_, Some(error)) => {
                tracing::warn!(webhook, alerts, "a webhook was not told of alerts: {error}");
            }
        }
    }
}

async fn until_stopped(stop: &mut watch::Receiver<bool>) {
    // Gone is stopped.
    let _stopped = stop.wait_for(|stop| *stop).await;
}

/// Sends a test alert, marked as such, to each webhook at once, and says what came of it, in the
/// order of the configuration. Takes as long as one request may.
///
/// Cancel-safe: a request that is under way is given up.
pub async fn test(
    webhooks: &[Webhook],
    instance: &str,
) -> Vec<(String, Result<(), DeliveryError>)> {
    let mut tasks = JoinSet::new();
    for (place, webhook) in webhooks.iter().cloned().enumerate() {
        let poster = Poster::new(webhook, instance);
        tasks.spawn(async move { (place, poster.post_test().await) });
    }
    let mut results: Vec<_> = webhooks
        .iter()
        .enumerate()
        .map(|(place, webhook)| (name(place, webhook.format), Err(DeliveryError::Broken)))
        .collect();
    while let Some(done) = tasks.join_next().await {
        if let Ok((place, result)) = done {
            results[place].1 = result;
        }
    }
    results
}

/// Who tells: the machine's name and the port, so that two of us are told apart.
#[must_use]
pub fn instance(port: u16) -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    format!("{}:{port}", if name.is_empty() { "mcpo" } else { name })
}

/// What is sent of these alerts in each format, for the documentation.
pub(super) fn bodies(alerts: &[Alert], now: SystemTime) -> [Value; 3] {
    let teller = body::Teller { instance: "host:8000".to_owned() };
    let mut json = body::json(&teller, alerts);
    json["version"] = "VERSION".into();
    [json, body::slack(&teller, alerts), body::alertmanager(&teller, alerts, now)]
}

/// What a webhook is called where its address must not be seen.
fn name(place: usize, format: WebhookFormat) -> String {
    let format = match format {
        WebhookFormat::Json => "json",
        WebhookFormat::Slack => "slack",
        WebhookFormat::Alertmanager => "alertmanager",
    };
    format!("{}:{format}", place + 1)
}

// === impl DeliveryError ===

impl DeliveryError {
    /// Whether the receiver may have taken it all the same.
    const fn may_have_arrived(self) -> bool {
        match self {
            Self::Timeout | Self::Broken | Self::Failed(..) => true,
            Self::Unusable
            | Self::Unreachable
            | Self::Throttled(_)
            | Self::Redirected(_)
            | Self::Refused(_) => false,
        }
    }

    /// Whether the same would come of another attempt.
    const fn is_final(self) -> bool {
        match self {
            Self::Unusable | Self::Redirected(_) | Self::Refused(_) => true,
            Self::Unreachable
            | Self::Timeout
            | Self::Broken
            | Self::Throttled(_)
            | Self::Failed(..) => false,
        }
    }

    /// How long it asks to be left alone.
    const fn retry_after(self) -> Option<Duration> {
        match self {
            Self::Throttled(wait) | Self::Failed(_, wait) => wait,
            Self::Unusable
            | Self::Unreachable
            | Self::Timeout
            | Self::Broken
            | Self::Redirected(_)
            | Self::Refused(_) => None,
        }
    }
}

#[cfg(test)]
mod tests;
