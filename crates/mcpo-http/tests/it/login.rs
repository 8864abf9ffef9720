//! Logins of the dashboard: what they open, and what they do not.

use mcpo_config::Mode;
use mcpo_testkit::HttpUpstream;
use serde_json::json;

use crate::scene::{Asked, KEY, Scene, Setting, echo, json_of, server, whole};

const OURS: (&str, &str) = ("x-mcpo-dashboard", "1");
const FROM_HERE: (&str, &str) = ("origin", "http://localhost");

async fn log_in(scene: &Scene, key: &str, headers: &[(&str, &str)]) -> Asked {
    let body = json!({ "key": key }).to_string();
    whole(scene.answer("POST", "/admin/login", headers, &body).await).await
}

/// What a browser sends back.
fn cookie_of(asked: &Asked) -> String {
    let set = asked.headers()["set-cookie"].to_str().unwrap();
    set.split(';').next().unwrap().to_owned()
}

async fn locked(strict: bool) -> Scene {
    Setting { key: true, strict, ..Setting::default() }.start(Vec::new()).await
}

#[tokio::test]
async fn who_shows_the_key_once_sees_all_until_they_log_out() {
    for strict in [false, true] {
        let scene = locked(strict).await;
        let asked = log_in(&scene, KEY, &[FROM_HERE]).await;
        assert_eq!(asked.status(), 200, "{asked:?}");
        let expected = json!({"key_needed": true, "expires_in_seconds": 43_200});
        assert_eq!(json_of(&asked), expected);
        assert_eq!(asked.headers()["cache-control"], "no-store");
        let set = asked.headers()["set-cookie"].to_str().unwrap();
        assert!(set.ends_with("; Path=/; Max-Age=43200; HttpOnly; SameSite=Strict"), "{set}");
        let cookie = cookie_of(&asked);
        let shown = [("cookie", cookie.as_str())];
        for path in [
            "/metrics",
            "/metrics/history?metric=cpu",
            "/alerts",
            "/diagnostics",
            "/admin/servers",
            "/admin/journal",
            "/openapi.json",
            "/docs",
        ] {
            assert_eq!(scene.ask("GET", path, &shown).await.status(), 200, "{path}");
        }
        let out = scene.ask("POST", "/admin/logout", &[shown[0], OURS, FROM_HERE]).await;
        let set = out.headers()["set-cookie"].to_str().unwrap();
        assert!(set.starts_with("mcpo_session=; ") && set.contains("Max-Age=0"), "{set}");
        assert_eq!(scene.ask("GET", "/metrics", &shown).await.status(), 401, "a copy is no good");
    }
}

#[tokio::test]
async fn a_login_gives_orders_and_calls_from_our_own_page_only() {
    let upstream = HttpUpstream::start(echo()).await.unwrap();
    for strict in [false, true] {
        let setting = Setting { key: true, strict, ..Setting::default() };
        let scene = setting.start(vec![server("one", &upstream.url())]).await;
        scene.ready(1).await;
        let cookie = cookie_of(&log_in(&scene, KEY, &[]).await);
        let cookie = ("cookie", cookie.as_str());
        for path in ["/admin/servers/one/reset", "/admin/validate", "/one/echo"] {
            let asked = scene.ask("POST", path, &[cookie, OURS, FROM_HERE]).await;
            assert_eq!(asked.status(), 200, "{path}: {asked:?}");
            let asked = scene.ask("POST", path, &[cookie, FROM_HERE]).await;
            assert_eq!(asked.status(), 403, "{path}");
            let message = json_of(&asked)["detail"]["message"].to_string();
            assert!(message.contains("x-mcpo-dashboard: 1"), "{path}: {message}");
            for foreign in [
                ("origin", "http://localhost:3000"),
                ("origin", "null"),
                ("sec-fetch-site", "same-site"),
                ("sec-fetch-site", "cross-site"),
            ] {
                let asked = scene.ask("POST", path, &[cookie, OURS, foreign]).await;
                let expected = if path == "/one/echo" { 401 } else { 403 };
                assert_eq!(asked.status(), expected, "{path} {foreign:?}");
            }
        }
    }
    let single = Setting { key: true, mode: Mode::Single, ..Setting::default() };
    let scene = single.start(vec![server("default", &upstream.url())]).await;
    scene.ready(1).await;
    let cookie = cookie_of(&log_in(&scene, KEY, &[]).await);
    let asked = scene.ask("POST", "/echo", &[("cookie", &cookie), OURS]).await;
    assert_eq!(asked.status(), 200, "{asked:?}");
}

