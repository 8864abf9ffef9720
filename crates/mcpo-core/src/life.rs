//! The life of one upstream as a state machine: what to do next after a start, a failure, a loss.
//!
//! ```text
//!              connected                     lost (first time, or after a long life)
//!   +----------+        +---------+  -------------------------------------------+
//!   | Starting | -----> |  Ready  |                                             |
//!   +----------+        +---------+  ---- lost again soon ----> +-----------+   |
//!     ^   ^  |                                                  |  Resting  |   |
//!     |   |  +------------------ failed ----------------------> +-----------+   |
//!     |   +--------------------- due ---------------------------------+         |
//!     +-------------------------------------------------------------------------+
//!   Starting, Ready -- failed or lost, and trying again is of no use --> Held by the fault
//!   Held by the fault -- due (one look), release --> Starting
//!   any state -- hold --> Held by the operator -- release --> Starting
//!   Starting, Ready -- failed or lost, recovery switched off --> Dormant -- called --> Starting
//!   any state -- stop --> Stopped
//! ```

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::backoff::{Backoff, after};
use crate::fault::{Fault, FaultKind};

/// Where an upstream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// A connection attempt is under way.
    Starting,
    /// There is a session.
    Ready {
        /// Since when.
        since: Instant,
    },
    /// Waiting before the next attempt.
    Resting {
        /// When the next attempt is due.
        until: Instant,
    },
    /// No call is sent to it, until it is released.
    Held {
        /// Who holds it.
        by: HeldBy,
        /// When one attempt is made to see whether the reason has gone; `None`: never.
        look_at: Option<Instant>,
    },
    /// Recovery is switched off: the next call that wants it starts an attempt.
    Dormant,
    /// No attempt will be made any more.
    Stopped,
}

/// Who holds an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HeldBy {
    /// A person said so.
    Operator,
    /// Its own fault: trying again is of no use until a person has changed something.
    Fault,
}

/// What decides how fast an upstream is tried again, and when that is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LifePolicy {
    /// Whether it is tried again by itself.
    pub recovery: bool,
    /// The waits between attempts.
    pub backoff: Backoff,
    /// How long a session must have lived for its loss to count as the first failure again.
    pub sustained: Duration,
    /// So many crashes within the window are a crash loop. `None`: it is no process but reached
    /// over a network, where a broken stream is no crash: a gateway takes connections and breaks
    /// them for as long as its server is away. Such an attempt has cost the upstream nothing.
    pub crashes_max: Option<usize>,
    /// How long a crash counts.
    pub crash_window: Duration,
    /// The waits before each look at one that is held by its fault.
    pub held_look: Backoff,
}

/// With the waits below ten in a row take more than a minute and a half, in which a cause that
/// passes has passed: a file that is being written, a port that the last process still holds.
const CRASHES_MAX: usize = 10;
/// Longer than these ten and their waits take, with half a minute for each start.
const CRASH_WINDOW: Duration = Duration::from_mins(10);
/// A gateway that shows a page of its own, or refuses everybody, for a minute heals within one. In
/// the long run six refused attempts an hour are no hammering, and what was repaired without a word
/// to mcpo heals within minutes.
const HELD_LOOK: Backoff =
    Backoff { first: Duration::from_secs(30), most: Duration::from_mins(10) };

/// How long one that refuses or breaks connections is left alone, as a share of the time for which
/// it has been away: who was away for two seconds or less is found back within 30 ms.
const FREE_SHARE: f64 = 0.01;
/// An attempt that is refused costs some 0.1 ms, so that 50 a second cost half a percent of a core.
const FREE_LEAST: Duration = Duration::from_millis(20);
/// After a long time away one more second does not matter.
const FREE_MOST: Duration = Duration::from_secs(1);

impl Default for LifePolicy {
    /// 0.5 s to 60 s; a session counts as sustained after 5 s, longer than servers that fail right
    /// after their handshake were seen to live.
    fn default() -> Self {
        Self {
            recovery: true,
            backoff: Backoff { first: Duration::from_millis(500), most: Duration::from_secs(60) },
            sustained: Duration::from_secs(5),
            crashes_max: Some(CRASHES_MAX),
            crash_window: CRASH_WINDOW,
            held_look: HELD_LOOK,
        }
    }
}

/// One upstream's life. Moves take `now` and `dice` and say the phase that follows.
#[derive(Debug, Clone)]
pub struct Life {
    policy: LifePolicy,
    phase: Phase,
    /// When the last session was lost, or the first attempt failed; `None` while there is one.
    away_since: Option<Instant>,
    record: Record,
}

/// What is held against an upstream.
#[derive(Debug, Clone, Default)]
struct Record {
    /// Attempts that failed since there was a session.
    failed_starts: u32,
    /// Sessions in a row that did not last, the last one included.
    early_losses: u32,
    /// When it crashed of late, the oldest first; at most `crashes_max`.
    crashes: VecDeque<Instant>,
    /// How often it spoke nonsense since a session lasted.
    nonsense: u32,
    /// How often it was held by its fault since a session lasted. On parole the first sign of the
    /// same is enough.
    holds: u32,
    /// A call was answered on the session that there is.
    proved: bool,
}

