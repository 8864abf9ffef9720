//! Names for operations and components: word characters only, unique, and the same after every
//! restart whatever else is there.

use std::collections::{HashMap, HashSet};

/// One name that needs a plain form: what it is called in full, and what it should look like.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// Tells it apart from all others; the suffix is made of it.
    pub(super) full: String,
    /// What it is called where that can be written as it is.
    pub(super) shown: String,
}

/// A plain form for each name, in the order given. A form that several want goes to the one that
/// is called so; every other of them gets a suffix that depends on its full name alone.
pub(super) fn plain_forms(wanted: &[Wanted], chars_max: usize) -> Vec<String> {
    let plain: Vec<String> = wanted.iter().map(|name| plain(&name.shown)).collect();
    let mut uses: HashMap<&str, Uses> = HashMap::with_capacity(plain.len());
    for (form, name) in plain.iter().zip(wanted) {
        let uses = uses.entry(form).or_default();
        uses.all += 1;
        uses.exact += usize::from(*form == name.shown);
    }
    let keeps = |form: &String, name: &Wanted| {
        let uses = &uses[form.as_str()];
        form.len() <= chars_max && (uses.all == 1 || (uses.exact == 1 && *form == name.shown))
    };
    if plain.iter().zip(wanted).all(|(form, name)| keeps(form, name)) {
        return plain;
    }
    let mut taken: HashSet<String> = plain
        .iter()
        .zip(wanted)
        .filter(|(form, name)| keeps(form, name))
        .map(|(form, _)| form.clone())
        .collect();
    let mut forms: Vec<Option<String>> = plain
        .iter()
        .zip(wanted)
        .map(|(form, name)| keeps(form, name).then(|| form.clone()))
        .collect();
    // In the order of the names, so that even a clash of suffixes ends the same way every time.
    let mut rest: Vec<usize> = (0..wanted.len()).filter(|&index| forms[index].is_none()).collect();
    rest.sort_by(|&left, &right| wanted[left].full.cmp(&wanted[right].full));
    for index in rest {
        forms[index] = Some(suffixed(&plain[index], &wanted[index].full, chars_max, &mut taken));
    }
    forms.into_iter().flatten().collect()
}

/// The name with everything but word characters as `_`. ASCII only: providers refuse functions
/// with other names, and component names allow no others.
pub(super) fn plain(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }).collect()
}

#[derive(Debug, Default)]
struct Uses {
    all: usize,
    exact: usize,
}

fn suffixed(form: &str, full: &str, chars_max: usize, taken: &mut HashSet<String>) -> String {
    let hash = fnv1a(full);
    let mut suffix = format!("_{:08x}", hash >> 32);
    let mut count = 0_usize;
    loop {
        let kept = form.len().min(chars_max.saturating_sub(suffix.len()));
        let candidate = format!("{}{suffix}", &form[..kept]);
        if taken.insert(candidate.clone()) {
            return candidate;
        }
        count += 1;
        suffix = format!("_{hash:016x}_{count}");
    }
}

/// FNV-1a, 64 bits: the same on every machine and in every version, which std's hasher is not.
fn fnv1a(text: &str) -> u64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    text.bytes().fold(OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME))
}

/// The name as a heading: `_` as blanks, a capital after everything that is no letter, all else
/// small, as Python's `str.title` has it.
pub(super) fn heading(name: &str) -> String {
    let mut heading = String::with_capacity(name.len());
    push_heading(&mut heading, [name].into_iter());
    heading
}

/// Appends a name, which comes in pieces, as a heading.
pub(super) fn push_heading<'a>(out: &mut String, pieces: impl Iterator<Item = &'a str>) {
    let mut after_letter = false;
    for c in pieces.flat_map(str::chars) {
        let c = if c == '_' { ' ' } else { c };
        match (c.is_ascii(), after_letter) {
            (true, true) => out.push(c.to_ascii_lowercase()),
            (true, false) => out.push(c.to_ascii_uppercase()),
            (false, true) => out.extend(c.to_lowercase()),
            (false, false) => out.extend(c.to_uppercase()),
        }
        after_letter = c.is_lowercase() || c.is_uppercase();
    }
}
