//! Another configuration while mcpo runs: what did not change is not touched, no call fails that
//! need not, and a file that is wrong changes nothing.

use std::fs;
use std::os::unix::fs::symlink;

use mcpo_testkit::{HttpUpstream, Reply, Request, Script, ScriptedStdio, Step, What, World, tool};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::program::{ready, world};

/// The configuration as it stands in the file.
fn config(world: &World) -> Value {
    let text = fs::read_to_string(world.directory().join("config.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Writes the configuration anew with other servers.
fn change(world: &World, servers: impl FnOnce(&mut Value)) {
    let mut config = config(world);
    servers(&mut config["mcpServers"]);
    world.write_config(&config.to_string()).unwrap();
}

/// Another scripted upstream, to be named in the file.
fn another(world: &World, name: &str, script: Script) -> ScriptedStdio {
    ScriptedStdio::new(world.directory(), name, script).unwrap()
}

fn remove(servers: &mut Value, name: &str) {
    servers.as_object_mut().unwrap().remove(name).unwrap();
}

/// An upstream whose tool `slow` waits at a gate, and whose tool `who` says its name.
fn gated(name: &str) -> Script {
    let mut who = tool("who");
    who["annotations"] = json!({"readOnlyHint": true});
    Script::echo()
        .on_call("slow", vec![vec![Step::Gate("slow".into()), Step::Text("done".into())]])
        .tool(who)
        .on_call("who", vec![vec![Step::Text(name.into())]])
}

/// Waits until a call of that path answers so.
async fn answers(world: &World, path: &str, status: u16) {
    let request = Request::post(&world.url(path)).json(&json!({}));
    world.wait_request(&request, |reply| reply.status == status).await.unwrap();
}

fn starts(world: &World, name: &str) -> usize {
    world.journal(name).count(What::Start)
}

#[tokio::test]
async fn what_did_not_change_keeps_its_session_and_its_calls() {
    let web = HttpUpstream::start(Script::echo()).await.unwrap();
    let world = world().stdio("one", gated("one")).unwrap().stdio("two", Script::echo()).unwrap();
    let world = ready(world.server("web", web.config()).arg("--hot-reload")).await;
    let url = world.url("/one/slow");
    let reload = async {
        world.control("one").wait_at("slow", 1).await.unwrap();
        let three = another(&world, "three", Script::echo());
        change(&world, |servers| {
            servers["three"] = three.config();
            servers["two"]["timeout"] = json!(7);
        });
        answers(&world, "/three/echo", 200).await;
        let holds = |reply: &Reply| reply.text().contains("/three/echo");
        world.wait_reply("/openapi.json", holds).await.unwrap();
        for path in ["/one/echo", "/two/echo", "/web/echo"] {
            assert_eq!(world.post(path, &json!({})).await.unwrap().status, 200, "{path}");
        }
        world.control("one").open("slow").unwrap();
    };
    let (reply, ()) = tokio::join!(Request::post(&url).send(), reload);
    assert_eq!(reply.unwrap().json(), "done");
    assert_eq!((starts(&world, "one"), starts(&world, "two")), (1, 1));
    assert_eq!(web.journal().count(What::Handshake), 1);
}

#[tokio::test]
async fn what_is_gone_finishes_its_calls_and_is_not_found() {
    let world = world().stdio("one", gated("one")).unwrap().stdio("two", Script::echo()).unwrap();
    let world = ready(world.arg("--hot-reload")).await;
    let url = world.url("/one/slow");
    let reload = async {
        world.control("one").wait_at("slow", 1).await.unwrap();
        change(&world, |servers| remove(servers, "one"));
        answers(&world, "/one/echo", 404).await;
        assert_eq!(world.get("/readyz").await.unwrap().status, 200);
        world.control("one").open("slow").unwrap();
    };
    let (reply, ()) = tokio::join!(Request::post(&url).send(), reload);
    assert_eq!(reply.unwrap().json(), "done");
    world.journal("one").wait_for_what(What::Eof, 1).await.unwrap();
    assert_eq!((starts(&world, "one"), starts(&world, "two")), (1, 1));
    assert!(!world.get("/openapi.json").await.unwrap().text().contains("/one/"));
}

#[tokio::test]
async fn what_is_another_takes_over_without_a_failed_call() {
    let world = ready(world().stdio("one", gated("old")).unwrap().arg("--hot-reload")).await;
    let new = another(&world, "one-new", gated("new"));
    let slow = world.url("/one/slow");
    let who = Request::post(&world.url("/one/who")).json(&json!({}));
    let caller = || async {
        loop {
            let reply = world.send(who.clone()).await.unwrap();
            assert_eq!(reply.status, 200, "{reply}\n{}", world.stderr());
            if reply.json() == "new" {
                return;
            }
            assert_eq!(reply.json(), "old");
        }
    };
    let reload = async {
        world.control("one").wait_at("slow", 1).await.unwrap();
        change(&world, |servers| servers["one"] = new.config());
        world.wait_stderr("configuration reloaded").await.unwrap();
        world.control("one").open("slow").unwrap();
    };
    let slow = async { Request::post(&slow).send().await.unwrap() };
    let (reply, (), (), (), ()) = tokio::join!(slow, reload, caller(), caller(), caller());
    assert_eq!(reply.json(), "done");
    assert_eq!((starts(&world, "one"), new.journal().count(What::Start)), (1, 1));
    assert_eq!(world.journal("one").runs("slow"), 1);
}

#[tokio::test]
async fn a_server_elsewhere_is_another_at_once_and_the_old_one_finishes_its_calls() {
    let old = HttpUpstream::start(gated("old")).await.unwrap();
    let new = HttpUpstream::start(gated("new")).await.unwrap();
    let world = ready(world().server("web", old.config()).arg("--hot-reload")).await;
    let url = world.url("/web/slow");
    let reload = async {
        old.control().wait_at("slow", 1).await.unwrap();
        change(&world, |servers| servers["web"] = new.config());
        let who = Request::post(&world.url("/web/who")).json(&json!({}));
        let fine = |reply: &Reply| {
            assert_eq!(reply.status, 200, "{reply}\n{}", world.stderr());
            reply.json() == "new"
        };
        world.wait_request(&who, fine).await.unwrap();
        assert_eq!(old.journal().runs("slow"), 0, "the call is still under way");
        old.control().open("slow").unwrap();
    };
    let (reply, ()) = tokio::join!(Request::post(&url).send(), reload);
    assert_eq!(reply.unwrap().json(), "done");
    old.journal().wait_for_what(What::Deleted, 1).await.unwrap();
    assert_eq!((old.journal().received("slow"), new.journal().received("slow")), (1, 0));
}

#[tokio::test]
async fn how_tools_are_treated_changes_under_way() {
    let hangs = Script::echo().tool(tool("other")).on_call("hang", vec![vec![Step::Hang]]);
    let world = ready(world().stdio("one", hangs).unwrap().arg("--hot-reload")).await;
    change(&world, |servers| servers["one"]["disabledTools"] = json!(["other"]));
    answers(&world, "/one/other", 404).await;
    assert!(!world.get("/one/openapi.json").await.unwrap().text().contains("/other"));
    change(&world, |servers| {
        remove(&mut servers["one"], "disabledTools");
        servers["one"]["tools"] = json!({"hang": {"timeout": 0.2}});
    });
    answers(&world, "/one/other", 200).await;
    answers(&world, "/one/hang", 504).await;
    change(&world, |servers| {
        remove(&mut servers["one"], "tools");
        servers["one"]["timeout"] = json!(0.1);
        servers["one"]["disabledTools"] = json!(["other"]);
    });
    answers(&world, "/one/other", 404).await;
    answers(&world, "/one/hang", 504).await;
    assert_eq!((starts(&world, "one"), world.journal("one").count(What::Handshake)), (1, 1));
}

#[tokio::test]
async fn a_file_that_is_wrong_changes_nothing_and_says_why() {
    let world = ready(world().stdio("one", Script::echo()).unwrap().arg("--hot-reload")).await;
    let good = config(&world).to_string();
    let wrong = [
        (
            r#"{"mcpServers": {"one": {"comand": "x", "env": {"TOKEN": "hunter2"}}}}"#,
            "did you mean `command`?",
        ),
        (r#"{"mcpServers": {"one": {"command": "hunter2""#, "not valid JSON"),
        ("{}", "there is no `mcpServers` in the file"),
    ];
    for (text, told) in wrong {
        world.write_config(text).unwrap();
        world.wait_stderr(told).await.unwrap();
        assert_eq!(world.get("/readyz").await.unwrap().status, 200);
        assert_eq!(world.post("/one/echo", &json!({})).await.unwrap().status, 200);
    }
    fs::remove_file(world.directory().join("config.json")).unwrap();
    world.wait_stderr("cannot read the configuration file").await.unwrap();
    assert_eq!(world.post("/one/echo", &json!({})).await.unwrap().status, 200);
    assert!(!world.stderr().contains("hunter2"), "{}", world.stderr());
    world.write_config(&good).unwrap();
    let two = another(&world, "two", Script::echo());
    change(&world, |servers| servers["two"] = two.config());
    answers(&world, "/two/echo", 200).await;
    assert_eq!(starts(&world, "one"), 1);
}

#[tokio::test]
async fn a_config_map_and_a_renamed_file_are_followed() {
    let world = ready(world().stdio("one", Script::echo()).unwrap().arg("--hot-reload")).await;
    let (home, mut config) = (world.directory(), config(&world));
    for (turn, name) in ["two", "three", "four"].into_iter().enumerate() {
        config["mcpServers"][name] = another(&world, name, Script::echo()).config();
        let version = format!("..v{turn}");
        fs::create_dir(home.join(&version)).unwrap();
        fs::write(home.join(&version).join("config.json"), config.to_string()).unwrap();
        symlink(&version, home.join("..data_tmp")).unwrap();
        fs::rename(home.join("..data_tmp"), home.join("..data")).unwrap();
        if turn == 0 {
            symlink("..data/config.json", home.join("link")).unwrap();
            fs::rename(home.join("link"), home.join("config.json")).unwrap();
        } else {
            fs::remove_dir_all(home.join(format!("..v{}", turn - 1))).unwrap();
        }
        answers(&world, &format!("/{name}/echo"), 200).await;
    }
    config["mcpServers"]["five"] = another(&world, "five", Script::echo()).config();
    fs::write(home.join("new"), config.to_string()).unwrap();
    fs::rename(home.join("new"), home.join("config.json")).unwrap();
    answers(&world, "/five/echo", 200).await;
    assert_eq!(starts(&world, "one"), 1);
}

#[tokio::test]
async fn of_twenty_quick_writes_the_last_one_stands() {
    let world = ready(world().stdio("one", Script::echo()).unwrap().arg("--hot-reload")).await;
    let two = another(&world, "two", Script::echo());
    for turn in 0..20 {
        change(&world, |servers| {
            servers["one"]["timeout"] = json!(turn + 1);
            let name = format!("v{turn}");
            servers[&name] = two.config();
            if turn > 0 {
                remove(servers, &format!("v{}", turn - 1));
            }
        });
    }
    answers(&world, "/v19/echo", 200).await;
    let snapshot = world.get("/health").await.unwrap().json();
    let mut names: Vec<_> = snapshot["servers"].as_object().unwrap().keys().cloned().collect();
    names.sort();
    assert_eq!(names, ["one", "v19"]);
    assert_eq!(starts(&world, "one"), 1);
}

#[tokio::test]
async fn a_hangup_reloads_also_where_the_file_is_not_followed() {
    let mut world = ready(world().stdio("one", Script::echo()).unwrap()).await;
    let hang_up =
        |world: &World| kill_process(Pid::from_raw(world.pid()).unwrap(), Signal::HUP).unwrap();
    let two = another(&world, "two", Script::echo());
    change(&world, |servers| servers["two"] = two.config());
    assert_eq!(world.post("/two/echo", &json!({})).await.unwrap().status, 404);
    hang_up(&world);
    answers(&world, "/two/echo", 200).await;
    world.write_config("{").unwrap();
    hang_up(&world);
    world.wait_stderr("not valid JSON").await.unwrap();
    assert_eq!(world.post("/two/echo", &json!({})).await.unwrap().status, 200);
    assert_eq!(starts(&world, "one"), 1);
    world.terminate().unwrap();
    assert_eq!(world.wait_exit().await.unwrap().code(), Some(0));
}

#[tokio::test]
async fn other_alerts_and_webhooks_count_at_once() {
    // Nobody listens there.
    let nowhere = "http://127.0.0.1:1/";
    let world = world().stdio("one", Script::echo()).unwrap();
    let world = world.server("gone", json!({"url": nowhere}));
    let world = world.arg("--hot-reload").start().await.unwrap();
    let phase = |reply: &Reply| reply.json()["active"][0]["phase"].clone();
    world.wait_reply("/alerts", |reply| phase(reply) == "pending").await.unwrap();
    let mut other = config(&world);
    other["monitor"] = json!({"alerts": {
        "rules": {"server_down": {"for": 0}},
        "webhooks": [{"url": nowhere}],
    }});
    world.write_config(&other.to_string()).unwrap();
    let reply = world.wait_reply("/alerts", |reply| phase(reply) == "firing").await.unwrap();
    assert_eq!(reply.json()["active"][0]["server"], "gone");
    let is_told = |reply: &Reply| {
        let webhook = &reply.json()["webhooks"][0];
        webhook["last_error"] == "it cannot be reached" && webhook["queued"] == 1
    };
    world.wait_reply("/alerts", is_told).await.unwrap();
    assert_eq!(starts(&world, "one"), 1);
    assert!(!world.stderr().contains("a restart is needed"), "{}", world.stderr());
}

#[tokio::test]
async fn what_only_a_restart_changes_is_said() {
    let scratch = mcpo_testkit::Scratch::new().unwrap();
    let dotenv = scratch.write(".env", "MCPO_TOOL_TIMEOUT=5\n").unwrap();
    let env_path = format!("--env-path={}", dotenv.display());
    let world = world().stdio("one", Script::echo()).unwrap().set("one", "inheritEnv", json!([]));
    let world = ready(world.arg(&env_path).arg("--hot-reload")).await;
    scratch.write(".env", "MCPO_TOOL_TIMEOUT=6\nMCPO_API_KEY=hunter2\n").unwrap();
    let told = "a restart is needed to change: key and allowed origins, limits";
    world.wait_stderr(told).await.unwrap();
    assert_eq!(world.post("/one/echo", &json!({})).await.unwrap().status, 200);
    assert_eq!(starts(&world, "one"), 1);
    assert!(!world.stderr().contains("hunter2"), "{}", world.stderr());
}
