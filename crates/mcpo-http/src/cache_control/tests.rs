use mcpo_policy::cache::CacheWord;

use super::*;

const ANY: Freshness =
    Freshness { may_be_kept: true, may_be_stored: true, age_max: None, only_if_kept: false };
const NEW: Freshness = Freshness { may_be_kept: false, ..ANY };
const UNSTORED: Freshness = Freshness { may_be_stored: false, ..ANY };
const KEPT: Freshness = Freshness { only_if_kept: true, ..ANY };

const fn young(seconds: u64) -> Freshness {
    Freshness { age_max: Some(Duration::from_secs(seconds)), ..ANY }
}

fn asked(lines: &[(HeaderName, &str)]) -> Freshness {
    let line = |(name, value): &(HeaderName, &str)| (name.clone(), value.parse().unwrap());
    freshness(&HeaderMap::from_iter(lines.iter().map(line)))
}

#[test]
fn a_caller_says_what_it_wants_of_answers_that_are_kept() {
    for (sent, wish) in [
        ("", ANY),
        ("no-cache", NEW),
        ("No-Cache", NEW),
        (" no-cache , foo", NEW),
        ("no-cache=\"set-cookie\"", NEW),
        ("no-cached", ANY),
        ("no-store", UNSTORED),
        ("no-store, no-cache", Freshness { may_be_kept: false, ..UNSTORED }),
        ("max-age=0", young(0)),
        ("max-age=60", young(60)),
        ("MAX-AGE=\"60\"", young(60)),
        ("max-age = 60", young(60)),
        ("max-age=60, max-age=30", young(30)),
        ("max-age=99999999999999999999999", young(SECONDS_MAX)),
        ("max-age", young(0)),
        ("max-age=", young(0)),
        ("max-age=-1", young(0)),
        ("max-age=1.5", young(0)),
        ("max-age=a", young(0)),
        ("only-if-cached", KEPT),
        ("only-if-cached, max-age=5", Freshness { only_if_kept: true, ..young(5) }),
        ("min-fresh=5, max-stale, no-transform", ANY),
        (",,=,", ANY),
    ] {
        assert_eq!(asked(&[(CACHE_CONTROL, sent)]), wish, "{sent}");
    }
    assert_eq!(asked(&[]), ANY);
    assert_eq!(
        asked(&[(CACHE_CONTROL, "max-age=9"), (CACHE_CONTROL, "no-store")]).age_max,
        young(9).age_max
    );
    assert!(!asked(&[(CACHE_CONTROL, "max-age=9"), (CACHE_CONTROL, "no-store")]).may_be_stored);
}

#[test]
fn pragma_counts_where_nothing_else_is_said() {
    assert_eq!(asked(&[(PRAGMA, "no-cache")]), NEW);
    assert_eq!(asked(&[(PRAGMA, "x, No-Cache")]), NEW);
    assert_eq!(asked(&[(PRAGMA, "cache")]), ANY);
    assert_eq!(asked(&[(PRAGMA, "no-cache"), (CACHE_CONTROL, "max-age=5")]), young(5));
}

#[test]
fn an_answer_says_where_it_comes_from() {
    let word = [CacheWord::Hit, CacheWord::Miss, CacheWord::Stale, CacheWord::Bypass];
    for (word, name) in word.into_iter().zip(["hit", "miss", "stale", "bypass"]) {
        let mut answer = Answer::default();
        tell(&mut answer, CacheStatus { word, age: None });
        assert_eq!(answer.headers()[CACHE], name);
        assert!(!answer.headers().contains_key(AGE));
        tell(&mut answer, CacheStatus { word, age: Some(Duration::from_millis(7999)) });
        assert_eq!(answer.headers()[AGE], "7");
    }
}

#[test]
fn an_age_is_told_in_whole_seconds() {
    let ages = (0..=200).chain([3600, 86_400, u64::from(u32::MAX), u64::MAX]);
    for seconds in ages {
        let mut answer = Answer::default();
        let age = Some(Duration::new(seconds, 999_999_999));
        tell(&mut answer, CacheStatus { word: CacheWord::Hit, age });
        assert_eq!(answer.headers()[AGE], seconds.to_string());
    }
}
