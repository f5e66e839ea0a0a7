//! Where the root key comes from.
//!
//! A store is opened with one source, the first that its owner named; sources are never tried in turn or merged, so a
//! wrong key can't be hidden by an old one lying about. A key is generated for an empty store only: to make a new key
//! over existing data is to lose the data (A96).

use std::path::{Path, PathBuf};

use data_encoding::{BASE64, BASE64_NOPAD};
use zeroize::Zeroizing;

use super::{Lock, RootKey, key_file, suite::Key};
use crate::{
    Error, Result,
    random::Random,
    secret::{ExposeSecret, Secret},
};

/// How to make a key; ends every refusal of one.
const MAKE_ONE: &str = "make one with `openssl rand -base64 32`";

/// The one place that a store's root key is taken from.
#[derive(Debug, Clone)]
pub enum KeySource {
    /// The key itself, as base64; `origin` says who gave it: "ONBEHALF_KEY", "the `key` option".
    Explicit {
        /// Named in errors.
        origin: String,
        /// 32 bytes in base64, standard or URL-safe, padded or not.
        text: Secret,
    },
    /// A file that holds the key as base64, made by the owner; `origin` says who named it.
    File {
        /// Named in errors.
        origin: String,
        /// The file.
        path: PathBuf,
    },
    /// `<directory>/<store id>.key`, made with the store.
    AutoFile {
        /// Made when it is not there. Best not the store's own, so that a copy of the store does not carry its key.
        directory: PathBuf,
    },
    /// A key that lives as long as the process, for a store in memory.
    Ephemeral,
}

/// What a source's key has opened.
#[derive(Debug)]
pub struct Unlocked {
    /// The store's root key.
    pub root: RootKey,
    /// The key slot that led to it: the id of the source's key.
    pub slot: String,
}

impl KeySource {
    /// Whether a key that its owner gave is one, before a store is touched.
    ///
    /// # Errors
    /// [`Error::KeyInvalid`].
    pub fn check(&self) -> Result<()> {
        match self {
            Self::Explicit { origin, text } => parse(origin, text.expose_secret()).map(drop),
            Self::File { origin, path } => read(origin, path).map(drop),
            Self::AutoFile { .. } | Self::Ephemeral => Ok(()),
        }
    }

    /// The key itself, to be one of a store's that has another already.
    ///
    /// # Errors
    /// [`Error::KeyInvalid`], and [`Error::InvalidArgument`] for a source that makes its key with the store.
    pub fn given(&self) -> Result<RootKey> {
        match self {
            Self::Explicit { origin, text } => parse(origin, text.expose_secret()),
            Self::File { origin, path } => {
                let origin = file_origin(origin, path);
                read(&origin, path)?.ok_or_else(|| no_such_file(&origin))
            }
            Self::AutoFile { .. } | Self::Ephemeral => Err(Error::invalid("key", format!("must be given; {MAKE_ONE}"))),
        }
    }

    /// Opens the store `store_id` by the slot of this source's key (`lock`; nothing when the store is empty: then the key
    /// is its root key).
    ///
    /// Only [`AutoFile`](Self::AutoFile) with an empty store writes anything, and what it wrote is durable when this
    /// returns.
    ///
    /// # Errors
    /// [`Error::KeyInvalid`], [`Error::KeyMissing`] or [`Error::KeyMismatch`], and [`Error::IntegrityFailed`] for a slot
    /// that somebody changed; the store was not touched then.
    pub fn load(&self, lock: Option<&Lock>, store_id: &str, random: &dyn Random) -> Result<Unlocked> {
        let origin = self.origin(store_id);
        let key = match self {
            Self::Explicit { text, .. } => parse(&origin, text.expose_secret())?,
            Self::File { path, .. } => match (read(&origin, path)?, lock) {
                (Some(key), _) => key,
                (None, Some(lock)) => return Err(missing(lock, &origin)),
                (None, None) => return Err(no_such_file(&origin)),
            },
            Self::AutoFile { directory } => {
                check_file_name(store_id)?;
                let path = auto_path(directory, store_id);
                match (read(&origin, &path)?, lock) {
                    (Some(key), _) => key,
                    (None, Some(lock)) => return Err(missing(lock, &origin)),
                    (None, None) => generate(&origin, &path, random)?,
                }
            }
            Self::Ephemeral => match lock {
                Some(lock) => return Err(missing(lock, "no place, as no key was given")),
                None => RootKey::generate(random)?,
            },
        };
        let slot = key.id();
        let Some(lock) = lock else { return Ok(Unlocked { root: key, slot }) };
        match lock.open(&key)? {
            Some(root) => Ok(Unlocked { root, slot }),
            None => Err(Error::KeyMismatch { origin, expected: lock.expected() }),
        }
    }

