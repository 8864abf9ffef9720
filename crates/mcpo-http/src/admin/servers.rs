//! How upstreams are, in full.

use mcpo_core::fault::Fault;
use mcpo_upstream::directory::{Snapshot, Upstream};
use serde_json::{Value, json};

use crate::health;

/// All of them, in the order of the configuration.
pub(super) fn all(snapshot: &Snapshot) -> Value {
    let servers: Vec<Value> = snapshot.upstreams().iter().map(one).collect();
    json!({ "servers": servers })
}

/// One of them.
pub(super) fn one(upstream: &Upstream) -> Value {
    let view = &upstream.view;
    json!({
        "name": view.name,
        "state": view.state.name(),
        "since_seconds": view.since.elapsed().as_secs(),
        "fault": view.state.fault().map(fault),
    })
}

/// A fault: its fixed words, what is done about it, and what exactly happened.
fn fault(fault: &Fault) -> Value {
    let Fault { kind, detail, .. } = fault;
    json!({
        "code": kind.name(),
        "reason": health::reason_of(*kind),
        "severity": kind.severity().name(),
        "cure": kind.cure().name(),
        "detail": detail,
    })
}
