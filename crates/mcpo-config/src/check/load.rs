//! What a server of the file, or one of its tools, says of load: how many calls at once, how often,
//! and whose answers are kept.

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use mcpo_core::load::{CacheRule, CacheTimes, Rate, ServerCache, ServerLoad};

use crate::check::settings::load::ServerDefaults;
use crate::check::{keys, values};
use crate::field::{Field, Table};
use crate::report::Report;

/// Calls at once of one server or tool, and calls of a rate: more is a slip of the hand.
const COUNT_MAX: usize = 1_000_000;

const RATE_CURE: &str = "calls in a time, such as `10/s`, `600/m` or `1000/h`; `10/s burst 50` lets 50 go at once after a quiet time";

/// What a server says of the load that it takes.
pub(super) fn of_server(
    table: &Table<'_>,
    defaults: &ServerDefaults,
    report: &mut Report,
) -> ServerLoad {
    let usual = defaults.load;
    let adaptive = table.get("adaptiveLimit").and_then(|adaptive| adaptive.boolean(report));
    let waiting = count(table, "maxWaiting", 0, report);
    ServerLoad {
        max_concurrent: at_once(table, "maxConcurrent", report).unwrap_or(usual.max_concurrent),
        max_waiting: waiting.unwrap_or(usual.max_waiting),
        adaptive: adaptive.unwrap_or(usual.adaptive),
        rate: rate_of(table, report).or(usual.rate),
        max_per_identity: at_once(table, "maxConcurrentPerIdentity", report),
    }
}

/// Calls at once, under that key: one at least.
pub(super) fn at_once(table: &Table<'_>, key: &str, report: &mut Report) -> Option<NonZeroUsize> {
    count(table, key, 1, report).and_then(NonZeroUsize::new)
}

fn count(table: &Table<'_>, key: &str, min: usize, report: &mut Report) -> Option<usize> {
    let field = table.get(key)?;
    let text = field.number(report)?;
    match values::whole(text, min, COUNT_MAX) {
        Ok(count) => Some(count),
        Err(wrong) => {
            report.push(field.error(format!("`{text}` {wrong}")).cure("a number of calls"));
            None
        }
    }
}

/// `rateLimit` of a server or a tool.
pub(super) fn rate_of(table: &Table<'_>, report: &mut Report) -> Option<Rate> {
    let field = table.get("rateLimit")?;
    let text = field.text(report)?;
    match rate(text) {
        Ok(rate) => Some(rate),
        Err(wrong) => {
            report.push(field.error(format!("`{text}` {wrong}")).cure(RATE_CURE));
            None
        }
    }
}

/// `10/s`, `600/m`, `1000/h`, `5000/d`, each with ` burst N` where it is another number.
pub(super) fn rate(text: &str) -> Result<Rate, String> {
    const WRONG: &str = "is not a rate such as `10/s`, `600/m` or `10/s burst 50`";
    let words: Vec<&str> = text.split_whitespace().collect();
    let (rate, burst) = match words.as_slice() {
        [rate] => (rate, None),
        [rate, "burst", burst] => (rate, Some(burst)),
        _ => return Err(WRONG.to_owned()),
    };
    let (calls, unit) = rate.split_once('/').ok_or(WRONG)?;
    let per = match unit {
        "s" | "second" => Duration::from_secs(1),
        "m" | "min" | "minute" => Duration::from_mins(1),
        "h" | "hour" => Duration::from_hours(1),
        "d" | "day" => Duration::from_hours(24),
        _ => return Err(WRONG.to_owned()),
    };
    let number = |text: &str| {
        let number = values::whole(text, 1, COUNT_MAX)?;
        u32::try_from(number).ok().and_then(NonZeroU32::new).ok_or_else(|| WRONG.to_owned())
    };
    let calls = number(calls)?;
    let burst = burst.map(|burst| number(burst)).transpose()?.unwrap_or(calls);
    Ok(Rate { calls, per, burst })
}

/// `cache` of a server: of which of its read-only tools the answers are kept.
pub(super) fn cache_of_server(
    table: &Table<'_>,
    defaults: &ServerDefaults,
    report: &mut Report,
) -> Option<ServerCache> {
    let Some(field) = table.get("cache") else { return defaults.cache.clone() };
    match said(field, &keys::CACHE, defaults, report)? {
        (CacheRule::Never, _) => None,
        (CacheRule::Keep(times), inside) => {
            let tools = inside.as_ref().and_then(|inside| inside.get("tools"));
            let tools = tools.and_then(|tools| tools.texts(report)).unwrap_or_default();
            let tools = tools.into_iter().map(str::to_owned).collect();
            Some(ServerCache { times, tools })
        }
    }
}

/// Whether the key is there and `false`.
pub(super) fn is_switched_off(table: &Table<'_>, key: &str) -> bool {
    let literal = table.get(key).and_then(|field| field.value.as_boolean_lit());
    literal.is_some_and(|literal| !literal.value)
}

/// `cache` of a tool.
pub(super) fn cache_of_tool(
    table: &Table<'_>,
    defaults: &ServerDefaults,
    report: &mut Report,
) -> Option<CacheRule> {
    let field = table.get("cache")?;
    said(field, &keys::TOOL_CACHE, defaults, report).map(|(rule, _)| rule)
}

/// `true`, `false`, or an object with times.
fn said<'s>(
    field: &Field<'s>,
    known: &keys::Keys,
    defaults: &ServerDefaults,
    report: &mut Report,
) -> Option<(CacheRule, Option<Table<'s>>)> {
    if let Some(literal) = field.value.as_boolean_lit() {
        let usual = CacheRule::Keep(CacheTimes::of(defaults.ttl));
        return Some((if literal.value { usual } else { CacheRule::Never }, None));
    }
    if field.value.as_object().is_none() {
        let problem = field
            .error(format!("expected `true`, `false` or an object, found {}", field.type_name()));
        report.push(problem.cure(r#"for example `{"ttl": 60}`, in seconds"#));
        return None;
    }
    let inside = field.table(report)?;
    keys::report_unknown(&inside, known, report);
    let mut seconds = |key: &str, read: fn(&str) -> Result<Duration, String>| {
        let field = inside.get(key)?;
        let text = field.number(report)?;
        match read(text) {
            Ok(length) => Some(length),
            Err(wrong) => {
                report.push(field.error(format!("`{text}` {wrong}")).cure("seconds, such as 60"));
                None
            }
        }
    };
    let times = CacheTimes {
        ttl: seconds("ttl", values::seconds).unwrap_or(defaults.ttl),
        stale_while_revalidate: seconds("staleWhileRevalidate", values::seconds_or_zero)
            .unwrap_or_default(),
        stale_if_error: seconds("staleIfError", values::seconds_or_zero).unwrap_or_default(),
        refresh: inside.get("refresh").and_then(|refresh| refresh.boolean(report)) == Some(true),
    };
    Some((CacheRule::Keep(times), Some(inside)))
}
