use std::thread;

use super::*;

const ROUTES: [Route; 7] = [
    Route::Tool,
    Route::Document,
    Route::Docs,
    Route::Probe,
    Route::Monitor,
    Route::Admin,
    Route::Other,
];

fn told(requests: &Requests) -> Vec<(Route, &'static str, u16, u64)> {
    let read = requests.read();
    read.iter().map(|one| (one.route, one.method, one.status, one.duration.count())).collect()
}

#[test]
fn requests_are_counted_by_what_they_were_in_a_stable_order() {
    let requests = Requests::default();
    assert_eq!(told(&requests), []);
    let took = Duration::from_millis(20);
    requests.record(Route::Docs, &Method::GET, 200, took);
    requests.record(Route::Tool, &Method::POST, 502, took);
    requests.record(Route::Tool, &Method::POST, 200, took * 3);
    requests.record(Route::Tool, &Method::POST, 200, took);
    let expected = [
        (Route::Tool, "POST", 200, 2),
        (Route::Tool, "POST", 502, 1),
        (Route::Docs, "GET", 200, 1),
    ];
    assert_eq!(told(&requests), expected);
    let first = &requests.read()[0];
    assert_eq!(first.duration_sum, took * 4);
    assert!((first.duration.quantile(1.0).unwrap() - 0.06).abs() < 0.001);
}

#[test]
fn methods_that_downstreams_invent_make_one_series() {
    let requests = Requests::default();
    for index in 0..5000 {
        let method = Method::from_bytes(format!("M{index}").as_bytes()).unwrap();
        requests.record(Route::Other, &method, 405, Duration::ZERO);
    }
    requests.record(Route::Other, &Method::from_bytes(b"get").unwrap(), 405, Duration::ZERO);
    assert_eq!(told(&requests), [(Route::Other, OTHER_METHOD, 405, 5001)]);
}

#[test]
fn no_flood_of_kinds_makes_more_series_than_the_bound() {
    let requests = Requests::default();
    let mut sent = 0;
    for status in 0..=u16::MAX / 64 {
        for route in ROUTES {
            requests.record(route, &Method::GET, status, Duration::from_millis(1));
            sent += 1;
        }
    }
    let told = told(&requests);
    assert!(told.len() <= SERIES_MAX + ROUTES.len() * 5, "{}", told.len());
    assert_eq!(told.iter().map(|(.., count)| count).sum::<u64>(), sent);
    // What was known before is still told apart.
    requests.record(Route::Tool, &Method::GET, 0, Duration::from_millis(1));
    assert_eq!(requests.read()[0].duration.count(), 2);
}

#[test]
fn nothing_is_lost_between_threads() {
    let requests = Requests::default();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for index in 0..2000 {
                    let status = 200 + index % 7;
                    requests.record(Route::Tool, &Method::POST, status, Duration::from_nanos(1));
                }
            });
        }
    });
    let read = requests.read();
    assert_eq!(read.len(), 7);
    assert_eq!(read.iter().map(|one| one.duration.count()).sum::<u64>(), 8000);
    let sum: Duration = read.iter().map(|one| one.duration_sum).sum();
    assert_eq!(sum, Duration::from_nanos(8000));
}
