//! From what was typed to a `Config`. Pure: files and environment are handed in.

mod file;
mod keys;
mod load;
mod monitor;
mod server;
mod settings;
mod single;
mod treatment;
mod values;

use crate::config::{Config, Mode};
use crate::dotenv;
use crate::environment::Environment;
use crate::flags::Flags;
use crate::problem::{Place, Problem, Problems};
use crate::report::Report;
use crate::source::Source;

use file::FileSaid;
use settings::{Settings, given};

/// Everything that a configuration is made from.
pub(crate) struct Inputs<'a> {
    pub(crate) flags: &'a Flags,
    /// Of this process.
    pub(crate) environment: Environment,
    /// The `.env` file, if one was named: its text, or why it cannot be read.
    pub(crate) dotenv: Option<Result<Source, Box<Problem>>>,
    /// The configuration file, if one was named: its text, or why it cannot be read.
    pub(crate) file: Option<Result<Source, Box<Problem>>>,
}

/// What servers need to know from around them.
pub(crate) struct Around<'a> {
    pub(crate) environment: &'a Environment,
    pub(crate) settings: &'a Settings,
}

/// Where the configuration file is named: on the command line, or else (unless a command stands
/// there) in `MCPO_CONFIG`.
pub(crate) fn config_path(flags: &Flags, environment: &Environment) -> Option<String> {
    let named = || environment.get("MCPO_CONFIG").filter(|_| flags.command.is_empty());
    flags.config.clone().or_else(named)
}

/// Checks everything and gives the configuration, or all problems at once.
pub(crate) fn check(inputs: Inputs<'_>) -> Result<Config, Problems> {
    let flags = inputs.flags;
    let mut report = Report::default();
    let environment = whole_environment(inputs.environment, inputs.dotenv, flags, &mut report);
    let settings = settings::check(flags, &environment, &mut report);
    refuse_what_is_not_built(flags, &mut report);
    let is_single = inputs.file.is_none();
    let around = Around { environment: &environment, settings: &settings };
    let (mode, FileSaid { servers, monitor }) = match inputs.file {
        Some(Ok(source)) => {
            single::refuse_beside_file(flags, &mut report);
            (Mode::Many, file::read(&source, &around, &mut report))
        }
        Some(Err(unreadable)) => {
            report.push(*unreadable);
            (Mode::Many, FileSaid::default())
        }
        None => {
            let servers = single::server(flags, &around, &mut report).into_iter().collect();
            (Mode::Single, FileSaid { servers, ..FileSaid::default() })
        }
    };
    let hot_reload = settings.hot_reload.follow(is_single, &mut report);
    let warnings = report.finish()?;
    let Settings { listen, access, site, limits, recovery, load, log, monitoring, .. } = settings;
    Ok(Config {
        listen,
        access,
        site,
        limits,
        recovery,
        load,
        monitoring: monitor.over(monitoring),
        hot_reload,
        log,
        mode,
        servers,
        warnings,
    })
}

/// Puts the `.env` file under the environment of this process, and `--env` over it.
fn whole_environment(
    mut environment: Environment,
    dotenv: Option<Result<Source, Box<Problem>>>,
    flags: &Flags,
    report: &mut Report,
) -> Environment {
    match dotenv {
        Some(Ok(source)) => {
            let (entries, bad) = dotenv::parse(&source.text, &environment);
            for entry in entries {
                environment.set_if_missing(&entry.name, &entry.value);
            }
            for line in bad {
                let problem = Problem::error(source.bare_place(line.offset), line.message);
                report.push(problem.cure("write `NAME=value`, or start the line with `#`"));
            }
        }
        Some(Err(unreadable)) => report.push(*unreadable),
        None => {}
    }
    for (index, pair) in flags.env.iter().enumerate() {
        match pair.expose().split_once('=') {
            Some((name, value)) if values::is_variable_name(name) && !value.contains('\0') => {
                environment.set(name, value);
            }
            Some(_) | None => {
                let message =
                    format!("number {} of the `--env` options is not `NAME=value`", index + 1);
                let cure =
                    "write, for example, `--env API_TOKEN=abc`, in quotes where there are blanks";
                report.push(Problem::error(Place::Flag("--env"), message).cure(cure));
            }
        }
    }
    environment
}

/// Options of the Python program that mcpo knows but cannot do yet. Where going on without them
/// is unsafe it is an error.
fn refuse_what_is_not_built(flags: &Flags, report: &mut Report) {
    for (value, flag) in
        [(&flags.ssl_certfile, "--ssl-certfile"), (&flags.ssl_keyfile, "--ssl-keyfile")]
    {
        if given(value.as_ref()).is_some() {
            let problem = Problem::error(Place::Flag(flag), "serving TLS is not supported yet");
            report.push(problem.cure(
                "leave it out and put a reverse proxy (Caddy, nginx) in front that speaks TLS",
            ));
        }
    }
}

#[cfg(test)]
mod tests;
