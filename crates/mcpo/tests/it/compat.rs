//! What a user of Python's mcpo 0.0.20 may rely on, section by section, and where we leave its
//! ways on purpose. Each row names the promise that it holds us to.

mod access;
mod answers;
mod arguments;
mod command_line;
mod config_file;
mod different;
mod document;
mod urls;
