//! Capacity is what it says, on a clock that the test moves.

use futures_util::future::join_all;
use tokio::time::Instant;

use super::*;

fn capacity(room: Option<usize>) -> Capacity {
    Capacity { workers: 2, service: Duration::from_millis(10), room }
}

#[tokio::test(start_paused = true)]
async fn a_queue_without_an_end_takes_all_and_serves_them_in_turns() {
    let mut tasks = JoinSet::new();
    let workers = Workers::start(capacity(None), &mut tasks);
    let began = Instant::now();
    let served = join_all((0..100).map(|_| workers.serve())).await;
    assert!(served.iter().all(Result::is_ok));
    assert_eq!(began.elapsed().as_millis() / 10, 50, "a hundred calls, two at a time");
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_refuses_at_once() {
    let mut tasks = JoinSet::new();
    let workers = Workers::start(capacity(Some(3)), &mut tasks);
    let began = Instant::now();
    let served = join_all((0..10).map(|_| workers.serve())).await;
    let refused = served.iter().filter(|one| **one == Err(Full)).count();
    assert_eq!(refused, 7, "no worker has looked at the queue yet");
    assert!(began.elapsed() < Duration::from_millis(30));
    assert_eq!(workers.serve().await, Ok(()));
}
