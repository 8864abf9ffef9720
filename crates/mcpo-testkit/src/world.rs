//! A started mcpo with scripted upstreams around it, in a directory of its own.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::{Map, Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::client::{Reply, Request};
use crate::control::Control;
use crate::engine::lock;
use crate::journal::Journal;
use crate::scratch::Scratch;
use crate::script::Script;
use crate::stdio::ScriptedStdio;

/// How long mcpo has to listen, to be ready, to stop; generous, since CI machines stall.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often a condition is looked at meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// How much of stderr is kept for the report of a failure.
const STDERR_BYTES_MAX: usize = 1 << 20;

/// What to start.
#[derive(Debug)]
pub struct WorldBuilder {
    binary: PathBuf,
    scratch: Scratch,
    servers: Map<String, Value>,
    stdio: HashMap<String, ScriptedStdio>,
    listen: Vec<String>,
    arguments: Vec<String>,
    alone: Option<Vec<String>>,
    environment: Vec<(String, String)>,
}

/// A running mcpo. It is killed, and its directory removed, when this is dropped.
#[derive(Debug)]
pub struct World {
    scratch: Scratch,
    stdio: HashMap<String, ScriptedStdio>,
    child: Child,
    pid: Pid,
    address: String,
    stderr: Arc<Mutex<String>>,
    _reader: JoinSet<()>,
}

impl WorldBuilder {
    /// With a scripted stdio upstream of that name.
    ///
    /// # Errors
    /// When the scripted upstream is not built.
    pub fn stdio(mut self, name: &str, script: Script) -> Result<Self> {
        let upstream = ScriptedStdio::new(self.scratch.path(), name, script)?;
        self.servers.insert(name.into(), upstream.config());
        self.stdio.insert(name.into(), upstream);
        Ok(self)
    }

    /// With a server of that name and that entry in `mcpServers`.
    #[must_use]
    pub fn server(mut self, name: &str, config: Value) -> Self {
        self.servers.insert(name.into(), config);
        self
    }

    /// With one more member in the entry of that server.
    #[must_use]
    pub fn set(mut self, name: &str, member: &str, value: Value) -> Self {
        self.servers[name][member] = value;
        self
    }

    /// With one more argument.
    #[must_use]
    pub fn arg(mut self, argument: &str) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// With these options instead of those that let it listen on a free port of 127.0.0.1.
    #[must_use]
    pub fn listen(mut self, options: &[&str]) -> Self {
        self.listen = options.iter().map(|&option| option.to_owned()).collect();
        self
    }

    /// With this command or URL behind `--`, and no configuration file: single mode.
    #[must_use]
    pub fn alone(mut self, words: &[impl AsRef<str>]) -> Self {
        self.alone = Some(words.iter().map(|word| word.as_ref().to_owned()).collect());
        self
    }

    /// With one more environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Starts mcpo and waits until it listens; upstreams may still be on their way.
    ///
    /// # Errors
    /// When it ends or does not listen in time, with what it said.
    pub async fn start(self) -> Result<World> {
        let config = json!({"mcpServers": self.servers}).to_string();
        let file = self.scratch.write("config.json", &config)?;
        let mut command = Command::new(&self.binary);
        // Whatever is kept goes with the scratch directory.
        command.env("XDG_STATE_HOME", self.scratch.path().join("state"));
        command.args(&self.listen).args(&self.arguments).envs(self.environment.iter().cloned());
        match &self.alone {
            Some(words) => command.arg("--").args(words),
            None => command.arg("--config").arg(&file),
        };
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child =
            command.process_group(0).kill_on_drop(true).spawn().context("start mcpo")?;
        let pid = child.id().and_then(|pid| Pid::from_raw(pid.cast_signed())).context("a pid")?;
        let lines = BufReader::new(child.stderr.take().context("its stderr is piped")?).lines();
        let (stderr, (address, mut found)) =
            (Arc::new(Mutex::new(String::new())), watch::channel(None));
        let mut reader = JoinSet::new();
        reader.spawn(read_stderr(lines, Arc::clone(&stderr), address));
        let address = match timeout(PATIENCE, found.wait_for(Option::is_some)).await {
            Ok(Ok(address)) => address.clone().context("it was waited for")?,
            // Its stderr ended before the line came, or it says nothing.
            Ok(Err(_)) | Err(_) => bail!("mcpo does not listen; it said: {}", lock(&stderr)),
        };
        Ok(World {
            scratch: self.scratch,
            stdio: self.stdio,
            child,
            pid,
            address,
            stderr,
            _reader: reader,
        })
    }
}

async fn read_stderr(
    mut lines: tokio::io::Lines<BufReader<tokio::process::ChildStderr>>,
    kept: Arc<Mutex<String>>,
    address: watch::Sender<Option<String>>,
) {
    while let Ok(Some(line)) = lines.next_line().await {
        if address.borrow().is_none()
            && let Some(url) = listening(&line)
        {
            address.send_replace(Some(url));
        }
        let mut kept = lock(&kept);
        if kept.len() < STDERR_BYTES_MAX {
            kept.push_str(&line);
            kept.push('\n');
        }
    }
}

