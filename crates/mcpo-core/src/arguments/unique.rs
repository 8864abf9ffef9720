//! `uniqueItems` in time that grows with the list. The validator's own check compares all numbers
//! beyond a double, and all lists of nothing but lists, pair by pair: a body of some kilobytes
//! would hold a worker for minutes.

use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash, Hasher};

use jsonschema::paths::Location;
use jsonschema::{Keyword, ValidationError};
use serde_json::{Map, Value};

use super::number;

/// The keyword that is checked here.
pub(super) const UNIQUE_ITEMS: &str = "uniqueItems";

/// Makes the check of one `uniqueItems`.
#[expect(clippy::unnecessary_wraps, reason = "the validator wants a factory that can fail")]
pub(super) fn keyword<'a>(
    _around: &'a Map<String, Value>,
    value: &'a Value,
    _place: Location,
) -> Result<Box<dyn for<'i> Keyword<'i>>, ValidationError<'a>> {
    Ok(Box::new(UniqueItems { is_asked_for: value == &Value::Bool(true) }))
}

struct UniqueItems {
    is_asked_for: bool,
}

/// An item with its digest, so that each is read once.
struct Item<'i> {
    digest: u64,
    value: &'i Value,
}

// === impl UniqueItems ===

impl<'i> Keyword<'i> for UniqueItems {
    fn validate(&self, instance: &'i Value) -> Result<(), ValidationError<'i>> {
        if self.is_valid(instance) {
            return Ok(());
        }
        Err(ValidationError::custom("the same item stands there twice"))
    }

    fn is_valid(&self, instance: &'i Value) -> bool {
        match instance {
            Value::Array(items) => !self.is_asked_for || are_unique(items),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Object(_) => true,
        }
    }
}

fn are_unique(items: &[Value]) -> bool {
    let chance = RandomState::new();
    let mut seen = HashSet::with_capacity(items.len());
    items.iter().all(|value| seen.insert(Item { digest: digest(value, &chance), value }))
}

/// The same for values that are equal. Nobody outside can find others of the same digest, since
/// chance has its part in it.
fn digest(value: &Value, chance: &RandomState) -> u64 {
    let mut state = chance.build_hasher();
    match value {
        Value::Null => 0_u8.hash(&mut state),
        Value::Bool(bool) => (1_u8, bool).hash(&mut state),
        Value::Number(number) => {
            2_u8.hash(&mut state);
            number::hash(number, &mut state);
        }
        Value::String(text) => (3_u8, text).hash(&mut state),
        Value::Array(items) => {
            (4_u8, items.len()).hash(&mut state);
            items.iter().for_each(|item| digest(item, chance).hash(&mut state));
        }
        Value::Object(map) => {
            // In whatever order the members stand.
            let members = map.iter().map(|(name, value)| (name, digest(value, chance)));
            let sum = members.fold(0, |sum: u64, member| sum.wrapping_add(chance.hash_one(member)));
            (5_u8, map.len(), sum).hash(&mut state);
        }
    }
    state.finish()
}

// === impl Item ===

impl Hash for Item<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.digest.hash(state);
    }
}

impl PartialEq for Item<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest && number::equal(self.value, other.value)
    }
}

impl Eq for Item<'_> {}
