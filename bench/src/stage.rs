//! What a part under load stands on: an upstream process that is any number of servers, an mcpo
//! before it with a file of its own, and calls that are known again in their answers.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use mcpo_testkit::load::{Call, NUMBER_DIGITS, Pace, Plan, Swarm, Tally, http_request};
use mcpo_testkit::{Request, Scratch};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep};

use crate::contestant::free_address;
use crate::options::Options;
use crate::process::{Process, own_processor_time};

/// How long everything may take until every server answers; a thousand in a debug build take long.
const START_MAX: Duration = Duration::from_secs(60);
/// As often it is looked whether they do.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// As much of what a program said is told with its failure.
const SAID_BYTES_MAX: usize = 2000;
/// What every message begins with, behind its number.
const TEXT: &str = " people live in Reykjavik; since when do they have hot water?";
/// The shortest message: its number and some of the text.
const MESSAGE_BYTES_MIN: usize = NUMBER_DIGITS + 20;

/// An echo over HTTP: `/mcp/0`, `/mcp/1` and so on are servers of their own.
#[derive(Debug)]
pub(crate) struct Echo {
    pub(crate) address: SocketAddr,
    process: Process,
}

/// A proxy, ours or the floor.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) address: SocketAddr,
    pub(crate) process: Process,
    said: PathBuf,
    /// Its file and its state, removed with it.
    _scratch: Scratch,
}

/// What one load came to.
#[derive(Debug, Clone)]
pub(crate) struct Measured {
    pub(crate) tally: Tally,
    /// Processor time of who was measured, for each call.
    pub(crate) processor_us: Option<f64>,
    /// Processor time of the generator, for each call.
    pub(crate) generator_us: f64,
    pub(crate) resident_mib: Option<f64>,
}

/// What a call looks like.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look<'a> {
    pub(crate) headers: &'a [(&'a str, &'a str)],
    /// Bytes of the message.
    pub(crate) bytes: usize,
    /// Whether each call differs from all others.
    pub(crate) distinct: bool,
    pub(crate) group: usize,
}

impl Default for Look<'_> {
    fn default() -> Self {
        Self { headers: &[], bytes: 72, distinct: true, group: 0 }
    }
}

/// Thousands of connections are open at once: as many as the system lets us.
pub(crate) fn raise_descriptors() -> Result<u64> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
        .context("raise the number of files that may be open")?;
    Ok(maximum.unwrap_or(u64::MAX))
}

/// One call of a tool through a proxy.
pub(crate) fn call(address: SocketAddr, path: &str, look: Look<'_>) -> Call {
    let bytes = look.bytes.max(MESSAGE_BYTES_MIN);
    let mut message = "0".repeat(NUMBER_DIGITS) + TEXT;
    message.truncate(bytes);
    message.extend(std::iter::repeat_n('.', bytes - message.len()));
    let body = format!("{{\"message\":\"{message}\"}}");
    let request = http_request(address, path, look.headers, &body);
    let number = request.len() - message.len() - "\"}".len();
    Call {
        request: Bytes::from(request),
        number_at: look.distinct.then_some(number),
        group: look.group,
        expected: Bytes::copy_from_slice(&TEXT.as_bytes()[..TEXT.len().min(bytes - NUMBER_DIGITS)]),
        bytes_min: bytes,
    }
}

// === impl Echo ===

impl Echo {
    /// Starts it with these options and waits for it.
    pub(crate) async fn start(options: &Options, arguments: &[&str]) -> Result<Self> {
        let address = free_address()?;
        let mut command = vec![options.program("echo-http"), address.port().to_string()];
        command.extend(arguments.iter().map(|&argument| argument.to_owned()));
        let process = Process::start(&command)?;
        let mut echo = Self { address, process };
        let deadline = Instant::now() + START_MAX;
        while echo.calls().await.is_err() {
            echo.process.check_alive().context("the HTTP echo")?;
            if Instant::now() > deadline {
                bail!("the HTTP echo does not answer within {START_MAX:?}");
            }
            sleep(LOOK_EVERY).await;
        }
        Ok(echo)
    }

