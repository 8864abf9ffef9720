use serde_json::json;

use super::*;

fn catalog(tools: &[Value], policy: &CatalogPolicy) -> Catalog {
    let definitions = tools.iter().filter_map(ToolDefinition::from_json).collect();
    Catalog::new(ServerIdentity::default(), definitions, policy)
}

fn names(catalog: &Catalog) -> Vec<&str> {
    catalog.tools().iter().map(|tool| tool.definition.name.as_str()).collect()
}

#[test]
fn disabled_repeated_and_nameless_tools_are_not_offered() {
    let tools = [
        json!({"name": "a", "title": "first"}),
        json!({"name": "b"}),
        json!({"name": "a"}),
        json!({}),
        json!({"name": ""}),
    ];
    let policy = CatalogPolicy { disabled_tools: vec!["b".into()], ..CatalogPolicy::default() };
    let catalog = catalog(&tools, &policy);
    assert_eq!(names(&catalog), ["a"]);
    assert_eq!(catalog.tool("a").and_then(|tool| tool.definition.title.as_deref()), Some("first"));
    assert!(catalog.tool("b").is_none());
}

#[test]
fn a_tool_is_idempotent_only_if_it_says_so_and_is_trusted() {
    let annotated = |hints: Value| json!({"name": "x", "annotations": hints});
    for (hints, trusted, idempotent) in [
        (json!({}), true, false),
        (json!({"readOnlyHint": true}), true, true),
        (json!({"idempotentHint": true}), true, true),
        (json!({"readOnlyHint": true}), false, false),
        (json!({"readOnlyHint": "yes"}), true, false),
        (json!({"destructiveHint": false}), true, false),
    ] {
        let policy = CatalogPolicy { trust_annotations: trusted, ..CatalogPolicy::default() };
        let catalog = catalog(&[annotated(hints.clone())], &policy);
        assert_eq!(catalog.tools()[0].idempotent, idempotent, "{hints}, trusted: {trusted}");
    }
}

#[test]
fn a_broken_schema_is_served_with_a_note_of_each_flaw_once() {
    let broken = json!({"name": "x", "inputSchema": {"type": "object", "properties": {"a": {"$ref": "https://example.com/a"}}}});
    let catalog = catalog(&[broken], &CatalogPolicy::default());
    let notes = &catalog.tools()[0].notes;
    assert!(!notes.is_empty());
    let mut distinct = notes.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), notes.len());
}

#[test]
fn a_catalog_is_the_same_only_if_every_definition_is() {
    let policy = CatalogPolicy::default();
    let one = catalog(&[json!({"name": "x"})], &policy);
    assert!(one.is_same(&catalog(&[json!({"name": "x"})], &policy)));
    assert!(!one.is_same(&catalog(&[json!({"name": "x", "description": "new"})], &policy)));
    assert!(!one.is_same(&catalog(&[json!({"name": "x"}), json!({"name": "y"})], &policy)));
}
