//! A first look at a body, which builds nothing: most bodies need no coercion, and most schemas say
//! nothing that cannot be checked while reading. What passes here passes the whole check with the
//! same result; of anything else it says nothing, and the whole check decides.

use serde_json::{Map, Value};

use super::plan::{Node, NodeId, Plan, Property};
use super::scalar::JsonType;

mod scan;

use scan::Scan;

/// Members of an object are ticked off in a word of so many bits.
const PROPERTIES_MAX: usize = 128;

/// A limit of so many digits is told apart from all others of as many as a double.
const LIMIT_DIGITS_MAX: usize = 15;

/// Keywords that nobody checks.
const NOTES: [&str; 13] = [
    "title",
    "description",
    "default",
    "example",
    "examples",
    "$comment",
    "format",
    "deprecated",
    "readOnly",
    "writeOnly",
    "$defs",
    "definitions",
    "$schema",
];

/// What is known of a schema beside its plan, node by node.
#[derive(Debug)]
pub(super) struct Glance {
    rules: Vec<Rule>,
}

/// What a body comes to that passes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Passes {
    /// As it came.
    AsSent,
    /// With the defaults of what was left out.
    Filled(Vec<u8>),
}

/// How a value of one node is looked at.
#[derive(Debug, Default)]
struct Rule {
    shape: Shape,
    /// Bounds are rare.
    bounds: Option<Box<Bounds>>,
    /// Properties that must be there, a bit each.
    required: u128,
    /// Properties with a default, and how each is written with its name; `None` where that does not
    /// pass by itself.
    defaults: Vec<(usize, Option<Box<str>>)>,
}

#[derive(Debug, Default)]
enum Shape {
    /// More is said of it than is read here.
    #[default]
    Beyond,
    /// The plan's own node, and the bounds, say all.
    Plain,
    /// As another node.
    Same(NodeId),
    /// As one of these.
    AnyOf(Box<[NodeId]>),
}

/// The bounds of a value; those of sizes include their ends.
#[derive(Debug)]
struct Bounds {
    characters: (u64, u64),
    items: (u64, u64),
    least: Limit,
    most: Limit,
}

/// An end of a range of numbers.
#[derive(Debug, Clone, Copy)]
enum Limit {
    None,
    Included(f64),
    Excluded(f64),
}

// === impl Glance ===

impl Glance {
    /// Looks through a schema. The plan must be of this schema, with its defaults settled.
    pub(super) fn new(plan: &Plan, schema: &Value) -> Self {
        // References below a name of its own lead elsewhere.
        let is_plain = !has_names_of_its_own(schema);
        let rule = |(id, node): (NodeId, &Node)| match schema.pointer(&node.pointer) {
            Some(part) if is_plain && (id == 0 || !node.pointer.is_empty()) => {
                rule(node, part).unwrap_or_default()
            }
            Some(_) | None => Rule::default(),
        };
        let rules = plan.nodes().iter().enumerate().map(rule).collect();
        let mut glance = Self { rules };
        glance.write_defaults(plan);
        glance
    }

    /// Whether every body that needs no coercion passes here: the schema says nothing more.
    pub(super) fn is_whole(&self) -> bool {
        self.rules.iter().all(|rule| !matches!(rule.shape, Shape::Beyond))
    }

    /// Looks at a body.
    pub(super) fn look(&self, plan: &Plan, body: &[u8]) -> Option<Passes> {
        // A body that is not even an object has little to be looked at.
        if matches!(self.rules.first()?.shape, Shape::Beyond) {
            return None;
        }
        Scan::new(self, plan, std::str::from_utf8(body).ok()?).body()
    }

    /// Writes down the defaults of each node.
    fn write_defaults(&mut self, plan: &Plan) {
        for (id, node) in plan.nodes().iter().enumerate() {
            let properties = node.object.iter().flat_map(|members| &members.properties);
            let written = |(index, (name, property)): (usize, (&String, &Property))| {
                let default = property.default.as_ref()?;
                Some((index, self.written(plan, name, property, default)))
            };
            self.rules[id].defaults = properties.enumerate().filter_map(written).collect();
        }
    }

    fn written(
        &self,
        plan: &Plan,
        name: &str,
        property: &Property,
        default: &Value,
    ) -> Option<Box<str>> {
        let text = default.to_string();
        let passes = Scan::new(self, plan, &text).passes_alone(property.node);
        passes.then(|| format!("{}:{text}", Value::from(name)).into_boxed_str())
    }
}

