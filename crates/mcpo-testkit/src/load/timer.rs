//! A timer finer than the runtime's, which ticks in milliseconds: too coarse where the median
//! latency is a tenth of that.

use std::os::fd::OwnedFd;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::io::unix::AsyncFd;
use tokio::time::Instant;

/// Shorter waits are not worth the system calls that a timer costs, about as much time each.
const SPIN_MAX: Duration = Duration::from_micros(15);

#[derive(Debug)]
pub(crate) struct Timer {
    descriptor: AsyncFd<OwnedFd>,
}

impl Timer {
    pub(crate) fn new() -> Result<Self> {
        let descriptor = timerfd_create(
            TimerfdClockId::Monotonic,
            TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC,
        )
        .context("create a timer")?;
        #[expect(
            deprecated,
            reason = "its successor is unsafe; this descriptor is owned and stays here"
        )]
        let descriptor = AsyncFd::new(descriptor)?;
        Ok(Self { descriptor })
    }

    /// Waits until then; false when it was past already. Cancel-safe.
    pub(crate) async fn until(&self, then: Instant) -> Result<bool> {
        let wait = then.saturating_duration_since(Instant::now());
        if wait.is_zero() {
            return Ok(false);
        }
        if wait < SPIN_MAX {
            // The runtime looks at its sockets at each turn: others are served meanwhile.
            while Instant::now() < then {
                tokio::task::yield_now().await;
            }
            return Ok(true);
        }
        let zero = timespec(Duration::ZERO)?;
        let when = Itimerspec { it_interval: zero, it_value: timespec(wait)? };
        timerfd_settime(&self.descriptor, TimerfdTimerFlags::empty(), &when)?;
        loop {
            let mut ready = self.descriptor.readable().await?;
            let read = ready.try_io(|fd| Ok(rustix::io::read(fd.get_ref(), &mut [0; 8])?));
            // A readiness from an earlier use is not this one's.
            if let Ok(read) = read {
                read?;
                return Ok(true);
            }
        }
    }
}

fn timespec(length: Duration) -> Result<Timespec> {
    Ok(Timespec {
        tv_sec: i64::try_from(length.as_secs())?,
        tv_nsec: i64::from(length.subsec_nanos()),
    })
}
