//! Everything worth telling, as data: each event becomes its log line (and later its counter and
//! its journal entry) in one place, so that they cannot disagree.

mod sentence;

use std::time::Duration;

use crate::fault::{Cure, Fault, FaultKind, Severity};
use crate::life::HeldBy;
use crate::load::ShedReason;
use crate::outcome::OutcomeKind;

/// How much an event matters, by what the reader must do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For tracing one call.
    Debug,
    /// A state changed.
    Info,
    /// Something broke and is being healed.
    Warn,
    /// A person must act.
    Error,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// An upstream can be called.
    UpstreamReady {
        /// Which.
        upstream: String,
        /// How many tools it offers.
        tools: usize,
        /// The protocol version spoken.
        protocol_version: String,
        /// From the start of the attempt.
        took: Duration,
    },
    /// An attempt to connect failed.
    UpstreamFailed {
        /// Which.
        upstream: String,
        /// Why.
        fault: Fault,
        /// Failures in a row, this one included.
        failures: u32,
        /// When it is tried again.
        retry_in: Duration,
    },
    /// A session is gone and is being replaced.
    SessionLost {
        /// Whose.
        upstream: String,
        /// Why.
        fault: Fault,
        /// The wait before the replacement; zero for at once.
        retry_in: Duration,
    },
    /// The list of tools is another than before.
    ToolsChanged {
        /// Whose.
        upstream: String,
        /// Names that came.
        added: Vec<String>,
        /// Names that went.
        removed: Vec<String>,
    },
    /// The list of tools could not be read anew; the old one stays.
    ToolsStale {
        /// Whose.
        upstream: String,
        /// Why.
        fault: Fault,
    },
    /// A tool is served although something in its declaration is broken.
    ToolFlawed {
        /// Whose.
        upstream: String,
        /// Which.
        tool: String,
        /// What is broken.
        note: String,
    },
    /// An upstream ended because it was told to.
    UpstreamStopped {
        /// Which.
        upstream: String,
    },
    /// An attempt at a call failed and the call is sent again.
    CallSentAgain {
        /// Where.
        upstream: String,
        /// What.
        tool: String,
        /// The number of the attempt that failed, from 1.
        attempt: u32,
        /// Why.
        fault: Fault,
    },
    /// A call ended without a reply.
    CallFailed {
        /// Where.
        upstream: String,
        /// What.
        tool: String,
        /// What it came to.
        outcome: OutcomeKind,
        /// Why.
        fault: Fault,
        /// How often it was tried.
        attempts: u32,
    },
    /// A call was answered after more than one attempt.
    CallRecovered {
        /// Where.
        upstream: String,
        /// What.
        tool: String,
        /// How often it was tried.
        attempts: u32,
        /// From its start to its answer.
        took: Duration,
    },
    /// Calls were turned away before anything of them was sent. Told once for many.
    CallsShed {
        /// Where they were meant to go; `None` where it was mcpo itself that had no room.
        upstream: Option<String>,
        /// Why.
        reason: ShedReason,
        /// How many, since this was told last.
        count: u64,
        /// Since the first of them.
        over: Duration,
    },
    /// A session was asked whether it lives.
    SessionProbed {
        /// Whose.
        upstream: String,
        /// Its epoch.
        session: u64,
        /// Why there was no answer; `None` if there was one.
        fault: Option<Fault>,
    },
    /// A session that was of no more use was taken out of service while others, or the next one,
    /// take its calls.
    SessionReplaced {
        /// Whose.
        upstream: String,
        /// Its epoch.
        session: u64,
        /// Why.
        fault: Fault,
    },
    /// An upstream that was away can be called again.
    Recovered {
        /// Which.
        upstream: String,
        /// How long it was away.
        away: Duration,
        /// What it was away for, or what failed last.
        fault: Fault,
    },
    /// Nothing is sent to an upstream until it is released.
    Held {
        /// Which.
        upstream: String,
        /// Who holds it.
        by: HeldBy,
        /// Why; `None` if an operator gave no reason.
        fault: Option<Fault>,
        /// What a person should do, in words.
        cure: String,
    },
    /// An upstream is held no longer.
    Released {
        /// Which.
        upstream: String,
    },
    /// An upstream that has sessions failed too often of late and is left alone.
    BreakerOpened {
        /// Which.
        upstream: String,
        /// The failure that was one too many.
        fault: Fault,
        /// How long until one call is let through.
        open_for: Duration,
    },
    /// An upstream answered the call that was let through, and is sent all of them again.
    BreakerClosed {
        /// Which.
        upstream: String,
        /// How long it was left alone.
        after: Duration,
    },
    /// A call could have been sent again, had there not been too many of these already.
    BudgetSpent {
        /// Which.
        upstream: String,
    },
    /// A session was added to an upstream's pool.
    PoolGrew {
        /// Whose.
        upstream: String,
        /// How many there are now.
        sessions: usize,
    },
    /// A session that was not needed was taken from an upstream's pool.
    PoolShrank {
        /// Whose.
        upstream: String,
        /// How many there are now.
        sessions: usize,
    },
    /// After it was connected anew, an upstream offers less than before.
    ToolsVanished {
        /// Whose.
        upstream: String,
        /// Names that went.
        tools: Vec<String>,
    },
    /// The configuration says something of tools that the upstream does not offer: a slip, or they
    /// have other names now.
    ToolsUnknown {
        /// Whose.
        upstream: String,
        /// Their names there, sorted.
        names: Vec<String>,
    },
    /// Another configuration is in force.
    ConfigReloaded {
        /// Upstreams that are new.
        started: Vec<String>,
        /// Upstreams that are gone.
        stopped: Vec<String>,
        /// Upstreams that are others now, under the same name.
        replaced: Vec<String>,
        /// Upstreams that nothing happened to, or only their settings changed.
        kept: Vec<String>,
    },
    /// A configuration is broken; the one before stays in force.
    ConfigRefused {
        /// What is wrong with it, each with its place and cure.
        problems: Vec<String>,
    },
    /// Time passed in which nothing ran here: the machine slept, or the process was stopped.
    ClockJumped {
        /// How much.
        by: Duration,
    },
    /// An operator gave an order.
    OrderGiven {
        /// To which.
        upstream: String,
        /// The order's name.
        order: &'static str,
    },
}

