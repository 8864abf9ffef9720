//! A large answer is in memory once: this process never takes much more than its size for it, over
//! any transport and in any framing. Alone in its file, since it looks at the whole process.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::fs;
use std::time::Duration;

use mcpo_mcp::answer::Answer;
use mcpo_mcp::endpoint::{Endpoint, Era, Http, HttpTransport, Stdio};
use mcpo_mcp::session::{ConnectOptions, Connected, connect};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// 100 MB, in whole pieces of 1 MiB.
const TEXT_BYTES: usize = 96 * 1024 * 1024;
/// An answer, and what one read takes; half of it again would be a copy of much of it.
const PEAK_BYTES_MAX: usize = TEXT_BYTES + TEXT_BYTES / 2;

const INITIALIZED: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"large","version":"1"}}}"#;

#[derive(Debug, Clone, Copy)]
enum Framing {
    Length,
    Chunks,
    Events,
}

#[tokio::test]
async fn a_large_answer_is_in_memory_once() {
    for framing in [Framing::Length, Framing::Chunks, Framing::Events] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/mcp", listener.local_addr().unwrap()).parse().unwrap();
        let mut server = JoinSet::new();
        server.spawn(serve(listener, framing));
        let transport = HttpTransport::Streamable;
        let endpoint = Endpoint::Http(Http { url, headers: http::HeaderMap::new(), transport });
        check(&endpoint, &format!("{framing:?}")).await;
    }
    let script = format!(
        "read -r hello; echo '{INITIALIZED}'; read -r initialized; read -r call; \
         printf '{{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":\"'; \
         head -c {TEXT_BYTES} /dev/zero | tr '\\0' x; echo '\"}}'; cat > /dev/null"
    );
    let endpoint = Endpoint::Stdio(Stdio {
        command: "sh".to_owned(),
        arguments: vec!["-c".to_owned(), script],
        environment: vec![("PATH".into(), "/usr/local/bin:/usr/bin:/bin".into())],
        directory: None,
        launcher: None,
    });
    check(&endpoint, "stdio").await;
}

async fn check(endpoint: &Endpoint, what: &str) {
    let options = ConnectOptions {
        client_name: "test".to_owned(),
        client_version: "0".to_owned(),
        era: Era::Legacy,
        deadline: soon(),
        grace: Duration::from_secs(1),
    };
    let Connected { session, driver } = connect(endpoint, &options).await.unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(driver.run());
    let before = memory("VmRSS");
    // From here on the peak counts anew (proc(5)).
    fs::write("/proc/self/clear_refs", "5").unwrap();
    let answer = session.call_tool("large", b"{}", soon(), None).await.unwrap();
    let peak = memory("VmHWM") - before;
    let Answer::Result(result) = answer else { panic!("{what}: no result") };
    assert_eq!(result.len(), TEXT_BYTES + 2, "{what}");
    assert!(peak < PEAK_BYTES_MAX, "{what}: {peak} bytes for an answer of {TEXT_BYTES}");
    session.close();
    tasks.join_all().await;
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

fn memory(what: &str) -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(what)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

async fn serve(listener: TcpListener, framing: Framing) {
    let mut connections = JoinSet::new();
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        connections.spawn(converse(socket, framing));
    }
}

/// Answers one request after the other, until the other side goes.
async fn converse(mut socket: TcpStream, framing: Framing) {
    let mut request = String::new();
    let mut buffer = [0; 4096];
    loop {
        let Ok(read @ 1..) = socket.read(&mut buffer).await else { return };
        request.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
        let answer = if request.starts_with("GET") {
            "HTTP/1.1 405 No\r\nContent-Length: 0\r\n\r\n".to_owned()
        } else if !request.ends_with('}') {
            continue;
        } else if request.contains("\"tools/call\"") {
            let Ok(()) = answer_at_large(&mut socket, framing).await else { return };
            String::new()
        } else if request.contains("\"initialize\"") {
            let length = INITIALIZED.len();
            format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{INITIALIZED}"
            )
        } else {
            "HTTP/1.1 202 OK\r\nContent-Length: 0\r\n\r\n".to_owned()
        };
        request.clear();
        socket.write_all(answer.as_bytes()).await.unwrap();
    }
}

async fn answer_at_large(socket: &mut TcpStream, framing: Framing) -> std::io::Result<()> {
    let (mut before, mut after) =
        (r#"{"jsonrpc":"2.0","id":2,"result":""#.to_owned(), "\"}".to_owned());
    let mut kind = "application/json";
    if matches!(framing, Framing::Events) {
        (before, after) = (format!("data: {before}"), format!("{after}\n\n"));
        kind = "text/event-stream";
    }
    let length = before.len() + TEXT_BYTES + after.len();
    let framed = match framing {
        Framing::Length => format!("Content-Length: {length}\r\n\r\n{before}"),
        Framing::Chunks | Framing::Events => {
            format!("Transfer-Encoding: chunked\r\n\r\n{length:x}\r\n{before}")
        }
    };
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n{framed}");
    socket.write_all(head.as_bytes()).await?;
    let piece = vec![b'x'; 1024 * 1024];
    for _ in 0..TEXT_BYTES / piece.len() {
        socket.write_all(&piece).await?;
    }
    socket.write_all(after.as_bytes()).await?;
    if matches!(framing, Framing::Length) {
        Ok(())
    } else {
        socket.write_all(b"\r\n0\r\n\r\n").await
    }
}
