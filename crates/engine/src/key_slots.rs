//! The keys that a store opens with, and how one takes the place of another.
//!
//! In three steps, each one commit, so that a process may end between any two of them: the new key gets a slot, every
//! process is started with the new key, one of them takes the old key's slot away. What is sealed stays as it is, since the
//! root key does.
//!
//! The key that a process was started with is the one that surely opens the store. So its slot is never taken away by
//! this process, and slots are changed only while it is there: whatever two processes do at once, one key is left.

use crate::{
    Engine, Error, Result,
    audit::Action,
    names::Organization,
    rows::RecordFacts,
    store::{Change, Commit, KeySlotRow},
    time::Timestamp,
    vault::{KeySlotKind, KeySource},
};

/// One key that the store opens with, without the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySlot {
    /// The key's public name (`key_…`).
    pub id: String,
    /// Whether the key is the root key itself.
    pub kind: KeySlotKind,
    /// When it was made.
    pub created_at: Timestamp,
    /// Whether it is the key that this process was started with.
    pub current: bool,
}

impl Engine {
    /// The keys that the store opens with, the oldest first.
    ///
    /// # Errors
    /// `INTEGRITY_FAILED` for a slot that no version of onbehalf made; `STORE_…`.
    pub async fn key_slots(&self) -> Result<Vec<KeySlot>> {
        self.rows.store.key_slots().await?.iter().map(|slot| self.shown(slot)).collect()
    }

    /// Lets another key open the store, too. A key that does already is left as it is.
    ///
    /// # Errors
    /// `KEY_INVALID` for a key that is none, `INVALID_ARGUMENT` for a source that gives none, `INTEGRITY_FAILED` when the
    /// key's slot was changed outside onbehalf; `KEY_MISMATCH` when the key that this process was started with opens the
    /// store no more; `STORE_…`.
    pub async fn add_key_slot(&self, source: &KeySource) -> Result<KeySlot> {
        let given = source.given()?;
        loop {
            let slots = self.rows.store.key_slots().await?;
            let own = self.own_slot(&slots)?;
            if let Some(slot) = find(&slots, &given.id()) {
                self.rows.vault().check_slot(&given, slot)?;
                return self.shown(slot);
            }
            let slot = self.rows.vault().wrapped_slot(&given, self.clock.now(), &*self.random)?;
            let shown = self.shown(&slot)?;
            let record = self.record_key(Action::KeyAdded, shown.id.as_str())?;
            if self.rows.commit(vec![require(own), Change::InsertKeySlot(slot), record]).await? == Commit::Applied {
                tracing::info!(key.id = shown.id, "a key was added to the store");
                return Ok(shown);
            }
        }
    }

    /// Takes a key away: the store is not opened with it any more. Processes that have it open go on.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` when the store has no such key, or for the key that this process was started with; `KEY_MISMATCH`
    /// when that one opens the store no more; `STORE_…`.
    pub async fn remove_key_slot(&self, id: &str) -> Result<()> {
        if id == self.key_slot {
            let problem =
                "must not be the key that this process was started with: start it with the key that is to stay";
            return Err(Error::invalid("id", problem));
        }
        loop {
            let slots = self.rows.store.key_slots().await?;
            let own = self.own_slot(&slots)?;
            let slot =
                find(&slots, id).ok_or_else(|| Error::invalid("id", "names no key that the store opens with"))?;
            let remove = Change::DeleteKeySlot { id: slot.id.clone(), version: slot.version };
            let record = self.record_key(Action::KeyRemoved, id)?;
            if self.rows.commit(vec![require(own), remove, record]).await? == Commit::Applied {
                tracing::info!(key.id = id, "a key was taken away from the store");
                return Ok(());
            }
        }
    }

    /// What concerns the store is on record with the default organization.
    fn record_key(&self, action: Action, id: &str) -> Result<Change> {
        self.record(&Organization::default(), action, &RecordFacts::default().named(id))
    }

    /// The slot that this process has opened the store by.
    fn own_slot<'a>(&self, slots: &'a [KeySlotRow]) -> Result<&'a KeySlotRow> {
        find(slots, &self.key_slot).ok_or_else(|| Error::KeyMismatch {
            origin: "the start of this process".into(),
            expected: slots.iter().map(|slot| &*slot.id).collect::<Vec<_>>().join(", "),
        })
    }

    fn shown(&self, slot: &KeySlotRow) -> Result<KeySlot> {
        Ok(KeySlot {
            id: slot.id.clone(),
            kind: KeySlotKind::parse(&slot.kind)?,
            created_at: slot.created_at,
            current: slot.id == self.key_slot,
        })
    }
}

fn find<'a>(slots: &'a [KeySlotRow], id: &str) -> Option<&'a KeySlotRow> {
    slots.iter().find(|slot| slot.id == id)
}

fn require(slot: &KeySlotRow) -> Change {
    Change::RequireKeySlot { id: slot.id.clone(), version: slot.version }
}
