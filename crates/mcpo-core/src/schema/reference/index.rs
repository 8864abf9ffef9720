//! The addresses of a schema's parts: its ids and anchors, and the references that wait to be
//! followed.

use std::collections::{HashMap, HashSet};

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use super::{SCANNED_NODES_MAX, address};
use crate::schema::keyword::{self, Keyword};

/// A reference, where it stands and what it is relative to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pending<'a> {
    /// The address of the schema that has it.
    pub(super) at: usize,
    reference: &'a str,
    resource: usize,
}

/// Where a reference leads.
#[derive(Debug)]
pub(super) enum Found<'a> {
    /// To this part, whose own references are relative to that resource.
    Part {
        value: &'a Value,
        resource: usize,
        label: String,
    },
    Outside,
    Missing,
}

/// A schema with an id of its own, against which references inside it are resolved.
#[derive(Debug)]
struct Resource<'a> {
    uri: String,
    root: &'a Value,
}

#[derive(Debug)]
pub(super) struct Index<'a> {
    pub(super) pending: Vec<Pending<'a>>,
    resources: Vec<Resource<'a>>,
    by_uri: HashMap<String, usize>,
    by_address: HashMap<usize, usize>,
    anchors: HashMap<(usize, &'a str), &'a Value>,
    seen: HashSet<usize>,
    /// Draft 4 calls `$id` `id`, which is a mere unknown keyword elsewhere.
    bare_ids: bool,
    left: usize,
}

// === impl Index ===

impl<'a> Index<'a> {
    pub(super) fn new(root: &'a Value) -> Self {
        let mut index = Self {
            pending: Vec::new(),
            resources: vec![Resource { uri: String::new(), root }],
            by_uri: HashMap::new(),
            by_address: HashMap::new(),
            anchors: HashMap::new(),
            seen: HashSet::new(),
            bare_ids: super::super::has_bare_ids(root),
            left: SCANNED_NODES_MAX,
        };
        index.walk(root, 0);
        index
    }

    /// Notes the ids, anchors and references of `start` and all below it, once.
    pub(super) fn walk(&mut self, start: &'a Value, resource: usize) {
        let mut stack = vec![(start, resource)];
        while let Some((value, resource)) = stack.pop() {
            let Value::Object(schema) = value else { continue };
            if self.left == 0 || !self.seen.insert(address(value)) {
                continue;
            }
            self.left -= 1;
            let mut kinds = schema.iter().map(|(key, value)| (keyword::classify(key), value));
            let has_identity =
                self.bare_ids || kinds.clone().any(|(kind, _)| kind == Keyword::Identity);
            let resource =
                if has_identity { self.enter(value, schema, resource) } else { resource };
            let reference = kinds
                .find_map(|(kind, value)| value.as_str().filter(|_| kind == Keyword::Reference));
            if let Some(reference) = reference {
                self.pending.push(Pending { at: address(value), reference, resource });
            }
            keyword::each_child(schema, true, |_, child| stack.push((child, resource)));
        }
    }

    fn enter(&mut self, value: &'a Value, schema: &'a Map<String, Value>, outer: usize) -> usize {
        let bare = if self.bare_ids { schema.get("id") } else { None };
        let id = schema.get("$id").or(bare).and_then(Value::as_str).unwrap_or_default();
        let (uri, anchor) = id.split_once('#').unwrap_or((id, ""));
        let mut resource = outer;
        if !uri.is_empty() {
            resource = self.resources.len();
            let uri = absolute(&self.resources[outer].uri, uri);
            self.by_uri.entry(uri.clone()).or_insert(resource);
            self.by_address.insert(address(value), resource);
            self.resources.push(Resource { uri, root: value });
        }
        let named =
            ["$anchor", "$dynamicAnchor"].iter().filter_map(|key| schema.get(*key)?.as_str());
        for anchor in named.chain([anchor]).filter(|anchor| !anchor.is_empty()) {
            self.anchors.entry((resource, anchor)).or_insert(value);
        }
        resource
    }

    pub(super) fn resolve(&self, pending: Pending<'a>) -> Found<'a> {
        let (uri, fragment) = pending.reference.split_once('#').unwrap_or((pending.reference, ""));
        let resource = if uri.is_empty() {
            Some(pending.resource)
        } else {
            let base = &self.resources[pending.resource].uri;
            self.by_uri.get(&absolute(base, uri)).copied()
        };
        let Some(resource) = resource else { return Found::Outside };
        if fragment.is_empty() {
            let label = uri.rsplit('/').next().unwrap_or_default().to_owned();
            return Found::Part { value: self.resources[resource].root, resource, label };
        }
        if !fragment.starts_with('/') {
            let decoded = percent_decode_str(fragment).decode_utf8_lossy();
            return match self.anchors.get(&(resource, decoded.as_ref())) {
                Some(&value) => Found::Part { value, resource, label: decoded.into_owned() },
                None => Found::Missing,
            };
        }
        // A pointer counts from the nearest id; who wrote an id by habit meant the whole schema.
        [resource, 0].iter().find_map(|&from| self.follow(from, fragment)).unwrap_or(Found::Missing)
    }

    fn follow(&self, mut resource: usize, pointer: &str) -> Option<Found<'a>> {
        let pointer = percent_decode_str(pointer).decode_utf8_lossy();
        let mut value = self.resources[resource].root;
        for token in pointer.split('/').skip(1) {
            let token = unescaped(token);
            value = match value {
                Value::Object(members) => members.get(&token)?,
                Value::Array(items) => items.get(token.parse::<usize>().ok()?)?,
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return None,
            };
            resource = self.by_address.get(&address(value)).copied().unwrap_or(resource);
        }
        Some(Found::Part { value, resource, label: label(&pointer) })
    }
}

/// The last name in a pointer; where that is a keyword or an index, with the name before it.
fn label(pointer: &str) -> String {
    let mut tokens = pointer.rsplit('/').map(unescaped);
    let last = tokens.next().unwrap_or_default();
    let last = last.as_str();
    let is_name = keyword::classify(last) == Keyword::Unknown && last.parse::<usize>().is_err();
    match tokens.next() {
        Some(before) if !is_name => format!("{before}_{last}"),
        Some(_) | None => last.to_owned(),
    }
}

/// A token of a JSON pointer as the name that it stands for.
fn unescaped(token: &str) -> String {
    token.replace("~1", "/").replace("~0", "~")
}

/// Resolves `reference` (without fragment) against `base`, as far as ids in schemas need it.
fn absolute(base: &str, reference: &str) -> String {
    let scheme = |text: &str| text.split_once(':').is_some_and(|(scheme, _)| !scheme.contains('/'));
    if scheme(reference) || base.is_empty() {
        return reference.to_owned();
    }
    let path_starts = base.find("://").map_or(0, |at| at + 3);
    let authority_ends = base[path_starts..].find('/').map_or(base.len(), |at| path_starts + at);
    if reference.starts_with('/') {
        let origin = if path_starts == 0 { "" } else { &base[..authority_ends] };
        return format!("{origin}{reference}");
    }
    let reference = reference.strip_prefix("./").unwrap_or(reference);
    match base[path_starts..].rfind('/') {
        Some(at) => format!("{}{reference}", &base[..=path_starts + at]),
        None if path_starts == 0 => reference.to_owned(),
        None => format!("{base}/{reference}"),
    }
}
