//! Downstreams that send anything but a request: each is told why, and nobody else notices.

use std::time::Duration;

use mcpo_testkit::{Script, World};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::program::{ready, world};
use crate::rows::{Row, check, post, post_raw};

/// After this an answer that must come at once hangs.
const PATIENCE: Duration = Duration::from_secs(20);

async fn started() -> World {
    let schema = json!({"type": "object", "properties": {"v": {}}, "required": ["v"]});
    let script = Script::echo().tool(json!({"name": "any", "inputSchema": schema}));
    ready(world().stdio("one", script).unwrap().arg("--max-body-size=64KiB")).await
}

fn nested(depth: usize) -> Vec<u8> {
    format!("{{\"v\":{}{}}}", "[".repeat(depth), "]".repeat(depth)).into_bytes()
}

#[tokio::test]
async fn bad_requests_are_told_why() {
    let world = started().await;
    let json_type = "application/json";
    let any = |says: &str, body: &[u8]| post_raw(says, "/one/any", json_type, body);
    let timeout = |says: &str, value: &str| {
        post(says, "/one/any", &json!({"v": 1})).sent("x-tool-timeout", value)
    };
    let refused = |row: Row| {
        row.status(400)
            .satisfies(|body| body["detail"]["code"] == "bad_timeout")
            .never_received("one")
    };
    let invalid = |row: Row| {
        row.status(422)
            .satisfies(|body| body["detail"][0]["type"] == "json_invalid")
            .never_received("one")
    };
    check(
        &world,
        [
            any("a giant body", &nested(100_000)[..200_000])
                .status(413)
                .satisfies(|body| body["detail"]["code"] == "body_too_large")
                .never_received("one"),
            any(
                "the largest body",
                format!("{{\"v\":\"{}\"}}", "x".repeat((64 << 10) - 8)).as_bytes(),
            ),
            any(
                "one byte more",
                format!("{{\"v\":\"{}\"}}", "x".repeat((64 << 10) - 7)).as_bytes(),
            )
            .status(413),
            any("a deep body", &nested(100)),
            invalid(any("too deep a body", &nested(10_000))),
            any("invalid UTF-8", b"{\"v\":\"\xc3\x28\"}").status(400).never_received("one"),
            invalid(any("half an object", b"{\"v\":")),
            invalid(any("two values", b"{} {}")),
            invalid(any("a lone surrogate", br#"{"v":"\ud800"}"#)),
            invalid(any("NaN", br#"{"v":NaN}"#)),
            any("a list", b"[]").status(422).never_received("one"),
            any("null", b"null").status(422).never_received("one"),
            refused(timeout("no time at all", "0")),
            refused(timeout("less than that", "-5")),
            refused(timeout("no number", "soon")),
            refused(timeout("no number either", "NaN")),
            refused(timeout("nothing", "")),
            refused(timeout("for ever", "inf")),
            timeout("an absurd one is cut to what is allowed", "1e300"),
            Row::new("another method", "DELETE", "/one/any").status(405).header("allow", "POST"),
            Row::new("a method that nobody knows", "BREW", "/one/any").status(405),
            Row::new("a path that is no text", "GET", "/one/%ff%fe").status(404),
            Row::new("a path that climbs", "GET", "/one/../../etc/passwd").status(404),
        ],
    )
    .await;
}

/// Sends these bytes over a connection of their own, and gives what comes until its end.
async fn exchange(world: &World, bytes: &[u8]) -> String {
    let address = world.url("");
    let mut socket = TcpStream::connect(address.trim_start_matches("http://")).await.unwrap();
    socket.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    // A reset behind the answer is as good an end as any.
    let _ended = timeout(PATIENCE, socket.read_to_end(&mut answer))
        .await
        .expect("the end of the connection");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn what_is_no_http_is_answered_with_400_and_an_end() {
    let world = started().await;
    for bytes in [
        &b"hello\r\n\r\n"[..],
        b"POST /one/any HTTP/1.1\r\nhost: a\r\ncontent-length: x\r\n\r\n",
        b"POST /one/any HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\nzz\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ] {
        let answer = exchange(&world, bytes).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{bytes:?}: {answer}");
    }
    let head = format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "x".repeat(1 << 20));
    let answer = exchange(&world, head.as_bytes()).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    assert_eq!(world.get("/livez").await.unwrap().status, 200);
}

#[tokio::test]
async fn half_a_request_keeps_nobody_waiting() {
    let world = started().await;
    let address = world.url("").trim_start_matches("http://").to_owned();
    let mut halves = Vec::new();
    for half in [
        "POST /one/any HTT",
        "POST /one/any HTTP/1.1\r\nhost: a\r\ncontent-le",
        "POST /one/any HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{\"v\":",
    ] {
        for _ in 0..50 {
            let mut socket = TcpStream::connect(&address).await.unwrap();
            socket.write_all(half.as_bytes()).await.unwrap();
            halves.push(socket);
        }
    }
    check(
        &world,
        [post("a call beside them", "/one/any", &json!({"v": 1})).received("one", json!({"v": 1}))],
    )
    .await;
    drop(halves);
    check(
        &world,
        [post("a call after them", "/one/any", &json!({"v": 2})).received("one", json!({"v": 2}))],
    )
    .await;
}

#[tokio::test]
async fn every_way_of_sending_a_body_is_understood() {
    let world = started().await;
    let head = "host: a\r\ncontent-type: application/json\r\nconnection: close\r\n";
    for (says, request) in [
        (
            "HTTP/1.0",
            format!("POST /one/any HTTP/1.0\r\n{head}content-length: 7\r\n\r\n{{\"v\":1}}"),
        ),
        (
            "in chunks",
            format!(
                "POST /one/any HTTP/1.1\r\n{head}transfer-encoding: chunked\r\n\r\n3\r\n{{\"v\r\n4\r\n\":1}}\r\n0\r\n\r\n"
            ),
        ),
        (
            "asking first",
            format!(
                "POST /one/any HTTP/1.1\r\n{head}expect: 100-continue\r\ncontent-length: 7\r\n\r\n{{\"v\":1}}"
            ),
        ),
        (
            "an absolute target",
            format!("POST http://a/one/any HTTP/1.1\r\n{head}content-length: 7\r\n\r\n{{\"v\":1}}"),
        ),
    ] {
        let answer = exchange(&world, request.as_bytes()).await;
        assert!(answer.contains(" 200 OK") && answer.ends_with("{\"v\":1}"), "{says}: {answer}");
    }
    let again = "POST /one/any HTTP/1.1\r\nhost: a\r\ncontent-length: 7\r\n\r\n{\"v\":1}".repeat(3);
    let last = format!("GET /livez HTTP/1.1\r\n{head}\r\n");
    let answer = exchange(&world, (again + &last).as_bytes()).await;
    assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 4, "one behind the other: {answer}");
}
