//! The rules in Prometheus' words, over the metrics of `registry`. Each keeps the labels that
//! Prometheus sets (`job`, `instance`), so that two of us are told apart.

use mcpo_config::Monitoring;

use super::rules::{ANSWERS_LEAST, FAILURES_LEAST};

pub(super) fn cpu(threshold: f64) -> String {
    format!("mcpo_machine_cpu_ratio > {threshold}")
}

pub(super) fn memory(threshold: f64) -> String {
    format!("mcpo_machine_memory_ratio > {threshold}")
}

pub(super) fn error_rate(threshold: f64) -> String {
    format!("{} > {threshold}\nand\n{}", failed_share("5m"), enough_failures("5m"))
}

pub(super) fn slow(threshold: f64) -> String {
    // The tools of a server together; the histogram counts each one on its own.
    let by = "sum without (gen_ai_tool_name, mcp_method_name)";
    let name = "mcp_client_operation_duration_seconds";
    format!(
        "histogram_quantile(0.9, {by} (rate({name}_bucket[5m]))) > {threshold}\n\
         and\n\
         {by} (increase({name}_count[5m])) >= {ANSWERS_LEAST}"
    )
}

pub(super) fn down(_: f64) -> String {
    "mcpo_server_up == 0".to_owned()
}

pub(super) fn crash_loop(threshold: f64) -> String {
    format!("increase(mcpo_reconnects_total[10m]) > {threshold}")
}

pub(super) fn held(_: f64) -> String {
    "max without (held_by) (mcpo_server_held) == 1".to_owned()
}

pub(super) fn burn_fast(threshold: f64) -> String {
    burn("1h", "5m", threshold)
}

pub(super) fn burn_slow(threshold: f64) -> String {
    burn("6h", "30m", threshold)
}

fn burn(long: &str, short: &str, threshold: f64) -> String {
    // Not 0.010000000000000009.
    let budget = ((1.0 - Monitoring::SLO_OBJECTIVE) * 1e6).round() / 1e6;
    format!(
        "{} > {threshold} * {budget}\nand\n{} > {threshold} * {budget}\nand\n{}",
        failed_share(long),
        failed_share(short),
        enough_failures(short)
    )
}

pub(super) fn shed(threshold: f64) -> String {
    let turned_away = r#"sum without (reason) (increase(mcpo_calls_shed_total{reason=~"server_full|too_late"}[5m]))"#;
    format!(
        "{turned_away}\n/\nsum without (outcome) (increase(mcpo_calls_total[5m])) > {threshold}\n\
         and\n{turned_away} >= {FAILURES_LEAST}"
    )
}

/// What counts as failed: see `CallResult::is_failure`.
const FAILED: &str = r#"outcome=~"not_sent|refused|unknown""#;

fn failed_share(window: &str) -> String {
    format!(
        "sum without (outcome) (rate(mcpo_calls_total{{{FAILED}}}[{window}]))\n/\n\
         sum without (outcome) (rate(mcpo_calls_total{{outcome!=\"cancelled\"}}[{window}]))"
    )
}

fn enough_failures(window: &str) -> String {
    format!(
        "sum without (outcome) (increase(mcpo_calls_total{{{FAILED}}}[{window}])) \
         >= {FAILURES_LEAST}"
    )
}
