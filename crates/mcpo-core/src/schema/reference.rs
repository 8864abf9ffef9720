//! Finds where the references of a schema lead: JSON pointers, anchors and ids, all within the
//! schema itself. Nothing is ever fetched.

mod index;

use std::cell::OnceCell;
use std::collections::HashMap;

use serde_json::Value;

use self::index::{Found, Index};
use super::graph;
use super::keyword;

/// Schemas looked at while references are followed, over all starting points. Twice what a shaped
/// schema may have, because the parts that references lead to are looked at once more.
pub(super) const SCANNED_NODES_MAX: usize = 2 * super::NODES_MAX;

/// Where the references of one schema lead.
#[derive(Debug)]
pub(super) struct References<'a> {
    sites: HashMap<usize, Site>,
    targets: Vec<Target<'a>>,
}

/// The references of a schema, looked for when the first of them is met: most schemas have none.
#[derive(Debug)]
pub(super) struct LazyReferences<'a> {
    root: &'a Value,
    found: OnceCell<References<'a>>,
}

/// Where one reference leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Site {
    /// To a part of the schema.
    Target(usize),
    /// Out of the schema, which nobody follows.
    Outside,
    /// To a place that is not there.
    Missing,
    /// The schema is too large to tell.
    TooLarge,
}

/// A part of the schema that something refers to.
#[derive(Debug)]
pub(super) struct Target<'a> {
    /// The part as it was sent.
    pub(super) value: &'a Value,
    /// A name for it, from the reference; may be empty.
    pub(super) label: String,
    /// It contains itself.
    pub(super) recursive: bool,
    /// It is itself, without anything between: `a` is whatever `a` is.
    pub(super) vacuous: bool,
    /// How many schemas it has with all that it refers to, recursive parts counted as one.
    pub(super) nodes: usize,
}

/// What tells two places of the schema apart.
pub(super) fn address(value: &Value) -> usize {
    std::ptr::from_ref(value).addr()
}

// === impl LazyReferences ===

impl<'a> LazyReferences<'a> {
    pub(super) fn new(root: &'a Value) -> Self {
        Self { root, found: OnceCell::new() }
    }

    pub(super) fn get(&self) -> &References<'a> {
        self.found.get_or_init(|| References::of(self.root))
    }
}

// === impl References ===

impl<'a> References<'a> {
    /// Follows every reference of the schema, also those that only others lead to.
    pub(super) fn of(root: &'a Value) -> Self {
        let mut index = Index::new(root);
        let mut references = Self { sites: HashMap::new(), targets: Vec::new() };
        let mut known = HashMap::new();
        let mut done = 0;
        while let Some(&pending) = index.pending.get(done) {
            done += 1;
            let site = match index.resolve(pending) {
                Found::Outside => Site::Outside,
                Found::Missing => Site::Missing,
                Found::Part { value, resource, label } => {
                    index.walk(value, resource);
                    let id = *known.entry(address(value)).or_insert(references.targets.len());
                    if id == references.targets.len() {
                        references.targets.push(Target::new(value, label));
                    }
                    Site::Target(id)
                }
            };
            references.sites.insert(pending.at, site);
        }
        references.measure();
        references
    }

    /// Where the reference of that schema leads.
    pub(super) fn site(&self, schema: &Value) -> Site {
        self.sites.get(&address(schema)).copied().unwrap_or(Site::TooLarge)
    }

    pub(super) fn target(&self, id: usize) -> &Target<'a> {
        &self.targets[id]
    }

    fn measure(&mut self) {
        let mut left = SCANNED_NODES_MAX;
        let mut all = Vec::with_capacity(self.targets.len());
        let mut in_place = Vec::with_capacity(self.targets.len());
        for id in 0..self.targets.len() {
            let scan = self.scan(self.targets[id].value, &mut left);
            self.targets[id].nodes = scan.nodes;
            all.push(scan.leads_to);
            in_place.push(scan.leads_in_place_to);
        }
        if left == 0 {
            self.sites.values_mut().for_each(|site| *site = Site::TooLarge);
            return;
        }
        for group in graph::strongly_connected(&all) {
            let recursive = graph::is_cyclic(&group, &all);
            for &id in &group {
                self.targets[id].recursive = recursive;
                let inner = all[id].iter().map(|&other| &self.targets[other]);
                let nodes = inner.map(|other| if other.recursive { 1 } else { other.nodes });
                let nodes = nodes.fold(self.targets[id].nodes, usize::saturating_add);
                if !recursive {
                    self.targets[id].nodes = nodes;
                }
            }
        }
        for group in graph::strongly_connected(&in_place) {
            if graph::is_cyclic(&group, &in_place) {
                group.iter().for_each(|&id| self.targets[id].vacuous = true);
            }
        }
    }

    fn scan(&self, start: &'a Value, left: &mut usize) -> Scan {
        let mut scan = Scan::default();
        let mut stack = vec![(start, true)];
        while let Some((value, in_place)) = stack.pop() {
            let Value::Object(schema) = value else { continue };
            if *left == 0 {
                break;
            }
            *left -= 1;
            scan.nodes += 1;
            if let Some(Site::Target(id)) = self.sites.get(&address(value)) {
                scan.leads_to.push(*id);
                if in_place {
                    scan.leads_in_place_to.push(*id);
                }
            }
            keyword::each_child(schema, false, |key, child| {
                stack.push((child, in_place && keyword::applies_in_place(key)));
            });
        }
        scan
    }
}

#[derive(Default)]
struct Scan {
    nodes: usize,
    leads_to: Vec<usize>,
    leads_in_place_to: Vec<usize>,
}

// === impl Target ===

impl<'a> Target<'a> {
    fn new(value: &'a Value, label: String) -> Self {
        Self { value, label, recursive: false, vacuous: false, nodes: 0 }
    }
}
