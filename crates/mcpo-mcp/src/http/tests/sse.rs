//! HTTP+SSE, and the two transports taken for each other.

use super::peer::{Answer as Scripted, Peer, Piece, events, json, result, status, text};
use super::*;
use crate::http::bounds::{POST_WAIT_MAX, POSTS_MAX};

const ENDPOINT: &str = "event: endpoint\ndata: /messages?session=s1\n\n";

fn message(data: &str) -> Piece {
    text(&format!("event: message\ndata: {data}\n\n"))
}

/// The handshake's answer, given when [`Peer::go`] says so.
fn handshake() -> [Piece; 3] {
    let answer = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{INITIALIZED}}}"#);
    [text(ENDPOINT), Piece::Pause, message(&answer)]
}

async fn upstream(stream: impl IntoIterator<Item = Piece>, calls: Vec<Scripted>) -> Peer {
    let stream = events(handshake().into_iter().chain(stream));
    Peer::start([
        ("GET", vec![stream]),
        ("POST initialize", vec![status(202, "Accepted")]),
        ("POST tools/call", calls),
    ])
    .await
}

async fn open_sse(peer: &Peer) -> Running {
    let answer = async {
        peer.saw("POST initialize", 1).await;
        peer.go();
    };
    tokio::join!(try_connect(peer.url("/sse"), HttpTransport::Sse, Era::Auto), answer).0.unwrap()
}

async fn call_and_go(running: &Running, peer: &Peer) -> Result<Answer, RequestError> {
    let go = async {
        peer.saw("POST tools/call", 1).await;
        peer.go();
    };
    tokio::join!(running.call(), go).0
}

