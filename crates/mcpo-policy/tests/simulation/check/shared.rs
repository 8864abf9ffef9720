//! What must hold for answers that are shared: with whom, and for how long.

use std::collections::BTreeMap;
use std::time::Duration;

use super::LATE;
use crate::history::{Happening, Told};
use crate::scenario::{Act, CallPlan, KEPT, Scenario, Tool};

/// A server that was moved is asked where it is now within this time.
const MOVED: Duration = Duration::from_secs(1);

/// An answer that a server gave.
#[derive(Debug)]
struct Given<'a> {
    /// When, and when the attempt came that it was given to.
    at: Duration,
    came: Duration,
    /// The call whose attempt it was.
    by: Option<&'a CallPlan>,
    server: &'a str,
    place: usize,
    topic: u64,
}

/// What was told to one caller that may share.
struct Check<'a> {
    scenario: &'a Scenario,
    call: &'a CallPlan,
    told: &'a Told,
    at: Duration,
    given: &'a Given<'a>,
    /// When each write of any server began and ended.
    writes: &'a [(usize, Duration, Duration)],
    wrong: &'a mut Vec<String>,
}

pub(super) fn check(scenario: &Scenario, all: &[(Duration, Happening)]) -> Vec<String> {
    let mut wrong = Vec::new();
    let plan = |id: &u64| scenario.calls.iter().find(|call| call.id == *id);
    let mut answers = BTreeMap::new();
    let mut writes = Vec::new();
    for (at, what) in all {
        if let Happening::Given { call, server, place, topic, number, came } = what {
            let (at, came, by) = (*at, *came, plan(call));
            let given = Given { at, came, by, server, place: *place, topic: *topic };
            answers.insert(*number, given);
        }
        if let Some(plan) = may_have_written(scenario, what).and_then(|call| plan(&call)) {
            writes.push((plan.server, plan.at, *at));
        }
    }
    for (at, what) in all {
        let Happening::Told(told) = what else { continue };
        let Some(call) = plan(&told.call).filter(|call| call.tool == Tool::Look) else { continue };
        let Some(number) = told.given else {
            if told.cache.is_some_and(|(word, _)| word == "hit" || word == "stale") {
                wrong.push(format!("call {}: it was given what is no answer: {told:?}", call.id));
            }
            continue;
        };
        let Some(given) = answers.get(&number) else {
            wrong.push(format!("call {}: nobody gave that answer: {told:?}", call.id));
            continue;
        };
        let (at, writes) = (*at, &writes[..]);
        Check { scenario, call, told, at, given, writes, wrong: &mut wrong }.run();
    }
    wrong
}

/// The call that ended now, if it was a write of its own: one that was given the reply of another
/// with its key wrote nothing, nor did one that waited for it.
fn may_have_written(scenario: &Scenario, what: &Happening) -> Option<u64> {
    let (id, has_sent) = if let Happening::Told(told) = what {
        (told.call, told.attempts > 0)
    } else if let Happening::Dropped { call } = what {
        (*call, false)
    } else {
        return None;
    };
    let mut same = scenario.calls.iter().filter(|call| call.tool == Tool::Write);
    let call = same.clone().find(|call| call.id == id)?;
    let is_alone = !same.any(|other| other.id != id && other.logical() == call.logical());
    (has_sent || is_alone).then_some(id)
}

impl Check<'_> {
    fn fails(&mut self, why: &str) {
        let Self { call, told, at, given, .. } = self;
        self.wrong.push(format!("call {}: {why}: {at:?} {told:?} {call:?} {given:?}", call.id));
    }

    fn run(&mut self) {
        let server = &self.scenario.servers[self.call.server].name;
        if self.given.server != server || self.given.topic != self.call.topic {
            self.fails("it was given the answer to another question");
        }
        let Some(by) = self.given.by else { return self.fails("nobody asked for its answer") };
        if by.identity != self.call.identity {
            self.fails("it was given the answer of another identity");
        }
        let is_new = !matches!(self.word(), Some("hit" | "stale"));
        match (is_new, self.told.shared) {
            (true, false) => self.is_its_own(by),
            (true, true) => self.was_in_flight_together(),
            (false, false) => self.was_kept(by),
            (false, true) => self.fails("it was both kept and shared"),
        }
        self.is_of_the_right_place();
    }

    fn word(&self) -> Option<&'static str> {
        self.told.cache.map(|(word, _)| word)
    }

    fn is_its_own(&mut self, by: &CallPlan) {
        if by.id != self.call.id || self.told.attempts == 0 {
            self.fails("it was given the answer of another call");
        }
        if self.call.no_cache != (self.word() == Some("bypass")) {
            self.fails("it was not told that it passed the cache by");
        }
    }

    fn was_in_flight_together(&mut self) {
        if self.call.no_cache {
            self.fails("it shares an answer that was asked for before");
        }
        if self.given.at < self.call.at {
            self.fails("it shares an answer that was given before it came");
        }
        let (came, call) = (self.given.came, self.call);
        let between = |write: &&(usize, Duration, Duration)| {
            write.0 == call.server && came < write.2 && write.2 < call.at
        };
        if let Some(write) = self.writes.iter().find(between) {
            self.fails(&format!("it shares an answer from before {write:?}"));
        }
        self.is_not_forgotten();
    }

    fn was_kept(&mut self, by: &CallPlan) {
        if self.call.no_cache {
            self.fails("it was given what was kept, and wanted none");
        }
        if by.no_store {
            self.fails("it was given what must not be kept");
        }
        if self.told.attempts > 0 {
            self.fails("it was sent for nothing");
        }
        let Some((word, Some(said))) = self.told.cache else { return self.fails("of no age") };
        let age = self.at.saturating_sub(self.given.at);
        if said > age + LATE || age > said + LATE {
            self.fails("it was told another age");
        }
        let longest = KEPT.ttl + KEPT.stale_while_revalidate.max(KEPT.stale_if_error);
        let fits = match word {
            "hit" => said < KEPT.ttl,
            _ => (KEPT.ttl..longest).contains(&said),
        };
        if !fits {
            self.fails("it was given what is too old, or called so wrongly");
        }
        self.is_not_forgotten();
    }

    fn is_not_forgotten(&mut self) {
        if self.orders(|what| matches!(what, Act::Purge)).any(|order| self.was_before(order)) {
            self.fails("it was given what was to be forgotten");
        }
    }

    /// What is at another place now does not answer for what was there before.
    fn is_of_the_right_place(&mut self) {
        let came = self.call.at;
        let moves = self.orders(|what| matches!(what, Act::Move)).filter(|at| *at + MOVED < came);
        if self.given.place < moves.count() {
            self.fails("it was given the answer of a server that is gone");
        }
    }

    fn orders(&self, is: impl Fn(&Act) -> bool) -> impl Iterator<Item = Duration> {
        let server = self.call.server;
        let orders = self.scenario.changes.iter().filter(move |change| change.server == server);
        orders.filter(move |change| is(&change.what)).map(|change| change.at)
    }

    fn was_before(&self, order: Duration) -> bool {
        self.given.came < order && order < self.call.at
    }
}
