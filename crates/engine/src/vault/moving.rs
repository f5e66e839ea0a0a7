//! What moves to another environment: a stream of frames that nobody but that environment's vault can open.
//!
//! A header gives the recipient the key of this one stream, by HPKE in base mode (RFC 9180) with X25519, HKDF-SHA-256 and
//! AES-256-GCM. Each frame is sealed under that key by the vault's own suite, bound to its number and to whether it is
//! the last: none can be changed, left out, exchanged or cut off. The recipient's key pair follows from its root key, so
//! there is nothing to keep. Anybody can seal for a recipient; a stream does not prove who did.
//!
//! ```text
//! header   magic(8) ‖ version ‖ suite ‖ recipient(32) ‖ length ‖ sender's store id ‖ encapsulated(32) ‖ sealed key(48)
//! frame    length(u32, big-endian) ‖ 0, or 1 for the last ‖ salt ‖ commitment ‖ ciphertext ‖ tag
//! ```

use std::fmt;

use aws_lc_rs::{
    agreement::{PrivateKey, X25519},
    digest::{SHA256, digest},
};
use data_encoding::BASE64URL_NOPAD;
use tokio_rustls::rustls::crypto::{
    aws_lc_rs::hpke::DH_KEM_X25519_HKDF_SHA256_AES_256 as HPKE,
    hpke::{EncapsulatedSecret, Hpke as _, HpkePrivateKey, HpkePublicKey},
};
use zeroize::Zeroizing;

use super::{
    encoding, padding,
    suite::{self, Key},
};
use crate::{Error, Result, random::Random};

const MAGIC: &[u8; 8] = b"ONBHMOVE";
const VERSION: u8 = 1;
const SUITE: u8 = 1;
const PUBLIC_KEY: usize = 32;
const SEALED_KEY: usize = 32 + 16;
const CHECKSUM: usize = 4;

/// What a recipient's text begins with.
const PREFIX: &str = "onbehalf-recipient:";

/// How long the beginning of a frame is, which says how long the rest is.
pub const FRAME_HEAD: usize = 5;

/// No frame is longer: many times what the largest credential takes.
const LONGEST: usize = 8 * 1024 * 1024;

/// The environment that a stream is for: the public half of its key pair.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Recipient([u8; PUBLIC_KEY]);

impl Recipient {
    /// Reads the text that [`Display`](fmt::Display) writes. A checksum in it tells a mistyped one.
    ///
    /// # Errors
    /// [`InvalidArgument`](Error::InvalidArgument) for anything else.
    pub fn parse(text: &str) -> Result<Self> {
        let decoded = text.trim().strip_prefix(PREFIX).and_then(|key| BASE64URL_NOPAD.decode(key.as_bytes()).ok());
        let recipient = decoded.and_then(|bytes| {
            let (key, check) = bytes.split_first_chunk::<PUBLIC_KEY>()?;
            (*check == checksum(key)).then_some(Self(*key))
        });
        recipient.ok_or_else(|| {
            Error::invalid("recipient", "must be what `movingKey` returned where the accounts move to, to the letter")
        })
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [&self.0[..], &checksum(&self.0)].concat();
        write!(f, "{PREFIX}{}", BASE64URL_NOPAD.encode(&bytes))
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn checksum(key: &[u8; PUBLIC_KEY]) -> [u8; CHECKSUM] {
    let digest = digest(&SHA256, &encoding::join(&[b"onbehalf/v1/recipient", key]));
    *digest.as_ref().first_chunk().expect("a SHA-256 digest has 32 bytes")
}

/// Where in its stream a frame stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame {
    /// Another one follows.
    Inner,
    /// The stream ends with it.
    Last,
}

impl Frame {
    fn byte(self) -> u8 {
        match self {
            Self::Inner => 0,
            Self::Last => 1,
        }
    }
}

/// A stream on its way out.
pub struct Outgoing {
    key: Key,
    frames: u64,
}

impl Outgoing {
    /// Begins a stream from the store of that id; returns its header too.
    pub(super) fn begin(store_id: &str, recipient: &Recipient, random: &dyn Random) -> Result<(Self, Vec<u8>)> {
        let mut key = Key::default();
        random.fill(&mut *key)?;
        let mut header = [&MAGIC[..], &[VERSION, SUITE], &recipient.0].concat();
        header.push(u8::try_from(store_id.len()).expect("a store's id is shorter than 256 bytes"));
        header.extend_from_slice(store_id.as_bytes());
        // What it draws to encapsulate comes from the system's generator, as TLS's keys do.
        let (encapsulated, sealed) = HPKE
            .seal(&info(&header), &[], &*key, &HpkePublicKey(recipient.0.to_vec()))
            .map_err(|_| Error::invalid("recipient", "is no key that anything can be sealed for"))?;
        header.extend_from_slice(&encapsulated.0);
        header.extend_from_slice(&sealed);
        Ok((Self { key, frames: 0 }, header))
    }

