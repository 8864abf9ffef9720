//! Claims about MCP over one stream; the test is the upstream.

use std::future::Future;

use bytes::Bytes;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::*;
use crate::endpoint::Era;
use crate::multiplex::Outbox;

const TIMEOUT: Duration = Duration::from_secs(10);

fn options() -> ConnectOptions {
    ConnectOptions {
        client_name: "mcpo".to_owned(),
        client_version: "1".to_owned(),
        era: Era::Auto,
        deadline: Instant::now() + TIMEOUT,
        grace: Duration::ZERO,
    }
}

struct Upstream {
    multiplexer: Multiplexer,
    outbox: Outbox,
}

impl Upstream {
    /// The next frame that comes to it, within `patience`.
    async fn hear_within(&mut self, patience: Duration) -> Option<Value> {
        let mut batch = Vec::new();
        let more = timeout(patience, self.outbox.next(&mut batch)).await.ok()?;
        assert!(more && batch.len() == 1, "one frame at a time");
        Some(serde_json::from_slice(&batch[0].frame).expect("frames are JSON"))
    }

    async fn hear(&mut self) -> Value {
        self.hear_within(TIMEOUT).await.expect("it is asked")
    }

    fn say(&self, message: &Value) {
        self.multiplexer.receive(&Bytes::from(message.to_string())).expect("it is a message");
    }

    /// Expects a request and answers it.
    async fn answer(&mut self, method: &str, result: Value) -> Value {
        let request = self.hear().await;
        assert_eq!(request["method"], method);
        self.say(&json!({"jsonrpc": "2.0", "id": request["id"], "result": result}));
        request
    }
}

/// Runs something of a conversation beside its upstream.
fn meet<T, F>(act: impl FnOnce(Multiplexer) -> F) -> (Upstream, JoinSet<T>)
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    let (multiplexer, outbox) = Multiplexer::new();
    let mut acting = JoinSet::new();
    acting.spawn(act(multiplexer.clone()));
    (Upstream { multiplexer, outbox }, acting)
}

async fn outcome<T: 'static>(mut acting: JoinSet<T>) -> T {
    acting.join_next().await.expect("it is there").expect("it did not panic")
}

async fn legacy(capabilities: Value) -> (Upstream, Conversation) {
    let (mut upstream, acting) =
        meet(|multiplexer| async move { Conversation::initialize(multiplexer, &options()).await });
    let request = upstream
        .answer(
            "initialize",
            json!({"protocolVersion": "2025-11-25", "capabilities": capabilities}),
        )
        .await;
    assert_eq!(request["params"]["protocolVersion"], "2025-11-25");
    assert_eq!(request["params"]["clientInfo"], json!({"name": "mcpo", "version": "1"}));
    let conversation = outcome(acting).await.expect("they agree");
    assert_eq!(
        upstream.hear().await,
        json!({"jsonrpc": "2.0", "method": "notifications/initialized"})
    );
    (upstream, conversation)
}

async fn modern(capabilities: Value) -> (Upstream, Conversation) {
    let (mut upstream, acting) =
        meet(|multiplexer| async move { Conversation::discover(multiplexer, &options()).await });
    upstream
        .answer(
            "server/discover",
            json!({"supportedVersions": ["2026-07-28"], "capabilities": capabilities}),
        )
        .await;
    let conversation = outcome(acting).await.expect("they agree");
    (upstream, conversation)
}

#[tokio::test(start_paused = true)]
async fn a_legacy_upstream_is_initialized_and_listed_to_the_last_page() {
    let (mut upstream, conversation) = legacy(json!({"tools": {}})).await;
    let mut acting = JoinSet::new();
    acting.spawn(async move { conversation.list_tools(Instant::now() + TIMEOUT).await });
    let first =
        upstream.answer("tools/list", json!({"tools": [{"name": "a"}], "nextCursor": ""})).await;
    assert_eq!(first["params"], json!({}));
    let second = upstream.answer("tools/list", json!({"tools": [{"name": "b"}]})).await;
    assert_eq!(second["params"], json!({"cursor": ""}));
    let tools = outcome(acting).await.expect("both pages came");
    assert_eq!(tools, [json!({"name": "a"}), json!({"name": "b"})]);
}

