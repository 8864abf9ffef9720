//! Makes what runs equal to what is wanted, over and over: each turn compares the two and acts on
//! the difference. Startup is a turn from nothing.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use mcpo_config::{Endpoint, Era, HttpKind, Plan, Server};
use mcpo_core::fault::{Fault, FaultKind};
use mcpo_core::life::LifePolicy;
use mcpo_mcp::endpoint;
use tokio::sync::watch;
use tokio::task::{Id, JoinSet};
use tokio::time::{Instant, timeout};

use crate::directory::Directory;
use crate::keeper::{Keeper, Settings};

/// How upstreams are started and ended.
#[derive(Debug, Clone)]
pub struct SupervisorOptions {
    /// How long a handshake may take; `None` takes [`STDIO_HANDSHAKE`] and [`HTTP_HANDSHAKE`].
    pub handshake_timeout: Option<Duration>,
    /// What an ending child is given after its stdin closed, and again after SIGTERM.
    pub close_grace: Duration,
    /// Our own program with the arguments that make it a launcher of children that die with us.
    pub launcher: Option<endpoint::Launcher>,
    /// How fast a failing upstream is tried again.
    pub life: LifePolicy,
}

/// A command may be `npx` or `uvx` that downloads its package first.
pub const STDIO_HANDSHAKE: Duration = Duration::from_secs(120);
/// A server over HTTP is there already, or it is not.
pub const HTTP_HANDSHAKE: Duration = Duration::from_secs(30);

/// How long nothing is done for an upstream whose keeper broke.
const BROKEN_REST: Duration = Duration::from_secs(5);

/// Owns the keepers.
#[derive(Debug)]
pub struct Supervisor {
    options: SupervisorOptions,
    directory: Arc<Directory>,
    keepers: JoinSet<()>,
    names: HashMap<Id, String>,
    running: HashMap<String, Running>,
}

#[derive(Debug)]
struct Running {
    server: Server,
    stop: watch::Sender<bool>,
    /// What takes its place once it has ended; `None` when nothing does.
    next: Option<Server>,
}

impl Supervisor {
    /// A supervisor that publishes into `directory`.
    #[must_use]
    pub fn new(options: SupervisorOptions, directory: Arc<Directory>) -> Self {
        Self {
            options,
            directory,
            keepers: JoinSet::new(),
            names: HashMap::new(),
            running: HashMap::new(),
        }
    }

    /// Follows `wanted` until its sender is gone; then stops all upstreams in good order.
    ///
    /// Dropping the future kills every child and ends every task at once.
    pub async fn run(mut self, mut wanted: watch::Receiver<Arc<Vec<Server>>>) {
        loop {
            let now_wanted = wanted.borrow_and_update().clone();
            self.turn(&now_wanted);
            tokio::select! {
                changed = wanted.changed() => if changed.is_err() { break },
                Some(ended) = self.keepers.join_next_with_id() => match ended {
                    Ok((id, ())) => self.note_end(id),
                    Err(broken) => self.note_break(broken.id()),
                },
            }
        }
        self.turn(&[]);
        while self.keepers.join_next().await.is_some() {}
    }

    fn turn(&mut self, wanted: &[Server]) {
        let now: Vec<Server> =
            self.running.values().map(|running| running.server.clone()).collect();
        let plan = Plan::between(&now, wanted);
        for name in &plan.stop {
            self.stop(name.as_str(), None);
        }
        for server in plan.replace {
            self.stop(&server.name.to_string(), Some(server.clone()));
        }
        for server in plan.start {
            self.start(server);
        }
    }

    fn start(&mut self, server: Server) {
        let name = server.name.to_string();
        let (stop, stop_rx) = watch::channel(false);
        let keeper = Keeper::new(self.settings(&server), &self.directory, stop_rx);
        let task = self.keepers.spawn(keeper.run());
        self.names.insert(task.id(), name.clone());
        self.running.insert(name, Running { server, stop, next: None });
    }

    fn stop(&mut self, name: &str, next: Option<Server>) {
        if let Some(running) = self.running.get_mut(name) {
            running.stop.send_replace(true);
            running.next = next;
        }
    }

    /// A keeper, or the rest after a broken one, ended.
    fn note_end(&mut self, id: Id) {
        let Some(name) = self.names.remove(&id) else { return };
        let Some(ended) = self.running.remove(&name) else { return };
        match ended.next {
            Some(server) => self.start(server),
            None => self.directory.leave(&name),
        }
    }

    /// A keeper broke, which only a defect of ours can bring about. Its upstream keeps its place
    /// and gets another keeper, but not before a rest: what broke one may break the next.
    fn note_break(&mut self, id: Id) {
        let Some(name) = self.names.remove(&id) else { return };
        let Some(broken) = self.running.get_mut(&name) else { return };
        tracing::error!(
            upstream = name,
            "the task that keeps the upstream broke; starting another"
        );
        let mut stop = broken.stop.subscribe();
        if !*stop.borrow() {
            broken.next = Some(broken.server.clone());
        }
        let fault = Fault::new(FaultKind::Unreachable, "the task that keeps the upstream broke");
        self.directory.show_resting(&name, fault, Instant::now() + BROKEN_REST);
        let rest = self.keepers.spawn(async move {
            // Told to stop, or rested: what comes next is decided by then.
            let _rested = timeout(BROKEN_REST, stop.wait_for(|stop| *stop)).await;
        });
        self.names.insert(rest.id(), name);
    }

    fn settings(&self, server: &Server) -> Settings {
        let default_handshake = match server.endpoint {
            Endpoint::Stdio(_) => STDIO_HANDSHAKE,
            Endpoint::Http(_) => HTTP_HANDSHAKE,
        };
        Settings {
            name: server.name.to_string(),
            endpoint: self.endpoint(&server.endpoint),
            era: match server.era {
                Era::Auto => endpoint::Era::Auto,
                Era::Legacy => endpoint::Era::Legacy,
                Era::Modern => endpoint::Era::Modern,
            },
            catalog: server.catalog.clone(),
            timeout: server.timeout,
            handshake_timeout: self.options.handshake_timeout.unwrap_or(default_handshake),
            close_grace: self.options.close_grace,
            life: self.options.life,
        }
    }

    fn endpoint(&self, configured: &Endpoint) -> endpoint::Endpoint {
        match configured {
            Endpoint::Stdio(stdio) => endpoint::Endpoint::Stdio(endpoint::Stdio {
                command: stdio.command.clone(),
                arguments: stdio.args.clone(),
                environment: stdio.environment.to_vec(),
                directory: stdio.cwd.clone(),
                launcher: self.options.launcher.clone(),
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

#[cfg(test)]
mod tests;
