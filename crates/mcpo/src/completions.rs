//! What the program says about itself: completion scripts for shells, and its version.

use std::io::Write;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::Cli;
use crate::exit::Exit;

/// Prints the completion script for a shell.
pub(crate) fn print(shell: Shell) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "mcpo", &mut script);
    written(std::io::stdout().write_all(&script))
}

/// Prints the version of this program.
pub(crate) fn print_version() -> Exit {
    written(writeln!(std::io::stdout(), "mcpo {}", env!("CARGO_PKG_VERSION")))
}

/// A reader that went away (`| head`) is no failure.
fn written(result: std::io::Result<()>) -> Exit {
    match result {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Exit::Failure,
        Ok(()) | Err(_) => Exit::Ok,
    }
}
