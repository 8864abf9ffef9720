//! One task per upstream: makes its sessions, watches them, and makes them again, for ever. The
//! decisions are `mcpo_core::life` and `mcpo_core::pool`; here they are carried out and published.
//! A turn looks at all there is and takes no hint about what changed.

mod crew;
mod offer;
mod orders;
mod spares;
mod start;
mod tell;
mod tend;

use std::sync::Arc;
use std::time::Duration;

use mcpo_core::event::Event;
use mcpo_core::fault::{Fault, FaultKind};
use mcpo_core::life::{HeldBy, Life, Phase};
use mcpo_core::pool::{PoolPolicy, Step, plan};
use mcpo_mcp::endpoint::Era;
use mcpo_mcp::error::Cause;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use self::crew::Crew;
use self::offer::Offer;
use self::spares::Spares;
use self::start::{Started, start};
use self::tend::{Leave, sleep_until_some};
use crate::classify::fault_of;
use crate::directory::{Directory, Seat, View};
use crate::order::Request;
use crate::settings::Settings;

/// How long the calls under way on a replaced HTTP session are left to end. A server that is
/// restarted in good order refuses connections while it still answers what it has taken; longer
/// than this hardly any does.
const REPLACED_LINGER: Duration = Duration::from_mins(5);

/// How long sessions must be crowded before another one is started, and how soon after a look at
/// that the next one is worth its while. A handshake takes some tens of milliseconds.
const CROWDED_PAUSE: Duration = Duration::from_millis(100);

/// How often a pool that has more sessions than it keeps is looked at.
const IDLE_LOOK: Duration = Duration::from_secs(10);

/// Whether a keeper goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// It does.
    No,
    /// It ends once its calls have ended, at this time at the latest.
    Drained(Instant),
    /// It ends at once.
    Now,
}

/// Keeps one upstream.
#[derive(Debug)]
pub(crate) struct Keeper {
    settings: Arc<Settings>,
    settings_rx: watch::Receiver<Arc<Settings>>,
    seat: Seat,
    stop: watch::Receiver<Stop>,
    life: Life,
    crew: Crew,
    spares: Spares,
    offer: Offer,
    /// Why it has no session, or what failed last.
    fault: Option<Fault>,
    /// Since when it has not been usable, once it should have been.
    trouble_since: Option<Instant>,
    /// The operator wants its sessions closed, too.
    is_draining: bool,
    was_ready: bool,
    /// The era of its last session, where it is a process: one that is asked for the wrong era
    /// first has to be started twice.
    known_era: Option<Era>,
    /// How often it was connected anew after it had been ready.
    reconnects: u64,
    starts: JoinSet<Result<Started, Cause>>,
    /// Attempts that ended since the last turn; at most as many as the pool has sessions.
    arrived: Vec<Result<Started, Fault>>,
    /// Orders that came since the last turn; at most one, since a turn follows each.
    asked: Vec<Request>,
    /// When the next word on crowded sessions is asked for.
    crowded_look: Instant,
    /// Since when all sessions have been crowded, as far as was looked.
    crowded_since: Option<Instant>,
}

// === impl Keeper ===

impl Keeper {
    /// A keeper that takes its upstream's seat. Where it inherits, calls go on with what the
    /// predecessor knew of the tools until this one knows better. What an operator holds stays
    /// held.
    pub(crate) fn new(
        settings: watch::Receiver<Arc<Settings>>,
        directory: &Arc<Directory>,
        stop: watch::Receiver<Stop>,
        (predecessor, inherits): (Option<&View>, bool),
    ) -> Self {
        let settings_now = Arc::clone(&settings.borrow());
        let offer = Offer::after(predecessor, inherits);
        let epochs = predecessor.map_or(0, |view| view.epochs);
        let mut life = Life::new(settings_now.life);
        if predecessor.is_some_and(View::is_held_by_operator) {
            life.hold(HeldBy::Operator, Instant::now().into_std());
        }
        let view = View::entering(&settings_now, &offer, epochs, life.phase());
        let seat = directory.enter(view, settings_now.recovery.gate);
        Self {
            life,
            settings: settings_now,
            settings_rx: settings,
            seat,
            stop,
            crew: Crew::new(epochs),
            spares: Spares::default(),
            offer,
            fault: None,
            trouble_since: None,
            is_draining: false,
            was_ready: false,
            known_era: None,
            reconnects: 0,
            starts: JoinSet::new(),
            arrived: Vec::new(),
            asked: Vec::new(),
            crowded_look: Instant::now(),
            crowded_since: None,
        }
    }

    /// Keeps the upstream until it is told to stop; then ends its sessions in good order.
    ///
    /// Dropping it kills its children and ends its tasks at once.
    pub(crate) async fn run(mut self) {
        self.turn().await;
        while !self.is_done() {
            self.wait().await;
            self.turn().await;
        }
        self.tell(&Event::UpstreamStopped { upstream: self.settings.name.clone() });
    }

    fn is_done(&self) -> bool {
        self.life.phase() == Phase::Stopped && self.crew.is_gone()
    }

