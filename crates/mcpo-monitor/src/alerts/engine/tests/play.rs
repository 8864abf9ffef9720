//! Random moves, and what must hold after each.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mcpo_config::{AlertRule, Monitoring};
use mcpo_core::fault::FaultKind;
use mcpo_core::life::HeldBy;
use proptest::prelude::*;

use super::super::super::rules::Rule;
use super::super::super::scene::{Scene, server, with_rules};
use super::super::super::{Alert, Notice, Phase, RESOLVED_MAX};

#[derive(Debug, Clone)]
enum Move {
    Wait(u64),
    Down(usize),
    Up(usize),
    Held(usize, bool),
    Crash(usize, u64),
    Calls(usize, u64, u64),
    Slow(usize, f64),
    Machine(f64, f64),
    Remove(usize),
    Add(usize),
    SetClock(i64),
    Switch(bool),
}

const NAMES: [&str; 3] = ["a", "b", "c"];

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        6 => (1_u64..400).prop_map(Move::Wait),
        2 => (0..3_usize).prop_map(Move::Down),
        2 => (0..3_usize).prop_map(Move::Up),
        1 => (0..3_usize, any::<bool>()).prop_map(|(at, by)| Move::Held(at, by)),
        1 => (0..3_usize, 1_u64..5).prop_map(|(at, times)| Move::Crash(at, times)),
        2 => (0..3_usize, 0_u64..50, 0_u64..200).prop_map(|(at, bad, good)| Move::Calls(at, bad, good)),
        1 => (0..3_usize, 0.0..20.0).prop_map(|(at, seconds)| Move::Slow(at, seconds)),
        1 => (0.0..1.0, 0.0..1.0).prop_map(|(cpu, memory)| Move::Machine(cpu, memory)),
        1 => (0..3_usize).prop_map(Move::Remove),
        1 => (0..3_usize).prop_map(Move::Add),
        1 => (-100_000_i64..100_000).prop_map(Move::SetClock),
        1 => any::<bool>().prop_map(Move::Switch),
    ];
    prop::collection::vec(one, 1..120)
}

fn has(scene: &Scene, at: usize) -> bool {
    scene.picture.servers.iter().any(|server| server.name == NAMES[at])
}

fn apply(scene: &mut Scene, one: &Move) -> Vec<Notice> {
    match *one {
        Move::Wait(seconds) => return scene.after(seconds),
        Move::Down(at) if has(scene, at) => scene.is_down(NAMES[at], true),
        Move::Up(at) if has(scene, at) => scene.is_down(NAMES[at], false),
        Move::Held(at, by) if has(scene, at) => {
            let by = if by { HeldBy::Operator } else { HeldBy::Fault };
            scene.is_held(NAMES[at], by, FaultKind::Disconnected);
        }
        Move::Crash(at, times) if has(scene, at) => scene.server(NAMES[at]).reconnects += times,
        Move::Calls(at, bad, good) if has(scene, at) => scene.calls(NAMES[at], bad, good),
        Move::Slow(at, seconds) if has(scene, at) => scene.took(NAMES[at], 10, seconds),
        Move::Machine(cpu, memory) => scene.machine(cpu, memory),
        Move::Remove(at) => scene.picture.servers.retain(|server| server.name != NAMES[at]),
        Move::Add(at) if !has(scene, at) => {
            scene.picture.servers.push(server(NAMES[at], scene.wall));
        }
        Move::SetClock(by) => {
            let length = Duration::from_secs(by.unsigned_abs());
            if by < 0 { scene.wall -= length } else { scene.wall += length }
        }
        Move::Switch(enabled) => {
            let rule = AlertRule { enabled: Some(enabled), ..AlertRule::default() };
            scene.engine.reconfigure(&with_rules(&[("server_down", rule)]));
        }
        Move::Down(_)
        | Move::Up(_)
        | Move::Held(..)
        | Move::Crash(..)
        | Move::Calls(..)
        | Move::Slow(..)
        | Move::Add(_) => {}
    }
    scene.look()
}

type Key = (String, Option<String>);

fn key(alert: &Alert) -> Key {
    (alert.rule.clone(), alert.server.clone())
}

/// What people were told, and what is known to fire.
#[derive(Debug, Default)]
struct Known {
    told: BTreeSet<Key>,
    firing: BTreeSet<Key>,
    /// When it ended last, by uptime.
    ended: BTreeMap<Key, Duration>,
}

