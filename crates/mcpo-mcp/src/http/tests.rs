//! Whole sessions against scripted HTTP upstreams, through the public interface.

mod cut;
mod legacy;
mod modern;
mod peer;
mod sse;
mod trace;

use std::time::Duration;

use http::HeaderMap;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use url::Url;

use crate::answer::Answer;
use crate::endpoint::{Endpoint, Era, Http, HttpTransport};
use crate::error::{Cause, RequestError, Sent};
use crate::session::{ConnectOptions, Connected, Session, connect};

const INITIALIZED: &str = r#"{"protocolVersion":"2025-11-25","serverInfo":{"name":"scripted","version":"1"},"capabilities":{"tools":{"listChanged":true}}}"#;

/// A session whose driver runs.
#[derive(Debug)]
struct Running {
    session: Session,
    driver: JoinSet<Cause>,
}

impl Running {
    fn new(connected: Connected) -> Self {
        let mut driver = JoinSet::new();
        driver.spawn(connected.driver.run());
        Self { session: connected.session, driver }
    }

    async fn call(&self) -> Result<Answer, RequestError> {
        self.session.call_tool("t", b"{\"a\":1}", soon(), None).await
    }

    async fn ended(&mut self) -> Cause {
        timeout(Duration::from_secs(20), self.driver.join_next()).await.unwrap().unwrap().unwrap()
    }

    async fn close(mut self) -> Cause {
        self.session.close();
        self.ended().await
    }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

fn options(era: Era) -> ConnectOptions {
    ConnectOptions {
        client_name: "mcpo".to_owned(),
        client_version: "1".to_owned(),
        era,
        deadline: soon(),
        grace: Duration::from_secs(1),
    }
}

async fn try_connect(url: Url, transport: HttpTransport, era: Era) -> Result<Running, Cause> {
    let headers = HeaderMap::from_iter([("x-key".parse().unwrap(), "secret".parse().unwrap())]);
    let endpoint = Endpoint::Http(Http { url, headers, transport });
    connect(&endpoint, &options(era)).await.map(Running::new)
}

async fn open(peer: &peer::Peer, era: Era) -> Running {
    try_connect(peer.url("/mcp"), HttpTransport::Streamable, era).await.unwrap()
}

fn result_of(answered: Result<Answer, RequestError>) -> String {
    match answered {
        Ok(Answer::Result(result)) => String::from_utf8(result.to_vec()).unwrap(),
        other => panic!("no result: {other:?}"),
    }
}

fn status_of(cause: &Cause) -> u16 {
    let Cause::Status { status, .. } = cause else { panic!("no status: {cause:?}") };
    *status
}

fn names(tools: &[Value]) -> Vec<&str> {
    tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect()
}

fn failed(answered: Result<Answer, RequestError>) -> (Sent, Cause) {
    let error = answered.expect_err("a failure");
    (error.sent, error.cause)
}
