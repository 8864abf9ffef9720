//! A real Prometheus (Debian's) scrapes mcpo with its key and looks at the shipped rules; its
//! tools and its parsers for Python read both texts.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use crate::case::succeed;
use crate::http::{Answer, request};
use crate::places::{installed, root, scratch, support, text};
use crate::process::{Listening, Mcpo, until};
use crate::python;

const KEY: &str = "a-key-of-the-test";
/// Rules are looked at every second, and ask for one more; a rate needs some scrapes.
const PATIENCE: Duration = Duration::from_secs(60);
/// More failures than the rule for error rates asks for.
const FAILURES: usize = 8;
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

fn port_of(address: &str) -> u16 {
    address.rsplit(':').next().and_then(|port| port.parse().ok()).expect("it has a port")
}

/// What mcpo tells in that format, asked with the key.
async fn told(mcpo: &Mcpo, format: &str) -> String {
    let head = format!("GET /metrics?format={format}\nAuthorization: Bearer {KEY}\r\n");
    let answer = request(port_of(&mcpo.base()), &head, "").await.expect("it answers");
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body
}

/// mcpo with one server, a key, and a sample each second.
async fn keyed(server: &Listening) -> Mcpo {
    let file = scratch().join("keyed.json");
    let config = json!({"mcpServers": {"real": {"url": server.url("/mcp")}}});
    std::fs::write(&file, config.to_string()).expect("the scratch folder is writable");
    let mcpo = Mcpo::start_in(
        &["--no-state", "--api-key", KEY, "--config", &text(&file)],
        &[("MCPO_MONITOR_INTERVAL", "1")],
    );
    mcpo.ready().await;
    mcpo
}

/// One call that comes with a trace.
async fn call(mcpo: &Mcpo) -> Answer {
    let headers =
        format!("Authorization: Bearer {KEY}\r\ntraceparent: 00-{TRACE}-00f067aa0ba902b7-01\r\n");
    mcpo.call_with("/real/add", &json!({"a": 2, "b": 3}), &headers).await
}

/// The shipped rules, which here must hold for a second only.
fn rules() -> PathBuf {
    let shipped = std::fs::read_to_string(root().join("docs/prometheus/mcpo.rules.yml"))
        .expect("the rules are in docs/");
    let short = |line: &str| match line.split_once("for: ") {
        Some((indent, _)) if indent.trim().is_empty() => format!("{indent}for: 1s\n"),
        Some(_) | None => format!("{line}\n"),
    };
    let file = scratch().join("mcpo.rules.yml");
    let rules: String = shipped.lines().map(short).collect();
    assert!(rules.contains("        for: 1s\n"), "{rules}");
    std::fs::write(&file, rules).expect("the scratch folder is writable");
    file
}

/// Starts a Prometheus that scrapes mcpo every second.
async fn prometheus(mcpo: &Mcpo) -> Listening {
    let file = scratch().join("prometheus.json");
    // It reads YAML, of which JSON is a part.
    let config = json!({
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [text(&rules())],
        "scrape_configs": [{
            "job_name": "mcpo",
            "authorization": {"credentials": KEY},
            "static_configs": [{"targets": [mcpo.base().replace("http://", "")]}],
        }],
    });
    std::fs::write(&file, config.to_string()).expect("the scratch folder is writable");
    succeed(&["promtool", "check", "config", &text(&file)]).await;
    let command = [
        "prometheus".to_owned(),
        format!("--config.file={}", text(&file)),
        format!("--storage.tsdb.path={}", text(&scratch().join("prometheus"))),
        "--web.listen-address=127.0.0.1:PORT".to_owned(),
        "--rules.alert.resend-delay=1s".to_owned(),
        "--enable-feature=exemplar-storage".to_owned(),
    ];
    Listening::start(&command).await
}

/// The data that Prometheus answers with; null where it does not answer yet.
async fn asked(prometheus: &Listening, path: &str) -> Value {
    let head = format!("GET /api/v1/{path}");
    let answer = request(port_of(&prometheus.url("")), &head, "").await;
    answer
        .filter(|answer| answer.status == 200)
        .map_or(Value::Null, |one| one.json()["data"].clone())
}

/// Waits until what Prometheus answers is as it should be.
async fn comes_to(prometheus: &Listening, path: &str, holds: impl Fn(&Value) -> bool) {
    let is_so = async || holds(&asked(prometheus, path).await);
    assert!(until(PATIENCE, is_so).await, "{path}: {}", asked(prometheus, path).await);
}

/// The alerts that are about the server: the machine may well be busy.
fn of_server(alerts: &Value) -> Vec<&Value> {
    let all = alerts["alerts"].as_array().expect("there is a list, if only of none");
    all.iter().filter(|alert| alert["labels"]["mcpo_server"] == "real").collect()
}