/// How a node is looked at; `None` if it says more than is read here.
fn rule(node: &Node, schema: &Value) -> Option<Rule> {
    let keywords = match schema {
        Value::Bool(true) => return Some(Rule { shape: Shape::Plain, ..Rule::default() }),
        Value::Object(keywords) => keywords,
        Value::Bool(false)
        | Value::Null
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_) => {
            return None;
        }
    };
    let mut said = keywords.iter().filter(|(name, _)| !is_note(name));
    if keywords.contains_key("$schema") && !node.pointer.is_empty() {
        return None;
    }
    let one = said.clone().count() == 1;
    match said.next().map(|(name, value)| (name.as_str(), value)) {
        Some(("$ref", Value::String(_))) => {
            return alone(&node.all_of).filter(|_| one).map(|target| shaped(Shape::Same(target)));
        }
        Some(("allOf", Value::Array(_))) => {
            return alone(&node.all_of).filter(|_| one).map(|target| shaped(Shape::Same(target)));
        }
        Some(("anyOf", Value::Array(_))) => {
            let branches = node.unions.first().filter(|_| one)?;
            return Some(shaped(Shape::AnyOf(branches.as_slice().into())));
        }
        Some(_) | None => {}
    }
    let mut rule = shaped(Shape::Plain);
    for (name, value) in keywords.iter().filter(|(name, _)| !is_note(name)) {
        rule.read(node, name, value)?;
    }
    rule.read_bounds(keywords)?;
    if keywords.contains_key("enum") && keywords.contains_key("const") {
        return None;
    }
    Some(rule)
}

fn shaped(shape: Shape) -> Rule {
    Rule { shape, ..Rule::default() }
}

fn alone(nodes: &[NodeId]) -> Option<NodeId> {
    match nodes {
        [one] => Some(*one),
        _ => None,
    }
}

/// Whether a keyword is a note to readers. Schemas may have notes of their own under `x-`.
fn is_note(name: &str) -> bool {
    NOTES.contains(&name) || name.starts_with("x-")
}

/// Whether some part says by which name it is known: references are then relative to that.
fn has_names_of_its_own(schema: &Value) -> bool {
    match schema {
        Value::Object(keywords) => {
            let is_text = |name| keywords.get(name).is_some_and(Value::is_string);
            is_text("$id") || is_text("id") || keywords.values().any(has_names_of_its_own)
        }
        Value::Array(items) => items.iter().any(has_names_of_its_own),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

// === impl Rule ===

impl Rule {
    /// Reads one keyword; `None` if it says more than is read here, or makes no sense.
    fn read(&mut self, node: &Node, name: &str, value: &Value) -> Option<()> {
        let is_fine = match name {
            "type" => !node.types.is_empty(),
            "properties" => value.is_object(),
            "required" => return self.read_required(node, value),
            "additionalProperties" => value.is_object() || value.is_boolean(),
            "items" => value.is_object() || value == &Value::Bool(true),
            "enum" => value.is_array(),
            "const" | "minLength" | "maxLength" | "minItems" | "maxItems" | "minimum"
            | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" => true,
            _ => false,
        };
        let is_small =
            node.object.as_ref().is_none_or(|object| object.properties.len() <= PROPERTIES_MAX);
        (is_fine && is_small).then_some(())
    }

    fn read_required(&mut self, node: &Node, names: &Value) -> Option<()> {
        for name in names.as_array()? {
            let index = node.object.as_ref()?.properties.get_index_of(name.as_str()?)?;
            self.required |= 1_u128.checked_shl(u32::try_from(index).ok()?)?;
        }
        Some(())
    }

    fn read_bounds(&mut self, keywords: &Map<String, Value>) -> Option<()> {
        let size = |name, otherwise| keywords.get(name).map_or(Some(otherwise), Value::as_u64);
        let least = limit(keywords, "minimum", "exclusiveMinimum")?;
        let most = limit(keywords, "maximum", "exclusiveMaximum")?;
        let bounds = Bounds {
            characters: (size("minLength", 0)?, size("maxLength", u64::MAX)?),
            items: (size("minItems", 0)?, size("maxItems", u64::MAX)?),
            least,
            most,
        };
        self.bounds = bounds.say_something().then(|| Box::new(bounds));
        Some(())
    }
}

/// One end of a range of numbers; `None` if it makes no sense, or there are two.
fn limit(keywords: &Map<String, Value>, included: &str, excluded: &str) -> Option<Limit> {
    let end = |value: &Value| {
        let is_short =
            |number: &str| number.len() <= LIMIT_DIGITS_MAX && !number.contains(['e', 'E']);
        let Value::Number(number) = value else { return None };
        number.as_f64().filter(|end| end.is_finite() && is_short(number.as_str()))
    };
    match (keywords.get(included), keywords.get(excluded)) {
        (None, None) => Some(Limit::None),
        (Some(value), None) => end(value).map(Limit::Included),
        (None, Some(value)) => end(value).map(Limit::Excluded),
        (Some(_), Some(_)) => None,
    }
}

// === impl Bounds ===

impl Bounds {
    fn say_something(&self) -> bool {
        let any = (0, u64::MAX);
        self.characters != any || self.items != any || self.bound_numbers()
    }

    const fn bound_numbers(&self) -> bool {
        !matches!((self.least, self.most), (Limit::None, Limit::None))
    }
}

// === impl Node ===

impl Node {
    fn has_type(&self, json_type: JsonType) -> bool {
        self.types.is_empty() || self.types.contains(&json_type)
    }
}
