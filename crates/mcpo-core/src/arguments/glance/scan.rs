//! Reads a body from start to end along the plan. `None` everywhere means: not for this reader.

use serde_json::Value;

use super::{Bounds, Glance, Limit, PROPERTIES_MAX, Passes, Rule, Shape};
use crate::arguments::json::VALUES_MAX;
use crate::arguments::plan::{Members, Node, NodeId, Plan, Property, ROOT};
use crate::arguments::scalar::JsonType;

mod tokens;

/// Deeper bodies are rare.
const DEPTH_MAX: usize = 32;

/// So many names of an object that the schema does not declare are compared with each other, since
/// none may stand there twice.
const LOOSE_NAMES_MAX: usize = 16;

/// A longer number is not compared with a bound here.
const COMPARED_DIGITS_MAX: usize = 32;

/// Whole numbers below this are exact as a double.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// A text that is being read.
pub(super) struct Scan<'a> {
    glance: &'a Glance,
    plan: &'a Plan,
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    depth: usize,
    values_left: usize,
    gaps: Vec<Gap>,
}

/// Where an object ends in which something was left out that has a default.
struct Gap {
    at: usize,
    node: NodeId,
    /// The properties that were there.
    seen: u128,
    is_empty: bool,
}

/// A string token.
struct Text<'a> {
    raw: &'a str,
    has_escapes: bool,
}

/// Names of one object that were met.
struct Names<'a> {
    seen: u128,
    next: usize,
    loose: [&'a str; LOOSE_NAMES_MAX],
    loose_count: usize,
}

// === impl Scan ===

impl<'a> Scan<'a> {
    pub(super) fn new(glance: &'a Glance, plan: &'a Plan, text: &'a str) -> Self {
        Self {
            glance,
            plan,
            text,
            bytes: text.as_bytes(),
            at: 0,
            depth: 0,
            values_left: VALUES_MAX,
            gaps: Vec::new(),
        }
    }

    /// Reads all of a body.
    pub(super) fn body(mut self) -> Option<Passes> {
        self.blanks();
        if self.peek()? != b'{' {
            return None;
        }
        self.whole(ROOT)?;
        Some(if self.gaps.is_empty() { Passes::AsSent } else { Passes::Filled(self.filled()) })
    }

    /// Whether a value passes, and nothing is left out of it.
    pub(super) fn passes_alone(mut self, node: NodeId) -> bool {
        self.whole(node).is_some() && self.gaps.is_empty()
    }

    fn whole(&mut self, node: NodeId) -> Option<()> {
        self.value(node)?;
        self.blanks();
        (self.at == self.bytes.len()).then_some(())
    }

    /// The body with the defaults of what was left out.
    fn filled(&self) -> Vec<u8> {
        let lacking = |gap: &Gap| {
            let seen = gap.seen;
            let defaults = self.glance.rules[gap.node].defaults.iter();
            let left_out = defaults.filter(move |(index, _)| seen >> index & 1 == 0);
            left_out.filter_map(|(_, written)| written.as_deref())
        };
        let more: usize = self.gaps.iter().flat_map(lacking).map(|written| written.len() + 1).sum();
        let mut out = Vec::with_capacity(self.bytes.len() + more);
        let mut from = 0;
        for gap in &self.gaps {
            out.extend_from_slice(&self.bytes[from..gap.at]);
            from = gap.at;
            let mut is_first = gap.is_empty;
            for written in lacking(gap) {
                if !is_first {
                    out.push(b',');
                }
                is_first = false;
                out.extend_from_slice(written.as_bytes());
            }
        }
        out.extend_from_slice(&self.bytes[from..]);
        out
    }

    fn value(&mut self, id: NodeId) -> Option<()> {
        let (glance, plan): (&'a Glance, &'a Plan) = (self.glance, self.plan);
        let rule = &glance.rules[id];
        match &rule.shape {
            Shape::Beyond => None,
            Shape::Plain => self.plain(id, plan.node(id), rule),
            Shape::Same(target) => self.value(*target),
            Shape::AnyOf(branches) => self.any_of(branches),
        }
    }

    /// A value of one of these nodes. Members and items are read only where there is no choice.
    fn any_of(&mut self, branches: &[NodeId]) -> Option<()> {
        let plan = self.plan;
        if self.peek()? == b'n' {
            let null = branches.iter().copied().find(|&id| plan.is_null(id))?;
            return self.value(null);
        }
        let mut others = branches.iter().copied().filter(|&id| !plan.is_null(id));
        if let (Some(only), None) = (others.next(), others.next()) {
            return self.value(only);
        }
        if matches!(self.peek()?, b'{' | b'[') {
            return None;
        }
        let at = self.at;
        branches.iter().find_map(|&id| {
            self.at = at;
            self.value(id)
        })
    }

