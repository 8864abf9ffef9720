//! What is watched, and where the history of it is kept: options and variables. What is told to
//! whom stands in the file.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Reader, given};
use crate::check::values;
use crate::flags::Flags;
use crate::monitoring::{Monitoring, StatePlace};
use crate::problem::Place;

const INTERVAL: &str = "MCPO_MONITOR_INTERVAL";
const STATE_DIR: &str = "MCPO_STATE_DIR";
const NO_STATE: &str = "MCPO_NO_STATE";

// === impl Reader ===

impl Reader<'_> {
    /// Everything but what the file says.
    pub(super) fn monitoring(&mut self, flags: &Flags) -> Monitoring {
        let interval = self.variable(INTERVAL);
        Monitoring {
            enabled: self.switch("MCPO_MONITOR_ENABLED").unwrap_or(true),
            interval: self.value(interval, interval_of).unwrap_or(Monitoring::INTERVAL),
            state: self.state(flags),
            otlp: self.otlp(),
            ..Monitoring::default()
        }
    }

    fn state(&mut self, flags: &Flags) -> StatePlace {
        let named = self.typed(flags.state_dir.as_ref(), "--state-dir", STATE_DIR);
        let by_flag = flags.no_state;
        if by_flag && given(flags.state_dir.as_ref()).is_some() {
            let message = "`--no-state` beside `--state-dir` leaves it open what is meant";
            self.error(Place::Flag("--no-state"), message, "keep one of the two");
        }
        // What is on the command line wins over a variable of the other kind.
        let said_dir = given(flags.state_dir.as_ref()).is_some();
        if by_flag || (!said_dir && self.switch(NO_STATE) == Some(true)) {
            return StatePlace::Memory;
        }
        match named {
            Some(typed) if typed.text.is_empty() => {
                let cure = "name a directory, or leave it out";
                self.error(typed.place, "the name of the directory is empty", cure);
                StatePlace::Memory
            }
            Some(typed) => StatePlace::Directory(PathBuf::from(typed.text)),
            None => self.usual_state(),
        }
    }

    /// By the XDG base directory specification: `$XDG_STATE_HOME`, which counts only if it is
    /// absolute, else `$HOME/.local/state`.
    fn usual_state(&self) -> StatePlace {
        let absolute = |name: &str| {
            let path = PathBuf::from(self.environment.get(name)?);
            path.is_absolute().then_some(path)
        };
        let home = || absolute("HOME").map(|home| home.join(Path::new(".local/state")));
        match absolute("XDG_STATE_HOME").or_else(home) {
            Some(base) => StatePlace::PortUnder(base.join("mcpo")),
            None => StatePlace::Memory,
        }
    }
}

fn interval_of(text: &str) -> Result<Duration, String> {
    let (min, max) = (Monitoring::INTERVAL_MIN, Monitoring::INTERVAL_MAX);
    match values::seconds(text)? {
        interval if (min..=max).contains(&interval) => Ok(interval),
        _ => Err(format!("must be between {} and {} seconds", min.as_secs(), max.as_secs())),
    }
}
