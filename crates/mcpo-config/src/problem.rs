//! What is wrong or odd with a configuration: where it stands, what it is, and the cure. Never
//! holds a secret.

use std::fmt;

/// One thing that is wrong or odd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Whether mcpo can go on.
    pub severity: Severity,
    /// Where it stands.
    pub place: Place,
    /// The path inside the file, such as `mcpServers.time.command`; empty outside of files.
    pub path: String,
    /// What is wrong, with the value where it is no secret. Lower case, no full stop.
    pub message: String,
    /// What to do about it.
    pub cure: Option<String>,
}

/// Whether mcpo can go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It cannot.
    Error,
    /// It can, but the operator should know.
    Warning,
}

/// Where a problem stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In a file.
    File {
        /// As the operator named it.
        file: String,
        /// Counted from 1.
        line: usize,
        /// Counted from 1, in characters.
        column: usize,
        /// The line with the place marked.
        excerpt: Option<Excerpt>,
    },
    /// A whole file: it is missing, say.
    WholeFile(String),
    /// An option of the command line, such as `--port`.
    Flag(&'static str),
    /// A variable of the environment.
    Variable(String),
    /// The command line as a whole.
    CommandLine,
}

/// A line of a file: keys and structure as they are, values blotted out but for the one that is
/// the matter (and only if it is no secret).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt {
    /// The line without its end; tabs are blanks.
    pub text: String,
    /// How many characters stand in front of the mark.
    pub mark_start: usize,
    /// How many characters are marked; at least 1.
    pub mark_width: usize,
}

/// Everything that is wrong, errors first. Holds at least one error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    /// All of them.
    pub all: Vec<Problem>,
}

// === impl Problem ===

/// One line, for logs.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        if let Some(cure) = &self.cure {
            write!(f, " ({cure})")?;
        }
        Ok(())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { file, line, column, excerpt: _ } => write!(f, "{file}:{line}:{column}"),
            Self::WholeFile(file) => f.write_str(file),
            Self::Flag(flag) => f.write_str(flag),
            Self::Variable(name) => write!(f, "environment variable {name}"),
            Self::CommandLine => f.write_str("command line"),
        }
    }
}

impl Place {
    /// Line and column in a file; 0 outside, and for a whole file.
    pub(crate) fn position(&self) -> (usize, usize) {
        match self {
            Self::File { line, column, .. } => (*line, *column),
            Self::WholeFile(_) | Self::Flag(_) | Self::Variable(_) | Self::CommandLine => (0, 0),
        }
    }
}

// === impl Problems ===

impl Problems {
    /// How many of them are errors.
    #[must_use]
    pub fn error_count(&self) -> usize {
        self.all.iter().filter(|problem| problem.severity == Severity::Error).count()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.all.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
