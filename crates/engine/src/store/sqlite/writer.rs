//! The thread that writes.
//!
//! SQLite has one writer at a time, and a commit waits for the disk; so one thread does all of it, and callers wait
//! without holding one. Commits that queue up while the disk is busy share the next transaction, and so one wait for
//! the disk.

use std::{
    iter,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread::JoinHandle,
    time::Duration,
};

use rusqlite::{Connection, config::DbConfig};
use tokio::sync::{oneshot, watch};

use super::{apply::apply_together, failure, readers::lock};
use crate::{
    Error, Result,
    store::{Change, Commit},
};

/// How many commits share a transaction: enough to make the disk's wait small, few enough to answer soon.
const TOGETHER: usize = 64;

/// The writing thread's other end. Dropping it finishes the commits that were accepted.
#[derive(Debug)]
pub(super) struct Writer {
    /// None when the store is closed.
    queue: Mutex<Option<mpsc::Sender<Job>>>,
    /// Nothing is ever sent: it closes when the thread has let go of the database.
    ended: watch::Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Job {
    changes: Vec<Change>,
    reply: oneshot::Sender<Result<Commit>>,
}

impl Writer {
    /// Starts the thread.
    pub(super) fn start(connection: Arc<Mutex<Connection>>, path: String) -> Result<Self> {
        let (queue, jobs) = mpsc::channel();
        let (ending, ended) = watch::channel(());
        let thread = std::thread::Builder::new().name("onbehalf-store".into()).spawn(move || {
            // Dropped last, also when a panic ends the thread: the word that the connection is gone.
            let _ending = ending;
            Thread { connection, path, lost_sync: false }.run(&jobs);
        });
        let thread = thread.map_err(|_| Error::StoreFailed { reason: "the system gives no thread".into() })?;
        Ok(Self { queue: Mutex::new(Some(queue)), ended, thread: Some(thread) })
    }

    /// Queues a commit and waits for it. It is carried out even if the caller stops waiting.
    pub(super) async fn commit(&self, changes: Vec<Change>) -> Result<Commit> {
        let (reply, answer) = oneshot::channel();
        let job = Job { changes, reply };
        let queued = self.queue.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|queue| queue.send(job));
        let stopped = || Error::Internal { reason: "the thread that writes has stopped".into() };
        queued.ok_or(Error::Closed)?.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }

    /// Accepts no more commits, and returns when those accepted are done and the database is closed.
    pub(super) async fn close(&self) {
        self.stop();
        // An error is the news: the thread has dropped its end.
        let _ = self.ended.clone().changed().await;
    }

    fn stop(&self) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

impl Drop for Writer {
    /// Waits for the thread, so that the store can be opened again at once. Nobody waits for a commit any more, so what
    /// is left is at most a few that callers gave up on.
    fn drop(&mut self) {
        self.stop();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Thread {
    connection: Arc<Mutex<Connection>>,
    path: String,
    /// See [`failure::lost_sync`].
    lost_sync: bool,
}

impl Thread {
    fn run(mut self, jobs: &mpsc::Receiver<Job>) {
        while let Ok(first) = jobs.recv() {
            self.serve(iter::once(first).chain(jobs.try_iter()).take(TOGETHER).collect());
        }
        self.finish();
    }

    fn serve(&mut self, mut jobs: Vec<Job>) {
        match self.apply(&jobs) {
            Ok(outcomes) => iter::zip(jobs, outcomes).for_each(|(job, outcome)| job.answer(Ok(outcome))),
            // One commit that doesn't fit (the disk, say) must not take the others with it.
            Err(refusal) if jobs.len() > 1 && !failure::concerns_all(&refusal) => {
                jobs.drain(..).for_each(|job| self.serve(vec![job]));
            }
            Err(refusal) => {
                let error = failure::meaning(&refusal, &self.path);
                jobs.into_iter().for_each(|job| job.answer(Err(error.clone())));
            }
        }
    }

    fn apply(&mut self, jobs: &[Job]) -> rusqlite::Result<Vec<Commit>> {
        if self.lost_sync {
            return Err(failure::sync_was_lost());
        }
        let commits: Vec<&[Change]> = jobs.iter().map(|job| job.changes.as_slice()).collect();
        let outcomes = apply_together(&mut lock(&self.connection), &commits);
        self.lost_sync = outcomes.as_ref().is_err_and(failure::lost_sync);
        outcomes
    }

    /// Moves the write-ahead log into the database, as far as other programs let it: what stays in the log is as
    /// durable, and the next opening reads it.
    fn finish(self) {
        let connection = lock(&self.connection);
        if self.lost_sync {
            let _ = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
            return;
        }
        let _ = connection.busy_timeout(Duration::ZERO);
        let _ = connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
    }
}

impl Job {
    fn answer(self, outcome: Result<Commit>) {
        // A caller that stopped waiting isn't told.
        let _ = self.reply.send(outcome);
    }
}
