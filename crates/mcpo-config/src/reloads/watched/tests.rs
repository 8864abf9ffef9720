//! What lies on the way to a file.

use std::os::unix::fs::symlink;

use mcpo_testkit::Scratch;
use notify::event::{CreateKind, DataChange, ModifyKind};

use super::*;

fn trail(path: &Path) -> Arc<Trail> {
    Trail::of([path.to_str().unwrap()].into_iter())
}

#[test]
fn the_trail_follows_every_symlink_and_ends_at_the_file() {
    let scratch = Scratch::new().unwrap();
    let home = scratch.path();
    std::fs::create_dir(home.join("one")).unwrap();
    std::fs::write(home.join("one/config.json"), "").unwrap();
    symlink("one", home.join("data")).unwrap();
    symlink("data/../data/config.json", home.join("config.json")).unwrap();
    let trail = trail(&home.join("config.json"));
    for entry in ["config.json", "data", "one", "one/config.json"] {
        assert!(trail.entries.contains(&home.join(entry)), "{entry} is missing: {trail:?}");
    }
    assert_eq!(trail.ends, BTreeSet::from([home.join("one/config.json")]));
    assert!(trail.places().contains(home) && trail.places().contains(home.join("one").as_path()));
}

#[test]
fn symlinks_in_a_circle_and_missing_files_have_an_end() {
    let scratch = Scratch::new().unwrap();
    let home = scratch.path();
    symlink("b", home.join("a")).unwrap();
    symlink("a", home.join("b")).unwrap();
    assert!(trail(&home.join("a")).entries.contains(&home.join("b")));
    let missing = home.join("no/such/file");
    assert_eq!(trail(&missing).ends, BTreeSet::from([missing]));
}

#[test]
fn only_what_may_change_the_content_counts() {
    let trail = trail(Path::new("/no-such-place/config.json"));
    let event = |kind, path: &str| Event::new(kind).add_path(PathBuf::from(path));
    let written = EventKind::Modify(ModifyKind::Data(DataChange::Any));
    let closed = EventKind::Access(AccessKind::Close(AccessMode::Write));
    let here = "/no-such-place/config.json";
    assert!(trail.is_touched_by(&event(written, here)));
    assert!(trail.is_touched_by(&event(closed, here)));
    assert!(trail.is_touched_by(&event(EventKind::Create(CreateKind::Folder), "/no-such-place")));
    assert!(!trail.is_touched_by(&event(written, "/no-such-place/other.json")));
    // Our own reading would be an endless reason to read.
    for mode in [AccessKind::Open(AccessMode::Any), AccessKind::Close(AccessMode::Read)] {
        assert!(!trail.is_touched_by(&event(EventKind::Access(mode), here)));
    }
    let lost = Event::new(EventKind::Other).set_flag(notify::event::Flag::Rescan);
    assert!(trail.is_touched_by(&lost), "the system lost count of changes");
}
