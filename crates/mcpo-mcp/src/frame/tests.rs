//! Claims about `frame`.
