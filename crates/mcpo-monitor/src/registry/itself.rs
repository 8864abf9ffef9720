//! Metrics of mcpo itself: its requests, its places, its process, the machine, alerts.

use super::{Chapter, Distribution, Emit, Facts, Kind, Metric, Read, SERVER, Source, Unit};
use crate::alerts::{Alert, Phase, Severity};
use crate::picture::{BurnWindows, Picture};
use crate::requests::Route;
use crate::resources::{MachineSample, ProcessSample};

pub(super) const CHAPTER: Chapter = Chapter { title: "mcpo itself", metrics: &METRICS };

/// The buckets that OpenTelemetry's conventions for HTTP advise for `http.server.request.duration`,
/// in seconds.
const REQUEST_BOUNDS_SECONDS: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// What we speak ourselves; a proxy in front of us may speak TLS.
pub const URL_SCHEME: &str = "http";

const METRICS: [Metric; 29] = [
    Metric {
        name: "mcpo_build_info",
        kind: Kind::Info,
        unit: Unit::None,
        help: "Which mcpo this is",
        labels: &["version"],
        source: Source::Own,
        read: Read::WholeEach(|_facts, emit| emit(&[env!("CARGO_PKG_VERSION")], 1.0)),
    },
    Metric {
        name: "mcpo_health_score",
        kind: Kind::Gauge,
        unit: Unit::None,
        help: "How well all is, from 0 to 100",
        labels: &[],
        source: Source::Own,
        read: Read::Whole(|facts| Some(f64::from(facts.picture.whole.score.score))),
    },
    Metric {
        name: "http_server_request_duration_seconds",
        kind: Kind::Histogram,
        unit: Unit::Seconds,
        help: "Time from the head of a request to its answer",
        labels: &["http_request_method", "http_route", "http_response_status_code", "url_scheme"],
        source: Source::OpenTelemetry("http.server.request.duration"),
        read: Read::Requests(|requests| {
            let bounds = &REQUEST_BOUNDS_SECONDS;
            Distribution::of_sketch(&requests.duration, requests.duration_sum, bounds, &[])
        }),
    },
    Metric {
        name: "mcpo_pipeline_in_flight",
        kind: Kind::Gauge,
        unit: Unit::None,
        help: "Calls under way, of all servers together",
        labels: &[],
        source: Source::Own,
        read: Read::Whole(|facts| Some(facts.picture.whole.in_flight as f64)),
    },
    Metric {
        name: "mcpo_pipeline_in_flight_peak",
        kind: Kind::Gauge,
        unit: Unit::None,
        help: "The most calls that were under way at once since the start, of all servers together",
        labels: &[],
        source: Source::Own,
        read: Read::Whole(|facts| Some(facts.picture.whole.peak as f64)),
    },
    Metric {
        name: "mcpo_pipeline_in_flight_max",
        kind: Kind::Gauge,
        unit: Unit::None,
        help: "The most calls that are taken at once, of all servers together",
        labels: &[],
        source: Source::Own,
        read: Read::Whole(|facts| Some(facts.picture.whole.max_concurrent as f64)),
    },
    Metric {
        name: "mcpo_pipeline_queued",
        kind: Kind::Gauge,
        unit: Unit::None,
        help: "Calls that wait for a place, of all servers together",
        labels: &[],
        source: Source::Own,
        read: Read::Whole(|facts| Some(facts.picture.whole.queued as f64)),
    },
    Metric {
        name: "mcpo_pipeline_shed_total",
        kind: Kind::Counter,
        unit: Unit::None,
        help: "Calls that were turned away before anything of them was sent, for whatever reason",
        labels: &[],
        source: Source::Own,
        read: Read::Whole(|facts| Some(facts.picture.whole.shed.total() as f64)),
    },
    Metric {
        name: "mcpo_slo_objective_ratio",
        kind: Kind::Gauge,
        unit: Unit::Ratio,
        help: "Share of the calls that must come to an answer",
        labels: &[],
        source: Source::Own,
        read: Read::Whole(|facts| Some(facts.picture.watch.slo_objective)),
    },
    Metric {
        name: "mcpo_slo_burn_rate",
        kind: Kind::Gauge,
        unit: Unit::None,
        help: "How many times faster than allowed all calls together use up the error budget",
        labels: &["window"],
        source: Source::Own,
        read: Read::WholeEach(|facts, emit| {
            let burn = &facts.picture.whole.burn;
            burn_rates(burn, facts).into_iter().for_each(|(window, rate)| emit(&[window], rate));
        }),
    },
    Metric {
        name: "mcpo_alerts",
        kind: Kind::Gauge,
        unit: Unit::None,
        help: "Alerts that mcpo's own rules raise",
        labels: &["severity", "phase"],
        source: Source::Own,
        read: Read::WholeEach(count_alerts),
    },
    Metric {
        name: "mcpo_alert_firing",
        kind: Kind::Gauge,
        unit: Unit::None,
        help: "1 for each alert that fires, of mcpo's own rules; no label of a server where it is about mcpo or the machine",
        labels: &[SERVER, "rule", "severity"],
        source: Source::Own,
        read: Read::WholeEach(firing_alerts),
    },
    Metric {
        name: "mcpo_alert_deliveries_total",
        kind: Kind::Counter,
        unit: Unit::None,
        help: "Notices of alerts to webhooks, by what became of them",
        labels: &["result"],
        source: Source::Own,
        read: Read::WholeEach(deliveries),
    },
    Metric {
        name: "mcpo_journal_entries_total",
        kind: Kind::Counter,
        unit: Unit::None,
        help: "Events that the journal kept, those that it dropped since included",
        labels: &[],
        source: Source::Own,
        read: Read::Whole(|facts| Some(facts.picture.watch.journal_seq as f64)),
    },
    Metric {
        name: "mcpo_history_bytes",
        kind: Kind::Gauge,
        unit: Unit::Bytes,
        help: "What the history takes up, in its file or in memory",
        labels: &[],
        source: Source::Own,
        read: Read::Whole(|facts| facts.picture.watch.history_bytes.map(|bytes| bytes as f64)),
    },
    Metric {
        name: "mcpo_history_errors_total",
        kind: Kind::Counter,
        unit: Unit::None,
        help: "Times that the history could not be written or read",
        labels: &[],
        source: Source::Own,
        read: Read::Whole(|facts| Some(facts.picture.watch.history_errors as f64)),
    },
    Metric {
        name: "process_cpu_seconds_total",
        kind: Kind::Counter,
        unit: Unit::Seconds,
        help: "Processor time of mcpo's own process",
        labels: &[],
        source: Source::Prometheus,
        read: Read::Whole(|facts| Some(own(facts)?.cpu_seconds)),
    },
    Metric {
        name: "process_resident_memory_bytes",
        kind: Kind::Gauge,
        unit: Unit::Bytes,
        help: "Resident memory of mcpo's own process",
        labels: &[],
        source: Source::Prometheus,
        read: Read::Whole(|facts| Some(own(facts)?.rss_bytes as f64)),
    },
    Metric {
        name: "process_open_fds",
        kind: Kind::Gauge,
        unit: Unit::None,
        help: "Open file descriptors of mcpo's own process",
        labels: &[],
        source: Source::Prometheus,
        read: Read::Whole(|facts| own(facts)?.fds.map(|fds| fds as f64)),
    },
    Metric {
        name: "process_max_fds",
        kind: Kind::Gauge,
        unit: Unit::None,
        help: "The most file descriptors that mcpo's own process may open",
        labels: &[],
        source: Source::Prometheus,
        read: Read::Whole(|facts| own(facts)?.fds_max.map(|fds| fds as f64)),
    },
    Metric {
        name: "process_threads",
        kind: Kind::Gauge,
        unit: Unit::None,
        help: "Threads of mcpo's own process",
        labels: &[],
        source: Source::Prometheus,
        read: Read::Whole(|facts| Some(own(facts)?.threads as f64)),
    },
    Metric {
        name: "process_start_time_seconds",
        kind: Kind::Gauge,
        unit: Unit::Seconds,
        help: "When mcpo's own process started, in seconds since the Unix epoch",
        labels: &[],
        source: Source::Prometheus,
        read: Read::Whole(|facts| started(facts.picture)),
    },
    Metric {
        name: "process_uptime_seconds",
        kind: Kind::Gauge,
        unit: Unit::Seconds,
        help: "Time since mcpo's own process started",
        labels: &[],
        source: Source::OpenTelemetry("process.uptime"),
        read: Read::Whole(|facts| Some(facts.picture.uptime.as_secs_f64())),
    },
    Metric {
        name: "mcpo_machine_cpu_ratio",
        kind: Kind::Gauge,
        unit: Unit::Ratio,
        help: "Used share of the processor time of the container that mcpo is in, or else of the machine",
        labels: &[],
        source: Source::Own,
        read: Read::Whole(|facts| Some(machine(facts)?.cpu)),
    },
    Metric {
        name: "mcpo_machine_memory_ratio",
        kind: Kind::Gauge,
        unit: Unit::Ratio,
        help: "Used share of the memory of the container that mcpo is in, or else of the machine",
        labels: &[],
        source: Source::Own,
        read: Read::Whole(|facts| Some(machine(facts)?.memory)),
    },
    Metric {
        name: "mcpo_machine_memory_limit_bytes",
        kind: Kind::Gauge,
        unit: Unit::Bytes,
        help: "Memory of the container that mcpo is in, or else of the machine",
        labels: &[],
        source: Source::Own,
        read: Read::Whole(|facts| Some(machine(facts)?.memory_bytes_max as f64)),
    },
    Metric {
        name: "mcpo_machine_cpu_cores",
        kind: Kind::Gauge,
        unit: Unit::None,
        help: "Processors of the container that mcpo is in, a fraction under a quota, or else of the machine",
        labels: &[],
        source: Source::Own,
        read: Read::Whole(|facts| Some(machine(facts)?.processors)),
    },
    Metric {
        name: "mcpo_machine_is_container",
        kind: Kind::Gauge,
        unit: Unit::None,
        help: "Whether the machine's figures are those of a container with limits: 1 or 0",
        labels: &[],
        source: Source::Own,
        read: Read::Whole(|facts| Some(f64::from(u8::from(machine(facts)?.is_container)))),
    },
    Metric {
        name: "mcpo_state_disk_free_bytes",
        kind: Kind::Gauge,
        unit: Unit::Bytes,
        help: "Free bytes of the disk that the state directory is on; no sample without one",
        labels: &[],
        source: Source::Own,
        read: Read::Whole(|facts| machine(facts)?.state_disk_bytes_free.map(|bytes| bytes as f64)),
    },
];

