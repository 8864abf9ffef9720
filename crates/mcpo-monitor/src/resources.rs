//! What processes and the machine use, read from `/proc` and from cgroup v2.

/// One process, or a tree of them added up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ProcessSample {
    /// Processes in it.
    pub processes: u32,
    /// Of one processor, since the sample before: 0 to 1 for each processor.
    pub cpu: f64,
    /// Processor time since the start of each, in seconds; it may fall when a child ends.
    pub cpu_seconds: f64,
    /// Resident memory in bytes.
    pub rss_bytes: u64,
    /// Open file descriptors; `None` where they cannot be read.
    pub fds: Option<u64>,
    /// The limit of open file descriptors of the first process; `None` where there is none.
    pub fds_max: Option<u64>,
    /// Threads.
    pub threads: u64,
    /// Seconds since the oldest of them started.
    pub uptime_seconds: f64,
}

/// The machine, or the container that we are in where it has limits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MachineSample {
    /// Used share of the processor time that we may use, 0 to 1, since the sample before.
    pub cpu: f64,
    /// Used share of the memory that we may use, 0 to 1.
    pub memory: f64,
    /// Memory that we may use, in bytes.
    pub memory_bytes_max: u64,
    /// Processors that we may use; a fraction under a quota.
    pub processors: f64,
    /// Whether these are limits of a container rather than the machine's.
    pub is_container: bool,
    /// Free bytes of the disk that the state directory is on; `None` without one.
    pub state_disk_bytes_free: Option<u64>,
}
