//! A steady load of calls that does not wait for answers: each call has its time before the run
//! begins, its own connection, and a key by which the upstream's journal knows it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::client::Request;
use crate::engine::lock;
use crate::journal::now_ns;
use crate::load::Timer;

/// While an upstream is away for long, one call in so many is enough to see it come back.
const SPARSE: u32 = 10;
/// How often the end of the calls in flight is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// The kinds of calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Idempotent, of the victim.
    Read,
    /// Not idempotent, of the victim.
    Write,
    /// Idempotent, of the neighbour.
    Neighbour,
}

/// How a call ended for its caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// 200 with its own answer.
    Right,
    /// Another answer: the status, and the outcome that it was told.
    Wrong(u16, Option<String>),
    /// No answer in time, or a broken one.
    Nothing,
}

/// One call.
#[derive(Debug, Clone)]
pub struct Record {
    /// Which kind.
    pub class: Class,
    /// By which the journal knows it.
    pub key: String,
    /// When it was due, on the clock of [`now_ns`].
    pub due_ns: u64,
    /// When it ended.
    pub done_ns: u64,
    /// How.
    pub end: End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Full,
    Sparse,
    Over,
}

/// The load. Calls in flight are dropped with it.
#[derive(Debug)]
pub struct Steady {
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

#[derive(Debug)]
struct Shared {
    url: String,
    patience: Duration,
    mode: watch::Sender<Mode>,
    records: Mutex<Vec<Record>>,
    in_flight: AtomicUsize,
}

impl Class {
    const fn path(self) -> &'static str {
        match self {
            Self::Read => "/victim/read",
            Self::Write => "/victim/write",
            Self::Neighbour => "/neighbour/read",
        }
    }
}

impl Record {
    /// Whether it is a call of the victim that came in since then and got its own answer. One that
    /// came in before may have been answered before the upstream felt the fault.
    #[must_use]
    pub fn is_success_since(&self, ns: u64) -> bool {
        self.class != Class::Neighbour && self.end == End::Right && self.due_ns >= ns
    }
}

impl Steady {
    /// Begins; `rates` are calls per second, and a call without an answer after `patience` is lost.
    #[must_use]
    pub fn start(url: &str, rates: &[(Class, f64)], patience: Duration) -> Self {
        let shared = Arc::new(Shared {
            url: url.to_owned(),
            patience,
            mode: watch::Sender::new(Mode::Full),
            records: Mutex::default(),
            in_flight: AtomicUsize::new(0),
        });
        let mut tasks = JoinSet::new();
        for &(class, per_second) in rates {
            tasks.spawn(keep_calling(Arc::clone(&shared), class, per_second));
        }
        Self { shared, _tasks: tasks }
    }

    /// From now on calls are few, and not counted: they only show whether one succeeds.
    pub fn thin_out(&self) {
        self.shared.mode.send_replace(Mode::Sparse);
    }

    /// From now on calls come as they did at first.
    pub fn go_on(&self) {
        self.shared.mode.send_replace(Mode::Full);
    }

    /// When the first call of the victim that came in since then got its answer.
    #[must_use]
    pub fn success_since(&self, ns: u64) -> Option<u64> {
        let records = lock(&self.shared.records);
        let right = records.iter().filter(|record| record.is_success_since(ns));
        right.map(|record| record.done_ns).min()
    }

    /// How many calls have ended.
    #[must_use]
    pub fn ended(&self) -> usize {
        lock(&self.shared.records).len()
    }

    /// Ends the load, waits for the calls in flight that count, and gives all that ended.
    pub async fn finish(self) -> Vec<Record> {
        self.shared.mode.send_replace(Mode::Over);
        while self.shared.in_flight.load(Ordering::Acquire) > 0 {
            sleep(LOOK_EVERY).await;
        }
        std::mem::take(&mut *lock(&self.shared.records))
    }
}

async fn keep_calling(shared: Arc<Shared>, class: Class, per_second: f64) {
    let timer = Timer::new().expect("a timer can be made");
    let interval = Duration::from_secs_f64(1.0 / per_second);
    let (begin, begin_ns) = (Instant::now(), now_ns());
    let mut calls = JoinSet::new();
    for number in 0_u32.. {
        let after = interval * number;
        timer.until(begin + after).await.expect("a timer can be set");
        let counted = match *shared.mode.borrow() {
            Mode::Full => true,
            Mode::Sparse if number % SPARSE == 0 => false,
            Mode::Sparse => continue,
            Mode::Over => break,
        };
        let due_ns = begin_ns + u64::try_from(after.as_nanos()).expect("runs are short");
        if counted {
            shared.in_flight.fetch_add(1, Ordering::AcqRel);
        }
        calls.spawn(call(Arc::clone(&shared), class, number, due_ns, counted));
        while calls.try_join_next().is_some() {}
    }
    while calls.join_next().await.is_some() {}
}

async fn call(shared: Arc<Shared>, class: Class, number: u32, due_ns: u64, counted: bool) {
    let key = format!("{class:?}-{number}").to_lowercase();
    let url = format!("{}{}", shared.url, class.path());
    let request = Request::post(&url).json(&json!({"key": key}));
    let end = match timeout(shared.patience, request.send()).await {
        Ok(Ok(reply)) if reply.status == 200 && reply.text().contains(&key) => End::Right,
        Ok(Ok(reply)) => {
            let outcome = reply.header("x-mcpo-outcome").map(str::to_owned);
            End::Wrong(reply.status.as_u16(), outcome)
        }
        Ok(Err(_)) | Err(_) => End::Nothing,
    };
    let record = Record { class, key, due_ns, done_ns: now_ns(), end };
    // A call that does not count is kept only as a sign of life.
    if counted || record.end == End::Right {
        lock(&shared.records).push(record);
    }
    if counted {
        shared.in_flight.fetch_sub(1, Ordering::AcqRel);
    }
}
