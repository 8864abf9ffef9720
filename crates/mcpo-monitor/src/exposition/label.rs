//! One label of a line. Names of upstreams and tools may hold anything, and are of any length.

use std::hash::{DefaultHasher, Hash, Hasher};

/// The longest value of a label in bytes, before it is escaped. Tools' names have 128 bytes at most
/// where MCP's advice is followed; a longer one is cut, and told apart by a hash of all of it.
pub const LABEL_BYTES_MAX: usize = 160;

/// What a hash and the dots before it take up.
const HASH_BYTES: usize = 3 + 16;

/// Adds one label to those that there are already. Without a value there is no label: to Prometheus
/// that is the same.
pub(super) fn push(labels: &mut String, name: &str, value: &str) {
    if value.is_empty() {
        return;
    }
    if !labels.is_empty() {
        labels.push(',');
    }
    labels.push_str(name);
    labels.push_str("=\"");
    push_bounded(labels, value);
    labels.push('"');
}

fn push_bounded(into: &mut String, value: &str) {
    if value.len() <= LABEL_BYTES_MAX {
        push_escaped(into, value);
        return;
    }
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    push_escaped(into, &value[..value.floor_char_boundary(LABEL_BYTES_MAX - HASH_BYTES)]);
    into.push_str(&format!("...{:016x}", hasher.finish()));
}

/// Both formats escape the same three characters.
fn push_escaped(into: &mut String, value: &str) {
    let mut rest = value;
    while let Some(place) = rest.find(['\\', '"', '\n']) {
        let (plain, special) = rest.split_at(place);
        into.push_str(plain);
        into.push('\\');
        into.push(if special.starts_with('\n') { 'n' } else { char::from(special.as_bytes()[0]) });
        rest = &special[1..];
    }
    into.push_str(rest);
}
