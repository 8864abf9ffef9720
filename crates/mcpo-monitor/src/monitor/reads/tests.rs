use std::sync::mpsc;
use std::time::Duration;

use tokio::time::timeout;

use super::*;

#[tokio::test]
async fn what_nobody_waits_for_any_more_counts_until_it_has_ended() {
    let reads = Reads::new();
    let (ends, waits): (Vec<_>, Vec<_>) =
        (0..READS_MAX).map(|_| mpsc::sync_channel::<()>(0)).unzip();
    for wait in waits {
        let given_up = timeout(Duration::ZERO, reads.read(move || wait.recv())).await;
        assert!(given_up.is_err(), "it has begun, and waits to be ended");
    }
    assert!(timeout(Duration::from_millis(20), reads.read(|| ())).await.is_err(), "one too many");
    drop(ends);
    assert_eq!(reads.read(|| 7).await.unwrap(), 7);
}

#[tokio::test]
async fn a_read_that_panics_gives_its_turn_back() {
    let reads = Reads::new();
    for _ in 0..=READS_MAX {
        assert!(reads.read::<()>(|| panic!("of its own")).await.unwrap_err().is_panic());
    }
}
