//! 2026-07-28, and finding out which era an upstream speaks.

use super::peer::{Answer as Scripted, Peer, Piece, events, json, result, status, text};
use super::*;

const DISCOVERED: &str = r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{"listChanged":true}},"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"new","version":"2"}}}"#;
const TOOLS: &str = r#"{"tools":[{"name":"t","inputSchema":{"type":"object","properties":{"a":{"type":"integer","x-mcp-header":"Amount"}}}},{"name":"bad","inputSchema":{"type":"object","x-mcp-header":"X"}}]}"#;

async fn upstream<'a>(script: impl IntoIterator<Item = (&'a str, Vec<Scripted>)>) -> Peer {
    let base = [
        ("POST server/discover", vec![result(DISCOVERED)]),
        ("POST tools/list", vec![result(TOOLS)]),
    ];
    Peer::start(base.into_iter().chain(script)).await
}

fn rpc(code: i64, data: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{{id}},"error":{{"code":{code},"message":"m","data":{data}}}}}"#
    )
}

#[tokio::test]
async fn every_request_says_what_the_specification_wants() {
    let peer = upstream([("POST tools/call", vec![result("{}")])]).await;
    let running = open(&peer, Era::Auto).await;
    assert_eq!(running.session.identity().name, "new");
    assert_eq!(running.session.identity().protocol_version, "2026-07-28");
    assert_eq!(names(&running.session.list_tools(soon()).await.unwrap()), ["t"]);
    running.call().await.unwrap();
    running.session.call_tool("größe", b"{}", soon(), None).await.unwrap();
    let calls = peer.all("POST tools/call");
    for (seen, method) in [
        (&peer.all("POST server/discover")[0], "server/discover"),
        (&peer.all("POST tools/list")[0], "tools/list"),
        (&peer.saw("POST subscriptions/listen", 1).await[0], "subscriptions/listen"),
        (&calls[0], "tools/call"),
    ] {
        assert_eq!(seen.headers["mcp-method"], method);
        assert_eq!(seen.headers["mcp-protocol-version"], "2026-07-28");
        assert_eq!(seen.headers["x-key"], "secret");
        let meta = &seen.body["params"]["_meta"];
        assert_eq!(meta["io.modelcontextprotocol/protocolVersion"], "2026-07-28");
        assert!(meta["io.modelcontextprotocol/clientCapabilities"].is_object());
        assert_eq!(meta["io.modelcontextprotocol/clientInfo"]["name"], "mcpo");
    }
    assert_eq!(calls[0].headers["mcp-name"], "t");
    assert_eq!(calls[0].headers["mcp-param-amount"], "1");
    assert_eq!(calls[1].headers["mcp-name"], "=?base64?Z3LDtsOfZQ==?=");
    assert!(!calls[1].headers.contains_key("mcp-param-amount"));
    assert!(matches!(running.close().await, Cause::Closed));
    assert!(peer.all("DELETE").is_empty() && peer.all("GET").is_empty());
}

#[tokio::test]
async fn a_header_mismatch_is_healed_by_a_fresh_listing() {
    let mismatch = || status(400, &rpc(-32020, "null"));
    let peer = upstream([("POST tools/call", vec![mismatch(), result("{}"), mismatch()])]).await;
    let running = open(&peer, Era::Auto).await;
    assert_eq!(result_of(running.call().await), "{}");
    assert_eq!(peer.all("POST tools/call")[1].headers["mcp-param-amount"], "1");
    // The listing says nothing new now: the refusal stands.
    let (_, cause) = failed(running.call().await);
    assert_eq!(status_of(&cause), 400);
    assert_eq!(peer.all("POST tools/call").len(), 3);
}

