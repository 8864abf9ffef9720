use std::sync::Arc;

use mcpo_core::event::Event;

use super::*;

#[test]
fn tools_that_vanished() {
    let mut facts = healthy();
    let (upstream, tools) = ("search".to_owned(), vec!["find".to_owned()]);
    tell(&mut facts, 100, Event::ToolsVanished { upstream, tools: tools.clone() });
    with(&mut facts, "search", |server| server.missing_tools = tools);
    let cause = ["handshake ok", "tools: some are missing"];
    let issue = only(&facts, "tools_vanished", Some("search"), &cause);
    assert_eq!(issue.evidence, ["missing: `find`"]);
    assert_eq!(issue.since, Some(1_790_000_000.0 - 100.0));
}

fn flaw(facts: &mut Facts, tool: &str) {
    let note = "its schema is no object".to_owned();
    tell(
        facts,
        50,
        Event::ToolFlawed { upstream: "search".to_owned(), tool: tool.to_owned(), note },
    );
}

fn changed(facts: &mut Facts) {
    let (added, removed) = (vec!["new".to_owned()], Vec::new());
    tell(facts, 40, Event::ToolsChanged { upstream: "search".to_owned(), added, removed });
}

#[test]
fn declarations_that_are_broken() {
    let mut facts = healthy();
    flaw(&mut facts, "find");
    flaw(&mut facts, "get");
    changed(&mut facts);
    let cause = ["handshake ok", "schema: broken"];
    let issue = only(&facts, "tools_flawed", Some("search"), &cause);
    assert_eq!(
        issue.evidence,
        ["`find`: its schema is no object", "`get`: its schema is no object"]
    );
    changed(&mut facts);
    none(&facts);
}

#[test]
fn names_in_the_configuration_that_stand_for_nothing() {
    let mut facts = healthy();
    let (upstream, names) = ("search".to_owned(), vec!["serach".to_owned()]);
    tell(&mut facts, 3000, Event::ToolsUnknown { upstream, names });
    none(&facts);
    let servers = Arc::make_mut(&mut facts.servers);
    servers[1].catalog.disabled_tools.push("serach".to_owned());
    let cause = ["tools ok", "configuration: names what is not there"];
    let issue = only(&facts, "tools_unknown", Some("search"), &cause);
    assert_eq!(issue.evidence, ["`serach`"]);
}

#[test]
fn a_look_tells_the_same_of_tools() {
    let mut facts = Facts::new(now(), Arc::new(vec![url("search", "http://127.0.0.1:1/mcp")]));
    let flaws = vec![("find".to_owned(), "its schema is no object".to_owned())];
    let chain = Chain { tools: Some(3), ..Chain::default() };
    looked(&mut facts, "search", Chain { flaws, ..chain.clone() });
    only(&facts, "tools_flawed", Some("search"), &["handshake ok", "schema: broken"]);
    looked(&mut facts, "search", Chain { unknown_names: vec!["serach".to_owned()], ..chain });
    let cause = ["tools ok", "configuration: names what is not there"];
    only(&facts, "tools_unknown", Some("search"), &cause);
    assert_eq!(diagnose(&facts).score, 100);
}