fn own<'a>(facts: Facts<'a>) -> Option<&'a ProcessSample> {
    facts.picture.process.as_ref()
}

fn machine<'a>(facts: Facts<'a>) -> Option<&'a MachineSample> {
    facts.picture.machine.as_ref()
}

/// Whole seconds: who looks for restarts must not see the clock's tremor.
fn started(picture: &Picture) -> Option<f64> {
    let started = picture.at.checked_sub(picture.uptime)?;
    let since_epoch = started.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(since_epoch.as_secs_f64().round())
}

/// The path that stands for all of a route; empty, as without a label, where none was matched.
#[must_use]
pub const fn route_template(route: Route) -> &'static str {
    match route {
        Route::Tool => "/{server}/{tool}",
        Route::Document => "/{server}/openapi.json",
        Route::Docs => "/{server}/docs",
        Route::Probe => "/health",
        Route::Monitor => "/metrics",
        Route::Admin => "/admin",
        Route::Other => "",
    }
}

/// All four counts, so that none appears out of nowhere.
fn count_alerts(facts: Facts<'_>, emit: Emit<'_>) {
    let active = &facts.alerts.active;
    for severity in [Severity::Warning, Severity::Critical] {
        for (phase, name) in [(Phase::Pending, "pending"), (Phase::Firing, "firing")] {
            let is_one = |alert: &&Alert| alert.severity == severity && alert.phase == phase;
            emit(&[severity.name(), name], active.iter().filter(is_one).count() as f64);
        }
    }
}

