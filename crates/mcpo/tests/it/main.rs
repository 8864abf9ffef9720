//! Tests of the whole: the real program, scripted upstreams, and the order of the house.

mod recovery;
mod tidy;
