//! Builds the rooms from a configuration, runs until told to stop, drains.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mcpo_config::{Config, Listen, Monitoring, Reloads, Server, StatePlace};
use mcpo_core::health::HealthPolicy;
use mcpo_core::life::LifePolicy;
use mcpo_core::retry::RetryPolicy;
use mcpo_http::{ServeOptions, Surface, SurfaceOptions, serve};
use mcpo_monitor::monitor::{Monitor, MonitorOptions};
use mcpo_monitor::resources::CpuShare;
use mcpo_policy::pipeline::{Pipeline, PipelineOptions};
use mcpo_upstream::directory::Directory;
use mcpo_upstream::supervisor::{Recovery, Supervisor, SupervisorOptions};
use tokio::net::{TcpListener, lookup_host};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::exit::Exit;
use crate::reload::Reload;
use crate::{files, greeting, launch, render, signals};

/// What a child is given to end after its stdin closed, and again after SIGTERM.
const CLOSE_GRACE: Duration = Duration::from_secs(2);

/// Serves until a signal, then drains: finishes the calls in flight, then ends the upstreams. A
/// second signal ends all at once, downstreams first. `reloads` are put in force meanwhile.
pub(crate) async fn run(config: Config, reloads: Option<Reloads>) -> Exit {
    let (listeners, address) = match listen(&config.listen).await {
        Ok(listening) => listening,
        Err(reason) => return render::failure(&reason),
    };
    let mut signals = match signals::Signals::listen() {
        Ok(signals) => signals,
        Err(error) => return render::failure(&format!("cannot listen for signals: {error}")),
    };
    let directory = Directory::new();
    let pipeline = Pipeline::new(pipeline_options(&config), directory.journal());
    let (wanted, wanted_rx) = watch::channel(Arc::new(config.servers.clone()));
    let monitor = monitor_options(&config, address, &wanted, &pipeline);
    let monitor = Monitor::new(monitor, directory.clone());
    let mut helping = helpers(&pipeline);
    let surface = surface_options(&config);
    let surface = Arc::new(Surface::new(surface, directory.clone(), pipeline, monitor.clone()));
    let supervisor = supervisor(&config, directory.clone());
    let (stop, mut stop_rx) = watch::channel(false);
    let reload = reloads.map(|reloads| {
        let (wanted, monitor, directory) = (wanted.clone(), monitor.clone(), directory.clone());
        Reload::new(reloads, config.clone(), wanted, monitor, directory)
    });
    let mut reloading = match running(reload) {
        Ok(reloading) => reloading,
        Err(error) => return render::failure(&format!("cannot listen for SIGHUP: {error}")),
    };
    let serve_options = serve_options(&config);
    let (watched, watched_rx) = watch::channel(false);
    let mut watching = spawned(watch_over(monitor, watched_rx));

    greeting::tell(&config, address);
    let mut keeping = spawned(supervisor.run(wanted_rx));
    seat_all(&directory, &wanted, &mut keeping).await;
    let _telling = spawned(greeting::tell_outcome(config, address, directory));
    let mut serving = spawned(serve(listeners, surface, serve_options, async move {
        let _told_or_orphaned = stop_rx.wait_for(|stop| *stop).await;
    }));

    let exit = tokio::select! {
        () = signals.next() => Exit::Ok,
        _panicked = serving.join_next() => Exit::Failure,
        _panicked = keeping.join_next() => Exit::Failure,
        _panicked = helping.join_next() => Exit::Failure,
        Some(ended) = reloading.join_next() => ended.map_or(Exit::Failure, |()| Exit::Ok),
    };
    say_why(exit);
    reloading.shutdown().await;
    // Nothing is fetched ahead any more, and the last calls are not turned away.
    helping.shutdown().await;
    let drained = async {
        stop.send_replace(true);
        while serving.join_next().await.is_some() {}
        // The last calls were answered: what became of them goes into the history while the
        // upstreams are still there.
        watched.send_replace(true);
        end_watching(&mut watching).await;
        drop(wanted);
        while keeping.join_next().await.is_some() {}
    };
    let is_cut = tokio::select! {
        () = drained => false,
        () = signals.next() => true,
    };
    if is_cut {
        tracing::warn!("stopped at once by a second signal");
        // Before the upstreams are: no call in flight is told of an end that we brought about.
        serving.shutdown().await;
        keeping.shutdown().await;
        watching.shutdown().await;
    }
    exit
}

