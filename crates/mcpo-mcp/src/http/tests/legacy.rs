//! Streamable HTTP up to 2025-11-25.

use mcpo_core::fault::Stage;

use super::peer::{Answer as Scripted, Peer, Piece, Seen, events, json, result, status, text};
use super::*;
use crate::http::bounds::MESSAGE_BYTES_MAX;
use crate::http::line::{Line, LineEra, Manner, Request};

async fn upstream<'a>(script: impl IntoIterator<Item = (&'a str, Vec<Scripted>)>) -> Peer {
    let initialize = ("POST initialize", vec![result(INITIALIZED).header("Mcp-Session-Id", "s1")]);
    Peer::start(std::iter::once(initialize).chain(script)).await
}

async fn calls(answers: Vec<Scripted>) -> (Peer, Running) {
    let peer = upstream([("POST tools/call", answers)]).await;
    let running = open(&peer, Era::Legacy).await;
    (peer, running)
}

fn message(id: u64, data: &str) -> Piece {
    text(&format!("id: {id}\ndata: {data}\n\n"))
}

const ANSWER: &str = r#"{"jsonrpc":"2.0","id":{id},"result":{"ok":1}}"#;

#[tokio::test]
async fn every_request_carries_session_version_and_the_operators_headers() {
    let raw = r#"{"b":12345678901234567890123,"a":"\u00e9","unknown":{"type":"x"}}"#;
    let (peer, running) = calls(vec![result(raw)]).await;
    assert_eq!(running.session.identity().name, "scripted");
    assert_eq!(running.session.identity().protocol_version, "2025-11-25");
    assert_eq!(result_of(running.call().await), raw);
    assert!(matches!(running.close().await, Cause::Closed));

    let call: &Seen = &peer.all("POST tools/call")[0];
    assert!(call.raw.contains(r#""params":{"name":"t","arguments":{"a":1}}"#), "{}", call.raw);
    for seen in
        [call, &peer.saw("DELETE", 1).await[0], &peer.all("POST notifications/initialized")[0]]
    {
        assert_eq!(seen.headers["mcp-session-id"], "s1");
        assert_eq!(seen.headers["mcp-protocol-version"], "2025-11-25");
        assert_eq!(seen.headers["x-key"], "secret");
    }
    assert_eq!(call.headers["accept"], "application/json, text/event-stream");
    assert_eq!(call.headers["content-type"], "application/json");
    let initialize = &peer.all("POST initialize")[0];
    assert!(!initialize.headers.contains_key("mcp-session-id"));
    assert!(!initialize.headers.contains_key("mcp-protocol-version"));
}

#[tokio::test]
async fn an_answer_is_found_in_whatever_form_it_comes() {
    let stray = r#"{"jsonrpc":"2.0","id":999,"result":{}}"#;
    let forms = [
        json(ANSWER),
        json(&format!("  [{{\"jsonrpc\":\"2.0\",\"method\":\"x\"}},{ANSWER}] ")),
        json(&ANSWER.replace("{id}", "\"{id}\"")),
        json(&ANSWER.replace("{id}", "null")),
        json(ANSWER)
            .header("Content-Type", "application/json")
            .header("Content-Type", "text/event-stream"),
        json(ANSWER).header("Content-Type", "text/plain"),
        events([text(": hello\n\n"), text(&format!("data: {stray}\n\ndata: {ANSWER}\n\n"))]),
        events([text("event: message\r\nda"), text(&format!("ta: {ANSWER}\r\n\r\n"))]),
        events([text(&format!("data: {ANSWER}"))]),
        events([text(&format!("data: [{stray},{ANSWER}]\n\n")), Piece::Pause]),
        events([text("event: other\ndata: not json\n\n"), text(&format!("data: {ANSWER}\n\n"))]),
    ];
    let count = forms.len();
    let (_peer, running) = calls(forms.to_vec()).await;
    for form in 0..count {
        assert_eq!(result_of(running.call().await), r#"{"ok":1}"#, "form {form}");
    }
}

#[tokio::test]
async fn an_error_without_id_is_the_answer_to_its_own_post() {
    let error = r#"{"jsonrpc":"2.0","error":{"code":-32602,"message":"no"}}"#;
    let (_peer, running) =
        calls(vec![json(error), events([text(&format!("data: {error}\n\n"))])]).await;
    for _ in 0..2 {
        match running.call().await {
            Ok(Answer::Error(error)) => {
                assert_eq!((error.code, error.message.as_str()), (-32602, "no"));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn what_is_no_answer_is_malformed_and_may_have_run() {
    let (_peer, running) = calls(vec![
        json("<html>"),
        json(""),
        json(r#"{"jsonrpc":"2.0","id":999,"result":{}}"#),
        json(r#"{"jsonrpc":"2.0","id":{id}}"#),
        status(202, ""),
        events([text("data: {broken\n\n")]),
    ])
    .await;
    for case in 0..6 {
        let (sent, cause) = failed(running.call().await);
        assert_eq!(sent, Sent::Maybe, "case {case}");
        assert!(matches!(cause, Cause::Malformed(_)), "case {case}: {cause:?}");
    }
}

#[tokio::test]
async fn a_status_is_given_with_all_that_it_says() {
    let (_peer, running) = calls(vec![
        status(429, "slow down").header("Retry-After", "7"),
        status(503, "<h1>Unavailable</h1>"),
        status(
            400,
            r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32602,"message":"bad","data":[1]}}"#,
        ),
        status(500, &"x".repeat(100_000)),
        status(302, "").header("Location", "https://other.example/login?next=secret"),
    ])
    .await;
    let mut facts = Vec::new();
    for _ in 0..5 {
        match failed(running.call().await) {
            (Sent::Maybe, Cause::Status { status, retry_after, body, rpc, had_session: true }) => {
                facts.push((status, retry_after, body, rpc));
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(
        (facts[0].0, facts[0].1, facts[0].2.as_str()),
        (429, Some(Duration::from_secs(7)), "slow down")
    );
    assert_eq!((facts[1].0, facts[1].1, facts[1].2.as_str()), (503, None, "<h1>Unavailable</h1>"));
    let rpc = facts[2].3.as_ref().unwrap();
    assert_eq!(
        (rpc.code, rpc.message.as_str(), rpc.data.as_ref().unwrap().get()),
        (-32602, "bad", "[1]")
    );
    assert!(facts[3].2.len() < 5000);
    assert_eq!(facts[4].2, "redirected to https://other.example, which is not followed");
}

#[tokio::test]
async fn a_lost_session_ends_the_driver_and_takes_no_more_calls() {
    let gone = r#"{"jsonrpc":"2.0","id":"server-error","error":{"code":-32600,"message":"Session not found"}}"#;
    let no_valid = r#"{"jsonrpc":"2.0","error":{"code":-32000,"message":"Bad Request: No valid session ID provided"}}"#;
    for (code, body) in [(404, gone), (404, ""), (400, no_valid)] {
        let (peer, mut running) = calls(vec![status(code, body)]).await;
        let (_, cause) = failed(running.call().await);
        assert_eq!(status_of(&cause), code);
        assert_eq!(status_of(&running.ended().await), code);
        let (sent, _) = failed(running.call().await);
        assert_eq!(sent, Sent::No);
        assert_eq!(peer.all("POST tools/call").len(), 1);
        assert!(peer.all("DELETE").is_empty());
    }
}

#[tokio::test]
async fn a_stream_that_was_cut_after_an_event_id_is_taken_up_again() {
    let notified = r#"{"jsonrpc":"2.0","method":"notifications/message","params":{}}"#;
    let peer = upstream([
        ("POST tools/call", vec![events([text("id: 7\nretry: 100\ndata:\n\n"), Piece::Cut])]),
        (
            "GET",
            vec![
                // The upstream's own stream.
                status(405, ""),
                status(503, ""),
                events([message(8, notified), Piece::Cut]),
                events([message(9, ANSWER_TO_CALL)]),
            ],
        ),
    ])
    .await;
    let running = open(&peer, Era::Legacy).await;
    peer.saw("GET", 1).await;
    assert_eq!(result_of(running.call().await), r#"{"ok":2}"#);
    let ids: Vec<_> =
        peer.all("GET").iter().map(|get| get.headers.get("last-event-id").cloned()).collect();
    let id = |id: &str| Some(id.to_owned());
    assert_eq!(ids, [None, id("7"), id("7"), id("8")]);
    assert_eq!(peer.all("POST tools/call").len(), 1);
    assert!(peer.all("POST notifications/cancelled").is_empty());
}

/// The call is the second request, after `initialize`.
const ANSWER_TO_CALL: &str = r#"{"jsonrpc":"2.0","id":2,"result":{"ok":2}}"#;

#[tokio::test]
async fn a_refused_resumption_does_not_make_the_call_look_refused() {
    let peer = upstream([
        ("POST tools/call", vec![events([text("id: 7\nretry: 100\ndata:\n\n"), Piece::Cut])]),
        ("GET", vec![status(405, ""), status(404, "")]),
    ])
    .await;
    let mut running = open(&peer, Era::Legacy).await;
    peer.saw("GET", 1).await;
    let (sent, cause) = failed(running.call().await);
    assert_eq!(sent, Sent::Maybe);
    assert!(matches!(cause, Cause::Broken(_)), "{cause:?}");
    assert_eq!(status_of(&running.ended().await), 404);
}

#[tokio::test]
async fn a_connection_that_breaks_after_the_request_leaves_the_outcome_open() {
    let half = json("{\"jsonrpc\"").header("X", "y");
    for broken in [
        events([Piece::Cut]),
        events([text("data: {\"jso"), Piece::Cut]),
        events([text("data: {\"half\":\n\n")]),
        events([text(": nothing\n\n")]),
        half,
    ] {
        let (_peer, running) = calls(vec![broken.clone()]).await;
        let (sent, cause) = failed(running.call().await);
        assert_eq!(sent, Sent::Maybe);
        assert!(matches!(cause, Cause::Broken(_) | Cause::Malformed(_)), "{broken:?}: {cause:?}");
    }
}

#[tokio::test]
async fn a_call_that_nobody_waits_for_is_cancelled() {
    let (peer, running) = calls(vec![events([Piece::Pause])]).await;
    let late = running
        .session
        .call_tool("t", b"{}", Instant::now() + Duration::from_millis(300), None)
        .await;
    let (sent, cause) = failed(late);
    assert_eq!(sent, Sent::Maybe);
    assert!(matches!(cause, Cause::Deadline));
    let cancelled = &peer.saw("POST notifications/cancelled", 1).await[0];
    assert_eq!(cancelled.body["params"]["requestId"], peer.all("POST tools/call")[0].body["id"]);

    tokio::select! {
        _ = running.call() => panic!("it was answered"),
        _ = peer.saw("POST tools/call", 2) => {}
    }
    peer.saw("POST notifications/cancelled", 2).await;
}

#[tokio::test]
async fn a_request_that_found_no_connection_was_not_sent() {
    let (peer, running) = calls(vec![result("{}")]).await;
    let url = peer.url("/mcp?token=hidden");
    drop(peer);
    // The pooled connection is closed; the next one is refused.
    let (sent, cause) = loop {
        let (sent, cause) = failed(running.call().await);
        if matches!(cause, Cause::Connect { stage: Stage::Refused, .. }) {
            break (sent, cause);
        }
    };
    assert_eq!(sent, Sent::No);
    let cause = cause.to_string();
    assert!(cause.contains("127.0.0.1") && cause.contains("refused"), "{cause}");

    let cause =
        try_connect(url, HttpTransport::Streamable, Era::Auto).await.unwrap_err().to_string();
    assert!(!cause.contains("hidden") && !cause.contains("mcp"), "{cause}");
}

#[tokio::test]
async fn what_the_upstream_asks_is_answered_beside_the_call() {
    let ping = r#"{"jsonrpc":"2.0","id":"p-1","method":"ping"}"#;
    let sampling = r#"{"jsonrpc":"2.0","id":5,"method":"sampling/createMessage","params":{}}"#;
    let changed = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#;
    let stream =
        events([message(1, ping), message(2, sampling), message(3, changed), message(4, ANSWER)]);
    let (peer, running) = calls(vec![stream]).await;
    let tools_changed = running.session.tools_changed();
    assert_eq!(result_of(running.call().await), r#"{"ok":1}"#);
    assert!(tools_changed.has_changed().unwrap());
    let replies = peer.saw("POST reply", 2).await;
    let of = |id: Value| replies.iter().find(|reply| reply.body["id"] == id).unwrap();
    assert_eq!(of("p-1".into()).body["result"], serde_json::json!({}));
    assert_eq!(of(5.into()).body["error"]["code"], -32601);
    assert_eq!(of(5.into()).headers["mcp-session-id"], "s1");
}

#[tokio::test]
async fn the_upstreams_own_stream_is_kept_and_can_carry_answers() {
    let changed = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#;
    let peer = upstream([
        ("POST tools/call", vec![events([Piece::Pause, Piece::Pause])]),
        (
            "GET",
            vec![
                events([message(1, changed), text("retry: 100\n\n"), Piece::Cut]),
                events([Piece::Pause, message(2, ANSWER_TO_CALL), Piece::Pause]),
            ],
        ),
    ])
    .await;
    let running = open(&peer, Era::Legacy).await;
    let gets = peer.saw("GET", 2).await;
    assert!(*running.session.tools_changed().borrow() >= 1);
    assert_eq!(gets[0].headers["accept"], "text/event-stream");
    assert_eq!(gets[1].headers["last-event-id"], "1");
    let call = running.call();
    let go = async {
        peer.saw("POST tools/call", 1).await;
        peer.go();
        peer.go();
    };
    assert_eq!(result_of(tokio::join!(call, go).0), r#"{"ok":2}"#);
}

#[tokio::test]
async fn an_upstream_without_a_stream_of_its_own_is_asked_once() {
    for no in [status(405, ""), status(404, ""), status(400, "No session"), json("{}")] {
        let peer = upstream([("GET", vec![no]), ("POST ping", vec![result("{}")])]).await;
        let running = open(&peer, Era::Legacy).await;
        peer.saw("GET", 1).await;
        running.session.probe(soon()).await.unwrap();
        assert!(matches!(running.close().await, Cause::Closed));
        assert_eq!(peer.all("GET").len(), 1);
    }
}

#[tokio::test]
async fn a_redirect_is_followed_within_the_origin_only() {
    let elsewhere = Peer::start([("POST initialize", vec![result(INITIALIZED)])]).await;
    let peer = upstream([("POST tools/call", vec![result("{}")])]).await;
    let mut url = peer.url("/moved");
    let moved = Peer::start([(
        "POST initialize",
        vec![
            status(307, "").header("Location", "/mcp/"),
            result(INITIALIZED),
            status(308, "").header("Location", elsewhere.url("/mcp").as_str()),
        ],
    )])
    .await;
    url.set_port(Some(moved.port)).unwrap();
    let running = try_connect(url.clone(), HttpTransport::Streamable, Era::Legacy).await.unwrap();
    let paths: Vec<_> = moved.all("POST initialize").iter().map(|seen| seen.path.clone()).collect();
    assert_eq!(paths, ["/moved", "/mcp/"]);
    assert_eq!(moved.saw("POST notifications/initialized", 1).await[0].path, "/mcp/");
    drop(running);
    let cause = try_connect(url, HttpTransport::Streamable, Era::Legacy).await.unwrap_err();
    assert_eq!(status_of(&cause), 308);
    assert!(elsewhere.all("POST initialize").is_empty());
}

#[tokio::test]
async fn credentials_in_the_address_become_a_header() {
    let peer = upstream([]).await;
    let mut url = peer.url("/mcp");
    url.set_username("me").unwrap();
    url.set_password(Some("p%40ss")).unwrap();
    try_connect(url, HttpTransport::Streamable, Era::Legacy).await.unwrap();
    assert_eq!(peer.all("POST initialize")[0].headers["authorization"], "Basic bWU6cEBzcw==");
}

#[tokio::test]
async fn a_body_over_the_bound_is_refused() {
    const PIECE_BYTES: usize = 1024 * 1024;
    let piece = "x".repeat(PIECE_BYTES);
    let endless = || std::iter::repeat_n(text(&piece), MESSAGE_BYTES_MAX / PIECE_BYTES + 2);
    let (_peer, running) = calls(vec![
        events(endless()).header("Content-Type", "application/json"),
        events(endless()),
    ])
    .await;
    for _ in 0..2 {
        let (_, cause) = failed(running.call().await);
        assert!(matches!(cause, Cause::TooLarge { .. }), "{cause:?}");
    }
}

#[tokio::test]
async fn closing_waits_for_the_calls_that_are_under_way() {
    let (peer, running) = calls(vec![events([Piece::Pause, message(1, ANSWER)])]).await;
    let session = running.session.clone();
    let call = async { session.call_tool("t", b"{}", soon(), None).await };
    let close = async {
        peer.saw("POST tools/call", 1).await;
        session.close();
        assert_eq!(failed(session.call_tool("t", b"{}", soon(), None).await).0, Sent::No);
        peer.go();
    };
    assert_eq!(result_of(tokio::join!(call, close).0), r#"{"ok":1}"#);
    assert!(matches!(running.close().await, Cause::Closed));
}

#[tokio::test]
async fn an_answer_is_found_in_a_batch_beside_what_is_no_message() {
    let batch = r#"[{"nonsense":1},{"jsonrpc":"2.0","id":{id},"result":{"ok":1}},7]"#;
    let (_peer, running) = calls(vec![json(batch)]).await;
    assert_eq!(result_of(running.call().await), r#"{"ok":1}"#);
}

#[tokio::test]
async fn dropping_the_driver_ends_the_calls() {
    let (peer, running) = calls(vec![events([Piece::Pause])]).await;
    let Running { session, driver } = running;
    let drop_it = async {
        peer.saw("POST tools/call", 1).await;
        drop(driver);
    };
    let (answered, ()) = tokio::join!(session.call_tool("t", b"{}", soon(), None), drop_it);
    let (sent, cause) = failed(answered);
    assert_eq!(sent, Sent::Maybe);
    assert!(matches!(cause, Cause::Closed));
    peer.was_abandoned().await;
}

#[tokio::test]
async fn nothing_secret_is_shown() {
    let peer = upstream([]).await;
    let mut url = peer.url("/path-secret?token=query-secret");
    url.set_password(Some("word-secret")).unwrap();
    let running = try_connect(url, HttpTransport::Streamable, Era::Legacy).await.unwrap();
    let shown = format!("{:?}", running.session);
    assert!(!shown.contains("secret") && !shown.contains("s1"), "{shown}");
}

#[tokio::test]
async fn a_deadline_before_the_connection_stands_means_not_sent() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/mcp", silent.local_addr().unwrap()).parse().unwrap();
    let peer = crate::http::peer::Peer::new(&url, &HeaderMap::new()).unwrap();
    let (line, _outbound) = Line::new(peer, LineEra::Legacy);
    let request = Request {
        method: "tools/call",
        params: &[b"{}"],
        headers: HeaderMap::new(),
        deadline: Instant::now() + Duration::from_millis(300),
        manner: Manner::CancelAndResume,
    };
    assert!(matches!(failed(line.request(request).await), (Sent::No, Cause::Deadline)));
}

#[tokio::test]
async fn a_connection_that_will_be_closed_is_not_used_again() {
    let once = || result("{}").header("Connection", "close");
    let (peer, running) = calls(vec![once(), once(), once()]).await;
    for _ in 0..3 {
        running.call().await.unwrap();
    }
    assert_eq!(peer.all("POST tools/call").len(), 3);
}

#[tokio::test]
async fn an_idle_session_that_is_lost_is_found_out_by_its_own_stream() {
    let gone = status(
        404,
        r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32001,"message":"Session not found"}}"#,
    );
    let peer = upstream([("GET", vec![events([text("retry: 100\n\n"), Piece::Cut]), gone])]).await;
    let mut running = open(&peer, Era::Legacy).await;
    assert_eq!(status_of(&running.ended().await), 404);
}

#[tokio::test]
async fn a_session_that_is_lost_by_an_ordinary_error_ends_too() {
    let error =
        r#"{"jsonrpc":"2.0","id":{id},"error":{"code":-32001,"message":"Session not found"}}"#;
    let other =
        r#"{"jsonrpc":"2.0","id":{id},"error":{"code":-32000,"message":"no such session_name"}}"#;
    let (_peer, mut running) = calls(vec![json(other), json(error)]).await;
    assert!(matches!(running.call().await, Ok(Answer::Error(_))));
    assert!(matches!(failed(running.call().await).1, Cause::Refused { .. }));
    assert!(matches!(running.ended().await, Cause::Refused { .. }));
}

#[tokio::test]
async fn an_upstream_that_hangs_at_the_end_delays_us_by_the_grace_only() {
    let peer = upstream([("DELETE", vec![events([Piece::Pause])])]).await;
    let running = open(&peer, Era::Legacy).await;
    let began = Instant::now();
    running.close().await;
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
}

#[tokio::test]
async fn an_error_status_keeps_the_error_in_its_body_and_when_to_come_back() {
    let body = r#"{"jsonrpc":"2.0","id":{id},"error":{"code":-32603,"message":"boom","data":[1]}}"#;
    for code in [400, 422, 500, 502, 503] {
        let (_peer, running) = calls(vec![status(code, body).header("Retry-After", "7")]).await;
        let Cause::Status { status, retry_after, rpc: Some(error), .. } =
            failed(running.call().await).1
        else {
            panic!("{code} loses its error")
        };
        assert_eq!((status, retry_after), (code, Some(Duration::from_secs(7))));
        assert_eq!((error.code, error.message.as_str()), (-32603, "boom"));
        assert_eq!(error.data.map(|data| data.get().to_owned()).as_deref(), Some("[1]"));
    }
}
