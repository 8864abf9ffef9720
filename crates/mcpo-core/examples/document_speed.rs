//! What the documents of many tools cost, in time and memory, with schemas like those of real
//! servers (5 to 20 properties): `cargo run --release -p mcpo-core --example document_speed`.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use mcpo_core::catalog::{Catalog, CatalogPolicy, ServerIdentity, ToolDefinition};
use mcpo_core::openapi::{DocumentInfo, Mounted, root_document, server_document};
use serde_json::{Map, Value, json};

const SERVERS: usize = 1000;
const TOOLS_PER_SERVER: usize = 10;
const ROUNDS: usize = 7;

const WORDS: [&str; 24] = [
    "repository",
    "branch",
    "issue",
    "query",
    "filter",
    "limit",
    "cursor",
    "owner",
    "path",
    "content",
    "message",
    "channel",
    "timezone",
    "document",
    "comment",
    "label",
    "assignee",
    "milestone",
    "state",
    "sort",
    "direction",
    "page",
    "workspace",
    "project",
];

/// A generator of numbers that gives the same ones every time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }

    fn word(&mut self) -> &'static str {
        WORDS[self.roll(WORDS.len())]
    }

    fn text(&mut self, words: usize) -> String {
        let words: Vec<&str> = (0..words).map(|_| self.word()).collect();
        format!("The {}.", words.join(" "))
    }

    fn property(&mut self) -> Value {
        let words = 6 + self.roll(14);
        let description = self.text(words);
        match self.roll(9) {
            0 => {
                json!({"type": "integer", "minimum": 1, "maximum": 100, "default": 30, "description": description})
            }
            1 => json!({"type": "boolean", "default": false, "description": description}),
            2 => {
                json!({"type": "string", "enum": ["open", "closed", "all"], "description": description})
            }
            3 => json!({"type": "array", "items": {"type": "string"}, "description": description}),
            4 => {
                json!({"anyOf": [{"type": "string"}, {"type": "null"}], "default": null, "title": self.word(), "description": description})
            }
            5 => {
                json!({"type": "object", "properties": {"name": {"type": "string", "description": description}, "email": {"type": "string", "format": "email"}}, "required": ["name"]})
            }
            _ => json!({"type": "string", "description": description}),
        }
    }

    fn schema(&mut self) -> Value {
        let count = 5 + self.roll(16);
        let mut properties = Map::new();
        for index in 0..count {
            properties.insert(format!("{}_{index}", self.word()), self.property());
        }
        let required: Vec<&String> = properties.keys().take(1 + count / 4).collect();
        let mut schema = json!({"$schema": "http://json-schema.org/draft-07/schema#", "type": "object", "required": required, "additionalProperties": false});
        if self.roll(8) == 0 {
            properties.insert("node".to_owned(), json!({"$ref": "#/$defs/Node"}));
            let name = self.text(3);
            let children = if self.roll(2) == 0 {
                json!({"type": "array", "items": {"$ref": "#/$defs/Node"}})
            } else {
                json!({"type": "array", "items": {"type": "string"}})
            };
            schema["$defs"] = json!({"Node": {"type": "object", "title": "Node", "properties": {"name": {"type": "string", "description": name}, "children": children}}});
        }
        schema["properties"] = properties.into();
        schema
    }

    fn tool(&mut self, index: usize) -> Value {
        let mut tool = json!({
            "name": format!("{}_{}_{index}", self.word(), self.word()),
            "title": self.text(2),
            "description": self.text(30),
            "inputSchema": self.schema(),
            "annotations": {"readOnlyHint": self.roll(2) == 0},
        });
        if self.roll(5) == 0 {
            tool["outputSchema"] = self.schema();
        }
        tool
    }
}

/// The processor's time that the work takes, the median of some rounds: machines are shared.
fn timed<T>(work: impl Fn() -> T) -> (Duration, T) {
    let mut took = Vec::new();
    let mut result = None;
    for _ in 0..ROUNDS {
        drop(result.take());
        let started = on_processor();
        result = Some(work());
        took.push(on_processor() - started);
    }
    took.sort_unstable();
    (took[ROUNDS / 2], result.expect("there is at least one round"))
}

fn on_processor() -> Duration {
    let spent = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = spent.split(' ').next().and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(nanos.unwrap_or_default())
}

fn resident_kib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).unwrap_or_default()
}

fn mark(text: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

fn catalog(listed: &[Value]) -> Catalog {
    let definitions = listed.iter().filter_map(ToolDefinition::from_json).collect();
    let identity = ServerIdentity { name: "some".to_owned(), ..ServerIdentity::default() };
    Catalog::new(identity, definitions, &CatalogPolicy::default())
}

#[expect(clippy::print_stdout, reason = "its results are for people")]
fn main() {
    let info = DocumentInfo {
        title: "MCP OpenAPI Proxy".to_owned(),
        description: "Many tools".to_owned(),
        version: "1.0".to_owned(),
        server_url: None,
        needs_key: true,
    };
    let mut dice = Dice(7);
    let bare = resident_kib();
    let listed: Vec<Vec<Value>> = (0..SERVERS)
        .map(|_| (0..TOOLS_PER_SERVER).map(|index| dice.tool(index)).collect())
        .collect();
    let tools = SERVERS * TOOLS_PER_SERVER;
    let sent: usize = listed.iter().flatten().map(|tool| tool.to_string().len()).sum();
    println!(
        "a tool as it is listed: {} bytes, as a tree {:.1} KiB",
        sent / tools,
        (resident_kib() - bare) as f64 / tools as f64
    );
    let before = resident_kib();
    let (made, catalogs) = timed(|| listed.iter().map(|tools| catalog(tools)).collect::<Vec<_>>());
    println!("catalogs of {tools} tools: {made:?}, {:?} a tool", made / tools as u32);
    println!(
        "a tool in a catalog: {:.1} KiB resident",
        (resident_kib() - before) as f64 / tools as f64
    );
    let names: Vec<String> = (0..SERVERS).map(|index| format!("server{index:04}")).collect();
    let mounted: Vec<Mounted<'_>> =
        names.iter().zip(&catalogs).map(|(name, catalog)| Mounted { name, catalog }).collect();
    let (whole, document) = timed(|| root_document(&info, &mounted));
    println!(
        "the document of all: {whole:?}, {} bytes a tool, {:x}",
        document.len() / tools,
        mark(&document)
    );
    let (one, document) = timed(|| server_document(&info, &catalogs[0]));
    println!("the document of {TOOLS_PER_SERVER} tools: {one:?}, {:x}", mark(&document));
    let all: Vec<Value> = listed
        .iter()
        .flatten()
        .enumerate()
        .map(|(index, tool)| {
            let mut tool = tool.clone();
            tool["name"] = format!("{}_{index}", tool["name"].as_str().unwrap_or_default()).into();
            tool
        })
        .collect();
    let large = catalog(&all);
    let (one, document) = timed(|| server_document(&info, &large));
    println!("the document of one server with {tools}: {one:?}, {:x}", mark(&document));
}
