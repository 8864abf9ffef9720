//! `/metrics/history`: what was.

use std::time::{Duration, SystemTime};

use mcpo_monitor::history::{self, HistoryError, Metric, Series};
use mcpo_monitor::monitor::Monitor;
use mcpo_monitor::trend::{self, Options};
use serde_json::Value;

use super::now;
use crate::answer::{Answer, json};
use crate::problem::Problem;
use crate::query::Query;

/// How far back is looked where nobody says.
const SPAN_DEFAULT: Duration = Duration::from_secs(3600);

/// So many points are given where nobody says how far apart they are: enough for a chart.
const POINTS_DEFAULT: u64 = 240;

/// What was of one metric, and where it goes if that is asked for.
pub(super) async fn answer(monitor: &Monitor, sent: Option<&str>) -> Result<Answer, Problem> {
    let query = Query::read(sent, &["server", "metric", "from", "to", "step", "trend"])?;
    let with_trend = match query.text("trend") {
        None | Some("0") => false,
        Some("1") => true,
        Some(_) => return Err(bad("`trend` must be 0 or 1")),
    };
    let series = monitor.history(asked(&query, now())?).await.map_err(problem)?;
    Ok(json(&told(&series, with_trend)))
}

fn told(series: &Series, with_trend: bool) -> Value {
    let mut told = serde_json::to_value(series).expect("a series is JSON");
    if with_trend {
        let trend = trend::analyse(&series.points, Options::default());
        told["trend"] = serde_json::to_value(trend).expect("a trend is JSON");
    }
    told
}

fn asked(query: &Query, now: SystemTime) -> Result<history::Query, Problem> {
    let metric = query.text("metric").and_then(Metric::from_name).ok_or_else(|| {
        let known: Vec<&str> = Metric::ALL.iter().map(|metric| metric.name()).collect();
        bad(&format!("`metric` must be one of {}", known.join(", ")))
    })?;
    let to = query.moment("to", now)?.unwrap_or(now);
    let from = match query.moment("from", now)? {
        Some(from) => from,
        None => to.checked_sub(SPAN_DEFAULT).unwrap_or(SystemTime::UNIX_EPOCH),
    };
    let span = to.duration_since(from).map_err(|_| bad("`from` must be before `to`"))?;
    let step_seconds = match query.number("step")? {
        Some(0) => return Err(bad("`step` must be a whole number of seconds above 0")),
        Some(step) => step,
        None => span.as_secs().div_ceil(POINTS_DEFAULT).max(1),
    };
    Ok(history::Query {
        server: query.text("server").map(str::to_owned),
        metric,
        from,
        to,
        step_seconds,
    })
}

fn problem(error: HistoryError) -> Problem {
    match error {
        HistoryError::BadQuery(why) => Problem::BadQuery { why },
        HistoryError::Unreadable(cause) => {
            tracing::error!(error = %cause, "the history cannot be read");
            Problem::Internal { outcome: None }
        }
    }
}

fn bad(why: &str) -> Problem {
    Problem::BadQuery { why: why.to_owned() }
}

#[cfg(test)]
mod tests;
