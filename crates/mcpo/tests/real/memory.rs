//! `server-memory`: answers that must match the output schemas that it advertises, though its
//! texts do not.

use serde_json::{Value, json};

use crate::case::{answers, check, refused};
use crate::places::{node, npm, scratch, text};

const TOOLS: [&str; 9] = [
    "create_entities",
    "create_relations",
    "add_observations",
    "delete_entities",
    "delete_observations",
    "delete_relations",
    "read_graph",
    "search_nodes",
    "open_nodes",
];

/// Its configuration entry; it keeps a file of this process's own.
pub(crate) fn entry() -> Value {
    let file = text(&scratch().join("memory.jsonl"));
    let script = npm("@modelcontextprotocol/server-memory/dist/index.js");
    json!({"command": node(), "args": [script], "env": {"MEMORY_FILE_PATH": file}})
}

#[tokio::test]
async fn memory_answers_what_its_document_promises() {
    let ada =
        json!({"name": "Ada", "entityType": "person", "observations": ["wrote the first program"]});
    let relation = json!({"from": "Ada", "to": "Engine", "relationType": "programmed"});
    let missing = |name: &str| {
        let input = json!({"entityType": "person"});
        json!({"type": "missing", "loc": ["body", "entities", 0, name], "msg": "Field required", "input": input})
    };
    let calls = [
        answers("read_graph", json!({}), json!({"entities": [], "relations": []})),
        answers("create_entities", json!({"entities": [ada]}), json!({"entities": [ada]})),
        answers("read_graph", json!({}), json!({"entities": [ada], "relations": []})),
        answers(
            "create_relations",
            json!({"relations": [relation]}),
            json!({"relations": [relation]}),
        ),
        answers(
            "open_nodes",
            json!({"names": ["Ada"]}),
            json!({"entities": [ada], "relations": [relation]}),
        ),
        refused(
            "create_entities",
            json!({"entities": [{"entityType": "person"}]}),
            json!([missing("name"), missing("observations")]),
        ),
        answers(
            "delete_entities",
            json!({"entityNames": ["Ada"]}),
            json!({"success": true, "message": "Entities deleted successfully"}),
        ),
        answers("read_graph", json!({}), json!({"entities": [], "relations": []})),
    ];
    check(entry(), &TOOLS, &calls).await;
}
