//! What a launcher process does to become a child that ends with us.
//!
//! `PR_SET_PDEATHSIG` can only be set by the child itself, before it becomes the command, and safe
//! Rust has no hook between fork and exec. So the child is first started as a launcher (our own
//! binary with a hidden subcommand), which calls [`become_child`].
//!
//! The kernel sends the signal when the *thread* that started the child ends: a session has to be
//! connected from a runtime's worker thread (or its main thread), never from a blocking one, which
//! the runtime ends when it idles.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::{Signal, getppid, set_parent_process_death_signal};

/// What a launcher reads before it becomes the command.
pub(crate) const GO: &[u8; 1] = b"\n";

/// Becomes the command, which gets SIGTERM when the process `parent` ends. Only returns when that
/// cannot be done.
///
/// Reads exactly one byte of stdin first: by the time it comes the [guard](crate::guard) knows of
/// this process, and a parent that ends before it sends it leaves nothing behind.
///
/// SIGTERM rather than SIGKILL: nobody is left to clean up, and wrappers (`npx`, `uvx`, `docker
/// run`) pass SIGTERM on to what they wrap, where SIGKILL would only cut them off from it. What
/// ignores SIGTERM still finds its stdin at the end.
pub fn become_child(
    parent: u32,
    command: &OsStr,
    arguments: impl IntoIterator<Item = OsString>,
) -> io::Error {
    if let Err(error) = set_parent_process_death_signal(Some(Signal::TERM)) {
        return error.into();
    }
    // Asked after the signal is set: a parent that ended before would never cause it.
    let alive =
        getppid().is_some_and(|pid| u32::try_from(pid.as_raw_nonzero().get()) == Ok(parent));
    if !alive {
        return io::Error::other("the parent process has ended");
    }
    match rustix::io::retry_on_intr(|| rustix::io::read(io::stdin(), &mut [0; GO.len()])) {
        Ok(0) => io::Error::other("the parent process has ended"),
        Ok(_) => Command::new(command).args(arguments).exec(),
        Err(error) => error.into(),
    }
}

#[cfg(test)]
mod tests;
