//! What an upstream really did, kept outside of it so that it survives its death: one JSON line
//! per happening in a file, written under a lock.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;

use crate::engine::lock;

/// How long a test waits for something that must happen; generous, since CI machines stall.
const PATIENCE: Duration = Duration::from_secs(15);
/// How often the file is looked at meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(3);

/// The kinds of happenings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// A process or server started.
    Start,
    /// A process or server has played the turn of its start: from now on it answers.
    Ready,
    /// A request met a trouble; `tool` holds the trouble's name.
    Trouble,
    /// `initialize` or `server/discover` came; `tool` holds the method.
    Handshake,
    /// `notifications/initialized` came.
    Initialized,
    /// `tools/list` came.
    List,
    /// A `tools/call` came.
    Received,
    /// A call was acted upon: it was answered, or its turn says that it may have had its effect.
    Run,
    /// A step came to a gate; `key` holds its name.
    Gate,
    /// `notifications/cancelled` came; `id` holds the request's id.
    Cancelled,
    /// The client went away before the answer.
    Gone,
    /// The client answered a ping.
    Pong,
    /// A `ping` came.
    Ping,
    /// Another request or notification came; `tool` holds the method.
    Other,
    /// A request was refused before it was looked at (session, headers); `key` holds why.
    Refused,
    /// HTTP: a GET came for a stream; `key` holds `Last-Event-ID`.
    Listen,
    /// HTTP: a session was deleted by the client.
    Deleted,
    /// stdio: stdin ended.
    Eof,
    /// stdio: SIGTERM came and was ignored.
    Sigterm,
    /// stdio: a grandchild was started; `id` holds its pid.
    Grandchild,
}

/// One happening.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// What happened.
    pub what: What,
    /// The tool or method that it is about; empty where there is none.
    #[serde(default)]
    pub tool: String,
    /// The member `key` of a call's arguments, by which a test tells its calls apart.
    #[serde(default)]
    pub key: String,
    /// The request's id.
    #[serde(default)]
    pub id: Value,
    /// The call's arguments, or the request's params.
    #[serde(default)]
    pub arguments: Value,
    /// HTTP: the request's headers, names in lower case.
    #[serde(default)]
    pub headers: Value,
    /// The process that wrote this.
    pub pid: u32,
    /// When, on the machine's monotonic clock in nanoseconds: see [`now_ns`].
    #[serde(default)]
    pub at_ns: u64,
}

/// The journal of one upstream.
#[derive(Debug, Clone)]
pub struct Journal {
    path: PathBuf,
    counted: Arc<Mutex<Counted>>,
}

/// How many happenings of each kind there were in the part of the file that was read, so that an
/// upstream under load need not read all of it for every line that it adds.
#[derive(Debug, Default)]
struct Counted {
    read_bytes: u64,
    counts: HashMap<(What, String), usize>,
}

/// The machine's monotonic clock in nanoseconds, which all its processes share.
#[must_use]
pub fn now_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec.cast_unsigned() * 1_000_000_000 + now.tv_nsec.cast_unsigned()
}

impl Entry {
    pub(crate) fn new(what: What) -> Self {
        Self {
            what,
            tool: String::new(),
            key: String::new(),
            id: Value::Null,
            arguments: Value::Null,
            headers: Value::Null,
            pid: std::process::id(),
            at_ns: now_ns(),
        }
    }

    pub(crate) fn tool(self, tool: &str) -> Self {
        Self { tool: tool.into(), ..self }
    }

    pub(crate) fn key(self, key: &str) -> Self {
        Self { key: key.into(), ..self }
    }

    pub(crate) fn id(self, id: Value) -> Self {
        Self { id, ..self }
    }
}

impl Journal {
    /// The journal in that control directory.
    #[must_use]
    pub fn new(directory: &Path) -> Self {
        Self { path: directory.join("journal.jsonl"), counted: Arc::default() }
    }

    /// Everything so far, in order.
    ///
    /// # Errors
    /// When the file cannot be read or holds something else. A missing file is an empty journal.
    pub fn entries(&self) -> Result<Vec<Entry>> {
        match File::open(&self.path) {
            Ok(mut file) => {
                file.lock_shared().context("lock the journal")?;
                read(&mut file, 0)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error).context("open the journal"),
        }
    }

