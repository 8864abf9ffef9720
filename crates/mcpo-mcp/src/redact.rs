//! Keeps the secrets that an upstream was given (a child's environment, an address, headers) out
//! of what is told of it: servers like to repeat a token that they refuse.

use std::borrow::Cow;
use std::ffi::OsString;

use memchr::memmem::Finder;
use percent_encoding::percent_decode_str;
use serde_json::value::RawValue;
use url::Url;

use crate::endpoint::{Endpoint, Http};
use crate::error::{Cause, RpcError};

/// Shorter values are more often ordinary words than secrets.
const SECRET_BYTES_MIN: usize = 8;
/// Parts of a path that are shorter are names; tokens (Zapier, Composio) are longer.
const PATH_SECRET_BYTES_MIN: usize = 16;
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

/// Finds the secrets of one upstream in text.
pub struct Redactor {
    /// The longest first, so that no part of it is found before it.
    secrets: Vec<Finder<'static>>,
}

impl Redactor {
    /// The secrets of one upstream, as far as its endpoint holds them.
    #[must_use]
    pub fn of(endpoint: &Endpoint) -> Self {
        match endpoint {
            Endpoint::Stdio(stdio) => Self::new(&stdio.environment),
            Endpoint::Http(http) => Self::of_http(http),
            // Its own secrets are its own care.
            Endpoint::Custom(_) => Self { secrets: Vec::new() },
        }
    }

    pub(crate) fn new(environment: &[(OsString, OsString)]) -> Self {
        let guarded = environment.iter().filter(|(name, _)| !is_open(&name.to_string_lossy()));
        // What spans lines (a private key) shows line by line.
        Self::of_values(guarded.flat_map(|(_, value)| {
            value.to_string_lossy().lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>()
        }))
    }

    /// The values of headers, each also without the scheme in front of it, and of the address all
    /// but scheme, host, port and short parts of the path; as written and as meant.
    fn of_http(http: &Http) -> Self {
        let mut values: Vec<String> = Vec::new();
        for value in http.headers.values() {
            let value = String::from_utf8_lossy(value.as_bytes());
            values.extend(value.split_once(' ').map(|(_, token)| token.trim().to_owned()));
            values.push(value.into_owned());
        }
        values.extend(of_address(&http.url));
        Self::of_values(values.into_iter())
    }

    /// Secrets that are known by themselves; those that are too short to be told from words are
    /// left out.
    pub fn of_values(values: impl Iterator<Item = String>) -> Self {
        let mut values: Vec<_> = values.filter(|value| value.len() >= SECRET_BYTES_MIN).collect();
        values.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
        values.dedup();
        Self { secrets: values.iter().map(|value| Finder::new(value).into_owned()).collect() }
    }

    /// The text with `***` for every secret.
    #[must_use]
    pub fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut text = Cow::Borrowed(text);
        for secret in &self.secrets {
            if secret.find(text.as_bytes()).is_some() {
                let secret = String::from_utf8_lossy(secret.needle());
                text = Cow::Owned(text.replace(secret.as_ref(), MASK));
            }
        }
        text
    }

    /// The same cause without the secrets in what the upstream said. Our own words stay.
    pub(crate) fn redact_cause(&self, cause: Cause) -> Cause {
        let text = |text: String| self.redact(&text).into_owned();
        match cause {
            Cause::Connect { stage, reason } => Cause::Connect { stage, reason: text(reason) },
            Cause::Broken(reason) => Cause::Broken(text(reason)),
            Cause::Malformed(reason) => Cause::Malformed(text(reason)),
            Cause::Unsupported(reason) => Cause::Unsupported(text(reason)),
            Cause::Refused { method, error } => {
                Cause::Refused { method, error: self.redact_error(error) }
            }
            Cause::Status { status, retry_after, body, rpc, had_session } => {
                let rpc = rpc.map(|error| self.redact_error(error));
                Cause::Status { status, retry_after, body: text(body), rpc, had_session }
            }
            // A child's last words come without secrets already.
            same @ (Cause::Start { .. }
            | Cause::Exited { .. }
            | Cause::Deadline
            | Cause::Silent { .. }
            | Cause::TooLarge { .. }
            | Cause::Full { .. }
            | Cause::Closed) => same,
        }
    }

    fn redact_error(&self, error: RpcError) -> RpcError {
        let RpcError { code, message, data } = error;
        let data = data.and_then(|data| match self.redact(data.get()) {
            Cow::Borrowed(_) => Some(data),
            // Where the mask broke the JSON there was nothing but the secret to be told.
            Cow::Owned(masked) => RawValue::from_string(masked).ok(),
        });
        RpcError { code, message: self.redact(&message).into_owned(), data }
    }
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Redactor").field(&self.secrets.len()).finish()
    }
}

/// What may be secret of an address.
fn of_address(url: &Url) -> Vec<String> {
    let mut written: Vec<&str> = url.password().into_iter().chain([url.username()]).collect();
    written.extend(url.query().into_iter().flat_map(|query| query.split(['&', '='])));
    let parts = url.path_segments().into_iter().flatten();
    written.extend(parts.filter(|part| part.len() >= PATH_SECRET_BYTES_MIN));
    let meant = |text: &&str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let meant: Vec<_> = written.iter().map(meant).collect();
    written.into_iter().map(str::to_owned).chain(meant).collect()
}

fn is_open(name: &str) -> bool {
    OPEN_NAMES.contains(&name) || OPEN_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests;
