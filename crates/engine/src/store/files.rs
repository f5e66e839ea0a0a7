//! The files of a store: readable by their owner alone, never reached through a link, and changed in what they are by
//! one process at a time.
//!
//! Modes are those of Unix; on Windows a file inherits the rights of its folder, which in a user's profile are that
//! user's.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{Error, Result};

/// What the file of an [`Opening`] is called after the store's name.
const LOCK: &str = ".lock";

/// The files that an opening store may have open at once: of five connections, the database, its log and the log's
/// index each, and a folder. When SQLite has failed for want of one, it has closed them before anyone can look.
const OPENED: usize = 16;

/// How long to wait between two looks at a lock that another process has.
const LOOK: Duration = Duration::from_millis(10);

/// A file of the store, made with mode 0600 where there was none, open for reading and writing.
///
/// A link, a folder or a device at `path` is refused: what would be written elsewhere is a surprise.
pub(super) fn open_private(path: &Path) -> Result<File> {
    refuse_links(path)?;
    private().create(true).truncate(false).open(path).map_err(|error| failure(&error, path))
}

/// Makes an empty file of the store where there is none. One that exists is not opened.
pub(super) fn create_private(path: &Path) -> Result<()> {
    refuse_links(path)?;
    match private().create_new(true).open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(failure(&error, path)),
        _ => Ok(()),
    }
}

/// A file of the store, open for reading and writing; nothing where there is none.
pub(super) fn open_existing(path: &Path) -> Result<Option<File>> {
    refuse_links(path)?;
    match private().open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failure(&error, path)),
    }
}

fn refuse_links(path: &Path) -> Result<()> {
    if fs::symlink_metadata(path).is_ok_and(|found| !found.is_file()) {
        return Err(Error::invalid("store", "must be the path of a file, not of a link or folder"));
    }
    Ok(())
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Takes a file's lock, which the system releases however the process ends. Whether nobody had it.
///
/// It belongs to the opened file, not to the process: two instances in one process exclude each other too. A forked
/// child would share it; Node forks by starting programs anew, which inherit no file of ours.
pub(super) fn try_lock(file: &File, path: &Path) -> Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(failure(&error, path)),
    }
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

/// The one path of the file: absolute, since SQLite reads a path that begins with `file:` as a URI, and without links
/// among its folders, since `NOFOLLOW` refuses those too, and one that is switched later must not lead
/// to another store. Makes the folders that are missing.
pub(crate) fn resolve(path: &Path) -> Result<PathBuf> {
    let refused = |error: io::Error| failure(&error, path);
    let absolute = std::path::absolute(path).map_err(refused)?;
    let (Some(folder), Some(name)) = (absolute.parent(), absolute.file_name()) else {
        return Err(Error::invalid("store", "must be the path of a file"));
    };
    create_folder(folder).map_err(refused)?;
    // Windows' canonical form is one that people don't recognise, and it has no NOFOLLOW.
    let folder = if cfg!(unix) { folder.canonicalize().map_err(refused)? } else { folder.into() };
    Ok(folder.join(name))
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
    if let Some(error) = Error::of_too_many(error) {
        return error;
    }
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

/// Why the system refuses the files of the store at `path`, as far as it says so when it is asked once more; SQLite
/// keeps its reasons to itself. Nothing where it refuses nothing that is asked here.
///
/// It is asked for the file of [`Opening`]. Not for the database: to close that would release the locks of SQLite's own
/// connections, which belong to the process (<https://www.sqlite.org/howtocorrupt.html>, 2.2).
pub(super) fn refusal(path: &Path) -> Option<Error> {
    let beside = sibling(path, LOCK);
    let opened: io::Result<Vec<File>> = (0..OPENED).map(|_| private().open(&beside)).collect();
    let error = opened.err().filter(|error| error.kind() != io::ErrorKind::NotFound)?;
    Some(failure(&error, path))
}

/// The right to decide what a store consists of (its schema, its journals, its first key): a lock on `<store>.lock`,
/// held while an instance opens, and by one at a time.
///
/// The file stays behind when the lock is released: deleting it would let two processes lock two files of one name.
#[derive(Debug)]
pub(crate) struct Opening(#[expect(dead_code, reason = "closing the file releases its lock")] File);

impl Opening {
    /// Waits at most `patience` for the instances that are opening the store at `path`. Blocks its thread.
    ///
    /// # Errors
    /// `STORE_BUSY` when they take longer.
    pub(crate) fn take(path: &Path, patience: Duration) -> Result<Self> {
        let beside = sibling(path, LOCK);
        let file = open_private(&beside)?;
        for _ in 0..=patience.as_millis() / LOOK.as_millis() {
            if try_lock(&file, &beside)? {
                return Ok(Self(file));
            }
            std::thread::sleep(LOOK);
        }
        Err(Error::StoreBusy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_instance_at_a_time_opens_a_store() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let first = Opening::take(&path, Duration::ZERO).unwrap();
        assert_eq!(Opening::take(&path, Duration::ZERO).unwrap_err().code(), "STORE_BUSY");
        let waiting = std::thread::spawn(move || Opening::take(&path, Duration::from_secs(10)).map(drop));
        drop(first);
        waiting.join().unwrap().unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_link_in_place_of_a_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("target");
        let path = folder.path().join("store.db");
        std::os::unix::fs::symlink(&target, &path).unwrap();
        assert_eq!(open_private(&path).unwrap_err().code(), "INVALID_ARGUMENT");
        assert_eq!(create_private(&path).unwrap_err().code(), "INVALID_ARGUMENT");
        assert_eq!(open_existing(&path).unwrap_err().code(), "INVALID_ARGUMENT");
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

    #[cfg(unix)]
    #[test]
    fn who_may_open_no_more_files_is_told_so() {
        for errno in [rustix::io::Errno::MFILE, rustix::io::Errno::NFILE] {
            let error = failure(&errno.into(), Path::new("store.db"));
            assert_eq!(error.code(), "STORE_FAILED");
            assert!(error.to_string().contains("close some, or raise its limit"), "{error}");
        }
    }

    #[test]
    fn a_store_whose_files_can_be_opened_is_refused_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        assert!(refusal(&path).is_none());
        assert_eq!(folder.path().read_dir().unwrap().count(), 0, "it makes no file");
        let _opening = Opening::take(&path, Duration::ZERO).unwrap();
        assert!(refusal(&path).is_none());
        assert_eq!(Opening::take(&path, Duration::ZERO).unwrap_err().code(), "STORE_BUSY", "it releases no lock");
    }

    #[test]
    fn a_file_among_the_folders_of_the_path_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(create_folder(&file.join("below")).is_err());
    }
}
