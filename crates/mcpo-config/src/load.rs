//! Reads the files that a configuration is made from.

use std::fs::File;
use std::io::Read;

use crate::check::{Inputs, check, config_path};
use crate::config::Config;
use crate::environment::Environment;
use crate::flags::Flags;
use crate::problem::{Place, Problem, Problems};
use crate::source::Source;

/// The largest file that is read, in bytes: thousands of servers fit, a disk image named by
/// mistake does not.
const FILE_BYTES_MAX: u64 = 4 << 20;

impl Config {
    /// Reads environment and files, and checks everything. Blocks on the file system.
    ///
    /// # Errors
    /// Everything that is wrong, errors first, with the warnings behind them.
    pub fn load(flags: &Flags) -> Result<Self, Problems> {
        let environment = Environment::of_this_process();
        let dotenv = flags.env_path.as_deref().filter(|path| !path.is_empty());
        let dotenv = dotenv.map(|path| read(path, "environment file"));
        let file = config_path(flags, &environment).map(|path| read(&path, "configuration file"));
        check(Inputs { flags, environment, dotenv, file })
    }
}

fn read(path: &str, what: &str) -> Result<Source, Box<Problem>> {
    let problem = |message: String, cure: &str| {
        Box::new(Problem::error(Place::WholeFile(path.to_owned()), message).cure(cure))
    };
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes))
        .map_err(|error| problem(format!("cannot read the {what}: {error}"), cure(error.kind())))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        let message = format!("the {what} is larger than {} MiB", FILE_BYTES_MAX >> 20);
        return Err(problem(message, "check that it is the right file"));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let offset = error.utf8_error().valid_up_to();
        problem(
            format!("the {what} is not UTF-8 (at byte {offset})"),
            "save it with the encoding UTF-8",
        )
    })?;
    Ok(Source::new(path, &text))
}

fn cure(kind: std::io::ErrorKind) -> &'static str {
    if kind == std::io::ErrorKind::NotFound {
        "check the path; it is taken from the current directory unless it starts with `/`"
    } else {
        "check that it is a file and that mcpo may read it"
    }
}
