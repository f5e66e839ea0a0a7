//! The form of a link: a person enters a credential, and the provider says whether it works.
//!
//! A credential is stored, or held until the user is verified, only when the provider has confirmed it; what was refused
//! leaves no trace but a count. The link is used up by the credential that works. Until then the person may correct what
//! they entered, ten times at most: a link is no oracle for trying keys.

use std::{sync::Arc, time::Duration};

use indexmap::IndexMap;

use super::{Submitted, VERIFICATION_LIFE, callback::failed, grant::Grant};
use crate::{
    Engine, Error, Result,
    connections::registration::Setup,
    rows::{Credential, FlowStatus, Held, StoredAccount, StoredFlow, Submission},
    secret::Secret,
    store::Commit,
};

/// How many credentials may be tried with one link.
const ATTEMPTS: u32 = 10;
/// Longer than the probe takes. A process that dies in it leaves the link usable after so long.
const TRYING: Duration = Duration::from_secs(20);

impl Engine {
    /// Takes what the person entered in the link's form, and has the provider confirm it. The work goes on when the
    /// caller does not wait for it: a browser that goes away has sent its credential all the same.
    ///
    /// # Errors
    /// As [`Engine::link_page`]; `LINK_USED` also while another submission of the same link is under way.
    /// `NOT_SUPPORTED` where the link asks for consent; `UNKNOWN_OPTION` for a field that the form does not have;
    /// `AUTHORIZATION_FAILED` for the last credential that may be tried, when it is refused too: the link is dead then.
    pub async fn submit(self: &Arc<Self>, token: &str, fields: IndexMap<String, Secret>) -> Result<Submitted> {
        self.ensure_open()?;
        let flow = self.linked_flow(token).await?;
        let engine = self.clone();
        self.detached(async move { engine.take_submission(flow, fields).await }).await
    }

    async fn take_submission(
        self: &Arc<Self>,
        flow: StoredFlow,
        fields: IndexMap<String, Secret>,
    ) -> Result<Submitted> {
        let (connection, account) = self.parties(&flow).await?;
        let setup = self.setup(&connection)?;
        if !setup.is_static() {
            let what = format!("a form for connection `{}`, which is authorized at the provider,", connection.name);
            return Err(Error::NotSupported { what });
        }
        let fields = match setup.method.read_entered(&fields)? {
            Ok(fields) => fields,
            Err(complaints) => return Ok(Submitted::Invalid(complaints)),
        };
        let flow = self.begin_attempt(flow, &account, &setup).await?;
        match self.try_out(&setup, &account, fields).await {
            Ok(submission) => self.accept(flow, submission).await,
            Err(error) if error.is_of_store() => Err(error),
            Err(error) => self.refuse(flow, error).await,
        }
    }

    /// Counts the attempt before the credential leaves. Of two at once, one goes on.
    async fn begin_attempt(
        &self,
        mut flow: StoredFlow,
        account: &StoredAccount,
        setup: &Setup<'_>,
    ) -> Result<StoredFlow> {
        let now = self.clock.now();
        if flow.facts.trying_until.is_some_and(|until| now < until) {
            return Err(Error::LinkUsed);
        }
        flow.facts.attempts += 1;
        flow.facts.trying_until = Some(now.plus(TRYING));
        // What works with this connector and these settings is stored for them, or not at all.
        flow.facts.registration = Some(setup.binding());
        flow.facts.grants = account.facts.grants;
        match self.advance(&flow, None).await? {
            Commit::Applied => flow.version += 1,
            Commit::Conflict => return Err(Error::LinkUsed),
        }
        Ok(flow)
    }

    /// Has the provider confirm the credential, and the person whose it is.
    async fn try_out(
        &self,
        setup: &Setup<'_>,
        account: &StoredAccount,
        fields: IndexMap<String, Secret>,
    ) -> Result<Submission> {
        let owner = self.prove(setup, &Credential::Fields(fields.clone())).await?;
        let submission = Submission { fields, owner };
        let grant = submission.clone().granted(setup);
        setup.check_kept(&grant.kept, &grant.credential)?;
        self.check_owner(account, &grant)?;
        Ok(submission)
    }

