use mcpo_mcp::error::RpcError;
use tokio::task::JoinSet;

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

fn keyed(key: &str) -> Keyed<'_> {
    Keyed { upstream: "up", tool: "write", key, arguments: b"{}" }
}

fn answer(text: &str) -> Answer {
    Answer::Result(Bytes::copy_from_slice(text.as_bytes()))
}

fn store(policy: IdempotencyPolicy) -> Arc<Store> {
    Arc::new(Store::new(policy))
}

impl Store {
    async fn claimed<'s>(&'s self, keyed: Keyed<'_>) -> Claim<'s> {
        self.claim(keyed, Instant::now() + MINUTE).await.expect("a proper key")
    }

    async fn ours<'s>(&'s self, keyed: Keyed<'_>) -> Lead<'s> {
        match self.claimed(keyed).await {
            Claim::Ours(lead) => lead,
            other @ (Claim::Answered(_) | Claim::NotInTime { .. }) => panic!("not ours: {other:?}"),
        }
    }

    async fn reply(&self, key: &str) -> Option<Bytes> {
        match self.claimed(keyed(key)).await {
            Claim::Answered(Answer::Result(raw)) => Some(raw),
            Claim::Ours(_) => None,
            other @ (Claim::Answered(_) | Claim::NotInTime { .. }) => panic!("{other:?}"),
        }
    }

    fn sizes(&self) -> (usize, usize, usize) {
        let kept = self.lock();
        (kept.slots.len(), kept.answered.len(), kept.bytes)
    }
}

