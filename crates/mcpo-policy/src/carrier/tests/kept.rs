//! What is kept, for whom, and for how long.

use std::num::NonZeroUsize;

use mcpo_config::CacheBounds;

use super::*;

fn kept() -> Ask {
    Ask::default()
}

fn wish(freshness: Freshness) -> Ask {
    Ask { freshness, ..kept() }
}

fn status_of(report: &Report) -> (Option<u64>, Option<(CacheWord, Option<Duration>)>) {
    (number(report), report.cache.map(|status| (status.word, status.age)))
}

const MISS: Option<(CacheWord, Option<Duration>)> = Some((CacheWord::Miss, None));
const BYPASS: Option<(CacheWord, Option<Duration>)> = Some((CacheWord::Bypass, None));

const fn hit(seconds: u64) -> Option<(CacheWord, Option<Duration>)> {
    Some((CacheWord::Hit, Some(Duration::from_secs(seconds))))
}

async fn counting(make: Make) -> Arc<Bench> {
    let bench = Arc::new(Bench::ready(make).await);
    bench.up.always(Act::Count);
    bench
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_kept_for_its_ttl_and_not_longer() {
    for tool in ["kept", "alone", "acts"] {
        let bench = counting(Make::default()).await;
        let ask = || bench.ask(Ask { tool, ..kept() });
        assert_eq!(status_of(&ask().await), (Some(1), MISS));
        sleep(59 * SECOND).await;
        let report = ask().await;
        assert_eq!(status_of(&report), (Some(1), hit(59)));
        assert_eq!((report.attempts, report.upstream), (0, Duration::ZERO));
        sleep(SECOND).await;
        assert_eq!(status_of(&ask().await), (Some(2), MISS));
        let figures = figures(&bench);
        assert_eq!((figures.hits, figures.misses, figures.expirations), (1, 2, 1));
        assert_eq!((figures.entries, bench.pipeline.cache_reading().entries), (1, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_said_to_be_kept_is_not() {
    let bench = counting(Make::default()).await;
    for tool in ["write", "read", "once", "told"] {
        let first = bench.ask(Ask { tool, ..kept() }).await;
        let second = bench.ask(Ask { tool, ..kept() }).await;
        assert!(number(&first) < number(&second), "{tool}");
        assert_eq!((first.cache, second.cache), (None, None), "{tool}");
    }
    assert_eq!(bench.pipeline.cache_reading().entries, 0);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_given_what_was_kept_for_another_identity_question_or_key() {
    let bench = counting(Make::default()).await;
    let named = |name| Ask { identity: Identity::named(name), ..kept() };
    let others = [
        named("one"),
        named("other"),
        named(""),
        Ask { arguments: r#"{"a":1}"#, ..kept() },
        Ask { tool: "alone", ..kept() },
        Ask { key: Some("key"), ..kept() },
    ];
    bench.ask(kept()).await;
    for (ask, wanted) in others.into_iter().zip(2..) {
        assert_eq!(number(&bench.ask(ask).await), Some(wanted));
    }
    assert_eq!(status_of(&bench.ask(kept()).await), (Some(1), hit(0)));
    assert_eq!(status_of(&bench.ask(named("other")).await), (Some(3), hit(0)));
}

#[tokio::test(start_paused = true)]
async fn another_server_under_the_name_and_another_catalog_answer_for_themselves() {
    let bench = counting(Make::default()).await;
    assert_eq!(number(&bench.ask(kept()).await), Some(1));
    let before = bench.upstream();
    bench.replace().await;
    assert_eq!(status_of(&bench.ask(kept()).await), (Some(2), MISS));
    assert_eq!(status_of(&bench.ask(kept()).await), (Some(2), hit(0)));
    bench.treat_anew(CacheTimes { ttl: 2 * MINUTE, ..TIMES }).await;
    assert_eq!(status_of(&bench.ask(kept()).await), (Some(3), MISS));
    // A call that began before both.
    assert_eq!(number(&bench.ask_of(&before, kept()).await), Some(1));
}

#[tokio::test(start_paused = true)]
async fn a_call_with_a_key_leaves_what_is_kept_alone() {
    let bench = counting(Make::default()).await;
    let report = bench.ask(Ask { key: Some("key"), ..kept() }).await;
    assert_eq!(status_of(&report), (Some(1), None));
    assert_eq!(status_of(&bench.ask(kept()).await), (Some(2), MISS));
}

#[tokio::test(start_paused = true)]
async fn what_a_caller_says_of_kept_answers_is_obeyed() {
    let any = Freshness::default();
    let no_cache = Freshness { may_be_kept: false, ..any };
    let no_store = Freshness { may_be_stored: false, ..any };
    let young = |seconds| Freshness { age_max: Some(Duration::from_secs(seconds)), ..any };
    let bench = counting(Make::default()).await;
    assert_eq!(status_of(&bench.ask(wish(no_store)).await), (Some(1), MISS));
    assert_eq!(status_of(&bench.ask(kept()).await), (Some(2), MISS));
    sleep(10 * SECOND).await;
    assert_eq!(status_of(&bench.ask(wish(no_store)).await), (Some(2), hit(10)));
    assert_eq!(status_of(&bench.ask(wish(young(10))).await), (Some(2), hit(10)));
    assert_eq!(status_of(&bench.ask(wish(young(9))).await), (Some(3), MISS));
    assert_eq!(status_of(&bench.ask(wish(no_cache)).await), (Some(4), BYPASS));
    assert_eq!(status_of(&bench.ask(kept()).await), (Some(4), hit(0)));
    let neither = Freshness { may_be_stored: false, ..no_cache };
    assert_eq!(status_of(&bench.ask(wish(neither)).await), (Some(5), BYPASS));
    assert_eq!(status_of(&bench.ask(kept()).await), (Some(4), hit(0)));
    assert_eq!(figures(&bench).bypassed, 2);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_wants_only_what_is_kept_sends_nothing() {
    let only = Freshness { only_if_kept: true, ..Freshness::default() };
    let bench = counting(Make::default()).await;
    for (tool, word) in [("kept", Some(CacheWord::Miss)), ("told", None), ("read", None)] {
        let report = bench.ask(Ask { tool, ..wish(only) }).await;
        assert_eq!(told(&report), (NotSent, 0, Some(FaultKind::Timeout)), "{tool}");
        assert_eq!(report.cache.map(|status| status.word), word, "{tool}");
    }
    assert_eq!(figures(&bench).misses, 1);
    for other in [Ask { tool: "write", ..wish(only) }, Ask { key: Some("key"), ..wish(only) }] {
        let report = bench.ask(other).await;
        assert_eq!(told(&report), (NotSent, 0, Some(FaultKind::Timeout)));
    }
    assert_eq!(bench.up.seen(), 0);
    let entries = bench.directory.journal().entries(0, None, usize::MAX);
    let is_failure = |event: &Event| matches!(event, Event::CallFailed { .. });
    assert!(!entries.iter().any(|entry| is_failure(&entry.event)), "nothing failed");
    bench.ask(kept()).await;
    assert_eq!(status_of(&bench.ask(wish(only)).await), (Some(1), hit(0)));
}

/// Each row: what must never be kept.
#[tokio::test(start_paused = true)]
async fn errors_and_what_is_no_result_are_never_kept() {
    let acts = [
        Act::Refuse,
        Act::Fail(Sent::Maybe, status(401, None)),
        Act::Say(r#"{"content":[],"isError":true}"#),
        Act::Say(r#"{"content":[],"isError":"yes"}"#),
        Act::Say(r#"{"content":[],"is\u0045rror":true}"#),
        Act::Say(r#"{"isError":false,"isError":true}"#),
        Act::Say(r#"{"content":"text"}"#),
        Act::Say(r#"{"resultType":"input_required"}"#),
        Act::Say("[]"),
        Act::Say("null"),
        Act::Say(r#"{"content":[],"ttlMs":5000,"cacheScope":"private"}"#),
        Act::Say(r#"{"content":[],"cacheScope":"nobody"}"#),
    ];
    for act in acts {
        let bench = counting(Make::default()).await;
        bench.up.acts([act.clone()]);
        bench.ask(kept()).await;
        assert_eq!(bench.pipeline.cache_reading().entries, 0, "{act:?}");
    }
}

/// Each row: the version that is spoken, for whom, the result, and for how many seconds it is kept.
#[tokio::test(start_paused = true)]
async fn an_upstreams_own_word_counts_in_the_era_that_has_it() {
    let (old, new, common) = ("2025-11-25", "2026-07-28", Identity::COMMON);
    let one = Identity::named("one");
    let public = r#"{"content":[],"ttlMs":5000,"cacheScope":"public"}"#;
    let private = r#"{"content":[],"ttlMs":5000,"cacheScope":"private"}"#;
    let rows = [
        (new, common.clone(), public, 5),
        (new, one.clone(), public, 5),
        (new, one.clone(), private, 5),
        (new, common.clone(), private, 0),
        (old, one.clone(), public, 0),
        (new, one.clone(), r#"{"content":[],"ttlMs":5000}"#, 0),
        (new, one.clone(), r#"{"content":[],"cacheScope":"public"}"#, 0),
        (new, one.clone(), r#"{"content":[],"ttlMs":0,"cacheScope":"public"}"#, 0),
        (new, one.clone(), r#"{"content":[],"ttlMs":-1,"cacheScope":"public"}"#, 0),
        (new, one.clone(), r#"{"content":[],"ttlMs":"9","cacheScope":"public"}"#, 0),
        (new, one.clone(), r#"{"content":[],"ttlMs":1e9,"cacheScope":"public"}"#, 0),
        (new, one.clone(), r#"{"ttlMs":5000,"cacheScope":"public","isError":true}"#, 0),
    ];
    for (version, identity, says, seconds) in rows {
        let bench = counting(Make { version, ..Make::default() }).await;
        bench.up.acts([Act::Say(says)]);
        let ask = || bench.ask(Ask { tool: "told", identity: identity.clone(), ..kept() });
        let first = ask().await;
        assert_eq!(first.cache, None);
        if seconds > 0 {
            sleep(Duration::from_secs(seconds) - Duration::from_millis(1)).await;
            assert_eq!(ask().await.cache.map(|status| status.word), Some(CacheWord::Hit), "{says}");
            sleep(Duration::from_millis(1)).await;
        }
        let last = ask().await;
        assert_eq!((number(&last), bench.up.seen()), (Some(2), 2), "{version} {says}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_purge_forgets_what_is_meant_and_says_how_much() {
    let bench = counting(Make::default()).await;
    let fill = async || {
        for tool in ["kept", "alone"] {
            for arguments in ["{}", r#"{"a":1}"#] {
                bench.ask(Ask { tool, arguments, ..kept() }).await;
            }
        }
    };
    let of = |upstream, tool| bench.pipeline.purge(Purge { upstream, tool });
    fill().await;
    assert_eq!(of(Some("other"), None), 0);
    assert_eq!(of(Some("up"), Some("read")), 0);
    assert_eq!(of(Some("up"), Some("alone")), 2);
    assert_eq!(status_of(&bench.ask(kept()).await), (Some(1), hit(0)));
    assert_eq!(of(Some("up"), None), 2);
    assert_eq!(bench.ask(kept()).await.cache.map(|status| status.word), Some(CacheWord::Miss));
    fill().await;
    assert_eq!(of(None, None), 4);
    let figures = figures(&bench);
    assert_eq!((figures.purged, figures.entries, figures.bytes), (8, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_was_asked_before_a_purge_is_not_kept_after_it() {
    for tool in ["kept", "alone"] {
        let bench = counting(Make::default()).await;
        bench.up.acts([Act::CountAfter(SECOND)]);
        let calls = crowd(&bench, [Ask { tool, ..kept() }]).await;
        bench.pipeline.purge(Purge::default());
        assert_eq!(number(&calls.join_all().await[0]), Some(1));
        assert_eq!(number(&bench.ask(Ask { tool, ..kept() }).await), Some(2));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_after_a_purge_is_not_answered_with_what_was_asked_before_it() {
    let bench = counting(Make::default()).await;
    bench.up.acts([Act::CountAfter(2 * SECOND)]);
    let before = crowd(&bench, [kept(), kept()]).await;
    bench.pipeline.purge(Purge { upstream: Some("up"), tool: Some("kept") });
    assert_eq!(status_of(&bench.ask(kept()).await), (Some(2), MISS));
    assert!(before.join_all().await.iter().all(|report| number(report) == Some(1)));
    let given = bench.ask(kept()).await;
    assert_eq!((number(&given), given.cache.map(|one| one.word)), (Some(2), Some(CacheWord::Hit)));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_was_asked_for_earlier_and_came_later_is_not_kept() {
    let bench = counting(Make::default()).await;
    bench.up.acts([Act::CountAfter(10 * SECOND)]);
    let slow = crowd(&bench, [kept()]).await;
    let no_cache = Freshness { may_be_kept: false, ..Freshness::default() };
    assert_eq!(status_of(&bench.ask(wish(no_cache)).await), (Some(2), BYPASS));
    assert_eq!(number(&slow.join_all().await[0]), Some(1));
    let given = bench.ask(kept()).await;
    assert_eq!((number(&given), given.cache.map(|one| one.word)), (Some(2), Some(CacheWord::Hit)));
    let (one, all) = (figures(&bench), bench.pipeline.cache_reading());
    assert_eq!((one.entries, all.bytes, bench.pipeline.purge(Purge::default())), (1, one.bytes, 1));
    assert_eq!((figures(&bench).entries, figures(&bench).bytes), (0, 0));
}

fn bounded(entries: usize, bytes: usize) -> Make {
    let bound = |number| NonZeroUsize::new(number).expect("it is not zero");
    let cache = CacheBounds { entries_max: bound(entries), bytes_max: bound(bytes), enabled: true };
    let options = PipelineOptions { cache, ..PipelineOptions::default() };
    Make { options, ..Make::default() }
}

const QUESTIONS: [&str; 8] = [
    r#"{"a":0}"#,
    r#"{"a":1}"#,
    r#"{"a":2}"#,
    r#"{"a":3}"#,
    r#"{"a":4}"#,
    r#"{"a":5}"#,
    r#"{"a":6}"#,
    r#"{"a":7}"#,
];

#[tokio::test(start_paused = true)]
async fn what_is_asked_for_again_stays_where_there_are_too_many() {
    let bench = counting(bounded(4, 1 << 20)).await;
    let ask = |arguments| bench.ask(Ask { arguments, ..kept() });
    for (index, arguments) in (1..).zip(QUESTIONS) {
        assert_eq!(number(&ask(arguments).await), Some(index));
        assert_eq!(bench.pipeline.cache_reading().entries, index.min(4));
        // It is there at once, and the first one is asked for all the time.
        assert_eq!(number(&ask(arguments).await), Some(index));
        assert_eq!(number(&ask(QUESTIONS[0]).await), Some(1));
    }
    let only = Freshness { only_if_kept: true, ..Freshness::default() };
    let mut hits = 0;
    for arguments in QUESTIONS {
        let report = bench.ask(Ask { arguments, ..wish(only) }).await;
        hits += u64::from(report.cache.map(|status| status.word) == Some(CacheWord::Hit));
    }
    assert_eq!((hits, figures(&bench).entries, figures(&bench).evictions), (4, 4, 4));
}

/// Calls that are made once and never again, however many, do not drive out what others ask for.
#[tokio::test(start_paused = true)]
async fn a_flood_of_questions_leaves_what_is_asked_for_often() {
    let bench = counting(bounded(100, 1 << 20)).await;
    for _ in 0..3 {
        for arguments in QUESTIONS {
            bench.ask(Ask { arguments, ..kept() }).await;
        }
    }
    for index in 0..1000 {
        let arguments: &'static str = format!("{{\"once\":{index}}}").leak();
        bench.ask(Ask { arguments, ..kept() }).await;
    }
    for arguments in QUESTIONS {
        let report = bench.ask(Ask { arguments, ..kept() }).await;
        assert_eq!(report.cache.map(|status| status.word), Some(CacheWord::Hit), "{arguments}");
    }
    assert_eq!(figures(&bench).entries, 100);
}

/// The smallest bounds: there is always room for the last one.
#[tokio::test(start_paused = true)]
async fn where_there_is_room_for_one_the_last_one_is_kept() {
    let bench = counting(bounded(1, 1 << 20)).await;
    for (index, arguments) in (1..).zip(QUESTIONS) {
        for _ in 0..2 {
            assert_eq!(number(&bench.ask(Ask { arguments, ..kept() }).await), Some(index));
        }
    }
    assert_eq!((figures(&bench).entries, figures(&bench).evictions), (1, 7));
}

/// What is of no use any more is not what there was no room for.
#[tokio::test(start_paused = true)]
async fn what_makes_room_after_its_time_counts_as_over() {
    let bench = counting(bounded(1, 1 << 20)).await;
    bench.ask(kept()).await;
    sleep(2 * MINUTE).await;
    bench.ask(Ask { arguments: QUESTIONS[0], ..kept() }).await;
    bench.ask(Ask { arguments: QUESTIONS[1], ..kept() }).await;
    let figures = figures(&bench);
    assert_eq!((figures.entries, figures.expirations, figures.evictions), (1, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn bytes_are_bounded_and_no_answer_drives_out_all_others() {
    let large: &'static str =
        Box::leak(format!("{{\"content\":[\"{}\"]}}", "x".repeat(3000)).into_boxed_str());
    let bench = counting(bounded(1000, 32_000)).await;
    bench.up.always(Act::Say(large));
    for arguments in QUESTIONS.iter().chain(&["{}", "{\"b\":1}", "{\"b\":2}"]) {
        bench.ask(Ask { arguments, ..kept() }).await;
        assert!(bench.pipeline.cache_reading().bytes <= 32_000);
    }
    let all = figures(&bench);
    assert!(all.evictions > 0 && all.entries > 4, "{all:?}");
    // An eighth of all is the most.
    let bench = counting(bounded(1000, 24_000)).await;
    bench.up.always(Act::Say(large));
    bench.ask(kept()).await;
    assert_eq!(bench.pipeline.cache_reading().entries, 0);
}

#[tokio::test(start_paused = true)]
async fn a_cache_that_is_switched_off_keeps_nothing() {
    let cache = CacheBounds { enabled: false, ..CacheBounds::default() };
    let options = PipelineOptions { cache, ..PipelineOptions::default() };
    let bench = counting(Make { options, ..Make::default() }).await;
    assert_eq!(status_of(&bench.ask(kept()).await), (Some(1), None));
    assert_eq!(status_of(&bench.ask(kept()).await), (Some(2), None));
    let only = Freshness { only_if_kept: true, ..Freshness::default() };
    assert_eq!(status_of(&bench.ask(wish(only)).await), (None, None));
    assert_eq!(figures(&bench).misses, 0);
    assert!(!bench.pipeline.cache_reading().enabled);
    assert_eq!(bench.pipeline.purge(Purge::default()), 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_over_goes_by_itself_while_refreshes_are_made() {
    let bench = counting(Make::default()).await;
    let mut refreshing = JoinSet::new();
    refreshing.spawn(bench.pipeline.refreshes());
    bench.ask(kept()).await;
    assert_eq!(figures(&bench).entries, 1);
    sleep(2 * MINUTE).await;
    let figures = figures(&bench);
    assert_eq!((figures.entries, figures.bytes, figures.expirations), (0, 0, 1));
    let gauge = bench.pipeline.gauge().cache();
    assert_eq!((gauge.enabled, gauge.servers.len(), gauge.entries), (true, 1, 0));
}
