//! Key files: read only when no one else could have written or read them, made so that no one else can.
//!
//! Checks are made on the opened file, not on its name, so nothing can be exchanged between check and reading (A97).
//! Problems are sentences for [`Error::KeyInvalid`](crate::Error::KeyInvalid).

use std::{
    fs::{self, OpenOptions},
    io::{self, ErrorKind, Read as _, Write as _},
    path::Path,
};

use zeroize::Zeroizing;

/// Many times what a key needs; a larger file is something else.
const LIMIT: usize = 1024;

/// The file's text; nothing when there is no such file.
pub(super) fn read(path: &Path) -> Result<Option<Zeroizing<String>>, String> {
    let file = match access::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(_) if fs::symlink_metadata(path).is_ok_and(|entry| entry.is_symlink()) => return Err(symlink()),
        Err(error) => return Err(format!("it cannot be read ({})", reason(&error))),
    };
    let unreadable = |error: io::Error| format!("it cannot be read ({})", reason(&error));
    let entry = file.metadata().map_err(unreadable)?;
    if entry.is_symlink() {
        return Err(symlink());
    }
    if !entry.is_file() {
        return Err("it is not a regular file".into());
    }
    access::check_file(&entry)?;
    // At its full size from the start: growing would leave copies of the key behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(LIMIT + 1));
    file.take(LIMIT as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > LIMIT {
        return Err("it is too large to be a key file".into());
    }
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(Some(Zeroizing::new(text.into()))),
        Err(_) => Err("it holds no text; a key file holds 32 bytes in base64".into()),
    }
}

/// Makes a file that did not exist, durable when this returns. Its directory is made when needed.
pub(super) fn create(path: &Path, text: &str) -> Result<(), String> {
    let unwritable = |error: io::Error| format!("it cannot be written ({})", reason(&error));
    let directory = path.parent().ok_or("it has no directory")?;
    if !directory.exists() {
        access::create_directory(directory).map_err(unwritable)?;
        // Key directories lie in home directories, and those are often under version control.
        fs::write(directory.join(".gitignore"), "*\n").map_err(unwritable)?;
    }
    access::check_directory(&fs::metadata(directory).map_err(unwritable)?)?;
    let mut options = OpenOptions::new();
    // `create_new` refuses whatever has the name already, a symbolic link too.
    options.write(true).create_new(true);
    access::for_owner_alone(&mut options);
    let mut file = options.open(path).map_err(unwritable)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    written.and_then(|()| access::sync_directory(directory)).map_err(|error| {
        // Half a key would stand in the way of the next attempt; the store is still empty.
        let _ = fs::remove_file(path);
        unwritable(error)
    })
}

fn symlink() -> String {
    "it is a symbolic link; name the file itself".into()
}

fn reason(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::NotFound => "its directory is missing",
        ErrorKind::PermissionDenied => "permission denied",
        ErrorKind::AlreadyExists => "another process has just made it; try again",
        ErrorKind::StorageFull => "the disk is full",
        ErrorKind::ReadOnlyFilesystem => "the file system is read-only",
        _ => "input/output error",
    }
}

#[cfg(unix)]
mod access {
    use std::{
        fs::{DirBuilder, File, Metadata, OpenOptions},
        io,
        os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
        path::Path,
    };

    use rustix::fs::OFlags;

    /// Follows no symbolic link, and does not wait for a pipe's other end.
    pub(super) fn open(path: &Path) -> io::Result<File> {
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
        OpenOptions::new().read(true).custom_flags(flags.cast_signed()).open(path)
    }

    pub(super) fn check_file(entry: &Metadata) -> Result<(), String> {
        check_owner(entry)?;
        match entry.mode() & 0o077 {
            0 => Ok(()),
            _ => Err(format!(
                "others may read or write it (mode {:03o}); run `chmod 600` on it, and make a new key if others could have read this one",
                entry.mode() & 0o777
            )),
        }
    }

    pub(super) fn check_directory(entry: &Metadata) -> Result<(), String> {
        check_owner(entry).map_err(|problem| format!("its directory: {problem}"))?;
        match entry.mode() & 0o022 {
            0 => Ok(()),
            _ => Err("others may write its directory; run `chmod 700` on it".into()),
        }
    }

    fn check_owner(entry: &Metadata) -> Result<(), String> {
        let (owner, user) = (entry.uid(), rustix::process::geteuid().as_raw());
        match owner == user || owner == 0 {
            true => Ok(()),
            false => Err(format!("it belongs to user {owner}, this process runs as {user}; run `chown {user}` on it")),
        }
    }

    pub(super) fn create_directory(path: &Path) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)
    }

    pub(super) fn for_owner_alone(options: &mut OpenOptions) {
        options.mode(0o600);
    }

    /// Makes the new file's name durable, and the directory's own.
    pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()?;
        match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
            _ => Ok(()),
        }
    }
}

/// Windows gives a file the access rights of its directory, and a user's profile is the user's alone.
#[cfg(windows)]
mod access {
    use std::{
        fs::{self, File, Metadata, OpenOptions},
        io,
        os::windows::fs::OpenOptionsExt as _,
        path::Path,
    };

    /// Opens a symbolic link itself, not what it names.
    const FILE_FLAG_OPEN_REPARSE_POINT: u32 = 0x0020_0000;

    pub(super) fn open(path: &Path) -> io::Result<File> {
        OpenOptions::new().read(true).custom_flags(FILE_FLAG_OPEN_REPARSE_POINT).open(path)
    }

    pub(super) fn check_file(_: &Metadata) -> Result<(), String> {
        Ok(())
    }

    pub(super) fn check_directory(_: &Metadata) -> Result<(), String> {
        Ok(())
    }

    pub(super) fn create_directory(path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    pub(super) fn for_owner_alone(_: &mut OpenOptions) {}

    /// Windows makes a name durable with its file.
    pub(super) fn sync_directory(_: &Path) -> io::Result<()> {
        Ok(())
    }
}
