//! The caller's name for a call, by which a repeated one is told from a new one
//! (draft-ietf-httpapi-idempotency-key-header).

use http::{HeaderMap, HeaderName};
use mcpo_policy::idempotency::KEY_BYTES_MAX;

use crate::problem::Problem;

pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
pub(crate) const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// The key, if there is one: in quotes, as the draft has it (RFC 9651, String), or bare, as most
/// clients send it.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut all = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(sent) = all.next() else { return Ok(None) };
    // Of two nobody knows which is meant.
    let only = all.next().is_none().then_some(sent);
    let key = only.and_then(|sent| sent.to_str().ok()).and_then(|sent| read(sent.trim()));
    let fits = key.filter(|key| (1..=KEY_BYTES_MAX).contains(&key.len()));
    fits.map(Some).ok_or(Problem::BadIdempotencyKey { bytes_max: KEY_BYTES_MAX })
}

fn read(sent: &str) -> Option<String> {
    let Some(inside) = sent.strip_prefix('"') else {
        let bare = sent.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"');
        return bare.then(|| sent.to_owned());
    };
    let mut key = String::with_capacity(inside.len());
    let mut rest = inside.chars();
    loop {
        match rest.next()? {
            // What stands behind the quote would be parameters, and none is known.
            '"' => return rest.next().is_none().then_some(key),
            '\\' => key.push(rest.next().filter(|next| matches!(next, '"' | '\\'))?),
            char @ ' '..='~' => key.push(char),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests;