    /// Makes what there is fit what is wanted, and publishes it.
    async fn turn(&mut self) {
        self.obey_stop();
        self.take_settings().await;
        let orders = self.take_orders();
        for arrived in std::mem::take(&mut self.arrived) {
            self.take_start(arrived).await;
        }
        self.take_losses();
        self.take_lists().await;
        self.advance();
        self.publish();
        for order in orders {
            // Whoever gave it may have gone.
            let _heard = order.done.send(());
        }
        self.crew.forget_gone();
    }

    /// Waits until there may be something to do.
    ///
    /// Cancel-safe: what was taken out of a queue is kept for the next turn.
    async fn wait(&mut self) {
        let next = self.next_look();
        let is_orphan = self.life.phase() == Phase::Stopped && self.stop.has_changed().is_err();
        tokio::select! {
            biased;
            () = changed(&mut self.stop), if !is_orphan => {}
            Ok(()) = self.settings_rx.changed() => {}
            () = self.seat.bell.rings() => {}
            Some(request) = self.seat.orders.recv() => self.asked.push(request),
            Some(ended) = self.starts.join_next() => self.arrived.extend(arrival(ended)),
            Some(_) = self.crew.tasks.join_next() => {}
            () = sleep_until_some(next) => {}
        }
    }

    fn obey_stop(&mut self) {
        let told = *self.stop.borrow_and_update();
        let stop = if self.stop.has_changed().is_err() { Stop::Now } else { told };
        let leave = match stop {
            Stop::No => return,
            Stop::Drained(until) => Leave::Drained { until: Some(until) },
            Stop::Now => Leave::Now,
        };
        self.life.stop();
        self.starts.abort_all();
        self.crew.all_leave(leave);
    }

    async fn take_settings(&mut self) {
        let new = Arc::clone(&self.settings_rx.borrow_and_update());
        if Arc::ptr_eq(&new, &self.settings) {
            return;
        }
        self.settings = new;
        let events = self.offer.take_policy(&self.settings).await;
        self.tell_all(&events);
    }

    async fn take_start(&mut self, arrived: Result<Started, Fault>) {
        let now = Instant::now();
        if arrived.is_err() {
            // It may have become another one: the next attempt finds out.
            self.known_era = None;
        }
        match (arrived, self.life.phase()) {
            // What comes too late is dropped, which ends it.
            (_, Phase::Stopped) => {}
            (Ok(_), Phase::Held { by: HeldBy::Operator, .. }) if self.is_draining => {}
            (Ok(started), _) => self.take_session(started).await,
            (Err(fault), Phase::Starting) => self.note_failure(now, fault),
            (Err(fault), Phase::Ready { .. }) => {
                self.spares.failed(now, &self.settings.life.backoff);
                self.tell_failed(fault, self.spares.failures(), self.spares.wait(now));
            }
            (Err(_), Phase::Resting { .. } | Phase::Held { .. } | Phase::Dormant) => {}
        }
    }

    async fn take_session(&mut self, started: Started) {
        let identity = started.session.identity().clone();
        let took = started.took;
        self.known_era = self.settings.is_process().then(|| started.session.era());
        let listed = self.offer.take_list(&self.settings, &identity, started.tools, true).await;
        let first = self.crew.serving().next().is_none();
        self.crew.seat(&self.settings, &self.seat, started.session, started.running);
        self.tell_all(&listed);
        if !first {
            let sessions = self.crew.serving().count();
            self.tell(&Event::PoolGrew { upstream: self.settings.name.clone(), sessions });
            return;
        }
        self.tell(&Event::UpstreamReady {
            upstream: self.settings.name.clone(),
            tools: self.offer.tools(),
            protocol_version: identity.protocol_version,
            took,
        });
    }

    /// Takes those out of service that are of no more use. What is left is published at once, so
    /// that calls go there without waiting for anything.
    fn take_losses(&mut self) {
        let now = Instant::now();
        let until = now + REPLACED_LINGER;
        // A child is told to end at once: beside the next one it could fight over what they work
        // on. Calls under way to a server over HTTP may still be answered.
        let leave = if self.settings.is_process() {
            Leave::Now
        } else {
            Leave::Drained { until: Some(until) }
        };
        let lost = self.crew.take_lost(leave);
        let others = self.crew.serving().next().is_some();
        for loss in lost {
            if loss.proved {
                self.life.proved();
            }
            if others {
                self.spares.lost(now, loss.lived, &self.settings.life);
                self.tell(&Event::SessionReplaced {
                    upstream: self.settings.name.clone(),
                    session: loss.epoch,
                    fault: loss.fault,
                });
            } else {
                self.note_loss(now, loss.fault);
            }
        }
    }

    async fn take_lists(&mut self) {
        for (identity, listed) in self.crew.take_lists() {
            let events = match listed {
                Ok(tools) => self.offer.take_list(&self.settings, &identity, tools, false).await,
                Err(fault) => {
                    vec![Event::ToolsStale { upstream: self.settings.name.clone(), fault }]
                }
            };
            self.tell_all(&events);
        }
    }

