//! What a keeper tells: events, and its upstream's view.

use std::time::Duration;

use mcpo_core::event::Event;
use mcpo_core::fault::{Fault, FaultKind};
use mcpo_core::life::{HeldBy, Phase};
use tokio::time::Instant;

use super::Keeper;
use super::offer::Offer;
use crate::directory::{LiveSession, PoolView, State, View};
use crate::settings::Settings;

impl Keeper {
    pub(super) fn tell(&self, event: &Event) {
        self.seat.journal().record(event);
    }

    pub(super) fn tell_all(&self, events: &[Event]) {
        for event in events {
            self.tell(event);
        }
    }

    pub(super) fn tell_failed(&self, fault: Fault, failures: u32, retry_in: Duration) {
        let upstream = self.settings.name.clone();
        self.tell(&Event::UpstreamFailed { upstream, fault, failures, retry_in });
    }

    /// There is a session: life goes on with it, unless it is held.
    pub(super) fn note_connected(&mut self, now: Instant) {
        let was_ready = matches!(self.life.phase(), Phase::Ready { .. });
        let is_ready = matches!(self.life.connected(now.into_std()), Phase::Ready { .. });
        if was_ready || !is_ready {
            return;
        }
        self.seat.gate.begin_anew(now);
        self.reconnects += u64::from(self.was_ready);
        self.was_ready = true;
        let fault = self.fault.take();
        if let (Some(since), Some(fault)) = (self.trouble_since.take(), fault) {
            let away = now.saturating_duration_since(since);
            self.tell(&Event::Recovered { upstream: self.settings.name.clone(), away, fault });
        }
    }

    pub(super) fn note_failure(&mut self, now: Instant, fault: Fault) {
        let phase = self.life.failed(now.into_std(), fastrand::f64(), &fault);
        self.trouble_since.get_or_insert(now);
        self.tell_failed(fault.clone(), self.life.failures(), wait_of(phase, now));
        self.note_fault(phase, fault);
    }

    pub(super) fn note_loss(&mut self, now: Instant, fault: Fault) {
        let phase = self.life.lost(now.into_std(), fastrand::f64(), &fault);
        self.trouble_since.get_or_insert(now);
        self.tell(&Event::SessionLost {
            upstream: self.settings.name.clone(),
            fault: fault.clone(),
            retry_in: wait_of(phase, now),
        });
        self.note_fault(phase, fault);
    }

    fn note_fault(&mut self, phase: Phase, fault: Fault) {
        if let Phase::Held { by: HeldBy::Fault, .. } = phase {
            self.tell(&Event::Held {
                upstream: self.settings.name.clone(),
                by: HeldBy::Fault,
                cure: cure(&fault, &self.settings.name),
                fault: Some(fault.clone()),
            });
        }
        self.fault = Some(fault);
    }

    /// Publishes the view, if it is another than before.
    pub(super) fn publish(&self) {
        let before = self.seat.view();
        let view = self.view(&before);
        if !view.is_same(&before) {
            self.seat.publish(view);
        }
    }

    fn view(&self, before: &View) -> View {
        let phase = self.life.phase();
        let is_ready = matches!(phase, Phase::Ready { .. });
        let (sessions, withheld): (Vec<_>, Vec<_>) = self
            .crew
            .live(&self.settings)
            .into_iter()
            .partition(|live| is_ready && live.is_usable());
        let state = self.state(phase);
        let now = Instant::now();
        let turned = before.sessions.is_empty() != sessions.is_empty();
        View {
            name: self.settings.name.clone(),
            since: if before.state == state { before.since } else { now },
            state,
            away_since: if turned { now } else { before.away_since },
            catalog: self.offer.catalog.clone(),
            catalog_version: self.offer.version,
            missing_tools: self.offer.missing.clone(),
            sessions,
            withheld,
            timeout: self.settings.timeout,
            load: self.settings.load,
            epochs: self.crew.epochs(),
            reconnects: self.reconnects,
            pool: PoolView {
                min: self.settings.pool.min,
                max: self.settings.pool.max,
                starting: self.starts.len(),
                draining: self.crew.leaving(),
            },
        }
    }

