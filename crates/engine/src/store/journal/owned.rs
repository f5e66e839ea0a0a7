//! Whose journal a file is, and whether they are still there.
//!
//! The journal of the instance `x` is `<store>.journal-x`, locked as long as that instance has it. Whoever gets the lock
//! of another's journal knows that it is gone, and holds the lock on for as long as entries of it are in hand. A file is
//! given to a new owner, under the new name, only when it is empty: where no file has a name, nothing was left under it.

use std::{
    collections::HashSet,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use super::{Entry, SLOTS, Shared, read_slots};
use crate::{
    Error, Result,
    store::files::{self, Opening},
};

/// How long to wait for others that open the store.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long an instance's name is: 16 random bytes in base 62.
const NAME: usize = 22;

/// What stands under a journal's name.
enum Found {
    /// Nothing: its owner is gone, and left nothing.
    Nothing,
    /// A file that somebody has.
    Owned,
    /// A file that nobody had. It is ours as long as the first or one of the entries is there.
    Left(Arc<Shared>, Vec<Entry>),
}

/// The journal of a new instance, and what others left in theirs. Of empty journals that nobody has, one is taken and
/// the others are removed. Last, whose the empty ones were.
pub(super) fn open(store: &Path, owner: &str) -> Result<(Arc<Shared>, Vec<Entry>, HashSet<String>)> {
    let _opening = Opening::take(store, PATIENCE)?;
    let own = path(store, owner);
    let (mut taken, mut left, mut gone) = (None, Vec::new(), HashSet::new());
    for path in all(store)? {
        let Found::Left(shared, entries) = look(store, &path)? else { continue };
        if entries.is_empty() {
            gone.extend(owner_of(&path));
        }
        let settled = if !entries.is_empty() {
            left.extend(entries);
            Ok(())
        } else if taken.is_none() {
            taken = Some(shared);
            fs::rename(&path, &own)
        } else {
            fs::remove_file(&path)
        };
        settled.map_err(|error| files::failure(&error, &path))?;
    }
    let shared = taken.map_or_else(|| create(store, &own), Ok)?;
    Ok((shared, left, gone))
}

/// What the instance `owner` left, if it is gone; nothing while its journal is somebody's. `absent` is what it means that
/// there is none of that name.
pub(super) fn take_over(store: &Path, owner: &str, absent: Option<Vec<Entry>>) -> Result<Option<Vec<Entry>>> {
    Ok(match look(store, &named(store, owner)?)? {
        Found::Owned => None,
        Found::Nothing => absent,
        Found::Left(_, entries) => Some(entries),
    })
}

/// What stands in the journal of the instance `owner`, whoever has it.
pub(super) fn peek(store: &Path, owner: &str) -> Result<Vec<Vec<u8>>> {
    let Some(mut file) = files::open_existing(&named(store, owner)?)? else { return Ok(Vec::new()) };
    // Where a locked file cannot be read, or is being written anew, nothing is known.
    let slots = read_slots(&mut file, SLOTS).unwrap_or_default();
    Ok(slots.into_iter().flatten().map(|(_, sealed)| sealed).collect())
}

/// What every instance that is gone left.
pub(super) fn orphans(store: &Path) -> Result<Vec<Entry>> {
    let mut left = Vec::new();
    for path in all(store)? {
        if let Found::Left(_, entries) = look(store, &path)? {
            left.extend(entries);
        }
    }
    Ok(left)
}

fn path(store: &Path, owner: &str) -> PathBuf {
    files::sibling(store, &format!(".journal-{owner}"))
}

/// Whose journal a file is.
fn owner_of(path: &Path) -> Option<String> {
    Some(path.file_name()?.to_str()?.rsplit_once('-')?.1.to_owned())
}

/// The journal of the instance that a row names, which must not lead elsewhere.
fn named(store: &Path, owner: &str) -> Result<PathBuf> {
    if !is_name(owner.as_bytes()) {
        return Err(Error::IntegrityFailed { what: "the name of a journal".into() });
    }
    Ok(path(store, owner))
}

/// Whether an instance may be called so. Other names beside the store are other people's.
fn is_name(owner: &[u8]) -> bool {
    owner.len() == NAME && owner.iter().all(u8::is_ascii_alphanumeric)
}

/// Every journal beside the store, and the one without an owner that earlier versions made.
fn all(store: &Path) -> Result<Vec<PathBuf>> {
    let journal = files::sibling(store, ".journal");
    let (Some(folder), Some(name)) = (journal.parent(), journal.file_name()) else { return Ok(Vec::new()) };
    let folder = if folder == Path::new("") { Path::new(".") } else { folder };
    let is_journal = |file: &fs::DirEntry| {
        let is_file = file.file_type().is_ok_and(|kind| kind.is_file());
        let file = file.file_name();
        let rest = file.as_encoded_bytes().strip_prefix(name.as_encoded_bytes());
        is_file && rest.is_some_and(|rest| rest.is_empty() || rest.strip_prefix(b"-").is_some_and(is_name))
    };
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let entries = entries.map_err(|error| files::failure(&error, folder))?;
    let mut paths: Vec<_> = entries.into_iter().filter(is_journal).map(|file| file.path()).collect();
    paths.sort_unstable();
    Ok(paths)
}

fn look(store: &Path, path: &Path) -> Result<Found> {
    let Some(file) = files::open_existing(path)? else { return Ok(Found::Nothing) };
    if !files::try_lock(&file, path)? {
        return Ok(Found::Owned);
    }
    let (shared, entries) = read(file, store, path)?;
    Ok(Found::Left(shared, entries))
}

/// A new journal. One who looks for journals without an owner may have its lock for a moment.
fn create(store: &Path, path: &Path) -> Result<Arc<Shared>> {
    let file = files::open_private(path)?;
    file.lock().map_err(|error| files::failure(&error, path))?;
    Ok(read(file, store, path)?.0)
}

fn read(file: File, store: &Path, path: &Path) -> Result<(Arc<Shared>, Vec<Entry>)> {
    files::make_private(path)?;
    Shared::read(file, store, path)
}
