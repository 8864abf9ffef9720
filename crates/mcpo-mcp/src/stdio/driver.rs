//! Owns one child and the tasks on its pipes: notices its end in whatever shape it comes, and
//! brings it about when asked to.
//!
//! ```text
//! start -> [handshake] -> run -+- close  -> stdin closed, grace, SIGTERM, grace, SIGKILL -+-> gone
//!                              +- a sign -> last words read, rest of the group killed ----+
//! ```

use std::io;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;
use tracing::Instrument;

use crate::conversation::Conversation;
use crate::endpoint;
use crate::error::Cause;
use crate::multiplex::Multiplexer;
use crate::redact::Redactor;
use crate::stdio::process::{Pipes, Process, describe};
use crate::stdio::stderr::{self, Tail};
use crate::stdio::{command, reader, writer};

/// How long we wait, after one sign of the end, for what explains it: the exit status after a
/// closed pipe, the rest of stdout and stderr after the exit. Only a process that left the group
/// and holds the pipes makes us wait so long.
pub(crate) const LAST_WORDS_TIMEOUT: Duration = Duration::from_millis(500);

/// See the module.
#[derive(Debug)]
pub(crate) struct Driver {
    process: Process,
    tasks: JoinSet<Done>,
    multiplexer: Multiplexer,
    conversation: Option<Conversation>,
    tail: Arc<Tail>,
    close: Arc<Notify>,
    grace: Duration,
}

/// A task on a pipe is done.
#[derive(Debug)]
enum Done {
    Stdin(io::Result<()>),
    Stdout(Cause),
    Stderr,
}

/// The first sign that the session is lost.
#[derive(Debug)]
pub(crate) enum Sign {
    /// The process ended.
    Exited(io::Result<ExitStatus>),
    /// A pipe broke; the process should end any moment.
    Pipe(Cause),
    /// The upstream wrote what we cannot read on from.
    Unreadable(Cause),
}

impl Driver {
    /// Starts the child.
    ///
    /// # Errors
    /// [`Cause::Start`].
    pub(crate) fn start(endpoint: &endpoint::Stdio, grace: Duration) -> Result<Self, Cause> {
        let (process, pipes) = Process::spawn(
            command::build(endpoint)?,
            &endpoint.command,
            endpoint.launcher.as_ref(),
        )?;
        let Pipes { stdin, stdout, stderr } = pipes;
        let (multiplexer, outbox) = Multiplexer::new();
        let tail = Arc::new(Tail::new(Redactor::new(&endpoint.environment)));
        let mut tasks = JoinSet::new();
        let (incoming, told) = (multiplexer.clone(), Arc::clone(&tail));
        let reading =
            async move { Done::Stdout(reader::read_messages(stdout, &incoming, &told).await) };
        let writing = async move { Done::Stdin(writer::write_messages(stdin, outbox).await) };
        let told = Arc::clone(&tail);
        let listening = async move {
            stderr::keep_tail(stderr, &told).await;
            Done::Stderr
        };
        // Their lines are of the session that they are started for.
        tasks.spawn(reading.in_current_span());
        tasks.spawn(writing.in_current_span());
        tasks.spawn(listening.in_current_span());
        Ok(Self {
            process,
            tasks,
            multiplexer,
            conversation: None,
            tail,
            close: Arc::default(),
            grace,
        })
    }

    pub(crate) fn multiplexer(&self) -> &Multiplexer {
        &self.multiplexer
    }

    /// See [`Session::process_id`](crate::session::Session::process_id).
    pub(crate) fn process_id(&self) -> Option<u32> {
        self.process.id()
    }

    /// The handshake is done; gives what a handle needs.
    pub(crate) fn attach(&mut self, conversation: Conversation) -> (Arc<Tail>, Arc<Notify>) {
        self.conversation = Some(conversation);
        (Arc::clone(&self.tail), Arc::clone(&self.close))
    }

    /// See [`session::Driver::run`](crate::session::Driver::run).
    pub(crate) async fn run(mut self) -> Cause {
        let conversation = self.conversation.clone();
        let close = Arc::clone(&self.close);
        let listening = async {
            if let Some(conversation) = &conversation {
                conversation.listen().await;
            }
            std::future::pending::<()>().await;
        };
        let sign = tokio::select! {
            biased;
            () = close.notified() => None,
            sign = self.lost() => Some(sign),
            () = listening => None,
        };
        match sign {
            Some(sign) => self.bury(sign).await,
            None => {
                self.close_down().await;
                Cause::Closed
            }
        }
    }

