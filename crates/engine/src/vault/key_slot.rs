//! Key slots: the keys that a store opens with.
//!
//! A store has one root key, and a slot for each key that leads to it. In a direct slot the key that is given is the root
//! key: so every store begins. In a wrapped slot the root key is sealed under one that is derived from the given key:
//! `version ‖ suite ‖ salt ‖ commitment ‖ ciphertext ‖ tag`. So a key can be replaced, or several machines have keys of their
//! own, and nothing else is sealed anew.
//!
//! A slot has the id of its key, so that the one that fits is found, not tried for; its key check says that the key is the
//! right one before anything is opened with it.

use super::{
    encoding,
    keys::{Purpose, RootKey},
    suite::{self, HEADER, Key},
};
use crate::{
    Error, Result,
    random::Random,
    store::{KeySlotRow, Meta},
    time::Timestamp,
};

/// What a slot holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeySlotKind {
    /// Nothing: the key that is given is the root key.
    Direct,
    /// The root key, sealed under the key that is given.
    Wrapped,
}

impl KeySlotKind {
    /// The kind's name in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Wrapped => "wrapped",
        }
    }

    /// The kind of this name.
    ///
    /// # Errors
    /// [`Error::IntegrityFailed`] when there is none.
    pub fn parse(name: &str) -> Result<Self> {
        let named = [Self::Direct, Self::Wrapped].into_iter().find(|kind| kind.as_str() == name);
        named.ok_or_else(damaged)
    }
}

/// What a store that holds something says of its keys.
#[derive(Debug, Clone)]
pub struct Lock {
    /// Names the root key, and proves it.
    pub meta: Meta,
    /// The ways to it.
    pub slots: Vec<KeySlotRow>,
}

impl Lock {
    /// The root key, by the slot of the key that was given; nothing where that one has none.
    ///
    /// # Errors
    /// [`Error::IntegrityFailed`] when its slot does not lead to the root key of this store: somebody changed it.
    pub(super) fn open(&self, given: &RootKey) -> Result<Option<RootKey>> {
        let (id, store_id) = (given.id(), &self.meta.store_id);
        let slot = self.slots.iter().find(|slot| slot.id == id);
        let Some(slot) = slot.filter(|slot| given.is_proven(store_id, &id, &slot.key_check)) else { return Ok(None) };
        open(given, store_id, slot, &self.meta.key_id, &self.meta.key_check).map(Some)
    }

    /// The ids of the keys that open it, for whoever has none of them.
    pub(super) fn expected(&self) -> String {
        let ids: Vec<_> = self.slots.iter().map(|slot| &*slot.id).collect();
        ids.join(", ")
    }
}

/// The slot of the root key itself.
pub(super) fn direct(root: &RootKey, store_id: &str, created_at: Timestamp) -> KeySlotRow {
    KeySlotRow {
        id: root.id(),
        kind: KeySlotKind::Direct.as_str().into(),
        wrapped: None,
        key_check: root.derive(Purpose::Check, store_id).to_vec(),
        created_at,
        version: 1,
    }
}

/// A slot in which `given` opens the root key.
pub(super) fn wrap(
    given: &RootKey,
    root: &RootKey,
    store_id: &str,
    created_at: Timestamp,
    random: &dyn Random,
) -> Result<KeySlotRow> {
    let id = given.id();
    let mut wrapped = HEADER.to_vec();
    let key = given.derive(Purpose::Slot, store_id);
    suite::seal(&mut wrapped, &key, &aad(store_id, &id), &**root.bytes(), random)?;
    Ok(KeySlotRow {
        id,
        kind: KeySlotKind::Wrapped.as_str().into(),
        wrapped: Some(wrapped),
        key_check: given.derive(Purpose::Check, store_id).to_vec(),
        created_at,
        version: 1,
    })
}

/// The root key of this id and key check, by the slot of `given`.
pub(super) fn open(
    given: &RootKey,
    store_id: &str,
    slot: &KeySlotRow,
    key_id: &str,
    key_check: &[u8],
) -> Result<RootKey> {
    let opened = match (KeySlotKind::parse(&slot.kind)?, &slot.wrapped) {
        (KeySlotKind::Direct, None) => Some(RootKey::from_bytes(given.bytes().clone())),
        (KeySlotKind::Wrapped, Some(wrapped)) => unwrap(given, store_id, &slot.id, wrapped),
        _ => None,
    };
    opened.filter(|root| root.is_proven(store_id, key_id, key_check)).ok_or_else(damaged)
}

fn unwrap(given: &RootKey, store_id: &str, id: &str, wrapped: &[u8]) -> Option<RootKey> {
    let sealed = wrapped.strip_prefix(&HEADER)?;
    let bytes = suite::open(&given.derive(Purpose::Slot, store_id), &aad(store_id, id), sealed)?;
    let mut root = Key::default();
    if bytes.len() != root.len() {
        return None;
    }
    root.copy_from_slice(&bytes);
    Some(RootKey::from_bytes(root))
}

fn aad(store_id: &str, id: &str) -> Vec<u8> {
    encoding::join(&[b"onbehalf/v1/root-key", &HEADER, store_id.as_bytes(), id.as_bytes()])
}

pub(super) fn damaged() -> Error {
    Error::IntegrityFailed { what: "a key slot of the store".into() }
}

#[cfg(test)]
#[path = "key_slot_tests.rs"]
mod tests;
