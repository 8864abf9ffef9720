//! What the dashboard is sent: one picture, small enough for one a second.

use mcpo_core::fault::FaultKind;
use mcpo_core::load::ShedReason;
use mcpo_upstream::journal::{RECOVERY_BUCKETS_SECONDS, UpstreamCounters};
use serde_json::{Value, json};

use super::{held_by, reason, status};
use crate::picture::{
    ByReason, CachePicture, MINUTE, Picture, ServerPicture, WholeCachePicture, WholePicture,
    WindowPicture, epoch_seconds,
};
use crate::resources::{MachineSample, ProcessSample};

/// One picture for the dashboard. It may name addresses and commands: it is for operators. Times
/// are seconds since the Unix epoch, lengths are seconds, shares are 0 to 1; rates and quantiles
/// are those of the last minute.
#[must_use]
pub fn live(picture: &Picture) -> Value {
    let score = &picture.whole.score;
    json!({
        "at": epoch_seconds(picture.at),
        "uptime": picture.uptime.as_secs_f64(),
        "version": env!("CARGO_PKG_VERSION"),
        "status": status(picture),
        "score": score.score,
        "reasons": score.reasons,
        "whole": whole(&picture.whole),
        "process": picture.process.as_ref().map(process),
        "machine": picture.machine.as_ref().map(machine),
        "servers": picture.servers.iter().map(server).collect::<Vec<_>>(),
    })
}

fn whole(whole: &WholePicture) -> Value {
    let window = &whole.calls.windows[MINUTE];
    json!({
        "calls_per_second": window.per_second(),
        "error_rate": window.tally().error_rate(),
        "p50": window.duration.quantile(0.5),
        "p90": window.duration.quantile(0.9),
        "p99": window.duration.quantile(0.99),
        "in_flight": whole.in_flight,
        "queued": whole.queued,
        "max_concurrent": whole.max_concurrent,
        "total": whole.calls.total(),
        "shed": whole.shed.total(),
        "turned_away": by_reason(&whole.shed.minute),
        "cache": whole_cache(&whole.cache),
    })
}

/// Why calls were turned away: those reasons that there were.
fn by_reason(shed: &ByReason) -> Value {
    let there_were = ShedReason::ALL.iter().zip(shed).filter(|(_, count)| **count > 0);
    let named = there_were.map(|(reason, count)| (reason.name().to_owned(), Value::from(*count)));
    Value::Object(named.collect())
}

/// The cache of all, as it stands and did of late.
fn whole_cache(whole: &WholeCachePicture) -> Value {
    json!({
        "enabled": whole.enabled,
        "hit_rate": whole.all.minute.hit_rate(),
        "hit_rate_hour": whole.all.hour.hit_rate(),
        "coalesced": whole.all.counts.coalesced,
        "entries": whole.all.entries,
        "entries_max": whole.entries_max,
        "bytes": whole.all.bytes,
        "bytes_max": whole.bytes_max,
    })
}

/// One upstream's part of it.
fn cache(cache: &CachePicture) -> Value {
    json!({
        "hit_rate": cache.minute.hit_rate(),
        "hit_rate_hour": cache.hour.hit_rate(),
        "coalesced": cache.counts.coalesced,
        "entries": cache.entries,
        "bytes": cache.bytes,
    })
}

fn process(sample: &ProcessSample) -> Value {
    json!({
        "processes": sample.processes,
        "cpu": sample.cpu,
        "rss_bytes": sample.rss_bytes,
        "fds": sample.fds,
        "fds_max": sample.fds_max,
        "threads": sample.threads,
        "uptime_seconds": sample.uptime_seconds,
    })
}

fn machine(sample: &MachineSample) -> Value {
    json!({
        "cpu": sample.cpu,
        "memory": sample.memory,
        "memory_bytes_max": sample.memory_bytes_max,
        "processors": sample.processors,
        "is_container": sample.is_container,
        "state_disk_bytes_free": sample.state_disk_bytes_free,
    })
}

fn server(server: &ServerPicture) -> Value {
    let about = (state(server), calls(server));
    let (Value::Object(mut shown), Value::Object(calls)) = about else { return Value::Null };
    shown.extend(calls);
    shown.into()
}

fn state(server: &ServerPicture) -> Value {
    json!({
        "name": server.name,
        "state": server.state,
        "standing": server.standing.name(),
        "since": epoch_seconds(server.since),
        "fault": server.fault.map(FaultKind::name),
        "reason": reason(server),
        "detail": server.detail.as_deref(),
        "held_by": server.held_by.map(held_by),
        "retry_in": server.retry_in.map(|wait| wait.as_secs_f64()),
        "sessions": server.sessions,
        "in_use": server.sessions_in_use,
        "pool_min": server.pool_min,
        "pool_max": server.pool_max,
        "breaker": server.breaker.name(),
        "retry_tokens": server.retry_tokens,
        "reconnects": server.reconnects,
        "tools": server.tools_offered,
        "missing_tools": server.missing_tools,
        "processes": server.processes.as_ref().map(process),
        "score": server.score.score,
        "reasons": server.score.reasons,
    })
}

fn calls(server: &ServerPicture) -> Value {
    let window: &WindowPicture = &server.calls.windows[MINUTE];
    json!({
        "calls_per_second": window.per_second(),
        "error_rate": window.tally().error_rate(),
        "p50": window.duration.quantile(0.5),
        "p99": window.duration.quantile(0.99),
        "in_flight": server.calls.in_flight,
        "queued": server.queued,
        "limit": server.limit,
        "limit_max": server.limit_max,
        "shed": server.shed.total(),
        "turned_away": by_reason(&server.shed.minute),
        "cache": server.cache.as_ref().map(cache),
        "total": server.calls.total(),
        "recoveries": recoveries(&server.counters),
        "last_error": server.last_error.map(|(at, kind)| json!({
            "at": epoch_seconds(at), "code": kind.name(), "reason": kind.reason(),
        })),
    })
}

fn recoveries(counters: &UpstreamCounters) -> Value {
    json!({
        "tried": counters.recoveries_tried,
        "succeeded": counters.recoveries_succeeded,
        "rate": recovery_rate(counters.recoveries_tried, counters.recoveries_succeeded),
        "p50": recovery_quantile(&[counters], 0.5),
    })
}

/// The share of recoveries that succeeded; 1 where none was needed.
pub(super) fn recovery_rate(tried: u64, succeeded: u64) -> f64 {
    if tried == 0 { 1.0 } else { succeeded as f64 / tried as f64 }
}

/// The bound in seconds below which a share `q` of the recoveries lies: as well known as the buckets
/// are fine. Above all bounds it is told as the last one; `None` without any.
pub(super) fn recovery_quantile(all: &[&UpstreamCounters], q: f64) -> Option<f64> {
    let count: u64 = all.iter().map(|one| one.time_to_recover.count).sum();
    if count == 0 {
        return None;
    }
    let rank = ((q * count as f64).ceil() as u64).max(1);
    let mut seen = 0;
    let found = (0..=RECOVERY_BUCKETS_SECONDS.len()).find(|&bucket| {
        seen += all.iter().map(|one| one.time_to_recover.buckets[bucket]).sum::<u64>();
        seen >= rank
    })?;
    RECOVERY_BUCKETS_SECONDS.get(found).or(RECOVERY_BUCKETS_SECONDS.last()).copied()
}
