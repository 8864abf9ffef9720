//! The gates of a scripted upstream: a step waits at one until the test opens it. A gate is a
//! file, so that it works alike for processes and for servers inside the test.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::journal::{Journal, What};

/// How often a closed gate is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// The test's hand on an upstream.
#[derive(Debug, Clone)]
pub struct Control {
    directory: PathBuf,
}

impl Control {
    /// The control of the upstream whose script names that directory.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into() }
    }

    fn gate(&self, name: &str) -> PathBuf {
        self.directory.join(format!("gate-{name}"))
    }

    /// Lets everything pass that waits, or will wait, at this gate.
    ///
    /// # Errors
    /// When the gate's file cannot be written.
    pub fn open(&self, gate: &str) -> Result<()> {
        std::fs::create_dir_all(&self.directory).context("create the control directory")?;
        std::fs::write(self.gate(gate), "").with_context(|| format!("open the gate {gate}"))
    }

    /// Closes the gate again.
    ///
    /// # Errors
    /// When the gate's file cannot be removed.
    pub fn close(&self, gate: &str) -> Result<()> {
        match std::fs::remove_file(self.gate(gate)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("close the gate {gate}"))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Waits until `times` steps have come to the gate since the upstream's journal began.
    ///
    /// # Errors
    /// After the journal's patience, with what the journal holds.
    pub async fn wait_at(&self, gate: &str, times: usize) -> Result<()> {
        let journal = Journal::new(&self.directory);
        let came = |entry: &crate::Entry| entry.what == What::Gate && entry.key == gate;
        journal
            .wait(&format!("{times} steps at the gate {gate}"), |all| {
                all.iter().filter(|e| came(e)).count() >= times
            })
            .await
            .map(drop)
    }

    pub(crate) async fn pass(&self, gate: &str) {
        let path = self.gate(gate);
        while !path.exists() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}
