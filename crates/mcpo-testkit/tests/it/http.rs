//! Over sockets.

use mcpo_testkit::{
    Era, HttpStep, HttpUpstream, LostSession, Reply, ReplyAs, Request, Script, Step, What, tool,
};
use serde_json::{Value, json};

async fn send(
    upstream: &HttpUpstream,
    session: Option<&str>,
    message: Value,
) -> anyhow::Result<Reply> {
    let request =
        Request::post(&upstream.url()).header("accept", "application/json, text/event-stream");
    match session {
        Some(id) => request.header("mcp-session-id", id).json(&message).send().await,
        None => request.json(&message).send().await,
    }
}

async fn shake_hands(upstream: &HttpUpstream) -> String {
    let params = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {}});
    let message = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params});
    let reply = send(upstream, None, message).await.unwrap();
    assert_eq!(reply.status, 200, "{reply}");
    let id = reply.header("mcp-session-id").unwrap().to_owned();
    let done = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    assert_eq!(send(upstream, Some(&id), done).await.unwrap().status, 202);
    id
}

fn call(name: &str, arguments: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": name, "arguments": arguments}})
}

#[tokio::test]
async fn a_session_lives_until_a_restart_and_is_then_refused_as_told() {
    for (lost, status) in [
        (LostSession::NotFound, 404),
        (LostSession::BadRequest, 400),
        (LostSession::PlainBadRequest, 400),
    ] {
        let mut upstream =
            HttpUpstream::start(Script { lost_session: lost, ..Script::echo() }).await.unwrap();
        let session = shake_hands(&upstream).await;
        let reply = send(&upstream, Some(&session), call("echo", json!({"a": 1}))).await.unwrap();
        assert_eq!(reply.json()["result"]["content"][0]["text"], r#"{"a":1}"#);
        upstream.stop().await;
        assert!(send(&upstream, Some(&session), call("echo", json!({}))).await.is_err());
        upstream.restart().await.unwrap();
        let reply = send(&upstream, Some(&session), call("echo", json!({}))).await.unwrap();
        assert_eq!(reply.status, status);
        assert_eq!((upstream.journal().runs("echo"), upstream.sessions_made()), (1, 1));
        shake_hands(&upstream).await;
        assert_eq!(upstream.journal().count(What::Start), 2);
    }
}

#[tokio::test]
async fn a_status_without_an_id_is_sent_once_and_counts_as_not_run() {
    let turns = vec![
        vec![Step::Http(HttpStep::json(503, "{}").header("retry-after", "1"))],
        vec![Step::Echo],
    ];
    let upstream = HttpUpstream::start(Script::echo().on_call("busy", turns)).await.unwrap();
    let session = shake_hands(&upstream).await;
    let refused = send(&upstream, Some(&session), call("busy", json!({}))).await.unwrap();
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (503, Some("1")));
    let answered = send(&upstream, Some(&session), call("busy", json!({}))).await.unwrap();
    assert_eq!(answered.status, 200);
    assert_eq!((upstream.journal().runs("busy"), upstream.journal().received("busy")), (1, 2));
}

#[tokio::test]
async fn a_cut_connection_gives_no_response_and_counts_as_run() {
    let upstream =
        HttpUpstream::start(Script::echo().on_call("cut", vec![vec![Step::DropConnection]]))
            .await
            .unwrap();
    let session = shake_hands(&upstream).await;
    assert!(send(&upstream, Some(&session), call("cut", json!({}))).await.is_err());
    assert_eq!(upstream.journal().runs("cut"), 1);
}

#[tokio::test]
async fn a_closed_stream_is_resumed_by_its_event_id() {
    let steps =
        vec![Step::SseThenClose { retry_ms: 5, id: "e1".into() }, Step::Text("resumed".into())];
    let script = Script::echo().reply_as(ReplyAs::Sse).on_call("poll", vec![steps]);
    let upstream = HttpUpstream::start(script).await.unwrap();
    let session = shake_hands_sse(&upstream).await;
    let first = send(&upstream, Some(&session), call("poll", json!({}))).await.unwrap();
    assert_eq!(first.text(), "id: e1\nretry: 5\ndata: \n\n");
    let resume = Request::get(&upstream.url())
        .header("mcp-session-id", &session)
        .header("last-event-id", "e1");
    let rest = resume.send().await.unwrap();
    assert!(rest.text().contains("resumed"), "{rest}");
    assert_eq!(upstream.journal().runs("poll"), 1);
}

