use std::sync::mpsc;

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
