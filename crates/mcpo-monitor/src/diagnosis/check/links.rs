//! The links on the way to an upstream, in words.

use mcpo_config::{Endpoint, Http, Server};
use mcpo_core::fault::{Fault, FaultKind, Stage};
use url::Host;

/// The links up to the one that is broken, for a session that did not come about or was lost.
/// `status` is how its process ended, where it did.
pub(in super::super) fn broken_links(
    server: &Server,
    fault: &Fault,
    status: Option<&str>,
) -> Vec<String> {
    match &server.endpoint {
        Endpoint::Stdio(_) => of_command(fault, status),
        Endpoint::Http(http) => of_address(http, fault),
    }
}

/// What a kind of fault is called as a link.
pub(in super::super) const fn chain_words(kind: FaultKind) -> &'static str {
    match kind {
        FaultKind::Unreachable => "nothing is there",
        FaultKind::NotStartable => "cannot be started",
        FaultKind::Disconnected => "the connection was closed",
        FaultKind::Timeout => "no answer in time",
        FaultKind::ServerError => "an internal error",
        FaultKind::SessionLost => "the session is not known",
        FaultKind::Throttled => "\"not now\"",
        FaultKind::Unauthorized => "credentials refused",
        FaultKind::Nonsense => "not MCP",
        FaultKind::Overloaded => "no room",
        FaultKind::Stopping => "being stopped",
        FaultKind::Held => "held",
        FaultKind::BreakerOpen => "the breaker is open",
    }
}

/// All links up to a session.
pub(super) fn connected(server: &Server) -> Vec<String> {
    let mut links = match &server.endpoint {
        Endpoint::Stdio(_) => started(),
        Endpoint::Http(http) => secured(http),
    };
    links.push("handshake ok".to_owned());
    links
}

fn of_command(fault: &Fault, status: Option<&str>) -> Vec<String> {
    if fault.kind == FaultKind::NotStartable {
        return vec!["command cannot be started".to_owned()];
    }
    let mut links = started();
    links.push(match (fault.kind, status) {
        (FaultKind::Disconnected, Some(status)) => format!("process ended ({status})"),
        (FaultKind::Disconnected, None) => "process ended".to_owned(),
        (kind, _) => format!("handshake: {}", chain_words(kind)),
    });
    links
}

fn of_address(http: &Http, fault: &Fault) -> Vec<String> {
    if fault.kind == FaultKind::Unreachable
        && let Some(stage) = fault.stage
    {
        return unreached(http, stage);
    }
    let mut links = secured(http);
    links.push(format!("handshake: {}", chain_words(fault.kind)));
    links
}

fn unreached(http: &Http, stage: Stage) -> Vec<String> {
    let mut links = named(http);
    match stage {
        Stage::Name => links = vec!["dns failed".to_owned()],
        Stage::Refused => links.push("tcp refused".to_owned()),
        Stage::Route => links.push("tcp no answer".to_owned()),
        Stage::Tls => links.extend(["tcp ok".to_owned(), "tls failed".to_owned()]),
        Stage::Other => links.push("connection failed".to_owned()),
    }
    links
}

fn started() -> Vec<String> {
    vec!["command ok".to_owned(), "started".to_owned()]
}

/// An address that is a number needs no name to be found.
fn named(http: &Http) -> Vec<String> {
    match http.url.host() {
        Some(Host::Domain(_)) => vec!["dns ok".to_owned()],
        Some(Host::Ipv4(_) | Host::Ipv6(_)) | None => Vec::new(),
    }
}

fn secured(http: &Http) -> Vec<String> {
    let mut links = named(http);
    links.push("tcp ok".to_owned());
    if http.url.scheme() == "https" {
        links.push("tls ok".to_owned());
    }
    links
}
