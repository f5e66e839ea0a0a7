//! What a sealed cell promises, tried from every side.

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use crate::random::SystemRandom;

const STORE: &str = "store";
const PLACE: Place<'_> = Place { table: "accounts", organization: "acme", row: "ca_1", field: "credential", epoch: 7 };

fn key() -> DataKey {
    DataKey::generate(&SystemRandom).unwrap()
}

fn sealed(key: &DataKey, secret: &[u8]) -> Vec<u8> {
    seal(STORE, key, &PLACE, secret, &SystemRandom).unwrap()
}

#[track_caller]
fn refused(keys: &[DataKey], cell: &[u8]) {
    let error = open(STORE, keys, &PLACE, cell).unwrap_err();
    assert_eq!(error.code(), "INTEGRITY_FAILED");
}

/// A store and a place, of any names.
#[derive(Debug, Clone)]
struct Standing {
    store: String,
    names: [String; 4],
    epoch: u64,
}

impl Standing {
    fn place(&self) -> Place<'_> {
        let [table, organization, row, field] = self.names.each_ref().map(String::as_str);
        Place { table, organization, row, field, epoch: self.epoch }
    }
}

fn standing() -> impl Strategy<Value = Standing> {
    let names = [".{0,5}"; 4];
    (".{0,5}", names, any::<u64>()).prop_map(|(store, names, epoch)| Standing { store, names, epoch })
}

proptest! {
    // K1
    #[test]
    fn what_was_sealed_comes_out(secret in prop::collection::vec(any::<u8>(), 0..300), at in standing()) {
        let key = key();
        let cell = seal(&at.store, &key, &at.place(), &secret, &SystemRandom).unwrap();
        prop_assert_eq!(open(&at.store, &[key], &at.place(), &cell).unwrap().to_vec(), secret);
    }

    // A88, A80: what can be read back in one way only stands for one place only, so this holds for all pairs at once.
    #[test]
    fn no_two_places_are_encoded_alike(at in standing()) {
        let encoded = aad(&at.store, &HEADER, &at.place());
        let mut rest = &encoded[..];
        for part in [&b"onbehalf/v1/cell"[..], &HEADER, at.store.as_bytes()] {
            prop_assert_eq!(encoding::take(&mut rest), part);
        }
        for name in &at.names {
            prop_assert_eq!(encoding::take(&mut rest), name.as_bytes());
        }
        prop_assert_eq!(encoding::take(&mut rest), &at.epoch.to_be_bytes()[..]);
        prop_assert!(rest.is_empty());
    }

    // K7, A93: and nothing panics on the way.
    #[test]
    fn nothing_is_a_cell_that_was_not_sealed(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        with_header in any::<bool>(),
    ) {
        let key = key();
        let forged = if with_header { [&HEADER[..], key.id(), &bytes].concat() } else { bytes };
        refused(&[key], &forged);
    }
}

// K7, A93
#[test]
fn a_plaintext_is_never_taken_for_a_cell() {
    let keys = [key()];
    for plaintext in [&b""[..], b"ya29.token", br#"{"access_token":"ya29"}"#, &[0; 200], &padding::pad(b"ya29")] {
        refused(&keys, plaintext);
    }
}

