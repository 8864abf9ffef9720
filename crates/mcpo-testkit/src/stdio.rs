//! The scripted upstream over stdin and stdout: the program, and how a test names it.

use std::future::pending;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::control::Control;
use crate::engine::{EFFECTS_MAX, Effect, Engine};
use crate::journal::{Entry, Journal, What};
use crate::reply;
use crate::script::Script;

/// A scripted stdio upstream, ready to be started by whoever is tested.
#[derive(Debug, Clone)]
pub struct ScriptedStdio {
    /// The program.
    pub command: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    control: PathBuf,
}

impl ScriptedStdio {
    /// Writes the script into `directory/NAME.json`; journal and gates live in `directory/NAME`.
    ///
    /// # Errors
    /// When the program is not built, or the directory cannot be written.
    pub fn new(directory: &Path, name: &str, script: Script) -> Result<Self> {
        let control = directory.join(name);
        std::fs::create_dir_all(&control)?;
        let file = directory.join(format!("{name}.json"));
        let script = Script { control: control.clone(), ..script };
        std::fs::write(&file, serde_json::to_vec_pretty(&script)?)?;
        let command = scripted_path()?.to_string_lossy().into_owned();
        Ok(Self { command, arguments: vec![file.to_string_lossy().into_owned()], control })
    }

    /// What it did.
    #[must_use]
    pub fn journal(&self) -> Journal {
        Journal::new(&self.control)
    }

    /// Its gates.
    #[must_use]
    pub fn control(&self) -> Control {
        Control::new(&self.control)
    }

    /// Its entry in `mcpServers`.
    #[must_use]
    pub fn config(&self) -> Value {
        json!({"command": self.command, "args": self.arguments})
    }
}

/// The newest build of the scripted upstream beside the running program or test.
///
/// # Errors
/// When there is none, with what builds it.
pub fn scripted_path() -> Result<PathBuf> {
    let program = std::env::current_exe().context("find the running program")?;
    // A test lives in target/PROFILE/deps, a program in target/PROFILE.
    let directory = program.parent().context("a program lives in a directory")?;
    let target = directory.parent().context("target/PROFILE has a parent")?;
    let built = |path: &PathBuf| path.metadata().and_then(|data| data.modified()).ok();
    let candidates =
        [target.join("examples/scripted"), target.join("scripted"), directory.join("scripted")];
    match candidates.into_iter().filter(|path| built(path).is_some()).max_by_key(built) {
        Some(path) => Ok(path),
        None => bail!(
            "the scripted upstream is not built in {}: run `cargo build -p mcpo-testkit --bin scripted`",
            directory.display()
        ),
    }
}

/// The program: takes the path of a script (or the script itself) as its only argument.
pub fn scripted_main() -> ! {
    let code = match run() {
        Ok(code) => code,
        Err(error) => {
            // Nobody reads a closed stderr; the exit code says it as well.
            let _ = writeln!(std::io::stderr(), "scripted: {error:#}");
            70
        }
    };
    std::process::exit(code)
}

fn run() -> Result<i32> {
    let argument = std::env::args().nth(1).context("usage: scripted SCRIPT.json")?;
    let text =
        if argument.starts_with('{') { argument } else { std::fs::read_to_string(&argument)? };
    let script: Script = serde_json::from_str(&text).context("read the script")?;
    let engine = Engine::new(script)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let code = runtime.block_on(serve(engine));
    // Dropping it would wait for the thread that reads stdin.
    runtime.shutdown_background();
    code
}

async fn serve(engine: Arc<Engine>) -> Result<i32> {
    let (tx, mut rx) = mpsc::channel(EFFECTS_MAX);
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut notices = engine.notices.subscribe();
    let mut sigterm = caught(engine.script.ignore_sigterm)?;
    let mut calls = JoinSet::new();
    let (mut started, mut reading) = (false, true);
    let mut start = pin!(engine.start(tx.clone()));
    if engine.script.grandchild {
        start_grandchild(&engine)?;
    }
    loop {
        tokio::select! {
            biased;
            Some(effect) = rx.recv() => match apply(effect)? {
                After::Go => {}
                After::StopReading => reading = false,
                After::Exit(code) => return Ok(code),
            },
            () = &mut start, if !started => started = true,
            line = lines.next_line(), if started && reading => match line? {
                Some(line) => { calls.spawn(take(Arc::clone(&engine), line, tx.clone())); }
                None => {
                    engine.record(&Entry::new(What::Eof));
                    if !engine.script.ignore_eof { return Ok(0) }
                    reading = false;
                }
            },
            Ok(notice) = notices.recv() => if engine.legacy_live.load(Ordering::Acquire) {
                write(notice.as_bytes(), true)?;
            },
            () = term(&mut sigterm) => { engine.record(&Entry::new(What::Sigterm)); }
            Some(_) = calls.join_next() => {}
        }
    }
}

/// Messages of a batch are taken one by one.
async fn take(engine: Arc<Engine>, line: String, out: mpsc::Sender<Effect>) {
    match serde_json::from_str(&line) {
        Ok(Value::Array(batch)) => {
            for message in batch {
                Arc::clone(&engine).take(message, Value::Null, out.clone()).await;
            }
        }
        Ok(message) => engine.take(message, Value::Null, out).await,
        Err(error) => {
            let answer = reply::error(&Value::Null, -32700, &error.to_string(), &Value::Null);
            crate::engine::say(&out, Effect::Last(answer)).await;
        }
    }
}

enum After {
    Go,
    StopReading,
    Exit(i32),
}

fn apply(effect: Effect) -> Result<After> {
    match effect {
        Effect::Message(text) | Effect::Last(text) => write(text.as_bytes(), true)?,
        Effect::Bytes(bytes) => write(&bytes, true)?,
        Effect::Half(bytes) => {
            write(&bytes, false)?;
            return Ok(After::Exit(1));
        }
        Effect::Http(response) => write(response.body.as_bytes(), true)?,
        Effect::Exit(code) => return Ok(After::Exit(code)),
        Effect::Stderr(lines) => {
            let mut stderr = std::io::stderr().lock();
            for number in 1..=lines {
                writeln!(stderr, "stderr line {number}")?;
            }
        }
        Effect::IgnoreStdin => return Ok(After::StopReading),
        Effect::CloseStdout => {
            // Nothing else holds the pipe, so that its reader sees the end.
            let nowhere = std::fs::OpenOptions::new().write(true).open("/dev/null")?;
            rustix::stdio::dup2_stdout(nowhere)?;
        }
        Effect::SseBreak { .. } | Effect::ForgetSessions => {}
    }
    Ok(After::Go)
}

fn write(bytes: &[u8], end_line: bool) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(bytes)?;
    if end_line {
        stdout.write_all(b"\n")?;
    }
    Ok(stdout.flush()?)
}

fn caught(wanted: bool) -> Result<Option<Signal>> {
    Ok(if wanted { Some(signal(SignalKind::terminate())?) } else { None })
}

async fn term(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => pending().await,
    }
}

fn start_grandchild(engine: &Engine) -> Result<()> {
    let child =
        std::process::Command::new("sleep").arg("600").spawn().context("start a grandchild")?;
    engine.record(&Entry::new(What::Grandchild).id(child.id().into()));
    Ok(())
}
