//! What agents do: links, connected accounts, tokens, requests.

use std::{sync::Arc, time::Duration};

use napi::{Env, Result, Unknown, bindgen_prelude::PromiseRaw};
use napi_derive::napi;
use onbehalf_engine::{
    accounts::{AccountQuery, AccountRef},
    connect::NewLink,
    secret::ExposeSecret as _,
};

use crate::{
    answers::{
        AccessToken, AuthorizationLink, ConnectedAccountList, ConnectedAccountResponse, ConnectionList, RevocationList,
        UserVerified,
    },
    asked::{
        AccountRemoval, AccountUpdate, ConnectionQuery, NewAccount, RevocationQuery, Sending, TokenWanted, Verification,
    },
    call::{Call, attempt, call},
    exit::enlist,
    instance::Instance,
    options::{
        AccountListOptions, AccountOptions, AccountRemovalOptions, AccountUpdateOptions, ConnectionListOptions,
        LinkOptions, NewAccountOptions, RequestOptions, RevocationListOptions, TokenOptions, VerifyOptions,
    },
    promise::{Abandoned, promise},
    response::ApiResponse,
    upload::BodyWriter,
};

/// What agents do on behalf of people. Every method rejects with an `OnbehalfError`.
#[napi]
pub struct Actions {
    instance: Arc<Instance>,
}

impl Actions {
    pub(crate) fn of(instance: &Arc<Instance>) -> Self {
        Self { instance: instance.clone() }
    }
}

