//! The state directory: who has it, what is in it, and what is set aside.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use redb::backends::FileBackend;

use super::Bounds;
use super::base::Base;
use super::failure::Failure;

/// The history.
pub(super) const FILE: &str = "history.redb";
/// Held by who has the history: it stays when the file is set aside.
const LOCK_FILE: &str = "history.lock";
/// What is set aside is called so, and when in seconds since the Unix epoch.
const ASIDE: &str = "history.redb.broken-";
/// So many that were set aside stay, the newest ones: they are for looking at what went wrong.
const ASIDE_MAX: usize = 2;
/// The directory is ours alone: names of servers and tools are nobody else's business.
const DIRECTORY_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// Opens the history of a directory. What is broken is set aside, which the second says in words.
pub(super) fn open(directory: &Path, bounds: Bounds) -> Result<(Base, Option<String>), Failure> {
    let lock = lock(directory).map_err(|error| Failure::of_io(&error))?.ok_or(Failure::Taken)?;
    let path = directory.join(FILE);
    let (base, warning) = match open_file(&path, bounds) {
        Err(Failure::Broken(why)) => {
            let aside = set_aside(directory).map_err(|error| Failure::of_io(&error))?;
            let warning = format!(
                "{} was set aside as {}, and a new one begun: {why}",
                path.display(),
                aside.display()
            );
            (open_file(&path, bounds)?, Some(warning))
        }
        Err(failure) => return Err(failure),
        Ok(base) => (base, None),
    };
    Ok((base.locked_by(lock), warning))
}

/// `None` if another process holds it.
fn lock(directory: &Path) -> io::Result<Option<File>> {
    DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(directory)?;
    let lock = open_own(&directory.join(LOCK_FILE))?;
    match lock.try_lock() {
        Ok(()) => Ok(Some(lock)),
        Err(TryLockError::WouldBlock) => Ok(None),
        // A file system without locks: the library sees for itself whether it can do without.
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
            Ok(Some(lock))
        }
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn open_own(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(FILE_MODE);
    let file = options.open(path)?;
    file.set_permissions(Permissions::from_mode(FILE_MODE))?;
    Ok(file)
}

fn open_file(path: &Path, bounds: Bounds) -> Result<Base, Failure> {
    // A pipe would be waited at for ever, a directory cannot be opened: neither is a history.
    if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        return Err(Failure::Broken("it is not a regular file".to_owned()));
    }
    let is_new = !path.exists();
    let file = open_own(path).map_err(|error| Failure::of_io(&error))?;
    if is_new {
        // Else a crash of the machine may take the file's name, and with it all that is in it.
        let directory = path.parent().unwrap_or(Path::new("."));
        sync(directory).map_err(|error| Failure::of_io(&error))?;
    }
    let backend = FileBackend::new(file).map_err(|error| Failure::of(&error.into()))?;
    Base::open(backend, bounds)
}

/// Writes to the disk which files a directory has.
fn sync(directory: &Path) -> io::Result<()> {
    match File::open(directory)?.sync_all() {
        // Some file systems know no such thing, and need none.
        Err(error)
            if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) =>
        {
            Ok(())
        }
        synced => synced,
    }
}

#[expect(clippy::disallowed_methods, reason = "the name of what is set aside says when it was")]
fn set_aside(directory: &Path) -> io::Result<PathBuf> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    // Later than all others, whatever the clock says: the newest are the ones that stay.
    let others = found_aside(directory);
    let when = others.first().map_or(now, |newest| now.max(newest.saturating_add(1)));
    let aside = directory.join(format!("{ASIDE}{when}"));
    fs::rename(directory.join(FILE), &aside)?;
    for old in others.iter().skip(ASIDE_MAX - 1) {
        let path = directory.join(format!("{ASIDE}{old}"));
        if fs::remove_file(&path).is_err() {
            let _full_ones_stay = fs::remove_dir(&path);
        }
    }
    Ok(aside)
}

/// When each was set aside that is there still, the newest first.
fn found_aside(directory: &Path) -> Vec<u64> {
    let mut found: Vec<_> = fs::read_dir(directory)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|name| name.strip_prefix(ASIDE)?.parse().ok())
        .collect();
    found.sort_unstable_by(|a: &u64, b| b.cmp(a));
    found
}
