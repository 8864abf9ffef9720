//! Rules about what upstreams offer.

use mcpo_core::event::Event;

use super::{Finding, Judge, Rule};
use crate::alerts::Severity;
use crate::diagnosis::case::Case;
use crate::diagnosis::words::{counted, names};

pub(super) const TOOLS_VANISHED: Rule = Rule {
    id: "tools_vanished",
    severity: Severity::Warning,
    title: "a server offers less than before",
    when: "Tools that an earlier session offered are missing since it was connected anew.",
    fix: &[
        "If it was changed on purpose, `mcpo admin reset {server}` takes what it offers now for all there is.",
        "If not, see in the log of `{server}` why it did not load them; `mcpo admin reconnect {server}` asks it again.",
    ],
    explains: &[],
    judge: Judge::Server(tools_vanished),
};

pub(super) const TOOLS_FLAWED: Rule = Rule {
    id: "tools_flawed",
    severity: Severity::Warning,
    title: "declarations of tools are broken",
    when: "The schema of a tool is not valid, so that arguments are not checked as it says; the tool is served nevertheless.",
    fix: &[
        "Tell who makes the server behind `{server}`: the declaration of the tool is at fault.",
        "If the tool is not needed, name it in `disabledTools` of `{server}`.",
    ],
    explains: &[],
    judge: Judge::Server(tools_flawed),
};

pub(super) const TOOLS_UNKNOWN: Rule = Rule {
    id: "tools_unknown",
    severity: Severity::Warning,
    title: "the configuration names tools that are not there",
    when: "`tools` or `disabledTools` names something that the server does not offer.",
    fix: &[
        "Correct or remove the names in `tools` and `disabledTools` of `{server}`; `GET /{server}/openapi.json` has those that there are.",
    ],
    explains: &[],
    judge: Judge::Server(tools_unknown),
};

/// So many flaws are told one by one.
const FLAWS_SHOWN_MAX: usize = 8;

fn tools_vanished(case: &Case<'_>) -> Option<Finding> {
    let missing = &case.seen.filter(|seen| seen.sessions > 0)?.missing_tools;
    if missing.is_empty() {
        return None;
    }
    let is_news = |event: &Event| matches!(event, Event::ToolsVanished { .. });
    let told = case.backwards().find(|entry| is_news(&entry.event));
    let tools = counted(missing.len(), "tool");
    Some(Finding {
        what: format!("`{}` does not offer {tools} any more that it did", case.name),
        since: told.map(|entry| entry.at),
        evidence: vec![format!("missing: {}", names(missing.iter().map(String::as_str)))],
        cause: vec!["handshake ok".to_owned(), "tools: some are missing".to_owned()],
        ..Finding::default()
    })
}

fn tools_flawed(case: &Case<'_>) -> Option<Finding> {
    let flaws = flaws(case);
    let (first, more) = (flaws.first()?, flaws.len().saturating_sub(FLAWS_SHOWN_MAX));
    let shown = flaws.iter().take(FLAWS_SHOWN_MAX).map(|(tool, note)| format!("`{tool}`: {note}"));
    let more = (more > 0).then(|| format!("and {more} more"));
    Some(Finding {
        what: match flaws.len() {
            1 => format!("the declaration of `{}` of `{}` is broken", first.0, case.name),
            count => format!("{count} declarations of tools of `{}` are broken", case.name),
        },
        evidence: shown.chain(more).collect(),
        cause: vec!["handshake ok".to_owned(), "schema: broken".to_owned()],
        ..Finding::default()
    })
}

/// The tools and what is wrong with them: as a look saw it, or as told when the last catalog came.
fn flaws(case: &Case<'_>) -> Vec<(String, String)> {
    if let Some(chain) = case.chain.filter(|chain| chain.tools.is_some()) {
        return chain.flaws.clone();
    }
    // All of a catalog are told in one go, after the end of the catalog before.
    let told = case.backwards().skip_while(|entry| !is_flaw(&entry.event));
    let newer = case.backwards().take_while(|entry| !is_flaw(&entry.event));
    // The change itself is told after the flaws of the new list; a second one came without any.
    let changes = newer.filter(|entry| matches!(entry.event, Event::ToolsChanged { .. })).count();
    if changes > 1 {
        return Vec::new();
    }
    let mut flaws: Vec<(String, String)> = Vec::new();
    for entry in told.take_while(|entry| is_flaw(&entry.event)) {
        if let Event::ToolFlawed { tool, note, .. } = &entry.event {
            flaws.push((tool.clone(), note.clone()));
        }
    }
    flaws.reverse();
    flaws
}

const fn is_flaw(event: &Event) -> bool {
    matches!(event, Event::ToolFlawed { .. })
}

fn tools_unknown(case: &Case<'_>) -> Option<Finding> {
    let unknown = unknown(case)?;
    let count = counted(unknown.len(), "tool");
    Some(Finding {
        what: format!("the configuration of `{}` names {count} that it does not offer", case.name),
        evidence: vec![names(unknown.iter().map(String::as_str))],
        cause: vec!["tools ok".to_owned(), "configuration: names what is not there".to_owned()],
        ..Finding::default()
    })
}

/// Names that stand for nothing. Those told once hold as long as the configuration still names them.
fn unknown<'a>(case: &Case<'a>) -> Option<Vec<String>> {
    let names: Vec<String> = match case.chain.filter(|chain| chain.tools.is_some()) {
        Some(chain) => chain.unknown_names.clone(),
        None => {
            let told = case.backwards().find_map(|entry| names_in(&entry.event))?;
            let policy = &case.config?.catalog;
            let is_named = |name: &&String| {
                policy.tools.contains_key(*name) || policy.disabled_tools.contains(name)
            };
            told.iter().filter(is_named).cloned().collect()
        }
    };
    (!names.is_empty()).then_some(names)
}

const fn names_in(event: &Event) -> Option<&Vec<String>> {
    if let Event::ToolsUnknown { names, .. } = event { Some(names) } else { None }
}
