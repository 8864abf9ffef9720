//! No child outlives us: a process of our own that stays when we are killed, and ends the process
//! groups that we left.
//!
//! ```text
//! we:        start child (waits) -> "+GROUP START" to the guard -> one byte to the child: go
//!            child gone, its group killed -> "-GROUP"
//! the guard: stdin at its end -> SIGTERM to the groups left, grace, SIGKILL
//! ```
//!
//! What is written to a pipe stays there when its writer is killed, so from the moment in which a
//! child becomes its command the guard knows of it, or is about to. It runs in a process group of
//! its own, where signals to ours do not reach it, starts with the first child, and is started
//! again when it ends before us.

mod stand;

use std::collections::HashMap;
use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::Pid;
use tokio::net::unix::pipe;
use tokio::process::{Child, ChildStdin, Command};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

pub use stand::stand_guard;

/// What `ps` shows it as, where it would show how it was found (`/proc/self/exe`). Not our own name:
/// whoever kills all that is called `mcpo` must not kill the guard with it.
const NAME: &str = "child-guard";
/// A guard that ended sooner after its start than this is given this rest before the next one.
const RESTART_PAUSE: Duration = Duration::from_secs(1);

/// The guard of all children that are started with it; see the module. Nothing runs before the
/// first of them does.
pub struct Guard {
    program: PathBuf,
    arguments: Vec<String>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Each group that may have somebody in it, with the time at which its leader started.
    groups: HashMap<Pid, u64>,
    running: Option<Running>,
    /// It was told that no guard can be started: once is enough until one could.
    is_missed: bool,
}

/// The process, while nobody has noticed that it ended.
struct Running {
    /// Killed when this is dropped, before its stdin is: one that we have given up must not act on
    /// what it knows, which is old.
    _child: Child,
    stdin: ChildStdin,
    /// Its stdout, on which it never writes: at its end when the guard has ended.
    end: Arc<pipe::Receiver>,
    since: Instant,
}

/// A process group that the guard knows of. Dropping it says that nobody is left in the group.
#[derive(Debug)]
pub(crate) struct Guarded {
    guard: Arc<Guard>,
    group: Pid,
    _keeping: JoinSet<()>,
}

impl Guard {
    /// A guard that is started as `program arguments...`, which calls [`stand_guard`].
    #[must_use]
    pub fn new(program: PathBuf, arguments: Vec<String>) -> Self {
        Self { program, arguments, state: Mutex::default() }
    }

    /// Tells the guard of a group whose leader is alive, and starts the guard where none runs.
    /// Without one the group is only as safe as its members are well-behaved: that is logged, and
    /// better than no child.
    ///
    /// Needs a runtime.
    pub(crate) fn watch_over(self: &Arc<Self>, group: Pid) -> Guarded {
        let started = stand::start_of(group).unwrap_or(stand::START_UNKNOWN);
        let mut state = self.state();
        state.groups.insert(group, started);
        if !state.tell(&stand::here(group, started)) {
            self.start(&mut state);
        }
        drop(state);
        let mut keeping = JoinSet::new();
        let guard = Arc::clone(self);
        keeping.spawn(async move { guard.keep().await });
        Guarded { guard: Arc::clone(self), group, _keeping: keeping }
    }

    /// Starts the guard again whenever it ends. Every child's task does this, and the first to
    /// notice acts.
    async fn keep(&self) {
        loop {
            let (end, since) = match &self.state().running {
                Some(running) => (Some(Arc::clone(&running.end)), running.since),
                None => (None, Instant::now()),
            };
            if let Some(end) = &end {
                let _ended_or_broken = end.readable().await;
            }
            if since.elapsed() < RESTART_PAUSE {
                sleep(RESTART_PAUSE).await;
            }
            self.replace(end.as_ref());
        }
    }

    /// Starts another guard in the place of this one, unless somebody has.
    fn replace(&self, ended: Option<&Arc<pipe::Receiver>>) {
        let mut state = self.state();
        let is_same = match (&state.running, ended) {
            (Some(running), Some(ended)) => Arc::ptr_eq(&running.end, ended),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        if is_same {
            self.start(&mut state);
        }
    }

    /// Starts a guard and tells it of every group.
    fn start(&self, state: &mut State) {
        if state.running.take().is_some() {
            tracing::warn!("the guard of the child processes ended; another takes its place");
        }
        match self.spawn() {
            Ok(running) => {
                state.running = Some(running);
                state.is_missed = false;
            }
            Err(error) => {
                if !std::mem::replace(&mut state.is_missed, true) {
                    tracing::error!(%error, "no guard can be started: children may outlive a mcpo that is killed");
                }
                return;
            }
        }
        let all: String =
            state.groups.iter().map(|(&group, &started)| stand::here(group, started)).collect();
        let _told = state.tell(&all);
    }

    fn spawn(&self) -> io::Result<Running> {
        let mut command = Command::new(&self.program);
        // It needs nothing of what we have, and must hold on to none of it.
        command.arg0(NAME).args(&self.arguments).env_clear().current_dir("/").process_group(0);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        let mut child = command.spawn()?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("it has no pipes"));
        };
        let end = Arc::new(pipe::Receiver::from_owned_fd(stdout.into_owned_fd()?)?);
        Ok(Running { _child: child, stdin, end, since: Instant::now() })
    }

    /// Sections under this lock are a few system calls long and never panic half-way.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether a guard has taken the words; one that has not is given up.
    fn tell(&mut self, words: &str) -> bool {
        let Some(running) = &self.running else { return false };
        // Never waits: the pipe has room for thousands of groups.
        let written = rustix::io::write(running.stdin.as_fd(), words.as_bytes());
        if written == Ok(words.len()) {
            return true;
        }
        tracing::warn!("the guard of the child processes does not listen any more");
        self.running = None;
        false
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        let mut state = self.guard.state();
        state.groups.remove(&self.group);
        // A guard that has ended knows of nobody, and the next one is not told of this group.
        let _taken = state.tell(&stand::gone(self.group));
    }
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guard").field("program", &self.program).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
