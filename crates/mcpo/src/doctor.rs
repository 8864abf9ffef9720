//! `mcpo doctor`: says what is wrong with the configured servers and this machine, why, and what to
//! do, also before the first start. With `--bundle` it packs that for whoever helps.

mod bundle;
mod page;

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use mcpo_config::Config;
use mcpo_monitor::diagnosis::{Diagnosis, Status, doctor};
use tokio::time::Instant;

use crate::cli::Serve;
use crate::exit::Exit;
use crate::render;

/// How long all looks together may take where nobody says: `npx` and `uvx` download at their first
/// start.
const TIME_DEFAULT: Duration = Duration::from_secs(30);
/// Longer than the longest handshake that mcpo waits for by default.
const TIME_MAX: Duration = Duration::from_secs(600);

/// Options of `mcpo doctor`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 nothing critical, 1 something critical, 2 wrong usage or configuration."
)]
pub(crate) struct Options {
    /// How long it may take [default: 30]
    #[arg(long, value_name = "SECONDS", value_parser = seconds, help_heading = "Doctor")]
    timeout: Option<Duration>,
    /// Print the diagnosis as JSON
    #[arg(long, help_heading = "Doctor")]
    json: bool,
    /// Write an archive for whoever helps (.tar.gz), without secrets
    #[arg(long, value_name = "FILE", help_heading = "Doctor")]
    bundle: Option<PathBuf>,
    #[command(flatten)]
    serve: Serve,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "no number of seconds".to_owned())?;
    let length = Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())?;
    if length.is_zero() || length > TIME_MAX {
        return Err(format!("must be above 0 and at most {} seconds", TIME_MAX.as_secs()));
    }
    Ok(length)
}

/// Looks, and tells.
pub(crate) async fn run(options: Options) -> Exit {
    let Options { timeout, json, bundle, serve } = options;
    let config = match Config::load(&serve.into_flags()) {
        Ok(config) => config,
        Err(problems) => return render::refusal(&problems),
    };
    render::to_stderr(&render::all(&config.warnings));
    let diagnosis = doctor(&config, Instant::now() + timeout.unwrap_or(TIME_DEFAULT)).await;
    let text = if json { format!("{}\n", as_json(&diagnosis)) } else { page::page(&diagnosis) };
    if anstream::stdout().write_all(text.as_bytes()).is_err() {
        return Exit::Failure;
    }
    if let Some(path) = bundle {
        match bundle::write(&path, &config, &diagnosis).await {
            Ok(said) => render::to_stderr(&said),
            Err(error) => {
                return render::failure(&format!("cannot write {}: {error}", path.display()));
            }
        }
    }
    match diagnosis.status {
        Status::Healthy | Status::Warning => Exit::Ok,
        Status::Critical => Exit::Failure,
    }
}

fn as_json(diagnosis: &Diagnosis) -> String {
    serde_json::to_string_pretty(diagnosis).expect("a diagnosis has no keys but strings")
}

#[cfg(test)]
mod tests;
