//! The real program run to its end, for what is told on stdout and stderr and by exit codes; and
//! shorthands for starting it with scripted upstreams.

use std::process::Stdio;
use std::time::Duration;

use mcpo_testkit::{World, WorldBuilder};
use tokio::process::Command;
use tokio::time::timeout;

/// After this a program that should have ended hangs; generous, since CI machines stall.
const PATIENCE: Duration = Duration::from_secs(20);

/// The program under test.
pub(crate) const MCPO: &str = env!("CARGO_BIN_EXE_mcpo");

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs the program until it ends by itself.
pub(crate) async fn run(arguments: &[&str]) -> Ended {
    run_with(arguments, &[]).await
}

/// Runs the program with these variables until it ends by itself.
pub(crate) async fn run_with(arguments: &[&str], environment: &[(&str, &str)]) -> Ended {
    let mut command = Command::new(MCPO);
    command.args(arguments).envs(environment.iter().copied());
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = timeout(PATIENCE, command.output())
        .await
        .unwrap_or_else(|_| panic!("mcpo {arguments:?} does not end"))
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ended { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
}

/// A world around the program under test.
pub(crate) fn world() -> WorldBuilder {
    World::with(MCPO).unwrap()
}

/// Starts it, and waits until every upstream is ready.
pub(crate) async fn ready(builder: WorldBuilder) -> World {
    let world = builder.start().await.unwrap();
    world.wait_ready().await.unwrap();
    world
}
