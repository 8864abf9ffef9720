//! That the table of files has room.

use std::fs::read_to_string;

use super::make_room;

#[test]
fn the_table_of_files_has_its_room_before_they_are_opened() {
    let room = || {
        let status = read_to_string("/proc/self/status").expect("Linux tells of a process");
        let told = status.lines().find_map(|line| line.strip_prefix("FDSize:"));
        told.expect("the size of its table").trim().parse::<u64>().expect("a number")
    };
    assert!(room() < 1000, "nothing to be seen in a table of {}", room());
    make_room(1000);
    assert!(room() >= 1000, "{}", room());
}
