//! How long from exec to listening and to the first answer; and whether one silent server among
//! twenty delays the others.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use mcpo_testkit::load::HttpLoad;
use mcpo_testkit::{Request, Scratch};
use serde_json::{Map, json};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::contestant::{Kind, command, free_address, tool_load, wait_until_it_answers};
use crate::options::{Options, Upstream};
use crate::process::Process;
use crate::report::{Results, Start, Twenty};
use crate::say;

/// How many starts of each; the original takes seconds for one.
const STARTS: usize = 7;
/// How many servers, one of which is silent.
const SERVERS: usize = 20;
/// How long one try of a call may take.
const TRY_MAX: Duration = Duration::from_secs(2);
/// How long a call of the silent server may take before the run goes on without its answer.
const SILENT_MAX: Duration = Duration::from_secs(90);
/// How long until somebody listens, and until everybody else is callable.
const START_MAX: Duration = Duration::from_secs(60);

pub(crate) async fn measure(options: &Options, results: &mut Results) -> Result<()> {
    for kind in [Kind::Python, Kind::Mcpo, Kind::Floor] {
        if !options.contestants.contains(&kind) {
            continue;
        }
        match starts(options, kind).await {
            Ok(start) => results.starts.push(start),
            Err(error) => say(&format!("{} is left out: {error:#}", kind.name())),
        }
    }
    if options.contestants.contains(&Kind::Mcpo) {
        match twenty(options).await {
            Ok(twenty) => results.twenty = Some(twenty),
            Err(error) => say(&format!("twenty servers: {error:#}")),
        }
    }
    Ok(())
}

async fn starts(options: &Options, kind: Kind) -> Result<Start> {
    let mut start =
        Start { contestant: kind.name(), listening_ms: Vec::new(), first_answer_ms: Vec::new() };
    for _ in 0..STARTS {
        let address = free_address()?;
        let began = Instant::now();
        let mut process =
            Process::start(&command(options, kind, address, Upstream::RustStdio, None))?;
        while TcpStream::connect(address).await.is_err() {
            process.check_alive()?;
            if began.elapsed() > START_MAX {
                bail!("it does not listen");
            }
            sleep(Duration::from_millis(1)).await;
        }
        start.listening_ms.push(ms(began));
        wait_until_it_answers(&tool_load(address, "/echo"), &mut process).await?;
        start.first_answer_ms.push(ms(began));
    }
    say(&format!("{}: {start:?}", kind.name()));
    Ok(start)
}

async fn twenty(options: &Options) -> Result<Twenty> {
    let scratch = Scratch::new()?;
    let echo = options.program("echo-stdio");
    let mut servers = Map::new();
    // The silent one first: whoever starts them one after another never gets to the others.
    servers.insert("silent".into(), json!({"command": echo, "args": ["--mute"]}));
    for number in 1..SERVERS {
        servers.insert(format!("s{number}"), json!({"command": echo, "args": []}));
    }
    let config = scratch.write("config.json", &json!({"mcpServers": servers}).to_string())?;
    let address = free_address()?;
    let mcpo = options.mcpo.to_string_lossy().into_owned();
    let words = [
        "--host",
        "127.0.0.1",
        "--port",
        &address.port().to_string(),
        "--config",
        &config.to_string_lossy(),
    ];
    let command: Vec<String> = std::iter::once(mcpo).chain(words.map(str::to_owned)).collect();
    let began = Instant::now();
    let _process = Process::start(&command)?;
    let mut waiting = JoinSet::new();
    for number in 1..SERVERS {
        let load = tool_load(address, &format!("/s{number}/echo"));
        waiting.spawn(callable(load, began));
    }
    let mut callable_ms = Vec::new();
    while let Some(one) = waiting.join_next().await {
        callable_ms.push(one.context("a server's task")??);
    }
    let asked = Instant::now();
    let body = json!({"message": "anybody there?"});
    let reply = timeout(
        SILENT_MAX,
        Request::post(&format!("http://{address}/silent/echo")).json(&body).send(),
    )
    .await;
    let silent_status = reply.ok().and_then(Result::ok).map(|reply| reply.status.as_u16());
    let twenty = Twenty { callable_ms, silent_status, silent_ms: ms(asked) };
    say(&format!("{twenty:?}"));
    Ok(twenty)
}

async fn callable(load: HttpLoad, began: Instant) -> Result<f64> {
    while !matches!(timeout(TRY_MAX, load.call_once()).await, Ok(Ok(()))) {
        if began.elapsed() > START_MAX {
            bail!("a server beside the silent one is not callable");
        }
        sleep(Duration::from_millis(1)).await;
    }
    Ok(ms(began))
}

fn ms(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}
