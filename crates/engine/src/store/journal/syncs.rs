//! Waits for the disk, shared among those who write at the same time.
//!
//! A sync takes along all that was written to the file before it began. So there is one at a time: whoever comes while
//! it runs waits for its end, and the next one serves all who came meanwhile.

use std::{
    io,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use crate::{Error, Result};

/// The syncs of one file.
#[derive(Debug, Default)]
pub(super) struct Syncs {
    /// How many writes were done. Each has its number by this.
    written: AtomicU64,
    /// How many of them, from the first on, are known to be durable. Held while a sync runs.
    durable: Mutex<u64>,
    /// The system could not say that a write reached the disk, so no further one is trusted to it.
    broken: AtomicBool,
}

impl Syncs {
    /// Returns when what the caller has just written is durable, by its own `sync` or by that of another.
    ///
    /// # Errors
    /// `STORE_FAILED` where a sync has failed, for all whom it would have served and for all later ones: the system may
    /// report the next attempt as done although the data is gone.
    pub(super) fn wait(&self, sync: impl FnOnce() -> io::Result<()>) -> Result<()> {
        // Counted after it was written: a sync that begins with this number or a later one in sight takes it along.
        let number = self.written.fetch_add(1, Ordering::AcqRel) + 1;
        let mut durable = self.durable.lock().unwrap_or_else(PoisonError::into_inner);
        if *durable >= number {
            return Ok(());
        }
        self.check()?;
        let covered = self.written.load(Ordering::Acquire);
        sync().map_err(|_| {
            self.broken.store(true, Ordering::Release);
            unconfirmed()
        })?;
        *durable = covered;
        Ok(())
    }

    /// Fails with `STORE_FAILED` once a sync has failed.
    pub(super) fn check(&self) -> Result<()> {
        if self.broken.load(Ordering::Acquire) { Err(unconfirmed()) } else { Ok(()) }
    }
}

fn unconfirmed() -> Error {
    Error::StoreFailed { reason: "the disk could not confirm a write; check it, then open the store again".into() }
}

#[cfg(test)]
mod tests {
    use std::{sync::atomic::AtomicUsize, thread};

    use super::*;

    const WRITERS: u64 = 16;

    /// Has all writers wait, the first sync being under way until all of them do; how they ended, and how many syncs
    /// that took.
    fn together(result: fn() -> io::Result<()>) -> (Vec<Result<()>>, usize) {
        let (syncs, count) = (Syncs::default(), AtomicUsize::new(0));
        let sync = || {
            count.fetch_add(1, Ordering::Relaxed);
            while syncs.written.load(Ordering::Acquire) < WRITERS {
                thread::yield_now();
            }
            result()
        };
        let ended = thread::scope(|scope| {
            let writers: Vec<_> = (0..WRITERS).map(|_| scope.spawn(|| syncs.wait(sync))).collect();
            writers.into_iter().map(|writer| writer.join().unwrap()).collect()
        });
        (ended, count.into_inner())
    }

    #[test]
    fn those_who_wait_for_a_sync_share_the_next() {
        let (ended, syncs) = together(|| Ok(()));
        assert!(ended.iter().all(Result::is_ok));
        assert!((1..=2).contains(&syncs), "{syncs}");
    }

    #[test]
    fn a_write_after_a_sync_has_one_of_its_own() {
        let (syncs, mut count) = (Syncs::default(), 0);
        for _ in 0..3 {
            let sync = || {
                count += 1;
                Ok(())
            };
            syncs.wait(sync).unwrap();
        }
        assert_eq!(count, 3);
    }

    #[test]
    fn a_sync_that_failed_is_not_tried_again() {
        let (ended, syncs) = together(|| Err(io::ErrorKind::Other.into()));
        assert!(ended.iter().all(Result::is_err));
        assert_eq!(syncs, 1);
    }
}
