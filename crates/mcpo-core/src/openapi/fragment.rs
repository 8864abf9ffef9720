//! One tool as an operation with the components that it needs, written once: a document is put
//! together from such fragments, each with its names filled in.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::{Map, Value};

use super::names;
use crate::catalog::{Annotations, ToolDefinition};
use crate::schema::{self, Shaped};

/// The shapes of one tool's schemas, for its notes and its fragment.
#[derive(Debug)]
pub(crate) struct Shapes {
    arguments: Shaped,
    output: Option<Shaped>,
    mark: String,
}

/// One tool in any document, but for its names there.
#[derive(Debug)]
pub(crate) struct Fragment {
    /// Its path item.
    pub(super) operation: Template,
    /// Members of `components.schemas`, with commas between them; may be empty.
    pub(super) components: Template,
    /// Whether it takes arguments, which can fail validation.
    pub(super) takes: bool,
    /// Stands for all of the above; see [`super::root_mark`].
    pub(super) mark: u64,
}

/// A text with holes.
#[derive(Debug)]
pub(super) struct Template {
    text: Box<str>,
    /// Where in the text they are, in its order.
    holes: Box<[(u32, Hole)]>,
}

/// What is not the same in all documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Hole {
    /// `tags` with a comma after it, or nothing.
    Tags,
    /// The operation id.
    Operation,
    /// The operation id as a heading.
    Heading,
    /// The unique plain name that the components start with.
    Base,
    /// `security` with a comma before it, or nothing.
    Security,
}

/// What fills the holes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Filling<'a> {
    pub(super) tags: &'a str,
    /// Stands before and after the base in the operation id.
    pub(super) around: (&'a str, &'a str),
    /// Word characters only.
    pub(super) base: &'a str,
    pub(super) security: &'a str,
}

/// A template while it is written.
#[derive(Default)]
struct Draft {
    text: String,
    holes: Vec<(u32, Hole)>,
}

/// A schema and what it is about, to be written as a component.
type Component<'a> = (&'a str, &'a Shaped);

const FORM: &str = "_form_model";
const RESPONSE: &str = "_response_model";

// === impl Shapes ===

impl Shapes {
    pub(crate) fn of(definition: &ToolDefinition) -> Self {
        let output = definition.output_schema.as_ref();
        let mark = mark_for([Some(&definition.input_schema), output]);
        Self {
            arguments: schema::shape_arguments(&definition.input_schema, &format!("{mark}{FORM}")),
            output: output.map(|output| schema::shape_output(output, &format!("{mark}{RESPONSE}"))),
            mark,
        }
    }

    /// What documents cannot say of the tool's schemas.
    pub(crate) fn notes(&self) -> impl Iterator<Item = String> {
        let of_output = self.output.iter().flat_map(|output| &output.notes);
        let of_output = of_output.map(|note| format!("output: {note}"));
        self.arguments.notes.iter().cloned().chain(of_output)
    }

    /// The tool for documents; its description ends with the notes.
    pub(crate) fn fragment(&self, definition: &ToolDefinition, notes: &[String]) -> Fragment {
        let takes = self.arguments.takes_arguments();
        let operation = self.operation(definition, notes);
        let output = self.output.as_ref().map(|output| (RESPONSE, output));
        let form = takes.then_some((FORM, &self.arguments));
        let components = self.components(output.into_iter().chain(form));
        let mut hasher = DefaultHasher::new();
        (&operation.text, &operation.holes).hash(&mut hasher);
        (&components.text, &components.holes, takes).hash(&mut hasher);
        Fragment { operation, components, takes, mark: hasher.finish() }
    }

