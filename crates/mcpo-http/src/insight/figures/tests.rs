use super::*;

const PROMETHEUS: Shape = Some(Format::Prometheus004);
const OPENMETRICS: Shape = Some(Format::OpenMetrics100);

#[test]
fn scrapers_get_the_text_that_they_like_best_and_all_others_json() {
    for (accept, expected) in [
        // Prometheus 2.53 and 3.5.
        (
            "application/openmetrics-text;version=1.0.0;q=0.5,\
             application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,\
             */*;q=0.2",
            OPENMETRICS,
        ),
        (
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
             application/openmetrics-text;version=0.0.1;q=0.5,\
             text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,\
             */*;q=0.2",
            OPENMETRICS,
        ),
        // The same without OpenMetrics, VictoriaMetrics, and Telegraf.
        ("text/plain;version=0.0.4;q=1,*/*;q=0.1", PROMETHEUS),
        ("text/plain;version=0.0.4;q=1.0,*/*;q=0.1", PROMETHEUS),
        ("Text/Plain", PROMETHEUS),
        // A browser, curl, scripts, and nonsense.
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", None),
        ("*/*", None),
        ("application/json", None),
        ("application/json, text/plain, */*", None),
        ("text/plain;q=0.5, application/json", None),
        ("text/plain;q=0", None),
        ("text/plain;q=x;;;,", PROMETHEUS),
        (",;=,q=1", None),
        ("", None),
    ] {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_str(accept).unwrap());
        assert_eq!(accepted(&headers), expected, "{accept}");
    }
    assert_eq!(accepted(&HeaderMap::new()), None);
}

#[test]
fn a_shape_has_one_of_three_names() {
    assert_eq!(named("json").unwrap(), None);
    assert_eq!(named("prometheus").unwrap(), PROMETHEUS);
    assert_eq!(named("openmetrics").unwrap(), OPENMETRICS);
    assert!(matches!(named("xml"), Err(Problem::BadQuery { .. })));
}
