//! How what breaks is healed, how many sessions an upstream has, whether the file is followed.
//! Variables but for `--hot-reload`: hardly anybody needs another value than the default.

use super::Reader;
use crate::check::values;
use crate::config::Recovery;
use crate::flags::Flags;
use crate::problem::{Place, Problem};
use crate::report::Report;
use crate::server::PoolSizes;

const POOL_MIN: &str = "MCPO_POOL_MIN_CONNECTIONS";
const POOL_MAX: &str = "MCPO_POOL_MAX_CONNECTIONS";
const HOT_RELOAD: &str = "MCPO_HOT_RELOAD";

/// What somebody said of the sizes of a pool; `None` where nothing was said.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct PoolSaid {
    pub(crate) min: Option<usize>,
    pub(crate) max: Option<usize>,
}

/// Where it was asked for that changes of the file are followed.
pub(crate) struct HotReload(Option<Place>);

// === impl PoolSaid ===

impl PoolSaid {
    /// Puts what was said over `base`. Where only one bound was said the other gives way.
    pub(crate) fn over(self, base: PoolSizes) -> PoolSizes {
        match (self.min, self.max) {
            (Some(min), Some(max)) => PoolSizes { min, max },
            (Some(min), None) => PoolSizes { min, max: base.max.max(min) },
            (None, Some(max)) => PoolSizes { min: base.min.min(max), max },
            (None, None) => base,
        }
    }

    /// Whether the two bounds contradict each other, in words.
    pub(crate) fn contradiction(self) -> Option<String> {
        let (min, max) = (self.min?, self.max?);
        (min > max).then(|| format!("a pool of at least {min} and at most {max} cannot be"))
    }
}

/// A bound of a pool.
pub(crate) fn pool_size(text: &str) -> Result<usize, String> {
    values::whole(text, 1, PoolSizes::SESSIONS_MAX)
}

// === impl HotReload ===

impl HotReload {
    /// Whether changes are followed: without a file there is nothing to follow, which is said.
    pub(crate) fn follow(self, is_single: bool, report: &mut Report) -> bool {
        let Some(place) = self.0 else { return false };
        if is_single {
            let problem = Problem::warning(place, "there is no configuration file to follow");
            report.push(problem.cure("name one with `--config FILE`, or leave this out"));
        }
        !is_single
    }
}

// === impl Reader ===

impl Reader<'_> {
    pub(super) fn recovery(&mut self) -> Recovery {
        let defaults = Recovery::default();
        let attempts = self.variable("MCPO_MAX_RECOVERY_ATTEMPTS");
        let attempts_max = self.value(attempts, |text| {
            let attempts = values::whole(text, 1, Recovery::ATTEMPTS_MAX as usize)?;
            u32::try_from(attempts).map_err(|error| error.to_string())
        });
        let probe = self.variable("MCPO_PROBE_INTERVAL");
        let probe_every = self.value(probe, values::seconds_or_zero);
        Recovery {
            enabled: self.switch("MCPO_ERROR_RECOVERY_ENABLED").unwrap_or(defaults.enabled),
            attempts_max: attempts_max.unwrap_or(defaults.attempts_max),
            probe_every: probe_every
                .map_or(defaults.probe_every, |every| Some(every).filter(|every| !every.is_zero())),
        }
    }

    pub(super) fn pool(&mut self) -> PoolSaid {
        let (min, max) = (self.variable(POOL_MIN), self.variable(POOL_MAX));
        let said = PoolSaid { min: self.value(min, pool_size), max: self.value(max, pool_size) };
        if let Some(contradiction) = said.contradiction() {
            let cure = format!("lower {POOL_MIN} or raise {POOL_MAX}");
            self.error(Place::Variable(POOL_MIN.to_owned()), contradiction, &cure);
        }
        said
    }

    pub(super) fn hot_reload(&mut self, flags: &Flags) -> HotReload {
        let by_variable = self.switch(HOT_RELOAD) == Some(true);
        HotReload(if flags.hot_reload {
            Some(Place::Flag("--hot-reload"))
        } else {
            by_variable.then(|| Place::Variable(HOT_RELOAD.to_owned()))
        })
    }
}
