//! Who may come in. Answers as the original does, case by case, but under strict authentication:
//! Basic works for tool calls, too, and browsers understand that they may ask for it.

use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use mcpo_config::Access;
use subtle::ConstantTimeEq;

use crate::problem::Problem;

const MISSING: &str = "Missing or invalid Authorization header";
const WRONG_KEY: &str = "Invalid API key";

/// Checks credentials.
#[derive(Debug)]
pub(crate) struct Gate {
    access: Access,
}

/// Some clients leave the padding out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

impl Gate {
    pub(crate) const fn new(access: Access) -> Self {
        Self { access }
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
    pub(crate) fn call(&self, headers: &HeaderMap) -> Result<(), Problem> {
        match &self.access.api_key {
            None => Ok(()),
            Some(key) if self.access.strict => strict(key.expose(), headers),
            Some(key) => lax(key.expose(), headers),
        }
    }

    /// Whether somebody has shown that they are an operator, where there is a key: as Bearer or as
    /// Basic, strict or not.
    pub(crate) fn admin(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let Some(key) = &self.access.api_key else { return Ok(()) };
        lax(key.expose(), headers).or_else(|_| strict(key.expose(), headers))
    }

    /// Whether anything else may be seen.
    pub(crate) fn look(&self, headers: &HeaderMap) -> Result<(), Problem> {
        if self.is_strict() { self.call(headers) } else { Ok(()) }
    }
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
