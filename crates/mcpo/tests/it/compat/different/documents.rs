//! Documents that say all there is, arguments that are held to the server's own schema, names of
//! every kind, pages that load nothing from elsewhere.

use std::collections::BTreeSet;

use mcpo_testkit::{HttpUpstream, Script, Step, World, tool};
use serde_json::{Value, json};

use crate::program::{ready, world};
use crate::rows::{check, get, post};

async fn document(world: &World, path: &str) -> Value {
    world.get(path).await.unwrap().json()
}

fn exacting() -> Value {
    json!({"type": "object", "additionalProperties": false, "properties": {
        "colour": {"type": "string", "enum": ["red", "blue"], "title": "Colour of it"},
        "count": {"type": "integer", "minimum": 1, "maximum": 9},
        "word": {"type": "string", "pattern": "^[a-z]+$"},
        "always": {"type": "string", "const": "yes"},
        "day": {"type": "string", "format": "date"},
        "either": {"oneOf": [{"type": "integer"}, {"type": "string", "maxLength": 3}]},
        "both": {"allOf": [{"type": "integer", "minimum": 2}, {"maximum": 5}]},
        "point": {"$ref": "#/$defs/point"},
    }, "$defs": {"point": {"type": "object", "required": ["x"], "properties": {"x": {"type": "number"}}}}})
}

#[tokio::test]
async fn nothing_of_a_schema_is_lost_and_arguments_are_held_to_it() {
    let output = json!({"type": "object", "properties": {"weight": {"type": "number"}}});
    let paint = json!({"name": "paint", "inputSchema": exacting(), "outputSchema": output});
    let world = ready(world().stdio("one", Script::new("s").tool(paint)).unwrap()).await;
    let document = document(&world, "/one/openapi.json").await.to_string();
    for part in [
        r#""enum":["red","blue"]"#,
        r#""title":"Colour of it""#,
        r#""minimum":1"#,
        r#""maximum":9"#,
        r#""pattern":"^[a-z]+$""#,
        r#""const":"yes""#,
        r#""format":"date""#,
        r#""oneOf""#,
        r#""maxLength":3"#,
        r#""x":{"type":"number"}"#,
        r#""weight":{"type":"number"}"#,
    ] {
        assert!(document.contains(part), "{part} is not in {document}");
    }
    let wrong = [
        json!({"colour": "green"}),
        json!({"count": 0}),
        json!({"count": 10}),
        json!({"word": "A1"}),
        json!({"always": "no"}),
        json!({"either": "much too long"}),
        json!({"both": 9}),
        json!({"point": {}}),
    ];
    let rows = wrong.iter().map(|sent| {
        post(&sent.to_string(), "/one/paint", sent)
            .status(422)
            .satisfies(|body| {
                body["detail"].as_array().is_some_and(|problems| !problems.is_empty())
            })
            .never_received("one")
    });
    check(&world, rows).await;
    let right = json!({"colour": "red", "count": 9, "word": "a", "either": 1, "both": 3, "point": {"x": 1.5}});
    check(
        &world,
        [post("what fits goes through", "/one/paint", &right).received("one", right.clone())],
    )
    .await;
}

#[tokio::test]
async fn all_pages_of_tools_are_read_and_changes_followed() {
    let tools = (0..25).map(|number| tool(&format!("tool{number}")));
    let script = Script { page_size: Some(10), ..tools.fold(Script::new("pages"), Script::tool) };
    let changes = vec![Step::NotifyToolsChanged(vec![tool("fresh")]), Step::Text("done".into())];
    let script = script.on_call("swap", vec![changes]);
    let upstream = HttpUpstream::start(script.clone()).await.unwrap();
    let world = world().stdio("child", script).unwrap().server("remote", upstream.config());
    let world = ready(world).await;
    for server in ["child", "remote"] {
        let path = format!("/{server}/openapi.json");
        assert_eq!(document(&world, &path).await["paths"].as_object().unwrap().len(), 26);
        assert_eq!(world.post(&format!("/{server}/swap"), &json!({})).await.unwrap().status, 200);
        let changed = |reply: &mcpo_testkit::Reply| {
            reply.json()["paths"].as_object().is_some_and(|paths| paths.keys().eq(["/fresh"]))
        };
        world.wait_reply(&path, changed).await.unwrap();
        let rows = [
            post("a tool that is new", &format!("/{server}/fresh"), &json!({})),
            post("a tool that is gone", &format!("/{server}/tool1"), &json!({})).status(404),
        ];
        check(&world, rows).await;
    }
}

