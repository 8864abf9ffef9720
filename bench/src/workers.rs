//! A server of limited capacity: so many workers, each busy with a call for so long, and a queue
//! before them. What comes while the queue is full is refused; a queue may also have no end worth
//! speaking of. Work goes on when nobody waits for it any more, as it does in most servers.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::sleep;

/// A queue without an end, as far as any run can tell.
const ENDLESS: usize = 1 << 20;

/// How much it takes.
#[derive(Debug, Clone, Copy)]
pub struct Capacity {
    /// Calls at once.
    pub workers: usize,
    /// How long each takes.
    pub service: Duration,
    /// How many wait for a worker at most; `None` for any number.
    pub room: Option<usize>,
}

/// The way to the workers; they go home when it and its clones are gone.
#[derive(Debug, Clone)]
pub struct Workers {
    jobs: mpsc::Sender<oneshot::Sender<()>>,
}

/// The queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

impl Workers {
    /// Puts them to work, in that set of tasks.
    pub fn start(capacity: Capacity, tasks: &mut JoinSet<()>) -> Self {
        let (jobs, queue) = mpsc::channel(capacity.room.unwrap_or(ENDLESS).max(1));
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..capacity.workers {
            tasks.spawn(work(Arc::clone(&queue), capacity.service));
        }
        Self { jobs }
    }

    /// Waits for a worker, then for its work. Dropping it does not take the job back.
    ///
    /// # Errors
    /// As many wait as may.
    pub async fn serve(&self) -> Result<(), Full> {
        let (done, waiting) = oneshot::channel();
        self.jobs.try_send(done).map_err(|_| Full)?;
        waiting.await.map_err(|_| Full)
    }
}

async fn work(queue: Arc<Mutex<mpsc::Receiver<oneshot::Sender<()>>>>, service: Duration) {
    loop {
        let job = queue.lock().await.recv().await;
        let Some(done) = job else { return };
        sleep(service).await;
        // Whoever asked may be gone.
        let _ = done.send(());
    }
}

#[cfg(test)]
mod tests;
