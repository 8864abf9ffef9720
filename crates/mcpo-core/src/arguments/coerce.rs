//! One pass over a value along a [`Plan`]: coerces types, fills in defaults, drops unknown
//! arguments and nulls that say nothing. What it does not change it does not copy.

use serde_json::{Map, Value};

use super::echo::Echo;
use super::number;
use super::plan::{Items, Members, Node, NodeId, Plan, ROOT};
use super::problem::{Complaint, Problem, literal, missing};
use super::scalar::{Coerced, JsonType};

/// Problems beyond these are not told: the caller has enough to mend.
pub(super) const PROBLEMS_MAX: usize = 100;
/// Branches within branches multiply: trials beyond this many steps are given up. That is some
/// milliseconds.
const TRIAL_STEPS_MAX: usize = 50_000;
/// So many more for each byte of the body, since a long one has many unions side by side.
const TRIAL_STEPS_PER_BYTE_MAX: usize = 16;
/// A body is 128 levels deep at most; each may pass some references and compositions.
const APPLY_DEPTH_MAX: usize = 400;

/// What a pass came to.
#[derive(Debug)]
pub(super) struct Passed {
    /// The value after coercion; `None` if nothing had to change.
    pub(super) changed: Option<Value>,
    /// What cannot be coerced.
    pub(super) problems: Vec<Told>,
    /// The branches of unions multiply so much that no more was tried.
    pub(super) gave_up: bool,
    /// What may still be repeated to the caller.
    pub(super) echo: Echo,
}

/// A problem that was told, and its place without the names of union branches.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) problem: Problem,
    pub(super) place: Vec<Value>,
}

/// Coerces a whole body, which came as so many bytes.
pub(super) fn coerce(plan: &Plan, raw: &Value, bytes: usize) -> Passed {
    coerce_at(plan, ROOT, raw, bytes)
}

/// Coerces a value that stands where the node applies.
pub(super) fn coerce_at(plan: &Plan, node: NodeId, raw: &Value, bytes: usize) -> Passed {
    let mut pass = Pass {
        plan,
        raw,
        path: Vec::new(),
        problems: Vec::new(),
        echo: Echo::new(),
        applied: Vec::new(),
        is_strict: false,
        trials: 0,
        failures: 0,
        trial_steps_left: TRIAL_STEPS_MAX
            .saturating_add(bytes.saturating_mul(TRIAL_STEPS_PER_BYTE_MAX)),
        depth: 0,
        gave_up: false,
    };
    let changed = pass.value(node, raw);
    Passed { changed, problems: pass.problems, gave_up: pass.gave_up, echo: pass.echo }
}

#[derive(Debug)]
enum Step<'a> {
    Declared(&'a str),
    Undeclared(String),
    Index(usize),
    /// Which branch of a union: told to the caller, no part of the value.
    Label(String),
}

struct Pass<'a> {
    plan: &'a Plan,
    raw: &'a Value,
    path: Vec<Step<'a>>,
    problems: Vec<Told>,
    echo: Echo,
    /// The object nodes that apply to the object at hand, above those of the objects around it.
    applied: Vec<NodeId>,
    /// Whether a value must have its type as it stands.
    is_strict: bool,
    /// How many unions are being tried around this place; problems are then only counted.
    trials: usize,
    failures: usize,
    trial_steps_left: usize,
    depth: usize,
    gave_up: bool,
}

// === impl Pass ===

impl<'a> Pass<'a> {
    /// Coerces a value at its own place: what applies to it, then what is unknown goes.
    fn value(&mut self, id: NodeId, value: &Value) -> Option<Value> {
        let mark = self.applied.len();
        let changed = self.apply(id, value);
        let now = changed.as_ref().unwrap_or(value);
        let trimmed = self.without_unknown(now, mark);
        self.applied.truncate(mark);
        trimmed.or(changed)
    }

    fn without_unknown(&self, value: &Value, mark: usize) -> Option<Value> {
        let Value::Object(map) = value else { return None };
        let applied =
            || self.applied[mark..].iter().filter_map(|&id| self.plan.node(id).object.as_deref());
        let is_known = |name: &str| applied().any(|members| members.knows(name));
        if map.keys().all(|name| is_known(name))
            || applied().any(|members| members.is_open == Some(true))
        {
            return None;
        }
        if !applied().any(|members| members.names_some() || members.is_open == Some(false)) {
            return None;
        }
        let kept = map.iter().filter(|(name, _)| is_known(name));
        Some(Value::Object(kept.map(|(name, member)| (name.clone(), member.clone())).collect()))
    }

