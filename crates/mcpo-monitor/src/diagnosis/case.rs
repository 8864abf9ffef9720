//! One upstream's case: what is known of it, and what keeps it from being used.

use std::time::{Duration, SystemTime};

use mcpo_config::{Endpoint, Server};
use mcpo_core::event::Event;
use mcpo_core::fault::{Fault, FaultKind};
use mcpo_core::life::HeldBy;
use mcpo_upstream::journal::Entry;

use super::Facts;
use super::check::{Chain, broken_links};
use crate::picture::{BreakerName, FIVE_MINUTES, ServerPicture};

/// What is known of one upstream.
#[derive(Debug)]
pub(super) struct Case<'a> {
    pub(super) facts: &'a Facts,
    pub(super) name: &'a str,
    pub(super) config: Option<&'a Server>,
    /// `None` where nothing runs.
    pub(super) seen: Option<&'a ServerPicture>,
    pub(super) chain: Option<&'a Chain>,
    /// What happened to it, the oldest first.
    entries: Vec<&'a Entry>,
    /// What keeps it from being used.
    pub(super) trouble: Option<Trouble>,
}

/// What the facts have of one upstream: to look for it in all of them, for each of a thousand, would
/// take longer than all the rest.
#[derive(Debug)]
pub(super) struct Known<'a> {
    pub(super) config: Option<&'a Server>,
    pub(super) seen: Option<&'a ServerPicture>,
    pub(super) entries: Vec<&'a Entry>,
}

/// What keeps an upstream from being used.
#[derive(Debug, Clone)]
pub(super) struct Trouble {
    pub(super) fault: Fault,
    /// The chain up to the broken link.
    pub(super) links: Vec<String>,
    pub(super) since: Option<SystemTime>,
    /// A look just now found nothing wrong.
    pub(super) is_over: bool,
}

/// Attempts at calls that failed in the same way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Failures {
    /// How many, of late.
    pub(super) count: usize,
    /// Their share of all calls, 0 to 1.
    pub(super) share: f64,
    pub(super) since: Option<SystemTime>,
}

/// What happened in this time counts as of late: the window of the alerts.
pub(crate) const LATELY: Duration = Duration::from_secs(300);
/// What did not happen again for so long is over.
const OVER_AFTER: Duration = Duration::from_secs(60);
/// Fewer failures are an accident.
const FAILURES_MIN: usize = 3;
/// A smaller share of failures is for the error budget to judge.
const FAILED_SHARE_MIN: f64 = 0.05;
/// A session that was lost is made again within this time, as a rule: before, nothing is wrong yet.
const HEALING_MAX: Duration = Duration::from_secs(5);

// === impl Case ===

impl<'a> Case<'a> {
    pub(super) fn new(facts: &'a Facts, name: &'a str, known: Known<'a>) -> Self {
        let Known { config, seen, entries } = known;
        let chain = facts.chains.get(name);
        let mut case = Self { facts, name, config, seen, chain, entries, trouble: None };
        case.trouble = case.find_trouble();
        case
    }

    /// Whether it is a command that is started here.
    pub(super) fn is_process(&self) -> bool {
        self.config.is_some_and(|server| matches!(server.endpoint, Endpoint::Stdio(_)))
    }

    /// Whether calls can be sent to it.
    pub(super) fn is_usable(&self) -> bool {
        match self.seen {
            Some(seen) => seen.sessions > 0,
            None => self.chain.is_some_and(Chain::is_whole),
        }
    }

    /// Whether an operator holds it.
    pub(super) fn is_held_by_operator(&self) -> bool {
        self.seen.is_some_and(|seen| seen.held_by == Some(HeldBy::Operator))
    }

    /// Whether it holds itself, and waits for a person.
    pub(super) fn is_held_by_fault(&self) -> bool {
        self.seen.is_some_and(|seen| seen.held_by == Some(HeldBy::Fault))
    }

