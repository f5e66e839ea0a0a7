//! How a slot holds its entry: behind a checksum, so that one that a crash tore counts as empty.

use aws_lc_rs::digest;

/// A slot's first bytes: what it is, and the version of its form.
pub(super) const MAGIC: [u8; 8] = *b"obhfjrn1";

/// Magic, sequence (8 bytes), length (4 bytes), both little-endian, and the SHA-256 of all that and the entry.
pub(super) const HEADER: usize = CHECKSUM_AT + digest::SHA256_OUTPUT_LEN;
const CHECKSUM_AT: usize = 8 + 8 + 4;

pub(super) fn encode(sequence: u64, sealed: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + sealed.len());
    bytes.extend(MAGIC);
    bytes.extend(sequence.to_le_bytes());
    bytes.extend((sealed.len() as u32).to_le_bytes());
    let checksum = checksum(&bytes, sealed);
    bytes.extend(checksum.as_ref());
    bytes.extend(sealed);
    bytes
}

/// The sequence and the entry of a slot; nothing when it is empty or was torn.
pub(super) fn decode(slot: &[u8]) -> Option<(u64, &[u8])> {
    let (header, rest) = slot.split_at_checked(HEADER)?;
    let (head, sum) = header.split_at_checked(CHECKSUM_AT)?;
    let (sequence, length) = head.strip_prefix(&MAGIC)?.split_at_checked(8)?;
    let length = u32::from_le_bytes(length.try_into().ok()?);
    let sealed = rest.get(..usize::try_from(length).ok()?)?;
    (checksum(head, sealed).as_ref() == sum).then_some((u64::from_le_bytes(sequence.try_into().ok()?), sealed))
}

fn checksum(head: &[u8], sealed: &[u8]) -> digest::Digest {
    let mut digest = digest::Context::new(&digest::SHA256);
    digest.update(head);
    digest.update(sealed);
    digest.finish()
}
