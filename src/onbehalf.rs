//! The package's class: one environment.

use std::sync::{Arc, Mutex, PoisonError};

use napi::{
    Env, JsDeferred, Result, Unknown, ValueType,
    bindgen_prelude::{Function, PromiseRaw},
};
use napi_derive::napi;
use onbehalf_engine::{Error, vault::KeySource};

use crate::{
    actions::Actions,
    answers::{Health, KeySlotDetails, KeySlotList, Listening},
    argument::Argument,
    asked::{KeySlotRef, Nothing},
    audit::Audit,
    call::{Call, attempt, call},
    connections::{Connections, Connectors},
    decode::decode,
    environment::Environment,
    exit::enlist,
    instance::Instance,
    moving::{ExportOptions, ExportedAccounts, ImportOptions, ImportedAccounts, Inward, Outward},
    options::{KeySlotRefOptions, NewKeySlotOptions, NoOptions, OnbehalfOptions},
    promise::{Abandoned, promise},
    settings::Plan,
    web::{WebAnswer, WebAsked, WebOptions, parts},
};

/// One environment: a store, a key, a public URL. Nothing is opened before the first call.
///
/// ```ts
/// const client = new Onbehalf({
///   connections: { gmail: { clientId: '…', clientSecret: '…' } },
/// })
/// const { link } = await client.actions.getAuthorizationLink({ connectionName: 'gmail', identifier: 'user_123' })
/// ```
#[napi]
pub struct Onbehalf {
    instance: Arc<Instance>,
    /// Keeps the process alive while the pages are served because `listen` was called.
    hold: Arc<Mutex<Option<Hold>>>,
}

impl Onbehalf {
    pub(crate) fn instance(&self) -> &Arc<Instance> {
        &self.instance
    }
}

#[napi]
impl Onbehalf {
    /// Reads the options and the environment variables; throws an `OnbehalfError` when they cannot be.
    #[napi(constructor, ts_args_type = "options?: OnbehalfOptions")]
    pub fn new(env: &Env, options: Unknown<'_>, variables: Unknown<'_>) -> Result<Self> {
        attempt(env, || {
            let given = options.get_type()? != ValueType::Undefined;
            let argument = Argument::read(options)?;
            if argument.signal.is_some() {
                // Nothing is waited for here: it belongs to calls.
                return Err(Error::UnknownOption { option: "signal".into(), nearest: None }.into());
            }
            let options = decode::<OnbehalfOptions>(argument.value)?;
            let plan = Plan::new(given.then_some(options), Environment::read(variables)?)?;
            Ok(Self { instance: Arc::new(Instance::new(plan)), hold: Arc::default() })
        })
    }

    /// What agents do: links, connected accounts, tokens, requests.
    #[napi(catch_unwind, getter)]
    pub fn actions(&self) -> Actions {
        Actions::of(&self.instance)
    }

    /// Your app's connections.
    #[napi(catch_unwind, getter)]
    pub fn connections(&self) -> Connections {
        Connections::of(&self.instance)
    }

    /// The connectors of the catalogue.
    #[napi(catch_unwind, getter)]
    pub fn connectors(&self) -> Connectors {
        Connectors::of(&self.instance)
    }

    /// What was done, and the proof that the record of it is whole.
    #[napi(catch_unwind, getter)]
    pub fn audit(&self) -> Audit {
        Audit::of(&self.instance)
    }

