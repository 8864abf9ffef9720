use std::time::Duration;

use mcpo_core::breaker::BreakerState;
use mcpo_core::fault::{Fault, FaultKind};
use mcpo_core::life::HeldBy;
use mcpo_upstream::directory::{PoolView, State};
use tokio::time::Instant;

use super::*;

#[test]
fn without_any_upstream_we_live_but_are_not_ready() {
    let nobody = Snapshot::default();
    assert_eq!(live().status(), StatusCode::OK);
    assert_eq!(ready(&nobody, "", true).status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(health(&nobody, true).status(), StatusCode::SERVICE_UNAVAILABLE);
}

fn view(state: State) -> View {
    View {
        name: "time".to_owned(),
        state,
        since: Instant::now(),
        away_since: Instant::now(),
        catalog: None,
        catalog_version: 0,
        missing_tools: Vec::new(),
        sessions: Vec::new(),
        withheld: Vec::new(),
        epochs: 0,
        timeout: None,
        load: mcpo_core::load::ServerLoad::default(),
        reconnects: 0,
        pool: PoolView { min: 1, max: 1, starting: 0, draining: 0 },
    }
}

#[tokio::test]
async fn who_is_held_is_missing_and_who_sleeps_is_not() {
    let held = |by, fault| view(State::Held { by, fault, look_at: None });
    let said = about_missing(&held(HeldBy::Operator, None));
    assert_eq!((&said["state"], &said["code"]), (&json!("held"), &json!("held")));
    assert_eq!((&said["held_by"], said.get("retry_in_seconds")), (&json!("operator"), None));
    let fault = Fault::new(FaultKind::Unauthorized, "secret");
    let said = about_missing(&held(HeldBy::Fault, Some(fault)));
    assert_eq!((&said["state"], &said["code"]), (&json!("held"), &json!("unauthorized")));
    assert_eq!(said["reason"], "it refuses our credentials");
    let dormant = view(State::Dormant);
    assert!(is_callable(&dormant), "a call wakes it");
    assert_eq!(Standing::of(&dormant, BreakerState::Closed), Standing::Ok);
    let missing = View { missing_tools: vec!["now".to_owned()], ..view(State::Dormant) };
    assert_eq!(Standing::of(&missing, BreakerState::Closed), Standing::Degraded);
    assert_eq!(Standing::of(&held(HeldBy::Operator, None), BreakerState::Closed), Standing::Down);
}

#[tokio::test]
async fn a_missing_upstream_says_why_without_its_secrets() {
    let fault = Fault::new(FaultKind::Unreachable, "connect http://user:secret@10.0.0.1");
    let retry_at = Instant::now() + Duration::from_secs(100);
    let view = view(State::Resting { failures: 3, fault, retry_at });
    let said = about_missing(&view);
    assert_eq!(said["server"], "time");
    assert_eq!(said["state"], "resting");
    assert_eq!(said["code"], "unreachable");
    assert_eq!(said["reason"], "it cannot be reached");
    assert!(said["retry_in_seconds"].as_u64().is_some_and(|seconds| (90..=100).contains(&seconds)));
    assert!(!said.to_string().contains("secret"));
}

#[test]
fn names_to_leave_out_are_read_from_the_query() {
    assert_eq!(
        excluded("exclude=a&verbose&exclude=two%20words&exclude=b+c"),
        ["a", "two words", "b c"]
    );
    assert!(excluded("").is_empty());
}
