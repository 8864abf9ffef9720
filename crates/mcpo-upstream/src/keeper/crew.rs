//! The sessions of one upstream that its keeper has: those that serve, and those that are ending.

use std::sync::Arc;
use std::time::Duration;

use mcpo_core::catalog::ServerIdentity;
use mcpo_core::fault::Fault;
use mcpo_core::pool::{MemberNow, MemberState};
use mcpo_mcp::session::Session;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::start::Running;
use super::tend::{Leave, Tended};
use crate::directory::Seat;
use crate::live::{Listed, LiveSession, Member, Rules};
use crate::settings::Settings;

/// All sessions of one keeper.
#[derive(Debug)]
pub(super) struct Crew {
    /// In the order of their epochs. Those that are ending stay until nothing is left of them.
    hands: Vec<Hand>,
    /// How many sessions there have been.
    epochs: u64,
    /// One task each. What they come to stands on their members.
    pub(super) tasks: JoinSet<()>,
}

#[derive(Debug)]
struct Hand {
    epoch: u64,
    session: Session,
    member: Arc<Member>,
    leave: watch::Sender<Leave>,
    /// It ends because somebody wants it to, and not because it is of no more use: then the next
    /// process waits for the end of this one.
    is_polite: bool,
}

/// A session that was of no more use.
pub(super) struct Loss {
    pub(super) epoch: u64,
    pub(super) fault: Fault,
    pub(super) lived: Duration,
    /// A call was answered on it.
    pub(super) proved: bool,
}

// === impl Crew ===

impl Crew {
    /// None, the next one of which is numbered after `epochs`.
    pub(super) fn new(epochs: u64) -> Self {
        Self { hands: Vec::new(), epochs, tasks: JoinSet::new() }
    }

    pub(super) fn epochs(&self) -> u64 {
        self.epochs
    }

    /// Takes a session into service.
    pub(super) fn seat(
        &mut self,
        settings: &Settings,
        seat: &Seat,
        session: Session,
        running: Running,
    ) {
        self.epochs += 1;
        let rules = Rules {
            is_probed: settings.recovery.enabled,
            connection_per_call: settings.has_connection_per_call(),
            stale: settings.recovery.health.stale,
            grow_at: settings.pool.grow_at,
        };
        let member = Member::new(rules, Arc::clone(&seat.bell));
        let (leave, leave_rx) = watch::channel(Leave::Stay);
        let tended = Tended {
            upstream: settings.name.clone(),
            epoch: self.epochs,
            session: session.clone(),
            running,
            member: Arc::clone(&member),
            leave: leave_rx,
            health: settings.health(),
            list_timeout: settings.handshake_timeout,
            journal: Arc::clone(seat.journal()),
            gate: Arc::clone(&seat.gate),
        };
        self.tasks.spawn(tended.run());
        self.hands.push(Hand { epoch: self.epochs, session, member, leave, is_polite: false });
    }

    /// Those that calls may be sent on, oldest first.
    pub(super) fn serving(&self) -> impl Iterator<Item = &Arc<Member>> {
        self.hands.iter().map(|hand| &hand.member).filter(|member| member.is_usable())
    }

    /// Those of which anything is left, for the snapshot; oldest first.
    pub(super) fn live(&self, settings: &Settings) -> Vec<LiveSession> {
        let left = self.hands.iter().filter(|hand| !hand.member.is_over());
        let live = left.map(|hand| LiveSession {
            epoch: hand.epoch,
            connection_per_call: settings.has_connection_per_call(),
            session: hand.session.clone(),
            member: Arc::clone(&hand.member),
        });
        live.collect()
    }

    /// How many are ending.
    pub(super) fn leaving(&self) -> usize {
        self.hands.iter().filter(|hand| hand.member.is_leaving() && !hand.member.is_over()).count()
    }

    pub(super) fn members_now(&self) -> Vec<MemberNow> {
        let now = self.hands.iter().map(|Hand { epoch, member, .. }| MemberNow {
            epoch: *epoch,
            outstanding: member.outstanding(),
            idle_since: member.idle_since().map(Instant::into_std),
            state: match (member.is_usable(), member.is_doubted()) {
                (false, _) => MemberState::Draining,
                (true, true) => MemberState::Doubted,
                (true, false) => MemberState::Ready,
            },
        });
        now.collect()
    }

    /// Takes those out of service that are of no more use, and says why.
    pub(super) fn take_lost(&mut self, leave: Leave) -> Vec<Loss> {
        let mut lost = Vec::new();
        for hand in self.hands.iter().filter(|hand| !hand.member.is_leaving()) {
            if let Some(fault) = hand.member.spent_by() {
                lost.push(Loss {
                    epoch: hand.epoch,
                    fault: fault.clone(),
                    lived: hand.member.born().elapsed(),
                    proved: hand.member.is_proved(),
                });
                hand.leave(leave);
            }
        }
        lost
    }

    /// New lists of tools, each with the upstream's word on who it is.
    pub(super) fn take_lists(&self) -> Vec<(ServerIdentity, Listed)> {
        let usable = self.hands.iter().filter(|hand| hand.member.is_usable());
        let listed = usable.filter_map(|hand| {
            hand.member.take_list().map(|listed| (hand.session.identity().clone(), listed))
        });
        listed.collect()
    }

    /// Lets one end.
    pub(super) fn retire(&mut self, epoch: u64, leave: Leave) {
        for hand in self.hands.iter_mut().filter(|hand| hand.epoch == epoch) {
            hand.is_polite = true;
            hand.leave(leave);
        }
    }

    /// Lets all end, also those that were ending already.
    pub(super) fn all_leave(&mut self, leave: Leave) {
        for hand in &mut self.hands {
            hand.is_polite = true;
            hand.leave(leave);
        }
    }

    /// Has each looked at.
    pub(super) fn doubt_all(&self) {
        self.serving().for_each(|member| member.doubt_by_order());
    }

    /// Whether the next session must wait until one that is ending has ended.
    pub(super) fn is_in_the_way(&self, settings: &Settings) -> bool {
        settings.is_process()
            && self.hands.iter().any(|hand| hand.is_polite && !hand.member.is_over())
    }

    pub(super) fn forget_gone(&mut self) {
        self.hands.retain(|hand| !(hand.member.is_leaving() && hand.member.is_over()));
        while self.tasks.try_join_next().is_some() {}
    }

    /// Whether nothing is left of any.
    pub(super) fn is_gone(&self) -> bool {
        self.hands.iter().all(|hand| hand.member.is_over())
    }
}

// === impl Hand ===

impl Hand {
    fn leave(&self, leave: Leave) {
        self.member.leave();
        self.leave.send_if_modified(|now| {
            let news = *now != leave && *now != Leave::Now;
            if news {
                *now = leave;
            }
            news
        });
    }
}
