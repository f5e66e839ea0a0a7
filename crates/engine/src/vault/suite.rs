//! Suite 1: encryption that commits to its key, made of HKDF-SHA-512 and AES-256-GCM.
//!
//! Every message gets a key of its own, derived from the caller's key and 256 fresh random bits, so no nonce can ever
//! repeat and the number of messages has no bound. GCM alone lets one ciphertext open under two keys; the commitment
//! rules that out, and it is compared first, in constant time (A94, A95). The bytes are in `docs/vault-format.md`.

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    digest::{SHA512, digest},
    hkdf::{HKDF_SHA512, KeyType, Prk, Salt},
};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::{Error, Result, random::Random};

/// A key, or anything else that HKDF gives: 32 bytes that are wiped.
pub(super) type Key = Zeroizing<[u8; 32]>;

/// The first two bytes of everything the vault seals: the format's version, then the suite.
pub(super) const HEADER: [u8; 2] = [1, 1];

const SALT: usize = 32;
const COMMITMENT: usize = 32;
const TAG: usize = 16;

/// By how much a sealed message is longer than the message.
pub(super) const OVERHEAD: usize = SALT + COMMITMENT + TAG;

/// Appends `salt ‖ commitment ‖ ciphertext ‖ tag` to `out`.
pub(super) fn seal(out: &mut Vec<u8>, key: &Key, aad: &[u8], message: &[u8], random: &dyn Random) -> Result<()> {
    let salt = random.bytes::<SALT>()?;
    let keys = MessageKeys::derive(key, &salt, aad);
    out.reserve_exact(OVERHEAD + message.len());
    out.extend_from_slice(&salt);
    out.extend_from_slice(&*keys.commitment);
    let start = out.len();
    out.resize(start + message.len() + TAG, 0);
    let (ciphertext, tag) = out[start..].split_at_mut(message.len());
    // From one buffer into another: the message is never copied to where it would not be wiped.
    keys.cipher()
        .seal_out_of_place_scatter(nonce(), Aad::from(aad), message, ciphertext, &[], tag)
        .map_err(|_| Error::Internal { reason: "the cipher refused a message".into() })
}

/// The message of `salt ‖ commitment ‖ ciphertext ‖ tag`; nothing unless every byte, the key and `aad` are right.
pub(super) fn open(key: &Key, aad: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (salt, rest) = sealed.split_first_chunk::<SALT>()?;
    let (commitment, rest) = rest.split_first_chunk::<COMMITMENT>()?;
    let (ciphertext, tag) = rest.split_last_chunk::<TAG>()?;
    let keys = MessageKeys::derive(key, salt, aad);
    if !bool::from(keys.commitment.ct_eq(commitment)) {
        return None;
    }
    let mut message = Zeroizing::new(vec![0; ciphertext.len()]);
    keys.cipher().open_separate_gather(nonce(), Aad::from(aad), ciphertext, tag, &mut message).ok()?;
    Some(message)
}

/// What one message is encrypted with.
struct MessageKeys {
    encryption: Key,
    commitment: Key,
}

impl MessageKeys {
    fn derive(key: &Key, salt: &[u8; SALT], aad: &[u8]) -> Self {
        let prk = extract(salt, key);
        let hash = digest(&SHA512, aad);
        Self {
            encryption: expand(&prk, &[b"onbehalf/v1/enc", hash.as_ref()]),
            commitment: expand(&prk, &[b"onbehalf/v1/commit", hash.as_ref()]),
        }
    }

    fn cipher(&self) -> LessSafeKey {
        LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &*self.encryption).expect("an AES-256 key has 32 bytes"))
    }
}

/// All zero: the key is used for this one message.
fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

/// HKDF-Extract (RFC 5869 §2.2).
pub(super) fn extract(salt: &[u8], secret: &Key) -> Prk {
    Salt::new(HKDF_SHA512, salt).extract(&**secret)
}

/// HKDF-Expand to 32 bytes (RFC 5869 §2.3), under the concatenation of `info`.
pub(super) fn expand(prk: &Prk, info: &[&[u8]]) -> Key {
    let mut key = Key::default();
    prk.expand(info, Length).and_then(|okm| okm.fill(&mut *key)).expect("32 bytes are within what HKDF-SHA-512 gives");
    key
}

/// The one length that keys have.
struct Length;

impl KeyType for Length {
    fn len(&self) -> usize {
        Key::default().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SystemRandom;

    fn sealed(key: u8, aad: &[u8]) -> Vec<u8> {
        let mut sealed = Vec::new();
        seal(&mut sealed, &Key::new([key; 32]), aad, b"message", &SystemRandom).unwrap();
        sealed
    }

    #[test]
    fn a_message_opens_under_its_own_key_and_aad_alone() {
        let sealed = sealed(1, b"aad");
        assert_eq!(**open(&Key::new([1; 32]), b"aad", &sealed).unwrap(), *b"message");
        assert!(open(&Key::new([2; 32]), b"aad", &sealed).is_none());
        assert!(open(&Key::new([1; 32]), b"aae", &sealed).is_none());
        assert!(open(&Key::new([1; 32]), b"", &sealed).is_none());
    }

    // A94: with GCM alone, whoever knows both keys can make one ciphertext that opens under each. Here even the forger
    // who gets everything else right for a second key fails, because the commitment names the first.
    #[test]
    fn a_ciphertext_made_for_two_keys_opens_under_the_committed_one_alone() {
        let (first, second, salt) = (Key::new([1; 32]), Key::new([2; 32]), [7; SALT]);
        let (ours, theirs) = (MessageKeys::derive(&first, &salt, b"aad"), MessageKeys::derive(&second, &salt, b"aad"));
        let mut text = b"message".to_vec();
        let tag = theirs.cipher().seal_in_place_separate_tag(nonce(), Aad::from(b"aad"), &mut text).unwrap();
        let forged = |commitment: &Key| [&salt[..], &commitment[..], &text, tag.as_ref()].concat();

        assert!(open(&second, b"aad", &forged(&theirs.commitment)).is_some(), "the forgery is sound but for this");
        assert!(open(&second, b"aad", &forged(&ours.commitment)).is_none());
        assert!(open(&first, b"aad", &forged(&ours.commitment)).is_none());
    }

    #[test]
    fn anything_shorter_than_an_empty_message_is_refused() {
        let sealed = sealed(1, b"");
        for length in 0..OVERHEAD {
            assert!(open(&Key::new([1; 32]), b"", &sealed[..length]).is_none());
        }
    }
}