    /// Appends the next frame to `stream`.
    ///
    /// # Errors
    /// As [`Random::fill`].
    pub fn seal(&mut self, stream: &mut Vec<u8>, frame: Frame, text: &[u8], random: &dyn Random) -> Result<()> {
        let length = suite::OVERHEAD + padding::padded_length(text.len());
        let announced = u32::try_from(length).ok().filter(|_| length <= LONGEST);
        let announced = announced.ok_or_else(|| Error::Internal { reason: "a record is too large to move".into() })?;
        stream.extend_from_slice(&announced.to_be_bytes());
        stream.push(frame.byte());
        suite::seal(stream, &self.key, &aad(self.frames, frame), &padding::pad(text), random)?;
        self.frames += 1;
        Ok(())
    }
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing").field("frames", &self.frames).finish_non_exhaustive()
    }
}

/// A stream that came in.
pub struct Incoming {
    key: Key,
    frames: u64,
}

/// How long the header's part is that is always there; its last byte says how much more there is.
pub const HEADER_HEAD: usize = MAGIC.len() + 2 + PUBLIC_KEY + 1;

/// How many bytes of the header follow `head`.
pub fn header_tail(head: &[u8; HEADER_HEAD]) -> usize {
    usize::from(head[HEADER_HEAD - 1]) + PUBLIC_KEY + SEALED_KEY
}

impl Incoming {
    /// Opens the stream that this header begins.
    pub(super) fn open(secret: &Key, recipient: &Recipient, head: &[u8; HEADER_HEAD], tail: &[u8]) -> Result<Self> {
        if !head.starts_with(MAGIC) {
            return Err(Error::invalid("path", "is no file that `exportAccounts` made"));
        }
        let [version, suite] = [head[MAGIC.len()], head[MAGIC.len() + 1]];
        if (version, suite) != (VERSION, SUITE) {
            let problem =
                format!("has the form {version}.{suite}, and this version knows {VERSION}.{SUITE}; update onbehalf");
            return Err(Error::invalid("path", problem));
        }
        if head[MAGIC.len() + 2..HEADER_HEAD - 1] != recipient.0 {
            return Err(Error::invalid(
                "path",
                "is sealed for another environment; export with the `movingKey` of this one",
            ));
        }
        let altered = || Error::IntegrityFailed { what: "the file's header".into() };
        let end_of_name = tail.len().checked_sub(PUBLIC_KEY + SEALED_KEY).ok_or_else(altered)?;
        let (name, rest) = tail.split_at(end_of_name);
        let (encapsulated, sealed) = rest.split_at(PUBLIC_KEY);
        let info = info(&[&head[..], name].concat());
        let secret = HpkePrivateKey::from(secret.to_vec());
        let opened = HPKE.open(&EncapsulatedSecret(encapsulated.to_vec()), &info, &[], sealed, &secret);
        let opened = Zeroizing::new(opened.map_err(|_| altered())?);
        let key = opened.first_chunk().ok_or_else(altered)?;
        Ok(Self { key: Key::new(*key), frames: 0 })
    }

    /// How many bytes follow the beginning of a frame, and which frame it claims to be.
    ///
    /// # Errors
    /// [`IntegrityFailed`](Error::IntegrityFailed) for what no frame begins with.
    pub fn read_head(&self, head: &[u8; FRAME_HEAD]) -> Result<(usize, Frame)> {
        let [length @ .., kind] = head;
        let length = u32::from_be_bytes(*length) as usize;
        let frame = [Frame::Inner, Frame::Last].into_iter().find(|frame| frame.byte() == *kind);
        match frame {
            Some(frame) if length <= LONGEST => Ok((length, frame)),
            _ => Err(self.altered()),
        }
    }

    /// Opens the next frame.
    ///
    /// # Errors
    /// [`IntegrityFailed`](Error::IntegrityFailed) unless it is the next one of this stream, whole and unchanged.
    pub fn open_frame(&mut self, frame: Frame, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        let text = suite::open(&self.key, &aad(self.frames, frame), sealed).and_then(padding::unpad);
        let text = text.ok_or_else(|| self.altered())?;
        self.frames += 1;
        Ok(text)
    }

    /// What to say of the next frame when it is none.
    pub fn altered(&self) -> Error {
        Error::IntegrityFailed { what: format!("frame {} of the file", self.frames + 1) }
    }
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming").field("frames", &self.frames).finish_non_exhaustive()
    }
}

/// The recipient that a secret half belongs to.
pub(super) fn recipient(secret: &Key) -> Result<Recipient> {
    let public = PrivateKey::from_private_key(&X25519, &**secret).and_then(|key| {
        let public = key.compute_public_key()?;
        Ok(public.as_ref().first_chunk::<PUBLIC_KEY>().copied())
    });
    public.ok().flatten().map(Recipient).ok_or_else(|| Error::Internal { reason: "a key pair cannot be made".into() })
}

/// All of the header that stands before the encapsulated key, which HPKE binds by itself.
fn info(header: &[u8]) -> Vec<u8> {
    encoding::join(&[b"onbehalf/v1/moving", header])
}

fn aad(number: u64, frame: Frame) -> Vec<u8> {
    encoding::join(&[b"onbehalf/v1/moving/frame", &number.to_be_bytes(), &[frame.byte()]])
}

#[cfg(test)]
#[path = "moving_tests.rs"]
mod tests;
