//! Processes, and the trees of those that a server started.
//!
//! What a child started is found by the parent of each process, and by the child's process group:
//! wrappers (`npx`, `uvx`) may end before what they started, and what stays has another parent.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use procfs::FromRead;
use procfs::process::{LimitValue, Limits, Stat};

use super::{Places, ProcessSample};

/// Processes that are read in one look; of more, those with high numbers are passed over.
const PROCESSES_MAX: usize = 100_000;
/// A line of 52 numbers and a name of 64 bytes at most (proc_pid_stat(5)); it comes in one read.
const STAT_BYTES_MAX: usize = 2048;
/// Processes of one server's trees that are counted.
const TREE_PROCESSES_MAX: usize = 10_000;

/// All processes at one time.
#[derive(Debug)]
pub(super) struct Look {
    proc: PathBuf,
    are_fds_told: bool,
    /// Seconds since the machine started, which is the clock that processes' starts are told in.
    pub(super) uptime_seconds: f64,
    processes: HashMap<u32, Process>,
}

/// What is read of one process.
#[derive(Debug, Clone, Copy)]
struct Process {
    id: u32,
    parent: u32,
    group: u32,
    /// When it started, in ticks since the machine did. With the number it names one process: a
    /// number alone may be another's later.
    started_ticks: u64,
    /// Its own processor time.
    own_ticks: u64,
    /// The same, and that of its children that ended and were waited for.
    all_ticks: u64,
    rss_pages: u64,
    threads: u64,
    /// It ended, and nobody waited for it yet.
    is_zombie: bool,
}

/// What is remembered from look to look.
#[derive(Debug, Default)]
pub(super) struct Trees {
    before: Option<Before>,
}

#[derive(Debug)]
struct Before {
    uptime_seconds: f64,
    own: Option<Process>,
    /// Members of trees by their number.
    members: HashMap<u32, Member>,
    /// Children that were seen to be ours, with their start.
    children: HashMap<u32, u64>,
}

#[derive(Debug)]
struct Member {
    process: Process,
    /// The first root of its server.
    root: u32,
    /// Of the first member of its server.
    fds_max: Option<u64>,
}

// === impl Look ===

impl Look {
    /// Reads all processes. Those that end meanwhile are not in it.
    pub(super) fn now(places: &Places) -> Self {
        let proc = &places.proc;
        let uptime = fs::read_to_string(proc.join("uptime")).unwrap_or_default();
        let uptime = uptime.split_whitespace().next().and_then(|seconds| seconds.parse().ok());
        let ids = fs::read_dir(proc).into_iter().flatten().flatten().take(PROCESSES_MAX);
        let processes = ids
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter_map(|id| Some((id, Process::read(proc, id)?)))
            .collect();
        let uptime_seconds = uptime.unwrap_or(0.0);
        let are_fds_told = places.are_fds_told;
        Self { proc: proc.clone(), are_fds_told, uptime_seconds, processes }
    }

    /// The process that has the number and started then.
    fn same(&self, id: u32, started_ticks: u64) -> Option<&Process> {
        self.processes.get(&id).filter(|process| process.started_ticks == started_ticks)
    }

    /// Open file descriptors; `None` where they are not ours to see.
    fn fds(&self, id: u32) -> Option<u64> {
        let directory = self.proc.join(format!("{id}/fd"));
        if self.are_fds_told {
            return Some(fs::metadata(directory).ok()?.len());
        }
        Some(fs::read_dir(directory).ok()?.count() as u64)
    }

    fn fds_max(&self, id: u32) -> Option<u64> {
        let limits = Limits::from_file(self.proc.join(format!("{id}/limits"))).ok()?;
        match limits.max_open_files.soft_limit {
            LimitValue::Value(max) => Some(max),
            LimitValue::Unlimited => None,
        }
    }

    /// These processes added up, but for what is no sum of theirs at this time alone.
    fn sum(&self, members: &[Process], cpu_ticks: u64) -> ProcessSample {
        let living = members.iter().filter(|process| !process.is_zombie);
        let oldest = members.iter().map(|process| process.started_ticks).min().unwrap_or(0);
        let fds: Vec<u64> = living.clone().filter_map(|process| self.fds(process.id)).collect();
        ProcessSample {
            processes: u32::try_from(living.clone().count()).unwrap_or(u32::MAX),
            cpu: 0.0,
            cpu_seconds: seconds(cpu_ticks),
            rss_bytes: living.clone().map(|process| process.rss_pages).sum::<u64>()
                * procfs::page_size(),
            fds: (!fds.is_empty()).then(|| fds.iter().sum()),
            fds_max: None,
            threads: living.map(|process| process.threads).sum(),
            uptime_seconds: (self.uptime_seconds - seconds(oldest)).max(0.0),
        }
    }
}

