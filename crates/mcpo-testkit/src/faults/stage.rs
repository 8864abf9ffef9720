//! A proxy with two upstreams: the victim, behind the fault proxy where there is a network, and
//! its neighbour, to which nothing is done.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use super::{DEADLINE, Fault, Way};
use crate::child::ScriptedChild;
use crate::client::Request;
use crate::control::Control;
use crate::http::HttpUpstream;
use crate::journal::Journal;
use crate::proxy::FaultProxy;
use crate::scratch::Scratch;
use crate::script::{Script, tool};
use crate::stdio::ScriptedStdio;
use crate::world::World;

/// How long a proxy has until both upstreams answer; the original takes seconds.
const START_MAX: Duration = Duration::from_secs(40);
/// How long one try of a first call may take.
const TRY_MAX: Duration = Duration::from_secs(3);
/// How often it is tried meanwhile.
const TRY_EVERY: Duration = Duration::from_millis(20);

/// Who is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Ours.
    Mcpo,
    /// The original.
    Python,
}

/// Who is tried, and the program.
#[derive(Debug, Clone)]
pub struct Contestant {
    /// Which of them.
    pub kind: Kind,
    /// The program.
    pub program: PathBuf,
    /// Environment variables for it.
    pub environment: Vec<(String, String)>,
    /// More arguments for it.
    pub arguments: Vec<String>,
    /// Where each trial leaves what the contestant said and what the victim did.
    pub logs: Option<PathBuf>,
}

impl Kind {
    /// How tables call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mcpo => "mcpo",
            Self::Python => "python",
        }
    }

    /// Whether it speaks that era.
    #[must_use]
    pub const fn knows(self, way: Way) -> bool {
        match self {
            Self::Mcpo => true,
            Self::Python => matches!(way, Way::Stdio | Way::Http | Way::Sse),
        }
    }
}

impl Contestant {
    /// That program, as its users start it.
    #[must_use]
    pub fn new(kind: Kind, program: impl Into<PathBuf>) -> Self {
        Self {
            kind,
            program: program.into(),
            environment: Vec::new(),
            arguments: Vec::new(),
            logs: None,
        }
    }
}

/// An upstream of the stage.
#[derive(Debug)]
pub struct Upstream {
    /// What it did.
    pub journal: Journal,
    /// Its gates and troubles.
    pub control: Control,
    pub(super) http: Option<HttpUpstream>,
}

/// All that is started for one trial. It ends with this value.
#[derive(Debug)]
pub struct Stage {
    /// To which faults happen.
    pub victim: Upstream,
    /// To which none happens.
    pub neighbour: Upstream,
    proxy: Option<FaultProxy>,
    url: String,
    running: Running,
    _scratch: Scratch,
}

#[derive(Debug)]
enum Running {
    Ours(Box<World>),
    Other { child: Child, pid: Pid },
}

/// An upstream of that name with a tool that changes something, `write`, and one that only reads,
/// `read`.
#[must_use]
pub fn script(name: &str) -> Script {
    let mut read = tool("read");
    read["annotations"] = json!({"readOnlyHint": true});
    Script::new(name).tool(tool("write")).tool(read)
}

impl Upstream {
    /// The server; stdio upstreams have none.
    pub(super) fn server(&mut self) -> Result<&mut HttpUpstream> {
        self.http.as_mut().context("the fault is one of servers")
    }
}

impl Stage {
    /// Starts everything and waits until both upstreams answer through the proxy.
    ///
    /// # Errors
    /// When something does not start, or does not answer in time.
    pub async fn start(fault: &Fault, way: Way, contestant: &Contestant) -> Result<Self> {
        let wrapped = |name| Script {
            era: way.era(),
            reply_as: fault.reply_as,
            lost_session: fault.lost_session,
            ..script(name)
        };
        let pool = fault.spare.then(|| json!({"min": 2, "max": 2}));
        Self::build([wrapped("victim"), wrapped("neighbour")], pool, way, contestant).await
    }

    /// Starts everything with scripts of one's own, the victim's first.
    ///
    /// # Errors
    /// When something does not start, or does not answer in time.
    pub async fn with(scripts: [Script; 2], way: Way, contestant: &Contestant) -> Result<Self> {
        Self::build(scripts, None, way, contestant).await
    }

    async fn build(
        scripts: [Script; 2],
        pool: Option<Value>,
        way: Way,
        contestant: &Contestant,
    ) -> Result<Self> {
        let scratch = Scratch::new()?;
        let [victim, neighbour] = scripts;
        let (victim, direct) = upstream(scratch.path(), victim, way).await?;
        let (neighbour, beside) = upstream(scratch.path(), neighbour, way).await?;
        let proxy = match &victim.http {
            Some(http) => Some(FaultProxy::start(http.address()).await?),
            None => None,
        };
        let mut through = match (&proxy, &victim.http) {
            (Some(proxy), Some(http)) => {
                let url = direct["url"].as_str().unwrap_or_default();
                let url = url.replace(&http.address().to_string(), &proxy.address().to_string());
                json!({"type": direct["type"], "url": url})
            }
            (Some(_) | None, _) => direct,
        };
        // The original knows no pools.
        if let (Some(pool), Kind::Mcpo) = (pool, contestant.kind) {
            through["pool"] = pool;
        }
        let (url, running) = launch(&scratch, contestant, &through, &beside).await?;
        let mut stage = Self { victim, neighbour, proxy, url, running, _scratch: scratch };
        stage.wait_until_it_answers().await?;
        Ok(stage)
    }

