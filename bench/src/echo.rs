//! The least MCP server that is right: one tool, `echo`, whose message comes back as text.

use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    method: Option<&'a str>,
    #[serde(borrow, default)]
    params: Option<Params<'a>>,
}

#[derive(Deserialize)]
struct Params<'a> {
    #[serde(borrow, default)]
    name: Option<&'a str>,
    #[serde(borrow, default)]
    arguments: Option<Arguments<'a>>,
    #[serde(borrow, default, rename = "protocolVersion")]
    protocol_version: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Arguments<'a> {
    #[serde(borrow, default)]
    message: Option<&'a RawValue>,
}

const TOOLS: &str = r#"{"tools":[{"name":"echo","description":"Answers the message.","inputSchema":{"type":"object","properties":{"message":{"type":"string"}},"required":["message"]}}]}"#;

/// Appends the answer to one message, without a line end. False when it needs none.
pub fn answer(message: &[u8], out: &mut Vec<u8>) -> bool {
    let Ok(message) = serde_json::from_slice::<Message<'_>>(message) else {
        out.extend_from_slice(
            br#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"Parse error"}}"#,
        );
        return true;
    };
    let (Some(id), Some(method)) = (message.id, message.method) else { return false };
    let head = [br#"{"jsonrpc":"2.0","id":"#, id.get().as_bytes()].concat();
    out.extend_from_slice(&head);
    let params = message.params.as_ref();
    match method {
        "tools/call" => call(params, out),
        "tools/list" => result(TOOLS, out),
        "ping" => result("{}", out),
        "initialize" => {
            let version = params
                .and_then(|params| params.protocol_version)
                .map_or("\"2025-11-25\"", RawValue::get);
            let rest =
                r#""capabilities":{"tools":{}},"serverInfo":{"name":"echo","version":"1.0.0"}"#;
            result(&format!("{{\"protocolVersion\":{version},{rest}}}"), out);
        }
        _ => error(-32601, "Method not found", out),
    }
    true
}

fn call(params: Option<&Params<'_>>, out: &mut Vec<u8>) {
    let known = params.and_then(|params| params.name) == Some("echo");
    let message =
        params.and_then(|params| params.arguments.as_ref()).and_then(|arguments| arguments.message);
    // A JSON string may be spliced as it came: it is as valid there as it was here.
    match message.map(RawValue::get).filter(|text| known && text.starts_with('"')) {
        Some(text) => {
            out.extend_from_slice(br#","result":{"content":[{"type":"text","text":"#);
            out.extend_from_slice(text.as_bytes());
            out.extend_from_slice(b"}]}}");
        }
        None => error(-32602, "echo needs a message", out),
    }
}

fn result(json: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(br#","result":"#);
    out.extend_from_slice(json.as_bytes());
    out.push(b'}');
}

fn error(code: i32, message: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(
        format!(r#","error":{{"code":{code},"message":"{message}"}}}}"#).as_bytes(),
    );
}