    /// Lets nobody write or read while the file that this gives is kept.
    pub(crate) fn hold(&self) -> Result<File> {
        let file = File::open(&self.path).context("open the journal")?;
        file.lock().context("lock the journal")?;
        Ok(file)
    }

    /// Leaves a copy of its file there.
    pub(crate) fn copy_to(&self, file: &Path) -> Result<()> {
        std::fs::copy(&self.path, file).map(drop).context("copy the journal")
    }

    /// How many happenings of that kind there were.
    ///
    /// # Panics
    /// When the journal cannot be read: a test without it proves nothing.
    #[must_use]
    pub fn count(&self, what: What) -> usize {
        self.matching(|entry| entry.what == what).len()
    }

    /// How often a call was acted upon: by tool name, or by the member `key` of its arguments.
    ///
    /// # Panics
    /// When the journal cannot be read.
    #[must_use]
    pub fn runs(&self, key: &str) -> usize {
        self.matching(|entry| entry.what == What::Run && (entry.tool == key || entry.key == key))
            .len()
    }

    /// How often a call arrived, acted upon or not.
    ///
    /// # Panics
    /// When the journal cannot be read.
    #[must_use]
    pub fn received(&self, key: &str) -> usize {
        self.matching(|entry| {
            entry.what == What::Received && (entry.tool == key || entry.key == key)
        })
        .len()
    }

    /// The entries that fit.
    ///
    /// # Panics
    /// When the journal cannot be read.
    #[must_use]
    pub fn matching(&self, fits: impl Fn(&Entry) -> bool) -> Vec<Entry> {
        let mut all = self.entries().expect("a test's journal is readable");
        all.retain(fits);
        all
    }

    /// Waits until the call ran `times` times.
    ///
    /// # Errors
    /// After 15 s, with what the journal holds.
    pub async fn wait_for(&self, key: &str, times: usize) -> Result<()> {
        let ran =
            |entry: &&Entry| entry.what == What::Run && (entry.tool == key || entry.key == key);
        self.wait(&format!("{times} runs of {key}"), |all| all.iter().filter(ran).count() >= times)
            .await
            .map(drop)
    }

    /// Waits until there were `times` happenings of that kind.
    ///
    /// # Errors
    /// After 15 s, with what the journal holds.
    pub async fn wait_for_what(&self, what: What, times: usize) -> Result<()> {
        let same = |entry: &&Entry| entry.what == what;
        self.wait(&format!("{times} x {what:?}"), |all| all.iter().filter(same).count() >= times)
            .await
            .map(drop)
    }

    /// Waits until the condition holds for the entries, and gives them.
    ///
    /// # Errors
    /// After 15 s, with what the journal holds.
    pub async fn wait(&self, wanted: &str, holds: impl Fn(&[Entry]) -> bool) -> Result<Vec<Entry>> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let all = self.entries()?;
            if holds(&all) {
                return Ok(all);
            }
            if Instant::now() >= deadline {
                bail!("waited in vain for {wanted}; the journal holds {all:#?}");
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Adds an entry and tells how many of the same kind and tool (of a handshake: by either
    /// method) were there before it.
    pub(crate) fn record(&self, entry: &Entry) -> Result<usize> {
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(&self.path)?;
        file.lock()?;
        let mut counted = lock(&self.counted);
        for other in read(&mut file, counted.read_bytes)? {
            *counted.counts.entry(key_of(&other)).or_default() += 1;
        }
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        file.write_all(&line)?;
        counted.read_bytes = file.metadata()?.len();
        let count = counted.counts.entry(key_of(entry)).or_default();
        *count += 1;
        Ok(*count - 1)
    }
}

fn key_of(entry: &Entry) -> (What, String) {
    let tool = if entry.what == What::Handshake { "" } else { &entry.tool };
    (entry.what, tool.to_owned())
}

fn read(file: &mut File, from: u64) -> Result<Vec<Entry>> {
    let mut text = String::new();
    file.seek(SeekFrom::Start(from))?;
    file.read_to_string(&mut text)?;
    text.lines()
        .map(|line| {
            serde_json::from_str(line).with_context(|| format!("read the journal's line {line}"))
        })
        .collect()
}
