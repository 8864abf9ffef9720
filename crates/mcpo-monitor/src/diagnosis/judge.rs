//! From facts to a diagnosis: every rule looks, and what another issue explains is left out.

mod figures;

use mcpo_core::life::HeldBy;

use super::case::Case;
use super::{Diagnosis, Facts, Issue, RULES, Rule, Status, words};
use crate::alerts::Severity;
use crate::picture::Standing;

/// Says what is wrong. Pure: the same facts give the same diagnosis.
#[must_use]
pub fn diagnose(facts: &Facts) -> Diagnosis {
    let cases = facts.cases();
    let found: Vec<(&Rule, Issue)> = RULES
        .iter()
        .flat_map(|rule| rule.issues(facts, &cases).into_iter().map(move |issue| (rule, issue)))
        .collect();
    let is_own = |(_, issue): &&(&Rule, Issue)| !is_explained(issue, &found);
    let mut issues: Vec<Issue> =
        found.iter().filter(is_own).map(|(_, issue)| issue.clone()).collect();
    // Stable: where they are equally bad the order of the rules stays.
    issues.sort_by_key(|issue| std::cmp::Reverse(issue.severity));
    Diagnosis {
        status: status(&issues),
        score: score(facts, &cases),
        recommendations: figures::recommendations(facts, &issues),
        issues,
        metrics: figures::metrics(facts),
        connection_health: cases.iter().map(|case| (case.name.to_owned(), is_well(case))).collect(),
        timestamp: words::epoch(facts.at),
    }
}

/// Whether one of the others says why it is so.
fn is_explained(issue: &Issue, found: &[(&Rule, Issue)]) -> bool {
    found.iter().any(|(rule, other)| {
        // What is about mcpo or the machine reaches every upstream, and theirs reaches it.
        let reaches =
            other.server.is_none() || issue.server.is_none() || other.server == issue.server;
        other.id != issue.id && reaches && rule.explains.contains(&issue.id)
    })
}

fn status(issues: &[Issue]) -> Status {
    match issues.iter().map(|issue| issue.severity).max() {
        None => Status::Healthy,
        Some(Severity::Warning) => Status::Warning,
        Some(Severity::Critical) => Status::Critical,
    }
}

/// The score of what runs; where nothing does, the share of upstreams that could be used.
fn score(facts: &Facts, cases: &[Case<'_>]) -> u8 {
    if let Some(picture) = &facts.picture {
        return picture.whole.score.score;
    }
    let usable = cases.iter().filter(|case| is_well(case)).count();
    u8::try_from(usable * 100 / cases.len().max(1)).unwrap_or(100)
}

/// Whether it can be called now.
fn is_well(case: &Case<'_>) -> bool {
    match case.seen {
        Some(seen) => seen.standing != Standing::Down && seen.held_by != Some(HeldBy::Operator),
        None => case.is_usable(),
    }
}
