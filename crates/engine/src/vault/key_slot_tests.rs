//! What a slot opens, and everything that it must not.

use data_encoding::HEXLOWER;

use super::*;
use crate::random::SystemRandom;

const STORE: &str = "store_1";

fn key() -> RootKey {
    RootKey::generate(&SystemRandom).unwrap()
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn wrapped_in(store_id: &str, given: &RootKey, root: &RootKey) -> KeySlotRow {
    wrap(given, root, store_id, at(1), &SystemRandom).unwrap()
}

/// What the store says of a root key and these slots.
fn lock(root: &RootKey, slots: Vec<KeySlotRow>) -> Lock {
    let key_check = root.derive(Purpose::Check, STORE).to_vec();
    let meta = Meta { store_id: STORE.into(), key_id: root.id(), key_check, created_at: at(0) };
    Lock { meta, slots }
}

/// The id of the root key that is opened, `nothing`, or the code of the refusal.
fn outcome(lock: &Lock, given: &RootKey) -> String {
    match lock.open(given) {
        Ok(Some(root)) => root.id(),
        Ok(None) => "nothing".into(),
        Err(error) => error.code().into(),
    }
}

#[test]
fn each_key_opens_the_one_root_by_its_own_slot() {
    let (root, first, second) = (key(), key(), key());
    let slots = vec![direct(&root, STORE, at(1)), wrapped_in(STORE, &first, &root), wrapped_in(STORE, &second, &root)];
    let lock = lock(&root, slots);
    for given in [&root, &first, &second] {
        assert_eq!(**lock.open(given).unwrap().unwrap().bytes(), **root.bytes());
    }
    assert_eq!(outcome(&lock, &key()), "nothing");
}

// K8: made by another implementation (Python's `hmac`, and `cryptography`'s AES-GCM), so that the format can't change
// unnoticed. The given key is the bytes from 0 on, the root key those from 100 on.
#[test]
fn a_slot_that_another_implementation_made_opens() {
    let [given, root] = [0, 100].map(|first| RootKey::from_bytes(Key::new(std::array::from_fn(|at| first + at as u8))));
    let decoded = |hex: &str| HEXLOWER.decode(hex.as_bytes()).unwrap();
    let slot = KeySlotRow {
        id: "key_LjOfnFkZb90".into(),
        kind: "wrapped".into(),
        wrapped: Some(decoded(
            "\
        0101c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1e2e3e4e5e6e7527b7a19974aaf954c1fe85225f7\
        542cfb423084ae0274c6382575c20ba3fbaad4305d667b85f3d97fd93f0e343931b28e0c1b779b2f70021ad13b660a82\
        f3234c5c1340262bfc1ab2c651cd96f41370",
        )),
        key_check: decoded("a47beb26666737d5830bbcb281e6d52f10e4ff651c0464dc672b29100bcbfbf7"),
        created_at: at(1),
        version: 1,
    };
    assert_eq!(outcome(&lock(&root, vec![slot]), &given), root.id());
}

#[test]
fn the_root_key_opens_nothing_once_its_own_slot_is_gone() {
    let (root, given) = (key(), key());
    let lock = lock(&root, vec![wrapped_in(STORE, &given, &root)]);
    assert_eq!(outcome(&lock, &given), root.id());
    assert_eq!(outcome(&lock, &root), "nothing");
}

// A88: what is moved from one slot, or one store, to another does not open there.
#[test]
fn a_slot_of_another_key_or_store_is_refused() {
    let (root, first, second) = (key(), key(), key());
    let [of_first, of_second] = [&first, &second].map(|given| wrapped_in(STORE, given, &root));
    let swapped = KeySlotRow { wrapped: of_second.wrapped.clone(), ..of_first.clone() };
    assert_eq!(outcome(&lock(&root, vec![swapped]), &first), "INTEGRITY_FAILED");
    let renamed = KeySlotRow { id: first.id(), ..of_second };
    assert_eq!(outcome(&lock(&root, vec![renamed]), &first), "nothing");

    let elsewhere = wrapped_in("store_2", &first, &root);
    assert_eq!(outcome(&lock(&root, vec![elsewhere.clone()]), &first), "nothing");
    let dressed_up = KeySlotRow { key_check: of_first.key_check, ..elsewhere };
    assert_eq!(outcome(&lock(&root, vec![dressed_up]), &first), "INTEGRITY_FAILED");
}

// A99: neither kind passes for the other.
#[test]
fn a_slot_of_another_kind_than_it_says_is_refused() {
    let (root, given) = (key(), key());
    let [direct, wrapped] = [direct(&root, STORE, at(1)), wrapped_in(STORE, &given, &root)];
    let kind = |kind: &str, slot: &KeySlotRow| KeySlotRow { kind: kind.into(), ..slot.clone() };
    let refused = [
        (kind("wrapped", &direct), &root),
        (kind("direct", &wrapped), &given),
        (KeySlotRow { wrapped: None, ..kind("direct", &wrapped) }, &given),
        (KeySlotRow { wrapped: None, ..wrapped.clone() }, &given),
        (KeySlotRow { wrapped: wrapped.wrapped.clone(), ..direct.clone() }, &root),
        (kind("", &direct), &root),
        (kind("Direct", &direct), &root),
    ];
    for (slot, given) in refused {
        assert_eq!(outcome(&lock(&root, vec![slot.clone()]), given), "INTEGRITY_FAILED", "{slot:?}");
    }
}

// A slot that somebody made for a root key of their own would have the store seal what they can read.
#[test]
fn a_slot_that_leads_to_another_root_is_refused() {
    let (root, given) = (key(), key());
    let lock = lock(&root, vec![wrapped_in(STORE, &given, &key())]);
    assert_eq!(outcome(&lock, &given), "INTEGRITY_FAILED");
}

// A89
#[test]
fn no_bit_of_a_wrapped_root_can_be_changed_and_no_byte_be_missing() {
    let (root, given) = (key(), key());
    let slot = wrapped_in(STORE, &given, &root);
    let sealed = slot.wrapped.clone().unwrap();
    let opens = |wrapped: Vec<u8>| {
        let lock = lock(&root, vec![KeySlotRow { wrapped: Some(wrapped), ..slot.clone() }]);
        outcome(&lock, &given)
    };
    assert_eq!(opens(sealed.clone()), root.id());
    for bit in 0..sealed.len() * 8 {
        let mut changed = sealed.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(opens(changed), "INTEGRITY_FAILED", "bit {bit}");
    }
    for length in 0..sealed.len() {
        assert_eq!(opens(sealed[..length].to_vec()), "INTEGRITY_FAILED", "{length} bytes");
    }
    assert_eq!(opens([sealed, vec![0]].concat()), "INTEGRITY_FAILED");
}

#[test]
fn a_root_key_of_another_length_is_refused() {
    let given = key();
    for length in [0, 31, 33] {
        let mut wrapped = HEADER.to_vec();
        let slot_key = given.derive(Purpose::Slot, STORE);
        suite::seal(&mut wrapped, &slot_key, &aad(STORE, &given.id()), &vec![7; length], &SystemRandom).unwrap();
        assert!(unwrap(&given, STORE, &given.id(), &wrapped).is_none(), "{length} bytes");
    }
}

#[test]
fn two_slots_of_one_key_have_nothing_in_common() {
    let (root, given) = (key(), key());
    let [one, other] = [1, 2].map(|_| wrapped_in(STORE, &given, &root).wrapped.unwrap());
    assert!(!one.windows(16).any(|part| other.windows(16).any(|same| part == same)));
    assert!(!one.windows(8).any(|part| part == &root.bytes()[..8]), "the root key is not readable");
}
