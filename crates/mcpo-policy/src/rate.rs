//! How often a caller, an upstream and a tool may be called: token buckets, by the generic cell
//! rate algorithm (ITU-T I.371). A call takes one token of each rate that holds for it, or of none.

mod bucket;
mod buckets;

use std::hash::Hash;
use std::time::Duration;

use ahash::RandomState;
use mcpo_core::catalog::Tool;
use mcpo_core::identity::Identity;
use mcpo_core::load::Rate;
use mcpo_upstream::directory::Upstream;
use tokio::time::Instant;

use bucket::Taken;
use buckets::Buckets;

/// Identities whose buckets are kept. Those that have all their tokens are forgotten first, which
/// changes nothing for them.
pub const IDENTITIES_MAX: usize = 10_000;

/// The same of upstreams and tools together: more than the largest catalogs that are counted have
/// ([`TOOLS_IN_ALL_MAX`](mcpo_upstream::meter::TOOLS_IN_ALL_MAX)).
pub const TARGETS_MAX: usize = 20_000;

/// Whose rate it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RateOf {
    /// The caller's.
    Identity,
    /// That of all tools of the upstream together.
    Server,
    /// The tool's own.
    Tool,
}

/// What is left of the narrowest rate that holds for a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Whose rate it is.
    pub of: RateOf,
    /// What the operator says of it.
    pub rate: Rate,
    /// Calls at once, where none came before for long enough.
    pub limit: u32,
    /// Calls that may be made now.
    pub remaining: u32,
    /// Until all of them may be; where none may be made now, until the next one may.
    pub reset: Duration,
}

/// Too often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooOften {
    /// Of the rate that does not allow it.
    pub quota: Quota,
    /// When the next call may be made.
    pub retry_after: Duration,
}

/// All buckets.
#[derive(Debug)]
pub(crate) struct Rates {
    of_identities: Option<Rate>,
    /// Moments are told as nanoseconds since then.
    origin: Instant,
    /// Names become numbers by it, differently in each process, so that nobody can choose names that
    /// share a bucket; no name of a caller is kept.
    hasher: RandomState,
    identities: Buckets,
    targets: Buckets,
}

/// One call, as the rates see it.
#[derive(Debug, Clone, Copy)]
struct Asked<'a> {
    server: &'a str,
    tool: &'a str,
    identity: &'a Identity,
    of_server: Option<Rate>,
    of_tool: Option<Rate>,
}

/// A token that a call needs.
#[derive(Debug, Clone, Copy)]
struct Claim<'r> {
    of: RateOf,
    rate: Rate,
    buckets: &'r Buckets,
    key: u64,
}

// === impl RateOf ===

impl RateOf {
    /// All of them, in the order of the enum.
    pub const ALL: [Self; 3] = [Self::Identity, Self::Server, Self::Tool];

    /// The name in headers: lower case, stable.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Server => "server",
            Self::Tool => "tool",
        }
    }
}

// === impl Rates ===

impl Rates {
    pub(crate) fn new(of_identities: Option<Rate>) -> Self {
        Self {
            of_identities,
            origin: Instant::now(),
            hasher: RandomState::new(),
            identities: Buckets::new(IDENTITIES_MAX),
            targets: Buckets::new(TARGETS_MAX),
        }
    }

    /// Takes one token out of each bucket that holds for the call, or out of none. What is asked for
    /// is in force at once, also where it was another rate for the call before.
    pub(crate) fn take(
        &self,
        upstream: &Upstream,
        tool: &Tool,
        identity: &Identity,
    ) -> Result<Option<Quota>, TooOften> {
        let (of_server, of_tool) = (upstream.view.load.rate, tool.rate);
        if self.of_identities.is_none() && of_server.is_none() && of_tool.is_none() {
            return Ok(None);
        }
        let (server, tool) = (&upstream.view.name, &tool.definition.name);
        self.take_each(Asked { server, tool, identity, of_server, of_tool })
    }

    /// The caller's bucket comes first: whoever calls too often takes nothing of what others share,
    /// not even for a moment.
    fn take_each(&self, asked: Asked<'_>) -> Result<Option<Quota>, TooOften> {
        let now = u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let claims = [
            self.of_identities.map(|rate| self.of_identity(rate, asked.identity)),
            asked.of_tool.map(|rate| self.of_tool(rate, asked)),
            asked.of_server.map(|rate| self.of_server(rate, asked.server)),
        ];
        let mut narrowest = None;
        for (index, claim) in claims.iter().enumerate() {
            let Some(claim) = claim else { continue };
            match claim.take(now) {
                Ok(quota) => narrowest = Some(narrower(narrowest, quota)),
                Err(too_often) => {
                    claims[..index].iter().flatten().for_each(|claim| claim.give_back(now));
                    return Err(too_often);
                }
            }
        }
        Ok(narrowest)
    }

    fn of_identity(&self, rate: Rate, identity: &Identity) -> Claim<'_> {
        // Whoever has no name has the number of none.
        let key = identity.name().map_or(0, |name| self.number(name));
        Claim { of: RateOf::Identity, rate, buckets: &self.identities, key }
    }

    fn of_server(&self, rate: Rate, server: &str) -> Claim<'_> {
        let key = self.number(server);
        Claim { of: RateOf::Server, rate, buckets: &self.targets, key }
    }

    fn of_tool(&self, rate: Rate, asked: Asked<'_>) -> Claim<'_> {
        let key = self.number((asked.server, asked.tool));
        Claim { of: RateOf::Tool, rate, buckets: &self.targets, key }
    }

    fn number(&self, names: impl Hash) -> u64 {
        self.hasher.hash_one(names)
    }
}

/// The one with less left, or which takes longer to fill up.
fn narrower(one: Option<Quota>, other: Quota) -> Quota {
    let Some(one) = one else { return other };
    let wider = |quota: &Quota| (quota.remaining, std::cmp::Reverse(quota.reset));
    if wider(&other) < wider(&one) { other } else { one }
}

// === impl Claim ===

impl Claim<'_> {
    fn take(&self, now: u64) -> Result<Quota, TooOften> {
        let taken = self.buckets.with(self.key, now, |bucket| bucket.take(self.rate, now));
        let Self { of, rate, .. } = *self;
        let quota = |remaining, reset| {
            let limit = rate.burst.get();
            Quota { of, rate, limit, remaining, reset }
        };
        match taken {
            Taken::Yes { remaining, reset } => Ok(quota(remaining, reset)),
            Taken::No { retry_after } => {
                Err(TooOften { quota: quota(0, retry_after), retry_after })
            }
        }
    }

    fn give_back(&self, now: u64) {
        self.buckets.with(self.key, now, |bucket| bucket.give_back(self.rate));
    }
}

#[cfg(test)]
mod tests;
