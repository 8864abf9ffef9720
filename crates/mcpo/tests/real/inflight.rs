//! An upstream that dies with a call inside it: run again where that is allowed, and where it
//! is not, said to be unknown. Never lost, never run twice.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::http::Answer;
use crate::places::{installed, scratch, support, text};
use crate::process::{Listening, Mcpo, kill_all, until};
use crate::python::{listening, result};

/// Long enough for a call to reach the tool on a busy machine.
const ARRIVAL_TIMEOUT: Duration = Duration::from_secs(30);

fn stdio() -> Value {
    let arguments = [support("python/upstream.py"), "stdio".to_owned()];
    json!({"command": installed("modern/bin/python"), "args": arguments})
}

/// The tool notes in this file each time that it runs.
fn journal() -> PathBuf {
    scratch().join("journal.txt")
}

fn runs(journal: &Path) -> usize {
    std::fs::read_to_string(journal).map_or(0, |text| text.lines().count())
}

/// Calls a tool, and breaks the upstream when the call is inside it.
async fn call_and_break(mcpo: &Mcpo, tool: &str, breaks: impl AsyncFnOnce()) -> Answer {
    let journal = journal();
    let (path, arguments) = (format!("/real/{tool}"), json!({"journal": text(&journal)}));
    let call = mcpo.call(&path, &arguments);
    let fault = async {
        assert!(until(ARRIVAL_TIMEOUT, async || runs(&journal) == 1).await, "the call arrives");
        breaks().await;
    };
    tokio::join!(call, fault).0
}

fn is_run_again(answer: &Answer) {
    assert_eq!((answer.status, answer.json()), (200, result(&json!(2))), "{answer:?}");
    assert_eq!(runs(&journal()), 2);
}

fn is_unknown(answer: &Answer) {
    let outcome = &answer.json()["detail"]["outcome"];
    assert_eq!((answer.status, outcome), (502, &json!("unknown")), "{answer:?}");
    assert_eq!(runs(&journal()), 1);
}

async fn kill_the_child(tool: &str) -> Answer {
    let mcpo = Mcpo::with_servers(json!({"real": stdio()})).await;
    let answer = call_and_break(&mcpo, tool, async || kill_all(&mcpo.descendants()).await).await;
    mcpo.ready().await;
    let after = mcpo.call("/real/add", &json!({"a": 1, "b": 2})).await;
    assert_eq!((after.status, after.json()), (200, result(&json!(3))), "{after:?}");
    mcpo.stop().await;
    answer
}

async fn restart_the_server(mut server: Listening, entry: Value, tool: &str) -> Answer {
    let mcpo = Mcpo::with_servers(json!({"real": entry})).await;
    let restart = async || {
        server.kill().await;
        server.start_again().await;
    };
    let answer = call_and_break(&mcpo, tool, restart).await;
    mcpo.stop().await;
    answer
}

#[tokio::test]
async fn a_read_only_call_survives_the_death_of_its_child() {
    is_run_again(&kill_the_child("look").await);
}

#[tokio::test]
async fn a_call_that_may_have_acted_is_not_run_again_when_its_child_dies() {
    is_unknown(&kill_the_child("act").await);
}

#[tokio::test]
async fn a_call_that_may_have_acted_is_not_run_again_when_its_http_server_dies() {
    let server = listening("streamable-http").await;
    let entry = json!({"type": "streamable-http", "url": server.url("/mcp")});
    is_unknown(&restart_the_server(server, entry, "act").await);
}

#[tokio::test]
async fn a_call_that_may_have_acted_is_not_run_again_when_its_sse_server_dies() {
    let server = listening("sse").await;
    let entry = json!({"type": "sse", "url": server.url("/sse")});
    is_unknown(&restart_the_server(server, entry, "act").await);
}

/// A caller that waits no longer than it says gets its answer then, and the tool is told.
#[tokio::test]
async fn a_deadline_is_kept() {
    let mcpo = Mcpo::with_servers(json!({"real": stdio()})).await;
    let arguments = json!({"journal": text(&journal())});
    let answer = mcpo.call_with("/real/act", &arguments, "X-Tool-Timeout: 1\r\n").await;
    assert_eq!(answer.status, 504, "{answer:?}");
    mcpo.stop().await;
}