impl Process {
    /// `None` if it ended, or is not there.
    fn read(proc: &Path, id: u32) -> Option<Self> {
        let mut line = [0; STAT_BYTES_MAX];
        let length = File::open(proc.join(format!("{id}/stat"))).ok()?.read(&mut line).ok()?;
        let stat = Stat::from_read(&line[..length]).ok()?;
        let own_ticks = stat.utime + stat.stime;
        let waited_ticks = u64::try_from(stat.cutime + stat.cstime).unwrap_or(0);
        Some(Self {
            id,
            parent: u32::try_from(stat.ppid).ok()?,
            group: u32::try_from(stat.pgrp).ok()?,
            started_ticks: stat.starttime,
            own_ticks,
            all_ticks: own_ticks + waited_ticks,
            rss_pages: stat.rss,
            threads: u64::try_from(stat.num_threads).unwrap_or(0),
            is_zombie: matches!(stat.state, 'Z' | 'X'),
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "ticks of a process's life are far below 2^52")]
fn seconds(ticks: u64) -> f64 {
    ticks as f64 / procfs::ticks_per_second() as f64
}

// === impl Trees ===

impl Trees {
    /// Our own process, and what each server's children and all that they started use.
    pub(super) fn sample(
        &mut self,
        look: &Look,
        own_id: u32,
        children: &[(usize, Vec<u32>)],
    ) -> (Option<ProcessSample>, Vec<(usize, ProcessSample)>) {
        let relations = Relations::of(look);
        let mut now = Before::at(look);
        let own = look.processes.get(&own_id).map(|process| {
            let cpu = self.share(look, self.own_ticks_since(process));
            let fds_max = look.fds_max(own_id);
            ProcessSample { cpu, fds_max, ..look.sum(&[*process], process.own_ticks) }
        });
        let lost = self.before.as_ref().map(|before| before.lost(look)).unwrap_or_default();
        let mut servers = Vec::new();
        for (server, ids) in children {
            let roots: Vec<_> = ids.iter().filter_map(|id| self.root(look, own_id, *id)).collect();
            let members = relations.members(look, &roots, own_id);
            if members.iter().any(|member| !member.is_zombie) {
                let cpu = self.share(look, self.ticks_since(&lost, &roots, &members));
                let fds_max = self.fds_max(look, &members[0]);
                now.remember(&roots, &members, fds_max);
                let ticks = members.iter().map(|member| member.all_ticks).sum();
                servers
                    .push((*server, ProcessSample { cpu, fds_max, ..look.sum(&members, ticks) }));
            }
        }
        now.own = look.processes.get(&own_id).copied();
        self.before = Some(now);
        (own, servers)
    }

    /// The limit of one process, which is read once: others cannot change it in passing, and a
    /// thousand of these tables take longer than all else.
    fn fds_max(&self, look: &Look, process: &Process) -> Option<u64> {
        let known = self.before.as_ref().and_then(|before| before.members.get(&process.id));
        match known {
            Some(member) if member.process.started_ticks == process.started_ticks => member.fds_max,
            Some(_) | None => look.fds_max(process.id),
        }
    }

    /// A child by its number and start, if it is ours: we are its parent, or were when it was seen
    /// first and it is the same still. One that ended may have left its process group behind.
    fn root(&self, look: &Look, own_id: u32, id: u32) -> Option<(u32, u64)> {
        let known = self.before.as_ref().and_then(|before| before.children.get(&id).copied());
        match (look.processes.get(&id), known) {
            (Some(process), _) if process.parent == own_id => Some((id, process.started_ticks)),
            (Some(process), Some(started)) if process.started_ticks == started => {
                Some((id, started))
            }
            (None, Some(started)) => Some((id, started)),
            (Some(_), Some(_) | None) | (None, None) => None,
        }
    }

    /// Ticks that the members used since the look before, and what of theirs ended since.
    ///
    /// The time of a child that ended goes to who waited for it: the sum over a tree, with what
    /// was waited for, does not fall then. It falls when the child's time went elsewhere, or the
    /// child is not in the tree any more; what the others used themselves is the least it can be.
    fn ticks_since(
        &self,
        lost: &HashMap<u32, u64>,
        roots: &[(u32, u64)],
        members: &[Process],
    ) -> u64 {
        let Some(before) = &self.before else { return 0 };
        let (mut gained, mut own) = (0, 0);
        for member in members {
            let (own_before, all_before) = before.ticks_of(member);
            own += member.own_ticks.saturating_sub(own_before);
            gained += member.all_ticks.saturating_sub(all_before);
        }
        let lost = roots.iter().filter_map(|(root, _)| lost.get(root)).sum();
        gained.saturating_sub(lost).max(own)
    }

    fn own_ticks_since(&self, process: &Process) -> u64 {
        let before = self.before.as_ref().and_then(|before| before.own);
        before.map_or(0, |before| process.own_ticks.saturating_sub(before.own_ticks))
    }

    /// Ticks since the look before as a share of the time since then.
    fn share(&self, look: &Look, ticks: u64) -> f64 {
        let elapsed =
            self.before.as_ref().map_or(0.0, |before| look.uptime_seconds - before.uptime_seconds);
        if elapsed > 0.0 { seconds(ticks) / elapsed } else { 0.0 }
    }
}

impl Before {
    fn at(look: &Look) -> Self {
        Self {
            uptime_seconds: look.uptime_seconds,
            own: None,
            members: HashMap::new(),
            children: HashMap::new(),
        }
    }

    fn remember(&mut self, roots: &[(u32, u64)], members: &[Process], fds_max: Option<u64>) {
        self.children.extend(roots.iter().copied());
        let Some((root, _)) = roots.first().copied() else { return };
        for process in members {
            self.members.insert(process.id, Member { process: *process, root, fds_max });
        }
    }

    /// All that the members had used that ended since, by the root of their server.
    fn lost(&self, look: &Look) -> HashMap<u32, u64> {
        let mut lost = HashMap::new();
        for Member { process, root, .. } in self.members.values() {
            if look.same(process.id, process.started_ticks).is_none() {
                *lost.entry(*root).or_default() += process.all_ticks;
            }
        }
        lost
    }

    /// What a process had used at that time, itself and with what it had waited for: nothing if it
    /// started since, and all that it has now if it was not looked at though it ran.
    fn ticks_of(&self, process: &Process) -> (u64, u64) {
        let known = self.members.get(&process.id).map(|member| &member.process);
        match known.filter(|before| before.started_ticks == process.started_ticks) {
            Some(before) => (before.own_ticks, before.all_ticks),
            None if seconds(process.started_ticks) >= self.uptime_seconds => (0, 0),
            None => (process.own_ticks, process.all_ticks),
        }
    }
}

/// Who started whom, and who is in which group.
struct Relations {
    by_parent: HashMap<u32, Vec<Process>>,
    by_group: HashMap<u32, Vec<Process>>,
}

// === impl Relations ===

impl Relations {
    fn of(look: &Look) -> Self {
        let mut relations = Self { by_parent: HashMap::new(), by_group: HashMap::new() };
        for process in look.processes.values() {
            relations.by_parent.entry(process.parent).or_default().push(*process);
            relations.by_group.entry(process.group).or_default().push(*process);
        }
        relations
    }

    /// The roots that live and all that they started, each once, roots first.
    fn members(&self, look: &Look, roots: &[(u32, u64)], own_id: u32) -> Vec<Process> {
        let mut members = Vec::new();
        let mut seen = HashSet::from([own_id]);
        let mut add = |members: &mut Vec<Process>, process: &Process| {
            if members.len() < TREE_PROCESSES_MAX && seen.insert(process.id) {
                members.push(*process);
            }
        };
        for (id, started) in roots {
            if let Some(root) = look.same(*id, *started) {
                add(&mut members, root);
            }
            let group = self.by_group.get(id).into_iter().flatten();
            for process in group.filter(|process| process.started_ticks >= *started) {
                add(&mut members, process);
            }
        }
        let mut next = 0;
        while let Some(member) = members.get(next).copied() {
            let children = self.by_parent.get(&member.id).into_iter().flatten();
            // Nobody is older than who started it: such a number is another's by now.
            for child in children.filter(|child| child.started_ticks >= member.started_ticks) {
                add(&mut members, child);
            }
            next += 1;
        }
        members
    }
}
