//! Load straight into a stdio upstream, many calls in flight: what is left when there is no
//! proxy at all.

use std::process::Stdio;

use anyhow::{Context, Result, bail};
use bytes::{Buf, BytesMut};
use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::Instant;

use super::timer::Timer;
use super::{Arrivals, Plan, Report};

/// A stdio upstream and the call that it is sent. It is killed when this is dropped.
#[derive(Debug)]
pub struct PipeLoad {
    child: Child,
    stdin: ChildStdin,
    stdout: ChildStdout,
    buffer: BytesMut,
    params: String,
    expected: Vec<u8>,
}

/// The calls in flight of one run. Ids are slots, counted from one.
struct Flight {
    due: Vec<Option<Instant>>,
    free: Vec<usize>,
}

impl PipeLoad {
    /// Starts the upstream and shakes hands; `params` are those of `tools/call`.
    ///
    /// # Errors
    /// When it does not start, or does not answer.
    pub async fn start(command: &[String], params: &str, expected: &str) -> Result<Self> {
        let (program, arguments) = command.split_first().context("a command")?;
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("start {program}"))?;
        let stdin = child.stdin.take().context("stdin is piped")?;
        let stdout = child.stdout.take().context("stdout is piped")?;
        let (params, expected) = (params.to_owned(), expected.as_bytes().to_vec());
        let mut load = Self { child, stdin, stdout, buffer: BytesMut::new(), params, expected };
        let hello = r#"{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"load","version":"1"}}"#;
        let hello = format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"initialize\",\"params\":{hello}}}\n"
        );
        load.stdin.write_all(hello.as_bytes()).await?;
        load.read_line().await?;
        load.stdin
            .write_all(b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n")
            .await?;
        Ok(load)
    }

    /// The upstream's process id.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Runs the plan. Not cancel-safe: answers may be left in the pipe.
    ///
    /// # Errors
    /// When the pipe breaks.
    pub async fn run(&mut self, plan: &Plan) -> Result<Report> {
        let (arrivals, timer, mut report) = (Arrivals::new(plan), Timer::new()?, Report::new(plan));
        let mut flight =
            Flight { due: vec![None; plan.connections], free: (0..plan.connections).collect() };
        let mut upcoming = arrivals.next();
        let mut frames = Vec::new();
        while upcoming.is_some() || flight.free.len() < plan.connections {
            while let Some(due) = upcoming
                && due <= Instant::now()
                && let Some(slot) = flight.free.pop()
            {
                self.push_frame(&mut frames, slot + 1);
                flight.due[slot] = Some(due);
                // Who is this late cannot catch up: the count will show it.
                upcoming = if Instant::now() > arrivals.end { None } else { arrivals.next() };
            }
            if !frames.is_empty() {
                self.stdin.write_all(&frames).await?;
                frames.clear();
            }
            let next = upcoming.filter(|_| !flight.free.is_empty());
            tokio::select! {
                read = self.stdout.read_buf(&mut self.buffer) => {
                    if read? == 0 { bail!("the upstream ended") }
                    self.take_answers(&mut flight, &arrivals, &mut report)?;
                }
                waited = wait(&timer, next), if next.is_some() => if let (true, Some(due)) = (waited?, next) {
                    report.woke(&arrivals, due);
                },
            }
        }
        Ok(report)
    }

    fn push_frame(&self, frames: &mut Vec<u8>, id: usize) {
        frames.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"id\":");
        frames.extend_from_slice(id.to_string().as_bytes());
        frames.extend_from_slice(b",\"method\":\"tools/call\",\"params\":");
        frames.extend_from_slice(self.params.as_bytes());
        frames.extend_from_slice(b"}\n");
    }

    fn take_answers(
        &mut self,
        flight: &mut Flight,
        arrivals: &Arrivals,
        report: &mut Report,
    ) -> Result<()> {
        while let Some(end) = memchr::memchr(b'\n', &self.buffer) {
            let line = &self.buffer[..end];
            let slot = id_of(line).context("an answer with our id")? - 1;
            let due = flight
                .due
                .get_mut(slot)
                .and_then(Option::take)
                .context("an answer that was waited for")?;
            report.answered(arrivals, due, memmem::find(line, &self.expected).is_some());
            flight.free.push(slot);
            self.buffer.advance(end + 1);
        }
        Ok(())
    }

    async fn read_line(&mut self) -> Result<()> {
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.buffer) {
                self.buffer.advance(end + 1);
                return Ok(());
            }
            if self.stdout.read_buf(&mut self.buffer).await? == 0 {
                bail!("the upstream ended during the handshake");
            }
        }
    }
}

async fn wait(timer: &Timer, until: Option<Instant>) -> Result<bool> {
    match until {
        Some(until) => timer.until(until).await,
        None => Ok(false),
    }
}

/// The number after the first `"id":`; our upstreams write it before any text of ours.
fn id_of(line: &[u8]) -> Option<usize> {
    let start = memmem::find(line, b"\"id\":")? + 5;
    let digits = line[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(&line[start..start + digits]).ok()?.parse().ok().filter(|id| *id > 0)
}
