//! One upstream at one time, as everybody else sees it.

use std::sync::Arc;
use std::time::Duration;

use mcpo_core::catalog::Catalog;
use mcpo_core::fault::Fault;
use mcpo_core::life::HeldBy;
use mcpo_core::load::ServerLoad;
use tokio::time::Instant;

use crate::live::LiveSession;

/// One upstream at one time. In this order: what each call reads is on lines side by side.
#[derive(Debug)]
#[repr(C)]
pub struct View {
    /// Its name in the configuration.
    pub name: String,
    /// The last catalog that it gave; kept while it is away. `None` until it was ready once.
    pub catalog: Option<Arc<Catalog>>,
    /// The sessions to send calls on, oldest first; empty while it is away or held.
    pub sessions: Vec<LiveSession>,
    /// How long a call may take where the call does not say; `None` leaves it to the default.
    pub timeout: Option<Duration>,
    /// How much of its calls is in hand at once, and how often it may be called.
    pub load: ServerLoad,
    /// Where it is in its life.
    pub state: State,
    /// Since when it is in that state.
    pub since: Instant,
    /// Since when it has had no session; while it has one, when that came.
    pub away_since: Instant,
    /// Grows with every new catalog of this upstream.
    pub catalog_version: u64,
    /// Tools that an earlier session offered and the ones since do not; empty once they are back,
    /// or after [`Order::Reset`](crate::order::Order::Reset).
    pub missing_tools: Vec<String>,
    /// Sessions that are there and are sent no calls: they are held, or end with their last call.
    pub withheld: Vec<LiveSession>,
    /// How many sessions it has had, those before it was replaced included.
    pub epochs: u64,
    /// How often it was connected anew after it had been ready.
    pub reconnects: u64,
    /// How many sessions there may be, and what is under way to that.
    pub pool: PoolView,
}

/// The size of an upstream's pool of sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolView {
    /// As many sessions are kept, whether they are needed or not.
    pub min: usize,
    /// Never more than this, without those that end.
    pub max: usize,
    /// Connection attempts under way.
    pub starting: usize,
    /// Sessions that end once their calls have.
    pub draining: usize,
}

/// Where an upstream is in its life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Being connected; `failures` counts the attempts that failed in a row before this one, and
    /// `fault` is the last one's.
    Starting {
        /// Attempts failed in a row.
        failures: u32,
        /// Why the last one failed, or why the session before was lost.
        fault: Option<Fault>,
    },
    /// It has a session and a catalog.
    Ready,
    /// The last attempt failed; the next one is at `retry_at`.
    Resting {
        /// Attempts failed in a row, at least 1.
        failures: u32,
        /// Why.
        fault: Fault,
        /// When it is tried again.
        retry_at: Instant,
    },
    /// Nothing is sent to it until it is released, by the operator or by a look that finds it well.
    Held {
        /// Who holds it.
        by: HeldBy,
        /// What it did, where that is why.
        fault: Option<Fault>,
        /// When it is looked at by itself; `None` for never.
        look_at: Option<Instant>,
    },
    /// It has no session, and gets one when a call asks.
    Dormant,
    /// Removed, or mcpo is stopping.
    Stopped,
}

// === impl View ===

impl View {
    /// Whether calls can be sent now.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        !self.sessions.is_empty()
    }

    /// The session to send a call on: that of the least cost, the oldest where it is the same, none
    /// that is of no more use or whose epoch is in `spent`.
    #[must_use]
    pub fn pick(&self, spent: &[u64]) -> Option<&LiveSession> {
        let usable = |live: &&LiveSession| live.is_usable() && !spent.contains(&live.epoch);
        self.sessions.iter().filter(usable).min_by_key(|live| live.cost())
    }

    /// Calls under way on its sessions, also on those that are sent no more.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.sessions.iter().chain(&self.withheld).map(LiveSession::outstanding).sum()
    }

    pub(crate) fn is_held_by_operator(&self) -> bool {
        matches!(self.state, State::Held { by: HeldBy::Operator, .. })
    }

    pub(super) fn same_document(&self, other: &Self) -> bool {
        self.name == other.name
            && self.catalog_version == other.catalog_version
            && self.catalog.is_some() == other.catalog.is_some()
    }
}

// === impl State ===

impl State {
    /// The name in health answers and logs.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Starting { .. } => "starting",
            Self::Ready => "ready",
            Self::Resting { .. } => "resting",
            Self::Held { .. } => "held",
            Self::Dormant => "dormant",
            Self::Stopped => "stopped",
        }
    }

    /// What is wrong with it, if anything is.
    #[must_use]
    pub const fn fault(&self) -> Option<&Fault> {
        match self {
            Self::Starting { fault, .. } | Self::Held { fault, .. } => fault.as_ref(),
            Self::Resting { fault, .. } => Some(fault),
            Self::Ready | Self::Dormant | Self::Stopped => None,
        }
    }
}
