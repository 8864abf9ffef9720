//! An upstream changes its tools while it runs.

use std::time::Duration;

use mcpo_testkit::{Entry, Era, Script, Step, What};
use serde_json::json;

use super::{ALL, Over, bench, keyed, timed};

fn changing() -> Script {
    Script {
        background: vec![
            Step::Gate("change".to_owned()),
            Step::NotifyToolsChanged(vec![keyed("stays"), keyed("comes")]),
        ],
        ..Script::new("scripted").tool(keyed("stays")).tool(keyed("goes"))
    }
}

/// Waits until the upstream can say something that is heard.
async fn heard(bench: &super::Bench, over: Over, era: Era) {
    let listens = |entry: &Entry| entry.what == What::Listen;
    if over == Over::Legacy || era == Era::Modern {
        bench.journal.wait("a listener", |all| all.iter().any(listens)).await.unwrap();
    }
    bench.control.wait_at("change", 1).await.unwrap();
}

#[tokio::test]
async fn tools_come_and_go_live_in_routes_and_documents() {
    let cases = [
        (Over::Stdio, Era::Legacy),
        (Over::Stdio, Era::Modern),
        (Over::Legacy, Era::Legacy),
        (Over::Modern, Era::Modern),
        (Over::Sse, Era::Legacy),
    ];
    for (over, era) in cases {
        let bench = bench(over, changing().era(era)).await;
        bench.works("stays", "a").await;
        bench.works("goes", "b").await;
        assert_eq!(bench.call("comes", "c").await.status, 404, "{over:?}");
        heard(&bench, over, era).await;
        bench.control.open("change").unwrap();
        let new = |reply: &mcpo_testkit::Reply| reply.json()["paths"]["/comes"].is_object();
        let document = bench.world.wait_reply("/up/openapi.json", new).await.unwrap().json();
        assert_eq!(document["paths"]["/goes"], json!(null), "{over:?}");
        let root = bench.world.get("/openapi.json").await.unwrap().json();
        assert!(root["paths"]["/up/comes"].is_object(), "{over:?}: {root}");
        bench.works("comes", "d").await;
        bench.works("stays", "e").await;
        assert_eq!(bench.call("goes", "f").await.status, 404, "{over:?}");
        assert_eq!(bench.journal.count(What::Handshake), 1, "{over:?}");
    }
}

#[tokio::test]
async fn calls_go_on_while_the_tools_are_listed_anew() {
    for over in ALL {
        let list = vec![vec![], vec![Step::Gate("list".to_owned())]];
        let era = if over == Over::Modern { Era::Modern } else { Era::Legacy };
        let script = Script { list, ..changing() };
        let bench = bench(over, script).await;
        heard(&bench, over, era).await;
        bench.control.open("change").unwrap();
        bench.control.wait_at("list", 1).await.unwrap();
        let (reply, took) = timed(bench.call_within("10", "stays", "a")).await;
        bench.answered(&reply, "a", 1);
        assert!(took < Duration::from_secs(5), "{over:?}: {took:?}");
        bench.control.open("list").unwrap();
        let new = |reply: &mcpo_testkit::Reply| reply.json()["paths"]["/comes"].is_object();
        bench.world.wait_reply("/up/openapi.json", new).await.unwrap();
        bench.works("comes", "b").await;
    }
}

#[tokio::test]
async fn an_upstream_that_dies_while_its_tools_are_listed_anew_is_started_again() {
    let list = vec![vec![], vec![Step::Exit(1)], vec![]];
    for over in [Over::Stdio, Over::Sse] {
        let script = Script { list: list.clone(), ..changing() };
        let bench = bench(over, script).await;
        bench.works("stays", "a").await;
        heard(&bench, over, Era::Legacy).await;
        bench.control.open("change").unwrap();
        bench.journal.wait_for_what(What::List, 3).await.unwrap();
        bench.world.wait_ready().await.unwrap();
        bench.works("stays", "b").await;
    }
}

#[tokio::test]
async fn tools_that_are_missing_after_a_respawn_are_told_until_they_come_back() {
    let less = vec![Step::RawResult(json!({"tools": [keyed("stays")]}))];
    let list = vec![vec![], less, vec![]];
    let script = Script { list, ..Script::new("scripted").tool(keyed("stays")) };
    let bench = bench(Over::Stdio, script.tool(keyed("goes"))).await;
    bench.works("goes", "a").await;
    let status =
        |status: &'static str| move |reply: &mcpo_testkit::Reply| reply.json()["status"] == status;
    super::down::kill_child(&bench).await;
    let health = bench.world.wait_reply("/health", status("degraded")).await.unwrap();
    assert_eq!(health.status, 200, "{health}");
    let shown = bench.world.get("/admin/servers/up").await.unwrap().json();
    assert_eq!(shown["missing_tools"], json!(["goes"]), "{shown}");
    assert_eq!(bench.told("tools_vanished").await, 1);
    bench.works("stays", "b").await;
    let reply = bench.call("goes", "c").await;
    assert!(reply.status == 404 || reply.status == 503, "{reply}");
    super::down::kill_child(&bench).await;
    bench.world.wait_reply("/health", status("ok")).await.unwrap();
    bench.works("goes", "d").await;
    assert_eq!((bench.journal.runs("c"), bench.journal.count(What::Start)), (0, 3));
}
