//! What an operator can have done to an upstream, and what is answered.

use mcpo_core::fault::Fault;
use tokio::sync::oneshot;

/// An operator's order to one upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Order {
    /// Replace every session.
    Reconnect,
    /// Send nothing new. Sessions stay, calls under way end.
    Hold,
    /// End [`Order::Hold`] and [`Order::Drain`]; it is tried at once.
    Release,
    /// Send nothing new, and close each session once its calls have ended.
    Drain,
    /// Forget what it did so far: breaker, budget, backoff, crashes. It is tried at once.
    Reset,
    /// Look now whether each session lives; one that is away is tried now.
    Validate,
}

/// How an upstream stands once an order was carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The name of its state.
    pub state: &'static str,
    /// Sessions that calls are sent on.
    pub sessions: usize,
    /// Calls under way, also on sessions that are sent no more.
    pub in_flight: usize,
    /// What is wrong with it, if anything is.
    pub fault: Option<Fault>,
}

/// Why an order was not carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// Nobody keeps the upstream any more.
    #[error("the upstream was removed")]
    Gone,
    /// [`ORDERS_WAITING_MAX`] orders wait already.
    #[error("too many orders wait for the upstream")]
    Full,
    /// It may still be carried out.
    #[error("the order was not carried out in time")]
    Late,
}

/// Orders that wait for one keeper. A keeper carries one out in well under a millisecond, so that
/// only a flood comes to this.
pub const ORDERS_WAITING_MAX: usize = 16;

/// An order on its way to the keeper.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) order: Order,
    pub(crate) done: oneshot::Sender<()>,
}

impl Order {
    /// Every order, in the order of the enum.
    pub const ALL: [Self; 6] =
        [Self::Reconnect, Self::Hold, Self::Release, Self::Drain, Self::Reset, Self::Validate];

    /// The name in paths and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reconnect => "reconnect",
            Self::Hold => "hold",
            Self::Release => "release",
            Self::Drain => "drain",
            Self::Reset => "reset",
            Self::Validate => "validate",
        }
    }

    /// The order of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|order| order.name() == name)
    }
}
