//! The configuration file: every member of a server's entry does what it did.

use mcpo_testkit::{HttpUpstream, Scratch, Script, ScriptedStdio, What, tool};
use serde_json::{Value, json};

use crate::program::{ready, run, world};
use crate::rows::{check, get, post};

/// A file with comments and trailing commas, as editors leave them.
fn tolerated(servers: &Value) -> String {
    format!("// Servers.\n{{\"mcpServers\": {servers}, /* the end */ }}\n")
}

#[tokio::test]
async fn a_server_is_a_command_with_arguments_and_environment() {
    let scratch = Scratch::new().unwrap();
    let upstream = ScriptedStdio::new(scratch.path(), "one", Script::echo()).unwrap();
    let told = scratch.path().join("told");
    // The command tells what it got, then becomes the scripted upstream.
    let line = "printf '%s|%s' \"$GREETING\" \"$1\" > \"$TOLD\"; shift; exec \"$@\"";
    let mut words = vec!["-c", line, "sh", "an argument", &upstream.command];
    words.extend(upstream.arguments.iter().map(String::as_str));
    let entry = json!({"command": "sh", "args": words, "env": {"GREETING": "hello", "TOLD": told}});
    let world = ready(world().server("one", entry)).await;
    check(
        &world,
        [post("it is called", "/one/echo", &json!({"number": 1})).answers(json!({"number": 1}))],
    )
    .await;
    assert_eq!(std::fs::read_to_string(told).unwrap(), "hello|an argument");
}

#[tokio::test]
async fn a_server_is_reached_by_its_type_and_url_with_its_headers() {
    let streamable = HttpUpstream::start(Script::echo()).await.unwrap();
    let sse = HttpUpstream::start(Script::echo()).await.unwrap();
    let headers = json!({"X-Team": "blue"});
    let streamable_entry =
        |kind: &str| json!({"type": kind, "url": streamable.url(), "headers": headers});
    let world = world()
        .server("dashes", streamable_entry("streamable-http"))
        .server("underscores", streamable_entry("streamable_http"))
        .server("one_word", streamable_entry("streamablehttp"))
        .server("sse", json!({"type": "sse", "url": sse.sse_url(), "headers": headers}))
        .server("untyped", json!({"url": sse.sse_url(), "headers": headers}));
    let world = ready(world).await;
    let rows = ["dashes", "underscores", "one_word", "sse", "untyped"].map(|name| {
        post(name, &format!("/{name}/echo"), &json!({"message": name}))
            .answers(json!({"message": name}))
    });
    check(&world, rows).await;
    for (upstream, count) in [(&streamable, 3), (&sse, 2)] {
        let calls = upstream.journal().matching(|entry| entry.what == What::Received);
        assert_eq!(calls.len(), count);
        assert!(calls.iter().all(|call| call.headers["x-team"] == "blue"), "{calls:#?}");
    }
}

#[tokio::test]
async fn tools_are_disabled_by_either_name_of_the_list() {
    let script = || Script::echo().tool(tool("secret"));
    let world = world().stdio("camel", script()).unwrap().stdio("snake", script()).unwrap();
    let world = world.set("camel", "disabledTools", json!(["secret"]));
    let world = ready(world.set("snake", "disabled_tools", json!(["secret"]))).await;
    let rows = ["camel", "snake"].map(|name| {
        [
            post(name, &format!("/{name}/secret"), &json!({})).status(404).never_received(name),
            get(name, &format!("/{name}/openapi.json")).satisfies(|document| {
                document["paths"].as_object().is_some_and(|p| p.keys().eq(["/echo"]))
            }),
            post("the others are not", &format!("/{name}/echo"), &json!({})),
        ]
    });
    check(&world, rows.into_iter().flatten()).await;
}

#[tokio::test]
async fn comments_and_trailing_commas_are_tolerated() {
    let scratch = Scratch::new().unwrap();
    let servers = json!({"time": {"command": "uvx", "args": ["mcp-server-time"]}});
    let file = scratch.write("servers.json", &tolerated(&servers)).unwrap();
    let ended = run(&["check", "--config", file.to_str().unwrap()]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.contains("/time"), "{ended:?}");
}

#[tokio::test]
async fn what_is_not_there_yet_is_told() {
    let scratch = Scratch::new().unwrap();
    let told = async |entry: &str| {
        let file = format!("{{\"mcpServers\": {{\"one\": {entry}}}}}");
        let file = scratch.write("servers.json", &file).unwrap();
        run(&["check", "--config", file.to_str().unwrap()]).await
    };
    let forwarding = r#""client_header_forwarding": {"enabled": true, "whitelist": ["X-User-*"], "blacklist": ["*"], "debug_headers": false}"#;
    let ended = told(&format!(r#"{{"url": "http://h/sse", {forwarding}}}"#)).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(
        ended.stderr.contains("forwarding headers of requests is not supported yet"),
        "{ended:?}"
    );
    let oauth = r#""oauth": {"server_url": "http://h", "storage_type": "file", "callback_port": 3030, "use_loopback": true, "client_metadata": {}}"#;
    let ended =
        told(&format!(r#"{{"type": "streamable-http", "url": "http://h/mcp", {oauth}}}"#)).await;
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("OAuth towards a server is not supported yet"), "{ended:?}");
}
