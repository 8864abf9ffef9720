//! A diagnosis without a running mcpo.

use mcpo_config::Config;
use tokio::time::Instant;

use super::{Diagnosis, Facts, check, diagnose};

/// Connects to each configured upstream once, in parallel, until the deadline at the latest, and
/// says what is wrong. Needs no running mcpo and does not touch one.
///
/// Cancel-safe: dropping it leaves neither a process nor a connection behind.
#[expect(clippy::disallowed_methods, reason = "a diagnosis says when it was made")]
pub async fn doctor(config: &Config, deadline: Instant) -> Diagnosis {
    let servers = std::sync::Arc::new(config.servers.clone());
    let chains = check::look_all(config.servers.clone(), deadline).await;
    let slo_objective = config.monitoring.slo_objective;
    let facts = Facts::new(std::time::SystemTime::now(), servers);
    diagnose(&Facts { chains, slo_objective, ..facts })
}
