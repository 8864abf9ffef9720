//! Traces and metrics as a collector gets them, decoded with the messages that OpenTelemetry
//! publishes for Python.

use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::places::{installed, support, text};
use crate::process::{Mcpo, written};

/// Python takes seconds to start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// The door of a collector, and what came through it.
struct Collector {
    _process: Child,
    said: Lines<BufReader<ChildStdout>>,
    port: u64,
}

impl Collector {
    async fn start() -> Self {
        let mut process = Command::new(installed("tools/bin/python"))
            .arg(support("python/collector.py"))
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("Python is installed");
        let mut said = BufReader::new(process.stdout.take().expect("it is piped")).lines();
        let port = next(&mut said).await["port"].as_u64().expect("a port");
        Self { _process: process, said, port }
    }

    /// Everything of one kind until one of them is as wanted.
    async fn until(&mut self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let told = next(&mut self.said).await;
            assert_eq!(told["key"], "k=1", "the headers of the environment are sent");
            if told["path"] == path && wanted(&told["message"]) {
                return told["message"].clone();
            }
        }
    }
}

async fn next(said: &mut Lines<BufReader<ChildStdout>>) -> Value {
    let line = timeout(PATIENCE, said.next_line()).await.expect("something comes in time");
    let line = line.expect("it can be read").expect("the collector lives");
    serde_json::from_str(&line).expect("the collector writes JSON")
}

/// Attributes by name, in whatever type they came.
fn attributes(of: &Value) -> Value {
    let pairs = of["attributes"].as_array().into_iter().flatten().map(|pair| {
        let key = pair["key"].as_str().expect("a key").to_owned();
        let value = pair["value"].as_object().and_then(|value| value.values().next());
        (key, value.cloned().unwrap_or_default())
    });
    Value::Object(pairs.collect())
}

/// Bytes as JSON has them in the messages of OTLP's Python package.
fn base64_of_hex(hex: &str) -> String {
    let bytes: Vec<u8> = (0..hex.len() / 2)
        .map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).expect("hex"))
        .collect();
    STANDARD.encode(bytes)
}

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

#[tokio::test]
async fn a_collector_that_was_away_gets_the_spans_of_a_call_and_the_metrics() {
    let mut collector = Collector::start().await;
    let demo = json!({"command": env!("CARGO_BIN_EXE_mcpo"), "args": ["demo-server"]});
    let config = written(&json!({"demo": demo}));
    let endpoint = format!("http://127.0.0.1:{}", collector.port);
    let mcpo = Mcpo::start_in(
        &["--config", &text(&config)],
        &[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint),
            // Nobody listens there, and nobody is to be asked for a way to this machine.
            ("http_proxy", "http://127.0.0.1:1"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "X-Key=k%3D1"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "1000"),
            ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test"),
        ],
    );
    mcpo.ready().await;
    let header = format!("traceparent: 00-{TRACE}-{CALLER}-01\r\n");
    let answer = mcpo.call_with("/demo/get_current_time", &json!({}), &header).await;
    assert_eq!(answer.status, 200);
    let unsampled = format!("traceparent: 00-{TRACE}-{CALLER}-00\r\n");
    assert_eq!(mcpo.call_with("/demo/get_current_time", &json!({}), &unsampled).await.status, 200);

    let metrics = collector
        .until("/v1/metrics", |message| message.to_string().contains("get_current_time"))
        .await;
    check_metrics(&metrics["resource_metrics"][0]);

    mcpo.stop().await;
    let traces = collector.until("/v1/traces", |_| true).await;
    check_spans(&traces["resource_spans"][0]);
}

fn check_metrics(resource: &Value) {
    let about = attributes(&resource["resource"]);
    assert_eq!(about["service.name"], "mcpo");
    assert_eq!(about["deployment.environment.name"], "test");
    let metrics = resource["scope_metrics"][0]["metrics"].as_array().expect("metrics");
    let named = |name: &str| {
        let found = metrics.iter().find(|metric| metric["name"] == name);
        assert!(found.is_some(), "no metric {name} in {metrics:?}");
        found.expect("it is there")
    };
    let duration = named("mcp.client.operation.duration");
    assert_eq!(duration["unit"], "s");
    let point = &duration["histogram"]["data_points"][0];
    assert_eq!(
        attributes(point),
        json!({"mcpo.server": "demo", "gen_ai.tool.name": "get_current_time", "mcp.method.name": "tools/call"})
    );
    assert_eq!(point["explicit_bounds"].as_array().expect("bounds").len(), 14);
    assert_eq!(point["bucket_counts"].as_array().expect("counts").len(), 15);
    let calls = named("mcpo_calls");
    assert_eq!(calls["sum"]["is_monotonic"], true);
    assert_eq!(calls["sum"]["aggregation_temporality"], "AGGREGATION_TEMPORALITY_CUMULATIVE");
    named("http.server.request.duration");
}

fn check_spans(resource: &Value) {
    let spans = resource["scope_spans"][0]["spans"].as_array().expect("spans");
    let of_kind = |kind: &str| {
        let found: Vec<_> = spans.iter().filter(|span| span["kind"] == kind).collect();
        assert_eq!(found.len(), 1, "{spans:?}");
        found[0].clone()
    };
    let (served, operation) = (of_kind("SPAN_KIND_SERVER"), of_kind("SPAN_KIND_CLIENT"));
    for span in [&served, &operation] {
        assert_eq!(span["trace_id"], base64_of_hex(TRACE));
    }
    assert_eq!(served["parent_span_id"], base64_of_hex(CALLER));
    assert_eq!(operation["parent_span_id"], served["span_id"]);
    assert_eq!(served["name"], "POST /{server}/{tool}");
    assert_eq!(operation["name"], "tools/call get_current_time");
    let said = attributes(&served);
    assert_eq!(said["http.request.method"], "POST");
    assert_eq!(said["http.response.status_code"], "200");
    let said = attributes(&operation);
    assert_eq!(said["mcp.method.name"], "tools/call");
    assert_eq!(said["network.transport"], "pipe");
    assert_eq!(said["mcpo.outcome"], "ok");
    assert_eq!(said["mcpo.attempts"], "1");
    let at = |span: &Value, field: &str| {
        span[field].as_str().and_then(|ns| ns.parse::<u64>().ok()).expect("nanoseconds")
    };
    assert!(at(&served, "start_time_unix_nano") <= at(&operation, "start_time_unix_nano"));
    assert!(at(&operation, "start_time_unix_nano") <= at(&operation, "end_time_unix_nano"));
    assert!(at(&operation, "end_time_unix_nano") <= at(&served, "end_time_unix_nano"));
}
