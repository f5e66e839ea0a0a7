//! Answers of refreshes that could not be stored: kept in memory and in the journal, and tried again until they can.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{
    pace::Urgency,
    settle::{Others, Settled},
};
use crate::{
    Engine,
    names::Organization,
    store::{AccountKey, journal::Slot},
    token_endpoint::{Answer, Purpose, clear},
};

/// How long to wait before a store that could not take an answer is tried again, at first and at last.
pub(super) const SHORTEST_PAUSE: Duration = Duration::from_secs(5);
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// What is kept in this process, by account.
#[derive(Debug, Default)]
pub(crate) struct KeptAnswers {
    /// The next flight settles them instead of asking again: what they replaced at the provider is dead.
    answers: Mutex<HashMap<String, (Answer, Slot)>>,
    /// Accounts for which a task goes on trying to settle them.
    retried: Mutex<HashSet<String>>,
}

impl KeptAnswers {
    /// Whether an answer of the account is kept until it can be stored.
    pub(super) fn holds(&self, account_id: &str) -> bool {
        self.answers().contains_key(account_id)
    }

    /// How many are kept.
    pub(crate) fn count(&self) -> usize {
        self.answers().len()
    }

    /// The account's answer, for the one who settles it.
    pub(super) fn take(&self, account_id: &str) -> Option<(Answer, Slot)> {
        self.answers().remove(account_id)
    }

    /// Lets go of them: their slots stay written, for whoever takes the journal over.
    pub(crate) fn release(&self) {
        self.answers().clear();
    }

    fn keep(&self, account_id: String, answer: Answer, slot: Slot) {
        self.answers().insert(account_id, (answer, slot));
    }

    /// Whether an answer is kept for the account. Once there is none, its task ends.
    fn is_retried(&self, account_id: &str) -> bool {
        // Held meanwhile: whoever keeps one now sees that there is no task any more, or the task sees the answer.
        let mut retried = self.retried();
        let holds = self.holds(account_id);
        if !holds {
            retried.remove(account_id);
        }
        holds
    }

    fn retried(&self) -> MutexGuard<'_, HashSet<String>> {
        self.retried.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answers(&self) -> MutexGuard<'_, HashMap<String, (Answer, Slot)>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine {
    /// Deals with the answer that an instance which is gone has left. Who waited for it is gone too.
    pub(crate) async fn settle_left(self: &Arc<Self>, answer: Answer, slot: Slot) {
        let _ = self.settle_refresh_and_clear(answer, slot, Others::None).await;
    }

    /// Deals with an answer, or keeps it for the next flight, which is then the only one to do so.
    pub(super) async fn settle_refresh_and_clear(
        self: &Arc<Self>,
        answer: Answer,
        slot: Slot,
        others: Others,
    ) -> Settled {
        match self.settle_refresh(&answer, others).await {
            Ok(settled) => {
                clear(slot).await;
                settled
            }
            Err(error) => {
                tracing::error!(code = error.code(), "a refreshed token could not be stored, and is kept");
                if let Purpose::Refresh { organization, account_id, .. } = answer.purpose.clone() {
                    self.flights.kept.keep(account_id.clone(), answer, slot);
                    self.settle_refresh_later(organization, account_id);
                }
                Settled::Told(Err(error))
            }
        }
    }

    /// Goes on starting flights, ever more seldom, until the account's answer is stored or the environment closes: its
    /// slot is one that others wait for. One task an account, however many callers ask meanwhile.
    fn settle_refresh_later(self: &Arc<Self>, organization: String, account_id: String) {
        if !self.flights.kept.retried().insert(account_id.clone()) {
            return;
        }
        let engine = self.clone();
        self.spawn(async move {
            let mut pause = SHORTEST_PAUSE;
            while engine.flights.kept.is_retried(&account_id) {
                tokio::select! {
                    () = tokio::time::sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
                    () = engine.closing.cancelled() => return,
                }
                engine.settle_kept(&organization, &account_id).await;
            }
        });
    }

    /// Has one more flight try to store what is kept for the account.
    async fn settle_kept(self: &Arc<Self>, organization: &str, account_id: &str) {
        let Ok(organization) = Organization::parse(organization) else { return };
        match self.rows.account(&organization, AccountKey::Id(account_id)).await {
            // Whether it could is seen by what is kept.
            Ok(Some(account)) => drop(self.flight(&account, Urgency::Asked).await),
            Ok(None) => self.forget_refresh(account_id),
            Err(error) => tracing::warn!(code = error.code(), "an account whose answer is kept cannot be read"),
        }
    }

    /// Lets go of what was in hand for an account that is gone.
    pub(crate) fn forget_refresh(self: &Arc<Self>, account_id: &str) {
        if let Some((_, slot)) = self.flights.kept.take(account_id) {
            self.spawn(clear(slot));
        }
    }
}
