//! What must hold for every run, whatever went wrong in it.

mod shared;

use std::collections::BTreeMap;
use std::time::Duration;

use mcpo_core::outcome::OutcomeKind;

use crate::history::{Happening, Told};
use crate::scenario::{CallPlan, Family, Scenario, ServerPlan, Tool, Trouble, TroubleKind};

/// Timers count in whole milliseconds.
const LATE: Duration = Duration::from_millis(5);
/// A handshake that hangs (30 s), then the longest wait of an upstream or of its breaker (60 s).
const BACK_BY_ITSELF: Duration = Duration::from_secs(95);
/// How often a call is sent at most.
const ATTEMPTS_MAX: usize = 3;

/// What servers saw of one call, or of all that share its key.
#[derive(Debug, Default)]
struct Seen {
    came: Vec<Duration>,
    acted: Vec<Duration>,
    ambiguous: Vec<Duration>,
    unwritten: Vec<Duration>,
}

/// What one caller saw.
#[derive(Debug)]
enum End<'a> {
    Told(Duration, &'a Told),
    Dropped,
    Absent,
}

/// All that is wrong with a run, in words.
pub(crate) fn check(scenario: &Scenario, all: &[(Duration, Happening)]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut seen: BTreeMap<u64, Seen> = BTreeMap::new();
    let mut ends: BTreeMap<u64, Vec<End<'_>>> = BTreeMap::new();
    for (at, what) in all {
        match what {
            Happening::Came { call, .. } => seen.entry(*call).or_default().came.push(*at),
            Happening::Acted { call } => seen.entry(*call).or_default().acted.push(*at),
            Happening::Ambiguous { call, .. } => seen.entry(*call).or_default().ambiguous.push(*at),
            Happening::Unwritten { call } => seen.entry(*call).or_default().unwritten.push(*at),
            Happening::Told(told) => {
                ends.entry(told.call).or_default().push(End::Told(*at, told));
            }
            Happening::Dropped { call } => ends.entry(*call).or_default().push(End::Dropped),
            Happening::Absent { call } => ends.entry(*call).or_default().push(End::Absent),
            Happening::Wrong { what } => wrong.push(what.clone()),
            Happening::Opened { .. }
            | Happening::Closed { .. }
            | Happening::Changed { .. }
            | Happening::Given { .. } => {}
        }
    }
    let nothing = Seen::default();
    for call in &scenario.calls {
        let seen = seen.get(&call.logical()).unwrap_or(&nothing);
        let ends = ends.get(&call.id).map_or(&[][..], Vec::as_slice);
        let mut check = Check { scenario, call, seen, wrong: &mut wrong };
        if call.tool != Tool::Look {
            check.times_carried_out();
        }
        match ends {
            [End::Told(at, told)] => check.told(*at, told),
            [End::Dropped] if call.dropped_after.is_some() => {}
            [End::Absent] => {}
            other => check.fails(&format!("it ended {} times: {other:?}", other.len())),
        }
    }
    wrong.extend(shared::check(scenario, all));
    wrong
}

struct Check<'a> {
    scenario: &'a Scenario,
    call: &'a CallPlan,
    seen: &'a Seen,
    wrong: &'a mut Vec<String>,
}

