//! Keys, variables, headers and passwords in URLs are told to nobody: not in the log, however loud,
//! not in an error, a document or a probe.

use mcpo_testkit::{HttpStep, HttpUpstream, Request, Script, Step, World};
use serde_json::json;

use crate::program::{run, world};

/// Stands in every secret, so that one search finds them all.
const SECRET: &str = "hunter2";

fn entry_with_secrets(url: &str) -> serde_json::Value {
    let url = url.replace("http://", "http://user:url-hunter2@");
    let url = format!("{url}?token=query-hunter2");
    json!({"type": "streamable-http", "url": url, "headers": {"Authorization": "Bearer header-hunter2"}})
}

/// Whatever can be asked of it.
async fn ask_everything(world: &World, servers: &[&str]) -> Vec<(String, String)> {
    let mut told = Vec::new();
    let mut ask = async |request: Request, path: &str| {
        let reply =
            world.send(request.header("authorization", "Bearer key-hunter2")).await.unwrap();
        told.push((path.to_owned(), format!("{:?} {}", reply.headers, reply.text())));
    };
    let pages = ["", "/openapi.json", "/docs", "/redoc", "/missing"];
    for path in ["/livez", "/readyz", "/health"].into_iter().chain(pages) {
        ask(Request::get(&world.url(path)), path).await;
    }
    for name in servers {
        for page in pages {
            let path = format!("/{name}{page}");
            ask(Request::get(&world.url(&path)), &path).await;
        }
        for tool in ["echo", "fail", "cut", "missing"] {
            let path = format!("/{name}/{tool}");
            ask(Request::post(&world.url(&path)).json(&json!({})), &path).await;
        }
    }
    told
}

#[tokio::test]
async fn secrets_are_told_to_nobody() {
    let script = || {
        Script::echo()
            .on_call(
                "fail",
                vec![vec![Step::RpcError {
                    code: -32603,
                    message: "inside".into(),
                    data: json!(null),
                }]],
            )
            .on_call("cut", vec![vec![Step::Exit(1)]])
    };
    let remote = HttpUpstream::start(script()).await.unwrap();
    let secrets =
        json!({"API_TOKEN": "env-hunter2", "DATABASE_URL": "postgres://u:db-hunter2@h/d"});
    let broken = json!({"command": "sh", "args": ["-c", "echo \"bad token $API_TOKEN\" >&2; exit 1"], "env": secrets});
    let world = world()
        .server("remote", entry_with_secrets(&remote.url()))
        .server("gone", entry_with_secrets("http://127.0.0.1:1/mcp"))
        .server("broken", broken)
        .stdio("child", script())
        .unwrap()
        .set("child", "env", secrets)
        .env("MCPO_API_KEY", "key-hunter2")
        .arg("--log-level=DEBUG")
        .arg("--env=FLAG=flag-hunter2");
    let world = world.start().await.unwrap();
    world
        .wait_reply("/readyz?exclude=gone&exclude=broken", |reply| reply.status == 200)
        .await
        .unwrap();
    for name in ["gone", "broken"] {
        world
            .wait_reply("/health", |reply| {
                reply.json()["servers"][name]["failures"].as_u64().is_some()
            })
            .await
            .unwrap();
    }
    for (path, answer) in ask_everything(&world, &["remote", "gone", "broken", "child"]).await {
        assert!(!answer.contains(SECRET), "{path}: {answer}");
    }
    world.wait_stderr("bad token").await.unwrap();
    assert!(!world.stderr().contains(SECRET), "{}", world.stderr());
}

#[tokio::test]
async fn a_wrong_configuration_is_told_without_its_secrets() {
    let scratch = mcpo_testkit::Scratch::new().unwrap();
    let file = r#"{"mcpServers": {
        "a": {"command": "sh", "env": {"TOKEN": "hunter2", "BAD KEY": "hunter2", "NUMBER": 5}, "tmeout": 1},
        "b": {"url": "http://u:hunter2@h:port/", "headers": {"Bad Header": "hunter2", "X": "hunter2\n"}},
        "c": {"url": "http://u:hunter2@h/?k=hunter2", "oauth": {"client_metadata": {"client_secret": "hunter2"}}}
    }}"#;
    let path = scratch.write("servers.json", file).unwrap();
    let options = [
        "check",
        "--config",
        path.to_str().unwrap(),
        "-k",
        " hunter2",
        "-e",
        "hunter2",
        "-H",
        "hunter2",
    ];
    let ended = run(&options).await;
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(!ended.stderr.contains(SECRET) && !ended.stdout.contains(SECRET), "{}", ended.stderr);
    let fine = r#"{"mcpServers": {
        "a": {"command": "sh", "args": ["--token", "hunter2"], "env": {"TOKEN": "hunter2"}},
        "b": {"url": "http://u:hunter2@h/?k=hunter2", "headers": {"X": "hunter2"}}
    }}"#;
    let path = scratch.write("fine.json", fine).unwrap();
    let ended = run(&["check", "--config", path.to_str().unwrap(), "-k", "hunter2"]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(!ended.stderr.contains(SECRET) && !ended.stdout.contains(SECRET), "{ended:?}");
}

#[tokio::test]
async fn an_upstream_that_repeats_our_secrets_does_not_spread_them() {
    let body = "bad token header-hunter2 or query-hunter2 of user:url-hunter2";
    let json = json!({"jsonrpc": "2.0", "id": null, "error": {"code": -32000, "message": body}})
        .to_string();
    for (says, step) in [
        ("a text", HttpStep { status: 401, headers: Vec::new(), body: body.into() }),
        ("JSON", HttpStep::json(401, &json)),
        ("a failure", HttpStep { status: 500, headers: Vec::new(), body: body.into() }),
        ("no answer at all", HttpStep { status: 200, headers: Vec::new(), body: body.into() }),
        (
            "elsewhere",
            HttpStep::status(307).header("location", "http://127.0.0.1:1/?token=query-hunter2"),
        ),
    ] {
        let script = Script::echo().on_handshake(vec![vec![Step::Http(step)]]);
        let upstream = HttpUpstream::start(script).await.unwrap();
        let world =
            world().server("one", entry_with_secrets(&upstream.url())).arg("--log-level=DEBUG");
        let world = world.start().await.unwrap();
        world
            .wait_reply("/readyz", |reply| !reply.json()["missing"][0]["code"].is_null())
            .await
            .unwrap();
        world.wait_stderr("upstream not reachable").await.unwrap();
        for (path, answer) in ask_everything(&world, &["one"]).await {
            assert!(!answer.contains(SECRET), "{says}: {path}: {answer}");
        }
        assert!(!world.stderr().contains(SECRET), "{says}: {}", world.stderr());
    }
}
