//! Calls one tool of an upstream, for trying real servers by hand:
//! `call auto|legacy|modern TOOL ARGUMENTS-JSON TIMES -- COMMAND ARGS...` (or a URL).
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a tool for hands, outside of the product"
)]

use std::time::Duration;

use mcpo_mcp::endpoint::{Endpoint, Era, Http, HttpTransport, Stdio};
use mcpo_mcp::session::{ConnectOptions, Connected, Session, connect};
use tokio::task::JoinSet;
use tokio::time::Instant;

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [era, tool, body, times, _dashes, command, rest @ ..] = arguments.as_slice() else {
        println!("call auto|legacy|modern TOOL ARGUMENTS-JSON TIMES -- COMMAND ARGS...");
        return;
    };
    let era = match era.as_str() {
        "legacy" => Era::Legacy,
        "modern" => Era::Modern,
        _ => Era::Auto,
    };
    let endpoint = match url::Url::parse(command) {
        Ok(url) if url.scheme().starts_with("http") => {
            let transport = if url.path().ends_with("/sse") {
                HttpTransport::Sse
            } else {
                HttpTransport::Streamable
            };
            Endpoint::Http(Http { url, headers: http::HeaderMap::new(), transport })
        }
        _ => Endpoint::Stdio(Stdio {
            command: command.clone(),
            arguments: rest.to_vec(),
            environment: std::env::vars_os().collect(),
            directory: None,
            launcher: None,
        }),
    };
    let options = ConnectOptions {
        client_name: "call".to_owned(),
        client_version: "0".to_owned(),
        era,
        deadline: Instant::now() + Duration::from_secs(20),
        grace: Duration::from_secs(2),
    };
    let started = Instant::now();
    let Connected { session, driver } = match connect(&endpoint, &options).await {
        Ok(connected) => connected,
        Err(cause) => return println!("connect after {:?}: {cause}\n{cause:?}", started.elapsed()),
    };
    println!("connected after {:?}: {:?}", started.elapsed(), session.identity());
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let cause = driver.run().await;
        println!("ended after {:?}: {cause:?}", started.elapsed());
    });
    match session.list_tools(deadline()).await {
        Ok(tools) => {
            println!(
                "tools: {:?}",
                tools.iter().filter_map(|tool| tool.get("name")).collect::<Vec<_>>()
            );
        }
        Err(error) => println!("list: {error:?}"),
    }
    println!("probe: {:?}", session.probe(deadline()).await);
    measure(&session, tool, body, times.parse().unwrap_or(1)).await;
    println!("stderr: {:?}", session.last_words());
    session.close();
    tasks.join_all().await;
}

fn deadline() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

async fn measure(session: &Session, tool: &str, body: &str, times: u32) {
    let begun = Instant::now();
    for time in 0..times {
        let answer = session.call_tool(tool, body.as_bytes(), deadline(), None).await;
        if time == 0 {
            println!("answer: {answer:?}");
        }
    }
    println!("{times} calls, one after the other: {:?}", begun.elapsed());
    let mut calls = JoinSet::new();
    let begun = Instant::now();
    for _ in 0..times {
        let (session, tool, body) = (session.clone(), tool.to_owned(), body.to_owned());
        calls.spawn(async move {
            session.call_tool(&tool, body.as_bytes(), deadline(), None).await.is_ok()
        });
    }
    let answered = calls.join_all().await.into_iter().filter(|&answered| answered).count();
    println!("{times} calls at once, {answered} answered: {:?}", begun.elapsed());
}
