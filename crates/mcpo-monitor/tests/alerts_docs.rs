//! docs/alerts.md is made from the rules and from what is sent. After a change of them:
//! `MCPO_WRITE_DOCS=1 cargo nextest run -p mcpo-monitor --test alerts_docs`.

use std::path::Path;

use mcpo_monitor::alerts::docs;
use mcpo_monitor::alerts::rules::RULES;

#[test]
#[expect(clippy::disallowed_methods, reason = "a switch for whoever runs the test, not for mcpo")]
fn alerts_docs_are_those_of_the_rules() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/alerts.md");
    let page = docs::page();
    if std::env::var_os("MCPO_WRITE_DOCS").is_some() {
        std::fs::write(&path, &page).unwrap();
        return;
    }
    let written = std::fs::read_to_string(&path).unwrap();
    assert!(
        page == written,
        "docs/alerts.md is not what the rules say; run `MCPO_WRITE_DOCS=1 cargo nextest run -p \
         mcpo-monitor --test alerts_docs` and look at what changed"
    );
}

#[test]
fn every_rule_has_words_that_a_person_can_act_on() {
    for rule in RULES {
        assert!(rule.description.ends_with('.') && rule.fix.ends_with('.'), "{}", rule.id);
        assert!(!rule.calm.ends_with('.') && !rule.calm.is_empty(), "{}", rule.id);
        assert!(rule.alertname.starts_with("Mcpo"), "{}", rule.id);
        assert!(!rule.promql().contains(['{', '}']) || rule.promql().contains('"'), "{}", rule.id);
    }
}
