use http::{HeaderMap, HeaderValue, Method, Uri};
use tokio::time::advance;

use super::*;

const KEY: &str = "sesame";

fn knows(logins: &Logins, cookies: &[&str]) -> bool {
    with_cookies(cookies, |shown| logins.knows(shown))
}

fn with_cookies<T>(cookies: &[&str], then: impl FnOnce(Shown<'_>) -> T) -> T {
    let mut headers = HeaderMap::new();
    for line in cookies {
        headers.append(http::header::COOKIE, HeaderValue::from_str(line).unwrap());
    }
    then(Shown { method: &Method::GET, uri: &Uri::from_static("/"), headers: &headers })
}

fn logged_in(logins: &Logins) -> String {
    logins.attempt().unwrap();
    logins.begin()
}

#[tokio::test(start_paused = true)]
async fn a_login_is_known_among_other_cookies_and_after_a_restart() {
    let logins = Logins::new(KEY);
    let login = logged_in(&logins);
    let cookie = format!("mcpo_session={login}");
    assert!(knows(&logins, &[&cookie]));
    assert!(knows(&logins, &[&format!("a=b; {cookie};c=d")]));
    assert!(knows(&logins, &["a=b", &cookie]), "HTTP/2 sends a line for each");
    assert!(knows(&logins, &["mcpo_session=planted", &cookie]), "another's cookie is in the way");
    assert!(knows(&Logins::new(KEY), &[&cookie]));
    assert!(!knows(&Logins::new("another key"), &[&cookie]));
    assert_ne!(logged_in(&logins), login, "no two logins are the same");
    for other in [format!("xmcpo_session={login}"), format!("mcpo_sessionx={login}"), login] {
        assert!(!knows(&logins, &[&other]), "{other}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_login_that_is_changed_anywhere_is_none() {
    let logins = Logins::new(KEY);
    let login = logged_in(&logins);
    for place in 0..login.len() {
        let mut forged = login.clone().into_bytes();
        forged[place] = if forged[place] == b'1' { b'2' } else { b'1' };
        let forged = String::from_utf8(forged).unwrap();
        assert!(!logins.holds(&forged, now()), "{forged}");
    }
    let (said, seal) = login.rsplit_once('.').unwrap();
    let said_bytes = said.as_bytes();
    let by_the_key = sealed(KEY.as_bytes(), said_bytes).finalize().into_bytes();
    for forged in [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        said.to_owned(),
        format!("{said}."),
        format!("{said}.{}", &seal[..seal.len() - 4]),
        format!("{said}.{seal}="),
        format!("{said}.{seal}AAAA"),
        format!("99999999999.{seal}"),
        format!("{said}.{}", URL_SAFE_NO_PAD.encode(by_the_key)),
    ] {
        assert!(!logins.holds(&forged, now()), "{forged}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_login_holds_until_its_time() {
    let logins = Logins::new(KEY);
    let until = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let login = logins.login(until, 7);
    assert!(logins.holds(&login, until - Duration::from_secs(1)));
    assert!(!logins.holds(&login, until));
    let fresh = logged_in(&logins);
    assert!(logins.holds(&fresh, now()));
    assert!(!logins.holds(&fresh, now() + LOGIN_TIME_MAX));
    let seconds = u64::MAX;
    let said = format!("{seconds}.0");
    let seal =
        URL_SAFE_NO_PAD.encode(sealed(&logins.seal, said.as_bytes()).finalize().into_bytes());
    assert!(!logins.holds(&format!("{said}.{seal}"), now()), "a time that no clock shows");
}

#[tokio::test(start_paused = true)]
async fn a_login_that_was_ended_is_none_and_others_stay() {
    let logins = Logins::new(KEY);
    let (one, two) = (logged_in(&logins), logged_in(&logins));
    let cookie = |login: &str| format!("mcpo_session={login}");
    with_cookies(&["mcpo_session=forged", &cookie(&one)], |shown| logins.end(shown));
    assert!(!knows(&logins, &[&cookie(&one)]));
    assert!(knows(&logins, &[&cookie(&two)]));
    assert_eq!(logins.memory().ended.len(), 1, "what is no login is not remembered");
    for _ in 0..ENDED_MAX + 1 {
        let login = logged_in(&logins);
        with_cookies(&[&cookie(&login)], |shown| logins.end(shown));
    }
    assert_eq!(logins.memory().ended.len(), ENDED_MAX);
}

#[tokio::test(start_paused = true)]
async fn so_many_wrong_keys_are_looked_at_in_a_minute_and_right_ones_cost_nothing() {
    let logins = Logins::new(KEY);
    for _ in 0..WRONG_KEYS_MAX * 2 {
        logged_in(&logins);
    }
    for _ in 0..WRONG_KEYS_MAX {
        logins.attempt().unwrap();
        advance(Duration::from_secs(1)).await;
    }
    let Err(Problem::TooManyLogins { retry_after }) = logins.attempt() else {
        panic!("it is one too many");
    };
    assert_eq!(retry_after, WRONG_KEYS_WITHIN - Duration::from_secs(10));
    advance(retry_after).await;
    logins.attempt().unwrap();
    assert!(logins.attempt().is_err(), "one place at a time");
}

#[test]
fn a_cookie_is_for_this_site_and_for_no_script() {
    let plain = with_cookies(&[], |shown| cookie("x", "/api", shown));
    assert_eq!(plain, "mcpo_session=x; Path=/api; Max-Age=43200; HttpOnly; SameSite=Strict");
    let over = with_cookies(&[], |shown| cookie("", "/", shown));
    assert_eq!(over, "mcpo_session=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict");
    for (name, value, secure) in [
        ("x-forwarded-proto", "https", true),
        ("x-forwarded-proto", "HTTPS, http", true),
        ("x-forwarded-proto", "http", false),
        ("x-forwarded-proto", "http, https", false),
        ("forwarded", "for=1.2.3.4;Proto=https", true),
        ("forwarded", "proto=\"https\", proto=http", true),
        ("forwarded", "for=1.2.3.4, proto=https", false),
        ("forwarded", "host=proto=https", false),
        ("origin", "https://a.example", true),
        ("origin", "http://a.example", false),
    ] {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_static(value));
        let shown = Shown { method: &Method::POST, uri: &Uri::from_static("/"), headers: &headers };
        assert_eq!(cookie("x", "/", shown).ends_with("; Secure"), secure, "{name}: {value}");
    }
}

#[test]
fn a_secret_is_not_shown() {
    assert_eq!(format!("{:?}", Logins::new(KEY)), "Logins { .. }");
}

#[test]
fn what_the_browser_says_of_itself_counts_more_than_what_proxies_say() {
    let mut headers = HeaderMap::new();
    headers.insert("origin", HeaderValue::from_static("http://a.example"));
    headers.insert("x-forwarded-proto", HeaderValue::from_static("https"));
    let shown = Shown { method: &Method::POST, uri: &Uri::from_static("/"), headers: &headers };
    assert!(!shown.came_by_tls(), "it would not take a secure cookie");
}
