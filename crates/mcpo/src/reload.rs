//! Puts another configuration in force while mcpo runs: whenever the file changes, where that is
//! followed, and at every SIGHUP. One that is wrong changes nothing.

use std::fs::File;
use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use mcpo_config::{Config, Plan, Problems, Reloads, Server, ServerName};
use mcpo_core::event::Event;
use mcpo_monitor::monitor::Monitor;
use mcpo_upstream::directory::Directory;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::telemetry;

/// Where the first process of a terminal ends, the others lose the terminal just after they are
/// told (disassociate_ctty in linux/drivers/tty/tty_jobctrl.c).
const TERMINAL_LOSS_MAX: Duration = Duration::from_millis(100);

/// Hands every new configuration to the supervisor and to the monitor.
#[derive(Debug)]
pub(crate) struct Reload {
    reloads: Reloads,
    /// What mcpo was started with: what only a restart changes is as it says.
    started: Config,
    wanted: watch::Sender<Arc<Vec<Server>>>,
    monitor: Monitor,
    directory: Arc<Directory>,
    hangup: Signal,
    had_terminal: bool,
}

impl Reload {
    /// From now on SIGHUP does not end the program by itself.
    pub(crate) fn new(
        reloads: Reloads,
        started: Config,
        wanted: watch::Sender<Arc<Vec<Server>>>,
        monitor: Monitor,
        directory: Arc<Directory>,
    ) -> std::io::Result<Self> {
        let (hangup, had_terminal) = (signal(SignalKind::hangup())?, has_terminal());
        Ok(Self { reloads, started, wanted, monitor, directory, hangup, had_terminal })
    }

    /// Ends only when mcpo should, because its terminal is gone. Cancel-safe.
    pub(crate) async fn run(mut self) {
        loop {
            tokio::select! {
                result = self.reloads.next() => match result {
                    Ok(config) => self.accept(&config),
                    Err(problems) => self.refuse(&problems),
                },
                _came = self.hangup.recv() => {
                    // The same signal tells of a terminal that was closed. Who started mcpo there
                    // wants it to end, as it would without us listening.
                    if self.had_terminal {
                        sleep(TERMINAL_LOSS_MAX).await;
                        if !has_terminal() {
                            return;
                        }
                    }
                    self.reloads.order();
                }
            }
        }
    }

    fn accept(&self, config: &Config) {
        telemetry::tell_warnings(config);
        let restart = self.started.restart_needed_for(config);
        if !restart.is_empty() {
            tracing::warn!("a restart is needed to change: {}", restart.join(", "));
        }
        self.monitor.reconfigure(&config.monitoring);
        let old = self.wanted.send_replace(Arc::new(config.servers.clone()));
        let plan = Plan::between(&old, &config.servers);
        let names = |servers: &[Server]| servers.iter().map(|it| it.name.to_string()).collect();
        self.directory.journal().record(&Event::ConfigReloaded {
            started: names(&plan.start),
            stopped: plan.stop.iter().map(ServerName::to_string).collect(),
            replaced: names(&plan.replace),
            kept: names(&plan.keep),
        });
    }

    fn refuse(&self, problems: &Problems) {
        let problems = problems.all.iter().map(ToString::to_string).collect();
        self.directory.journal().record(&Event::ConfigRefused { problems });
    }
}

/// Whether we write to a terminal, and one is ours: of the two, `nohup` takes the first away, and
/// the end of the shell that mcpo was started from the second.
fn has_terminal() -> bool {
    std::io::stderr().is_terminal() && File::open("/dev/tty").is_ok()
}
