//! Claims about what both eras say.

use std::time::Duration;

use tokio::time::Instant;

use super::*;
use crate::endpoint::Era;

fn options() -> ConnectOptions {
    ConnectOptions {
        client_name: "mcpo".to_owned(),
        client_version: "1".to_owned(),
        era: Era::Auto,
        deadline: Instant::now(),
        grace: Duration::ZERO,
    }
}

fn json(parts: &[&[u8]]) -> Value {
    serde_json::from_slice(&parts.concat()).expect("parameters are JSON")
}

#[test]
fn arguments_go_out_byte_for_byte() {
    let arguments = br#"{ "n" : 1.10 , "big":123456789012345678901234567890}"#;
    let legacy = Dialect::Legacy.call_tool(&in_quotes("a\"b"), arguments, None).concat();
    assert_eq!(
        legacy,
        [b"{\"name\":\"a\\\"b\",\"arguments\":".as_slice(), arguments, b"}"].concat()
    );
    let modern = Dialect::modern(&options());
    let parts = modern.call_tool("a", arguments, None);
    assert!(memchr::memmem::find(&parts.concat(), arguments).is_some());
    assert_eq!(json(&parts)["_meta"]["io.modelcontextprotocol/protocolVersion"], MODERN);
    assert_eq!(json(&modern.call_tool("a", b"", None))["arguments"], json!({}));
}

#[test]
fn a_trace_is_told_beside_what_meta_holds_anyway() {
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let trace = |state: &'static [u8]| TraceContext::parse(parent.as_bytes(), [state]).unwrap();
    let modern = Dialect::modern(&options());
    let plain = json(&modern.call_tool("a", b"", None));
    for state in [&b""[..], b"a=\"\\,b=1"] {
        let members = trace_members(&trace(state));
        let said = json(&Dialect::Legacy.call_tool("a", b"", Some(&members)));
        let mut expected = json!({ "traceparent": parent });
        if !state.is_empty() {
            expected["tracestate"] = std::str::from_utf8(state).unwrap().into();
        }
        assert_eq!(said, json!({ "name": "a", "arguments": {}, "_meta": expected }));

        let mut said = json(&modern.call_tool("a", b"", Some(&members)));
        let meta = said["_meta"].as_object_mut().unwrap();
        for (key, value) in expected.as_object().unwrap() {
            assert_eq!(meta.shift_remove(key).as_ref(), Some(value));
        }
        assert_eq!(said, plain);
    }
}

#[test]
fn every_modern_request_carries_meta_and_no_legacy_one_does() {
    let modern = Dialect::modern(&options());
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": { "name": "mcpo", "version": "1" },
    });
    assert_eq!(json(&modern.no_params()), json!({ "_meta": meta }));
    assert_eq!(json(&modern.list_tools(None)), json!({ "_meta": meta }));
    assert_eq!(json(&modern.list_tools(Some("\"\""))), json!({ "cursor": "", "_meta": meta }));
    assert_eq!(
        json(&modern.listen()),
        json!({ "notifications": { "toolsListChanged": true }, "_meta": meta })
    );
    assert_eq!(json(&Dialect::Legacy.no_params()), json!({}));
    assert_eq!(json(&Dialect::Legacy.list_tools(Some("\"c\""))), json!({ "cursor": "c" }));
}

