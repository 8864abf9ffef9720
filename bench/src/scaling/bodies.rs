//! Messages from 64 bytes to ten megabytes, there and back, beside the floor.

use std::time::Duration;

use anyhow::{Context, Result};
use mcpo_testkit::load::{Plan, Swarm};

use super::{plain, sheet, values};
use crate::chapter::Sheet;
use crate::options::Options;
use crate::stage::{Echo, Look, Stage, call, closed, stdio_server};

/// Rounds at most, since there are many sizes.
const ROUNDS_MAX: usize = 2;
/// A message, what it is called, and how many are on their way at once: together they are at most
/// 40 MB each way.
const SIZES: [(usize, &str, usize); 5] = [
    (64, "64 B", 16),
    (1 << 10, "1 KiB", 16),
    (64 << 10, "64 KiB", 16),
    (1 << 20, "1 MiB", 8),
    (10_000_000, "10 MB", 4),
];

/// From here on one call may take a tenth of a second, and more where nothing is optimised.
const LARGE_BYTES: usize = 1 << 20;

pub(super) async fn measure(options: &Options) -> Result<Sheet> {
    let echo = Echo::start(options, &[]).await?;
    let url = format!("http://{}/mcp/0", echo.address);
    let stdio = options.program("echo-stdio");
    let ours_http = Stage::start(options, [echo.server(0, &plain())], &[]).await?;
    let ours_stdio = Stage::start(options, [stdio_server(options, &[], &plain())], &[]).await?;
    let floor_http = Stage::start_floor(options, &["http", &url]).await?;
    let floor_stdio = Stage::start_floor(options, &["stdio", &stdio]).await?;
    // The floor first: the other is compared with it.
    let all = [
        ("stdio", "floor", floor_stdio, "/echo"),
        ("stdio", "mcpo", ours_stdio, "/s0/echo"),
        ("http", "floor", floor_http, "/echo"),
        ("http", "mcpo", ours_http, "/s0/echo"),
    ];
    let title = "Bodies, 16 connections, 1 MiB: 8, 10 MB: 4 (`x first`: beside the floor)";
    let mut sheet = sheet(title, &["body", "upstream", "who"]);
    for round in 0..options.rounds.min(ROUNDS_MAX) {
        for (bytes, name, connections) in SIZES {
            let look = Look { bytes, ..Look::default() };
            let mut floor = None;
            for (upstream, who, stage, path) in &all {
                let swarm = Swarm::new(stage.address, vec![call(stage.address, path, look)]);
                let plan = Plan { length: length(options, bytes), ..closed(options, connections) };
                let measured = stage.load(&swarm, &plan).await;
                let measured = measured.with_context(|| format!("{who}, {upstream}, {name}"))?;
                if *who == "floor" {
                    floor = Some(measured.tally.good_per_second());
                }
                sheet.note(&[name, upstream, who], round, &values(&measured, floor));
            }
        }
    }
    Ok(sheet)
}

/// Long enough for a call to begin and to end in it.
fn length(options: &Options, bytes: usize) -> Duration {
    let half = options.length / 2;
    if bytes < LARGE_BYTES { half } else { half.max(Duration::from_secs(1)) }
}
