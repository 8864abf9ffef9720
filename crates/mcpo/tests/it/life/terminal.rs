//! A SIGHUP that is no order to reload: the terminal is gone.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use mcpo_testkit::Scratch;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tokio::process::Command;
use tokio::time::{Instant, sleep, timeout};

use crate::program::MCPO;

/// How long anything here may take; generous, since CI machines stall.
const PATIENCE: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Kills the process whose id stands in a file, if it is still there.
struct Cleared(PathBuf);

impl Drop for Cleared {
    fn drop(&mut self) {
        let pid = fs::read_to_string(&self.0).ok().and_then(|text| text.trim().parse().ok());
        if let Some(pid) = pid.and_then(Pid::from_raw) {
            let _gone = kill_process(pid, Signal::KILL);
        }
    }
}

/// The first process of the terminal ends, as when somebody leaves a remote machine; mcpo is in the
/// same group.
#[tokio::test]
async fn mcpo_ends_with_the_shell_that_it_was_started_from() {
    let scratch = Scratch::new().unwrap();
    let servers = json!({"mcpServers": {"one": {"command": MCPO, "args": ["demo-server"]}}});
    scratch.write("config.json", &servers.to_string()).unwrap();
    let _cleared = Cleared(scratch.path().join("pid"));
    let shell = format!(
        "( trap '' HUP; '{MCPO}' --config config.json --host 127.0.0.1 --port 0 & \
           echo $! > pid; wait $!; echo $? > ended ) & \
         until grep -q /docs seen; do sleep 0.02; done"
    );
    let mut terminal = Command::new("script");
    terminal.args(["-q", "-f", "-c", &shell, "seen"]).env("SHELL", "/bin/sh");
    terminal.current_dir(scratch.path()).stdin(Stdio::null()).stdout(Stdio::null());
    let status = timeout(PATIENCE, terminal.kill_on_drop(true).status()).await.unwrap().unwrap();
    assert!(status.success(), "{status}");
    let ended = scratch.path().join("ended");
    let deadline = Instant::now() + PATIENCE;
    while !fs::read_to_string(&ended).is_ok_and(|text| text.ends_with('\n')) {
        let seen = scratch.path().join("seen");
        assert!(Instant::now() < deadline, "{}", fs::read_to_string(seen).unwrap());
        sleep(LOOK_EVERY).await;
    }
    assert_eq!(fs::read_to_string(&ended).unwrap(), "0\n");
}
