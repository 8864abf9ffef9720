//! What is written is, byte for byte, what the tree of values says; and marks tell documents apart.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::tree;
use crate::catalog::{Catalog, CatalogPolicy, ServerIdentity, ToolDefinition};
use crate::openapi::{
    DocumentInfo, Mounted, root_document, root_mark, server_document, server_mark,
};
use crate::schema::tests::any_schema;

/// A tool with everything, where the case has it.
fn any_tool() -> impl Strategy<Value = Value> {
    const NAMES: [&str; 9] =
        ["a", "b", "a-b", "a_b", "b_a", "caf\u{e9}", "x/y {}", "\u{7f}0;", "\"quoted\""];
    let text = prop::sample::select(&["", "Says.", "a \"b\"\n\u{1}", "\u{7f}0;_form_model"][..]);
    let hint = prop::option::of(any::<bool>());
    let schemas = (any_schema(), prop::option::of(any_schema()));
    (prop::sample::select(&NAMES[..]), prop::option::of(text.clone()), text, schemas, hint)
        .prop_map(|(name, title, description, (input, output), hint)| {
            let mut tool = json!({"name": name, "description": description, "inputSchema": input});
            if let Some(title) = title {
                tool["title"] = title.into();
            }
            if let Some(output) = output {
                tool["outputSchema"] = output;
            }
            if let Some(hint) = hint {
                tool["annotations"] = json!({"readOnlyHint": hint});
            }
            tool
        })
}

fn any_catalog() -> impl Strategy<Value = Catalog> {
    let title = prop::option::of(prop::sample::select(&["", "One", "a \"b\""][..]));
    (prop::collection::vec(any_tool(), 0..5), title).prop_map(|(tools, title)| {
        let title = title.map(str::to_owned);
        let identity = ServerIdentity { title, ..ServerIdentity::default() };
        let tools = tools.iter().filter_map(ToolDefinition::from_json).collect();
        Catalog::new(identity, tools, &CatalogPolicy::default())
    })
}

fn any_info() -> impl Strategy<Value = DocumentInfo> {
    let text = prop::sample::select(&["", "x", "a \"b\"\n"][..]).prop_map(str::to_owned);
    let url = prop::option::of(text.clone());
    (text.clone(), text, url, any::<bool>()).prop_map(
        |(title, description, server_url, needs_key)| DocumentInfo {
            title,
            description,
            version: "1".to_owned(),
            server_url,
            needs_key,
        },
    )
}

proptest! {
    #[test]
    fn what_is_written_is_what_the_tree_says(
        info in any_info(),
        catalogs in prop::collection::vec(any_catalog(), 0..4),
    ) {
        let names = ["a", "a_b", "deep/er%20x", "caf%C3%A9"];
        let servers: Vec<Mounted<'_>> =
            names.iter().zip(&catalogs).map(|(name, catalog)| Mounted { name, catalog }).collect();
        let written = String::from_utf8(root_document(&info, &servers)).expect("JSON is text");
        prop_assert_eq!(written, tree::root_document(&info, &servers).to_string());
        for catalog in &catalogs {
            let written = String::from_utf8(server_document(&info, catalog)).expect("JSON is text");
            prop_assert_eq!(written, tree::server_document(&info, catalog).to_string());
        }
    }
}

fn offering(tools: &[Value], instructions: Option<&str>) -> Catalog {
    let instructions = instructions.map(str::to_owned);
    let identity = ServerIdentity { instructions, ..ServerIdentity::default() };
    let tools = tools.iter().filter_map(ToolDefinition::from_json).collect();
    Catalog::new(identity, tools, &CatalogPolicy::default())
}

#[test]
fn another_document_has_another_mark_and_the_same_one_the_same() {
    let info = super::info();
    let of = |schema: Value| json!({"name": "t", "inputSchema": {"properties": {"a": schema}}});
    let other_name = json!({"name": "u", "inputSchema": {"properties": {"a": {}}}});
    let tools = [
        vec![],
        vec![of(json!({}))],
        vec![of(json!({"type": "string"}))],
        vec![of(json!({})), other_name.clone()],
        vec![other_name.clone(), of(json!({}))],
        vec![other_name],
    ];
    let catalogs: Vec<Catalog> = tools.iter().map(|tools| offering(tools, None)).collect();
    for (one, left) in catalogs.iter().enumerate() {
        for (other, right) in catalogs.iter().enumerate() {
            let same = server_mark(&info, left) == server_mark(&info, right);
            assert_eq!(same, one == other, "{one} and {other}");
        }
    }
    assert_eq!(server_mark(&info, &catalogs[1]), server_mark(&info, &offering(&tools[1], None)));
    let said = offering(&tools[1], Some("About."));
    let at = |name, catalog| root_mark(&info, &[Mounted { name, catalog }]);
    assert_ne!(at("a", &catalogs[1]), at("a", &said), "its tag has a description");
    assert_ne!(at("a", &said), at("b", &said));
    let open = DocumentInfo { needs_key: false, ..info.clone() };
    assert_ne!(server_mark(&info, &said), server_mark(&open, &said));
}

#[test]
fn a_tool_whose_texts_hold_marks_keeps_them() {
    let held = "\u{7f}0;_form_model and \u{7f}1;";
    let node = json!({"type": "object", "properties": {"next": {"$ref": "#/$defs/N"}}});
    let tool = json!({"name": "t", "inputSchema": {
        "properties": {"a": {"const": held, "$ref": "#/$defs/N"}}, "$defs": {"N": node}
    }});
    let catalog = offering(&[tool], None);
    let written = server_document(&super::info(), &catalog);
    assert_eq!(super::read(&written), tree::server_document(&super::info(), &catalog));
    assert!(String::from_utf8(written).expect("JSON is text").contains(held));
}