#[tokio::test]
async fn the_root_lists_every_tool_of_every_server() {
    let two = Script::echo().tool(tool("sing")).tool(tool("a-b"));
    let world = world().stdio("one", Script::echo()).unwrap().stdio("two-b", two).unwrap();
    let world = ready(world).await;
    let document = document(&world, "/openapi.json").await;
    let found: Vec<_> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(path, item)| (path.as_str(), item["post"]["operationId"].as_str().unwrap()))
        .collect();
    let expected = [
        ("/one/echo", "one_echo"),
        ("/two-b/echo", "two_b_echo"),
        ("/two-b/sing", "two_b_sing"),
        ("/two-b/a-b", "two_b_a_b"),
    ];
    assert_eq!(BTreeSet::from_iter(found), BTreeSet::from(expected));
}

#[tokio::test]
async fn every_name_can_be_called_and_no_two_share_an_id() {
    let names = ["a-b", "a_b", "a.b", "a/b", "what?", "{x}", "100%", "two words", "größe", "工具"];
    let script = || {
        names.iter().fold(Script::new("odd"), |script, name| {
            script.on_call(name, vec![vec![Step::Text((*name).into())]])
        })
    };
    let ids = async || {
        let world = ready(world().stdio("one", script()).unwrap()).await;
        let document = document(&world, "/one/openapi.json").await;
        let paths = document["paths"].as_object().unwrap();
        assert_eq!(paths.len(), names.len());
        // The paths are asked for as the document writes them.
        let mut answers = BTreeSet::new();
        for path in paths.keys() {
            let reply = world.post(&format!("/one{path}"), &json!({})).await.unwrap();
            assert_eq!(reply.status, 200, "{path}: {reply}");
            answers.insert(reply.json().as_str().unwrap().to_owned());
        }
        assert_eq!(answers, names.map(str::to_owned).into());
        let id = |item: &Value| item["post"]["operationId"].as_str().unwrap().to_owned();
        let ids: Vec<String> = paths.values().map(id).collect();
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), names.len(), "{ids:?}");
        ids
    };
    assert_eq!(ids().await, ids().await, "a restart does not change an operation's id");
}

#[tokio::test]
async fn pages_load_nothing_from_elsewhere() {
    let world = ready(world().stdio("one", Script::echo()).unwrap()).await;
    for page in ["/docs", "/one/docs", "/one/redoc"] {
        let html = world.get(page).await.unwrap().text();
        assert!(!html.contains("//"), "{page} names another place: {html}");
        let assets: Vec<_> = html
            .split(['"', '\''])
            .filter(|text| text.starts_with("docs/assets/"))
            .map(|asset| format!("{}/{asset}", page.rsplit_once('/').unwrap().0))
            .collect();
        assert!(!assets.is_empty(), "{html}");
        check(&world, assets.iter().map(|asset| get(page, asset))).await;
    }
}

#[tokio::test]
async fn a_document_that_is_known_is_not_sent_again() {
    let world = ready(world().stdio("one", Script::echo()).unwrap()).await;
    for path in ["/openapi.json", "/one/openapi.json"] {
        let first = world.get(path).await.unwrap();
        let etag = first.header("etag").unwrap().to_owned();
        let again = get("the same document", path).sent("if-none-match", &etag);
        let other = get("another document", path).sent("if-none-match", "\"other\"");
        check(&world, [again.status(304).header("etag", &etag), other.answers(first.json())]).await;
    }
}
