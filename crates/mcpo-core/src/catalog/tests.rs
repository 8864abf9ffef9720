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

fn with_tool(name: &str, said: ToolPolicy) -> CatalogPolicy {
    CatalogPolicy { tools: BTreeMap::from([(name.to_owned(), said)]), ..CatalogPolicy::default() }
}

#[test]
fn the_operators_word_on_a_tool_outweighs_its_annotations() {
    for (hint, said, idempotent) in [
        (true, Some(false), false),
        (false, Some(true), true),
        (true, None, true),
        (false, None, false),
    ] {
        for trust_annotations in [true, false] {
            let said = ToolPolicy { idempotent: said, ..ToolPolicy::default() };
            let policy = CatalogPolicy { trust_annotations, ..with_tool("x", said) };
            let tool = json!({"name": "x", "annotations": {"idempotentHint": hint}});
            let expected =
                if said.idempotent.is_some() { idempotent } else { hint && trust_annotations };
            assert_eq!(
                catalog(&[tool], &policy).tools()[0].idempotent,
                expected,
                "{hint} {said:?}"
            );
        }
    }
}

#[test]
fn a_tool_is_sent_again_in_the_upstreams_time_unless_the_operator_says_otherwise() {
    let said =
        ToolPolicy { retry: false, timeout: Some(Duration::from_secs(5)), ..ToolPolicy::default() };
    let catalog = catalog(&[json!({"name": "x"}), json!({"name": "y"})], &with_tool("x", said));
    let treatments: Vec<_> =
        catalog.tools().iter().map(|tool| (tool.retry, tool.timeout)).collect();
    assert_eq!(treatments, [(false, Some(Duration::from_secs(5))), (true, None)]);
}

#[test]
fn names_that_are_not_offered_are_told_once_and_sorted() {
    let mut policy = with_tool("z", ToolPolicy::default());
    policy.tools.insert("a".into(), ToolPolicy::default());
    policy.disabled_tools = vec!["z".into(), "x".into(), "q".into()];
    let catalog = catalog(&[json!({"name": "x"}), json!({"name": "a"})], &policy);
    assert_eq!(catalog.unknown_names(), ["q", "z"]);
    assert_eq!(names(&catalog), ["a"]);
}

#[test]
fn a_catalog_is_another_where_the_operator_says_something_else_of_a_tool() {
    let tools = [json!({"name": "x"})];
    let usual = catalog(&tools, &CatalogPolicy::default());
    let said = |said| catalog(&tools, &with_tool("x", said));
    assert!(usual.is_same(&said(ToolPolicy::default())));
    assert!(!usual.is_same(&said(ToolPolicy { idempotent: Some(true), ..ToolPolicy::default() })));
    assert!(!usual.is_same(&said(ToolPolicy { retry: false, ..ToolPolicy::default() })));
    let timeout = Some(Duration::from_secs(1));
    assert!(!usual.is_same(&said(ToolPolicy { timeout, ..ToolPolicy::default() })));
    assert!(!usual.is_same(&catalog(&tools, &with_tool("y", ToolPolicy::default()))));
}

#[test]
fn only_what_changes_nothing_is_shared_or_kept_but_by_a_tools_own_word() {
    let times = |seconds| CacheTimes::of(Duration::from_secs(seconds));
    let server = ServerCache { times: times(60), tools: vec!["get_*".to_owned()] };
    let policy = |said: &[(&str, ToolPolicy)], trust_annotations| CatalogPolicy {
        cache: Some(server.clone()),
        tools: said.iter().map(|(name, said)| ((*name).to_owned(), *said)).collect(),
        trust_annotations,
        ..CatalogPolicy::default()
    };
    let usual = ToolPolicy::default();
    let kept = ToolPolicy { cache: Some(CacheRule::Keep(times(1))), ..usual };
    let never = ToolPolicy { cache: Some(CacheRule::Never), coalesce: Some(false), ..usual };
    let said = ToolPolicy { read_only: Some(true), ..usual };
    for (name, hint, said, trusted, read_only, coalesce, cache, as_told) in [
        ("get_a", Some(true), usual, true, true, true, Some(60), true),
        ("get_a", Some(true), usual, false, false, false, None, false),
        ("get_a", Some(false), usual, true, false, false, None, false),
        ("get_a", None, usual, true, false, false, None, false),
        ("get_a", None, said, false, true, true, Some(60), true),
        ("put_a", Some(true), usual, true, true, true, None, true),
        ("put_a", None, kept, true, false, false, Some(1), false),
        ("get_a", Some(true), never, true, true, false, None, false),
    ] {
        let tool = json!({"name": name, "annotations": {"readOnlyHint": hint}});
        let catalog = catalog(&[tool], &policy(&[(name, said)], trusted));
        let found = catalog.tool(name).unwrap();
        assert_eq!(
            (found.read_only, found.coalesce, found.cache, found.cache_as_told),
            (read_only, coalesce, cache.map(times), as_told),
            "{name} {hint:?} {said:?} {trusted}"
        );
        assert_eq!(found.idempotent, read_only, "{name} {hint:?} {said:?} {trusted}");
    }
}
