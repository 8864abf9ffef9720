//! An upstream in memory whose behaviour is data, kept by the real supervisor, and calls to it, all
//! in virtual time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mcpo_config::{
    ChildEnvironment, Endpoint, Era, Http, HttpKind, PoolSizes, Server, ServerName, Stdio,
};
use mcpo_core::catalog::{CatalogPolicy, ServerIdentity};
use mcpo_core::event::Event;
use mcpo_core::fault::{FaultKind, Stage};
use mcpo_core::load::ServerLoad;
use mcpo_core::outcome::Outcome;
use mcpo_core::trace::TraceContext;
use mcpo_mcp::answer::Answer;
use mcpo_mcp::custom::{BoxFuture, Custom, Dial, Wire};
use mcpo_mcp::endpoint;
use mcpo_mcp::error::{Cause, RequestError};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::classify::classify;
use crate::directory::{Directory, LiveSession, Noted, Upstream, View};
use crate::order::{Order, Told};
use crate::supervisor::{Dialler, Recovery, Supervisor, SupervisorOptions};

/// How the upstream is now. Sessions look at it at each request.
#[derive(Debug, Clone)]
pub(crate) struct Manner {
    /// Nobody listens, otherwise.
    pub(crate) listens: bool,
    /// A dial is answered with this instead.
    pub(crate) dial_fails: Option<Cause>,
    /// A dial takes so long.
    pub(crate) dial_takes: Duration,
    /// Sessions up to this one answer no request at all.
    pub(crate) hung: usize,
    /// Sessions up to this one are known no longer.
    pub(crate) expired: usize,
    /// Probes and lists are answered with this instead.
    pub(crate) probe_fails: Option<Cause>,
    /// Each call takes so long.
    pub(crate) call_takes: Duration,
    /// Nothing else is answered while a call runs.
    pub(crate) is_single_threaded: bool,
    pub(crate) tools: Vec<&'static str>,
}

/// The upstream itself.
#[derive(Debug)]
pub(crate) struct Up {
    manner: watch::Sender<Manner>,
    sessions: Mutex<Vec<watch::Sender<Option<Cause>>>>,
    changed: watch::Sender<u64>,
    pub(crate) dials: AtomicUsize,
    pub(crate) probes: AtomicUsize,
    running: watch::Sender<usize>,
}

#[derive(Debug)]
struct Dialled(Arc<Up>);

/// One session.
#[derive(Debug)]
struct Line {
    up: Arc<Up>,
    /// From 1.
    number: usize,
    ended: watch::Sender<Option<Cause>>,
}

/// The upstream `up` under a supervisor.
pub(crate) struct Bench {
    pub(crate) up: Arc<Up>,
    pub(crate) directory: Arc<Directory>,
    pub(crate) wanted: watch::Sender<Arc<Vec<Server>>>,
    tasks: JoinSet<()>,
}

pub(crate) const MINUTE: Duration = Duration::from_mins(1);
pub(crate) const SECOND: Duration = Duration::from_secs(1);

impl Default for Manner {
    fn default() -> Self {
        Self {
            listens: true,
            dial_fails: None,
            dial_takes: Duration::ZERO,
            hung: 0,
            expired: 0,
            probe_fails: None,
            call_takes: Duration::ZERO,
            is_single_threaded: false,
            tools: vec!["read", "write"],
        }
    }
}

// === impl Up ===

impl Up {
    fn new(manner: Manner) -> Arc<Self> {
        Arc::new(Self {
            manner: watch::Sender::new(manner),
            sessions: Mutex::default(),
            changed: watch::Sender::new(0),
            dials: AtomicUsize::new(0),
            probes: AtomicUsize::new(0),
            running: watch::Sender::new(0),
        })
    }

    pub(crate) fn set(&self, change: impl FnOnce(&mut Manner)) {
        self.manner.send_modify(change);
    }

    fn sessions(&self) -> MutexGuard<'_, Vec<watch::Sender<Option<Cause>>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sessions made and not ended.
    pub(crate) fn open(&self) -> usize {
        self.sessions().iter().filter(|ended| ended.borrow().is_none()).count()
    }

    /// Sessions made.
    pub(crate) fn made(&self) -> usize {
        self.sessions().len()
    }

    /// The oldest session that is open ends, as if its process had.
    pub(crate) fn kill_one(&self) {
        let sessions = self.sessions();
        let open = sessions.iter().find(|ended| ended.borrow().is_none());
        open.expect("one is open").send_replace(Some(exited()));
    }

    pub(crate) fn kill_all(&self) {
        for ended in &*self.sessions() {
            ended.send_if_modified(|cause| cause.replace(exited()).is_none());
        }
    }

    pub(crate) fn tell_tools_changed(&self) {
        self.changed.send_modify(|times| *times += 1);
    }

    pub(crate) fn dialled(&self) -> usize {
        self.dials.load(Ordering::Relaxed)
    }

    pub(crate) fn probed(&self) -> usize {
        self.probes.load(Ordering::Relaxed)
    }