#[tokio::test(start_paused = true)]
async fn a_repeated_call_gets_the_reply_that_is_kept_until_it_is_too_old() {
    let store = store(IdempotencyPolicy::default());
    store.ours(keyed("k")).await.answered(&answer("one"));
    assert_eq!(store.reply("k").await.as_deref(), Some(&b"one"[..]));
    tokio::time::advance(Duration::from_secs(599)).await;
    assert_eq!(store.reply("k").await.as_deref(), Some(&b"one"[..]));
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(store.reply("k").await, None);
    assert_eq!(store.sizes(), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn an_error_that_the_upstream_answered_with_is_kept_like_a_result() {
    let store = store(IdempotencyPolicy::default());
    let error = RpcError { code: -32602, message: "no".to_owned(), data: None };
    store.ours(keyed("k")).await.answered(&Answer::Error(error));
    match store.claimed(keyed("k")).await {
        Claim::Answered(Answer::Error(kept)) => {
            assert_eq!((kept.code, &*kept.message), (-32602, "no"));
        }
        other @ (Claim::Answered(_) | Claim::Ours(_) | Claim::NotInTime { .. }) => {
            panic!("{other:?}")
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_stands_for_one_tool_and_one_set_of_arguments() {
    let store = store(IdempotencyPolicy::default());
    store.ours(keyed("k")).await.answered(&answer("one"));
    let misused = |keyed| async move { store.claim(keyed, Instant::now()).await.map(|_| ()) };
    let other = Keyed { arguments: b"{\"a\":1}", ..keyed("k") };
    assert_eq!(misused(other).await, Err(KeyMisused::OtherArguments));
}

#[tokio::test(start_paused = true)]
async fn the_same_key_means_nothing_to_another_tool_or_upstream() {
    let store = store(IdempotencyPolicy::default());
    store.ours(keyed("k")).await.answered(&answer("one"));
    let _tool = store.ours(Keyed { tool: "read", ..keyed("k") }).await;
    let _upstream = store.ours(Keyed { upstream: "other", ..keyed("k") }).await;
}

#[tokio::test(start_paused = true)]
async fn other_arguments_are_refused_while_the_call_is_under_way_and_not_once_it_is_forgotten() {
    let store = store(IdempotencyPolicy::default());
    let other = Keyed { arguments: b"[]", ..keyed("k") };
    let lead = store.ours(keyed("k")).await;
    let refused = store.claim(other, Instant::now()).await.map(|_| ());
    assert_eq!(refused, Err(KeyMisused::OtherArguments));
    drop(lead);
    store.ours(other).await;
    assert_eq!(store.sizes(), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_key_has_a_length() {
    let store = store(IdempotencyPolicy::default());
    let long = "k".repeat(KEY_BYTES_MAX + 1);
    for bad in ["", &long] {
        let claim = store.claim(keyed(bad), Instant::now()).await.map(|_| ());
        assert_eq!(claim, Err(KeyMisused::BadKey));
    }
    store.ours(keyed(&long[1..])).await;
}

#[tokio::test(start_paused = true)]
async fn all_who_wait_get_the_answer_of_the_call_under_way() {
    let store = store(IdempotencyPolicy::default());
    let lead = store.ours(keyed("k")).await;
    let mut waiting = JoinSet::new();
    for _ in 0..300 {
        let store = Arc::clone(&store);
        waiting.spawn(async move { store.reply("k").await });
    }
    tokio::task::yield_now().await;
    lead.answered(&answer("one"));
    let replies = waiting.join_all().await;
    assert!(replies.iter().all(|reply| reply.as_deref() == Some(b"one")), "{replies:?}");
    assert_eq!(store.sizes().0, 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_gives_its_turn_to_the_next_that_waits() {
    let store = store(IdempotencyPolicy::default());
    let lead = store.ours(keyed("k")).await;
    lead.set_may_have_acted(true);
    let (second, third, ()) = tokio::join!(
        store.ours(keyed("k")),
        async {
            let began = Instant::now();
            let claim = store.claim(keyed("k"), began + Duration::from_secs(1)).await;
            (matches!(claim, Ok(Claim::NotInTime { may_have_acted: true })), began.elapsed())
        },
        async { drop(lead) },
    );
    assert!(second.may_have_acted());
    assert_eq!(third, (true, Duration::from_secs(1)));
    drop(second);
    assert_eq!(store.sizes(), (0, 0, 0));
    assert!(!store.ours(keyed("k")).await.may_have_acted(), "it is another call");
}

#[tokio::test(start_paused = true)]
async fn more_dropped_turns_than_anybody_would_try_still_leave_one_to_the_last() {
    let store = store(IdempotencyPolicy::default());
    let first = store.ours(keyed("k")).await;
    let mut waiting = JoinSet::new();
    for _ in 0..1_000 {
        let store = Arc::clone(&store);
        waiting.spawn(async move { drop(store.ours(keyed("k")).await) });
    }
    tokio::task::yield_now().await;
    drop(first);
    waiting.join_all().await;
    assert_eq!(store.sizes(), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn the_oldest_replies_make_room_for_new_ones() {
    let many = store(IdempotencyPolicy { entries_max: 3, ..IdempotencyPolicy::default() });
    let large = store(IdempotencyPolicy { bytes_max: 4_000, ..IdempotencyPolicy::default() });
    for key in ["a", "b", "c", "d"] {
        many.ours(keyed(key)).await.answered(&answer("one"));
        large.ours(keyed(key)).await.answered(&answer(&"x".repeat(1_000)));
    }
    for store in [&many, &large] {
        assert_eq!(store.sizes().1, 3);
        assert_eq!(store.reply("a").await, None);
        assert!(store.reply("b").await.is_some());
    }
    assert!(large.sizes().2 <= 4_000);
}

#[tokio::test(start_paused = true)]
async fn an_answer_beyond_all_room_is_given_to_those_who_wait_and_not_kept() {
    let store = store(IdempotencyPolicy { bytes_max: 1_000, ..IdempotencyPolicy::default() });
    let lead = store.ours(keyed("k")).await;
    let (reply, ()) = tokio::join!(store.reply("k"), async {
        lead.answered(&answer(&"x".repeat(2_000)));
    });
    assert_eq!(reply.map(|raw| raw.len()), Some(2_000));
    assert_eq!(store.sizes(), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_kept_reply_does_not_hold_the_buffer_that_it_came_in() {
    let store = store(IdempotencyPolicy::default());
    let buffer = Bytes::from(vec![b'x'; 100_000]);
    store.ours(keyed("k")).await.answered(&Answer::Result(buffer.slice(10..20)));
    assert!(buffer.is_unique());
    assert_eq!(store.reply("k").await.map(|raw| raw.len()), Some(10));
}
