//! Answers that are kept, where that is right: by the operator's word, or the upstream's own.

mod entries;
mod keepable;
mod store;

use std::time::Duration;

pub(crate) use store::{Cache, Kept, Look};

/// What a caller says of answers that are kept (RFC 9111, section 5.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Freshness {
    /// One that is kept will do.
    pub may_be_kept: bool,
    /// The answer may be kept for others.
    pub may_be_stored: bool,
    /// The oldest that will do; `None` leaves that to the cache.
    pub age_max: Option<Duration>,
    /// None but one that is kept will do: where there is none, nothing is sent.
    pub only_if_kept: bool,
}

/// What the cache did for a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheStatus {
    /// In a word.
    pub word: CacheWord,
    /// How old the answer is, where it was kept.
    pub age: Option<Duration>,
}

/// What the cache did, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CacheWord {
    /// The answer was kept and is as good as new.
    Hit,
    /// There was none; the upstream was asked.
    Miss,
    /// The answer was kept for longer than its ttl: a new one cannot be had, or is on its way.
    Stale,
    /// The caller wanted none that is kept.
    Bypass,
}

/// Which answers are to be forgotten: of all tools of all upstreams, or of one, or of one tool.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Purge<'a> {
    /// `None` for all.
    pub upstream: Option<&'a str>,
    /// `None` for all; means nothing without an upstream.
    pub tool: Option<&'a str>,
}

/// How the cache stands. Numbers only grow, but for entries and bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CacheReading {
    /// Whether anything is kept at all.
    pub enabled: bool,
    /// Answers that are kept now.
    pub entries: u64,
    /// Bytes that they take.
    pub bytes: u64,
    /// Answers at most.
    pub entries_max: u64,
    /// Bytes at most.
    pub bytes_max: u64,
    /// By upstream, by name: those whose answers were or might have been kept, or shared.
    pub servers: Vec<ServerCacheReading>,
}

/// One upstream's part of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerCacheReading {
    /// Its name in the configuration.
    pub upstream: String,
    /// Calls that were answered with one that was kept and within its ttl.
    pub hits: u64,
    /// Calls whose answer might have been kept, and was not.
    pub misses: u64,
    /// Calls that were answered with one past its ttl.
    pub stale: u64,
    /// Calls that wanted none that is kept.
    pub bypassed: u64,
    /// Calls that shared the answer of an equal call in flight.
    pub coalesced: u64,
    /// Answers that went since there was no room.
    pub evictions: u64,
    /// Answers that went since their time was over.
    pub expirations: u64,
    /// Answers that were forgotten by an operator's order.
    pub purged: u64,
    /// Answers that were fetched anew before they were asked for.
    pub refreshes: u64,
    /// Answers that are kept now.
    pub entries: u64,
    /// Bytes that they take.
    pub bytes: u64,
}

impl Default for Freshness {
    /// No wish.
    fn default() -> Self {
        Self { may_be_kept: true, may_be_stored: true, age_max: None, only_if_kept: false }
    }
}

impl Freshness {
    /// Nothing will do that was asked for by somebody else, earlier.
    pub(crate) fn wants_new(&self) -> bool {
        !self.may_be_kept || self.age_max == Some(Duration::ZERO)
    }

    /// An answer of that age will do.
    pub(crate) fn allows(&self, age: Duration) -> bool {
        self.may_be_kept && self.age_max.is_none_or(|most| age <= most)
    }
}

impl CacheStatus {
    pub(crate) const fn of(word: CacheWord) -> Self {
        Self { word, age: None }
    }
}

impl CacheWord {
    /// The name in headers and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Stale => "stale",
            Self::Bypass => "bypass",
        }
    }
}
