//! How long a scrape of many upstreams takes:
//! `cargo run --release -p mcpo-monitor --example exposition_speed`.

#[path = "../tests/metrics/fixture.rs"]
#[expect(dead_code, reason = "the tests use the rest")]
mod fixture;

use mcpo_monitor::exposition::{Format, text};
use tokio::time::Instant;

const SERVERS: usize = 1000;
const TOOLS_PER_SERVER: usize = 10;
const ROUNDS: usize = 21;

#[expect(clippy::print_stdout, reason = "what is measured is for people")]
fn main() {
    // As different as the lengths of a thousand calls are.
    let seconds: Vec<f64> = (1..200).map(|step| f64::from(step).powi(2) / 1000.0).collect();
    let server = |server: usize| {
        let mut one = fixture::server(&format!("server-{server:04}"));
        one.tools = (0..TOOLS_PER_SERVER)
            .map(|tool| fixture::tool(&format!("some_tool_{tool:02}"), &seconds))
            .collect();
        one
    };
    let picture = fixture::picture((0..SERVERS).map(server).collect());
    for format in [Format::Prometheus004, Format::OpenMetrics100] {
        let mut bytes = 0;
        let mut rounds: Vec<_> = (0..ROUNDS)
            .map(|_| {
                let start = Instant::now();
                bytes = text(&picture, &fixture::no_alerts(), format).len();
                start.elapsed()
            })
            .collect();
        rounds.sort();
        println!(
            "{format:?}: {SERVERS} servers, {} tools: {bytes} bytes, fastest {:?}, median {:?}, slowest \
             {:?}",
            SERVERS * TOOLS_PER_SERVER,
            rounds[0],
            rounds[ROUNDS / 2],
            rounds[ROUNDS - 1]
        );
    }
}
