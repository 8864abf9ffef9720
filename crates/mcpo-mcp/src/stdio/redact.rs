//! Keeps the secrets that a child was given in its environment out of what it says.

use std::borrow::Cow;
use std::ffi::OsString;

use memchr::memmem::Finder;

/// Shorter values are more often ordinary words than secrets.
const SECRET_BYTES_MIN: usize = 8;
/// What stands for a secret.
const MASK: &str = "***";
/// Variables that hold no secrets, and whose values are needed to understand an error.
const OPEN_NAMES: [&str; 22] = [
    "PATH",
    "HOME",
    "PWD",
    "OLDPWD",
    "SHELL",
    "USER",
    "LOGNAME",
    "HOSTNAME",
    "LANG",
    "LANGUAGE",
    "TERM",
    "COLORTERM",
    "TMPDIR",
    "TEMP",
    "TZ",
    "EDITOR",
    "NODE_PATH",
    "NODE_ENV",
    "NODE_OPTIONS",
    "PYTHONPATH",
    "VIRTUAL_ENV",
    "LOG_LEVEL",
];
/// The same, for families of variables.
const OPEN_PREFIXES: [&str; 2] = ["LC_", "XDG_"];

/// Finds the values of one environment in text.
#[derive(Debug)]
pub(super) struct Redactor {
    /// The longest first, so that no part of it is found before it.
    secrets: Vec<Finder<'static>>,
}

impl Redactor {
    pub(super) fn new(environment: &[(OsString, OsString)]) -> Self {
        let guarded = environment.iter().filter(|(name, _)| !is_open(&name.to_string_lossy()));
        // What spans lines (a private key) shows line by line.
        let mut values: Vec<String> = guarded
            .flat_map(|(_, value)| {
                value
                    .to_string_lossy()
                    .lines()
                    .map(|line| line.trim().to_owned())
                    .collect::<Vec<_>>()
            })
            .filter(|value| value.len() >= SECRET_BYTES_MIN)
            .collect();
        values.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
        values.dedup();
        Self { secrets: values.iter().map(|value| Finder::new(value).into_owned()).collect() }
    }

    pub(super) fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut text = Cow::Borrowed(text);
        for secret in &self.secrets {
            if secret.find(text.as_bytes()).is_some() {
                let secret = String::from_utf8_lossy(secret.needle());
                text = Cow::Owned(text.replace(secret.as_ref(), MASK));
            }
        }
        text
    }
}

fn is_open(name: &str) -> bool {
    OPEN_NAMES.contains(&name) || OPEN_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests;