/// What went wrong, by what the upstream had done before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Setback {
    /// There was no session.
    FailedStart,
    /// There was one, and it was of no use.
    EarlyLoss {
        /// The one before was.
        is_first: bool,
    },
    /// There was one that lasted or had answered.
    Loss,
}

impl Life {
    /// A life that begins with an attempt.
    #[must_use]
    pub fn new(policy: LifePolicy) -> Self {
        Self { policy, phase: Phase::Starting, away_since: None, record: Record::default() }
    }

    /// Where it is.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// Since when there has been no session; `None` while there is one, and before the first
    /// attempt has failed.
    #[must_use]
    pub const fn away_since(&self) -> Option<Instant> {
        self.away_since
    }

    /// How often in a row it failed: attempts since there was a session, or sessions that did not
    /// last beyond the first such loss, whichever is more.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.record.failed_starts.max(self.record.early_losses.saturating_sub(1))
    }

    /// There is a session. Early losses are forgotten only once a session proves to last. A
    /// further session of one that is ready changes nothing, and an operator's hold stays.
    pub fn connected(&mut self, now: Instant) -> Phase {
        match self.phase {
            Phase::Starting | Phase::Resting { .. } | Phase::Dormant => self.ready(now),
            Phase::Held { by: HeldBy::Fault, .. } => self.ready(now),
            Phase::Held { by: HeldBy::Operator, .. } | Phase::Ready { .. } | Phase::Stopped => {
                self.phase
            }
        }
    }

    fn ready(&mut self, now: Instant) -> Phase {
        self.record.failed_starts = 0;
        self.record.proved = false;
        self.away_since = None;
        self.go(Phase::Ready { since: now })
    }

    /// A call was answered on the session that there is: it is of use, however short it lives.
    pub fn proved(&mut self) {
        if let Phase::Ready { .. } = self.phase {
            self.record.proved = true;
        }
    }

    /// The attempt failed. While there is a session nothing follows: then it was one for a
    /// further session, and the upstream is not away.
    pub fn failed(&mut self, now: Instant, dice: f64, fault: &Fault) -> Phase {
        if self.phase != Phase::Starting {
            return self.phase;
        }
        self.record.failed_starts = self.record.failed_starts.saturating_add(1);
        self.away_since.get_or_insert(now);
        self.decide(now, dice, fault, Setback::FailedStart)
    }

    /// The last session is gone. The first loss is repaired at once; an upstream that loses its
    /// sessions soon after each start is given the waits of one that does not start. Nothing
    /// follows where there was none.
    pub fn lost(&mut self, now: Instant, dice: f64, fault: &Fault) -> Phase {
        let Phase::Ready { since } = self.phase else { return self.phase };
        self.away_since = Some(now);
        let setback = self.judge_loss(now.saturating_duration_since(since));
        self.decide(now, dice, fault, setback)
    }

    fn judge_loss(&mut self, lived: Duration) -> Setback {
        let record = &mut self.record;
        if record.proved || lived >= self.policy.sustained {
            record.early_losses = 1;
            record.nonsense = 0;
            record.holds = 0;
            return Setback::Loss;
        }
        record.early_losses = record.early_losses.saturating_add(1);
        Setback::EarlyLoss { is_first: record.early_losses == 1 }
    }

    /// What follows a setback: the one place where that is decided.
    fn decide(&mut self, now: Instant, dice: f64, fault: &Fault, setback: Setback) -> Phase {
        if !self.policy.recovery {
            return self.go(Phase::Dormant);
        }
        if self.is_beyond_repair(now, fault, setback) {
            return self.hold(HeldBy::Fault, now);
        }
        let at_once = match setback {
            Setback::Loss | Setback::EarlyLoss { is_first: true } => true,
            // A new session may put it right, and that shows at once.
            Setback::FailedStart | Setback::EarlyLoss { is_first: false } => {
                fault.kind == FaultKind::Nonsense
            }
        };
        if at_once { self.go(Phase::Starting) } else { self.rest(now, dice, fault, setback) }
    }

    /// Whether trying again by itself is of no use. On parole the first sign is enough.
    fn is_beyond_repair(&mut self, now: Instant, fault: &Fault, setback: Setback) -> bool {
        match fault.kind {
            // Where there was a session, a new one may be given what the old one no longer was.
            FaultKind::Unauthorized => setback == Setback::FailedStart,
            FaultKind::Nonsense => {
                self.record.nonsense = self.record.nonsense.saturating_add(1);
                self.record.nonsense > 1 || self.record.holds > 0
            }
            FaultKind::Disconnected => setback != Setback::Loss && self.note_crash(now),
            FaultKind::Unreachable
            | FaultKind::NotStartable
            | FaultKind::Timeout
            | FaultKind::ServerError
            | FaultKind::SessionLost
            | FaultKind::Throttled
            | FaultKind::Overloaded
            | FaultKind::Stopping
            | FaultKind::Held
            | FaultKind::BreakerOpen => false,
        }
    }

    /// Whether this crash makes a crash loop.
    fn note_crash(&mut self, now: Instant) -> bool {
        let Some(crashes_max) = self.policy.crashes_max else { return false };
        let crashes = &mut self.record.crashes;
        crashes.retain(|&at| now.saturating_duration_since(at) < self.policy.crash_window);
        crashes.push_back(now);
        if crashes.len() > crashes_max {
            crashes.pop_front();
        }
        crashes.len() >= crashes_max || self.record.holds > 0
    }

    /// Whether the attempt cost the upstream nothing: nobody listened, or what listens there broke
    /// the connection. To a process each attempt is a start.
    ///
    /// A session that is made and soon lost has cost a handshake; and being away for a moment each
    /// time, such an upstream would be given new ones without end.
    fn was_free(&self, fault: &Fault, setback: Setback) -> bool {
        let is_process = self.policy.crashes_max.is_some();
        setback == Setback::FailedStart
            && (fault.was_free() || (fault.kind == FaultKind::Disconnected && !is_process))
    }

    fn rest(&mut self, now: Instant, dice: f64, fault: &Fault, setback: Setback) -> Phase {
        let backoff = self.policy.backoff;
        let usual = if self.was_free(fault, setback) {
            let away = self.away_since.map(|since| now.saturating_duration_since(since));
            free_wait(away.unwrap_or_default(), dice)
        } else {
            backoff.wait(self.failures(), dice)
        };
        // As long as it asks for, but no longer than one that is simply away.
        let asked = fault.retry_after.unwrap_or_default().min(backoff.most);
        self.go(Phase::Resting { until: after(now, usual.max(asked)) })
    }

    /// The wait is over, or the time to look at one that is held by its fault has come.
    pub fn due(&mut self) -> Phase {
        match self.phase {
            Phase::Resting { .. } | Phase::Held { by: HeldBy::Fault, .. } => {
                self.go(Phase::Starting)
            }
            Phase::Held { by: HeldBy::Operator, .. }
            | Phase::Starting
            | Phase::Ready { .. }
            | Phase::Dormant
            | Phase::Stopped => self.phase,
        }
    }

    /// It is held. What an operator holds is not taken over by a fault.
    pub fn hold(&mut self, by: HeldBy, now: Instant) -> Phase {
        match (by, self.phase) {
            (HeldBy::Operator, _) => self.go(Phase::Held { by, look_at: None }),
            (HeldBy::Fault, Phase::Held { .. }) => self.phase,
            (
                HeldBy::Fault,
                Phase::Starting
                | Phase::Ready { .. }
                | Phase::Resting { .. }
                | Phase::Dormant
                | Phase::Stopped,
            ) => {
                self.record.holds = self.record.holds.saturating_add(1);
                // Without jitter: two looks that fall together are two requests.
                let wait = self.policy.held_look.wait(self.record.holds, 0.0);
                self.go(Phase::Held { by, look_at: Some(after(now, wait)) })
            }
        }
    }

    /// It is held no longer, and tried at once with nothing held against it. Sessions that were
    /// left are for the caller to tell of, by [`Life::connected`].
    pub fn release(&mut self) -> Phase {
        let Phase::Held { .. } = self.phase else { return self.phase };
        self.record = Record::default();
        self.go(Phase::Starting)
    }

    /// Nothing is held against it any more, and one that waits is tried at once. An operator's
    /// hold stays.
    pub fn reset(&mut self) -> Phase {
        self.record = Record::default();
        match self.phase {
            Phase::Resting { .. } | Phase::Dormant | Phase::Held { by: HeldBy::Fault, .. } => {
                self.go(Phase::Starting)
            }
            Phase::Starting
            | Phase::Ready { .. }
            | Phase::Held { by: HeldBy::Operator, .. }
            | Phase::Stopped => self.phase,
        }
    }

    /// A call wants it: one that is dormant is tried.
    pub fn called(&mut self) -> Phase {
        if self.phase == Phase::Dormant { self.go(Phase::Starting) } else { self.phase }
    }

    /// No more of it.
    pub fn stop(&mut self) -> Phase {
        self.go(Phase::Stopped)
    }

    fn go(&mut self, next: Phase) -> Phase {
        if self.phase != Phase::Stopped {
            self.phase = next;
        }
        self.phase
    }
}

/// The wait before the next look at an upstream that takes no connections: looking costs it
/// nothing, so that the wait follows how long it has been away and not how often it was tried.
fn free_wait(away: Duration, dice: f64) -> Duration {
    let step = away.mul_f64(FREE_SHARE).clamp(FREE_LEAST, FREE_MOST);
    Backoff { first: step, most: FREE_MOST }.wait(1, dice)
}

impl HeldBy {
    /// The name in logs and answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Fault => "fault",
        }
    }
}

#[cfg(test)]
mod tests;
