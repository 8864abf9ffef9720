//! Addresses, and what receivers ask for.

use std::time::{Duration, SystemTime};

use http::header::{HeaderMap, HeaderValue, RETRY_AFTER};
use mcpo_config::{AlertSeverity, Secret, Webhook, WebhookFormat};

use super::{Poster, RETRY_AFTER_MAX, retry_after};

fn poster(url: &str, format: WebhookFormat) -> Poster {
    let (headers, min_severity) = (Vec::new(), AlertSeverity::Warning);
    Poster::new(Webhook { url: Secret::new(url), format, headers, min_severity }, "host:1")
}

#[test]
fn an_alertmanager_is_named_by_its_base() {
    for (said, meant) in [
        ("http://host:9093", "http://host:9093/api/v2/alerts"),
        ("http://host:9093/", "http://host:9093/api/v2/alerts"),
        ("http://host/alertmanager/", "http://host/alertmanager/api/v2/alerts"),
        ("https://u:p@host/api/v2/alerts", "https://u:p@host/api/v2/alerts"),
    ] {
        let url = poster(said, WebhookFormat::Alertmanager).url().unwrap();
        assert_eq!(url.as_str(), meant);
    }
    let url = poster("https://host/hook?key=1", WebhookFormat::Json).url().unwrap();
    assert_eq!(url.as_str(), "https://host/hook?key=1");
}

#[test]
fn nothing_shows_the_address() {
    let shown = format!("{:?}", poster("https://host/secret", WebhookFormat::Slack));
    assert!(!shown.contains("secret") && !shown.contains("host/"), "{shown}");
}

#[test]
fn retry_after_is_seconds_or_a_date_and_never_long() {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
    for (said, meant) in [
        ("7", Some(7)),
        ("0", Some(0)),
        ("86400", Some(RETRY_AFTER_MAX.as_secs())),
        ("99999999999999999999999", Some(RETRY_AFTER_MAX.as_secs())),
        ("Sun, 06 Nov 1994 08:49:47 GMT", Some(10)),
        ("Sun, 06 Nov 1994 08:49:27 GMT", Some(0)),
        ("-1", None),
        ("soon", None),
        ("", None),
    ] {
        let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(said))]);
        assert_eq!(retry_after(&headers, now), meant.map(Duration::from_secs), "{said}");
    }
    assert_eq!(retry_after(&HeaderMap::new(), now), None);
}
