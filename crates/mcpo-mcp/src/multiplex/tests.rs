//! Claims about `multiplex`.
