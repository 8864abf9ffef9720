//! `/metrics` as JSON: the shape is a promise to those who read it by machine. Words are fixed, and
//! name no address and no command. Lengths are seconds, shares are 0 to 1; where nothing was counted
//! a length is 0, so that whoever reads numbers finds numbers.

use mcpo_core::fault::FaultKind;
use mcpo_core::load::ShedReason;
use mcpo_upstream::journal::UpstreamCounters;
use serde_json::{Map, Value, json};

use super::live::{recovery_quantile, recovery_rate};
use super::{reason, rfc_3339, status};
use crate::picture::{
    CachePicture, CallPicture, FIVE_MINUTES, MINUTE, Picture, ServerPicture, ShedPicture, Standing,
    ToolPicture, epoch_seconds,
};

/// What `/metrics` answers by default.
#[must_use]
pub fn metrics(picture: &Picture) -> Value {
    let servers = || picture.servers.iter();
    let performance =
        servers().flat_map(|server| server.tools.iter().map(|tool| performance(server, tool)));
    json!({
        "performance": performance.collect::<Map<_, _>>(),
        "concurrency": concurrency(picture),
        "cache": cache(picture),
        "connection": servers().map(connection).collect::<Map<_, _>>(),
        "error_recovery": error_recovery(picture),
        "system_health": system_health(picture),
        "timestamp": epoch_seconds(picture.at),
    })
}

/// One tool's calls since the start.
fn performance(server: &ServerPicture, tool: &ToolPicture) -> (String, Value) {
    let calls = &tool.calls;
    let (least, most) = calls.duration_bounds.unwrap_or_default();
    let about = json!({
        "total_requests": calls.total(),
        "success_rate": 1.0 - calls.tally().error_rate(),
        "avg_duration": mean(calls),
        "min_duration": least.as_secs_f64(),
        "max_duration": most.as_secs_f64(),
        "p50": calls.duration.quantile(0.5).unwrap_or(0.0),
        "p90": calls.duration.quantile(0.9).unwrap_or(0.0),
        "p99": calls.duration.quantile(0.99).unwrap_or(0.0),
        "current_concurrent": calls.in_flight,
        "peak_concurrent": calls.peak,
        "qps_1m": calls.windows[MINUTE].per_second(),
    });
    (format!("{}/{}", server.name, tool.tool), about)
}

fn mean(calls: &CallPicture) -> f64 {
    match calls.duration.count() {
        0 => 0.0,
        count => calls.duration_sum.as_secs_f64() / count as f64,
    }
}

fn concurrency(picture: &Picture) -> Value {
    let whole = &picture.whole;
    json!({
        "max_concurrent": whole.max_concurrent,
        "current_concurrent": whole.in_flight,
        "peak_concurrent": whole.peak,
        "queued": whole.queued,
        "shed_total": whole.shed.total(),
        "shed": shed(&whole.shed),
        "servers": picture.servers.iter().map(room).collect::<Map<_, _>>(),
    })
}

/// One upstream's room.
fn room(server: &ServerPicture) -> (String, Value) {
    let about = json!({
        "current_concurrent": server.calls.in_flight,
        "peak_concurrent": server.calls.peak,
        "limit": server.limit,
        "max_concurrent": server.limit_max,
        "queued": server.queued,
        "shed_total": server.shed.total(),
        "shed": shed(&server.shed),
    });
    (server.name.clone(), about)
}

/// Calls that were turned away since the start, by each reason that there is.
fn shed(shed: &ShedPicture) -> Map<String, Value> {
    let reasons = ShedReason::ALL.iter().zip(shed.all);
    reasons.map(|(reason, count)| (reason.name().to_owned(), count.into())).collect()
}

