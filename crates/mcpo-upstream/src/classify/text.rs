//! What the words of an error mean. Each list comes from what real servers and gateways were seen
//! to say; the files in `corpus/` hold them.

use mcpo_mcp::error::RpcError;

/// Codes that servers use for a session that they do not know. They also stand for other things,
/// so the message must name the session as well.
const SESSION_CODES: [i64; 4] = [-32000, -32001, -32600, -32002];

/// What mcp-go says over HTTP+SSE, with the code of wrong arguments. A tool may have an argument
/// of that name, so nothing but the whole message counts.
const SESSION_MESSAGES: [&str; 2] = ["Invalid session ID", "Missing sessionId"];

/// What is said of a session that is of no use; each stands beside the word "session".
const SESSION_TROUBLE: [&str; 16] = [
    "no valid",
    "not found",
    "not find",
    "invalid",
    "expired",
    "unknown",
    "missing",
    "terminated",
    "required",
    "must be provided",
    "closed",
    "closing",
    "does not exist",
    "no longer",
    "by an initialize request",
    "not supported in stateless mode",
];

/// The same in words that do without "session". A server that has been initialized already knows
/// one session only, and not ours.
const INITIALIZATION_TROUBLE: [&str; 5] = [
    "server not initialized",
    "not been initialized",
    "already initialized",
    "only one initialization request",
    "expect initialize request",
];

/// Gateways that had nobody to give the request to: Envoy, HAProxy, Traefik, ngrok.
const UNREACHED: [&str; 7] = [
    "no healthy upstream",
    "reset reason: connection failure",
    "reset reason: remote connection failure",
    "reset reason: local connection failure",
    "no server is available to handle this request",
    "no available server",
    "err_ngrok_8012",
];

/// Gateways that answer 503 where others answer 502 or 504: they may have given the request away
/// before it went wrong. Envoy, Varnish, Heroku.
const CUT_OFF: [&str; 3] =
    ["reset before headers", "backend fetch failed", "error-pages/application-error.html"];

/// Whether a JSON-RPC error says that the upstream does not know our session.
pub(super) fn error_names_session(error: &RpcError) -> bool {
    SESSION_MESSAGES.contains(&error.message.as_str())
        || SESSION_CODES.contains(&error.code) && names_session(&error.message)
}

/// Whether a text says so.
pub(super) fn names_session(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    text.contains("session") && says(&text, &SESSION_TROUBLE)
        || says(&text, &INITIALIZATION_TROUBLE)
}

/// Whether the session is said to belong to other credentials than those that we show now.
pub(super) fn names_other_user(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    text.contains("session") && says(&text, &["mismatch", "does not match"])
}

/// Whether the version that was agreed on is refused. The code is `None` where there is only text.
pub(super) fn names_version(code: Option<i64>, text: &str) -> bool {
    matches!(code, None | Some(-32000 | -32600))
        && text.to_ascii_lowercase().contains("unsupported protocol version")
}

/// Whether a gateway says that it found nobody to give the request to.
pub(super) fn says_unreached(body: &str) -> bool {
    says(&body.to_ascii_lowercase(), &UNREACHED)
}

/// Whether a gateway says, or cannot deny, that it had given the request away already.
pub(super) fn says_cut_off(body: &str) -> bool {
    let body = body.to_ascii_lowercase();
    // Envoy's own breaker: it gave nothing away.
    says(&body, &CUT_OFF) && !body.contains("reset reason: overflow")
}

fn says(text: &str, words: &[&str]) -> bool {
    words.iter().any(|word| text.contains(word))
}
