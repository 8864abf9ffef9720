//! `mcpo alerts test`: sends a test alert to every configured webhook, and says what came of it.

use std::fmt::Write as _;
use std::io::Write as _;

use anstyle::{AnsiColor, Style};
use clap::Subcommand;
use mcpo_config::Config;
use mcpo_monitor::alerts::{DeliveryError, deliver};

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
    let hooks: Vec<Hook> = results
        .into_iter()
        .zip(webhooks)
        .map(|((name, result), hook)| (name, origin(hook.url.expose()).to_owned(), result))
        .collect();
    let exit = match hooks.iter().all(|(_, _, result)| result.is_ok()) {
        true => Exit::Ok,
        false => Exit::Failure,
    };
    anstream::stdout().write_all(page(&hooks).as_bytes()).map_or(Exit::Failure, |()| exit)
}

/// What a webhook is called, where it is, and what came of it.
type Hook = (String, String, Result<(), DeliveryError>);

fn page(hooks: &[Hook]) -> String {
    let names = hooks.iter().map(|(name, _, _)| name.len()).max().unwrap_or_default();
    let places = hooks.iter().map(|(_, place, _)| place.len()).max().unwrap_or_default();
    let mut text = String::new();
    for (name, place, result) in hooks {
        let (style, mark, said) = match result {
            Ok(()) => (GOOD, '+', "took the test alert".to_owned()),
            Err(error) => (BAD, 'x', error.to_string()),
        };
        writeln!(text, "{style}{mark}{style:#} {name:names$}  {place:places$}  {said}")
            .expect("writing to a string cannot fail");
    }
    text
}

/// Scheme, host and port of a webhook's address: who knows the rest of it may write there.
fn origin(url: &str) -> &str {
    let start = url.find("://").map_or(0, |place| place + "://".len());
    let end = url[start..].find(['/', '?', '#']).map_or(url.len(), |place| start + place);
    // With a user and a password before the host there is no short form without a copy.
    if url[start..end].contains('@') { "" } else { &url[..end] }
}

#[cfg(test)]
mod tests;
