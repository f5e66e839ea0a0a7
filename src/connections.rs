//! What an app sets up: connections, and the connectors that they are of.

use std::sync::Arc;

use napi::{Env, Result, Unknown, bindgen_prelude::PromiseRaw};
use napi_derive::napi;
use onbehalf_engine::connections::NewConnection;

use crate::{
    answers::{ConnectionDetails, ConnectionList, ConnectorDetails, ConnectorList},
    asked::{ConnectionChange, ConnectionQuery, ConnectionRef, ConnectionRemoval, ConnectorRef, Nothing},
    call::call,
    instance::Instance,
    options::{
        ConnectionListOptions, ConnectionPatchOptions, ConnectionRefOptions, ConnectionRemovalOptions,
        ConnectorRefOptions, NewConnectionOptions, NoOptions,
    },
};

/// Your app's connections. Their secrets can be written, never read.
#[napi]
pub struct Connections {
    instance: Arc<Instance>,
}

impl Connections {
    pub(crate) fn of(instance: &Arc<Instance>) -> Self {
        Self { instance: instance.clone() }
    }

    fn set_enabled<'env>(
        &self,
        env: &'env Env,
        options: Unknown<'_>,
        enabled: bool,
    ) -> Result<PromiseRaw<'env, ConnectionDetails>> {
        call::<ConnectionRefOptions, _, _, _, _>(
            env,
            &self.instance,
            options,
            move |engine, connection: ConnectionRef| async move {
                engine.set_connection_enabled(&connection.organization, &connection.name, enabled).await
            },
        )
    }
}

#[napi]
impl Connections {
    /// Makes a connection.
    #[napi(ts_args_type = "options: NewConnectionOptions & CallOptions", ts_return_type = "Promise<ConnectionDetails>")]
    pub fn create<'env>(&self, env: &'env Env, options: Unknown<'_>) -> Result<PromiseRaw<'env, ConnectionDetails>> {
        call::<NewConnectionOptions, _, _, _, _>(
            env,
            &self.instance,
            options,
            |engine, connection: NewConnection| async move { engine.create_connection(connection).await },
        )
    }

    /// One connection.
    #[napi(ts_args_type = "options: ConnectionRefOptions & CallOptions", ts_return_type = "Promise<ConnectionDetails>")]
    pub fn get<'env>(&self, env: &'env Env, options: Unknown<'_>) -> Result<PromiseRaw<'env, ConnectionDetails>> {
        call::<ConnectionRefOptions, _, _, _, _>(
            env,
            &self.instance,
            options,
            |engine, connection: ConnectionRef| async move {
                engine.connection(&connection.organization, &connection.name).await
            },
        )
    }

    /// Connections by name, page by page.
    #[napi(ts_args_type = "options?: ConnectionListOptions & CallOptions", ts_return_type = "Promise<ConnectionList>")]
    pub fn list<'env>(&self, env: &'env Env, options: Unknown<'_>) -> Result<PromiseRaw<'env, ConnectionList>> {
        call::<ConnectionListOptions, _, _, _, _>(
            env,
            &self.instance,
            options,
            |engine, query: ConnectionQuery| async move {
                engine.connections(&query.organization, query.page_size, query.page_token.as_deref()).await
            },
        )
    }

    /// Changes a connection; what is left out stays. With another `clientId`, or other endpoints, it is another app: its
    /// connected accounts must authorize again, unless you change it back.
    #[napi(
        ts_args_type = "options: ConnectionPatchOptions & CallOptions",
        ts_return_type = "Promise<ConnectionDetails>"
    )]
    pub fn update<'env>(&self, env: &'env Env, options: Unknown<'_>) -> Result<PromiseRaw<'env, ConnectionDetails>> {
        call::<ConnectionPatchOptions, _, _, _, _>(
            env,
            &self.instance,
            options,
            |engine, change: ConnectionChange| async move {
                let ConnectionChange { connection, patch } = change;
                engine.update_connection(&connection.organization, &connection.name, patch).await
            },
        )
    }

    /// Deletes a connection with its connected accounts and their credentials. One that `connections` of the options
    /// declares is made anew, without accounts, when it is next named. What their people granted is revoked at
    /// the provider, as by `actions.deleteConnectedAccount`. Of many accounts some may be left after a failure: calling
    /// again goes on.
    #[napi(ts_args_type = "options: ConnectionRemovalOptions & CallOptions", ts_return_type = "Promise<void>")]
    pub fn delete<'env>(&self, env: &'env Env, options: Unknown<'_>) -> Result<PromiseRaw<'env, ()>> {
        call::<ConnectionRemovalOptions, _, _, _, _>(
            env,
            &self.instance,
            options,
            |engine, removal: ConnectionRemoval| async move {
                let ConnectionRemoval { connection, at_provider } = removal;
                engine.delete_connection(&connection.organization, &connection.name, at_provider).await
            },
        )
    }

    /// Lets a disabled connection be used again.
    #[napi(ts_args_type = "options: ConnectionRefOptions & CallOptions", ts_return_type = "Promise<ConnectionDetails>")]
    pub fn enable<'env>(&self, env: &'env Env, options: Unknown<'_>) -> Result<PromiseRaw<'env, ConnectionDetails>> {
        self.set_enabled(env, options, true)
    }

    /// Stops a connection from being used; its connected accounts are kept.
    #[napi(ts_args_type = "options: ConnectionRefOptions & CallOptions", ts_return_type = "Promise<ConnectionDetails>")]
    pub fn disable<'env>(&self, env: &'env Env, options: Unknown<'_>) -> Result<PromiseRaw<'env, ConnectionDetails>> {
        self.set_enabled(env, options, false)
    }
}

/// The connectors of the catalogue, and your own.
#[napi]
pub struct Connectors {
    instance: Arc<Instance>,
}

impl Connectors {
    pub(crate) fn of(instance: &Arc<Instance>) -> Self {
        Self { instance: instance.clone() }
    }
}

#[napi]
impl Connectors {
    /// All of them, by slug.
    #[napi(ts_args_type = "options?: CallOptions", ts_return_type = "Promise<ConnectorList>")]
    pub fn list<'env>(&self, env: &'env Env, options: Unknown<'_>) -> Result<PromiseRaw<'env, ConnectorList>> {
        call::<NoOptions, _, _, _, _>(
            env,
            &self.instance,
            options,
            |engine, Nothing| async move { engine.connectors() },
        )
    }

    /// One of them.
    #[napi(ts_args_type = "options: ConnectorRefOptions & CallOptions", ts_return_type = "Promise<ConnectorDetails>")]
    pub fn get<'env>(&self, env: &'env Env, options: Unknown<'_>) -> Result<PromiseRaw<'env, ConnectorDetails>> {
        call::<ConnectorRefOptions, _, _, _, _>(
            env,
            &self.instance,
            options,
            |engine, asked: ConnectorRef| async move { engine.connector(&asked.slug) },
        )
    }
}
