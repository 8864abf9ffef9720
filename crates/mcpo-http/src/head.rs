//! What every answer to a call tells in its headers, beside what it holds. Those of a good one are
//! mostly the same: they are copied from a form, in which no name is looked up and which has its
//! whole room at once.

use std::sync::LazyLock;

use http::header::{AGE, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use mcpo_core::outcome::OutcomeKind;
use mcpo_policy::cache::{CacheStatus, CacheWord};
use mcpo_policy::rate::Quota;

use crate::answer::{Answer, Content, JSON};
use crate::cache_control::{self, CACHE, seconds_old};
use crate::problem::Problem;
use crate::rate_limit;
use crate::request_id::REQUEST_ID;

pub(crate) const OUTCOME: HeaderName = HeaderName::from_static("x-mcpo-outcome");
pub(crate) const ATTEMPTS: HeaderName = HeaderName::from_static("x-mcpo-attempts");

/// With a rate or without, each with one of the cache's words or none.
const FORMS: usize = 2 * WORDS.len();
const WORDS: [Option<CacheWord>; 5] = [
    None,
    Some(CacheWord::Hit),
    Some(CacheWord::Miss),
    Some(CacheWord::Stale),
    Some(CacheWord::Bypass),
];

/// The headers of a form, and one more: also where a name is found a map first looks for room.
const HEADERS_MAX: usize = 10;

static FORMED: LazyLock<[HeaderMap; FORMS]> =
    LazyLock::new(|| std::array::from_fn(|index| formed(WORDS[index / 2], index % 2 == 1)));

/// What an answer tells of the call behind it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head<'a> {
    pub(crate) outcome: OutcomeKind,
    pub(crate) attempts: u32,
    pub(crate) cache: Option<CacheStatus>,
    /// What is left of the rates that hold for it.
    pub(crate) quota: Option<&'a Quota>,
}

/// What is not the same in each good answer stands first, in this order, the request's own name
/// before all else.
fn formed(word: Option<CacheWord>, is_rated: bool) -> HeaderMap {
    let empty = HeaderValue::from_static("");
    let mut headers = HeaderMap::with_capacity(HEADERS_MAX);
    headers.insert(REQUEST_ID, empty.clone());
    if is_rated {
        rate_limit::NAMES.into_iter().for_each(|name| drop(headers.insert(name, empty.clone())));
    }
    if has_age(word) {
        headers.insert(AGE, empty);
    }
    headers.insert(ATTEMPTS, attempts(usual_attempts(word)));
    headers.insert(OUTCOME, HeaderValue::from_static(OutcomeKind::Reply.name()));
    if let Some(word) = word {
        headers.insert(CACHE, HeaderValue::from_static(word.name()));
    }
    headers.insert(CONTENT_TYPE, JSON);
    headers
}

/// Where a word stands among [`WORDS`].
const fn place(word: Option<CacheWord>) -> usize {
    match word {
        None => 0,
        Some(CacheWord::Hit) => 1,
        Some(CacheWord::Miss) => 2,
        Some(CacheWord::Stale) => 3,
        Some(CacheWord::Bypass) => 4,
    }
}

/// Whether the answer was kept, and is told its age.
const fn has_age(word: Option<CacheWord>) -> bool {
    matches!(word, Some(CacheWord::Hit | CacheWord::Stale))
}

/// What was kept was not sent for.
const fn usual_attempts(word: Option<CacheWord>) -> u32 {
    if has_age(word) { 0 } else { 1 }
}

fn attempts(attempts: u32) -> HeaderValue {
    match attempts {
        0 => HeaderValue::from_static("0"),
        1 => HeaderValue::from_static("1"),
        more => HeaderValue::from(more),
    }
}

// === impl Head ===

impl Head<'_> {
    /// Of a call that was turned away.
    pub(crate) const NOT_SENT: Self =
        Self { outcome: OutcomeKind::NotSent, attempts: 0, cache: None, quota: None };

    /// Tells of a call that a problem came of.
    pub(crate) fn problem(&self, problem: &Problem) -> Answer {
        let mut answer = problem.answer();
        self.put(&mut answer);
        answer
    }

    /// A good answer.
    pub(crate) fn answer(&self, content_type: HeaderValue, body: impl Into<Content>) -> Answer {
        let mut answer = Answer::new(body.into());
        *answer.status_mut() = StatusCode::OK;
        let mut headers = self.filled();
        if content_type != JSON {
            headers.insert(CONTENT_TYPE, content_type);
        }
        *answer.headers_mut() = headers;
        answer
    }

    /// The form with what it lacks.
    fn filled(&self) -> HeaderMap {
        let word = self.cache.map(|status| status.word);
        let mut headers = FORMED[2 * place(word) + usize::from(self.quota.is_some())].clone();
        let left = self.quota.map(rate_limit::left).into_iter().flatten();
        let age = self.cache.and_then(|status| status.age).unwrap_or_default();
        let age = has_age(word).then(|| seconds_old(age.as_secs()));
        // Behind the request's own name, which the surface puts in.
        for (place, value) in headers.values_mut().skip(1).zip(left.chain(age)) {
            *place = value;
        }
        if self.attempts != usual_attempts(word) {
            headers.insert(ATTEMPTS, attempts(self.attempts));
        }
        headers
    }

    /// Puts it into any other answer.
    pub(crate) fn put(&self, answer: &mut Answer) {
        let headers = answer.headers_mut();
        headers.insert(OUTCOME, HeaderValue::from_static(self.outcome.name()));
        headers.insert(ATTEMPTS, attempts(self.attempts));
        if let Some(status) = self.cache {
            cache_control::tell(answer, status);
        }
        if let Some(quota) = self.quota {
            rate_limit::tell(answer, quota);
        }
    }
}

#[cfg(test)]
mod tests;
