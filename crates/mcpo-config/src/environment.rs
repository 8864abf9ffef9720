//! The environment of this process, read once, here and nowhere else, and what of it a child
//! gets.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use crate::server::{ChildEnvironment, InheritEnv};

/// Variables that are ours begin so; they hold our own keys, so a child never inherits them.
pub(crate) const OURS: &str = "MCPO_";

/// What a child inherits even where it inherits only by name: hardly a program starts without
/// these (the list of the MCP SDKs, with the language and the place for temporary files).
const ALWAYS_INHERITED: [&str; 8] =
    ["HOME", "LANG", "LOGNAME", "PATH", "SHELL", "TERM", "TMPDIR", "USER"];

/// Variables with where they came from settled: the `.env` file gives way to this process's
/// environment, and that to `--env`. No `Debug`, for it is full of secrets.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Environment(BTreeMap<OsString, OsString>);

/// The value of one of this process's variables; an empty one counts as not set. For commands that
/// need no more than that; a configuration is read as a whole.
#[must_use]
pub fn variable(name: &str) -> Option<String> {
    Environment::of_this_process().get(name)
}

impl Environment {
    /// The environment of this process as it is now.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that reads the environment"
    )]
    pub(crate) fn of_this_process() -> Self {
        Self(std::env::vars_os().collect())
    }

    /// An environment of these variables.
    #[cfg(test)]
    pub(crate) fn of(variables: &[(&str, &str)]) -> Self {
        Self(variables.iter().map(|(name, value)| (name.into(), value.into())).collect())
    }

    /// Sets a variable, also where it has a value already.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.0.insert(name.into(), value.into());
    }

    /// Sets a variable unless it has a value already.
    pub(crate) fn set_if_missing(&mut self, name: &str, value: &str) {
        self.0.entry(name.into()).or_insert_with(|| value.into());
    }

    /// The value of a variable; an empty one counts as not set, as is usual with containers.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        let value = self.0.get(OsStr::new(name))?;
        Some(value.to_string_lossy().into_owned()).filter(|value| !value.is_empty())
    }

    /// Whether a variable is there, if only empty.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(OsStr::new(name))
    }

    /// The names that can be text.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().filter_map(|name| name.to_str())
    }

    /// What a child starts with: what it inherits, then its own variables over that.
    pub(crate) fn for_child(
        &self,
        inherit: &InheritEnv,
        own: Vec<(String, String)>,
    ) -> ChildEnvironment {
        let inherited = self.0.iter().filter(|(name, _)| is_inherited(name, inherit));
        let inherited = inherited.map(|(name, value)| (name.clone(), value.clone()));
        ChildEnvironment::new(
            inherited.chain(own.into_iter().map(|(name, value)| (name.into(), value.into()))),
        )
    }
}

fn is_inherited(name: &OsStr, inherit: &InheritEnv) -> bool {
    if name.as_encoded_bytes().starts_with(OURS.as_bytes()) {
        return false;
    }
    match inherit {
        InheritEnv::All => true,
        InheritEnv::Named(names) => {
            ALWAYS_INHERITED.iter().any(|always| name == *always)
                || names.iter().any(|named| name == named.as_str())
        }
    }
}
