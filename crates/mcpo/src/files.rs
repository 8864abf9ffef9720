//! How many files this program may have open, which each connection is one of. Systems mostly begin
//! with 1024 and let a process take more by itself. Its children begin with what it began with:
//! programs that wait with `select` break above 1024.

use mcpo_config::Load;
use rustix::io::fcntl_dupfd_cloexec;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What is open beside connections of clients and calls: pipes of children, the history, timers.
const OTHER_FILES: usize = 1024;

/// So many files have their room from the start. Linux doubles a process's table of files as it fills,
/// and while it does, whoever opens one waits until no processor reads the old table (`expand_fdtable`
/// calls `synchronize_rcu`): 10 to 20 ms, in which a worker serves nobody, at each doubling just as
/// load comes. This table is 128 KiB of the kernel's memory.
const FILES_WITH_ROOM_MAX: u64 = 16_384;

/// How an endless limit is written.
const UNLIMITED: &str = "unlimited";

/// The limit that holds now, as [`limit_as_told`] reads it.
pub(crate) fn told() -> String {
    let found = getrlimit(Resource::Nofile).current;
    found.map_or_else(|| UNLIMITED.to_owned(), |files| files.to_string())
}

/// Lets as many files be open as that load may take, as far as the system allows, and makes room for
/// them.
pub(crate) fn allow(load: &Load) {
    // A call may have a connection of its own to its server.
    let connections = load.max_connections.get().saturating_add(load.max_concurrent.get());
    let wanted = connections.saturating_add(OTHER_FILES) as u64;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let most = maximum.map_or(wanted, |most| most.min(wanted));
    if current.is_some_and(|current| current < most) {
        limit(Some(most));
    }
    make_room(most.min(FILES_WITH_ROOM_MAX));
}

/// Has the table of files grow to so many once, before anybody waits for it.
fn make_room(files: u64) {
    let Ok(last) = i32::try_from(files.saturating_sub(1)) else { return };
    // Without it the table grows as it fills.
    let _closed_again = fcntl_dupfd_cloexec(std::io::stdin(), last);
}

/// Goes back to a limit that was told; `None` if that is none.
pub(crate) fn limit_as_told(told: &str) -> Option<()> {
    let files = if told == UNLIMITED { None } else { Some(told.parse().ok()?) };
    limit(files);
    Some(())
}

fn limit(files: Option<u64>) {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // Where even that is forbidden (seccomp), what was allowed before has to do.
    let _best_effort = setrlimit(Resource::Nofile, Rlimit { current: files, maximum });
}

#[cfg(all(test, target_os = "linux"))]
mod tests;
