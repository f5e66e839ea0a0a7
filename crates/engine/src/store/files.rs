//! The files of a store: readable by their owner alone, never reached through a link, and owned by one process.
//!
//! Modes are those of Unix; on Windows a file inherits the rights of its folder, which in a user's profile are that
//! user's.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use crate::{Error, Result};

/// A file of the store, made with mode 0600 where there was none, open for reading and writing.
///
/// A link, a folder or a device at `path` is refused: what would be written elsewhere is a surprise.
pub(super) fn open_private(path: &Path) -> Result<File> {
    if fs::symlink_metadata(path).is_ok_and(|found| !found.is_file()) {
        return Err(Error::invalid("store", "must be the path of a file, not of a link or folder"));
    }
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(|error| failure(&error, path))
}

/// Takes a file's rights from everyone but its owner, as when a backup was restored with wider ones.
#[cfg(unix)]
pub(super) fn make_private(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Ok(found) if found.permissions().mode() & 0o077 == 0 => Ok(()),
        _ => fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(|error| failure(&error, path)),
    }
}

#[cfg(not(unix))]
pub(super) fn make_private(_: &Path) -> Result<()> {
    Ok(())
}

/// Makes `folder` and what is missing above it, each with mode 0700 and durable. A folder that exists is left as it is.
pub(super) fn create_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let parent = folder.parent().unwrap_or(folder);
    create_folder(parent)?;
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => sync_folder(parent),
    }
}

/// Makes the names in `folder` durable. Windows does so by itself and has no call for it.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// `path` with `suffix` after its name: the store's other files are siblings of the database.
pub(super) fn sibling(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

/// What a failure of the file system means to the caller.
pub(super) fn failure(error: &io::Error, path: &Path) -> Error {
    use io::ErrorKind;
    let reason = match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            return Error::StoreReadOnly { path: path.display().to_string() };
        }
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => return Error::StoreFull,
        ErrorKind::NotADirectory | ErrorKind::AlreadyExists => "a part of its path is a file",
        _ => "the disk did not read or write as asked",
    };
    Error::StoreFailed { reason: reason.into() }
}

/// The right to a store: a lock on `<store>.lock`, which the system releases however the process ends.
///
/// The file holds the owner's process id, for the other one's error, and stays behind when the lock is released:
/// deleting it would let two processes lock two files of one name.
#[derive(Debug)]
pub(super) struct OwnerLock(File);

impl OwnerLock {
    /// Takes the lock of the store at `path`, or says who has it.
    pub(super) fn take(path: &Path) -> Result<Self> {
        let beside = sibling(path, ".lock");
        let mut file = open_private(&beside)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::StoreInUse { path: path.display().to_string(), holder: holder(&mut file) });
            }
            Err(TryLockError::Error(error)) => return Err(failure(&error, &beside)),
        }
        let written = file.set_len(0).and_then(|()| write!(file, "{}", std::process::id()));
        written.map_err(|error| failure(&error, &beside))?;
        Ok(Self(file))
    }
}

impl Drop for OwnerLock {
    fn drop(&mut self) {
        // So that no one reads the id of a process that has let go. Closing the file releases the lock.
        let _ = self.0.set_len(0);
    }
}

fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_has_one_holder_and_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let lock = OwnerLock::take(&path).unwrap();
        let refused = OwnerLock::take(&path).unwrap_err();
        assert!(matches!(refused, Error::StoreInUse { holder: Some(pid), .. } if pid == std::process::id()));
        drop(lock);
        OwnerLock::take(&path).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_link_in_place_of_a_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("target");
        let path = folder.path().join("store.db");
        std::os::unix::fs::symlink(&target, &path).unwrap();
        assert_eq!(open_private(&path).unwrap_err().code(), "INVALID_ARGUMENT");
        assert!(!target.exists());
    }

    #[test]
    fn failures_are_named_by_what_to_do() {
        let code = |kind: io::ErrorKind| failure(&kind.into(), Path::new("store.db")).code();
        assert_eq!(code(io::ErrorKind::PermissionDenied), "STORE_READ_ONLY");
        assert_eq!(code(io::ErrorKind::ReadOnlyFilesystem), "STORE_READ_ONLY");
        assert_eq!(code(io::ErrorKind::StorageFull), "STORE_FULL");
        assert_eq!(code(io::ErrorKind::QuotaExceeded), "STORE_FULL");
        assert_eq!(code(io::ErrorKind::NotADirectory), "STORE_FAILED");
        assert_eq!(code(io::ErrorKind::Other), "STORE_FAILED");
    }

    #[test]
    fn a_file_among_the_folders_of_the_path_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(create_folder(&file.join("below")).is_err());
    }
}
