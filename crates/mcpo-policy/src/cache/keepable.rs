//! Whether a result may be kept, and for how long by the upstream's own word.

use std::time::Duration;

use mcpo_core::canonical::members;
use mcpo_core::load::CacheTimes;

use crate::pipeline::Call;

/// The first protocol version in which results say for how long they are fresh (2026-07-28,
/// server/utilities/caching).
const TOLD_SINCE: &str = "2026-07-28";

/// An upstream's word counts for no longer than this: so long after, nobody remembers it.
const TOLD_TTL_MAX: Duration = Duration::from_hours(24);

/// For how long an answer may be kept, and by whose word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Term {
    pub(super) times: CacheTimes,
    /// By the upstream's own.
    pub(super) is_told: bool,
}

/// For how long the result of that call may be kept; `None` for one that must not be: it is no
/// result of a tool, or says that the tool failed, or nobody said that it may, or it is private and
/// the caller is not told apart from others.
///
/// The protocol names the results that carry `ttlMs` and `cacheScope`, and that of `tools/call` is
/// not among them; so nothing follows from their absence, and an upstream that writes both of them
/// there is taken at its word.
pub(super) fn term(call: &Call<'_>, result: &[u8]) -> Option<Term> {
    let by_word = call.tool.cache;
    // Results are read over only where something may come of it: they may be large.
    if by_word.is_none() && !(call.tool.cache_as_told && is_modern(call)) {
        return None;
    }
    let names = ["isError", "content", "resultType", "ttlMs", "cacheScope"];
    let [is_error, content, kind, ttl, scope] = members(result, names)?;
    let is_none = |value: Option<&[u8]>| value.is_none_or(|raw| raw == b"null");
    let is_complete = is_none(kind) || kind == Some(b"\"complete\"");
    let has_content = is_none(content) || content.is_some_and(|raw| raw.starts_with(b"["));
    if !(is_none(is_error) || is_error == Some(b"false")) || !is_complete || !has_content {
        return None;
    }
    let is_public = scope == Some(b"\"public\"");
    if scope.is_some() && !is_public && call.identity.name().is_none() {
        return None;
    }
    if let Some(times) = by_word {
        return (!times.ttl.is_zero()).then_some(Term { times, is_told: false });
    }
    if !is_public && scope != Some(b"\"private\"") {
        return None;
    }
    let ttl = milliseconds(ttl?)?.min(TOLD_TTL_MAX);
    // It did not say that a stale one will do, nor that it wants to be asked before.
    (!ttl.is_zero()).then_some(Term { times: CacheTimes::of(ttl), is_told: true })
}

/// Versions are dates, which sort as text.
fn is_modern(call: &Call<'_>) -> bool {
    let catalog = call.upstream.view.catalog.as_ref();
    catalog.is_some_and(|catalog| catalog.identity.protocol_version.as_str() >= TOLD_SINCE)
}

/// A whole number that is not negative; whatever else stands there means nothing.
fn milliseconds(raw: &[u8]) -> Option<Duration> {
    let is_whole = raw.iter().all(u8::is_ascii_digit);
    let number = std::str::from_utf8(raw).ok().filter(|_| is_whole)?.parse();
    Some(Duration::from_millis(number.unwrap_or(u64::MAX)))
}
