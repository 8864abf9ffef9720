//! Answers that end in their middle: a broken line, whatever the framing shows of it, and never an
//! upstream that does not speak MCP.

use super::peer::{Answer as Scripted, Peer, Piece, events, json, result, status, text};
use super::*;

const HALF_ANSWER: &str = r#"{"jsonrpc":"2.0","id":{id},"result":{"content":[{"type":"te"#;

/// A body of which only the start comes, in every framing that a body can have.
fn cut_bodies() -> Vec<Scripted> {
    vec![
        json(HALF_ANSWER).unframed().header("Content-Length", "500"),
        events([text(HALF_ANSWER), Piece::Cut]).header("Content-Type", "application/json"),
        json(HALF_ANSWER).unframed(),
        json("").unframed(),
        // A gateway closed the body properly that its server had broken off.
        json(HALF_ANSWER),
        // JSON where events were promised.
        events([text(HALF_ANSWER), Piece::Cut]),
    ]
}

fn cut_streams() -> Vec<Scripted> {
    let half_event = format!("event: message\ndata: {HALF_ANSWER}");
    vec![
        events([text(&half_event), Piece::Cut]),
        events([text(&half_event)]),
        events([text(&half_event)]).unframed(),
        events([text("event: message\nda")]),
        events([text(": hello\n\n")]).unframed(),
        events([text(": hello\n\n"), Piece::Cut]),
    ]
}

#[tokio::test]
async fn an_answer_that_was_cut_is_a_broken_line_and_may_have_run() {
    let answers: Vec<_> = cut_bodies().into_iter().chain(cut_streams()).collect();
    let count = answers.len();
    let peer =
        Peer::start([("POST initialize", vec![result(INITIALIZED)]), ("POST tools/call", answers)])
            .await;
    let running = open(&peer, Era::Legacy).await;
    for case in 0..count {
        let (sent, cause) = failed(running.call().await);
        assert_eq!(sent, Sent::Maybe, "case {case}");
        assert!(matches!(cause, Cause::Broken(_)), "case {case}: {cause:?}");
    }
}

#[tokio::test]
async fn a_handshake_that_was_cut_is_a_broken_line() {
    for era in [Era::Legacy, Era::Modern, Era::Auto] {
        for cut in cut_bodies().into_iter().chain(cut_streams()) {
            let peer = Peer::start([
                ("POST server/discover", vec![cut.clone()]),
                ("POST initialize", vec![cut.clone()]),
            ])
            .await;
            let cause = try_connect(peer.url("/mcp"), HttpTransport::Streamable, era).await;
            let cause = cause.unwrap_err();
            assert!(matches!(cause, Cause::Broken(_)), "{era:?}, {cut:?}: {cause:?}");
        }
    }
}

#[tokio::test]
async fn a_stream_that_was_cut_before_its_endpoint_event_is_a_broken_line() {
    let half_event = "event: endpoint\ndata: /mess";
    for cut in [
        events([text(half_event), Piece::Cut]),
        events([text(half_event)]),
        events([text(half_event)]).unframed(),
        events([text(": hello\n\n"), Piece::Cut]),
        events([]).unframed(),
    ] {
        let peer = Peer::start([("GET", vec![cut.clone()])]).await;
        let cause = try_connect(peer.url("/sse"), HttpTransport::Sse, Era::Auto).await.unwrap_err();
        assert!(matches!(cause, Cause::Broken(_)), "{cut:?}: {cause:?}");
        assert!(peer.all("POST initialize").is_empty(), "{cut:?}");
    }
}

#[tokio::test]
async fn a_handshake_over_sse_whose_answer_was_cut_is_a_broken_line() {
    let endpoint = text("event: endpoint\ndata: /messages?session=s1\n\n");
    let half = text(&format!("event: message\ndata: {HALF_ANSWER}"));
    for cut in [
        events([endpoint.clone(), Piece::Pause, half.clone(), Piece::Cut]),
        events([endpoint.clone(), Piece::Pause, half.clone()]),
        events([endpoint, Piece::Pause, half]).unframed(),
    ] {
        let peer = Peer::start([
            ("GET", vec![cut.clone()]),
            ("POST initialize", vec![status(202, "Accepted")]),
        ])
        .await;
        let answer = async {
            peer.saw("POST initialize", 1).await;
            peer.go();
        };
        let connecting = try_connect(peer.url("/sse"), HttpTransport::Sse, Era::Auto);
        let cause = tokio::join!(connecting, answer).0.unwrap_err();
        assert!(matches!(cause, Cause::Broken(_)), "{cut:?}: {cause:?}");
    }
}

#[tokio::test]
async fn a_whole_stream_without_an_endpoint_event_is_another_transports() {
    let peer = Peer::start([
        ("GET", vec![events([text(": hello\n\n")])]),
        ("POST initialize", vec![result(INITIALIZED)]),
    ])
    .await;
    let running = try_connect(peer.url("/mcp"), HttpTransport::Sse, Era::Legacy).await.unwrap();
    assert_eq!(running.session.identity().name, "scripted");
}
