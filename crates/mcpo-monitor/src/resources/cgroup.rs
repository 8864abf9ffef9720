//! Limits by cgroup v2 (the kernel's admin-guide/cgroup-v2.rst). They nest: each level between ours
//! and the root may have one, and others below that level use of it, too. The one that is closest
//! to being reached counts.

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
#[derive(Debug)]
pub(super) struct Processors {
    /// Processors' worth of time: 1.5 is a second and a half each second.
    pub(super) quota: f64,
    /// Used since the group was made.
    pub(super) used_seconds: f64,
}

/// The limits of the group that our process is in.
pub(super) fn read(places: &Places) -> Limits {
    let mut limits = Limits::default();
    let total = machine::bytes_of(&places.proc, "MemTotal:");
    for level in levels(places) {
        let memory =
            memory(&level).filter(|limit| total.is_none_or(|total| limit.bytes_max < total));
        if let Some(memory) = memory
            && limits.memory.as_ref().is_none_or(|tightest| memory.share() > tightest.share())
        {
            limits.memory = Some(memory);
        }
        if let Some(processors) = processors(&level)
            && processors.quota < places.processors
            && limits.processors.as_ref().is_none_or(|tightest| processors.quota < tightest.quota)
        {
            limits.processors = Some(processors);
        }
    }
    limits
}

// === impl Memory ===

impl Memory {
    #[expect(clippy::cast_precision_loss, reason = "a share needs no more digits than f64 has")]
    fn share(&self) -> f64 {
        self.used_bytes as f64 / (self.bytes_max.max(1)) as f64
    }
}

/// Our group's directory and those above it, up to where it is mounted. In a container with a
/// namespace of its own the path is `/`, and the mount is the container's group.
fn levels(places: &Places) -> Vec<PathBuf> {
    let of_process = places.proc.join(format!("{}/cgroup", places.own_id));
    let groups = fs::read_to_string(of_process).unwrap_or_default();
    let Some(path) = groups.lines().find_map(|line| line.strip_prefix("0::/")) else {
        return Vec::new();
    };
    // A path that leads out of the mount is one that we cannot see.
    let is_within = !path.split('/').any(|part| part == "..");
    let ours = places.cgroup.join(if is_within { path } else { "" });
    let above = ours.ancestors().take_while(|level| level.starts_with(&places.cgroup));
    above.take(LEVELS_MAX).map(Path::to_owned).collect()
}

fn memory(level: &Path) -> Option<Memory> {
    let bytes_max = number(&level.join("memory.max"))?;
    let current = number(&level.join("memory.current"))?;
    let inactive = fact(&level.join("memory.stat"), "inactive_file").unwrap_or(0);
    Some(Memory { used_bytes: current.saturating_sub(inactive), bytes_max })
}

#[expect(clippy::cast_precision_loss, reason = "microseconds of a machine's life are below 2^52")]
fn processors(level: &Path) -> Option<Processors> {
    let max = fs::read_to_string(level.join("cpu.max")).ok()?;
    let (quota, period) = max.trim().split_once(' ')?;
    let (quota, period): (f64, f64) = (quota.parse().ok()?, period.parse().ok()?);
    let used = fact(&level.join("cpu.stat"), "usage_usec")?;
    (quota > 0.0 && period > 0.0)
        .then(|| Processors { quota: quota / period, used_seconds: used as f64 / 1e6 })
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
