//! Which transport and era an upstream speaks. Asked anew for each connection: it costs one
//! request, and an upstream that was replaced is found out by itself.

use std::time::Duration;

use tokio::time::Instant;

use crate::endpoint::{self, Era, HttpTransport};
use crate::error::{Cause, RpcError};
use crate::http::peer::Peer;
use crate::http::streamable::{self, Opened};
use crate::http::{HttpConnected, legacy_sse};
use crate::protocol;
use crate::session::ConnectOptions;

/// MCP 2026-07-28, basic: header mismatch and missing capability. Only modern upstreams say so.
const MODERN_ONLY: [i64; 2] = [-32020, -32021];

/// Connects as configured, and otherwise where the answers lead: the two transports are mistaken
/// for each other often.
pub(crate) async fn connect(
    endpoint: &endpoint::Http,
    options: &ConnectOptions,
) -> Result<HttpConnected, Cause> {
    match endpoint.transport {
        HttpTransport::Streamable => match streamable(endpoint, options).await {
            Err(cause) if is_not_here(&cause) && options.era != Era::Modern => {
                // Where neither is, what was configured tells more.
                legacy_sse::connect(peer(endpoint)?, options).await.map_err(|_| cause)
            }
            connected => connected,
        },
        HttpTransport::Sse => match legacy_sse::connect(peer(endpoint)?, options).await {
            Err(cause) if is_not_here(&cause) || matches!(cause, Cause::Malformed(_)) => {
                streamable(endpoint, options)
                    .await
                    .map_err(|other| if is_not_here(&other) { cause } else { other })
            }
            connected => connected,
        },
    }
}

async fn streamable(
    endpoint: &endpoint::Http,
    options: &ConnectOptions,
) -> Result<HttpConnected, Cause> {
    match options.era {
        Era::Legacy => {}
        Era::Modern => {
            return match streamable::discover(peer(endpoint)?, options, options.deadline).await {
                Ok(Opened::Modern(connected)) => Ok(*connected),
                Ok(Opened::LegacyOnly) => Err(Cause::Unsupported(format!(
                    "the upstream does not list version {}",
                    protocol::MODERN
                ))),
                Err(error) => Err(error.cause),
            };
        }
        Era::Auto => {
            match streamable::discover(peer(endpoint)?, options, part_of(options.deadline)).await {
                Ok(Opened::Modern(connected)) => return Ok(*connected),
                Ok(Opened::LegacyOnly) => {}
                Err(error) if is_final(&error.cause) => return Err(error.cause),
                Err(error) => {
                    tracing::debug!(%error, "no answer to server/discover; trying initialize");
                }
            }
        }
    }
    streamable::initialize(peer(endpoint)?, options).await.map_err(|error| error.cause)
}

fn peer(endpoint: &endpoint::Http) -> Result<Peer, Cause> {
    Peer::new(&endpoint.url, &endpoint.headers)
}

/// Some legacy upstreams stay silent when asked something modern: `initialize` keeps its time.
fn part_of(deadline: Instant) -> Instant {
    let now = Instant::now();
    now + deadline.saturating_duration_since(now) / 3
}

/// Whether `initialize` would fare no better, or must not be tried since a modern upstream spoke.
/// 500, 501 and 505 are not among them: some legacy upstreams stumble over what they do not know.
fn is_final(cause: &Cause) -> bool {
    let is_modern =
        |error: &RpcError| MODERN_ONLY.contains(&error.code) || protocol::offers_modern(error);
    match cause {
        Cause::Connect { .. } => true,
        Cause::Refused { error, .. } => is_modern(error),
        Cause::Status { status, rpc, .. } => {
            rpc.as_ref().is_some_and(is_modern)
                || matches!(status, 401 | 403 | 407 | 408 | 425 | 429 | 502..=504 | 506..=599)
        }
        Cause::Start { .. }
        | Cause::Exited { .. }
        | Cause::Broken(_)
        | Cause::Deadline
        | Cause::Silent { .. }
        | Cause::Malformed(_)
        | Cause::TooLarge { .. }
        | Cause::Unsupported(_)
        | Cause::Full { .. }
        | Cause::Closed => false,
    }
}

/// Statuses that say that this transport is not spoken here.
fn is_not_here(cause: &Cause) -> bool {
    matches!(cause, Cause::Status { status: 400 | 404 | 405 | 406, .. })
}

/// How long an `endpoint` event is waited for: a Streamable HTTP upstream may answer the GET with
/// a stream on which it never comes.
pub(crate) fn endpoint_wait(deadline: Instant) -> Duration {
    part_of(deadline).saturating_duration_since(Instant::now())
}
