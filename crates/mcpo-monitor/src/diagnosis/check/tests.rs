//! Looks at servers and commands that are there, over real sockets and with real processes.

use std::net::Ipv4Addr;
use std::sync::Arc;

use mcpo_config::{
    ChildEnvironment, Endpoint, Http, HttpKind, PoolSizes, Server, ServerName, Stdio,
};
use mcpo_core::catalog::CatalogPolicy;
use mcpo_core::fault::{FaultKind, Stage};
use mcpo_core::load::ServerLoad;
use mcpo_testkit::{HttpStep, HttpUpstream, Script, Step};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::diagnosis::{Facts, diagnose};

fn server(name: &str, endpoint: Endpoint) -> Server {
    Server {
        name: ServerName::new(name).unwrap(),
        endpoint,
        era: Era::Auto,
        timeout: None,
        pool: PoolSizes::STDIO,
        catalog: CatalogPolicy::default(),
        load: ServerLoad::default(),
    }
}

fn shell(script: &str) -> Server {
    let args = vec!["-c".to_owned(), script.to_owned()];
    let secret = [("TOKEN".into(), "a-very-secret-word".into())];
    let environment =
        ChildEnvironment::new([("PATH".into(), "/bin:/usr/bin".into())].into_iter().chain(secret));
    let stdio = Stdio { command: "sh".to_owned(), args, environment, cwd: None };
    server("files", Endpoint::Stdio(stdio))
}

fn url(url: &str) -> Server {
    let (url, kind) = (url.parse().unwrap(), HttpKind::Streamable);
    server("search", Endpoint::Http(Http { url, headers: Vec::new(), kind }))
}

fn in_seconds(seconds: u64) -> Instant {
    Instant::now() + Duration::from_secs(seconds)
}

/// What the diagnosis makes of a single look.
fn id(server: &Server, chain: &Chain) -> Vec<&'static str> {
    let mut facts = Facts::new(std::time::UNIX_EPOCH, Arc::new(vec![server.clone()]));
    facts.chains.insert(server.name.to_string(), chain.clone());
    diagnose(&facts).issues.iter().map(|issue| issue.id).collect()
}

#[tokio::test]
async fn a_command_that_is_not_there() {
    let mut server = shell("");
    if let Endpoint::Stdio(stdio) = &mut server.endpoint {
        stdio.command = "no-such-program".to_owned();
    }
    let chain = look(&server, in_seconds(5)).await;
    assert_eq!(chain.links, ["command cannot be started"]);
    assert_eq!(id(&server, &chain), ["command_not_found"]);
}

#[tokio::test]
async fn a_command_that_ends_says_how_and_why_without_secrets() {
    let server = shell("echo bad $TOKEN >&2; exit 7");
    let chain = look(&server, in_seconds(20)).await;
    assert_eq!(chain.links, ["command ok", "started", "process ended (exit code 7)"]);
    assert_eq!(chain.status.as_deref(), Some("exit code 7"));
    assert_eq!(chain.last_words.as_deref().map(str::trim), Some("bad ***"));
    assert_eq!(id(&server, &chain), ["command_fails"]);
}

#[tokio::test]
async fn a_command_that_says_nothing_is_told_before_the_deadline() {
    let server = shell("sleep 60");
    let deadline = Instant::now() + Duration::from_millis(600);
    let chain = look(&server, deadline).await;
    assert!(Instant::now() < deadline);
    assert_eq!(chain.links, ["command ok", "started", "handshake: no answer in time"]);
    assert_eq!(id(&server, &chain), ["handshake_timeout"]);
}

#[tokio::test]
async fn a_command_that_does_not_answer_is_quoted_without_secrets() {
    let server = shell("echo waiting for $TOKEN; sleep 60");
    let chain = look(&server, Instant::now() + Duration::from_millis(900)).await;
    let words = "on stdout, where only MCP belongs: waiting for ***";
    assert_eq!(chain.last_words.as_deref().map(str::trim), Some(words));
    assert_eq!(id(&server, &chain), ["handshake_timeout"]);
}

#[tokio::test]
async fn a_port_where_nobody_listens() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let server = url(&format!("http://127.0.0.1:{port}/mcp"));
    let chain = look(&server, in_seconds(5)).await;
    assert_eq!(chain.links, ["tcp refused"]);
    assert_eq!(id(&server, &chain), ["upstream_unreachable"]);
    let named = url(&format!("http://localhost:{port}/mcp"));
    assert_eq!(look(&named, in_seconds(5)).await.links, ["dns ok", "tcp refused"]);
}

#[tokio::test]
async fn a_name_without_an_address() {
    // RFC 6761: no name below `invalid` ever has one.
    let server = url("http://nowhere.invalid:9/mcp");
    let chain = look(&server, in_seconds(10)).await;
    assert_eq!(chain.links, ["dns failed"], "{:?}", chain.fault);
    assert_eq!(id(&server, &chain), ["dns_failed"]);
}

/// A server that says these bytes to every connection once it has heard something.
async fn says(bytes: &'static [u8]) -> (u16, JoinSet<()>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut open = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut heard = [0; 4096];
            if stream.read(&mut heard).await.is_ok_and(|read| read > 0) && !bytes.is_empty() {
                let _gone = stream.write_all(bytes).await;
                let _gone = stream.shutdown().await;
            } else {
                open.push(stream);
            }
        }
    });
    (port, tasks)
}

