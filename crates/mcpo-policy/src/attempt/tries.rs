//! What became of a call's attempts so far.

use std::time::Duration;

use mcpo_core::fault::Fault;
use mcpo_core::outcome::{Outcome, OutcomeKind};
use mcpo_mcp::answer::Answer;
use tokio::time::Instant;

use crate::coalesce::Facts;
use crate::idempotency::Lead;
use crate::pipeline::Report;

/// An [`Outcome`] that is no reply.
#[derive(Debug)]
pub(super) enum Failed {
    /// See [`Outcome::NotSent`].
    NotSent(Fault),
    /// See [`Outcome::Refused`].
    Refused(Fault),
    /// See [`Outcome::Unknown`].
    Unknown(Fault),
}

/// What became of the attempts so far.
#[derive(Debug)]
pub(super) struct Tries<'l> {
    /// When the call began.
    pub(super) began: Instant,
    pub(super) made: u32,
    /// The time of all of them.
    pub(super) upstream: Duration,
    /// The last one.
    pub(super) failed: Option<Failed>,
    /// The session of the last one is of no more use.
    pub(super) session_is_spent: bool,
    /// The last one leaves it open whether the upstream is there at all, since then.
    pub(super) doubt: Option<Doubt>,
    /// One of them came to [`Outcome::Unknown`]: whatever follows, the call may have acted.
    pub(super) may_have_acted: bool,
    /// An attempt was made that the budget was not charged for.
    had_free_one: bool,
    concern: Concern<'l>,
}

/// Who else is concerned with what becomes of a call's attempts.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Concern<'l> {
    /// Nobody.
    Nobody,
    /// Calls with the same key.
    Key(&'l Lead<'l>),
    /// Those who wait for the same flight.
    Flight(&'l Facts),
}

/// Whether an upstream is there at all.
#[derive(Debug, Clone, Copy)]
pub(super) struct Doubt {
    /// Since when it is open.
    pub(super) since: Instant,
    /// Once it is known to be there, the next attempt is free.
    pub(super) may_be_free: bool,
}

// === impl Failed ===

impl Failed {
    pub(super) fn of(outcome: Outcome<Answer>) -> Result<Answer, Self> {
        match outcome {
            Outcome::Reply(answer) => Ok(answer),
            Outcome::NotSent(fault) => Err(Self::NotSent(fault)),
            Outcome::Refused(fault) => Err(Self::Refused(fault)),
            Outcome::Unknown(fault) => Err(Self::Unknown(fault)),
        }
    }

    pub(super) const fn kind(&self) -> OutcomeKind {
        match self {
            Self::NotSent(_) => OutcomeKind::NotSent,
            Self::Refused(_) => OutcomeKind::Refused,
            Self::Unknown(_) => OutcomeKind::Unknown,
        }
    }

    pub(super) const fn fault(&self) -> &Fault {
        match self {
            Self::NotSent(fault) | Self::Refused(fault) | Self::Unknown(fault) => fault,
        }
    }
}

// === impl Tries ===

impl<'l> Tries<'l> {
    /// None yet; but a call with the same key that had the lead before may have acted.
    pub(super) fn new(began: Instant, concern: Concern<'l>) -> Self {
        Self {
            began,
            made: 0,
            upstream: Duration::ZERO,
            failed: None,
            session_is_spent: false,
            doubt: None,
            may_have_acted: concern.may_have_acted(),
            had_free_one: false,
            concern,
        }
    }

    /// From here on nobody knows what the attempt does, until it ends.
    pub(super) fn sending(&self) {
        self.concern.tell_sending();
    }

    /// An attempt ended; it left a doubt since then, or none.
    pub(super) fn sent(&mut self, failed: Option<&Failed>, spent: bool, doubt: Option<Instant>) {
        self.made += 1;
        self.session_is_spent = spent;
        self.doubt = doubt.map(|since| Doubt { since, may_be_free: !self.had_free_one });
        self.may_have_acted |= failed.is_some_and(|failed| failed.kind() == OutcomeKind::Unknown);
        self.concern.tell(self.may_have_acted);
    }

    /// The next attempt is allowed: paid for, or free.
    pub(super) fn settle_doubt(&mut self, was_free: bool) {
        self.had_free_one |= was_free;
        self.doubt = None;
    }

    /// When somebody's patience with the call is over, where that is before its deadline.
    pub(super) const fn impatient_at(&self) -> Option<Instant> {
        match self.concern {
            Concern::Nobody | Concern::Key(_) => None,
            Concern::Flight(facts) => facts.impatient_at,
        }
    }

    /// The last attempt's result, unless an earlier one leaves it unknown what was done.
    pub(super) fn report(self, last: Result<Answer, Failed>) -> Report {
        let outcome = match last {
            Ok(answer) => Outcome::Reply(answer),
            Err(Failed::NotSent(fault) | Failed::Refused(fault)) if self.may_have_acted => {
                Outcome::Unknown(fault)
            }
            Err(Failed::NotSent(fault)) => Outcome::NotSent(fault),
            Err(Failed::Refused(fault)) => Outcome::Refused(fault),
            Err(Failed::Unknown(fault)) => Outcome::Unknown(fault),
        };
        Report::new(outcome, self.made, self.upstream)
    }
}

// === impl Concern ===

impl Concern<'_> {
    /// A call that had its turn before may have acted.
    fn may_have_acted(self) -> bool {
        match self {
            Self::Nobody | Self::Flight(_) => false,
            Self::Key(lead) => lead.may_have_acted(),
        }
    }

    /// By when an answer must be there to be of use to whoever asks, given the call's deadline.
    pub(crate) fn patience(self, deadline: Instant) -> Instant {
        match self {
            Self::Nobody | Self::Key(_) => deadline,
            Self::Flight(facts) => facts.patience(),
        }
    }

    /// There is room for the call at its upstream.
    pub(crate) fn tell_placed(self) {
        match self {
            Self::Nobody | Self::Key(_) => {}
            Self::Flight(facts) => facts.set_has_place(),
        }
    }

    /// Whether the call may have acted so far, should it be dropped now.
    fn tell(self, may_have_acted: bool) {
        match self {
            Self::Nobody => {}
            Self::Key(lead) => lead.set_may_have_acted(may_have_acted),
            Self::Flight(facts) => facts.set_may_have_acted(may_have_acted),
        }
    }

    fn tell_sending(self) {
        match self {
            Self::Nobody => {}
            Self::Key(lead) => lead.set_may_have_acted(true),
            Self::Flight(facts) => facts.sending(),
        }
    }
}