fn firing_alerts(facts: Facts<'_>, emit: Emit<'_>) {
    for alert in facts.alerts.active.iter().filter(|alert| alert.phase == Phase::Firing) {
        let server = alert.server.as_deref().unwrap_or_default();
        emit(&[server, &alert.rule, alert.severity.name()], 1.0);
    }
}

/// How many times faster than allowed the error budget is used up, by window.
pub(super) fn burn_rates(burn: &BurnWindows, facts: Facts<'_>) -> [(&'static str, f64); 4] {
    // Not 0.010000000000000009.
    let budget = ((1.0 - facts.picture.watch.slo_objective) * 1e6).round() / 1e6;
    [("5m", burn.five_minutes), ("30m", burn.half_hour), ("1h", burn.hour), ("6h", burn.six_hours)]
        .map(|(window, tally)| (window, tally.error_rate() / budget))
}

/// Of all webhooks together: their addresses are secrets, and their places change.
fn deliveries(facts: Facts<'_>, emit: Emit<'_>) {
    let webhooks = &facts.alerts.webhooks;
    emit(&["sent"], webhooks.iter().map(|one| one.sent).sum::<u64>() as f64);
    emit(&["failed"], webhooks.iter().map(|one| one.failed).sum::<u64>() as f64);
    emit(&["dropped"], webhooks.iter().map(|one| one.dropped).sum::<u64>() as f64);
}
