//! Reads the files that a configuration is made from.

use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
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

/// Which files a configuration is made from, as the operator named them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Paths {
    /// The configuration file; `None` in single mode.
    pub(crate) file: Option<String>,
    /// The `.env` file, if one was named.
    pub(crate) dotenv: Option<String>,
}

/// The texts of these files, or why they cannot be read.
pub(crate) struct Sources {
    file: Option<Result<Source, Box<Problem>>>,
    dotenv: Option<Result<Source, Box<Problem>>>,
}

// === impl Config ===

impl Config {
    /// Reads environment and files, and checks everything. Blocks on the file system.
    ///
    /// # Errors
    /// Everything that is wrong, errors first, with the warnings behind them.
    pub fn load(flags: &Flags) -> Result<Self, Problems> {
        let environment = Environment::of_this_process();
        Sources::read(&Paths::of(flags, &environment)).check(flags, environment)
    }
}

// === impl Paths ===

impl Paths {
    pub(crate) fn of(flags: &Flags, environment: &Environment) -> Self {
        let dotenv = flags.env_path.clone().filter(|path| !path.is_empty());
        Self { file: config_path(flags, environment), dotenv }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        [&self.file, &self.dotenv].into_iter().filter_map(|path| path.as_deref())
    }
}

// === impl Sources ===

impl Sources {
    /// Reads all of them for the first time. Blocks on the file system, and where one is a pipe
    /// (`--config <(command)`) until that is at its end.
    pub(crate) fn read(paths: &Paths) -> Self {
        Self::read_with(paths, read)
    }

    /// Reads all of them once more. What is no file is not waited for: a pipe gives its text once,
    /// and one that nobody writes to would keep whoever reads it for ever. Blocks on the file
    /// system.
    pub(crate) fn read_again(paths: &Paths) -> Self {
        Self::read_with(paths, |path, what| match std::fs::metadata(path) {
            Ok(found) if !found.is_file() && !found.is_dir() => {
                let message = format!("the {what} is no file, so that it cannot be read again");
                let problem = Problem::error(Place::WholeFile(path.to_owned()), message);
                Err(Box::new(problem.cure("put a file there, or restart mcpo to change it")))
            }
            _ => read(path, what),
        })
    }

    fn read_with(
        paths: &Paths,
        read: impl Fn(&str, &'static str) -> Result<Source, Box<Problem>>,
    ) -> Self {
        let read_as = |path: &Option<String>, what| path.as_deref().map(|path| read(path, what));
        Self {
            file: read_as(&paths.file, "configuration file"),
            dotenv: read_as(&paths.dotenv, "environment file"),
        }
    }

    /// Equal for equal texts; a text that cannot be read is told apart by the reason.
    pub(crate) fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for source in [&self.file, &self.dotenv] {
            let told = source.as_ref().map(|source| {
                source.as_ref().map(|source| &source.text).map_err(|problem| &problem.message)
            });
            told.hash(&mut hasher);
        }
        hasher.finish()
    }

    pub(crate) fn check(self, flags: &Flags, environment: Environment) -> Result<Config, Problems> {
        check(Inputs { flags, environment, dotenv: self.dotenv, file: self.file })
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
