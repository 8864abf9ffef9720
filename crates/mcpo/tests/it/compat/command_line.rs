//! The command line: every option and variable, in both spellings.

use mcpo_testkit::{HttpUpstream, Scratch, Script, ScriptedStdio, Step, What, WorldBuilder};
use serde_json::json;

use crate::program::{ready, run, run_with, world};
use crate::rows::{check, get, post};

/// A command that writes its environment into a file and then becomes the scripted upstream.
fn tells_its_environment(scratch: &Scratch) -> Vec<String> {
    let upstream = ScriptedStdio::new(scratch.path(), "one", Script::echo()).unwrap();
    let told = scratch.path().join("environment");
    let line = format!("env > '{}'; exec \"$@\"", told.display());
    let mut words = ["sh", "-c", &line, "sh", &upstream.command].map(str::to_owned).to_vec();
    words.extend(upstream.arguments);
    words
}

fn environment(scratch: &Scratch) -> String {
    std::fs::read_to_string(scratch.path().join("environment")).unwrap()
}

#[tokio::test]
async fn every_short_option_does_what_it_did() {
    let scratch = Scratch::new().unwrap();
    let file = scratch.write("vars", "FROM_FILE=file\nBOTH=file\n").unwrap();
    let words = tells_its_environment(&scratch);
    let options =
        ["-k", "KEY", "-n", "Title", "-d", "Words", "-v", "7", "-e", "A=1=2", "-e", "BOTH=flag"];
    let world = options
        .into_iter()
        .fold(world().listen(&["-h", "127.0.0.1", "-p", "0"]), WorldBuilder::arg);
    let world = world.arg("--env-path").arg(file.to_str().unwrap());
    let world = ready(world.alone(&words)).await;
    check(
        &world,
        [
            post("-k", "/echo", &json!({})).status(401),
            post("-k", "/echo", &json!({})).sent("authorization", "Bearer KEY"),
            get("what the server says of itself comes before -n -d -v", "/openapi.json").satisfies(
                |document| {
                    document["info"]["title"] == "scripted" && document["info"]["version"] == "1.0"
                },
            ),
        ],
    )
    .await;
    let environment = environment(&scratch);
    for line in ["A=1=2", "BOTH=flag", "FROM_FILE=file"] {
        assert!(environment.lines().any(|found| found == line), "{line}: {environment}");
    }
    assert!(world.stderr().contains("listening on http://127.0.0.1:"), "{}", world.stderr());
}

#[tokio::test]
async fn name_description_and_version_are_of_the_root_document() {
    for options in [
        ["-n", "Title", "-d", "Words", "-v", "7"],
        ["--name", "Title", "--description", "Words", "--version", "7"],
    ] {
        let world = options.into_iter().fold(world(), WorldBuilder::arg);
        let world = ready(world.stdio("one", Script::echo()).unwrap()).await;
        let info = world.get("/openapi.json").await.unwrap().json()["info"].clone();
        assert_eq!((&info["title"], &info["version"]), (&json!("Title"), &json!("7")), "{info}");
        assert!(info["description"].as_str().unwrap().starts_with("Words"), "{info}");
    }
}

#[tokio::test]
async fn every_name_of_a_type_reaches_its_transport() {
    let upstream = HttpUpstream::start(Script::echo()).await.unwrap();
    let (url, sse_url) = (upstream.url(), upstream.sse_url());
    let cases = [
        ("--type=streamable-http", &url),
        ("--type=streamable_http", &url),
        ("--server-type=streamablehttp", &url),
        ("--type=sse", &sse_url),
        ("--server-type=sse", &sse_url),
    ];
    for (option, url) in cases {
        let world = ready(world().arg(option).alone(&[url])).await;
        check(&world, [post(option, "/echo", &json!({"number": 1})).answers(json!({"number": 1}))])
            .await;
    }
    let scratch = Scratch::new().unwrap();
    let words = tells_its_environment(&scratch);
    let world = ready(world().arg("--type=stdio").alone(&words)).await;
    check(
        &world,
        [post("--type=stdio", "/echo", &json!({"number": 1})).answers(json!({"number": 1}))],
    )
    .await;
}

