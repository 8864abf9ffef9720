//! What a keeper must know of its upstream, made from the configuration.

use std::sync::Arc;
use std::time::Duration;

use mcpo_config::{Endpoint, Era, HttpKind, Server};
use mcpo_core::catalog::CatalogPolicy;
use mcpo_core::health::HealthPolicy;
use mcpo_core::life::LifePolicy;
use mcpo_core::load::ServerLoad;
use mcpo_core::pool::PoolPolicy;
use mcpo_mcp::endpoint;

use crate::gate::GatePolicy;

/// How upstreams are started, kept and ended.
#[derive(Debug, Clone)]
pub struct SupervisorOptions {
    /// How long a handshake may take; `None` takes [`STDIO_HANDSHAKE`] and [`HTTP_HANDSHAKE`].
    pub handshake_timeout: Option<Duration>,
    /// What an ending child is given after its stdin closed, and again after SIGTERM.
    pub close_grace: Duration,
    /// How long the calls under way on an upstream that was removed or replaced may still take.
    pub drain_timeout: Duration,
    /// Our own program with the arguments that make it a launcher of children that die with us.
    pub launcher: Option<endpoint::Launcher>,
    /// How fast a failing upstream is tried again.
    pub life: LifePolicy,
    /// What is done by itself about what breaks.
    pub recovery: Recovery,
    /// Where upstreams are instead of where their configuration says: for simulation and embedding.
    pub dialler: Option<Dialler>,
}

/// What is done by itself about what breaks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Recovery {
    /// Whether anything is. If not, nothing is probed, and a session that is lost is made again
    /// when a call asks for it.
    pub enabled: bool,
    /// When sessions are asked whether they live.
    pub health: HealthPolicy,
    /// When calls are let through, and how many may be sent again.
    pub gate: GatePolicy,
}

/// Says where an upstream is.
#[derive(Clone)]
pub struct Dialler(pub Arc<dyn Fn(&Server) -> endpoint::Endpoint + Send + Sync>);

/// A command may be `npx` or `uvx` that downloads its package first.
pub const STDIO_HANDSHAKE: Duration = Duration::from_secs(120);
/// A server over HTTP is there already, or it is not.
pub const HTTP_HANDSHAKE: Duration = Duration::from_secs(30);

/// All that a keeper must know of its upstream.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) name: String,
    pub(crate) endpoint: endpoint::Endpoint,
    pub(crate) era: endpoint::Era,
    pub(crate) catalog: CatalogPolicy,
    pub(crate) timeout: Option<Duration>,
    pub(crate) load: ServerLoad,
    pub(crate) pool: PoolPolicy,
    pub(crate) handshake_timeout: Duration,
    pub(crate) close_grace: Duration,
    pub(crate) drain_timeout: Duration,
    pub(crate) life: LifePolicy,
    pub(crate) recovery: Recovery,
}

// === impl Recovery ===

impl Default for Recovery {
    fn default() -> Self {
        Self { enabled: true, health: HealthPolicy::default(), gate: GatePolicy::default() }
    }
}

// === impl SupervisorOptions ===

impl Default for SupervisorOptions {
    /// Without a launcher, children may outlive us.
    fn default() -> Self {
        Self {
            handshake_timeout: None,
            close_grace: Duration::from_secs(2),
            drain_timeout: Duration::from_secs(30),
            launcher: None,
            life: LifePolicy::default(),
            recovery: Recovery::default(),
            dialler: None,
        }
    }
}

impl SupervisorOptions {
    pub(crate) fn settings(&self, server: &Server) -> Settings {
        let default_handshake = match server.endpoint {
            Endpoint::Stdio(_) => STDIO_HANDSHAKE,
            Endpoint::Http(_) => HTTP_HANDSHAKE,
        };
        let is_process = matches!(server.endpoint, Endpoint::Stdio(_));
        Settings {
            name: server.name.to_string(),
            endpoint: self.endpoint(server),
            era: match server.era {
                Era::Auto => endpoint::Era::Auto,
                Era::Legacy => endpoint::Era::Legacy,
                Era::Modern => endpoint::Era::Modern,
            },
            catalog: server.catalog.clone(),
            timeout: server.timeout,
            load: server.load,
            pool: pool(server),
            handshake_timeout: self.handshake_timeout.unwrap_or(default_handshake),
            close_grace: self.close_grace,
            drain_timeout: self.drain_timeout,
            life: LifePolicy {
                recovery: self.recovery.enabled,
                // Only a process can crash; over the network a stream breaks for other reasons.
                crashes_max: self.life.crashes_max.filter(|_| is_process),
                ..self.life
            },
            recovery: self.recovery,
        }
    }

    /// Where a configured server is, as a session to it needs to know.
    #[must_use]
    pub fn endpoint(&self, server: &Server) -> endpoint::Endpoint {
        if let Some(Dialler(dialler)) = &self.dialler {
            return dialler(server);
        }
        match &server.endpoint {
            Endpoint::Stdio(stdio) => endpoint::Endpoint::Stdio(endpoint::Stdio {
                command: stdio.command.clone(),
                arguments: stdio.args.clone(),
                environment: stdio.environment.to_vec(),
                directory: stdio.cwd.clone(),
                launcher: self.launcher.clone(),
            }),
            Endpoint::Http(http) => endpoint::Endpoint::Http(endpoint::Http {
                url: http.url.clone(),
                headers: http.header_map(),
                transport: match http.kind {
                    HttpKind::Streamable => endpoint::HttpTransport::Streamable,
                    HttpKind::Sse => endpoint::HttpTransport::Sse,
                },
            }),
        }
    }
}

fn pool(server: &Server) -> PoolPolicy {
    PoolPolicy { min: server.pool.min, max: server.pool.max, ..PoolPolicy::default() }
}

// === impl Dialler ===

impl std::fmt::Debug for Dialler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Dialler")
    }
}

// === impl Settings ===

impl Settings {
    /// Whether each call has a connection of its own.
    pub(crate) fn has_connection_per_call(&self) -> bool {
        match &self.endpoint {
            endpoint::Endpoint::Stdio(_) => false,
            endpoint::Endpoint::Http(http) => match http.transport {
                endpoint::HttpTransport::Streamable => true,
                endpoint::HttpTransport::Sse => false,
            },
            endpoint::Endpoint::Custom(dial) => dial.has_connection_per_call(),
        }
    }

    /// When its sessions are probed.
    pub(crate) fn health(&self) -> HealthPolicy {
        let Recovery { enabled, health, gate: _ } = self.recovery;
        HealthPolicy { probe_every: health.probe_every.filter(|_| enabled), ..health }
    }

    /// Whether two sessions side by side may fight over what they work on: two processes may.
    pub(crate) fn is_process(&self) -> bool {
        match &self.endpoint {
            endpoint::Endpoint::Stdio(_) => true,
            endpoint::Endpoint::Http(_) | endpoint::Endpoint::Custom(_) => false,
        }
    }
}
