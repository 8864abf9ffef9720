//! Drives one upstream as hard as it goes, for measuring what a call costs here:
//! `drive CALLERS SECONDS -- URL` or `drive CALLERS SECONDS -- COMMAND ARGS...`.
//! Prints calls a second and the processor time of this process per call.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a tool for hands, outside of the product"
)]

use std::time::Duration;

use mcpo_mcp::endpoint::{Endpoint, Era, Http, HttpTransport, Stdio};
use mcpo_mcp::session::{ConnectOptions, Connected, Session, connect};
use rustix::time::{ClockId, clock_gettime};
use tokio::task::JoinSet;
use tokio::time::Instant;

const ARGUMENTS: &[u8] = br#"{"message":"a text of some length, as calls have them"}"#;

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [callers, seconds, _dashes, target, rest @ ..] = arguments.as_slice() else {
        return println!("drive CALLERS SECONDS -- URL|COMMAND ARGS...");
    };
    let endpoint = match url::Url::parse(target) {
        Ok(url) if url.scheme().starts_with("http") => Endpoint::Http(Http {
            url,
            headers: http::HeaderMap::new(),
            transport: HttpTransport::Streamable,
        }),
        _ => Endpoint::Stdio(Stdio {
            command: target.clone(),
            arguments: rest.to_vec(),
            environment: std::env::vars_os().collect(),
            directory: None,
            launcher: None,
        }),
    };
    let options = ConnectOptions {
        client_name: "drive".to_owned(),
        client_version: "0".to_owned(),
        era: Era::Legacy,
        deadline: Instant::now() + Duration::from_secs(20),
        grace: Duration::from_secs(2),
    };
    let Connected { session, driver } = match connect(&endpoint, &options).await {
        Ok(connected) => connected,
        Err(cause) => return println!("connect: {cause}"),
    };
    let mut tasks = JoinSet::new();
    tasks.spawn(driver.run());
    let callers = callers.parse().unwrap_or(1);
    let length = Duration::from_secs(seconds.parse().unwrap_or(1));
    run(&session, callers, Duration::from_millis(300)).await;
    let (begun, worked) = (Instant::now(), processor_time());
    let calls = run(&session, callers, length).await;
    let (elapsed, worked) = (begun.elapsed(), processor_time() - worked);
    println!(
        "{:.0} calls/s, {:.2} us of processor time a call",
        f64::from(calls) / elapsed.as_secs_f64(),
        worked.as_secs_f64() * 1e6 / f64::from(calls)
    );
    session.close();
    tasks.join_all().await;
}

async fn run(session: &Session, callers: usize, length: Duration) -> u32 {
    let until = Instant::now() + length;
    let mut tasks = JoinSet::new();
    for _ in 0..callers {
        let session = session.clone();
        tasks.spawn(async move {
            let mut calls = 0_u32;
            while Instant::now() < until {
                let deadline = Instant::now() + Duration::from_secs(10);
                match session.call_tool("echo", ARGUMENTS, deadline, None).await {
                    Ok(_) => calls += 1,
                    Err(error) => {
                        println!("{error:?}");
                        break;
                    }
                }
            }
            calls
        });
    }
    tasks.join_all().await.into_iter().sum()
}

fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}
