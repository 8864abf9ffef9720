//! One task per upstream: connects it, watches its session, and connects it again, for ever.
//! The decisions are `mcpo_core::life`; here they are carried out and published.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use mcpo_core::catalog::{Catalog, CatalogPolicy, ServerIdentity, ToolDefinition};
use mcpo_core::event::Event;
use mcpo_core::fault::{Fault, FaultKind};
use mcpo_core::life::{Life, LifePolicy, Phase};
use mcpo_mcp::endpoint::{Endpoint, Era, HttpTransport};
use mcpo_mcp::error::{Cause, RequestError};
use mcpo_mcp::session::{ConnectOptions, Connected, Session, connect};
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tracing::Instrument;

use crate::classify::fault_of;
use crate::directory::{Directory, LiveSession, Place, State, Suspicion, View};
use crate::record::record;

/// All that a keeper must know of its upstream.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) name: String,
    pub(crate) endpoint: Endpoint,
    pub(crate) era: Era,
    pub(crate) catalog: CatalogPolicy,
    pub(crate) timeout: Option<Duration>,
    pub(crate) handshake_timeout: Duration,
    pub(crate) close_grace: Duration,
    pub(crate) life: LifePolicy,
}

/// An upstream that says all the time that its tools changed is listed no more often than this.
const RELIST_PAUSE: Duration = Duration::from_millis(200);

/// How long the calls under way on a replaced HTTP session are left to end. A server that is
/// restarted in good order refuses connections while it still answers what it has taken; longer
/// than this hardly any does.
const REPLACED_LINGER: Duration = Duration::from_mins(5);

/// Ends with a session, says why.
type Running = Pin<Box<dyn Future<Output = Cause> + Send>>;

/// Ends when the tools have changed and were listed; gives back what sees the next change.
type Listing = Pin<Box<dyn Future<Output = (Listed, watch::Receiver<u64>)> + Send>>;
type Listed = Result<Vec<Value>, RequestError>;

/// Keeps one upstream.
#[derive(Debug)]
pub(crate) struct Keeper {
    settings: Settings,
    place: Place,
    stop: watch::Receiver<bool>,
    life: Life,
    fault: Option<Fault>,
    /// The upstream asked not to be tried again before.
    not_before: Option<Instant>,
    catalog: Option<Arc<Catalog>>,
    catalog_version: u64,
    epochs: u64,
    /// Sessions that were replaced and are still ending in good order.
    ending: JoinSet<()>,
}

/// A session that works, and the future that ends with it.
struct Live {
    session: Session,
    epoch: u64,
    running: Running,
    tools_changed: watch::Receiver<u64>,
}

/// Why a session is served no longer.
enum End {
    /// It ended.
    Lost(Fault),
    /// It is said to be of no use, but calls may be under way on it.
    Suspected(Fault),
    Stopped,
}

// === impl Keeper ===

impl Keeper {
    pub(crate) fn new(
        settings: Settings,
        directory: &Arc<Directory>,
        stop: watch::Receiver<bool>,
    ) -> Self {
        let place = directory.enter(View {
            name: settings.name.clone(),
            state: State::Starting { failures: 0, fault: None },
            since: Instant::now(),
            away_since: Instant::now(),
            catalog: None,
            catalog_version: 0,
            session: None,
            timeout: settings.timeout,
            reconnects: 0,
        });
        let life = Life::new(settings.life);
        Self {
            settings,
            place,
            stop,
            life,
            fault: None,
            not_before: None,
            catalog: None,
            catalog_version: 0,
            epochs: 0,
            ending: JoinSet::new(),
        }
    }

    /// Keeps the upstream until it is told to stop; then ends its sessions in good order.
    pub(crate) async fn run(mut self) {
        loop {
            match self.life.phase() {
                Phase::Starting | Phase::Ready { .. } => self.start().await,
                Phase::Resting { until } => self.rest(self.due_at(until)).await,
                Phase::Held { look_at, .. } => {
                    self.rest(look_at.map_or_else(far_off, Instant::from)).await;
                }
                Phase::Dormant => self.rest(far_off()).await,
                Phase::Stopped => break,
            }
        }
        self.publish(None);
        while self.ending.join_next().await.is_some() {}
        record(&Event::UpstreamStopped { upstream: self.settings.name });
    }

