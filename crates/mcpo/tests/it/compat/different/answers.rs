//! What a call comes to: errors with a code, every kind of content, texts that look like JSON.

use mcpo_testkit::{HttpStep, HttpUpstream, Request, Script, Step, What, tool};
use serde_json::{Value, json};

use crate::program::{ready, world};
use crate::rows::{Row, check, post, post_raw};

/// Rows about one tool each, named by a number.
#[derive(Default)]
struct Tools {
    script: Script,
    rows: Vec<Row>,
}

impl Tools {
    fn add(&mut self, step: Step, expected: impl FnOnce(&str) -> Row) {
        let tool = format!("tool{}", self.rows.len());
        self.rows.push(expected(&format!("/one/{tool}")));
        self.script = std::mem::take(&mut self.script).on_call(&tool, vec![vec![step]]);
    }

    fn result(&mut self, says: &str, result: Value, answer: Value) {
        self.add(Step::RawResult(result), |path| post(says, path, &json!({})).answers(answer));
    }

    async fn check(self) {
        let world = ready(world().stdio("one", self.script).unwrap()).await;
        check(&world, self.rows).await;
    }
}

fn item(item: &Value) -> Value {
    json!({"content": [item]})
}

#[tokio::test]
async fn a_failure_of_the_tool_is_told_with_its_code() {
    let mut tools = Tools::default();
    tools.add(Step::ToolError("no luck".into()), |path| {
        post("isError with one text", path, &json!({}))
            .status(500)
            .answers(json!({"detail": {"message": "no luck", "code": "tool_error"}}))
    });
    let content = json!([
        {"type": "text", "text": "no luck"},
        {"type": "image", "data": "AAEC", "mimeType": "image/png"},
    ]);
    let failed = json!({"isError": true, "content": content});
    tools.add(Step::RawResult(failed), |path| {
        post("isError with more than a text", path, &json!({})).status(500).satisfies(|body| {
            body["detail"]["code"] == "tool_error"
                && body["detail"]["message"] == "no luck"
                && body["detail"]["content"].as_array().is_some_and(|items| items.len() == 2)
        })
    });
    tools.check().await;
}

#[tokio::test]
async fn no_content_is_dropped() {
    let mut tools = Tools::default();
    let link =
        json!({"type": "resource_link", "uri": "file:///a", "name": "a", "mimeType": "text/plain"});
    tools.result(
        "audio is a data URI",
        item(&json!({"type": "audio", "data": "AAEC", "mimeType": "audio/wav"})),
        json!("data:audio/wav;base64,AAEC"),
    );
    tools.result(
        "a resource's text stands inline",
        item(&json!({"type": "resource", "resource": {"uri": "file:///a", "text": "hello"}})),
        json!("hello"),
    );
    tools.result(
        "a resource's blob is a data URI",
        item(&json!({"type": "resource", "resource": {"uri": "file:///a", "blob": "AAEC", "mimeType": "image/png"}})),
        json!("data:image/png;base64,AAEC"),
    );
    tools.result("a link stays a link", item(&link), link);
    tools.result(
        "structured content where there is no other",
        json!({"content": [], "structuredContent": {"a": null}}),
        json!({"a": null}),
    );
    tools.check().await;
}

#[tokio::test]
async fn a_text_that_no_reader_could_take_stays_a_string() {
    let deep = "[".repeat(5000) + &"]".repeat(5000);
    let mut tools = Tools::default();
    for text in ["NaN", "1e400", "Infinity", "[1e999]", &deep] {
        tools.add(Step::Text(text.into()), |path| {
            post("stays a string", path, &json!({})).answers(json!(text))
        });
    }
    tools.check().await;
}

#[tokio::test]
async fn what_the_document_says_is_what_comes() {
    let shape = json!({"type": "object", "properties": {"n": {"type": "integer"}}});
    let described =
        json!({"name": "described", "inputSchema": {"type": "object"}, "outputSchema": shape});
    let result = json!({"content": [{"type": "text", "text": "two"}], "structuredContent": {"n": 2}, "_meta": {"x": 1}});
    let turns = || vec![vec![Step::RawResult(result.clone())]];
    let script =
        Script::new("s").tool(described).on_call("described", turns()).on_call("plain", turns());
    let world = ready(world().stdio("one", script).unwrap()).await;
    let raw = |tool: &str| {
        post("the whole result for who asks", tool, &json!({}))
            .sent("accept", "application/vnd.mcp.result+json")
            .answers(result.clone())
    };
    check(
        &world,
        [
            post("with an output schema", "/one/described", &json!({})).answers(json!({"n": 2})),
            post("without one", "/one/plain", &json!({})).answers(json!("two")),
            raw("/one/described"),
            raw("/one/plain"),
        ],
    )
    .await;
    let document = world.get("/one/openapi.json").await.unwrap().json();
    let answer = &document["paths"]["/described"]["post"]["responses"]["200"];
    let text = document.to_string();
    assert!(
        answer.is_object() && text.contains("\"n\""),
        "the output schema is in the document: {document:#}"
    );
}

