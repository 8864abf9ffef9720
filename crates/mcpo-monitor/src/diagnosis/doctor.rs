//! A diagnosis without a running mcpo.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use mcpo_config::Config;
use rustix::fs::{Access, access};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};

use super::{Diagnosis, Facts, check, diagnose};
use crate::resources::{MachineSample, Reader};

/// Connects to each configured upstream once, in parallel, until the deadline at the latest, looks
/// at the machine, and says what is wrong. Needs no running mcpo and does not touch one.
///
/// Cancel-safe: dropping it leaves neither a process nor a connection behind.
#[expect(clippy::disallowed_methods, reason = "a diagnosis says when it was made")]
pub async fn doctor(config: &Config, deadline: Instant) -> Diagnosis {
    let looks = check::look_all(config.servers.clone(), deadline);
    let directory = config.monitoring.state.directory(config.listen.port);
    let surroundings = spawn_blocking(move || surroundings(directory));
    let (chains, surroundings) = tokio::join!(looks, timeout_at(deadline, surroundings));
    // A disk that does not answer says nothing of the servers.
    let (machine, unwritable) = surroundings.ok().and_then(Result::ok).unwrap_or_default();
    let slo_objective = config.monitoring.slo_objective;
    let facts = Facts::new(SystemTime::now(), Arc::new(config.servers.clone()));
    diagnose(&Facts { chains, slo_objective, machine, unwritable, ..facts })
}

/// The machine, and the directory if it cannot be written.
fn surroundings(directory: Option<PathBuf>) -> (Option<MachineSample>, Option<PathBuf>) {
    let machine = Reader::new(directory.clone()).sample(&[]).machine;
    (machine, directory.filter(|path| !can_be_written(path)))
}

/// Whether a file can be made there; a directory that is not there yet is made in the nearest one
/// above it that is.
fn can_be_written(directory: &Path) -> bool {
    let nearest = directory.ancestors().find(|path| path.exists());
    let nearest = nearest.filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new("."));
    nearest.is_dir() && access(nearest, Access::WRITE_OK | Access::EXEC_OK).is_ok()
}

#[cfg(test)]
mod tests;
