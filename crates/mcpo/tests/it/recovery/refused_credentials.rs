//! An upstream refuses our credentials: all of it is held and left alone, one tool is not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mcpo_testkit::{HttpStep, Step};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::{AT_ONCE, Bench, HTTP, Over, STREAMABLE, bench, keyed, timed, until, write_and_read};

/// A gateway in the place of an upstream that answers 401 to everything, and counts that.
struct Gateway {
    requests: Arc<AtomicUsize>,
    tasks: JoinSet<()>,
}

impl Gateway {
    async fn in_place_of(upstream: std::net::SocketAddr) -> Self {
        let listener = TcpListener::bind(upstream).await.unwrap();
        let requests = Arc::new(AtomicUsize::new(0));
        let mut tasks = JoinSet::new();
        tasks.spawn(refuse_all(listener, Arc::clone(&requests)));
        Self { requests, tasks }
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }
}

async fn refuse_all(listener: TcpListener, requests: Arc<AtomicUsize>) {
    let mut connections = JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        connections.spawn(refuse(socket, Arc::clone(&requests)));
    }
}

/// One request for each connection; its head and body come in one piece, as they are small.
async fn refuse(mut socket: TcpStream, requests: Arc<AtomicUsize>) {
    if socket.read(&mut [0; 16 << 10]).await.is_ok_and(|size| size > 0) {
        requests.fetch_add(1, Ordering::Relaxed);
        let answer = b"HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Bearer\r\n\
            content-length: 0\r\nconnection: close\r\n\r\n";
        // It may have gone away.
        let _ = socket.write_all(answer).await;
    }
}

async fn server(bench: &Bench) -> Value {
    bench.world.get("/admin/servers/up").await.unwrap().json()
}

async fn held(over: Over) {
    let mut bench = bench(over, write_and_read(&[])).await;
    bench.works("write", "before").await;
    let address = bench.upstream().address();
    bench.upstream().stop().await;
    let mut gateway = Gateway::in_place_of(address).await;
    // What a call meets is looked into at once.
    let reply = bench.call("read", "refused").await;
    assert!(reply.status.is_server_error(), "{over:?}: {reply}");
    until("it is held", async || server(&bench).await["state"] == "held").await;
    let to_find_out = gateway.requests();
    // A handshake of each era, and what else was under way on the session that was lost.
    assert!(to_find_out <= 6, "{over:?}: {to_find_out} requests\n{}", bench.world.stderr());
    for _ in 0..10 {
        let (reply, took) = timed(bench.call("read", "refused")).await;
        bench.failed(&reply, 503, "not_sent", "unauthorized");
        assert!(took < AT_ONCE, "{over:?}: {took:?}");
        // A time in which nothing may come is what is tested: three seconds in all.
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    let hammered = gateway.requests() - to_find_out;
    assert!(hammered <= 3, "{over:?}: {hammered} requests\n{}", bench.world.stderr());
    assert!(server(&bench).await["fault"]["cure"].as_str().is_some());
    gateway.tasks.shutdown().await;
    bench.upstream().restart().await.unwrap();
    let reply = bench.world.post("/admin/servers/up/release", &json!({})).await.unwrap();
    assert_eq!(reply.status, 200, "{reply}");
    bench.world.wait_ready().await.unwrap();
    bench.works("write", "after").await;
    assert_eq!(bench.journal.received("refused"), 0, "{over:?}");
}

#[tokio::test]
async fn a_legacy_server_that_refuses_us_is_held_and_not_hammered() {
    held(HTTP[0]).await;
}

#[tokio::test]
async fn a_modern_server_that_refuses_us_is_held_and_not_hammered() {
    held(HTTP[1]).await;
}

#[tokio::test]
async fn an_sse_server_that_refuses_us_is_held_and_not_hammered() {
    held(HTTP[2]).await;
}

#[tokio::test]
async fn a_tool_that_refuses_us_costs_the_others_nothing() {
    let refusing = vec![vec![Step::Http(HttpStep::status(403))]];
    let script = write_and_read(&[]).tool(keyed("secret")).on_call("secret", refusing);
    for over in STREAMABLE {
        let bench = bench(over, script.clone()).await;
        for round in 0..10 {
            let reply = bench.call("secret", "secret").await;
            assert!(reply.status.is_server_error(), "{over:?}: {reply}");
            assert_eq!(reply.json()["detail"]["code"], "unauthorized", "{over:?}: {reply}");
            bench.works("write", &format!("write-{round}")).await;
        }
        let shown = server(&bench).await;
        assert_eq!((&shown["state"], &shown["status"]), (&json!("ready"), &json!("ok")), "{shown}");
        assert_eq!(shown["reconnects"], 0, "{over:?}: {shown}");
    }
}
