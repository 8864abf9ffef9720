//! Follows the files that a configuration is made from, and yields what they come to whenever
//! their content is another. The system tells of changes where it can; a slow look at the content
//! catches what it does not tell (network file systems, single files mounted into a container).

mod quiet;
mod watched;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::config::Config;
use crate::environment::Environment;
use crate::flags::Flags;
use crate::load::{Paths, Sources};
use crate::problem::Problems;

use quiet::Quiet;
use watched::{Trail, Watched};

/// A writer that pauses for longer between two writes is taken to be done.
const QUIET: Duration = Duration::from_millis(100);
/// Where writing never ends what is there is taken after so long.
const LATE: Duration = Duration::from_secs(1);
/// A text that is wrong may be half written, and a file that is missing half replaced: it is looked
/// at again after so long, and told if it is still the same.
const DOUBT: Duration = Duration::from_millis(500);
/// How often the content is looked at although nothing was told: reading a small file costs
/// nothing, and nobody waits longer for a change before looking into the log.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// How changes are noticed.
#[derive(Debug, Clone, Copy)]
struct Pace {
    quiet: Duration,
    late: Duration,
    doubt: Duration,
    look_every: Duration,
    /// Whether the system is asked to tell of changes.
    told: bool,
}

/// The configurations to come.
#[derive(Debug)]
pub struct Reloads {
    what: Arc<What>,
    /// Whether changes are followed; otherwise the files are read when it is ordered only.
    follow: bool,
    pace: Pace,
    /// Fingerprint of the texts that were yielded last.
    seen: u64,
    /// Fingerprint of texts that are wrong, and were found so once.
    doubted: Option<u64>,
    ordered: bool,
    quiet: Quiet,
    /// When the content is looked at although nothing was told.
    look_at: Option<Instant>,
    signs: Arc<Notify>,
    watched: Option<Watched>,
    /// The look under way: at most one. It outlives a dropped `next`.
    looking: JoinSet<Looked>,
}

/// What is read. No `Debug` of the environment, for it is full of secrets.
struct What {
    flags: Flags,
    environment: Environment,
    paths: Paths,
}

/// What a look at the files found.
#[derive(Debug)]
struct Looked {
    fingerprint: u64,
    ordered: bool,
    /// `None` where the texts are those that were yielded last.
    result: Option<Result<Config, Problems>>,
    watched: Option<Watched>,
}

// === impl Pace ===

impl Pace {
    const USUAL: Self =
        Self { quiet: QUIET, late: LATE, doubt: DOUBT, look_every: LOOK_EVERY, told: true };
}

// === impl Reloads ===

impl Reloads {
    /// Reads environment and files as [`Config::load`] does, and gives what follows from there on;
    /// `None` where there is no configuration file. Blocks on the file system.
    ///
    /// # Errors
    /// Everything that is wrong, errors first, with the warnings behind them.
    pub fn load(flags: &Flags) -> Result<(Config, Option<Self>), Problems> {
        let pace = Pace::USUAL;
        Self::load_at(flags, Environment::of_this_process(), pace)
    }

    fn load_at(
        flags: &Flags,
        environment: Environment,
        pace: Pace,
    ) -> Result<(Config, Option<Self>), Problems> {
        let paths = Paths::of(flags, &environment);
        let sources = Sources::read(&paths);
        let seen = sources.fingerprint();
        let config = sources.check(flags, environment.clone())?;
        let has_file = paths.file.is_some();
        let what = Arc::new(What { flags: flags.clone(), environment, paths });
        let follow = config.hot_reload;
        let reloads = Self {
            what,
            follow,
            pace,
            seen,
            doubted: None,
            ordered: false,
            quiet: Quiet::default(),
            // What changed since the files were read is found at once.
            look_at: None,
            signs: Arc::new(Notify::new()),
            watched: None,
            looking: JoinSet::new(),
        };
        Ok((config, has_file.then_some(reloads)))
    }

    /// Lets the files be read at once; what they come to is yielded even if nothing changed.
    pub fn order(&mut self) {
        self.ordered = true;
    }

    /// The next configuration: as soon as the content of the files is another and they have been
    /// quiet for a moment. A file that is wrong or missing is an error, told once for each content.
    ///
    /// Cancel-safe: dropping it loses nothing.
    ///
    /// # Errors
    /// Everything that is wrong with the files as they are now, errors first.
    pub async fn next(&mut self) -> Result<Config, Problems> {
        loop {
            if self.looking.is_empty() {
                let told = self.wait().await;
                self.look(told);
            }
            // A look that broke is as good as none: the next one is taken in its time.
            if let Some(Ok(looked)) = self.looking.join_next().await
                && let Some(result) = self.settle(looked)
            {
                return result;
            }
        }
    }

    /// Waits until it is time to look; tells whether a change was told, or ordered.
    async fn wait(&mut self) -> bool {
        loop {
            if self.ordered {
                return true;
            }
            if !self.follow {
                return std::future::pending().await;
            }
            let Some(look_at) = self.look_at else { return true };
            let due = self.quiet.due(self.pace.quiet, self.pace.late);
            tokio::select! {
                () = self.signs.notified() => self.quiet.moved(Instant::now()),
                () = sleep_until(due.map_or(look_at, |due| due.min(look_at))) => {
                    return due.is_some();
                }
            }
        }
    }

    fn look(&mut self, told: bool) {
        let (what, seen, ordered) = (self.what.clone(), self.seen, self.ordered);
        let is_asked = self.follow && self.pace.told;
        let kept = self.watched.as_ref().filter(|_| !told).map(|watched| watched.trail.clone());
        let signs = self.signs.clone();
        (self.ordered, self.quiet) = (false, Quiet::default());
        // Where nothing comes of this look.
        self.look_at = Some(Instant::now() + self.pace.look_every);
        self.looking.spawn_blocking(move || {
            // Asked before the texts are read, so that no change falls between.
            let trail = Trail::of(what.paths.iter());
            let watched = (is_asked && kept.as_ref() != Some(&trail))
                .then(|| Watched::new(trail, signs))
                .flatten();
            let sources = Sources::read_again(&what.paths);
            let fingerprint = sources.fingerprint();
            let is_news = ordered || fingerprint != seen;
            let result = is_news.then(|| sources.check(&what.flags, what.environment.clone()));
            Looked { fingerprint, ordered, result, watched }
        });
    }

    fn settle(&mut self, looked: Looked) -> Option<Result<Config, Problems>> {
        self.watched = looked.watched.or(self.watched.take());
        let before = self.doubted.replace(looked.fingerprint);
        let is_doubtful = matches!(looked.result, Some(Err(_))) && !looked.ordered;
        if is_doubtful && before != Some(looked.fingerprint) {
            self.look_at = Some(Instant::now() + self.pace.doubt);
            return None;
        }
        (self.seen, self.doubted) = (looked.fingerprint, None);
        looked.result
    }
}

// === impl What ===

impl std::fmt::Debug for What {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("What").field("paths", &self.paths).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
