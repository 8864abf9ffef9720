//! Documents against what FastAPI wrote for the same tools, names, and speed.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::names::{self, Wanted};
use super::{DocumentInfo, Mounted, ROOT_OPERATION_ID_CHARS_MAX};
use crate::catalog::{Catalog, CatalogPolicy, ServerIdentity, ToolDefinition};

mod same;
mod tree;

fn read(written: &[u8]) -> Value {
    serde_json::from_slice(written).expect("a document is JSON")
}

fn server_document(info: &DocumentInfo, catalog: &Catalog) -> Value {
    read(&super::server_document(info, catalog))
}

fn root_document(info: &DocumentInfo, servers: &[Mounted<'_>]) -> Value {
    read(&super::root_document(info, servers))
}

fn info() -> DocumentInfo {
    DocumentInfo {
        title: "mcp-time".to_owned(),
        description: "mcp-time MCP Server".to_owned(),
        version: "1.30.0".to_owned(),
        server_url: Some("/time".to_owned()),
        needs_key: true,
    }
}

fn catalog(tools: &[Value]) -> Catalog {
    let tools = tools.iter().filter_map(ToolDefinition::from_json).collect();
    Catalog::new(ServerIdentity::default(), tools, &CatalogPolicy::default())
}

fn named(names: &[&str]) -> Catalog {
    catalog(&names.iter().map(|name| json!({"name": name})).collect::<Vec<_>>())
}

/// Path and operation id of every tool.
fn operations(document: &Value) -> Vec<(&str, &str)> {
    let paths = document["paths"].as_object().expect("paths");
    paths
        .iter()
        .map(|(path, item)| (path.as_str(), item["post"]["operationId"].as_str().expect("an id")))
        .collect()
}

#[test]
fn a_document_is_what_fastapi_writes() {
    let zone = "IANA timezone name (e.g., 'America/New_York')";
    let document = server_document(
        &info(),
        &catalog(&[
            json!({
                "name": "get_current_time",
                "description": "Get current time in a specific timezone",
                "inputSchema": {
                    "type": "object",
                    "properties": {"timezone": {"type": "string", "description": zone}},
                    "required": ["timezone"]
                }
            }),
            json!({"name": "no_args", "inputSchema": {"type": "object", "properties": {}}}),
        ]),
    );
    insta::assert_snapshot!(serde_json::to_string_pretty(&document).unwrap());
}

#[test]
fn a_body_is_demanded_only_where_an_argument_is() {
    let cases = [
        (json!({"type": "object", "properties": {"a": {"type": "string"}}}), Some(json!(null))),
        (
            json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}),
            Some(json!(true)),
        ),
        (json!({"type": "object"}), None),
        (json!({}), None),
    ];
    for (schema, expected) in cases {
        let document =
            server_document(&info(), &catalog(&[json!({"name": "t", "inputSchema": schema})]));
        let operation = &document["paths"]["/t"]["post"];
        assert_eq!(
            operation.get("requestBody").map(|body| body["required"].clone()),
            expected,
            "{schema}"
        );
        assert_eq!(operation["responses"].get("422").is_some(), expected.is_some(), "{schema}");
        assert_eq!(document["components"].get("schemas").is_some(), expected.is_some(), "{schema}");
    }
}

