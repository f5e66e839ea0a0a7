//! Keys: the root, what is derived from it, and the organizations' data keys that it wraps.
//!
//! ```text
//! given ── key id, key check, slot key ── root, where the given key is not the root itself (`key_slot`)
//!
//! root ─┬─ key id, key check      which key it is, and the proof
//!       ├─ wrapping key ───────── data keys, one or more an organization ── one key a cell
//!       ├─ row key                the rows' MACs
//!       ├─ journal key            the refresh journal
//!       ├─ chain key              the links between records
//!       └─ moving key             what another environment sealed for this one
//! ```

use std::fmt;

use subtle::ConstantTimeEq;

use super::{
    encoding,
    suite::{self, HEADER, Key},
};
use crate::{
    Error, Result,
    random::{Random, base62},
};

/// The secret that everything in a store hangs on: 32 random bytes, wiped when dropped. A key that opens a store by a
/// wrapped slot has the same form.
pub struct RootKey(Key);

impl RootKey {
    /// The root key of these bytes.
    pub fn from_bytes(bytes: Key) -> Self {
        Self(bytes)
    }

    /// A new root key.
    ///
    /// # Errors
    /// As [`Random::fill`].
    pub fn generate(random: &dyn Random) -> Result<Self> {
        let mut bytes = Key::default();
        random.fill(&mut *bytes)?;
        Ok(Self(bytes))
    }

    /// The key's public name, the same for every store: `key_` and 11 characters. It tells nothing of the key.
    pub fn id(&self) -> String {
        let name = self.expand(&[b"onbehalf/v1/key-id"]);
        format!("key_{}", base62(&name[..8]))
    }

    /// Whether this is the key of this id and key check in a store.
    pub(super) fn is_proven(&self, store_id: &str, key_id: &str, key_check: &[u8]) -> bool {
        self.id() == key_id && bool::from(self.derive(Purpose::Check, store_id)[..].ct_eq(key_check))
    }

    pub(super) fn bytes(&self) -> &Key {
        &self.0
    }

    /// The key that serves one purpose in one store.
    pub(super) fn derive(&self, purpose: Purpose, store_id: &str) -> Key {
        self.expand(&[purpose.label(), store_id.as_bytes()])
    }

    fn expand(&self, info: &[&[u8]]) -> Key {
        suite::expand(&suite::extract(b"onbehalf/v1/root", &self.0), &[&encoding::join(info)])
    }
}

impl fmt::Debug for RootKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RootKey([REDACTED])")
    }
}

/// What a derived key is for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose {
    /// Proves that a key is one of the store's. Stored in the open.
    Check,
    /// Wraps the root key in a slot.
    Slot,
    /// Wraps data keys.
    Wrapping,
    /// Signs rows.
    Rows,
    /// Seals journal entries.
    Journal,
    /// Links records.
    Chain,
    /// Opens what another environment has sealed for this one.
    Moving,
}

impl Purpose {
    fn label(self) -> &'static [u8] {
        match self {
            Self::Check => b"onbehalf/v1/key-check",
            Self::Slot => b"onbehalf/v1/key-slot",
            Self::Wrapping => b"onbehalf/v1/wrapping",
            Self::Rows => b"onbehalf/v1/rows",
            Self::Journal => b"onbehalf/v1/journal",
            Self::Chain => b"onbehalf/v1/chain",
            Self::Moving => b"onbehalf/v1/moving-key",
        }
    }
}

/// A key of one organization, under which its cells are sealed. Destroying it destroys them.
pub struct DataKey {
    id: [u8; 16],
    secret: Key,
}

impl DataKey {
    /// A new data key: its id and its bytes are drawn in this order.
    pub(super) fn generate(random: &dyn Random) -> Result<Self> {
        let mut key = Self { id: random.bytes()?, secret: Key::default() };
        random.fill(&mut *key.secret)?;
        Ok(key)
    }

    /// The key's public id, which stands in the header of every cell that it sealed.
    pub fn id(&self) -> &[u8; 16] {
        &self.id
    }

    pub(super) fn secret(&self) -> &Key {
        &self.secret
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey([REDACTED])")
    }
}

/// Wraps and unwraps data keys: `version ‖ suite ‖ salt ‖ commitment ‖ ciphertext ‖ tag`.
pub(super) struct Wrapping {
    key: Key,
    key_id: String,
    store_id: String,
}

impl Wrapping {
    pub(super) fn new(root: &RootKey, store_id: &str) -> Self {
        Self { key: root.derive(Purpose::Wrapping, store_id), key_id: root.id(), store_id: store_id.into() }
    }

    pub(super) fn wrap(&self, organization: &str, key: &DataKey, random: &dyn Random) -> Result<Vec<u8>> {
        let mut wrapped = HEADER.to_vec();
        suite::seal(&mut wrapped, &self.key, &self.aad(organization, &key.id), &*key.secret, random)?;
        Ok(wrapped)
    }