    /// Holds the credential for verification, or stores it.
    async fn accept(self: &Arc<Self>, flow: StoredFlow, submission: Submission) -> Result<Submitted> {
        let Some(verify_url) = &flow.facts.verify_url else {
            return match self.store_now(&flow, submission).await {
                Ok(()) => Ok(Submitted::Accepted { location: self.outcome_url(&flow) }),
                Err(error) => Err(used_if_gone(error)),
            };
        };
        let held = Held { submission: Some(submission), ..Held::default() };
        let location = self.hold(&flow, held, verify_url).await.map_err(used_if_gone)?;
        self.destroy_if_unverified(flow.clone());
        Ok(Submitted::Accepted { location })
    }

    /// Gives the link back to the person, or ends it after the last attempt.
    async fn refuse(&self, mut flow: StoredFlow, error: Error) -> Result<Submitted> {
        tracing::info!(flow.id = %flow.id, code = error.code(), attempt = flow.facts.attempts, "a credential was refused");
        if flow.facts.attempts >= ATTEMPTS {
            let last = failed("too many credentials were tried with this link, and it confirmed none");
            let _ = self.end_flow(flow, FlowStatus::Failed, &last).await?;
            return Err(last);
        }
        flow.facts.trying_until = None;
        // Nobody moves the flow meanwhile, unless this attempt took too long: then it is theirs.
        match self.advance(&flow, None).await? {
            Commit::Applied => Ok(Submitted::Refused(error)),
            Commit::Conflict => Err(Error::LinkUsed),
        }
    }

    /// Stores what was held for verification, whether or not the caller waits. What cannot be stored ends the flow.
    pub(super) async fn store_submission(self: &Arc<Self>, flow: &StoredFlow, submission: Submission) -> Result<()> {
        let (engine, flow) = (self.clone(), flow.clone());
        self.detached(async move {
            match engine.store_now(&flow, submission).await {
                Err(error) if !error.is_of_store() => engine.give_up(flow, error).await?,
                stored => stored,
            }
        })
        .await
    }

    async fn store_now(self: &Arc<Self>, flow: &StoredFlow, submission: Submission) -> Result<()> {
        let (connection, _) = self.parties(flow).await?;
        let setup = self.setup(&connection)?;
        if flow.facts.registration.as_deref() != Some(setup.binding().as_str()) {
            return Err(failed("the connection was changed meanwhile"));
        }
        self.store_grant(flow, submission.granted(&setup)).await
    }

    /// Destroys what is held when nobody verifies in time. A code dies by itself; a key does not.
    fn destroy_if_unverified(self: &Arc<Self>, flow: StoredFlow) {
        let engine = self.clone();
        self.spawn(async move {
            tokio::select! {
                () = tokio::time::sleep(VERIFICATION_LIFE) => {}
                // The next process finds it late, and destroys it.
                () = engine.closing.cancelled() => return,
            }
            if let Err(error) = engine.destroy_late(&flow).await {
                tracing::warn!(flow.id = %flow.id, code = error.code(), "what was held is not destroyed yet");
            }
        });
    }

    async fn destroy_late(&self, flow: &StoredFlow) -> Result<()> {
        match self.rows.flow(flow.key()).await? {
            Some(now) if now.status == FlowStatus::Returned => self.end_unverified(now).await,
            _ => Ok(()),
        }
    }
}

impl Submission {
    /// The grant that it makes.
    fn granted(self, setup: &Setup<'_>) -> Grant {
        Grant {
            credential: Credential::Fields(self.fields),
            scopes: Vec::new(),
            expires_at: None,
            kept: self.owner.as_ref().map(|owner| owner.kept.clone()).unwrap_or_default(),
            owner: self.owner,
            binding: setup.binding(),
        }
    }
}

/// A flow that is gone is another submission's, to whoever has the link.
fn used_if_gone(error: Error) -> Error {
    match error {
        Error::FlowNotFound => Error::LinkUsed,
        error => error,
    }
}
