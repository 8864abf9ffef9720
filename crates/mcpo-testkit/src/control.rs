//! The gates of a scripted upstream: a step waits at one until the test opens it. A gate is a
//! file, so that it works alike for processes and for servers inside the test.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::journal::{Journal, What};
use crate::trouble::Trouble;

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

    fn trouble_file(&self) -> PathBuf {
        self.directory.join("troubles.json")
    }

    /// From now on these troubles are on, and no others.
    ///
    /// # Errors
    /// When the file that tells the upstream cannot be written.
    pub fn trouble(&self, troubles: &[Trouble]) -> Result<()> {
        std::fs::create_dir_all(&self.directory).context("create the control directory")?;
        // Whole or not at all: the upstream may be looking.
        let draft = self.directory.join("troubles.draft");
        std::fs::write(&draft, serde_json::to_vec(troubles)?)?;
        std::fs::rename(draft, self.trouble_file()).context("tell the troubles")
    }

    /// From now on there is no trouble.
    ///
    /// # Errors
    /// When the file that tells the upstream cannot be written.
    pub fn calm(&self) -> Result<()> {
        self.trouble(&[])
    }

    pub(crate) fn troubles(&self) -> Result<Vec<Trouble>> {
        match std::fs::read(self.trouble_file()) {
            Ok(text) => Ok(serde_json::from_slice(&text)?),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error).context("read the troubles"),
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
