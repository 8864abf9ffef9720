//! Places that cannot be used, or not now.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use redb::StorageBackend;

use super::{NOON, Scratch, event, frame, kept, set_aside, time};
use crate::history::base::Base;
use crate::history::store::Opener;
use crate::history::{Bounds, Place, Store};

#[test]
fn directory_and_file_are_ours_alone() {
    let scratch = Scratch::new();
    let store = scratch.open_well();
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(scratch.state()), 0o700);
    assert_eq!(mode(scratch.file()), 0o600);
    assert_eq!(mode(scratch.state().join("history.lock")), 0o600);
    drop(store);
    fs::set_permissions(scratch.file(), Permissions::from_mode(0o666)).unwrap();
    let _store = scratch.open_well();
    assert_eq!(mode(scratch.file()), 0o600);
}

#[test]
fn a_second_process_keeps_its_own_until_the_first_one_ends() {
    let scratch = Scratch::new();
    let first = scratch.open_well();
    first.append(frame(NOON, 1.0));
    let (second, warnings) = scratch.open();
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].contains("another process"), "{warnings:?}");
    assert!(warnings[0].contains("--state-dir"), "{warnings:?}");
    assert_eq!((first.failures(), second.failures()), (0, 1));
    for at in [NOON + 30, NOON + 60, NOON + 90] {
        second.append(frame(at, 2.0));
    }
    assert_eq!(kept(&first, NOON, NOON + 900), [NOON]);
    drop(first);
    second.append(frame(NOON + 150, 2.0));
    assert_eq!(kept(&second, NOON, NOON + 900).len(), 5);
    drop(second);
    assert_eq!(kept(&scratch.open_well(), NOON, NOON + 900).len(), 5);
}

#[test]
fn a_place_that_is_no_directory_is_done_without() {
    let scratch = Scratch::new();
    fs::write(scratch.state(), "a file").unwrap();
    let (store, warnings) = scratch.open();
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].contains("--state-dir"), "{warnings:?}");
    store.append(frame(NOON, 1.0));
    assert_eq!(kept(&store, NOON, NOON), [NOON]);
    assert_eq!(fs::read(scratch.state()).unwrap(), b"a file");
}

#[test]
fn a_directory_that_cannot_be_written_is_done_without_until_it_can() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.state()).unwrap();
    // Nobody can make a file there, not even root: the directory is not there any more.
    let moved = scratch.0.join("moved");
    fs::rename(scratch.state(), &moved).unwrap();
    std::os::unix::fs::symlink("/proc/self/fdinfo", scratch.state()).unwrap();
    let (store, warnings) = scratch.open();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    store.append(frame(NOON, 1.0));
    fs::remove_file(scratch.state()).unwrap();
    fs::rename(&moved, scratch.state()).unwrap();
    store.append(frame(NOON + 30, 1.0));
    assert!(!scratch.file().exists());
    store.append(frame(NOON + 60, 1.0));
    assert!(scratch.file().exists());
    assert_eq!(kept(&store, NOON, NOON + 60).len(), 3);
}

#[test]
fn what_is_no_regular_file_is_set_aside() {
    for kind in ["directory", "pipe"] {
        let scratch = Scratch::new();
        fs::create_dir(scratch.state()).unwrap();
        if kind == "directory" {
            fs::create_dir(scratch.file()).unwrap();
        } else {
            assert!(Command::new("mkfifo").arg(scratch.file()).status().unwrap().success());
            assert!(fs::metadata(scratch.file()).unwrap().file_type().is_fifo());
        }
        let (store, warnings) = scratch.open();
        store.append(frame(NOON, 1.0));
        assert_eq!(warnings.len(), 1, "{kind}");
        assert!(fs::metadata(scratch.file()).unwrap().is_file(), "{kind}");
    }
}

#[test]
fn only_the_newest_that_were_set_aside_stay() {
    let scratch = Scratch::new();
    let mut seen = BTreeSet::new();
    for _ in 0..5 {
        fs::create_dir_all(scratch.state()).unwrap();
        fs::write(scratch.file(), "broken").unwrap();
        let (_store, warnings) = scratch.open();
        seen.insert(warnings[0].clone());
    }
    assert_eq!(seen.len(), 5);
    assert_eq!(set_aside(&scratch.state()), 2);
}

