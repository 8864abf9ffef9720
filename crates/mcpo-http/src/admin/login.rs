//! `/admin/login` and `/admin/logout`: who shows the key once need not show it again for a while.

use std::net::IpAddr;

use http::header::{HeaderValue, SET_COOKIE};
use http::request::Parts;
use serde::Deserialize;
use serde_json::json;

use super::guard;
use crate::access::{Gate, WRONG_KEY};
use crate::answer::{Answer, json as told};
use crate::login::{LOGIN_TIME_MAX, Logins, cookie};
use crate::problem::Problem;
use crate::shown::Shown;

/// What is sent to log in.
#[derive(Deserialize)]
struct Sent {
    key: String,
}

/// Where there is a key anybody may show it from our own origin; else there is nothing to show, and
/// whoever may come in at all may be told so.
pub(super) fn admit(gate: &Gate, parts: &Parts, peer: IpAddr) -> Result<(), Problem> {
    if gate.needs_key() {
        guard::refuse_other_sites(parts)
    } else {
        guard::admit(gate, parts, peer)
    }
}

/// Takes a key for a login.
///
/// # Errors
/// When it is not the key, or too many wrong ones were shown of late.
pub(super) fn begin(
    gate: &Gate,
    parts: &Parts,
    body: &[u8],
    path: &str,
) -> Result<Answer, Problem> {
    let Some(logins) = gate.logins() else { return Ok(told(&json!({"key_needed": false}))) };
    let Sent { key } = serde_json::from_slice(body).map_err(|_| Problem::BadLogin)?;
    logins.attempt()?;
    if !gate.is_key(&key) {
        return Err(Problem::WrongCredentials { why: WRONG_KEY });
    }
    let seconds = LOGIN_TIME_MAX.as_secs();
    let answer = told(&json!({"key_needed": true, "expires_in_seconds": seconds}));
    Ok(with_cookie(answer, &cookie(&logins.begin(), path, Shown::from(parts))))
}

/// Ends the login that is shown, if any.
pub(super) fn end(gate: &Gate, parts: &Parts, path: &str) -> Answer {
    let shown = Shown::from(parts);
    gate.logins().into_iter().for_each(|logins: &Logins| logins.end(shown));
    with_cookie(told(&json!({"key_needed": gate.needs_key()})), &cookie("", path, shown))
}

fn with_cookie(mut answer: Answer, cookie: &str) -> Answer {
    // The path is the operator's; one that no header can carry gives no login.
    if let Ok(mut value) = HeaderValue::from_str(cookie) {
        value.set_sensitive(true);
        answer.headers_mut().insert(SET_COOKIE, value);
    }
    answer
}
