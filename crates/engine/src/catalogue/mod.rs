//! What providers need, read from files: one connector a file, no I/O beyond the text that is passed in.

mod complaint;
mod connector;
mod document;
pub mod entered;
pub mod field;
pub mod host;
pub mod lint;
pub mod load;
mod nearest;
pub mod profile;
pub mod schema;
pub mod template;
mod templates;
pub mod url;

pub use document::Place;
pub use load::Catalogue;
