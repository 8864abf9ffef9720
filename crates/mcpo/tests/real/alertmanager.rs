//! A real Alertmanager (Debian's) is told of an alert and of its end, and passes both on; and the
//! proxies of the environment are used.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::http::request;
use crate::places::{node, npm, scratch, text};
use crate::process::{Listening, Mcpo, until};

/// The rule asks for a second, and Alertmanager groups for less.
const PATIENCE: Duration = Duration::from_secs(60);
/// More notifications than one test makes.
const NOTIFICATIONS_MAX: usize = 100;

/// Who gets what Alertmanager passes on.
struct Receiver {
    notifications: mpsc::Receiver<Value>,
    port: u16,
    _task: JoinSet<()>,
}

impl Receiver {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let (tx, notifications) = mpsc::channel(NOTIFICATIONS_MAX);
        let mut task = JoinSet::new();
        task.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                if let Some(said) = take(stream).await
                    && tx.send(said).await.is_err()
                {
                    return;
                }
            }
        });
        Self { notifications, port, _task: task }
    }

    /// The next notification of this alert.
    async fn next(&mut self, alertname: &str) -> Value {
        let next = async {
            loop {
                let said = self.notifications.recv().await.expect("the task lives");
                if said["commonLabels"]["alertname"] == alertname {
                    return said;
                }
            }
        };
        timeout(PATIENCE, next).await.expect("Alertmanager passes it on in time")
    }
}

