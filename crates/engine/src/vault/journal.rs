//! Journal entries: what a token endpoint answered, sealed before it is written and before anyone reads it.
//!
//! `version ‖ suite ‖ salt ‖ commitment ‖ ciphertext ‖ tag`, under a key that serves the journal alone, so it can be
//! written without asking the database for a data key.

use zeroize::Zeroizing;

use super::{
    encoding, padding,
    suite::{self, HEADER, Key},
};
use crate::{Error, Result, random::Random};

/// How long a record of `length` bytes is when it is sealed.
pub const fn sealed_journal_length(length: usize) -> usize {
    HEADER.len() + suite::OVERHEAD + padding::padded_length(length)
}

/// Seals a record for the slot that `context` names.
pub(super) fn seal(store_id: &str, key: &Key, context: &[u8], record: &[u8], random: &dyn Random) -> Result<Vec<u8>> {
    let mut sealed = Vec::with_capacity(sealed_journal_length(record.len()));
    sealed.extend_from_slice(&HEADER);
    suite::seal(&mut sealed, key, &aad(store_id, context), &padding::pad(record), random)?;
    Ok(sealed)
}

/// Opens what was sealed with the same `context`.
pub(super) fn open(store_id: &str, key: &Key, context: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    sealed
        .strip_prefix(&HEADER)
        .and_then(|sealed| suite::open(key, &aad(store_id, context), sealed))
        .and_then(padding::unpad)
        .ok_or_else(|| Error::IntegrityFailed { what: "an entry of the journal".into() })
}

fn aad(store_id: &str, context: &[u8]) -> Vec<u8> {
    encoding::join(&[b"onbehalf/v1/journal", &HEADER, store_id.as_bytes(), context])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SystemRandom;

    #[test]
    fn an_entry_opens_in_its_own_slot_of_its_own_store_alone() {
        let key = Key::new([1; 32]);
        let sealed = seal("store", &key, b"slot 1", b"record", &SystemRandom).unwrap();
        assert_eq!(sealed.len(), sealed_journal_length(b"record".len()));
        assert_eq!(**open("store", &key, b"slot 1", &sealed).unwrap(), *b"record");
        assert!(open("store", &key, b"slot 2", &sealed).is_err());
        assert!(open("other", &key, b"slot 1", &sealed).is_err());
        assert!(open("store", &Key::new([2; 32]), b"slot 1", &sealed).is_err());
    }

    // A torn write leaves the beginning of an entry, or its end over an older one.
    #[test]
    fn no_bit_of_an_entry_can_be_changed_and_no_byte_be_missing() {
        let key = Key::new([1; 32]);
        let sealed = seal("store", &key, b"slot", b"record", &SystemRandom).unwrap();
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(open("store", &key, b"slot", &changed).is_err(), "bit {bit}");
        }
        for length in 0..sealed.len() {
            assert!(open("store", &key, b"slot", &sealed[..length]).is_err(), "{length} bytes");
        }
    }
}
