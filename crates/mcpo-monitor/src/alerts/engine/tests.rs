//! Each rule, and what becomes of it in time.

mod explained;
mod play;

use std::time::Duration;

use mcpo_config::{ALERT_RULES, AlertRule, AlertSeverity, Monitoring};
use mcpo_core::fault::FaultKind;
use mcpo_core::life::HeldBy;
use mcpo_core::load::ShedReason;

use super::super::rules::{RULES, Scope};
use super::super::scene::{Scene, said, told, with_rules};
use super::super::{Phase, RESOLVED_MAX, Severity};
use crate::picture::Standing;

fn scene(servers: &[&str]) -> Scene {
    Scene::new(servers, &Monitoring::default())
}

#[test]
fn the_configuration_knows_every_rule() {
    assert_eq!(RULES.map(|rule| rule.id), ALERT_RULES);
}

#[test]
fn a_rule_is_calm_below_its_threshold_and_looks_back_only_if_it_counts() {
    for rule in RULES {
        assert!(rule.calm_share > 0.0 && rule.calm_share <= 1.0, "{}", rule.id);
        let counts_calls = !rule.looks_back.is_zero();
        assert_eq!(
            counts_calls,
            rule.description.contains("minutes") && rule.id != "crash_loop"
                || rule.id == "slo_burn_slow",
            "{}",
            rule.id
        );
        assert!(rule.scope != Scope::ServersAndWhole || counts_calls, "{}", rule.id);
    }
}

#[test]
fn an_upstream_that_is_down_is_told_of_exactly_when_it_was_so_for_long_enough() {
    let mut scene = scene(&["a", "b"]);
    assert_eq!(said(&scene.look()), []);
    scene.is_down("a", true);
    assert_eq!(said(&scene.after(10)), [], "it is down since now");
    assert_eq!(scene.engine.alerts().active[0].phase, Phase::Pending);
    assert_eq!(said(&scene.after(59)), []);
    let notices = scene.after(1);
    assert_eq!(said(&notices), [("server_down", Some("a"), Phase::Firing, true)]);
    let alert = &notices[0].alert;
    assert_eq!(alert.summary, "a: it cannot be called: it cannot be reached");
    assert_eq!((alert.severity, alert.value, alert.threshold), (Severity::Critical, 1.0, 0.0));
    assert_eq!(said(&scene.for_seconds(600)), [], "once is enough");

    scene.is_down("a", false);
    assert_eq!(said(&scene.after(1)), []);
    assert_eq!(said(&scene.after(29)), [], "it must stay up for a moment");
    let notices = scene.after(1);
    assert_eq!(said(&notices), [("server_down", Some("a"), Phase::Resolved, true)]);
    assert_eq!(notices[0].alert.summary, "a: it can be called again");
    let alerts = scene.engine.alerts();
    assert_eq!((alerts.active.len(), alerts.resolved.len()), (0, 1));
    assert!(alerts.resolved[0].resolved_at > Some(alerts.resolved[0].since));
}

#[test]
fn one_that_is_just_tried_again_is_down_for_the_reason_of_before() {
    let mut scene = scene(&["a"]);
    scene.is_down("a", true);
    let wall = scene.wall;
    let server = scene.server("a");
    (server.fault, server.state) = (None, "starting");
    assert_eq!(scene.for_seconds(80)[0].alert.summary, "a: it cannot be called");
    scene.server("a").last_error = Some((wall, FaultKind::Unauthorized));
    scene.after(10);
    let alert = scene.fires("server_down", Some("a")).expect("it is down");
    assert_eq!(alert.summary, "a: it cannot be called: it refuses our credentials");
}

#[test]
fn one_that_is_started_for_the_first_time_is_not_down_until_that_fails() {
    let mut scene = scene(&["a"]);
    scene.is_down("a", true);
    let wall = scene.wall;
    let server = scene.server("a");
    (server.fault, server.state, server.tools_offered) = (None, "starting", None);
    assert_eq!(said(&scene.for_seconds(110)), []);
    assert!(scene.engine.alerts().active.is_empty(), "it is not even pending");
    scene.server("a").last_error = Some((wall, FaultKind::Timeout));
    assert_eq!(said(&scene.for_seconds(60)), []);
    let notices = scene.after(10);
    assert_eq!(said(&notices), [("server_down", Some("a"), Phase::Firing, true)]);
}

#[test]
fn a_short_spell_is_told_to_nobody() {
    let mut scene = scene(&["a"]);
    for _ in 0..20 {
        scene.is_down("a", true);
        assert_eq!(said(&scene.for_seconds(50)), []);
        scene.is_down("a", false);
        assert_eq!(said(&scene.after(10)), []);
    }
    assert!(scene.engine.alerts().resolved.is_empty(), "what never fired is not over either");
}

