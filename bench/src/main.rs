//! Measures mcpo beside the Python original, beside the least code that does the same job, and
//! beside no proxy at all: same machine, same run, same upstreams, in turns. Prints tables of
//! ratios and writes every sample as JSON.

mod bulkheads;
mod cache;
mod chapter;
mod contestant;
mod doc;
mod features;
mod memory;
mod million;
mod options;
mod overload;
mod parts;
mod process;
mod report;
mod rounds;
mod scaling;
mod stage;
mod start;
mod table;
mod under_load;

use std::io::Write;

use anyhow::{Context, Result};
use options::Options;
use report::Results;
use tokio::signal::unix::{SignalKind, signal};

// One thread: the generator must leave the other processor to who is measured.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let options = Options::parse(std::env::args().skip(1))?;
    let (mut interrupt, mut terminate) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    // Whatever ends the run drops it, and that kills every process it started.
    tokio::select! {
        result = run(&options) => result,
        _ = interrupt.recv() => anyhow::bail!("interrupted"),
        _ = terminate.recv() => anyhow::bail!("terminated"),
    }
}

async fn run(options: &Options) -> Result<()> {
    under_load::study(options).await?;
    // What else there is prints its own tables.
    if !(options.load || options.start || options.million) && options.parts.is_empty() {
        return Ok(());
    }
    let mut results = Results::new(options);
    if options.start {
        start::measure(options, &mut results).await?;
    }
    if options.load {
        rounds::measure(options, &mut results).await?;
    }
    if options.million {
        million::measure(options, &mut results).await?;
    }
    for &part in &options.parts {
        parts::measure(options, part, &mut results).await?;
    }
    let text = table::markdown(&results);
    std::io::stdout().lock().write_all(text.as_bytes())?;
    write_json(options, &results)
}

fn write_json(options: &Options, results: &Results) -> Result<()> {
    if let Some(directory) = options.out.parent() {
        std::fs::create_dir_all(directory)?;
    }
    let json = serde_json::to_vec_pretty(results)?;
    std::fs::write(&options.out, json)
        .with_context(|| format!("write {}", options.out.display()))?;
    say(&format!("every sample is in {}", options.out.display()));
    Ok(())
}

/// Tells whoever waits how far the run is; the tables go to stdout, this does not.
fn say(text: &str) {
    // Nobody may be reading it.
    let _ = writeln!(std::io::stderr(), "bench: {text}");
}
