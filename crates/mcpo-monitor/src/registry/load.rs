//! Metrics of load: room at servers, calls that were turned away, answers that are kept.

use mcpo_core::load::ShedReason;

use super::{Chapter, Kind, Metric, Read, SERVER, Source, Unit};
use crate::picture::ServerPicture;

pub(super) const CHAPTER: Chapter = Chapter { title: "Load", metrics: &METRICS };

const METRICS: [Metric; 16] = [
    Metric {
        name: "mcpo_server_concurrency_limit",
        kind: Kind::Gauge,
        unit: Unit::None,
        help: "Calls that may be in flight at the server at once, as was learnt of it",
        labels: &[SERVER],
        source: Source::Own,
        read: Read::Server(|server| Some(server.limit as f64)),
    },
    Metric {
        name: "mcpo_server_concurrency_limit_max",
        kind: Kind::Gauge,
        unit: Unit::None,
        help: "Calls that may be in flight at the server at once, as it is configured",
        labels: &[SERVER],
        source: Source::Own,
        read: Read::Server(|server| Some(server.limit_max as f64)),
    },
    Metric {
        name: "mcpo_calls_shed_total",
        kind: Kind::Counter,
        unit: Unit::None,
        help: "Calls to the server that were turned away before anything of them was sent, by why; those that mcpo itself had no room for, too",
        labels: &[SERVER, "reason"],
        source: Source::Own,
        read: Read::ServerEach(|_facts, server, emit| {
            let reasons = ShedReason::ALL.iter().zip(server.shed.all);
            reasons.for_each(|(reason, count)| emit(reason.name(), count as f64));
        }),
    },
    counted(
        "mcpo_cache_hits_total",
        "Calls that were answered with an answer that was kept and within its ttl; no sample, here and below, where no answer was ever to be kept or shared",
        |server| Some(server.cache?.counts.hits as f64),
    ),
    counted(
        "mcpo_cache_misses_total",
        "Calls whose answer might have been kept, and was not",
        |server| Some(server.cache?.counts.misses as f64),
    ),
    counted(
        "mcpo_cache_stale_total",
        "Calls that were answered with an answer that was kept for longer than its ttl",
        |server| Some(server.cache?.counts.stale as f64),
    ),
    counted(
        "mcpo_cache_bypassed_total",
        "Calls whose callers wanted no answer that is kept",
        |server| Some(server.cache?.counts.bypassed as f64),
    ),
    counted(
        "mcpo_calls_coalesced_total",
        "Calls that shared the answer of an equal call in flight",
        |server| Some(server.cache?.counts.coalesced as f64),
    ),
    counted(
        "mcpo_cache_evictions_total",
        "Kept answers that went since there was no room",
        |server| Some(server.cache?.counts.evictions as f64),
    ),
    counted(
        "mcpo_cache_expirations_total",
        "Kept answers that went since their time was over",
        |server| Some(server.cache?.counts.expirations as f64),
    ),
    counted(
        "mcpo_cache_purged_total",
        "Kept answers that were forgotten by an operator's order",
        |server| Some(server.cache?.counts.purged as f64),
    ),
    counted(
        "mcpo_cache_refreshes_total",
        "Kept answers that were fetched anew before they were asked for",
        |server| Some(server.cache?.counts.refreshes as f64),
    ),
    Metric {
        name: "mcpo_cache_entries",
        kind: Kind::Gauge,
        unit: Unit::None,
        help: "Answers that are kept",
        labels: &[SERVER],
        source: Source::Own,
        read: Read::Server(|server| Some(server.cache?.entries as f64)),
    },
    Metric {
        name: "mcpo_cache_bytes",
        kind: Kind::Gauge,
        unit: Unit::Bytes,
        help: "What the answers that are kept take up",
        labels: &[SERVER],
        source: Source::Own,
        read: Read::Server(|server| Some(server.cache?.bytes as f64)),
    },
    Metric {
        name: "mcpo_cache_entries_max",
        kind: Kind::Gauge,
        unit: Unit::None,
        help: "The most answers that are kept, of all servers together; 0 where none is",
        labels: &[],
        source: Source::Own,
        read: Read::Whole(|facts| Some(facts.picture.whole.cache.entries_max as f64)),
    },
    Metric {
        name: "mcpo_cache_limit_bytes",
        kind: Kind::Gauge,
        unit: Unit::Bytes,
        help: "What the answers that are kept may take up, of all servers together",
        labels: &[],
        source: Source::Own,
        read: Read::Whole(|facts| Some(facts.picture.whole.cache.bytes_max as f64)),
    },
];

/// A number that only grows, of each server.
const fn counted(
    name: &'static str,
    help: &'static str,
    read: fn(&ServerPicture) -> Option<f64>,
) -> Metric {
    Metric {
        name,
        kind: Kind::Counter,
        unit: Unit::None,
        help,
        labels: &[SERVER],
        source: Source::Own,
        read: Read::Server(read),
    }
}
