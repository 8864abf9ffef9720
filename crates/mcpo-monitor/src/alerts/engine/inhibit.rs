//! Which alerts explain others, so that one broken upstream is one message. An alert never explains
//! a more severe one, or who wants to know of severe ones alone would not: but for an operator's own
//! hold, which is wanted.

use std::collections::BTreeMap;

use mcpo_core::life::HeldBy;

use super::super::measure::{self, Sight};
use super::track::Moment;
use super::{Set, Watched};
use crate::picture::{FIVE_MINUTES, ServerPicture, Tally};

/// An alert that explains others of the same upstream.
#[derive(Debug)]
pub(crate) struct Inhibition {
    /// The one that explains.
    pub(crate) by: &'static str,
    /// Those that it explains.
    pub(crate) of: &'static [&'static str],
    /// Only if an operator holds the upstream, or only if none does.
    pub(crate) when: When,
}

/// When an inhibition counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// Always.
    Always,
    /// Not while its own fault holds the upstream.
    OperatorHolds,
    /// Not while an operator holds the upstream.
    FaultHolds,
}

/// What tells only how many calls fail, or how slowly they are answered.
pub(crate) const SYMPTOMS: [&str; 5] =
    ["error_rate", "slow_responses", "slo_burn_fast", "slo_burn_slow", "calls_shed"];

/// All inhibitions among alerts of one upstream, the better explanation first. None explains in a
/// circle: of alerts that fire, one at least is told.
pub(crate) const INHIBITIONS: [Inhibition; 8] = [
    Inhibition { by: "held", of: &["server_down", "crash_loop"], when: When::OperatorHolds },
    Inhibition { by: "held", of: &SYMPTOMS, when: When::OperatorHolds },
    Inhibition { by: "crash_loop", of: &["server_down"], when: When::Always },
    Inhibition { by: "crash_loop", of: &SYMPTOMS, when: When::Always },
    Inhibition { by: "server_down", of: &["held"], when: When::FaultHolds },
    Inhibition { by: "server_down", of: &SYMPTOMS, when: When::Always },
    Inhibition { by: "slo_burn_fast", of: &["error_rate", "slo_burn_slow"], when: When::Always },
    // Calls that are turned away are failed calls, too.
    Inhibition { by: "calls_shed", of: &["error_rate"], when: When::Always },
];

/// Alerts of upstreams that explain an alert of all together, if the upstreams that have none are
/// well.
pub(crate) const CULPRITS: [&str; 6] =
    ["server_down", "crash_loop", "held", "slo_burn_fast", "error_rate", "calls_shed"];

/// Says of each alert that fires which other one explains it.
pub(super) fn inhibit(watched: &mut [Watched], sight: &Sight<'_>, moment: Moment) {
    let servers: BTreeMap<&str, &ServerPicture> =
        sight.picture.servers.iter().map(|server| (server.name.as_str(), server)).collect();
    for place in 0..watched.len() {
        let firing = watched[place].tracks.iter().filter(|(_, track)| track.is_firing());
        let explained: Vec<_> = firing
            .map(|(name, _)| {
                let set = &watched[place].set;
                let by = match servers.get(name.as_str()) {
                    Some(server) => of_server(watched, set, server, moment),
                    None => of_whole(watched, set, sight, moment),
                };
                (name.clone(), by)
            })
            .collect();
        for (name, by) in explained {
            if let Some(track) = watched[place].tracks.get_mut(&name) {
                track.explain(by);
            }
        }
    }
}

/// Which alert of the same upstream explains this one.
fn of_server(
    watched: &[Watched],
    set: &Set,
    server: &ServerPicture,
    moment: Moment,
) -> Option<&'static str> {
    let by = |inhibition: &&Inhibition| {
        let is_wanted = inhibition.by == "held" && inhibition.when == When::OperatorHolds;
        inhibition.of.contains(&set.rule.id)
            && inhibition.when.holds(server.held_by)
            && explains(watched, inhibition.by, set, &server.name, moment)
                .is_some_and(|by| is_wanted || by.severity >= set.severity)
    };
    INHIBITIONS.iter().find(by).map(|inhibition| inhibition.by)
}

/// The rule as it is set, if its alert of that upstream explains one of the rule `of`.
fn explains<'a>(
    watched: &'a [Watched],
    by: &str,
    of: &Set,
    server: &str,
    moment: Moment,
) -> Option<&'a Set> {
    let watched = watched.iter().find(|watched| watched.set.rule.id == by)?;
    let track = watched.tracks.get(server)?;
    track.explains(of.rule.looks_back, moment).then_some(&watched.set)
}

/// Which alert of an upstream explains one of all together: that is well without the upstreams
/// that have alerts of their own.
fn of_whole(
    watched: &[Watched],
    set: &Set,
    sight: &Sight<'_>,
    moment: Moment,
) -> Option<&'static str> {
    let mut why = None;
    let is_innocent = |server: &&ServerPicture| {
        let culprit = CULPRITS.into_iter().find(|by| {
            let is_wanted = *by == "held" && server.held_by == Some(HeldBy::Operator);
            explains(watched, by, set, &server.name, moment)
                .is_some_and(|by| is_wanted || by.severity >= set.severity)
        });
        why = why.or(culprit);
        culprit.is_none()
    };
    let innocent: Vec<_> = sight.picture.servers.iter().filter(is_innocent).collect();
    let value = value_of(set.rule.id, &innocent, sight.budget);
    why.filter(|_| value.is_none_or(|value| value <= set.threshold))
}

/// The value of a rule for these upstreams together.
fn value_of(rule: &str, servers: &[&ServerPicture], budget: f64) -> Option<f64> {
    let sum = |tally: fn(&ServerPicture) -> Tally| {
        servers.iter().fold(Tally::default(), |mut sum, server| {
            sum += tally(server);
            sum
        })
    };
    match rule {
        "error_rate" => measure::rate(sum(|server| server.calls.windows[FIVE_MINUTES].tally())),
        "slo_burn_fast" => {
            let (long, short) =
                (sum(|server| server.burn.hour), sum(|server| server.burn.five_minutes));
            measure::burn_rate(long, short, budget)
        }
        "slo_burn_slow" => {
            let (long, short) =
                (sum(|server| server.burn.six_hours), sum(|server| server.burn.half_hour));
            measure::burn_rate(long, short, budget)
        }
        "calls_shed" => {
            let of = |of: fn(&ServerPicture) -> u64| servers.iter().map(|one| of(one)).sum::<u64>();
            let turned_away = of(|server| server.shed.for_want_of_room());
            let came =
                of(|server| server.calls.windows[FIVE_MINUTES].total() + server.shed.by_process());
            measure::shed_share(turned_away, || turned_away as f64 / came.max(1) as f64)
        }
        // No other rule looks at all upstreams together.
        _ => Some(f64::INFINITY),
    }
}

// === impl When ===

impl When {
    fn holds(self, held_by: Option<HeldBy>) -> bool {
        match self {
            Self::Always => true,
            Self::OperatorHolds => held_by != Some(HeldBy::Fault),
            Self::FaultHolds => held_by != Some(HeldBy::Operator),
        }
    }
}
