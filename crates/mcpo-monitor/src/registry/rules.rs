//! docs/prometheus/mcpo.rules.yml, made from the rules that mcpo looks at itself.

use std::time::Duration;

use crate::alerts::rules::{RULES, Rule, Scope, Unit};

const HEAD: &str = "\
# Rules for Prometheus: those that mcpo looks at itself, with its default thresholds. Made from the
# code; see docs/metrics.md and docs/alerts.md.
groups:
  - name: mcpo
    rules:
";

/// The file for Prometheus.
#[must_use]
pub fn prometheus_rules() -> String {
    let rules: String = RULES.iter().map(rule).collect();
    format!("{HEAD}{rules}")
}

fn rule(rule: &Rule) -> String {
    let expression: String =
        rule.promql().lines().map(|line| format!("          {}\n", line.trim_end())).collect();
    let Rule { alertname, severity, hold_for, description, fix, .. } = rule;
    let who = match rule.scope {
        Scope::Machine => "mcpo at {{ $labels.instance }}",
        Scope::Servers | Scope::ServersAndWhole => {
            "{{ $labels.mcpo_server }} (mcpo at {{ $labels.instance }})"
        }
    };
    // The first sentence is enough for a line on a phone.
    let first = description.split_inclusive(". ").next().unwrap_or(description).trim_end();
    let (summary, description, fix) =
        (quoted(&format!("{who}: {first}{}", figures(rule))), quoted(description), quoted(fix));
    format!(
        "      - alert: {alertname}\n        expr: |\n{expression}        for: {}\n        \
         labels:\n          severity: {}\n        annotations:\n          summary: {summary}\n          \
         description: {description}\n          fix: {fix}\n",
        length(*hold_for),
        severity.name()
    )
}

/// What was compared with what, where that is more than yes or no. The expressions of burn rates
/// have another value than mcpo's own rules.
fn figures(rule: &Rule) -> String {
    let threshold = rule.threshold;
    match rule.unit {
        Unit::Share => {
            format!(" Now {{{{ $value | humanizePercentage }}}}, limit {}%.", threshold * 100.0)
        }
        Unit::Seconds => format!(" Now {{{{ $value | humanizeDuration }}}}, limit {threshold}s."),
        Unit::Count => format!(" Now {{{{ $value | humanize }}}}, limit {threshold}."),
        Unit::Flag | Unit::BurnRate => String::new(),
    }
}

/// What JSON quotes, YAML takes as it is meant.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn length(length: Duration) -> String {
    match length.as_secs() {
        seconds if seconds > 0 && seconds % 60 == 0 => format!("{}m", seconds / 60),
        seconds => format!("{seconds}s"),
    }
}