fn check_notices(known: &mut Known, notices: &[Notice], uptime: Duration) {
    for notice in notices {
        let key = key(&notice.alert);
        match notice.alert.phase {
            Phase::Pending => panic!("nobody is told of what is pending: {notice:?}"),
            Phase::Firing => {
                known.firing.insert(key.clone());
                if notice.is_told {
                    assert!(notice.alert.inhibited_by.is_none());
                    assert!(known.told.insert(key), "told twice: {notice:?}");
                } else {
                    assert!(notice.alert.inhibited_by.is_some());
                }
            }
            Phase::Resolved => {
                assert!(known.firing.remove(&key), "it did not fire: {notice:?}");
                assert_eq!(known.told.remove(&key), notice.is_told, "{notice:?}");
                assert!(notice.alert.resolved_at >= Some(notice.alert.since));
                known.ended.insert(key, uptime);
            }
        }
    }
}

fn check_alerts(known: &Known, scene: &Scene) {
    let alerts = scene.engine.alerts();
    assert!(alerts.resolved.len() <= RESOLVED_MAX);
    let firing: Vec<_> =
        alerts.active.iter().filter(|alert| alert.phase == Phase::Firing).collect();
    let keys: BTreeSet<_> = firing.iter().map(|alert| key(alert)).collect();
    assert_eq!(keys.len(), firing.len(), "each alert is there once");
    assert_eq!(keys, known.firing, "every change is a notice");
    for alert in firing {
        let Some(by) = &alert.inhibited_by else {
            assert!(known.told.contains(&key(alert)), "nobody explains it or tells it: {alert:?}");
            continue;
        };
        // What explains it fires, or did so within what the rule looks back over.
        let tail = Rule::named(&alert.rule).unwrap().looks_back;
        let is_why = |(rule, server): &Key| {
            rule == by && (alert.server.is_none() || *server == alert.server) && *rule != alert.rule
                || (rule == by && alert.server.is_none() && server.is_some())
        };
        let explains = known.firing.iter().any(is_why)
            || known.ended.iter().any(|(key, ended)| {
                is_why(key) && scene.picture.uptime.saturating_sub(*ended) < tail
            });
        assert!(explains, "{by} does not fire: {alert:?} {known:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn every_alert_is_told_once_and_its_end_after_it(moves in moves()) {
        let mut scene = Scene::new(&NAMES, &Monitoring::default());
        let mut known = Known::default();
        for one in &moves {
            let notices = apply(&mut scene, one);
            check_notices(&mut known, &notices, scene.picture.uptime);
            check_alerts(&known, &scene);
        }
        // All is well for so long that nothing holds any more.
        scene.picture.servers.iter_mut().for_each(|one| *one = server(&one.name, scene.wall));
        scene.picture.machine = None;
        for _ in 0..400 {
            let notices = scene.after(10);
            check_notices(&mut known, &notices, scene.picture.uptime);
        }
        prop_assert!(known.firing.is_empty() && known.told.is_empty(), "{known:?}");
    }

    #[test]
    fn the_clock_on_the_wall_decides_nothing(moves in moves()) {
        let (mut one, mut other) =
            (Scene::new(&NAMES, &Monitoring::default()), Scene::new(&NAMES, &Monitoring::default()));
        for step in &moves {
            let said = apply(&mut one, step);
            let is_clock = matches!(step, Move::SetClock(_));
            let also = if is_clock { other.look() } else { apply(&mut other, step) };
            let essence = |notices: &[Notice]| -> Vec<_> {
                notices.iter().map(|notice| (key(&notice.alert), notice.alert.phase, notice.is_told)).collect()
            };
            prop_assert_eq!(essence(&said), essence(&also));
        }
    }

    #[test]
    fn an_upstream_is_down_for_long_enough_before_anybody_is_told(
        looks in prop::collection::vec((any::<bool>(), 1_u64..40), 1..200)
    ) {
        let mut scene = Scene::new(&["a"], &Monitoring::default());
        let (mut down_since, mut up_since) = (None, None);
        let mut is_told = false;
        for (is_down, seconds) in looks {
            scene.is_down("a", is_down);
            let now = scene.picture.uptime + Duration::from_secs(seconds);
            (down_since, up_since) = if is_down {
                (down_since.or(Some(now)), None)
            } else {
                (None, up_since.or(Some(now)))
            };
            let notices = scene.after(seconds);
            let lasts = |since: Option<Duration>, seconds| {
                since.is_some_and(|since| now - since >= Duration::from_secs(seconds))
            };
            match notices.as_slice() {
                [] => prop_assert!(is_told || !lasts(down_since, 60), "it is down for a minute"),
                [one] if one.alert.phase == Phase::Firing => {
                    prop_assert!(!is_told && lasts(down_since, 60));
                    is_told = true;
                }
                [one] => {
                    prop_assert!(one.alert.phase == Phase::Resolved && is_told);
                    prop_assert!(lasts(up_since, 30));
                    is_told = false;
                }
                more => prop_assert!(false, "{more:?}"),
            }
        }
    }
}
