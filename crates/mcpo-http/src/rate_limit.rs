//! What is left of a rate, in the headers of an answer. Each answer has three, as the first drafts of
//! draft-ietf-httpapi-ratelimit-headers had them and most clients read them; a refusal also the two of
//! the draft as it stands (-10). Those of a call that is answered are made without a look-up, and hardly
//! any allocation.

use std::cell::RefCell;

use http::{HeaderName, HeaderValue};
use mcpo_core::load::Rate;
use mcpo_policy::rate::{Quota, RateOf};

use crate::answer::{Answer, put};
use crate::cache_control::seconds_old;

const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const SERVICE: HeaderName = HeaderName::from_static("ratelimit");

/// What each answer has that a rate holds for.
pub(crate) const NAMES: [HeaderName; 3] = [LIMIT, REMAINING, RESET];

/// Of the greatest number of calls.
const DIGITS_MAX: usize = 10;

thread_local! {
    /// The limit of each kind that was told last: hardly any call is told of another one.
    static TOLD: RefCell<[Option<(u32, HeaderValue)>; RateOf::ALL.len()]> =
        const { RefCell::new([const { None }; RateOf::ALL.len()]) };
}

/// The values of [`NAMES`].
pub(crate) fn left(quota: &Quota) -> [HeaderValue; 3] {
    [limit(quota), number(quota.remaining), seconds_old(reset(quota))]
}

/// Written where it costs no allocation: the value takes a copy of its own, which is one.
fn number(mut number: u32) -> HeaderValue {
    let mut digits = [b'0'; DIGITS_MAX];
    let mut from = DIGITS_MAX;
    loop {
        from -= 1;
        digits[from] += u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
        if number == 0 {
            return HeaderValue::from_bytes(&digits[from..]).expect("digits are fit");
        }
    }
}

/// Puts what is left into an answer.
pub(crate) fn tell(answer: &mut Answer, quota: &Quota) {
    for (name, value) in NAMES.into_iter().zip(left(quota)) {
        answer.headers_mut().insert(name, value);
    }
}

/// Puts all that is known of it into a refusal.
pub(crate) fn tell_refused(answer: &mut Answer, quota: &Quota) {
    tell(answer, quota);
    // The name as a structured field's string; none of ours has anything in it to escape.
    let (of, (calls, seconds)) = (quota.of.name(), policy(quota.rate));
    put(answer, POLICY, &format!(r#""{of}";q={calls};w={seconds}"#));
    put(answer, SERVICE, &format!(r#""{of}";r={};t={}"#, quota.remaining, reset(quota)));
}

fn limit(quota: &Quota) -> HeaderValue {
    TOLD.with_borrow_mut(|told| match &mut told[quota.of as usize] {
        Some((limit, value)) if *limit == quota.limit => value.clone(),
        place @ (Some(_) | None) => place.insert((quota.limit, quota.limit.into())).1.clone(),
    })
}

/// A part of a second counts as a whole one, so that nobody comes back too early.
fn reset(quota: &Quota) -> u64 {
    quota.reset.as_secs() + u64::from(quota.reset.subsec_nanos() > 0)
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
