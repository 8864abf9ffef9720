use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use super::*;

const PATIENCE: Patience = Patience {
    first_head: Duration::from_secs(15),
    idle: Duration::from_secs(75),
    write: Duration::from_secs(30),
};

#[tokio::test(start_paused = true)]
async fn a_silent_newcomer_is_sent_away() {
    let (_downstream, socket) = duplex(64);
    let began = Instant::now();
    let mut watched = Watched::new(socket, Activity::new(PATIENCE));
    let error = watched.read_u8().await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert_eq!(began.elapsed().as_secs(), 15);
}

#[tokio::test(start_paused = true)]
async fn who_sends_a_byte_now_and_then_gains_no_time() {
    let (mut downstream, socket) = duplex(64);
    let began = Instant::now();
    let mut watched = Watched::new(socket, Activity::new(PATIENCE));
    let mut drip = async || {
        loop {
            sleep(Duration::from_secs(4)).await;
            downstream.write_u8(b'x').await.unwrap();
        }
    };
    let read = async {
        loop {
            if let Err(error) = watched.read_u8().await {
                break error.kind();
            }
        }
    };
    let kind = tokio::select! { kind = read => kind, () = drip() => unreachable!() };
    assert_eq!(kind, io::ErrorKind::TimedOut);
    assert_eq!(began.elapsed().as_secs(), 15);
}

#[tokio::test(start_paused = true)]
async fn a_request_in_flight_keeps_the_connection_and_its_end_starts_the_idle_time() {
    let (_downstream, socket) = duplex(64);
    let began = Instant::now();
    let activity = Activity::new(PATIENCE);
    let mut watched = Watched::new(socket, activity.clone());
    let request = async {
        let in_flight = activity.enter();
        sleep(Duration::from_secs(1000)).await;
        drop(in_flight);
    };
    let (read, ()) = tokio::join!(watched.read_u8(), request);
    assert_eq!(read.unwrap_err().kind(), io::ErrorKind::TimedOut);
    assert_eq!(began.elapsed().as_secs(), 1075);
}

#[tokio::test(start_paused = true)]
async fn a_write_without_progress_fails_and_progress_starts_the_clock_again() {
    let (mut downstream, socket) = duplex(4);
    let began = Instant::now();
    let mut watched = Watched::new(socket, Activity::new(PATIENCE));
    watched.write_all(b"full").await.unwrap();
    let slow_reader = async {
        sleep(Duration::from_secs(20)).await;
        downstream.read_exact(&mut [0; 4]).await.unwrap();
    };
    let (written, ()) = tokio::join!(watched.write_all(b"12345"), slow_reader);
    assert_eq!(written.unwrap_err().kind(), io::ErrorKind::TimedOut);
    assert_eq!(began.elapsed().as_secs(), 50);
}

#[tokio::test(start_paused = true)]
async fn the_idle_time_starts_when_an_answer_is_taken_however_late() {
    const ANSWER: [u8; CONTROL_BYTES_MAX + 1] = [b'x'; CONTROL_BYTES_MAX + 1];
    let (mut downstream, socket) = duplex(ANSWER.len());
    let began = Instant::now();
    let activity = Activity::new(PATIENCE);
    let mut watched = Watched::new(socket, activity.clone());
    watched.write_all(&ANSWER).await.unwrap();
    drop(activity.enter());
    let slow_reader = async {
        sleep(Duration::from_secs(20)).await;
        downstream.read_exact(&mut [0; ANSWER.len()]).await.unwrap();
    };
    let (written, ()) = tokio::join!(watched.write_all(&ANSWER), slow_reader);
    written.unwrap();
    assert_eq!(watched.read_u8().await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    assert_eq!(began.elapsed().as_secs(), 20 + PATIENCE.idle.as_secs());
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_an_end_is_no_idle_connection_until_it_ends() {
    let (downstream, socket) = duplex(256);
    let (mut taken, began) = (downstream, Instant::now());
    let activity = Activity::new(PATIENCE);
    let (mut reading, mut writing) = tokio::io::split(Watched::new(socket, activity.clone()));
    drop(activity.enter());
    let viewer = async {
        let mut rest = [0; 256];
        while taken.read(&mut rest).await.unwrap() > 0 {}
    };
    let live = async {
        for _ in 0..600 {
            writing.write_all(&[b'x'; CONTROL_BYTES_MAX + 1]).await.unwrap();
            sleep(Duration::from_secs(1)).await;
        }
    };
    let ended = tokio::select! {
        // The connection is read all the time, and nothing comes.
        (read, ()) = async { tokio::join!(reading.read_u8(), live) } => read,
        () = viewer => unreachable!(),
    };
    assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::TimedOut);
    assert_eq!(began.elapsed().as_secs(), 599 + PATIENCE.idle.as_secs());
}

#[tokio::test(start_paused = true)]
async fn at_the_end_views_are_waited_for_no_longer_than_calls() {
    let activity = Activity::new(PATIENCE);
    let wait = async |time| tokio::time::timeout(time, activity.only_views()).await.is_ok();
    assert!(!wait(Duration::from_secs(1000)).await, "an ordinary answer is under way");
    activity.view();
    let call = activity.enter();
    assert!(!wait(Duration::from_secs(1000)).await, "a call is under way beside the view");
    drop(call);
    let began = Instant::now();
    activity.only_views().await;
    assert_eq!(began.elapsed(), VIEW_END_TIME_MAX * 2);
}
