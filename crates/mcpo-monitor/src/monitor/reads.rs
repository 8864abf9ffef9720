//! Turns to read the history: few at once, since one may read all of it, and the threads that do so
//! also look up the names of upstreams.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::{JoinError, spawn_blocking};

/// How many read at once; more wait. What nobody waits for any more is read to its end all the
/// same, and counts until then.
const READS_MAX: usize = 2;

/// Gives the turns.
#[derive(Debug)]
pub(super) struct Reads(Arc<Semaphore>);

// === impl Reads ===

impl Reads {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(READS_MAX)))
    }

    /// Reads once it is its turn. Cancel-safe.
    ///
    /// # Errors
    /// When reading panics.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, JoinError> {
        let turns = Arc::clone(&self.0);
        let turn = turns.acquire_owned().await.expect("the semaphore is never closed");
        spawn_blocking(move || {
            let _turn = turn;
            read()
        })
        .await
    }
}

#[cfg(test)]
mod tests;
