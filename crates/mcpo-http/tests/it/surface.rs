//! Tools, documents and probes over sockets.

use std::time::Duration;

use mcpo_config::Mode;
use mcpo_core::catalog::ToolPolicy;
use mcpo_testkit::{HttpUpstream, Request, Script, Step, What, tool};
use mcpo_upstream::directory::{Snapshot, State};
use mcpo_upstream::supervisor::Recovery;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::scene::{PATIENCE, Scene, echo, one, server};

#[tokio::test]
async fn a_tool_is_called_under_its_server_and_under_no_other() {
    let (_upstream, scene) = one(echo()).await;
    let reply = scene.post("/one/echo", &json!({"a": 1})).await;
    assert_eq!((reply.status.as_u16(), reply.json()), (200, json!({"a": 1})), "{reply}");
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(reply.header("x-mcpo-outcome"), Some("reply"));
    assert_eq!(reply.header("x-mcpo-attempts"), Some("1"));
    for path in ["/one/missing", "/two/echo", "/echo", "/one", "/one/"] {
        let reply = scene.post(path, &json!({})).await;
        assert_eq!(
            (reply.status.as_u16(), reply.json()),
            (404, json!({"detail": "Not Found"})),
            "{path}"
        );
    }
    let reply = scene.get("/one/echo").await;
    assert_eq!((reply.status.as_u16(), reply.header("allow")), (405, Some("POST")));
    let reply = scene.post("/one/echo/?a=b", &json!({})).await;
    assert_eq!((reply.status.as_u16(), reply.header("location")), (307, Some("/one/echo?a=b")));
}

#[tokio::test]
async fn every_name_of_a_tool_can_be_called() {
    let names = [
        ("a/b", "a%2Fb"),
        ("a/b", "a/b"),
        ("what?", "what%3F"),
        ("{x}", "%7Bx%7D"),
        ("{x}", "{x}"),
        ("100%", "100%25"),
        ("two words", "two%20words"),
        ("größe", "gr%C3%B6%C3%9Fe"),
        ("docs", "docs"),
        ("openapi.json", "openapi.json"),
        ("a.b-c_d", "a.b-c_d"),
        ("..", "%2E%2E"),
    ];
    let mut script = Script::new("odd");
    for (name, _) in names {
        script = script.on_call(name, vec![vec![Step::Text(format!("I am {name}"))]]);
    }
    let (_upstream, scene) = one(script).await;
    for (name, path) in names {
        let reply = scene.post(&format!("/one/{path}"), &json!({})).await;
        assert_eq!(
            (reply.status.as_u16(), reply.json()),
            (200, json!(format!("I am {name}"))),
            "{path}"
        );
    }
    let reply = scene.get("/one/docs").await;
    assert!(reply.text().contains("Swagger UI"), "GET is the page, POST the tool");
    let reply = Request::new(http::Method::PUT, &scene.url("/one/docs")).send().await.unwrap();
    assert_eq!(reply.header("allow"), Some("GET, HEAD, POST"));
}

#[tokio::test]
async fn a_single_server_has_its_tools_at_the_root() {
    let upstream = HttpUpstream::start(echo()).await.unwrap();
    let scene = Scene::new(Mode::Single, &[("default", &upstream.url())]).await;
    scene.ready(1).await;
    assert_eq!(scene.post("/echo", &json!({"a": 1})).await.json(), json!({"a": 1}));
    let document = scene.get("/openapi.json").await.json();
    assert_eq!(document["info"]["title"], "scripted");
    assert!(document["paths"]["/echo"]["post"].is_object());
    assert!(document.get("servers").is_none());
}

#[tokio::test]
async fn the_whole_document_holds_the_tools_of_all() {
    let (one, two) =
        (HttpUpstream::start(echo()).await.unwrap(), HttpUpstream::start(echo()).await.unwrap());
    let scene = Scene::new(
        Mode::Many,
        &[("one", &one.url()), ("two words", &two.url()), ("gone", "http://127.0.0.1:1/mcp")],
    )
    .await;
    scene.ready(2).await;
    let document = scene.get("/openapi.json").await.json();
    let paths: Vec<&String> = document["paths"].as_object().unwrap().keys().collect();
    assert_eq!(paths, ["/one/echo", "/two%20words/echo"]);
    let description = document["info"]["description"].as_str().unwrap();
    assert!(
        description.contains("- **available tools**:\n    - [one](/one/docs)\n"),
        "{description}"
    );
    assert!(
        description.contains("- **not reached yet**:\n    - [gone](/gone/docs)"),
        "{description}"
    );
    let document = scene.get("/two%20words/openapi.json").await.json();
    assert_eq!(document["servers"], json!([{"url": "/two%20words"}]));
    let document = scene.get("/gone/openapi.json").await.json();
    assert_eq!(document["info"]["title"], "gone");
    assert!(document["info"]["description"].as_str().unwrap().contains("not been reached yet"));
}

