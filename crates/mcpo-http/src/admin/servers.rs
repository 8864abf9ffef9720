//! How upstreams are, in full.

use mcpo_core::fault::Fault;
use mcpo_monitor::picture::Standing;
use mcpo_upstream::directory::{Snapshot, Upstream};
use mcpo_upstream::journal::Counters;
use serde_json::{Map, Value, json};

use super::counters;
use crate::standing::{breaker, put_next, sessions};

/// All of them, in the order of the configuration.
pub(super) fn all(snapshot: &Snapshot, counters: &Counters) -> Value {
    let servers: Vec<Value> =
        snapshot.upstreams().iter().map(|upstream| one(upstream, counters)).collect();
    json!({ "servers": servers })
}

/// One of them.
pub(super) fn one(upstream: &Upstream, counted: &Counters) -> Value {
    let (view, state) = (&upstream.view, upstream.gate().breaker_state());
    let tools = view.catalog.as_deref().map(|catalog| catalog.tools().len());
    let mut out = Map::new();
    let mut put = |name: &str, value: Value| drop(out.insert(name.to_owned(), value));
    put("name", view.name.as_str().into());
    put("status", Standing::of(view, state).name().into());
    put("state", view.state.name().into());
    put("since_seconds", view.since.elapsed().as_secs().into());
    put("fault", view.state.fault().map_or(Value::Null, fault));
    put("sessions", sessions(&view.sessions));
    put("withheld", sessions(&view.withheld));
    put(
        "pool",
        json!({
            "min": view.pool.min,
            "max": view.pool.max,
            "starting": view.pool.starting,
            "draining": view.pool.draining,
        }),
    );
    put("breaker", breaker(state));
    put("retry_tokens", upstream.gate().tokens().into());
    put("tools", tools.into());
    put("missing_tools", view.missing_tools.clone().into());
    put("reconnects", view.reconnects.into());
    put("counters", counters::of_upstream(counted, &view.name));
    put_next(&mut out, &view.state);
    out.into()
}

/// A fault: its fixed words, what is done about it, and what exactly happened.
pub(super) fn fault(fault: &Fault) -> Value {
    let Fault { kind, detail, .. } = fault;
    json!({
        "code": kind.name(),
        "reason": kind.reason(),
        "severity": kind.severity().name(),
        "cure": kind.cure().name(),
        "detail": detail,
    })
}