#[tokio::test]
async fn no_body_is_no_arguments_where_all_are_optional() {
    let schema = json!({"type": "object", "properties": {"v": {"type": "string"}}});
    let script = Script::new("s").tool(json!({"name": "optional", "inputSchema": schema}));
    let world = ready(world().stdio("one", script).unwrap()).await;
    check(
        &world,
        [
            post_raw("no body", "/one/optional", "", b"").received("one", json!({})),
            post_raw("an empty body", "/one/optional", "application/json", b"")
                .received("one", json!({})),
        ],
    )
    .await;
}

/// A failure of the upstream, and what must be told.
struct Failure {
    says: &'static str,
    tool: &'static str,
    turn: Vec<Step>,
    status: u16,
    code: &'static str,
    outcome: &'static str,
    comes_again: bool,
}

fn failures() -> Vec<Failure> {
    let http = |status: u16| HttpStep::status(status).header("retry-after", "7");
    let failure = |says, tool, turn: Step, status, (code, outcome)| Failure {
        says,
        tool,
        turn: vec![turn],
        status,
        code,
        outcome,
        comes_again: matches!(status, 429 | 503),
    };
    vec![
        failure("no answer by the deadline", "hang", Step::Hang, 504, ("timeout", "unknown")),
        failure(
            "cut after the call",
            "cut",
            Step::DropConnection,
            502,
            ("disconnected", "unknown"),
        ),
        failure(
            "an error inside",
            "inside",
            Step::Http(http(500)),
            502,
            ("server_error", "unknown"),
        ),
        failure("not now", "throttled", Step::Http(http(429)), 429, ("throttled", "refused")),
        failure(
            "no entry",
            "locked",
            Step::Http(HttpStep::status(401)),
            503,
            ("unauthorized", "not_sent"),
        ),
    ]
}

#[tokio::test]
async fn a_failure_of_the_upstream_has_a_status_and_a_code_of_its_own() {
    let script = failures()
        .into_iter()
        .fold(Script::echo(), |script, failure| script.on_call(failure.tool, vec![failure.turn]));
    let upstream = HttpUpstream::start(script).await.unwrap();
    let world = ready(world().server("one", upstream.config())).await;
    for Failure { says, tool, status, code, outcome, comes_again, .. } in failures() {
        let request = Request::post(&world.url(&format!("/one/{tool}"))).json(&json!({}));
        let reply = world.send(request.header("x-tool-timeout", "1")).await.unwrap();
        assert_eq!(reply.status, status, "{says}: {reply}");
        let detail = &reply.json()["detail"];
        assert_eq!(
            (&detail["code"], &detail["outcome"]),
            (&json!(code), &json!(outcome)),
            "{says}: {reply}"
        );
        assert_eq!(reply.header("x-mcpo-outcome"), Some(outcome), "{says}");
        assert_eq!(
            reply.header("retry-after").is_some(),
            comes_again,
            "{says}: {:?}",
            reply.headers
        );
        assert!(!reply.text().contains("127.0.0.1"), "{says}: {reply}");
        assert_eq!(upstream.journal().received(tool), 1, "{says}: nothing is sent again");
        world.wait_ready().await.unwrap();
    }
}

#[tokio::test]
async fn who_cannot_be_reached_says_when_to_come_again() {
    let world =
        world().server("gone", json!({"type": "streamable-http", "url": "http://127.0.0.1:1/mcp"}));
    let world = world.start().await.unwrap();
    world
        .wait_reply("/readyz", |reply| reply.json()["missing"][0]["code"] == "unreachable")
        .await
        .unwrap();
    let reply = world.post("/gone/anything", &json!({})).await.unwrap();
    assert_eq!(reply.status, 503, "{reply}");
    assert_eq!(reply.json()["detail"]["code"], "unreachable");
    assert!(reply.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
}

#[tokio::test]
async fn arguments_are_never_told_above_debug() {
    let schema = json!({"type": "object", "properties": {"password": {"type": "string"}}});
    let login = json!({"name": "login", "inputSchema": schema});
    let script = || {
        Script::new("s")
            .tool(login.clone())
            .tool(tool("x"))
            .on_call("cut", vec![vec![Step::Exit(1)]])
    };
    for level in ["INFO", "DEBUG"] {
        let world = world().arg("--log-level").arg(level).stdio("one", script()).unwrap();
        let world = ready(world).await;
        let secret = json!({"password": "hunter2", "key": "hunter2"});
        assert_eq!(world.post("/one/login", &secret).await.unwrap().status, 200);
        assert_eq!(world.post("/one/cut", &secret).await.unwrap().status, 502);
        assert_eq!(world.journal("one").count(What::Received), 2);
        world.wait_stderr("request failed").await.unwrap();
        assert!(!world.stderr().contains("hunter2"), "{level}: {}", world.stderr());
    }
}
