//! The specification's table of values, and its list of invalid annotations.

use serde_json::json;

use super::*;

#[test]
fn values_are_encoded_as_the_specification_shows() {
    let cases = [
        ("us-west1", "us-west1"),
        ("us west 1", "us west 1"),
        ("", ""),
        ("Hello, 世界", "=?base64?SGVsbG8sIOS4lueVjA==?="),
        (" padded ", "=?base64?IHBhZGRlZCA=?="),
        ("line1\nline2", "=?base64?bGluZTEKbGluZTI=?="),
        ("\tindented", "=?base64?CWluZGVudGVk?="),
        ("=?base64?literal?=", "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="),
        ("=?base64?open", "=?base64?open"),
    ];
    for (text, header) in cases {
        assert_eq!(header_value(text), header, "{text:?}");
    }
}

fn property(schema: impl Into<Value>) -> Value {
    json!({ "type": "object", "properties": { "value": schema.into() } })
}

#[test]
fn invalid_annotations_are_found_wherever_they_stand() {
    let annotated = || json!({ "type": "string", "x-mcp-header": "A" });
    let invalid = [
        property(json!({ "type": "string", "x-mcp-header": "" })),
        property(json!({ "type": "string", "x-mcp-header": 7 })),
        property(json!({ "type": "string", "x-mcp-header": "My Region" })),
        property(json!({ "type": "string", "x-mcp-header": "Region:Primary" })),
        property(json!({ "type": "string", "x-mcp-header": "Région" })),
        property(json!({ "type": "string", "x-mcp-header": "Region\t1" })),
        property(json!({ "type": "number", "x-mcp-header": "A" })),
        property(json!({ "type": "object", "x-mcp-header": "A" })),
        property(json!({ "type": "null", "x-mcp-header": "A" })),
        property(json!({ "type": ["string", "null"], "x-mcp-header": "A" })),
        property(json!({ "x-mcp-header": "A" })),
        json!({ "type": "object", "x-mcp-header": "A" }),
        property(json!({ "type": "array", "items": annotated() })),
        property(json!({ "anyOf": [annotated(), { "type": "null" }] })),
        json!({ "properties": { "a": annotated(), "b": { "type": "string", "x-mcp-header": "a" } } }),
        json!({ "$defs": { "region": annotated() } }),
        json!({ "then": { "properties": { "a": annotated() } } }),
    ];
    for schema in invalid {
        assert!(mirrors_in(&schema).is_err(), "{schema}");
    }
}

#[test]
fn a_property_or_a_default_of_that_name_is_no_annotation() {
    let fine = [
        json!({ "properties": { "x-mcp-header": { "type": "string" } } }),
        property(json!({ "type": "object", "default": { "x-mcp-header": "A" } })),
        json!({ "items": { "default": { "x-mcp-header": "A" } } }),
    ];
    for schema in fine {
        assert_eq!(mirrors_in(&schema), Ok(Vec::new()), "{schema}");
    }
}

#[test]
fn a_listing_teaches_the_headers_and_loses_its_invalid_tools() {
    let schema = json!({ "type": "object", "properties": {
        "region": { "type": "string", "x-mcp-header": "Region" },
        "priority": { "type": "integer", "x-mcp-header": "Priority" },
        "verbose": { "type": "boolean", "x-mcp-header": "Verbose" },
        "where": { "type": "object", "properties": { "city": { "type": "string", "x-mcp-header": "City" } } },
        "query": { "type": "string" },
    }});
    let mut tools = vec![
        json!({ "name": "good", "inputSchema": schema }),
        json!({ "name": "bad", "inputSchema": property(json!({ "type": "number", "x-mcp-header": "A" })) }),
        json!({ "name": "plain" }),
    ];
    let mirrors = Mirrors::default();
    mirrors.learn(&mut tools);
    let left: Vec<_> = tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert_eq!(left, ["good", "plain"]);

    let mut headers = HeaderMap::new();
    let arguments = br#"{"region":"us-west1","priority":12345678901234567890,"verbose":null,"where":{"city":"K\u00f6ln"},"query":"q"}"#;
    mirrors.show("good", arguments, &mut headers);
    assert_eq!(headers.len(), 3);
    assert_eq!(headers["mcp-param-region"], "us-west1");
    assert_eq!(headers["mcp-param-priority"], "12345678901234567890");
    assert_eq!(headers["mcp-param-city"], "=?base64?S8O2bG4=?=");
}
