//! One life of the program: what it leaves behind, what it finishes, what it never tells.

mod endings;
mod files;
mod log;
mod orphans;
mod requests;
mod secrets;
mod terminal;
