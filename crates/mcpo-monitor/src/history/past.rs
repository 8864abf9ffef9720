//! All that is known of a time, in one go: for those who learn from it.

use std::time::SystemTime;

use super::frame::{self, WHOLE};
use super::store::Store;
use super::{HistoryError, Row};

/// What one frame, or one roll-up, says of one upstream or of all together.
#[derive(Debug)]
pub(crate) struct Past<'a> {
    /// When, in seconds since the Unix epoch.
    pub(crate) at: u64,
    /// It stands for so many seconds.
    pub(crate) covered_seconds: u32,
    /// Which upstream; `None` for all together.
    pub(crate) server: Option<&'a str>,
    /// The values.
    pub(crate) row: &'a Row,
}

/// Gives everything since then, oldest first. Waits for the disk.
///
/// # Errors
/// It could not be read.
pub(crate) fn past(
    store: &Store,
    since: SystemTime,
    mut each: impl FnMut(Past<'_>),
) -> Result<(), HistoryError> {
    let since = since.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let read = store.base().scan(since..u64::MAX, |at, covered_seconds, bytes| {
        for (name, row) in frame::rows(bytes) {
            let server = Some(name).filter(|name| *name != WHOLE);
            each(Past { at, covered_seconds, server, row: &row });
        }
    });
    read.map_err(|failure| store.unreadable(failure))
}
