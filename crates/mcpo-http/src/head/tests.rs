use std::num::NonZeroU32;
use std::time::Duration;

use mcpo_core::load::Rate;
use mcpo_policy::rate::RateOf;

use super::*;

fn quota() -> Quota {
    let count = |count| NonZeroU32::new(count).unwrap();
    let rate = Rate { calls: count(5), per: Duration::from_secs(1), burst: count(9) };
    Quota { of: RateOf::Tool, rate, limit: 9, remaining: 7, reset: Duration::from_secs(61) }
}

/// What is copied and filled is what would be put in by name.
#[test]
fn a_form_tells_the_same_as_each_header_by_itself() {
    let quota = quota();
    for word in WORDS {
        for (attempts, quota) in [(0, None), (1, Some(&quota)), (1, None), (3, Some(&quota))] {
            let age = has_age(word).then_some(Duration::from_secs(5));
            let cache = word.map(|word| CacheStatus { word, age });
            let head = Head { outcome: OutcomeKind::Reply, attempts, cache, quota };
            let mut expected = crate::answer::answer(StatusCode::OK, JSON, "");
            head.put(&mut expected);
            let mut told = head.answer(JSON, "");
            let room = told.headers().capacity();
            for answer in [&mut expected, &mut told] {
                answer.headers_mut().insert(REQUEST_ID, HeaderValue::from_static("a"));
            }
            assert_eq!(told.headers(), expected.headers(), "{head:?}");
            assert_eq!(told.headers().capacity(), room, "it has its room at once");
        }
    }
}

#[test]
fn an_answer_of_another_type_is_told_as_such() {
    let head = Head { outcome: OutcomeKind::Reply, ..Head::NOT_SENT };
    let answer = head.answer(HeaderValue::from_static("text/csv"), "");
    assert_eq!(answer.headers()[CONTENT_TYPE], "text/csv");
    assert_eq!(answer.headers().get_all(CONTENT_TYPE).iter().count(), 1);
}
