//! Histories in which one thing was told otherwise, so that the check has something to find.

use std::time::Duration;

use crate::history::{Happening, Told};
use crate::scenario::{CallPlan, KEPT, Scenario, Tool};

type History = Vec<(Duration, Happening)>;
type Doctor = fn(&Scenario, &mut History) -> Option<()>;

pub(crate) const ALL: [Doctor; 7] = [
    another_identity,
    another_question,
    too_old,
    of_no_call,
    wanted_none,
    shared_after_a_write,
    shared_what_was_over,
];

fn plan(scenario: &Scenario, call: u64) -> Option<&CallPlan> {
    scenario.calls.iter().find(|plan| plan.id == call && plan.tool == Tool::Look)
}

/// The first that was told something like that, and whose call is like that.
fn told<'h>(
    scenario: &Scenario,
    all: &'h mut History,
    is: impl Fn(&Told, &CallPlan) -> bool,
) -> Option<(&'h mut Duration, &'h mut Told)> {
    all.iter_mut().find_map(|(at, what)| {
        let Happening::Told(told) = what else { return None };
        plan(scenario, told.call).is_some_and(|plan| is(told, plan)).then_some((at, told))
    })
}

fn is_hit(told: &Told) -> bool {
    told.cache.is_some_and(|(word, _)| word == "hit")
}

/// The number of an answer to a call that is like that.
fn given(scenario: &Scenario, all: &History, is: impl Fn(&CallPlan) -> bool) -> Option<u64> {
    all.iter().find_map(|(_, what)| {
        let Happening::Given { call, number, .. } = what else { return None };
        plan(scenario, *call).is_some_and(&is).then_some(*number)
    })
}

fn another_identity(scenario: &Scenario, all: &mut History) -> Option<()> {
    let other = given(scenario, all, |call| call.identity == 1)?;
    told(scenario, all, |told, call| is_hit(told) && call.identity == 0)?.1.given = Some(other);
    Some(())
}

fn another_question(scenario: &Scenario, all: &mut History) -> Option<()> {
    let other = given(scenario, all, |call| call.topic == 1)?;
    let is = |told: &Told, call: &CallPlan| told.given.is_some() && call.topic == 0;
    told(scenario, all, is)?.1.given = Some(other);
    Some(())
}

fn too_old(scenario: &Scenario, all: &mut History) -> Option<()> {
    let told = told(scenario, all, |told, _| is_hit(told))?.1;
    told.cache = Some(("hit", Some(KEPT.ttl)));
    Some(())
}

fn of_no_call(scenario: &Scenario, all: &mut History) -> Option<()> {
    told(scenario, all, |told, _| told.given.is_some())?.1.given = Some(u64::MAX);
    Some(())
}

fn wanted_none(scenario: &Scenario, all: &mut History) -> Option<()> {
    let bypass = |told: &Told, _: &CallPlan| told.cache == Some(("bypass", None));
    told(scenario, all, |one, call| bypass(one, call) && one.given.is_some())?.1.cache =
        Some(("hit", Some(Duration::ZERO)));
    Some(())
}

/// Its flight had begun before a write that ended before it came.
fn shared_after_a_write(scenario: &Scenario, all: &mut History) -> Option<()> {
    let mut ended = Vec::new();
    for (at, what) in &*all {
        if let Happening::Told(told) = what
            && let Some(write) = scenario.calls.iter().find(|plan| plan.id == told.call)
            && write.tool == Tool::Write
            && told.attempts > 0
        {
            ended.push((*at, write.server));
        }
    }
    let is_after = |call: &CallPlan| {
        ended.iter().any(|(at, server)| *server == call.server && !at.is_zero() && *at < call.at)
    };
    let is = |told: &Told, call: &CallPlan| told.shared && is_after(call);
    let wanted = told(scenario, all, |one, call| one.given.is_some() && is(one, call))?.1.given?;
    came_first(all, wanted)
}

fn came_first(all: &mut History, wanted: u64) -> Option<()> {
    all.iter_mut().find_map(|(_, what)| {
        let Happening::Given { number, came, .. } = what else { return None };
        (*number == wanted).then(|| *came = Duration::ZERO)
    })
}

/// The answer had been given before it came.
fn shared_what_was_over(scenario: &Scenario, all: &mut History) -> Option<()> {
    let is =
        |told: &Told, call: &CallPlan| told.shared && told.given.is_some() && !call.at.is_zero();
    let wanted = told(scenario, all, is)?.1.given?;
    all.iter_mut().find_map(|(at, what)| {
        let Happening::Given { number, .. } = what else { return None };
        (*number == wanted).then(|| *at = Duration::ZERO)
    })
}
