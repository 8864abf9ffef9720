//! Servers that fail, hang or start slowly: healed without an operator, and never noticed by their
//! neighbours; and what a child gets to see of our environment.

use mcpo_testkit::{Scratch, Script, ScriptedStdio, Step, What};
use serde_json::{Value, json};

use crate::program::{ready, world};
use crate::rows::{check, get, post};

#[tokio::test]
async fn a_server_that_fails_at_start_is_tried_until_it_is_there() {
    let failing = Script::echo().on_start(vec![vec![Step::Exit(3)], vec![Step::Exit(3)], vec![]]);
    let world = world().stdio("late", failing).unwrap().stdio("fine", Script::echo()).unwrap();
    let world = world.start().await.unwrap();
    world
        .wait_reply("/health", |reply| reply.json()["servers"]["fine"]["status"] == "ok")
        .await
        .unwrap();
    world.wait_ready().await.unwrap();
    check(
        &world,
        [
            post("it is there", "/late/echo", &json!({"number": 1})).answers(json!({"number": 1})),
            post("its neighbour was all the time", "/fine/echo", &json!({})),
        ],
    )
    .await;
    assert_eq!(world.journal("late").count(What::Start), 3);
    assert_eq!(world.journal("fine").count(What::Start), 1);
}

#[tokio::test]
async fn the_documents_of_a_server_that_is_missing_say_so() {
    let world = world().server("gone", json!({"command": "/no/such/command"}));
    let world = world.stdio("fine", Script::echo()).unwrap().start().await.unwrap();
    world
        .wait_reply("/health", |reply| reply.json()["servers"]["fine"]["status"] == "ok")
        .await
        .unwrap();
    world
        .wait_reply("/readyz", |reply| reply.json()["missing"][0]["code"] == "not_startable")
        .await
        .unwrap();
    check(
        &world,
        [
            get("its document", "/gone/openapi.json").holds("not been reached yet"),
            get("the root's document", "/openapi.json")
                .holds("not reached yet")
                .holds("/fine/echo"),
            post("a call", "/gone/anything", &json!({})).status(503).satisfies(|body| {
                body["detail"]["code"] == "not_startable" && body["detail"]["outcome"] == "not_sent"
            }),
            post("its neighbour's tools", "/fine/echo", &json!({})),
        ],
    )
    .await;
    let document = world.get("/gone/openapi.json").await.unwrap().text();
    assert!(!document.contains("/no/such"), "commands stay in the log: {document}");
}

#[tokio::test]
async fn servers_start_side_by_side_and_who_is_missing_is_told() {
    let world = world().stdio("slow", Script::slow_start()).unwrap();
    let world = world.stdio("fine", Script::echo()).unwrap().start().await.unwrap();
    world.control("slow").wait_at("start", 1).await.unwrap();
    let says_slow = |reply: &mcpo_testkit::Reply| {
        let body = reply.json();
        body["missing"].as_array().is_some_and(|missing| missing.len() == 1)
            && body["missing"][0]["server"] == "slow"
    };
    let reply = world.wait_reply("/readyz", says_slow).await.unwrap();
    assert_eq!(reply.status, 503, "{reply}");
    check(&world, [post("the other works", "/fine/echo", &json!({})), get("we live", "/livez")])
        .await;
    world.control("slow").open("start").unwrap();
    world.wait_ready().await.unwrap();
    check(&world, [post("now both do", "/slow/echo", &json!({}))]).await;
}

#[tokio::test]
async fn the_death_of_one_child_leaves_its_neighbours_alone() {
    let dying = Script::echo().on_call("die", vec![vec![Step::Exit(1)]]);
    let gated = Script::echo().on_call("slow", vec![vec![Step::Gate("slow".into()), Step::Echo]]);
    let world = ready(world().stdio("dying", dying).unwrap().stdio("fine", gated).unwrap()).await;
    let body = json!({"number": 1});
    let slow = world.post("/fine/slow", &body);
    let die = async {
        world.control("fine").wait_at("slow", 1).await.unwrap();
        let reply = world.post("/dying/die", &json!({})).await.unwrap();
        assert_eq!(
            (reply.status.as_u16(), &reply.json()["detail"]["outcome"]),
            (502, &json!("unknown"))
        );
        world.wait_ready().await.unwrap();
        world.control("fine").open("slow").unwrap();
    };
    let (slow, ()) = tokio::join!(slow, die);
    assert_eq!(slow.unwrap().json(), body, "a call in flight elsewhere goes on");
    check(&world, [post("it is back", "/dying/echo", &json!({}))]).await;
    assert_eq!(world.journal("fine").count(What::Start), 1);
    assert_eq!(world.journal("dying").count(What::Start), 2);
}

/// The entry of a scripted upstream that writes its environment into a file first.
fn telling(scratch: &Scratch, name: &str) -> Value {
    let upstream = ScriptedStdio::new(scratch.path(), name, Script::echo()).unwrap();
    let told = scratch.path().join(format!("{name}.env"));
    let line = format!("env > '{}'; exec \"$@\"", told.display());
    let mut words = vec!["-c".to_owned(), line, "sh".to_owned(), upstream.command];
    words.extend(upstream.arguments);
    json!({"command": "/bin/sh", "args": words})
}

#[tokio::test]
async fn a_child_gets_our_environment_without_our_secrets() {
    let scratch = Scratch::new().unwrap();
    let mut none = telling(&scratch, "none");
    none["inheritEnv"] = json!(false);
    let mut named = telling(&scratch, "named");
    named["inheritEnv"] = json!(["PATH", "ONE"]);
    let world = world().server("all", telling(&scratch, "all")).server("none", none);
    let world = world.server("named", named).env("ONE", "1").env("TWO", "2");
    let world = world.env("MCPO_API_KEY", "KEY").start().await.unwrap();
    world.wait_ready().await.unwrap();
    let told = |name: &str, line: &str| {
        let text = std::fs::read_to_string(scratch.path().join(format!("{name}.env"))).unwrap();
        text.lines().any(|found| found == line)
    };
    let found = ["all", "none", "named"].map(|name| (told(name, "ONE=1"), told(name, "TWO=2")));
    assert_eq!(found, [(true, true), (false, false), (true, false)]);
    assert!(!told("all", "MCPO_API_KEY=KEY"));
}
