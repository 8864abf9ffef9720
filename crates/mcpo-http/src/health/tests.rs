use std::time::Duration;

use mcpo_core::fault::Fault;

use super::*;

#[test]
fn without_any_upstream_we_live_but_are_not_ready() {
    let nobody = Snapshot::default();
    assert_eq!(live().status(), StatusCode::OK);
    assert_eq!(ready(&nobody, "", true).status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(health(&nobody, true).status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_missing_upstream_says_why_without_its_secrets() {
    let fault = Fault::new(FaultKind::Unreachable, "connect http://user:secret@10.0.0.1");
    let retry_at = Instant::now() + Duration::from_secs(100);
    let view = View {
        name: "time".to_owned(),
        state: State::Resting { failures: 3, fault, retry_at },
        since: Instant::now(),
        away_since: Instant::now(),
        catalog: None,
        catalog_version: 0,
        session: None,
        timeout: None,
        reconnects: 0,
    };
    let said = about_missing(&view);
    assert_eq!(said["server"], "time");
    assert_eq!(said["state"], "resting");
    assert_eq!(said["code"], "unreachable");
    assert_eq!(said["reason"], "it cannot be reached");
    assert!(said["retry_in_seconds"].as_u64().is_some_and(|seconds| (90..=100).contains(&seconds)));
    assert!(!said.to_string().contains("secret"));
    assert!(!about(&view).to_string().contains("secret"));
}

#[test]
fn names_to_leave_out_are_read_from_the_query() {
    assert_eq!(
        excluded("exclude=a&verbose&exclude=two%20words&exclude=b+c"),
        ["a", "two words", "b c"]
    );
    assert!(excluded("").is_empty());
}