#[test]
fn a_rate_that_wavers_about_its_threshold_is_one_alert() {
    let mut scene = scene(&["a"]);
    let mut told = Vec::new();
    for _ in 0..30 {
        for bad in [60, 45] {
            scene.calls("a", bad, 1000 - bad);
            told.extend(scene.for_seconds(70));
        }
    }
    assert_eq!(said(&told), [], "it never was too high for two minutes");
    scene.calls("a", 60, 940);
    told.extend(scene.for_seconds(130));
    for _ in 0..30 {
        for bad in [45, 60] {
            scene.calls("a", bad, 1000 - bad);
            told.extend(scene.for_seconds(70));
        }
    }
    told.retain(|notice| notice.is_told);
    assert_eq!(said(&told), [("error_rate", Some("a"), Phase::Firing, true)]);
    scene.calls("a", 40, 960);
    told = scene.for_seconds(60);
    assert_eq!(said(&told)[0], ("error_rate", Some("a"), Phase::Resolved, true));
}

#[test]
fn calls_that_are_turned_away_are_told_of_where_there_is_no_room() {
    let mut scene = scene(&["a", "b"]);
    let shed = |scene: &mut Scene, name: &str, reason: ShedReason, count: u64| {
        scene.server(name).shed.five_minutes[reason as usize] = count;
        scene.picture.whole.shed.five_minutes[reason as usize] = count;
    };
    scene.calls("a", 0, 1000);
    scene.calls("b", 0, 1000);
    // What a rate and the bound of one caller turn away is as it should be.
    shed(&mut scene, "a", ShedReason::RateLimited, 900);
    shed(&mut scene, "a", ShedReason::IdentityFull, 900);
    shed(&mut scene, "a", ShedReason::TooLate, 50);
    assert_eq!(said(&scene.for_seconds(600)), []);
    shed(&mut scene, "a", ShedReason::ServerFull, 60);
    let notices = scene.for_seconds(80);
    // The server says why all together have too many.
    let told: Vec<_> = notices.iter().filter(|notice| notice.is_told).collect();
    assert_eq!(told.len(), 1, "{notices:?}");
    assert_eq!(said(&notices)[1], ("calls_shed", Some("a"), Phase::Firing, true));
    let words = "a: 11.0 % of the calls of the last 5 min were turned away (110), most since as \
                 many wait for the server as may";
    assert_eq!(told[0].alert.summary, words);
    shed(&mut scene, "a", ShedReason::TooLate, 0);
    shed(&mut scene, "a", ShedReason::ServerFull, 0);
    let notices = scene.for_seconds(80);
    assert!(said(&notices).contains(&("calls_shed", Some("a"), Phase::Resolved, true)));

    // What mcpo itself has no room for is about no server.
    shed(&mut scene, "b", ShedReason::ProcessFull, 500);
    let notices = scene.for_seconds(80);
    assert_eq!(said(&notices), [("calls_shed", None, Phase::Firing, true)]);
    let summary = &notices[0].alert.summary;
    assert!(summary.starts_with("20.0 % of the calls of the last 5 min were turned"), "{summary}");
}

#[test]
fn few_failed_calls_are_no_error_rate_and_few_answers_are_not_slow() {
    let mut scene = scene(&["a"]);
    scene.calls("a", 4, 0);
    scene.took("a", 4, 60.0);
    assert_eq!(said(&scene.for_seconds(3600)), []);
    scene.took("a", 5, 60.0);
    let notices = scene.for_seconds(150);
    assert_eq!(said(&notices), [("slow_responses", Some("a"), Phase::Firing, true)]);
    let summary = &notices[0].alert.summary;
    assert!(summary.starts_with("a: one in ten calls of the last 5 min took longer than 60."));
    // Nobody calls any more: nothing is known to be slow.
    scene.took("a", 0, 60.0);
    assert_eq!(
        said(&scene.for_seconds(60)),
        [("slow_responses", Some("a"), Phase::Resolved, true)]
    );
}

#[test]
fn the_machine_is_watched_as_a_whole() {
    let mut scene = scene(&["a"]);
    scene.machine(0.81, 0.91);
    let notices = scene.for_seconds(320);
    assert_eq!(
        said(&notices),
        [("memory_high", None, Phase::Firing, true), ("cpu_high", None, Phase::Firing, true)]
    );
    assert_eq!(notices[0].alert.summary, "91.0 % of the memory is used");
    scene.machine(0.73, 0.86);
    assert_eq!(said(&scene.for_seconds(60)), [], "that is not calm yet");
    scene.machine(f64::NAN, 0.86);
    assert_eq!(said(&scene.for_seconds(60)), [("cpu_high", None, Phase::Resolved, true)]);
    scene.picture.machine = None;
    assert_eq!(scene.for_seconds(60).len(), 1, "what cannot be read any more does not fire");
}