/// The cache: its counts since the start, the share of the calls since then that it answered (0
/// where it was never asked), and how it stands.
fn cache(picture: &Picture) -> Value {
    let whole = &picture.whole.cache;
    let servers = picture.servers.iter().filter_map(|server| {
        Some((server.name.clone(), Value::Object(cached(server.cache.as_ref()?))))
    });
    let mut shown = Map::from_iter([("enabled".to_owned(), whole.enabled.into())]);
    shown.extend(cached(&whole.all));
    shown.insert("max_entries".to_owned(), whole.entries_max.into());
    shown.insert("max_bytes".to_owned(), whole.bytes_max.into());
    shown.insert("servers".to_owned(), Value::Object(servers.collect()));
    shown.into()
}

fn cached(cache: &CachePicture) -> Map<String, Value> {
    let counts = cache.counts.named().map(|(name, count)| (name.to_owned(), count.into()));
    let mut shown = Map::from_iter(counts);
    let hit_rate = cache.counts.used().hit_rate().unwrap_or(0.0);
    shown.insert("hit_rate".to_owned(), hit_rate.into());
    shown.insert("entries".to_owned(), cache.entries.into());
    shown.insert("bytes".to_owned(), cache.bytes.into());
    shown
}

fn connection(server: &ServerPicture) -> (String, Value) {
    let errors: u64 = server.counters.errors().map(|(_, count)| count).sum();
    let about = json!({
        "state": server.state,
        "sessions": server.sessions,
        "in_use": server.sessions_in_use,
        "idle": server.sessions.saturating_sub(server.sessions_in_use),
        "error_count": errors,
        "last_error": server.last_error.map(|(_, kind)| kind.reason()),
        "reconnects": server.reconnects,
        "last_change": rfc_3339(server.since),
    });
    (server.name.clone(), about)
}

fn error_recovery(picture: &Picture) -> Value {
    let counters: Vec<&UpstreamCounters> =
        picture.servers.iter().map(|server| &server.counters).collect();
    let tried: u64 = counters.iter().map(|one| one.recoveries_tried).sum();
    let succeeded: u64 = counters.iter().map(|one| one.recoveries_succeeded).sum();
    let faults = &picture.whole.faults_last_hour;
    let types = faults.iter().map(|(kind, count)| (kind.name().to_owned(), (*count).into()));
    json!({
        "total_errors_last_hour": faults.iter().map(|(_, count)| count).sum::<u64>(),
        "error_types": types.collect::<Map<_, _>>(),
        "total_recovery_attempts": tried,
        "recovery_success_rate": recovery_rate(tried, succeeded),
        "time_to_recover_p50": recovery_quantile(&counters, 0.5).unwrap_or(0.0),
        "time_to_recover_p99": recovery_quantile(&counters, 0.99).unwrap_or(0.0),
        "current_error_rate": picture.whole.calls.windows[MINUTE].tally().error_rate(),
        "system_status": status(picture),
    })
}

fn system_health(picture: &Picture) -> Value {
    let health = |server: &ServerPicture| {
        (server.name.clone(), Value::from(server.standing != Standing::Down))
    };
    let (process, machine) = (&picture.process, &picture.machine);
    json!({
        "overall_status": status(picture),
        "score": picture.whole.score.score,
        "reasons": picture.whole.score.reasons,
        "connection_health": picture.servers.iter().map(health).collect::<Map<_, _>>(),
        "error_rate": picture.whole.calls.windows[FIVE_MINUTES].tally().error_rate(),
        "active_errors": picture.servers.iter().filter_map(active_error).collect::<Vec<_>>(),
        "resources": {
            "cpu_percent": machine.map_or(0.0, |machine| machine.cpu * 100.0),
            "memory_percent": machine.map_or(0.0, |machine| machine.memory * 100.0),
            "rss_bytes": process.map_or(0, |process| process.rss_bytes),
        },
    })
}

/// What is wrong with an upstream that cannot be called, or is not whole.
fn active_error(server: &ServerPicture) -> Option<Value> {
    let kind = server.fault?;
    Some(json!({
        "server": server.name,
        "code": kind.name(),
        "reason": reason(server).unwrap_or(kind.reason()),
        "severity": FaultKind::severity(kind).name(),
        "since": epoch_seconds(server.since),
    }))
}