/// A task, for as long as what is returned is kept.
fn spawned(task: impl Future<Output = ()> + Send + 'static) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    tasks.spawn(task);
    tasks
}

/// Puts reloads in force, if there are any.
fn running(reload: Option<io::Result<Reload>>) -> io::Result<JoinSet<()>> {
    let reload = reload.transpose()?;
    Ok(reload.map(|reload| spawned(reload.run())).unwrap_or_default())
}

/// What calls need beside them: who watches the processor, and who fetches answers ahead. Neither
/// ends by itself.
fn helpers(pipeline: &Pipeline) -> JoinSet<()> {
    let mut helping = JoinSet::new();
    let mut cpu = CpuShare::new();
    helping.spawn(pipeline.guard().watch(move || cpu.read()));
    helping.spawn(pipeline.refreshes());
    helping
}

/// Above what the monitor allows itself, so that only a disk that hangs is cut off.
const MONITOR_END_MAX: Duration = Duration::from_secs(3);

/// Waits for the monitor to end: for what was measured nobody waits longer than for a call.
async fn end_watching(watching: &mut JoinSet<()>) {
    let ended = async { while watching.join_next().await.is_some() {} };
    if timeout(MONITOR_END_MAX, ended).await.is_err() {
        tracing::warn!("the monitor does not end: is the disk of the state directory there?");
        watching.shutdown().await;
    }
}

fn say_why(exit: Exit) {
    match exit {
        // Half a program would go on for ever; a whole one is a start away.
        Exit::Failure => tracing::error!("stopping, to be started again: a part of mcpo failed"),
        Exit::Ok | Exit::Usage => tracing::info!("stopping: finishing the calls in flight"),
    }
}

/// From a failure of the monitor to its next start.
const MONITOR_REST: Duration = Duration::from_secs(10);

/// Runs the monitor until `stop`. Should it fail it is told and begun anew: calls are worth more
/// than figures about them.
async fn watch_over(monitor: Monitor, mut stop: watch::Receiver<bool>) {
    loop {
        let mut running = JoinSet::new();
        running.spawn(monitor.clone().run(stop.clone()));
        if let Some(Ok(())) = running.join_next().await {
            return;
        }
        tracing::error!("the monitor failed and is begun anew; calls are not touched by that");
        if timeout(MONITOR_REST, stop.wait_for(|stop| *stop)).await.is_ok() {
            return;
        }
    }
}

/// Waits for [`all_have_seats`], or for the supervisor to break, which is found out later.
async fn seat_all(
    directory: &Directory,
    wanted: &watch::Sender<Arc<Vec<Server>>>,
    keeping: &mut JoinSet<()>,
) {
    tokio::select! {
        () = all_have_seats(directory, wanted) => {}
        _panicked = keeping.join_next() => {}
    }
}

/// Waits until the supervisor knows all upstreams, which takes microseconds: who connects before
/// would be told that there is no such server.
async fn all_have_seats(directory: &Directory, wanted: &watch::Sender<Arc<Vec<Server>>>) {
    let mut generations = directory.generations();
    // Asked each time: the configuration may be another one by now.
    while directory.load().upstreams().len() < wanted.borrow().len() {
        // The directory lives as long as this function.
        let _changed = generations.changed().await;
    }
}

/// Listens on every address that the host has (`localhost` is often two of them); gives the first.
async fn listen(listen: &Listen) -> Result<(Vec<TcpListener>, SocketAddr), String> {
    let Listen { host, port } = listen;
    let failed = |error: io::Error| {
        format!("cannot listen on {host} port {port}: {error}{}", cure_of(&error))
    };
    let addresses = lookup_host((host.as_str(), *port)).await.map_err(failed)?;
    let mut listeners: Vec<(TcpListener, SocketAddr)> = Vec::new();
    let mut refusal = None;
    for mut address in addresses {
        // A port that the system chose is the same on every address.
        if let Some((_, first)) = listeners.first() {
            address.set_port(first.port());
        }
        match bind(address).await {
            Ok(listener) => listeners.push(listener),
            // Some of the addresses will do, but where a port is taken another program answers.
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                return Err(failed(error));
            }
            Err(error) => refusal = Some(error),
        }
    }
    match (listeners.first(), refusal) {
        (Some(&(_, address)), _) => {
            Ok((listeners.into_iter().map(|(listener, _)| listener).collect(), address))
        }
        (None, Some(error)) => Err(failed(error)),
        (None, None) => Err(format!("cannot listen on {host}: it has no address; see --host")),
    }
}

