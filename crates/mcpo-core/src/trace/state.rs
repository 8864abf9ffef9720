//! `tracestate`: a list of `key=value` that is handed on unread, if it is one (section 3.3.1).

/// More list members than this make the whole list broken (section 3.3.1.1).
const MEMBERS_MAX: usize = 32;

/// So much must be handed on at least (section 3.3.1.5), and no more is.
const STATE_BYTES_MAX: usize = 512;

/// Where the list is too long, members beyond this go first (section 3.3.1.5).
const LONG_MEMBER_BYTES: usize = 128;

/// Key and value are of at most this each (sections 3.3.1.3.1 and 3.3.1.3.2).
const KEY_BYTES_MAX: usize = 256;
const VALUE_BYTES_MAX: usize = 256;

/// The parts of a key of a system with many tenants, `tenant@system`.
const TENANT_BYTES_MAX: usize = 241;
const SYSTEM_BYTES_MAX: usize = 14;

/// All headers' lists as one, in their order; `None` where there is none, or a broken one.
pub(super) fn read<'v>(headers: impl IntoIterator<Item = &'v [u8]>) -> Option<String> {
    let mut members = Vec::new();
    for member in headers.into_iter().flat_map(|list| list.split(|byte| *byte == b',')) {
        let member = trim(member);
        // Empty members are allowed, and count as nothing (section 3.3.1.2).
        if member.is_empty() {
            continue;
        }
        if members.len() == MEMBERS_MAX {
            return None;
        }
        members.push(checked(member)?);
    }
    shorten(&mut members);
    (!members.is_empty()).then(|| members.join(","))
}

fn checked(member: &[u8]) -> Option<&str> {
    let at = member.iter().position(|byte| *byte == b'=')?;
    let (key, value) = (&member[..at], &member[at + 1..]);
    (is_key(key) && is_value(value)).then(|| str::from_utf8(member).ok())?
}

/// Whole members go: long ones first, then from the end.
fn shorten(members: &mut Vec<&str>) {
    let is_short = |members: &[&str]| {
        members.iter().map(|member| member.len() + 1).sum::<usize>() <= STATE_BYTES_MAX + 1
    };
    if !is_short(members) {
        members.retain(|member| member.len() <= LONG_MEMBER_BYTES);
    }
    while !is_short(members) {
        members.pop();
    }
}

/// Blanks and tabs, as HTTP has them around the members of a list.
fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

fn is_key(key: &[u8]) -> bool {
    match key.iter().position(|byte| *byte == b'@') {
        None => {
            key.len() <= KEY_BYTES_MAX
                && key.first().is_some_and(u8::is_ascii_lowercase)
                && key.iter().all(is_key_byte)
        }
        Some(at) => {
            let (tenant, system) = (&key[..at], &key[at + 1..]);
            tenant.len() <= TENANT_BYTES_MAX
                && system.len() <= SYSTEM_BYTES_MAX
                && tenant
                    .first()
                    .is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
                && system.first().is_some_and(u8::is_ascii_lowercase)
                && tenant.iter().chain(system).all(is_key_byte)
        }
    }
}

const fn is_key_byte(byte: &u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/')
}

/// Blanks at its end are gone already.
fn is_value(value: &[u8]) -> bool {
    let fits = (1..=VALUE_BYTES_MAX).contains(&value.len());
    fits && value.iter().all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b',' | b'='))
}
