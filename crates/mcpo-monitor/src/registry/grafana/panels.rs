//! What the dashboard shows, in reading order.

use super::panel::{CALM, Panel, Shape, Step};

const SCORE: &[Step] = &[(None, "red"), (Some(60.0), "orange"), (Some(90.0), "green")];
const ANY_IS_RED: &[Step] = &[(None, "green"), (Some(1.0), "red")];
const SHARE: &[Step] = &[(None, "green"), (Some(0.01), "orange"), (Some(0.05), "red")];
const UP: &[Step] = &[(None, "red"), (Some(1.0), "green")];

pub(super) const PANELS: &[Panel] = &[
    Panel::row("At a glance"),
    Panel::figure(
        "Health score",
        "none",
        "How well all is, from 0 to 100.",
        &[(r#"min(mcpo_health_score{instance=~"$instance"})"#, "")],
        SCORE,
    ),
    Panel::figure(
        "Servers down",
        "none",
        "Servers that cannot be called.",
        &[(
            r#"count(mcpo_server_up{instance=~"$instance", mcpo_server=~"$server"} == 0) or vector(0)"#,
            "",
        )],
        ANY_IS_RED,
    ),
    Panel::figure(
        "Servers held",
        "none",
        "Servers that wait for a person.",
        &[(
            r#"count(max without (held_by) (mcpo_server_held{instance=~"$instance", mcpo_server=~"$server"}) == 1) or vector(0)"#,
            "",
        )],
        ANY_IS_RED,
    ),
    Panel::figure(
        "Alerts",
        "none",
        "Alerts that fire, of mcpo's own rules.",
        &[(r#"sum(mcpo_alerts{instance=~"$instance", phase="firing"})"#, "")],
        ANY_IS_RED,
    ),
    Panel::figure(
        "Calls",
        "reqps",
        "Calls that ended, a second.",
        &[(
            r#"sum(rate(mcpo_calls_total{instance=~"$instance", mcpo_server=~"$server"}[$__rate_interval]))"#,
            "",
        )],
        CALM,
    ),
    Panel::figure(
        "Failed",
        "percentunit",
        "Share of the calls that came to no answer; a tool's own error is an answer.",
        &[(
            r#"sum(rate(mcpo_calls_total{instance=~"$instance", mcpo_server=~"$server", outcome=~"not_sent|refused|unknown"}[$__rate_interval])) / sum(rate(mcpo_calls_total{instance=~"$instance", mcpo_server=~"$server", outcome!="cancelled"}[$__rate_interval]))"#,
            "",
        )],
        SHARE,
    ),
    Panel {
        title: "Servers",
        shape: Shape::Timeline,
        unit: "none",
        description: "Whether each server can be called.",
        queries: &[(
            r#"mcpo_server_up{instance=~"$instance", mcpo_server=~"$server"}"#,
            "{{mcpo_server}}",
        )],
        steps: UP,
    },
    Panel::lines(
        "Health score by server",
        "none",
        "From 0 to 100.",
        &[(
            r#"mcpo_server_health_score{instance=~"$instance", mcpo_server=~"$server"}"#,
            "{{mcpo_server}}",
        )],
    ),
    Panel::row("Calls"),
    Panel::lines(
        "Calls by server",
        "reqps",
        "Calls that ended, a second.",
        &[(
            r#"sum by (mcpo_server) (rate(mcpo_calls_total{instance=~"$instance", mcpo_server=~"$server"}[$__rate_interval]))"#,
            "{{mcpo_server}}",
        )],
    ),
    Panel::lines(
        "Calls by outcome",
        "reqps",
        "What calls came to.",
        &[(
            r#"sum by (outcome) (rate(mcpo_calls_total{instance=~"$instance", mcpo_server=~"$server"}[$__rate_interval]))"#,
            "{{outcome}}",
        )],
    ),
    Panel::lines(
        "Response time",
        "s",
        "From a call's start to its end.",
        &[
            (
                r#"histogram_quantile(0.5, sum by (le) (rate(mcp_client_operation_duration_seconds_bucket{instance=~"$instance", mcpo_server=~"$server"}[$__rate_interval])))"#,
                "p50",
            ),
            (
                r#"histogram_quantile(0.9, sum by (le) (rate(mcp_client_operation_duration_seconds_bucket{instance=~"$instance", mcpo_server=~"$server"}[$__rate_interval])))"#,
                "p90",
            ),
            (
                r#"histogram_quantile(0.99, sum by (le) (rate(mcp_client_operation_duration_seconds_bucket{instance=~"$instance", mcpo_server=~"$server"}[$__rate_interval])))"#,
                "p99",
            ),
        ],
    ),
    Panel::lines(
        "Response time by server, p90",
        "s",
        "Nine of ten calls are answered within this time.",
        &[(
            r#"histogram_quantile(0.9, sum by (le, mcpo_server) (rate(mcp_client_operation_duration_seconds_bucket{instance=~"$instance", mcpo_server=~"$server"}[$__rate_interval])))"#,
            "{{mcpo_server}}",
        )],
    ),
    Panel::lines(
        "Where the time goes",
        "s",
        "Mean seconds of a call: until it was sent, and at the server.",
        &[
            (
                r#"sum(rate(mcpo_call_wait_seconds_total{instance=~"$instance", mcpo_server=~"$server"}[$__rate_interval])) / sum(rate(mcp_client_operation_duration_seconds_count{instance=~"$instance", mcpo_server=~"$server"}[$__rate_interval]))"#,
                "wait",
            ),
            (
                r#"sum(rate(mcpo_call_upstream_seconds_total{instance=~"$instance", mcpo_server=~"$server"}[$__rate_interval])) / sum(rate(mcp_client_operation_duration_seconds_count{instance=~"$instance", mcpo_server=~"$server"}[$__rate_interval]))"#,
                "server",
            ),
        ],
    ),
    Panel::lines(
        "Under way",
        "none",
        "Calls in flight and calls that wait for a place.",
        &[
            (
                r#"sum by (mcpo_server) (mcpo_calls_in_flight{instance=~"$instance", mcpo_server=~"$server"})"#,
                "{{mcpo_server}}",
            ),
            (
                r#"sum by (mcpo_server) (mcpo_calls_queued{instance=~"$instance", mcpo_server=~"$server"})"#,
                "{{mcpo_server}} waits",
            ),
        ],
    ),
    Panel::lines(
        "Sizes",
        "Bps",
        "Bytes of arguments and of answers.",
        &[
            (
                r#"sum(rate(mcpo_call_request_bytes_total{instance=~"$instance", mcpo_server=~"$server"}[$__rate_interval]))"#,
                "arguments",
            ),
            (
                r#"sum(rate(mcpo_call_response_bytes_total{instance=~"$instance", mcpo_server=~"$server"}[$__rate_interval]))"#,
                "answers",
            ),
        ],
    ),
    Panel {
        title: "Busiest tools",
        shape: Shape::Table,
        unit: "reqps",
        description: "The ten tools that are called most.",
        queries: &[(
            r#"topk(10, sum by (mcpo_server, gen_ai_tool_name) (rate(mcpo_tool_calls_total{instance=~"$instance", mcpo_server=~"$server"}[$__rate_interval])))"#,
            "",
        )],
        steps: CALM,
    },
    Panel::row("Recovery"),
    Panel::lines(
        "Faults",
        "none",
        "Failures of attempts, sessions and calls, those that were healed included.",
        &[(
            r#"sum by (error_type) (increase(mcpo_errors_total{instance=~"$instance", mcpo_server=~"$server"}[$__rate_interval])) > 0"#,
            "{{error_type}}",
        )],
    ),
    Panel::lines(
        "Recoveries",
        "none",
        "Times that a server or a session had to be made anew, and was.",
        &[
            (
                r#"sum(increase(mcpo_recoveries_tried_total{instance=~"$instance", mcpo_server=~"$server"}[$__rate_interval]))"#,
                "tried",
            ),
            (
                r#"sum(increase(mcpo_recoveries_succeeded_total{instance=~"$instance", mcpo_server=~"$server"}[$__rate_interval]))"#,
                "succeeded",
            ),
        ],
    ),
    Panel::lines(
        "Time to recover",
        "s",
        "From a loss to its recovery.",
        &[
            (
                r#"histogram_quantile(0.5, sum by (le) (rate(mcpo_recovery_duration_seconds_bucket{instance=~"$instance", mcpo_server=~"$server"}[$__rate_interval])))"#,
                "p50",
            ),
            (
                r#"histogram_quantile(0.99, sum by (le) (rate(mcpo_recovery_duration_seconds_bucket{instance=~"$instance", mcpo_server=~"$server"}[$__rate_interval])))"#,
                "p99",
            ),
        ],
    ),
    Panel::lines(
        "Reconnects",
        "none",
        "Times that a server was connected anew.",
        &[(
            r#"sum by (mcpo_server) (increase(mcpo_reconnects_total{instance=~"$instance", mcpo_server=~"$server"}[$__rate_interval]))"#,
            "{{mcpo_server}}",
        )],
    ),
    Panel::lines(
        "Sent again, and told unknown",
        "none",
        "Attempts beyond the first; calls whose callers were told that nobody knows whether they acted.",
        &[
            (
                r#"sum(increase(mcpo_replays_total{instance=~"$instance", mcpo_server=~"$server"}[$__rate_interval]))"#,
                "sent again",
            ),
            (
                r#"sum(increase(mcpo_calls_told_unknown_total{instance=~"$instance", mcpo_server=~"$server"}[$__rate_interval]))"#,
                "told unknown",
            ),
        ],
    ),
    Panel::lines(
        "Breakers that are not closed",
        "none",
        "Servers that get few calls or none since they failed too often.",
        &[(
            r#"sum by (mcpo_server) (mcpo_breaker_state{instance=~"$instance", mcpo_server=~"$server", mcpo_breaker_state!="closed"})"#,
            "{{mcpo_server}}",
        )],
    ),
    Panel::lines(
        "Error budget",
        "none",
        "How many times faster than allowed it is used up; 1 uses up just all of it.",
        &[(r#"mcpo_slo_burn_rate{instance=~"$instance"}"#, "{{window}}")],
    ),
    Panel::lines(
        "Retry budget",
        "none",
        "What is left of it.",
        &[(
            r#"mcpo_retry_tokens{instance=~"$instance", mcpo_server=~"$server"}"#,
            "{{mcpo_server}}",
        )],
    ),
    Panel::row("Sessions and tools"),
    Panel::lines(
        "Sessions",
        "none",
        "Sessions with each server, and those in use.",
        &[
            (r#"mcpo_sessions{instance=~"$instance", mcpo_server=~"$server"}"#, "{{mcpo_server}}"),
            (
                r#"mcpo_sessions_in_use{instance=~"$instance", mcpo_server=~"$server"}"#,
                "{{mcpo_server}} in use",
            ),
        ],
    ),
    Panel::lines(
        "Pool use",
        "percentunit",
        "Sessions in use, of the most that there may be.",
        &[(
            r#"mcpo_sessions_in_use{instance=~"$instance", mcpo_server=~"$server"} / mcpo_pool_sessions_max{instance=~"$instance", mcpo_server=~"$server"}"#,
            "{{mcpo_server}}",
        )],
    ),
    Panel::lines(
        "Tools",
        "none",
        "Tools that servers offer, and those that went missing.",
        &[
            (
                r#"mcpo_tools_offered{instance=~"$instance", mcpo_server=~"$server"}"#,
                "{{mcpo_server}}",
            ),
            (
                r#"mcpo_tools_missing{instance=~"$instance", mcpo_server=~"$server"} > 0"#,
                "{{mcpo_server}} misses",
            ),
        ],
    ),
    Panel::row("Servers' processes"),
    Panel::lines(
        "Processor time",
        "none",
        "1 is all the time of one processor.",
        &[(
            r#"mcpo_server_cpu_cores{instance=~"$instance", mcpo_server=~"$server"}"#,
            "{{mcpo_server}}",
        )],
    ),
    Panel::lines(
        "Memory",
        "bytes",
        "Resident memory of each server's processes.",
        &[(
            r#"mcpo_server_resident_memory_bytes{instance=~"$instance", mcpo_server=~"$server"}"#,
            "{{mcpo_server}}",
        )],
    ),
    Panel::lines(
        "File descriptors",
        "none",
        "Open file descriptors of each server's processes.",
        &[(
            r#"mcpo_server_open_fds{instance=~"$instance", mcpo_server=~"$server"}"#,
            "{{mcpo_server}}",
        )],
    ),
    Panel::lines(
        "Threads",
        "none",
        "Threads of each server's processes.",
        &[(
            r#"mcpo_server_threads{instance=~"$instance", mcpo_server=~"$server"}"#,
            "{{mcpo_server}}",
        )],
    ),
    Panel::row("mcpo itself"),
    Panel::lines(
        "Requests",
        "reqps",
        "By route and status.",
        &[(
            r#"sum by (http_route, http_response_status_code) (rate(http_server_request_duration_seconds_count{instance=~"$instance"}[$__rate_interval]))"#,
            "{{http_route}} {{http_response_status_code}}",
        )],
    ),
    Panel::lines(
        "Time of requests, p99",
        "s",
        "By route.",
        &[(
            r#"histogram_quantile(0.99, sum by (le, http_route) (rate(http_server_request_duration_seconds_bucket{instance=~"$instance"}[$__rate_interval])))"#,
            "{{http_route}}",
        )],
    ),
    Panel::lines(
        "Places",
        "none",
        "Calls under way of all servers together, and how many may be.",
        &[
            (r#"mcpo_pipeline_in_flight{instance=~"$instance"}"#, "{{instance}}"),
            (r#"mcpo_pipeline_queued{instance=~"$instance"}"#, "{{instance}} waits"),
            (r#"mcpo_pipeline_in_flight_max{instance=~"$instance"}"#, "{{instance}} may be"),
        ],
    ),
    Panel::lines(
        "Turned away",
        "none",
        "Calls of which nothing was sent, by why.",
        &[(
            r#"sum by (reason) (increase(mcpo_calls_shed_total{instance=~"$instance", mcpo_server=~"$server"}[$__rate_interval]))"#,
            "{{reason}}",
        )],
    ),
    Panel::lines(
        "Calls at once that a server takes",
        "none",
        "The limit that was learnt of each server.",
        &[(
            r#"mcpo_server_concurrency_limit{instance=~"$instance", mcpo_server=~"$server"}"#,
            "{{mcpo_server}}",
        )],
    ),
    Panel::lines(
        "Answered from the cache",
        "percentunit",
        "Share of the calls that a kept answer would have done for, stale answers included.",
        &[(
            r#"(sum by (mcpo_server) (rate(mcpo_cache_hits_total{instance=~"$instance", mcpo_server=~"$server"}[$__rate_interval])) + sum by (mcpo_server) (rate(mcpo_cache_stale_total{instance=~"$instance", mcpo_server=~"$server"}[$__rate_interval]))) / (sum by (mcpo_server) (rate(mcpo_cache_hits_total{instance=~"$instance", mcpo_server=~"$server"}[$__rate_interval])) + sum by (mcpo_server) (rate(mcpo_cache_stale_total{instance=~"$instance", mcpo_server=~"$server"}[$__rate_interval])) + sum by (mcpo_server) (rate(mcpo_cache_misses_total{instance=~"$instance", mcpo_server=~"$server"}[$__rate_interval])))"#,
            "{{mcpo_server}}",
        )],
    ),
    Panel::lines(
        "Shared and kept answers",
        "none",
        "Calls that shared the answer of an equal one in flight, and answers that are kept.",
        &[
            (
                r#"sum by (mcpo_server) (increase(mcpo_calls_coalesced_total{instance=~"$instance", mcpo_server=~"$server"}[$__rate_interval]))"#,
                "{{mcpo_server}} shared",
            ),
            (
                r#"sum by (mcpo_server) (mcpo_cache_entries{instance=~"$instance", mcpo_server=~"$server"})"#,
                "{{mcpo_server}} kept",
            ),
        ],
    ),
    Panel::lines(
        "Processor and memory of the machine",
        "percentunit",
        "Used share of what the container or the machine has.",
        &[
            (r#"mcpo_machine_cpu_ratio{instance=~"$instance"}"#, "{{instance}} processors"),
            (r#"mcpo_machine_memory_ratio{instance=~"$instance"}"#, "{{instance}} memory"),
        ],
    ),
    Panel::lines(
        "mcpo's memory",
        "bytes",
        "Resident memory of its own process.",
        &[(
            r#"process_resident_memory_bytes{instance=~"$instance"} and on (instance) mcpo_build_info{instance=~"$instance"}"#,
            "{{instance}}",
        )],
    ),
    Panel::lines(
        "mcpo's processor time",
        "none",
        "1 is all the time of one processor.",
        &[(
            r#"rate(process_cpu_seconds_total{instance=~"$instance"}[$__rate_interval]) and on (instance) mcpo_build_info{instance=~"$instance"}"#,
            "{{instance}}",
        )],
    ),
    Panel::lines(
        "mcpo's file descriptors",
        "none",
        "Open ones of its own process, and their limit.",
        &[
            (
                r#"process_open_fds{instance=~"$instance"} and on (instance) mcpo_build_info{instance=~"$instance"}"#,
                "{{instance}}",
            ),
            (
                r#"process_max_fds{instance=~"$instance"} and on (instance) mcpo_build_info{instance=~"$instance"}"#,
                "{{instance}} limit",
            ),
        ],
    ),
    Panel::lines(
        "Notices of alerts",
        "none",
        "What became of notices to webhooks.",
        &[(
            r#"sum by (result) (increase(mcpo_alert_deliveries_total{instance=~"$instance"}[$__rate_interval]))"#,
            "{{result}}",
        )],
    ),
    Panel::lines(
        "History",
        "bytes",
        "What it takes up, and what is free on its disk.",
        &[
            (r#"mcpo_history_bytes{instance=~"$instance"}"#, "{{instance}}"),
            (r#"mcpo_state_disk_free_bytes{instance=~"$instance"}"#, "{{instance}} free"),
        ],
    ),
];
