//! A credential leaves the engine only after it is on record.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

use super::Action;
use crate::{
    Engine, Error, Result,
    rows::{RecordFacts, StoredAccount},
    store::Commit,
    time::Timestamp,
};

/// How many milliseconds one record speaks for.
const MINUTE: i64 = 60_000;

/// The accounts whose disclosure within the present minute is durable.
#[derive(Debug, Default)]
pub(crate) struct Disclosures {
    recent: Mutex<(i64, HashSet<String>)>,
}

impl Disclosures {
    fn is_on_record(&self, account_id: &str, now: Timestamp) -> bool {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.0 == minute(now) && recent.1.contains(account_id)
    }

    fn remember(&self, account_id: &str, at: Timestamp) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.0 != minute(at) {
            *recent = (minute(at), HashSet::new());
        }
        recent.1.insert(account_id.to_owned());
    }
}

impl Engine {
    /// Puts on record that the account's credential leaves the engine, unless that is on record for this minute. It must
    /// not leave when this fails.
    pub(crate) async fn record_disclosure(&self, account: &StoredAccount) -> Result<()> {
        let now = self.clock.now();
        if self.disclosures.is_on_record(&account.id, now) {
            return Ok(());
        }
        let of = RecordFacts::of_account(account);
        let record = self.record(&account.organization, Action::CredentialDisclosed, &of)?;
        match self.rows.commit(vec![record]).await? {
            Commit::Applied => {
                self.disclosures.remember(&account.id, now);
                Ok(())
            }
            // Its id is random: one that is taken was put there by something else.
            Commit::Conflict => Err(Error::IntegrityFailed { what: "a row of `records`".into() }),
        }
    }
}

fn minute(at: Timestamp) -> i64 {
    at.as_millis().div_euclid(MINUTE)
}
