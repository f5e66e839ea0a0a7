//! Padding to whole buckets of 64 bytes, so that a ciphertext's length does not tell a token's.
//!
//! A one bit, then zeros (ISO/IEC 7816-4): there is always at least one byte of it, so it comes off in one way only.

use zeroize::Zeroizing;

/// Padded texts are a multiple of this long.
pub(super) const BUCKET: usize = 64;

const MARK: u8 = 0x80;

/// How long a text of `length` bytes is with its padding.
pub(super) const fn padded_length(length: usize) -> usize {
    (length / BUCKET + 1) * BUCKET
}

/// The text and its padding.
pub(super) fn pad(text: &[u8]) -> Zeroizing<Vec<u8>> {
    let length = padded_length(text.len());
    // At its full size from the start: growing would leave copies of the text behind.
    let mut padded = Zeroizing::new(Vec::with_capacity(length));
    padded.extend_from_slice(text);
    padded.push(MARK);
    padded.resize(length, 0);
    padded
}

/// Takes the padding off; nothing when `padded` is not what [`pad`] gives.
pub(super) fn unpad(mut padded: Zeroizing<Vec<u8>>) -> Option<Zeroizing<Vec<u8>>> {
    let length = padded.iter().rposition(|&byte| byte != 0)?;
    if padded[length] != MARK || padded.len() != padded_length(length) {
        return None;
    }
    padded.truncate(length);
    Some(padded)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn there_is_always_padding_and_never_a_whole_bucket_too_much() {
        for (length, padded) in [(0, 64), (1, 64), (63, 64), (64, 128), (65, 128), (127, 128), (128, 192)] {
            assert_eq!(pad(&vec![b'x'; length]).len(), padded, "{length} bytes");
        }
    }

    #[test]
    fn what_pad_does_not_give_is_refused() {
        let mut short = pad(b"text").to_vec();
        short.pop();
        let mut long = pad(b"text").to_vec();
        long.resize(2 * BUCKET, 0);
        let mut marked_wrong = pad(b"text").to_vec();
        marked_wrong[4] = 0x81;
        for padded in [Vec::new(), vec![0; BUCKET], short, long, marked_wrong] {
            assert!(unpad(Zeroizing::new(padded)).is_none());
        }
    }

    proptest! {
        #[test]
        fn padding_comes_off_as_it_went_on(text in prop::collection::vec(prop::sample::select(vec![0, MARK, b'x']), 0..200)) {
            prop_assert_eq!(unpad(pad(&text)).unwrap().to_vec(), text);
        }
    }
}
