//! Figures, alerts, the diagnosis and the dashboard: who may see them, and where they stand.

use std::net::IpAddr;

use mcpo_config::Mode;
use mcpo_testkit::{HttpUpstream, Script, Step};
use serde_json::json;

use crate::scene::{Asked, KEY, Scene, Setting, echo, json_of, request, server, whole};

/// Open where there is no key.
const FIGURES: [&str; 3] = ["/metrics", "/metrics/history?metric=rate", "/alerts"];

/// For operators only.
const INSIDE: [&str; 3] = ["/diagnostics", "/admin/picture", "/admin/events"];

fn all() -> impl Iterator<Item = &'static str> {
    FIGURES.into_iter().chain(INSIDE)
}

fn crosses(asked: &Asked) -> bool {
    asked.headers().keys().any(|name| name.as_str().starts_with("access-control"))
}

#[tokio::test]
async fn without_a_key_figures_are_open_and_the_rest_is_for_this_machine() {
    let scene = Setting::default().start(Vec::new()).await;
    for path in all() {
        for method in ["GET", "HEAD"] {
            let asked = scene.ask(method, path, &[]).await;
            assert_eq!(asked.status(), 200, "{method} {path}: {asked:?}");
            assert_eq!(asked.headers()["content-type"], "application/json", "{path}");
            assert_eq!(asked.headers()["cache-control"], "no-store", "{path}");
        }
        let elsewhere: IpAddr = [10, 0, 0, 1].into();
        let answer = scene.surface.handle(request("GET", path, &[], ""), elsewhere).await;
        let expected = if FIGURES.contains(&path) { 200 } else { 403 };
        assert_eq!(whole(answer).await.status(), expected, "{path}");
    }
    let proxied = [("x-forwarded-for", "10.0.0.1")];
    assert_eq!(scene.ask("GET", "/diagnostics", &proxied).await.status(), 403);
    assert_eq!(scene.ask("GET", "/diagnostics", &[("host", "a.example")]).await.status(), 403);
}

#[tokio::test]
async fn with_a_key_whoever_shows_it_sees_all() {
    for strict in [false, true] {
        let scene = Setting { key: true, strict, ..Setting::default() }.start(Vec::new()).await;
        let bearer = format!("Bearer {KEY}");
        for path in all() {
            let asked = scene.ask("GET", path, &[]).await;
            assert_eq!(asked.status(), 401, "{path}");
            assert_eq!(asked.headers().get_all("www-authenticate").iter().count(), 2, "{path}");
            let wrong = scene.ask("GET", path, &[("authorization", "Bearer no")]).await;
            assert_eq!(wrong.status(), 403, "{path}");
            for shown in [bearer.as_str(), "Basic YW55Ym9keTpzZXNhbWU="] {
                let asked = scene.ask("GET", path, &[("authorization", shown)]).await;
                assert_eq!(asked.status(), 200, "{path}: {shown}");
            }
        }
    }
}

#[tokio::test]
async fn pages_of_other_origins_read_none_of_it() {
    for key in [false, true] {
        let scene = Setting { key, ..Setting::default() }.start(Vec::new()).await;
        let bearer = format!("Bearer {KEY}");
        let foreign = [
            ("authorization", bearer.as_str()),
            ("origin", "https://a.example"),
            ("cookie", "a=b"),
        ];
        let preflight = [foreign[1], ("access-control-request-method", "GET")];
        for path in all() {
            let asked = scene.ask("GET", path, &foreign).await;
            let expected = if FIGURES.contains(&path) { 200 } else { 403 };
            assert_eq!((asked.status().as_u16(), crosses(&asked)), (expected, false), "{path}");
            if FIGURES.contains(&path) {
                assert_eq!(asked.headers()["cross-origin-resource-policy"], "same-origin");
                assert_eq!(asked.headers()["x-content-type-options"], "nosniff");
            }
            let asked = scene.ask("OPTIONS", path, &preflight).await;
            assert_eq!((asked.status().as_u16(), crosses(&asked)), (403, false), "{path}");
        }
        let asked = scene.ask("GET", "/openapi.json", &foreign).await;
        assert!(crosses(&asked), "documents are for all that may call");
    }
}