/// Whether that alert fires for the server.
fn fires(alerts: &Value, name: &str) -> bool {
    let is_it = |alert: &&Value| alert["labels"]["alertname"] == name && alert["state"] == "firing";
    of_server(alerts).iter().any(is_it)
}

#[tokio::test]
async fn a_prometheus_scrapes_with_the_key_and_sees_an_outage_come_and_go() {
    let mut server = python::fastmcp().await;
    let mcpo = keyed(&server).await;
    assert_eq!(mcpo.get("/metrics").await.status, 401, "nobody reads without the key");
    let watch = prometheus(&mcpo).await;

    comes_to(&watch, "query?query=mcpo_server_up", |data| data["result"][0]["value"][1] == "1")
        .await;
    let targets = asked(&watch, "targets").await;
    let target = &targets["activeTargets"][0];
    assert_eq!((&target["health"], &target["lastError"]), (&json!("up"), &json!("")), "{targets}");
    for _ in 0..3 {
        assert_eq!(call(&mcpo).await.status, 200);
    }
    let exemplars = "query_exemplars?query=mcp_client_operation_duration_seconds_bucket\
        &start=0&end=9999999999";
    comes_to(&watch, exemplars, |data| data[0]["exemplars"][0]["labels"]["trace_id"] == TRACE)
        .await;
    let alerts = asked(&watch, "alerts").await;
    assert!(of_server(&alerts).is_empty(), "all is well: {alerts}");

    server.kill().await;
    for _ in 0..FAILURES {
        assert_eq!(call(&mcpo).await.status, 503);
    }
    comes_to(&watch, "alerts", |alerts| fires(alerts, "McpoServerDown")).await;
    comes_to(&watch, "alerts", |alerts| fires(alerts, "McpoErrorRate")).await;

    server.start_again().await;
    mcpo.ready().await;
    assert_eq!(call(&mcpo).await.status, 200);
    comes_to(&watch, "alerts", |alerts| !fires(alerts, "McpoServerDown")).await;

    let rules = asked(&watch, "rules").await;
    let rules = rules["groups"][0]["rules"].as_array().expect("there are rules");
    assert!(rules.iter().all(|rule| rule["health"] == "ok"), "{rules:?}");
    is_never_puzzled(&watch).await;
    mcpo.stop().await;
}

/// Prometheus drops what it was told twice or out of order, and only counts that.
async fn is_never_puzzled(prometheus: &Listening) {
    let own = request(port_of(&prometheus.url("")), "GET /metrics", "").await.expect("it runs");
    for counter in [
        "prometheus_target_scrapes_sample_duplicate_timestamp_total",
        "prometheus_target_scrapes_sample_out_of_order_total",
        "prometheus_target_scrapes_exceeded_sample_limit_total",
        "prometheus_target_scrapes_exemplar_out_of_order_total",
        "prometheus_rule_evaluation_failures_total",
    ] {
        let lines = own.body.lines().filter(|line| line.starts_with(counter));
        let values: Vec<_> = lines.filter_map(|line| line.rsplit(' ').next()).collect();
        assert!(
            !values.is_empty() && values.iter().all(|value| *value == "0"),
            "{counter} {values:?}"
        );
    }
}

#[tokio::test]
async fn the_parsers_of_prometheus_take_both_texts() {
    let server = python::fastmcp().await;
    let mcpo = keyed(&server).await;
    assert_eq!(call(&mcpo).await.status, 200);
    // A picture is shown for a moment before the next one is taken.
    let is_counted = async || {
        told(&mcpo, "prometheus").await.contains("gen_ai_tool_name=\"add\",outcome=\"ok\"} 1\n")
    };
    assert!(until(PATIENCE, is_counted).await, "{}", told(&mcpo, "prometheus").await);
    let files =
        ["prometheus", "openmetrics"].map(|format| scratch().join(format!("told.{format}")));
    for (format, file) in ["prometheus", "openmetrics"].iter().zip(&files) {
        let body = told(&mcpo, format).await;
        assert!(body.contains("mcpo_server_up{mcpo_server=\"real\"} 1\n"), "{body}");
        std::fs::write(file, body).expect("the scratch folder is writable");
    }
    let [old, new] = files.map(|file| text(&file));
    let said = succeed(&["sh", "-c", &format!("promtool check metrics < '{old}'")]).await;
    assert_eq!(said, "", "promtool has something to say");
    succeed(&[&installed("tools/bin/python"), &support("python/scraped.py"), &old, &new]).await;
    mcpo.stop().await;
}

/// The rules are what Prometheus takes, and say what they should of series that are made up.
#[tokio::test]
async fn promtool_takes_the_shipped_rules_and_their_tests() {
    let shipped = text(&root().join("docs/prometheus/mcpo.rules.yml"));
    let said = succeed(&["promtool", "check", "rules", &shipped]).await;
    assert!(said.contains("SUCCESS: 10 rules found"), "{said}");
    succeed(&["promtool", "test", "rules", &support("prometheus/rules.test.yml")]).await;
}
