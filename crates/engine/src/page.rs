//! Pages of a list: sizes, and tokens that say where the next page begins.

use data_encoding::BASE64URL_NOPAD;

use crate::{Error, Result};

/// The rows of one page, and the token of the next.
pub(crate) struct Page<T> {
    pub(crate) rows: Vec<T>,
    pub(crate) next: Option<String>,
}

/// The page size that is meant: 1 to 100.
pub(crate) fn size(asked: Option<u32>, default: u32) -> Result<u32> {
    match asked.unwrap_or(default) {
        size @ 1..=100 => Ok(size),
        _ => Err(Error::invalid("pageSize", "must be 1 to 100")),
    }
}

/// The key that a page token stands for.
pub(crate) fn read_token(token: &str) -> Result<String> {
    BASE64URL_NOPAD
        .decode(token.as_bytes())
        .ok()
        .and_then(|key| String::from_utf8(key).ok())
        .ok_or_else(|| Error::invalid("pageToken", "must be the `nextPageToken` of the page before"))
}

/// The page token that stands for a key.
pub(crate) fn write_token(key: &str) -> String {
    BASE64URL_NOPAD.encode(key.as_bytes())
}

/// Cuts `rows`, read with one to spare, to a page of `size`.
pub(crate) fn cut<T>(mut rows: Vec<T>, size: u32, key: impl Fn(&T) -> &str) -> Page<T> {
    let size = size as usize;
    let more = rows.len() > size;
    rows.truncate(size);
    let next = rows.last().filter(|_| more).map(|row| write_token(key(row)));
    Page { rows, next }
}
