//! Asks the system to tell of changes to files, however one may come about: the file is written,
//! renamed over, a symlink or a directory on the way to it is replaced.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;

/// As many symlinks on the way to a file as the kernel follows (path_resolution(7)).
const LINKS_MAX: usize = 40;

/// All that lies on the way to some files: every entry of a directory that, made, changed, renamed
/// or removed, may make a path lead to something else. Symlinks are followed one by one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Trail {
    entries: BTreeSet<PathBuf>,
    /// Where the paths end.
    ends: BTreeSet<PathBuf>,
}

/// Tells of changes until it is dropped. What it watches are the files and directories that were
/// there when it was made: after a change on the trail another one is needed.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) trail: Arc<Trail>,
    _watcher: RecommendedWatcher,
}

// === impl Trail ===

impl Trail {
    /// The trail of these paths as things are now. Blocks on the file system.
    pub(super) fn of<'p>(paths: impl Iterator<Item = &'p str>) -> Arc<Self> {
        let mut trail = Self::default();
        for path in paths {
            // Without a current directory only the slow look can help.
            if let Ok(path) = std::path::absolute(path) {
                trail.walk(&path);
            }
        }
        Arc::new(trail)
    }

    fn walk(&mut self, path: &Path) {
        let mut at = PathBuf::from("/");
        let mut ahead = steps(path);
        let mut links = 0;
        while let Some(step) = ahead.pop() {
            match step {
                Step::Root => at = PathBuf::from("/"),
                Step::Up => _ = at.pop(),
                Step::Into(name) => {
                    at.push(name);
                    self.entries.insert(at.clone());
                    if let Ok(target) = at.read_link()
                        && links < LINKS_MAX
                    {
                        links += 1;
                        at.pop();
                        ahead.extend(steps(&target));
                    }
                }
            }
        }
        self.ends.insert(at);
    }

    /// Whether an event may have changed what the paths lead to. Reading the files is told, too,
    /// and must not count.
    fn is_touched_by(&self, event: &Event) -> bool {
        let is_written = event.kind == EventKind::Access(AccessKind::Close(AccessMode::Write));
        let is_change = is_written || !event.kind.is_access();
        let is_here = || event.paths.iter().any(|path| self.entries.contains(path));
        event.need_rescan() || (is_change && (event.paths.is_empty() || is_here()))
    }

    /// The directories of all entries; and the ends themselves, since a single file that is mounted
    /// into a container is written from elsewhere, which its directory here is not told of.
    fn places(&self) -> BTreeSet<&Path> {
        let directories = self.entries.iter().filter_map(|entry| entry.parent());
        directories.chain(self.ends.iter().map(PathBuf::as_path)).collect()
    }
}

/// A step on the way along a path.
enum Step {
    Root,
    Up,
    Into(OsString),
}

/// The steps of a path, the last one first.
fn steps(path: &Path) -> Vec<Step> {
    let steps = path.components().filter_map(|component| match component {
        Component::RootDir => Some(Step::Root),
        Component::ParentDir => Some(Step::Up),
        Component::Normal(name) => Some(Step::Into(name.to_owned())),
        Component::CurDir | Component::Prefix(_) => None,
    });
    let mut steps: Vec<Step> = steps.collect();
    steps.reverse();
    steps
}

// === impl Watched ===

impl Watched {
    /// Tells `signs` of every change on the trail. `None` where the system cannot tell (it has run
    /// out of what that takes, say). Blocks on the file system.
    pub(super) fn new(trail: Arc<Trail>, signs: Arc<Notify>) -> Option<Self> {
        let on = trail.clone();
        let mut watcher = notify::recommended_watcher(move |told: notify::Result<Event>| {
            // A failure may have swallowed a change.
            if told.map_or(true, |event| on.is_touched_by(&event)) {
                signs.notify_one();
            }
        })
        .ok()?;
        for place in trail.places() {
            // What is not there or not to be read is found by what lies before it on the trail,
            // or by the slow look.
            let _best_effort = watcher.watch(place, RecursiveMode::NonRecursive);
        }
        Some(Self { trail, _watcher: watcher })
    }
}

#[cfg(test)]
mod tests;
