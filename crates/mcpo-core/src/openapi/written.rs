//! A document while it is written: straight into one buffer, of which the fragments of its tools
//! are the most.

use percent_encoding::utf8_percent_encode;

use super::fragment::Filling;
use super::{DocumentInfo, SEGMENT};
use crate::catalog::Tool;

/// One tool in a document.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    /// What stands in front of it, without slashes at the ends; may be empty.
    pub(super) mount: &'a str,
    pub(super) tool: &'a Tool,
    pub(super) filling: Filling<'a>,
}

/// A document up to where it is written.
#[derive(Debug)]
pub(super) struct Written(String);

/// The body of a 422, and one problem in it, as FastAPI describes them.
const VALIDATION: &str = r##""HTTPValidationError":{"properties":{"detail":{"items":{"$ref":"#/components/schemas/ValidationError"},"type":"array","title":"Detail"}},"type":"object","title":"HTTPValidationError"},"ValidationError":{"properties":{"loc":{"items":{"anyOf":[{"type":"string"},{"type":"integer"}]},"type":"array","title":"Location"},"msg":{"type":"string","title":"Message"},"type":{"type":"string","title":"Error Type"},"input":{"title":"Input"},"ctx":{"type":"object","title":"Context"}},"type":"object","required":["loc","msg","type"],"title":"ValidationError"}"##;

const SECURITY: &str = r#""securitySchemes":{"HTTPBearer":{"type":"http","scheme":"bearer"}}"#;

/// What the pieces of a document take that are of no tool.
const FRAME_BYTES: usize = 1 << 10;

/// A string as JSON.
pub(super) fn json_string(text: &str) -> String {
    serde_json::to_string(text).expect("a string is JSON")
}

// === impl Written ===

impl Written {
    /// The whole document; `tags` are objects.
    pub(super) fn of(info: &DocumentInfo, entries: &[Entry<'_>], tags: &[String]) -> Vec<u8> {
        let mut written = Self(String::with_capacity(bytes_max(info, entries, tags)));
        written.head(info);
        written.paths(entries);
        written.components(info, entries);
        if !tags.is_empty() {
            let add = |written: &mut Self, tag: &String| {
                written.push(tag);
            };
            written.push(r#","tags":["#).list(tags, add).push("]");
        }
        written.push("}");
        written.0.into_bytes()
    }

    fn head(&mut self, info: &DocumentInfo) {
        self.push(r#"{"openapi":"3.1.0","info":{"title":"#).string(&info.title);
        if !info.description.is_empty() {
            self.push(r#","description":"#).string(&info.description);
        }
        self.push(r#","version":"#).string(&info.version).push("}");
        if let Some(url) = info.server_url.as_deref().filter(|url| !url.is_empty()) {
            self.push(r#","servers":[{"url":"#).string(url).push("}]");
        }
    }

    fn paths(&mut self, entries: &[Entry<'_>]) {
        self.push(r#","paths":{"#).list(entries, Self::path).push("}");
    }

    fn path(&mut self, entry: &Entry<'_>) {
        self.push("\"/");
        if !entry.mount.is_empty() {
            self.push(entry.mount).push("/");
        }
        self.0.extend(utf8_percent_encode(&entry.tool.definition.name, SEGMENT));
        self.push("\":");
        entry.tool.fragment.operation.write(&mut self.0, &entry.filling);
    }

    fn components(&mut self, info: &DocumentInfo, entries: &[Entry<'_>]) {
        // Without arguments anywhere nothing can fail validation.
        let validates = entries.iter().any(|entry| entry.tool.fragment.takes);
        let has_parts = |entry: &&Entry<'_>| !entry.tool.fragment.components.is_empty();
        let parts: Vec<&Entry<'_>> = entries.iter().filter(has_parts).collect();
        let (has_schemas, has_security) =
            (validates || !parts.is_empty(), info.needs_key && !entries.is_empty());
        if !has_schemas && !has_security {
            return;
        }
        self.push(r#","components":{"#);
        if has_schemas {
            self.push(r#""schemas":{"#);
            if validates {
                self.push(VALIDATION).push(if parts.is_empty() { "" } else { "," });
            }
            let add = |written: &mut Self, entry: &&Entry<'_>| {
                entry.tool.fragment.components.write(&mut written.0, &entry.filling);
            };
            self.list(&parts, add).push("}");
        }
        if has_security {
            self.push(if has_schemas { "," } else { "" }).push(SECURITY);
        }
        self.push("}");
    }

    fn list<T>(&mut self, items: &[T], write: impl Fn(&mut Self, &T)) -> &mut Self {
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.push(",");
            }
            write(self, item);
        }
        self
    }

    fn push(&mut self, text: &str) -> &mut Self {
        self.0.push_str(text);
        self
    }

    fn string(&mut self, text: &str) -> &mut Self {
        self.push(&json_string(text))
    }
}

/// As much as the document takes, so that the buffer never moves; a little more where names or
/// texts are escaped.
fn bytes_max(info: &DocumentInfo, entries: &[Entry<'_>], tags: &[String]) -> usize {
    let of_one = |entry: &Entry<'_>| {
        let fragment = &entry.tool.fragment;
        let path = entry.mount.len() + entry.tool.definition.name.len() + 8;
        let texts = [&fragment.operation, &fragment.components];
        path + texts.map(|text| text.bytes_max(&entry.filling) + 1).iter().sum::<usize>()
    };
    let frame = FRAME_BYTES + info.title.len() + info.description.len() + info.version.len();
    frame + entries.iter().map(of_one).sum::<usize>() + tags.iter().map(String::len).sum::<usize>()
}
