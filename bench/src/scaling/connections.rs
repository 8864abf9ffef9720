//! More and more connections of downstreams, all of them calling; beside the floor, and beside
//! axum alone, which says how fast the generator can be at all.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use mcpo_testkit::load::Swarm;

use super::{TOOLS, all_tools, plain, sheet, values};
use crate::chapter::Sheet;
use crate::options::Options;
use crate::stage::{Look, Stage, call, closed, stdio_server};

/// Servers behind ours: ten thousand calls at once are more than one server takes.
const SERVERS: usize = 10;
/// So many connections take longer until all of them have called once.
const MANY: usize = 1000;
const WARM_UP_OF_MANY: Duration = Duration::from_secs(1);
/// Rounds at most: these are long.
const ROUNDS_MAX: usize = 2;

pub(super) async fn measure(options: &Options) -> Result<Sheet> {
    let tools = TOOLS.to_string();
    let servers =
        (0..SERVERS).map(|_| stdio_server(options, &["--tools", tools.as_str()], &plain()));
    let ours = Stage::start(options, servers, &[]).await?;
    let floor = Stage::start_floor(options, &["stdio", &options.program("echo-stdio")]).await?;
    let bare = Stage::start_floor(options, &["bare"]).await?;
    let alone = |stage: &Stage| {
        Swarm::new(stage.address, vec![call(stage.address, "/echo", Look::default())])
    };
    let calls = all_tools(&ours, SERVERS, TOOLS, Look::default());
    let all: [(&str, Stage, Arc<Swarm>); 3] = [
        ("mcpo", Swarm::new(ours.address, calls), ours),
        ("floor", alone(&floor), floor),
        ("bare", alone(&bare), bare),
    ]
    .map(|(name, swarm, stage)| (name, stage, swarm));
    let many: &[usize] = if options.smoke { &[1, 64, 300] } else { &[1, 64, 1000, 10_000] };
    let title = "Connections (mcpo: ten stdio servers; floor: one; bare: axum's own echo)";
    let mut sheet = sheet(title, &["connections", "who"]);
    let mut first = [None; 3];
    for round in 0..options.rounds.min(ROUNDS_MAX) {
        for &connections in many {
            for ((name, stage, swarm), first) in all.iter().zip(&mut first) {
                let mut plan = closed(options, connections);
                if connections >= MANY && !options.smoke {
                    plan.warm_up = plan.warm_up.max(WARM_UP_OF_MANY);
                }
                let measured = stage.load(swarm, &plan).await?;
                let rate = *first.get_or_insert_with(|| measured.tally.good_per_second());
                sheet.note(
                    &[&connections.to_string(), name],
                    round,
                    &values(&measured, Some(rate)),
                );
            }
        }
        first = [None; 3];
    }
    Ok(sheet)
}
