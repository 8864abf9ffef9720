//! What an idle upstream over HTTP costs: its session, its tasks, its pool and its connection.
//! Alone in its file, since it looks at the whole process.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::fs;
use std::time::Duration;

use mcpo_mcp::endpoint::{Endpoint, Era, Http, HttpTransport};
use mcpo_mcp::session::{ConnectOptions, Connected, connect};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Enough for what all of them share to weigh nothing, and few enough for anybody's open files.
const UPSTREAMS: usize = 200;
/// The servers' side of the connections, which is in here as well, included.
const BYTES_MAX: usize = 64 * 1024;

const INITIALIZED: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"idle","version":"1"}}}"#;

#[tokio::test]
async fn an_idle_upstream_costs_little() {
    let mut tasks = JoinSet::new();
    let mut sessions = Vec::new();
    // The first ones pay for what all share.
    for _ in 0..8 {
        sessions.push(idle_upstream(&mut tasks).await);
    }
    let before = resident_bytes();
    for _ in 0..UPSTREAMS {
        sessions.push(idle_upstream(&mut tasks).await);
    }
    let each = (resident_bytes() - before) / UPSTREAMS;
    assert!(each <= BYTES_MAX, "{each} bytes an upstream");
}

/// An origin of its own, one call, and a stream on which nothing comes.
async fn idle_upstream(tasks: &mut JoinSet<()>) -> mcpo_mcp::session::Session {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap()).parse().unwrap();
    tasks.spawn(async move {
        let mut conversations = JoinSet::new();
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            conversations.spawn(converse(socket));
        }
    });
    let transport = HttpTransport::Streamable;
    let endpoint = Endpoint::Http(Http { url, headers: http::HeaderMap::new(), transport });
    let options = ConnectOptions {
        client_name: "test".to_owned(),
        client_version: "0".to_owned(),
        era: Era::Legacy,
        deadline: soon(),
        grace: Duration::from_secs(1),
    };
    let Connected { session, driver } = connect(&endpoint, &options).await.unwrap();
    tasks.spawn(async move { drop(driver.run().await) });
    session.call_tool("t", b"{}", soon(), None).await.unwrap();
    session
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

fn resident_bytes() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

/// Answers one request after the other, until the other side goes.
async fn converse(mut socket: TcpStream) {
    let mut request = String::new();
    loop {
        let mut buffer = [0; 512];
        let Ok(read @ 1..) = socket.read(&mut buffer).await else { return };
        request.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
        let answer = if request.starts_with("GET") {
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
                .to_owned()
        } else if !request.ends_with('}') {
            continue;
        } else if request.contains("\"initialize\"") {
            as_json(INITIALIZED)
        } else if request.contains("\"tools/call\"") {
            as_json(&INITIALIZED.replace("\"id\":1", "\"id\":2"))
        } else {
            "HTTP/1.1 202 OK\r\nContent-Length: 0\r\n\r\n".to_owned()
        };
        request = String::new();
        socket.write_all(answer.as_bytes()).await.unwrap();
    }
}

fn as_json(body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}
