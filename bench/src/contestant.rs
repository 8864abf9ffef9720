//! Who is measured: how each is started, and how load reaches it.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use mcpo_testkit::load::{HttpLoad, PipeLoad, Plan, Report, http_request};
use tokio::time::{Instant, sleep, timeout};

use crate::options::{Options, Upstream};
use crate::process::Process;
use crate::report::Resident;

/// What every call says; about as long as a usual question to a tool.
const MESSAGE: &str = "How many people live in Reykjavik, and since when do they have hot water?";
/// How long a proxy has until its first answer. The original takes seconds.
const START_MAX: Duration = Duration::from_secs(60);
/// How long one try of a first call may take.
const TRY_MAX: Duration = Duration::from_secs(2);

/// The contestants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The original.
    Python,
    /// Ours.
    Mcpo,
    /// Ours with its recovery switched off; only measured beside ours.
    WithoutRecovery,
    /// Ours with nothing measured; only measured beside ours.
    WithoutMonitor,
    /// The least code that does the job.
    Floor,
    /// No proxy: the upstream itself.
    Direct,
    /// axum that echoes, without an upstream.
    Bare,
}

impl Kind {
    pub(crate) const ALL: [Self; 5] =
        [Self::Python, Self::Mcpo, Self::Floor, Self::Direct, Self::Bare];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Python => "python",
            Self::Mcpo => "mcpo",
            Self::WithoutRecovery => "mcpo without recovery",
            Self::WithoutMonitor => "mcpo without monitor",
            Self::Floor => "floor",
            Self::Direct => "direct",
            Self::Bare => "bare",
        }
    }
}

impl FromStr for Kind {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == text)
            .with_context(|| format!("no contestant {text}"))
    }
}

/// A contestant that answers.
#[derive(Debug)]
pub(crate) struct Contestant {
    pub(crate) kind: Kind,
    /// The proxy; `None` without one.
    pub(crate) process: Option<Process>,
    /// Resident memory when it answered its first call.
    pub(crate) resident_at_start: Option<Resident>,
    road: Road,
}

#[derive(Debug)]
enum Road {
    Http(HttpLoad),
    Pipe(Box<PipeLoad>),
}

/// The upstream that all contestants of a group share; only HTTP ones can be shared.
#[derive(Debug)]
pub(crate) struct SharedUpstream {
    address: SocketAddr,
    _process: Process,
}

impl SharedUpstream {
    /// Starts the HTTP echo.
    pub(crate) async fn start(options: &Options) -> Result<Self> {
        let address = free_address()?;
        let mut process =
            Process::start(&[options.program("echo-http"), address.port().to_string()])?;
        wait_until_it_answers(&rpc_load(address), &mut process).await.context("the HTTP echo")?;
        Ok(Self { address, _process: process })
    }

    fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }
}

impl Contestant {
    /// Starts it before the upstream and waits for its first right answer.
    pub(crate) async fn start(
        options: &Options,
        kind: Kind,
        upstream: Upstream,
        shared: Option<&SharedUpstream>,
    ) -> Result<Self> {
        if kind == Kind::Direct {
            let road = match shared {
                Some(shared) => Road::Http(rpc_load(shared.address)),
                None => Road::Pipe(Box::new(
                    PipeLoad::start(&options.command(upstream), &params(), MESSAGE).await?,
                )),
            };
            return Ok(Self { kind, process: None, resident_at_start: None, road });
        }
        let address = free_address()?;
        let url = shared.map(SharedUpstream::url);
        let mut process =
            Process::start(&command(options, kind, address, upstream, url.as_deref()))?;
        let load = tool_load(address, "/echo");
        wait_until_it_answers(&load, &mut process)
            .await
            .with_context(|| format!("start {}", kind.name()))?;
        let resident = process.resident()?;
        Ok(Self {
            kind,
            process: Some(process),
            resident_at_start: Some(resident),
            road: Road::Http(load),
        })
    }

