//! The bodies, as receivers get them.

use std::time::{Duration, SystemTime};

use insta::assert_snapshot;
use mcpo_config::WebhookFormat;
use serde_json::Value;

use super::super::super::scene::{firing, resolved};
use super::*;

fn teller() -> Teller {
    Teller { instance: "host:8000".to_owned() }
}

/// Ten minutes after the alerts of the scene began.
fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(1_767_323_645_500)
}

fn pretty(value: &Value) -> String {
    format!("{value:#}")
}

#[test]
fn our_own_json() {
    let alerts = [resolved("server_down", Some("x"))];
    let mut body = json(&teller(), &alerts);
    assert_eq!(body["version"], env!("CARGO_PKG_VERSION"));
    body["version"] = "VERSION".into();
    assert_snapshot!(pretty(&body));
}

#[test]
fn a_message_for_slack() {
    let alerts = [firing("server_down", Some("x")), resolved("held", Some("y"))];
    assert_snapshot!(pretty(&slack(&teller(), &alerts)));
}

#[test]
fn what_an_alertmanager_gets() {
    let alerts = [firing("server_down", Some("x")), resolved("memory_high", None)];
    assert_snapshot!(pretty(&alertmanager(&teller(), &alerts, now())));
}

#[test]
fn text_for_slack_makes_no_link_and_calls_nobody() {
    let mut alert = firing("server_down", Some("<!channel>"));
    alert.summary = "`<!channel>` & <https://evil|click> @here".to_owned();
    let said = slack(&teller(), &[alert]).to_string();
    assert!(!said.contains('<') && !said.contains('>'), "{said}");
    assert!(!said.contains("@here"), "{said}");
    assert!(said.contains("`&lt;!channel&gt;` &amp; &lt;https://evil|click&gt;"), "{said}");
}

#[test]
fn after_the_clock_was_set_back_an_alertmanager_still_takes_it() {
    let past = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    for alert in [firing("server_down", Some("x")), resolved("server_down", Some("x"))] {
        let body = alertmanager(&teller(), std::slice::from_ref(&alert), past);
        let (starts, ends) = (&body[0]["startsAt"], &body[0]["endsAt"]);
        let (starts, ends) = (starts.as_str().unwrap(), ends.as_str().unwrap());
        assert!(starts <= ends, "it must not end before it starts: {starts} {ends}");
        assert_eq!(starts, "2023-11-14T22:13:20.000Z");
    }
}

#[test]
fn a_test_says_in_every_format_that_it_is_one() {
    for format in [WebhookFormat::Json, WebhookFormat::Slack, WebhookFormat::Alertmanager] {
        let body = test(&teller(), format, now()).to_string();
        assert!(body.contains("test") && body.contains("Nothing is wrong"), "{body}");
    }
    let body = test(&teller(), WebhookFormat::Json, now());
    assert_eq!(body["test"], true);
    let body = test(&teller(), WebhookFormat::Alertmanager, now());
    assert_eq!(body[0]["labels"]["alertname"], "McpoTest");
    assert_eq!(body[0]["endsAt"], "2026-01-02T03:15:05.500Z", "it is over by itself");
}
