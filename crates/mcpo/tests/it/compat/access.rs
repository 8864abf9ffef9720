//! Auth and CORS: who may call, who may look, and which origins browsers may come from.

use mcpo_testkit::Script;
use serde_json::{Value, json};

use crate::program::{ready, world};
use crate::rows::{Row, check, get, post};

/// `user:KEY`, in base64.
const BASIC: &str = "Basic dXNlcjpLRVk=";
/// `user:WRONG`, in base64.
const BASIC_WRONG: &str = "Basic dXNlcjpXUk9ORw==";

fn call(says: &str) -> Row {
    post(says, "/one/echo", &json!({}))
}

fn refused(row: Row, status: u16, detail: &str) -> Row {
    row.status(status).answers(json!({"detail": detail})).never_received("one")
}

#[tokio::test]
async fn a_key_guards_calls_and_leaves_documents_open() {
    let missing = "Missing or invalid Authorization header";
    let world = ready(world().stdio("one", Script::echo()).unwrap().arg("-k").arg("KEY")).await;
    check(
        &world,
        [
            call("the key lets in").sent("authorization", "Bearer KEY"),
            refused(call("no key"), 401, missing).header("www-authenticate", "Bearer"),
            refused(call("another scheme").sent("authorization", BASIC), 401, missing),
            refused(
                call("a wrong key").sent("authorization", "Bearer WRONG"),
                403,
                "Invalid API key",
            ),
            get("documents are open", "/one/openapi.json").satisfies(bearer_is_declared),
            get("pages are open", "/one/docs"),
            get("the root is open", "/openapi.json"),
        ],
    )
    .await;
}

fn bearer_is_declared(document: &Value) -> bool {
    document["components"]["securitySchemes"]["HTTPBearer"]
        == json!({"type": "http", "scheme": "bearer"})
        && document["paths"]["/echo"]["post"]["security"] == json!([{"HTTPBearer": []}])
}

#[tokio::test]
async fn strict_auth_guards_everything_but_preflights() {
    let world = world().stdio("one", Script::echo()).unwrap();
    let world = ready(world.arg("--api-key=KEY").arg("--strict-auth")).await;
    let looks = ["/openapi.json", "/docs", "/one/openapi.json", "/one/docs", "/one/redoc"];
    let tables = looks.map(|path| {
        [
            get("no key", path).status(401),
            get("a wrong key", path).sent("authorization", "Bearer WRONG").status(403),
            get("a wrong password", path).sent("authorization", BASIC_WRONG).status(403),
            get("the key", path).sent("authorization", "Bearer KEY"),
            get("the key as password", path).sent("authorization", BASIC),
        ]
    });
    check(&world, tables.into_iter().flatten()).await;
    check(
        &world,
        [
            call("a call with the key").sent("authorization", "Bearer KEY"),
            call("a call with the key as password").sent("authorization", BASIC),
            call("a call without").status(401).never_received("one"),
            call("a call with a wrong password")
                .sent("authorization", BASIC_WRONG)
                .status(403)
                .never_received("one"),
            Row::new("OPTIONS needs no key", "OPTIONS", "/one/echo")
                .sent("origin", "https://chat.example.com")
                .sent("access-control-request-method", "POST"),
        ],
    )
    .await;
}

fn preflight(says: &str, origin: &str) -> Row {
    Row::new(says, "OPTIONS", "/one/echo")
        .sent("origin", origin)
        .sent("access-control-request-method", "POST")
        .sent("access-control-request-headers", "authorization, x-session-id")
}

#[tokio::test]
async fn browsers_may_come_from_the_origins_that_are_named() {
    let chat = "https://chat.example.com";
    let named = world().stdio("one", Script::echo()).unwrap();
    let named = named.arg("--cors-allow-origins").arg(chat);
    let named = ready(named.arg("--cors-allow-origins").arg("http://localhost:3000")).await;
    check(
        &named,
        [
            preflight("a preflight is echoed, with credentials", chat)
                .header("access-control-allow-origin", chat)
                .header("access-control-allow-credentials", "true")
                .header("access-control-allow-headers", "authorization, x-session-id"),
            preflight("the second origin", "http://localhost:3000")
                .header("access-control-allow-origin", "http://localhost:3000"),
            preflight("a foreign origin", "https://evil.example.com")
                .status(400)
                .no_header("access-control-allow-origin"),
            call("a call").sent("origin", chat).header("access-control-allow-origin", chat),
            call("a call from elsewhere is not for scripts to read")
                .sent("origin", "https://evil.example.com")
                .no_header("access-control-allow-origin"),
        ],
    )
    .await;
    let any = ready(world().stdio("one", Script::echo()).unwrap()).await;
    check(
        &any,
        [
            preflight("by default any origin", chat).header("access-control-allow-origin", chat),
            post("a refusal is readable, too", "/one/missing", &json!({}))
                .sent("origin", chat)
                .status(404)
                .header("access-control-allow-origin", "*"),
        ],
    )
    .await;
}