impl Event {
    /// The name in journal and metrics: lower case, stable.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::UpstreamReady { .. } => "upstream_ready",
            Self::UpstreamFailed { .. } => "upstream_failed",
            Self::SessionLost { .. } => "session_lost",
            Self::ToolsChanged { .. } => "tools_changed",
            Self::ToolsStale { .. } => "tools_stale",
            Self::ToolFlawed { .. } => "tool_flawed",
            Self::UpstreamStopped { .. } => "upstream_stopped",
            Self::CallSentAgain { .. } => "call_sent_again",
            Self::CallFailed { .. } => "call_failed",
            Self::CallRecovered { .. } => "call_recovered",
            Self::CallsShed { .. } => "calls_shed",
            Self::SessionProbed { .. } => "session_probed",
            Self::SessionReplaced { .. } => "session_replaced",
            Self::Recovered { .. } => "recovered",
            Self::Held { .. } => "held",
            Self::Released { .. } => "released",
            Self::BreakerOpened { .. } => "breaker_opened",
            Self::BreakerClosed { .. } => "breaker_closed",
            Self::BudgetSpent { .. } => "budget_spent",
            Self::PoolGrew { .. } => "pool_grew",
            Self::PoolShrank { .. } => "pool_shrank",
            Self::ToolsVanished { .. } => "tools_vanished",
            Self::ToolsUnknown { .. } => "tools_unknown",
            Self::ConfigReloaded { .. } => "config_reloaded",
            Self::ConfigRefused { .. } => "config_refused",
            Self::ClockJumped { .. } => "clock_jumped",
            Self::OrderGiven { .. } => "order_given",
        }
    }

    /// How much it matters.
    #[must_use]
    pub fn level(&self) -> Level {
        match self {
            // The same failure is told less and less often: 1st, 2nd, 4th, 8th time.
            Self::UpstreamFailed { failures, .. } if !failures.is_power_of_two() => Level::Debug,
            Self::UpstreamFailed { fault, .. } if fault.kind.needs_operator() => Level::Error,
            // Under a flood, or while an upstream is away, there would be one line for each call
            // that is sent away; why that is so has been told once.
            Self::CallFailed { fault, .. } if is_sent_away(fault.kind) => Level::Debug,
            Self::Held { by: HeldBy::Fault, .. } | Self::ConfigRefused { .. } => Level::Error,
            Self::UpstreamFailed { .. }
            | Self::SessionLost { .. }
            | Self::SessionReplaced { .. }
            | Self::ToolsStale { .. }
            | Self::ToolFlawed { .. }
            | Self::ToolsVanished { .. }
            | Self::ToolsUnknown { .. }
            | Self::BreakerOpened { .. }
            | Self::BudgetSpent { .. }
            | Self::ClockJumped { .. }
            | Self::CallsShed { .. }
            | Self::CallFailed { .. } => Level::Warn,
            Self::UpstreamReady { .. }
            | Self::ToolsChanged { .. }
            | Self::UpstreamStopped { .. }
            | Self::Recovered { .. }
            | Self::Held { by: HeldBy::Operator, .. }
            | Self::Released { .. }
            | Self::BreakerClosed { .. }
            | Self::ConfigReloaded { .. }
            | Self::OrderGiven { .. } => Level::Info,
            Self::CallSentAgain { .. }
            | Self::CallRecovered { .. }
            | Self::SessionProbed { .. }
            | Self::PoolGrew { .. }
            | Self::PoolShrank { .. } => Level::Debug,
        }
    }

    /// Which upstream it happened to; `None`: to mcpo itself.
    #[must_use]
    pub fn upstream(&self) -> Option<&str> {
        match self {
            Self::UpstreamReady { upstream, .. }
            | Self::UpstreamFailed { upstream, .. }
            | Self::SessionLost { upstream, .. }
            | Self::ToolsChanged { upstream, .. }
            | Self::ToolsStale { upstream, .. }
            | Self::ToolFlawed { upstream, .. }
            | Self::UpstreamStopped { upstream }
            | Self::CallSentAgain { upstream, .. }
            | Self::CallFailed { upstream, .. }
            | Self::CallRecovered { upstream, .. }
            | Self::SessionProbed { upstream, .. }
            | Self::SessionReplaced { upstream, .. }
            | Self::Recovered { upstream, .. }
            | Self::Held { upstream, .. }
            | Self::Released { upstream }
            | Self::BreakerOpened { upstream, .. }
            | Self::BreakerClosed { upstream, .. }
            | Self::BudgetSpent { upstream }
            | Self::PoolGrew { upstream, .. }
            | Self::PoolShrank { upstream, .. }
            | Self::ToolsVanished { upstream, .. }
            | Self::ToolsUnknown { upstream, .. }
            | Self::OrderGiven { upstream, .. } => Some(upstream),
            Self::CallsShed { upstream, .. } => upstream.as_deref(),
            Self::ConfigReloaded { .. } | Self::ConfigRefused { .. } | Self::ClockJumped { .. } => {
                None
            }
        }
    }

    /// What failed, where something did. Of [`Event::Recovered`] it is what had failed before.
    #[must_use]
    pub const fn fault(&self) -> Option<&Fault> {
        match self {
            Self::UpstreamFailed { fault, .. }
            | Self::SessionLost { fault, .. }
            | Self::ToolsStale { fault, .. }
            | Self::CallSentAgain { fault, .. }
            | Self::CallFailed { fault, .. }
            | Self::SessionReplaced { fault, .. }
            | Self::Recovered { fault, .. }
            | Self::BreakerOpened { fault, .. } => Some(fault),
            Self::SessionProbed { fault, .. } | Self::Held { fault, .. } => fault.as_ref(),
            Self::UpstreamReady { .. }
            | Self::ToolsChanged { .. }
            | Self::ToolFlawed { .. }
            | Self::UpstreamStopped { .. }
            | Self::CallRecovered { .. }
            | Self::CallsShed { .. }
            | Self::Released { .. }
            | Self::BreakerClosed { .. }
            | Self::BudgetSpent { .. }
            | Self::PoolGrew { .. }
            | Self::PoolShrank { .. }
            | Self::ToolsVanished { .. }
            | Self::ToolsUnknown { .. }
            | Self::ConfigReloaded { .. }
            | Self::ConfigRefused { .. }
            | Self::ClockJumped { .. }
            | Self::OrderGiven { .. } => None,
        }
    }

    /// How bad what failed is.
    #[must_use]
    pub fn severity(&self) -> Option<Severity> {
        self.fault().map(|fault| fault.kind.severity())
    }

    /// What is done about what failed.
    #[must_use]
    pub fn cure(&self) -> Option<Cure> {
        self.fault().map(|fault| fault.kind.cure())
    }
}

/// Whether calls that come to this are sent away without having been tried.
const fn is_sent_away(kind: FaultKind) -> bool {
    match kind {
        FaultKind::Overloaded | FaultKind::Held | FaultKind::BreakerOpen => true,
        FaultKind::Unreachable
        | FaultKind::NotStartable
        | FaultKind::Disconnected
        | FaultKind::Timeout
        | FaultKind::ServerError
        | FaultKind::SessionLost
        | FaultKind::Throttled
        | FaultKind::Unauthorized
        | FaultKind::Nonsense
        | FaultKind::Stopping => false,
    }
}

#[cfg(test)]
mod tests;