    /// One attempt, and the life of the session that comes of it.
    async fn start(&mut self) {
        self.publish(None);
        let began = Instant::now();
        let mut stop = self.stop.clone();
        let attempt = self.connect(began + self.settings.handshake_timeout);
        let result = tokio::select! {
            biased;
            () = stopped(&mut stop) => {
                self.life.stop();
                return;
            }
            result = attempt => result,
        };
        match result {
            Ok((live, tools)) => self.serve(live, tools, began).await,
            Err(cause) => self.note_failure(fault_of(&cause)),
        }
    }

    /// Shakes hands and lists the tools.
    ///
    /// Cancel-safe: a session that was made on the way is dropped, which ends it.
    async fn connect(&self, deadline: Instant) -> Result<(Live, Vec<Value>), Cause> {
        let options = ConnectOptions {
            client_name: "mcpo".to_owned(),
            client_version: env!("CARGO_PKG_VERSION").to_owned(),
            era: self.settings.era,
            deadline,
            grace: self.settings.close_grace,
        };
        // The MCP room knows no names: whose line a line of its is, the span says.
        let span = tracing::error_span!("session", upstream = self.settings.name);
        let connecting = connect(&self.settings.endpoint, &options).instrument(span.clone());
        let Connected { session, driver } = connecting.await?;
        let tools_changed = session.tools_changed();
        let mut running: Running = Box::pin(driver.run().instrument(span.clone()));
        let listed = tokio::select! {
            biased;
            listed = session.list_tools(deadline).instrument(span) => listed,
            // Nothing is left that could be closed.
            cause = &mut running => return Err(cause),
        };
        match listed {
            Ok(tools) => {
                Ok((Live { session, epoch: self.epochs + 1, running, tools_changed }, tools))
            }
            Err(RequestError { cause, .. }) => {
                session.close();
                // The cause that ended the session says more than the request that met it.
                let ended = timeout(self.settings.close_grace * 3, running).await;
                Err(match ended {
                    Ok(deeper @ Cause::Exited { .. }) => deeper,
                    Ok(_) | Err(_) => cause,
                })
            }
        }
    }

    /// Serves a session until it is lost, replaced or stopped.
    async fn serve(&mut self, mut live: Live, tools: Vec<Value>, began: Instant) {
        self.epochs = live.epoch;
        self.fault = None;
        self.life.connected(Instant::now().into_std());
        self.take_catalog(&live.session, tools).await;
        record(&Event::UpstreamReady {
            upstream: self.settings.name.clone(),
            tools: self.catalog.as_ref().map_or(0, |catalog| catalog.tools().len()),
            protocol_version: live.session.identity().protocol_version.clone(),
            took: began.elapsed(),
        });
        self.publish(Some(&live));
        let end = self.watch(&mut live).await;
        let linger = match end {
            End::Lost(fault) => {
                self.note_loss(fault);
                Duration::ZERO
            }
            End::Suspected(fault) => {
                self.note_loss(fault);
                self.linger()
            }
            End::Stopped => {
                self.life.stop();
                Duration::ZERO
            }
        };
        self.publish(None);
        self.ending.spawn(end_in_good_order(live, linger, self.stop.clone()));
        while self.ending.try_join_next().is_some() {}
    }

    /// A child is told to end at once: beside the next one it could fight over what they work on.
    /// Calls under way to a server over HTTP may still be answered.
    fn linger(&self) -> Duration {
        match self.settings.endpoint {
            Endpoint::Stdio(_) => Duration::ZERO,
            Endpoint::Http(_) | Endpoint::Custom(_) => REPLACED_LINGER,
        }
    }

    /// Follows a session, and the changes of its tools, for as long as it is of use.
    async fn watch(&mut self, live: &mut Live) -> End {
        let mut stop = self.stop.clone();
        let changes = live.tools_changed.clone();
        let mut listing = self.list_at_change(&live.session, changes, Duration::ZERO);
        loop {
            tokio::select! {
                biased;
                () = stopped(&mut stop) => return End::Stopped,
                cause = &mut live.running => {
                    // A driver that has ended is not asked again.
                    live.running = Box::pin(std::future::ready(Cause::Closed));
                    return End::Lost(fault_of(&cause));
                }
                fault = suspected(&mut self.place.suspicions, live.epoch) => {
                    return End::Suspected(fault);
                }
                (listed, changes) = &mut listing => {
                    if let Some(fault) = self.take_list(live, listed).await {
                        return End::Suspected(fault);
                    }
                    listing = self.list_at_change(&live.session, changes, RELIST_PAUSE);
                }
            }
        }
    }

