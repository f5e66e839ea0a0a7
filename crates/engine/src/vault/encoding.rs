//! Length prefixes: many byte strings as one, so that no two lists of parts give the same bytes.
//!
//! Joining with a separator would let `a:b`, `c` and `a`, `b:c` stand for each other (A80).

/// `LP(a) ‖ LP(b) ‖ …`, where `LP(x)` is the length of `x` as a big-endian `u32`, then `x`.
pub(super) fn join(parts: &[&[u8]]) -> Vec<u8> {
    let mut joined = Vec::with_capacity(parts.iter().map(|part| 4 + part.len()).sum());
    for part in parts {
        push(&mut joined, part);
    }
    joined
}

/// Appends `LP(part)`.
pub(super) fn push(joined: &mut Vec<u8>, part: &[u8]) {
    let length = u32::try_from(part.len()).expect("names and columns are shorter than 4 GiB");
    joined.extend_from_slice(&length.to_be_bytes());
    joined.extend_from_slice(part);
}

/// Takes the first part off. That this is possible is why no two lists of parts join alike.
#[cfg(test)]
pub(super) fn take<'a>(joined: &mut &'a [u8]) -> &'a [u8] {
    let length = joined.split_off(..4).unwrap().try_into().unwrap();
    joined.split_off(..u32::from_be_bytes(length) as usize).unwrap()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        // What can be taken apart in one way only was put together in one way only: this holds for all pairs at once.
        #[test]
        fn what_was_joined_comes_apart_as_it_was(
            parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..5), 0..5),
        ) {
            let joined = join(&parts.iter().map(Vec::as_slice).collect::<Vec<_>>());
            let mut rest = &joined[..];
            for part in &parts {
                prop_assert_eq!(take(&mut rest), part);
            }
            prop_assert!(rest.is_empty());
        }
    }

    #[test]
    fn moving_a_byte_over_a_border_changes_the_whole() {
        let joined = [[&b"a:b"[..], b"c"], [b"a", b"b:c"], [b"a:bc", b""], [b"", b"a:bc"]].map(|parts| join(&parts));
        for (index, left) in joined.iter().enumerate() {
            assert!(joined[index + 1..].iter().all(|right| left != right));
        }
    }
}
