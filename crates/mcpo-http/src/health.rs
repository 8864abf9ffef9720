//! Signs of life for those who watch over us. They are answered without a key, since a probe has
//! none; under strict authentication whoever has no key learns numbers and states, no names.
//!
//! - `/livez`: this process answers.
//! - `/readyz`: 200 when every upstream can be called, else 503 with who is missing and why.
//!   `?exclude=NAME` (may be repeated) leaves an upstream out, as Kubernetes does it.
//! - `/health`: each upstream with its sessions, and the whole. `ok`: all can be called and lack
//!   nothing; `degraded`: some, or something is missing; `down`: none, and 503.

use http::StatusCode;
use http::header::{CACHE_CONTROL, HeaderValue};
use mcpo_monitor::picture::Standing;
use mcpo_upstream::directory::{Snapshot, Upstream, View};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use crate::answer::{Answer, JSON, answer};
use crate::standing::{breaker, is_callable, put_trouble, sessions};

/// The answer to `/livez`.
pub(crate) fn live() -> Answer {
    told(StatusCode::OK, &json!({"status": "ok"}))
}

/// The answer to `/readyz`.
pub(crate) fn ready(snapshot: &Snapshot, query: &str, with_names: bool) -> Answer {
    let excluded = excluded(query);
    let asked: Vec<&View> = views(snapshot).filter(|view| !excluded.contains(&view.name)).collect();
    let missing: Vec<&View> = asked.iter().copied().filter(|view| !is_callable(view)).collect();
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
    let stands =
        |upstream: &Upstream| Standing::of(&upstream.view, upstream.gate().breaker_state());
    let all: Vec<Standing> = snapshot.upstreams().iter().map(stands).collect();
    let ready = all.iter().filter(|&&one| one != Standing::Down).count();
    let (status, whole) = match ready {
        0 => (StatusCode::SERVICE_UNAVAILABLE, Standing::Down),
        _ if all.iter().all(|&one| one == Standing::Ok) => (StatusCode::OK, Standing::Ok),
        _ => (StatusCode::OK, Standing::Degraded),
    };
    let mut body = json!({"status": whole.name(), "ready": ready});
    if with_names {
        let named = |upstream: &Upstream| (upstream.view.name.clone(), about(upstream));
        body["servers"] = snapshot.upstreams().iter().map(named).collect::<Map<_, _>>().into();
    } else {
        body["servers"] = all.len().into();
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

fn about(upstream: &Upstream) -> Value {
    let (view, state) = (&upstream.view, upstream.gate().breaker_state());
    let tools = view.catalog.as_deref().map(|catalog| catalog.tools().len());
    let about = json!({
        "status": Standing::of(view, state).name(),
        "state": view.state.name(),
        "since_seconds": view.since.elapsed().as_secs(),
        "tools": tools,
        "reconnects": view.reconnects,
        "sessions": sessions(&view.sessions),
        "breaker": breaker(state),
    });
    let Value::Object(mut about) = about else { return about };
    if !view.missing_tools.is_empty() {
        about.insert("missing_tools".to_owned(), view.missing_tools.clone().into());
    }
    put_trouble(&mut about, &view.state);
    about.into()
}

fn told(status: StatusCode, body: &Value) -> Answer {
    let mut told = answer(status, JSON, body.to_string());
    told.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    told
}

#[cfg(test)]
mod tests;
