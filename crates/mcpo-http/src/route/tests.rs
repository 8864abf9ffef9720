use super::*;

fn routes(mode: Mode, root_path: &str, path_prefix: &str) -> Routes {
    let site = Site {
        name: None,
        description: None,
        version: None,
        root_path: root_path.to_owned(),
        path_prefix: path_prefix.to_owned(),
    };
    Routes::new(mode, &site)
}

fn kind(routes: &Routes, path: &str) -> &'static str {
    let snapshot = Snapshot::default();
    match routes.find(&snapshot, path) {
        Found { page: Some(Page::Document(_)), .. } => "document",
        Found { page: Some(Page::Swagger(_)), .. } => "swagger",
        Found { page: Some(Page::Redoc(_)), .. } => "redoc",
        Found { page: Some(Page::Asset(_)), .. } => "asset",
        Found { page: Some(Page::Probe(_)), .. } => "probe",
        Found { page: Some(Page::Insight(_)), callee: None } => "insight",
        Found { page: Some(Page::Insight(_)), callee: Some(_) } => "insight or callee",
        Found { page: Some(Page::Dashboard(_)), .. } => "dashboard",
        Found { page: None, callee: Some(_) } => "callee",
        Found { page: None, callee: None } => "nothing",
    }
}

#[test]
fn pages_stand_at_the_root_with_and_without_the_root_path() {
    for mode in [Mode::Single, Mode::Many] {
        let routes = routes(mode, "/api", "/mcp/");
        for (path, expected) in [
            ("/openapi.json", "document"),
            ("/docs", "swagger"),
            ("/redoc", "redoc"),
            ("/docs/assets/redoc.js", "asset"),
            ("/livez", "probe"),
            ("/readyz", "probe"),
            ("/health", "probe"),
            ("/dashboard", "dashboard"),
            ("/docs/assets/dashboard-app.js", "dashboard"),
        ] {
            assert_eq!(kind(&routes, path), expected);
            assert_eq!(kind(&routes, &format!("/api{path}")), expected);
        }
        for path in ["/metrics", "/metrics/history", "/alerts", "/diagnostics"] {
            let expected = match mode {
                // Until its tools are known it may have one of that name.
                Mode::Single => "insight or callee",
                Mode::Many => "insight",
            };
            assert_eq!(kind(&routes, path), expected);
            assert_eq!(kind(&routes, &format!("/api{path}")), expected);
        }
        for path in ["/", "", "*"] {
            assert_eq!(kind(&routes, path), "nothing", "{path}");
        }
    }
    for path in [
        "/api",
        "/api/",
        "//docs",
        "/mcp/",
        "/mcp/time",
        "/mcp/time/",
        "/mcp//x",
        "/dashboard/x",
        "/docs/assets/dashboard-x",
    ] {
        assert_eq!(kind(&routes(Mode::Many, "/api", "/mcp/"), path), "nothing", "{path}");
    }
    assert_eq!(kind(&routes(Mode::Many, "/api", "/"), "/apidocs"), "nothing");
    assert_eq!(kind(&routes(Mode::Many, "", "/"), "/time/docs"), "nothing");
}

#[test]
fn before_its_upstream_has_a_place_a_single_server_is_not_ready_rather_than_unknown() {
    assert_eq!(kind(&routes(Mode::Single, "", "/"), "/anything"), "callee");
}

#[test]
fn a_path_is_shown_to_browsers_behind_the_root_path_once() {
    let routes = routes(Mode::Many, "/api", "/");
    assert_eq!(routes.outer("/docs"), "/api/docs");
    assert_eq!(routes.outer("/api/docs"), "/api/docs");
    let snapshot = Snapshot::default();
    assert_eq!(routes.without_slash(&snapshot, "/docs//").as_deref(), Some("/api/docs"));
    assert_eq!(routes.without_slash(&snapshot, "/api/docs/").as_deref(), Some("/api/docs"));
    for path in ["/docs", "/missing/", "/", "//docs/", "//evil.example/"] {
        assert_eq!(routes.without_slash(&snapshot, path), None, "{path}");
    }
}

#[test]
fn operators_are_asked_behind_the_root_path_or_without_it() {
    for (root_path, path, expected) in [
        ("", "/admin/servers", Some("servers")),
        ("/api", "/admin/servers", Some("servers")),
        ("/api", "/api/admin/servers", Some("servers")),
        // A server of that name behind a root path that is called so.
        ("/admin", "/admin/servers", None),
        ("/admin", "/admin/admin/servers", Some("servers")),
        ("", "/admin", None),
        ("", "/Admin/servers", None),
        ("", "//admin/servers", None),
        ("", "/%61dmin/servers", None),
        ("", "/x/../admin/servers", None),
        ("/api", "/mcp/admin/servers", None),
    ] {
        let routes = routes(Mode::Many, root_path, "/mcp/");
        assert_eq!(routes.admin(path), expected, "{root_path} {path}");
    }
}
