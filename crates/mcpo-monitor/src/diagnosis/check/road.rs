//! The way to an HTTP server as the system sees it: its name, and whether anybody listens there.

use std::io;
use std::net::SocketAddr;

use mcpo_core::fault::{Fault, FaultKind, Stage};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout_at};
use url::{Host, Url};

/// So many addresses of a name are tried, one after the other.
const ADDRESSES_MAX: usize = 4;

/// How far one comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Road {
    /// Somebody took the connection.
    Open,
    /// Nobody did, for this reason.
    Closed(Stage),
}

/// Looks the name up and connects, until the deadline at the latest; the connection is closed again
/// without a byte.
///
/// Cancel-safe: dropping it closes what was opened.
pub(super) async fn road(url: &Url, by: Instant) -> Road {
    let addresses = match timeout_at(by, addresses(url)).await {
        Ok(Ok(addresses)) if !addresses.is_empty() => addresses,
        Ok(_) | Err(_) => return Road::Closed(Stage::Name),
    };
    match timeout_at(by, connect(&addresses)).await {
        Ok(Ok(())) => Road::Open,
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
            Road::Closed(Stage::Refused)
        }
        Ok(Err(_)) | Err(_) => Road::Closed(Stage::Route),
    }
}

async fn addresses(url: &Url) -> io::Result<Vec<SocketAddr>> {
    let port = url.port_or_known_default().unwrap_or_default();
    match url.host() {
        Some(Host::Domain(name)) => {
            lookup_host((name, port)).await.map(|found| found.take(ADDRESSES_MAX).collect())
        }
        Some(Host::Ipv4(address)) => Ok(vec![SocketAddr::new(address.into(), port)]),
        Some(Host::Ipv6(address)) => Ok(vec![SocketAddr::new(address.into(), port)]),
        None => Ok(Vec::new()),
    }
}

async fn connect(addresses: &[SocketAddr]) -> io::Result<()> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(_open) => return Ok(()),
            Err(error) => last = error,
        }
    }
    Err(last)
}

// === impl Road ===

impl Road {
    /// Puts the stage into a fault that does not know it; whether it did. Behind a proxy the way is
    /// another one, so that it never contradicts what a connection met.
    pub(super) fn explains(self, fault: &mut Fault) -> bool {
        let is_vague = fault.kind == FaultKind::Timeout
            || fault.kind == FaultKind::Unreachable && fault.stage == Some(Stage::Other);
        match self {
            Self::Closed(stage) if is_vague => {
                fault.kind = FaultKind::Unreachable;
                fault.stage = Some(stage);
                true
            }
            Self::Closed(_) | Self::Open => false,
        }
    }
}
