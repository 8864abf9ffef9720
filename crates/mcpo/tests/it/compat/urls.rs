//! URLs: where tools, documents and pages are, in both modes, with a root path and a prefix, and
//! what is answered elsewhere.

use mcpo_testkit::{Scratch, Script, ScriptedStdio};
use serde_json::json;

use crate::program::{ready, world};
use crate::rows::{Row, check, get, post};

/// The rows that are the same wherever a server is mounted.
fn mounted(at: &str) -> Vec<Row> {
    let path = |rest: &str| format!("{at}{rest}");
    let not_found = json!({"detail": "Not Found"});
    vec![
        post("a tool", &path("/echo"), &json!({"number": 1})).answers(json!({"number": 1})),
        get("its document", &path("/openapi.json"))
            .satisfies(|document| document["paths"]["/echo"]["post"].is_object()),
        get("Swagger UI", &path("/docs")).holds("Swagger UI"),
        get("Redoc", &path("/redoc")).holds("ReDoc"),
        get("another method", &path("/echo"))
            .status(405)
            .header("allow", "POST")
            .answers(json!({"detail": "Method Not Allowed"})),
        post("a document cannot be posted", &path("/openapi.json"), &json!({}))
            .status(405)
            .answers(json!({"detail": "Method Not Allowed"})),
        post("an unknown tool", &path("/missing"), &json!({}))
            .status(404)
            .answers(not_found.clone()),
        get("an unknown page", &path("/missing")).status(404).answers(not_found),
    ]
}

#[tokio::test]
async fn a_single_server_is_at_the_root() {
    let scratch = Scratch::new().unwrap();
    let upstream = ScriptedStdio::new(scratch.path(), "one", Script::echo()).unwrap();
    let words: Vec<_> = [upstream.command].into_iter().chain(upstream.arguments).collect();
    let world = ready(world().alone(&words)).await;
    check(&world, mounted("")).await;
    check(
        &world,
        [post("a trailing slash", "/echo/?a=1", &json!({}))
            .status(307)
            .header("location", "/echo?a=1")],
    )
    .await;
}

#[tokio::test]
async fn servers_of_a_file_are_each_under_its_name() {
    let world = world().stdio("one", Script::echo()).unwrap().stdio("two words", Script::echo());
    let world = ready(world.unwrap()).await;
    check(&world, mounted("/one").into_iter().chain(mounted("/two%20words"))).await;
    check(
        &world,
        [
            get("the root's document", "/openapi.json")
                .satisfies(|document| document["info"]["title"] == "MCP OpenAPI Proxy"),
            get("the root's page", "/docs").holds("Swagger UI"),
            get("the root itself", "/").status(404).answers(json!({"detail": "Not Found"})),
            post("a tool without its server", "/echo", &json!({})).status(404),
            post("an unknown server", "/three/echo", &json!({})).status(404),
            post("a trailing slash", "/one/echo/", &json!({}))
                .status(307)
                .header("location", "/one/echo"),
            get("a trailing slash behind a page", "/one/docs/")
                .status(307)
                .header("location", "/one/docs"),
        ],
    )
    .await;
}

#[tokio::test]
async fn requests_work_with_and_without_the_root_path() {
    let world = world().stdio("one", Script::echo()).unwrap();
    let world = ready(world.arg("--root-path=/root").arg("--path-prefix=api/v1")).await;
    check(&world, mounted("/api/v1/one").into_iter().chain(mounted("/root/api/v1/one"))).await;
    check(
        &world,
        [
            post("without the prefix", "/one/echo", &json!({})).status(404),
            get("the document tells where it is", "/root/api/v1/one/openapi.json")
                .satisfies(|document| document["servers"][0]["url"] == "/root/api/v1/one"),
            get("the root's document, behind the root path", "/root/openapi.json")
                .satisfies(|document| document["paths"].is_object()),
        ],
    )
    .await;
}
