//! Rules about mcpo itself.

use std::time::Duration;

use mcpo_core::event::Event;

use super::{Finding, Judge, Rule};
use crate::alerts::Severity;
use crate::diagnosis::Facts;
use crate::diagnosis::case::LATELY;
use crate::diagnosis::words::{ago, length, times};

pub(super) const CONFIG_REFUSED: Rule = Rule {
    id: "config_refused",
    severity: Severity::Warning,
    title: "the configuration file is broken",
    when: "The file was read anew and refused; the configuration before it stays in force.",
    fix: &[
        "Mend what the evidence names in the file; `mcpo check --config FILE` tells whether it is good before it is taken over.",
    ],
    explains: &[],
    judge: Judge::Own(|facts, _| config_refused(facts)),
};

pub(super) const CLOCK_JUMP: Rule = Rule {
    id: "clock_jump",
    severity: Severity::Warning,
    title: "time passed in which nothing ran",
    when: "Within the last five minutes the machine slept, or mcpo was stopped, for longer than it takes to lose connections.",
    fix: &[
        "Nothing: every session was probed before its next use.",
        "If it was not meant to sleep, switch off the machine's or the virtual machine's suspend; if mcpo was stopped, see who sends it SIGSTOP or freezes its container.",
    ],
    explains: &[
        "session_churn",
        "silent_upstream",
        "slow_upstream",
        "slow_mcpo",
        "error_budget_burn",
    ],
    judge: Judge::Own(|facts, _| clock_jump(facts)),
};

pub(super) const HISTORY_UNKEPT: Rule = Rule {
    id: "history_unkept",
    severity: Severity::Warning,
    title: "the history cannot be kept",
    when: "The state directory cannot be written or belongs to another process, or writing or reading the history has failed within the last five minutes.",
    fix: &[
        "Give mcpo a directory that it may write: `--state-dir` and a path; in a container, mount a volume there.",
        "`--no-state` keeps the history in memory only.",
    ],
    explains: &[],
    judge: Judge::Own(|facts, _| history_unkept(facts)),
};

/// So many problems of a file are told one by one.
const PROBLEMS_SHOWN_MAX: usize = 8;
/// Shorter stops are those of a busy machine.
const JUMP_MIN: Duration = Duration::from_secs(10);

fn config_refused(facts: &Facts) -> Option<Finding> {
    let is_about_config =
        |event: &Event| matches!(event, Event::ConfigRefused { .. } | Event::ConfigReloaded { .. });
    let last = facts.entries.iter().rev().find(|entry| is_about_config(&entry.event))?;
    let Event::ConfigRefused { problems } = &last.event else { return None };
    let more = problems.len().saturating_sub(PROBLEMS_SHOWN_MAX);
    let more = (more > 0).then(|| format!("and {more} more"));
    Some(Finding {
        what: "the configuration file is broken; the configuration before it is in force"
            .to_owned(),
        since: Some(last.at),
        evidence: problems.iter().take(PROBLEMS_SHOWN_MAX).cloned().chain(more).collect(),
        cause: vec!["file read".to_owned(), "configuration: refused".to_owned()],
        ..Finding::default()
    })
}

fn history_unkept(facts: &Facts) -> Option<Finding> {
    let watch = facts.picture.as_ref().map(|picture| picture.watch);
    let failed = watch.filter(|watch| watch.is_history_troubled);
    let failed = failed
        .map(|watch| format!("it failed {} since the start", times(watch.history_errors as usize)));
    let denied = facts.unwritable.as_ref();
    let denied = denied.map(|path| format!("`{}` cannot be written", path.display()));
    let evidence: Vec<String> = failed.into_iter().chain(denied).collect();
    (!evidence.is_empty()).then(|| Finding {
        what: "the history cannot be kept".to_owned(),
        evidence,
        cause: vec!["state directory: cannot be used".to_owned()],
        ..Finding::default()
    })
}

fn clock_jump(facts: &Facts) -> Option<Finding> {
    let is_late = |at| facts.at.duration_since(at).unwrap_or_default() <= LATELY;
    let mut jumps = facts.entries.iter().rev().take_while(|entry| is_late(entry.at));
    let (at, by) = jumps.find_map(|entry| match jump(&entry.event) {
        Some(by) if by >= JUMP_MIN => Some((entry.at, by)),
        Some(_) | None => None,
    })?;
    Some(Finding {
        what: format!("nothing ran here for {}", length(by)),
        since: Some(at),
        evidence: vec![format!("it ended {}", ago(at, facts.at))],
        cause: vec!["clock: jumped".to_owned()],
        ..Finding::default()
    })
}

const fn jump(event: &Event) -> Option<Duration> {
    if let Event::ClockJumped { by } = event { Some(*by) } else { None }
}
