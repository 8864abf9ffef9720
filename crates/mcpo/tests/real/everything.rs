//! `server-everything` over its three transports: every kind of content, exact answers.

use serde_json::{Value, json};

use crate::case::{Call, answers, check, refused, satisfies};
use crate::places::{everything, node, npm};
use crate::process::{Listening, Mcpo};

/// Its tools for a client without capabilities of its own.
const TOOLS: [&str; 13] = [
    "echo",
    "get-annotated-message",
    "get-env",
    "get-resource-links",
    "get-resource-reference",
    "get-structured-content",
    "get-sum",
    "get-tiny-image",
    "gzip-file-as-resource",
    "toggle-simulated-logging",
    "toggle-subscriber-updates",
    "trigger-long-running-operation",
    "simulate-research-query",
];

const PNG: &str = "data:image/png;base64,iVBORw0KGgo";

fn plain() -> Vec<Call> {
    let missing = json!([{"type": "missing", "loc": ["body", "b"], "msg": "Field required", "input": {"a": 2}}]);
    vec![
        answers("echo", json!({"message": "grüße, 世界"}), json!("Echo: grüße, 世界")),
        answers("get-sum", json!({"a": 2, "b": 3}), json!("The sum of 2 and 3 is 5.")),
        answers("get-sum", json!({"a": "2", "b": 3}), json!("The sum of 2 and 3 is 5.")),
        refused("get-sum", json!({"a": 2}), missing),
        answers(
            "get-structured-content",
            json!({"location": "New York"}),
            json!({"temperature": 33, "conditions": "Cloudy", "humidity": 82}),
        ),
    ]
}

fn rich() -> Vec<Call> {
    let link = |id: u8, kind: &str, path: &str| {
        json!({
            "type": "resource_link",
            "uri": format!("demo://resource/dynamic/{path}/{id}"),
            "name": format!("{kind} Resource {id}"),
            "description": format!("Resource {id}: plaintext resource"),
            "mimeType": "text/plain",
        })
    };
    let links = json!([
        "Here are 2 resource links to resources available in this server:",
        link(1, "Blob", "blob"),
        link(2, "Text", "text"),
    ]);
    vec![
        satisfies("get-tiny-image", json!({}), |answer| {
            is_list(answer, 3)
                && answer[0] == "Here's the image you requested:"
                && starts_with(&answer[1], PNG)
                && answer[2] == "The image above is the MCP logo."
        }),
        answers(
            "get-annotated-message",
            json!({"messageType": "error", "includeImage": false}),
            json!("Error: Operation failed"),
        ),
        satisfies(
            "get-annotated-message",
            json!({"messageType": "success", "includeImage": true}),
            |answer| {
                is_list(answer, 2)
                    && answer[0] == "Operation completed successfully"
                    && starts_with(&answer[1], PNG)
            },
        ),
        satisfies(
            "get-resource-reference",
            json!({"resourceType": "Text", "resourceId": 1}),
            |answer| {
                is_list(answer, 3)
                    && answer[0] == "Returning resource reference for Resource 1:"
                    && starts_with(
                        &answer[1],
                        "Resource 1: This is a plaintext resource created at ",
                    )
                    && answer[2]
                        == "You can access this resource using the URI: demo://resource/dynamic/text/1"
            },
        ),
        satisfies(
            "get-resource-reference",
            json!({"resourceType": "Blob", "resourceId": 2}),
            |answer| {
                // "Resource 2: This is a base64 blob", as base64.
                is_list(answer, 3)
                    && starts_with(
                        &answer[1],
                        "data:text/plain;base64,UmVzb3VyY2UgMjogVGhpcyBpcyBhIGJhc2U2NCBibG9i",
                    )
            },
        ),
        answers("get-resource-links", json!({"count": 2}), links),
        answers(
            "trigger-long-running-operation",
            json!({"duration": 1, "steps": 2}),
            json!("Long running operation completed. Duration: 1 seconds, Steps: 2."),
        ),
    ]
}

fn calls() -> Vec<Call> {
    plain().into_iter().chain(rich()).collect()
}

fn is_list(answer: &Value, length: usize) -> bool {
    answer.as_array().is_some_and(|items| items.len() == length)
}

fn starts_with(value: &Value, start: &str) -> bool {
    value.as_str().is_some_and(|text| text.starts_with(start))
}

/// Starts it in one of its two HTTP modes.
pub(crate) async fn listening(mode: &str) -> Listening {
    let script = npm("@modelcontextprotocol/server-everything/dist/index.js");
    Listening::start(&[node(), script, mode.to_owned()]).await
}

#[tokio::test]
async fn everything_works_over_stdio() {
    check(everything(), &TOOLS, &calls()).await;
}

#[tokio::test]
async fn everything_works_over_sse() {
    let server = listening("sse").await;
    check(json!({"type": "sse", "url": server.url("/sse")}), &TOOLS, &calls()).await;
}

#[tokio::test]
async fn everything_works_over_streamable_http() {
    let server = listening("streamableHttp").await;
    check(json!({"type": "streamable-http", "url": server.url("/mcp")}), &TOOLS, &calls()).await;
}

/// What becomes of content is a convenience; nothing of the result is lost to who asks for it.
#[tokio::test]
async fn a_caller_can_have_the_whole_result() {
    let mcpo = Mcpo::with_servers(json!({"real": everything()})).await;
    let arguments = json!({"messageType": "error", "includeImage": false});
    let accept = "Accept: application/vnd.mcp.result+json\r\n";
    let answer = mcpo.call_with("/real/get-annotated-message", &arguments, accept).await;
    let annotations = json!({"priority": 1, "audience": ["user", "assistant"]});
    let content =
        json!([{"type": "text", "text": "Error: Operation failed", "annotations": annotations}]);
    assert_eq!((answer.status, &answer.json()["content"]), (200, &content), "{answer:?}");
    mcpo.stop().await;
}
