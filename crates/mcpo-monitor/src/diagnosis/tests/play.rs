//! Whatever is known: no panic, and a diagnosis that is true to itself.

use std::collections::HashSet;
use std::time::Duration;

use mcpo_core::event::Event;
use mcpo_core::fault::{Fault, FaultKind, Stage};
use mcpo_core::load::ShedReason;
use proptest::prelude::*;

use super::*;
use crate::diagnosis::RULES;
use crate::history::Metric;
use crate::picture::{BreakerName, Standing, Tally};

/// One change of the facts.
#[derive(Debug, Clone)]
enum Move {
    Down(FaultKind, Option<usize>),
    Hold(bool),
    Calls(FaultKind, u64),
    Lost(FaultKind, u64),
    Breaker(FaultKind),
    State(usize, usize),
    Slow(f64, u64, f64),
    Burn(u64, u64),
    Machine(f64, f64, u64),
    Grows(f64, f64),
    Looked(Option<FaultKind>),
    Jump(u64, u64),
    At(i64),
    Shed(ShedReason, u64, usize),
}

const STAGES: [Stage; 5] = [Stage::Name, Stage::Refused, Stage::Route, Stage::Tls, Stage::Other];
const STATES: [&str; 6] = ["starting", "ready", "resting", "held", "dormant", "stopped"];

fn moves() -> impl Strategy<Value = Move> {
    let kind = || prop::sample::select(FaultKind::ALL.to_vec());
    prop_oneof![
        (kind(), prop::option::of(0..5_usize)).prop_map(|(kind, stage)| Move::Down(kind, stage)),
        any::<bool>().prop_map(Move::Hold),
        (kind(), 0..40_u64).prop_map(|(kind, count)| Move::Calls(kind, count)),
        (kind(), 0..400_u64).prop_map(|(kind, ago)| Move::Lost(kind, ago)),
        kind().prop_map(Move::Breaker),
        (0..6_usize, 0..9_usize).prop_map(|(state, sessions)| Move::State(state, sessions)),
        (0.0..100.0, 0..200_u64, 0.0..2.0).prop_map(|(s, n, waited)| Move::Slow(s, n, waited)),
        (0..1000_u64, 0..1000_u64).prop_map(|(good, bad)| Move::Burn(good, bad)),
        (0.0..2.0, 0.0..2.0, any::<u64>()).prop_map(|(c, m, free)| Move::Machine(c, m, free)),
        (0.0..1e12, -1e12..1e12).prop_map(|(level, rate)| Move::Grows(level, rate)),
        prop::option::of(kind()).prop_map(Move::Looked),
        (0..1000_u64, 0..1000_u64).prop_map(|(ago, by)| Move::Jump(ago, by)),
        (-1000..1000_i64).prop_map(Move::At),
        (prop::sample::select(ShedReason::ALL.to_vec()), 0..40_u64, 0..2000_usize)
            .prop_map(|(reason, count, limit)| Move::Shed(reason, count, limit)),
    ]
}

