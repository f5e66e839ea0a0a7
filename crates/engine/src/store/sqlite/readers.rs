//! The connections that read.
//!
//! A read runs where it is called, without a thread of its own: a row by its key takes microseconds, less than handing
//! it to another thread and back. With the write-ahead log a reader never waits for the writer.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError, RwLock,
    atomic::{AtomicUsize, Ordering},
};

use rusqlite::Connection;

use super::failure;
use crate::{Error, Result};

/// Connections, each for one reader at a time. None are left when the store is closed.
#[derive(Debug)]
pub(super) struct Readers {
    connections: RwLock<Vec<Arc<Mutex<Connection>>>>,
    /// Whose turn it is to be waited for when all are taken.
    turn: AtomicUsize,
    path: String,
}

impl Readers {
    pub(super) fn new(connections: Vec<Arc<Mutex<Connection>>>, path: String) -> Self {
        Self { connections: RwLock::new(connections), turn: AtomicUsize::new(0), path }
    }

    /// Runs `query` on a connection that is free, or the first that becomes so.
    pub(super) fn read<T>(&self, query: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        self.on(query, |connections| {
            let free = connections.iter().find_map(|connection| connection.try_lock().ok());
            free.unwrap_or_else(|| {
                let turn = self.turn.fetch_add(1, Ordering::Relaxed) % connections.len();
                lock(&connections[turn])
            })
        })
    }

    /// Runs `query` on the same connection every time, for what SQLite counts for each by itself.
    pub(super) fn watch<T>(&self, query: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        self.on(query, |connections| lock(&connections[0]))
    }

    fn on<T>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T>,
        choose: impl FnOnce(&[Arc<Mutex<Connection>>]) -> MutexGuard<'_, Connection>,
    ) -> Result<T> {
        let connections = self.connections.read().unwrap_or_else(PoisonError::into_inner);
        if connections.is_empty() {
            return Err(Error::Closed);
        }
        query(&choose(&connections)).map_err(|refusal| failure::meaning(&refusal, &self.path))
    }

    /// Lets the reads under way finish and closes the connections.
    pub(super) fn close(&self) {
        self.connections.write().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// A connection, even after a panic in another thread: SQLite takes back what that thread left unfinished.
pub(super) fn lock(connection: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}