#[napi]
impl Actions {
    /// Makes a one-time link that asks a person for their authorization. It lives ten minutes. While the public URL is
    /// a loopback one, the first link starts the pages on `port`.
    ///
    /// ```ts
    /// const { link } = await actions.getAuthorizationLink({ connectionName: 'gmail', identifier: 'user_123' })
    /// ```
    #[napi(ts_args_type = "options: LinkOptions & CallOptions", ts_return_type = "Promise<AuthorizationLink>")]
    pub fn get_authorization_link<'env>(
        &self,
        env: &'env Env,
        options: Unknown<'_>,
    ) -> Result<PromiseRaw<'env, AuthorizationLink>> {
        attempt(env, || {
            let Call::<'_, NewLink> { asked, patience } = Call::read::<LinkOptions>(options)?;
            enlist(env, &self.instance)?;
            let instance = self.instance.clone();
            promise(env, patience, Abandoned::GoesOn, async move {
                Ok(instance.reachable_engine().await?.authorization_link(asked).await?.into())
            })
        })
    }

    /// Confirms who consented, when users are verified: only then is their credential fetched and stored. Another
    /// identifier than the link's destroys what was held.
    ///
    /// `identifier` must be the user of your app's own session. Never take it from the request that came with
    /// `auth_request_id`: whoever sends that request can write anything into it.
    #[napi(ts_args_type = "options: VerifyOptions & CallOptions", ts_return_type = "Promise<UserVerified>")]
    pub fn verify_connected_account_user<'env>(
        &self,
        env: &'env Env,
        options: Unknown<'_>,
    ) -> Result<PromiseRaw<'env, UserVerified>> {
        call::<VerifyOptions, _, _, _, _>(env, &self.instance, options, |engine, asked: Verification| async move {
            engine.verify_user(&asked.organization, asked.nonce.expose_secret(), &asked.identifier).await
        })
    }

    /// The connected account of a person, made (`PENDING_AUTH`) when there is none. A credential that you bring is put
    /// into it, as `createConnectedAccount` and `updateConnectedAccount` do.
    ///
    /// ```ts
    /// const { connectedAccount } = await actions.getOrCreateConnectedAccount({
    ///   connectionName: 'gmail',
    ///   identifier: 'user_123',
    /// })
    /// if (connectedAccount.status !== 'ACTIVE') console.log('not authorized yet')
    /// ```
    #[napi(
        ts_args_type = "options: NewAccountOptions & CallOptions",
        ts_return_type = "Promise<ConnectedAccountResponse>"
    )]
    pub fn get_or_create_connected_account<'env>(
        &self,
        env: &'env Env,
        options: Unknown<'_>,
    ) -> Result<PromiseRaw<'env, ConnectedAccountResponse>> {
        call::<NewAccountOptions, _, _, _, _>(env, &self.instance, options, |engine, asked: NewAccount| async move {
            let NewAccount { organization, connection, identifier, brought } = asked;
            engine.get_or_create_account(&organization, &connection, &identifier, brought).await
        })
    }

    /// Another name of `getOrCreateConnectedAccount`.
    #[napi(
        ts_args_type = "options: NewAccountOptions & CallOptions",
        ts_return_type = "Promise<ConnectedAccountResponse>"
    )]
    pub fn upsert_connected_account<'env>(
        &self,
        env: &'env Env,
        options: Unknown<'_>,
    ) -> Result<PromiseRaw<'env, ConnectedAccountResponse>> {
        self.get_or_create_connected_account(env, options)
    }

    /// The connected account with its credential; a token is refreshed first when it is about to end.
    #[napi(
        ts_args_type = "options: AccountOptions & CallOptions",
        ts_return_type = "Promise<ConnectedAccountResponse>"
    )]
    pub fn get_connected_account<'env>(
        &self,
        env: &'env Env,
        options: Unknown<'_>,
    ) -> Result<PromiseRaw<'env, ConnectedAccountResponse>> {
        call::<AccountOptions, _, _, _, _>(env, &self.instance, options, |engine, account: AccountRef| async move {
            engine.account_with_credential(&account).await
        })
    }

    /// The connected account without its token.
    #[napi(
        ts_args_type = "options: AccountOptions & CallOptions",
        ts_return_type = "Promise<ConnectedAccountResponse>"
    )]
    pub fn get_connected_account_details<'env>(
        &self,
        env: &'env Env,
        options: Unknown<'_>,
    ) -> Result<PromiseRaw<'env, ConnectedAccountResponse>> {
        call::<AccountOptions, _, _, _, _>(env, &self.instance, options, |engine, account: AccountRef| async move {
            engine.account(&account).await
        })
    }

    /// Makes a connected account: `PENDING_AUTH`, or `ACTIVE` with a credential that you bring. A static credential is
    /// tried at the provider first. Fails when there is an account.
    #[napi(
        ts_args_type = "options: NewAccountOptions & CallOptions",
        ts_return_type = "Promise<ConnectedAccountResponse>"
    )]
    pub fn create_connected_account<'env>(
        &self,
        env: &'env Env,
        options: Unknown<'_>,
    ) -> Result<PromiseRaw<'env, ConnectedAccountResponse>> {
        call::<NewAccountOptions, _, _, _, _>(env, &self.instance, options, |engine, asked: NewAccount| async move {
            let NewAccount { organization, connection, identifier, brought } = asked;
            engine.create_account(&organization, &connection, &identifier, brought).await
        })
    }

    /// Replaces a connected account's credential by one that you bring, whatever state the account is in; it is `ACTIVE`
    /// then. A token without a refresh token leaves none: the old one belongs to another grant.
    ///
    /// ```ts
    /// await actions.updateConnectedAccount({
    ///   connectionName: 'openai',
    ///   identifier: 'user_123',
    ///   authorizationDetails: { staticAuth: { details: { api_key } } },
    /// })
    /// ```
    #[napi(
        ts_args_type = "options: AccountUpdateOptions & CallOptions",
        ts_return_type = "Promise<ConnectedAccountResponse>"
    )]
    pub fn update_connected_account<'env>(
        &self,
        env: &'env Env,
        options: Unknown<'_>,
    ) -> Result<PromiseRaw<'env, ConnectedAccountResponse>> {
        call::<AccountUpdateOptions, _, _, _, _>(
            env,
            &self.instance,
            options,
            |engine, asked: AccountUpdate| async move { engine.update_account(&asked.account, asked.brought).await },
        )
    }

    /// Deletes a connected account with its credential. What the person granted is revoked at the provider, soon, and for a
    /// week again until the provider has taken it: `listRevocations` shows how far it is.
    #[napi(ts_args_type = "options: AccountRemovalOptions & CallOptions", ts_return_type = "Promise<void>")]
    pub fn delete_connected_account<'env>(&self, env: &'env Env, options: Unknown<'_>) -> Result<PromiseRaw<'env, ()>> {
        call::<AccountRemovalOptions, _, _, _, _>(
            env,
            &self.instance,
            options,
            |engine, removal: AccountRemoval| async move {
                engine.delete_account(&removal.account, removal.at_provider).await
            },
        )
    }

    /// Destroys a connected account's credential and keeps the account. What the person granted is revoked, as by
    /// `deleteConnectedAccount`.
    #[napi(
        ts_args_type = "options: AccountRemovalOptions & CallOptions",
        ts_return_type = "Promise<ConnectedAccountResponse>"
    )]
    pub fn disconnect_connected_account<'env>(
        &self,
        env: &'env Env,
        options: Unknown<'_>,
    ) -> Result<PromiseRaw<'env, ConnectedAccountResponse>> {
        call::<AccountRemovalOptions, _, _, _, _>(
            env,
            &self.instance,
            options,
            |engine, removal: AccountRemoval| async move {
                engine.disconnect_account(&removal.account, removal.at_provider).await
            },
        )
    }

    /// Grants that are being taken back at their providers, and for thirty days those that were, page by page.
    #[napi(ts_args_type = "options?: RevocationListOptions & CallOptions", ts_return_type = "Promise<RevocationList>")]
    pub fn list_revocations<'env>(
        &self,
        env: &'env Env,
        options: Unknown<'_>,
    ) -> Result<PromiseRaw<'env, RevocationList>> {
        call::<RevocationListOptions, _, _, _, _>(
            env,
            &self.instance,
            options,
            |engine, query: RevocationQuery| async move {
                engine.revocations(&query.organization, query.page_size, query.page_token.as_deref()).await
            },
        )
    }

    /// Connected accounts, page by page.
    #[napi(
        ts_args_type = "options?: AccountListOptions & CallOptions",
        ts_return_type = "Promise<ConnectedAccountList>"
    )]
    pub fn list_connected_accounts<'env>(
        &self,
        env: &'env Env,
        options: Unknown<'_>,
    ) -> Result<PromiseRaw<'env, ConnectedAccountList>> {
        call::<AccountListOptions, _, _, _, _>(env, &self.instance, options, |engine, query: AccountQuery| async move {
            engine.accounts(&query).await
        })
    }

    /// Connections, page by page.
    #[napi(ts_args_type = "options?: ConnectionListOptions & CallOptions", ts_return_type = "Promise<ConnectionList>")]
    pub fn list_connections<'env>(
        &self,
        env: &'env Env,
        options: Unknown<'_>,
    ) -> Result<PromiseRaw<'env, ConnectionList>> {
        call::<ConnectionListOptions, _, _, _, _>(
            env,
            &self.instance,
            options,
            |engine, query: ConnectionQuery| async move {
                engine.connections(&query.organization, query.page_size, query.page_token.as_deref()).await
            },
        )
    }

    /// Resolves when the connected account is active: the person has followed the link. Waits as long as it takes, or
    /// until `signal` or `timeoutMs` ends the wait. A pending wait keeps the process alive.
    #[napi(
        ts_args_type = "options: AccountOptions & CallOptions",
        ts_return_type = "Promise<ConnectedAccountResponse>"
    )]
    pub fn wait_for_connected_account<'env>(
        &self,
        env: &'env Env,
        options: Unknown<'_>,
    ) -> Result<PromiseRaw<'env, ConnectedAccountResponse>> {
        attempt(env, || {
            let Call::<'_, AccountRef> { asked, patience } = Call::read::<AccountOptions>(options)?;
            enlist(env, &self.instance)?;
            let instance = self.instance.clone();
            promise(env, patience, Abandoned::Stops, async move {
                Ok(instance.engine().await?.wait_until_active(&asked).await?.into())
            })
        })
    }

    /// An access token that is valid for `minValidity` seconds at least, refreshed first when it is not. Fails with
    /// `NOT_SUPPORTED` where the credential is no token, but a key, say.
    #[napi(ts_args_type = "options: TokenOptions & CallOptions", ts_return_type = "Promise<AccessToken>")]
    pub fn get_token<'env>(&self, env: &'env Env, options: Unknown<'_>) -> Result<PromiseRaw<'env, AccessToken>> {
        call::<TokenOptions, _, _, _, _>(env, &self.instance, options, |engine, wanted: TokenWanted| async move {
            engine.token(&wanted.account, wanted.min_validity).await
        })
    }

    /// Sends a request to the provider's API with the connected account's credential, refreshed before it ends and once
    /// after a 401. Whatever the provider answers is returned, not thrown. `timeoutMs` is 30,000 unless said.
    ///
    /// ```ts
    /// const { data } = await actions.request({
    ///   connectionName: 'gmail',
    ///   identifier: 'user_123',
    ///   path: '/gmail/v1/users/me/messages',
    ///   queryParams: { maxResults: 5 },
    /// })
    /// ```
    #[napi(ts_args_type = "options: RequestOptions & CallOptions", ts_return_type = "Promise<ApiResponse>")]
    pub fn request<'env>(&self, env: &'env Env, options: Unknown<'_>) -> Result<PromiseRaw<'env, ApiResponse>> {
        self.send(env, options, None)
    }

    /// `request`, perhaps with a body that is made on the way.
    pub(crate) fn send<'env>(
        &self,
        env: &'env Env,
        options: Unknown<'_>,
        body: Option<&BodyWriter>,
    ) -> Result<PromiseRaw<'env, ApiResponse>> {
        attempt(env, || {
            let Call::<'_, Sending> { asked: mut sending, mut patience } = Call::read::<RequestOptions>(options)?;
            if let Some(body) = body.and_then(BodyWriter::take) {
                sending.carry(body)?;
            }
            let Sending { mut request, streamed } = sending;
            patience.timeout = patience.timeout.or(request.time_limit());
            // One clock: the promise's. The engine's stands behind it.
            request.timeout = patience.timeout.map(|timeout| timeout.saturating_add(Duration::from_secs(5)));
            enlist(env, &self.instance)?;
            let instance = self.instance.clone();
            promise(env, patience, Abandoned::Stops, async move {
                let engine = instance.engine().await?;
                match streamed {
                    true => Ok(engine.request_streaming(request).await?.into()),
                    false => Ok(engine.request(request).await?.into()),
                }
            })
        })
    }
}