#[test]
fn a_crash_loop_is_counted_over_ten_minutes() {
    let mut scene = scene(&["a", "b"]);
    scene.look();
    let mut told = Vec::new();
    for _ in 0..40 {
        // Four in ten minutes.
        scene.server("a").reconnects += 1;
        told.extend(scene.for_seconds(150));
    }
    assert_eq!(said(&told), []);
    for _ in 0..5 {
        scene.server("a").reconnects += 1;
        told.extend(scene.for_seconds(30));
    }
    assert_eq!(said(&told), [("crash_loop", Some("a"), Phase::Firing, true)]);
    told = scene.for_seconds(700);
    assert_eq!(said(&told), [("crash_loop", Some("a"), Phase::Resolved, true)]);
}

#[test]
fn one_that_is_held_since_it_crashes_is_a_crash_loop() {
    let mut scene = scene(&["a"]);
    scene.is_held("a", HeldBy::Fault, FaultKind::Disconnected);
    let notices = scene.for_seconds(120);
    assert_eq!(said(&notices)[0], ("crash_loop", Some("a"), Phase::Firing, true));
    assert_eq!(notices.iter().filter(|notice| notice.is_told).count(), 1);
    let summary = &notices[0].alert.summary;
    assert_eq!(summary, "a: it ends each time soon after it is started, and is held");
}

#[test]
fn a_counter_that_begins_anew_is_no_crash() {
    let mut scene = scene(&["a"]);
    scene.server("a").reconnects = 1000;
    assert_eq!(said(&scene.for_seconds(60)), [], "what was before the first look does not count");
    scene.server("a").reconnects = 3;
    assert_eq!(said(&scene.for_seconds(1200)), []);
}

#[test]
fn a_burn_rate_needs_both_of_its_windows() {
    let mut scene = scene(&["a"]);
    scene.calls("a", 145, 855);
    scene.server("a").burn.five_minutes.bad = 0;
    scene.server("a").calls.windows = Default::default();
    scene.server("a").burn.half_hour.bad = 0;
    assert_eq!(said(&scene.for_seconds(3600)), [], "it was so, and is not any more");
    scene.server("a").burn.five_minutes = scene.server("a").burn.hour;
    let notices = scene.for_seconds(200);
    assert_eq!(told(&notices), [("slo_burn_fast", Some("a"), Phase::Firing)]);
    let alert = scene.fires("slo_burn_fast", Some("a")).expect("it fires");
    assert_eq!(alert.summary, "a: the error budget is spent 14.5 times too fast (1 h and 5 min)");
}

#[test]
fn what_the_file_says_of_a_rule_counts() {
    let off = AlertRule { enabled: Some(false), ..AlertRule::default() };
    let other = AlertRule {
        threshold: Some(0.5),
        hold_for: Some(Duration::ZERO),
        severity: Some(AlertSeverity::Critical),
        ..AlertRule::default()
    };
    let burn = [("slo_burn_fast", off), ("slo_burn_slow", off)];
    let rules = [[("server_down", off), ("error_rate", other)], burn].concat();
    let mut scene = Scene::new(&["a"], &with_rules(&rules));
    scene.is_down("a", true);
    scene.calls("a", 50, 50);
    assert_eq!(said(&scene.for_seconds(600)), []);
    scene.calls("a", 51, 49);
    assert_eq!(told(&scene.after(1)), [("error_rate", Some("a"), Phase::Firing)]);
    let alert = scene.fires("error_rate", Some("a")).expect("it fires");
    assert_eq!((alert.severity, alert.threshold), (Severity::Critical, 0.5));
}

#[test]
fn nothing_is_looked_at_where_monitoring_is_off() {
    let monitoring = Monitoring { enabled: false, ..Monitoring::default() };
    let mut scene = Scene::new(&["a"], &monitoring);
    scene.is_down("a", true);
    scene.calls("a", 100, 0);
    scene.machine(1.0, 1.0);
    assert_eq!(said(&scene.for_seconds(7200)), []);
    assert!(scene.engine.alerts().active.is_empty());
}

