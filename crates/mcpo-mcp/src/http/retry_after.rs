//! What `Retry-After` says.

use std::time::{Duration, SystemTime};

use http::HeaderValue;

use crate::http::bounds::RETRY_AFTER_MAX;

/// Seconds, or an HTTP date (RFC 9110, section 10.2.3), as a length from `now` of at most
/// [`RETRY_AFTER_MAX`]; a date in the past is no wait. `None`: it says nothing that we understand.
pub(crate) fn parse(value: &HeaderValue, now: SystemTime) -> Option<Duration> {
    let text = value.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        let seconds = text.parse().unwrap_or(u64::MAX);
        return Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(now).unwrap_or_default().min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests;