/// `http://HOST:PORT` in the line that tells where mcpo listens.
fn listening(line: &str) -> Option<String> {
    let (_, rest) = line.split_once("listening on ")?;
    let rest = rest.trim_start_matches(|c: char| !c.is_ascii_alphabetic());
    let end =
        rest.find(|c: char| c.is_whitespace() || c == '"' || c == '\u{1b}').unwrap_or(rest.len());
    Some(rest[..end].trim_end_matches('/').to_owned())
}

impl World {
    /// Begins with the binary to be tested.
    ///
    /// # Errors
    /// When there is no scratch directory.
    pub fn with(binary: impl AsRef<Path>) -> Result<WorldBuilder> {
        Ok(WorldBuilder {
            binary: binary.as_ref().to_owned(),
            scratch: Scratch::new()?,
            servers: Map::new(),
            stdio: HashMap::new(),
            listen: ["--host", "127.0.0.1", "--port", "0"].map(str::to_owned).to_vec(),
            arguments: Vec::new(),
            alone: None,
            environment: Vec::new(),
        })
    }

    /// The URL of a path, which begins with `/`.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.address)
    }

    /// GETs a path.
    ///
    /// # Errors
    /// No answer; what mcpo said to stderr comes with it.
    pub async fn get(&self, path: &str) -> Result<Reply> {
        self.send(Request::get(&self.url(path))).await
    }

    /// POSTs JSON to a path, `/SERVER/TOOL` mostly.
    ///
    /// # Errors
    /// No answer; what mcpo said to stderr comes with it.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Reply> {
        self.send(Request::post(&self.url(path)).json(body)).await
    }

    /// Sends any request.
    ///
    /// # Errors
    /// No answer; what mcpo said to stderr comes with it.
    pub async fn send(&self, request: Request) -> Result<Reply> {
        request.send().await.with_context(|| format!("mcpo said: {}", self.stderr()))
    }

    /// Waits until `/readyz` answers 200.
    ///
    /// # Errors
    /// After 20 s, with the last answer and what mcpo said.
    pub async fn wait_ready(&self) -> Result<()> {
        self.wait_reply("/readyz", |reply| reply.status == 200).await.map(drop)
    }

    /// Waits until a GET of the path answers as wanted.
    ///
    /// # Errors
    /// After 20 s, with the last answer and what mcpo said.
    pub async fn wait_reply(&self, path: &str, wanted: impl Fn(&Reply) -> bool) -> Result<Reply> {
        self.wait_request(&Request::get(&self.url(path)), wanted).await
    }

    /// Waits until a request, sent over and over, answers as wanted.
    ///
    /// # Errors
    /// After 20 s, with the last answer and what mcpo said.
    pub async fn wait_request(
        &self,
        request: &Request,
        wanted: impl Fn(&Reply) -> bool,
    ) -> Result<Reply> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let reply = self.send(request.clone()).await?;
            if wanted(&reply) {
                return Ok(reply);
            }
            if Instant::now() >= deadline {
                bail!("{request:?} still answers {reply}; mcpo said: {}", self.stderr());
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// What the scripted stdio upstream of that name did.
    ///
    /// # Panics
    /// When there is no such upstream.
    #[must_use]
    pub fn journal(&self, name: &str) -> Journal {
        self.stdio[name].journal()
    }

    /// The gates of the scripted stdio upstream of that name.
    ///
    /// # Panics
    /// When there is no such upstream.
    #[must_use]
    pub fn control(&self, name: &str) -> Control {
        self.stdio[name].control()
    }

    /// Writes another configuration over the one that mcpo was started with.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_config(&self, config: &str) -> Result<()> {
        self.scratch.write("config.json", config).map(drop)
    }

    /// The scratch directory, with `config.json` in it.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.scratch.path()
    }

    /// What mcpo wrote to stderr, up to 1 MiB.
    #[must_use]
    pub fn stderr(&self) -> String {
        lock(&self.stderr).clone()
    }

    /// Waits until mcpo has written that text to stderr.
    ///
    /// # Errors
    /// After 20 s, with what it wrote instead.
    pub async fn wait_stderr(&self, text: &str) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !self.stderr().contains(text) {
            if Instant::now() >= deadline {
                bail!("mcpo never said {text:?}; it said: {}", self.stderr());
            }
            sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// mcpo's process id.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// Sends mcpo SIGTERM; returns at once.
    ///
    /// # Errors
    /// When it is gone already.
    pub fn terminate(&self) -> Result<()> {
        kill_process(self.pid, Signal::TERM).context("send SIGTERM")
    }

    /// Waits until mcpo has ended.
    ///
    /// # Errors
    /// After 20 s, with what it said.
    pub async fn wait_exit(&mut self) -> Result<ExitStatus> {
        match timeout(PATIENCE, self.child.wait()).await {
            Ok(status) => status.context("wait for mcpo"),
            Err(_) => bail!("mcpo does not end; it said: {}", self.stderr()),
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // Only while it was not reaped: afterwards the number may belong to somebody else.
        if self.child.id().is_some() {
            let _ = kill_process_group(self.pid, Signal::KILL);
        }
    }
}
