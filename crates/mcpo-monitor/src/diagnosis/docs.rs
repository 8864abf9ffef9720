//! The page about the rules, made from them.

use super::RULES;

/// `docs/diagnostics.md`, whole.
#[must_use]
pub fn page() -> String {
    let titles = RULES.iter().map(|rule| format!("- `{}`: {}\n", rule.id, rule.title));
    format!("# Diagnostics\n\n{}", titles.collect::<String>())
}
