//! What is watched, kept and told to whom.

use std::path::PathBuf;
use std::time::Duration;

use super::{checked, checked_file, command, errors};
use crate::config::Config;
use crate::flags::Flags;
use crate::monitoring::{AlertRule, AlertSeverity, Monitoring, Otlp, StatePlace, WebhookFormat};

fn monitor(text: &str) -> String {
    format!(r#"{{"mcpServers": {{"s": {{"command": "x"}}}}, "monitor": {text}}}"#)
}

fn with(variables: &[(&str, &str)]) -> Config {
    checked(&command(&["x"]), variables, None).unwrap()
}

fn state(flags: Flags, variables: &[(&str, &str)]) -> StatePlace {
    let flags = Flags { command: vec!["x".to_owned()], ..flags };
    checked(&flags, variables, None).unwrap().monitoring.state
}

#[test]
fn the_defaults_need_nothing() {
    let config = with(&[]);
    assert_eq!(config.monitoring, Monitoring::default());
    assert_eq!(config.warnings, []);
}

#[test]
fn variables_switch_it_off_and_set_its_interval() {
    let monitoring =
        with(&[("MCPO_MONITOR_ENABLED", "no"), ("MCPO_MONITOR_INTERVAL", "5")]).monitoring;
    assert!(!monitoring.enabled);
    assert_eq!(monitoring.interval, Duration::from_secs(5));
    for (text, wrong) in [
        ("0.5", "`0.5` must be between 1 and 300 seconds"),
        ("301", "`301` must be between 1 and 300 seconds"),
        ("often", "`often` is not a number of seconds such as 30 or 0.5"),
    ] {
        let told = checked(&command(&["x"]), &[("MCPO_MONITOR_INTERVAL", text)], None);
        assert_eq!(errors(&told), [wrong]);
    }
}

#[test]
fn the_history_is_kept_where_it_is_said_or_where_it_is_usual() {
    let home = [("HOME", "/home/a")];
    let named = Flags { state_dir: Some("here".to_owned()), ..Flags::default() };
    let nowhere = Flags { no_state: true, ..Flags::default() };
    let under = |path: &str| StatePlace::PortUnder(PathBuf::from(path));
    assert_eq!(state(Flags::default(), &home), under("/home/a/.local/state/mcpo"));
    let xdg = [("HOME", "/home/a"), ("XDG_STATE_HOME", "/var/state")];
    assert_eq!(state(Flags::default(), &xdg), under("/var/state/mcpo"));
    // By the specification a relative one does not count.
    let relative = [("HOME", "/home/a"), ("XDG_STATE_HOME", "state")];
    assert_eq!(state(Flags::default(), &relative), under("/home/a/.local/state/mcpo"));
    assert_eq!(state(Flags::default(), &[]), StatePlace::Memory);
    assert_eq!(state(named.clone(), &home), StatePlace::Directory(PathBuf::from("here")));
    assert_eq!(state(nowhere, &home), StatePlace::Memory);
    let variable = [("MCPO_STATE_DIR", "/var/lib/mcpo"), ("HOME", "/home/a")];
    assert_eq!(
        state(Flags::default(), &variable),
        StatePlace::Directory(PathBuf::from("/var/lib/mcpo"))
    );
    let off = [("MCPO_NO_STATE", "1"), ("HOME", "/home/a")];
    assert_eq!(state(Flags::default(), &off), StatePlace::Memory);
    // The command line wins over a variable.
    assert_eq!(state(named, &off), StatePlace::Directory(PathBuf::from("here")));
}

#[test]
fn both_a_directory_and_none_is_told() {
    let flags = Flags { state_dir: Some("here".to_owned()), no_state: true, ..command(&["x"]) };
    let told = checked(&flags, &[], None);
    assert_eq!(errors(&told), ["`--no-state` beside `--state-dir` leaves it open what is meant"]);
}

#[test]
fn the_file_says_what_calls_are_held_to_and_who_is_told() {
    let config = checked_file(&monitor(
        r#"{
            "slo": {"objective": 0.995},
            "alerts": {
                "rules": {
                    "error_rate": {"threshold": 0.1, "for": 300, "severity": "critical"},
                    "cpu_high": {"enabled": false},
                },
                "webhooks": [
                    {"url": "https://hooks.example.com/T0/B0", "format": "slack",
                     "headers": {"X-Team": "blue"}, "min_severity": "critical"},
                    {"url": "http://127.0.0.1:9093", "format": "alertmanager"},
                ],
            },
        }"#,
    ));
    let monitoring = config.unwrap().monitoring;
    assert!((monitoring.slo_objective - 0.995).abs() < f64::EPSILON);
    let error_rate = AlertRule {
        enabled: None,
        threshold: Some(0.1),
        hold_for: Some(Duration::from_secs(300)),
        severity: Some(AlertSeverity::Critical),
    };
    let cpu = AlertRule { enabled: Some(false), ..AlertRule::default() };
    assert_eq!(
        monitoring.alerts.rules,
        [("error_rate".to_owned(), error_rate), ("cpu_high".to_owned(), cpu)]
    );
    let [slack, manager] = &monitoring.alerts.webhooks[..] else { panic!("two webhooks") };
    assert_eq!(slack.url.expose(), "https://hooks.example.com/T0/B0");
    assert_eq!((slack.format, slack.min_severity), (WebhookFormat::Slack, AlertSeverity::Critical));
    assert_eq!(slack.headers[0].0, "x-team");
    assert_eq!(manager.format, WebhookFormat::Alertmanager);
    assert_eq!(manager.min_severity, AlertSeverity::Warning);
}

