use http::HeaderValue;
use http_body_util::{BodyExt, Full};
use mcpo_config::{Monitoring, Secret};
use mcpo_monitor::monitor::MonitorOptions;
use mcpo_policy::pipeline::PipelineOptions;
use serde_json::Value;
use tokio::sync::watch;

use super::*;

/// Where downstreams are that sit at this machine.
const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

/// A surface over nothing.
struct Scene {
    access: Access,
    site: Site,
    mode: Mode,
}

fn scene(mode: Mode) -> Scene {
    Scene {
        access: Access { api_key: None, strict: false, cors_origins: vec!["*".to_owned()] },
        site: Site {
            name: None,
            description: None,
            version: None,
            root_path: String::new(),
            path_prefix: "/".to_owned(),
        },
        mode,
    }
}

impl Scene {
    fn with_key(mut self, strict: bool) -> Self {
        self.access.api_key = Some(Secret::new("sesame"));
        self.access.strict = strict;
        self
    }

    fn surface(self) -> Surface {
        let options = SurfaceOptions {
            access: self.access,
            site: self.site,
            limits: Limits::default(),
            load: Load::default(),
            mode: self.mode,
        };
        let directory = Directory::new();
        let pipeline = Pipeline::new(PipelineOptions::default(), directory.journal());
        let monitor = Monitor::new(
            MonitorOptions {
                monitoring: Monitoring::default(),
                port: 0,
                servers: watch::channel(Arc::default()).1,
                pipeline: pipeline.gauge(),
            },
            directory.clone(),
        );
        Surface::new(options, directory, pipeline, monitor)
    }
}

async fn ask(
    surface: &Surface,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> (u16, HeaderMap, String) {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::<Bytes>::default()).unwrap();
    told(surface.handle(request, HERE).await).await
}

async fn told(answer: Answer) -> (u16, HeaderMap, String) {
    let (parts, body) = answer.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (parts.status.as_u16(), parts.headers, String::from_utf8_lossy(&body).into_owned())
}

