//! The refresh journal: token responses, durable before they are parsed.
//!
//! A provider that rotates refresh tokens has forgotten the old one by the time its answer arrives, so the answer must
//! outlive a crash and a full disk. A journal is one file of fixed slots beside the database, all of it written when
//! it is made: a later write replaces bytes that the file has already and needs no room. (File systems that copy on
//! write, such as btrfs and ZFS, don't promise that.) A slot is reserved before the request is sent, filled when the
//! answer is in, and cleared when the store has the tokens.
//!
//! Every open instance has a journal of its own, whose file it keeps locked ([`owned`]). So everyone can tell, without a
//! clock, whether the one that sent a request is still there to deal with its answer; what a dead one left is handed to
//! whoever opens the store next, or asks first.
//!
//! The journal sees only sealed bytes.
//!
//! A write waits for the disk, so it runs on tokio's threads for blocking work; it is carried out even when its caller
//! stops waiting.

mod disk;
mod form;
mod owned;
mod syncs;

use std::{
    collections::HashSet,
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
};

use tokio::sync::Semaphore;

pub use self::disk::Disk;
use self::{
    form::{HEADER, MAGIC, decode, encode},
    syncs::Syncs,
};
use super::files;
use crate::{
    Error, Result,
    random::{Random, base62},
};

/// How many refreshes can be under way at a time; others wait for a slot.
pub const SLOTS: usize = 64;

/// The bytes of a slot.
const SLOT: usize = 64 * 1024;

/// The longest entry that a slot takes.
pub const MAX_ENTRY: usize = SLOT - HEADER;

/// The journal of one instance.
#[derive(Debug)]
pub struct Journal {
    shared: Arc<Shared>,
    beside: Beside,
    owner: String,
}

/// Where the journals of other instances are.
#[derive(Debug)]
enum Beside {
    /// Nowhere: nobody else has this store.
    Nothing,
    /// Beside the store of this path, all of them.
    Store(PathBuf),
    /// Under this path those of this machine; the store is a database, and others may be elsewhere.
    Machine {
        path: PathBuf,
        /// Whose journal was found empty and left when this one was opened.
        gone: HashSet<String>,
    },
    /// On a test's disk.
    Disk(Arc<dyn Disk>),
}

/// What slots are written to.
#[derive(Debug)]
enum Medium {
    /// Nothing outlives a store in memory anyway.
    Memory,
    /// Locked while it is open. Errors name the store that it is beside.
    File { file: File, store: PathBuf },
    /// The same, on a test's disk.
    Disk(disk::Locked),
}

/// What a journal and its slots share.
#[derive(Debug)]
struct Shared {
    medium: Medium,
    free: Mutex<Vec<Free>>,
    /// One permit for each free slot.
    permits: Semaphore,
    /// How many slots are out of use until the next opening, because an entry stayed in them.
    kept: AtomicUsize,
    slots: usize,
    sequence: AtomicU64,
    syncs: Syncs,
}

/// A slot that nobody holds.
#[derive(Debug, Clone, Copy)]
struct Free {
    index: usize,
    /// As of [`Slot`]. All of it until it is first cleared: a crash may have torn what was there.
    reach: usize,
}

/// What an instance that is gone left.
#[derive(Debug)]
pub struct Entry {
    /// The sealed bytes, as they were written.
    pub sealed: Vec<u8>,
    /// Where they are, to be cleared when they are dealt with.
    pub slot: Slot,
}

/// One slot, held by one refresh.
///
/// Dropped unwritten it is free again. Dropped with an entry in it, it keeps the entry for whoever has the file next.
#[derive(Debug)]
pub struct Slot {
    shared: Arc<Shared>,
    index: usize,
    written: AtomicBool,
    /// How many of its first bytes may be of an entry, today's or an earlier one.
    reach: AtomicUsize,
}

