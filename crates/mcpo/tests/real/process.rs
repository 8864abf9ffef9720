//! Processes of these tests: mcpo itself, and upstreams that listen on a port. Each one ends
//! with its test, however that ends.

use std::fs::File;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::process::{Child, Command};
use tokio::time::Instant;

use crate::http::{Answer, post, request};
use crate::places::{scratch, text};

/// Node.js and Python take seconds to start on a busy machine.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// Longer than the grace that mcpo gives its own children.
const END_TIMEOUT: Duration = Duration::from_secs(30);

/// mcpo as its users run it.
#[derive(Debug)]
pub(crate) struct Mcpo {
    child: Child,
    port: u16,
    log: PathBuf,
}

impl Mcpo {
    /// Starts the program with these arguments, and a port of its own.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_in(arguments, &[])
    }

    /// The same, with these variables in its environment.
    pub(crate) fn start_in(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let port = free_port();
        let log = scratch().join(format!("mcpo-{port}.log"));
        let file = File::create(&log).expect("the scratch folder is writable");
        let mut command = Command::new(env!("CARGO_BIN_EXE_mcpo"));
        // The port goes before the arguments, which may end in `-- COMMAND`.
        let (verb, rest) = arguments.split_at(usize::from(arguments.first() == Some(&"demo")));
        command.args(verb).args(["--host", "127.0.0.1", "--port", &port.to_string()]).args(rest);
        // What is kept stays out of the home of whoever runs the tests.
        command.env("XDG_STATE_HOME", scratch().join(format!("state-{port}")));
        command.envs(environment.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file).kill_on_drop(true);
        let child = command.spawn().expect("the program is built before its tests");
        Self { child, port, log }
    }

    /// Starts it with a configuration file of these servers, and waits until all are ready.
    pub(crate) async fn with_servers(servers: Value) -> Self {
        Self::with_servers_and(servers, &[]).await
    }

    /// The same, with further options.
    pub(crate) async fn with_servers_and(servers: Value, options: &[&str]) -> Self {
        let file = written(&servers);
        let mcpo = Self::start(&[&["--config", &text(&file)], options].concat());
        mcpo.ready().await;
        mcpo
    }

    /// With servers that are probed every second.
    pub(crate) async fn probing(servers: Value) -> Self {
        let file = written(&servers);
        let mcpo = Self::start_in(&["--config", &text(&file)], &[("MCPO_PROBE_INTERVAL", "1")]);
        mcpo.ready().await;
        mcpo
    }

    /// Where it listens.
    pub(crate) fn base(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Waits until every server is ready.
    pub(crate) async fn ready(&self) {
        let is_ready = async || {
            request(self.port, "GET /readyz", "").await.is_some_and(|answer| answer.status == 200)
        };
        assert!(
            until(START_TIMEOUT, is_ready).await,
            "not ready in time; see {}",
            self.log.display()
        );
    }

    /// Waits until it listens, which it does before its servers are ready.
    pub(crate) async fn listens(&self) {
        assert!(
            until(START_TIMEOUT, async || listens(self.port).await).await,
            "see {}",
            self.log.display()
        );
    }

    /// One GET.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        request(self.port, &format!("GET {path}"), "")
            .await
            .expect("mcpo answers as long as it runs")
    }

    /// One call of a tool.
    pub(crate) async fn call(&self, path: &str, arguments: &Value) -> Answer {
        self.call_with(path, arguments, "").await
    }

    /// One call of a tool, with further header lines, each with its line end.
    pub(crate) async fn call_with(&self, path: &str, arguments: &Value, headers: &str) -> Answer {
        post(self.port, path, arguments, headers).await.expect("every call has an answer")
    }

    /// Whether that text is in its log.
    pub(crate) fn has_said(&self, text: &str) -> bool {
        std::fs::read_to_string(&self.log).is_ok_and(|log| log.contains(text))
    }

    /// The processes that it started, and those that these started.
    pub(crate) fn descendants(&self) -> Vec<Pid> {
        let own = self.child.id().expect("it was not awaited yet");
        descendants_of(own).into_iter().filter_map(|id| Pid::from_raw(id.cast_signed())).collect()
    }

    /// The same without the process that stands guard over them.
    pub(crate) fn upstreams(&self) -> Vec<Pid> {
        let is_guard = |process: &Pid| {
            std::fs::read(format!("/proc/{}/cmdline", process.as_raw_nonzero()))
                .is_ok_and(|words| words.split(|&byte| byte == 0).any(|word| word == b"__guard"))
        };
        let mut all = self.descendants();
        all.retain(|process| !is_guard(process));
        all
    }

    /// Ends it as an operator would: it must leave with success, and leave no process behind.
    pub(crate) async fn stop(mut self) {
        let (upstreams, all) = (self.upstreams(), self.descendants());
        terminate(&self.child);
        let status =
            tokio::time::timeout(END_TIMEOUT, self.child.wait()).await.expect("it ends in time");
        let status = status.expect("it is our child");
        assert!(status.success(), "it ended with {status}; see {}", self.log.display());
        for child in upstreams {
            assert!(
                !is_running(child),
                "process {child} outlived mcpo; see {}",
                self.log.display()
            );
        }
        // The guard ends because mcpo has ended.
        are_gone(&all).await;
    }
}

