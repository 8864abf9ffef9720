//! An operator's orders, carried out.

use mcpo_core::event::Event;
use mcpo_core::fault::{Fault, FaultKind};
use mcpo_core::life::{HeldBy, Phase};
use tokio::time::Instant;

use super::tend::Leave;
use super::{Keeper, REPLACED_LINGER};
use crate::order::{Order, Request};

impl Keeper {
    /// Carries out what was ordered; each is acknowledged once the turn has published what came of
    /// it.
    pub(super) fn take_orders(&mut self) -> Vec<Request> {
        let orders = std::mem::take(&mut self.asked);
        for request in &orders {
            self.tell(&Event::OrderGiven {
                upstream: self.settings.name.clone(),
                order: request.order.name(),
            });
            self.carry_out(request.order);
        }
        orders
    }

    fn carry_out(&mut self, order: Order) {
        match order {
            Order::Reconnect => self.reconnect(),
            Order::Hold => self.hold(),
            Order::Drain => {
                self.hold();
                self.is_draining = true;
                self.crew.all_leave(Leave::Drained { until: None });
            }
            Order::Release => self.release(),
            Order::Reset => self.reset(),
            Order::Validate => self.validate(),
        }
    }

    /// Sessions end once their calls have. The next process waits for the end of the last one.
    fn reconnect(&mut self) {
        let now = Instant::now();
        self.crew.all_leave(self.leave_for_next(now));
        self.starts.abort_all();
        self.spares.forget();
        if let Phase::Held { by: HeldBy::Operator, .. } = self.life.phase() {
            return;
        }
        // It begins anew, as one that an operator has released does.
        self.life.hold(HeldBy::Operator, now.into_std());
        self.life.release();
        self.trouble_since.get_or_insert(now);
        self.fault.get_or_insert_with(|| {
            Fault::new(FaultKind::Stopping, "an operator has its sessions replaced")
        });
    }

    /// How sessions end that the next ones wait for, or run beside.
    fn leave_for_next(&self, now: Instant) -> Leave {
        let linger =
            if self.settings.is_process() { self.settings.drain_timeout } else { REPLACED_LINGER };
        Leave::Drained { until: Some(now + linger) }
    }

    fn hold(&mut self) {
        self.life.hold(HeldBy::Operator, Instant::now().into_std());
        self.starts.abort_all();
        self.fault = None;
        self.trouble_since = None;
        self.tell(&Event::Held {
            upstream: self.settings.name.clone(),
            by: HeldBy::Operator,
            fault: None,
            cure: "release it when it may be used again".to_owned(),
        });
    }

    fn release(&mut self) {
        if std::mem::take(&mut self.is_draining) {
            // From now on somebody waits for their end.
            self.crew.all_leave(self.leave_for_next(Instant::now()));
        }
        if let Phase::Held { .. } = self.life.phase() {
            self.life.release();
            self.spares.forget();
            self.tell(&Event::Released { upstream: self.settings.name.clone() });
        }
    }

    fn reset(&mut self) {
        self.seat.gate.reset(Instant::now());
        self.spares.forget();
        self.offer.missing.clear();
        self.life.reset();
    }

    fn validate(&mut self) {
        self.crew.doubt_all();
        self.life.due();
        self.life.called();
    }
}
