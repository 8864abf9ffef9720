//! Real files, changed in every way in which people and programs change them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use mcpo_testkit::Scratch;
use tokio::time::timeout;

use super::*;

/// After this a change that should have been noticed is not; generous, since CI machines stall.
const PATIENCE: Duration = Duration::from_secs(20);
/// A day: never within a test.
const NEVER: Duration = Duration::from_secs(86_400);

/// Noticed only because the system tells.
const TOLD: Pace = Pace {
    quiet: Duration::from_millis(30),
    doubt: Duration::from_millis(50),
    look_every: NEVER,
    ..Pace::USUAL
};
/// Noticed only by looking.
const LOOKING: Pace = Pace { told: false, ..Pace::USUAL };

fn text(server: &str) -> String {
    format!(r#"{{"mcpServers": {{"{server}": {{"command": "x"}}}}}}"#)
}

fn flags(file: &Path) -> Flags {
    let config = Some(file.to_str().unwrap().to_owned());
    Flags { config, hot_reload: true, ..Flags::default() }
}

fn follow(flags: &Flags, pace: Pace) -> Reloads {
    Reloads::load_at(flags, Environment::default(), pace).unwrap().1.unwrap()
}

/// Follows, and has taken the first look: from here on it is told of changes.
async fn told_of(flags: &Flags) -> Reloads {
    let mut reloads = follow(flags, TOLD);
    reloads.order();
    reloads.next().await.unwrap();
    reloads
}

async fn next(reloads: &mut Reloads) -> Result<Config, Problems> {
    timeout(PATIENCE, reloads.next()).await.expect("a change is noticed")
}

/// The name of the only server of the next configuration.
async fn server(reloads: &mut Reloads) -> String {
    let config = next(reloads).await.unwrap();
    assert_eq!(config.servers.len(), 1, "{config:?}");
    config.servers[0].name.to_string()
}

#[tokio::test]
async fn a_file_that_is_written_or_renamed_over_is_read_anew() {
    let scratch = Scratch::new().unwrap();
    let file = scratch.write("config.json", &text("a")).unwrap();
    let mut reloads = told_of(&flags(&file)).await;
    for turn in 0..3 {
        scratch.write("config.json", &text(&format!("written{turn}"))).unwrap();
        assert_eq!(server(&mut reloads).await, format!("written{turn}"));
        let new = scratch.write("config.json.tmp", &text(&format!("renamed{turn}"))).unwrap();
        fs::rename(new, &file).unwrap();
        assert_eq!(server(&mut reloads).await, format!("renamed{turn}"));
    }
}

#[tokio::test]
async fn a_symlink_that_leads_elsewhere_is_followed_and_so_is_where_it_leads() {
    let scratch = Scratch::new().unwrap();
    fs::create_dir(scratch.path().join("far")).unwrap();
    scratch.write("far/one.json", &text("one")).unwrap();
    scratch.write("far/two.json", &text("two")).unwrap();
    let link = scratch.path().join("config.json");
    symlink("far/one.json", &link).unwrap();
    let mut reloads = told_of(&flags(&link)).await;
    symlink("far/two.json", scratch.path().join("new")).unwrap();
    fs::rename(scratch.path().join("new"), &link).unwrap();
    assert_eq!(server(&mut reloads).await, "two");
    scratch.write("far/two.json", &text("three")).unwrap();
    assert_eq!(server(&mut reloads).await, "three");
}

/// What the kubelet does (pkg/volume/util/atomic_writer.go): the file leads through `..data`, which
/// is renamed over; the old directory is removed.
#[tokio::test]
async fn a_config_map_is_swapped() {
    let scratch = Scratch::new().unwrap();
    let home = scratch.path();
    let publish = |version: &str| {
        fs::create_dir(home.join(version)).unwrap();
        fs::write(home.join(version).join("config.json"), text(version)).unwrap();
        symlink(version, home.join("..data_tmp")).unwrap();
        fs::rename(home.join("..data_tmp"), home.join("..data")).unwrap();
    };
    publish("v0");
    let link = home.join("config.json");
    symlink("..data/config.json", &link).unwrap();
    let mut reloads = told_of(&flags(&link)).await;
    for turn in 1..4 {
        publish(&format!("v{turn}"));
        fs::remove_dir_all(home.join(format!("v{}", turn - 1))).unwrap();
        assert_eq!(server(&mut reloads).await, format!("v{turn}"));
    }
}

#[tokio::test]
async fn a_file_that_is_gone_is_an_error_told_once_until_it_is_back() {
    let scratch = Scratch::new().unwrap();
    let file = scratch.write("config.json", &text("a")).unwrap();
    let mut reloads = told_of(&flags(&file)).await;
    fs::remove_file(&file).unwrap();
    let problems = next(&mut reloads).await.unwrap_err();
    assert!(problems.to_string().contains("cannot read the configuration file"), "{problems}");
    // The same content as before: it is good again, which is news.
    scratch.write("config.json", &text("a")).unwrap();
    assert_eq!(server(&mut reloads).await, "a");
}

#[tokio::test]
async fn a_directory_that_is_replaced_is_followed() {
    let scratch = Scratch::new().unwrap();
    let home = scratch.path();
    let make = |directory: &str, server: &str| {
        fs::create_dir_all(home.join(directory).join("inner")).unwrap();
        fs::write(home.join(directory).join("inner/config.json"), text(server)).unwrap();
    };
    make("etc", "old");
    let mut reloads = told_of(&flags(&home.join("etc/inner/config.json"))).await;
    make("etc.new", "new");
    fs::rename(home.join("etc"), home.join("etc.old")).unwrap();
    fs::rename(home.join("etc.new"), home.join("etc")).unwrap();
    assert_eq!(server(&mut reloads).await, "new");
    fs::write(home.join("etc/inner/config.json"), text("newer")).unwrap();
    assert_eq!(server(&mut reloads).await, "newer");
    fs::remove_dir_all(home.join("etc")).unwrap();
    next(&mut reloads).await.unwrap_err();
    make("etc", "again");
    // Between the directory and the file in it there may be a look that finds no file.
    while !next(&mut reloads).await.is_ok_and(|config| config.servers[0].name.as_str() == "again") {
    }
}

#[tokio::test]
async fn the_env_file_is_followed_too() {
    let scratch = Scratch::new().unwrap();
    let file = scratch.write("config.json", &text("a")).unwrap();
    let dotenv = scratch.write(".env", "MCPO_TOOL_TIMEOUT=5").unwrap();
    let env_path = Some(dotenv.to_str().unwrap().to_owned());
    let mut reloads = told_of(&Flags { env_path, ..flags(&file) }).await;
    scratch.write(".env", "MCPO_TOOL_TIMEOUT=7").unwrap();
    let config = next(&mut reloads).await.unwrap();
    assert_eq!(config.limits.tool_timeout, Duration::from_secs(7));
}

#[tokio::test]
async fn of_many_writes_the_last_one_stands() {
    let scratch = Scratch::new().unwrap();
    let file = scratch.write("config.json", &text("a")).unwrap();
    let mut reloads = told_of(&flags(&file)).await;
    for turn in 0..=200 {
        scratch.write("config.json", &text(&format!("v{turn}"))).unwrap();
    }
    while !next(&mut reloads).await.is_ok_and(|config| config.servers[0].name.as_str() == "v200") {}
}

#[tokio::test]
async fn a_wrong_file_is_told_with_its_place_and_without_its_secrets() {
    let scratch = Scratch::new().unwrap();
    let file = scratch.write("config.json", &text("a")).unwrap();
    let mut reloads = told_of(&flags(&file)).await;
    let wrong = r#"{"mcpServers": {"a": {"comand": "x", "env": {"TOKEN": "hunter2", "B": 5}}}}"#;
    scratch.write("config.json", wrong).unwrap();
    let problems = next(&mut reloads).await.unwrap_err();
    assert_eq!(problems.error_count(), 2, "{problems}");
    assert!(problems.to_string().contains("config.json:1:23"), "{problems}");
    assert!(!format!("{problems:?}").contains("hunter2"));
}

#[tokio::test(start_paused = true)]
async fn a_touch_is_no_change() {
    let scratch = Scratch::new().unwrap();
    let file = scratch.write("config.json", &text("a")).unwrap();
    let mut reloads = follow(&flags(&file), Pace::USUAL);
    for _ in 0..3 {
        fs::File::open(&file).unwrap().set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
        scratch.write("config.json", &text("a")).unwrap();
        let minute = timeout(Duration::from_secs(60), reloads.next());
        assert!(minute.await.is_err(), "nothing changed");
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_half_written_is_not_told_of() {
    let scratch = Scratch::new().unwrap();
    let file = scratch.write("config.json", &text("a")).unwrap();
    let mut reloads = follow(&flags(&file), LOOKING);
    assert!(timeout(LOOK_EVERY / 2, reloads.next()).await.is_err());
    scratch.write("config.json", &text("b")[..20]).unwrap();
    // It is looked at once within this time, and not yet believed.
    let half = timeout(LOOK_EVERY / 2 + DOUBT / 2, reloads.next()).await;
    assert!(half.is_err(), "{half:?}");
    scratch.write("config.json", &text("b")).unwrap();
    assert_eq!(server(&mut reloads).await, "b");
    // What stays wrong is told soon.
    scratch.write("config.json", &text("c")[..20]).unwrap();
    timeout(LOOK_EVERY + DOUBT * 2, reloads.next()).await.unwrap().unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn what_the_system_does_not_tell_is_found_by_looking() {
    let scratch = Scratch::new().unwrap();
    let file = scratch.write("config.json", &text("a")).unwrap();
    let mut reloads = follow(&flags(&file), LOOKING);
    assert!(timeout(Duration::from_secs(60), reloads.next()).await.is_err());
    scratch.write("config.json", &text("b")).unwrap();
    let config = timeout(LOOK_EVERY * 2, reloads.next()).await.unwrap().unwrap();
    assert_eq!(config.servers[0].name.as_str(), "b");
}

#[tokio::test]
async fn what_changed_since_the_start_is_found_at_once() {
    let scratch = Scratch::new().unwrap();
    let file = scratch.write("config.json", &text("a")).unwrap();
    let mut reloads = follow(&flags(&file), TOLD);
    scratch.write("config.json", &text("b")).unwrap();
    assert_eq!(server(&mut reloads).await, "b");
}

#[tokio::test(start_paused = true)]
async fn an_order_reads_at_once_changed_or_not_and_also_where_nothing_is_followed() {
    let scratch = Scratch::new().unwrap();
    let file = scratch.write("config.json", &text("a")).unwrap();
    let flags = Flags { hot_reload: false, ..flags(&file) };
    let mut reloads = follow(&flags, LOOKING);
    scratch.write("config.json", &text("b")).unwrap();
    assert!(timeout(NEVER, reloads.next()).await.is_err(), "nobody asked");
    for name in ["b", "b", "c"] {
        scratch.write("config.json", &text(name)).unwrap();
        reloads.order();
        assert_eq!(server(&mut reloads).await, name);
    }
}

#[tokio::test]
async fn dropping_the_wait_for_the_next_one_loses_nothing() {
    let scratch = Scratch::new().unwrap();
    let file = scratch.write("config.json", &text("a")).unwrap();
    let mut reloads = told_of(&flags(&file)).await;
    scratch.write("config.json", &text("b")).unwrap();
    let found = async {
        loop {
            // Dropped at every point at which it can wait.
            if let Ok(found) = timeout(Duration::from_micros(300), reloads.next()).await {
                return found;
            }
        }
    };
    let config = timeout(PATIENCE, found).await.expect("the change is noticed").unwrap();
    assert_eq!(config.servers[0].name.as_str(), "b");
}

#[test]
fn without_a_file_there_is_nothing_to_reload() {
    let flags = Flags { command: vec!["x".to_owned()], hot_reload: true, ..Flags::default() };
    let (config, reloads) = Reloads::load_at(&flags, Environment::default(), TOLD).unwrap();
    assert!(reloads.is_none() && !config.hot_reload);
    assert_eq!(config.warnings[0].message, "there is no configuration file to follow");
}

/// Opened to be read, a pipe waits for somebody to write.
#[tokio::test]
async fn a_pipe_in_the_place_of_the_file_is_an_error_and_keeps_nobody_waiting() {
    let scratch = Scratch::new().unwrap();
    let file = scratch.write("config.json", &text("a")).unwrap();
    let mut reloads = told_of(&flags(&file)).await;
    fs::remove_file(&file).unwrap();
    let made = tokio::process::Command::new("mkfifo").arg(&file).status().await.unwrap();
    assert!(made.success());
    // There may be a look before the pipe is there.
    while !next(&mut reloads).await.unwrap_err().to_string().contains("cannot be read again") {}
    fs::remove_file(&file).unwrap();
    scratch.write("config.json", &text("b")).unwrap();
    while !next(&mut reloads).await.is_ok_and(|config| config.servers[0].name.as_str() == "b") {}
}