impl Check<'_> {
    fn fails(&mut self, why: &str) {
        self.wrong.push(format!("call {}: {why}; {:?}, {:?}", self.call.id, self.call, self.seen));
    }

    fn is_hurried(&self) -> bool {
        self.call.timeout < self.scenario.servers[self.call.server].needed()
    }

    fn is_alone(&self) -> bool {
        let same = |other: &&CallPlan| other.logical() == self.call.logical();
        self.scenario.calls.iter().filter(same).count() == 1
    }

    fn times_carried_out(&mut self) {
        if !self.call.may_act_twice() && self.seen.acted.len() > 1 {
            self.fails("it was carried out more than once");
        }
        let most = if self.call.tool == Tool::Once { 1 } else { ATTEMPTS_MAX };
        if self.is_alone() && self.seen.came.len() > most {
            self.fails("it was sent too often");
        }
    }

    fn told(&mut self, at: Duration, told: &Told) {
        if at > self.call.at + self.call.timeout + LATE {
            self.fails(&format!("it was answered at {at:?}, after its deadline"));
        }
        if !told.is_its_own {
            self.fails("it got the answer of another call");
        }
        if self.call.tool == Tool::Look {
            return self.failure_is_excused(at, told);
        }
        match told.outcome {
            OutcomeKind::Reply => self.answered(at, told),
            OutcomeKind::Unknown => self.unknown(at, told),
            OutcomeKind::NotSent | OutcomeKind::Refused => self.not_acted(at, told),
        }
        if self.is_alone() && !told.repeated && told.attempts as usize != self.seen.came.len() {
            self.may_have_met_an_ended_session(told);
        }
        self.failure_is_excused(at, told);
    }

    /// An attempt on a session that had ended does not come to the server.
    fn may_have_met_an_ended_session(&mut self, told: &Told) {
        if (told.attempts as usize) < self.seen.came.len() {
            self.fails(&format!("it came more often than it was sent: {told:?}"));
        }
    }

    fn answered(&mut self, at: Duration, told: &Told) {
        if self.seen.acted.is_empty() {
            self.fails("it was answered and never carried out");
        }
        let later = self.seen.came.iter().any(|came| *came > at);
        if later {
            self.fails(&format!("it was sent again after it was answered: {told:?}"));
        }
    }

    /// One that waits for another one with its key does not know of that one, whatever comes of
    /// it later.
    fn unknown(&mut self, at: Duration, told: &Told) {
        let waited = told.attempts == 0 && self.seen.came.iter().any(|came| *came < at);
        // Whether an attempt was written is known at its end; a caller in a hurry goes before, and
        // leaves it to others who might have waited for it.
        let is_read = self.call.tool != Tool::Write && self.call.key.is_none();
        let is_last = |at: &Duration| self.seen.came.last() == Some(at);
        let left = is_read && self.is_hurried() && self.seen.unwritten.last().is_some_and(is_last);
        if self.seen.ambiguous.is_empty() && !left && (self.is_alone() || !waited) {
            self.fails(&format!("nothing about it is unknown: {told:?}"));
        }
    }

    /// Others with the same key may have acted before it came, or after it was told.
    fn not_acted(&mut self, at: Duration, told: &Told) {
        let while_it_waited = |acted: &Duration| (self.call.at..at).contains(acted);
        if self.seen.acted.iter().any(|acted| self.is_alone() || while_it_waited(acted)) {
            self.fails(&format!("it was carried out and its caller was told otherwise: {told:?}"));
        }
    }

    /// No call fails without a reason that its server gives.
    fn failure_is_excused(&mut self, at: Duration, told: &Told) {
        let server = &self.scenario.servers[self.call.server];
        if told.outcome == OutcomeKind::Reply || self.call.timeout < server.needed() {
            return;
        }
        if server.is_quiet {
            self.fails(&format!("it failed at {at:?} on a server that was always well: {told:?}"));
        }
        if self.has_been_well_for_long(server) {
            self.fails(&format!("it failed at {at:?} long after all trouble: {told:?}"));
        }
        if self.scenario.family == Family::Restart {
            self.restart_is_bridged(at, told, server);
        }
    }

    /// Whether its server has been well for so long that everything has come back by itself, what
    /// its fault holds aside, which takes minutes.
    fn has_been_well_for_long(&self, server: &ServerPlan) -> bool {
        let holds = |kind| matches!(kind, TroubleKind::Unauthorized | TroubleKind::Nonsense);
        let is_over = |one: &Trouble| one.to + BACK_BY_ITSELF <= self.call.at && !holds(one.kind);
        server.noise == 0
            && server.troubles.iter().all(is_over)
            && self.scenario.changes.iter().all(|change| change.server != self.call.server)
    }

    /// A restart fails no call, except those under way when it began that must not act twice, or
    /// must not be sent again.
    fn restart_is_bridged(&mut self, at: Duration, told: &Told, server: &ServerPlan) {
        let down = server.troubles.iter().find(|trouble| trouble.kind == TroubleKind::Down);
        let was_hit = down.is_some_and(|down| {
            let longest = Duration::from_millis(server.latency) + LATE;
            let came_before = |came: &Duration| *came <= down.from && *came + longest >= down.from;
            self.seen.came.iter().any(came_before)
        });
        let must_not = match self.call.tool {
            Tool::Write => self.call.key.is_none(),
            Tool::Read | Tool::Look => false,
            // Over HTTP its only attempt shows that the server is away.
            Tool::Once => true,
        };
        let unlucky_once = self.call.tool == Tool::Once;
        if !(must_not && (was_hit || unlucky_once)) {
            self.fails(&format!("a restart failed it at {at:?}: {told:?}"));
        }
    }
}
