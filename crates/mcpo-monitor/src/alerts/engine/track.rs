//! One rule of one subject: where it is, and what it remembers of the times before.

use std::time::{Duration, SystemTime};

use super::super::measure::{Sight, Subject};
use super::super::{Alert, Notice, Phase};
use super::Set;

/// A value must be calm for as long as it must have been high, but for no longer than this: who
/// has an alert wants to know soon that it is over.
pub(crate) const CALM: Duration = Duration::from_secs(30);

/// What fires again within this time after it was resolved is the same trouble: each time it must
/// be calm for twice as long, up to [`CALM_MAX`], so that what flaps does not tell of each turn.
pub(crate) const FLAP_WINDOW: Duration = Duration::from_hours(1);

/// See [`FLAP_WINDOW`]: what flaps is told of no more than four times an hour.
pub(crate) const CALM_MAX: Duration = Duration::from_mins(15);

/// What flaps is calm for a second at least, also where its rule needs no time to fire.
const CALM_FLAPPING: Duration = Duration::from_secs(1);

/// The moment of a look.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    /// Since the start of the process: lengths are measured by this.
    pub(super) uptime: Duration,
    /// In seconds since the Unix epoch: for people.
    pub(super) stamp: f64,
}

/// One rule of one subject.
#[derive(Debug)]
pub(super) struct Track {
    alert: Alert,
    state: State,
    /// People were told, and must be told of its end.
    is_told: bool,
    /// It was said in the log that it fires.
    is_noted: bool,
    /// How often it fired in a row, each time soon after the time before.
    fired: u32,
    /// When it was resolved last.
    ended_at: Option<Duration>,
}

/// Where it is. Times are since the start of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Calm,
    Pending { since: Duration },
    Firing { calm_since: Option<Duration> },
}

// === impl Moment ===

impl Moment {
    pub(super) fn new(uptime: Duration, now: SystemTime) -> Self {
        let stamp = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self { uptime, stamp: stamp.as_secs_f64() }
    }
}

// === impl Track ===

impl Track {
    /// Of a value that was never high before.
    pub(super) fn new(set: &Set, subject: Subject<'_>) -> Self {
        let alert = Alert {
            rule: set.rule.id.to_owned(),
            server: subject.name().map(str::to_owned),
            severity: set.severity,
            phase: Phase::Pending,
            since: 0.0,
            resolved_at: None,
            value: 0.0,
            threshold: set.threshold,
            summary: String::new(),
            fix: set.rule.fix.to_owned(),
            inhibited_by: None,
        };
        let (state, is_told, is_noted) = (State::Calm, false, false);
        Self { alert, state, is_told, is_noted, fired: 0, ended_at: None }
    }

    pub(super) fn is_firing(&self) -> bool {
        matches!(self.state, State::Firing { .. })
    }

    /// Whether it fires, or did so no longer ago than that.
    pub(super) fn explains(&self, tail: Duration, moment: Moment) -> bool {
        let ended = |at: Duration| moment.uptime.saturating_sub(at) < tail;
        self.is_firing() || self.ended_at.is_some_and(ended)
    }

    /// Whether nothing of it matters any more.
    pub(super) fn is_forgotten(&self, moment: Moment) -> bool {
        self.state == State::Calm && !self.explains(FLAP_WINDOW, moment)
    }

    /// Takes the value of this moment. Answers a notice if that resolves it.
    pub(super) fn take(
        &mut self,
        set: &Set,
        (sight, subject): (&Sight<'_>, Subject<'_>),
        moment: Moment,
    ) -> Option<Notice> {
        // What cannot be told is calm, and so is what is no number.
        let value = (set.rule.measure)(sight, subject).filter(|value| value.is_finite());
        let value = value.unwrap_or_default();
        self.alert.value = value;
        (self.alert.severity, self.alert.threshold) = (set.severity, set.threshold);
        let was_firing = self.is_firing();
        self.state = self.next(set, value, moment);
        if was_firing && !self.is_firing() {
            return Some(self.resolve(set.rule.calm, moment));
        }
        if value > set.threshold {
            let whom = subject.name().map_or(String::new(), |name| format!("{name}: "));
            self.alert.summary = format!("{whom}{}", (set.rule.say)(sight, subject, value));
        }
        None
    }