    /// Applies one node, and all that apply to the same value.
    fn apply(&mut self, id: NodeId, value: &Value) -> Option<Value> {
        self.depth += 1;
        self.trial_steps_left = self.trial_steps_left.saturating_sub(usize::from(self.trials > 0));
        self.gave_up |= self.depth > APPLY_DEPTH_MAX || self.trial_steps_left == 0;
        let changed = if self.gave_up { None } else { self.apply_node(id, value) };
        self.depth -= 1;
        changed
    }

    fn apply_node(&mut self, id: NodeId, value: &Value) -> Option<Value> {
        let plan = self.plan;
        let node = plan.node(id);
        let mut changed = self.typed(id, node, value).ok()?;
        let members = match changed.as_ref().unwrap_or(value) {
            Value::Object(map) => {
                node.object.as_deref().and_then(|members| self.members(id, members, map))
            }
            Value::Array(items) => node.list.as_deref().and_then(|plan| self.items(plan, items)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
        };
        changed = members.or(changed);
        for &part in &node.all_of {
            changed = self.apply(part, changed.as_ref().unwrap_or(value)).or(changed);
        }
        for branches in &node.unions {
            changed = self.union(branches, changed.as_ref().unwrap_or(value)).or(changed);
        }
        if let Some(literals) = &node.literals {
            let now = changed.as_ref().unwrap_or(value);
            if !literals.iter().any(|literal| number::equal(literal, now)) {
                self.complain(literal(literals));
            }
        }
        changed
    }

    /// Gives the value its type. `Err` if it cannot have it, which has been told.
    fn typed(&mut self, id: NodeId, node: &Node, value: &Value) -> Result<Option<Value>, ()> {
        if node.types.is_empty() || node.types.iter().any(|one| one.admits(value)) {
            return Ok(None);
        }
        if self.is_strict {
            self.failures += 1;
            return Err(());
        }
        let is_model = node.is_model();
        let worth_trying = |one: &&JsonType| **one != JsonType::Null || node.types.len() == 1;
        let mut refusals = Vec::new();
        for &one in node.types.iter().filter(worth_trying) {
            match one.coerce(value, is_model) {
                Coerced::Kept => return Ok(None),
                Coerced::Changed(value) => return Ok(Some(value)),
                Coerced::Refused(complaint) => refusals.push((one, complaint)),
            }
        }
        let is_union = refusals.len() > 1;
        for (one, complaint) in refusals {
            if is_union {
                self.path.push(Step::Label(self.plan.type_label(id, one)));
            }
            self.complain(complaint);
            if is_union {
                self.path.pop();
            }
        }
        Err(())
    }

    fn members(
        &mut self,
        id: NodeId,
        members: &'a Members,
        map: &Map<String, Value>,
    ) -> Option<Value> {
        self.applied.push(id);
        let mut changed: Option<Map<String, Value>> = None;
        for (name, property) in &members.properties {
            match map.get(name) {
                Some(Value::Null) if property.drops_null => {
                    changed.get_or_insert_with(|| map.clone()).shift_remove(name);
                }
                Some(member) => {
                    if let Some(member) = self.at(Step::Declared(name), property.node, member) {
                        changed.get_or_insert_with(|| map.clone()).insert(name.clone(), member);
                    }
                }
                None if property.is_required => self.complain_at(Step::Declared(name), missing()),
                None => {
                    if let Some(default) = &property.default {
                        changed
                            .get_or_insert_with(|| map.clone())
                            .insert(name.clone(), default.clone());
                    }
                }
            }
        }
        for name in members.other_required.iter().filter(|name| !map.contains_key(*name)) {
            self.complain_at(Step::Declared(name), missing());
        }
        if let Some(node) = members.additional {
            for (name, member) in
                map.iter().filter(|(name, _)| !members.properties.contains_key(*name))
            {
                if let Some(member) = self.at(Step::Undeclared(name.clone()), node, member) {
                    changed.get_or_insert_with(|| map.clone()).insert(name.clone(), member);
                }
            }
        }
        changed.map(Value::Object)
    }

    fn items(&mut self, plan: &Items, items: &[Value]) -> Option<Value> {
        let mut changed: Option<Vec<Value>> = None;
        for (index, item) in items.iter().enumerate() {
            let Some(node) = plan.prefix.get(index).copied().or(plan.rest) else { break };
            if let Some(item) = self.at(Step::Index(index), node, item) {
                changed.get_or_insert_with(|| items.to_vec())[index] = item;
            }
        }
        changed.map(Value::Array)
    }

    fn at(&mut self, step: Step<'a>, node: NodeId, value: &Value) -> Option<Value> {
        self.path.push(step);
        let changed = self.value(node, value);
        self.path.pop();
        changed
    }

    /// Applies the branch that fits: first one that needs no coercion, then one that does.
    fn union(&mut self, branches: &[NodeId], value: &Value) -> Option<Value> {
        let plan = self.plan;
        if value.is_null() && branches.iter().any(|&id| plan.is_null(id)) {
            return None;
        }
        let mut others = branches.iter().copied().filter(|&id| !plan.is_null(id));
        if let (Some(only), None) = (others.next(), others.next()) {
            return self.apply(only, value);
        }
        let was_strict = self.is_strict;
        let chosen = self.best_branch(branches, value, true);
        let chosen = if was_strict {
            chosen
        } else {
            chosen.or_else(|| self.best_branch(branches, value, false))
        };
        self.is_strict = was_strict;
        if let Some(best) = chosen {
            self.applied.extend(best.applied);
            return best.changed;
        }
        if self.trials > 0 {
            self.failures += 1;
            return None;
        }
        for (index, &branch) in branches.iter().enumerate().filter(|(_, id)| !plan.is_null(**id)) {
            self.path.push(Step::Label(plan.branch_label(branch, index)));
            self.apply(branch, value);
            self.path.pop();
        }
        None
    }

    /// The branch that takes the value; of several, the first of those that know most of its
    /// members, as pydantic chooses among models.
    fn best_branch(
        &mut self,
        branches: &[NodeId],
        value: &Value,
        is_strict: bool,
    ) -> Option<Branch> {
        self.is_strict = is_strict;
        let mut best: Option<Branch> = None;
        for &branch in branches {
            let (mark, failures) = (self.applied.len(), self.failures);
            self.trials += 1;
            let changed = self.apply(branch, value);
            self.trials -= 1;
            let applied = self.applied.split_off(mark);
            let fits = self.failures == failures;
            self.failures = failures;
            if !fits || self.gave_up {
                continue;
            }
            let known = self.known_members(value, &applied);
            if best.as_ref().is_none_or(|best| known > best.known) {
                best = Some(Branch { changed, applied, known });
            }
            if !value.is_object() {
                break;
            }
        }
        best
    }

    fn known_members(&self, value: &Value, applied: &[NodeId]) -> usize {
        let Value::Object(map) = value else { return 0 };
        let members = || applied.iter().filter_map(|&id| self.plan.node(id).object.as_deref());
        map.keys().filter(|name| members().any(|members| members.knows(name))).count()
    }

    fn complain_at(&mut self, step: Step<'a>, complaint: Complaint) {
        self.path.push(step);
        self.complain(complaint);
        self.path.pop();
    }

    fn complain(&mut self, complaint: Complaint) {
        if self.trials > 0 {
            self.failures += 1;
        } else if self.problems.len() < PROBLEMS_MAX {
            let is_place = |step: &&Step<'_>| !matches!(step, Step::Label(_));
            let place = located(self.path.iter().filter(is_place));
            let input = self.echo.of(self.sent(complaint.kind == "missing"));
            let problem = Problem::new(complaint, located(self.path.iter()), input);
            self.problems.push(Told { problem, place });
        }
    }

    /// What was sent at this place, or around what is missing.
    fn sent(&self, is_missing: bool) -> &'a Value {
        let steps = &self.path[..self.path.len() - usize::from(is_missing)];
        let mut value = self.raw;
        for step in steps {
            let inner = match step {
                Step::Declared(name) => value.get(*name),
                Step::Undeclared(name) => value.get(name),
                Step::Index(index) => value.get(*index),
                Step::Label(_) => Some(value),
            };
            value = inner.unwrap_or(&Value::Null);
        }
        value
    }
}

#[derive(Debug)]
struct Branch {
    changed: Option<Value>,
    applied: Vec<NodeId>,
    known: usize,
}

/// The steps as the caller is told them, from `"body"` on.
fn located<'s, 'a: 's>(steps: impl Iterator<Item = &'s Step<'a>>) -> Vec<Value> {
    std::iter::once(Value::from("body")).chain(steps.map(Step::to_value)).collect()
}

// === impl Step ===

impl Step<'_> {
    fn to_value(&self) -> Value {
        match self {
            Step::Declared(name) => (*name).into(),
            Step::Undeclared(name) | Step::Label(name) => name.as_str().into(),
            Step::Index(index) => (*index).into(),
        }
    }
}