    /// Ends once a request that is no call may be answered.
    async fn answers(&self, session: usize) -> Result<(), RequestError> {
        let mut manner = self.manner.subscribe();
        while manner.borrow_and_update().hung >= session {
            manner.changed().await.expect("the upstream stays");
        }
        let now = manner.borrow().clone();
        let fails = now.probe_fails.or_else(|| (now.expired >= session).then(|| status(404)));
        if let Some(cause) = fails {
            return Err(RequestError::maybe_sent(cause));
        }
        if self.manner.borrow().is_single_threaded {
            let mut running = self.running.subscribe();
            running.wait_for(|running| *running == 0).await.expect("the upstream stays");
        }
        Ok(())
    }
}

pub(crate) fn exited() -> Cause {
    Cause::Exited { status: "signal 9".to_owned(), stderr: "last words\n".to_owned() }
}

pub(crate) fn refused() -> Cause {
    Cause::Connect { stage: Stage::Refused, reason: "connection refused".to_owned() }
}

pub(crate) fn status(status: u16) -> Cause {
    Cause::Status { status, retry_after: None, body: String::new(), rpc: None, had_session: true }
}

impl Dial for Dialled {
    fn dial(&self) -> BoxFuture<Result<Custom, Cause>> {
        let up = Arc::clone(&self.0);
        Box::pin(async move {
            up.dials.fetch_add(1, Ordering::Relaxed);
            let manner = up.manner.borrow().clone();
            sleep(manner.dial_takes).await;
            let fault = manner.dial_fails.or_else(|| (!manner.listens).then(refused));
            if let Some(cause) = fault {
                return Err(cause);
            }
            let ended = watch::Sender::new(None);
            let mut end = ended.subscribe();
            let number = {
                let mut sessions = up.sessions();
                sessions.push(ended.clone());
                sessions.len()
            };
            let identity = ServerIdentity { name: "up".to_owned(), ..ServerIdentity::default() };
            Ok(Custom {
                identity,
                wire: Arc::new(Line { up, number, ended }),
                ended: Box::pin(async move {
                    let end = end.wait_for(Option::is_some).await;
                    end.ok().and_then(|cause| cause.clone()).unwrap_or(Cause::Closed)
                }),
            })
        })
    }
}

impl Wire for Line {
    fn call(
        &self,
        _: &str,
        _: &[u8],
        _: Instant,
        _trace: Option<&TraceContext>,
    ) -> BoxFuture<Result<Answer, RequestError>> {
        let (up, number, mut ended) = (Arc::clone(&self.up), self.number, self.ended.subscribe());
        Box::pin(async move {
            let over = ended.borrow().clone();
            let expired = up.manner.borrow().expired >= number;
            if let Some(cause) = over.or_else(|| expired.then(|| status(404))) {
                return Err(RequestError::not_sent(cause));
            }
            up.running.send_modify(|running| *running += 1);
            let call = async {
                let takes = up.manner.borrow().call_takes;
                sleep(takes).await;
                let _ = up.manner.subscribe().wait_for(|manner| manner.hung < number).await;
            };
            let result = tokio::select! {
                () = call => Ok(result()),
                _ = ended.wait_for(Option::is_some) => {
                    Err(RequestError::maybe_sent(exited()))
                }
            };
            up.running.send_modify(|running| *running -= 1);
            result
        })
    }

    fn list(&self, _: Instant) -> BoxFuture<Result<Vec<Value>, RequestError>> {
        let (up, number) = (Arc::clone(&self.up), self.number);
        Box::pin(async move {
            up.answers(number).await?;
            let names = up.manner.borrow().tools.clone();
            Ok(names.into_iter().map(|name| json!({"name": name})).collect())
        })
    }

    fn probe(&self, _: Instant) -> BoxFuture<Result<(), RequestError>> {
        self.up.probes.fetch_add(1, Ordering::Relaxed);
        let (up, number) = (Arc::clone(&self.up), self.number);
        Box::pin(async move { up.answers(number).await })
    }

    fn tools_changed(&self) -> watch::Receiver<u64> {
        self.up.changed.subscribe()
    }

    fn close(&self) {
        self.ended.send_if_modified(|cause| {
            let news = cause.is_none();
            cause.get_or_insert(Cause::Closed);
            news
        });
    }
}

fn result() -> Answer {
    Answer::Result("{}".into())
}

// === impl Bench ===

pub(crate) fn server(name: &str, sizes: PoolSizes) -> Server {
    let url = "http://127.0.0.1:1/mcp".parse().expect("a valid address");
    Server {
        name: ServerName::new(name).expect("a valid name"),
        endpoint: Endpoint::Http(Http { url, headers: Vec::new(), kind: HttpKind::Streamable }),
        era: Era::Auto,
        timeout: None,
        pool: sizes,
        catalog: CatalogPolicy::default(),
        load: ServerLoad::default(),
    }
}

