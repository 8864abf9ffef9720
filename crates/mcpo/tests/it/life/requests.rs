//! A request's name, and what becomes of a call whose downstream goes away.

use mcpo_testkit::{HttpUpstream, Request, Script, Step, What};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::program::{ready, world};
use crate::rows::{check, get, post};

#[tokio::test]
async fn a_request_keeps_its_name_in_the_answer_and_in_the_log() {
    let script = Script::echo().on_call("cut", vec![vec![Step::Exit(1)]]);
    let world = ready(world().stdio("one", script).unwrap()).await;
    let named =
        |says: &str, path: &str| post(says, path, &json!({})).sent("x-request-id", "trace-42");
    check(
        &world,
        [
            named("a call", "/one/echo").header("x-request-id", "trace-42"),
            named("an unknown tool", "/one/missing").status(404).header("x-request-id", "trace-42"),
            named("a failed call", "/one/cut").status(502).header("x-request-id", "trace-42"),
            get("a page", "/docs")
                .sent("x-request-id", "trace-43")
                .header("x-request-id", "trace-43"),
        ],
    )
    .await;
    world.wait_stderr("trace-42").await.unwrap();
    let unfit = ["", "two words", &"x".repeat(1000)];
    let mut given = Vec::new();
    for name in unfit.into_iter().map(Some).chain([None, None]) {
        let request = Request::get(&world.url("/livez"));
        let request = match name {
            Some(name) => request.header("x-request-id", name),
            None => request,
        };
        let reply = world.send(request).await.unwrap();
        let id = reply.header("x-request-id").unwrap().to_owned();
        assert!(!id.is_empty() && Some(id.as_str()) != name, "{id}");
        assert!(!given.contains(&id), "{id} was given twice");
        given.push(id);
    }
}

#[tokio::test]
async fn a_downstream_that_goes_away_cancels_its_call_and_no_other() {
    let script = || {
        Script::echo()
            .on_call("hang", vec![vec![Step::Hang]])
            .on_call("slow", vec![vec![Step::Gate("slow".into()), Step::Text("done".into())]])
    };
    let remote = HttpUpstream::start(script()).await.unwrap();
    let world = world().stdio("child", script()).unwrap().server("remote", remote.config());
    let world = ready(world).await;
    for (name, journal, control) in [
        ("child", world.journal("child"), world.control("child")),
        ("remote", remote.journal(), remote.control()),
    ] {
        let address = world.url("").trim_start_matches("http://").to_owned();
        let slow = Request::post(&world.url(&format!("/{name}/slow")));
        let leave = async {
            control.wait_at("slow", 1).await.unwrap();
            let mut socket = TcpStream::connect(address).await.unwrap();
            let head =
                format!("POST /{name}/hang HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n");
            socket.write_all(head.as_bytes()).await.unwrap();
            journal.wait_for("hang", 1).await.unwrap();
            drop(socket);
            journal.wait_for_what(What::Cancelled, 1).await.unwrap();
            control.open("slow").unwrap();
        };
        let (slow, ()) = tokio::join!(slow.send(), leave);
        assert_eq!(slow.unwrap().json(), "done", "{name}");
        let cancelled = journal.matching(|entry| entry.what == What::Cancelled);
        let hung = journal.matching(|entry| entry.what == What::Received && entry.tool == "hang");
        assert_eq!(cancelled.iter().map(|e| &e.id).collect::<Vec<_>>(), [&hung[0].id], "{name}");
    }
}
