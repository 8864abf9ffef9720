//! The figures of a diagnosis, and what could be better although nothing is wrong.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::diagnosis::words::{epoch, length, share, short};
use crate::diagnosis::{Facts, Issue, TrendFact};
use crate::history::Metric;
use crate::picture::{FIVE_MINUTES, Standing};
use crate::trend::{Change, Direction};

/// So many recommendations are given.
const RECOMMENDATIONS_MAX: usize = 16;
/// A jump is news for so long.
const NEWS_MAX: Duration = Duration::from_secs(6 * 3600);
/// What rises for a shorter time may only have begun.
const DRIFT_SPAN_MIN: Duration = Duration::from_secs(3600);
/// A drift of less in an hour is for nobody to act on.
const DRIFT_SHARE_MIN: f64 = 0.1;

/// The figures in short: those of the last five minutes, and of this moment.
pub(super) fn metrics(facts: &Facts) -> BTreeMap<String, f64> {
    let mut metrics = BTreeMap::new();
    let Some(picture) = &facts.picture else {
        metrics.insert("servers".to_owned(), facts.servers.len() as f64);
        return metrics;
    };
    let window = &picture.whole.calls.windows[FIVE_MINUTES];
    let usable = picture.servers.iter().filter(|server| server.standing != Standing::Down).count();
    let quantile = |q| window.duration.quantile(q);
    let figures = [
        ("servers", Some(picture.servers.len() as f64)),
        ("servers_usable", Some(usable as f64)),
        ("uptime_seconds", Some(picture.uptime.as_secs_f64())),
        ("calls_per_second", Some(window.per_second())),
        ("error_rate", Some(window.tally().error_rate())),
        ("p50_seconds", quantile(0.5)),
        ("p99_seconds", quantile(0.99)),
        ("in_flight", Some(picture.whole.in_flight as f64)),
        ("queued", Some(picture.whole.queued as f64)),
        ("shed", Some(picture.whole.shed.total() as f64)),
        ("cache_hit_rate", picture.whole.cache.all.hour.hit_rate()),
        ("machine_cpu", picture.machine.map(|machine| machine.cpu)),
        ("machine_memory", picture.machine.map(|machine| machine.memory)),
        ("rss_bytes", picture.process.map(|process| process.rss_bytes as f64)),
    ];
    metrics.extend(figures.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    metrics
}

/// What the trends say that no issue does.
pub(super) fn recommendations(facts: &Facts, issues: &[Issue]) -> Vec<String> {
    let is_told = |fact: &&TrendFact| {
        issues.iter().any(|issue| issue.server.is_none() || issue.server == fact.server)
    };
    let news = facts.trends.iter().filter(|fact| !is_told(fact));
    news.flat_map(|fact| drift(fact).into_iter().chain(jump(fact, facts)))
        .take(RECOMMENDATIONS_MAX)
        .collect()
}

/// `p99 of `x` rises by 12 % an hour: see ...`.
fn drift(fact: &TrendFact) -> Option<String> {
    let part = fact.trend.share_per_hour?;
    let advice = advice(fact.metric)?;
    let is_long = fact.trend.span_seconds >= DRIFT_SPAN_MIN.as_secs_f64();
    let rises = fact.trend.direction == Direction::Rising && part >= DRIFT_SHARE_MIN;
    (rises && is_long)
        .then(|| format!("{} rises by {} an hour: {advice}.", subject(fact), share(part)))
}

/// `p99 of `x` went from 0.1 to 0.2 40 min ago, when ...`.
fn jump(fact: &TrendFact, facts: &Facts) -> Option<String> {
    let advice = advice(fact.metric)?;
    let Change { at, before, after, because } = fact.trend.changes.last()?;
    let passed = Duration::from_secs_f64((epoch(facts.at) - *at as f64).max(0.0));
    if after <= before || passed > NEWS_MAX {
        return None;
    }
    let when =
        because.as_ref().map(|why| format!(", when this happened: {why}")).unwrap_or_default();
    let (before, after) = (figure(fact.metric, *before), figure(fact.metric, *after));
    let subject = subject(fact);
    Some(format!("{subject} went from {before} to {after} {} ago{when}: {advice}.", length(passed)))
}

fn figure(metric: Metric, value: f64) -> String {
    match metric {
        Metric::P50 | Metric::P90 | Metric::P99 | Metric::Wait => {
            length(Duration::try_from_secs_f64(value).unwrap_or_default())
        }
        Metric::ErrorRate | Metric::CacheHitRate => share(value),
        Metric::Memory => super::words::bytes(value),
        Metric::Rate
        | Metric::InFlight
        | Metric::Sessions
        | Metric::SessionsInUse
        | Metric::Recoveries
        | Metric::Cpu
        | Metric::Score
        | Metric::Shed => short(value),
    }
}

fn subject(fact: &TrendFact) -> String {
    let whose = fact.server.as_ref().map_or("all servers".to_owned(), |name| format!("`{name}`"));
    let what = match fact.metric {
        Metric::P50 => "the median time of calls",
        Metric::P90 | Metric::P99 => "the time of the slowest calls",
        Metric::ErrorRate => "the share of failed calls",
        Metric::Memory => "the memory",
        Metric::Wait => "the time that calls wait",
        Metric::Rate
        | Metric::InFlight
        | Metric::Sessions
        | Metric::SessionsInUse
        | Metric::Recoveries
        | Metric::Cpu
        | Metric::Score
        | Metric::Shed
        | Metric::CacheHitRate => "the load",
    };
    format!("{what} of {whose}")
}

/// What to do about a rise; `None` where a rise is nothing to act on.
const fn advice(metric: Metric) -> Option<&'static str> {
    match metric {
        Metric::P50 | Metric::P90 | Metric::P99 => Some("see which tool it is in `GET /metrics`"),
        Metric::ErrorRate => Some("see in `mcpo admin journal` which calls fail"),
        Metric::Memory => Some("watch it, and restart the server if it does not level off"),
        Metric::Wait => Some("a larger `pool` lets more calls through at once"),
        Metric::Rate
        | Metric::InFlight
        | Metric::Sessions
        | Metric::SessionsInUse
        | Metric::Recoveries
        | Metric::Cpu
        | Metric::Score
        | Metric::Shed
        | Metric::CacheHitRate => None,
    }
}
