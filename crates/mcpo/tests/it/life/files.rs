//! How many files mcpo and its children may have open.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use mcpo_testkit::{Script, What, World};

use crate::program::{MCPO, ready};

/// The soft limit of open files that holds for a process, as the kernel tells it.
fn open_files_max(pid: i64) -> String {
    let limits = Path::new("/proc").join(pid.to_string()).join("limits");
    let limits = std::fs::read_to_string(limits).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    line.split_whitespace().nth(3).unwrap().to_owned()
}

/// mcpo, where so few files may be open as in most systems, and some more on demand.
fn few_allowed(directory: &Path, soft: &str, hard: &str) -> PathBuf {
    let path = directory.join(format!("{soft}-{hard}-files"));
    let script =
        format!("#!/bin/sh\nulimit -Sn {soft} && ulimit -Hn {hard} && exec {MCPO} \"$@\"\n");
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[tokio::test]
async fn as_many_files_may_be_open_as_connections_need_but_not_in_children() {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    // 10 connections, 20 calls, and 1024 for all else.
    for (hard, allowed) in [("3000", "1054"), ("1000", "1000")] {
        let program = few_allowed(directory, "300", hard);
        let world = World::with(program).unwrap().stdio("one", Script::echo()).unwrap();
        let world = world.env("MCPO_MAX_CONNECTIONS", "10").env("MCPO_MAX_CONCURRENT", "20");
        let world = ready(world).await;
        assert_eq!(open_files_max(world.pid().into()), allowed);
        let journal = world.journal("one");
        let child = journal.matching(|entry| entry.what == What::Start).pop().unwrap();
        assert_eq!(open_files_max(child.pid.into()), "300");
    }
}
