//! What is left of a rate, in the headers of an answer. Twice: three headers, as the first drafts of
//! draft-ietf-httpapi-ratelimit-headers had them and most clients read them, and the two of the
//! draft as it stands (-10).

use http::{HeaderName, HeaderValue};
use mcpo_core::load::Rate;
use mcpo_policy::rate::Quota;

use crate::answer::Answer;

const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const SERVICE: HeaderName = HeaderName::from_static("ratelimit");

/// Puts what is left into an answer.
pub(crate) fn tell(answer: &mut Answer, quota: &Quota) {
    let Quota { of, rate, limit, remaining, .. } = *quota;
    let reset = quota.reset.as_secs() + u64::from(quota.reset.subsec_nanos() > 0);
    let headers = answer.headers_mut();
    headers.insert(LIMIT, HeaderValue::from(limit));
    headers.insert(REMAINING, HeaderValue::from(remaining));
    headers.insert(RESET, HeaderValue::from(reset));
    let name = of.name();
    let (calls, seconds) = policy(rate);
    // What is made of numbers and names of ours is always a value.
    let lines = [
        (POLICY, format!("\"{name}\";q={calls};w={seconds}")),
        (SERVICE, format!("\"{name}\";r={remaining};t={reset}")),
    ];
    for (name, line) in lines {
        if let Ok(value) = HeaderValue::try_from(line) {
            headers.insert(name, value);
        }
    }
}

/// So many calls in so many seconds: the shortest window of whole seconds in which the burst is
/// made good, and in which at least one `per` goes by, so that nothing is lost by rounding.
fn policy(rate: Rate) -> (u64, u64) {
    let (calls, burst) = (u128::from(rate.calls.get()), u128::from(rate.burst.get()));
    let per = rate.per.as_nanos();
    let filled = (calls.max(burst) * per).div_ceil(calls);
    let seconds = filled.div_ceil(1_000_000_000).max(1);
    let in_window = seconds * 1_000_000_000 * calls / per;
    // A structured field's integer has 15 digits at most (RFC 9651, section 3.3.1).
    let told = |number: u128| u64::try_from(number).unwrap_or(u64::MAX).min(INTEGER_MAX);
    (told(in_window), told(seconds))
}

const INTEGER_MAX: u64 = 999_999_999_999_999;

#[cfg(test)]
mod tests;
