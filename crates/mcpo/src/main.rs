//! The `mcpo` program: reads the command line and does what it asks for.

mod admin;
mod alerts;
mod app;
mod check;
mod cli;
mod completions;
mod demo;
mod doctor;
mod exit;
mod files;
mod greeting;
mod launch;
mod reload;
mod render;
mod signals;
mod telemetry;
mod top;
mod which;

use std::future::Future;
use std::process::ExitCode;
use std::time::Duration;

use mcpo_config::{Flags, Reloads};

use crate::cli::{Cli, Command};
use crate::exit::Exit;

/// Calls begin on one worker and end on another, with a few buffers of kilobytes each: glibc's
/// allocator takes a lock for these, which the workers wait for. docs/performance.md has the figures.
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    // Before anything else: such a process is about to become somebody else's program, or to stay
    // as small as it can.
    if let Some(exit) = launch::run(std::env::args_os().skip(1)) {
        return exit.into();
    }
    let cli = Cli::from_command_line();
    if cli.asks_for_our_version() {
        return completions::print_version().into();
    }
    let exit = match cli.command {
        None => serve(&cli.serve.into_flags()),
        Some(Command::Check(options)) => check::run(&options.into_flags()),
        Some(Command::Demo(options)) => match demo::flags(&options) {
            Ok(flags) => serve(&flags),
            Err(error) => {
                render::failure(&format!("cannot find out where this program is: {error}"))
            }
        },
        Some(Command::Admin(options)) => {
            block_on(&mut tokio::runtime::Builder::new_current_thread(), admin::run(options))
        }
        Some(Command::Doctor(options)) => {
            block_on(&mut tokio::runtime::Builder::new_multi_thread(), doctor::run(*options))
        }
        Some(Command::Top(options)) => {
            block_on(&mut tokio::runtime::Builder::new_current_thread(), top::run(options))
        }
        Some(Command::Alerts(ask)) => {
            block_on(&mut tokio::runtime::Builder::new_current_thread(), alerts::run(ask))
        }
        Some(Command::Completions { shell }) => completions::print(shell),
        Some(Command::DemoServer) => {
            block_on(&mut tokio::runtime::Builder::new_current_thread(), demo::serve_stdio())
        }
    };
    exit.into()
}

/// Checks what was typed, and runs until told to stop.
fn serve(flags: &Flags) -> Exit {
    let (config, reloads) = match Reloads::load(flags) {
        Ok(loaded) => loaded,
        Err(problems) => return render::refusal(&problems),
    };
    telemetry::start(config.log);
    telemetry::tell_warnings(&config);
    telemetry::tell_callers_are_one(&config);
    block_on(&mut tokio::runtime::Builder::new_multi_thread(), app::run(config, reloads))
}

/// What has been asked of the system may still be under way when all is done: a name that is looked
/// up, say. It cannot be called off, and is not worth a longer wait.
const STRAY_TIME_MAX: Duration = Duration::from_millis(500);

fn block_on(runtime: &mut tokio::runtime::Builder, work: impl Future<Output = Exit>) -> Exit {
    match runtime.enable_all().build() {
        Ok(runtime) => {
            let exit = runtime.block_on(work);
            runtime.shutdown_timeout(STRAY_TIME_MAX);
            exit
        }
        Err(error) => render::failure(&format!("cannot start the runtime: {error}")),
    }
}

#[cfg(test)]
mod tests;