async fn bind(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

fn cure_of(error: &io::Error) -> &'static str {
    use io::ErrorKind;
    let cures = [
        (ErrorKind::AddrInUse, "; another program has it: choose another port with --port"),
        (
            ErrorKind::PermissionDenied,
            "; ports below 1024 need privileges: choose another with --port",
        ),
        (ErrorKind::AddrNotAvailable, "; this machine has no such address: see --host"),
    ];
    cures.iter().find(|(kind, _)| *kind == error.kind()).map_or("", |(_, cure)| cure)
}

fn serve_options(config: &Config) -> ServeOptions {
    ServeOptions {
        connections_max: config.load.max_connections,
        grace: config.limits.drain_timeout,
    }
}

fn surface_options(config: &Config) -> SurfaceOptions {
    SurfaceOptions {
        access: config.access.clone(),
        site: config.site.clone(),
        limits: config.limits.clone(),
        load: config.load.clone(),
        mode: config.mode,
    }
}

fn monitor_options(
    config: &Config,
    address: SocketAddr,
    wanted: &watch::Sender<Arc<Vec<Server>>>,
    pipeline: &Pipeline,
) -> MonitorOptions {
    MonitorOptions {
        monitoring: monitoring(config),
        port: address.port(),
        servers: wanted.subscribe(),
        pipeline: pipeline.gauge(),
    }
}

/// With the place of the history settled: a port that the system chose is another one next time.
fn monitoring(config: &Config) -> Monitoring {
    let state = match config.monitoring.state.directory(config.listen.port) {
        Some(directory) => StatePlace::Directory(directory),
        None => StatePlace::Memory,
    };
    Monitoring { state, ..config.monitoring.clone() }
}

fn pipeline_options(config: &Config) -> PipelineOptions {
    PipelineOptions {
        retry: RetryPolicy { attempts_max: config.recovery.attempts_max, ..RetryPolicy::default() },
        recovery_enabled: config.recovery.enabled,
        calls_in_flight_max: config.load.max_concurrent.get(),
        calls_per_identity_max: config.load.max_per_identity,
        guard: config.load.guard,
        rate: config.load.rate,
        cache: config.load.cache,
        tool_timeout: config.limits.tool_timeout,
        ..PipelineOptions::default()
    }
}

/// Starts children with as many open files as are allowed by now, and then allows ourselves more.
fn supervisor(config: &Config, directory: Arc<Directory>) -> Supervisor {
    let options = supervisor_options(config);
    // Without a launcher nobody would give children back what was allowed before.
    if options.launcher.is_some() {
        files::allow(&config.load);
    }
    Supervisor::new(options, directory)
}

fn supervisor_options(config: &Config) -> SupervisorOptions {
    let enabled = config.recovery.enabled;
    SupervisorOptions {
        handshake_timeout: config.limits.connect_timeout,
        close_grace: CLOSE_GRACE,
        drain_timeout: config.limits.drain_timeout,
        launcher: launch::launcher(),
        life: LifePolicy { recovery: enabled, ..LifePolicy::default() },
        recovery: Recovery {
            enabled,
            health: health_policy(config.recovery.probe_every),
            ..Recovery::default()
        },
        ..SupervisorOptions::default()
    }
}

/// How many probes must be overdue for a call to wait for one itself.
const PROBES_OVERDUE: u32 = 3;

fn health_policy(probe_every: Option<Duration>) -> HealthPolicy {
    // Silence is suspicious only to those who would have asked by then.
    let stale = probe_every.map_or(Duration::MAX, |every| every * PROBES_OVERDUE);
    HealthPolicy { probe_every, stale, ..HealthPolicy::default() }
}
