//! A process under measurement: in a group of its own, killed with it, and what the system knows
//! of its processor time and memory.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};

use crate::report::Resident;

/// `USER_HZ`: the unit of processor times in `/proc`, the same on every Linux that we measure on.
const TICKS_PER_SECOND: u64 = 100;

#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    pid: Pid,
}

impl Process {
    /// Starts it with nothing to read and nobody to listen.
    pub(crate) fn start(command: &[String]) -> Result<Self> {
        Self::start_telling(command, Stdio::null())
    }

    /// The same, with somebody who listens to what it says on stderr.
    pub(crate) fn start_telling(command: &[String], told: Stdio) -> Result<Self> {
        let (program, arguments) = command.split_first().context("a command")?;
        let child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(told)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("start {program}"))?;
        let pid =
            child.id().and_then(|pid| Pid::from_raw(pid.cast_signed())).context("a process id")?;
        Ok(Self { child, pid })
    }

    /// An error once it has ended.
    pub(crate) fn check_alive(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => anyhow::bail!("it ended: {status}"),
        }
    }

    fn file(&self, name: &str) -> Result<String> {
        read_of(&self.pid.as_raw_nonzero().to_string(), name)
    }

    /// Processor time so far, user and system, all threads, without children.
    pub(crate) fn processor_time(&self) -> Result<Duration> {
        processor_time_in(&self.file("stat")?)
    }

    /// Resident memory, without children.
    pub(crate) fn resident(&self) -> Result<Resident> {
        let status = self.file("status")?;
        let kib = |name: &str| -> Result<u64> {
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix(name))
                .with_context(|| format!("find {name}"))?;
            Ok(line.trim().trim_end_matches("kB").trim().parse()?)
        };
        Ok(Resident { kib: kib("VmRSS:")?, allocated_kib: kib("RssAnon:")? })
    }
}

/// Processor time of this program itself so far: what generating load costs.
pub(crate) fn own_processor_time() -> Result<Duration> {
    processor_time_in(&read_of("self", "stat")?)
}

fn read_of(process: &str, name: &str) -> Result<String> {
    let path = PathBuf::from(format!("/proc/{process}/{name}"));
    std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))
}

fn processor_time_in(stat: &str) -> Result<Duration> {
    // The name in parentheses may hold anything; what follows its last one does not.
    let (_, fields) = stat.rsplit_once(") ").context("a name in parentheses")?;
    let ticks =
        fields.split(' ').skip(11).take(2).map(str::parse::<u64>).sum::<Result<u64, _>>()?;
    Ok(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
}

impl Drop for Process {
    fn drop(&mut self) {
        // Only while it was not reaped: afterwards the number may belong to somebody else.
        if self.child.id().is_some() {
            let _ = kill_process_group(self.pid, Signal::KILL);
        }
    }
}
