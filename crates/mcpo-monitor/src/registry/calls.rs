//! Metrics of calls: how many, how long, how large, what they came to.

use std::time::Duration;

use mcpo_upstream::meter::{CallResult, EXEMPLAR_BOUNDS_SECONDS};

use super::{Chapter, Distribution, Kind, Metric, Read, SERVER, Source, TOOL, Unit};

pub(super) const CHAPTER: Chapter = Chapter { title: "Calls", metrics: &METRICS };

const METRICS: [Metric; 12] = [
    Metric {
        name: "mcp_client_operation_duration_seconds",
        kind: Kind::Histogram,
        unit: Unit::Seconds,
        help: "Time from a call's start to its end, waits and further attempts included; calls that the caller gave up, and those that were turned away, are left out",
        labels: &[SERVER, TOOL, "mcp_method_name"],
        source: Source::OpenTelemetry("mcp.client.operation.duration"),
        read: Read::ToolHistogram("tools/call", |tool| {
            let calls = &tool.calls;
            let bounds = &EXEMPLAR_BOUNDS_SECONDS;
            Distribution::of_sketch(&calls.duration, calls.duration_sum, bounds, &calls.exemplars)
        }),
    },
    Metric {
        name: "mcpo_calls_total",
        kind: Kind::Counter,
        unit: Unit::None,
        help: "Calls that ended, by what they came to",
        labels: &[SERVER, "outcome"],
        source: Source::Own,
        read: Read::ServerEach(|_facts, server, emit| {
            for (result, count) in CallResult::ALL.iter().zip(server.calls.ended) {
                emit(result.name(), count as f64);
            }
        }),
    },
    Metric {
        name: "mcpo_tool_calls_total",
        kind: Kind::Counter,
        unit: Unit::None,
        help: "Calls that ended, by tool and by what they came to; failures that a tool never met are left out",
        labels: &[SERVER, TOOL, "outcome"],
        source: Source::Own,
        read: Read::ToolEach(|tool, emit| {
            for (result, count) in CallResult::ALL.into_iter().zip(tool.calls.ended) {
                // Most tools never fail, and there may be ten thousand of them.
                if count > 0 || result == CallResult::Ok {
                    emit(result.name(), count as f64);
                }
            }
        }),
    },
    Metric {
        name: "mcpo_calls_in_flight",
        kind: Kind::Gauge,
        unit: Unit::None,
        help: "Calls under way at the server",
        labels: &[SERVER],
        source: Source::Own,
        read: Read::Server(|server| Some(server.calls.in_flight as f64)),
    },
    Metric {
        name: "mcpo_calls_in_flight_peak",
        kind: Kind::Gauge,
        unit: Unit::None,
        help: "The most calls that were under way at once since the start",
        labels: &[SERVER],
        source: Source::Own,
        read: Read::Server(|server| Some(server.calls.peak as f64)),
    },
    Metric {
        name: "mcpo_calls_queued",
        kind: Kind::Gauge,
        unit: Unit::None,
        help: "Calls that wait for a place at their server",
        labels: &[SERVER],
        source: Source::Own,
        read: Read::Server(|server| Some(server.queued as f64)),
    },
    Metric {
        name: "mcpo_call_wait_seconds_total",
        kind: Kind::Counter,
        unit: Unit::Seconds,
        help: "Of the time of all calls, what passed before they were sent: places, sessions, breakers, waits between attempts",
        labels: &[SERVER],
        source: Source::Own,
        read: Read::Server(|server| seconds(server.calls.waited_sum)),
    },
    Metric {
        name: "mcpo_call_upstream_seconds_total",
        kind: Kind::Counter,
        unit: Unit::Seconds,
        help: "Of the time of all calls, what passed while the server had them",
        labels: &[SERVER],
        source: Source::Own,
        read: Read::Server(|server| seconds(server.calls.upstream_sum)),
    },
    Metric {
        name: "mcpo_call_request_bytes_total",
        kind: Kind::Counter,
        unit: Unit::Bytes,
        help: "Bytes of the arguments of all calls",
        labels: &[SERVER],
        source: Source::Own,
        read: Read::Server(|server| Some(server.calls.bytes_in as f64)),
    },
    Metric {
        name: "mcpo_call_response_bytes_total",
        kind: Kind::Counter,
        unit: Unit::Bytes,
        help: "Bytes of the answers to all calls",
        labels: &[SERVER],
        source: Source::Own,
        read: Read::Server(|server| Some(server.calls.bytes_out as f64)),
    },
    Metric {
        name: "mcpo_replays_total",
        kind: Kind::Counter,
        unit: Unit::None,
        help: "Attempts at calls beyond each call's first",
        labels: &[SERVER],
        source: Source::Own,
        read: Read::Server(|server| Some(server.counters.replays as f64)),
    },
    Metric {
        name: "mcpo_calls_told_unknown_total",
        kind: Kind::Counter,
        unit: Unit::None,
        help: "Calls of which nobody can know whether they acted, and whose callers were told so",
        labels: &[SERVER],
        source: Source::Own,
        read: Read::Server(|server| Some(server.counters.told_unknown as f64)),
    },
];

#[expect(clippy::unnecessary_wraps, reason = "what a metric's reading is made of")]
fn seconds(length: Duration) -> Option<f64> {
    Some(length.as_secs_f64())
}
