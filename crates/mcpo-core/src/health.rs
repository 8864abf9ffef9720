//! Whether a session still lives: when to ask it, what to ask, and when its silence means that it
//! is dead. A call never waits for this; what calls hear is a sign as good as any.
//!
//! ```text
//!           silent for long, or in doubt         no answer              no answer
//!   (none) -----------------------------> Ping ------------> List --------------------> Silent
//!      ^                                   |                  |                          |  |
//!      +------ anything is heard ----------+------------------+--------------------------+  |
//!                                                                                           |
//!   Silent, nothing in flight ................................................... Dead <----+
//!   Silent, it owes an answer for as long as any call in flight may take ........ Dead <----+
//!   Silent, it may be at work on a call (a server of one thread is mute then) ... wait <----+
//!   Silent, what was in flight has ended without an answer ...................... Ping anew
//! ```
//!
//! A dead one is found, counted from the last that was heard of it:
//!
//! - without calls: after `probe_every` and two probe timeouts;
//! - with calls in flight all the time: after `patience` and two probe timeouts;
//! - with calls that come and go unanswered: `patience` and three probe timeouts after it was first
//!   asked, since new calls do not take away that it owes the answer to a question.

use std::time::{Duration, Instant};

use crate::backoff::after;

/// What decides when a session is asked whether it lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HealthPolicy {
    /// One that was silent for so long is asked. `None`: only one that is in doubt is.
    pub probe_every: Option<Duration>,
    /// How long an answer may take.
    pub probe_timeout: Duration,
    /// A call that meets a session not heard of for longer than this waits for a probe.
    pub stale: Duration,
}

impl Default for HealthPolicy {
    /// Asked every 30 s, half the shortest idle timeout that proxies and NATs are commonly set to
    /// (60 s); 5 s for an answer, far more than a living server needs for one; stale after 90 s,
    /// which three questions would have come before, so that time itself has stood still.
    fn default() -> Self {
        Self {
            probe_every: Some(Duration::from_secs(30)),
            probe_timeout: Duration::from_secs(5),
            stale: Duration::from_secs(90),
        }
    }
}

/// What is known of a session from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signs {
    /// When anything was last heard of it.
    pub heard_at: Instant,
    /// Since when there has been a call in flight at all times; `None`: there is none now.
    pub busy_since: Option<Instant>,
    /// Whether a call gave reason to ask it at once. For the owner to set and to take back.
    pub doubted: bool,
    /// The longest time that any of the calls in flight may take.
    pub patience: Duration,
}

/// What a session is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// `ping`, or what the era has for it.
    Ping,
    /// `tools/list`: a server may not know how to answer a ping, but it has listed before.
    List,
}

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Ask it, and say so by [`Health::asked`].
    Ask(Question),
    /// Come again then, or when the signs are others; `None`: only then.
    WaitUntil(Option<Instant>),
    /// It is dead: replace it.
    Dead,
}

/// A session that is doubted again and again although it answers, or one whose calls may take no
/// time, is asked no more often than this: what waits for the answer hardly notices, and twenty
/// questions a second are no burden beside the calls that raise the doubts.
const ASK_PAUSE: Duration = Duration::from_millis(50);

/// After so many probe timeouts without a word from whoever asks, the question counts as lost. Two,
/// so that a timeout that is told on time always comes first.
const LOST_AFTER_TIMEOUTS: u32 = 2;

/// One session's health.
#[derive(Debug, Clone)]
pub struct Health {
    policy: HealthPolicy,
    /// When it last answered a question, or was made.
    answered_at: Instant,
    /// When the last round of questions began.
    pinged_at: Option<Instant>,
    /// When the first list was asked for that it has owed ever since. Whatever reached it later
    /// has to wait behind that, so that later calls do not make its silence any younger.
    owes_since: Option<Instant>,
    inquiry: Inquiry,
}

