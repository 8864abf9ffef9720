//! What an HTTP status says: what failed, and whether the upstream can have acted.

use mcpo_core::fault::FaultKind;
use mcpo_mcp::error::RpcError;
use mcpo_mcp::frame::METHOD_NOT_FOUND;

use super::text;

/// MCP 2026-07-28: the version is not spoken here.
const UNSUPPORTED_VERSION: i64 = -32022;

/// An HTTP status that is no success, as it came.
#[derive(Debug, Clone, Copy)]
pub(super) struct Refusal<'a> {
    pub(super) status: u16,
    pub(super) body: &'a str,
    pub(super) rpc: Option<&'a RpcError>,
    pub(super) had_session: bool,
}

/// Whether the upstream can have acted on a request that was refused so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Acted {
    /// Certainly not.
    No,
    /// Certainly not, since it had no room for it.
    NotNow,
    /// Nobody can know.
    Maybe,
    /// The JSON-RPC error in the body is its answer to the request.
    Answered,
}

/// Decides by the status first. Texts decide only where one status stands for two different
/// things, and each of them comes from a file in `corpus/`.
pub(super) fn read(refusal: Refusal<'_>) -> (FaultKind, Acted) {
    use FaultKind as F;
    if loses_session(refusal) {
        return (F::SessionLost, Acted::No);
    }
    let Refusal { status, body, rpc, .. } = refusal;
    match status {
        401 | 402 | 403 | 407 => (F::Unauthorized, Acted::No),
        // A server that gave up on its own work says so as well, but then in JSON-RPC. Without,
        // the request did not come whole (RFC 9110, section 15.5.9).
        408 if rpc.is_some() => (F::Timeout, Acted::Maybe),
        408 => (F::Timeout, Acted::No),
        425 | 429 => (F::Throttled, Acted::NotNow),
        400..=499 if rpc.is_some() => (F::Nonsense, Acted::Answered),
        // Nothing is there (any more, or yet): gateways say so while what is behind them restarts.
        404 | 410 => (F::Unreachable, Acted::No),
        // Refused before anybody looked at what is asked, and so it will be the next time. 303 is
        // not among them: it may follow what was done.
        301 | 302 | 307 | 308 | 405 | 406 | 411 | 413 | 414 | 415 | 417 | 421 | 426 | 428 | 431
        | 501 | 505 => (F::Nonsense, Acted::No),
        500..=599 => read_server_error(status, body, rpc),
        _others => (F::Nonsense, Acted::Maybe),
    }
}

fn read_server_error(status: u16, body: &str, rpc: Option<&RpcError>) -> (FaultKind, Acted) {
    use FaultKind as F;
    match status {
        // Whoever answers in JSON-RPC has read the request.
        _any if rpc.is_some() => (F::ServerError, Acted::Maybe),
        // Cloudflare: no connection, no way, no TLS, no tunnel to the origin.
        521 | 523 | 525 | 526 | 530 => (F::Unreachable, Acted::No),
        // Cloudflare: no connection in time, or nothing acknowledged on one.
        522 => (F::Unreachable, Acted::Maybe),
        // Some network wants a login first (RFC 6585).
        511 => (F::Unreachable, Acted::No),
        502..=504 if text::says_unreached(body) => (F::Unreachable, Acted::No),
        503 if !text::says_cut_off(body) => (F::Throttled, Acted::NotNow),
        _others => (F::ServerError, Acted::Maybe),
    }
}

/// Whether the upstream says that it does not know our session, or not as ours, or that it speaks
/// another version than the one agreed on: a new handshake settles each of these.
fn loses_session(refusal: Refusal<'_>) -> bool {
    let Refusal { status, body, rpc, had_session } = refusal;
    let code = rpc.map(|error| error.code);
    let words = rpc.map_or(body, |error| &error.message);
    let names = || rpc.map_or_else(|| text::names_session(body), text::error_names_session);
    match status {
        400 if code == Some(UNSUPPORTED_VERSION) => true,
        400 if text::names_version(code, words) => true,
        // Older Rust servers say so of a session that they do not know.
        401 => had_session && names(),
        403 => had_session && text::names_other_user(words),
        404 | 410 if had_session => code != Some(METHOD_NOT_FOUND),
        400 | 404 | 409 | 410 | 422 => names(),
        _others => false,
    }
}
