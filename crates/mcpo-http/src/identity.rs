//! For whom a downstream calls, where the operator has named the header that says so.

use http::{HeaderMap, HeaderName};
use mcpo_core::identity::Identity;

use crate::problem::Problem;

/// The longest name: an e-mail address has 254 bytes at most (RFC 5321, 4.5.3.1.3), ids fewer.
pub(crate) const IDENTITY_BYTES_MAX: usize = 256;

/// The name that the header says. Whoever says none calls for [`Identity::COMMON`].
///
/// # Errors
/// The header is there and says no name, or too long a one, or it is there twice.
pub(crate) fn identity(
    header: Option<&HeaderName>,
    headers: &HeaderMap,
) -> Result<Identity, Problem> {
    let Some(header) = header else { return Ok(Identity::COMMON) };
    let mut all = headers.get_all(header).iter();
    let Some(sent) = all.next() else { return Ok(Identity::COMMON) };
    // Of two nobody knows which is meant: a proxy may have added its own to that of a caller.
    let only = all.next().is_none().then_some(sent);
    let name = only.and_then(|sent| std::str::from_utf8(sent.as_bytes()).ok()).map(str::trim);
    let fits = name.filter(|name| (1..=IDENTITY_BYTES_MAX).contains(&name.len()));
    fits.map(Identity::named).ok_or_else(|| Problem::BadIdentity { header: header.clone() })
}

#[cfg(test)]
mod tests;