/// How far a round of questions has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inquiry {
    /// There is none.
    None,
    /// A question is under way.
    Asking { question: Question, at: Instant },
    /// The first question was not answered.
    PingUnanswered,
    /// No question was answered.
    Silent {
        /// It had calls in flight when that was found.
        was_busy: bool,
    },
}

impl Health {
    /// That of a session that has just been made.
    #[must_use]
    pub const fn new(policy: HealthPolicy, now: Instant) -> Self {
        Self { policy, answered_at: now, pinged_at: None, owes_since: None, inquiry: Inquiry::None }
    }

    /// What to do now, given these signs. To be asked when the time that it said has come, when the
    /// signs have changed, and when a question has ended.
    pub fn next(&mut self, now: Instant, signs: &Signs) -> Next {
        let heard_at = self.answered_at.max(signs.heard_at);
        if self.pinged_at.is_some_and(|asked| heard_at > asked) {
            self.forget_inquiry();
        }
        match self.inquiry {
            Inquiry::None => self.look(now, heard_at, signs),
            Inquiry::Asking { at, .. } => {
                let lost_at = after(at, self.policy.probe_timeout * LOST_AFTER_TIMEOUTS);
                if now < lost_at {
                    return Next::WaitUntil(Some(lost_at));
                }
                self.unanswered(now);
                self.next(now, signs)
            }
            Inquiry::PingUnanswered => Next::Ask(Question::List),
            Inquiry::Silent { was_busy } => self.judge(now, heard_at, signs, was_busy),
        }
    }

    /// Whether it is time to ask.
    fn look(&self, now: Instant, heard_at: Instant, signs: &Signs) -> Next {
        let due = if signs.doubted {
            Some(now)
        } else {
            self.policy.probe_every.map(|every| match signs.busy_since {
                None => after(heard_at, every.max(ASK_PAUSE)),
                Some(busy) => after(heard_at.max(busy), every.min(signs.patience).max(ASK_PAUSE)),
            })
        };
        let earliest = self.pinged_at.map(|asked| after(asked, ASK_PAUSE));
        match due.map(|due| earliest.map_or(due, |earliest| earliest.max(due))) {
            Some(due) if due <= now => Next::Ask(Question::Ping),
            due => Next::WaitUntil(due),
        }
    }

    /// What its silence means.
    fn judge(&mut self, now: Instant, heard_at: Instant, signs: &Signs, was_busy: bool) -> Next {
        let Some(busy) = signs.busy_since else {
            // What it was busy with may have been given up a moment ago; it may be at it still.
            return if was_busy { Next::Ask(Question::Ping) } else { Next::Dead };
        };
        self.inquiry = Inquiry::Silent { was_busy: true };
        let owes_a_call = heard_at.max(busy);
        let since = self.owes_since.map_or(owes_a_call, |asked| asked.min(owes_a_call));
        if now.saturating_duration_since(since) >= signs.patience {
            return Next::Dead;
        }
        Next::WaitUntil(Some(after(since, signs.patience)))
    }

    /// It was asked. A question that was under way before is replaced.
    pub fn asked(&mut self, now: Instant, question: Question) {
        if question == Question::Ping {
            self.pinged_at = Some(now);
        }
        self.inquiry = Inquiry::Asking { question, at: now };
    }

    /// It answered, with whatever: an error is a sign of life as well.
    pub fn answered(&mut self, now: Instant) {
        self.answered_at = self.answered_at.max(now);
        self.forget_inquiry();
    }

    /// It did not answer in time. Of a question that was put no more, this says nothing.
    pub fn unanswered(&mut self, _now: Instant) {
        if let Inquiry::Asking { question, at } = self.inquiry {
            self.inquiry = match question {
                Question::Ping => Inquiry::PingUnanswered,
                Question::List => {
                    self.owes_since.get_or_insert(at);
                    Inquiry::Silent { was_busy: false }
                }
            };
        }
    }

    fn forget_inquiry(&mut self) {
        self.owes_since = None;
        self.inquiry = Inquiry::None;
    }
}

#[cfg(test)]
mod tests;
