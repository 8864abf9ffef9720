//! Why a base cannot be used, named by the cure.

use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Why a base cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// Another process has it: keep in memory until it is free.
    #[error("another process uses it")]
    Taken,
    /// Its content is none of ours, or damaged: set it aside.
    #[error("it cannot be read as a history: {0}")]
    Broken(String),
    /// The place does not let us (full disk, no right, read-only): keep in memory, and try again.
    #[error("{0}")]
    Unusable(String),
}

/// Does something with a base. The library trusts what it reads after the check at opening; where a
/// disk turns bad later it may panic, which must cost no more than the history.
pub(super) fn guarded<T>(act: impl FnOnce() -> Result<T, redb::Error>) -> Result<T, Failure> {
    match catch_unwind(AssertUnwindSafe(act)) {
        Ok(done) => done.map_err(|error| Failure::of(&error)),
        Err(_panic) => Err(Failure::Broken("its pages contradict each other".to_owned())),
    }
}

// === impl Failure ===

impl Failure {
    pub(super) fn of(error: &redb::Error) -> Self {
        if let redb::Error::DatabaseAlreadyOpen | redb::Error::LockProtocolMismatch = error {
            Self::Taken
        } else if let redb::Error::Io(error) = error {
            Self::of_io(error)
        } else if let redb::Error::PreviousIo | redb::Error::DatabaseClosed = error {
            Self::Unusable(error.to_string())
        } else {
            Self::Broken(error.to_string())
        }
    }

    pub(super) fn of_io(error: &std::io::Error) -> Self {
        let of_content =
            [ErrorKind::InvalidData, ErrorKind::UnexpectedEof, ErrorKind::InvalidInput];
        if of_content.contains(&error.kind()) {
            Self::Broken(error.to_string())
        } else {
            Self::Unusable(error.to_string())
        }
    }
}