fn play(facts: &mut Facts, name: &str, step: &Move) {
    match *step {
        Move::Down(kind, stage) => {
            let fault = Fault { stage: stage.map(|at| STAGES[at]), ..Fault::new(kind, "why") };
            down(facts, name, &fault);
        }
        Move::Hold(operator) => {
            hold(facts, name, if operator { HeldBy::Operator } else { HeldBy::Fault });
        }
        Move::Calls(kind, count) => failed_calls(facts, name, kind, count),
        Move::Lost(kind, ago) => lost(facts, name, kind, ago),
        Move::Breaker(kind) => {
            let (upstream, fault) = (name.to_owned(), Fault::new(kind, "why"));
            tell(facts, 1, Event::BreakerOpened { upstream, fault, open_for: Duration::ZERO });
            with(facts, name, |server| server.breaker = BreakerName::HalfOpen);
        }
        Move::State(state, sessions) => with(facts, name, |server| {
            (server.state, server.sessions) = (STATES[state], sessions);
            (server.sessions_in_use, server.queued) = (sessions, sessions);
            server.standing = if sessions > 0 { Standing::Ok } else { Standing::Down };
        }),
        Move::Slow(seconds, count, waited) => with(facts, name, |server| {
            let mut slow = window(Duration::from_secs(300), count, seconds);
            slow.waited_sum = slow.duration_sum.mul_f64(waited);
            server.calls.windows[1] = slow;
        }),
        Move::Burn(good, bad) => with(facts, name, |server| {
            let tally = Tally { good, bad };
            (server.burn.hour, server.burn.five_minutes) = (tally, tally);
        }),
        Move::Machine(cpu, memory, free) => with_picture(facts, |picture| {
            let machine = picture.machine.as_mut().unwrap();
            (machine.cpu, machine.memory) = (cpu, memory);
            machine.state_disk_bytes_free = Some(free);
        }),
        Move::Grows(level, rate) => {
            facts.trends.push(growth(Some(name), Metric::Memory, level, rate));
        }
        Move::Looked(kind) => {
            let fault = kind.map(|kind| Fault::new(kind, "why"));
            looked(
                facts,
                name,
                Chain { fault, links: vec!["a link".to_owned()], ..Chain::default() },
            );
        }
        Move::Jump(ago, by) => {
            tell(facts, ago, Event::ClockJumped { by: Duration::from_secs(by) });
        }
        Move::Shed(reason, count, limit) => {
            with(facts, name, |server| {
                server.shed.five_minutes[reason as usize] = count;
                server.limit = limit;
            });
            with_picture(facts, |picture| {
                picture.whole.shed.five_minutes[reason as usize] = count;
            });
        }
        Move::At(seconds) => {
            let length = Duration::from_secs(seconds.unsigned_abs());
            facts.at = if seconds < 0 { facts.at - length } else { facts.at + length };
        }
    }
}

proptest! {
    #[test]
    fn a_diagnosis_is_true_to_itself(
        steps in prop::collection::vec((any::<bool>(), moves()), 0..12),
    ) {
        let mut facts = healthy();
        for (first, step) in &steps {
            play(&mut facts, if *first { "files" } else { "search" }, step);
        }
        let diagnosis = diagnose(&facts);
        let worst = diagnosis.issues.iter().map(|issue| issue.severity).max();
        prop_assert_eq!(diagnosis.status == Status::Healthy, worst.is_none());
        prop_assert_eq!(diagnosis.status == Status::Critical, worst == Some(Severity::Critical));
        prop_assert!(diagnosis.issues.is_sorted_by(|one, next| one.severity >= next.severity));
        let mut told = HashSet::new();
        for issue in &diagnosis.issues {
            prop_assert!(told.insert((issue.id, issue.server.clone())), "twice: {}", issue.id);
            prop_assert!(!issue.fix.is_empty() && !issue.what.is_empty(), "{}", issue.id);
            prop_assert!(!issue.cause.is_empty(), "{}", issue.id);
            prop_assert!(issue.fix.iter().all(|fix| !fix.contains("{server}")), "{}", issue.id);
            let rule = RULES.iter().find(|rule| rule.id == issue.id).unwrap();
            let explained = diagnosis.issues.iter().filter(|other| other.server == issue.server);
            for other in explained {
                prop_assert!(!rule.explains.contains(&other.id), "{} beside {}", other.id, rule.id);
            }
        }
        prop_assert_eq!(diagnosis, diagnose(&facts), "the same facts, the same diagnosis");
    }

    /// One that should be there and is not has an issue that says why.
    #[test]
    fn an_upstream_that_is_down_has_an_issue(
        kind in prop::sample::select(FaultKind::ALL.to_vec()),
        stage in prop::option::of(0..5_usize),
        is_process in any::<bool>(),
    ) {
        let mut facts = healthy();
        let name = if is_process { "files" } else { "search" };
        let fault = Fault { stage: stage.map(|at| STAGES[at]), ..Fault::new(kind, "why") };
        down(&mut facts, name, &fault);
        let issues = diagnose(&facts).issues;
        prop_assert_eq!(issues.len(), 1, "{:?}", issues);
        prop_assert_eq!(issues[0].severity == Severity::Critical, true);
    }
}
