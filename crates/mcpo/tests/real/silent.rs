//! Upstreams that stand still, lose their sessions unseen, or are restarted under a load of calls:
//! calls work again, and mcpo is never started anew.

use std::cell::Cell;
use std::time::Duration;

use serde_json::{Value, json};

use crate::places::{everything as everything_stdio, time_server};
use crate::probe::{Probe, add, convert, echo, graph};
use crate::process::{Listening, Mcpo, are_gone, stop_all, until};
use crate::{everything, memory, python};

/// Longer than a probe interval, two probes of 5 s, and the start of Node.js on a busy machine.
const REPLACED_WITHIN: Duration = Duration::from_secs(60);

/// A call has two seconds. It ends then although the child says nothing; and the child, which
/// answers no probe either, is replaced.
async fn is_replaced_when_it_stands_still(mut entry: Value, probe: &Probe) {
    entry["timeout"] = json!(2);
    let mcpo = Mcpo::probing(json!({"real": entry})).await;
    probe.works(&mcpo, "before").await;
    let children = mcpo.upstreams();
    assert!(!children.is_empty(), "an upstream over stdio is a child");
    stop_all(&children).await;
    let answer = probe.call(&mcpo).await;
    assert_eq!(answer.status, 504, "{answer:?}");
    let works = async || probe.is_right(&probe.call(&mcpo).await);
    assert!(until(REPLACED_WITHIN, works).await, "it is never replaced");
    are_gone(&children).await;
    probe.works(&mcpo, "at last").await;
    mcpo.stop().await;
}

#[tokio::test]
async fn a_node_child_that_stands_still_is_replaced() {
    is_replaced_when_it_stands_still(everything_stdio(), &echo()).await;
}

#[tokio::test]
async fn a_node_child_that_keeps_a_file_and_stands_still_is_replaced() {
    is_replaced_when_it_stands_still(memory::entry(), &graph()).await;
}

#[tokio::test]
async fn a_python_child_that_stands_still_is_replaced() {
    is_replaced_when_it_stands_still(time_server("modern"), &convert()).await;
}

#[tokio::test]
async fn a_child_on_the_legacy_python_sdk_that_stands_still_is_replaced() {
    is_replaced_when_it_stands_still(time_server("legacy"), &convert()).await;
}

/// It answers again, but knows no session of its former life, and nobody calls it.
async fn a_lost_session_is_found_without_a_call(mut server: Listening, probe: &Probe) {
    let entry = json!({"type": "streamable-http", "url": server.url("/mcp")});
    let mcpo = Mcpo::probing(json!({"real": entry})).await;
    probe.works(&mcpo, "before").await;
    server.kill().await;
    server.start_again().await;
    let found = async || mcpo.has_said("upstream recovered");
    assert!(until(REPLACED_WITHIN, found).await, "nobody notices");
    mcpo.ready().await;
    probe.works(&mcpo, "after").await;
    mcpo.stop().await;
}

#[tokio::test]
async fn sessions_that_a_node_server_forgot_are_found_without_a_call() {
    a_lost_session_is_found_without_a_call(everything::listening("streamableHttp").await, &echo())
        .await;
}

#[tokio::test]
async fn sessions_that_a_fastmcp_server_forgot_are_found_without_a_call() {
    a_lost_session_is_found_without_a_call(python::fastmcp().await, &add()).await;
}

/// Each call is told the truth while the server is away, and works once it is back.
async fn is_restarted_under_load(
    mut server: Listening,
    transport: &str,
    path: &str,
    probe: &Probe,
) {
    let entry = json!({"type": transport, "url": server.url(path)});
    let mcpo = Mcpo::with_servers(json!({"real": entry})).await;
    let is_over = Cell::new(false);
    let caller = async || {
        while !is_over.get() {
            let answer = probe.call(&mcpo).await;
            // Unknown where it may have been carried out, else to be asked again.
            let is_told = matches!(answer.status, 502 | 503);
            assert!(is_told || probe.is_right(&answer), "{answer:?}");
        }
    };
    let restarts = async {
        for round in 1..=2 {
            probe.works(&mcpo, &format!("before restart {round}")).await;
            server.kill().await;
            server.start_again().await;
            let works = async || probe.is_right(&probe.call(&mcpo).await);
            assert!(until(REPLACED_WITHIN, works).await, "calls never work again");
        }
        is_over.set(true);
    };
    tokio::join!(caller(), caller(), caller(), restarts);
    mcpo.ready().await;
    for _ in 0..10 {
        probe.works(&mcpo, "at last").await;
    }
    mcpo.stop().await;
}

#[tokio::test]
async fn calls_work_again_after_a_node_sse_server_was_restarted_under_load() {
    is_restarted_under_load(everything::listening("sse").await, "sse", "/sse", &echo()).await;
}

#[tokio::test]
async fn calls_work_again_after_a_node_streamable_server_was_restarted_under_load() {
    let server = everything::listening("streamableHttp").await;
    is_restarted_under_load(server, "streamable-http", "/mcp", &echo()).await;
}

#[tokio::test]
async fn calls_work_again_after_a_modern_server_was_restarted_under_load() {
    let server = python::listening("streamable-http").await;
    is_restarted_under_load(server, "streamable-http", "/mcp", &add()).await;
}

#[tokio::test]
async fn calls_work_again_after_a_fastmcp_server_was_restarted_under_load() {
    is_restarted_under_load(python::fastmcp().await, "streamable-http", "/mcp", &add()).await;
}
