//! Streams between two vaults, and everything that can be done to one on its way.

use proptest::prelude::*;

use super::*;
use crate::{
    random::SystemRandom,
    vault::{RootKey, Vault},
};

fn vault(key: u8) -> Vault {
    Vault::new(RootKey::from_bytes(Key::new([key; 32])), "store_of_tests")
}

/// A stream of these texts for the vault of key 2, from the one of key 1: its header, then its frames.
fn sealed(texts: &[&[u8]]) -> Vec<Vec<u8>> {
    let (mut stream, header) = vault(1).send(&vault(2).recipient().unwrap(), &SystemRandom).unwrap();
    let mut parts = vec![header];
    for (index, text) in texts.iter().enumerate() {
        let frame = if index + 1 == texts.len() { Frame::Last } else { Frame::Inner };
        let mut part = Vec::new();
        stream.seal(&mut part, frame, text, &SystemRandom).unwrap();
        parts.push(part);
    }
    parts
}

/// The texts of a whole stream.
fn opened(vault: &Vault, stream: &[u8]) -> Result<Vec<Vec<u8>>> {
    let cut_off = || Error::invalid("path", "is cut off");
    let (head, rest) = stream.split_first_chunk().ok_or_else(cut_off)?;
    let (tail, mut rest) = rest.split_at_checked(header_tail(head)).ok_or_else(cut_off)?;
    let mut incoming = vault.receive(head, tail)?;
    let mut texts = Vec::new();
    loop {
        let (head, more) = rest.split_first_chunk().ok_or_else(cut_off)?;
        let (length, frame) = incoming.read_head(head)?;
        let (sealed, more) = more.split_at_checked(length).ok_or_else(cut_off)?;
        texts.push(incoming.open_frame(frame, sealed)?.to_vec());
        rest = more;
        match frame {
            Frame::Inner => {}
            Frame::Last if rest.is_empty() => return Ok(texts),
            Frame::Last => return Err(incoming.altered()),
        }
    }
}

proptest! {
    #[test]
    fn what_is_sealed_for_a_vault_opens_there_and_nowhere_else(
        texts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..5),
    ) {
        let stream = sealed(&texts.iter().map(Vec::as_slice).collect::<Vec<_>>()).concat();
        prop_assert_eq!(opened(&vault(2), &stream).unwrap(), texts);
        prop_assert_eq!(opened(&vault(1), &stream).unwrap_err().code(), "INVALID_ARGUMENT");
    }
}

// A89, for what lies on somebody else's disk.
#[test]
fn no_bit_of_a_stream_can_be_changed_and_no_byte_be_missing() {
    let stream = sealed(&[b"one", b"two", b""]).concat();
    for bit in 0..stream.len() * 8 {
        let mut changed = stream.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(opened(&vault(2), &changed).is_err(), "bit {bit}");
    }
    for length in 0..stream.len() {
        assert!(opened(&vault(2), &stream[..length]).is_err(), "{length} bytes");
    }
    assert!(opened(&vault(2), &[&stream[..], b"x"].concat()).is_err(), "a byte more");
}

// A88
#[test]
fn frames_stand_in_their_own_place_of_their_own_stream_alone() {
    let [header, one, two, end] = sealed(&[b"one", b"two", b""]).try_into().unwrap();
    let foreign = sealed(&[b"one", b"two", b""]).swap_remove(1);
    for (what, parts) in [
        ("exchanged", [&header, &two, &one, &end].as_slice()),
        ("left out", &[&header, &one, &end]),
        ("repeated", &[&header, &one, &one, &two, &end]),
        ("ended early", &[&header, &end]),
        ("of another stream", &[&header, &foreign, &two, &end]),
    ] {
        let stream = parts.iter().copied().flatten().copied().collect::<Vec<_>>();
        assert_eq!(opened(&vault(2), &stream).unwrap_err().code(), "INTEGRITY_FAILED", "{what}");
    }
}

#[test]
fn a_recipient_is_written_and_read_to_the_letter() {
    let recipient = vault(1).recipient().unwrap();
    let text = recipient.to_string();
    assert_eq!((text.len(), Recipient::parse(&format!(" {text}\n")).unwrap()), (PREFIX.len() + 48, recipient));
    assert_eq!(vault(1).recipient().unwrap(), recipient, "it is always the same");
    assert_ne!(vault(2).recipient().unwrap(), recipient);
    for index in 0..text.len() {
        let mut mistyped = text.clone().into_bytes();
        mistyped[index] = if mistyped[index] == b'A' { b'B' } else { b'A' };
        assert!(Recipient::parse(std::str::from_utf8(&mistyped).unwrap()).is_err(), "character {index}");
    }
    for wrong in ["", PREFIX, &text[..text.len() - 1], &format!("{text}A"), &text[PREFIX.len()..]] {
        assert_eq!(Recipient::parse(wrong).unwrap_err().code(), "INVALID_ARGUMENT");
    }
}

/// RFC 7748 §6.1: keys of small order agree on nothing.
#[test]
fn nothing_is_sealed_for_a_key_that_is_none() {
    assert_eq!(vault(1).send(&Recipient([0; 32]), &SystemRandom).unwrap_err().code(), "INVALID_ARGUMENT");
}

#[test]
fn a_newer_form_is_told_from_a_damaged_one() {
    let mut stream = sealed(&[b""]).concat();
    stream[MAGIC.len()] = 2;
    let error = opened(&vault(2), &stream).unwrap_err().to_string();
    assert!(error.contains("2.1") && error.contains("update onbehalf"), "{error}");
}

#[test]
fn the_length_of_a_text_shows_in_steps_of_64_bytes() {
    let lengths = [0, 63, 64].map(|length| sealed(&[&vec![7; length]])[1].len());
    assert_eq!((lengths[0], lengths[2]), (lengths[1], lengths[1] + 64));
}

#[test]
fn a_stream_prints_nothing_of_its_key() {
    let (stream, header) = vault(1).send(&vault(2).recipient().unwrap(), &SystemRandom).unwrap();
    assert_eq!(format!("{stream:?}"), "Outgoing { frames: 0, .. }");
    let (head, tail) = header.split_first_chunk().unwrap();
    assert_eq!(format!("{:?}", vault(2).receive(head, tail).unwrap()), "Incoming { frames: 0, .. }");
}