#[tokio::test]
async fn what_is_not_there_looks_as_in_the_original() {
    let surface = scene(Mode::Many).surface();
    let (status, headers, body) = ask(&surface, "POST", "/time/now", &[]).await;
    assert_eq!((status, body.as_str()), (404, r#"{"detail":"Not Found"}"#));
    assert_eq!(headers["content-type"], "application/json");
    for method in ["POST", "PUT", "OPTIONS", "BREW"] {
        let (status, headers, body) = ask(&surface, method, "/docs", &[]).await;
        assert_eq!((status, body.as_str()), (405, r#"{"detail":"Method Not Allowed"}"#));
        assert_eq!(headers["allow"], "GET, HEAD");
    }
    for path in ["/", "/missing", "/missing/", "/time", "/time/"] {
        assert_eq!(ask(&surface, "GET", path, &[]).await.0, 404, "{path}");
    }
}

#[tokio::test]
async fn a_slash_at_the_end_is_led_back_and_a_browser_at_the_root_to_the_docs() {
    let mut scene = scene(Mode::Many);
    scene.site.root_path = "/api".to_owned();
    let surface = scene.surface();
    let (status, headers, _) = ask(&surface, "GET", "/docs/?a=b", &[]).await;
    assert_eq!((status, &headers["location"]), (307, &HeaderValue::from_static("/api/docs?a=b")));
    let (status, headers, _) =
        ask(&surface, "GET", "/", &[("accept", "text/html,*/*;q=0.8")]).await;
    assert_eq!((status, &headers["location"]), (307, &HeaderValue::from_static("/api/docs")));
    assert_eq!(ask(&surface, "GET", "/", &[("accept", "*/*")]).await.0, 404);
}

#[tokio::test]
async fn a_single_server_that_is_not_there_yet_asks_to_come_again() {
    let surface = scene(Mode::Single).surface();
    let (status, headers, body) = ask(&surface, "POST", "/now", &[]).await;
    assert_eq!((status, &headers["retry-after"]), (503, &HeaderValue::from_static("1")));
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["detail"]["code"], "starting");
    assert_eq!(ask(&surface, "GET", "/now", &[]).await.0, 404);
}

#[tokio::test]
async fn a_document_is_not_sent_again_to_who_has_it() {
    for mode in [Mode::Single, Mode::Many] {
        let surface = scene(mode).surface();
        let (status, headers, _) = ask(&surface, "GET", "/openapi.json", &[]).await;
        assert_eq!(
            (status, &headers["cache-control"]),
            (200, &HeaderValue::from_static("no-cache"))
        );
        let etag = headers["etag"].to_str().unwrap();
        let (status, headers, body) =
            ask(&surface, "GET", "/openapi.json", &[("if-none-match", etag)]).await;
        assert_eq!((status, body.as_str()), (304, ""));
        assert_eq!(headers["etag"], etag);
        assert_eq!(ask(&surface, "HEAD", "/openapi.json", &[]).await.0, 200);
    }
}

#[tokio::test]
async fn pages_are_titled_and_their_parts_are_served_beside_them() {
    let mut scene = scene(Mode::Many);
    scene.site.name = Some("Tools & more".to_owned());
    let surface = scene.surface();
    for (path, title) in
        [("/docs", "Tools &amp; more - Swagger UI"), ("/redoc", "Tools &amp; more - ReDoc")]
    {
        let (status, headers, html) = ask(&surface, "GET", path, &[]).await;
        assert_eq!(
            (status, &headers["content-type"]),
            (200, &HeaderValue::from_static("text/html; charset=utf-8"))
        );
        assert!(html.contains(&format!("<title>{title}</title>")), "{html}");
        let parts = html.split('"').filter(|part| part.starts_with("docs/assets/"));
        for part in parts {
            assert_eq!(ask(&surface, "GET", &format!("/{part}"), &[]).await.0, 200, "{part}");
        }
    }
}

#[tokio::test]
async fn strict_access_covers_everything_but_preflights_and_bare_signs_of_life() {
    let surface = scene(Mode::Many).with_key(true).surface();
    let key = [("authorization", "Bearer sesame")];
    for path in ["/docs", "/redoc", "/openapi.json", "/missing", "/docs/assets/redoc.js"] {
        let (status, headers, _) = ask(&surface, "GET", path, &[]).await;
        let challenges =
            headers.get_all("www-authenticate").iter().map(|line| line.to_str().unwrap());
        let challenges: Vec<&str> = challenges.collect();
        assert_eq!((status, challenges), (401, vec!["Bearer", "Basic realm=\"mcpo\""]), "{path}");
        assert_ne!(ask(&surface, "GET", path, &key).await.0, 401, "{path}");
    }
    assert_eq!(ask(&surface, "OPTIONS", "/docs", &[]).await.0, 405);
    let (status, _, _) = ask(
        &surface,
        "OPTIONS",
        "/x",
        &[("origin", "a:b"), ("access-control-request-method", "POST")],
    )
    .await;
    assert_eq!(status, 200);
    assert_eq!(ask(&surface, "GET", "/livez", &[]).await.0, 200);
    let ready = |body: String| serde_json::from_str::<Value>(&body).unwrap();
    assert_eq!(ready(ask(&surface, "GET", "/readyz", &[]).await.2).get("missing"), None);
    assert!(ready(ask(&surface, "GET", "/readyz", &key).await.2)["missing"].is_array());
}

#[tokio::test]
async fn a_key_guards_calls_and_leaves_documents_open() {
    let surface = scene(Mode::Single).with_key(false).surface();
    assert_eq!(ask(&surface, "GET", "/openapi.json", &[]).await.0, 200);
    assert_eq!(ask(&surface, "POST", "/now", &[]).await.0, 401);
    assert_eq!(ask(&surface, "POST", "/now", &[("authorization", "Bearer no")]).await.0, 403);
    assert_eq!(ask(&surface, "POST", "/now", &[("authorization", "bearer sesame")]).await.0, 503);
}

#[tokio::test]
async fn every_answer_carries_its_request_id_and_its_permit() {
    let surface = scene(Mode::Many).with_key(true).surface();
    let asked = [("x-request-id", "mine"), ("origin", "https://a.example")];
    for (method, path) in [("GET", "/missing"), ("POST", "/a/b"), ("GET", "/livez")] {
        let (_, headers, _) = ask(&surface, method, path, &asked).await;
        assert_eq!(headers["x-request-id"], "mine");
        assert_eq!(headers["access-control-allow-origin"], "*");
    }
    assert!(ask(&surface, "GET", "/livez", &[]).await.1.contains_key("x-request-id"));
}

#[tokio::test]
async fn operators_come_in_under_the_root_path_and_without_it() {
    for mode in [Mode::Single, Mode::Many] {
        let mut scene = scene(mode);
        scene.site.root_path = "/api".to_owned();
        scene.site.path_prefix = "/tools/".to_owned();
        let surface = scene.surface();
        let here = [("host", "localhost:8000")];
        for path in ["/admin/servers", "/api/admin/servers"] {
            let (status, headers, body) = ask(&surface, "GET", path, &here).await;
            assert_eq!((status, body.as_str()), (200, r#"{"servers":[]}"#));
            assert_eq!(headers["cache-control"], "no-store");
            let (status, headers, _) = ask(&surface, "DELETE", path, &here).await;
            assert_eq!((status, &headers["allow"]), (405, &HeaderValue::from_static("GET, HEAD")));
        }
        let (status, _, body) = ask(&surface, "GET", "/admin/servers/x%20y", &here).await;
        let expected =
            r#"{"detail":{"message":"There is no server 'x y'","code":"no_such_server"}}"#;
        assert_eq!((status, body.as_str()), (404, expected));
        for path in ["/admin/", "/admin/nothing", "/admin/servers/"] {
            assert_eq!(ask(&surface, "GET", path, &here).await.0, 404, "{path}");
        }
    }
}

#[tokio::test]
async fn a_root_path_called_admin_hides_nothing() {
    let mut scene = scene(Mode::Many);
    scene.site.root_path = "/admin".to_owned();
    let surface = scene.surface();
    let here = [("host", "localhost")];
    assert_eq!(ask(&surface, "GET", "/admin/openapi.json", &here).await.0, 200);
    assert_eq!(ask(&surface, "GET", "/admin/admin/servers", &here).await.0, 200);
}

#[tokio::test]
async fn no_page_of_another_site_is_permitted_to_give_orders() {
    let surface = scene(Mode::Many).surface();
    let foreign = [("host", "localhost"), ("origin", "https://a.example")];
    let preflight = [foreign[0], foreign[1], ("access-control-request-method", "POST")];
    for (method, headers) in [("GET", &foreign[..]), ("OPTIONS", &preflight[..])] {
        let (status, headers, body) = ask(&surface, method, "/admin/servers", headers).await;
        assert_eq!(status, 403, "{body}");
        assert!(body.contains("pages of other sites"), "{body}");
        let crossing = headers.keys().any(|name| name.as_str().starts_with("access-control"));
        assert!(!crossing, "{headers:?}");
    }
}

#[tokio::test]
async fn without_a_key_nobody_from_elsewhere_comes_in() {
    let surface = scene(Mode::Many).surface();
    let request = Request::get("/admin/servers").header("host", "localhost");
    let request = request.body(Full::<Bytes>::default()).unwrap();
    let (status, _, body) = told(surface.handle(request, [10, 0, 0, 1].into()).await).await;
    assert!(status == 403 && body.contains("--api-key"), "{body}");
}

/// A body that fails in a way that nobody foresaw.
struct Bomb;

impl Body for Bomb {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, std::io::Error>>> {
        panic!("as the test wants it")
    }
}

#[tokio::test]
async fn a_panic_is_answered_and_the_next_request_works() {
    let surface = scene(Mode::Many).surface();
    let request = Request::get("/admin/servers").header("host", "localhost").body(Bomb).unwrap();
    let (status, headers, body) = told(surface.handle(request, HERE).await).await;
    assert_eq!(status, 500);
    assert_eq!(body, r#"{"detail":{"message":"mcpo failed on this request","code":"internal"}}"#);
    assert!(headers.contains_key("x-request-id"));
    assert_eq!(ask(&surface, "GET", "/livez", &[]).await.0, 200);
}