#[tokio::test]
async fn headers_go_to_the_server_in_either_shape() {
    let cases: [&[&str]; 3] = [
        &["--header", r#"{"X-A": "1", "X-B": "2"}"#],
        &["-H", "X-A: 1", "-H", "X-B: 2"],
        &["-H", r#"{"X-A": "1"}"#, "--header", "X-B: 2"],
    ];
    for options in cases {
        let upstream = HttpUpstream::start(Script::echo()).await.unwrap();
        let world = options.iter().fold(world(), |world, option| world.arg(option));
        let world = ready(world.alone(&[upstream.url()])).await;
        check(&world, [post("a call", "/echo", &json!({}))]).await;
        let call = &upstream.journal().matching(|entry| entry.what == What::Received)[0];
        assert_eq!(
            (&call.headers["x-a"], &call.headers["x-b"]),
            (&json!("1"), &json!("2")),
            "{options:?}"
        );
    }
}

#[tokio::test]
async fn defaults_and_the_file_are_as_they_were() {
    let ended = run_with(&["check", "--", "sh"], &[]).await;
    assert!(ended.stdout.contains("http://0.0.0.0:8000"), "{ended:?}");
    let scratch = Scratch::new().unwrap();
    let file = scratch.write("c.json", r#"{"mcpServers": {"one": {"command": "sh"}}}"#).unwrap();
    for option in ["-c", "--config"] {
        let ended = run(&["check", option, file.to_str().unwrap()]).await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(ended.stdout.contains("/one"), "{ended:?}");
    }
    let ended = run(&["check", "--port", "1", "--port", "2", "--", "sh"]).await;
    assert!(ended.stdout.contains("http://0.0.0.0:2\n"), "the last one counts: {ended:?}");
}

#[tokio::test]
async fn the_log_is_as_loud_as_asked_for() {
    let loud = |options: &'static [&'static str], variables: &'static [(&str, &str)]| async move {
        let world = options.iter().fold(world(), |world, option| world.arg(option));
        let world = variables.iter().fold(world, |world, (name, value)| world.env(name, value));
        let world = ready(world.stdio("one", Script::echo()).unwrap()).await;
        world.post("/one/echo", &json!({})).await.unwrap();
        // The line of the first request is written before the second is answered.
        world.get("/livez").await.unwrap();
        let said = world.stderr();
        (said.contains("DEBUG"), said.contains("INFO"))
    };
    assert_eq!(loud(&["--log-level", "debug"], &[]).await, (true, true));
    assert_eq!(loud(&["--log-level", "DEBUG"], &[]).await, (true, true));
    assert_eq!(loud(&[], &[("LOG_LEVEL", "Debug")]).await, (true, true));
    assert_eq!(loud(&[], &[]).await, (false, true));
    assert_eq!(loud(&["--log-level", "Warning"], &[]).await, (false, false));
    assert_eq!(loud(&["--log-level", "ERROR"], &[("LOG_LEVEL", "DEBUG")]).await, (false, false));
    assert_eq!(loud(&["--log-level", "critical"], &[]).await, (false, false));
}

#[tokio::test]
async fn connecting_takes_no_longer_than_the_variable_says() {
    let silent = HttpUpstream::start(Script::never_answers_initialize()).await.unwrap();
    let world = world().server("one", silent.config()).env("CONNECTION_TIMEOUT", "0.2");
    let world = world.start().await.unwrap();
    world
        .wait_reply("/readyz", |reply| reply.json()["missing"][0]["code"] == "timeout")
        .await
        .unwrap();
    let reply = world.post("/one/echo", &json!({})).await.unwrap();
    assert_eq!(reply.status, 503, "{reply}");
}

#[tokio::test]
async fn what_is_not_there_yet_is_told() {
    for option in ["--ssl-certfile", "--ssl-keyfile", "-t", "-K"] {
        let ended = run(&[option, "file.pem", "--", "sh"]).await;
        assert_eq!(ended.code, Some(2), "{option}: {ended:?}");
        assert!(ended.stderr.contains("serving TLS is not supported yet"), "{option}: {ended:?}");
    }
}

#[tokio::test]
async fn a_hanging_server_keeps_nobody_from_stopping() {
    let script = Script::echo().on_handshake(vec![vec![Step::Hang]]);
    let mut world = world().stdio("one", script).unwrap().start().await.unwrap();
    world.journal("one").wait_for_what(What::Handshake, 1).await.unwrap();
    world.terminate().unwrap();
    assert_eq!(world.wait_exit().await.unwrap().code(), Some(0));
}
