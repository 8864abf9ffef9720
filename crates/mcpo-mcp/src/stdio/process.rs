//! One child and its process group: nothing of it outlives the [`Process`].

use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

use crate::endpoint::Launcher;
use crate::error::Cause;
use crate::guard::Guarded;
use crate::launcher::GO;

/// A child that leads its own process group. Dropping it kills the group.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    /// `None` once the child is reaped: its id may belong to somebody else then.
    group: Option<Pid>,
    /// Says to the guard when nobody is left in the group.
    guarded: Option<Guarded>,
}

/// The child's ends of its pipes.
#[derive(Debug)]
pub(super) struct Pipes {
    pub(super) stdin: ChildStdin,
    pub(super) stdout: ChildStdout,
    pub(super) stderr: ChildStderr,
}

impl Process {
    /// Starts it. `name` is what the operator calls it, and the launcher the one that the command
    /// begins with.
    pub(super) fn spawn(
        mut command: Command,
        name: &str,
        launcher: Option<&Launcher>,
    ) -> Result<(Self, Pipes), Cause> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.process_group(0).kill_on_drop(true);
        let failed = |reason: String| Cause::Start { command: name.to_owned(), reason };
        let mut child = command.spawn().map_err(|error| failed(error.to_string()))?;
        let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let guard = launcher.and_then(|launcher| launcher.guard.as_ref());
        let guarded = group.zip(guard).map(|(group, guard)| guard.watch_over(group));
        let process = Self { child, group, guarded };
        let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
            return Err(failed("it has no pipes".to_owned()));
        };
        if launcher.is_some() {
            // Whatever becomes of us from now on, nothing is left of the child. The pipe is empty
            // and so never full; if nobody reads it, the child's end tells why.
            let _read_or_dead = rustix::io::write(stdin.as_fd(), GO);
        }
        Ok((process, Pipes { stdin, stdout, stderr }))
    }

    /// Its id, which is its group's, too; `None` once it is reaped.
    pub(super) fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits for the end of the child, and then kills what it left behind in its group
    /// (`npx` that was killed leaves its node).
    ///
    /// Cancel-safe: it can be waited for again.
    pub(super) async fn wait(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait().await;
        self.kill();
        self.group = None;
        self.guarded = None;
        status
    }

    /// SIGTERM to the whole group.
    pub(super) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// SIGKILL to the whole group.
    pub(super) fn kill(&self) {
        self.signal(Signal::KILL);
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.group {
            // The only way to fail is that nobody is left.
            let _ = kill_process_group(group, signal);
        }
    }
}

impl Drop for Process {
    /// Reaping is tokio's: a child that is dropped goes to its orphans. The guard hears of it
    /// after the signal.
    fn drop(&mut self) {
        self.kill();
    }
}

/// `exit code 1`, `signal 9`.
pub(super) fn describe(status: &io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) => match (status.code(), status.signal()) {
            (Some(code), _) => format!("exit code {code}"),
            (None, Some(signal)) => format!("signal {signal}"),
            (None, None) => status.to_string(),
        },
        Err(error) => format!("status unknown: {error}"),
    }
}
