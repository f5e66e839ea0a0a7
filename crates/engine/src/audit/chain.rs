//! The chain: every record tied to the one before it, whoever wrote them.
//!
//! Records are committed without a place, so that two commits never wait for each other here. A task of each instance
//! gives those that have none their places, many at once; the one whose commit moves the head has done it, and the others
//! find nothing left to do. So does whoever reads records.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use data_encoding::HEXLOWER;
use tokio::sync::Notify;

use crate::{
    Engine, Error, Result,
    random::{Random, base62},
    rows::RecordsHead,
    store::{Commit, RecordRow},
    time::Timestamp,
};

/// How long a record may wait for others that are linked with it.
const GATHERING: Duration = Duration::from_secs(1);
/// How many are linked in one commit, and read at once.
const TOGETHER: u32 = 200;

/// How the engine wakes the task that links records.
#[derive(Debug, Default)]
pub(crate) struct Linker {
    written: Arc<Notify>,
    made: AtomicU32,
}

impl Linker {
    /// A record may have been committed.
    pub(crate) fn hear(&self) {
        self.written.notify_one();
    }

    /// The id of a record that is about to be committed: the moment, so that records are linked in the order in which they
    /// were made; a count, for those of one millisecond; and 96 random bits.
    pub(crate) fn id(&self, at: Timestamp, random: &dyn Random) -> Result<String> {
        self.hear();
        let moment = at.as_millis().max(0).to_be_bytes();
        let count = self.made.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        Ok(format!("rec_{}", base62(&[&moment[2..], &count, &random.bytes::<12>()?].concat())))
    }
}

/// A place in the chain that can be kept elsewhere: a chain that has lost it was cut or rolled back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// How many records there were.
    pub number: u64,
    /// The last one's link, in hexadecimal.
    pub link: String,
}

/// What was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The end of the chain. Keep it where nobody who can write to the store can.
    pub end: Checkpoint,
}

impl Engine {
    /// Walks the whole chain of records, of all organizations: every record is as it was written, none is missing, and
    /// none was put in or moved. With a checkpoint of an earlier walk, also that the chain still goes through it: that
    /// the store was not rolled back to before it.
    ///
    /// It reads every record once, and holds none of them; it takes about as long as reading them.
    ///
    /// # Errors
    /// `INTEGRITY_FAILED` says at which number the chain breaks.
    pub async fn verify_records(&self, since: Option<&Checkpoint>) -> Result<Verified> {
        self.ensure_open()?;
        self.link_records().await?;
        let head = self.rows.records_head().await?;
        let mut walked = RecordsHead { version: head.version, ..RecordsHead::default() };
        let mut passed = since.is_none_or(|since| since.number == 0);
        while walked.number < head.number {
            let mut rows = self.rows.store.chain(walked.number, TOGETHER).await?;
            // What others have linked since is not in question.
            rows.retain(|row| row.number.is_some_and(|number| number <= head.number));
            if rows.is_empty() {
                return Err(broken(walked.number + 1));
            }
            for row in rows {
                walked = self.rows.follow(&walked, row)?;
                let here = since.filter(|since| i64::try_from(since.number) == Ok(walked.number));
                if let Some(since) = here {
                    if HEXLOWER.encode(&walked.link) != since.link.to_ascii_lowercase() {
                        return Err(broken(walked.number));
                    }
                    passed = true;
                }
            }
        }
        if walked != head || !passed {
            return Err(broken(walked.number + 1));
        }
        let number = u64::try_from(head.number).unwrap_or_default();
        Ok(Verified { end: Checkpoint { number, link: HEXLOWER.encode(&head.link) } })
    }

    /// Gives every record that is committed its place in the chain.
    ///
    /// # Errors
    /// Those of the store; `INTEGRITY_FAILED` for a record that was changed, behind which nothing is linked any more.
    pub(crate) async fn link_records(&self) -> Result<()> {
        loop {
            let rows = self.rows.store.records_unlinked(TOGETHER).await?;
            if rows.is_empty() {
                return Ok(());
            }
            let is_last = rows.len() < TOGETHER as usize;
            let head = self.rows.records_head().await?;
            let records: Vec<_> =
                rows.into_iter().map(|row: RecordRow| self.rows.read_record(row)).collect::<Result<_>>()?;
            let (changes, _) = self.rows.link_records(&head, &records);
            // Where somebody else was faster, what is left is looked for again.
            if self.rows.commit(changes).await? == Commit::Applied && is_last {
                return Ok(());
            }
        }
    }

    /// Goes on linking what is committed, and was by an earlier process, until the environment closes. A store in memory,
    /// which nobody else can change, needs none of that: its records are linked when they are read.
    pub(crate) fn go_on_linking(self: &Arc<Self>) {
        self.linker.hear();
        let (engine, closing, written) = (Arc::downgrade(self), self.closing.clone(), self.linker.written.clone());
        self.spawn(async move {
            let _ = closing.run_until_cancelled(link_what_is_written(engine, written)).await;
        });
    }
}

async fn link_what_is_written(engine: Weak<Engine>, written: Arc<Notify>) {
    loop {
        written.notified().await;
        tokio::time::sleep(GATHERING).await;
        // An instance that was dropped and not closed must not live on in this task.
        let Some(engine) = engine.upgrade() else { return };
        if let Err(error) = engine.link_records().await {
            tracing::warn!(code = error.code(), "records are linked later");
        }
    }
}

fn broken(number: i64) -> Error {
    Error::IntegrityFailed { what: format!("the chain of records, at number {number},") }
}
