//! Each rule: one change of facts that are well gives exactly that issue, with its cause.

mod build;
mod calls;
mod connection;
mod load;
mod own;
mod play;
mod tools;

use mcpo_core::life::HeldBy;

use super::check::{self, Chain};
use super::{Diagnosis, Facts, Issue, Status, diagnose, words};
use crate::alerts::Severity;
use build::*;

/// Exactly one issue comes of it: that one, with that cause.
fn only(facts: &Facts, id: &str, server: Option<&str>, cause: &[&str]) -> Issue {
    let Diagnosis { issues, status, .. } = diagnose(facts);
    let ids: Vec<&str> = issues.iter().map(|issue| issue.id).collect();
    assert_eq!(ids, [id]);
    let issue = issues.into_iter().next().unwrap();
    assert_eq!(issue.server.as_deref(), server);
    assert_eq!(issue.cause, cause);
    assert!(!issue.fix.is_empty() && !issue.evidence.is_empty() && !issue.what.is_empty());
    let worst =
        if issue.severity == Severity::Critical { Status::Critical } else { Status::Warning };
    assert_eq!(status, worst);
    issue
}

fn none(facts: &Facts) {
    let Diagnosis { issues, status, .. } = diagnose(facts);
    assert_eq!(issues, []);
    assert_eq!(status, Status::Healthy);
}

#[test]
fn facts_that_are_well_give_no_issue() {
    let diagnosis = diagnose(&healthy());
    assert_eq!(diagnosis.issues, []);
    assert_eq!((diagnosis.status, diagnosis.score), (Status::Healthy, 100));
    assert_eq!(diagnosis.recommendations, [] as [String; 0]);
    assert!(diagnosis.connection_health.values().all(|well| *well));
    assert_eq!(diagnosis.connection_health.len(), 2);
    assert_eq!(diagnosis.metrics["servers_usable"], 2.0);
    assert_eq!(diagnosis.timestamp, 1_790_000_000.0);
}

#[test]
fn nothing_known_is_no_issue_and_no_panic() {
    let facts = Facts::new(now(), std::sync::Arc::new(vec![command("files", "npx")]));
    let diagnosis = diagnose(&facts);
    assert_eq!(diagnosis.issues, []);
    assert!(!diagnosis.connection_health["files"]);
    assert_eq!(diagnosis.score, 0);
}

#[test]
fn a_hold_by_the_operator_hides_what_was_wrong_before() {
    let mut facts = healthy();
    down(&mut facts, "search", &no_connection(mcpo_core::fault::Stage::Refused));
    hold(&mut facts, "search", HeldBy::Operator);
    let issue = only(&facts, "held_by_operator", Some("search"), &["held by an operator"]);
    assert_eq!(issue.fix, ["`mcpo admin release search` sends calls to it again."]);
    assert!(!diagnose(&facts).connection_health["search"]);
    assert_eq!(check::wanted(&facts), []);
}

/// Advice is for what the server is, and can be followed.
#[test]
fn advice_fits_the_case() {
    let fault = mcpo_core::fault::Fault::new(mcpo_core::fault::FaultKind::Nonsense, "what?");
    for (name, start) in [("files", "`files` must write"), ("search", "Check that `url` of")] {
        let mut facts = healthy();
        down(&mut facts, name, &fault);
        let fix = diagnose(&facts).issues[0].fix.clone();
        assert!(fix[0].starts_with(start) && fix.len() == 2, "{fix:?}");
        assert!(fix.iter().any(|text| text.contains("mcpo admin release")), "{fix:?}");
        let links = vec!["a link".to_owned()];
        looked(&mut facts, name, Chain { fault: Some(fault.clone()), links, ..Chain::default() });
        facts.picture = None;
        let fix = diagnose(&facts).issues[0].fix.clone();
        assert!(!fix.is_empty() && !fix.iter().any(|text| text.contains("mcpo admin")), "{fix:?}");
    }
}

/// Whoever copies a command gets one word for one name.
#[test]
fn names_in_commands_are_as_a_shell_needs_them() {
    let cases = [("mail-2", "mail-2"), ("müller 1", "'müller 1'"), ("o'neil", r"'o'\''neil'")];
    for (name, word) in cases {
        assert_eq!(words::shell_word(name), word);
    }
    assert_eq!(words::shell_word("-rf"), "'-rf'");
}

#[test]
fn only_urls_that_fail_are_looked_at() {
    let mut facts = healthy();
    assert_eq!(check::wanted(&facts), []);
    down(&mut facts, "files", &no_connection(mcpo_core::fault::Stage::Refused));
    assert_eq!(check::wanted(&facts), []);
    down(&mut facts, "search", &no_connection(mcpo_core::fault::Stage::Refused));
    assert_eq!(check::wanted(&facts).len(), 1);
}

/// What a look found, with the links of a server over HTTP.
fn looked(facts: &mut Facts, name: &str, chain: Chain) {
    facts.chains.insert(name.to_owned(), chain);
}
