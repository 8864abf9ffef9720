//! The messages that a scripted upstream writes.

use serde_json::{Value, json};

/// The version of the modern era.
pub(crate) const MODERN: &str = "2026-07-28";
/// Where a modern request names its version.
pub(crate) const VERSION_KEY: &str = "io.modelcontextprotocol/protocolVersion";
/// Where a modern notification names the subscription that it belongs to.
const SUBSCRIPTION_KEY: &str = "io.modelcontextprotocol/subscriptionId";

/// A response with a result.
pub(crate) fn result(id: &Value, result: &Value) -> String {
    json!({"jsonrpc": "2.0", "id": id, "result": result}).to_string()
}

/// A response with an error; null data is left out.
pub(crate) fn error(id: &Value, code: i64, message: &str, data: &Value) -> String {
    let mut error = json!({"code": code, "message": message});
    if !data.is_null() {
        error["data"] = data.clone();
    }
    json!({"jsonrpc": "2.0", "id": id, "error": error}).to_string()
}

/// The result of a call with one text item; a modern one says that it is complete.
pub(crate) fn text(text: &str, is_error: bool, modern: bool) -> Value {
    let mut result = json!({"content": [{"type": "text", "text": text}]});
    if is_error {
        result["isError"] = Value::Bool(true);
    }
    complete(result, modern)
}

pub(crate) fn complete(mut result: Value, modern: bool) -> Value {
    if modern {
        result["resultType"] = "complete".into();
    }
    result
}

/// A notification.
pub(crate) fn notification(method: &str, params: &Value) -> String {
    json!({"jsonrpc": "2.0", "method": method, "params": params}).to_string()
}

/// What `subscriptions/listen` sends first.
pub(crate) fn acknowledged(id: &Value) -> String {
    let params =
        json!({"_meta": {SUBSCRIPTION_KEY: id}, "notifications": {"toolsListChanged": true}});
    notification("notifications/subscriptions/acknowledged", &params)
}

/// A notification as a subscription delivers it.
pub(crate) fn for_subscription(message: &str, id: &Value) -> String {
    let Ok(mut value) = serde_json::from_str::<Value>(message) else { return message.to_owned() };
    value["params"]["_meta"] = json!({SUBSCRIPTION_KEY: id});
    value.to_string()
}

/// The text with `$ID` replaced.
pub(crate) fn with_id(text: &str, id: &Value) -> String {
    text.replace("$ID", &id.to_string())
}

/// A response whose structured content is an array nested that deep.
pub(crate) fn deep(id: &Value, levels: usize) -> String {
    let (open, close) = ("[".repeat(levels), "]".repeat(levels));
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"result":{{"content":[],"structuredContent":{open}{close}}}}}"#
    )
}

/// A response whose text is that long.
pub(crate) fn huge(id: &Value, bytes: usize) -> String {
    let text = "x".repeat(bytes);
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"result":{{"content":[{{"type":"text","text":"{text}"}}]}}}}"#
    )
}
