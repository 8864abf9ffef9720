//! The rules, as data.

use crate::alerts::Severity;

/// One rule.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// Its stable name.
    pub id: &'static str,
    /// How bad it usually is.
    pub severity: Severity,
    /// In a few words.
    pub title: &'static str,
    /// When it applies, in words.
    pub when: &'static str,
    /// What a person can do, the likeliest first; `{server}` stands for the upstream's name.
    pub fix: &'static [&'static str],
    /// Which other issues of the same upstream it explains, so that they are not told.
    pub explains: &'static [&'static str],
}

/// All rules, in the order in which they are told where they are equally bad.
pub const RULES: &[Rule] = &[];