    /// Responses are 200 and 422, as the Python original has them. There is no `default` response
    /// for the other problems: generators make the answer's type a union with it or, like Rust's
    /// progenitor, refuse a document with two kinds of errors.
    fn operation(&self, definition: &ToolDefinition, notes: &[String]) -> Template {
        let takes = self.arguments.takes_arguments();
        let mut draft = Draft::default();
        draft.push(r#"{"post":{"#).hole(Hole::Tags);
        draft.push(r#""summary":"#).string(&names::heading(&definition.name));
        if let Some(description) = description(definition.description.as_deref(), notes) {
            draft.push(r#","description":"#).string(&description);
        }
        draft.push(r#","operationId":""#).hole(Hole::Operation).push("\"");
        if takes {
            draft.push(r#","requestBody":{"content":{"application/json":{"schema":"#);
            draft.reference(FORM).push("}}");
            if self.arguments.requires_arguments() {
                draft.push(r#","required":true"#);
            }
            draft.push("}");
        }
        draft.push(r#","responses":{"200":{"description":"Successful Response","content":"#);
        draft.push(r#"{"application/json":{"schema":"#);
        match &self.output {
            Some(_) => draft.reference(RESPONSE),
            None if takes => draft.push(r#"{"title":"Response "#).hole(Hole::Heading).push(r#""}"#),
            None => draft.push("{}"),
        };
        draft.push("}}}");
        if takes {
            draft
                .push(r#","422":{"description":"Validation Error","content":{"application/json":"#);
            draft.push(r##"{"schema":{"$ref":"#/components/schemas/HTTPValidationError"}}}}"##);
        }
        draft.push("}").hole(Hole::Security);
        if let Some(title) = &definition.title {
            draft.push(r#","x-mcp-title":"#).string(title);
        }
        if let Some(annotations) = annotations(definition.annotations) {
            draft.push(r#","x-mcp-annotations":"#).push(&annotations.to_string());
        }
        draft.push("}}");
        draft.finish()
    }

    fn components<'a>(&self, wanted: impl Iterator<Item = Component<'a>>) -> Template {
        let mut draft = Draft::default();
        for (suffix, shaped) in wanted {
            if !draft.text.is_empty() {
                draft.push(",");
            }
            draft.push("\"").hole(Hole::Base).push(suffix).push("\":");
            draft.marked(&shaped.schema, &self.mark);
            for (name, part) in &shaped.parts {
                draft.push(",\"");
                draft.unmarked(name, &self.mark).push("\":").marked(part, &self.mark);
            }
        }
        draft.finish()
    }
}

/// A text that the schemas nowhere hold: where it stands in a shape, it stands for the tool's name.
/// Shapes take names whole or flattened from a schema, so they bring about no other.
fn mark_for(schemas: [Option<&Value>; 2]) -> String {
    let mut taken = HashSet::new();
    schemas.into_iter().flatten().for_each(|schema| gather_marks(schema, &mut taken));
    let free = (0..).find(|number| !taken.contains(number)).unwrap_or(u64::MAX);
    format!("{MARK}{free};")
}

/// What marks begin with, since hardly any text holds it; JSON shows it as it is.
const MARK: char = '\u{7f}';

fn gather_marks(value: &Value, taken: &mut HashSet<u64>) {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
        Value::String(text) => gather_marks_of(text, taken),
        Value::Array(items) => items.iter().for_each(|item| gather_marks(item, taken)),
        Value::Object(members) => members.iter().for_each(|(name, member)| {
            gather_marks_of(name, taken);
            gather_marks(member, taken);
        }),
    }
}

fn gather_marks_of(text: &str, taken: &mut HashSet<u64>) {
    for after in text.split(MARK).skip(1) {
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        taken.extend(after[..digits].parse::<u64>());
    }
}

/// What the server says about the tool, and after it what is wrong with its schemas.
fn description(text: Option<&str>, notes: &[String]) -> Option<String> {
    let text = text.filter(|text| !text.is_empty());
    if notes.is_empty() {
        return text.map(str::to_owned);
    }
    let remark = format!("Note on the schema of this tool: {}.", notes.join("; "));
    Some(text.map_or_else(|| remark.clone(), |text| format!("{text}\n\n{remark}")))
}

fn annotations(hints: Annotations) -> Option<Value> {
    let stated = [
        ("readOnlyHint", hints.read_only),
        ("destructiveHint", hints.destructive),
        ("idempotentHint", hints.idempotent),
        ("openWorldHint", hints.open_world),
    ];
    let stated: Map<String, Value> = stated
        .iter()
        .filter_map(|(key, hint)| Some(((*key).to_owned(), (*hint)?.into())))
        .collect();
    (!stated.is_empty()).then_some(Value::Object(stated))
}

// === impl Template ===

impl Template {
    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Bytes that it has when it is filled, at most.
    pub(super) fn bytes_max(&self, filling: &Filling<'_>) -> usize {
        let per_hole = filling.around.0.len() + filling.base.len() + filling.around.1.len();
        self.text.len() + self.holes.len() * per_hole + filling.tags.len() + filling.security.len()
    }

    pub(super) fn write(&self, out: &mut String, filling: &Filling<'_>) {
        let mut done = 0;
        for &(at, hole) in &self.holes {
            let at = at as usize;
            out.push_str(&self.text[done..at]);
            done = at;
            match hole {
                Hole::Tags => out.push_str(filling.tags),
                Hole::Base => out.push_str(filling.base),
                Hole::Security => out.push_str(filling.security),
                Hole::Operation => {
                    [filling.around.0, filling.base, filling.around.1]
                        .into_iter()
                        .for_each(|piece| out.push_str(piece));
                }
                Hole::Heading => names::push_heading(
                    out,
                    [filling.around.0, filling.base, filling.around.1].into_iter(),
                ),
            }
        }
        out.push_str(&self.text[done..]);
    }
}

// === impl Draft ===

impl Draft {
    fn push(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    /// A string as JSON.
    fn string(&mut self, text: &str) -> &mut Self {
        let text = serde_json::to_string(text).expect("a string is JSON");
        self.push(&text)
    }

    fn hole(&mut self, hole: Hole) -> &mut Self {
        let at = u32::try_from(self.text.len()).expect("a shape has a bound in bytes");
        self.holes.push((at, hole));
        self
    }

    /// The reference to one of the tool's components.
    fn reference(&mut self, suffix: &str) -> &mut Self {
        self.push(r##"{"$ref":"#/components/schemas/"##).hole(Hole::Base).push(suffix).push("\"}")
    }

    fn marked(&mut self, schema: &Value, mark: &str) -> &mut Self {
        self.unmarked(&schema.to_string(), mark)
    }

    /// A text with holes where it is marked.
    fn unmarked(&mut self, text: &str, mark: &str) -> &mut Self {
        let mut pieces = text.split(mark);
        self.push(pieces.next().unwrap_or_default());
        for piece in pieces {
            self.hole(Hole::Base).push(piece);
        }
        self
    }

    fn finish(self) -> Template {
        Template { text: self.text.into(), holes: self.holes.into() }
    }
}
