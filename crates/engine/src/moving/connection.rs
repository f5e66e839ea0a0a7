//! A connection that moves in: made where there is none of its name, and left as it is where there is one.

use std::sync::Arc;

use super::record::ConnectionRecord;
use crate::{
    Engine, Error, Result,
    rows::StoredConnection,
    store::{Commit, ConnectionKey},
};

impl Engine {
    /// Refuses a connection that could not be taken in, or whose accounts could not be used, and writes nothing.
    pub(super) async fn check_arriving(&self, record: &ConnectionRecord) -> Result<()> {
        self.arriving(record).await.map(drop)
    }

    /// The connection that the record's accounts belong to from now on.
    pub(super) async fn take_connection(&self, record: &ConnectionRecord) -> Result<Arc<StoredConnection>> {
        loop {
            let mut wanted = match self.arriving(record).await? {
                Arriving::Found(connection) => return Ok(connection),
                Arriving::New(wanted) => wanted,
            };
            if self.rows.connection(&wanted.organization, ConnectionKey::Id(&wanted.id)).await?.is_some() {
                wanted.id = self.random.id("conn")?;
            }
            if self.insert_connection(&wanted).await? == Commit::Applied {
                tracing::info!(connection.name = wanted.name, "a connection was imported");
            }
        }
    }

    async fn arriving(&self, record: &ConnectionRecord) -> Result<Arriving> {
        let wanted = record.as_new(self.clock.now())?;
        let connector = self.catalogue.connector(&wanted.connector)?;
        let method = connector.method(Some(&wanted.config.auth_method));
        let (_, method) = method.ok_or_else(|| Error::NotSupported {
            what: format!("auth method `{}` of connector `{}`", wanted.config.auth_method, wanted.connector),
        })?;
        self.check_connection(&wanted, connector, method)?;
        match self.find_connection(&wanted.organization, &record.name()?).await? {
            None => Ok(Arriving::New(Box::new(wanted))),
            Some(found) if self.is_same_app(&found, &wanted) => Ok(Arriving::Found(found)),
            Some(found) => {
                let problem = format!(
                    "holds a connection `{0}` of another app or connector than `{0}` is of here, whose credentials would not work; rename or change one of them and import again",
                    found.name
                );
                Err(Error::invalid("path", problem))
            }
        }
    }

    /// Whether a credential that was granted to one of them works with the other.
    fn is_same_app(&self, found: &StoredConnection, wanted: &StoredConnection) -> bool {
        found.connector == wanted.connector && self.binding(found).ok() == self.binding(wanted).ok()
    }
}

/// What becomes of a connection in a file.
enum Arriving {
    /// There is one of its name, for the same app.
    Found(Arc<StoredConnection>),
    /// It is made.
    New(Box<StoredConnection>),
}
