//! The exit codes, all in one place.

use std::process::ExitCode;

/// How the program ends. The numbers are a promise to scripts and service managers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All went as asked, or a signal ended it in an orderly way: 0.
    Ok,
    /// It failed while running: the port is taken, say: 1.
    Failure,
    /// The command line or the configuration is wrong: 2. Starting again does not help.
    Usage,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Ok => Self::SUCCESS,
            Exit::Failure => Self::from(1),
            Exit::Usage => Self::from(2),
        }
    }
}
