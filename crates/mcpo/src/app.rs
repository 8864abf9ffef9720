//! Builds the rooms from a configuration, runs until told to stop, drains.

use std::sync::Arc;
use std::time::Duration;

use mcpo_config::{Config, Listen};
use mcpo_core::life::LifePolicy;
use mcpo_http::{Surface, serve};
use mcpo_policy::pipeline::Pipeline;
use mcpo_upstream::directory::Directory;
use mcpo_upstream::supervisor::{Supervisor, SupervisorOptions};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::exit::Exit;
use crate::{greeting, launch, render, signals, surface};

/// Calls in flight at once, over all upstreams: each costs some tens of KiB at most while it
/// waits, so that this many fit a small machine; what comes on top is told to come back.
const CALLS_IN_FLIGHT_MAX: usize = 10_000;

/// What a child is given to end after its stdin closed, and again after SIGTERM.
const CLOSE_GRACE: Duration = Duration::from_secs(2);

/// Serves until a signal, then drains: finishes the calls in flight, then ends the upstreams. A
/// second signal ends all at once.
pub(crate) async fn run(config: Config) -> Exit {
    let listener = match listen(&config.listen).await {
        Ok(listener) => listener,
        Err(reason) => return render::failure(&reason),
    };
    let mut signals = match signals::Signals::listen() {
        Ok(signals) => signals,
        Err(error) => return render::failure(&format!("cannot listen for signals: {error}")),
    };
    let directory = Directory::new();
    let pipeline = Arc::new(Pipeline::new(CALLS_IN_FLIGHT_MAX));
    let surface = Surface::new(surface::options(&config), directory.clone(), pipeline);

    let mut tasks = JoinSet::new();
    let (wanted, wanted_rx) = watch::channel(Arc::new(config.servers.clone()));
    let (stop, stop_rx) = watch::channel(false);
    let supervisor = Supervisor::new(supervisor_options(&config), directory.clone());
    tasks.spawn(supervisor.run(wanted_rx));
    let mut serving = JoinSet::new();
    greeting::tell(&config, &listener);
    serving.spawn(serve(listener, surface, stop_rx, config.limits.drain_timeout));
    tasks.spawn(greeting::tell_outcome(config, directory));

    tokio::select! {
        () = signals.next() => tracing::info!("stopping: finishing the calls in flight"),
        _ended = serving.join_next() => return render::failure("the listener ended"),
    }
    let drained = async {
        stop.send_replace(true);
        while serving.join_next().await.is_some() {}
        drop(wanted);
        while tasks.join_next().await.is_some() {}
    };
    tokio::select! {
        () = drained => {}
        () = signals.next() => tracing::warn!("stopped at once by a second signal"),
    }
    Exit::Ok
}

async fn listen(listen: &Listen) -> Result<TcpListener, String> {
    let Listen { host, port } = listen;
    TcpListener::bind((host.as_str(), *port)).await.map_err(|error| {
        let cure = match error.kind() {
            std::io::ErrorKind::AddrInUse => "; another program has it: choose another port with --port",
            std::io::ErrorKind::PermissionDenied => "; ports below 1024 need privileges: choose another with --port",
            std::io::ErrorKind::AddrNotAvailable => "; this machine has no such address: see --host",
            _ => "",
        };
        format!("cannot listen on {host} port {port}: {error}{cure}")
    })
}

fn supervisor_options(config: &Config) -> SupervisorOptions {
    SupervisorOptions {
        handshake_timeout: config.limits.connect_timeout,
        close_grace: CLOSE_GRACE,
        launcher: launch::launcher(),
        life: LifePolicy::default(),
    }
}
