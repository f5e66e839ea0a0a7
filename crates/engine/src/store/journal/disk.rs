//! A simulated disk in the place of files: slow, failing, and outliving whoever writes to it, as the test says.
//!
//! The engine is simulated with the time, randomness, store and egress that it is given. Journals are half of the store:
//! until the other half has a new token, it is nowhere else. Whether one survives a crash at any step is decided by when
//! a write is durable and when a lock ends, so a simulation that is to find such a step, and find it again from its seed,
//! has to decide both. Real files under processes that are really killed (`tests/kills`) can do neither; they show that
//! files behave as is assumed here. Only [`Journal::on`](super::Journal::on) leads to this.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;

use super::{Entry, Medium, SLOTS, Shared, form::decode};
use crate::Result;

/// Where journals are kept when they are not in files. Each instance has one, by its name.
#[async_trait]
pub trait Disk: fmt::Debug + Send + Sync + 'static {
    /// Replaces the bytes of a slot in the journal of `owner`, and returns when they are durable.
    async fn write(&self, owner: &str, slot: usize, bytes: Vec<u8>) -> Result<()>;

    /// Locks the journal of `owner` and returns its slots, by their index; nothing while somebody has it locked. One that
    /// nobody wrote to has none.
    async fn lock(&self, owner: &str) -> Result<Option<BTreeMap<usize, Vec<u8>>>>;

    /// The slots of the journal of `owner`, whoever has it locked.
    async fn read(&self, owner: &str) -> Result<BTreeMap<usize, Vec<u8>>>;

    /// Lets go of a lock that was taken here.
    fn unlock(&self, owner: &str);

    /// Whose journals hold something.
    async fn owners(&self) -> Result<Vec<String>>;
}

/// One journal on a disk, locked as long as it is there.
#[derive(Debug)]
pub(super) struct Locked {
    disk: Arc<dyn Disk>,
    owner: String,
    locked: AtomicBool,
}

impl Locked {
    pub(super) async fn put(&self, slot: usize, bytes: Vec<u8>) -> Result<()> {
        self.disk.write(&self.owner, slot, bytes).await
    }

    pub(super) fn release(&self) {
        if self.locked.swap(false, Ordering::AcqRel) {
            self.disk.unlock(&self.owner);
        }
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        self.release();
    }
}

/// The journal of `owner` with its entries; nothing while somebody has it.
pub(super) async fn look(disk: &Arc<dyn Disk>, owner: &str) -> Result<Option<(Arc<Shared>, Vec<Entry>)>> {
    let Some(slots) = disk.lock(owner).await? else { return Ok(None) };
    let locked = Locked { disk: disk.clone(), owner: owner.into(), locked: true.into() };
    let entry = |slot| decode(slots.get(&slot)?).map(|(sequence, sealed)| (sequence, sealed.to_vec()));
    Ok(Some(Shared::of(Medium::Disk(locked), (0..SLOTS).map(entry).collect())))
}

/// What stands in the journal of the instance `owner`, whoever has it.
pub(super) async fn peek(disk: &Arc<dyn Disk>, owner: &str) -> Result<Vec<Vec<u8>>> {
    let slots = disk.read(owner).await?;
    Ok(slots.values().filter_map(|slot| decode(slot)).map(|(_, sealed)| sealed.to_vec()).collect())
}

/// What every instance that is gone left.
pub(super) async fn orphans(disk: &Arc<dyn Disk>) -> Result<Vec<Entry>> {
    let mut left = Vec::new();
    for owner in disk.owners().await? {
        if let Some((_, entries)) = look(disk, &owner).await? {
            left.extend(entries);
        }
    }
    Ok(left)
}
