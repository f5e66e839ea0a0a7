//! What providers need, read from files: one connector a file, no I/O beyond the text that is passed in.

pub mod host;
pub mod lint;
pub mod load;
pub mod schema;
pub mod template;
pub mod url;