async fn answered(scheme: &str, bytes: &'static [u8]) -> (Vec<String>, Vec<&'static str>) {
    let (port, _serving) = says(bytes).await;
    let server = url(&format!("{scheme}://127.0.0.1:{port}/mcp"));
    let chain = look(&server, Instant::now() + Duration::from_secs(2)).await;
    (chain.links.clone(), id(&server, &chain))
}

#[tokio::test]
async fn what_a_server_says_is_the_last_link() {
    let cases: [(&str, &[u8], &str, &str); 5] = [
        (
            "http",
            b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
            "handshake: credentials refused",
            "unauthorized",
        ),
        (
            "http",
            b"HTTP/1.1 500 Oops\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
            "handshake: an internal error",
            "server_errors",
        ),
        (
            "http",
            b"HTTP/1.1 429 Slow down\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
            "handshake: \"not now\"",
            "throttled",
        ),
        ("http", b"", "handshake: no answer in time", "handshake_timeout"),
        ("https", b"HTTP/1.1 400 Bad Request\r\n\r\n", "tls failed", "tls_failed"),
    ];
    for (scheme, bytes, link, issue) in cases {
        let (links, ids) = answered(scheme, bytes).await;
        assert_eq!(links.last().map(String::as_str), Some(link), "{links:?}");
        assert_eq!(links[0], "tcp ok");
        assert_eq!(ids, [issue]);
    }
}

#[tokio::test]
async fn a_server_that_is_well_is_left_as_it_was() {
    let broken = serde_json::json!({"name": "odd", "inputSchema": {"type": 12}});
    let up = HttpUpstream::start(Script::echo().tool(broken)).await.unwrap();
    let mut server = url(&up.url());
    server.catalog.disabled_tools.push("ehco".to_owned());
    let chain = look(&server, in_seconds(5)).await;
    assert_eq!(chain.links, ["tcp ok", "handshake ok", "tools ok (2)"]);
    assert_eq!((chain.fault.clone(), chain.tools), (None, Some(2)));
    assert_eq!(chain.flaws[0].0, "odd");
    assert_eq!(chain.unknown_names, ["ehco"]);
    assert_eq!((up.sessions_made(), up.sessions_open()), (1, 0));
    assert_eq!(id(&server, &chain), ["tools_flawed", "tools_unknown"]);
}

#[tokio::test]
async fn tools_that_are_not_told_are_the_last_link() {
    let script = Script { list: vec![vec![Step::Http(HttpStep::status(500))]], ..Script::echo() };
    let up = HttpUpstream::start(script).await.unwrap();
    let server = url(&up.url());
    let chain = look(&server, in_seconds(5)).await;
    assert_eq!(chain.links, ["tcp ok", "handshake ok", "tools: an internal error"]);
    assert_eq!(id(&server, &chain), ["server_errors"]);
}

/// One that hangs does not keep the others from being told, nor the answer past its deadline.
#[tokio::test]
async fn many_are_looked_at_at_once_until_the_deadline() {
    let (port, _serving) = says(b"").await;
    let hangs = |index: usize| Server {
        name: ServerName::new(&format!("hangs-{index}")).unwrap(),
        ..url(&format!("http://127.0.0.1:{port}/mcp"))
    };
    let mut wanted: Vec<Server> = (0..LOOKS_AT_ONCE_MAX - 1).map(hangs).collect();
    wanted.push(url("http://127.0.0.1:1/mcp"));
    wanted.extend((0..20).map(|index| hangs(100 + index)));
    let deadline = Instant::now() + Duration::from_millis(1500);
    let chains = look_all(wanted, deadline).await;
    assert!(Instant::now() < deadline + Duration::from_millis(500));
    assert_eq!(chains["search"].fault.as_ref().and_then(|fault| fault.stage), Some(Stage::Refused));
    let timeout = chains["hangs-0"].fault.as_ref().map(|fault| fault.kind);
    assert_eq!(timeout, Some(FaultKind::Timeout));
}

/// More of those that hang than are looked at at once take no time from the last ones.
#[tokio::test]
async fn who_waits_for_a_look_gets_a_share_of_the_time() {
    let (port, _serving) = says(b"").await;
    let hangs = |index: usize| Server {
        name: ServerName::new(&format!("hangs-{index}")).unwrap(),
        ..url(&format!("http://127.0.0.1:{port}/mcp"))
    };
    let up = HttpUpstream::start(Script::echo()).await.unwrap();
    let mut wanted: Vec<Server> = (0..2 * LOOKS_AT_ONCE_MAX).map(hangs).collect();
    wanted.push(url(&up.url()));
    let deadline = in_seconds(3);
    let chains = look_all(wanted, deadline).await;
    assert!(Instant::now() < deadline);
    assert!(chains["search"].is_whole(), "{:?}", chains["search"]);
    assert_eq!(chains.len(), 2 * LOOKS_AT_ONCE_MAX + 1);
}

#[tokio::test]
async fn a_path_where_nothing_is_and_a_port_that_closes_have_advice_of_their_own() {
    let not_found: &[u8] =
        b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    for (bytes, wanted) in [(not_found, "often `/mcp`"), (b"\x15\x03\x01\x00\x02", "`https://`")] {
        let (port, _serving) = says(bytes).await;
        let server = url(&format!("http://127.0.0.1:{port}/mcp"));
        let chain = look(&server, in_seconds(5)).await;
        let mut facts = Facts::new(std::time::UNIX_EPOCH, Arc::new(vec![server.clone()]));
        facts.chains.insert(server.name.to_string(), chain);
        let issue = diagnose(&facts).issues.remove(0);
        assert_eq!(issue.id, "upstream_unreachable");
        assert!(issue.fix[0].contains(wanted), "{:?}", issue.fix);
    }
}