#[tokio::test(start_paused = true)]
async fn an_upstream_without_tools_has_none_and_one_with_tools_must_list_them() {
    for (capabilities, fine) in [(json!({"resources": {}}), true), (json!({"tools": {}}), false)] {
        let (mut upstream, conversation) = legacy(capabilities).await;
        let mut acting = JoinSet::new();
        acting.spawn(async move { conversation.list_tools(Instant::now() + TIMEOUT).await });
        let request = upstream.hear().await;
        upstream.say(
            &json!({"id": request["id"], "error": {"code": -32601, "message": "Method not found"}}),
        );
        let listed = outcome(acting).await;
        assert_eq!(listed.as_ref().is_ok_and(Vec::is_empty), fine, "{listed:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_is_a_sign_of_life() {
    let (mut upstream, conversation) = legacy(json!({})).await;
    let mut acting = JoinSet::new();
    acting.spawn(async move { conversation.probe(Instant::now() + TIMEOUT).await });
    let request = upstream.hear().await;
    assert_eq!(request["method"], "ping");
    upstream.say(&json!({"id": request["id"], "error": {"code": -32601, "message": "no ping"}}));
    assert!(outcome(acting).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_modern_result_that_asks_for_input_is_an_error() {
    let (mut upstream, conversation) = modern(json!({"tools": {}})).await;
    let mut acting = JoinSet::new();
    acting.spawn(async move {
        let deadline = Instant::now() + TIMEOUT;
        conversation.call_tool(&Call { name: "t", arguments: b"{}", deadline, trace: None }).await
    });
    let request = upstream.answer("tools/call", json!({"resultType": "input_required"})).await;
    assert_eq!(request["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"], "2026-07-28");
    assert!(matches!(
        outcome(acting).await,
        Err(RequestError { cause: Cause::Unsupported(_), .. })
    ));
}

#[tokio::test(start_paused = true)]
async fn a_subscription_is_opened_again_whenever_it_ends() {
    let (mut upstream, conversation) = modern(json!({"tools": {"listChanged": true}})).await;
    let mut changes = conversation.tools_changed();
    let mut acting = JoinSet::new();
    acting.spawn(async move { conversation.listen().await });
    let first = upstream.hear().await;
    assert_eq!(
        (&first["method"], &first["params"]["notifications"]),
        (&json!("subscriptions/listen"), &json!({"toolsListChanged": true}))
    );
    upstream.say(&json!({"method": "notifications/tools/list_changed"}));
    changes.changed().await.expect("the stream lives");

    // It ends in good order, by a cancellation, and by an error: each time it is asked for again,
    // and what changed in between may have been missed.
    upstream.say(&json!({"id": first["id"], "result": {}}));
    let second = upstream.hear().await;
    assert!(changes.has_changed().expect("the stream lives"));
    upstream
        .say(&json!({"method": "notifications/cancelled", "params": {"requestId": second["id"]}}));
    let third = upstream.hear().await;
    upstream.say(&json!({"id": third["id"], "error": {"code": -32603, "message": "too many"}}));
    let fourth = upstream.hear().await;

    // An upstream that does not know it is not asked again; dropping it would say nothing either.
    upstream.say(
        &json!({"id": fourth["id"], "error": {"code": -32601, "message": "Method not found"}}),
    );
    assert_eq!(upstream.hear_within(TIMEOUT * 100).await, None);
}

#[tokio::test(start_paused = true)]
async fn who_stops_listening_ends_the_subscription() {
    let (mut upstream, conversation) = modern(json!({"tools": {"listChanged": true}})).await;
    let mut acting = JoinSet::new();
    acting.spawn(async move { conversation.listen().await });
    let listen = upstream.hear().await;
    acting.shutdown().await;
    let cancelled = upstream.hear().await;
    assert_eq!(
        (&cancelled["method"], &cancelled["params"]["requestId"]),
        (&json!("notifications/cancelled"), &listen["id"])
    );
}

#[tokio::test(start_paused = true)]
async fn nobody_subscribes_where_nothing_is_promised() {
    for (mut upstream, conversation) in [
        modern(json!({"tools": {"listChanged": false}})).await,
        legacy(json!({"tools": {"listChanged": true}})).await,
    ] {
        let mut acting = JoinSet::new();
        acting.spawn(async move { conversation.listen().await });
        assert_eq!(upstream.hear_within(TIMEOUT).await, None);
    }
}

#[tokio::test(start_paused = true)]
async fn an_upstream_without_a_modern_version_is_not_modern() {
    let (mut upstream, acting) =
        meet(|multiplexer| async move { Conversation::discover(multiplexer, &options()).await });
    upstream.answer("server/discover", json!({"supportedVersions": ["2025-11-25"]})).await;
    assert!(matches!(
        outcome(acting).await,
        Err(RequestError { cause: Cause::Unsupported(_), .. })
    ));
}
