//! What a caller says of answers that are kept (RFC 9111, section 5.2.1), and what it is told of the
//! one that it gets. What is not named here (`min-fresh`, `max-stale`, `no-transform`) is passed over,
//! as the RFC allows.

use std::time::Duration;

use http::header::{AGE, CACHE_CONTROL, PRAGMA};
use http::{HeaderMap, HeaderName, HeaderValue};
use mcpo_policy::cache::{CacheStatus, Freshness};

use crate::answer::Answer;

pub(crate) const CACHE: HeaderName = HeaderName::from_static("x-mcpo-cache");

/// RFC 9111, section 1.2.2: what is larger than can be kept counts as the greatest that can.
const SECONDS_MAX: u64 = 1 << 31;

/// The seconds of a minute, of two digits each.
const MINUTE: &str = concat!(
    "00010203040506070809",
    "10111213141516171819",
    "20212223242526272829",
    "30313233343536373839",
    "40414243444546474849",
    "50515253545556575859",
);

/// What the caller wants.
pub(crate) fn freshness(headers: &HeaderMap) -> Freshness {
    let mut wish = Freshness::default();
    let mut lines = headers.get_all(CACHE_CONTROL).iter().peekable();
    if lines.peek().is_none() {
        // What HTTP/1.0 had for it counts where there is nothing else (RFC 9111, section 5.4).
        wish.may_be_kept = !headers.get_all(PRAGMA).iter().any(is_no_cache);
        return wish;
    }
    for directive in lines.flat_map(directives) {
        heed(&mut wish, directive);
    }
    wish
}

/// Tells what the cache did.
pub(crate) fn tell(answer: &mut Answer, status: CacheStatus) {
    let headers = answer.headers_mut();
    headers.insert(CACHE, HeaderValue::from_static(status.word.name()));
    if let Some(age) = status.age {
        headers.insert(AGE, seconds_old(age.as_secs()));
    }
}

/// Less than a minute, as most answers that are kept are old, costs no allocation.
pub(crate) fn seconds_old(seconds: u64) -> HeaderValue {
    let from = usize::try_from(seconds).unwrap_or(usize::MAX).saturating_mul(2);
    let Some(two) = MINUTE.get(from..from.saturating_add(2)) else { return seconds.into() };
    HeaderValue::from_static(if seconds < 10 { &two[1..] } else { two })
}

fn is_no_cache(line: &HeaderValue) -> bool {
    directives(line).any(|directive| directive.eq_ignore_ascii_case("no-cache"))
}

/// The parts of a line. None of those that are looked at has a comma inside.
fn directives(line: &HeaderValue) -> impl Iterator<Item = &str> {
    line.to_str().unwrap_or_default().split(',').map(str::trim)
}

fn heed(wish: &mut Freshness, directive: &str) {
    let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
    let is = |known: &str| name.trim_end().eq_ignore_ascii_case(known);
    if is("no-cache") {
        wish.may_be_kept = false;
    } else if is("no-store") {
        wish.may_be_stored = false;
    } else if is("only-if-cached") {
        wish.only_if_kept = true;
    } else if is("max-age") {
        // One that cannot be read is as good as over (RFC 9111, section 4.2.1); of two the shorter
        // one does what both ask for.
        let age = seconds(value.trim().trim_matches('"')).unwrap_or(Duration::ZERO);
        wish.age_max = Some(wish.age_max.map_or(age, |other| other.min(age)));
    }
}

fn seconds(text: &str) -> Option<Duration> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = || text.parse().unwrap_or(SECONDS_MAX).min(SECONDS_MAX);
    is_number.then(|| Duration::from_secs(seconds()))
}

#[cfg(test)]
mod tests;
