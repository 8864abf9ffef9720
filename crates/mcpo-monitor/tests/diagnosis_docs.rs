//! docs/diagnostics.md is made from the rules. After a change of them:
//! `MCPO_WRITE_DOCS=1 cargo nextest run -p mcpo-monitor diagnosis_docs`.

use std::path::Path;

use mcpo_monitor::diagnosis::{RULES, docs};

#[test]
#[expect(clippy::disallowed_methods, reason = "a switch for whoever runs the test, not for mcpo")]
fn diagnosis_docs_are_those_of_the_rules() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/diagnostics.md");
    let page = docs::page();
    if std::env::var_os("MCPO_WRITE_DOCS").is_some() {
        std::fs::write(&path, &page).unwrap();
        return;
    }
    let written = std::fs::read_to_string(&path).unwrap();
    assert!(
        page == written,
        "docs/diagnostics.md is not what the rules say; run `MCPO_WRITE_DOCS=1 cargo nextest run -p \
         mcpo-monitor diagnosis_docs` and look at what changed"
    );
}

#[test]
fn every_rule_has_a_name_of_its_own_and_something_to_do() {
    let mut names: Vec<&str> = RULES.iter().map(|rule| rule.id).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), RULES.len());
    for rule in RULES {
        let is_name = |c: char| c.is_ascii_lowercase() || c == '_';
        assert!(rule.id.chars().all(is_name), "{}", rule.id);
        assert!(!rule.fix.is_empty() && !rule.when.is_empty() && !rule.title.is_empty());
        assert!(rule.fix.iter().all(|text| text.ends_with('.')), "{}", rule.id);
        for explained in rule.explains {
            assert!(names.contains(explained), "{} explains {explained}", rule.id);
            assert_ne!(*explained, rule.id);
        }
    }
}

/// Issues that explain each other, on whatever way around, would all be left out.
#[test]
fn no_rule_explains_what_explains_it() {
    let mut left: Vec<_> = RULES.iter().collect();
    while !left.is_empty() {
        let before = left.len();
        let ids: Vec<&str> = left.iter().map(|rule| rule.id).collect();
        left.retain(|rule| rule.explains.iter().any(|id| ids.contains(id)));
        let names: Vec<&str> = left.iter().map(|rule| rule.id).collect();
        assert!(left.len() < before, "each of these explains another one: {names:?}");
    }
}
