//! How long the document of ten thousand tools takes: built for the first one who asks, and then; as
//! it is, and packed for those who accept that, as browsers and the usual clients do.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use mcpo_testkit::Request;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::chapter::{Sheet, Target};
use crate::options::Options;
use crate::report::median;
use crate::stage::{Echo, Stage, count};

/// Fresh starts: a first time is only once in each.
const STARTS: usize = 3;
/// How often it is asked for after the first time.
const LATER: usize = 20;
/// How long it may take until it is packed, for the first one who asks so.
const PACKED_MAX: Duration = Duration::from_secs(10);

/// As often it is looked whether it is.
const PACKED_LOOK_EVERY: Duration = Duration::from_millis(10);
/// What a client sends that unpacks.
const GZIP: (&str, &str) = ("accept-encoding", "gzip, deflate");

/// One answer.
struct Asked {
    milliseconds: f64,
    bytes: u64,
    tag: Option<String>,
    is_packed: bool,
}

pub(super) async fn measure(options: &Options) -> Result<(Sheet, Vec<Target>)> {
    let columns = [
        ("MiB", 2),
        ("first ms", 2),
        ("later ms", 2),
        ("unchanged ms", 2),
        ("gzip MiB", 2),
        ("later, gzip ms", 2),
    ];
    let labels = ["servers", "tools", "document"];
    let mut sheet =
        Sheet::new("`/openapi.json` (unchanged: asked for with its ETag)", &labels, &columns);
    let all = if options.smoke { 200 } else { 10_000 };
    for round in 0..STARTS.min(options.rounds) {
        for (servers, path) in
            [(1, "/s0/openapi.json"), (1, "/openapi.json"), (all / 10, "/openapi.json")]
        {
            let values = one(options, servers, all / servers, path).await?;
            let labels = [servers.to_string(), all.to_string()];
            sheet.note(&[&labels[0], &labels[1], path], round, &values);
        }
    }
    let row = |servers: usize, path, column: &str| {
        sheet.value(&[&servers.to_string(), &all.to_string(), path], column)
    };
    let mut targets = Vec::new();
    for (servers, path) in [(1, "/s0/openapi.json"), (all / 10, "/openapi.json")] {
        let what = format!("`{path}` of {servers} servers, {all} tools");
        let (first, later) = (row(servers, path, "first ms"), row(servers, path, "later, gzip ms"));
        targets.push(Target::at_most(&format!("{what}, first"), 50.0, " ms", first));
        targets.push(Target::at_most(&format!("{what}, later, gzip"), 1.0, " ms", later));
    }
    Ok((sheet, targets))
}

async fn one(
    options: &Options,
    servers: usize,
    tools: usize,
    path: &str,
) -> Result<[Option<f64>; 6]> {
    let echo = Echo::start(options, &["--tools", &tools.to_string()]).await?;
    let file = (0..servers).map(|server| echo.server(server, &json!({})));
    let stage = Stage::start(options, file, &[]).await?;
    let first = ask(&stage, path, None).await?;
    let (mut later, mut unchanged, mut packed) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..LATER {
        later.push(ask(&stage, path, None).await?.milliseconds);
        if let Some(tag) = &first.tag {
            unchanged.push(ask(&stage, path, Some(("if-none-match", tag))).await?.milliseconds);
        }
    }
    let packed_bytes = wait_packed(&stage, path).await?;
    for _ in 0..LATER {
        packed.push(ask(&stage, path, Some(GZIP)).await?.milliseconds);
    }
    let mib = |bytes| Some(count(bytes) / 1048576.0);
    Ok([
        mib(first.bytes),
        Some(first.milliseconds),
        median(later),
        median(unchanged),
        mib(packed_bytes),
        median(packed),
    ])
}

/// Asks until it comes packed; its bytes then.
async fn wait_packed(stage: &Stage, path: &str) -> Result<u64> {
    let deadline = Instant::now() + PACKED_MAX;
    loop {
        let asked = ask(stage, path, Some(GZIP)).await?;
        if asked.is_packed {
            return Ok(asked.bytes);
        }
        if Instant::now() > deadline {
            bail!("{path} is not packed within {PACKED_MAX:?}");
        }
        sleep(PACKED_LOOK_EVERY).await;
    }
}

async fn ask(stage: &Stage, path: &str, header: Option<(&str, &str)>) -> Result<Asked> {
    let mut request = Request::get(&stage.url(path));
    if let Some((name, value)) = header {
        request = request.header(name, value);
    }
    let began = Instant::now();
    let reply = request.send().await.with_context(|| format!("ask for {path}"))?;
    let milliseconds = began.elapsed().as_secs_f64() * 1e3;
    let status = reply.status.as_u16();
    let knows = header.is_some_and(|(name, _)| name == "if-none-match");
    ensure!(status == if knows { 304 } else { 200 }, "{path} answers {status}");
    Ok(Asked {
        milliseconds,
        bytes: reply.body.len() as u64,
        tag: reply.header("etag").map(str::to_owned),
        is_packed: reply.header("content-encoding") == Some("gzip"),
    })
}
