//! What SQLite's refusals mean: each becomes one of our errors, by what the caller must do, and none of its texts,
//! which may quote values, goes further than here.

use std::path::Path;

use rusqlite::{Error as Refusal, ErrorCode, ffi};

use crate::{Error, store::files};

/// The error that `refusal` means to a caller of the store at `path`.
pub(super) fn meaning(refusal: &Refusal, path: &str) -> Error {
    let failed = |reason: &str| Error::StoreFailed { reason: reason.into() };
    let read_only = || Error::StoreReadOnly { path: path.into() };
    let code = match refusal {
        Refusal::SqlInputError { error, .. } => Some(error.code),
        refusal => refusal.sqlite_error_code(),
    };
    let Some(code) = code else {
        return match refusal {
            Refusal::FromSqlConversionFailure(..)
            | Refusal::InvalidColumnType(..)
            | Refusal::IntegralValueOutOfRange(..)
            | Refusal::Utf8Error(..) => Error::IntegrityFailed { what: "a row of the store".into() },
            _ => Error::Internal { reason: "a statement of the store is wrong".into() },
        };
    };
    match code {
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed => Error::StoreBusy,
        ErrorCode::DiskFull => Error::StoreFull,
        ErrorCode::ReadOnly | ErrorCode::PermissionDenied => read_only(),
        ErrorCode::CannotOpen => files::refusal(Path::new(path)).unwrap_or_else(read_only),
        // `Unknown` is SQLite's word for a statement that names what isn't there. Ours are tested against the schema,
        // so it is the schema that was changed.
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::Unknown => {
            Error::StoreCorrupt { path: path.into() }
        }
        ErrorCode::SystemIoFailure if lost_sync(refusal) => {
            failed("the disk could not confirm a write; check it, then open the store again")
        }
        // SQLite says no more of a disk that has become read-only.
        ErrorCode::SystemIoFailure => files::refusal(Path::new(path))
            .unwrap_or_else(|| failed("the disk did not read or write as asked; check it, then try again")),
        ErrorCode::OutOfMemory => failed("there is no memory left"),
        ErrorCode::TooBig => failed("a row is too large"),
        _ => Error::Internal { reason: "the database refused a statement".into() },
    }
}

/// Whether a row that must be unique exists, or one that is referred to doesn't.
pub(super) fn is_conflict(refusal: &Refusal) -> bool {
    matches!(
        extended_code(refusal),
        Some(ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_FOREIGNKEY)
    )
}

/// Whether the system could not say that data reached the disk. It may report the next attempt as done although the
/// data is gone ("fsyncgate"), so nothing may be written after it.
pub(super) fn lost_sync(refusal: &Refusal) -> bool {
    matches!(extended_code(refusal), Some(ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC))
}

/// What every commit after a lost sync is refused with.
pub(super) fn sync_was_lost() -> Refusal {
    Refusal::SqliteFailure(ffi::Error::new(ffi::SQLITE_IOERR_FSYNC), None)
}

/// Whether the refusal would meet any other commit as well, so that trying each alone is of no use.
pub(super) fn concerns_all(refusal: &Refusal) -> bool {
    let code = refusal.sqlite_error_code();
    matches!(code, Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::SystemIoFailure))
}

fn extended_code(refusal: &Refusal) -> Option<i32> {
    refusal.sqlite_error().map(|error| error.extended_code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(code: i32) -> Refusal {
        Refusal::SqliteFailure(ffi::Error::new(code), Some("CANARY".into()))
    }

    #[test]
    fn each_refusal_is_named_by_what_to_do() {
        for (code, ours) in [
            (ffi::SQLITE_BUSY, "STORE_BUSY"),
            (ffi::SQLITE_BUSY_SNAPSHOT, "STORE_BUSY"),
            (ffi::SQLITE_LOCKED, "STORE_BUSY"),
            (ffi::SQLITE_FULL, "STORE_FULL"),
            (ffi::SQLITE_READONLY, "STORE_READ_ONLY"),
            (ffi::SQLITE_READONLY_DIRECTORY, "STORE_READ_ONLY"),
            (ffi::SQLITE_PERM, "STORE_READ_ONLY"),
            (ffi::SQLITE_CANTOPEN, "STORE_READ_ONLY"),
            (ffi::SQLITE_CORRUPT, "STORE_CORRUPT"),
            (ffi::SQLITE_NOTADB, "STORE_CORRUPT"),
            (ffi::SQLITE_IOERR, "STORE_FAILED"),
            (ffi::SQLITE_IOERR_FSYNC, "STORE_FAILED"),
            (ffi::SQLITE_NOMEM, "STORE_FAILED"),
            (ffi::SQLITE_TOOBIG, "STORE_FAILED"),
            (ffi::SQLITE_ERROR, "STORE_CORRUPT"),
            (ffi::SQLITE_MISUSE, "INTERNAL"),
        ] {
            let error = meaning(&refusal(code), "store.db");
            assert_eq!(error.code(), ours, "SQLite's {code}");
            assert!(!error.to_string().contains("CANARY"));
        }
    }

    // F16.
    #[test]
    fn a_statement_that_names_what_is_not_there_tells_of_a_changed_schema() {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        let refusal = connection.prepare("VALUES (credential)").unwrap_err();
        assert_eq!(meaning(&refusal, "store.db").code(), "STORE_CORRUPT");
    }

    // F12.
    #[test]
    fn only_a_failed_sync_is_a_lost_sync() {
        assert!(lost_sync(&refusal(ffi::SQLITE_IOERR_FSYNC)));
        assert!(lost_sync(&refusal(ffi::SQLITE_IOERR_DIR_FSYNC)));
        assert!(lost_sync(&sync_was_lost()));
        assert!(!lost_sync(&refusal(ffi::SQLITE_IOERR_WRITE)));
        assert!(!lost_sync(&refusal(ffi::SQLITE_FULL)));
    }
}
