//! Checks all connections at once.

use std::time::Duration;

use futures_util::future::join_all;
use mcpo_core::fault::{Fault, FaultKind};
use mcpo_upstream::directory::{LiveSession, State, Upstream, View};
use mcpo_upstream::order::{Order, OrderError};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::servers::fault;

/// How long each server has where the operator does not say: as long as a probe.
pub(super) const VALIDATE_TIME_DEFAULT: Duration = Duration::from_secs(5);

/// How long it may be given.
pub(super) const VALIDATE_TIME_MAX: Duration = Duration::from_secs(60);

/// Has every session of all of them looked at, side by side.
///
/// Cancel-safe: what has begun goes on without being told.
pub(super) async fn all(upstreams: &[Upstream], time: Duration) -> Value {
    let servers = join_all(upstreams.iter().map(|upstream| one(upstream, time))).await;
    let ok = servers.iter().all(|server| server["ok"] == true);
    json!({ "ok": ok, "servers": servers })
}

async fn one(upstream: &Upstream, time: Duration) -> Value {
    let began = Instant::now();
    let told = upstream.order(Order::Validate, began + time).await;
    let took = began.elapsed();
    let view = upstream.follow().borrow().clone();
    let wrong = match told {
        Ok(_) => wrong(&view, took >= time),
        Err(OrderError::Gone) => Some(Fault::new(FaultKind::Stopping, "it was removed")),
        Err(OrderError::Full | OrderError::Late) => Some(silent(time)),
    };
    json!({
        "name": view.name,
        "ok": wrong.is_none(),
        "state": view.state.name(),
        "took_ms": super::entry::millis(took),
        "fault": wrong.as_ref().map(fault),
    })
}

/// What is wrong with an upstream that was looked at.
fn wrong(view: &View, out_of_time: bool) -> Option<Fault> {
    match &view.state {
        State::Ready if view.sessions.iter().any(LiveSession::is_doubted) || out_of_time => {
            Some(Fault::new(FaultKind::Timeout, "not every session has answered in time"))
        }
        State::Ready => None,
        State::Held { fault, .. } => Some(
            fault.clone().unwrap_or_else(|| Fault::new(FaultKind::Held, "held by an operator")),
        ),
        State::Starting { fault, .. } => Some(
            fault
                .clone()
                .unwrap_or_else(|| Fault::new(FaultKind::Timeout, "it was not connected in time")),
        ),
        State::Resting { fault, .. } => Some(fault.clone()),
        State::Dormant => Some(Fault::new(FaultKind::Unreachable, "it is not connected")),
        State::Stopped => Some(Fault::new(FaultKind::Stopping, "it is stopped")),
    }
}

fn silent(time: Duration) -> Fault {
    Fault::new(FaultKind::Timeout, format!("no answer within {} s", time.as_secs_f64()))
}