    /// How many calls of tools came to it so far.
    pub(crate) async fn calls(&self) -> Result<u64> {
        let reply = Request::get(&format!("http://{}/told", self.address)).send().await?;
        reply.json()["calls"].as_u64().context("a number of calls")
    }

    /// From now on that server accepts and does not answer; `None` for none.
    pub(crate) async fn hang(&self, server: Option<usize>) -> Result<()> {
        let address = self.address;
        let url = server.map_or_else(
            || format!("http://{address}/heal"),
            |server| format!("http://{address}/hang?/mcp/{server}"),
        );
        Request::post(&url).send().await?;
        Ok(())
    }

    /// A server of the file of mcpo, with keys of its own.
    pub(crate) fn server(&self, number: usize, keys: &Value) -> Value {
        let url = format!("http://{}/mcp/{number}", self.address);
        with_keys(json!({"type": "streamable-http", "url": url}), keys)
    }
}

/// A stdio echo as a server of the file of mcpo.
pub(crate) fn stdio_server(options: &Options, arguments: &[&str], keys: &Value) -> Value {
    with_keys(json!({"command": options.program("echo-stdio"), "args": arguments}), keys)
}

fn with_keys(mut server: Value, keys: &Value) -> Value {
    if let (Some(server), Some(keys)) = (server.as_object_mut(), keys.as_object()) {
        server.extend(keys.clone());
    }
    server
}

// === impl Stage ===

impl Stage {
    /// Starts ours before the servers `s0`, `s1` and so on, and waits until all can be called.
    pub(crate) async fn start(
        options: &Options,
        servers: impl IntoIterator<Item = Value>,
        environment: &[(&str, &str)],
    ) -> Result<Self> {
        let servers: Map<String, Value> = servers
            .into_iter()
            .enumerate()
            .map(|(number, server)| (format!("s{number}"), server))
            .collect();
        let scratch = Scratch::new()?;
        let config = scratch.write("config.json", &json!({"mcpServers": servers}).to_string())?;
        let address = free_address()?;
        let mut command = vec!["env".to_owned()];
        command.push(format!("XDG_STATE_HOME={}", scratch.path().display()));
        command.extend(environment.iter().map(|(name, value)| format!("{name}={value}")));
        if options.smoke {
            // Tests share the machine with other tests: calls are counted, not the machine judged.
            command.push("MCPO_OVERLOAD_GUARD=false".to_owned());
        }
        let port = address.port().to_string();
        let (mcpo, config) = (options.mcpo.to_string_lossy(), config.to_string_lossy());
        let words = [
            &mcpo,
            "--host",
            "127.0.0.1",
            "--port",
            &port,
            "--config",
            &config,
            "--log-level",
            "WARNING",
        ];
        command.extend(words.map(str::to_owned));
        let mut stage = Self::start_command(&command, address, scratch)?;
        stage.wait("/readyz").await?;
        Ok(stage)
    }

    /// Starts the floor in that mode: `bare`, `stdio COMMAND...` or `http URL`.
    pub(crate) async fn start_floor(options: &Options, mode: &[&str]) -> Result<Self> {
        let address = free_address()?;
        let mut command = vec![options.program("floor"), address.port().to_string()];
        command.extend(mode.iter().map(|&word| word.to_owned()));
        let mut stage = Self::start_command(&command, address, Scratch::new()?)?;
        // Any answer will do, also that there is no such path.
        stage.wait_until(|status| status.is_some(), "/echo").await?;
        Ok(stage)
    }

    /// Starts the original before one server at the root and waits for its first answer.
    pub(crate) async fn start_python(options: &Options, server: &[String]) -> Result<Self> {
        let address = free_address()?;
        let port = address.port().to_string();
        let python = options.python.to_string_lossy();
        let words = [&python, "--host", "127.0.0.1", "--port", &port];
        let command: Vec<String> =
            words.map(str::to_owned).into_iter().chain(server.iter().cloned()).collect();
        let mut stage = Self::start_command(&command, address, Scratch::new()?)?;
        stage.wait_until(|status| status == Some(200), "/openapi.json").await?;
        Ok(stage)
    }

