//! Randomness as an argument, and the two things made of it: ids and one-time tokens.

use aws_lc_rs::rand::SecureRandom as _;

use crate::{Error, Result, secret::Secret};

/// Where unpredictable bytes come from.
pub trait Random: Send + Sync + 'static {
    /// Fills `buffer`.
    ///
    /// # Errors
    /// `INTERNAL` when the system gives no random bytes: there is no weaker fallback.
    fn fill(&self, buffer: &mut [u8]) -> Result<()>;
}

/// The operating system's generator, through aws-lc.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    #[expect(clippy::disallowed_methods, reason = "the one home of randomness")]
    fn fill(&self, buffer: &mut [u8]) -> Result<()> {
        aws_lc_rs::rand::SystemRandom::new()
            .fill(buffer)
            .map_err(|_| Error::Internal { reason: "the system gives no random bytes".into() })
    }
}

impl dyn Random {
    /// `N` random bytes.
    ///
    /// # Errors
    /// As [`Random::fill`].
    pub fn bytes<const N: usize>(&self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    /// A number from 0 to 1.
    ///
    /// # Errors
    /// As [`Random::fill`].
    pub fn fraction(&self) -> Result<f64> {
        Ok(f64::from(u32::from_be_bytes(self.bytes()?)) / f64::from(u32::MAX))
    }

    /// A prefixed public id of 128 random bits, such as `conn_3sDq…`.
    ///
    /// # Errors
    /// As [`Random::fill`].
    pub fn id(&self, prefix: &str) -> Result<String> {
        Ok(format!("{prefix}_{}", base62(&self.bytes::<16>()?)))
    }

    /// A one-time secret of 256 random bits, 43 base62 characters (a link, a state, a nonce, a cookie).
    ///
    /// # Errors
    /// As [`Random::fill`].
    pub fn token(&self) -> Result<Secret> {
        Ok(Secret::from(base62(&self.bytes::<32>()?)))
    }
}

/// `bytes` as a number in base 62, padded to the length that any number of that many bytes needs.
///
/// Base 62 because some providers take nothing else in `state` (WeChat: `[a-zA-Z0-9]`).
pub(crate) fn base62(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut number = bytes.to_vec();
    // 62^1.3437 > 256: so many digits hold every value of a byte.
    let length = (bytes.len() * 13_437).div_ceil(10_000);
    let mut digits = vec![DIGITS[0]; length];
    for digit in digits.iter_mut().rev() {
        let mut remainder = 0u32;
        for byte in &mut number {
            let value = remainder << 8 | u32::from(*byte);
            *byte = (value / 62) as u8;
            remainder = value % 62;
        }
        *digit = DIGITS[remainder as usize];
    }
    zeroize::Zeroize::zeroize(&mut number);
    digits.into_iter().map(char::from).collect()
}
