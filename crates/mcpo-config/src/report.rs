//! Collects problems, so that all of them can be told at once.

use crate::problem::{Place, Problem, Problems, Severity};

/// Problems in the order in which they were found.
#[derive(Debug, Default)]
pub(crate) struct Report {
    problems: Vec<Problem>,
}

impl Report {
    pub(crate) fn push(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// The warnings, if there is no error; else everything, errors first, and those of a file in
    /// the order in which they stand there.
    pub(crate) fn finish(mut self) -> Result<Vec<Problem>, Problems> {
        if self.problems.iter().all(|problem| problem.severity == Severity::Warning) {
            return Ok(self.problems);
        }
        self.problems.sort_by_key(|problem| (problem.severity, problem.place.position()));
        Err(Problems { all: self.problems })
    }
}

impl Problem {
    pub(crate) fn error(place: Place, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            place,
            path: String::new(),
            message: message.into(),
            cure: None,
        }
    }

    pub(crate) fn warning(place: Place, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(place, message) }
    }

    pub(crate) fn inside(mut self, path: &str) -> Self {
        path.clone_into(&mut self.path);
        self
    }

    pub(crate) fn cure(mut self, cure: impl Into<String>) -> Self {
        self.cure = Some(cure.into());
        self
    }
}