    /// Waits for the first sign of the end.
    ///
    /// Cancel-safe: a sign that was not returned shows again.
    pub(crate) async fn lost(&mut self) -> Sign {
        loop {
            let done = tokio::select! {
                status = self.process.wait() => return Sign::Exited(status),
                Some(done) = self.tasks.join_next() => done,
            };
            if let Some(sign) = read_sign(done) {
                return sign;
            }
        }
    }

    /// Finds out what is behind a sign, tells it to all who wait, and clears away what is left.
    pub(crate) async fn bury(&mut self, sign: Sign) -> Cause {
        let cause = match sign {
            Sign::Exited(status) => self.obituary(status).await,
            Sign::Pipe(cause) => match timeout(LAST_WORDS_TIMEOUT, self.process.wait()).await {
                Ok(status) => self.obituary(status).await,
                Err(_) => cause,
            },
            Sign::Unreadable(cause) => cause,
        };
        self.multiplexer.end(&cause);
        self.end_process().await;
        self.tasks.shutdown().await;
        cause
    }

    /// Ends the session in good order: what is queued is written, stdin is closed, and the child
    /// has its time; answers that still come are delivered.
    pub(crate) async fn close_down(&mut self) {
        self.multiplexer.close();
        self.end_process().await;
        self.read_out().await;
        self.multiplexer.end(&Cause::Closed);
        self.tasks.shutdown().await;
    }

    /// The process has ended; what it still wrote is read before anybody is told.
    async fn obituary(&mut self, status: io::Result<ExitStatus>) -> Cause {
        self.read_out().await;
        Cause::Exited { status: describe(&status), stderr: self.tail.last_lines() }
    }

    /// Why no answer to the handshake came, with what the child said instead of one.
    pub(crate) fn silence(&self) -> Cause {
        let last_words = self.tail.last_lines();
        if last_words.trim().is_empty() { Cause::Deadline } else { Cause::Silent { last_words } }
    }

    /// Waits until both output pipes are at their end, but not for whoever else holds them.
    async fn read_out(&mut self) {
        self.multiplexer.end_outbox();
        let all_done = async { while self.tasks.join_next().await.is_some() {} };
        if timeout(LAST_WORDS_TIMEOUT, all_done).await.is_err() {
            tracing::debug!("something that the child started holds its pipes");
        }
    }

    /// Returns when the process is reaped, or cannot be ended.
    async fn end_process(&mut self) {
        if timeout(self.grace, self.process.wait()).await.is_ok() {
            return;
        }
        tracing::debug!("the child stays after its stdin closed, sending SIGTERM");
        self.process.terminate();
        if timeout(self.grace, self.process.wait()).await.is_ok() {
            return;
        }
        tracing::warn!("the child stays after SIGTERM, killing it");
        self.process.kill();
        if timeout(KILLED_TIMEOUT, self.process.wait()).await.is_err() {
            tracing::warn!("the child stays after SIGKILL");
        }
    }
}

/// A killed process ends at once unless it hangs in the kernel; then tokio reaps it later.
const KILLED_TIMEOUT: Duration = Duration::from_secs(5);

impl Drop for Driver {
    /// Nobody reads answers any more.
    fn drop(&mut self) {
        self.multiplexer.end(&Cause::Closed);
    }
}

fn read_sign(done: Result<Done, JoinError>) -> Option<Sign> {
    match done {
        Ok(Done::Stderr | Done::Stdin(Ok(()))) => None,
        Ok(Done::Stdin(Err(error))) => {
            Some(Sign::Pipe(Cause::Broken(format!("write to stdin: {error}"))))
        }
        Ok(Done::Stdout(cause @ Cause::Broken(_))) => Some(Sign::Pipe(cause)),
        Ok(Done::Stdout(cause)) => Some(Sign::Unreadable(cause)),
        Err(error) => {
            Some(Sign::Unreadable(Cause::Broken(format!("a task on its pipes failed: {error}"))))
        }
    }
}
