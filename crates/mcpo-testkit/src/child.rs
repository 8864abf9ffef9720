//! A scripted child process of whoever is tested, known by what it wrote into its journal: to be
//! killed, stopped and continued from outside.

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};

use crate::journal::{Journal, What};

/// One life of a scripted stdio upstream.
#[derive(Debug, Clone)]
pub struct ScriptedChild {
    pid: Pid,
    journal: Journal,
}

impl ScriptedChild {
    /// The one that started last.
    ///
    /// # Errors
    /// When none has started yet.
    pub fn newest(journal: &Journal) -> Result<Self> {
        Self::all(journal)?.pop().context("no scripted child has started yet")
    }

    /// All that ever started, oldest first.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn all(journal: &Journal) -> Result<Vec<Self>> {
        let starts = journal.entries()?.into_iter().filter(|entry| entry.what == What::Start);
        let pids = starts.filter_map(|entry| Pid::from_raw(entry.pid.cast_signed()));
        Ok(pids.map(|pid| Self { pid, journal: journal.clone() }).collect())
    }

    /// `kill -9`.
    ///
    /// # Errors
    /// When it is gone.
    pub fn kill(&self) -> Result<()> {
        self.signal(Signal::KILL)
    }

    /// `kill -STOP`: when this returns it stands still; its pipes stay open.
    ///
    /// # Errors
    /// When it is gone.
    pub fn stop(&self) -> Result<()> {
        // It must not stand still with the journal's lock in its hand: nobody could read it then.
        let _lock = self.journal.hold()?;
        self.signal(Signal::STOP)?;
        while self.is_alive() && !self.is_stopped() {
            std::thread::yield_now();
        }
        Ok(())
    }

    /// `kill -CONT`.
    ///
    /// # Errors
    /// When it is gone.
    pub fn cont(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        anyhow::ensure!(self.is_alive(), "process {} is gone", self.pid.as_raw_nonzero());
        kill_process(self.pid, signal).with_context(|| format!("send {signal:?}"))
    }

    /// Whether it runs or stands still. A number that the system gave to another program since
    /// does not count, nor does a dead process that nobody has reaped.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.state().is_some_and(|state| state != 'Z' && state != 'X')
    }

    /// Whether it stands still.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.state() == Some('T')
    }

    fn state(&self) -> Option<char> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid.as_raw_nonzero()));
        let stat = stat.ok()?;
        let (name, fields) = stat.rsplit_once(") ")?;
        if !name.contains("scripted") {
            return None;
        }
        fields.chars().next()
    }
}