async fn shake_hands_sse(upstream: &HttpUpstream) -> String {
    let session = shake_hands(upstream).await;
    let list = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
    let reply = send(upstream, Some(&session), list).await.unwrap();
    assert_eq!(reply.header("content-type"), Some("text/event-stream"));
    session
}

fn modern(method: &str, mut params: Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {},
    });
    json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
}

async fn send_modern(upstream: &HttpUpstream, method: &str, params: Value) -> Reply {
    let message = modern(method, params);
    let mut request = Request::post(&upstream.url())
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", method);
    if let Some(name) = message["params"]["name"].as_str() {
        request = request.header("mcp-name", name);
    }
    request.json(&message).send().await.unwrap()
}

#[tokio::test]
async fn a_modern_server_needs_headers_that_fit_and_no_session() {
    let upstream = HttpUpstream::start(Script::echo().era(Era::Modern)).await.unwrap();
    let identity = send_modern(&upstream, "server/discover", json!({})).await;
    assert_eq!(identity.json()["result"]["supportedVersions"][0], "2026-07-28");
    let answer =
        send_modern(&upstream, "tools/call", json!({"name": "echo", "arguments": {"x": 1}})).await;
    assert_eq!(answer.json()["result"]["resultType"], "complete");
    let message = modern("tools/call", json!({"name": "echo", "arguments": {}}));
    let bare = send(&upstream, None, message).await.unwrap();
    assert_eq!((bare.status.as_u16(), bare.json()["error"]["code"].as_i64()), (400, Some(-32020)));
    let unknown = send_modern(&upstream, "nothing/here", json!({})).await;
    assert_eq!(
        (unknown.status.as_u16(), unknown.json()["error"]["code"].as_i64()),
        (404, Some(-32601))
    );
    let params = json!({"protocolVersion": "2025-11-25"});
    let legacy = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params});
    assert_eq!(send(&upstream, None, legacy).await.unwrap().json()["error"]["code"], -32022);
}

#[tokio::test]
async fn a_paused_server_answers_when_it_is_resumed() {
    let upstream = HttpUpstream::start(Script::echo()).await.unwrap();
    let session = shake_hands(&upstream).await;
    upstream.pause();
    let mut waiting = Box::pin(send(&upstream, Some(&session), call("echo", json!({}))));
    let early = tokio::time::timeout(std::time::Duration::from_millis(50), &mut waiting).await;
    assert!(early.is_err());
    upstream.resume();
    assert_eq!(waiting.await.unwrap().status, 200);
}

#[tokio::test]
async fn http_and_sse_answer_on_the_stream_that_named_the_endpoint() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let background = vec![Step::Gate("change".into()), Step::NotifyToolsChanged(vec![tool("new")])];
    let upstream = HttpUpstream::start(Script { background, ..Script::echo() }).await.unwrap();
    let mut stream = tokio::net::TcpStream::connect(upstream.address()).await.unwrap();
    stream.write_all(b"GET /sse HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut seen = String::new();
    let mut buffer = [0; 4096];
    while !seen.contains("session=session-1") {
        let size = stream.read(&mut buffer).await.unwrap();
        seen.push_str(&String::from_utf8_lossy(&buffer[..size]));
    }
    let endpoint = format!("http://{}/messages?session=session-1", upstream.address());
    for message in [
        call("echo", json!({"over": "sse"})),
        json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
    ] {
        assert_eq!(Request::post(&endpoint).json(&message).send().await.unwrap().status, 202);
    }
    upstream.control().open("change").unwrap();
    while !(seen.contains(r#"{\"over\":\"sse\"}"#) && seen.contains("list_changed")) {
        let size = stream.read(&mut buffer).await.unwrap();
        assert_ne!(size, 0, "the stream ended: {seen}");
        seen.push_str(&String::from_utf8_lossy(&buffer[..size]));
    }
    let refused = Request::post(&upstream.sse_url()).send().await.unwrap();
    assert_eq!(refused.status, 405);
}