// A88: every cell of a grid over all that a cell is bound to, offered at every other's place.
#[test]
fn no_cell_opens_in_the_place_of_another() {
    let key = key();
    let pick = |index: usize, bit: u32, names: [&'static str; 2]| names[index >> bit & 1];
    let standings: Vec<_> = (0..64)
        .map(|index| {
            let place = Place {
                table: pick(index, 1, ["accounts", "flows"]),
                organization: pick(index, 2, ["acme", "evil"]),
                row: pick(index, 3, ["ca_1", "ca_2"]),
                field: pick(index, 4, ["credential", "secrets"]),
                epoch: (index >> 5) as u64,
            };
            (pick(index, 0, ["store", "other"]), place)
        })
        .collect();
    let cells: Vec<_> =
        standings.iter().map(|(store, place)| seal(store, &key, place, b"secret", &SystemRandom).unwrap()).collect();
    let keys = [key];
    for (from, cell) in cells.iter().enumerate() {
        for (to, (store, place)) in standings.iter().enumerate() {
            assert_eq!(open(store, &keys, place, cell).is_ok(), from == to, "from {from} to {to}");
        }
    }
}

// A89, A99: version, suite, key id, salt, commitment, ciphertext and tag.
#[test]
fn no_bit_of_a_cell_can_be_changed() {
    let key = key();
    let cell = sealed(&key, &[b'x'; 100]);
    let keys = [key];
    for bit in 0..cell.len() * 8 {
        let mut changed = cell.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(open(STORE, &keys, &PLACE, &changed).is_err(), "bit {bit}");
    }
}

// A99
#[test]
fn no_other_version_or_suite_is_known() {
    let key = key();
    let cell = sealed(&key, b"secret");
    let keys = [key];
    for at in [0, 1] {
        for value in (0..=u8::MAX).filter(|&value| value != HEADER[at]) {
            let mut changed = cell.clone();
            changed[at] = value;
            assert_eq!(data_key_id(&changed), None);
            refused(&keys, &changed);
        }
    }
}

// A89
#[test]
fn a_cell_is_neither_cut_nor_extended() {
    let key = key();
    let cell = sealed(&key, b"secret");
    let keys = [key];
    for length in 0..cell.len() {
        refused(&keys, &cell[..length]);
        refused(&keys, &cell[cell.len() - length..]);
    }
    for more in [1, 16, 64] {
        refused(&keys, &[&cell[..], &vec![0; more]].concat());
        refused(&keys, &[&vec![0; more], &cell[..]].concat());
    }
}

// A90
#[test]
fn a_cell_of_an_earlier_epoch_is_refused() {
    let key = key();
    let old = sealed(&key, b"old");
    let now = Place { epoch: PLACE.epoch + 1, ..PLACE };
    let error = open(STORE, &[key], &now, &old).unwrap_err();
    assert_eq!(
        error.to_string(),
        Error::IntegrityFailed { what: "the sealed field `accounts.credential`".into() }.to_string()
    );
}

// K4
#[test]
fn a_cell_opens_under_the_one_key_it_names() {
    let keys = [key(), key(), key()];
    let cell = sealed(&keys[1], b"secret");
    assert_eq!(data_key_id(&cell).as_ref(), Some(keys[1].id()));
    assert_eq!(**open(STORE, &keys, &PLACE, &cell).unwrap(), *b"secret");

    let [first, _, third] = keys;
    let others = [first, third];
    refused(&others, &cell);
    // The header is made to name another key that is at hand.
    let mut renamed = cell.clone();
    renamed[HEADER.len()..][..KEY_ID].copy_from_slice(others[0].id());
    refused(&others, &renamed);
}

// K3, A95
#[test]
fn no_two_seals_share_a_salt() {
    let key = key();
    let salt = |cell: &[u8]| cell[HEADER.len() + KEY_ID..][..32].to_vec();
    let salts: HashSet<_> = (0..10_000).map(|_| salt(&sealed(&key, b"secret"))).collect();
    assert_eq!(salts.len(), 10_000);
}

#[test]
fn a_generator_that_fails_seals_nothing() {
    struct Broken;
    impl Random for Broken {
        fn fill(&self, _: &mut [u8]) -> Result<()> {
            Err(Error::Internal { reason: "no randomness".into() })
        }
    }
    assert_eq!(seal(STORE, &key(), &PLACE, b"secret", &Broken).unwrap_err().code(), "INTERNAL");
}

#[test]
fn the_length_of_a_cell_tells_that_of_the_secret_in_buckets_alone() {
    let key = key();
    for bucket in 0..3 {
        let first = bucket * padding::BUCKET;
        let lengths: HashSet<_> =
            (first..first + padding::BUCKET).map(|length| sealed(&key, &vec![b'x'; length]).len()).collect();
        let expected = HEADER.len() + KEY_ID + suite::OVERHEAD + first + padding::BUCKET;
        assert_eq!(lengths, HashSet::from([expected]));
    }
}
