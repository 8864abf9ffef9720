//! Logins of the dashboard: who has shown the key once gets a cookie that stands for it for some
//! hours. Nothing is kept of it but what was logged out; the cookie itself says until when it holds,
//! under a seal that only we can make.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tokio::time::Instant;

use crate::problem::Problem;
use crate::shown::Shown;

/// The cookie's name.
pub(crate) const COOKIE_NAME: &str = "mcpo_session";

/// How long a login holds: a working day.
pub(crate) const LOGIN_TIME_MAX: Duration = Duration::from_secs(12 * 3600);

/// How many wrong keys are looked at within [`WRONG_KEYS_WITHIN`], whoever shows them.
pub(crate) const WRONG_KEYS_MAX: usize = 10;

/// See [`WRONG_KEYS_MAX`].
pub(crate) const WRONG_KEYS_WITHIN: Duration = Duration::from_secs(60);

/// So many logins that were ended are remembered; above that the oldest hold until their time.
const ENDED_MAX: usize = 1024;

/// How many cookies of our name are looked at: browsers send one, and each costs a seal to check.
const SHOWN_MAX: usize = 16;

/// What the seal's key is made for, so that it is good for nothing else.
const PURPOSE: &[u8] = b"mcpo dashboard login 1";

/// Knows logins.
pub(crate) struct Logins {
    seal: [u8; 32],
    /// A name for each login, so that one can be ended without the others.
    names: (RandomState, AtomicU64),
    memory: Mutex<Memory>,
}

/// A login that somebody came in by, who may be told more for as long as it holds.
#[derive(Debug)]
pub(crate) struct Login {
    logins: Arc<Logins>,
    cookie: String,
}

#[derive(Debug, Default)]
struct Memory {
    /// What wrong keys were shown when, the oldest first.
    wrong: VecDeque<Instant>,
    /// What was logged out, the oldest first.
    ended: VecDeque<String>,
}

// === impl Logins ===

impl Logins {
    /// Logins that were made with this key hold over a restart, and none with another key.
    pub(crate) fn new(key: &str) -> Self {
        let seal = sealed(key.as_bytes(), PURPOSE).finalize().into_bytes().into();
        let names = (RandomState::new(), AtomicU64::new(0));
        Self { seal, names, memory: Mutex::default() }
    }

    /// Takes one of the tries that there are; a key that proves right gives it back.
    ///
    /// # Errors
    /// When too many wrong keys were shown of late.
    pub(crate) fn attempt(&self) -> Result<(), Problem> {
        let now = Instant::now();
        let mut memory = self.memory();
        while memory.wrong.front().is_some_and(|&at| now - at >= WRONG_KEYS_WITHIN) {
            memory.wrong.pop_front();
        }
        match memory.wrong.front() {
            Some(&first) if memory.wrong.len() >= WRONG_KEYS_MAX => {
                Err(Problem::TooManyLogins { retry_after: WRONG_KEYS_WITHIN - (now - first) })
            }
            Some(_) | None => {
                memory.wrong.push_back(now);
                Ok(())
            }
        }
    }

    /// The key of the last attempt was right: a new login, as the cookie has it.
    pub(crate) fn begin(&self) -> String {
        self.memory().wrong.pop_back();
        let count = self.names.1.fetch_add(1, Ordering::Relaxed);
        self.login(now() + LOGIN_TIME_MAX, self.names.0.hash_one(count))
    }

    /// Whether somebody shows a login that holds. There may be several cookies of our name, since
    /// others on this host may have set one.
    pub(crate) fn knows(&self, shown: Shown<'_>) -> bool {
        self.shown(shown).next().is_some()
    }

    /// The login by which somebody comes in.
    pub(crate) fn login_of(self: &Arc<Self>, shown: Shown<'_>) -> Option<Login> {
        let cookie = self.shown(shown).next()?.to_owned();
        Some(Login { logins: self.clone(), cookie })
    }

    fn shown<'r>(&self, shown: Shown<'r>) -> impl Iterator<Item = &'r str> {
        let now = now();
        let cookies = shown.cookies(COOKIE_NAME).take(SHOWN_MAX);
        cookies.filter(move |login| self.holds(login, now))
    }

    /// Ends the logins that are shown.
    pub(crate) fn end(&self, shown: Shown<'_>) {
        let logins: Vec<String> = self.shown(shown).map(str::to_owned).collect();
        let mut memory = self.memory();
        for login in logins {
            if memory.ended.len() == ENDED_MAX {
                memory.ended.pop_front();
            }
            memory.ended.push_back(login);
        }
    }

    fn login(&self, until: SystemTime, name: u64) -> String {
        let until = until.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let said = format!("{until}.{name:016x}");
        let seal = sealed(&self.seal, said.as_bytes()).finalize().into_bytes();
        format!("{said}.{}", URL_SAFE_NO_PAD.encode(seal))
    }

    fn holds(&self, login: &str, now: SystemTime) -> bool {
        self.is_ours(login, now).is_some() && !self.memory().ended.iter().any(|one| one == login)
    }

    fn is_ours(&self, login: &str, now: SystemTime) -> Option<()> {
        let (said, seal) = login.rsplit_once('.')?;
        let seal = URL_SAFE_NO_PAD.decode(seal).ok()?;
        // Compares in constant time.
        sealed(&self.seal, said.as_bytes()).verify_slice(&seal).ok()?;
        let (until, _name) = said.split_once('.')?;
        let until = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(until.parse().ok()?))?;
        (now < until).then_some(())
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Login ===

impl Login {
    /// Whether it has neither been ended nor run out.
    pub(crate) fn holds(&self) -> bool {
        self.logins.holds(&self.cookie, now())
    }
}

impl std::fmt::Debug for Logins {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Logins").finish_non_exhaustive()
    }
}

fn sealed(key: &[u8], said: &[u8]) -> Hmac<Sha256> {
    let mut seal = Hmac::<Sha256>::new_from_slice(key).expect("any length of key is taken");
    seal.update(said);
    seal
}

/// The `Set-Cookie` of a login, or of the end of one: for this site alone, and for no script.
pub(crate) fn cookie(login: &str, path: &str, shown: Shown<'_>) -> String {
    let age = if login.is_empty() { 0 } else { LOGIN_TIME_MAX.as_secs() };
    let secure = if shown.came_by_tls() { "; Secure" } else { "" };
    format!("{COOKIE_NAME}={login}; Path={path}; Max-Age={age}; HttpOnly; SameSite=Strict{secure}")
}

#[expect(clippy::disallowed_methods, reason = "a login holds over a restart, so until a date")]
fn now() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
mod tests;