#[test]
fn a_modern_result_must_be_complete() {
    let modern = Dialect::modern(&options());
    for good in [
        r#"{"content":[]}"#,
        r#"{"resultType":"complete"}"#,
        r#"{"content":[{"text":"\"resultType\""}],"x":{"resultType":"input_required"}}"#,
        r#"["resultType"]"#,
    ] {
        assert!(modern.check_result(good.as_bytes()).is_ok(), "{good}");
    }
    let asks = br#"{"resultType":"input_required","inputRequests":{}}"#;
    assert!(matches!(modern.check_result(asks), Err(Cause::Unsupported(_))));
    assert!(matches!(modern.check_result(br#"{"resultType":"task"}"#), Err(Cause::Malformed(_))));
    assert!(matches!(modern.check_result(br#"{"resultType":1}"#), Err(Cause::Malformed(_))));
    assert!(Dialect::Legacy.check_result(asks).is_ok());
}

#[test]
fn initialize_accepts_any_version_that_has_it() {
    let text = r#"{"protocolVersion":"2024-11-05","capabilities":{"tools":{"listChanged":true}},
        "serverInfo":{"name":"n","title":"t","version":"v"},"instructions":"do"}"#;
    let introduction = read_initialize(text.as_bytes()).expect("it is fine");
    assert_eq!(introduction.identity.protocol_version, "2024-11-05");
    assert_eq!(
        (introduction.identity.name.as_str(), introduction.identity.version.as_str()),
        ("n", "v")
    );
    assert_eq!(introduction.identity.title.as_deref(), Some("t"));
    assert_eq!(introduction.identity.instructions.as_deref(), Some("do"));
    assert!(introduction.has_tools && introduction.tells_tools_changed);

    let bare = read_initialize(b"{}").expect("nothing in it is needed");
    assert_eq!(bare.identity.protocol_version, LEGACY_OLDEST);
    assert!(!bare.has_tools && !bare.tells_tools_changed);

    for modern in ["2026-07-28", "2027-01-01", "DRAFT"] {
        let text = format!(r#"{{"protocolVersion":"{modern}"}}"#);
        assert!(matches!(read_initialize(text.as_bytes()), Err(Cause::Unsupported(_))), "{modern}");
    }
    for broken in ["null", "[]", "7"] {
        assert!(matches!(read_initialize(broken.as_bytes()), Err(Cause::Malformed(_))), "{broken}");
    }
}

#[test]
fn a_discovery_is_modern_if_it_lists_the_modern_version() {
    let text = r#"{"supportedVersions":["2025-11-25","2026-07-28"],"capabilities":{"tools":{}},
        "_meta":{"io.modelcontextprotocol/serverInfo":{"name":"n","version":"v"}}}"#;
    let Ok(Discovery::Modern(introduction)) = read_discover(text.as_bytes()) else {
        panic!("it is modern")
    };
    assert_eq!(
        (introduction.identity.name.as_str(), introduction.identity.protocol_version.as_str()),
        ("n", MODERN)
    );
    assert!(introduction.has_tools && !introduction.tells_tools_changed);
    assert!(matches!(
        read_discover(br#"{"supportedVersions":["2025-11-25"]}"#),
        Ok(Discovery::LegacyOnly)
    ));
    assert!(matches!(read_discover(b"{}"), Ok(Discovery::LegacyOnly)));
    assert!(read_discover(b"[]").is_err());
}

#[test]
fn an_error_may_point_to_the_modern_version() {
    let error = |code, data: &str| RpcError {
        code,
        message: String::new(),
        data: serde_json::value::RawValue::from_string(data.to_owned()).ok(),
    };
    assert!(offers_modern(&error(
        -32022,
        r#"{"supported":["2026-07-28"],"requested":"2025-11-25"}"#
    )));
    assert!(!offers_modern(&error(-32022, r#"{"supported":["2025-11-25"]}"#)));
    assert!(!offers_modern(&error(-32022, "7")));
    assert!(!offers_modern(&error(-32601, r#"{"supported":["2026-07-28"]}"#)));
}

/// Feeds pages to a pager as an upstream would; gives the cursors asked for and the tools.
fn page_through(pages: &[&str]) -> Result<(Vec<String>, Vec<Value>), Cause> {
    let mut pager = Pager::default();
    let mut asked = Vec::new();
    while let Some(params) = pager.next_params(&Dialect::Legacy) {
        let page = pages.get(asked.len()).expect("no page after the last one");
        asked.push(String::from_utf8(params.concat()).expect("JSON is UTF-8"));
        pager.take(page.as_bytes())?;
    }
    Ok((asked, pager.into_tools().0))
}

#[test]
fn pages_go_on_while_there_is_a_cursor() {
    let (asked, tools) = page_through(&[
        r#"{"tools":[{"name":"a"}],"nextCursor":""}"#,
        r#"{"tools":[{"name":"b"},{"name":"c"}],"nextCursor":"x\"y"}"#,
        r#"{"tools":[],"nextCursor":null}"#,
    ])
    .expect("all pages are good");
    assert_eq!(asked, ["{}", r#"{"cursor":""}"#, r#"{"cursor":"x\"y"}"#]);
    assert_eq!(tools, [json!({"name":"a"}), json!({"name":"b"}), json!({"name":"c"})]);
}

#[test]
fn a_cursor_that_comes_again_ends_the_listing() {
    let page = r#"{"tools":[],"nextCursor":"again"}"#;
    let error = page_through(&[page, page]).expect_err("it would go on for ever");
    assert!(matches!(error, Cause::Malformed(text) if text.contains("cursor")));
}

#[test]
fn a_tool_that_cannot_be_read_does_not_take_the_others_with_it() {
    let deep = format!("{}{}", "[".repeat(1000), "]".repeat(1000));
    let mut pager = Pager::default();
    pager
        .take(format!(r#"{{"tools":[{{"name":"a"}},{deep},{{"name":"b"}}]}}"#).as_bytes())
        .expect("it is a page");
    let (tools, unreadable) = pager.into_tools();
    assert_eq!((tools.len(), unreadable), (2, 1));
}

#[test]
fn what_is_no_page_is_malformed() {
    for text in ["null", "{}", r#"{"tools":{}}"#, r#"{"tools":null}"#] {
        assert!(matches!(page_through(&[text]), Err(Cause::Malformed(_))), "{text}");
    }
}
