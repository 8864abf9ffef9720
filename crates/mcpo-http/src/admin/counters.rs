//! What was counted since the start.

use mcpo_core::fault::FaultKind;
use mcpo_upstream::journal::{Counters, Histogram, RECOVERY_BUCKETS_SECONDS, UpstreamCounters};
use serde_json::{Map, Value, json};

/// What was counted of one upstream.
pub(super) fn of_upstream(counters: &Counters, name: &str) -> Value {
    sum(&counters.upstreams.get(name).into_iter().collect::<Vec<_>>())
}

/// What was counted of all of them.
pub(super) fn of_all(counters: &Counters) -> Value {
    sum(&counters.upstreams.values().collect::<Vec<_>>())
}

fn sum(all: &[&UpstreamCounters]) -> Value {
    let total = |of: fn(&UpstreamCounters) -> u64| all.iter().map(|one| of(one)).sum::<u64>();
    let tried = total(|one| one.recoveries_tried);
    let succeeded = total(|one| one.recoveries_succeeded);
    let rate = (tried > 0).then(|| succeeded as f64 / tried as f64);
    json!({
        "errors": errors(all),
        "recoveries": {
            "tried": tried,
            "succeeded": succeeded,
            "success_rate": rate,
            "seconds": times(all),
        },
        "replays": total(|one| one.replays),
        "told_unknown": total(|one| one.told_unknown),
    })
}

/// Failures by kind, those kinds that there were.
fn errors(all: &[&UpstreamCounters]) -> Value {
    let count = |kind: FaultKind| -> u64 {
        let counted = all.iter().flat_map(|one| one.errors());
        counted.filter(|(one, _)| *one == kind).map(|(_, count)| count).sum()
    };
    let counted = FaultKind::ALL.map(|kind| (kind.name().to_owned(), count(kind)));
    let some = counted.into_iter().filter(|(_, count)| *count > 0);
    some.map(|(name, count)| (name, count.into())).collect::<Map<_, _>>().into()
}

/// How long recoveries took. The percentiles are known as well as the buckets are fine: so many
/// took no longer than that.
fn times(all: &[&UpstreamCounters]) -> Value {
    let times: Vec<&Histogram> = all.iter().map(|one| &one.time_to_recover).collect();
    let count: u64 = times.iter().map(|one| one.count).sum();
    let sum: f64 = times.iter().map(|one| one.sum.as_secs_f64()).sum();
    let buckets: Vec<u64> = (0..=RECOVERY_BUCKETS_SECONDS.len())
        .map(|index| times.iter().map(|one| one.buckets[index]).sum())
        .collect();
    let bounds = RECOVERY_BUCKETS_SECONDS.map(Value::from).into_iter().chain([Value::Null]);
    let shown: Vec<Value> = bounds
        .zip(&buckets)
        .filter(|(_, count)| **count > 0)
        .map(|(bound, count)| json!({"at_most": bound, "count": count}))
        .collect();
    json!({
        "count": count,
        "sum": sum,
        "p50": percentile(&buckets, count, 50),
        "p99": percentile(&buckets, count, 99),
        "buckets": shown,
    })
}

/// The bound below which so many of a hundred lie; `None` without any, or above all bounds.
fn percentile(buckets: &[u64], count: u64, hundredths: u64) -> Option<f64> {
    if count == 0 {
        return None;
    }
    let rank = (count * hundredths).div_ceil(100);
    let mut seen = 0;
    let found = buckets.iter().position(|bucket| {
        seen += bucket;
        seen >= rank
    })?;
    RECOVERY_BUCKETS_SECONDS.get(found).copied()
}

#[cfg(test)]
mod tests;