#[test]
fn a_rule_that_is_switched_off_resolves_its_alerts() {
    let mut scene = scene(&["a", "b"]);
    scene.is_down("a", true);
    scene.is_down("b", true);
    assert_eq!(scene.for_seconds(80).len(), 2);
    let off = AlertRule { enabled: Some(false), ..AlertRule::default() };
    scene.engine.reconfigure(&with_rules(&[("cpu_high", off)]));
    assert_eq!(said(&scene.after(10)), [], "another rule is another rule");
    scene.engine.reconfigure(&with_rules(&[("server_down", off)]));
    let notices = scene.after(10);
    assert_eq!(
        said(&notices),
        [
            ("server_down", Some("a"), Phase::Resolved, true),
            ("server_down", Some("b"), Phase::Resolved, true)
        ]
    );
    assert_eq!(notices[0].alert.summary, "a: the rule is switched off");
    assert_eq!(said(&scene.after(10)), []);
}

#[test]
fn a_removed_upstream_is_nobodys_trouble_any_more() {
    let mut scene = scene(&["a", "b"]);
    scene.is_down("a", true);
    assert_eq!(scene.for_seconds(80).len(), 1);
    scene.is_down("b", true);
    scene.after(10);
    scene.picture.servers.clear();
    let notices = scene.after(10);
    assert_eq!(said(&notices), [("server_down", Some("a"), Phase::Resolved, true)]);
    assert_eq!(notices[0].alert.summary, "a: it is not configured any more");
    assert!(scene.engine.alerts().active.is_empty(), "one that was pending just goes");
}

#[test]
fn one_that_is_being_stopped_is_not_down() {
    let mut scene = scene(&["a"]);
    (scene.server("a").standing, scene.server("a").state) = (Standing::Down, "stopped");
    assert_eq!(said(&scene.for_seconds(600)), []);
}

#[test]
fn what_flaps_is_told_of_less_and_less() {
    let mut scene = scene(&["a"]);
    let mut told = Vec::new();
    // For three hours: 70 s away, 50 s there.
    for _ in 0..90 {
        scene.is_down("a", true);
        told.extend(scene.for_seconds(70));
        scene.is_down("a", false);
        told.extend(scene.for_seconds(50));
    }
    assert_eq!(
        said(&told),
        [
            ("server_down", Some("a"), Phase::Firing, true),
            ("server_down", Some("a"), Phase::Resolved, true),
            ("server_down", Some("a"), Phase::Firing, true)
        ]
    );
    // Away for 70 s each quarter of an hour: it becomes one alert.
    for _ in 0..40 {
        scene.is_down("a", true);
        told.extend(scene.for_seconds(70));
        scene.is_down("a", false);
        told.extend(scene.for_seconds(900));
    }
    assert!(told.len() <= 16, "{} notices in thirteen hours", told.len());
    // After a quiet hour and more all is forgotten.
    scene.for_seconds(8000);
    scene.is_down("a", true);
    scene.for_seconds(80);
    scene.is_down("a", false);
    assert_eq!(said(&scene.for_seconds(50)), [("server_down", Some("a"), Phase::Resolved, true)]);
}

#[test]
fn a_clock_that_is_set_neither_fires_nor_resolves() {
    let mut scene = scene(&["a"]);
    scene.is_down("a", true);
    scene.after(10);
    scene.wall += Duration::from_secs(86_400);
    assert_eq!(said(&scene.after(10)), [], "a day by the clock on the wall is ten seconds");
    assert_eq!(scene.for_seconds(60).len(), 1);
    scene.is_down("a", false);
    scene.after(10);
    scene.wall -= Duration::from_secs(2 * 86_400);
    let notices = scene.for_seconds(40);
    assert_eq!(said(&notices), [("server_down", Some("a"), Phase::Resolved, true)]);
    let alert = &notices[0].alert;
    assert_eq!(alert.resolved_at, Some(alert.since), "it does not end before it began");
}

#[test]
fn no_more_resolved_alerts_are_kept_than_are_shown() {
    let names: Vec<String> = (0..RESOLVED_MAX + 20).map(|number| number.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut scene = scene(&names);
    names.iter().for_each(|name| scene.is_down(name, true));
    assert_eq!(scene.for_seconds(80).len(), names.len());
    names.iter().for_each(|name| scene.is_down(name, false));
    assert_eq!(scene.for_seconds(80).len(), names.len());
    assert_eq!(scene.engine.alerts().resolved.len(), RESOLVED_MAX);
}

#[test]
fn the_worst_comes_first_and_the_pending_last() {
    let mut scene = scene(&["a", "b"]);
    scene.machine(0.9, 0.5);
    scene.for_seconds(320);
    scene.is_down("b", true);
    scene.for_seconds(80);
    scene.is_down("a", true);
    scene.after(10);
    let alerts = scene.engine.alerts();
    let order: Vec<_> =
        alerts.active.iter().map(|alert| (alert.rule.as_str(), alert.phase)).collect();
    assert_eq!(
        order,
        [
            ("server_down", Phase::Firing),
            ("cpu_high", Phase::Firing),
            ("server_down", Phase::Pending)
        ]
    );
}
