//! Who may come in. Answers as the original does, case by case, but under strict authentication:
//! Basic works for tool calls, too, and browsers understand that they may ask for it. Who has logged
//! in on the dashboard has a cookie that stands for the key.

use std::sync::Arc;

use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use mcpo_config::Access;
use subtle::ConstantTimeEq;

use crate::login::{Login, Logins};
use crate::problem::Problem;
use crate::shown::Shown;

const MISSING: &str = "Missing or invalid Authorization header";
pub(crate) const WRONG_KEY: &str = "Invalid API key";
const NOT_OUR_PAGE: &str = "With a login of the dashboard only the dashboard itself may change \
     anything: send the header `x-mcpo-dashboard: 1`, or show the key";

/// Checks credentials.
#[derive(Debug)]
pub(crate) struct Gate {
    access: Access,
    logins: Option<Arc<Logins>>,
}

/// Some clients leave the padding out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

impl Gate {
    pub(crate) fn new(access: Access) -> Self {
        let logins = access.api_key.as_ref().map(|key| Arc::new(Logins::new(key.expose())));
        Self { access, logins }
    }

    /// Whether calls need a key.
    pub(crate) const fn needs_key(&self) -> bool {
        self.access.api_key.is_some()
    }

    /// Whether everything needs the key, not only calls.
    pub(crate) const fn is_strict(&self) -> bool {
        self.access.strict && self.access.api_key.is_some()
    }

    /// Whether a tool may be called.
    pub(crate) fn call(&self, shown: Shown<'_>) -> Result<(), Problem> {
        let checked = match &self.access.api_key {
            None => return Ok(()),
            Some(key) if self.access.strict => strict(key.expose(), shown.headers),
            Some(key) => lax(key.expose(), shown.headers),
        };
        checked.or_else(|problem| self.logged_in(shown, problem))
    }

    /// Whether somebody has shown that they are an operator, where there is a key: as Bearer or as
    /// Basic, strict or not, or by their login.
    pub(crate) fn admin(&self, shown: Shown<'_>) -> Result<(), Problem> {
        let Some(key) = &self.access.api_key else { return Ok(()) };
        lax(key.expose(), shown.headers)
            .or_else(|_| strict(key.expose(), shown.headers))
            .or_else(|problem| self.logged_in(shown, problem))
            .map_err(|problem| unasked(shown, problem))
    }

    /// Whether anything else may be seen.
    pub(crate) fn look(&self, shown: Shown<'_>) -> Result<(), Problem> {
        if self.is_strict() { self.call(shown) } else { Ok(()) }
    }

    /// Whether that is the key, where there is one.
    pub(crate) fn is_key(&self, shown: &str) -> bool {
        self.access.api_key.as_ref().is_some_and(|key| is_key(shown.as_bytes(), key.expose()))
    }

    /// Who has logged in; `None` where there is no key to show.
    pub(crate) fn logins(&self) -> Option<&Logins> {
        self.logins.as_deref()
    }

    /// The login by which an operator came in; `None` where the key was shown, or there is none.
    pub(crate) fn login_of(&self, shown: Shown<'_>) -> Option<Login> {
        let key = self.access.api_key.as_ref()?.expose();
        if lax(key, shown.headers).is_ok() || strict(key, shown.headers).is_ok() {
            return None;
        }
        self.logins.as_ref()?.login_of(shown)
    }

    /// A login stands for the key. Cookies are sent by browsers unasked: they count for nothing on
    /// behalf of other origins, and nothing is changed on behalf of a page that is not ours.
    fn logged_in(&self, shown: Shown<'_>, problem: Problem) -> Result<(), Problem> {
        if !self.logins.as_ref().is_some_and(|logins| logins.knows(shown)) {
            return Err(problem);
        }
        if shown.is_of_other_site() {
            return Err(problem);
        }
        if !shown.only_looks() && !shown.is_of_our_page() {
            return Err(Problem::Forbidden { why: NOT_OUR_PAGE });
        }
        Ok(())
    }
}

/// Browsers ask their users for a password where they are challenged for one, also when a script
/// asked that has its own way to ask.
fn unasked(shown: Shown<'_>, mut problem: Problem) -> Problem {
    if let Problem::NoCredentials { challenges, .. } = &mut problem
        && shown.is_of_script()
    {
        *challenges = &["Bearer"];
    }
    problem
}

fn lax(key: &str, headers: &HeaderMap) -> Result<(), Problem> {
    let missing = Problem::NoCredentials { why: MISSING, challenges: &["Bearer"] };
    let Some((scheme, token)) = sent(headers).and_then(|sent| split_at_blank(sent)) else {
        return Err(missing);
    };
    let token = token.trim_ascii();
    if !scheme.eq_ignore_ascii_case(b"bearer") || token.is_empty() {
        return Err(missing);
    }
    is_key(token, key).then_some(()).ok_or(Problem::WrongCredentials { why: WRONG_KEY })
}

fn strict(key: &str, headers: &HeaderMap) -> Result<(), Problem> {
    let challenges = &["Bearer", "Basic realm=\"mcpo\""];
    let unreadable = |why| Problem::NoCredentials { why, challenges };
    let sent = sent(headers).filter(|sent| !sent.is_empty()).ok_or_else(|| unreadable(MISSING))?;
    if let Some(token) = sent.strip_prefix(b"Bearer ") {
        return is_key(token, key)
            .then_some(())
            .ok_or(Problem::WrongCredentials { why: WRONG_KEY });
    }
    let Some(encoded) = sent.strip_prefix(b"Basic ") else {
        return Err(unreadable("Unsupported authorization method"));
    };
    let password =
        password_of(encoded).ok_or_else(|| unreadable("Invalid Basic Authentication format"))?;
    is_key(&password, key)
        .then_some(())
        .ok_or(Problem::WrongCredentials { why: "Invalid credentials" })
}

/// What stands behind the first colon; any user may come.
fn password_of(encoded: &[u8]) -> Option<Vec<u8>> {
    let decoded = BASE64.decode(encoded.trim_ascii()).ok()?;
    let colon = decoded.iter().position(|&byte| byte == b':')?;
    Some(decoded[colon + 1..].to_vec())
}

fn sent(headers: &HeaderMap) -> Option<&[u8]> {
    headers.get(AUTHORIZATION).map(http::HeaderValue::as_bytes)
}

fn split_at_blank(sent: &[u8]) -> Option<(&[u8], &[u8])> {
    let blank = sent.iter().position(|&byte| byte == b' ')?;
    Some((&sent[..blank], &sent[blank + 1..]))
}

/// Takes as long for a near miss as for a far one; only the length of the key can be timed.
fn is_key(token: &[u8], key: &str) -> bool {
    token.ct_eq(key.as_bytes()).into()
}

#[cfg(test)]
mod tests;
