//! Tests of what is read of processes and the machine, in a made-up `/proc` and cgroup tree.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use super::{Places, Reader, Sampled};

const OWN: u32 = 10;
const MIB: u64 = 1024 * 1024;

pub(super) struct Tree(PathBuf);

/// One process: number, parent, group, start, own ticks, ticks of children waited for.
type Process = (u32, u32, u32, u64, u64, u64);

impl Tree {
    pub(super) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("mcpo-resources-{}-{next}", std::process::id());
        let tree = Self(std::env::temp_dir().join(name));
        tree.write(
            "proc/meminfo",
            "MemTotal: 1048576 kB\nMemFree: 0 kB\nMemAvailable: 262144 kB\n",
        );
        tree
    }

    pub(super) fn write(&self, path: &str, text: &str) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// What there is at that many seconds after the start of the machine.
    fn set(&self, uptime: f64, processes: &[Process]) {
        for entry in fs::read_dir(self.0.join("proc")).unwrap().flatten() {
            if entry.file_name().to_str().unwrap().parse::<u32>().is_ok() {
                fs::remove_dir_all(entry.path()).unwrap();
            }
        }
        self.write("proc/uptime", &format!("{uptime} 0.0\n"));
        for (id, parent, group, start, own, waited) in processes {
            let line = format!(
                "{id} (a) b) S {parent} {group} 1 0 -1 0 0 0 0 0 {own} 0 {waited} 0 20 0 2 0 {start} \
                 4096 100 0 0 0 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0"
            );
            self.write(&format!("proc/{id}/stat"), &line);
            self.write(&format!("proc/{id}/fd/0"), "");
            self.write(&format!("proc/{id}/cgroup"), "0::/outer/inner\n");
        }
    }

    pub(super) fn places(&self) -> Places {
        Places {
            proc: self.0.join("proc"),
            cgroup: self.0.join("cgroup"),
            own_id: OWN,
            processors: 4.0,
            processors_online: 4.0,
            pinned: None,
            are_fds_told: false,
        }
    }

    fn reader(&self) -> Reader {
        Reader::of(self.places(), None)
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn cpu(sampled: &Sampled) -> f64 {
    assert_eq!(sampled.servers.len(), 1, "{sampled:?}");
    (sampled.servers[0].1.cpu * 100.0).round() / 100.0
}

#[test]
fn a_tree_is_found_by_parents_and_by_its_group() {
    let tree = Tree::new();
    let own = (OWN, 1, OWN, 0, 500, 900);
    tree.set(
        100.0,
        &[
            own,
            (20, OWN, 20, 100, 1, 0),
            (21, 20, 20, 110, 1, 0),
            (22, 21, 22, 120, 1, 0), // a group of its own
            (23, 1, 20, 130, 1, 0),  // who started it has ended
            (30, OWN, OWN, 100, 1, 0),
            (40, 1, 40, 100, 1, 0),
        ],
    );
    let mut reader = tree.reader();
    let sampled = reader.sample(&[(7, vec![20]), (8, vec![40]), (9, vec![99])]);
    assert_eq!(sampled.servers.len(), 1, "those that we did not start are not ours");
    let (server, sample) = sampled.servers[0];
    assert_eq!((server, sample.processes, sample.threads), (7, 4, 8));
    assert_eq!(sample.rss_bytes, 400 * procfs::page_size());
    assert_eq!(sample.fds, Some(4));
    assert!((sample.uptime_seconds - 99.0).abs() < 0.01);
    let alone = sampled.own.unwrap();
    assert_eq!((alone.processes, alone.cpu_seconds), (1, 5.0));
    // The wrapper ends; what it started stays in its group.
    tree.set(110.0, &[own, (21, 1, 20, 110, 1, 0)]);
    assert_eq!(reader.sample(&[(7, vec![20])]).servers[0].1.processes, 1);
}

#[test]
fn a_number_that_another_process_has_now_is_not_ours() {
    let tree = Tree::new();
    let own = (OWN, 1, OWN, 0, 0, 0);
    tree.set(100.0, &[own, (20, OWN, 20, 100, 50, 0)]);
    let mut reader = tree.reader();
    reader.sample(&[(0, vec![20])]);
    tree.set(110.0, &[own, (20, 1, 20, 10_500, 900, 0)]);
    assert!(reader.sample(&[(0, vec![20])]).servers.is_empty());
    // A new child of ours may have it, too; it counts from its own start.
    tree.set(120.0, &[own, (20, OWN, 20, 11_500, 100, 0)]);
    assert_eq!(cpu(&reader.sample(&[(0, vec![20])])), 0.1);
}

#[test]
fn processor_time_of_what_ended_counts_and_never_less_than_nothing() {
    let tree = Tree::new();
    let own = (OWN, 1, OWN, 0, 0, 0);
    let mut reader = tree.reader();
    let mut look = |uptime, processes: &[Process]| {
        tree.set(uptime, &[&[own], processes].concat());
        cpu(&reader.sample(&[(0, vec![20])]))
    };
    assert_eq!(look(100.0, &[(20, OWN, 20, 100, 1000, 0), (21, 20, 20, 100, 500, 0)]), 0.0);
    // Both used half of one processor; one then ended, and was waited for by the other.
    assert_eq!(look(110.0, &[(20, OWN, 20, 100, 1500, 1000)]), 1.0);
    // A short-lived child was never seen.
    assert_eq!(look(120.0, &[(20, OWN, 20, 100, 1500, 1200)]), 0.2);
    assert_eq!(look(130.0, &[(20, OWN, 20, 100, 1500, 1200), (22, 20, 20, 12_500, 300, 0)]), 0.3);
    // It ended, and somebody else waited for it.
    assert_eq!(look(140.0, &[(20, OWN, 20, 100, 1600, 1200)]), 0.1);
    assert_eq!(look(150.0, &[(20, OWN, 20, 100, 10, 0)]), 0.0);
}

#[test]
fn the_tightest_of_nested_limits_counts() {
    let tree = Tree::new();
    tree.set(100.0, &[(OWN, 1, OWN, 0, 0, 0)]);
    let mut reader = tree.reader();
    let machine = reader.sample(&[]).machine.unwrap();
    assert_eq!((machine.memory, machine.memory_bytes_max), (0.75, 1024 * MIB));
    assert!(!machine.is_container);
    for (level, max, current, quota, used) in [
        ("outer", 200 * MIB, 150 * MIB, "400000 100000", 9_000_000),
        ("outer/inner", 100 * MIB, 60 * MIB, "150000 100000", 3_000_000),
    ] {
        tree.write(&format!("cgroup/{level}/memory.max"), &format!("{max}\n"));
        tree.write(&format!("cgroup/{level}/memory.current"), &format!("{current}\n"));
        let stat = format!("anon 1\ninactive_file {}\n", 50 * MIB);
        tree.write(&format!("cgroup/{level}/memory.stat"), &stat);
        tree.write(&format!("cgroup/{level}/cpu.max"), &format!("{quota}\n"));
        tree.write(&format!("cgroup/{level}/cpu.stat"), &format!("usage_usec {used}\n"));
    }
    reader.sample(&[]);
    tree.write("cgroup/outer/inner/cpu.stat", "usage_usec 10500000\n");
    tree.write("proc/uptime", "110.0 0\n");
    let machine = reader.sample(&[]).machine.unwrap();
    assert!(machine.is_container);
    // The outer one is half used by all below it, the inner one a tenth.
    assert_eq!((machine.memory, machine.memory_bytes_max), (0.5, 200 * MIB));
    assert_eq!((machine.processors, machine.cpu), (1.5, 0.5));
    tree.write("cgroup/outer/memory.max", "max\n");
    assert_eq!(reader.sample(&[]).machine.unwrap().memory, 0.1);
}

#[test]
fn what_cannot_be_read_is_none() {
    let tree = Tree::new();
    fs::remove_file(tree.0.join("proc/meminfo")).unwrap();
    let sampled = tree.reader().sample(&[(0, vec![1, 20])]);
    assert_eq!((sampled.own, sampled.machine, sampled.servers.len()), (None, None, 0));
}

#[test]
fn this_machine_is_read() {
    let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
    let mut reader = Reader::new(Some(std::env::temp_dir().join("not/made/yet")));
    let sampled = reader.sample(&[(3, vec![child.id()])]);
    let own = sampled.own.unwrap();
    assert!(
        own.rss_bytes > 0 && own.fds.unwrap() > 2 && own.fds_max.unwrap() > 2 && own.threads > 0
    );
    assert_eq!((sampled.servers[0].0, sampled.servers[0].1.processes), (3, 1));
    let machine = sampled.machine.unwrap();
    assert!(machine.memory > 0.0 && machine.memory <= 1.0 && machine.processors > 0.0);
    assert!(machine.state_disk_bytes_free.unwrap() > 0);
    drop(child.stdin.take());
    child.wait().unwrap();
    assert!(reader.sample(&[(3, vec![child.id()])]).servers.is_empty());
}
