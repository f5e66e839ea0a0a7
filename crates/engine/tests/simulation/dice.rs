//! All chance of a run, from its seed.

use std::{ops::Range, sync::Mutex, time::Duration};

use onbehalf_engine::{Result, random::Random};

/// SplitMix64: every seed gives a sequence of its own, and the same one each time.
#[derive(Debug)]
pub(crate) struct Dice(Mutex<u64>);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Mutex::new(seed))
    }

    pub(crate) fn roll(&self) -> u64 {
        let mut state = self.0.lock().unwrap();
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn between(&self, range: Range<u64>) -> u64 {
        range.start + self.roll() % (range.end - range.start)
    }

    pub(crate) fn seconds(&self, range: Range<u64>) -> Duration {
        Duration::from_millis(self.between(range.start * 1000..range.end * 1000))
    }

    /// Whether it happens, once in so many times; never for zero.
    pub(crate) fn once_in(&self, times: u64) -> bool {
        times > 0 && self.roll().is_multiple_of(times)
    }

    pub(crate) fn pick<T: Copy>(&self, among: &[T]) -> T {
        among[self.between(0..among.len() as u64) as usize]
    }
}

impl Random for Dice {
    fn fill(&self, buffer: &mut [u8]) -> Result<()> {
        for bytes in buffer.chunks_mut(8) {
            bytes.copy_from_slice(&self.roll().to_le_bytes()[..bytes.len()]);
        }
        Ok(())
    }
}