    fn start_command(command: &[String], address: SocketAddr, scratch: Scratch) -> Result<Self> {
        let said = scratch.write("said", "")?;
        let file = std::fs::OpenOptions::new().append(true).open(&said)?;
        let process = Process::start_telling(command, Stdio::from(file))?;
        Ok(Self { address, process, said, _scratch: scratch })
    }

    async fn wait(&mut self, path: &str) -> Result<()> {
        self.wait_until(|status| status == Some(200), path).await
    }

    async fn wait_until(&mut self, is_there: fn(Option<u16>) -> bool, path: &str) -> Result<()> {
        let deadline = Instant::now() + START_MAX;
        loop {
            let reply = Request::get(&self.url(path)).send().await.ok();
            if is_there(reply.as_ref().map(|reply| reply.status.as_u16())) {
                return Ok(());
            }
            let failed = match self.process.check_alive() {
                Err(error) => Some(error),
                Ok(()) if Instant::now() > deadline => {
                    let told = reply.map_or("no answer".to_owned(), |reply| reply.to_string());
                    let told: String = told.chars().take(SAID_BYTES_MAX).collect();
                    Some(anyhow::anyhow!(
                        "{path} is not as it should be after {START_MAX:?}: {told}"
                    ))
                }
                Ok(()) => None,
            };
            if let Some(error) = failed {
                return Err(error.context(format!("what it said last:\n{}", self.said())));
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// The end of what it said on stderr.
    fn said(&self) -> String {
        let said = std::fs::read(&self.said).unwrap_or_default();
        let from = said.len().saturating_sub(SAID_BYTES_MAX);
        String::from_utf8_lossy(&said[from..]).into_owned()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn resident_mib(&self) -> Result<f64> {
        resident_mib(&self.process)
    }

    /// Puts load on it.
    pub(crate) async fn load(&self, swarm: &Arc<Swarm>, plan: &Plan) -> Result<Measured> {
        let mut measured = measure(swarm, plan, &self.process).await?;
        measured.resident_mib = Some(self.resident_mib()?);
        let tally = &measured.tally;
        if tally.sent() == 0 {
            bail!("no call was answered; what it said last:\n{}", self.said());
        }
        if tally.wrong() > 0 {
            bail!("{} wrong answers; what it said last:\n{}", tally.wrong(), self.said());
        }
        Ok(measured)
    }
}

async fn measure(swarm: &Arc<Swarm>, plan: &Plan, process: &Process) -> Result<Measured> {
    let (before, own_before) = (process.processor_time()?, own_processor_time()?);
    let tallies = swarm.run(plan).await?;
    let (after, own_after) = (process.processor_time()?, own_processor_time()?);
    let tally = together(&tallies).context("a tally")?;
    let calls = count(tally.sent() + tally.warm_up).max(1.0);
    let each = |from: Duration, to: Duration| to.saturating_sub(from).as_secs_f64() * 1e6 / calls;
    Ok(Measured {
        tally,
        processor_us: Some(each(before, after)),
        generator_us: each(own_before, own_after),
        resident_mib: None,
    })
}

/// All groups as one.
pub(crate) fn together(tallies: &[Tally]) -> Option<Tally> {
    let (first, rest) = tallies.split_first()?;
    let mut all = first.clone();
    for tally in rest {
        all.add(tally);
    }
    Some(all)
}

#[expect(clippy::cast_precision_loss, reason = "memory sizes are far below 2^52")]
pub(crate) fn resident_mib(process: &Process) -> Result<f64> {
    Ok(process.resident()?.kib as f64 / 1024.0)
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub(crate) const fn count(calls: u64) -> f64 {
    calls as f64
}

/// Closed loop, for the usual time.
pub(crate) fn closed(options: &Options, connections: usize) -> Plan {
    Plan { connections, warm_up: options.warm_up, length: options.length, pace: Pace::Closed }
}