    /// Moves life on to where it is due, and makes or ends sessions as it and the pool's plan say.
    fn advance(&mut self) {
        let now = Instant::now();
        if self.crew.serving().next().is_some() {
            self.note_connected(now);
        }
        let wanted = self.seat.bell.take_wanted();
        match self.life.phase() {
            Phase::Resting { until: at } | Phase::Held { look_at: Some(at), .. }
                if now.into_std() >= at =>
            {
                self.life.due()
            }
            Phase::Dormant if wanted => self.life.called(),
            phase @ (Phase::Starting
            | Phase::Ready { .. }
            | Phase::Resting { .. }
            | Phase::Held { .. }
            | Phase::Dormant
            | Phase::Stopped) => phase,
        };
        match self.life.phase() {
            Phase::Starting
                if self.starts.is_empty() && !self.crew.is_in_the_way(&self.settings) =>
            {
                self.begin(1);
            }
            Phase::Ready { .. } => self.follow_plan(now),
            Phase::Starting
            | Phase::Resting { .. }
            | Phase::Held { .. }
            | Phase::Dormant
            | Phase::Stopped => {}
        }
    }

    fn follow_plan(&mut self, now: Instant) {
        let members = self.crew.members_now();
        let steps = plan(&self.settings.pool, now.into_std(), &members, self.starts.len());
        let may_start = self.is_worth_a_start(now, &steps);
        for step in steps {
            match step {
                Step::Start(_) if !may_start || self.spares.wait(now) > Duration::ZERO => {}
                Step::Start(count) => self.begin(count),
                Step::Retire(epoch) => {
                    self.crew.retire(epoch, Leave::Drained { until: Some(now + REPLACED_LINGER) });
                    let sessions = self.crew.serving().count();
                    self.tell(&Event::PoolShrank {
                        upstream: self.settings.name.clone(),
                        sessions,
                    });
                }
            }
        }
        if now >= self.crowded_look && !self.seat.bell.hears_crowded() {
            self.seat.bell.tell_crowded(self.may_grow());
            self.crowded_look = now + CROWDED_PAUSE;
        }
    }

    /// Whether a session that is planned is one that must be there in any case, or whether the
    /// others have been crowded for long enough: a burst of calls that each take a moment is over
    /// before another session could help.
    fn is_worth_a_start(&mut self, now: Instant, steps: &[Step]) -> bool {
        if !steps.iter().any(|step| matches!(step, Step::Start(_))) {
            self.crowded_since = None;
        } else if self.has_enough() {
            let since = *self.crowded_since.get_or_insert(now);
            return now.saturating_duration_since(since) >= CROWDED_PAUSE;
        }
        true
    }

    fn has_enough(&self) -> bool {
        let PoolPolicy { min, max, .. } = self.settings.pool;
        self.crew.serving().count() + self.starts.len() >= min.min(max)
    }

    fn begin(&mut self, count: usize) {
        let era = match self.settings.era {
            Era::Auto => self.known_era.unwrap_or(Era::Auto),
            set @ (Era::Legacy | Era::Modern) => set,
        };
        for _ in 0..count {
            self.starts.spawn(start(Arc::clone(&self.settings), era));
        }
    }

    fn may_grow(&self) -> bool {
        self.crew.serving().count() + self.starts.len() < self.settings.pool.max
    }

    fn next_look(&self) -> Option<Instant> {
        let now = Instant::now();
        let is_ready = matches!(self.life.phase(), Phase::Ready { .. });
        let due = match self.life.phase() {
            Phase::Resting { until } => Some(until.into()),
            Phase::Held { look_at, .. } => look_at.map(Instant::from),
            Phase::Starting | Phase::Ready { .. } | Phase::Dormant | Phase::Stopped => None,
        };
        let serving = self.crew.serving().count();
        let idle = (is_ready && serving > self.settings.pool.min).then(|| now + IDLE_LOOK);
        let may_start = now + self.spares.wait(now);
        let spare = (is_ready && !self.has_enough()).then_some(may_start);
        let crowded_for = self.crowded_since.filter(|_| is_ready);
        let crowd = crowded_for.map(|since| may_start.max(since + CROWDED_PAUSE));
        let crowded = (is_ready && self.may_grow() && !self.seat.bell.hears_crowded())
            .then_some(self.crowded_look);
        [due, idle, spare, crowd, crowded].into_iter().flatten().min()
    }
}

/// What an attempt came to; nothing if it was called off.
fn arrival(ended: Result<Result<Started, Cause>, JoinError>) -> Option<Result<Started, Fault>> {
    match ended {
        Ok(result) => Some(result.map_err(|cause| fault_of(&cause))),
        Err(error) if error.is_cancelled() => None,
        Err(_) => Some(Err(Fault::new(FaultKind::Unreachable, "the attempt itself broke"))),
    }
}

/// Ends at a change, also when nobody is left who could make one.
async fn changed<T>(watched: &mut watch::Receiver<T>) {
    let _told_or_orphaned = watched.changed().await;
}

#[cfg(test)]
mod tests;
