//! What PostgreSQL's refusals mean: each becomes one of our errors, by what the caller must do, and none of its texts,
//! which may quote values, goes further than here.

use std::{error::Error as _, io};

use tokio_postgres::{Error as Refusal, error::SqlState};
use tokio_rustls::rustls::{self, CertificateError};

use crate::Error;

/// tokio-postgres's word for a server that answers to the wish for TLS that it has none. A test holds it to that.
const NO_TLS: &str = "server does not support TLS";

/// The error that `refusal` means to a caller of the store `at`.
pub(super) fn meaning(refusal: &Refusal, at: &str) -> Error {
    let Some(code) = refusal.code() else { return without_code(refusal, at) };
    by_code(code.code(), at)
}

/// The error for an SQLSTATE (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).
fn by_code(code: &str, at: &str) -> Error {
    let failed = |reason: &str| Error::StoreFailed { reason: reason.into() };
    match code {
        // disk_full
        "53100" => Error::StoreFull,
        // read_only_sql_transaction, insufficient_privilege
        "25006" | "42501" => Error::StoreReadOnly { path: at.into() },
        // too_many_connections, lock_not_available, and what is tried again by itself first
        "53300" | "55P03" | "40001" | "40P01" => Error::StoreBusy,
        // undefined_table, undefined_column, undefined_function, duplicate_table, invalid_schema_name
        "42P01" | "42703" | "42P07" | "3F000" => Error::StoreCorrupt { path: at.into() },
        "53200" => failed("the database server has no memory left"),
        "28000" | "28P01" => failed("the database server refused the user or the password"),
        // protocol_violation: how PgBouncer refuses who logs in
        "08P01" => failed("a pooler before the database server refused the user, the password or the database"),
        "3D000" => failed("the database does not exist"),
        // data_corrupted, index_corrupted
        "XX001" | "XX002" => Error::StoreCorrupt { path: at.into() },
        _ => match code.get(..2) {
            // connection exceptions; the server stops, starts, or was told to end the session
            Some("08" | "57") => unreachable("the database server ended the connection"),
            Some("53" | "58") => failed("the database server lacks what it needs"),
            _ => Error::Internal { reason: "the database refused a statement".into() },
        },
    }
}

fn without_code(refusal: &Refusal, at: &str) -> Error {
    let Some(source) = refusal.source() else { return unreachable(NO_CONNECTION) };
    let failed = |reason: &str| Error::StoreFailed { reason: reason.into() };
    let Some(cause) = source.downcast_ref::<io::Error>() else {
        return if source.to_string() == NO_TLS {
            failed("the database server has no TLS; turn it on there, or trust the network with `sslmode=disable`")
        } else {
            unreachable(NO_CONNECTION)
        };
    };
    match cause.kind() {
        // tokio-postgres's word for a server that takes no writes, where one that does was asked for.
        io::ErrorKind::PermissionDenied => Error::StoreReadOnly { path: at.into() },
        // rustls' word for a handshake that it broke off.
        io::ErrorKind::InvalidData => failed(distrust(cause)),
        _ => unreachable(NO_CONNECTION),
    }
}

const NO_CONNECTION: &str = "no connection to the database server";

/// Why a server is not believed, and what to do.
fn distrust(cause: &io::Error) -> &'static str {
    use CertificateError as Certificate;
    let broken_off = cause.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
    match broken_off {
        Some(rustls::Error::InvalidCertificate(problem)) => match problem {
            Certificate::UnknownIssuer => {
                "nobody trusted vouches for the database server's certificate; name who does with `sslrootcert`"
            }
            Certificate::NotValidForName | Certificate::NotValidForNameContext { .. } => {
                "the database server's certificate is for another host name; use the one that it is for"
            }
            Certificate::Expired
            | Certificate::ExpiredContext { .. }
            | Certificate::NotValidYet
            | Certificate::NotValidYetContext { .. } => {
                "the database server's certificate is not valid at this time; renew it, or set this machine's clock"
            }
            _ => "the database server's certificate is not to be trusted; give the server another",
        },
        _ => "the database server's TLS is not to be trusted; see that it is PostgreSQL's, with TLS 1.2 or 1.3",
    }
}

/// The server is away; it may come back.
pub(super) fn unreachable(reason: &str) -> Error {
    Error::StoreUnreachable { reason: reason.into() }
}

/// Whether a row that must be unique exists, or one that is referred to doesn't, or a version is none that a row can
/// have: unique_violation, foreign_key_violation, numeric_value_out_of_range.
pub(super) fn is_conflict(refusal: &Refusal) -> bool {
    is_one_of(
        refusal,
        &[SqlState::UNIQUE_VIOLATION, SqlState::FOREIGN_KEY_VIOLATION, SqlState::NUMERIC_VALUE_OUT_OF_RANGE],
    )
}

/// Whether the same transaction may succeed at once: it stood in another's way, and was taken back.
pub(super) fn is_passing(refusal: &Refusal) -> bool {
    is_one_of(refusal, &[SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED])
}

/// Whether a COMMIT that met this may have been carried out: the connection broke, or the server ended the session.
pub(super) fn leaves_open(refusal: &Refusal) -> bool {
    let Some(code) = refusal.code() else { return true };
    matches!(code.code().get(..2), Some("08" | "57" | "58" | "XX"))
}

fn is_one_of(refusal: &Refusal, codes: &[SqlState]) -> bool {
    refusal.code().is_some_and(|code| codes.contains(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_is_named_by_what_to_do() {
        for (code, ours) in [
            ("53100", "STORE_FULL"),
            ("25006", "STORE_READ_ONLY"),
            ("42501", "STORE_READ_ONLY"),
            ("53300", "STORE_BUSY"),
            ("40001", "STORE_BUSY"),
            ("40P01", "STORE_BUSY"),
            ("42P01", "STORE_CORRUPT"),
            ("42P07", "STORE_CORRUPT"),
            ("XX001", "STORE_CORRUPT"),
            ("28P01", "STORE_FAILED"),
            ("08P01", "STORE_FAILED"),
            ("3D000", "STORE_FAILED"),
            ("53200", "STORE_FAILED"),
            ("57P01", "STORE_UNREACHABLE"),
            ("57P03", "STORE_UNREACHABLE"),
            ("08006", "STORE_UNREACHABLE"),
            ("42601", "INTERNAL"),
        ] {
            assert_eq!(by_code(code, "postgres://h/d").code(), ours, "{code}");
        }
    }
}
