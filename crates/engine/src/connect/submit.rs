//! The form of a link: a person enters a credential, and the provider says whether it works.
//!
//! A credential is stored, or held until the user is verified, only when the provider has confirmed it; what was refused
//! leaves no trace but a count. The link is used up by the credential that works, whether or not it can be kept: where
//! account or connection changed meanwhile, no other entry helps. Until then the person may correct what they entered,
//! ten times at most: a link is no oracle for trying keys.

use std::{sync::Arc, time::Duration};

use indexmap::IndexMap;
use url::Url;

use super::{Submitted, VERIFICATION_LIFE, callback::failed};
use crate::{
    Engine, Error, Result,
    accounts::grant::Grant,
    audit::Action,
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
    /// The link is dead after `AUTHORIZATION_FAILED`: the last credential that may be tried is refused too, or one that
    /// works cannot be kept.
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
        let accepted = match self.try_out(&setup, &account, fields).await {
            Ok(submission) => self.accept(&flow, submission).await,
            Err(error) if error.is_of_store() => Err(error),
            Err(error) => return self.refuse(flow, error).await,
        };
        match accepted {
            Ok(location) => Ok(Submitted::Accepted { location }),
            // The flow is another submission's, of whoever has the link.
            Err(Error::FlowNotFound) => Err(Error::LinkUsed),
            Err(error) if error.is_of_store() => {
                // At best; otherwise the person waits as if the process had died.
                let _ = self.give_back(flow).await;
                Err(error)
            }
            Err(error) => {
                let _ = self.end_flow(flow, FlowStatus::Failed, &error).await?;
                Err(error)
            }
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
        // The last one may have ended in a crash.
        if flow.facts.attempts >= ATTEMPTS {
            return Err(self.end_exhausted(flow).await?);
        }
        flow.facts.attempts += 1;
        flow.facts.trying_until = Some(now.plus(TRYING));
        // What works with this connector and these settings is stored for them, or not at all.
        flow.facts.registration = Some(setup.binding());
        flow.facts.grants = account.facts.grants;
        match self.advance(&flow, None, Some(Action::FlowStarted)).await? {
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

    /// Holds the credential for verification, or stores it. Where the browser goes then.
    async fn accept(self: &Arc<Self>, flow: &StoredFlow, submission: Submission) -> Result<Url> {
        let Some(verify_url) = &flow.facts.verify_url else {
            self.store_now(flow, submission).await?;
            return Ok(self.outcome_url(flow));
        };
        let held = Held { submission: Some(submission), ..Held::default() };
        let location = self.hold(flow, held, verify_url).await?;
        self.destroy_if_unverified(flow.clone());
        Ok(location)
    }

    /// Gives the link back to the person, or ends it after the last attempt.
    async fn refuse(&self, flow: StoredFlow, error: Error) -> Result<Submitted> {
        tracing::info!(flow.id = %flow.id, code = error.code(), attempt = flow.facts.attempts, "a credential was refused");
        if flow.facts.attempts >= ATTEMPTS {
            return Err(self.end_exhausted(flow).await?);
        }
        // Nobody moves the flow meanwhile, unless this attempt took too long: then it is theirs.
        match self.give_back(flow).await? {
            Commit::Applied => Ok(Submitted::Refused(error)),
            Commit::Conflict => Err(Error::LinkUsed),
        }
    }

    /// Lets the person try another credential.
    async fn give_back(&self, mut flow: StoredFlow) -> Result<Commit> {
        flow.facts.trying_until = None;
        self.advance(&flow, None, None).await
    }

    /// Ends a link with which as many credentials were tried as may be. What its person is told.
    async fn end_exhausted(&self, flow: StoredFlow) -> Result<Error> {
        let last = failed("too many credentials were tried with this link, and it confirmed none");
        let _ = self.end_flow(flow, FlowStatus::Failed, &last).await?;
        Ok(last)
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
