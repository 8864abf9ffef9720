//! `/admin/events`: what happened, also before the last start.

use std::time::{Duration, SystemTime};

use mcpo_monitor::monitor::Monitor;
use serde_json::json;

use super::now;
use crate::answer::{Answer, json as told};
use crate::problem::Problem;
use crate::query::Query;

/// How far back is looked where nobody says.
const SPAN_DEFAULT: Duration = Duration::from_secs(24 * 3600);

/// So many are told where nobody says.
const EVENTS_DEFAULT: u64 = 100;

/// Never more than so many: some hundred kilobytes.
const EVENTS_MAX: u64 = 1000;

/// The newest events of that time, oldest first.
pub(super) async fn answer(monitor: &Monitor, sent: Option<&str>) -> Result<Answer, Problem> {
    let query = Query::read(sent, &["from", "to", "server", "limit"])?;
    let now = now();
    let to = query.moment("to", now)?.unwrap_or(now);
    let day_before = || to.checked_sub(SPAN_DEFAULT).unwrap_or(SystemTime::UNIX_EPOCH);
    let from = query.moment("from", now)?.unwrap_or_else(day_before);
    let limit = query.number("limit")?.unwrap_or(EVENTS_DEFAULT).min(EVENTS_MAX);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let server = query.text("server").map(str::to_owned);
    Ok(told(&json!({"events": monitor.events((from, to), server, limit).await})))
}
