//! One broken upstream is one message.

use mcpo_config::{AlertRule, AlertSeverity, Monitoring};
use mcpo_core::fault::FaultKind;
use mcpo_core::life::HeldBy;

use super::super::super::Phase;
use super::super::super::scene::{Scene, told, with_rules};
use super::super::inhibit::{CULPRITS, INHIBITIONS};
use super::scene;

#[test]
fn inhibitions_name_rules_that_there_are_and_run_in_no_circle() {
    let rules = mcpo_config::ALERT_RULES;
    for inhibition in &INHIBITIONS {
        assert!(rules.contains(&inhibition.by));
        for of in inhibition.of {
            assert!(rules.contains(of));
            let back =
                INHIBITIONS.iter().find(|back| back.by == *of && back.of.contains(&inhibition.by));
            // Both ways only where an operator holds on the one, and a fault on the other.
            assert!(back.is_none_or(|back| back.when != inhibition.when), "{inhibition:?}");
        }
    }
    assert!(CULPRITS.iter().all(|culprit| rules.contains(culprit)));
}

#[test]
fn an_upstream_that_is_down_with_all_its_calls_is_one_message_for_the_whole_outage() {
    let mut scene = scene(&["a", "b"]);
    scene.calls("b", 0, 1000);
    scene.is_down("a", true);
    scene.calls("a", 1000, 0);
    scene.took("a", 1000, 60.0);
    let mut notices = scene.for_seconds(3600);
    assert_eq!(told(&notices), [("server_down", Some("a"), Phase::Firing)]);
    let active = scene.engine.alerts().active;
    assert!(active.len() > 5, "what the message explains is shown all the same: {active:?}");
    for alert in &active[1..] {
        assert!(alert.inhibited_by.is_some(), "{alert:?}");
    }

    // It is back, and the windows still hold the calls of the outage.
    scene.is_down("a", false);
    notices = scene.for_seconds(240);
    scene.calls("a", 0, 1000);
    scene.took("a", 1000, 0.1);
    notices.extend(scene.for_seconds(3600));
    assert_eq!(told(&notices), [("server_down", Some("a"), Phase::Resolved)]);
}

#[test]
fn calls_that_fail_for_another_reason_than_the_outage_are_told_in_the_end() {
    let mut scene = scene(&["a"]);
    scene.is_down("a", true);
    scene.calls("a", 100, 900);
    let notices = scene.for_seconds(600);
    assert_eq!(told(&notices), [("server_down", Some("a"), Phase::Firing)]);
    scene.is_down("a", false);
    // The rule looks back five minutes: beyond, these are other calls.
    let notices = scene.for_seconds(320);
    assert_eq!(told(&notices), [("server_down", Some("a"), Phase::Resolved)]);
    let notices = scene.for_seconds(60);
    assert!(told(&notices).contains(&("error_rate", Some("a"), Phase::Firing)), "{notices:?}");
}

#[test]
fn what_an_operator_holds_is_not_down() {
    let mut scene = scene(&["a"]);
    scene.is_held("a", HeldBy::Operator, FaultKind::Held);
    scene.calls("a", 1000, 0);
    let notices = scene.for_seconds(3600);
    assert_eq!(told(&notices), [("held", Some("a"), Phase::Firing)]);
    let held = scene.fires("held", Some("a")).expect("it fires");
    assert_eq!(held.summary, "a: it is held by an operator");
    scene.is_down("a", false);
    scene.calls("a", 0, 1000);
    let notices = scene.for_seconds(600);
    assert_eq!(told(&notices), [("held", Some("a"), Phase::Resolved)]);
}

#[test]
fn what_its_fault_holds_is_down_and_the_message_says_why() {
    let mut scene = scene(&["a"]);
    scene.is_held("a", HeldBy::Fault, FaultKind::Unauthorized);
    let notices = scene.for_seconds(3600);
    assert_eq!(told(&notices), [("server_down", Some("a"), Phase::Firing)]);
    let summary = &notices.iter().find(|notice| notice.is_told).unwrap().alert.summary;
    assert_eq!(summary, "a: it cannot be called: it refuses our credentials");
}

