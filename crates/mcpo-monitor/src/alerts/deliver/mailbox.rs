//! What one webhook is to be told, and when. Pure: `now` and `dice` come from the caller.
//!
//! The newest state of each alert is kept, and nothing else: who could not be reached for an hour
//! is told how things are, not how they came to be so. The end of an alert is told only to who was
//! told, or may have been told, that it fires.

use std::time::Duration;

use indexmap::IndexMap;
use mcpo_config::WebhookFormat;
use tokio::time::Instant;

use super::{DeliveryError, WebhookState};
use crate::alerts::{Alert, Phase};

/// So many alerts are known of one webhook at most, those included that it was told fire; beyond,
/// new ones are dropped and counted. Four alerts for each of a thousand upstreams.
pub(crate) const ALERTS_MAX: usize = 4096;

/// So many are told in one request: some 25 kB, which all receivers take.
pub(crate) const BATCH_MAX: usize = 50;

/// The wait after the first failure in a row; each further one doubles it.
pub(crate) const BACKOFF_MIN: Duration = Duration::from_secs(1);

/// No wait is longer, but for one that is asked for.
pub(crate) const BACKOFF_MAX: Duration = Duration::from_mins(1);

/// What could not be told for so long is given up: by then somebody has looked, or nobody will.
pub(crate) const GIVE_UP_AFTER: Duration = Duration::from_hours(1);

/// An Alertmanager is told again this often of what fires, well within its `resolve_timeout` (5 min)
/// and what we tell it ourselves; as Prometheus does.
pub(crate) const RESEND_EVERY: Duration = Duration::from_mins(1);

/// What one webhook is to be told.
#[derive(Debug)]
pub(super) struct Mailbox {
    entries: IndexMap<Key, Entry>,
    /// What fires is told again so often; `None`: once is enough.
    resend_every: Option<Duration>,
    /// Failures in a row.
    failures: u32,
    /// Nothing is sent before.
    not_before: Option<Instant>,
    sent: u64,
    failed: u64,
    dropped: u64,
    last_error: Option<DeliveryError>,
}

/// Which alert.
type Key = (String, Option<String>);

#[derive(Debug)]
struct Entry {
    alert: Alert,
    /// Counts the states that there were.
    version: u64,
    /// When it is to be sent; `None`: it fires, and that was told.
    due: Option<Instant>,
    /// Since when it is to be sent.
    wanted_since: Instant,
    is_under_way: bool,
    /// Nothing was told of this state yet.
    is_news: bool,
    /// The webhook was told that it fires, or may have been.
    is_known: bool,
}

/// What is told in one request.
#[derive(Debug)]
pub(super) struct Batch {
    alerts: Vec<Alert>,
    /// The version of each.
    versions: Vec<u64>,
}

// === impl Mailbox ===

impl Mailbox {
    pub(super) fn new(format: WebhookFormat) -> Self {
        let resend_every = match format {
            WebhookFormat::Alertmanager => Some(RESEND_EVERY),
            WebhookFormat::Json | WebhookFormat::Slack => None,
        };
        Self {
            entries: IndexMap::new(),
            resend_every,
            failures: 0,
            not_before: None,
            sent: 0,
            failed: 0,
            dropped: 0,
            last_error: None,
        }
    }

    /// Takes the newest state of an alert.
    pub(super) fn put(&mut self, alert: &Alert, now: Instant) {
        let key = (alert.rule.clone(), alert.server.clone());
        let is_over = alert.phase == Phase::Resolved;
        let is_full = self.entries.len() >= ALERTS_MAX;
        match self.entries.get_mut(&key) {
            Some(entry) if is_over && !entry.is_known && !entry.is_under_way => {
                self.entries.shift_remove(&key);
            }
            Some(entry) => entry.renew(alert, now),
            // It was never told that it fires.
            None if is_over => {}
            None if is_full => self.dropped += 1,
            None => {
                self.entries.insert(key, Entry::new(alert, now));
            }
        }
    }