    /// Lists the tools when they have changed, after a pause. Runs beside the session's driver,
    /// which carries its messages.
    fn list_at_change(
        &self,
        session: &Session,
        mut changes: watch::Receiver<u64>,
        pause: Duration,
    ) -> Listing {
        let session = session.clone();
        let limit = self.settings.handshake_timeout;
        Box::pin(async move {
            sleep(pause).await;
            if changes.changed().await.is_err() {
                // Nobody is left who could say so: the session is ending.
                std::future::pending::<()>().await;
            }
            (session.list_tools(Instant::now() + limit).await, changes)
        })
    }

    /// Takes over what came of a change of the tools; gives why the session is of no more use, if
    /// that came out.
    async fn take_list(&mut self, live: &mut Live, listed: Listed) -> Option<Fault> {
        match listed {
            Ok(tools) => {
                self.take_catalog(&live.session, tools).await;
                self.publish(Some(live));
            }
            Err(error) => {
                let fault = fault_of(&error.cause);
                if fault.kind.ends_session() {
                    return Some(fault);
                }
                record(&Event::ToolsStale { upstream: self.settings.name.clone(), fault });
            }
        }
        None
    }

    async fn rest(&mut self, until: Instant) {
        self.publish(None);
        let mut stop = self.stop.clone();
        tokio::select! {
            biased;
            () = stopped(&mut stop) => self.life.stop(),
            () = sleep_until(until) => self.life.due(),
        };
    }

    fn note_failure(&mut self, fault: Fault) {
        let now = Instant::now();
        let phase = self.life.failed(now.into_std(), fastrand::f64(), &fault);
        // As long as it asks for, but no longer than one that is simply away.
        let most = self.settings.life.backoff.most;
        self.not_before = fault.retry_after.map(|asked| now + asked.min(most));
        record(&Event::UpstreamFailed {
            upstream: self.settings.name.clone(),
            fault: fault.clone(),
            failures: self.life.failures(),
            retry_in: self.wait_of(phase, now),
        });
        self.fault = Some(fault);
    }

    fn note_loss(&mut self, fault: Fault) {
        let now = Instant::now();
        let phase = self.life.lost(now.into_std(), fastrand::f64(), &fault);
        self.not_before = None;
        let retry_in = self.wait_of(phase, now);
        record(&Event::SessionLost {
            upstream: self.settings.name.clone(),
            fault: fault.clone(),
            retry_in,
        });
        self.fault = Some(fault);
    }

    /// Takes over a list of tools; a list that says what is known already changes nothing.
    async fn take_catalog(&mut self, session: &Session, tools: Vec<Value>) {
        let catalog = catalog(session.identity(), tools, &self.settings.catalog).await;
        if self.catalog.as_ref().is_some_and(|known| known.is_same(&catalog)) {
            return;
        }
        self.tell_changes(&catalog);
        self.catalog_version += 1;
        self.catalog = Some(Arc::new(catalog));
    }

    fn tell_changes(&self, catalog: &Catalog) {
        let upstream = &self.settings.name;
        for tool in catalog.tools() {
            for note in &tool.notes {
                let tool = tool.definition.name.clone();
                record(&Event::ToolFlawed { upstream: upstream.clone(), tool, note: note.clone() });
            }
        }
        let Some(known) = &self.catalog else { return };
        let missing_in = |other: &Catalog, one: &Catalog| -> Vec<String> {
            let names = one.tools().iter().map(|tool| &tool.definition.name);
            names.filter(|name| other.tool(name).is_none()).cloned().collect()
        };
        record(&Event::ToolsChanged {
            upstream: upstream.clone(),
            added: missing_in(known, catalog),
            removed: missing_in(catalog, known),
        });
    }

    fn publish(&self, live: Option<&Live>) {
        let state = self.state(live.is_some());
        let before = self.place.view();
        let since = if before.state == state { before.since } else { Instant::now() };
        let turned = before.session.is_some() != live.is_some();
        let away_since = if turned { Instant::now() } else { before.away_since };
        self.place.publish(View {
            name: self.settings.name.clone(),
            state,
            since,
            away_since,
            catalog: self.catalog.clone(),
            catalog_version: self.catalog_version,
            session: live.map(|live| LiveSession {
                epoch: live.epoch,
                connection_per_call: has_connection_per_call(&self.settings.endpoint),
                session: live.session.clone(),
            }),
            timeout: self.settings.timeout,
            reconnects: self.epochs.saturating_sub(1),
        });
    }

