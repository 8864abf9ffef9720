//! Limits by cgroup v2 (the kernel's admin-guide/cgroup-v2.rst), and of processor time by v1, too
//! (scheduler/sched-bwc.rst). They nest: each level between ours and the root may have one, and
//! others below that level use of it, too. The one that is closest to being reached counts.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Places, machine};

/// Levels that are looked at: nobody nests deeper.
const LEVELS_MAX: usize = 64;

/// What limits us; `None` where nothing does.
#[derive(Debug, Default)]
pub(super) struct Limits {
    pub(super) memory: Option<Memory>,
    pub(super) processors: Option<Processors>,
}

/// A limit of memory.
#[derive(Debug)]
pub(super) struct Memory {
    /// Without what the kernel can take back at once: pages of files that nobody used of late.
    pub(super) used_bytes: u64,
    pub(super) bytes_max: u64,
}

/// A limit of processor time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Processors {
    /// Processors' worth of time: 1.5 is a second and a half each second.
    pub(super) quota: f64,
    /// Used since the group was made.
    pub(super) used_seconds: f64,
}

/// A group whose processor time may be limited, and the files that say so.
#[derive(Debug, Clone)]
pub(super) struct Group {
    quota: Quota,
    /// What was used.
    usage: PathBuf,
}

#[derive(Debug, Clone)]
enum Quota {
    /// `cpu.max`: quota and period.
    Second(PathBuf),
    /// `cpu.cfs_quota_us` and `cpu.cfs_period_us`.
    First { quota: PathBuf, period: PathBuf },
}

/// The limits of the group that our process is in.
pub(super) fn read(places: &Places) -> Limits {
    let total = machine::bytes_of(&places.proc, "MemTotal:");
    let mut tightest: Option<Memory> = None;
    for level in levels(places, &places.cgroup, "") {
        let memory =
            memory(&level).filter(|limit| total.is_none_or(|total| limit.bytes_max < total));
        if let Some(memory) = memory
            && tightest.as_ref().is_none_or(|tightest| memory.share() > tightest.share())
        {
            tightest = Some(memory);
        }
    }
    Limits { memory: tightest, processors: group(places).map(|(_, limit)| limit) }
}

/// The group that limits our processor time the most, and how it stands. A quota of more than the
/// processors that we may run on limits nobody.
pub(super) fn group(places: &Places) -> Option<(Group, Processors)> {
    let known = groups(places).into_iter().filter_map(|group| {
        let limit = group.read()?;
        (limit.quota <= places.processors && limit.quota < places.processors_online)
            .then_some((group, limit))
    });
    known.min_by(|(_, one), (_, other)| one.quota.total_cmp(&other.quota))
}

/// All groups that we are in, of either version.
fn groups(places: &Places) -> Vec<Group> {
    let second = levels(places, &places.cgroup, "").into_iter().map(|level| Group {
        quota: Quota::Second(level.join("cpu.max")),
        usage: level.join("cpu.stat"),
    });
    // The two controllers are one hierarchy nearly everywhere; both names lead to it.
    let (root, used) = (places.cgroup.join("cpu"), places.cgroup.join("cpuacct"));
    let first = levels(places, &root, "cpu").into_iter().filter_map(|level| {
        Some(Group {
            quota: Quota::First {
                quota: level.join("cpu.cfs_quota_us"),
                period: level.join("cpu.cfs_period_us"),
            },
            usage: used.join(level.strip_prefix(&root).ok()?).join("cpuacct.usage"),
        })
    });
    second.chain(first).collect()
}

// === impl Group ===

impl Group {
    /// How it stands; `None` where it has no limit, or cannot be read.
    #[expect(clippy::cast_precision_loss, reason = "times of a machine's life are below 2^52 µs")]
    pub(super) fn read(&self) -> Option<Processors> {
        let (quota, period): (f64, f64) = match &self.quota {
            Quota::Second(max) => {
                let max = fs::read_to_string(max).ok()?;
                let (quota, period) = max.trim().split_once(' ')?;
                (quota.parse().ok()?, period.parse().ok()?)
            }
            // Less than nothing is no quota.
            Quota::First { quota, period } => (number(quota)? as f64, number(period)? as f64),
        };
        let used_seconds = match &self.quota {
            Quota::Second(_) => fact(&self.usage, "usage_usec")? as f64 / 1e6,
            Quota::First { .. } => number(&self.usage)? as f64 / 1e9,
        };
        (quota > 0.0 && period > 0.0).then(|| Processors { quota: quota / period, used_seconds })
    }
}

// === impl Memory ===

impl Memory {
    #[expect(clippy::cast_precision_loss, reason = "a share needs no more digits than f64 has")]
    fn share(&self) -> f64 {
        self.used_bytes as f64 / (self.bytes_max.max(1)) as f64
    }
}

/// Our group's directory and those above it, up to where it is mounted. The controller names the
/// hierarchy: it is empty for that of v2. In a container with a namespace of its own the path is
/// `/`, and the mount is the container's group.
fn levels(places: &Places, root: &Path, controller: &str) -> Vec<PathBuf> {
    let of_process = places.proc.join(format!("{}/cgroup", places.own_id));
    let groups = fs::read_to_string(of_process).unwrap_or_default();
    // Each line is `number:controllers:/path` (cgroups(7)).
    let path = groups.lines().find_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(":/")?;
        controllers.split(',').any(|one| one == controller).then_some(path)
    });
    let Some(path) = path else { return Vec::new() };
    // A path that leads out of the mount is one that we cannot see.
    let is_within = !path.split('/').any(|part| part == "..");
    let ours = root.join(if is_within { path } else { "" });
    let above = ours.ancestors().take_while(|level| level.starts_with(root));
    above.take(LEVELS_MAX).map(Path::to_owned).collect()
}

fn memory(level: &Path) -> Option<Memory> {
    let bytes_max = number(&level.join("memory.max"))?;
    let current = number(&level.join("memory.current"))?;
    let inactive = fact(&level.join("memory.stat"), "inactive_file").unwrap_or(0);
    Some(Memory { used_bytes: current.saturating_sub(inactive), bytes_max })
}

/// A file's only number; `None` if there is none, as in `max`.
fn number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// A number by its name, of a file with one on each line.
fn fact(path: &Path, name: &str) -> Option<u64> {
    let facts = fs::read_to_string(path).ok()?;
    facts.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}
