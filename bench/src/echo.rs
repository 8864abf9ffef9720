//! The least MCP server that is right: tools that answer their message as text.

use std::fmt::Write;

use serde::Deserialize;
use serde_json::value::RawValue;

/// The name that all tools begin with; the first one has no number.
const NAME: &str = "echo";

/// What is served: `echo`, `echo1`, `echo2` and so on.
#[derive(Debug)]
pub struct Server {
    tools: String,
}

/// What is to be done with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// It needs no answer.
    Nothing,
    /// The answer to something about the server.
    Told,
    /// The answer to a call of a tool.
    Called,
}

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

/// The name of a tool by its number.
#[must_use]
pub fn tool_name(number: usize) -> String {
    if number == 0 { NAME.into() } else { format!("{NAME}{number}") }
}

// === impl Server ===

impl Server {
    /// So many tools, all alike; read-only ones say so in their annotations.
    #[must_use]
    pub fn new(tools: usize, read_only: bool) -> Self {
        let annotations = if read_only { r#""annotations":{"readOnlyHint":true},"# } else { "" };
        let mut list = String::from(r#"{"tools":["#);
        for number in 0..tools {
            let comma = if number == 0 { "" } else { "," };
            let name = tool_name(number);
            write!(
                list,
                r#"{comma}{{"name":"{name}","description":"Answers the message.",{annotations}"inputSchema":{{"type":"object","properties":{{"message":{{"type":"string"}}}},"required":["message"]}}}}"#
            )
            .expect("writing to a string cannot fail");
        }
        list.push_str("]}");
        Self { tools: list }
    }

    /// Appends the answer to one message, without a line end.
    pub fn answer(&self, message: &[u8], out: &mut Vec<u8>) -> Done {
        let Ok(message) = serde_json::from_slice::<Message<'_>>(message) else {
            out.extend_from_slice(
                br#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"Parse error"}}"#,
            );
            return Done::Told;
        };
        let (Some(id), Some(method)) = (message.id, message.method) else { return Done::Nothing };
        out.extend_from_slice(br#"{"jsonrpc":"2.0","id":"#);
        out.extend_from_slice(id.get().as_bytes());
        let params = message.params.as_ref();
        match method {
            "tools/call" => {
                call(params, out);
                return Done::Called;
            }
            "tools/list" => result(&self.tools, out),
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
        Done::Told
    }
}

fn call(params: Option<&Params<'_>>, out: &mut Vec<u8>) {
    let known = params.and_then(|params| params.name).is_some_and(|name| name.starts_with(NAME));
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
