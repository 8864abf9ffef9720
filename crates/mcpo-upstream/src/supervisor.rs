//! Makes what runs equal to what is wanted, over and over: each turn compares the two and acts on
//! the difference. Startup is a turn from nothing.

use std::collections::{BTreeMap, HashMap};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use mcpo_config::{Plan, Server};
use mcpo_core::event::Event;
use mcpo_core::fault::{Fault, FaultKind};
use tokio::sync::watch;
use tokio::task::{Id, JoinSet};
use tokio::time::{Instant, timeout};

use crate::directory::{Directory, Upstream};
use crate::keeper::{Keeper, Stop};
use crate::settings::Settings;
use crate::sleep::Jumps;

pub use crate::settings::{Dialler, HTTP_HANDSHAKE, Recovery, STDIO_HANDSHAKE, SupervisorOptions};

/// How long nothing is done for an upstream whose keeper broke.
const BROKEN_REST: Duration = Duration::from_secs(5);

/// Owns the keepers.
#[derive(Debug)]
pub struct Supervisor {
    options: SupervisorOptions,
    directory: Arc<Directory>,
    keepers: JoinSet<()>,
    tasks: HashMap<Id, Task>,
    /// The newest keeper of each upstream that is wanted.
    running: BTreeMap<String, Running>,
    started: u64,
}

/// A keeper that runs, or that still ends, or the rest after one that broke.
#[derive(Debug)]
struct Task {
    name: String,
    /// No two have the same, so that one that still ends is not taken for its successor.
    number: u64,
    stop: watch::Sender<Stop>,
    /// Closed once it has ended.
    over: watch::Receiver<()>,
    /// The next one of that name waits until it has ended.
    is_process: bool,
    is_rest: bool,
}

#[derive(Debug)]
struct Running {
    server: Server,
    number: u64,
    settings: watch::Sender<Arc<Settings>>,
    stop: watch::Sender<Stop>,
}

impl Supervisor {
    /// A supervisor that publishes into `directory`.
    #[must_use]
    pub fn new(options: SupervisorOptions, directory: Arc<Directory>) -> Self {
        Self {
            options,
            directory,
            keepers: JoinSet::new(),
            tasks: HashMap::new(),
            running: BTreeMap::new(),
            started: 0,
        }
    }

    /// Follows `wanted` until its sender is gone; then stops all upstreams in good order.
    ///
    /// Dropping the future kills every child and ends every task at once.
    pub async fn run(mut self, mut wanted: watch::Receiver<Arc<Vec<Server>>>) {
        let mut jumps = Jumps::new(Arc::clone(self.directory.beat()));
        let journal = Arc::clone(self.directory.journal());
        let mut telling = pin!(journal.tell_repeats());
        loop {
            let now_wanted = wanted.borrow_and_update().clone();
            self.turn(&now_wanted);
            tokio::select! {
                biased;
                changed = wanted.changed() => if changed.is_err() { break },
                Some(ended) = self.keepers.join_next_with_id() => match ended {
                    Ok((id, ())) => self.note_end(id),
                    Err(broken) => self.note_break(broken.id()),
                },
                by = jumps.next() => self.note_jump(by),
                never = &mut telling => match never {},
            }
        }
        // In a known order, so that a simulation plays the same twice.
        let mut tasks: Vec<&Task> = self.tasks.values().collect();
        tasks.sort_unstable_by_key(|task| task.number);
        for task in tasks {
            task.stop.send_replace(Stop::Now);
        }
        while self.keepers.join_next().await.is_some() {}
        for name in self.running.keys() {
            self.directory.leave(name);
        }
        journal.tell_rest_of_repeats();
    }

    fn turn(&mut self, wanted: &[Server]) {
        let now: Vec<Server> =
            self.running.values().map(|running| running.server.clone()).collect();
        let plan = Plan::between(&now, wanted);
        for name in &plan.stop {
            self.let_go(name.as_str());
            self.directory.leave(name.as_str());
        }
        for server in plan.keep {
            self.keep(server);
        }
        for server in plan.replace {
            let before = self.let_go(server.name.as_str());
            let is_read_alike = before.is_some_and(|before| before.catalog == server.catalog);
            self.start(server, is_read_alike);
        }
        for server in plan.start {
            self.start(server, false);
        }
        let names: Vec<&str> = wanted.iter().map(|server| server.name.as_str()).collect();
        self.directory.arrange(&names);
    }