    /// Calls `listener` whenever `name` happens, and returns a function that ends it. What is told was caused by this
    /// instance and is stored already; of other processes' changes, `waitForConnectedAccount` hears. A listener keeps no
    /// process alive, and is not called any more when `close()` has resolved.
    ///
    /// ```ts
    /// const stop = onbehalf.on('statusChanged', ({ identifier, status, reason }) => {
    ///   if (status === 'EXPIRED') console.log(`${identifier} must authorize again: ${reason}`)
    /// })
    /// ```
    #[napi(
        ts_generic_types = "Name extends keyof OnbehalfEvents",
        ts_args_type = "name: Name, listener: (event: OnbehalfEvents[Name]) => void",
        ts_return_type = "() => void"
    )]
    pub fn on<'env>(&self, env: &'env Env, name: Unknown<'_>, listener: Unknown<'_>) -> Result<Function<'env, (), ()>> {
        attempt(env, || {
            let forget = self.instance.listeners.add(name, listener)?;
            Ok(env.create_function_from_closure("stop", move |_| {
                forget();
                Ok(())
            })?)
        })
    }

    /// Answers a request to the pages that people see, for an app that serves them itself: mount it at the public URL,
    /// in any server that speaks the web's `Request` and `Response`.
    #[napi(ts_args_type = "request: Request", ts_return_type = "Promise<Response>")]
    pub fn handler<'env>(&self, env: &'env Env, request: Unknown<'_>) -> Result<PromiseRaw<'env, WebAnswer>> {
        attempt(env, || {
            let Call::<'_, WebAsked> { asked, patience } = Call::read::<WebOptions>(request)?;
            enlist(env, &self.instance)?;
            let instance = self.instance.clone();
            promise(env, patience, Abandoned::GoesOn, async move { Ok(parts(instance.answer(asked.0).await?)) })
        })
    }

    /// Serves the pages on `port` of this machine's loopback addresses, and keeps the process alive until `close()`.
    #[napi(ts_args_type = "options?: CallOptions", ts_return_type = "Promise<Listening>")]
    pub fn listen<'env>(&self, env: &'env Env, options: Unknown<'_>) -> Result<PromiseRaw<'env, Listening>> {
        attempt(env, || {
            let Call::<'_, Nothing> { patience, .. } = Call::read::<NoOptions>(options)?;
            enlist(env, &self.instance)?;
            let (instance, kept) = (self.instance.clone(), self.hold.clone());
            let hold = Hold::new(env)?;
            promise(env, patience, Abandoned::GoesOn, async move {
                let url = instance.listen().await?;
                kept.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(hold);
                Ok(url.into())
            })
        })
    }

    /// The keys that the store opens with.
    #[napi(ts_args_type = "options?: CallOptions", ts_return_type = "Promise<KeySlotList>")]
    pub fn key_slots<'env>(&self, env: &'env Env, options: Unknown<'_>) -> Result<PromiseRaw<'env, KeySlotList>> {
        call::<NoOptions, _, _, _, _>(env, &self.instance, options, |engine, Nothing| async move {
            engine.key_slots().await
        })
    }

    /// Lets another key open the store, too; one that does already is left as it is. The first of three steps by which a
    /// key takes the place of another: then every process is started with the new one, and `removeKeySlot` ends the old.
    #[napi(ts_args_type = "options: NewKeySlotOptions & CallOptions", ts_return_type = "Promise<KeySlotDetails>")]
    pub fn add_key_slot<'env>(&self, env: &'env Env, options: Unknown<'_>) -> Result<PromiseRaw<'env, KeySlotDetails>> {
        call::<NewKeySlotOptions, _, _, _, _>(env, &self.instance, options, |engine, key: KeySource| async move {
            engine.add_key_slot(&key).await
        })
    }

    /// Ends a key: the store is not opened with it any more. Processes that have it open go on. The key that this instance
    /// was opened with is not removed, so that one that works is left.
    #[napi(ts_args_type = "options: KeySlotRefOptions & CallOptions", ts_return_type = "Promise<void>")]
    pub fn remove_key_slot<'env>(&self, env: &'env Env, options: Unknown<'_>) -> Result<PromiseRaw<'env, ()>> {
        call::<KeySlotRefOptions, _, _, _, _>(env, &self.instance, options, |engine, slot: KeySlotRef| async move {
            engine.remove_key_slot(&slot.id).await
        })
    }

    /// Whether this process can do its work now, for a readiness probe. What is wrong is part of the answer: it rejects for
    /// nothing but its own `signal` and `timeoutMs`. Writes nothing, asks no provider, and takes a few seconds at most
    /// once the environment is open.
    ///
    /// ```ts
    /// app.get('/ready', async (request, response) => {
    ///   const health = await onbehalf.health()
    ///   response.status(health.ok ? 200 : 503).json(health)
    /// })
    /// ```
    #[napi(ts_args_type = "options?: CallOptions", ts_return_type = "Promise<Health>")]
    pub fn health<'env>(&self, env: &'env Env, options: Unknown<'_>) -> Result<PromiseRaw<'env, Health>> {
        attempt(env, || {
            let Call::<'_, Nothing> { patience, .. } = Call::read::<NoOptions>(options)?;
            enlist(env, &self.instance)?;
            let instance = self.instance.clone();
            promise(env, patience, Abandoned::GoesOn, async move { Ok(instance.health().await.into()) })
        })
    }

    /// What this instance has counted since it was opened, and what is under way in it, as OpenMetrics text: serve it with
    /// the content type `application/openmetrics-text; version=1.0.0; charset=utf-8`. It is of this process alone. No label or
    /// value is a secret, or tells whose account it was; `docs/production.md` lists them.
    #[napi(ts_args_type = "options?: CallOptions", ts_return_type = "Promise<string>")]
    pub fn metrics<'env>(&self, env: &'env Env, options: Unknown<'_>) -> Result<PromiseRaw<'env, String>> {
        call::<NoOptions, Nothing, _, _, _>(
            env,
            &self.instance,
            options,
            |engine, _| async move { Ok(engine.metrics()) },
        )
    }

    /// Whom `exportAccounts` of another environment seals for, so that this one alone can import it. It is always the same
    /// for the same store and key, and no secret.
    #[napi(ts_args_type = "options?: CallOptions", ts_return_type = "Promise<string>")]
    pub fn moving_key<'env>(&self, env: &'env Env, options: Unknown<'_>) -> Result<PromiseRaw<'env, String>> {
        call::<NoOptions, _, _, _, _>(env, &self.instance, options, |engine, Nothing| async move {
            Ok(engine.moving_key()?.to_string())
        })
    }

    /// Writes connections and connected accounts, with their credentials, into a new file that the recipient alone can
    /// open. A refresh token that is used in two places may end the grant: with `disableConnections`, this place stops.
    ///
    /// ```ts
    /// const recipient = 'onbehalf-recipient:…' // what `movingKey()` returned in the other environment
    /// await onbehalf.exportAccounts({ recipient, path: 'accounts.moving', disableConnections: true })
    /// ```
    #[napi(ts_args_type = "options: ExportOptions & CallOptions", ts_return_type = "Promise<ExportedAccounts>")]
    pub fn export_accounts<'env>(
        &self,
        env: &'env Env,
        options: Unknown<'_>,
    ) -> Result<PromiseRaw<'env, ExportedAccounts>> {
        call::<ExportOptions, _, _, _, _>(env, &self.instance, options, |engine, asked: Outward| async move {
            engine.export_accounts(asked.scope, &asked.recipient, asked.left_behind, &asked.path).await
        })
    }

    /// Takes in a file that `exportAccounts` made for this environment: nothing of it unless the whole file is sound, and
    /// nothing over a credential that came about here. Nobody consents anew. After a failure, calling again goes on.
    ///
    /// Import only what you exported: the file is sealed, but does not prove who made it.
    #[napi(ts_args_type = "options: ImportOptions & CallOptions", ts_return_type = "Promise<ImportedAccounts>")]
    pub fn import_accounts<'env>(
        &self,
        env: &'env Env,
        options: Unknown<'_>,
    ) -> Result<PromiseRaw<'env, ImportedAccounts>> {
        call::<ImportOptions, _, _, _, _>(env, &self.instance, options, |engine, asked: Inward| async move {
            engine.import_accounts(&asked.path).await
        })
    }

    /// Stops serving, ends waits and requests with `CLOSED`, lets refreshes under way finish, and closes the store. Later
    /// calls fail with `CLOSED`.
    #[napi(ts_args_type = "options?: CallOptions", ts_return_type = "Promise<void>")]
    pub fn close<'env>(&self, env: &'env Env, options: Unknown<'_>) -> Result<PromiseRaw<'env, ()>> {
        attempt(env, || {
            let Call::<'_, Nothing> { patience, .. } = Call::read::<NoOptions>(options)?;
            let (instance, hold) = (self.instance.clone(), self.hold.clone());
            promise(env, patience, Abandoned::GoesOn, async move {
                let closed = instance.close().await;
                drop(hold.lock().unwrap_or_else(PoisonError::into_inner).take());
                closed
            })
        })
    }
}

/// Keeps Node's event loop alive until it is dropped: a promise that nobody waits for.
struct Hold(Option<JsDeferred<(), Release>>);

type Release = fn(Env) -> Result<()>;

impl Hold {
    fn new(env: &Env) -> Result<Self> {
        Ok(Self(Some(env.create_deferred()?.0)))
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if let Some(deferred) = self.0.take() {
            deferred.resolve(|_| Ok(()));
        }
    }
}