    fn plain(&mut self, id: NodeId, node: &'a Node, rule: &'a Rule) -> Option<()> {
        self.count()?;
        match self.peek()? {
            b'"' => self.text_of(node, rule),
            b'{' if node.has_type(JsonType::Object) && node.literals.is_none() => {
                self.within(|scan| match &node.object {
                    Some(members) => scan.members(id, members, rule),
                    None => scan.loose_members(),
                })
            }
            b'[' if node.has_type(JsonType::Array) && node.literals.is_none() => {
                self.within(|scan| scan.items(node, rule))
            }
            b't' => self.literal("true", node, JsonType::Boolean, &Value::Bool(true)),
            b'f' => self.literal("false", node, JsonType::Boolean, &Value::Bool(false)),
            b'n' => self.literal("null", node, JsonType::Null, &Value::Null),
            b'-' | b'0'..=b'9' => self.number_of(node, rule),
            _ => None,
        }
    }

    fn count(&mut self) -> Option<()> {
        self.values_left = self.values_left.checked_sub(1)?;
        Some(())
    }

    /// Steps into an object or a list.
    fn within(&mut self, read: impl FnOnce(&mut Self) -> Option<()>) -> Option<()> {
        if self.depth == DEPTH_MAX {
            return None;
        }
        self.depth += 1;
        self.at += 1;
        self.blanks();
        read(self)?;
        self.depth -= 1;
        Some(())
    }

    fn text_of(&mut self, node: &Node, rule: &Rule) -> Option<()> {
        if !node.has_type(JsonType::String) {
            return None;
        }
        let text = self.string()?;
        if let Some(literals) = &node.literals {
            let is_one = literals.iter().any(|literal| literal.as_str() == Some(text.raw));
            return (is_one && !text.has_escapes && rule.bounds.is_none()).then_some(());
        }
        let Some(bounds) = &rule.bounds else { return Some(()) };
        bounds.admit_text(&text).then_some(())
    }

    fn literal(
        &mut self,
        word: &str,
        node: &Node,
        json_type: JsonType,
        value: &Value,
    ) -> Option<()> {
        self.word(word)?;
        let is_named = || node.literals.as_ref().is_none_or(|literals| literals.contains(value));
        (node.has_type(json_type) && is_named()).then_some(())
    }

    fn number_of(&mut self, node: &Node, rule: &Rule) -> Option<()> {
        let token = self.number()?;
        let is_whole = token.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
        let has_type =
            node.has_type(JsonType::Number) || is_whole && node.types.contains(&JsonType::Integer);
        let is_named = |literals: &[Value]| {
            literals.iter().any(|one| matches!(one, Value::Number(one) if one.as_str() == token))
        };
        if !has_type || !node.literals.as_deref().is_none_or(is_named) {
            return None;
        }
        rule.bounds.as_ref().is_none_or(|bounds| bounds.admit_number(token, is_whole)).then_some(())
    }

    fn items(&mut self, node: &Node, rule: &Rule) -> Option<()> {
        let rest = match &node.list {
            Some(items) if items.prefix.is_empty() => items.rest,
            Some(_) => return None,
            None => None,
        };
        let mut count = 0;
        if !self.is_closed(b']') {
            loop {
                count += 1;
                match rest {
                    Some(id) => self.value(id)?,
                    None => self.loose()?,
                }
                if self.ends_with(b']')? {
                    break;
                }
            }
        }
        let Some(bounds) = &rule.bounds else { return Some(()) };
        (bounds.items.0 <= count && count <= bounds.items.1).then_some(())
    }

    fn members(&mut self, id: NodeId, members: &'a Members, rule: &Rule) -> Option<()> {
        let is_open =
            members.is_open == Some(true) || !members.names_some() && members.is_open.is_none();
        let mut names = Names::new();
        let mut is_empty = true;
        if !self.is_closed(b'}') {
            is_empty = false;
            loop {
                let name = self.name()?;
                if let Some(property) = names.declared(members, name)? {
                    if property.drops_null && self.peek()? == b'n' {
                        return None;
                    }
                    self.value(property.node)?;
                } else {
                    if !is_open {
                        return None;
                    }
                    names.loose(name)?;
                    match members.additional {
                        Some(node) => self.value(node)?,
                        None => self.loose()?,
                    }
                }
                if self.ends_with(b'}')? {
                    break;
                }
            }
        }
        if rule.required & !names.seen != 0 {
            return None;
        }
        let mut lacking = rule.defaults.iter().filter(|(index, _)| names.seen >> index & 1 == 0);
        if let Some((_, written)) = lacking.next() {
            let can_be_written = written.is_some() && lacking.all(|(_, written)| written.is_some());
            can_be_written.then_some(())?;
            self.gaps.push(Gap { at: self.at - 1, node: id, seen: names.seen, is_empty });
        }
        Some(())
    }

