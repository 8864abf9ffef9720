//! What stands behind the `?` of a path for operators. An unknown name is an error: a misspelt one
//! would give another answer than the one that was asked for.

use std::time::{Duration, SystemTime};

use percent_encoding::percent_decode_str;

use crate::problem::Problem;

/// Names and values.
#[derive(Debug)]
pub(crate) struct Query(Vec<(String, String)>);

// === impl Query ===

impl Query {
    /// Reads a query that may name these.
    pub(crate) fn read(query: Option<&str>, known: &[&str]) -> Result<Self, Problem> {
        let pieces = query.unwrap_or_default().split('&').filter(|piece| !piece.is_empty());
        let mut pairs = Vec::new();
        for piece in pieces {
            let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
            let (name, value) = (decoded(name), decoded(value));
            if !known.contains(&name.as_str()) {
                return Err(bad(match known {
                    [] => format!("`{name}` is not known here, nothing is"),
                    known => format!("`{name}` is not known here, only {}", known.join(", ")),
                }));
            }
            pairs.push((name, value));
        }
        Ok(Self(pairs))
    }

    /// The value of that name, the last one if there are several.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A whole number.
    pub(crate) fn number(&self, name: &str) -> Result<Option<u64>, Problem> {
        let number =
            |text: &str| text.parse().map_err(|_| bad(format!("`{name}` must be a whole number")));
        self.text(name).map(number).transpose()
    }

    /// A point in time: seconds since the Unix epoch or, below zero, before now.
    pub(crate) fn moment(
        &self,
        name: &str,
        now: SystemTime,
    ) -> Result<Option<SystemTime>, Problem> {
        let moment = |text: &str| {
            let seconds = text.parse::<f64>().ok().filter(|seconds| seconds.is_finite());
            let length = |seconds| Duration::try_from_secs_f64(seconds).ok();
            let moment = match seconds {
                // Before 1970 nobody has measured anything.
                Some(ago) if ago < 0.0 => length(-ago).map(|ago| {
                    now.checked_sub(ago)
                        .unwrap_or(SystemTime::UNIX_EPOCH)
                        .max(SystemTime::UNIX_EPOCH)
                }),
                Some(seconds) => {
                    length(seconds).and_then(|since| SystemTime::UNIX_EPOCH.checked_add(since))
                }
                None => None,
            };
            moment.ok_or_else(|| {
                bad(format!("`{name}` must be seconds since 1970 or, below 0, before now"))
            })
        };
        self.text(name).map(moment).transpose()
    }

    /// A length of time in seconds, above zero and at most that.
    pub(crate) fn seconds(&self, name: &str, most: Duration) -> Result<Option<Duration>, Problem> {
        let seconds = |text: &str| {
            let length = text.parse().ok().and_then(|long| Duration::try_from_secs_f64(long).ok());
            length.filter(|length| !length.is_zero() && *length <= most).ok_or_else(|| {
                let most = most.as_secs();
                bad(format!("`{name}` must be a number of seconds above 0, at most {most}"))
            })
        };
        self.text(name).map(seconds).transpose()
    }
}

fn decoded(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

const fn bad(why: String) -> Problem {
    Problem::BadQuery { why }
}

#[cfg(test)]
mod tests;
