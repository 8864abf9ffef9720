//! `mcpo __launch PARENT COMMAND ...`: how children are started so that they end with us.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::exit::Exit;
use crate::render;

/// The hidden subcommand.
pub(crate) const SUBCOMMAND: &str = "__launch";

/// The program that runs here, as Linux has it: also after its file was replaced or removed, as an
/// upgrade does under way. In a child just forked it means the same.
const OURSELVES: &str = "/proc/self/exe";

/// How to start children through ourselves; `None` where our own program cannot be found, and then
/// children start directly.
pub(crate) fn launcher() -> Option<(PathBuf, Vec<String>)> {
    let link = PathBuf::from(OURSELVES);
    let program = if link.exists() { link } else { std::env::current_exe().ok()? };
    Some((program, vec![SUBCOMMAND.to_owned(), std::process::id().to_string()]))
}

/// Becomes the command. Only comes back when that fails.
pub(crate) fn run(arguments: &[OsString]) -> Exit {
    let [parent, command, rest @ ..] = arguments else {
        return render::failure("__launch PARENT COMMAND [ARGS]...");
    };
    let Some(parent) = parent.to_str().and_then(|pid| pid.parse().ok()) else {
        return render::failure("__launch wants the parent's process id");
    };
    let error = mcpo_mcp::launcher::become_child(parent, command, rest.iter().cloned());
    render::failure(&format!("cannot start `{}`: {error}", command.display()))
}
