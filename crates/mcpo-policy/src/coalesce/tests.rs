use std::future::pending;
use std::pin::pin;
use std::sync::atomic::AtomicUsize;

use futures_util::FutureExt;
use mcpo_core::outcome::Outcome;
use mcpo_mcp::answer::Answer;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn replied() -> Report {
    Report::new(Outcome::Reply(Answer::Result("{}".into())), 1, Duration::ZERO)
}

fn facts() -> Facts {
    Facts::new(Epoch { writes: 0, purges: 0 }, Instant::now() + 60 * SECOND, None)
}

fn question(index: usize) -> Question {
    Question::test(index as u64, index)
}

/// A panic is met by one of those who wait, as by a call alone; the others try again.
#[tokio::test(start_paused = true)]
async fn a_panic_in_a_flight_leaves_nobody_waiting() {
    let flights = Arc::new(Flights::new());
    let mut waiting = JoinSet::new();
    for _ in 0..10 {
        let flight = flights.board(&question(0), facts(), |_| async {
            sleep(SECOND).await;
            panic!("it breaks")
        });
        let flight = flight.expect("there is room");
        let deadline = flight.flying.facts.deadline;
        waiting.spawn(flight.arrive(deadline));
    }
    let (mut panics, mut others) = (0, 0);
    while let Some(ended) = waiting.join_next().await {
        match ended {
            Ok(Arrival::TooEarly) => others += 1,
            Ok(other) => panic!("{other:?}"),
            Err(ended) => panics += usize::from(ended.is_panic()),
        }
    }
    assert_eq!((panics, others, flights.count()), (1, 9, 0));
}

/// Whoever drives it may leave, and so may those in line: the work goes on from where it is.
#[tokio::test(start_paused = true)]
async fn the_seat_of_one_who_leaves_goes_to_the_next_in_line() {
    let flights = Arc::new(Flights::new());
    let begun = Arc::new(AtomicUsize::new(0));
    let began = Instant::now();
    let mut waiting = JoinSet::new();
    let mut aboard = Vec::new();
    for _ in 0..4 {
        let begun = Arc::clone(&begun);
        let flight = flights.board(&question(0), facts(), |_| async move {
            begun.fetch_add(1, Ordering::Relaxed);
            sleep(4 * SECOND).await;
            replied()
        });
        let deadline = began + 60 * SECOND;
        aboard.push(waiting.spawn(flight.expect("there is room").arrive(deadline)));
    }
    for leaver in [0, 2, 1] {
        sleep(SECOND).await;
        aboard[leaver].abort();
    }
    let mut landed = 0;
    while let Some(ended) = waiting.join_next().await {
        match ended {
            Ok(Arrival::Landed(report)) => landed += usize::from(report.shared),
            Ok(other) => panic!("{other:?}"),
            Err(ended) => assert!(ended.is_cancelled()),
        }
    }
    assert_eq!((landed, began.elapsed()), (1, 4 * SECOND));
    assert_eq!((begun.load(Ordering::Relaxed), flights.count()), (1, 0));
}

/// One that was given the seat may leave before it knows.
#[tokio::test(start_paused = true)]
async fn a_seat_that_was_given_and_not_taken_goes_to_the_next_in_line() {
    let flights = Arc::new(Flights::new());
    let board = || {
        let flight = flights.board(&question(0), facts(), |_| async {
            sleep(SECOND).await;
            replied()
        });
        Box::pin(flight.expect("there is room").arrive(Instant::now() + 60 * SECOND))
    };
    let (mut leader, mut next, mut last) = (board(), board(), board());
    for one in [&mut leader, &mut next, &mut last] {
        assert!(one.as_mut().now_or_never().is_none());
    }
    drop(leader);
    drop(next);
    let arrival = timeout(9 * SECOND, last).await;
    assert!(matches!(&arrival, Ok(Arrival::Landed(report)) if report.shared), "{arrival:?}");
}

/// Whoever drives may be kept from it for as long as it likes.
#[tokio::test(start_paused = true)]
async fn who_waits_for_one_who_is_not_polled_gives_up_at_its_own_deadline() {
    for later in [Duration::ZERO, LANDING_TIME_MAX, 9 * SECOND] {
        let flights = Arc::new(Flights::new());
        let board = || flights.board(&question(0), facts(), |_| pending()).expect("there is room");
        let (leader, in_line) = (board(), board());
        let landing = leader.flying.facts.deadline;
        let mut leading = pin!(leader.arrive(landing));
        assert!(leading.as_mut().now_or_never().is_none());
        let arrival = timeout_at(landing + 60 * SECOND, in_line.arrive(landing + later)).await;
        assert!(matches!(arrival, Ok(Arrival::StillInLine)), "{arrival:?}");
        assert_eq!(Instant::now(), landing + later.max(LANDING_TIME_MAX));
    }
}

#[tokio::test(start_paused = true)]
async fn a_flight_that_is_polled_by_nobody_is_not_joined_once_it_is_dropped() {
    let flights = Arc::new(Flights::new());
    let begun = Arc::new(AtomicUsize::new(0));
    for wanted in 1..=3 {
        let begun_too = Arc::clone(&begun);
        let flight = flights.board(&question(0), facts(), |_| {
            begun_too.fetch_add(1, Ordering::Relaxed);
            async { replied() }
        });
        assert_eq!((begun.load(Ordering::Relaxed), flights.count()), (wanted, 1));
        drop(flight);
        assert_eq!(flights.count(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn flights_and_followers_are_bounded() {
    let flights = Arc::new(Flights::new());
    let board = |index: usize| flights.board(&question(index), facts(), |_| async { replied() });
    // All of them are of one shard.
    let all: Vec<_> = (0..=FLIGHTS_PER_SHARD_MAX).map(board).collect();
    assert!(all[..FLIGHTS_PER_SHARD_MAX].iter().all(Option::is_some));
    assert!(all[FLIGHTS_PER_SHARD_MAX].is_none());
    assert!(board(0).is_some_and(|flight| !flight.leads), "one that is there is joined");
    drop(all);
    assert_eq!(flights.count(), 0);

    let leader = board(0).expect("there is room");
    let followers: Vec<_> = (0..FOLLOWERS_MAX).map(|_| board(0).expect("there is room")).collect();
    assert!(followers.iter().all(|flight| !flight.leads));
    let next = board(0).expect("there is room");
    assert!(next.leads && !Arc::ptr_eq(&next.flying, &leader.flying));
    assert_eq!(flights.count(), 1, "the newest is joined from now on");
    drop((leader, followers));
    assert_eq!(flights.count(), 1);
    drop(next);
    assert_eq!(flights.count(), 0);
}

/// Whoever made two questions of one hash gains nothing by it.
#[tokio::test(start_paused = true)]
async fn two_questions_of_one_hash_are_two() {
    let flights = Arc::new(Flights::new());
    let board = |question: Question| flights.board(&question, facts(), |_| async { replied() });
    let first = board(Question::test(7, 1));
    assert!(first.is_some() && board(Question::test(7, 2)).is_none());
    assert!(board(Question::test(7, 1)).is_some_and(|flight| !flight.leads));
}
