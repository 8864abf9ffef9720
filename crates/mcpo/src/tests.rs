use std::sync::mpsc;

use mcpo_mcp::endpoint::Launcher;

use super::*;

#[test]
fn the_end_waits_for_nothing_that_cannot_be_called_off() {
    let (release, released) = mpsc::sync_channel::<()>(0);
    let work = async move {
        tokio::task::spawn_blocking(move || released.recv());
        Exit::Ok
    };
    assert_eq!(block_on(&mut tokio::runtime::Builder::new_multi_thread(), work), Exit::Ok);
    // It is still waiting.
    drop(release);
}

#[test]
fn children_start_through_the_program_that_runs_whatever_became_of_its_file() {
    let Launcher { program, arguments, guard } =
        launch::launcher().expect("Linux says which program this is");
    // Not a path that an upgrade gives to another program, or to none.
    assert_eq!(program, std::path::Path::new("/proc/self/exe"));
    let told = [launch::LAUNCH.to_owned(), std::process::id().to_string(), files::told()];
    assert_eq!(arguments, told);
    assert!(guard.is_some());
}