    pub(super) fn unwrap(&self, organization: &str, id: &[u8; 16], wrapped: &[u8]) -> Result<DataKey> {
        self.try_unwrap(organization, id, wrapped)
            .ok_or_else(|| Error::IntegrityFailed { what: "the data key of an organization".into() })
    }

    fn try_unwrap(&self, organization: &str, id: &[u8; 16], wrapped: &[u8]) -> Option<DataKey> {
        let sealed = wrapped.strip_prefix(&HEADER)?;
        let bytes = suite::open(&self.key, &self.aad(organization, id), sealed)?;
        let mut secret = Key::default();
        if bytes.len() != secret.len() {
            return None;
        }
        secret.copy_from_slice(&bytes);
        Some(DataKey { id: *id, secret })
    }

    fn aad(&self, organization: &str, id: &[u8; 16]) -> Vec<u8> {
        encoding::join(&[
            b"onbehalf/v1/data-key",
            &HEADER,
            self.store_id.as_bytes(),
            organization.as_bytes(),
            id,
            self.key_id.as_bytes(),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SystemRandom;

    fn root(byte: u8) -> RootKey {
        RootKey::from_bytes(Key::new([byte; 32]))
    }

    #[test]
    fn every_purpose_and_store_has_a_key_of_its_own() {
        let purposes = [
            Purpose::Check,
            Purpose::Slot,
            Purpose::Wrapping,
            Purpose::Rows,
            Purpose::Journal,
            Purpose::Chain,
            Purpose::Moving,
        ];
        let mut keys: Vec<_> = [root(1), root(2)]
            .iter()
            .flat_map(|root| purposes.map(|purpose| ["a", "b"].map(|store| *root.derive(purpose, store))))
            .flatten()
            .collect();
        let made = keys.len();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!((made, keys.len()), (28, 28));
    }

    #[test]
    fn a_key_has_one_short_name_that_tells_it_from_others() {
        assert_eq!(root(1).id(), root(1).id());
        assert_ne!(root(1).id(), root(2).id());
        assert_eq!(root(1).id().len(), "key_".len() + 11);
    }

    // K5 begins here: the check that stands before every write.
    #[test]
    fn a_key_is_proven_in_its_own_store_alone() {
        let check = |byte, store_id: &str| root(byte).derive(Purpose::Check, store_id).to_vec();
        let id = root(1).id();
        assert!(root(1).is_proven("store", &id, &check(1, "store")));
        assert!(!root(1).is_proven("store", "key_other", &check(1, "store")));
        assert!(!root(1).is_proven("store", &id, &[]));
        assert!(!root(1).is_proven("store", &id, &check(1, "other")), "the same key, for another store");
        assert!(!root(1).is_proven("store", &id, &check(2, "store")));
        assert!(!root(1).is_proven("store", &root(2).id(), &check(2, "store")));
    }

    #[test]
    fn a_key_prints_nothing_of_itself() {
        let key = DataKey::generate(&SystemRandom).unwrap();
        assert_eq!(format!("{:?} {key:?}", root(1)), "RootKey([REDACTED]) DataKey([REDACTED])");
    }

    // A88: a data key moved to another organization, store or id would open that one's cells.
    #[test]
    fn a_wrapped_key_unwraps_for_its_own_organization_id_store_and_root_alone() {
        let wrapping = Wrapping::new(&root(1), "store");
        let key = DataKey::generate(&SystemRandom).unwrap();
        let wrapped = wrapping.wrap("acme", &key, &SystemRandom).unwrap();
        assert_eq!(*wrapping.unwrap("acme", &key.id, &wrapped).unwrap().secret, *key.secret);

        let refused = [
            wrapping.unwrap("evil", &key.id, &wrapped),
            wrapping.unwrap("acme", &[0; 16], &wrapped),
            Wrapping::new(&root(2), "store").unwrap("acme", &key.id, &wrapped),
            Wrapping::new(&root(1), "other").unwrap("acme", &key.id, &wrapped),
        ];
        for result in refused {
            assert_eq!(result.unwrap_err().code(), "INTEGRITY_FAILED");
        }
    }

    // A89
    #[test]
    fn no_bit_of_a_wrapped_key_can_be_changed() {
        let wrapping = Wrapping::new(&root(1), "store");
        let key = DataKey::generate(&SystemRandom).unwrap();
        let wrapped = wrapping.wrap("acme", &key, &SystemRandom).unwrap();
        for bit in 0..wrapped.len() * 8 {
            let mut changed = wrapped.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(wrapping.unwrap("acme", &key.id, &changed).is_err(), "bit {bit}");
        }
    }
}
