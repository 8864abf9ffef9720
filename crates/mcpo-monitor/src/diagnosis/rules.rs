//! The rules, as data: when each applies, what it explains, and what a person can do.

mod calls;
mod connection;
mod load;
mod own;
mod resources;
mod tools;

use std::time::SystemTime;

use super::case::Case;
use super::{Facts, Issue, words};
use crate::alerts::Severity;

/// One rule.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// Its stable name.
    pub id: &'static str,
    /// How bad it is, as a rule; a single case may be less bad.
    pub severity: Severity,
    /// In a few words.
    pub title: &'static str,
    /// When it applies, in words.
    pub when: &'static str,
    /// What a person can do, the likeliest first; `{server}` stands for the upstream's name. What is
    /// for commands or URLs only says so at its beginning. A single case may know something better,
    /// which then stands before these.
    pub fix: &'static [&'static str],
    /// Issues that it explains, so that they are not told beside it: of the same upstream, of mcpo
    /// and the machine, and, where it is about these itself, of every upstream.
    pub explains: &'static [&'static str],
    judge: Judge,
}

/// What looks at the facts.
#[derive(Debug, Clone, Copy)]
pub(super) enum Judge {
    /// At each upstream.
    Server(fn(&Case<'_>) -> Option<Finding>),
    /// At mcpo and the machine.
    Own(fn(&Facts, &[Case<'_>]) -> Option<Finding>),
}

/// What a rule found: an issue but for what the rule itself says.
#[derive(Debug, Default)]
pub(super) struct Finding {
    /// Less or more than the rule's own.
    severity: Option<Severity>,
    what: String,
    since: Option<SystemTime>,
    evidence: Vec<String>,
    cause: Vec<String>,
    /// Stands before what the rule says.
    fix: Vec<String>,
}

/// All rules, in the order in which they are told where they are equally bad.
pub const RULES: &[Rule] = &[
    connection::COMMAND_NOT_FOUND,
    connection::COMMAND_FAILS,
    connection::CRASH_LOOP,
    connection::DNS_FAILED,
    connection::UPSTREAM_UNREACHABLE,
    connection::TLS_FAILED,
    connection::UNAUTHORIZED,
    connection::NOT_MCP,
    connection::HANDSHAKE_TIMEOUT,
    connection::UPSTREAM_DOWN,
    connection::HELD_BY_OPERATOR,
    calls::SERVER_ERRORS,
    calls::THROTTLED,
    calls::SILENT_UPSTREAM,
    calls::SESSION_CHURN,
    calls::POOL_SATURATED,
    calls::SLOW_UPSTREAM,
    calls::SLOW_MCPO,
    calls::ERROR_BUDGET_BURN,
    load::PROCESS_FULL,
    load::PROCESS_SLOW,
    load::LIMIT_LEARNT_LOW,
    load::SERVER_FULL,
    load::CALLS_TOO_LATE,
    load::IDENTITY_FULL,
    load::RATE_LIMITED,
    load::LOW_CACHE_USE,
    resources::MEMORY_GROWTH,
    resources::MEMORY_PRESSURE,
    resources::CPU_SATURATED,
    resources::FD_LIMIT,
    resources::DISK_FULL,
    resources::NO_ROOM,
    own::HISTORY_UNKEPT,
    tools::TOOLS_VANISHED,
    tools::TOOLS_FLAWED,
    tools::TOOLS_UNKNOWN,
    own::CONFIG_REFUSED,
    own::CLOCK_JUMP,
];

/// What comes of it that calls to an upstream fail, or are late.
const SYMPTOMS: &[&str] = &[
    "server_errors",
    "throttled",
    "silent_upstream",
    "session_churn",
    "pool_saturated",
    "slow_upstream",
    "slow_mcpo",
    "error_budget_burn",
    "upstream_down",
    "limit_learnt_low",
    "server_full",
    "calls_too_late",
];

// === impl Rule ===

impl Rule {
    /// What it finds, upstream by upstream.
    pub(super) fn issues(&self, facts: &Facts, cases: &[Case<'_>]) -> Vec<Issue> {
        match self.judge {
            Judge::Server(judge) => cases
                .iter()
                .filter_map(|case| Some(self.issue(facts, Some(case), judge(case)?)))
                .collect(),
            Judge::Own(judge) => {
                let finding = judge(facts, cases);
                finding.map(|finding| self.issue(facts, None, finding)).into_iter().collect()
            }
        }
    }

    /// Whether it looks at each upstream rather than at mcpo and the machine.
    #[must_use]
    pub const fn is_about_servers(&self) -> bool {
        match self.judge {
            Judge::Server(_) => true,
            Judge::Own(_) => false,
        }
    }

    fn issue(&self, facts: &Facts, case: Option<&Case<'_>>, finding: Finding) -> Issue {
        let Finding { severity, what, since, evidence, cause, mut fix } = finding;
        let server = case.map(|case| case.name);
        let named = |text: &&str| told_of(text, server.unwrap_or("mcpo"));
        let of_use = self.fix.iter().filter(|text| is_of_use(text, facts, case));
        fix.extend(of_use.map(named));
        if fix.is_empty() {
            fix.extend(self.fix.iter().map(named));
        }
        Issue {
            id: self.id,
            severity: severity.unwrap_or(self.severity),
            server: server.map(str::to_owned),
            what,
            since: since.map(words::epoch),
            evidence,
            cause,
            fix,
        }
    }
}

/// Advice that begins so is for servers over HTTP only.
const OF_A_URL: &str = "Of a URL: ";
/// Advice that begins so is for commands only.
const OF_A_COMMAND: &str = "Of a command: ";

/// A piece of advice for the upstream of that name. In a command, which somebody may copy, the name
/// is as a shell needs it.
fn told_of(text: &str, server: &str) -> String {
    let for_kind = text.strip_prefix(OF_A_URL).or_else(|| text.strip_prefix(OF_A_COMMAND));
    let mut chars = for_kind.unwrap_or(text).chars();
    let first = chars.next().map(|first| first.to_ascii_uppercase());
    let text: String = first.into_iter().chain(chars).collect();
    text.replace(" {server}`", &format!(" {}`", words::shell_word(server)))
        .replace("{server}", server)
}

/// Whether a piece of advice is for such an upstream, and can be followed where nothing runs.
fn is_of_use(text: &str, facts: &Facts, case: Option<&Case<'_>>) -> bool {
    let is_process = case.is_some_and(Case::is_process);
    let is_for_other = text.starts_with(if is_process { OF_A_URL } else { OF_A_COMMAND });
    let needs_one_that_runs = text.contains("`mcpo admin ");
    !is_for_other && (facts.picture.is_some() || !needs_one_that_runs)
}