#[tokio::test]
async fn an_incomplete_or_unknown_result_is_not_passed_on() {
    let peer = upstream([(
        "POST tools/call",
        vec![
            result(r#"{"resultType":"input_required","inputRequests":{}}"#),
            result(r#"{"resultType":"strange"}"#),
            result(r#"{"content":[{"text":"\"resultType\""}],"resultType":"complete"}"#),
        ],
    )])
    .await;
    let running = open(&peer, Era::Auto).await;
    assert!(matches!(failed(running.call().await).1, Cause::Unsupported(_)));
    assert!(matches!(failed(running.call().await).1, Cause::Malformed(_)));
    running.call().await.unwrap();
}

#[tokio::test]
async fn giving_up_closes_the_stream_and_sends_no_notification() {
    let peer = upstream([
        ("POST tools/call", vec![events([Piece::Pause])]),
        ("POST subscriptions/listen", vec![json("{}")]),
    ])
    .await;
    let running = open(&peer, Era::Auto).await;
    let late = running
        .session
        .call_tool("t", b"{}", Instant::now() + Duration::from_millis(300), None)
        .await;
    assert!(matches!(failed(late), (Sent::Maybe, Cause::Deadline)));
    peer.was_abandoned().await;
    assert!(matches!(running.close().await, Cause::Closed));
    assert!(peer.all("POST notifications/cancelled").is_empty());
}

#[tokio::test]
async fn a_stream_that_breaks_is_not_taken_up_again() {
    let peer =
        upstream([("POST tools/call", vec![events([text("id: 7\ndata:\n\n"), Piece::Cut])])]).await;
    let running = open(&peer, Era::Auto).await;
    assert!(matches!(failed(running.call().await), (Sent::Maybe, Cause::Broken(_))));
    assert!(peer.all("GET").is_empty());
}

#[tokio::test]
async fn changed_tools_are_heard_of_through_the_subscription() {
    let changed = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#;
    let stream = events([text(&format!("data: {changed}\n\n")), Piece::Pause]);
    let peer = upstream([("POST subscriptions/listen", vec![stream])]).await;
    let running = open(&peer, Era::Auto).await;
    let mut changes = running.session.tools_changed();
    timeout(Duration::from_secs(20), changes.wait_for(|times| *times == 1)).await.unwrap().unwrap();
    assert_eq!(
        peer.all("POST subscriptions/listen")[0].body["params"]["notifications"]["toolsListChanged"],
        true
    );
}

#[tokio::test]
async fn an_upstream_whose_era_has_changed_ends_the_session() {
    for (code, body) in [
        (400, rpc(-32022, r#"{"supported":["2025-11-25"]}"#)),
        (400, "Missing session ID".into()),
        (404, String::new()),
    ] {
        let peer = upstream([
            ("POST tools/call", vec![status(code, &body)]),
            ("POST server/discover", vec![result(DISCOVERED), status(code, &body)]),
        ])
        .await;
        let mut running = open(&peer, Era::Auto).await;
        assert_eq!(status_of(&failed(running.call().await).1), code);
        assert_eq!(status_of(&running.ended().await), code);
    }
}

#[tokio::test]
async fn a_call_that_alone_is_refused_costs_nobody_the_session() {
    let refusals = [(400, rpc(-32602, "null")), (400, "too long".into()), (404, String::new())];
    for (code, body) in refusals {
        let calls = vec![status(code, &body), result("{}")];
        let peer = upstream([("POST tools/call", calls)]).await;
        let running = open(&peer, Era::Auto).await;
        assert_eq!(status_of(&failed(running.call().await).1), code);
        running.call().await.unwrap();
    }
}

#[tokio::test]
async fn a_probe_takes_an_unknown_method_for_a_sign_of_life() {
    let peer = Peer::start([(
        "POST server/discover",
        vec![result(DISCOVERED), status(404, &rpc(-32601, "null"))],
    )])
    .await;
    let running = open(&peer, Era::Auto).await;
    running.session.probe(soon()).await.unwrap();
}

#[tokio::test]
async fn the_first_version_refused_and_offered_is_tried_again() {
    let refused = status(400, &rpc(-32022, r#"{"supported":["2026-07-28"],"requested":"x"}"#));
    let peer = Peer::start([("POST server/discover", vec![refused, result(DISCOVERED)])]).await;
    assert_eq!(open(&peer, Era::Auto).await.session.identity().name, "new");
}

#[tokio::test]
async fn whatever_is_not_modern_is_asked_to_initialize() {
    let answers = [
        status(400, "Bad Request"),
        status(
            400,
            r#"{"jsonrpc":"2.0","id":"server-error","error":{"code":-32600,"message":"Missing session ID"}}"#,
        ),
        status(404, ""),
        status(405, ""),
        status(406, ""),
        status(500, "oops"),
        json(&rpc(-32601, "null")),
        json("<html>"),
        status(202, ""),
        status(400, &rpc(-32022, r#"{"supported":["2025-11-25"]}"#)),
        result(r#"{"supportedVersions":["2025-11-25"]}"#),
        events([Piece::Cut]),
    ];
    for answer in answers {
        let peer = Peer::start([
            ("POST server/discover", vec![answer.clone()]),
            ("POST initialize", vec![result(INITIALIZED)]),
        ])
        .await;
        let running = try_connect(peer.url("/mcp"), HttpTransport::Streamable, Era::Auto).await;
        assert_eq!(running.unwrap().session.identity().name, "scripted", "{answer:?}");
    }
}

#[tokio::test]
async fn what_gives_no_verdict_is_not_taken_for_the_legacy_era() {
    for (code, body) in
        [(401, ""), (403, ""), (429, ""), (502, ""), (503, ""), (400, rpc(-32021, "null").as_str())]
    {
        let peer = Peer::start([
            ("POST server/discover", vec![status(code, body)]),
            ("POST initialize", vec![result(INITIALIZED)]),
        ])
        .await;
        let cause =
            try_connect(peer.url("/mcp"), HttpTransport::Streamable, Era::Auto).await.unwrap_err();
        assert_eq!(status_of(&cause), code);
        assert!(peer.all("POST initialize").is_empty());
    }
}

#[tokio::test]
async fn a_setting_overrides_the_finding_out() {
    let both = || {
        [
            ("POST server/discover", vec![result(DISCOVERED)]),
            ("POST initialize", vec![result(INITIALIZED)]),
        ]
    };
    let peer = Peer::start(both()).await;
    assert_eq!(open(&peer, Era::Legacy).await.session.identity().name, "scripted");
    assert!(peer.all("POST server/discover").is_empty());
    let peer = Peer::start([("POST initialize", vec![result(INITIALIZED)])]).await;
    assert!(try_connect(peer.url("/mcp"), HttpTransport::Streamable, Era::Modern).await.is_err());
    assert!(peer.all("POST initialize").is_empty());
}

#[tokio::test]
async fn an_upstream_that_is_silent_to_discover_still_gets_its_initialize() {
    let silent = events([Piece::Pause]);
    let initialize = ("POST initialize", vec![result(INITIALIZED)]);
    let peer = Peer::start([("POST server/discover", vec![silent]), initialize]).await;
    let headers = HeaderMap::new();
    let endpoint = Endpoint::Http(Http {
        url: peer.url("/mcp"),
        headers,
        transport: HttpTransport::Streamable,
    });
    let deadline = Instant::now() + Duration::from_secs(3);
    let connected =
        connect(&endpoint, &ConnectOptions { deadline, ..options(Era::Auto) }).await.unwrap();
    assert_eq!(connected.session.identity().name, "scripted");
    peer.was_abandoned().await;
}

#[tokio::test]
async fn requests_from_the_upstream_are_not_answered() {
    let ping = r#"{"jsonrpc":"2.0","id":"p","method":"ping"}"#;
    let answer = r#"{"jsonrpc":"2.0","id":{id},"result":{}}"#;
    let stream = events([text(&format!("data: {ping}\n\ndata: {answer}\n\n"))]);
    let peer = upstream([("POST tools/call", vec![stream])]).await;
    let running = open(&peer, Era::Auto).await;
    running.call().await.unwrap();
    assert!(matches!(running.close().await, Cause::Closed));
    assert!(peer.all("POST reply").is_empty());
}
