//! The trace that a call belongs to, in headers and in `_meta`.

use mcpo_core::trace::TraceContext;

use super::peer::{Peer, Seen, result};
use super::*;

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

async fn calls_of(era: Era) -> [Seen; 2] {
    let discovered = r#"{"supportedVersions":["2026-07-28"],"capabilities":{}}"#;
    let peer = Peer::start([
        ("POST initialize", vec![result(INITIALIZED)]),
        ("POST server/discover", vec![result(discovered)]),
        ("POST tools/call", vec![result("{}")]),
    ])
    .await;
    let running = open(&peer, era).await;
    let trace = TraceContext::parse(PARENT.as_bytes(), [&b"a=1, b=\"\\"[..]]);
    running.session.call_tool("t", b"{}", soon(), trace.as_ref()).await.unwrap();
    running.session.call_tool("t", b"{}", soon(), None).await.unwrap();
    peer.all("POST tools/call").try_into().unwrap()
}

#[tokio::test]
async fn a_call_tells_its_trace_in_both_places_and_without_one_nothing_is_added() {
    for era in [Era::Legacy, Era::Modern] {
        let [with, without] = calls_of(era).await;
        let meta = &with.body["params"]["_meta"];
        assert_eq!(with.headers["traceparent"], PARENT, "{era:?}");
        assert_eq!(meta["traceparent"], PARENT);
        assert_eq!(with.headers["tracestate"], "a=1,b=\"\\");
        assert_eq!(meta["tracestate"], "a=1,b=\"\\");
        let has_version = meta.get("io.modelcontextprotocol/protocolVersion").is_some();
        assert_eq!(has_version, era == Era::Modern);

        assert!(!without.raw.to_lowercase().contains("trace"), "{}", without.raw);
        assert_eq!(without.body["params"].get("_meta").is_some(), era == Era::Modern);
    }
}
