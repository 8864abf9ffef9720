//! A log that nobody reads any more costs nothing.

use std::process::Stdio;

use mcpo_testkit::{Request, Scratch, Script, ScriptedStdio, Step};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::program::MCPO;

#[tokio::test]
async fn a_log_without_a_reader_stops_nothing() {
    let scratch = Scratch::new().unwrap();
    let dying = Script::echo().on_call("die", vec![vec![Step::Exit(1)]]);
    let upstream = ScriptedStdio::new(scratch.path(), "one", dying).unwrap();
    let mut mcpo = Command::new(MCPO)
        .args(["-h", "127.0.0.1", "-p", "0", "--log-level", "debug", "--", &upstream.command])
        .args(&upstream.arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(mcpo.stderr.take().unwrap()).lines();
    let first = lines.next_line().await.unwrap().unwrap();
    let address = first.split_once("listening on ").unwrap().1.to_owned();
    // As `mcpo ... 2>&1 | head -1` does it.
    drop(lines);
    let call = async |tool: &str| {
        Request::post(&format!("{address}/{tool}")).json(&json!({})).send().await.unwrap().status
    };
    for _ in 0..2 {
        assert_eq!(call("echo").await, 200);
        assert_eq!(call("die").await, 502);
    }
    assert!(mcpo.try_wait().unwrap().is_none(), "it goes on");
}
