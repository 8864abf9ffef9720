//! What is left of a rate, in the headers of an answer. Twice: three headers, as the first drafts of
//! draft-ietf-httpapi-ratelimit-headers had them and most clients read them, and the two of the
//! draft as it stands (-10).
//!
//! They stand in every answer to a call that has a rate, so they are written by hand: what is the
//! same for each call of a rate once, and the numbers that are not into one buffer, whose parts are
//! the values.

use std::cell::RefCell;
use std::ops::Range;

use bytes::Bytes;
use http::header::InvalidHeaderValue;
use http::{HeaderName, HeaderValue};
use mcpo_core::load::Rate;
use mcpo_policy::rate::{Quota, RateOf};

use crate::answer::Answer;

const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const SERVICE: HeaderName = HeaderName::from_static("ratelimit");

/// The longest line: a name of ours, two numbers and what stands between.
const LINE_BYTES_MAX: usize = 64;

/// What is told of a rate, however much of it is left.
#[derive(Debug, Clone)]
struct Fixed {
    limit: HeaderValue,
    policy: HeaderValue,
}

/// What is told of what is left.
#[derive(Debug)]
struct Left {
    remaining: HeaderValue,
    reset: HeaderValue,
    service: HeaderValue,
}

/// A value that is being written.
#[derive(Debug)]
struct Line(Vec<u8>);

thread_local! {
    /// The rate of each kind that was told last: hardly any call is told of another one.
    static TOLD: RefCell<[Option<(Rate, Fixed)>; RateOf::ALL.len()]> =
        const { RefCell::new([const { None }; RateOf::ALL.len()]) };
}

/// Puts what is left into an answer.
pub(crate) fn tell(answer: &mut Answer, quota: &Quota) {
    // What is made of numbers and names of ours is always a value.
    let (Ok(fixed), Ok(left)) = (Fixed::of(quota), Left::of(quota)) else { return };
    let headers = answer.headers_mut();
    headers.insert(LIMIT, fixed.limit);
    headers.insert(REMAINING, left.remaining);
    headers.insert(RESET, left.reset);
    headers.insert(POLICY, fixed.policy);
    headers.insert(SERVICE, left.service);
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

// === impl Fixed ===

impl Fixed {
    fn of(quota: &Quota) -> Result<Self, InvalidHeaderValue> {
        TOLD.with_borrow_mut(|told| {
            let told = &mut told[quota.of as usize];
            match told {
                Some((rate, fixed)) if *rate == quota.rate => Ok(fixed.clone()),
                Some(_) | None => {
                    let fixed = Self::made(quota)?;
                    *told = Some((quota.rate, fixed.clone()));
                    Ok(fixed)
                }
            }
        })
    }

    fn made(quota: &Quota) -> Result<Self, InvalidHeaderValue> {
        let (calls, seconds) = policy(quota.rate);
        let mut line = Line::of(quota.of);
        line.number(";q=", calls);
        line.number(";w=", seconds);
        let limit = quota.rate.burst.get().into();
        Ok(Self { limit, policy: HeaderValue::from_maybe_shared(line.text())? })
    }
}

// === impl Left ===

impl Left {
    fn of(quota: &Quota) -> Result<Self, InvalidHeaderValue> {
        let mut line = Line::of(quota.of);
        let remaining = line.number(";r=", quota.remaining.into());
        // A part of a second counts as a whole one, so that nobody comes back too early.
        let part = u64::from(quota.reset.subsec_nanos() > 0);
        let reset = line.number(";t=", quota.reset.as_secs() + part);
        let text = line.text();
        Ok(Self {
            remaining: HeaderValue::from_maybe_shared(text.slice(remaining))?,
            reset: HeaderValue::from_maybe_shared(text.slice(reset))?,
            service: HeaderValue::from_maybe_shared(text)?,
        })
    }
}

// === impl Line ===

impl Line {
    /// The name as a structured field's string; none of ours has anything in it to escape.
    fn of(whose: RateOf) -> Self {
        let mut text = Vec::with_capacity(LINE_BYTES_MAX);
        text.push(b'"');
        text.extend_from_slice(whose.name().as_bytes());
        text.push(b'"');
        Self(text)
    }

    /// Adds a parameter, and says where its number stands.
    fn number(&mut self, parameter: &'static str, mut number: u64) -> Range<usize> {
        self.0.extend_from_slice(parameter.as_bytes());
        let from = self.0.len();
        let digits = number.checked_ilog10().map_or(1, |tens| tens as usize + 1);
        self.0.resize(from + digits, b'0');
        for digit in self.0[from..].iter_mut().rev() {
            *digit += u8::try_from(number % 10).unwrap_or_default();
            number /= 10;
        }
        from..self.0.len()
    }

    fn text(self) -> Bytes {
        self.0.into()
    }
}

#[cfg(test)]
mod tests;
