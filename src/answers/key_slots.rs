//! What JavaScript gets of the keys that a store opens with.

use napi_derive::napi;
use onbehalf_engine::key_slots::KeySlot;

use super::Moment;

/// A key that the store opens with. The key itself can be given, never read.
#[napi(object, object_from_js = false)]
pub struct KeySlotDetails {
    /// The key's public name: `key_…`. It is the same wherever the key is used, and tells nothing of it.
    pub id: String,
    /// `direct` is the key that everything in the store is sealed under; a `wrapped` one opens the way to it.
    #[napi(ts_type = "'direct' | 'wrapped'")]
    pub kind: &'static str,
    /// When the key was added.
    #[napi(ts_type = "Date")]
    pub created_at: Moment,
    /// Whether it is the key that this instance was opened with, which it doesn't remove.
    pub current: bool,
}

impl From<KeySlot> for KeySlotDetails {
    fn from(slot: KeySlot) -> Self {
        Self { id: slot.id, kind: slot.kind.as_str(), created_at: Moment(slot.created_at), current: slot.current }
    }
}

/// The keys that the store opens with.
#[napi(object, object_from_js = false)]
pub struct KeySlotList {
    /// The oldest first.
    pub key_slots: Vec<KeySlotDetails>,
}

impl From<Vec<KeySlot>> for KeySlotList {
    fn from(slots: Vec<KeySlot>) -> Self {
        Self { key_slots: slots.into_iter().map(Into::into).collect() }
    }
}
