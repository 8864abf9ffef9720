//! What becomes of the rules from look to look. Pure: it reads no clock, and lengths of time are
//! taken from the picture's uptime, so that a wall clock that is set neither fires nor resolves.
//!
//! ```text
//!           above            for long enough
//!   calm ---------> pending ----------------> firing --+
//!    ^ <------------- |                        ^   |   | below, or gone for a moment
//!    |     not above                           +---|---+
//!    +------------------------------------ resolved: calm for long enough
//! ```

mod inhibit;
mod track;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use mcpo_config::Monitoring;

use super::measure::{Sight, Subject};
use super::reconnects::Reconnects;
use super::rules::{RULES, Rule, Scope};
use super::{Alert, Alerts, Notice, Phase, RESOLVED_MAX, Severity};
use crate::picture::Picture;
pub(super) use inhibit::{CULPRITS, INHIBITIONS, SYMPTOMS, When};
pub(super) use track::{CALM, CALM_MAX, FLAP_WINDOW};
use track::{Moment, Track};

/// Looks at the rules.
#[derive(Debug)]
pub struct Engine {
    watched: Vec<Watched>,
    /// The share of calls that may fail.
    budget: f64,
    reconnects: Reconnects,
    /// Alerts of rules that were switched off since the last look.
    orphans: Vec<Track>,
    alerts: Alerts,
}

/// A rule as the operator wants it, and what it is looked at for.
#[derive(Debug)]
struct Watched {
    set: Set,
    /// By the upstream's name; under the empty name, which no upstream has, the whole.
    tracks: BTreeMap<String, Track>,
}

/// A rule as the operator wants it.
#[derive(Debug, Clone, Copy)]
struct Set {
    rule: &'static Rule,
    severity: Severity,
    threshold: f64,
    hold_for: Duration,
}

// === impl Engine ===

impl Engine {
    /// With the rules as the operator wants them; without any where monitoring is off.
    #[must_use]
    pub fn new(monitoring: &Monitoring) -> Self {
        let mut engine = Self {
            watched: Vec::new(),
            budget: 0.0,
            reconnects: Reconnects::default(),
            orphans: Vec::new(),
            alerts: Alerts::none(SystemTime::UNIX_EPOCH),
        };
        engine.reconfigure(monitoring);
        engine
    }

    /// With other settings from the next look on, which resolves alerts of rules that are switched
    /// off. What is pending or fires stays so where its rule stays.
    pub fn reconfigure(&mut self, monitoring: &Monitoring) {
        self.budget = 1.0 - monitoring.slo_objective;
        let mut before = std::mem::take(&mut self.watched);
        for set in RULES.iter().filter_map(|rule| Set::of(rule, monitoring)) {
            let known = before.iter().position(|watched| watched.set.rule.id == set.rule.id);
            let tracks = known.map(|place| before.swap_remove(place).tracks).unwrap_or_default();
            self.watched.push(Watched { set, tracks });
        }
        let over = before.into_iter().flat_map(|watched| watched.tracks.into_values());
        self.orphans.extend(over.filter(Track::is_firing));
    }

    /// Looks at all rules, and says what is to be logged and told. `now` is for the stamps alone.
    pub fn look(&mut self, picture: &Picture, now: SystemTime) -> Vec<Notice> {
        self.reconnects.read(picture);
        let moment = Moment::new(picture.uptime, now);
        let sight = Sight { picture, reconnects: &self.reconnects, budget: self.budget };
        let mut over: Vec<Notice> = std::mem::take(&mut self.orphans)
            .into_iter()
            .map(|mut track| track.resolve("the rule is switched off", moment))
            .collect();
        for watched in &mut self.watched {
            watched.look(&sight, moment, &mut over);
        }
        inhibit::inhibit(&mut self.watched, &sight, moment);
        let begun: Vec<Notice> = self.tracks_mut().filter_map(Track::notice).collect();
        self.keep(&over, now);
        over.extend(begun);
        over
    }