#[test]
fn an_operation_keeps_what_the_server_says_of_its_tool() {
    let tool = json!({
        "name": "list-files_v2",
        "title": "List files",
        "description": "Lists.",
        "inputSchema": {"properties": {"a": {"$ref": "https://example.test/a"}}},
        "outputSchema": {"type": "object", "properties": {"next": {"$ref": "#"}}},
        "annotations": {"readOnlyHint": true, "openWorldHint": false}
    });
    let document = server_document(
        &DocumentInfo { needs_key: false, server_url: None, ..info() },
        &catalog(&[tool]),
    );
    assert_eq!(document.get("servers"), None);
    assert_eq!(document["components"].get("securitySchemes"), None);
    let operation = &document["paths"]["/list-files_v2"]["post"];
    assert_eq!(operation.get("security"), None);
    assert_eq!(operation["summary"], "List-Files V2");
    let description = operation["description"].as_str().expect("a description");
    assert!(
        description.starts_with("Lists.\n\nNote on the schema of this tool: "),
        "{description}"
    );
    assert!(
        description.contains("the reference to https://example.test/a leads outside the schema"),
        "{description}"
    );
    assert_eq!(operation["x-mcp-title"], "List files");
    assert_eq!(
        operation["x-mcp-annotations"],
        json!({"readOnlyHint": true, "openWorldHint": false})
    );
    let answer = &operation["responses"]["200"]["content"]["application/json"]["schema"];
    assert_eq!(*answer, json!({"$ref": "#/components/schemas/list_files_v2_response_model"}));
    let output = &document["components"]["schemas"]["list_files_v2_response_model"];
    assert_eq!(output["properties"]["next"], *answer);
}

#[test]
fn names_of_any_kind_give_paths_and_ids_that_work() {
    let names =
        ["plain", "a/b", "a?b", "{x}", "100%", "two words", "caf\u{e9}", "dots.and-dashes~"];
    let document = server_document(&info(), &named(&names));
    let expected = [
        ("/plain", "tool_plain_post"),
        ("/a%2Fb", "tool_a_b_e620c319_post"),
        ("/a%3Fb", "tool_a_b_e657a319_post"),
        ("/%7Bx%7D", "tool__x__post"),
        ("/100%25", "tool_100__post"),
        ("/two%20words", "tool_two_words_post"),
        ("/caf%C3%A9", "tool_caf__post"),
        ("/dots.and-dashes~", "tool_dots_and_dashes__post"),
    ];
    assert_eq!(operations(&document), expected);
}

#[test]
fn an_id_depends_on_no_order_and_the_exact_name_keeps_it() {
    let names = ["a-b", "a_b", "a.b", "other"];
    let document = server_document(&info(), &named(&names));
    let mut forward = operations(&document);
    let backward: Vec<&str> = names.iter().rev().copied().collect();
    let document = server_document(&info(), &named(&backward));
    let mut backward = operations(&document);
    forward.sort_unstable();
    backward.sort_unstable();
    assert_eq!(forward, backward);
    assert!(
        forward.contains(&("/a_b", "tool_a_b_post"))
            && forward.contains(&("/other", "tool_other_post")),
        "{forward:?}"
    );
    assert_eq!(forward.iter().map(|(_, id)| id).collect::<HashSet<_>>().len(), names.len());
}

#[test]
fn a_suffix_that_is_taken_gives_way() {
    let first = server_document(&info(), &named(&["a-b", "a.b"]));
    let taken: Vec<String> =
        operations(&first).iter().map(|(_, id)| id[5..id.len() - 5].to_owned()).collect();
    let names = ["a-b", "a.b", taken[0].as_str(), taken[1].as_str()];
    let document = server_document(&info(), &named(&names));
    let ids: Vec<&str> = operations(&document).into_iter().map(|(_, id)| id).collect();
    assert_eq!(ids[2..], [format!("tool_{}_post", taken[0]), format!("tool_{}_post", taken[1])]);
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), 4, "{ids:?}");
}