#[tokio::test]
async fn figures_come_in_three_shapes() {
    let scene = Setting::default().start(Vec::new()).await;
    let prometheus = "text/plain; version=0.0.4; charset=utf-8";
    let openmetrics = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    for (path, accept, content_type) in [
        ("/metrics", "*/*", "application/json"),
        ("/metrics?format=json", "text/plain;version=0.0.4", "application/json"),
        ("/metrics?format=prometheus", "*/*", prometheus),
        ("/metrics?format=openmetrics", "*/*", openmetrics),
        ("/metrics", "text/plain;version=0.0.4;q=0.5,*/*;q=0.1", prometheus),
        ("/metrics", "application/openmetrics-text;version=1.0.0,text/plain;q=0.5", openmetrics),
    ] {
        let asked = scene.ask("GET", path, &[("accept", accept)]).await;
        assert_eq!(asked.headers()["content-type"], content_type, "{path} {accept}");
        assert_eq!(asked.headers()["vary"], "accept");
        let text = std::str::from_utf8(asked.body()).unwrap();
        assert_eq!(text.ends_with("# EOF\n"), content_type == openmetrics, "{text}");
        assert_eq!(text.starts_with('{'), content_type == "application/json", "{text}");
    }
    for path in
        ["/metrics?format=xml", "/metrics?shape=json", "/alerts?x", "/diagnostics?timeout=0"]
    {
        let asked = scene.ask("GET", path, &[]).await;
        assert_eq!(asked.status(), 400, "{path}");
        assert_eq!(json_of(&asked)["detail"]["code"], "bad_query", "{path}");
    }
}

#[tokio::test]
async fn what_is_asked_has_the_shape_that_is_documented() {
    let upstream = HttpUpstream::start(echo()).await.unwrap();
    let scene = Scene::new(Mode::Many, &[("one", &upstream.url())]).await;
    scene.ready(1).await;
    scene.post("/one/echo", &json!({"a": 1})).await;
    let metrics = json_of(&scene.ask("GET", "/metrics", &[]).await);
    assert_eq!(metrics["performance"]["one/echo"]["total_requests"], 1, "{metrics}");
    let alerts = json_of(&scene.ask("GET", "/alerts", &[]).await);
    assert_eq!((&alerts["active"], &alerts["resolved"]), (&json!([]), &json!([])));
    let history = "/metrics/history?metric=p99&server=one&from=-600&step=60&trend=1";
    let history = json_of(&scene.ask("GET", history, &[]).await);
    assert_eq!((&history["server"], &history["metric"]), (&json!("one"), &json!("p99")));
    assert_eq!(history["trend"]["direction"], "unknown", "{history}");
    let diagnosis = json_of(&scene.ask("GET", "/diagnostics?timeout=2", &[]).await);
    assert_eq!(diagnosis["connection_health"], json!({"one": true}), "{diagnosis}");
    let picture = json_of(&scene.ask("GET", "/admin/picture", &[]).await);
    assert_eq!(picture["servers"][0]["name"], "one", "{picture}");
    let events = json_of(&scene.ask("GET", "/admin/events?from=-60&limit=5&server=one", &[]).await);
    assert!(events["events"].is_array(), "{events}");
}

#[tokio::test]
async fn where_nothing_is_measured_there_is_nothing_to_see_but_the_page() {
    let scene = Setting { measures: false, ..Setting::default() }.start(Vec::new()).await;
    for path in all().chain(["/admin/live"]) {
        let asked = scene.ask("GET", path, &[]).await;
        assert_eq!(asked.status(), 503, "{path}");
        assert_eq!(json_of(&asked)["detail"]["code"], "monitoring_off", "{path}");
    }
    assert_eq!(scene.ask("GET", "/dashboard", &[]).await.status(), 200);
    assert_eq!(scene.ask("GET", "/admin/journal", &[]).await.status(), 200);
    let closed = Setting { measures: false, key: true, ..Setting::default() };
    let closed = closed.start(Vec::new()).await;
    assert_eq!(closed.ask("GET", "/metrics", &[]).await.status(), 401, "first the key");
}

#[tokio::test]
async fn the_page_is_for_everybody_and_has_no_data_in_it() {
    for (key, strict) in [(false, false), (true, false), (true, true)] {
        let scene = Setting { key, strict, ..Setting::default() }.start(Vec::new()).await;
        for path in ["/dashboard", "/docs/assets/dashboard-app.js"] {
            let request = request("GET", path, &[("sec-fetch-site", "cross-site")], "");
            let asked = whole(scene.surface.handle(request, [10, 0, 0, 1].into()).await).await;
            assert_eq!(asked.status(), 200, "{path}");
            assert_eq!(asked.headers()["x-frame-options"], "DENY");
            assert_eq!(scene.ask("HEAD", path, &[]).await.status(), 200);
            let refused = scene.ask("PUT", path, &[]).await;
            assert_eq!(refused.status(), if strict { 401 } else { 405 });
        }
        let page = scene.ask("GET", "/dashboard", &[]).await;
        assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
        let asset = scene.ask("GET", "/docs/assets/redoc.js", &[]).await;
        assert_eq!(asset.status(), if strict { 401 } else { 200 });
    }
}

