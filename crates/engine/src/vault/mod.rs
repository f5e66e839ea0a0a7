//! The vault: secrets in, sealed bytes out, and back.
//!
//! One root key stands behind a store; one given key or several lead to it. From it come the key that signs rows, the key
//! that links records, the key that seals the journal, and the key that wraps each organization's data keys; a data key
//! seals that organization's cells. Nothing here knows SQL, and nothing outside knows a key. The format is written down
//! in `docs/vault-format.md`.

mod cell;
mod encoding;
mod journal;
mod key_file;
mod key_slot;
mod keys;
mod moving;
mod padding;
mod row_mac;
mod source;
mod suite;

use std::fmt;

use aws_lc_rs::hmac;
use zeroize::Zeroizing;

pub use self::{
    cell::{Place, data_key_id},
    journal::sealed_journal_length,
    key_slot::{KeySlotKind, Lock},
    keys::{DataKey, RootKey},
    moving::{FRAME_HEAD, Frame, HEADER_HEAD, Incoming, Outgoing, Recipient, header_tail},
    row_mac::Column,
    source::{KeySource, Unlocked},
};
use self::{
    keys::{Purpose, Wrapping},
    suite::Key,
};
use crate::{Result, random::Random, store::KeySlotRow, time::Timestamp};

/// Seals, opens and signs for one store. The keys it uses often are derived once, when it is made.
pub struct Vault {
    store_id: String,
    root: RootKey,
    key_id: String,
    key_check: [u8; 32],
    wrapping: Wrapping,
    rows: hmac::Key,
    journal: Key,
    chain: hmac::Key,
    moving: Key,
}

impl Vault {
    /// The vault of a store.
    pub fn new(root: RootKey, store_id: &str) -> Self {
        Self {
            store_id: store_id.into(),
            key_id: root.id(),
            key_check: *root.derive(Purpose::Check, store_id),
            wrapping: Wrapping::new(&root, store_id),
            rows: row_mac::key(&root.derive(Purpose::Rows, store_id)),
            journal: root.derive(Purpose::Journal, store_id),
            chain: row_mac::key(&root.derive(Purpose::Chain, store_id)),
            moving: root.derive(Purpose::Moving, store_id),
            root,
        }
    }

    /// The root key's public name.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// Proves the right root key for this store without telling it. Stored in the open.
    pub fn key_check(&self) -> &[u8; 32] {
        &self.key_check
    }

    /// The slot by which the root key itself opens the store.
    pub fn direct_slot(&self, created_at: Timestamp) -> KeySlotRow {
        key_slot::direct(&self.root, &self.store_id, created_at)
    }

    /// A slot by which another key opens the store.
    ///
    /// # Errors
    /// As [`Random::fill`].
    pub fn wrapped_slot(&self, given: &RootKey, created_at: Timestamp, random: &dyn Random) -> Result<KeySlotRow> {
        key_slot::wrap(given, &self.root, &self.store_id, created_at, random)
    }

    /// Refuses a slot of the key `given` that does not lead to the root key.
    ///
    /// # Errors
    /// [`IntegrityFailed`](crate::Error::IntegrityFailed).
    pub fn check_slot(&self, given: &RootKey, slot: &KeySlotRow) -> Result<()> {
        match given.is_proven(&self.store_id, &slot.id, &slot.key_check) {
            true => key_slot::open(given, &self.store_id, slot, &self.key_id, &self.key_check).map(drop),
            false => Err(key_slot::damaged()),
        }
    }

    /// Makes a data key for an organization; returns it, and its wrapped form to be stored.
    ///
    /// # Errors
    /// As [`Random::fill`].
    pub fn new_data_key(&self, organization: &str, random: &dyn Random) -> Result<(DataKey, Vec<u8>)> {
        let key = DataKey::generate(random)?;
        let wrapped = self.wrapping.wrap(organization, &key, random)?;
        Ok((key, wrapped))
    }

