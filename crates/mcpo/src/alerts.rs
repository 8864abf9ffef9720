//! `mcpo alerts test`: sends a test alert to every configured webhook, and says what came of it.

use std::fmt::Write as _;
use std::io::Write as _;

use anstyle::{AnsiColor, Style};
use clap::Subcommand;
use mcpo_config::Config;
use mcpo_monitor::alerts::deliver;

use crate::cli::Serve;
use crate::exit::Exit;
use crate::render;

const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();

/// What is asked.
#[derive(Debug, Subcommand)]
pub(crate) enum Ask {
    /// Send a test alert to every webhook of the configuration; exits with 1 if one does not take it
    #[command(disable_help_flag = true)]
    Test(Box<Serve>),
}

/// Sends, and tells.
pub(crate) async fn run(ask: Ask) -> Exit {
    let Ask::Test(serve) = ask;
    let config = match Config::load(&serve.into_flags()) {
        Ok(config) => config,
        Err(problems) => return render::refusal(&problems),
    };
    let webhooks = &config.monitoring.alerts.webhooks;
    if webhooks.is_empty() {
        return render::failure(
            "no webhook is configured: see `monitor.alerts.webhooks` of the configuration file",
        );
    }
    let results = deliver::test(webhooks, &deliver::instance(config.listen.port)).await;
    let mut text = String::new();
    let mut exit = Exit::Ok;
    for (name, result) in results {
        match result {
            Ok(()) => writeln!(text, "{GOOD}+{GOOD:#} {name}  took the test alert"),
            Err(error) => {
                exit = Exit::Failure;
                writeln!(text, "{BAD}x{BAD:#} {name}  {error}")
            }
        }
        .expect("writing to a string cannot fail");
    }
    anstream::stdout().write_all(text.as_bytes()).map_or(Exit::Failure, |()| exit)
}
