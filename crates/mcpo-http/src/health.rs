//! Signs of life for those who watch over us. They are answered without a key, since a probe has
//! none; under strict authentication whoever has no key learns numbers and states, no names.
//!
//! - `/livez`: this process answers.
//! - `/readyz`: 200 when every upstream can be called, else 503 with who is missing and why.
//!   `?exclude=NAME` (may be repeated) leaves an upstream out, as Kubernetes does it.
//! - `/health`: each upstream and the whole. `ok`: all can be called; `degraded`: some; `down`:
//!   none, and 503.

use http::StatusCode;
use http::header::{CACHE_CONTROL, HeaderValue};
use mcpo_core::fault::FaultKind;
use mcpo_upstream::directory::{Snapshot, State, View};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use crate::answer::{Answer, JSON, answer};

/// The answer to `/livez`.
pub(crate) fn live() -> Answer {
    told(StatusCode::OK, &json!({"status": "ok"}))
}

/// The answer to `/readyz`.
pub(crate) fn ready(snapshot: &Snapshot, query: &str, with_names: bool) -> Answer {
    let excluded = excluded(query);
    let asked: Vec<&View> = views(snapshot).filter(|view| !excluded.contains(&view.name)).collect();
    let missing: Vec<&View> = asked.iter().copied().filter(|view| !view.is_ready()).collect();
    // Before the first upstream has its place there is nobody to be ready.
    let all = missing.is_empty() && !snapshot.upstreams().is_empty();
    let mut body = json!({
        "status": if all { "ready" } else { "not ready" },
        "ready": asked.len() - missing.len(),
        "servers": asked.len(),
    });
    if with_names {
        body["missing"] = missing.iter().map(|view| about_missing(view)).collect();
    }
    told(if all { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, &body)
}

/// The answer to `/health`.
pub(crate) fn health(snapshot: &Snapshot, with_names: bool) -> Answer {
    let total = snapshot.upstreams().len();
    let ready = views(snapshot).filter(|view| view.is_ready()).count();
    let (status, whole) = match ready {
        0 => (StatusCode::SERVICE_UNAVAILABLE, "down"),
        some if some < total => (StatusCode::OK, "degraded"),
        _ => (StatusCode::OK, "ok"),
    };
    let mut body = json!({"status": whole, "ready": ready});
    if with_names {
        body["servers"] = views(snapshot)
            .map(|view| (view.name.clone(), about(view)))
            .collect::<Map<_, _>>()
            .into();
    } else {
        body["servers"] = total.into();
    }
    told(status, &body)
}

fn views(snapshot: &Snapshot) -> impl Iterator<Item = &View> {
    snapshot.upstreams().iter().map(|upstream| &*upstream.view)
}

fn excluded(query: &str) -> Vec<String> {
    let pairs = query.split('&').filter_map(|pair| pair.strip_prefix("exclude="));
    pairs
        .map(|name| percent_decode_str(&name.replace('+', " ")).decode_utf8_lossy().into_owned())
        .collect()
}

fn about_missing(view: &View) -> Value {
    let mut out = Map::new();
    out.insert("server".to_owned(), view.name.as_str().into());
    out.insert("state".to_owned(), view.state.name().into());
    put_trouble(&mut out, &view.state);
    out.into()
}

fn about(view: &View) -> Value {
    let mut out = Map::new();
    out.insert("status".to_owned(), if view.is_ready() { "ok" } else { "down" }.into());
    out.insert("state".to_owned(), view.state.name().into());
    out.insert("since_seconds".to_owned(), view.since.elapsed().as_secs().into());
    let tools = view.catalog.as_deref().map(|catalog| catalog.tools().len());
    out.insert("tools".to_owned(), tools.map_or(Value::Null, Value::from));
    out.insert("reconnects".to_owned(), view.reconnects.into());
    put_trouble(&mut out, &view.state);
    out.into()
}

/// Why it is not ready, in fixed words: a fault's detail may name addresses and commands.
fn put_trouble(out: &mut Map<String, Value>, state: &State) {
    let fault = state.fault();
    if let Some(fault) = fault {
        out.insert("code".to_owned(), fault.kind.name().into());
    }
    out.insert("reason".to_owned(), reason(state, fault.map(|fault| fault.kind)).into());
    if let State::Resting { failures, retry_at, .. } = state {
        let wait = retry_at.saturating_duration_since(Instant::now());
        out.insert("failures".to_owned(), (*failures).into());
        out.insert("retry_in_seconds".to_owned(), wait.as_secs().into());
    }
    if *state == State::Ready {
        out.remove("reason");
    }
}

const fn reason(state: &State, fault: Option<FaultKind>) -> &'static str {
    match (fault, state) {
        (Some(kind), _) => reason_of(kind),
        (None, State::Stopped) => "it is stopped",
        (None, State::Starting { .. } | State::Resting { .. } | State::Ready) => {
            "it is still starting"
        }
    }
}

/// What is said of a fault, in fixed words.
pub(crate) const fn reason_of(kind: FaultKind) -> &'static str {
    match kind {
        FaultKind::Unreachable => "it cannot be reached",
        FaultKind::NotStartable => "its command cannot be started",
        FaultKind::Disconnected => "it went away",
        FaultKind::Timeout => "it does not answer in time",
        FaultKind::ServerError => "it fails inside",
        FaultKind::SessionLost => "it lost the session",
        FaultKind::Throttled => "it takes no more requests for now",
        FaultKind::Unauthorized => "it refuses our credentials",
        FaultKind::Nonsense => "it does not speak MCP as expected",
        FaultKind::Overloaded => "too many requests wait for it",
        FaultKind::Held => "it is held until an operator releases it",
        FaultKind::BreakerOpen => "it failed too often of late",
        FaultKind::Stopping => "it is stopped",
    }
}

fn told(status: StatusCode, body: &Value) -> Answer {
    let mut told = answer(status, JSON, body.to_string());
    told.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    told
}

#[cfg(test)]
mod tests;
