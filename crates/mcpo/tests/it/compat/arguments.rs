//! Arguments: what is checked, coerced, defaulted, dropped, and what the tool then receives.

use mcpo_testkit::Script;
use serde_json::{Value, json};

use crate::program::{ready, world};
use crate::rows::{Row, check, post, post_raw};

fn tool(name: &str, schema: &Value) -> Value {
    json!({"name": name, "inputSchema": schema})
}

/// One argument `v` of that schema, required.
fn required(name: &str, schema: &Value) -> Value {
    tool(name, &json!({"type": "object", "properties": {"v": schema}, "required": ["v"]}))
}

/// One argument `v` of that schema, optional.
fn optional(name: &str, schema: &Value) -> Value {
    tool(name, &json!({"type": "object", "properties": {"v": schema}}))
}

fn script() -> Script {
    let entity =
        json!({"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]});
    let three = json!({"type": "object", "required": ["a", "b"], "properties": {
        "a": {"type": "integer"}, "b": {"type": "string"}, "c": {"type": "boolean"},
    }});
    let entities = json!({"type": "object", "required": ["entities"], "properties": {
        "entities": {"type": "array", "items": entity},
    }});
    [
        required("int", &json!({"type": "integer"})),
        required("num", &json!({"type": "number"})),
        required("bool", &json!({"type": "boolean"})),
        required("str", &json!({"type": "string"})),
        required("list", &json!({"type": "array", "items": {"type": "integer"}})),
        required("dict", &json!({"type": "object"})),
        required("any", &json!({})),
        optional("default", &json!({"type": "string", "default": "d"})),
        optional("default_null", &json!({"type": "string", "default": null})),
        optional("nullable", &json!({"anyOf": [{"type": "string"}, {"type": "null"}]})),
        optional("plain", &json!({"type": "string"})),
        tool("three", &three),
        tool("entities", &entities),
        tool("nothing", &json!({"type": "object", "properties": {}})),
    ]
    .into_iter()
    .fold(Script::new("arguments"), Script::tool)
}

/// A refused argument `v`.
fn refused(says: &str, tool: &str, sent: &Value, kind: &str, msg: &str) -> Row {
    let problem = json!({"type": kind, "loc": ["body", "v"], "msg": msg, "input": sent});
    post(says, &format!("/one/{tool}"), &json!({"v": sent}))
        .status(422)
        .answers(json!({"detail": [problem]}))
        .never_received("one")
}

/// An argument `v` and what it arrives as.
fn arrives(says: &str, tool: &str, sent: &Value, received: &Value) -> Row {
    whole(says, tool, &json!({"v": sent}), json!({"v": received}))
}

/// All arguments and what they arrive as.
fn whole(says: &str, tool: &str, sent: &Value, received: Value) -> Row {
    post(says, &format!("/one/{tool}"), sent).answers(received.clone()).received("one", received)
}

fn missing() -> Vec<Row> {
    let missing = |loc: Value, input: Value| json!({"type": "missing", "loc": loc, "msg": "Field required", "input": input});
    vec![
        post("a missing required argument is named", "/one/int", &json!({}))
            .status(422)
            .answers(json!({"detail": [missing(json!(["body", "v"]), json!({}))]}))
            .never_received("one"),
        post("all problems are told at once", "/one/three", &json!({"c": "maybe"}))
            .status(422)
            .answers(json!({"detail": [
                missing(json!(["body", "a"]), json!({"c": "maybe"})),
                missing(json!(["body", "b"]), json!({"c": "maybe"})),
                {"type": "bool_parsing", "loc": ["body", "c"], "input": "maybe",
                 "msg": "Input should be a valid boolean, unable to interpret input"},
            ]}))
            .never_received("one"),
        post("a nested place is told whole", "/one/entities", &json!({"entities": [{}]}))
            .status(422)
            .answers(
                json!({"detail": [missing(json!(["body", "entities", 0, "name"]), json!({}))]}),
            )
            .never_received("one"),
        post_raw("no body for a tool with a required argument", "/one/int", "", b"")
            .status(422)
            .answers(json!({"detail": [missing(json!(["body"]), json!(null))]}))
            .never_received("one"),
    ]
}

fn wrong_types() -> Vec<Row> {
    vec![
        refused(
            "a word is no integer",
            "int",
            &json!("x"),
            "int_parsing",
            "Input should be a valid integer, unable to parse string as an integer",
        ),
        refused(
            "a fraction is no integer",
            "int",
            &json!(1.5),
            "int_from_float",
            "Input should be a valid integer, got a number with a fractional part",
        ),
        refused(
            "a list is no integer",
            "int",
            &json!([]),
            "int_type",
            "Input should be a valid integer",
        ),
        refused(
            "a word is no number",
            "num",
            &json!("x"),
            "float_parsing",
            "Input should be a valid number, unable to parse string as a number",
        ),
        refused(
            "a number is never made a string",
            "str",
            &json!(5),
            "string_type",
            "Input should be a valid string",
        ),
        refused(
            "a word is no list",
            "list",
            &json!("x"),
            "list_type",
            "Input should be a valid list",
        ),
        refused(
            "a list is no object",
            "dict",
            &json!([]),
            "dict_type",
            "Input should be a valid dictionary",
        ),
        refused(
            "null is no string",
            "str",
            &json!(null),
            "string_type",
            "Input should be a valid string",
        ),
    ]
}

fn coerced() -> Vec<Row> {
    let big: Value = serde_json::from_str("123456789012345678901234567890").unwrap();
    let precise: Value = serde_json::from_str("0.10000000000000000001").unwrap();
    vec![
        arrives("a text of digits for an integer", "int", &json!("5"), &json!(5)),
        arrives("5.0 for an integer", "int", &json!(5.0), &json!(5)),
        arrives("a text for a number", "num", &json!("1.5"), &json!(1.5)),
        arrives("yes for a boolean", "bool", &json!("yes"), &json!(true)),
        arrives("1 for a boolean", "bool", &json!(1), &json!(true)),
        arrives("off for a boolean", "bool", &json!("off"), &json!(false)),
        arrives("items of a list, too", "list", &json!(["1", 2]), &json!([1, 2])),
        arrives("a big integer keeps its digits", "int", &big, &big),
        arrives("a big integer keeps its digits where anything is taken", "any", &big, &big),
        arrives("a number keeps its digits", "num", &precise, &precise),
    ]
}

fn left_out() -> Vec<Row> {
    vec![
        whole(
            "a default is sent where the argument is left out",
            "default",
            &json!({}),
            json!({"v": "d"}),
        ),
        whole(
            "null for one whose default is null is left out",
            "default_null",
            &json!({"v": null}),
            json!({}),
        ),
        whole(
            "null where the schema allows it is left out",
            "nullable",
            &json!({"v": null}),
            json!({}),
        ),
        whole("an optional one without a default is left out", "plain", &json!({}), json!({})),
        whole(
            "an unknown argument is dropped",
            "plain",
            &json!({"v": "a", "x": 1}),
            json!({"v": "a"}),
        ),
        post_raw(
            "any body for a tool without arguments is ignored",
            "/one/nothing",
            "text/plain",
            b"hello",
        )
        .received("one", json!({})),
        post("so are its arguments", "/one/nothing", &json!({"x": 1})).received("one", json!({})),
    ]
}

fn bodies() -> Vec<Row> {
    let taken = |says: &str, content_type: &str, body: &[u8]| {
        post_raw(says, "/one/int", content_type, body).received("one", json!({"v": 1}))
    };
    vec![
        taken("application/json", "application/json", br#"{"v":1}"#),
        taken("a charset behind it", "application/json; charset=utf-8", br#"{"v":1}"#),
        taken("application/*+json", "application/vnd.api+json", br#"{"v":1}"#),
        taken("no content type", "", br#"{"v":1}"#),
        taken("a byte order mark", "application/json", b"\xef\xbb\xbf{\"v\":1}"),
        post_raw("another content type", "/one/int", "text/plain", br#"{"v":1}"#)
            .status(422)
            .satisfies(|body| body["detail"][0]["type"] == "model_attributes_type")
            .never_received("one"),
        post_raw("broken JSON is told with its position", "/one/int", "application/json", b"{v")
            .status(422)
            .answers(json!({"detail": [{
                "type": "json_invalid", "loc": ["body", 1], "msg": "JSON decode error", "input": {},
                "ctx": {"error": "Expecting property name enclosed in double quotes"},
            }]}))
            .never_received("one"),
        post_raw("invalid UTF-8", "/one/str", "application/json", b"{\"v\":\"\xff\"}")
            .status(400)
            .answers(json!({"detail": "There was an error parsing the body"}))
            .never_received("one"),
    ]
}

#[tokio::test]
async fn arguments_are_checked_and_coerced_as_by_the_original() {
    let world = ready(world().stdio("one", script()).unwrap()).await;
    let tables = [missing(), wrong_types(), coerced(), left_out(), bodies()];
    check(&world, tables.into_iter().flatten()).await;
}