/// A configuration file of these servers.
pub(crate) fn written(servers: &Value) -> PathBuf {
    let file = scratch().join("config.json");
    std::fs::write(&file, json!({"mcpServers": servers}).to_string())
        .expect("the scratch folder is writable");
    file
}

/// An upstream that listens on a port, and can be killed and started again there.
#[derive(Debug)]
pub(crate) struct Listening {
    command: Vec<String>,
    port: u16,
    child: Child,
}

impl Listening {
    /// Starts a command, with `PORT` in its arguments replaced and in its environment, and waits
    /// until it listens.
    pub(crate) async fn start(command: &[String]) -> Self {
        let port = free_port();
        let command: Vec<_> =
            command.iter().map(|part| part.replace("PORT", &port.to_string())).collect();
        let child = Self::spawn(&command, port).await;
        Self { command, port, child }
    }

    async fn spawn(command: &[String], port: u16) -> Child {
        let log = File::create(scratch().join(format!("upstream-{port}.log")))
            .expect("the scratch folder is writable");
        let mut process = Command::new(&command[0]);
        process.args(&command[1..]).env("PORT", port.to_string());
        process.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).kill_on_drop(true);
        let child = process.spawn().expect("it is installed");
        assert!(
            until(START_TIMEOUT, async || listens(port).await).await,
            "{command:?} does not listen"
        );
        child
    }

    /// The address of one of its paths.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Kills it, without a chance to say goodbye.
    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.expect("it is our child");
    }

    /// Starts it again on the same port: it knows none of its old sessions.
    pub(crate) async fn start_again(&mut self) {
        self.child = Self::spawn(&self.command, self.port).await;
    }
}

/// Kills processes and waits until they are gone.
pub(crate) async fn kill_all(processes: &[Pid]) {
    for &process in processes {
        let killed = kill_process(process, Signal::KILL);
        // One may have followed its parent already.
        assert!(matches!(killed, Ok(()) | Err(Errno::SRCH)), "kill {process}: {killed:?}");
    }
    are_gone(processes).await;
}

/// Lets processes stand still, and waits until they do.
pub(crate) async fn stop_all(processes: &[Pid]) {
    for &process in processes {
        kill_process(process, Signal::STOP).expect("it runs");
    }
    let stand = async || processes.iter().all(|&process| state_of(process) == Some('T'));
    assert!(until(END_TIMEOUT, stand).await, "stopped processes go on");
}

/// Waits until processes are gone.
pub(crate) async fn are_gone(processes: &[Pid]) {
    let gone = async || processes.iter().all(|&process| !is_running(process));
    assert!(until(END_TIMEOUT, gone).await, "processes stay: {processes:?}");
}

/// Asks again until it is so; false when the time is over.
pub(crate) async fn until(timeout: Duration, condition: impl AsyncFn() -> bool) -> bool {
    let end = Instant::now() + timeout;
    while Instant::now() < end {
        if condition().await {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    false
}

async fn listens(port: u16) -> bool {
    tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok()
}

/// A port that nobody listens on. Below the range from which the kernel takes the ports of
/// outgoing connections, and started at another place by each process, so that tests that run
/// side by side do not meet.
fn free_port() -> u16 {
    const FIRST: u16 = 20_000;
    const COUNT: u16 = 12_000;
    const STEP: u16 = 7;
    static TRIES: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() * u32::from(STEP) % u32::from(COUNT))
        .expect("it is below COUNT");
    loop {
        let offset = TRIES.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + (start + offset % COUNT) % COUNT;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

fn terminate(child: &Child) {
    let id = child.id().expect("it was not awaited yet").cast_signed();
    kill_process(Pid::from_raw(id).expect("ids are above 0"), Signal::TERM)
        .expect("it is our child");
}

/// Whether a process is there and not only waits to be awaited.
fn is_running(process: Pid) -> bool {
    state_of(process).is_some_and(|state| !matches!(state, 'Z' | 'X'))
}

/// The letter for what a process does; `None` once there is no such process.
fn state_of(process: Pid) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.as_raw_nonzero())).ok()?;
    after_name(&stat).chars().next()
}

fn descendants_of(parent: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").expect("Linux has /proc");
    let ids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let children: Vec<_> = ids.filter(|&id| parent_of(id) == Some(parent)).collect();
    children
        .iter()
        .flat_map(|&child| descendants_of(child))
        .chain(children.iter().copied())
        .collect()
}

fn parent_of(id: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    after_name(&stat).split(' ').nth(1)?.parse().ok()
}

/// The fields of `/proc/ID/stat` after the name, which may hold anything but ends at the last `)`.
fn after_name(stat: &str) -> &str {
    stat.rsplit_once(") ").map_or("", |(_, rest)| rest)
}
