//! How often a call asks for memory. What a call costs beyond its system calls is mostly that, and
//! it grows unseen with each convenience: the bounds are what was measured when they were set.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use mcpo_mcp::endpoint::{Endpoint, Era, Http, HttpTransport, Stdio};
use mcpo_mcp::session::{ConnectOptions, Connected, Session, connect};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;
use tokio::time::Instant;

const CALLS: u64 = 64;

/// The frame (two with what shares it), who waits and whether it was sent; the
/// headers of the request and of the answer, two each; hyper's note of who waits, its channel of
/// the body (three), and room for the next read.
const HTTP_ALLOCATIONS_MAX: u64 = 13;
/// The frame, who waits, and what shares the read buffer.
const STDIO_ALLOCATIONS_MAX: u64 = 3;

const INITIALIZED: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"counted","version":"1"}}}"#;

#[test]
fn a_call_over_http_asks_for_memory_rarely() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap()).parse().unwrap();
    // Its allocations are those of other threads.
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            std::thread::spawn(move || converse(socket.unwrap()));
        }
    });
    let transport = HttpTransport::Streamable;
    let endpoint = Endpoint::Http(Http { url, headers: http::HeaderMap::new(), transport });
    check(&endpoint, HTTP_ALLOCATIONS_MAX);
}

#[test]
fn a_call_over_stdio_asks_for_memory_rarely() {
    let script = format!(
        "read -r hello; echo '{INITIALIZED}'; read -r initialized; id=2; \
         while read -r call; do \
         echo '{{\"jsonrpc\":\"2.0\",\"id\":'$id',\"result\":{{\"content\":[]}}}}'; id=$((id+1)); \
         done"
    );
    let endpoint = Endpoint::Stdio(Stdio {
        command: "sh".to_owned(),
        arguments: vec!["-c".to_owned(), script],
        environment: vec![("PATH".into(), "/usr/local/bin:/usr/bin:/bin".into())],
        directory: None,
        launcher: None,
    });
    check(&endpoint, STDIO_ALLOCATIONS_MAX);
}

fn check(endpoint: &Endpoint, allocations_max: u64) {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let options = ConnectOptions {
        client_name: "test".to_owned(),
        client_version: "0".to_owned(),
        era: Era::Legacy,
        deadline: soon(),
        grace: Duration::from_secs(1),
    };
    let Connected { session, driver } = runtime.block_on(connect(endpoint, &options)).unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn_on(driver.run(), runtime.handle());
    call(&runtime, &session);
    let measured = allocation_counter::measure(|| call(&runtime, &session));
    let per_call = measured.count_total / CALLS;
    assert!(per_call <= allocations_max, "{per_call} allocations a call");
    session.close();
    runtime.block_on(tasks.join_all());
}

fn call(runtime: &Runtime, session: &Session) {
    runtime.block_on(async {
        for _ in 0..CALLS {
            session.call_tool("echo", b"{\"text\":\"hello\"}", soon(), None).await.unwrap();
        }
    });
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

/// Answers one request after the other, until the other side goes.
fn converse(mut socket: TcpStream) {
    socket.set_nodelay(true).unwrap();
    let (mut request, mut buffer) = (String::new(), [0; 4096]);
    let mut id = 1;
    loop {
        let Ok(read @ 1..) = socket.read(&mut buffer) else { return };
        request.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
        let answer = if request.starts_with("GET") {
            "HTTP/1.1 405 No\r\nContent-Length: 0\r\n\r\n".to_owned()
        } else if !request.ends_with('}') {
            continue;
        } else if request.contains("\"initialize\"") {
            as_json(INITIALIZED)
        } else if request.contains("\"tools/call\"") {
            let stated = request.split("\"id\":").nth(1).unwrap();
            id = stated.split(',').next().unwrap().parse().unwrap_or(id);
            as_json(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"content":[]}}}}"#))
        } else {
            "HTTP/1.1 202 OK\r\nContent-Length: 0\r\n\r\n".to_owned()
        };
        request.clear();
        socket.write_all(answer.as_bytes()).unwrap();
    }
}

fn as_json(body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}
