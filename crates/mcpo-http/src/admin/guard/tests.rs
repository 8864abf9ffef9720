use http::Request;
use mcpo_config::{Access, Secret};

use super::*;

fn gate(key: Option<&str>) -> Gate {
    Gate::new(Access {
        api_key: key.map(Secret::new),
        strict: false,
        cors_origins: vec!["*".to_owned()],
    })
}

/// 200 or why not.
fn told(key: Option<&str>, peer: &str, headers: &[(&str, &str)]) -> (u16, &'static str) {
    let mut request = Request::get("/admin/servers");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (parts, ()) = request.body(()).unwrap().into_parts();
    match admit(&gate(key), &parts, peer.parse().unwrap()) {
        Ok(()) => (200, ""),
        Err(Problem::Forbidden { why }) => (403, why),
        Err(other) => (other.status().as_u16(), ""),
    }
}

#[test]
fn without_a_key_only_this_machine_may_come_in() {
    let local = [("host", "localhost:8000")];
    for peer in ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"] {
        assert_eq!(told(None, peer, &local), (200, ""), "{peer}");
    }
    for peer in ["10.0.0.1", "::ffff:10.0.0.1", "0.0.0.0", "fe80::1", "192.168.0.1"] {
        assert_eq!(told(None, peer, &local), (403, NOT_HERE), "{peer}");
    }
}

#[test]
fn without_a_key_nobody_comes_in_through_a_proxy() {
    for name in [
        "forwarded",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-prefix",
        "X-Forwarded-Server",
        "x-real-ip",
        "via",
    ] {
        let headers = [("host", "localhost"), (name, "10.0.0.1")];
        assert_eq!(told(None, "127.0.0.1", &headers), (403, THROUGH_PROXY), "{name}");
        let headers = [("host", "h"), (name, "10.0.0.1"), ("authorization", "Bearer k")];
        assert_eq!(told(Some("k"), "127.0.0.1", &headers), (200, ""), "{name}");
    }
    let old = Request::get("/admin/servers").version(Version::HTTP_10).header("host", "127.0.0.1");
    let (parts, ()) = old.body(()).unwrap().into_parts();
    let told = admit(&gate(None), &parts, [127, 0, 0, 1].into());
    assert!(matches!(told, Err(Problem::Forbidden { why: THROUGH_PROXY })), "{told:?}");
}

#[test]
fn another_name_that_leads_here_is_refused() {
    for host in ["localhost", "LOCALHOST:1", "127.0.0.1:8000", "127.0.0.2", "[::1]:8000"] {
        assert_eq!(told(None, "127.0.0.1", &[("host", host)]), (200, ""), "{host}");
    }
    for host in [
        "evil.example:8000",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "10.0.0.1",
        "",
        "a b",
    ] {
        assert_eq!(told(None, "127.0.0.1", &[("host", host)]), (403, OTHER_NAME), "{host}");
    }
    assert_eq!(told(None, "127.0.0.1", &[]), (403, OTHER_NAME));
    let two = [("host", "localhost"), ("host", "evil.example")];
    assert_eq!(told(None, "127.0.0.1", &two), (403, OTHER_NAME));
}

#[test]
fn pages_of_other_sites_are_refused_with_and_without_a_key() {
    let host = ("host", "localhost:8000");
    let key = ("authorization", "Bearer k");
    for (name, value, status) in [
        ("origin", "http://localhost:8000", 200),
        ("origin", "https://localhost:8000", 200),
        ("origin", "http://localhost", 403),
        ("origin", "http://localhost:8001", 403),
        ("origin", "https://evil.example", 403),
        ("origin", "null", 403),
        ("origin", "", 403),
        ("sec-fetch-site", "cross-site", 403),
        ("sec-fetch-site", "same-site", 403),
        ("sec-fetch-site", "same-origin", 200),
        ("sec-fetch-site", "none", 200),
    ] {
        let about = format!("{name}: {value}");
        assert_eq!(told(None, "127.0.0.1", &[host, (name, value)]).0, status, "{about}");
        assert_eq!(told(Some("k"), "10.0.0.1", &[host, key, (name, value)]).0, status, "{about}");
    }
    let default = [("host", "mcpo.example"), ("origin", "https://mcpo.example"), key];
    assert_eq!(told(Some("k"), "10.0.0.1", &default), (200, ""));
}

#[test]
fn a_key_is_always_needed_once_there_is_one() {
    let host = ("host", "localhost");
    let with = |credential| told(Some("k"), "127.0.0.1", &[host, ("authorization", credential)]).0;
    assert_eq!(told(Some("k"), "127.0.0.1", &[host]).0, 401);
    assert_eq!(with("Bearer k"), 200);
    assert_eq!(with("bearer k"), 200);
    assert_eq!(with("Basic dTpr"), 200, "any user, and k as password");
    assert_eq!(with("Bearer x"), 403);
    assert_eq!(with("Basic dTp4"), 403);
    assert_eq!(with("Token k"), 401);
}
