//! Metrics of upstreams: their state, sessions, recovery, tools and processes.

use std::time::{Duration, UNIX_EPOCH};

use mcpo_core::fault::FaultKind;
use mcpo_core::life::HeldBy;
use mcpo_upstream::journal::RECOVERY_BUCKETS_SECONDS;

use super::itself::burn_rates;
use super::{Chapter, Distribution, Kind, Metric, Read, SERVER, Source, Unit};
use crate::picture::{BreakerName, Standing};

pub(super) const CHAPTER: Chapter = Chapter { title: "Servers", metrics: &METRICS };

/// The names of all states, as [`crate::picture::ServerPicture::state`] has them.
const STATES: [&str; 6] = ["starting", "ready", "resting", "held", "dormant", "stopped"];

const METRICS: [Metric; 27] = [
    Metric {
        name: "mcpo_server_up",
        kind: Kind::Gauge,
        unit: Unit::None,
        help: "Whether the server can be called: 1 or 0",
        labels: &[SERVER],
        source: Source::Own,
        read: Read::Server(|server| Some(flag(server.standing != Standing::Down))),
    },
    Metric {
        name: "mcpo_server_state",
        kind: Kind::StateSet,
        unit: Unit::None,
        help: "Where the server is",
        labels: &[SERVER, "mcpo_server_state"],
        source: Source::Own,
        read: Read::ServerEach(|_facts, server, emit| {
            STATES.iter().for_each(|state| emit(state, flag(server.state == *state)));
        }),
    },
    Metric {
        name: "mcpo_server_standing",
        kind: Kind::StateSet,
        unit: Unit::None,
        help: "How much of the server can be used",
        labels: &[SERVER, "mcpo_server_standing"],
        source: Source::Own,
        read: Read::ServerEach(|_facts, server, emit| {
            for (standing, name) in
                [(Standing::Ok, "ok"), (Standing::Degraded, "degraded"), (Standing::Down, "down")]
            {
                emit(name, flag(server.standing == standing));
            }
        }),
    },
    Metric {
        name: "mcpo_server_held",
        kind: Kind::Gauge,
        unit: Unit::None,
        help: "Whether the server is held until a person releases it, by whom: 1 or 0",
        labels: &[SERVER, "held_by"],
        source: Source::Own,
        read: Read::ServerEach(|_facts, server, emit| {
            for (by, name) in [(HeldBy::Operator, "operator"), (HeldBy::Fault, "fault")] {
                emit(name, flag(server.held_by == Some(by)));
            }
        }),
    },
    Metric {
        name: "mcpo_server_last_change_timestamp_seconds",
        kind: Kind::Gauge,
        unit: Unit::Seconds,
        help: "Since when the server is in its state, in seconds since the Unix epoch",
        labels: &[SERVER],
        source: Source::Own,
        read: Read::Server(|server| {
            server.since.duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs_f64())
        }),
    },
    Metric {
        name: "mcpo_server_retry_in_seconds",
        kind: Kind::Gauge,
        unit: Unit::Seconds,
        help: "Time until the server is tried or looked at again; no sample where that is not set",
        labels: &[SERVER],
        source: Source::Own,
        read: Read::Server(|server| server.retry_in.as_ref().map(Duration::as_secs_f64)),
    },
    Metric {
        name: "mcpo_server_health_score",
        kind: Kind::Gauge,
        unit: Unit::None,
        help: "How well the server is, from 0 to 100",
        labels: &[SERVER],
        source: Source::Own,
        read: Read::Server(|server| Some(f64::from(server.score.score))),
    },
    Metric {
        name: "mcpo_breaker_state",
        kind: Kind::StateSet,
        unit: Unit::None,
        help: "Where the server's breaker is: closed lets all calls through, half_open one at a time, open none",
        labels: &[SERVER, "mcpo_breaker_state"],
        source: Source::Own,
        read: Read::ServerEach(|_facts, server, emit| {
            for (state, name) in [
                (BreakerName::Closed, "closed"),
                (BreakerName::HalfOpen, "half_open"),
                (BreakerName::Open, "open"),
            ] {
                emit(name, flag(server.breaker == state));
            }
        }),
    },
    Metric {
        name: "mcpo_retry_tokens",
        kind: Kind::Gauge,
        unit: Unit::None,
        help: "What is left of the server's retry budget, from which calls that are sent again are paid",
        labels: &[SERVER],
        source: Source::Own,
        read: Read::Server(|server| Some(f64::from(server.retry_tokens))),
    },
    Metric {
        name: "mcpo_sessions",
        kind: Kind::Gauge,
        unit: Unit::None,
        help: "Sessions with the server",
        labels: &[SERVER],
        source: Source::Own,
        read: Read::Server(|server| Some(server.sessions as f64)),
    },
    Metric {
        name: "mcpo_sessions_in_use",
        kind: Kind::Gauge,
        unit: Unit::None,
        help: "Sessions with at least one call under way",
        labels: &[SERVER],
        source: Source::Own,
        read: Read::Server(|server| Some(server.sessions_in_use as f64)),
    },
    Metric {
        name: "mcpo_pool_sessions_min",
        kind: Kind::Gauge,
        unit: Unit::None,
        help: "The least sessions that are kept with the server",
        labels: &[SERVER],
        source: Source::Own,
        read: Read::Server(|server| Some(server.pool_min as f64)),
    },
    Metric {
        name: "mcpo_pool_sessions_max",
        kind: Kind::Gauge,
        unit: Unit::None,
        help: "The most sessions that there may be with the server",
        labels: &[SERVER],
        source: Source::Own,
        read: Read::Server(|server| Some(server.pool_max as f64)),
    },
    Metric {
        name: "mcpo_reconnects_total",
        kind: Kind::Counter,
        unit: Unit::None,
        help: "Times that the server was connected anew after it had been ready",
        labels: &[SERVER],
        source: Source::Own,
        read: Read::Server(|server| Some(server.reconnects as f64)),
    },
    Metric {
        name: "mcpo_errors_total",
        kind: Kind::Counter,
        unit: Unit::None,
        help: "Failures of attempts, sessions and calls, by their kind; of those that were healed, too",
        labels: &[SERVER, "error_type"],
        source: Source::Own,
        read: Read::ServerEach(|_facts, server, emit| {
            let mut errors = server.counters.errors().peekable();
            for kind in FaultKind::ALL {
                let counted = errors.next_if(|(counted, _)| *counted == kind);
                emit(kind.name(), counted.map_or(0, |(_, count)| count) as f64);
            }
        }),
    },
    Metric {
        name: "mcpo_recoveries_tried_total",
        kind: Kind::Counter,
        unit: Unit::None,
        help: "Times that the server or a session of it had to be made anew",
        labels: &[SERVER],
        source: Source::Own,
        read: Read::Server(|server| Some(server.counters.recoveries_tried as f64)),
    },
    Metric {
        name: "mcpo_recoveries_succeeded_total",
        kind: Kind::Counter,
        unit: Unit::None,
        help: "Times that the server or a session of it was made anew",
        labels: &[SERVER],
        source: Source::Own,
        read: Read::Server(|server| Some(server.counters.recoveries_succeeded as f64)),
    },
    Metric {
        name: "mcpo_recovery_duration_seconds",
        kind: Kind::Histogram,
        unit: Unit::Seconds,
        help: "Time from the loss of the server or of a session to its recovery",
        labels: &[SERVER],
        source: Source::Own,
        read: Read::ServerHistogram(|server| {
            let lengths = &server.counters.time_to_recover;
            Distribution::of_histogram(lengths, &RECOVERY_BUCKETS_SECONDS)
        }),
    },
    Metric {
        name: "mcpo_tools_offered",
        kind: Kind::Gauge,
        unit: Unit::None,
        help: "Tools that the server offers; no sample until it was ready once",
        labels: &[SERVER],
        source: Source::Own,
        read: Read::Server(|server| server.tools_offered.map(|tools| tools as f64)),
    },
    Metric {
        name: "mcpo_tools_missing",
        kind: Kind::Gauge,
        unit: Unit::None,
        help: "Tools that the server offered earlier and does not any more",
        labels: &[SERVER],
        source: Source::Own,
        read: Read::Server(|server| Some(server.missing_tools.len() as f64)),
    },
    Metric {
        name: "mcpo_server_slo_burn_rate",
        kind: Kind::Gauge,
        unit: Unit::None,
        help: "How many times faster than allowed the server's calls use up the error budget",
        labels: &[SERVER, "window"],
        source: Source::Own,
        read: Read::ServerEach(|facts, server, emit| {
            burn_rates(&server.burn, facts)
                .into_iter()
                .for_each(|(window, rate)| emit(window, rate));
        }),
    },
    Metric {
        name: "mcpo_server_processes",
        kind: Kind::Gauge,
        unit: Unit::None,
        help: "Processes of the server on this machine, those that they started included; no sample where it has none",
        labels: &[SERVER],
        source: Source::Own,
        read: Read::Server(|server| server.processes.map(|tree| f64::from(tree.processes))),
    },
    Metric {
        name: "mcpo_server_cpu_cores",
        kind: Kind::Gauge,
        unit: Unit::None,
        help: "Processor time that the server's processes use: 1 is all the time of one processor",
        labels: &[SERVER],
        source: Source::Own,
        read: Read::Server(|server| server.processes.map(|tree| tree.cpu)),
    },
    Metric {
        name: "mcpo_server_resident_memory_bytes",
        kind: Kind::Gauge,
        unit: Unit::Bytes,
        help: "Resident memory of the server's processes",
        labels: &[SERVER],
        source: Source::Own,
        read: Read::Server(|server| server.processes.map(|tree| tree.rss_bytes as f64)),
    },
    Metric {
        name: "mcpo_server_open_fds",
        kind: Kind::Gauge,
        unit: Unit::None,
        help: "Open file descriptors of the server's processes",
        labels: &[SERVER],
        source: Source::Own,
        read: Read::Server(|server| server.processes?.fds.map(|fds| fds as f64)),
    },
    Metric {
        name: "mcpo_server_threads",
        kind: Kind::Gauge,
        unit: Unit::None,
        help: "Threads of the server's processes",
        labels: &[SERVER],
        source: Source::Own,
        read: Read::Server(|server| server.processes.map(|tree| tree.threads as f64)),
    },
    Metric {
        name: "mcpo_server_uptime_seconds",
        kind: Kind::Gauge,
        unit: Unit::Seconds,
        help: "Time since the oldest of the server's processes started",
        labels: &[SERVER],
        source: Source::Own,
        read: Read::Server(|server| server.processes.map(|tree| tree.uptime_seconds)),
    },
];

fn flag(holds: bool) -> f64 {
    f64::from(u8::from(holds))
}
