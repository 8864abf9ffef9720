//! Long answers, which are made as they are taken, over a socket.

use bytes::Bytes;
use http_body::Body as _;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use mcpo_testkit::{HttpUpstream, Step};
use serde_json::json;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::scene::{PATIENCE, Scene, echo, one, request};

/// An answer of so many rows has some hundred kilobytes: some pieces.
const ROWS: usize = 1 << 13;

/// What is taken of an answer over HTTP/2 before somebody reads it.
const WINDOW_BYTES: u32 = 64 << 10;

/// JSON in texts, with escapes all over, and an item between them.
async fn long() -> (HttpUpstream, Scene, String) {
    let inner = json!({"rows": vec!["\"\u{e9}\u{1f600}\n"; ROWS]}).to_string();
    let image = json!({"type": "image", "data": "QUJD".repeat(ROWS), "mimeType": "a/b"});
    let text = json!({"type": "text", "text": inner});
    let shown = format!(
        "[{inner},\"data:a/b;base64,{}\",{inner}]",
        image["data"].as_str().unwrap_or_default()
    );
    let result = json!({"content": [text, image, text]});
    let script = echo().on_call("long", vec![vec![Step::RawResult(result)]]);
    let (upstream, scene) = one(script).await;
    (upstream, scene, shown)
}

fn call(path: &str) -> http::Request<Full<Bytes>> {
    request("POST", path, &[("host", "localhost"), ("content-type", "application/json")], "{}")
}

/// All of an answer, which has to be as long as it says from the start.
async fn taken(answer: http::Response<hyper::body::Incoming>) -> Bytes {
    assert_eq!(answer.status(), 200);
    let told = answer.headers()["content-length"].to_str().unwrap().parse().unwrap();
    assert_eq!(answer.body().size_hint().exact(), Some(told));
    let body = timeout(PATIENCE, answer.into_body().collect()).await.unwrap().unwrap().to_bytes();
    assert_eq!(body.len() as u64, told);
    body
}

fn in_background(
    tasks: &mut JoinSet<()>,
    connection: impl Future<Output = hyper::Result<()>> + Send + 'static,
) {
    tasks.spawn(async move {
        let _ended = connection.await;
    });
}

#[tokio::test]
async fn one_is_as_long_as_it_says_and_another_request_may_follow() {
    let (_upstream, scene, shown) = long().await;
    let mut tasks = JoinSet::new();
    let socket = TokioIo::new(TcpStream::connect(scene.address).await.unwrap());
    let (mut requests, connection) = hyper::client::conn::http1::handshake(socket).await.unwrap();
    in_background(&mut tasks, connection);
    for _ in 0..2 {
        let answer = requests.send_request(call("/one/long")).await.unwrap();
        assert!(taken(answer).await == shown);
        requests.ready().await.unwrap();
    }
}

#[tokio::test]
async fn the_same_over_http_2_where_others_are_given_up_under_way() {
    let (_upstream, scene, shown) = long().await;
    let mut tasks = JoinSet::new();
    let socket = TokioIo::new(TcpStream::connect(scene.address).await.unwrap());
    let mut builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    builder.initial_stream_window_size(WINDOW_BYTES);
    let (mut requests, connection) = builder.handshake(socket).await.unwrap();
    in_background(&mut tasks, connection);
    for _ in 0..3 {
        let path = "http://localhost/one/long";
        let mut given_up = requests.send_request(call(path)).await.unwrap().into_body();
        assert!(given_up.frame().await.unwrap().is_ok());
        drop(given_up);
        let answer = requests.send_request(call(path)).await.unwrap();
        assert!(taken(answer).await == shown);
    }
}
