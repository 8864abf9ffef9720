//! The machine, or the container that we are in where it has limits.

use std::fs;
use std::path::Path;

use super::processes::Look;
use super::{MachineSample, Places, cgroup};

/// What is remembered from look to look.
#[derive(Debug, Default)]
pub(super) struct Machine {
    before: Option<Before>,
}

#[derive(Debug)]
struct Before {
    uptime_seconds: f64,
    times: Option<Times>,
    used_seconds: Option<f64>,
}

/// Processor time of the machine, in ticks over all processors that we may run on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    idle: u64,
    all: u64,
}

// === impl Machine ===

impl Machine {
    /// `None` where the memory cannot be read, from either.
    pub(super) fn sample(&mut self, look: &Look, places: &Places) -> Option<MachineSample> {
        let limits = cgroup::read(places);
        let times = Times::read(places);
        let used_seconds = limits.processors.as_ref().map(|limit| limit.used_seconds);
        let cpu = self.cpu(look, times, limits.processors.as_ref());
        let uptime_seconds = look.uptime_seconds;
        self.before = Some(Before { uptime_seconds, times, used_seconds });
        let (memory_used, memory_bytes_max) = memory(&places.proc, &limits)?;
        Some(MachineSample {
            cpu,
            memory: ratio(memory_used, memory_bytes_max),
            memory_bytes_max,
            processors: limits.processors.as_ref().map_or(places.processors, |limit| limit.quota),
            is_container: limits.processors.is_some() || limits.memory.is_some(),
            state_disk_bytes_free: None,
        })
    }

    /// The used share of what we may use, since the look before.
    fn cpu(&self, look: &Look, times: Option<Times>, limit: Option<&cgroup::Processors>) -> f64 {
        let Some(before) = &self.before else { return 0.0 };
        let share = match (limit, before.used_seconds, before.times, times) {
            (Some(limit), Some(used_before), _, _) => {
                let elapsed = look.uptime_seconds - before.uptime_seconds;
                (limit.used_seconds - used_before) / (elapsed * limit.quota)
            }
            (None, _, Some(before), Some(now)) => now.used_since(&before).unwrap_or(0.0),
            (Some(_), None, _, _) | (None, _, None, _) | (None, _, _, None) => 0.0,
        };
        if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 }
    }
}

/// Used and usable bytes. A limit above what the machine has is none.
fn memory(proc: &Path, limits: &cgroup::Limits) -> Option<(u64, u64)> {
    // Not by the crate: it takes no file without lines that some kernels leave out.
    let machine = bytes_of(proc, "MemTotal:").and_then(|total| {
        let free = bytes_of(proc, "MemAvailable:").or_else(|| bytes_of(proc, "MemFree:"))?;
        Some((total.saturating_sub(free), total))
    });
    let limit = limits.memory.as_ref().map(|limit| (limit.used_bytes, limit.bytes_max));
    limit.or(machine)
}

/// One line of `/proc/meminfo`, by its name, in bytes.
pub(super) fn bytes_of(proc: &Path, name: &str) -> Option<u64> {
    let facts = fs::read_to_string(proc.join("meminfo")).ok()?;
    let kibibytes = facts.lines().find_map(|line| line.strip_prefix(name))?;
    let kibibytes: u64 = kibibytes.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

// === impl Times ===

impl Times {
    /// What `/proc/stat` says: user, nice, system, idle, iowait, irq, softirq, steal; what guests
    /// use is in the first two already (proc_stat(5)).
    pub(super) fn read(places: &Places) -> Option<Self> {
        let stat = fs::read_to_string(places.proc.join("stat")).ok()?;
        let Some(ours) = &places.pinned else {
            return Self::of_line(stat.lines().find_map(|line| line.strip_prefix("cpu "))?);
        };
        let processors = stat.lines().filter_map(|line| line.strip_prefix("cpu")?.split_once(' '));
        let of_ours = processors
            .filter(|(number, _)| number.parse().is_ok_and(|number: u32| ours.contains(&number)))
            .filter_map(|(_, times)| Self::of_line(times));
        of_ours.reduce(|sum, one| Self { idle: sum.idle + one.idle, all: sum.all + one.all })
    }

    fn of_line(line: &str) -> Option<Self> {
        let (mut idle, mut all, mut count) = (0, 0, 0);
        for (index, field) in line.split_whitespace().take(8).enumerate() {
            let ticks: u64 = field.parse().ok()?;
            all += ticks;
            idle += if index == 3 || index == 4 { ticks } else { 0 };
            count = index + 1;
        }
        (count > 3).then_some(Self { idle, all })
    }

    /// The used share of the time between, 0 to 1; `None` where no time was counted.
    pub(super) fn used_since(&self, before: &Self) -> Option<f64> {
        let all = self.all.saturating_sub(before.all);
        let idle = self.idle.saturating_sub(before.idle);
        (all > 0).then(|| 1.0 - ratio(idle, all))
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share needs no more digits than f64 has")]
fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { (part as f64 / whole as f64).clamp(0.0, 1.0) }
}
