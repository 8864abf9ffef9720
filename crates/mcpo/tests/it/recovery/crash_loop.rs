//! A child that only crashes is held with its last words, and works once somebody has mended it.

use std::time::Duration;

use mcpo_testkit::{Script, ScriptedChild, ScriptedStdio, Step, What, World};
use serde_json::{Value, json};

use super::{mcpo, until, write_and_read};
use crate::program::run;

fn crashing() -> Script {
    write_and_read(&[]).on_start(vec![vec![Step::StderrLines(3), Step::Exit(7)]])
}

async fn server(world: &World) -> Value {
    world.get("/admin/servers/up").await.unwrap().json()
}

/// Has it tried until it is held. Each check of all connections tries what waits, so that the
/// growing waits, which the core's tests measure, are not sat out here.
async fn crashes_until_held(world: &World) {
    until("it is held", async || {
        world.post("/admin/validate?timeout=5", &json!({})).await.unwrap();
        server(world).await["state"] == "held"
    })
    .await;
}

async fn event(world: &World, name: &str) -> Value {
    let told = world.get("/admin/journal?server=up&limit=4096").await.unwrap().json();
    let entries = told["entries"].as_array().unwrap();
    let found = entries.iter().find(|entry| entry["event"] == name);
    found.unwrap_or_else(|| panic!("there is no {name} in {told}")).clone()
}

fn alive(world: &World) -> usize {
    let all = ScriptedChild::all(&world.journal("up")).unwrap();
    all.iter().filter(|child| child.is_alive()).count()
}

#[tokio::test]
async fn a_crash_loop_is_held_with_its_last_words_until_it_is_mended_and_released() {
    let world = mcpo().stdio("up", crashing()).unwrap().stdio("next", Script::echo()).unwrap();
    let world = world.start().await.unwrap();
    crashes_until_held(&world).await;
    let held = event(&world, "held").await;
    assert_eq!((&held["level"], &held["fields"]["by"]), (&json!("error"), &json!("fault")));
    let detail = held["fields"]["detail"].as_str().unwrap();
    assert!(detail.contains("stderr line 3") && detail.contains('7'), "{held}");
    let shown = server(&world).await;
    assert_eq!(shown["held_by"], "fault", "{shown}");
    assert!(shown.to_string().contains("stderr line 3"), "{shown}");
    assert!(world.stderr().contains("stderr line 3"), "{}", world.stderr());
    left_alone_while_held(&world).await;
    // Mended: the same command now reads a script that does not crash.
    ScriptedStdio::new(world.directory(), "up", write_and_read(&[])).unwrap();
    let url = world.url("");
    let released = run(&["admin", "--url", &url, "release", "up"]).await;
    assert_eq!(released.code, Some(0), "{released:?}");
    world.wait_ready().await.unwrap();
    let reply = world.post("/up/write", &json!({"key": "mended"})).await.unwrap();
    assert_eq!((reply.status.as_u16(), world.journal("up").runs("mended")), (200, 1), "{reply}");
}

/// Nothing is started, calls are told at once, and the neighbour works.
async fn left_alone_while_held(world: &World) {
    let starts = world.journal("up").count(What::Start);
    // Ten attempts, each of which may try both eras.
    assert!((10..=20).contains(&starts), "{starts} starts\n{}", world.stderr());
    assert_eq!(alive(world), 0, "{}", world.stderr());
    for _ in 0..5 {
        let reply = world.post("/up/write", &json!({"key": "held"})).await.unwrap();
        let detail = &reply.json()["detail"];
        assert_eq!((reply.status.as_u16(), &detail["outcome"]), (503, &json!("not_sent")));
        assert!(!reply.text().contains("stderr line"), "{reply}");
        let reply = world.post("/next/echo", &json!({})).await.unwrap();
        assert_eq!(reply.status, 200, "{reply}");
        // Longer than the first waits, in which it would have been started again.
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!((world.journal("up").count(What::Start), alive(world)), (starts, 0));
    }
}