#[test]
fn another_version_and_another_program_are_set_aside() {
    let version = redb::TableDefinition::<&str, u64>::new("facts");
    let theirs = redb::TableDefinition::<u64, u64>::new("theirs");
    for of_theirs in [false, true] {
        let scratch = Scratch::new();
        drop(scratch.open_well());
        let database = redb::Database::open(scratch.file()).unwrap();
        let write = database.begin_write().unwrap();
        if of_theirs {
            write.open_table(theirs).unwrap().insert(1, 1).unwrap();
        } else {
            write.open_table(version).unwrap().insert("version", 2).unwrap();
        }
        write.commit().unwrap();
        drop(database);
        let (store, warnings) = scratch.open();
        store.append(frame(NOON, 1.0));
        assert_eq!((warnings.len(), set_aside(&scratch.state())), (1, 1), "{warnings:?}");
    }
}

#[test]
fn a_disk_that_is_full_for_a_while_costs_no_sample() {
    let disk = Disk::default();
    let opened = disk.clone();
    let place = Opener::Disk {
        name: "/state".to_owned(),
        open: Arc::new(move |bounds| Ok((Base::open(opened.clone(), bounds)?, None))),
    };
    let (store, warnings) = Store::open_by(place, Bounds::of_bytes(1 << 30));
    assert_eq!(warnings, Vec::<String>::new());
    for at in (NOON..NOON + 900).step_by(30) {
        store.append(frame(at, 1.0));
    }
    disk.is_full.store(true, Ordering::Relaxed);
    for at in (NOON + 900..NOON + 1800).step_by(30) {
        store.append(frame(at, 1.0));
        store.append_events(vec![event(at, "full")]);
    }
    let meanwhile = kept(&store, NOON, NOON + 1800);
    assert_eq!(meanwhile, (NOON + 900..NOON + 1800).step_by(30).collect::<Vec<_>>());
    let failures = store.failures();
    assert!(failures > 0 && store.is_troubled(Duration::ZERO), "{failures}");
    disk.is_full.store(false, Ordering::Relaxed);
    for at in (NOON + 1800..NOON + 2700).step_by(30) {
        store.append(frame(at, 1.0));
    }
    let all: Vec<u64> = (NOON..NOON + 2700).step_by(30).collect();
    assert_eq!(kept(&store, NOON, NOON + 2700), all);
    assert_eq!(store.failures(), failures, "all is well again");
    assert!(!store.is_troubled(Duration::ZERO) && store.is_troubled(Duration::MAX));
    assert_eq!(store.events(time(NOON), time(NOON + 2700), None, 100).len(), 30);
    drop(store);
    let place = Base::open(disk, Bounds::of_bytes(1 << 30)).unwrap();
    assert_eq!(place.span().unwrap().unwrap().last, NOON + 2670);
}

#[test]
fn no_state_is_no_file() {
    let scratch = Scratch::new();
    let (store, warnings) = Store::open(Place::Memory);
    store.append(frame(NOON, 1.0));
    assert_eq!(warnings, Vec::<String>::new());
    assert_eq!(fs::read_dir(&scratch.0).unwrap().count(), 0);
}

/// A disk that can be full, and keeps what was written when it is opened again.
#[derive(Debug, Clone, Default)]
struct Disk {
    bytes: Arc<Mutex<Vec<u8>>>,
    is_full: Arc<AtomicBool>,
}

impl Disk {
    fn room(&self) -> io::Result<()> {
        if self.is_full.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.bytes.lock().unwrap().len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let start = offset as usize;
        out.copy_from_slice(&self.bytes.lock().unwrap()[start..start + out.len()]);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.room()?;
        self.bytes.lock().unwrap().resize(length as usize, 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.room()?;
        let start = offset as usize;
        self.bytes.lock().unwrap()[start..start + data.len()].copy_from_slice(data);
        Ok(())
    }
}
