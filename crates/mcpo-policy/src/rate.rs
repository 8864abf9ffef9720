//! How often a caller, an upstream and a tool may be called: token buckets.

use std::time::Duration;

use mcpo_core::catalog::Tool;
use mcpo_core::identity::Identity;
use mcpo_core::load::Rate;
use mcpo_upstream::directory::Upstream;

/// What is left of the narrowest rate that holds for a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Calls at once, where none came before for long enough.
    pub limit: u32,
    /// Calls that may be made now.
    pub remaining: u32,
    /// Until all of them may be.
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
    _of_identities: Option<Rate>,
}

impl Rates {
    pub(crate) const fn new(of_identities: Option<Rate>) -> Self {
        Self { _of_identities: of_identities }
    }

    /// Takes one token out of each bucket that holds for the call, or out of none.
    #[expect(clippy::unnecessary_wraps, clippy::unused_self, reason = "no rate is kept yet")]
    pub(crate) fn take(
        &self,
        _upstream: &Upstream,
        _tool: &Tool,
        _identity: &Identity,
    ) -> Result<Option<Quota>, TooOften> {
        Ok(None)
    }
}