    /// The state that follows from a value.
    fn next(&mut self, set: &Set, value: f64, moment: Moment) -> State {
        let is_high = value > set.threshold;
        let is_calm = !is_high && value <= set.threshold * set.rule.calm_share;
        let now = moment.uptime;
        match self.state {
            State::Calm if is_high => {
                self.alert.since = moment.stamp;
                self.pend(set, now, now)
            }
            State::Pending { since } if is_high => self.pend(set, since, now),
            State::Calm | State::Pending { .. } => State::Calm,
            State::Firing { .. } if !is_calm => State::Firing { calm_since: None },
            State::Firing { calm_since } => {
                let since = calm_since.unwrap_or(now);
                let is_over = now.saturating_sub(since) >= self.calm_for(set);
                if is_over { State::Calm } else { State::Firing { calm_since: Some(since) } }
            }
        }
    }

    fn pend(&mut self, set: &Set, since: Duration, now: Duration) -> State {
        if now.saturating_sub(since) < set.hold_for {
            return State::Pending { since };
        }
        let flaps = self.ended_at.is_some_and(|ended| now.saturating_sub(ended) < FLAP_WINDOW);
        self.fired = if flaps { self.fired.saturating_add(1) } else { 1 };
        State::Firing { calm_since: None }
    }

    fn calm_for(&self, set: &Set) -> Duration {
        let usual = set.hold_for.min(CALM);
        // Beyond ten doublings of a second it is the longest anyway.
        match self.fired.saturating_sub(1).min(10) {
            0 => usual,
            again => (usual.max(CALM_FLAPPING) * (1 << again)).min(CALM_MAX),
        }
    }

    /// It is over, for that reason.
    pub(super) fn resolve(&mut self, why: &str, moment: Moment) -> Notice {
        let whom = self.alert.server.as_ref().map_or(String::new(), |name| format!("{name}: "));
        self.alert.summary = format!("{whom}{why}");
        let mut alert = self.alert.clone();
        alert.phase = Phase::Resolved;
        alert.resolved_at = Some(moment.stamp.max(alert.since));
        (self.state, self.ended_at) = (State::Calm, Some(moment.uptime));
        self.alert.inhibited_by = None;
        self.is_noted = false;
        Notice { alert, is_told: std::mem::take(&mut self.is_told) }
    }

    /// Says who explains it, if anybody does.
    pub(super) fn explain(&mut self, by: Option<&'static str>) {
        self.alert.inhibited_by = by.map(str::to_owned);
    }

    /// What is to be said of it, if it fires and that was not said yet.
    pub(super) fn notice(&mut self) -> Option<Notice> {
        if !self.is_firing() || self.is_told {
            return None;
        }
        let is_told = self.alert.inhibited_by.is_none();
        if !is_told && self.is_noted {
            return None;
        }
        (self.is_told, self.is_noted) = (is_told, true);
        Some(Notice { alert: self.active()?, is_told })
    }

    /// What people were told of it, if it fires and they were.
    pub(super) fn told(&self) -> Option<Notice> {
        let alert = self.active().filter(|_| self.is_firing() && self.is_told)?;
        Some(Notice { alert, is_told: true })
    }

    /// As it is shown; `None` while it is calm.
    pub(super) fn active(&self) -> Option<Alert> {
        let phase = match self.state {
            State::Calm => return None,
            State::Pending { .. } => Phase::Pending,
            State::Firing { .. } => Phase::Firing,
        };
        Some(Alert { phase, ..self.alert.clone() })
    }
}