    /// When there is something to send; `None`: not before something is put.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let entries = self.entries.values().filter(|entry| !entry.is_under_way);
        let due = entries.filter_map(|entry| entry.due).min()?;
        Some(self.not_before.map_or(due, |not_before| due.max(not_before)))
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.next_due().is_some_and(|due| due <= now)
    }

    /// What is to be sent now, in the order in which it came, [`BATCH_MAX`] at most. Its outcome
    /// must be [reported](Self::report).
    pub(super) fn take(&mut self, now: Instant) -> Option<Batch> {
        if !self.is_due(now) {
            return None;
        }
        let mut batch = Batch { alerts: Vec::new(), versions: Vec::new() };
        let is_due =
            |entry: &&mut Entry| !entry.is_under_way && entry.due.is_some_and(|due| due <= now);
        for entry in self.entries.values_mut().filter(is_due).take(BATCH_MAX) {
            entry.is_under_way = true;
            batch.alerts.push(entry.alert.clone());
            batch.versions.push(entry.version);
        }
        Some(batch)
    }

    /// Takes what came of a batch. `dice` is from 0 to 1.
    pub(super) fn report(
        &mut self,
        batch: Batch,
        result: Result<(), DeliveryError>,
        now: Instant,
        dice: f64,
    ) {
        self.last_error = result.err();
        match result {
            Ok(()) => (self.failures, self.not_before) = (0, None),
            Err(error) => self.back_off(error, now, dice),
        }
        for (alert, version) in batch.alerts.into_iter().zip(batch.versions) {
            let key = (alert.rule, alert.server);
            let Some(entry) = self.entries.get_mut(&key) else { continue };
            let told = Told { phase: alert.phase, is_newest: entry.version == version };
            entry.is_under_way = false;
            let is_done = match result {
                Ok(()) => {
                    self.sent += 1;
                    entry.was_told(told, self.resend_every, now)
                }
                Err(error) => {
                    let is_given_up = error.is_final() || entry.is_too_old(now);
                    self.failed += u64::from(is_given_up);
                    entry.was_not_told(told, error, now, is_given_up.then_some(self.resend_every))
                }
            };
            if is_done {
                self.entries.shift_remove(&key);
            }
        }
    }

    fn back_off(&mut self, error: DeliveryError, now: Instant, dice: f64) {
        if error.is_final() {
            return;
        }
        // Six doublings are more than the longest wait.
        let usual = (BACKOFF_MIN * (1 << self.failures.min(6))).min(BACKOFF_MAX);
        self.failures = self.failures.saturating_add(1);
        // Between half and all of it, so that those who failed together do not come back together.
        let wait = usual.mul_f64(0.5 + 0.5 * dice.clamp(0.0, 1.0));
        self.not_before = Some(now + wait.max(error.retry_after().unwrap_or_default()));
    }

    /// Why the last attempt failed; `None` if it did not.
    pub(super) const fn last_error(&self) -> Option<DeliveryError> {
        self.last_error
    }

    pub(super) fn state(&self, name: &str) -> WebhookState {
        WebhookState {
            name: name.to_owned(),
            sent: self.sent,
            failed: self.failed,
            dropped: self.dropped,
            queued: self.entries.values().filter(|entry| entry.is_news).count(),
            last_error: self.last_error.map(|error| error.to_string()),
        }
    }
}

/// What was sent of an alert.
#[derive(Debug, Clone, Copy)]
struct Told {
    phase: Phase,
    /// Whether nothing newer came meanwhile.
    is_newest: bool,
}

// === impl Entry ===

impl Entry {
    fn new(alert: &Alert, now: Instant) -> Self {
        Self {
            alert: alert.clone(),
            version: 0,
            due: Some(now),
            wanted_since: now,
            is_under_way: false,
            is_news: true,
            is_known: false,
        }
    }

    fn renew(&mut self, alert: &Alert, now: Instant) {
        self.alert = alert.clone();
        self.version += 1;
        (self.due, self.wanted_since, self.is_news) = (Some(now), now, true);
    }

    fn is_too_old(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.wanted_since) >= GIVE_UP_AFTER
    }

    /// True if there is nothing left to tell or to know of it.
    fn was_told(&mut self, told: Told, resend_every: Option<Duration>, now: Instant) -> bool {
        self.is_known = told.phase != Phase::Resolved;
        if !told.is_newest {
            return false;
        }
        self.is_news = false;
        self.wait_for(resend_every, now);
        !self.is_known
    }

    /// The same; `given_up` holds how often it is told again, if it is given up.
    fn was_not_told(
        &mut self,
        told: Told,
        error: DeliveryError,
        now: Instant,
        given_up: Option<Option<Duration>>,
    ) -> bool {
        let is_over = told.phase == Phase::Resolved;
        self.is_known |= !is_over && error.may_have_arrived();
        if !told.is_newest {
            // What came meanwhile is its end, and nobody knows of its beginning.
            return self.alert.phase == Phase::Resolved && !self.is_known;
        }
        let Some(resend_every) = given_up else { return false };
        self.is_news = false;
        self.wait_for(resend_every, now);
        is_over || (!self.is_known && resend_every.is_none())
    }

    fn wait_for(&mut self, resend_every: Option<Duration>, now: Instant) {
        self.due = resend_every.map(|every| now + every);
        self.wanted_since = self.due.unwrap_or(now);
    }
}

// === impl Batch ===

impl Batch {
    pub(super) fn alerts(&self) -> &[Alert] {
        &self.alerts
    }

    pub(super) fn len(&self) -> usize {
        self.alerts.len()
    }
}

#[cfg(test)]
mod tests;