    /// The proxy before the victim; stdio upstreams have none.
    ///
    /// # Errors
    /// Where there is no network.
    pub fn proxy(&mut self) -> Result<&mut FaultProxy> {
        self.proxy.as_mut().context("the fault is one of networks")
    }

    /// The URL of a path at the proxy that is tried.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// What ours said to stderr; nothing of others.
    #[must_use]
    pub fn stderr(&self) -> String {
        match &self.running {
            Running::Ours(world) => world.stderr(),
            Running::Other { .. } => String::new(),
        }
    }

    /// Leaves what was said and done in that directory.
    pub(super) fn leave_logs(&self, directory: &Path, name: &str) -> Result<()> {
        std::fs::create_dir_all(directory)?;
        std::fs::write(directory.join(format!("{name}.stderr")), self.stderr())?;
        self.victim.journal.copy_to(&directory.join(format!("{name}.jsonl")))
    }

    async fn wait_until_it_answers(&mut self) -> Result<()> {
        let deadline = Instant::now() + START_MAX;
        for path in ["/victim/read", "/neighbour/read"] {
            let request = Request::post(&self.url(path)).json(&json!({"key": "start"}));
            loop {
                let tried = timeout(TRY_MAX, request.clone().send()).await;
                if matches!(&tried, Ok(Ok(reply)) if reply.status == 200) {
                    break;
                }
                if Instant::now() > deadline {
                    bail!("{path} does not answer: {tried:?}; it said: {}", self.stderr());
                }
                sleep(TRY_EVERY).await;
            }
        }
        Ok(())
    }

    /// The operator says that the victim is well again; who has no such hand is left alone.
    pub(super) async fn release(&self) {
        let request = Request::post(&self.url("/admin/servers/victim/release"));
        // What it is answered shows in whether calls succeed.
        let _ = timeout(TRY_MAX, request.send()).await;
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Running::Other { child, pid } = &self.running
            && child.id().is_some()
        {
            let _ = kill_process_group(*pid, Signal::KILL);
        }
        // Children that stand still, or that their parent put into groups of their own.
        for upstream in [&self.victim, &self.neighbour] {
            if upstream.http.is_none() {
                for child in ScriptedChild::all(&upstream.journal).unwrap_or_default() {
                    let _ = child.kill();
                }
            }
        }
    }
}

/// The upstream and its entry in `mcpServers`.
async fn upstream(directory: &Path, script: Script, way: Way) -> Result<(Upstream, Value)> {
    let name = script.name.clone();
    if way.is_stdio() {
        let stdio = ScriptedStdio::new(directory, &name, script)?;
        let config = stdio.config();
        let (journal, control) = (stdio.journal(), stdio.control());
        return Ok((Upstream { journal, control, http: None }, config));
    }
    let http = HttpUpstream::start(script).await?;
    let config = if way == Way::Sse { http.sse_config() } else { http.config() };
    let (journal, control) = (http.journal(), http.control());
    Ok((Upstream { journal, control, http: Some(http) }, config))
}

async fn launch(
    scratch: &Scratch,
    contestant: &Contestant,
    victim: &Value,
    neighbour: &Value,
) -> Result<(String, Running)> {
    match contestant.kind {
        Kind::Mcpo => {
            let mut world = World::with(&contestant.program)?
                .server("victim", victim.clone())
                .server("neighbour", neighbour.clone())
                .arg("--tool-timeout")
                .arg(&DEADLINE.as_secs().to_string());
            for argument in &contestant.arguments {
                world = world.arg(argument);
            }
            for (name, value) in &contestant.environment {
                world = world.env(name, value);
            }
            let world = world.start().await?;
            Ok((world.url(""), Running::Ours(Box::new(world))))
        }
        Kind::Python => {
            let servers = json!({"mcpServers": {"victim": victim, "neighbour": neighbour}});
            let config = scratch.write("config.json", &servers.to_string())?;
            let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port().to_string();
            let child = Command::new(&contestant.program)
                .args(["--host", "127.0.0.1", "--port", &port, "--config"])
                .arg(config)
                .args(&contestant.arguments)
                .envs(contestant.environment.iter().cloned())
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .process_group(0)
                .kill_on_drop(true)
                .spawn()
                .with_context(|| format!("start {}", contestant.program.display()))?;
            let pid = child.id().and_then(|pid| Pid::from_raw(pid.cast_signed()));
            let pid = pid.context("a process id")?;
            Ok((format!("http://127.0.0.1:{port}"), Running::Other { child, pid }))
        }
    }
}
