//! Sealed cells: one secret, encrypted for the one place where it may stand.
//!
//! `version ‖ suite ‖ data key id ‖ salt ‖ commitment ‖ ciphertext ‖ tag`. The place is authenticated and takes part in
//! the derivation of the key, so a cell that is moved, or kept from an earlier epoch, does not open (A88, A90).

use zeroize::Zeroizing;

use super::{
    encoding,
    keys::DataKey,
    padding,
    suite::{self, HEADER},
};
use crate::{Error, Result, random::Random};

const KEY_ID: usize = 16;

/// Where a cell stands, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// The table.
    pub table: &'a str,
    /// Whose row it is.
    pub organization: &'a str,
    /// The row's id.
    pub row: &'a str,
    /// The column.
    pub field: &'a str,
    /// Counts the secrets that stood here; the row keeps it in the open, under its MAC.
    pub epoch: u64,
}

/// Seals `secret` for `place`.
pub(super) fn seal(
    store_id: &str,
    key: &DataKey,
    place: &Place<'_>,
    secret: &[u8],
    random: &dyn Random,
) -> Result<Vec<u8>> {
    let padded = padding::pad(secret);
    let mut cell = Vec::with_capacity(HEADER.len() + KEY_ID + suite::OVERHEAD + padded.len());
    cell.extend_from_slice(&HEADER);
    cell.extend_from_slice(key.id());
    let aad = aad(store_id, &cell, place);
    suite::seal(&mut cell, key.secret(), &aad, &padded, random)?;
    Ok(cell)
}

/// Opens a cell at `place`, under the one key of `keys` that its header names.
pub(super) fn open(store_id: &str, keys: &[DataKey], place: &Place<'_>, cell: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    try_open(store_id, keys, place, cell)
        .ok_or_else(|| Error::IntegrityFailed { what: format!("the sealed field `{}.{}`", place.table, place.field) })
}

fn try_open(store_id: &str, keys: &[DataKey], place: &Place<'_>, cell: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let id = data_key_id(cell)?;
    let key = keys.iter().find(|key| *key.id() == id)?;
    let (header, sealed) = cell.split_at_checked(HEADER.len() + KEY_ID)?;
    padding::unpad(suite::open(key.secret(), &aad(store_id, header, place), sealed)?)
}

/// Which data key a cell says it was sealed with; nothing when it is no cell of a version that is known.
///
/// This is what the cell claims. Only opening it proves it.
pub fn data_key_id(cell: &[u8]) -> Option<[u8; 16]> {
    cell.strip_prefix(&HEADER)?.first_chunk::<KEY_ID>().copied()
}

/// The header is part of it, so no byte of a cell can be changed for another that means the same (A99).
fn aad(store_id: &str, header: &[u8], place: &Place<'_>) -> Vec<u8> {
    encoding::join(&[
        b"onbehalf/v1/cell",
        header,
        store_id.as_bytes(),
        place.table.as_bytes(),
        place.organization.as_bytes(),
        place.row.as_bytes(),
        place.field.as_bytes(),
        &place.epoch.to_be_bytes(),
    ])
}

#[cfg(test)]
#[path = "cell_tests.rs"]
mod tests;