pub(crate) fn bench(manner: Manner, min: usize, max: usize) -> Bench {
    bench_with(manner, Recovery::default(), PoolSizes { min, max })
}

/// A bench whose upstream is configured as a process, which alone can crash.
pub(crate) fn bench_of_process(manner: Manner) -> Bench {
    let stdio = Stdio {
        command: "up".to_owned(),
        args: Vec::new(),
        environment: ChildEnvironment::default(),
        cwd: None,
    };
    let server = server("up", PoolSizes::STDIO);
    bench_of(manner, Recovery::default(), Server { endpoint: Endpoint::Stdio(stdio), ..server })
}

pub(crate) fn bench_with(manner: Manner, recovery: Recovery, sizes: PoolSizes) -> Bench {
    bench_of(manner, recovery, server("up", sizes))
}

fn bench_of(manner: Manner, recovery: Recovery, server: Server) -> Bench {
    let up = Up::new(manner);
    let dialled: Arc<dyn Dial> = Arc::new(Dialled(Arc::clone(&up)));
    let dialler = Dialler(Arc::new(move |_| endpoint::Endpoint::Custom(Arc::clone(&dialled))));
    let options =
        SupervisorOptions { dialler: Some(dialler), recovery, ..SupervisorOptions::default() };
    let directory = Directory::new();
    let (wanted, wanted_rx) = watch::channel(Arc::new(vec![server]));
    let mut tasks = JoinSet::new();
    tasks.spawn(Supervisor::new(options, Arc::clone(&directory)).run(wanted_rx));
    Bench { up, directory, wanted, tasks }
}

impl Bench {
    pub(crate) fn upstream(&self) -> Upstream {
        self.directory.load().upstream("up").expect("it is there").clone()
    }

    pub(crate) fn view(&self) -> Arc<View> {
        self.upstream().view
    }

    /// Waits until the upstream is as wanted, for an hour at most.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&View) -> bool) -> Arc<View> {
        let mut generations = self.directory.generations();
        let wait = async {
            loop {
                generations.borrow_and_update();
                let snapshot = Arc::clone(&self.directory.load());
                if let Some(upstream) = snapshot.upstream("up")
                    && holds(&upstream.view)
                {
                    return Arc::clone(&upstream.view);
                }
                generations.changed().await.expect("the directory is there");
            }
        };
        let in_time = timeout(60 * MINUTE, wait).await;
        in_time.unwrap_or_else(|_| panic!("{what}: in vain, {:?}", self.view()))
    }

    pub(crate) async fn until_ready(&self, sessions: usize) -> Arc<View> {
        self.until("ready", |view| view.sessions.len() == sessions).await
    }

    /// One attempt at a call on the session that is picked now.
    pub(crate) async fn call(&self, limit: Duration) -> (Outcome<Answer>, Noted) {
        let live = self.view().pick(&[]).expect("it is ready").clone();
        attempt(&live, limit).await
    }

    /// So many calls under way, each until it is answered.
    pub(crate) fn calls(&self, count: usize, limit: Duration) -> JoinSet<bool> {
        let mut calls = JoinSet::new();
        for _ in 0..count {
            let live = self.view().pick(&[]).expect("it is ready").clone();
            let deadline = Instant::now() + limit;
            let in_flight = live.begin(Instant::now(), deadline);
            calls.spawn(async move {
                let result = live.session.call_tool("read", b"{}", deadline, None).await;
                let outcome = classify(result);
                live.note(&outcome, Instant::now());
                drop(in_flight);
                outcome.fault().is_none()
            });
        }
        calls
    }

    pub(crate) async fn order(&self, order: Order) -> Told {
        let deadline = Instant::now() + MINUTE;
        self.upstream().order(order, deadline).await.expect("it is carried out")
    }

    /// Events of that name, in their order.
    pub(crate) fn events(&self, name: &str) -> Vec<Event> {
        let entries = self.directory.journal().entries(0, None, usize::MAX);
        entries.into_iter().map(|entry| entry.event).filter(|event| event.name() == name).collect()
    }

    /// Why the upstream has no session, or had none.
    pub(crate) fn fault(&self) -> Option<FaultKind> {
        self.view().state.fault().map(|fault| fault.kind)
    }

    /// Stops everything; nothing is left of any session then.
    pub(crate) async fn stop(self) {
        let Self { up, wanted, mut tasks, .. } = self;
        drop(wanted);
        let ended = timeout(MINUTE, tasks.join_next()).await.expect("it ends in time");
        ended.expect("it was running").expect("it does not break");
        assert_eq!(up.open(), 0, "no session is left");
    }
}

pub(crate) async fn attempt(live: &LiveSession, limit: Duration) -> (Outcome<Answer>, Noted) {
    let deadline = Instant::now() + limit;
    let _in_flight = live.begin(Instant::now(), deadline);
    let outcome = classify(live.session.call_tool("read", b"{}", deadline, None).await);
    let noted = live.note(&outcome, Instant::now());
    (outcome, noted)
}