    /// Where it answers HTTP.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        match &self.road {
            Road::Http(load) => Some(load.address),
            Road::Pipe(_) => None,
        }
    }

    /// Puts load on it; tells its processor time per call as well.
    pub(crate) async fn load(&mut self, plan: &Plan) -> Result<(Report, Option<Duration>)> {
        let before = self.process.as_ref().map(Process::processor_time).transpose()?;
        let report = match &mut self.road {
            Road::Http(load) => load.run(plan).await?,
            Road::Pipe(load) => load.run(plan).await?,
        };
        let after = self.process.as_ref().map(Process::processor_time).transpose()?;
        let calls = u32::try_from(report.calls_in_all).unwrap_or(u32::MAX).max(1);
        Ok((report, before.zip(after).map(|(before, after)| after.saturating_sub(before) / calls)))
    }
}

/// The command line of a proxy before an upstream.
pub(crate) fn command(
    options: &Options,
    kind: Kind,
    address: SocketAddr,
    upstream: Upstream,
    url: Option<&str>,
) -> Vec<String> {
    let port = address.port().to_string();
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let (mut command, kind_of_url) = match kind {
        Kind::Python | Kind::Mcpo | Kind::WithoutRecovery | Kind::WithoutMonitor => {
            let program = if kind == Kind::Python { &options.python } else { &options.mcpo };
            let program = program.to_string_lossy();
            let mut command = words(&[&program, "--host", "127.0.0.1", "--port", &port]);
            if kind != Kind::Python {
                // `env` becomes the program, so that its process is the one that is measured.
                let state = format!("XDG_STATE_HOME={}", options.state.path().display());
                command = [words(&["env", &state]), switched_off(kind), command].concat();
            }
            (command, words(&["--server-type", "streamable-http", "--"]))
        }
        Kind::Floor => (vec![options.program("floor"), port], words(&["http"])),
        Kind::Bare | Kind::Direct => return words(&[&options.program("floor"), &port, "bare"]),
    };
    match url {
        Some(url) => {
            command.extend(kind_of_url);
            command.push(url.to_owned());
        }
        None => {
            command.push(if kind == Kind::Floor { "stdio" } else { "--" }.to_owned());
            command.extend(options.command(upstream));
        }
    }
    command
}

/// The variable that switches a part off.
fn switched_off(kind: Kind) -> Vec<String> {
    let variable = match kind {
        Kind::WithoutRecovery => Some("MCPO_ERROR_RECOVERY_ENABLED=false"),
        Kind::WithoutMonitor => Some("MCPO_MONITOR_ENABLED=false"),
        Kind::Python | Kind::Mcpo | Kind::Floor | Kind::Direct | Kind::Bare => None,
    };
    variable.into_iter().map(str::to_owned).collect()
}

/// An address that was free a moment ago.
pub(crate) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// Calls of the tool through a proxy.
pub(crate) fn tool_load(address: SocketAddr, path: &str) -> HttpLoad {
    let body = format!("{{\"message\":\"{MESSAGE}\"}}");
    HttpLoad { address, request: http_request(address, path, &[], &body), expected: MESSAGE.into() }
}

/// Calls of the tool as an MCP client makes them.
fn rpc_load(address: SocketAddr) -> HttpLoad {
    let body = format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{}}}",
        params()
    );
    let headers = [("accept", "application/json, text/event-stream")];
    HttpLoad {
        address,
        request: http_request(address, "/mcp", &headers, &body),
        expected: MESSAGE.into(),
    }
}

fn params() -> String {
    format!("{{\"name\":\"echo\",\"arguments\":{{\"message\":\"{MESSAGE}\"}}}}")
}

/// Tries until the first right answer.
pub(crate) async fn wait_until_it_answers(load: &HttpLoad, process: &mut Process) -> Result<()> {
    let deadline = Instant::now() + START_MAX;
    loop {
        let tried = timeout(TRY_MAX, load.call_once()).await;
        if let Ok(Ok(())) = tried {
            return Ok(());
        }
        process.check_alive()?;
        if Instant::now() > deadline {
            bail!("no right answer within {START_MAX:?}: {tried:?}");
        }
        sleep(Duration::from_millis(1)).await;
    }
}