#[test]
fn one_that_is_switched_off_explains_nothing() {
    let off = AlertRule { enabled: Some(false), ..AlertRule::default() };
    let rules = with_rules(&[("server_down", off)]);
    let mut scene = Scene::new(&["a"], &rules);
    scene.is_held("a", HeldBy::Fault, FaultKind::Unauthorized);
    scene.calls("a", 1000, 0);
    let notices = scene.for_seconds(600);
    let told = told(&notices);
    assert!(told.contains(&("held", Some("a"), Phase::Firing)), "{told:?}");
    assert!(told.contains(&("slo_burn_fast", Some("a"), Phase::Firing)), "{told:?}");
    assert!(told.iter().all(|(_, server, _)| server.is_some()), "the whole is explained: {told:?}");
}

#[test]
fn a_warning_does_not_hide_what_is_critical() {
    let rule = AlertRule { severity: Some(AlertSeverity::Warning), ..AlertRule::default() };
    let mut scene = Scene::new(&["a"], &with_rules(&[("server_down", rule)]));
    scene.is_down("a", true);
    scene.calls("a", 1000, 0);
    let notices = scene.for_seconds(600);
    let told = told(&notices);
    assert!(told.contains(&("server_down", Some("a"), Phase::Firing)), "{told:?}");
    assert!(told.contains(&("slo_burn_fast", Some("a"), Phase::Firing)), "{told:?}");
    assert!(!told.iter().any(|(rule, ..)| *rule == "error_rate"), "{told:?}");
}

#[test]
fn all_together_are_told_of_only_if_no_upstream_says_why() {
    let mut scene = scene(&["a", "b", "c"]);
    let burn = AlertRule { enabled: Some(false), ..AlertRule::default() };
    let rules = with_rules(&[("slo_burn_fast", burn), ("slo_burn_slow", burn)]);
    scene.engine.reconfigure(&rules);
    // Each too few for an alert of its own, but together too many.
    for name in ["a", "b", "c"] {
        scene.calls(name, 4, 10);
    }
    let notices = scene.for_seconds(300);
    assert_eq!(told(&notices), [("error_rate", None, Phase::Firing)]);
    assert_eq!(notices[0].alert.summary, "28.6 % of the calls of the last 5 min failed (12 of 42)");
    // One has enough for its own: without it, the others are below what tells anything.
    for name in ["a", "b", "c"] {
        scene.calls(name, 0, 1000);
    }
    scene.for_seconds(4000);
    scene.calls("b", 1000, 0);
    let notices = scene.for_seconds(300);
    assert_eq!(told(&notices), [("error_rate", Some("b"), Phase::Firing)]);
    let whole = scene.fires("error_rate", None).expect("it fires, but nobody is told");
    assert_eq!(whole.inhibited_by.as_deref(), Some("error_rate"));
    // The others fail, too, and no alert of theirs says so.
    scene.calls("a", 4, 0);
    scene.calls("c", 4, 0);
    let notices = scene.for_seconds(60);
    assert_eq!(told(&notices), [("error_rate", None, Phase::Firing)]);
}

#[test]
fn what_was_told_is_told_to_be_over_also_if_it_was_explained_since() {
    let mut scene = Scene::new(&["a"], &Monitoring::default());
    scene.calls("a", 60, 940);
    let notices = scene.for_seconds(150);
    assert_eq!(told(&notices)[0], ("error_rate", Some("a"), Phase::Firing));
    scene.is_down("a", true);
    scene.for_seconds(100);
    let alert = scene.fires("error_rate", Some("a")).expect("it still fires");
    assert_eq!(alert.inhibited_by.as_deref(), Some("server_down"));
    scene.calls("a", 0, 0);
    let notices = scene.for_seconds(100);
    assert!(told(&notices).contains(&("error_rate", Some("a"), Phase::Resolved)), "{notices:?}");
}