    /// What happened within that time, the oldest first.
    pub(super) fn within(&self, time: Duration) -> impl DoubleEndedIterator<Item = &'a Entry> {
        let at = self.facts.at;
        // Times of the future, after a clock was set back, are of late.
        let is_late = move |entry: &&Entry| at.duration_since(entry.at).unwrap_or_default() <= time;
        self.entries.iter().copied().filter(is_late)
    }

    /// All that is known to have happened, the newest first.
    pub(super) fn backwards(&self) -> impl Iterator<Item = &'a Entry> {
        self.entries.iter().rev().copied()
    }

    /// What keeps it from being used is of this kind.
    pub(super) fn trouble_of(&self, kind: FaultKind) -> Option<&Trouble> {
        self.trouble.as_ref().filter(|trouble| trouble.fault.kind == kind)
    }

    /// Calls that fail in this way although it can be called, if enough of them do to matter and
    /// still do.
    pub(super) fn failures(&self, kind: FaultKind) -> Option<Failures> {
        let seen = self.seen.filter(|seen| seen.sessions > 0)?;
        let times: Vec<SystemTime> = self
            .within(LATELY)
            .filter(|entry| failed_so(entry, kind))
            .map(|entry| entry.at)
            .collect();
        let last = *times.last()?;
        let calls = seen.calls.windows[FIVE_MINUTES].total().max(times.len() as u64);
        let share = times.len() as f64 / calls as f64;
        let is_shut = seen.breaker != BreakerName::Closed && self.breaker_kind() == Some(kind);
        let goes_on = self.facts.at.duration_since(last).unwrap_or_default() <= OVER_AFTER;
        let matters = times.len() >= FAILURES_MIN && share >= FAILED_SHARE_MIN && goes_on;
        let failures = Failures { count: times.len(), share, since: times.first().copied() };
        (matters || is_shut).then_some(failures)
    }

    /// What the breaker opened for last.
    fn breaker_kind(&self) -> Option<FaultKind> {
        let opened = self.backwards().filter(|e| matches!(e.event, Event::BreakerOpened { .. }));
        opened.filter_map(|entry| entry.event.fault()).map(|fault| fault.kind).next()
    }

    /// Whether looking at it may tell more than is known: it cannot be called although it should,
    /// or its calls fail.
    pub(super) fn is_worth_a_look(&self) -> bool {
        let Some(seen) = self.seen else { return true };
        let is_idle = matches!(seen.state, "stopped" | "dormant");
        let is_left = is_idle || self.is_held_by_operator() || self.is_healing(seen);
        let is_down = !self.is_usable() && !is_left;
        let fails = || FaultKind::ALL.into_iter().any(|kind| self.failures(kind).is_some());
        is_down || fails()
    }

    fn find_trouble(&self) -> Option<Trouble> {
        let Some(seen) = self.seen else {
            let chain = self.chain?;
            let (fault, links) = (chain.fault.clone()?, chain.links.clone());
            return Some(Trouble { fault, links, since: None, is_over: false });
        };
        if self.is_held_by_operator() || matches!(seen.state, "stopped" | "dormant") {
            return None;
        }
        let looked = self.chain.and_then(|chain| Some((chain.fault.clone()?, chain.links.clone())));
        if self.is_usable() {
            // Its calls say more than a look does, unless nothing gets there at all.
            let (fault, links) = looked.filter(|(fault, _)| keeps_calls_out(fault.kind))?;
            return Some(Trouble { fault, links, since: self.away_since(), is_over: false });
        }
        if self.is_healing(seen) {
            return None;
        }
        let recorded = || {
            let fault = self.recorded_fault(seen)?;
            let links = self.config.map(|it| broken_links(it, &fault, status_in(&fault.detail)));
            Some((fault, links.unwrap_or_default()))
        };
        let (fault, links) = looked.or_else(recorded)?;
        let since = self.away_since().or(Some(seen.since));
        let is_over = self.chain.is_some_and(Chain::is_whole);
        Some(Trouble { fault, links, since, is_over })
    }

    /// What is wrong as the keeper knows it, with all that the journal knows of it.
    fn recorded_fault(&self, seen: &ServerPicture) -> Option<Fault> {
        let kind = seen.fault?;
        let told = self.backwards().filter(|entry| ends_service(&entry.event));
        let told = told.filter_map(|entry| entry.event.fault()).find(|fault| fault.kind == kind);
        let detail = seen.detail.as_deref().unwrap_or_default();
        Some(told.cloned().unwrap_or_else(|| Fault::new(kind, detail)))
    }

    /// It is being connected since a moment ago, and no attempt at that has failed yet.
    fn is_healing(&self, seen: &ServerPicture) -> bool {
        let since_ready = self.backwards().take_while(|entry| !is_ready_again(&entry.event));
        let has_failed = since_ready
            .into_iter()
            .any(|entry| matches!(entry.event, Event::UpstreamFailed { .. } | Event::Held { .. }));
        let away = self.facts.at.duration_since(seen.since).unwrap_or_default();
        seen.state == "starting" && !has_failed && away < HEALING_MAX
    }

    /// When it went away, as far back as the journal knows.
    fn away_since(&self) -> Option<SystemTime> {
        self.backwards()
            .take_while(|entry| !is_ready_again(&entry.event))
            .filter(|entry| ends_service(&entry.event))
            .last()
            .map(|entry| entry.at)
    }
}

const fn is_ready_again(event: &Event) -> bool {
    matches!(event, Event::UpstreamReady { .. } | Event::Recovered { .. })
}

const fn ends_service(event: &Event) -> bool {
    matches!(event, Event::UpstreamFailed { .. } | Event::SessionLost { .. } | Event::Held { .. })
}

/// Whether a call, or a probe, failed in this way.
fn failed_so(entry: &Entry, kind: FaultKind) -> bool {
    let is_attempt = matches!(
        entry.event,
        Event::CallFailed { .. } | Event::CallSentAgain { .. } | Event::SessionProbed { .. }
    );
    is_attempt && entry.event.fault().is_some_and(|fault| fault.kind == kind)
}

/// Whether no call gets through where a new connection meets this.
const fn keeps_calls_out(kind: FaultKind) -> bool {
    matches!(kind, FaultKind::Unreachable | FaultKind::Unauthorized)
}

/// How a process ended, out of the words that tell of it. For showing only: nothing is decided by it.
fn status_in(detail: &str) -> Option<&str> {
    detail.strip_prefix("the process ended (")?.split_once(')').map(|(status, _)| status)
}