    /// Its sessions stay, the new settings hold from now on.
    fn keep(&mut self, server: Server) {
        let settings = self.options.settings(&server);
        if let Some(running) = self.running.get_mut(server.name.as_str())
            && running.server != server
        {
            running.server = server;
            running.settings.send_replace(Arc::new(settings));
        }
    }

    /// Lets a keeper finish the calls under way and end; it is not waited for.
    fn let_go(&mut self, name: &str) -> Option<Server> {
        let running = self.running.remove(name)?;
        let until = Instant::now() + self.options.drain_timeout;
        running.stop.send_replace(Stop::Drained(until));
        Some(running.server)
    }

    /// Gives an upstream a keeper. It takes its seat at once, so that calls wait there, and begins
    /// once no process of a predecessor is left. It may go on with the predecessor's catalog.
    fn start(&mut self, server: Server, inherits: bool) {
        let name = server.name.to_string();
        let settings = self.options.settings(&server);
        let is_process = settings.is_process();
        let (stop, stop_rx) = watch::channel(Stop::No);
        let (settings, settings_rx) = watch::channel(Arc::new(settings));
        let last = self.directory.load().upstream(&name).map(|upstream| upstream.view.clone());
        let keeper =
            Keeper::new(settings_rx, &self.directory, stop_rx, (last.as_deref(), inherits));
        let in_the_way = |task: &&Task| is_process && task.is_process && task.name == name;
        let before: Vec<_> =
            self.tasks.values().filter(in_the_way).map(|task| task.over.clone()).collect();
        let (alive, over) = watch::channel(());
        let task = self.keepers.spawn(async move {
            for mut one in before {
                while one.changed().await.is_ok() {}
            }
            keeper.run().await;
            drop(alive);
        });
        self.started += 1;
        let number = self.started;
        let (name_of_task, stop_of_task) = (name.clone(), stop.clone());
        self.tasks.insert(
            task.id(),
            Task {
                name: name_of_task,
                number,
                stop: stop_of_task,
                over,
                is_process,
                is_rest: false,
            },
        );
        self.running.insert(name, Running { server, number, settings, stop });
    }

    /// A keeper that was let go ended, or the rest after a broken one.
    fn note_end(&mut self, id: Id) {
        let Some(task) = self.tasks.remove(&id) else { return };
        if task.is_rest
            && self.is_current(&task)
            && let Some(running) = self.running.remove(&task.name)
        {
            self.start(running.server, true);
        }
    }

    /// A keeper broke, which only a defect of ours can bring about. Its upstream keeps its place
    /// and gets another keeper, but not before a rest: what broke one may break the next.
    fn note_break(&mut self, id: Id) {
        let Some(broken) = self.tasks.remove(&id) else { return };
        tracing::error!(
            upstream = broken.name,
            "the task that keeps the upstream broke; starting another"
        );
        if !self.is_current(&broken) {
            return;
        }
        let fault = Fault::new(FaultKind::Unreachable, "the task that keeps the upstream broke");
        self.directory.show_resting(&broken.name, fault, Instant::now() + BROKEN_REST);
        let mut stop = broken.stop.subscribe();
        let rest = self.keepers.spawn(async move {
            // Told to stop, or rested: what comes next is decided by then.
            let _rested = timeout(BROKEN_REST, stop.wait_for(|stop| *stop != Stop::No)).await;
        });
        self.tasks.insert(rest.id(), Task { is_rest: true, is_process: false, ..broken });
    }

    fn is_current(&self, task: &Task) -> bool {
        self.running.get(&task.name).is_some_and(|running| running.number == task.number)
    }

    fn note_jump(&self, by: Duration) {
        self.directory.journal().record(&Event::ClockJumped { by });
        if self.options.recovery.enabled {
            self.directory.load().upstreams().iter().for_each(Upstream::doubt_time);
        }
    }
}

#[cfg(test)]
mod tests;
