//! How long the document of ten thousand tools takes: built for the first one who asks, and then.

use anyhow::{Context, Result, ensure};
use mcpo_testkit::Request;
use serde_json::json;
use tokio::time::Instant;

use crate::chapter::{Sheet, Target};
use crate::options::Options;
use crate::report::median;
use crate::stage::{Echo, Stage, count};

/// Fresh starts: a first time is only once in each.
const STARTS: usize = 3;
/// How often it is asked for after the first time.
const LATER: usize = 20;

pub(super) async fn measure(options: &Options) -> Result<(Sheet, Vec<Target>)> {
    let columns = [("MiB", 2), ("first ms", 2), ("later ms", 2), ("unchanged ms", 2)];
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
        let (first, later) = (row(servers, path, "first ms"), row(servers, path, "later ms"));
        targets.push(Target::at_most(&format!("{what}, first"), 50.0, " ms", first));
        targets.push(Target::at_most(&format!("{what}, later"), 1.0, " ms", later));
    }
    Ok((sheet, targets))
}

async fn one(
    options: &Options,
    servers: usize,
    tools: usize,
    path: &str,
) -> Result<[Option<f64>; 4]> {
    let echo = Echo::start(options, &["--tools", &tools.to_string()]).await?;
    let file = (0..servers).map(|server| echo.server(server, &json!({})));
    let stage = Stage::start(options, file, &[]).await?;
    let (first, bytes, tag) = ask(&stage, path, None).await?;
    let (mut later, mut unchanged) = (Vec::new(), Vec::new());
    for _ in 0..LATER {
        later.push(ask(&stage, path, None).await?.0);
        if let Some(tag) = &tag {
            unchanged.push(ask(&stage, path, Some(tag)).await?.0);
        }
    }
    Ok([Some(count(bytes) / 1048576.0), Some(first), median(later), median(unchanged)])
}

/// Milliseconds, bytes of the answer, and its tag.
async fn ask(stage: &Stage, path: &str, tag: Option<&str>) -> Result<(f64, u64, Option<String>)> {
    let mut request = Request::get(&stage.url(path));
    if let Some(tag) = tag {
        request = request.header("if-none-match", tag);
    }
    let began = Instant::now();
    let reply = request.send().await.with_context(|| format!("ask for {path}"))?;
    let took = began.elapsed().as_secs_f64() * 1e3;
    let status = reply.status.as_u16();
    ensure!(matches!((status, tag), (200, None) | (304, Some(_))), "{path} answers {status}");
    Ok((took, reply.body.len() as u64, reply.header("etag").map(str::to_owned)))
}