#[tokio::test]
async fn tools_that_change_change_the_document_and_the_paths() {
    let script = echo().on_call(
        "swap",
        vec![vec![
            Step::NotifyToolsChanged(vec![tool("swap"), tool("fresh")]),
            Step::Text("done".into()),
        ]],
    );
    let (_upstream, scene) = one(script).await;
    let before = scene.get("/one/openapi.json").await;
    let etag = before.header("etag").unwrap().to_owned();
    let asked =
        || Request::get(&scene.url("/one/openapi.json")).header("if-none-match", &etag).send();
    assert_eq!(asked().await.unwrap().status, 304);
    assert_eq!(scene.post("/one/swap", &json!({})).await.json(), "done");
    scene
        .until(|snapshot| {
            snapshot
                .upstream("one")
                .and_then(|one| one.view.catalog.as_deref()?.tool("fresh"))
                .is_some()
        })
        .await;
    assert_eq!(scene.post("/one/echo", &json!({})).await.status, 404, "a tool that vanished");
    assert_eq!(scene.post("/one/fresh", &json!({})).await.status, 200);
    let after = asked().await.unwrap();
    assert_eq!(after.status, 200);
    assert!(after.json()["paths"]["/fresh"].is_object());
}

#[tokio::test]
async fn a_downstream_that_goes_away_cancels_its_call() {
    let (upstream, scene) = one(echo().on_call("hang", vec![vec![Step::Hang]])).await;
    let mut socket = TcpStream::connect(scene.address).await.unwrap();
    let request = "POST /one/hang HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
    socket.write_all(request.as_bytes()).await.unwrap();
    upstream.journal().wait_for_what(What::Received, 1).await.unwrap();
    drop(socket);
    upstream
        .journal()
        .wait("the end of the call", |all| {
            all.iter().any(|entry| matches!(entry.what, What::Cancelled | What::Gone))
        })
        .await
        .unwrap();
}

#[tokio::test]
async fn a_call_ends_at_its_deadline_and_says_that_it_may_have_acted() {
    let (_upstream, scene) = one(echo().on_call("hang", vec![vec![Step::Hang]])).await;
    let request = Request::post(&scene.url("/one/hang")).header("x-tool-timeout", "0.2");
    let reply = request.send().await.unwrap();
    assert_eq!(reply.status, 504, "{reply}");
    assert_eq!(reply.json()["detail"]["code"], "timeout");
    assert_eq!(reply.json()["detail"]["outcome"], "unknown");
    assert_eq!(reply.header("x-mcpo-outcome"), Some("unknown"));
    let reply = Request::post(&scene.url("/one/hang"))
        .header("x-tool-timeout", "soon")
        .send()
        .await
        .unwrap();
    assert_eq!(reply.status, 400, "{reply}");
}

#[tokio::test]
async fn the_whole_result_is_given_to_who_asks_for_it() {
    let result =
        json!({"content": [{"type": "text", "text": "no"}], "isError": true, "_meta": {"x": 1}});
    let (_upstream, scene) =
        one(echo().on_call("raw", vec![vec![Step::RawResult(result.clone())]])).await;
    let request =
        Request::post(&scene.url("/one/raw")).header("accept", "application/vnd.mcp.result+json");
    let reply = request.send().await.unwrap();
    assert_eq!((reply.status.as_u16(), reply.json()), (200, result));
    assert_eq!(reply.header("content-type"), Some("application/vnd.mcp.result+json"));
    let reply = scene.post("/one/raw", &json!({})).await;
    assert_eq!(reply.status, 500);
    assert_eq!(reply.json(), json!({"detail": {"message": "no", "code": "tool_error"}}));
}

#[tokio::test]
async fn a_call_waits_out_the_first_start() {
    let upstream = HttpUpstream::start(echo().on_handshake(vec![vec![Step::Gate("start".into())]]))
        .await
        .unwrap();
    let scene = Scene::new(Mode::Many, &[("one", &upstream.url())]).await;
    upstream.control().wait_at("start", 1).await.unwrap();
    let open = async {
        let control = upstream.control();
        control.open("start").unwrap();
    };
    let body = json!({"a": 1});
    let (reply, ()) = tokio::join!(scene.post("/one/echo", &body), open);
    assert_eq!(reply.status, 200, "{reply}");
}