    /// A value of which the schema says nothing.
    fn loose(&mut self) -> Option<()> {
        self.count()?;
        match self.peek()? {
            b'"' => self.string().map(drop),
            b'{' => self.within(Self::loose_members),
            b'[' => self.within(Self::loose_items),
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'n' => self.word("null"),
            b'-' | b'0'..=b'9' => self.number().map(drop),
            _ => None,
        }
    }

    fn loose_items(&mut self) -> Option<()> {
        if self.is_closed(b']') {
            return Some(());
        }
        loop {
            self.loose()?;
            if self.ends_with(b']')? {
                return Some(());
            }
        }
    }

    fn loose_members(&mut self) -> Option<()> {
        if self.is_closed(b'}') {
            return Some(());
        }
        let mut names = Names::new();
        loop {
            let name = self.name()?;
            names.loose(name)?;
            self.loose()?;
            if self.ends_with(b'}')? {
                return Some(());
            }
        }
    }

    /// The name of a member, and what stands between it and the value.
    fn name(&mut self) -> Option<&'a str> {
        let name = self.string().filter(|name| !name.has_escapes)?;
        self.blanks();
        (self.peek()? == b':').then_some(())?;
        self.at += 1;
        self.blanks();
        Some(name.raw)
    }

    /// Whether an object or a list ends before its first value.
    fn is_closed(&mut self, close: u8) -> bool {
        let is_closed = self.peek() == Some(close);
        self.at += usize::from(is_closed);
        is_closed
    }

    /// After a value: whether the object or the list ends. If not, stands at what follows.
    fn ends_with(&mut self, close: u8) -> Option<bool> {
        self.blanks();
        let next = self.peek()?;
        if next != close && next != b',' {
            return None;
        }
        self.at += 1;
        if next == close {
            return Some(true);
        }
        self.blanks();
        Some(false)
    }
}

// === impl Names ===

impl<'a> Names<'a> {
    const fn new() -> Self {
        Self { seen: 0, next: 0, loose: [""; LOOSE_NAMES_MAX], loose_count: 0 }
    }

    /// The property of that name, if it is declared. `None` if it stood there before.
    fn declared<'p>(&mut self, members: &'p Members, name: &str) -> Option<Option<&'p Property>> {
        // Members mostly stand in the order of the schema.
        let expected = members.properties.get_index(self.next).filter(|(known, _)| *known == name);
        let found = match expected {
            Some((_, property)) => Some((self.next, property)),
            None => members.properties.get_full(name).map(|(index, _, property)| (index, property)),
        };
        let Some((index, property)) = found else { return Some(None) };
        debug_assert!(index < PROPERTIES_MAX, "larger objects are not read here");
        let bit = 1_u128 << index;
        if self.seen & bit != 0 {
            return None;
        }
        self.seen |= bit;
        self.next = index + 1;
        Some(Some(property))
    }

    /// Notes a name that is not declared. `None` if it stood there before, or there are many.
    fn loose(&mut self, name: &'a str) -> Option<()> {
        let before = &self.loose[..self.loose_count];
        if before.contains(&name) {
            return None;
        }
        *self.loose.get_mut(self.loose_count)? = name;
        self.loose_count += 1;
        Some(())
    }
}

// === impl Bounds ===

impl Bounds {
    fn admit_text(&self, text: &Text<'_>) -> bool {
        let (least, most) = self.characters;
        if (least, most) == (0, u64::MAX) {
            return true;
        }
        let count = text.raw.chars().count() as u64;
        !text.has_escapes && least <= count && count <= most
    }

    /// Whether a number is surely within. Rounding keeps the order: what is greater as a double is
    /// greater.
    fn admit_number(&self, token: &str, is_whole: bool) -> bool {
        if !self.bound_numbers() {
            return true;
        }
        let is_short = token.len() <= COMPARED_DIGITS_MAX && !token.contains(['e', 'E']);
        let Some(number) = token.parse::<f64>().ok().filter(|_| is_short) else { return false };
        let is_exact = is_whole && number.abs() < EXACT_MAX;
        self.least.is_met(is_exact, number, |number, least| number > least)
            && self.most.is_met(is_exact, number, |number, most| number < most)
    }
}

// === impl Limit ===

impl Limit {
    fn is_met(self, is_exact: bool, number: f64, is_beyond: fn(f64, f64) -> bool) -> bool {
        match self {
            Self::None => true,
            Self::Excluded(limit) => is_beyond(number, limit),
            Self::Included(limit) => {
                let is_limit = is_exact && limit.fract() == 0.0 && (number - limit).abs() < 0.5;
                is_beyond(number, limit) || is_limit
            }
        }
    }
}
