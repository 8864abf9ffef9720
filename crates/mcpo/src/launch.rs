//! What this program does under hidden names beside itself: `mcpo __launch PARENT FILES COMMAND ...`
//! starts children so that they end with us and may have so many files open, and `mcpo __guard` ends
//! those that do not.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::sync::Arc;

use mcpo_mcp::endpoint::Launcher;
use mcpo_mcp::guard::{Guard, stand_guard};
use tokio::signal::unix::{SignalKind, signal};

use crate::exit::Exit;
use crate::{files, render};

/// The hidden subcommand that becomes a child.
pub(crate) const LAUNCH: &str = "__launch";
/// The hidden subcommand that guards the children.
pub(crate) const GUARD: &str = "__guard";

/// The program that runs here, as Linux has it: also after its file was replaced or removed, as an
/// upgrade does under way. In a child just forked it means the same.
const OURSELVES: &str = "/proc/self/exe";

/// How to start children through ourselves, with as many open files as are allowed us now; `None` where
/// our own program cannot be found, and then children start directly.
pub(crate) fn launcher() -> Option<Launcher> {
    let link = PathBuf::from(OURSELVES);
    let program = if link.exists() { link } else { std::env::current_exe().ok()? };
    let guard = Guard::new(program.clone(), vec![GUARD.to_owned()]);
    let arguments = vec![LAUNCH.to_owned(), std::process::id().to_string(), files::told()];
    Some(Launcher { program, arguments, guard: Some(Arc::new(guard)) })
}

/// Does what the first argument says, if that is one of the hidden names; the rest is its own.
pub(crate) fn run(mut arguments: impl Iterator<Item = OsString>) -> Option<Exit> {
    let first = arguments.next()?;
    if first == OsStr::new(LAUNCH) {
        Some(launch(&arguments.collect::<Vec<_>>()))
    } else if first == OsStr::new(GUARD) {
        Some(guard())
    } else {
        None
    }
}

/// Ends the children that a mcpo leaves. Whoever stops a service may signal all of its processes
/// (systemd's `KillMode=control-group`): while mcpo drains the guard is still needed, and it ends
/// with mcpo anyway.
fn guard() -> Exit {
    // Nothing is ever run in it: a signal that was listened for once ends the process no more.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
    if let Ok(runtime) = &runtime {
        let _inside = runtime.enter();
        for kind in [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()] {
            // Without it the guard is only as good as mcpo, which starts another.
            let _best_effort = signal(kind);
        }
    }
    stand_guard(std::io::stdin().lock());
    Exit::Ok
}

/// Becomes the command. Only comes back when that fails.
fn launch(arguments: &[OsString]) -> Exit {
    let [parent, open_files, command, rest @ ..] = arguments else {
        return render::failure("__launch PARENT FILES COMMAND [ARGS]...");
    };
    let Some(parent) = parent.to_str().and_then(|pid| pid.parse().ok()) else {
        return render::failure("__launch wants the parent's process id");
    };
    if open_files.to_str().and_then(files::limit_as_told).is_none() {
        return render::failure("__launch wants a number of open files");
    }
    let error = mcpo_mcp::launcher::become_child(parent, command, rest.iter().cloned());
    render::failure(&format!("cannot start `{}`: {error}", command.display()))
}