/// One POST; the connection ends with its answer.
async fn take(stream: TcpStream) -> Option<Value> {
    let mut stream = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok().filter(|read| *read > 0)?;
        if line == "\r\n" {
            break;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    stream.write_all(answer).await.ok()?;
    serde_json::from_slice(&body).ok()
}

/// Starts an Alertmanager that passes on at once to this port.
async fn alertmanager(receiver: u16) -> Listening {
    let file = scratch().join("alertmanager.json");
    // It reads YAML, of which JSON is a part.
    let config = json!({
        "route": {"receiver": "test", "group_by": ["..."], "group_wait": "100ms",
            "group_interval": "1s", "repeat_interval": "1h"},
        "receivers": [{"name": "test", "webhook_configs": [
            {"url": format!("http://127.0.0.1:{receiver}/"), "send_resolved": true}]}],
    });
    std::fs::write(&file, config.to_string()).expect("the scratch folder is writable");
    let storage = scratch().join("alertmanager");
    let command = [
        "prometheus-alertmanager".to_owned(),
        format!("--config.file={}", text(&file)),
        format!("--storage.path={}", text(&storage)),
        "--web.listen-address=127.0.0.1:PORT".to_owned(),
        "--cluster.listen-address=".to_owned(),
    ];
    Listening::start(&command).await
}

/// A configuration of one server, whose being down is told to an Alertmanager.
fn config(server: &str, alertmanager: &str) -> PathBuf {
    let file = scratch().join("alerting.json");
    let config = json!({
        "mcpServers": {"everything": {"url": server}},
        "monitor": {"alerts": {
            "rules": {"server_down": {"for": 1}},
            "webhooks": [{"url": alertmanager, "format": "alertmanager"}],
        }},
    });
    std::fs::write(&file, config.to_string()).expect("the scratch folder is writable");
    file
}

/// What Alertmanager holds of an alert that it takes for active.
async fn active(alertmanager: &Listening, alertname: &str) -> Option<Value> {
    let url = alertmanager.url("");
    let port = url.rsplit(':').next().and_then(|port| port.parse().ok()).expect("it has a port");
    let answer = request(port, "GET /api/v2/alerts", "").await?;
    let alerts = answer.json();
    let named = |alert: &&Value| alert["labels"]["alertname"] == alertname;
    alerts.as_array()?.iter().find(named).cloned()
}

#[tokio::test]
async fn an_alertmanager_hears_of_an_outage_and_of_its_end() {
    let mut receiver = Receiver::start().await;
    let manager = alertmanager(receiver.port).await;
    let entry = npm("@modelcontextprotocol/server-everything/dist/index.js");
    let mut server = Listening::start(&[node(), entry, "streamableHttp".to_owned()]).await;
    let file = text(&config(&server.url("/mcp"), &manager.url("/")));
    let mcpo =
        Mcpo::start_in(&["--no-state", "--config", &file], &[("MCPO_MONITOR_INTERVAL", "1")]);
    mcpo.ready().await;
    assert!(active(&manager, "McpoServerDown").await.is_none());

    server.kill().await;
    let said = receiver.next("McpoServerDown").await;
    assert_eq!(said["status"], "firing", "{said}");
    let alert = &said["alerts"][0];
    assert_eq!(alert["labels"]["mcpo_server"], "everything");
    assert_eq!(alert["labels"]["severity"], "critical");
    assert_eq!(alert["labels"]["job"], "mcpo");
    let summary = "everything: it cannot be called: it cannot be reached";
    assert_eq!(alert["annotations"]["summary"], summary);
    assert!(active(&manager, "McpoServerDown").await.is_some());
    let own = mcpo.get("/alerts").await.json();
    assert_eq!(own["active"][0]["rule"], "server_down", "{own}");
    assert_eq!(own["webhooks"][0]["name"], "1:alertmanager", "{own}");
    assert!(mcpo.has_said(summary), "the log says so, too");

    server.start_again().await;
    let said = receiver.next("McpoServerDown").await;
    assert_eq!(said["status"], "resolved", "{said}");
    let is_gone = async || active(&manager, "McpoServerDown").await.is_none();
    assert!(until(PATIENCE, is_gone).await, "it is active no more");
    let own = mcpo.get("/alerts").await.json();
    assert_eq!(own["resolved"][0]["rule"], "server_down", "{own}");
    assert_eq!(own["webhooks"][0]["failed"], 0, "{own}");
    mcpo.stop().await;
}

#[tokio::test]
async fn an_alertmanager_that_was_away_is_told_when_it_is_back() {
    let mut receiver = Receiver::start().await;
    let mut manager = alertmanager(receiver.port).await;
    let entry = npm("@modelcontextprotocol/server-everything/dist/index.js");
    let mut server = Listening::start(&[node(), entry, "streamableHttp".to_owned()]).await;
    let file = text(&config(&server.url("/mcp"), &manager.url("")));
    let mcpo =
        Mcpo::start_in(&["--no-state", "--config", &file], &[("MCPO_MONITOR_INTERVAL", "1")]);
    mcpo.ready().await;
    manager.kill().await;
    server.kill().await;
    let has_failed = async || {
        let webhook = &mcpo.get("/alerts").await.json()["webhooks"][0];
        webhook["last_error"] == "it cannot be reached" && webhook["queued"] == 1
    };
    assert!(until(PATIENCE, has_failed).await, "it shows that nobody was told");
    manager.start_again().await;
    assert_eq!(receiver.next("McpoServerDown").await["status"], "firing");
    mcpo.stop().await;
}

#[tokio::test]
async fn a_test_alert_arrives_and_says_that_it_is_one() {
    let mut receiver = Receiver::start().await;
    let mut manager = alertmanager(receiver.port).await;
    let file = text(&config("http://127.0.0.1:1/mcp", &manager.url("")));
    let test = async || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mcpo"));
        command.args(["alerts", "test", "--config", &file]).kill_on_drop(true);
        let output = command.output().await.expect("it is built");
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (is_well, said) = test().await;
    assert!(is_well && said.contains("1:alertmanager"), "{said}");
    let told = receiver.next("McpoTest").await;
    assert_eq!(told["commonLabels"]["test"], "true", "{told}");
    manager.kill().await;
    let (is_well, said) = test().await;
    assert!(!is_well, "{said}");
}

#[tokio::test]
async fn a_proxy_of_the_environment_is_used_but_never_for_loopback() {
    let mut proxy = Receiver::start().await;
    let test = async |url: &str, proxy: &str| {
        let file = scratch().join("proxied.json");
        let config = json!({
            "mcpServers": {"unused": {"command": "true"}},
            "monitor": {"alerts": {"webhooks": [{"url": url}]}},
        });
        std::fs::write(&file, config.to_string()).expect("the scratch folder is writable");
        let mut command = Command::new(env!("CARGO_BIN_EXE_mcpo"));
        command.args(["alerts", "test", "--config", &text(&file)]).kill_on_drop(true);
        command.env("http_proxy", proxy).env_remove("no_proxy").env_remove("NO_PROXY");
        let output = command.output().await.expect("it is built");
        let said = [output.stdout, output.stderr].concat();
        assert!(!String::from_utf8_lossy(&said).contains("secret"), "an address is a secret");
        output.status.success()
    };
    let address = format!("http://127.0.0.1:{}", proxy.port);
    assert!(test("http://hooks.invalid/secret", &address).await, "the proxy knows the way");
    let said = proxy.notifications.recv().await.expect("the task lives");
    assert_eq!(said["test"], true, "{said}");
    // Nobody listens at this proxy.
    assert!(test(&format!("{address}/hook"), "http://127.0.0.1:1").await, "it is not asked");
    assert!(!test("http://hooks.invalid/secret", "http://127.0.0.1:1").await);
}