    /// All alerts as of the last look, but for what the webhooks say.
    #[must_use]
    pub fn alerts(&self) -> Alerts {
        self.alerts.clone()
    }

    /// All that fires and that people were told of.
    #[must_use]
    pub fn told(&self) -> Vec<Notice> {
        let tracks = self.watched.iter().flat_map(|watched| watched.tracks.values());
        tracks.filter_map(Track::told).collect()
    }

    fn tracks_mut(&mut self) -> impl Iterator<Item = &mut Track> {
        self.watched.iter_mut().flat_map(|watched| watched.tracks.values_mut())
    }

    fn keep(&mut self, over: &[Notice], now: SystemTime) {
        let tracks = self.watched.iter().flat_map(|watched| watched.tracks.values());
        let mut active: Vec<Alert> = tracks.filter_map(Track::active).collect();
        active.sort_by(|one, other| {
            rank(other).cmp(&rank(one)).then(one.since.total_cmp(&other.since))
        });
        let resolved = over.iter().rev().map(|notice| notice.alert.clone());
        let before = std::mem::take(&mut self.alerts.resolved);
        let resolved = resolved.chain(before).take(RESOLVED_MAX).collect();
        self.alerts = Alerts { active, resolved, webhooks: Vec::new(), at: now };
    }
}

// === impl Watched ===

impl Watched {
    /// Looks at the rule for all that it is about; what is resolved goes into `over`.
    fn look(&mut self, sight: &Sight<'_>, moment: Moment, over: &mut Vec<Notice>) {
        let (servers, whole) = match self.set.rule.scope {
            Scope::Machine => (&[][..], Some(Subject::Whole)),
            Scope::Servers => (&sight.picture.servers[..], None),
            Scope::ServersAndWhole => (&sight.picture.servers[..], Some(Subject::Whole)),
        };
        for subject in servers.iter().map(Subject::Server).chain(whole) {
            over.extend(self.take(sight, subject, moment));
        }
        let names: BTreeSet<&str> = servers.iter().map(|server| server.name.as_str()).collect();
        self.tracks.retain(|name, track| {
            let is_there = name.is_empty() || names.contains(name.as_str());
            if !is_there && track.is_firing() {
                over.push(track.resolve("it is not configured any more", moment));
            }
            is_there && !track.is_forgotten(moment)
        });
    }

    fn take(&mut self, sight: &Sight<'_>, subject: Subject<'_>, moment: Moment) -> Option<Notice> {
        let name = subject.name().unwrap_or_default();
        if let Some(track) = self.tracks.get_mut(name) {
            return track.take(&self.set, (sight, subject), moment);
        }
        // Most values are never high, and leave nothing behind.
        let value = (self.set.rule.measure)(sight, subject)?;
        if value <= self.set.threshold {
            return None;
        }
        let track = self.tracks.entry(name.to_owned());
        let track = track.or_insert_with(|| Track::new(&self.set, subject));
        track.take(&self.set, (sight, subject), moment)
    }
}

// === impl Set ===

impl Set {
    /// The rule as it is set; `None` if it is switched off.
    fn of(rule: &'static Rule, monitoring: &Monitoring) -> Option<Self> {
        let named = monitoring.alerts.rules.iter().find(|(name, _)| name == rule.id);
        let said = named.map(|(_, said)| *said).unwrap_or_default();
        let is_on = monitoring.enabled && said.enabled.unwrap_or(true);
        is_on.then(|| Self {
            rule,
            severity: said.severity.map_or(rule.severity, Severity::from),
            threshold: said.threshold.unwrap_or(rule.threshold),
            hold_for: said.hold_for.unwrap_or(rule.hold_for),
        })
    }
}

/// What is shown first: what people are told of, then the rest, the worse before the less bad.
fn rank(alert: &Alert) -> (bool, bool, Severity) {
    (alert.phase == Phase::Firing, alert.inhibited_by.is_none(), alert.severity)
}

#[cfg(test)]
mod tests;