    fn state(&self, live: bool) -> State {
        let failures = self.life.failures();
        match self.life.phase() {
            Phase::Ready { .. } if live => State::Ready,
            Phase::Ready { .. } | Phase::Starting => {
                State::Starting { failures, fault: self.fault.clone() }
            }
            Phase::Resting { until } => State::Resting {
                failures,
                fault: self
                    .fault
                    .clone()
                    .unwrap_or_else(|| Fault::new(FaultKind::Unreachable, "not started yet")),
                retry_at: self.due_at(until),
            },
            Phase::Held { look_at, .. } => State::Resting {
                failures,
                fault: self
                    .fault
                    .clone()
                    .unwrap_or_else(|| Fault::new(FaultKind::Held, "held by the operator")),
                retry_at: look_at.map_or_else(far_off, Instant::from),
            },
            Phase::Dormant | Phase::Stopped => State::Stopped,
        }
    }

    fn due_at(&self, until: std::time::Instant) -> Instant {
        self.not_before.map_or(until.into(), |asked| asked.max(until.into()))
    }

    fn wait_of(&self, phase: Phase, now: Instant) -> Duration {
        match phase {
            Phase::Resting { until } => self.due_at(until).saturating_duration_since(now),
            Phase::Held { look_at: Some(at), .. } => {
                Instant::from(at).saturating_duration_since(now)
            }
            Phase::Starting
            | Phase::Ready { .. }
            | Phase::Held { look_at: None, .. }
            | Phase::Dormant
            | Phase::Stopped => Duration::ZERO,
        }
    }
}

/// Later than anything that is waited for.
fn far_off() -> Instant {
    Instant::now() + Duration::from_hours(24)
}

fn has_connection_per_call(endpoint: &Endpoint) -> bool {
    match endpoint {
        Endpoint::Stdio(_) => false,
        Endpoint::Http(http) => match http.transport {
            HttpTransport::Streamable => true,
            HttpTransport::Sse => false,
        },
        Endpoint::Custom(dial) => dial.has_connection_per_call(),
    }
}

/// Leaves the calls under way on a session that time, closes it, and sees it end.
async fn end_in_good_order(live: Live, linger: Duration, mut stop: watch::Receiver<bool>) {
    let Live { session, mut running, .. } = live;
    tokio::select! {
        biased;
        () = stopped(&mut stop) => {}
        // It ended by itself: nothing is left to be closed.
        _cause = &mut running => return,
        () = sleep(linger) => {}
    }
    session.close();
    running.await;
}

/// With more tools than this a catalog is made on a thread of its own: at some 100 us a tool, a
/// worker that made it would keep other upstreams waiting.
const TOOLS_INLINE_MAX: usize = 32;

async fn catalog(identity: &ServerIdentity, tools: Vec<Value>, policy: &CatalogPolicy) -> Catalog {
    let (identity, policy) = (identity.clone(), policy.clone());
    let is_short = tools.len() <= TOOLS_INLINE_MAX;
    let make = move || {
        let definitions = tools.iter().filter_map(ToolDefinition::from_json).collect();
        Catalog::new(identity, definitions, &policy)
    };
    if is_short {
        return make();
    }
    spawn_blocking(make)
        .await
        .expect("making a catalog does not panic, and the runtime outlives it")
}

/// Ends when the keeper must stop, also when nobody is left to tell it so.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _told_or_orphaned = stop.wait_for(|stop| *stop).await;
}

/// Ends when that session, or a later one, is said to be of no use.
async fn suspected(suspicions: &mut watch::Receiver<Suspicion>, epoch: u64) -> Fault {
    if suspicions.wait_for(|known| known.epoch >= epoch).await.is_err() {
        // Nobody is left who could suspect it: the snapshot without this upstream is out.
        std::future::pending::<()>().await;
    }
    let fault = suspicions.borrow().fault.clone();
    fault.unwrap_or_else(|| Fault::new(FaultKind::SessionLost, "suspected"))
}