impl Journal {
    /// Gives a new instance its journal beside the store, and returns the entries that those which are gone left, the
    /// oldest of each first. Waits for the disk. Slots whose write a crash tore are empty: nothing durable was promised.
    ///
    /// # Errors
    /// `STORE_FULL` or `STORE_READ_ONLY` when the file cannot be made in full.
    pub fn open(store: &Path, random: &dyn Random) -> Result<(Self, Vec<Entry>)> {
        let owner = base62(&random.bytes::<16>()?);
        let (shared, entries, _) = owned::open(store, &owner)?;
        Ok((Self { shared, beside: Beside::Store(store.into()), owner }, entries))
    }

    /// As [`Journal::open`], for a store that machines share: `path` is where this one's journals are. Of an instance
    /// whose journal is not here, it cannot be told whether it is gone.
    ///
    /// # Errors
    /// As [`Journal::open`].
    pub fn open_apart(path: &Path, random: &dyn Random) -> Result<(Self, Vec<Entry>)> {
        let owner = base62(&random.bytes::<16>()?);
        let (shared, entries, gone) = owned::open(path, &owner)?;
        Ok((Self { shared, beside: Beside::Machine { path: path.into(), gone }, owner }, entries))
    }

    /// A journal for a store in memory: its slots count, and keep nothing.
    pub fn memory() -> Self {
        let shared = Arc::new(Shared::new(Medium::Memory, (0..SLOTS).map(Free::unseen).collect(), SLOTS, 0));
        Self { shared, beside: Beside::Nothing, owner: "memory".into() }
    }

    /// As [`Journal::open`], on a disk that a test drives.
    ///
    /// # Errors
    /// What the disk fails with.
    pub async fn on(disk: Arc<dyn Disk>, random: &dyn Random) -> Result<(Self, Vec<Entry>)> {
        let owner = base62(&random.bytes::<16>()?);
        let entries = disk::orphans(&disk).await?;
        let taken = || Error::Internal { reason: "another instance has this one's journal".into() };
        let (shared, _) = disk::look(&disk, &owner).await?.ok_or_else(taken)?;
        Ok((Self { shared, beside: Beside::Disk(disk), owner }, entries))
    }

    /// The instance's name, by which others ask whether it is still there.
    pub(crate) fn owner(&self) -> &str {
        &self.owner
    }

    /// Whether other instances may have journals beside this one.
    pub(crate) fn is_shared(&self) -> bool {
        !matches!(self.beside, Beside::Nothing)
    }

    /// What the instance `owner` left, if it is gone; nothing while it, or whoever took its entries over, is there.
    pub(crate) async fn take_over(&self, owner: &str) -> Result<Option<Vec<Entry>>> {
        match &self.beside {
            Beside::Nothing => Ok(Some(Vec::new())),
            Beside::Disk(disk) => Ok(disk::look(disk, owner).await?.map(|(_, entries)| entries)),
            Beside::Store(store) => {
                let (store, owner) = (store.clone(), owner.to_owned());
                blocking(move || owned::take_over(&store, &owner, Some(Vec::new()))).await
            }
            Beside::Machine { path, gone } => {
                let absent = gone.contains(owner).then(Vec::new);
                let (path, owner) = (path.clone(), owner.to_owned());
                blocking(move || owned::take_over(&path, &owner, absent)).await
            }
        }
    }

    /// The sealed entries in the journal of the instance `owner`, which it keeps: they are looked at and left alone. Where
    /// the system lets nobody read a locked file, as Windows, there are none to be seen.
    pub(crate) async fn peek(&self, owner: &str) -> Result<Vec<Vec<u8>>> {
        match &self.beside {
            Beside::Nothing => Ok(Vec::new()),
            Beside::Disk(disk) => disk::peek(disk, owner).await,
            Beside::Store(store) | Beside::Machine { path: store, .. } => {
                let (store, owner) = (store.clone(), owner.to_owned());
                blocking(move || owned::peek(&store, &owner)).await
            }
        }
    }

    /// What every instance that is gone left.
    pub(crate) async fn orphans(&self) -> Result<Vec<Entry>> {
        match &self.beside {
            Beside::Nothing => Ok(Vec::new()),
            Beside::Disk(disk) => disk::orphans(disk).await,
            Beside::Store(store) | Beside::Machine { path: store, .. } => {
                let store = store.clone();
                blocking(move || owned::orphans(&store)).await
            }
        }
    }