    /// Opens a wrapped data key.
    ///
    /// # Errors
    /// [`IntegrityFailed`](crate::Error::IntegrityFailed) unless it was wrapped for this organization and id, in this
    /// store, under this root key.
    pub fn unwrap_data_key(&self, organization: &str, id: &[u8; 16], wrapped: &[u8]) -> Result<DataKey> {
        self.wrapping.unwrap(organization, id, wrapped)
    }

    /// Seals a secret for one place. The cell's length tells that of the secret in steps of 64 bytes.
    ///
    /// # Errors
    /// As [`Random::fill`].
    pub fn seal(&self, key: &DataKey, place: &Place<'_>, secret: &[u8], random: &dyn Random) -> Result<Vec<u8>> {
        cell::seal(&self.store_id, key, place, secret, random)
    }

    /// Opens the cell that stands at `place`, under the one of `keys` that it names.
    ///
    /// # Errors
    /// [`IntegrityFailed`](crate::Error::IntegrityFailed) when the cell was changed, belongs elsewhere or to another
    /// epoch, or when its key is not among `keys` (see [`data_key_id`]).
    pub fn open(&self, keys: &[DataKey], place: &Place<'_>, cell: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        cell::open(&self.store_id, keys, place, cell)
    }

    /// Signs a row: its table, its id, and every column that a decision rests on, always in the same order.
    pub fn row_mac(&self, table: &str, row: &str, columns: &[Column<'_>]) -> [u8; 32] {
        row_mac::sign(&self.rows, table, row, columns)
    }

    /// Refuses a row whose MAC is not the one that [`row_mac`](Self::row_mac) gives.
    ///
    /// # Errors
    /// [`IntegrityFailed`](crate::Error::IntegrityFailed).
    pub fn check_row_mac(&self, table: &str, row: &str, columns: &[Column<'_>], mac: &[u8]) -> Result<()> {
        row_mac::verify(&self.rows, table, row, columns, mac)
    }

    /// Ties a record to the one before it: whoever takes one away, puts one in, or exchanges two, breaks every link that
    /// follows. `previous` is empty for the first; `mac` is the record's own.
    pub fn link(&self, previous: &[u8], number: i64, mac: &[u8]) -> [u8; 32] {
        let columns = [Column::Integer(number), Column::Bytes(previous), Column::Bytes(mac)];
        row_mac::sign(&self.chain, "records", "", &columns)
    }

    /// Seals a journal record for the slot, and whatever else of it must not be exchanged, that `context` names.
    ///
    /// # Errors
    /// As [`Random::fill`].
    pub fn seal_journal(&self, context: &[u8], record: &[u8], random: &dyn Random) -> Result<Vec<u8>> {
        journal::seal(&self.store_id, &self.journal, context, record, random)
    }

    /// Opens a journal record.
    ///
    /// # Errors
    /// [`IntegrityFailed`](crate::Error::IntegrityFailed) when it was torn, changed or moved.
    pub fn open_journal(&self, context: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        journal::open(&self.store_id, &self.journal, context, sealed)
    }

    /// Whom others seal for, so that this vault alone can open it: always the same, and no secret.
    ///
    /// # Errors
    /// `INTERNAL` where the machine's cryptography fails.
    pub fn recipient(&self) -> Result<Recipient> {
        moving::recipient(&self.moving)
    }

    /// Begins a stream for another vault; returns its header too.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for a recipient that is no key; as [`Random::fill`].
    pub fn send(&self, recipient: &Recipient, random: &dyn Random) -> Result<(Outgoing, Vec<u8>)> {
        Outgoing::begin(&self.store_id, recipient, random)
    }

    /// Opens a stream that was sealed for this vault, by its header.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for one that is of another kind, form or recipient;
    /// [`IntegrityFailed`](crate::Error::IntegrityFailed) for a header that was changed.
    pub fn receive(&self, head: &[u8; HEADER_HEAD], tail: &[u8]) -> Result<Incoming> {
        Incoming::open(&self.moving, &self.recipient()?, head, tail)
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vault_prints_the_name_of_its_key_and_no_more() {
        let vault = Vault::new(RootKey::from_bytes(Key::new([1; 32])), "store");
        assert_eq!(format!("{vault:?}"), format!("Vault {{ key_id: {:?}, .. }}", vault.key_id()));
    }
}
