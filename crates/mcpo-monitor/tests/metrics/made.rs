//! docs/metrics.md, the rules for Prometheus and the dashboard for Grafana are made from the code.
//! After a change of it: `MCPO_WRITE_DOCS=1 cargo nextest run -p mcpo-monitor --test metrics`.

use std::collections::BTreeSet;
use std::path::Path;

use mcpo_monitor::alerts::rules::RULES;
use mcpo_monitor::registry::{self, Kind, Metric, Source, Unit};

use crate::promql::{Named, named};

/// Writes the file, or compares it.
#[expect(clippy::disallowed_methods, reason = "a switch for whoever runs the test, not for mcpo")]
fn check(file: &str, made: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(file);
    if std::env::var_os("MCPO_WRITE_DOCS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, made).unwrap();
        return;
    }
    let written = std::fs::read_to_string(&path).unwrap();
    assert!(
        written == made,
        "docs/{file} is not what the code says; run `MCPO_WRITE_DOCS=1 cargo nextest run -p \
         mcpo-monitor --test metrics` and look at what changed"
    );
}

#[test]
fn the_page_of_metrics_is_that_of_the_code() {
    check("metrics.md", &registry::docs());
}

#[test]
fn the_rules_for_prometheus_are_those_of_the_code() {
    check("prometheus/mcpo.rules.yml", &registry::prometheus_rules());
}

#[test]
fn the_dashboard_for_grafana_is_that_of_the_code() {
    let dashboard = serde_json::to_string_pretty(&registry::grafana()).unwrap();
    check("grafana/mcpo.json", &format!("{dashboard}\n"));
}

/// The names that the exposition gives to a metric's samples.
fn samples(metric: &Metric) -> Vec<String> {
    match metric.kind {
        Kind::Histogram => {
            ["bucket", "count", "sum"].map(|suffix| format!("{}_{suffix}", metric.name)).into()
        }
        Kind::Counter | Kind::Gauge | Kind::Info | Kind::StateSet => vec![metric.name.to_owned()],
    }
}

/// Fails if an expression names a metric or a label that there is not.
fn is_known(expression: &str) {
    let Named { metrics, labels } = named(expression);
    assert!(!metrics.is_empty(), "no metric in: {expression}");
    // What Prometheus adds of its own.
    let mut known_labels: BTreeSet<&str> = ["instance", "job", "le"].into();
    for name in metrics {
        let metric = registry::metrics().find(|metric| samples(metric).contains(&name));
        let metric = metric.unwrap_or_else(|| panic!("no metric {name}: {expression}"));
        known_labels.extend(metric.labels);
    }
    for label in labels {
        assert!(known_labels.contains(&*label), "no label {label}: {expression}");
    }
}

#[test]
fn rules_name_only_metrics_and_labels_that_there_are() {
    RULES.iter().for_each(|rule| is_known(&rule.promql()));
}

#[test]
fn the_dashboard_names_only_metrics_and_labels_that_there_are() {
    let dashboard = registry::grafana();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    let expressions: Vec<_> = targets.map(|target| target["expr"].as_str().unwrap()).collect();
    assert!(expressions.len() > 40, "{}", expressions.len());
    expressions.iter().for_each(|expression| is_known(expression));
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        let query = variable["definition"].as_str().unwrap_or_default();
        let inside = query.strip_prefix("label_values(").and_then(|rest| rest.rsplit_once(','));
        if let Some((metric, _label)) = inside {
            is_known(metric);
        }
    }
}

/// Grafana takes what it is given, and shows panels on top of each other without a word.
#[test]
fn panels_lie_beside_each_other() {
    let dashboard = registry::grafana();
    let mut taken = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        let of = |side: &str| panel["gridPos"][side].as_u64().unwrap();
        assert!(ids.insert(panel["id"].as_u64().unwrap()));
        assert!(of("x") + of("w") <= 24, "{panel}");
        for x in of("x")..of("x") + of("w") {
            for y in of("y")..of("y") + of("h") {
                assert!(taken.insert((x, y)), "two panels at {x}, {y}: {panel}");
            }
        }
    }
}

/// What Prometheus advises, and what the formats want.
#[test]
fn names_follow_the_conventions() {
    let mut names = BTreeSet::new();
    for metric in registry::metrics() {
        let Metric { name, kind, unit, help, labels, source, .. } = metric;
        assert!(names.insert(*name), "{name} comes twice");
        assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}");
        assert_eq!(name.ends_with("_info"), *kind == Kind::Info, "{name}");
        let stem = name.strip_suffix("_total").unwrap_or(name);
        match unit.name() {
            Some(unit) => assert!(stem.ends_with(unit), "{name} ends in {unit}"),
            None => assert!(!["seconds", "bytes", "ratio"].iter().any(|unit| stem.ends_with(unit))),
        }
        assert!(*kind != Kind::Histogram || *unit == Unit::Seconds, "{name}");
        assert!(*kind != Kind::StateSet || labels.last() == Some(name), "{name}");
        assert!(!help.ends_with('.') && !help.contains(['"', '\\', '\n', '|']), "{name}: {help}");
        match source {
            Source::OpenTelemetry(convention) => {
                assert_eq!(stem, format!("{}_seconds", convention.replace('.', "_")));
            }
            Source::Prometheus => assert!(name.starts_with("process_"), "{name}"),
            Source::Own => assert!(name.starts_with("mcpo_"), "{name}"),
        }
    }
}

#[test]
fn the_page_names_every_metric_and_label() {
    let page = registry::docs();
    for metric in registry::metrics() {
        assert!(page.contains(&format!("| `{}` |", metric.name)), "{}", metric.name);
        for label in metric.labels.iter().filter(|label| **label != metric.name) {
            assert!(page.contains(&format!("\n| `{label}` |")), "no word on {label}");
        }
    }
}
