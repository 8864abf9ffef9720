//! The OpenAPI document: what it says of a server, and of each tool.

use mcpo_testkit::{Scratch, Script, ScriptedStdio, tool};
use serde_json::{Value, json};

use crate::program::{ready, world};

/// A claim, and whether it is true of a document.
type Claim = (&'static str, fn(&Value) -> bool);

const CLAIMS: [Claim; 10] = [
    ("OpenAPI 3.1.0", |document| document["openapi"] == "3.1.0"),
    ("the title is the server's name", |document| document["info"]["title"] == "clockwork"),
    ("the description is its instructions", |document| {
        document["info"]["description"] == "Wind it up."
    }),
    ("the version is its version", |document| document["info"]["version"] == "4.2"),
    ("a path for each tool", |document| {
        document["paths"]
            .as_object()
            .is_some_and(|paths| paths.keys().eq(["/get_current_time", "/x.y"]))
    }),
    ("the summary is the name in title case", |document| {
        time(document)["summary"] == "Get Current Time"
    }),
    ("the description is the tool's", |document| {
        time(document)["description"] == "Tells the time."
    }),
    ("the operation's id", |document| {
        time(document)["operationId"] == "tool_get_current_time_post"
            && document["paths"]["/x.y"]["post"]["operationId"] == "tool_x_y_post"
    }),
    ("the arguments' schema is a component", |document| {
        let body = &time(document)["requestBody"]["content"]["application/json"]["schema"];
        let name =
            body["$ref"].as_str().and_then(|path| path.strip_prefix("#/components/schemas/"));
        name.is_some_and(|name| {
            let schema = &document["components"]["schemas"][name];
            schema["properties"]["zone"]["description"] == "IANA name"
                && schema["required"] == json!(["zone"])
        })
    }),
    ("answers 200 and 422", |document| {
        let answers = &time(document)["responses"];
        answers["200"].is_object() && answers["422"].is_object()
    }),
];

fn time(document: &Value) -> &Value {
    &document["paths"]["/get_current_time"]["post"]
}

fn script() -> Script {
    let schema = json!({"type": "object", "required": ["zone"], "properties": {
        "zone": {"type": "string", "description": "IANA name"},
    }});
    let time = json!({"name": "get_current_time", "description": "Tells the time.", "inputSchema": schema});
    let script = Script::new("clockwork").tool(time).tool(tool("x.y"));
    Script { version: "4.2".into(), instructions: Some("Wind it up.".into()), ..script }
}

fn check(document: &Value, claims: &[Claim]) {
    for (claim, holds) in claims {
        assert!(holds(document), "{claim}: {document:#}");
    }
}

#[tokio::test]
async fn a_servers_document_says_what_the_original_says() {
    let plain = Script::new("plain").tool(tool("echo"));
    let world = world().stdio("one", script()).unwrap().stdio("two", plain).unwrap();
    let world = ready(world).await;
    let document = world.get("/one/openapi.json").await.unwrap().json();
    check(&document, &CLAIMS);
    check(
        &document,
        &[("no security without a key", |document| {
            document["components"].get("securitySchemes").is_none()
                && time(document).get("security").is_none()
        })],
    );
    let document = world.get("/two/openapi.json").await.unwrap().json();
    check(
        &document,
        &[("without instructions the description is made from the name", |document| {
            document["info"]["description"] == "plain MCP Server"
        })],
    );
    let document = world.get("/openapi.json").await.unwrap().json();
    check(
        &document,
        &[("the root's title", |document| document["info"]["title"] == "MCP OpenAPI Proxy")],
    );
}

#[tokio::test]
async fn a_single_servers_document_is_its_own_unless_options_say_otherwise() {
    let scratch = Scratch::new().unwrap();
    let upstream = ScriptedStdio::new(scratch.path(), "one", script()).unwrap();
    let words: Vec<_> = [upstream.command].into_iter().chain(upstream.arguments).collect();
    let own = ready(world().alone(&words)).await;
    check(&own.get("/openapi.json").await.unwrap().json(), &CLAIMS);
}
