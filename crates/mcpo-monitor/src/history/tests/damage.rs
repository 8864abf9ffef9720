//! A file that is damaged costs its content at most, and never a start.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::{NOON, Scratch, event, frame, kept, set_aside};
use crate::history::Store;

const PAGE: u64 = 4096;

/// The bytes of a file with a few hours of many upstreams.
fn sound() -> Vec<u8> {
    let scratch = Scratch::new();
    let store = scratch.open_well();
    for at in (NOON..NOON + 6 * 3600).step_by(300) {
        let mut frame = frame(at, 1.0);
        frame.servers.extend((0..20).map(|index| (format!("server-{index}"), frame.whole)));
        store.append(frame);
    }
    store.append_events((0..100).map(|second| event(NOON + second, "kept")).collect());
    drop(store);
    fs::read(scratch.file()).unwrap()
}

/// Opens what was damaged: it must start and keep what is written from now on, and on disk. Says
/// whether the file was set aside.
fn starts(bytes: &[u8], damage: &str) -> bool {
    let scratch = Scratch::new();
    fs::create_dir(scratch.state()).unwrap();
    fs::write(scratch.file(), bytes).unwrap();
    let (store, warnings) = scratch.open();
    let later = NOON + 7 * 3600;
    store.append(frame(later, 2.0));
    assert_eq!(kept(&store, later, later), [later], "{damage}");
    drop::<Store>(store);
    let aside = set_aside(&scratch.state());
    assert_eq!(warnings.len(), aside, "{damage}: {warnings:?}");
    assert_eq!(kept(&scratch.open_well(), later, later), [later], "{damage}");
    if aside > 0 {
        assert!(warnings[0].contains("set aside"), "{damage}: {warnings:?}");
        assert_eq!(fs::read(found_aside(&scratch.state())).unwrap(), bytes, "{damage}");
    }
    aside > 0
}

fn found_aside(directory: &Path) -> std::path::PathBuf {
    let names = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    names.into_iter().find(|path| path.to_str().unwrap().contains(".broken-")).unwrap()
}

#[test]
fn a_file_that_is_cut_anywhere_is_set_aside() {
    let sound = sound();
    assert!(!starts(&sound, "none"));
    // An empty file is a new one.
    assert!(!starts(&[], "all of it"));
    let length = sound.len();
    for left in [1, 63, 64, 320, 4095, 4096, 4097, 5000, length / 2, length - 4096, length - 1] {
        assert!(starts(&sound[..left], &format!("cut to {left}")), "cut to {left}");
    }
}

#[test]
fn garbage_is_set_aside() {
    assert!(starts(b"not a history", "text"));
    assert!(starts(&[0; 8192], "zeros"));
    let mut dice = Dice(1);
    let noise: Vec<u8> = (0..100_000).map(|_| dice.roll() as u8).collect();
    assert!(starts(&noise, "noise"));
    let mut sound = sound();
    sound[9..].fill(0xff);
    assert!(starts(&sound, "only the magic number is right"));
}

#[test]
fn a_page_that_is_damaged_anywhere_costs_no_start() {
    let sound = sound();
    let pages = sound.len() as u64 / PAGE;
    let mut aside = 0;
    for page in 1..pages {
        for (at, with) in [(0, 0xff), (100, 0x00), (PAGE - 1, 0x55)] {
            let mut damaged = sound.clone();
            let at = (page * PAGE + at) as usize;
            let end = (at + 40).min(damaged.len());
            if damaged[at..end].iter().all(|byte| *byte == with) {
                continue;
            }
            damaged[at..end].fill(with);
            aside += u32::from(starts(&damaged, &format!("page {page} at {at}")));
        }
    }
    assert!(aside > 20, "only {aside} were noticed");
}

#[test]
fn a_header_that_is_damaged_anywhere_costs_no_start() {
    let sound = sound();
    let mut dice = Dice(7);
    // Magic number, layout and both commit slots stand in the first 320 bytes.
    for at in (0..320).step_by(3) {
        let mut damaged = sound.clone();
        damaged[at] ^= 1 << (dice.roll() % 8);
        damaged[(dice.roll() % 320) as usize] ^= 0x80;
        starts(&damaged, &format!("bits in {at}"));
    }
}

#[test]
fn what_turns_bad_while_it_is_open_costs_neither_a_call_nor_the_next_start() {
    let scratch = Scratch::new();
    let store = scratch.open_well();
    for at in (NOON..NOON + 3 * 3600).step_by(30) {
        store.append(frame(at, 1.0));
    }
    let file = OpenOptions::new().write(true).open(scratch.file()).unwrap();
    let length = file.metadata().unwrap().len();
    file.write_all_at(&vec![0xff; (length - PAGE) as usize], PAGE).unwrap();
    let later = NOON + 4 * 3600;
    for at in (later..later + 900).step_by(30) {
        store.append(frame(at, 2.0));
        let _may_fail = store.query(&crate::history::Query {
            server: None,
            metric: crate::history::Metric::Rate,
            from: super::time(NOON),
            to: super::time(at),
            step_seconds: 1,
        });
    }
    assert_eq!(*kept(&store, later, later + 900).last().unwrap(), later + 870);
    drop(store);
    let (store, _) = scratch.open();
    store.append(frame(later + 900, 2.0));
    assert_eq!(*kept(&store, later, later + 900).last().unwrap(), later + 900);
}

/// Numbers that are the same in every run (xorshift64, Marsaglia 2003).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}
