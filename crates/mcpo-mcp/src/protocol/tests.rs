//! Claims about `protocol`.