fn says(tools: &[&str]) -> Script {
    tools.iter().fold(Script::new("named"), |script, name| {
        script.on_call(name, vec![vec![Step::Text(format!("I am {name}"))]])
    })
}

#[tokio::test]
async fn tools_of_a_single_server_may_have_the_names_of_pages() {
    let names = ["metrics", "metrics/history", "alerts", "diagnostics", "dashboard"];
    let upstream = HttpUpstream::start(says(&names)).await.unwrap();
    let scene = Scene::new(Mode::Single, &[("default", &upstream.url())]).await;
    scene.ready(1).await;
    for name in names {
        let path = format!("/{name}");
        let reply = scene.post(&path, &json!({})).await;
        assert_eq!((reply.status.as_u16(), reply.json()), (200, json!(format!("I am {name}"))));
        let query = if name == "metrics/history" { "?metric=rate" } else { "" };
        let page = scene.ask("GET", &format!("{path}{query}"), &[]).await;
        assert_eq!(page.status(), 200, "{name}: {page:?}");
        assert!(!String::from_utf8_lossy(page.body()).contains("I am"), "GET is the page");
        let refused = scene.ask("PUT", &path, &[]).await;
        assert_eq!(refused.headers()["allow"], "GET, HEAD, POST", "{name}");
        let wanted = |method| [("origin", "a:b"), ("access-control-request-method", method)];
        let preflight = scene.ask("OPTIONS", &path, &wanted("POST")).await;
        assert_eq!((preflight.status().as_u16(), crosses(&preflight)), (200, true), "{name}");
    }
}

#[tokio::test]
async fn servers_may_have_the_names_of_pages() {
    let upstream = HttpUpstream::start(says(&["history", "x"])).await.unwrap();
    let url = upstream.url();
    let names = ["metrics", "alerts", "diagnostics", "dashboard"];
    let scene = Scene::new(Mode::Many, &names.map(|name| (name, url.as_str()))).await;
    scene.ready(names.len()).await;
    for name in names {
        let page = scene.ask("GET", &format!("/{name}"), &[]).await;
        assert_eq!(page.status(), 200, "{name}");
        for tool in ["history", "x"] {
            let reply = scene.post(&format!("/{name}/{tool}"), &json!({})).await;
            assert_eq!(reply.json(), json!(format!("I am {tool}")), "{name}");
        }
        let docs = scene.ask("GET", &format!("/{name}/openapi.json"), &[]).await;
        assert_eq!(json_of(&docs)["info"]["title"], "named");
        assert_eq!(scene.ask("GET", &format!("/{name}/x"), &[]).await.status(), 405);
    }
    assert_eq!(scene.ask("GET", "/metrics/history?metric=rate", &[]).await.status(), 200);
    let refused = scene.ask("DELETE", "/metrics/history", &[]).await;
    assert_eq!(refused.headers()["allow"], "GET, HEAD, POST");
}

#[tokio::test]
async fn they_stand_behind_the_root_path_and_never_behind_the_prefix() {
    let setting = Setting { root_path: "/api", path_prefix: "/tools/", ..Setting::default() };
    let scene = setting.start(vec![server("gone", "http://127.0.0.1:1/mcp")]).await;
    scene.until(|snapshot| !snapshot.upstreams().is_empty()).await;
    for path in FIGURES.into_iter().chain(["/diagnostics?timeout=1", "/dashboard"]) {
        for path in [path.to_owned(), format!("/api{path}")] {
            assert_eq!(scene.ask("GET", &path, &[]).await.status(), 200, "{path}");
        }
        let path = format!("/tools{path}");
        assert_eq!(scene.ask("GET", &path, &[]).await.status(), 404, "{path}");
    }
    let moved = scene.ask("GET", "/metrics/?format=json", &[]).await;
    assert_eq!(
        (moved.status().as_u16(), moved.headers()["location"].to_str().unwrap()),
        (307, "/api/metrics?format=json")
    );
    for path in ["/metrics", "/alerts", "/diagnostics", "/dashboard", "/metrics/history"] {
        let refused = scene.ask("POST", path, &[]).await;
        assert_eq!(
            (refused.status().as_u16(), refused.headers()["allow"].to_str().unwrap()),
            (405, "GET, HEAD"),
            "{path}"
        );
    }
}
