//! What processes and the machine use, read from `/proc` and from cgroups.

mod cgroup;
mod machine;
mod processes;
mod share;

use std::path::{Path, PathBuf};

use machine::Machine;
use processes::{Look, Trees};

pub use share::CpuShare;

/// Processors that are told apart: the most that Linux is built for (`NR_CPUS`).
const PROCESSORS_MAX: usize = 8192;

/// One process, or a tree of them added up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ProcessSample {
    /// Processes in it.
    pub processes: u32,
    /// Of one processor, since the sample before: 0 to 1 for each processor.
    pub cpu: f64,
    /// Processor time since the start of each, in seconds; it may fall when a child ends.
    pub cpu_seconds: f64,
    /// Resident memory in bytes.
    pub rss_bytes: u64,
    /// Open file descriptors; `None` where they cannot be read.
    pub fds: Option<u64>,
    /// The limit of open file descriptors of the first process; `None` where there is none.
    pub fds_max: Option<u64>,
    /// Threads.
    pub threads: u64,
    /// Seconds since the oldest of them started.
    pub uptime_seconds: f64,
}

/// The machine, or the container that we are in where it has limits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MachineSample {
    /// Used share of the processor time that we may use, 0 to 1, since the sample before.
    pub cpu: f64,
    /// Used share of the memory that we may use, 0 to 1.
    pub memory: f64,
    /// Memory that we may use, in bytes.
    pub memory_bytes_max: u64,
    /// Processors that we may use; a fraction under a quota.
    pub processors: f64,
    /// Whether these are limits of a container rather than the machine's.
    pub is_container: bool,
    /// Free bytes of the disk that the state directory is on; `None` without one.
    pub state_disk_bytes_free: Option<u64>,
}

/// What one look at everything found. What cannot be read is `None` or left out.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampled {
    /// This process alone.
    pub own: Option<ProcessSample>,
    /// The machine, or the container that we are in.
    pub machine: Option<MachineSample>,
    /// The process trees of each server that has any, by the index that was given.
    pub servers: Vec<(usize, ProcessSample)>,
}

/// Reads what is used, and remembers what the look before found, since shares of processor time
/// are differences.
#[derive(Debug)]
pub struct Reader {
    places: Places,
    state_directory: Option<PathBuf>,
    trees: Trees,
    machine: Machine,
}

/// Where the system tells of itself; elsewhere in tests.
#[derive(Debug, Clone)]
struct Places {
    /// `/proc`.
    proc: PathBuf,
    /// Where cgroups are mounted: v2 right there, or v1 with a directory for each controller.
    cgroup: PathBuf,
    /// Our own process.
    own_id: u32,
    /// Processors that we may run on.
    processors: f64,
    /// Processors that the machine has.
    processors_online: f64,
    /// The numbers of those that we may run on, where these are not all.
    pinned: Option<Vec<u32>>,
    /// Whether the size of a process's `fd` directory is the number of open file descriptors, as it
    /// is since Linux 6.2. To count them takes ten times as long.
    are_fds_told: bool,
}

// === impl Reader ===

impl Reader {
    /// A reader of this machine. The directory is the one whose disk is looked at; it need not
    /// exist yet.
    #[must_use]
    pub fn new(state_directory: Option<PathBuf>) -> Self {
        Self::of(Places::here(), state_directory)
    }

    fn of(places: Places, state_directory: Option<PathBuf>) -> Self {
        Self { places, state_directory, trees: Trees::default(), machine: Machine::default() }
    }

    /// Looks at this process, the machine, and the children of each server with all that they
    /// started. Children that are not ours (any more) are left out. Shares of processor time are 0
    /// the first time. Waits for the system: a few milliseconds for a thousand processes.
    pub fn sample(&mut self, children: &[(usize, Vec<u32>)]) -> Sampled {
        let look = Look::now(&self.places);
        let (own, servers) = self.trees.sample(&look, self.places.own_id, children);
        let mut machine = self.machine.sample(&look, &self.places);
        if let Some(machine) = &mut machine {
            machine.state_disk_bytes_free =
                self.state_directory.as_deref().and_then(disk_bytes_free);
        }
        Sampled { own, machine, servers }
    }
}

// === impl Places ===

impl Places {
    /// Those of this machine.
    fn here() -> Self {
        let places = Self {
            proc: PathBuf::from("/proc"),
            cgroup: PathBuf::from("/sys/fs/cgroup"),
            own_id: std::process::id(),
            processors: 1.0,
            processors_online: 1.0,
            pinned: None,
            are_fds_told: std::fs::metadata("/proc/self/fd").is_ok_and(|fds| fds.len() > 0),
        };
        places.counted()
    }

    /// With the processors that there are, and those that we may run on. The standard library's
    /// `available_parallelism` does not say either: it takes a cgroup's quota off.
    fn counted(mut self) -> Self {
        let stat = std::fs::read_to_string(self.proc.join("stat")).unwrap_or_default();
        let is_one = |line: &&str| {
            line.strip_prefix("cpu")
                .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        };
        let online = u32::try_from(stat.lines().filter(is_one).count()).unwrap_or(u32::MAX).max(1);
        let status = std::fs::read_to_string(self.proc.join(format!("{}/status", self.own_id)));
        let ours = status.ok().and_then(|status| {
            let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
            numbers(list.trim())
        });
        let ours = ours.filter(|ours| (1..online as usize).contains(&ours.len()));
        self.processors_online = f64::from(online);
        self.processors = ours.as_ref().map_or(self.processors_online, |ours| ours.len() as f64);
        self.pinned = ours;
        self
    }
}

/// Those of a list such as `0-3,8`; `None` where it is none, or longer than any machine's.
fn numbers(list: &str) -> Option<Vec<u32>> {
    let mut numbers = Vec::new();
    for part in list.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let range = first.parse::<u32>().ok()?..=last.parse::<u32>().ok()?;
        if numbers.len() + range.clone().count() > PROCESSORS_MAX {
            return None;
        }
        numbers.extend(range);
    }
    Some(numbers)
}

/// Bytes that we may still write on the disk of a directory, or of where it will be made.
fn disk_bytes_free(directory: &Path) -> Option<u64> {
    let existing = directory.ancestors().find(|path| path.exists())?;
    let disk = rustix::fs::statvfs(existing).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(test)]
mod tests;