#[tokio::test]
async fn no_page_of_another_origin_reads_or_logs_in_with_a_login() {
    let scene = locked(false).await;
    let cookie = cookie_of(&log_in(&scene, KEY, &[]).await);
    for foreign in [("origin", "https://a.example"), ("sec-fetch-site", "same-site")] {
        for path in ["/metrics", "/alerts", "/metrics/history?metric=rate"] {
            let asked = scene.ask("GET", path, &[("cookie", &cookie), foreign]).await;
            assert_eq!(asked.status(), 401, "{path} {foreign:?}");
            assert!(!asked.headers().contains_key("access-control-allow-origin"));
        }
        for path in ["/diagnostics", "/admin/servers", "/admin/live"] {
            let asked = scene.ask("GET", path, &[("cookie", &cookie), foreign]).await;
            assert_eq!(asked.status(), 403, "{path} {foreign:?}");
        }
        let asked = log_in(&scene, KEY, &[foreign]).await;
        assert_eq!((asked.status().as_u16(), asked.headers().get("set-cookie")), (403, None));
        let asked = scene.ask("POST", "/admin/logout", &[("cookie", &cookie), foreign]).await;
        assert_eq!(asked.status(), 403, "nobody is logged out from elsewhere");
    }
    assert_eq!(scene.ask("GET", "/metrics", &[("cookie", &cookie)]).await.status(), 200);
}

#[tokio::test]
async fn wrong_keys_are_looked_at_so_many_times() {
    let scene = locked(true).await;
    let cookie = cookie_of(&log_in(&scene, KEY, &[]).await);
    for wrong in 0..10 {
        let asked = log_in(&scene, &format!("{KEY}{wrong}"), &[]).await;
        assert_eq!((asked.status().as_u16(), asked.headers().get("set-cookie")), (403, None));
        assert_eq!(json_of(&asked), json!({"detail": "Invalid API key"}));
    }
    let asked = log_in(&scene, KEY, &[]).await;
    assert_eq!(asked.status(), 429, "the right one, too, or it could be found out");
    let wait: u64 = asked.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    assert_eq!(json_of(&asked)["detail"]["code"], "throttled");
    assert_eq!(scene.ask("GET", "/metrics", &[("cookie", &cookie)]).await.status(), 200);
    let bearer = format!("Bearer {KEY}");
    assert_eq!(scene.ask("GET", "/metrics", &[("authorization", &bearer)]).await.status(), 200);
}

#[tokio::test]
async fn what_is_no_login_is_told() {
    let scene = locked(false).await;
    let deep = format!("{{\"key\":{}", "[".repeat(10_000));
    for body in ["", "{}", "sesame", r#"{"key": 1}"#, r#"{"key": null}"#, &deep] {
        let asked = whole(scene.answer("POST", "/admin/login", &[], body).await).await;
        assert_eq!(asked.status(), 400, "{body:.20}");
        assert_eq!(json_of(&asked)["detail"]["code"], "bad_login", "{body:.20}");
    }
    let large = format!("{{\"key\": \"{}\"}}", "a".repeat(20_000));
    let asked = whole(scene.answer("POST", "/admin/login", &[], &large).await).await;
    assert_eq!(asked.status(), 413);
    for path in ["/admin/login", "/admin/logout"] {
        let asked = scene.ask("GET", path, &[]).await;
        assert_eq!(
            (asked.status().as_u16(), asked.headers()["allow"].to_str().unwrap()),
            (405, "POST")
        );
    }
    for cookie in ["mcpo_session=", "mcpo_session=1.2.3", "mcpo_session=99999999999.0.AAAA"] {
        let asked = scene.ask("GET", "/metrics", &[("cookie", cookie)]).await;
        assert_eq!(asked.status(), 401, "{cookie}");
    }
}

#[tokio::test]
async fn where_there_is_no_key_there_is_nothing_to_log_in_with() {
    let scene = Setting::default().start(Vec::new()).await;
    for path in ["/admin/login", "/admin/logout"] {
        let asked = scene.ask("POST", path, &[]).await;
        assert_eq!((asked.status().as_u16(), json_of(&asked)), (200, json!({"key_needed": false})));
        let asked = scene.ask("POST", path, &[("x-forwarded-for", "10.0.0.1")]).await;
        assert_eq!(asked.status(), 403, "as all of /admin: {path}");
    }
}

#[tokio::test]
async fn a_login_is_for_what_stands_behind_the_root_path_and_secure_behind_tls() {
    let setting = Setting { key: true, root_path: "/api", ..Setting::default() };
    let scene = setting.start(Vec::new()).await;
    let https =
        [("host", "a.example"), ("origin", "https://a.example"), ("x-forwarded-proto", "https")];
    let body = json!({ "key": KEY }).to_string();
    let asked = whole(scene.answer("POST", "/api/admin/login", &https, &body).await).await;
    let set = asked.headers()["set-cookie"].to_str().unwrap();
    assert!(
        set.ends_with("; Path=/api; Max-Age=43200; HttpOnly; SameSite=Strict; Secure"),
        "{set}"
    );
}
