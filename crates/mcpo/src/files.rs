//! How many files this program may have open, which each connection is one of. Systems mostly begin
//! with 1024 and let a process take more by itself. Its children begin with what it began with:
//! programs that wait with `select` break above 1024.

use mcpo_config::Load;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What is open beside connections of clients and calls: pipes of children, the history, timers.
const OTHER_FILES: usize = 1024;

/// How an endless limit is written.
const UNLIMITED: &str = "unlimited";

/// The limit that holds now, as [`limit_as_told`] reads it.
pub(crate) fn told() -> String {
    let found = getrlimit(Resource::Nofile).current;
    found.map_or_else(|| UNLIMITED.to_owned(), |files| files.to_string())
}

/// Lets as many files be open as that load may take, as far as the system allows.
pub(crate) fn allow(load: &Load) {
    // A call may have a connection of its own to its server.
    let connections = load.max_connections.get().saturating_add(load.max_concurrent.get());
    let wanted = connections.saturating_add(OTHER_FILES) as u64;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let most = maximum.map_or(wanted, |most| most.min(wanted));
    if current.is_some_and(|current| current < most) {
        limit(Some(most));
    }
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