#[tokio::test]
async fn requests_are_posted_and_answered_on_the_stream() {
    let ping = r#"{"jsonrpc":"2.0","id":"p","method":"ping"}"#;
    let stream = [
        Piece::Pause,
        message(ping),
        message(r#"{"jsonrpc":"2.0","id":2,"result":{"ok":2}}"#),
        Piece::Pause,
    ];
    let peer = upstream(stream, vec![status(202, "Accepted")]).await;
    let running = open_sse(&peer).await;
    assert_eq!(result_of(call_and_go(&running, &peer).await), r#"{"ok":2}"#);
    let call = &peer.all("POST tools/call")[0];
    assert_eq!(
        (call.path.as_str(), call.headers["x-key"].as_str()),
        ("/messages?session=s1", "secret")
    );
    assert_eq!(peer.saw("POST reply", 1).await[0].body["id"], "p");
    assert_eq!(peer.all("GET")[0].headers["x-key"], "secret");
    assert!(matches!(running.close().await, Cause::Closed));
}

#[tokio::test]
async fn the_handshake_is_over_when_its_last_word_has_arrived() {
    let peer = Peer::start([
        ("GET", vec![events(handshake().into_iter().chain([Piece::Pause]))]),
        ("POST initialize", vec![status(202, "Accepted")]),
        ("POST notifications/initialized", vec![status(401, "Session not found")]),
    ])
    .await;
    let go = async {
        peer.saw("POST initialize", 1).await;
        peer.go();
    };
    let connecting = try_connect(peer.url("/sse"), HttpTransport::Sse, Era::Auto);
    let cause = tokio::join!(connecting, go).0.unwrap_err();
    assert_eq!(status_of(&cause), 401);
}

#[tokio::test]
async fn an_answer_in_the_post_itself_counts_too() {
    let peer = upstream([Piece::Pause], vec![result(r#"{"ok":3}"#)]).await;
    let running = open_sse(&peer).await;
    assert_eq!(result_of(running.call().await), r#"{"ok":3}"#);
}

#[tokio::test]
async fn a_dropped_stream_fails_what_is_pending_and_ends_the_session() {
    let peer = upstream([Piece::Pause, Piece::Cut], vec![status(202, "")]).await;
    let mut running = open_sse(&peer).await;
    let (sent, cause) = failed(call_and_go(&running, &peer).await);
    assert_eq!(sent, Sent::Maybe);
    assert!(matches!(cause, Cause::Broken(_)), "{cause:?}");
    assert!(matches!(running.ended().await, Cause::Broken(_)));
    assert_eq!(failed(running.call().await).0, Sent::No);
}

#[tokio::test]
async fn a_refused_post_is_its_callers_and_a_lost_session_everybodys() {
    let peer =
        upstream([Piece::Pause], vec![status(500, "oops"), status(404, "Could not find session")])
            .await;
    let mut running = open_sse(&peer).await;
    assert_eq!(status_of(&failed(running.call().await).1), 500);
    assert_eq!(status_of(&failed(running.call().await).1), 404);
    assert_eq!(status_of(&running.ended().await), 404);
}

#[tokio::test]
async fn a_call_that_nobody_waits_for_is_cancelled() {
    let peer = upstream([Piece::Pause], vec![status(202, "")]).await;
    let running = open_sse(&peer).await;
    let late = running
        .session
        .call_tool("t", b"{}", Instant::now() + Duration::from_millis(300), None)
        .await;
    assert!(matches!(failed(late), (Sent::Maybe, Cause::Deadline)));
    let cancelled = &peer.saw("POST notifications/cancelled", 1).await[0];
    assert_eq!(cancelled.body["params"]["requestId"], 2);
}

#[tokio::test]
async fn an_error_without_an_id_is_that_of_the_post_that_it_answers() {
    let error = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32602,"message":"unread"}}"#;
    let peer = upstream([Piece::Pause], vec![status(202, ""), json(error)]).await;
    let running = open_sse(&peer).await;
    let first = running.call();
    let second = async {
        peer.saw("POST tools/call", 1).await;
        running.call().await
    };
    tokio::select! {
        answered = first => panic!("nobody answered it: {answered:?}"),
        answered = second => assert!(matches!(answered, Ok(Answer::Error(_))), "{answered:?}"),
    }
}

#[tokio::test]
async fn calls_end_with_the_driver_that_is_dropped() {
    let peer = upstream([Piece::Pause], vec![status(202, "")]).await;
    let Running { session, driver } = open_sse(&peer).await;
    let drop_it = async {
        peer.saw("POST tools/call", 1).await;
        drop(driver);
    };
    let (answered, ()) = tokio::join!(session.call_tool("t", b"{}", soon(), None), drop_it);
    assert!(matches!(failed(answered), (Sent::Maybe, Cause::Closed)));
}

#[tokio::test]
async fn posts_whose_answers_never_end_do_not_hold_their_places_for_ever() {
    let endless = events([Piece::Pause]).header("Content-Type", "application/json");
    let peer = upstream([Piece::Pause], vec![endless]).await;
    let running = open_sse(&peer).await;
    let mut calls = JoinSet::new();
    for _ in 0..=POSTS_MAX {
        let session = running.session.clone();
        let deadline = Instant::now() + POST_WAIT_MAX * 10;
        calls.spawn(async move { session.call_tool("t", b"{}", deadline, None).await });
    }
    peer.saw("POST tools/call", POSTS_MAX).await;
    // Their heads must have come back as well; then the clock may run.
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    tokio::time::pause();
    tokio::time::advance(POST_WAIT_MAX).await;
    tokio::time::resume();
    peer.saw("POST tools/call", POSTS_MAX + 1).await;
}

/// A POST whose answer's head never comes.
fn held_open() -> Scripted {
    status(202, "").after(Piece::Pause)
}

/// One call for each place for POSTs, all of them held open.
async fn fill(running: &Running, peer: &Peer) -> JoinSet<Result<Answer, RequestError>> {
    let mut calls = JoinSet::new();
    for _ in 0..POSTS_MAX {
        let session = running.session.clone();
        calls.spawn(async move { session.call_tool("t", b"{}", soon(), None).await });
    }
    peer.saw("POST tools/call", POSTS_MAX).await;
    calls
}

#[tokio::test]
async fn a_call_whose_post_had_not_begun_when_the_stream_broke_was_not_sent() {
    let peer = upstream([Piece::Pause, Piece::Cut], vec![held_open()]).await;
    let running = open_sse(&peer).await;
    let mut calls = fill(&running, &peer).await;
    let late = async {
        let call = running.call();
        let cut = async {
            // It waits in the driver, not only in the queue.
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            peer.go();
        };
        tokio::join!(call, cut).0
    };
    let (sent, cause) = failed(late.await);
    assert_eq!(sent, Sent::No);
    assert!(matches!(cause, Cause::Broken(_)), "{cause:?}");
    while let Some(call) = calls.join_next().await {
        assert_eq!(failed(call.unwrap()).0, Sent::Maybe);
    }
    assert_eq!(peer.all("POST tools/call").len(), POSTS_MAX);
}

#[tokio::test]
async fn a_call_that_is_given_up_before_its_turn_is_never_posted() {
    let peer = upstream([Piece::Pause, message("{}"), Piece::Pause], vec![held_open()]).await;
    let running = open_sse(&peer).await;
    let mut calls = fill(&running, &peer).await;
    let soon_over = Instant::now() + Duration::from_millis(50);
    let given_up = running.session.call_tool("given-up", b"{}", soon_over, None).await;
    assert!(matches!(failed(given_up), (Sent::No, Cause::Deadline)));
    let session = running.session.clone();
    calls.spawn(async move { session.call_tool("next", b"{}", soon(), None).await });
    // The stream is the first to wait for it.
    peer.go();
    peer.go();
    let all = peer.saw("POST tools/call", POSTS_MAX + 1).await;
    assert_eq!(all.last().unwrap().body["params"]["name"], "next");
    assert_eq!(peer.all("POST notifications/cancelled").len(), 0);
}

#[tokio::test]
async fn a_post_that_is_held_open_lives_as_long_as_its_call() {
    let stream =
        [Piece::Pause, message(r#"{"jsonrpc":"2.0","id":2,"result":{"ok":2}}"#), Piece::Pause];
    let peer = upstream(stream, vec![held_open()]).await;
    let running = open_sse(&peer).await;
    let session = running.session.clone();
    let mut calls = JoinSet::new();
    let deadline = Instant::now() + POST_WAIT_MAX * 10;
    calls.spawn(async move { session.call_tool("t", b"{}", deadline, None).await });
    peer.saw("POST tools/call", 1).await;
    for _ in 0..3 {
        tokio::time::pause();
        tokio::time::advance(POST_WAIT_MAX).await;
        tokio::time::resume();
        tokio::task::yield_now().await;
    }
    peer.go();
    assert_eq!(result_of(calls.join_next().await.unwrap().unwrap()), r#"{"ok":2}"#);
}

#[tokio::test]
async fn an_endpoint_at_another_origin_is_refused() {
    for endpoint in [
        "https://other.example/m",
        "http://127.0.0.1:1/m",
        "//other.example/m",
        "ftp://127.0.0.1/m",
    ] {
        let stream =
            events([text(&format!("event: endpoint\ndata: {endpoint}\n\n")), Piece::Pause]);
        let peer = Peer::start([("GET", vec![stream])]).await;
        let cause =
            try_connect(peer.url("/sse"), HttpTransport::Sse, Era::Legacy).await.unwrap_err();
        assert!(cause.to_string().contains("the endpoint event leads"), "{endpoint}: {cause}");
    }
}

#[tokio::test]
async fn either_transport_is_found_where_the_other_was_configured() {
    let streamable = Peer::start([("POST initialize", vec![result(INITIALIZED)])]).await;
    let running = try_connect(streamable.url("/mcp"), HttpTransport::Sse, Era::Auto).await.unwrap();
    assert_eq!(running.session.identity().name, "scripted");

    for no in [status(400, ""), status(404, ""), status(405, "")] {
        let sse = Peer::start([
            ("GET", vec![events(handshake().into_iter().chain([Piece::Pause]))]),
            ("POST server/discover", vec![no.clone()]),
            // The first goes to the address as configured, the second to the endpoint.
            ("POST initialize", vec![no, status(202, "")]),
        ])
        .await;
        let answer = async {
            sse.saw("POST initialize", 2).await;
            sse.go();
        };
        let (running, ()) = tokio::join!(
            try_connect(sse.url("/sse"), HttpTransport::Streamable, Era::Auto),
            answer
        );
        assert_eq!(running.unwrap().session.identity().name, "scripted");
        assert_eq!(sse.all("POST initialize")[1].path, "/messages?session=s1");
    }
}

#[tokio::test]
async fn where_neither_transport_is_spoken_the_configured_one_tells_why() {
    let peer = Peer::start([
        ("GET", vec![status(404, "no such page")]),
        ("POST initialize", vec![json("x"), status(404, "nor this")]),
    ])
    .await;
    let cause = try_connect(peer.url("/x"), HttpTransport::Sse, Era::Legacy).await.unwrap_err();
    assert!(matches!(cause, Cause::Malformed(_)), "{cause:?}");
    let cause = try_connect(peer.url("/x"), HttpTransport::Sse, Era::Legacy).await.unwrap_err();
    assert!(
        matches!(&cause, Cause::Status { status: 404, body, .. } if body == "no such page"),
        "{cause:?}"
    );
}

#[tokio::test]
async fn calls_beside_the_one_that_finds_the_session_lost_are_refused_themselves() {
    let lost = || status(404, "Could not find session");
    let peer = upstream([Piece::Pause], vec![lost().after(Piece::Pause), lost()]).await;
    let running = open_sse(&peer).await;
    let session = running.session.clone();
    let mut early = JoinSet::new();
    early.spawn(async move { session.call_tool("t", b"{}", soon(), None).await });
    peer.saw("POST tools/call", 1).await;
    assert_eq!(status_of(&failed(running.call().await).1), 404);
    // Both are waited for: the stream and the call.
    peer.go();
    peer.go();
    let (_, cause) = failed(early.join_next().await.unwrap().unwrap());
    assert_eq!(status_of(&cause), 404);
}
