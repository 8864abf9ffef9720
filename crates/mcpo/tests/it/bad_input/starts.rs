//! Upstreams that do not come up: commands that are not there, servers that never shake hands or
//! speak something else. The others are callable, and what is wrong is told.

use mcpo_testkit::{HttpStep, HttpUpstream, Script, Step, What};
use serde_json::json;

use crate::program::world;
use crate::rows::{check, get, post};

#[tokio::test]
async fn one_of_twenty_that_never_shakes_hands_delays_none_of_the_others() {
    let upstream = HttpUpstream::start(Script::echo()).await.unwrap();
    let names: Vec<_> = (1..20).map(|number| format!("fine{number}")).collect();
    let others = names.iter().fold(world(), |world, name| world.server(name, upstream.config()));
    let world = others.stdio("silent", Script::never_answers_initialize()).unwrap();
    let mut world = world.start().await.unwrap();
    world.wait_reply("/readyz?exclude=silent", |reply| reply.status == 200).await.unwrap();
    world.journal("silent").wait_for_what(What::Handshake, 1).await.unwrap();
    let rows = names.iter().map(|name| {
        post(name, &format!("/{name}/echo"), &json!({"message": name}))
            .answers(json!({"message": name}))
    });
    check(&world, rows).await;
    check(
        &world,
        [
            get("who is missing", "/readyz").status(503).satisfies(|body| {
                body["missing"]
                    .as_array()
                    .is_some_and(|all| all.len() == 1 && all[0]["server"] == "silent")
            }),
            get("all documents are there", "/openapi.json").holds("/fine19/echo"),
            post("a call of it", "/silent/echo", &json!({})).status(503).satisfies(|body| {
                body["detail"]["code"] == "starting" && body["detail"]["outcome"] == "not_sent"
            }),
        ],
    )
    .await;
    world.terminate().unwrap();
    assert_eq!(world.wait_exit().await.unwrap().code(), Some(0));
}

#[tokio::test]
async fn a_command_that_is_not_there_is_told_and_tried_again() {
    let world = world()
        .server("nowhere", json!({"command": "no-such-command-anywhere"}))
        .server("folder", json!({"command": "/"}))
        .server(
            "ends",
            json!({"command": "sh", "args": ["-c", "echo 'cannot find my module' >&2; exit 3"]}),
        )
        .server(
            "prints",
            json!({"command": "sh", "args": ["-c", "echo hello; while read -r line; do :; done"]}),
        );
    let world = world.arg("--connect-timeout=1").start().await.unwrap();
    let coded = |name: &'static str, code: &'static str| {
        move |reply: &mcpo_testkit::Reply| reply.json()["servers"][name]["code"] == code
    };
    for (name, code) in [
        ("nowhere", "not_startable"),
        ("folder", "not_startable"),
        ("ends", "disconnected"),
        ("prints", "timeout"),
    ] {
        world.wait_reply("/health", coded(name, code)).await.unwrap();
    }
    let named =
        "session{upstream=\"prints\"}: the child wrote a line to stdout that is not a message";
    for words in
        [named, "`no-such-command-anywhere`", "not in PATH", "cannot find my module", "failures=2"]
    {
        world.wait_stderr(words).await.unwrap();
    }
}

#[tokio::test]
async fn servers_that_are_something_else_are_told_as_such() {
    let page = HttpStep {
        status: 200,
        headers: vec![("content-type".into(), "text/html".into())],
        body: "<h1>".into(),
    };
    let cases = [
        ("page", Step::Http(page), "nonsense"),
        ("locked", Step::Http(HttpStep::status(401)), "unauthorized"),
        ("failing", Step::Http(HttpStep::status(500)), "server_error"),
        ("cutting", Step::DropConnection, "disconnected"),
    ];
    for (says, step, code) in cases {
        let upstream =
            HttpUpstream::start(Script::echo().on_handshake(vec![vec![step]])).await.unwrap();
        let world = world().server("one", upstream.config()).start().await.unwrap();
        let reply = world
            .wait_reply("/readyz", |reply| !reply.json()["missing"][0]["code"].is_null())
            .await
            .unwrap();
        assert_eq!(reply.json()["missing"][0]["code"], code, "{says}: {reply}");
        let reply = world.post("/one/echo", &json!({})).await.unwrap();
        assert_eq!(
            (reply.status.as_u16(), &reply.json()["detail"]["code"]),
            (503, &json!(code)),
            "{says}"
        );
    }
}
