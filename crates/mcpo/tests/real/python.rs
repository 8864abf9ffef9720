//! A server on the Python SDK 2.x: Streamable HTTP in the modern era, and SSE in the legacy one.

use serde_json::{Value, json};

use crate::case::{Call, answers, check, fails, refused};
use crate::places::{installed, support};
use crate::process::Listening;

const TOOLS: [&str; 6] = ["add", "era", "count", "fail", "look", "act"];

fn calls(era: &str) -> Vec<Call> {
    let problem = json!([{
        "type": "int_parsing",
        "loc": ["body", "a"],
        "msg": "Input should be a valid integer, unable to parse string as an integer",
        "input": "two",
    }]);
    vec![
        answers("add", json!({"a": 2, "b": 3}), result(&json!(5))),
        answers("add", json!({"a": 2}), result(&json!(42))),
        refused("add", json!({"a": "two"}), problem),
        answers("era", json!({}), result(&json!(era))),
        answers("count", json!({}), result(&json!(1))),
        answers("count", json!({}), result(&json!(2))),
        fails("fail", json!({"reason": "because"}), "because"),
    ]
}

/// The SDK wraps what is not an object.
pub(crate) fn result(value: &Value) -> Value {
    json!({"result": value})
}

/// Starts it over `sse` or `streamable-http`.
pub(crate) async fn listening(transport: &str) -> Listening {
    let script = support("python/upstream.py");
    Listening::start(&[
        installed("modern/bin/python"),
        script,
        transport.to_owned(),
        "PORT".to_owned(),
    ])
    .await
}

/// Starts the one on the Python SDK 1.x, over Streamable HTTP.
pub(crate) async fn fastmcp() -> Listening {
    let script = support("python/fastmcp.py");
    Listening::start(&[installed("legacy/bin/python"), script, "PORT".to_owned()]).await
}

#[tokio::test]
async fn python_speaks_the_modern_era_over_streamable_http() {
    let server = listening("streamable-http").await;
    let entry = json!({"type": "streamable-http", "url": server.url("/mcp")});
    check(entry, &TOOLS, &calls("2026-07-28")).await;
}

#[tokio::test]
async fn python_speaks_the_legacy_era_over_sse() {
    let server = listening("sse").await;
    check(json!({"type": "sse", "url": server.url("/sse")}), &TOOLS, &calls("2025-11-25")).await;
}
