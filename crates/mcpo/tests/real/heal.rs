//! Upstreams that die under mcpo: works, break, heal, works, without an operator.

use std::time::Duration;

use serde_json::{Value, json};

use crate::places::{everything as everything_stdio, scratch, text, time_server};
use crate::probe::{Probe, add, convert, echo, graph};
use crate::process::{Listening, Mcpo, kill_all, until};
use crate::{everything, memory, python};

async fn survives_a_kill(entry: Value, probe: &Probe) {
    let mcpo = Mcpo::with_servers(json!({"real": entry})).await;
    for round in 1..=3 {
        probe.works(&mcpo, &format!("before kill {round}")).await;
        let children = mcpo.descendants();
        assert!(!children.is_empty(), "an upstream over stdio is a child");
        kill_all(&children).await;
    }
    probe.works(&mcpo, "after the last kill").await;
    mcpo.stop().await;
}

async fn survives_a_restart(mut server: Listening, transport: &str, path: &str, probe: &Probe) {
    let entry = json!({"type": transport, "url": server.url(path)});
    let mcpo = Mcpo::with_servers(json!({"real": entry})).await;
    for round in 1..=3 {
        probe.works(&mcpo, &format!("before restart {round}")).await;
        server.kill().await;
        server.start_again().await;
    }
    probe.works(&mcpo, "after the last restart").await;

    server.kill().await;
    let answer = mcpo.call(probe.path, &probe.arguments).await;
    assert_eq!(answer.status, 503, "a server that is not there is said to be: {answer:?}");
    assert!(answer.headers.contains("retry-after:"), "and when to ask again: {answer:?}");
    server.start_again().await;
    mcpo.ready().await;
    probe.works(&mcpo, "after it came back").await;
    mcpo.stop().await;
}

#[tokio::test]
async fn a_killed_node_child_is_replaced_under_the_next_call() {
    survives_a_kill(everything_stdio(), &echo()).await;
}

#[tokio::test]
async fn a_killed_node_child_that_keeps_a_file_is_replaced_under_the_next_call() {
    survives_a_kill(memory::entry(), &graph()).await;
}

#[tokio::test]
async fn a_killed_python_child_is_replaced_under_the_next_call() {
    survives_a_kill(time_server("modern"), &convert()).await;
}

#[tokio::test]
async fn a_killed_child_on_the_legacy_python_sdk_is_replaced_under_the_next_call() {
    survives_a_kill(time_server("legacy"), &convert()).await;
}

#[tokio::test]
async fn a_restarted_sse_server_gets_a_new_session_under_the_next_call() {
    survives_a_restart(everything::listening("sse").await, "sse", "/sse", &echo()).await;
}

/// It answers 400 to the sessions of its former life.
#[tokio::test]
async fn a_restarted_streamable_server_that_answers_400_gets_a_new_session_under_the_next_call() {
    survives_a_restart(
        everything::listening("streamableHttp").await,
        "streamable-http",
        "/mcp",
        &echo(),
    )
    .await;
}

#[tokio::test]
async fn a_restarted_modern_server_answers_the_next_call() {
    survives_a_restart(
        python::listening("streamable-http").await,
        "streamable-http",
        "/mcp",
        &add(),
    )
    .await;
}

#[tokio::test]
async fn a_restarted_fastmcp_server_gets_a_new_session_under_the_next_call() {
    survives_a_restart(python::fastmcp().await, "streamable-http", "/mcp", &add()).await;
}

#[tokio::test]
async fn a_restarted_python_sse_server_gets_a_new_session_under_the_next_call() {
    survives_a_restart(python::listening("sse").await, "sse", "/sse", &add()).await;
}

/// One dead neighbour changes nothing for the others.
#[tokio::test]
async fn a_server_that_never_starts_leaves_its_neighbour_alone() {
    let file = scratch().join("config.json");
    let broken = json!({"command": "/nonexistent/command"});
    let config = json!({"mcpServers": {"broken": broken, "real": everything_stdio()}});
    std::fs::write(&file, config.to_string()).expect("the scratch folder is writable");
    let mcpo = Mcpo::start(&["--config", &text(&file)]);
    mcpo.listens().await;
    let probe = echo();
    let works = async || mcpo.call(probe.path, &probe.arguments).await.status == 200;
    assert!(until(Duration::from_secs(30), works).await, "the neighbour works");
    assert_eq!(mcpo.get("/readyz").await.status, 503, "one is missing");
    assert_eq!(mcpo.call("/broken/anything", &json!({})).await.status, 503, "and says so");
    mcpo.stop().await;
}