#[test]
fn what_is_wrong_with_it_is_told_with_its_cure() {
    let told = |text: &str| {
        let problems = checked_file(&monitor(text)).unwrap_err();
        let line = problems.all[0].to_string();
        line.split_once(": monitor").expect("a path").1.to_owned()
    };
    for (text, expected) in [
        (
            r#"{"slo": {"objective": 99}}"#,
            ".slo.objective: `99` is no share of the calls (above 0 and below 1, as 0.99 for 99 of 100)",
        ),
        (
            r#"{"alerts": {"rules": {"eror_rate": {}}}}"#,
            ".alerts.rules.eror_rate: there is no rule `eror_rate` (did you mean `error_rate`?)",
        ),
        (
            r#"{"alerts": {"rules": {"held": {"severity": "page"}}}}"#,
            ".alerts.rules.held.severity: `page` is no severity of an alert (`warning` or `critical`)",
        ),
        (
            r#"{"alerts": {"webhooks": [{"format": "slack"}]}}"#,
            r#".alerts.webhooks[0]: a webhook needs a `url` (as in `{"url": "https://host/path"}`)"#,
        ),
        (
            r#"{"alerts": {"webhooks": [{"url": "hooks.example.com/secret"}]}}"#,
            ".alerts.webhooks[0].url: the URL does not start with `http://` or `https://` (for example `https://hooks.example.com/...`)",
        ),
        (
            r#"{"alerts": {"webhooks": [{"url": "http://a", "format": "teams"}]}}"#,
            ".alerts.webhooks[0].format: `teams` is no format of a webhook (`json`, `slack` or `alertmanager`)",
        ),
    ] {
        assert_eq!(told(text), expected);
    }
    let excerpt = checked_file(&monitor(r#"{"alerts": {"webhooks": [{"url": "hooks/s3cret"}]}}"#));
    assert!(!format!("{:?}", excerpt.unwrap_err()).contains("s3cret"));
}

fn otlp(variables: &[(&str, &str)]) -> (Option<Otlp>, Vec<String>) {
    let config = with(variables);
    let warnings = config.warnings.iter().map(|warning| warning.message.clone()).collect();
    (config.monitoring.otlp, warnings)
}

#[test]
fn telemetry_goes_where_its_variables_say() {
    let (sent, warnings) = otlp(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318/"),
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://metrics:4318/all"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=k%3D1, x=2"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "2000"),
        ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
        ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
        ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=prod,service.name=other"),
        ("OTEL_SERVICE_NAME", "tools"),
    ]);
    let sent = sent.unwrap();
    assert_eq!(warnings, [""; 0]);
    assert_eq!(sent.traces_url.unwrap().expose(), "http://collector:4318/v1/traces");
    assert_eq!(sent.metrics_url.unwrap().expose(), "http://metrics:4318/all");
    let headers: Vec<_> =
        sent.headers.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
    assert_eq!(headers, [("api-key", "k=1"), ("x", "2")]);
    assert_eq!(sent.timeout, Duration::from_secs(2));
    assert_eq!(sent.metrics_every, Duration::from_secs(60));
    assert!((sent.sample_ratio - 0.25).abs() < f64::EPSILON && sent.parent_based);
    let resource = [("deployment.environment", "prod"), ("service.name", "tools")];
    assert_eq!(sent.resource, resource.map(|(key, value)| (key.to_owned(), value.to_owned())));
}

#[test]
fn telemetry_that_makes_no_sense_is_warned_of_and_stops_nothing() {
    assert_eq!(otlp(&[]).0, None);
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318");
    assert_eq!(otlp(&[endpoint, ("OTEL_SDK_DISABLED", "true")]).0, None);
    let (sent, _) = otlp(&[endpoint, ("OTEL_TRACES_EXPORTER", "none")]);
    assert_eq!(sent.unwrap().traces_url, None);
    for (variable, text, warning) in [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "`grpc` is not spoken; http/protobuf is"),
        (
            "OTEL_EXPORTER_OTLP_TIMEOUT",
            "soon",
            "`soon` is no number of milliseconds and does nothing",
        ),
        ("OTEL_TRACES_SAMPLER", "jaeger", "`jaeger` is no sampler of ours; all traces are sampled"),
        ("OTEL_TRACES_SAMPLER_ARG", "7", "`7` is no share from 0 to 1; all are sampled"),
        ("OTEL_RESOURCE_ATTRIBUTES", "prod", "a part of it is not `key=value` and does nothing"),
    ] {
        let (sent, warnings) = otlp(&[endpoint, (variable, text)]);
        assert!(sent.is_some(), "{variable}");
        assert_eq!(warnings, [warning]);
    }
    let (sent, warnings) = otlp(&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "collector:4317")]);
    assert_eq!(sent, None);
    assert_eq!(warnings.len(), 1);
}
