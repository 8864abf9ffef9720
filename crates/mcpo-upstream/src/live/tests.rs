use super::*;

use mcpo_core::fault::Fault;

const RULES: Rules = Rules {
    is_probed: true,
    connection_per_call: false,
    stale: Duration::from_secs(90),
    grow_at: 2,
};

fn member() -> Arc<Member> {
    Member::new(RULES, Arc::new(Bell::default()))
}

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn signs_follow_the_calls_under_way() {
    let member = member();
    let now = Instant::now();
    assert_eq!((member.signs().busy_since, member.idle_since()), (None, Some(now)));
    member.begin(now, now + 10 * SECOND);
    tokio::time::advance(SECOND).await;
    member.begin(Instant::now(), now + 31 * SECOND);
    member.begin(Instant::now(), now + 5 * SECOND);
    let signs = member.signs();
    assert_eq!((signs.busy_since, signs.patience), (Some(now.into_std()), 30 * SECOND));
    assert_eq!((member.outstanding(), member.idle_since()), (3, None));
    (0..3).for_each(|_| member.end_call(Instant::now()));
    assert_eq!(member.idle_since(), Some(now + SECOND));
    member.begin(Instant::now(), now + 3 * SECOND);
    assert_eq!(member.signs().patience, 2 * SECOND, "that of the calls before is over");
}

#[tokio::test(start_paused = true)]
async fn what_is_heard_takes_back_every_doubt() {
    let member = member();
    member.doubt_time();
    assert!(member.is_doubted() && member.is_stale(Instant::now()));
    member.heard(Instant::now());
    assert!(!member.is_doubted() && !member.is_stale(Instant::now()));
    tokio::time::advance(91 * SECOND).await;
    assert!(member.is_stale(Instant::now()), "not heard of for longer than that");
    member.heard(Instant::now());
    assert!(!member.is_stale(Instant::now()));
}

#[tokio::test(start_paused = true)]
async fn who_looks_waits_for_the_answer_the_end_or_the_deadline() {
    let member = member();
    let began = Instant::now();
    assert!(member.look(began + SECOND).await, "late, it is still the best there is");
    assert_eq!(began.elapsed(), SECOND);
    let (usable, ()) = tokio::join!(member.look(began + 60 * SECOND), async {
        member.doubts.notified().await;
        tokio::time::sleep(SECOND).await;
        member.heard(Instant::now());
    });
    assert!(usable && began.elapsed() == 2 * SECOND);
    let (usable, first) = tokio::join!(member.look(began + 60 * SECOND), async {
        member.spend(Fault::new(FaultKind::SessionLost, "gone"))
    });
    assert!(!usable && first && began.elapsed() == 2 * SECOND);
    assert!(!member.spend(Fault::new(FaultKind::Stopping, "again")), "the first word counts");
    assert_eq!(member.spent_by().map(|fault| fault.kind), Some(FaultKind::SessionLost));
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_not_probed_is_never_waited_for() {
    let rules = Rules { is_probed: false, ..RULES };
    let member = Member::new(rules, Arc::new(Bell::default()));
    member.doubt_time();
    member.doubt();
    tokio::time::advance(1000 * SECOND).await;
    assert!(!member.is_doubted() && !member.is_stale(Instant::now()));
    member.doubt_by_order();
    assert!(member.is_doubted());
}

#[tokio::test(start_paused = true)]
async fn a_crowd_rings_once_each_time_that_the_keeper_wants_to_hear_of_it() {
    let bell = Arc::new(Bell::default());
    let member = Member::new(RULES, Arc::clone(&bell));
    let now = Instant::now();
    let rung = async || tokio::time::timeout(SECOND, bell.rings()).await.is_ok();
    (0..5).for_each(|_| member.begin(now, now + SECOND));
    assert!(!rung().await, "nobody asked");
    bell.tell_crowded(true);
    (0..5).for_each(|_| member.begin(now, now + SECOND));
    assert!(rung().await);
    assert!(!bell.hears_crowded() && !rung().await);
}

#[tokio::test(start_paused = true)]
async fn no_call_begins_on_a_session_that_is_of_no_use_any_more() {
    let (leaving, spent) = (member(), member());
    leaving.leave();
    spent.spend(Fault::new(FaultKind::SessionLost, "gone"));
    let now = Instant::now();
    for member in [leaving, spent] {
        assert!(Member::enter(&member, now, now + SECOND).is_none());
        assert_eq!(member.outstanding(), 0);
        // What is under way is counted until it is over, also where nobody says when that was.
        member.begin(now, now + SECOND);
        member.end_call(now + SECOND);
        assert_eq!(member.idle_since(), Some(now + SECOND));
    }
    let member = member();
    let in_flight = Member::enter(&member, now, now + SECOND).expect("it can be used");
    assert_eq!(member.outstanding(), 1);
    in_flight.end(now + SECOND);
    assert_eq!((member.outstanding(), member.idle_since()), (0, Some(now + SECOND)));
}
