//! Upstreams whose handshake or list of tools is odd: what can be used is used, what cannot is
//! told, and nothing goes on for ever.

use mcpo_testkit::{Script, Step, World, tool};
use serde_json::{Value, json};

use crate::program::{ready, world};
use crate::rows::{check, get, post};

fn listing(entries: &Value) -> Script {
    Script { list: vec![vec![Step::RawResult(json!({"tools": entries}))]], ..Script::echo() }
}

#[tokio::test]
async fn an_odd_tool_costs_no_other_tool() {
    let odd = json!([
        5,
        null,
        {},
        {"name": 7, "inputSchema": {}},
        {"name": "", "inputSchema": {"type": "object"}},
        {"name": "no_schema"},
        {"name": "null_schema", "inputSchema": null},
        {"name": "text_schema", "inputSchema": "x"},
        {"name": "true_schema", "inputSchema": true},
        {"name": "odd_type", "inputSchema": {"type": "object", "properties": {"v": {"type": "nonsense"}}}},
        {"name": "odd_pattern", "inputSchema": {"type": "object", "properties": {"v": {"type": "string", "pattern": "(["}}}},
        {"name": "no_such_ref", "inputSchema": {"type": "object", "properties": {"v": {"$ref": "#/$defs/gone"}}}},
        {"name": "far_ref", "inputSchema": {"type": "object", "properties": {"v": {"$ref": "http://127.0.0.1:1/x"}}}},
        {"name": "required_null", "inputSchema": {"type": "object", "properties": {"v": {}}, "required": null}},
        {"name": "properties_list", "inputSchema": {"type": "object", "properties": []}},
        {"name": "odd_words", "description": 5, "title": [], "annotations": "x", "outputSchema": 7, "inputSchema": {"type": "object"}},
        tool("twice"),
        tool("twice"),
        tool("echo"),
    ]);
    let script = listing(&odd).tool(tool("twice"));
    let names = [
        "no_schema",
        "odd_type",
        "odd_pattern",
        "no_such_ref",
        "far_ref",
        "required_null",
        "odd_words",
    ];
    let script = names
        .into_iter()
        .fold(script, |script, name| script.on_call(name, vec![vec![Step::Text("called".into())]]));
    let world = ready(world().stdio("one", script).unwrap()).await;
    let document = world.get("/one/openapi.json").await.unwrap().json();
    let paths = document["paths"].as_object().unwrap();
    for name in ["echo", "twice"].into_iter().chain(names) {
        assert!(paths.contains_key(&format!("/{name}")), "{name}: {:?}", paths.keys());
    }
    let refers = document.to_string().contains("\"$ref\":\"http");
    assert!(!refers, "nobody is sent elsewhere for a schema: {document}");
    let rows = names.map(|name| {
        post(name, &format!("/one/{name}"), &json!({"v": "a"})).answers(json!("called"))
    });
    check(&world, rows).await;
    check(
        &world,
        [
            post("a good one", "/one/echo", &json!({"number": 1})).answers(json!({"number": 1})),
            post("one that is there twice", "/one/twice", &json!({})),
            get("the page", "/one/docs"),
        ],
    )
    .await;
}

/// Starts it and waits until it has failed with that code.
async fn fails(says: &str, script: Script, code: &str) {
    let world =
        world().stdio("one", script).unwrap().arg("--connect-timeout=1").start().await.unwrap();
    let seen =
        world.wait_reply("/readyz", |reply| !reply.json()["missing"][0]["code"].is_null()).await;
    let reply = seen.unwrap_or_else(|error| panic!("{says}: {error:#}"));
    assert_eq!(reply.json()["missing"][0]["code"], code, "{says}: {reply}");
    assert_eq!(world.post("/one/echo", &json!({})).await.unwrap().status, 503, "{says}");
}

#[tokio::test]
async fn a_handshake_that_cannot_be_used_is_told() {
    let handshake = |step: Step| Script::echo().on_handshake(vec![vec![step]]);
    let refusal = Step::RpcError { code: -32603, message: "not today".into(), data: Value::Null };
    fails("an error", handshake(refusal), "server_error").await;
    fails("a result that is a number", handshake(Step::RawResult(json!(5))), "nonsense").await;
    fails("garbage and silence", handshake(Step::Garbage(b"\xff\xfe".to_vec())), "timeout").await;
    fails(
        "another id",
        handshake(Step::RawAnswer(r#"{"jsonrpc":"2.0","id":"other","result":{}}"#.into())),
        "timeout",
    )
    .await;
}

#[tokio::test]
async fn a_list_that_cannot_be_used_is_told() {
    let list = |step: Step| Script { list: vec![vec![step]], ..Script::echo() };
    fails("silence", list(Step::Hang), "timeout").await;
    fails("a list that is a number", list(Step::RawResult(json!({"tools": 5}))), "nonsense").await;
    fails("no list", list(Step::RawResult(json!({}))), "nonsense").await;
    fails("a death", list(Step::Exit(1)), "disconnected").await;
    let endless = json!({"tools": [tool("echo")], "nextCursor": "again"});
    fails("the same page for ever", list(Step::RawResult(endless)), "nonsense").await;
}

async fn works(world: &World) {
    check(
        world,
        [post("it works", "/one/echo", &json!({"number": 1})).answers(json!({"number": 1}))],
    )
    .await;
}

#[tokio::test]
async fn a_handshake_that_says_little_will_do() {
    for result in [
        json!({"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}}),
        json!({"protocolVersion": "2024-11-05", "capabilities": {}, "serverInfo": {}}),
        json!({"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": {"name": null, "odd": 1}, "odd": [1]}),
    ] {
        let script = Script::echo().on_handshake(vec![vec![Step::RawResult(result)]]);
        let world = ready(world().stdio("one", script).unwrap()).await;
        works(&world).await;
        assert_eq!(world.get("/one/openapi.json").await.unwrap().status, 200);
    }
}

#[tokio::test]
async fn a_server_without_tools_is_ready() {
    let empty = ready(world().stdio("one", Script::new("empty")).unwrap()).await;
    check(
        &empty,
        [get("its document", "/one/openapi.json")
            .satisfies(|document| document["paths"] == json!({}))],
    )
    .await;
    let unknown =
        Step::RpcError { code: -32601, message: "Method not found".into(), data: Value::Null };
    let prompts = json!({"protocolVersion": "2025-06-18", "capabilities": {"prompts": {}}});
    let script = Script { list: vec![vec![unknown]], ..Script::echo() };
    let script = script.on_handshake(vec![vec![Step::RawResult(prompts)]]);
    let world = ready(world().stdio("one", script).unwrap()).await;
    check(&world, [get("one that has something else", "/one/openapi.json")]).await;
}
