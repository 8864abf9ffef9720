//! The handle that faces read from, and the work that keeps it true: samples, history, alerts.

use std::sync::Arc;

use mcpo_config::{Monitoring, Server};
use mcpo_upstream::directory::Directory;
use tokio::sync::watch;

use crate::alerts::Alerts;
use crate::requests::Requests;

/// What to watch, and how.
#[derive(Debug)]
pub struct MonitorOptions {
    /// What the operator decided.
    pub monitoring: Monitoring,
    /// The port that we listen on; 0 in tests that listen on none.
    pub port: u16,
    /// What is configured: the diagnosis looks at the endpoints itself.
    pub servers: watch::Receiver<Arc<Vec<Server>>>,
    /// Calls at once that the pipeline takes.
    pub max_concurrent: usize,
}

/// Reads what is known. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Monitor {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    options: MonitorOptions,
    #[expect(dead_code, reason = "what pictures are made from")]
    directory: Arc<Directory>,
    requests: Requests,
    alerts: watch::Sender<Arc<Alerts>>,
}

// === impl Monitor ===

impl Monitor {
    /// A monitor of what runs in the directory. It samples nothing until it [runs](Self::run).
    #[must_use]
    pub fn new(options: MonitorOptions, directory: Arc<Directory>) -> Self {
        let alerts = Alerts { active: Vec::new(), resolved: Vec::new(), at: std::time::UNIX_EPOCH };
        let (alerts, _) = watch::channel(Arc::new(alerts));
        let requests = Requests::default();
        Self { inner: Arc::new(Inner { options, directory, requests, alerts }) }
    }

    /// Whether anything is measured at all.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.inner.options.monitoring.enabled
    }

    /// Samples, keeps, alerts and exports until `stop` is true or gone, then brings to an end what
    /// is under way, within 2 s.
    ///
    /// Dropping it loses what was not written yet: one sample at most.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let _stopped = stop.wait_for(|stop| *stop).await;
    }

    /// Where the surface counts requests.
    #[must_use]
    pub fn requests(&self) -> &Requests {
        &self.inner.requests
    }

    /// What the alerts are, and changes of it.
    #[must_use]
    pub fn alerts(&self) -> watch::Receiver<Arc<Alerts>> {
        self.inner.alerts.subscribe()
    }
}