#[test]
fn the_root_document_has_every_tool_of_every_server() {
    let tree = json!({"name": "c", "inputSchema": {"properties": {"n": {"$ref": "#/$defs/N"}}, "$defs": {"N": {"properties": {"n": {"$ref": "#/$defs/N"}}}}}});
    let (one, two, empty) =
        (catalog(&[tree.clone(), json!({"name": "b_c"})]), catalog(&[tree]), named(&[]));
    let servers = [
        Mounted { name: "a", catalog: &one },
        Mounted { name: "a_b", catalog: &two },
        Mounted { name: "deep/er%20x", catalog: &one },
        Mounted { name: "none", catalog: &empty },
    ];
    let document =
        root_document(&DocumentInfo { title: "MCP OpenAPI Proxy".to_owned(), ..info() }, &servers);
    let operations = operations(&document);
    let paths: Vec<&str> = operations.iter().map(|(path, _)| *path).collect();
    assert_eq!(paths, ["/a/c", "/a/b_c", "/a_b/c", "/deep/er%20x/c", "/deep/er%20x/b_c"]);
    let ids: Vec<&str> = operations.iter().map(|(_, id)| *id).collect();
    assert_eq!((ids[0], ids[3]), ("a_c", "er_x_c"));
    assert!(
        ids[1].starts_with("a_b_c_") && ids[2].starts_with("a_b_c_") && ids[1] != ids[2],
        "{ids:?}"
    );
    assert_eq!(document["paths"]["/a_b/c"]["post"]["tags"], json!(["a_b"]));
    assert_eq!(document["tags"], json!([{"name": "a"}, {"name": "a_b"}, {"name": "er x"}]));
    let schemas = document["components"]["schemas"].as_object().expect("schemas");
    let unique: HashSet<&String> = schemas.keys().collect();
    assert_eq!(unique.len(), 2 + 2 * 3, "{unique:?}");
    assert!(schemas.contains_key("a_c_form_model-N"));
}

#[test]
fn ids_of_the_root_document_are_short_enough_for_providers() {
    let long = ["x".repeat(100), "x".repeat(101), "y".repeat(62)];
    let tools = named(&[&long[0], &long[1], &long[2]]);
    let document = root_document(&info(), &[Mounted { name: "s", catalog: &tools }]);
    let ids: Vec<&str> = operations(&document).into_iter().map(|(_, id)| id).collect();
    assert!(ids.iter().all(|id| id.len() <= ROOT_OPERATION_ID_CHARS_MAX), "{ids:?}");
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), 3);
    assert_eq!(ids[2], format!("s_{}", long[2]));
}

#[test]
fn headings_are_those_of_pythons_title() {
    let cases = [
        ("get_current_time", "Get Current Time"),
        ("a-b_c.d", "A-B C.D"),
        ("getHTTPServer", "Gethttpserver"),
        ("base64encode", "Base64Encode"),
        ("__x", "  X"),
    ];
    for (name, expected) in cases {
        assert_eq!(names::heading(name), expected);
    }
}

#[test]
fn the_same_catalog_gives_the_same_bytes() {
    let tools: Vec<Value> = (0..50)
        .map(|n| json!({"name": format!("t-{}", n % 7) + &"_".repeat(n / 7), "inputSchema": {"properties": {"a": {"$ref": "#"}}}}))
        .collect();
    let write = || super::server_document(&info(), &catalog(&tools));
    assert_eq!(write(), write());
}

#[test]
fn names_that_all_look_the_same_cost_no_more_than_others() {
    let name = |n: usize| format!("{:b}", n + (1 << 17)).replace('0', "-").replace('1', ".");
    let wanted: Vec<Wanted> =
        (0..100_000).map(|n| Wanted { full: name(n), shown: name(n) }).collect();
    let forms = names::plain_forms(&wanted, ROOT_OPERATION_ID_CHARS_MAX);
    assert_eq!(forms.len(), wanted.len());
    assert_eq!(forms.iter().collect::<HashSet<_>>().len(), wanted.len());
}

#[test]
fn a_nasty_schema_makes_a_sound_document() {
    let text = include_str!("tests/nasty.json");
    let tool: Value = serde_json::from_str(text).expect("the file is JSON");
    let tools = catalog(&[tool]);
    let servers = [Mounted { name: "nasty%20server", catalog: &tools }];
    let document = root_document(&info(), &servers);
    insta::assert_snapshot!(serde_json::to_string_pretty(&document).unwrap());
}
