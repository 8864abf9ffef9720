//! Tests of the used share, in made-up trees and made-up time.

use std::time::Duration;

use tokio::time::advance;

use super::super::tests::Tree;
use super::super::{Places, numbers};
use super::CpuShare;

/// A tree in which our process is in such groups.
fn tree(groups: &str) -> Tree {
    let tree = Tree::new();
    tree.write("proc/10/cgroup", groups);
    tree.write("proc/10/status", "Name: mcpo\nCpus_allowed_list:\t0-3\n");
    stat(&tree, [0, 0, 0, 0], [0, 0, 0, 0]);
    tree
}

/// Ticks that each of four processors used, and was idle.
fn stat(tree: &Tree, used: [u64; 4], idle: [u64; 4]) {
    let line = |name: &str, used: u64, idle: u64| {
        format!("{name} {} 0 {} {idle} 0 0 0 0 0 0\n", used / 2, used - used / 2)
    };
    let mut text = line("cpu ", used.iter().sum(), idle.iter().sum());
    for (number, (used, idle)) in used.into_iter().zip(idle).enumerate() {
        text += &line(&format!("cpu{number}"), used, idle);
    }
    tree.write("proc/stat", &(text + "intr 1 2 3\nctxt 9\n"));
}

fn share_of(tree: &Tree) -> CpuShare {
    CpuShare::of(Places { pinned: None, ..tree.places() }.counted())
}

async fn read_after(share: &mut CpuShare, length: Duration) -> Option<f64> {
    advance(length).await;
    share.read().map(|share| (share * 1000.0).round() / 1000.0)
}

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn without_a_limit_it_is_the_machines() {
    let tree = tree("0::/outer/inner\n");
    tree.write("cgroup/outer/inner/cpu.max", "max 100000\n");
    tree.write("cgroup/outer/inner/cpu.stat", "usage_usec 5\n");
    let mut share = share_of(&tree);
    assert_eq!(share.read(), None, "nothing was before");
    stat(&tree, [100, 100, 100, 0], [0, 0, 0, 100]);
    assert_eq!(read_after(&mut share, SECOND).await, Some(0.75));
    assert_eq!(share.read(), Some(0.75), "too soon to see anything new");
    stat(&tree, [110, 100, 100, 0], [90, 100, 100, 200]);
    assert_eq!(read_after(&mut share, SECOND).await, Some(0.025));
    assert_eq!(read_after(&mut share, SECOND).await, None, "no tick was counted");
}

#[tokio::test(start_paused = true)]
async fn of_processors_that_are_not_ours_nothing_counts() {
    let tree = tree("0::/\n");
    tree.write("proc/10/status", "Cpus_allowed_list:\t1,3\n");
    let mut share = share_of(&tree);
    share.read();
    stat(&tree, [100, 100, 100, 80], [0, 0, 0, 20]);
    assert_eq!(read_after(&mut share, SECOND).await, Some(0.9));
}

#[tokio::test(start_paused = true)]
async fn against_the_narrowest_quota_of_version_two() {
    let tree = tree("0::/outer/inner\n");
    let level = |path: &str, quota: &str, used: u64| {
        tree.write(&format!("cgroup/{path}/cpu.max"), &format!("{quota} 100000\n"));
        let stat = format!("usage_usec {used}\nuser_usec 1\n");
        tree.write(&format!("cgroup/{path}/cpu.stat"), &stat);
    };
    level("outer", "350000", 9_000_000);
    level("outer/inner", "200000", 1_000_000);
    let mut share = share_of(&tree);
    assert_eq!(share.read(), None);
    level("outer/inner", "200000", 2_500_000);
    assert_eq!(read_after(&mut share, SECOND).await, Some(0.75));
    // In a burst, more than the quota may be used.
    level("outer/inner", "200000", 5_000_000);
    assert_eq!(read_after(&mut share, SECOND).await, Some(1.0));
    // The quota is lifted while we run, and the one above is found.
    level("outer/inner", "max", 6_000_000);
    assert_eq!(read_after(&mut share, SECOND).await, None, "the machine's, for the first time");
    level("outer", "350000", 10_000_000);
    assert_eq!(read_after(&mut share, 10 * SECOND).await, None, "the other's, for the first time");
    level("outer", "350000", 13_500_000);
    assert_eq!(read_after(&mut share, 2 * SECOND).await, Some(0.5));
}

#[tokio::test(start_paused = true)]
async fn against_the_quota_of_version_one_also_seen_from_within_a_container() {
    for (groups, directory) in [
        ("3:cpu,cpuacct:/docker/abc\n0::/\n", "docker/abc"),
        ("4:cpu:/docker/abc\n3:cpuacct:/docker/abc\n", "docker/abc"),
        // The path is the host's, and what is mounted is our group.
        ("3:cpu,cpuacct:/docker/abc\n", "."),
        ("3:cpu,cpuacct:/../abc\n", "."),
    ] {
        let tree = tree(groups);
        let used = |nanos: u64| {
            tree.write(&format!("cgroup/cpuacct/{directory}/cpuacct.usage"), &format!("{nanos}\n"));
        };
        tree.write(&format!("cgroup/cpu/{directory}/cpu.cfs_quota_us"), "150000\n");
        tree.write(&format!("cgroup/cpu/{directory}/cpu.cfs_period_us"), "100000\n");
        used(7_000_000_000);
        let mut share = share_of(&tree);
        assert_eq!(share.read(), None);
        used(7_600_000_000);
        assert_eq!(read_after(&mut share, SECOND).await, Some(0.4), "{groups}");
        // A quota of less than nothing is none.
        tree.write(&format!("cgroup/cpu/{directory}/cpu.cfs_quota_us"), "-1\n");
        assert_eq!(read_after(&mut share, SECOND).await, None);
        stat(&tree, [50, 50, 50, 50], [50, 50, 50, 50]);
        assert_eq!(read_after(&mut share, SECOND).await, Some(0.5), "{groups}");
    }
}

#[tokio::test(start_paused = true)]
async fn where_nothing_can_be_read_there_is_none() {
    let tree = Tree::new();
    let mut share = share_of(&tree);
    assert_eq!(share.read(), None);
    assert_eq!(read_after(&mut share, SECOND).await, None);
}

#[test]
fn a_list_of_processors() {
    assert_eq!(numbers("0-2,8"), Some(vec![0, 1, 2, 8]));
    for nonsense in ["", "x", "1-", "0-100000"] {
        assert_eq!(numbers(nonsense), None, "{nonsense}");
    }
}