    /// Lets go of the file: what stays in it is anybody's.
    pub(crate) fn release(&self) {
        match &self.shared.medium {
            Medium::Memory => {}
            // A failure leaves it locked until it is closed.
            Medium::File { file, .. } => drop(file.unlock()),
            Medium::Disk(disk) => disk.release(),
        }
    }

    /// Whether a slot can be had, if only when a request under way has ended.
    ///
    /// # Errors
    /// Those of [`Journal::reserve`].
    pub fn check(&self) -> Result<()> {
        self.shared.syncs.check()?;
        if self.shared.permits.is_closed() { Err(full()) } else { Ok(()) }
    }

    /// A free slot, waiting for one when all are taken.
    ///
    /// # Errors
    /// `STORE_FAILED` when the disk has failed to confirm an entry, or when so many slots hold entries that
    /// were never cleared that none will be free before the journal is opened again.
    pub async fn reserve(&self) -> Result<Slot> {
        self.check()?;
        // The slot gives the permit back when it is free again.
        self.shared.permits.acquire().await.map_err(|_| full())?.forget();
        let free = self.shared.free().pop().ok_or_else(full)?;
        Ok(Slot::new(&self.shared, free, false))
    }
}

fn full() -> Error {
    Error::StoreFailed { reason: "the refresh journal is full; open the store again".into() }
}

impl Free {
    /// One that was not cleared here yet.
    fn unseen(index: usize) -> Self {
        Self { index, reach: SLOT }
    }
}

impl Slot {
    fn new(shared: &Arc<Shared>, Free { index, reach }: Free, written: bool) -> Self {
        Self { shared: Arc::clone(shared), index, written: written.into(), reach: reach.into() }
    }

    /// Writes the slot's entry, over an earlier one, and returns when it is durable.
    ///
    /// # Errors
    /// `INTERNAL` when it is longer than [`MAX_ENTRY`], and with `STORE_FULL`, `STORE_READ_ONLY` or
    /// `STORE_FAILED` when the disk fails.
    pub async fn write(&self, sealed: &[u8]) -> Result<()> {
        if sealed.len() > MAX_ENTRY {
            return Err(Error::Internal { reason: "an entry is too long for the refresh journal".into() });
        }
        let bytes = encode(self.shared.sequence.fetch_add(1, Ordering::Relaxed), sealed);
        // Whatever comes of it, the slot is no longer known to be empty.
        self.written.store(true, Ordering::Release);
        self.reach.fetch_max(bytes.len(), Ordering::AcqRel);
        self.put(bytes, Durability::Durable).await
    }

    /// Overwrites the entry, and frees the slot. No more than the entry: the next sync takes along what was written. It
    /// isn't waited for to be durable: an entry that comes back after a loss of power was dealt with, and dealing with it
    /// again changes nothing.
    ///
    /// # Errors
    /// As [`Slot::write`]; the slot is then out of use until the journal is next opened.
    pub async fn clear(self) -> Result<()> {
        if self.written.load(Ordering::Acquire) {
            self.put(vec![0; self.reach.load(Ordering::Acquire)], Durability::Eventual).await?;
            self.reach.store(0, Ordering::Release);
            self.written.store(false, Ordering::Release);
        }
        Ok(())
    }

