//! What an operator says about load, as plain values: how often, how many at once, how long an
//! answer is kept. And the reasons for which a call is turned away.

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

/// How often something may be done: `calls` in each `per`, and `burst` at once after a quiet time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Calls in each [`per`](Self::per).
    pub calls: NonZeroU32,
    /// Longer than zero.
    pub per: Duration,
    /// Calls at once, where none came before for long enough.
    pub burst: NonZeroU32,
}

/// For how long an answer is kept, and when it may still be given after that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheTimes {
    /// It is as good as new for so long.
    pub ttl: Duration,
    /// After that, it is given for so long while a new one is fetched (RFC 5861, section 3). Zero
    /// for never.
    pub stale_while_revalidate: Duration,
    /// After the ttl, it is given for so long where no new one can be had (RFC 5861, section 4).
    /// Zero for never.
    pub stale_if_error: Duration,
    /// One that is asked for again and again is fetched anew shortly before its ttl is over.
    pub refresh: bool,
}

/// What the operator says of the cache for one tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheRule {
    /// Answers are not kept, whatever the upstream says.
    Never,
    /// They are, also of a tool that is not read-only: the operator's explicit word.
    Keep(CacheTimes),
}

/// What the operator says of the cache for one server: answers of its read-only tools are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerCache {
    /// How long.
    pub times: CacheTimes,
    /// Of which tools: names, with `*` for any number of characters. Empty for all.
    pub tools: Vec<String>,
}

/// How much of one server's calls are in hand at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerLoad {
    /// Calls in flight at most; what is learnt of the server may lower it.
    pub max_concurrent: NonZeroUsize,
    /// Calls that wait for one of these places at most.
    pub max_waiting: usize,
    /// Whether losses and timeouts lower the number of calls in flight.
    pub adaptive: bool,
    /// How often its tools may be called, all together; `None` for as often as you like.
    pub rate: Option<Rate>,
    /// Calls in flight and waiting at most of one identity; `None` for as many as there are places.
    pub max_per_identity: Option<NonZeroUsize>,
}

/// Why a call was turned away before anything of it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ShedReason {
    /// As many calls as the process takes are in hand.
    ProcessFull,
    /// The process is short of processor time: calls wait for too long before they are looked at.
    ProcessSlow,
    /// As many calls wait for the server as may.
    ServerFull,
    /// Its deadline was reached while it waited, or was too near to be met.
    TooLate,
    /// The caller has as many calls in hand as one may.
    IdentityFull,
    /// The caller, the server or the tool is called more often than is allowed.
    RateLimited,
}

impl CacheTimes {
    /// As good as new for so long, and of no use after that.
    #[must_use]
    pub const fn of(ttl: Duration) -> Self {
        let zero = Duration::ZERO;
        Self { ttl, stale_while_revalidate: zero, stale_if_error: zero, refresh: false }
    }
}

impl ServerLoad {
    /// Calls of one server at once. Well below the connections and the calls that the process
    /// takes in all, so that one that hangs leaves room for the others.
    pub const MAX_CONCURRENT: NonZeroUsize = NonZeroUsize::new(1024).expect("it is not zero");
    /// As many again as are in flight: whoever waits behind them would hardly be served in time.
    pub const MAX_WAITING: usize = 1024;
}

impl Default for ServerLoad {
    fn default() -> Self {
        Self {
            max_concurrent: Self::MAX_CONCURRENT,
            max_waiting: Self::MAX_WAITING,
            adaptive: true,
            rate: None,
            max_per_identity: None,
        }
    }
}

impl ShedReason {
    /// Every reason, in the order of the enum.
    pub const ALL: [Self; 6] = [
        Self::ProcessFull,
        Self::ProcessSlow,
        Self::ServerFull,
        Self::TooLate,
        Self::IdentityFull,
        Self::RateLimited,
    ];

    /// The name in metrics and answers: lower case, stable.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ProcessFull => "process_full",
            Self::ProcessSlow => "process_slow",
            Self::ServerFull => "server_full",
            Self::TooLate => "too_late",
            Self::IdentityFull => "identity_full",
            Self::RateLimited => "rate_limited",
        }
    }
}

impl ServerCache {
    /// Whether answers of the tool of that name are meant.
    #[must_use]
    pub fn means(&self, tool: &str) -> bool {
        self.tools.is_empty() || self.tools.iter().any(|pattern| matches(pattern, tool))
    }
}

/// Whether the pattern, with `*` for any number of characters, fits the whole name.
#[must_use]
pub fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests;