#[tokio::test]
async fn an_upstream_that_cannot_be_reached_says_when_to_come_again() {
    let scene = Scene::new(Mode::Many, &[("gone", "http://127.0.0.1:1/mcp")]).await;
    scene
        .until(|snapshot| {
            snapshot.upstream("gone").is_some_and(|gone| gone.view.state.fault().is_some())
        })
        .await;
    let reply = scene.post("/gone/anything", &json!({})).await;
    assert_eq!(reply.status, 503, "{reply}");
    assert_eq!(reply.json()["detail"]["code"], "unreachable");
    assert!(reply.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
    assert!(!reply.text().contains("127.0.0.1"), "{reply}");
    let ready = scene.get("/readyz").await;
    assert_eq!(
        (ready.status.as_u16(), &ready.json()["missing"][0]["server"]),
        (503, &json!("gone"))
    );
    assert_eq!(scene.get("/readyz?exclude=gone").await.status, 200);
    let health = scene.get("/health").await;
    assert_eq!((health.status.as_u16(), &health.json()["status"]), (503, &json!("down")));
    assert_eq!(health.json()["servers"]["gone"]["code"], "unreachable");
    assert_eq!(scene.get("/livez").await.status, 200);
}

#[tokio::test]
async fn a_call_in_flight_is_finished_before_the_end() {
    let (upstream, mut scene) =
        one(echo()
            .on_call("slow", vec![vec![Step::Gate("slow".into()), Step::Text("done".into())]]))
        .await;
    let url = scene.url("/one/slow");
    let (stop, mut serving) = (scene.stop.clone(), std::mem::take(&mut scene.serving));
    let end = async {
        upstream.control().wait_at("slow", 1).await.unwrap();
        stop.send_replace(true);
        let mut refused = TcpStream::connect(scene.address).await.is_err();
        while !refused {
            tokio::task::yield_now().await;
            refused = TcpStream::connect(scene.address).await.is_err();
        }
        assert!(serving.try_join_next().is_none(), "it waits for the call");
        upstream.control().open("slow").unwrap();
    };
    let (reply, ()) = tokio::join!(Request::post(&url).send(), end);
    assert_eq!(reply.unwrap().json(), "done");
    timeout(PATIENCE, serving.join_next()).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_body_too_large_is_refused_and_its_sender_gets_to_read_why() {
    let (upstream, scene) = one(echo()).await;
    let reply =
        Request::post(&scene.url("/one/echo")).body(vec![b' '; 8 << 20]).send().await.unwrap();
    assert_eq!(
        (reply.status.as_u16(), &reply.json()["detail"]["code"]),
        (413, &json!("body_too_large"))
    );
    assert_eq!(upstream.journal().count(What::Received), 0);
    let mut socket = TcpStream::connect(scene.address).await.unwrap();
    let head = "POST /one/echo HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 99999999\r\n\r\n";
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[tokio::test]
async fn a_tool_has_its_own_time_and_a_request_may_say_otherwise() {
    let upstream =
        HttpUpstream::start(echo().on_call("hang", vec![vec![Step::Hang]])).await.unwrap();
    let mut one = server("one", &upstream.url());
    one.timeout = Some(PATIENCE * 3);
    let brief = ToolPolicy { timeout: Some(Duration::from_millis(100)), ..ToolPolicy::default() };
    one.catalog.tools.insert("hang".to_owned(), brief);
    let scene = Scene::with(Mode::Many, vec![one], Recovery::default()).await;
    scene.ready(1).await;
    let reply = timeout(PATIENCE, scene.post("/one/hang", &json!({}))).await.unwrap();
    assert_eq!(reply.status, 504, "{reply}");
    let asked = Request::post(&scene.url("/one/hang")).header("x-tool-timeout", "60");
    let mut asked = std::pin::pin!(asked.send());
    assert!(timeout(Duration::from_millis(500), asked.as_mut()).await.is_err(), "it goes on");
}

#[tokio::test]
async fn who_sleeps_and_was_never_up_is_woken_by_a_call() {
    let mut upstream = HttpUpstream::start(echo()).await.unwrap();
    let url = upstream.url();
    upstream.stop().await;
    let off = Recovery { enabled: false, ..Recovery::default() };
    let scene = Scene::with(Mode::Many, vec![server("one", &url)], off).await;
    let dormant = |snapshot: &Snapshot| {
        snapshot.upstream("one").is_some_and(|one| one.view.state == State::Dormant)
    };
    scene.until(dormant).await;
    assert_eq!(scene.get("/readyz").await.status, 200, "else nobody would ever call it");
    let reply = scene.post("/one/echo", &json!({"a": 1})).await;
    assert_eq!(reply.status, 503, "{reply}");
    scene.until(dormant).await;
    upstream.restart().await.unwrap();
    let reply = scene.post("/one/echo", &json!({"a": 1})).await;
    assert_eq!((reply.status.as_u16(), reply.json()), (200, json!({"a": 1})), "{reply}");
}