    async fn put(&self, bytes: Vec<u8>, durability: Durability) -> Result<()> {
        if let Medium::Disk(disk) = &self.shared.medium {
            return disk.put(self.index, bytes).await;
        }
        let shared = Arc::clone(&self.shared);
        let offset = (self.index * SLOT) as u64;
        blocking(move || shared.put(&bytes, offset, durability)).await
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if !self.written.load(Ordering::Acquire) {
            self.shared.free().push(Free { index: self.index, reach: self.reach.load(Ordering::Acquire) });
            self.shared.permits.add_permits(1);
        } else if self.shared.kept.fetch_add(1, Ordering::AcqRel) + 1 == self.shared.slots {
            // No slot will ever be free: whoever waits is told.
            self.shared.permits.close();
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Durability {
    Durable,
    Eventual,
}

impl Shared {
    fn new(medium: Medium, free: Vec<Free>, slots: usize, sequence: u64) -> Self {
        Self {
            medium,
            permits: Semaphore::new(free.len()),
            free: Mutex::new(free),
            kept: AtomicUsize::new(0),
            slots,
            sequence: AtomicU64::new(sequence),
            syncs: Syncs::default(),
        }
    }

    /// The slots of a file that this process has locked, completed where they are missing, and its entries, the oldest
    /// first.
    fn read(mut file: File, store: &Path, path: &Path) -> Result<(Arc<Self>, Vec<Entry>)> {
        let failure = |error: io::Error| files::failure(&error, path);
        let slots = preallocate(&mut file, path).map_err(failure)?;
        let found = read_slots(&mut file, slots).map_err(failure)?;
        Ok(Self::of(Medium::File { file, store: store.into() }, found))
    }

    /// A journal with these slots: the sequence and the entry of each that is not empty.
    fn of(medium: Medium, slots: Vec<Option<Numbered>>) -> (Arc<Self>, Vec<Entry>) {
        let count = slots.len();
        let (mut found, mut free) = (Vec::new(), Vec::new());
        for (index, slot) in slots.into_iter().enumerate() {
            match slot {
                Some((sequence, sealed)) => found.push((sequence, index, sealed)),
                None => free.push(Free::unseen(index)),
            }
        }
        found.sort_unstable_by_key(|(sequence, ..)| *sequence);
        let next = found.last().map_or(0, |(sequence, ..)| sequence.wrapping_add(1));
        let shared = Arc::new(Self::new(medium, free, count, next));
        let entry = |(_, index, sealed)| Entry { sealed, slot: Slot::new(&shared, Free::unseen(index), true) };
        let entries = found.into_iter().map(entry).collect();
        (shared, entries)
    }

    fn free(&self) -> std::sync::MutexGuard<'_, Vec<Free>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, bytes: &[u8], offset: u64, durability: Durability) -> Result<()> {
        let Medium::File { file, store } = &self.medium else { return Ok(()) };
        write_at(file, bytes, offset).map_err(|error| files::failure(&error, store))?;
        if durability == Durability::Durable {
            self.syncs.wait(|| file.sync_data())?;
        }
        Ok(())
    }
}

/// Runs what waits for the disk where that holds nobody up, to its end.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| Err(Error::Internal { reason: "work on the refresh journal has stopped".into() }))
}

/// An entry, and its place in their sequence.
type Numbered = (u64, Vec<u8>);

/// What each slot holds that is not empty.
fn read_slots(file: &mut File, slots: usize) -> io::Result<Vec<Option<Numbered>>> {
    let mut bytes = vec![0; SLOT];
    let read = |index| {
        file.seek(SeekFrom::Start((index * SLOT) as u64))?;
        let (magic, rest) = bytes.split_at_mut(MAGIC.len());
        file.read_exact(magic)?;
        // Of an empty slot, no more is read.
        if *magic == MAGIC {
            file.read_exact(rest)?;
        }
        Ok(decode(&bytes).map(|(sequence, sealed)| (sequence, sealed.to_vec())))
    };
    (0..slots).map(read).collect()
}

/// Makes the file as long as its slots, every byte of it written and durable, and says how many slots it has.
fn preallocate(file: &mut File, path: &Path) -> io::Result<usize> {
    let length = file.seek(SeekFrom::End(0))?;
    // A version with more slots may have left entries in them.
    let slots = usize::try_from(length.div_ceil(SLOT as u64)).unwrap_or(SLOTS).max(SLOTS);
    let missing = (slots * SLOT) as u64 - length;
    if missing > 0 {
        io::copy(&mut io::repeat(0).take(missing), file)?;
        file.sync_all()?;
        files::sync_folder(path.parent().filter(|folder| folder != &Path::new("")).unwrap_or(Path::new(".")))?;
    }
    Ok(slots)
}

#[cfg(unix)]
fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
}

#[cfg(windows)]
fn write_at(file: &File, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match std::os::windows::fs::FileExt::seek_write(file, bytes, offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                bytes = &bytes[written..];
                offset += written as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
