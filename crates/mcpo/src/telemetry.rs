//! Where log lines go, and in which shape: stderr, for people or as one JSON object a line.

use mcpo_config::{Config, Log, LogFormat, LogLevel};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use crate::render;

/// Starts the log of this process. A second start changes nothing.
pub(crate) fn start(log: Log) {
    let filter = filter(log.level);
    let registry = tracing_subscriber::registry();
    // A second start is only possible in tests, and the first one is as good.
    match log.format {
        LogFormat::Json => {
            let lines = fmt::layer()
                .json()
                .flatten_event(true)
                .with_current_span(false)
                .with_writer(std::io::stderr);
            registry.with(lines.with_filter(filter)).try_init().ok();
        }
        LogFormat::Auto | LogFormat::Pretty => {
            let colours =
                anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never;
            let lines =
                fmt::layer().with_target(false).with_ansi(colours).with_writer(std::io::stderr);
            registry.with(lines.with_filter(filter)).try_init().ok();
        }
    }
}

/// Tells what is odd with the configuration: as problems with their places, or as log lines where
/// a machine reads them.
pub(crate) fn tell_warnings(config: &Config) {
    match config.log.format {
        LogFormat::Json => {
            for warning in &config.warnings {
                tracing::warn!(
                    place = %warning.place,
                    path = warning.path,
                    cure = warning.cure,
                    "configuration: {}",
                    warning.message
                );
            }
        }
        LogFormat::Auto | LogFormat::Pretty => {
            if config.log.level <= LogLevel::Warning {
                render::to_stderr(&render::all(&config.warnings));
            }
        }
    }
}

/// Tells once that what is set for one caller holds for all of them together: who set it may have meant
/// so, or may not know that callers are told apart by a header alone.
pub(crate) fn tell_callers_are_one(config: &Config) {
    if let Some(settings) = bounds_of_one_caller(config) {
        tracing::info!(
            settings,
            "all callers count as one, and share what one may do: MCPO_IDENTITY_HEADER tells them apart"
        );
    }
}

/// The settings of what one caller may do, if there are any and nothing tells callers apart.
fn bounds_of_one_caller(config: &Config) -> Option<String> {
    let load = &config.load;
    if load.identity_header.is_some() {
        return None;
    }
    let by_server = config.servers.iter().any(|server| server.load.max_per_identity.is_some());
    let settings = [
        load.rate.map(|_| "MCPO_RATE_LIMIT"),
        load.max_per_identity.map(|_| "MCPO_MAX_CONCURRENT_PER_IDENTITY"),
        by_server.then_some("maxConcurrentPerIdentity"),
    ];
    let settings: Vec<&str> = settings.into_iter().flatten().collect();
    (!settings.is_empty()).then(|| settings.join(", "))
}

/// Our own lines as asked for; those of libraries only from warnings on, one level later.
fn filter(level: LogLevel) -> Targets {
    let (ours, libraries) = match level {
        LogLevel::Debug => (LevelFilter::DEBUG, LevelFilter::INFO),
        LogLevel::Info => (LevelFilter::INFO, LevelFilter::WARN),
        LogLevel::Warning => (LevelFilter::WARN, LevelFilter::WARN),
        // There is no level above: what ends the program is an error, too.
        LogLevel::Error | LogLevel::Critical => (LevelFilter::ERROR, LevelFilter::ERROR),
    };
    // The target of a line begins with the name of its crate, and ours all begin so.
    Targets::new().with_default(libraries).with_target("mcpo", ours)
}

#[cfg(test)]
mod tests;