    fn state(&self, phase: Phase) -> State {
        let failures = self.life.failures();
        match phase {
            Phase::Ready { .. } => State::Ready,
            Phase::Starting => State::Starting { failures, fault: self.fault.clone() },
            Phase::Resting { until } => State::Resting {
                failures,
                fault: self
                    .fault
                    .clone()
                    .unwrap_or_else(|| Fault::new(FaultKind::Unreachable, "not started yet")),
                retry_at: until.into(),
            },
            Phase::Held { by, look_at } => {
                let look_at = look_at.map(Instant::from);
                State::Held { by, fault: self.fault.clone(), look_at }
            }
            Phase::Dormant => State::Dormant,
            Phase::Stopped => State::Stopped,
        }
    }
}

fn wait_of(phase: Phase, now: Instant) -> Duration {
    match phase {
        Phase::Resting { until: at } | Phase::Held { look_at: Some(at), .. } => {
            at.saturating_duration_since(now.into_std())
        }
        // At once, or not by the clock.
        Phase::Held { look_at: None, .. }
        | Phase::Starting
        | Phase::Ready { .. }
        | Phase::Dormant
        | Phase::Stopped => Duration::ZERO,
    }
}

/// What a person should do about a fault that holds an upstream.
fn cure(fault: &Fault, name: &str) -> String {
    let first = match fault.kind {
        FaultKind::Unauthorized => "give it credentials that it takes",
        FaultKind::Nonsense => "check that its address or command is that of an MCP server",
        FaultKind::Disconnected => "see in its last words why it ends right after each start",
        FaultKind::NotStartable => "check its command",
        FaultKind::Unreachable
        | FaultKind::Timeout
        | FaultKind::ServerError
        | FaultKind::SessionLost
        | FaultKind::Throttled
        | FaultKind::Overloaded
        | FaultKind::Stopping
        | FaultKind::Held
        | FaultKind::BreakerOpen => "see what is wrong with it",
    };
    format!("{first}, then `mcpo admin release {name}`; it is looked at again by itself, rarely")
}

// === impl View ===

impl View {
    /// That of an upstream that is about to be started, or is held.
    pub(super) fn entering(settings: &Settings, offer: &Offer, epochs: u64, phase: Phase) -> Self {
        let now = Instant::now();
        let state = match phase {
            Phase::Held { by, .. } => State::Held { by, fault: None, look_at: None },
            Phase::Starting
            | Phase::Ready { .. }
            | Phase::Resting { .. }
            | Phase::Dormant
            | Phase::Stopped => State::Starting { failures: 0, fault: None },
        };
        Self {
            name: settings.name.clone(),
            state,
            since: now,
            away_since: now,
            catalog: offer.catalog.clone(),
            catalog_version: offer.version,
            missing_tools: Vec::new(),
            sessions: Vec::new(),
            withheld: Vec::new(),
            timeout: settings.timeout,
            load: settings.load,
            epochs,
            reconnects: 0,
            pool: PoolView {
                min: settings.pool.min,
                max: settings.pool.max,
                starting: 0,
                draining: 0,
            },
        }
    }

    /// Whether there is nothing to tell to who knows the other.
    fn is_same(&self, other: &Self) -> bool {
        let epochs =
            |lives: &[LiveSession]| lives.iter().map(|live| live.epoch).collect::<Vec<_>>();
        self.state == other.state
            && self.catalog_version == other.catalog_version
            && self.missing_tools == other.missing_tools
            && epochs(&self.sessions) == epochs(&other.sessions)
            && epochs(&self.withheld) == epochs(&other.withheld)
            && self.timeout == other.timeout
            && self.load == other.load
            && self.epochs == other.epochs
            && self.reconnects == other.reconnects
            && self.pool == other.pool
    }
}
