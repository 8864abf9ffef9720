use super::*;
use crate::diagnosis::diagnose;

#[test]
fn a_directory_that_is_a_file_cannot_be_written() {
    let file = std::env::current_exe().unwrap();
    assert!(!can_be_written(&file));
    assert!(!can_be_written(&file.join("below/it")));
    assert!(can_be_written(&std::env::temp_dir().join("mcpo-that-is-not-there/yet")));
    assert!(
        can_be_written(Path::new("relative/and/not/there")),
        "the tests run where they may write"
    );
}

#[test]
fn the_machine_and_the_directory_are_told() {
    let file = std::env::current_exe().unwrap();
    let (machine, unwritable) = surroundings(Some(file.clone()));
    assert!(machine.is_some_and(|machine| machine.memory_bytes_max > 0));
    assert_eq!(unwritable.as_deref(), Some(file.as_path()));
    let facts = Facts::new(std::time::UNIX_EPOCH, Arc::default());
    let issues = diagnose(&Facts { unwritable, ..facts.clone() }).issues;
    assert_eq!(issues.iter().map(|issue| issue.id).collect::<Vec<_>>(), ["history_unkept"]);
    let machine = machine.map(|machine| MachineSample { memory: 0.97, ..machine });
    let issues = diagnose(&Facts { machine, ..facts }).issues;
    assert_eq!(issues[0].id, "memory_pressure");
}