    /// The source's name in errors.
    fn origin(&self, store_id: &str) -> String {
        match self {
            Self::Explicit { origin, .. } => origin.clone(),
            Self::File { origin, path } => file_origin(origin, path),
            Self::AutoFile { directory } => format!("the file `{}`", auto_path(directory, store_id).display()),
            Self::Ephemeral => "memory".into(),
        }
    }
}

fn file_origin(origin: &str, path: &Path) -> String {
    format!("{origin} (`{}`)", path.display())
}

fn auto_path(directory: &Path, store_id: &str) -> PathBuf {
    directory.join(format!("{store_id}.key"))
}

/// The store id comes from the database, so it is not trusted to be a file's name.
fn check_file_name(store_id: &str) -> Result<()> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    match !store_id.is_empty() && store_id.bytes().all(plain) {
        true => Ok(()),
        false => Err(Error::IntegrityFailed { what: "the id of the store".into() }),
    }
}

fn read(origin: &str, path: &Path) -> Result<Option<RootKey>> {
    let text = key_file::read(path).map_err(|problem| invalid(origin, problem))?;
    text.map(|text| parse(origin, &text)).transpose()
}

/// Makes a key and its file. The key is durable before it is used.
fn generate(origin: &str, path: &Path, random: &dyn Random) -> Result<RootKey> {
    let key = RootKey::generate(random)?;
    let mut text = Zeroizing::new(String::with_capacity(64));
    BASE64.encode_append(&**key.bytes(), &mut text);
    text.push('\n');
    key_file::create(path, &text).map_err(|problem| invalid(origin, problem))?;
    tracing::warn!(
        key.id = key.id(),
        key.path = %path.display(),
        "a root key was made for the new store; without a copy of this file, what the store holds cannot be recovered"
    );
    Ok(key)
}

/// A root key from its base64: standard or URL-safe, padded or not, space around it dropped.
fn parse(origin: &str, text: &str) -> Result<RootKey> {
    let text = text.trim();
    if text.is_empty() {
        return Err(invalid(origin, format!("it is empty; {MAKE_ONE}")));
    }
    let standard: Zeroizing<Vec<u8>> = Zeroizing::new(
        text.strip_suffix('=')
            .unwrap_or(text)
            .bytes()
            .map(|byte| match byte {
                b'-' => b'+',
                b'_' => b'/',
                other => other,
            })
            .collect(),
    );
    let mut bytes = Key::default();
    if BASE64_NOPAD.decode_len(standard.len()) != Ok(bytes.len()) {
        return Err(invalid(origin, format!("it is not 32 bytes in base64, which is 44 characters; {MAKE_ONE}")));
    }
    if BASE64_NOPAD.decode_mut(&standard, &mut *bytes).is_err() {
        return Err(invalid(origin, format!("it holds characters that are not base64; {MAKE_ONE}")));
    }
    if is_guessable(&bytes) {
        return Err(invalid(origin, format!("it is not random; {MAKE_ONE}")));
    }
    Ok(RootKey::from_bytes(bytes))
}

/// Whether the bytes were surely not drawn at random: of 2^43 random keys, less than one looks like this.
fn is_guessable(bytes: &[u8; 32]) -> bool {
    let mut seen = [false; 256];
    bytes.iter().for_each(|&byte| seen[usize::from(byte)] = true);
    let repetitive = seen.iter().filter(|&&seen| seen).count() < 16;
    let step = bytes[1].wrapping_sub(bytes[0]);
    let counted = bytes.windows(2).all(|pair| pair[1].wrapping_sub(pair[0]) == step);
    let typed = bytes.iter().all(|byte| matches!(byte, b' '..=b'~'));
    repetitive || counted || typed
}

fn invalid(origin: &str, problem: impl Into<String>) -> Error {
    Error::KeyInvalid { origin: origin.into(), problem: problem.into() }
}

fn no_such_file(origin: &str) -> Error {
    invalid(origin, format!("there is no such file; {MAKE_ONE}"))
}

fn missing(lock: &Lock, looked_in: &str) -> Error {
    Error::KeyMissing { expected: lock.expected(), looked_in: looked_in.into() }
}

#[cfg(test)]
#[path = "source_tests.rs"]
mod tests;
