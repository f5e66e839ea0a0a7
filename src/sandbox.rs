//! The sandbox as `testing.js` drives it: what its options mean, and nothing else. No part of the package's own exports.

mod asked;

use std::{sync::Arc, time::Duration};

use indexmap::IndexMap;
use napi::{
    Env, Result, Unknown,
    bindgen_prelude::{External, PromiseRaw, ToNapiValue},
};
use napi_derive::napi;
use onbehalf_engine::{Engine, Error, connect::NewLink};
use onbehalf_sandbox::{
    Arrival, Reply, Sandbox,
    faults::{Fault, Held},
};
use serde::de::DeserializeOwned;
use url::Url;

use self::asked::{
    AdvanceOptions, Connect, ConnectOptions, DenyOptions, DropOptions, FailOptions, Follow, GrantOptions, HoldOptions,
    KeyOptions, NarrowOptions, ReplyOptions, SlowOptions, Submit, SubmitOptions, Whose, WhoseOptions,
};
use crate::{
    answers::ConnectedAccount,
    argument::Argument,
    asked::Nothing,
    call::{Call, attempt},
    decode::decode,
    exit::enlist,
    onbehalf::Onbehalf,
    options::NoOptions,
    promise::{Abandoned, promise},
};

/// Opens the environment, which must have a sandbox.
#[napi(skip_typescript)]
pub fn sandbox_open<'env>(env: &'env Env, onbehalf: &Onbehalf, options: Unknown<'_>) -> Result<PromiseRaw<'env, ()>> {
    drive::<NoOptions, Nothing, _, _>(env, onbehalf, options, |_, _, _| async { Ok(()) })
}

/// The whole way to a connected account.
#[napi(skip_typescript)]
pub fn sandbox_connect<'env>(
    env: &'env Env,
    onbehalf: &Onbehalf,
    options: Unknown<'_>,
) -> Result<PromiseRaw<'env, ConnectedAccount>> {
    drive::<ConnectOptions, Connect, _, _>(env, onbehalf, options, |engine, sandbox, asked| async move {
        let new = NewLink { account: asked.account, scopes: None, user_verify_url: None, state: None };
        Ok(sandbox.connect(&engine, new, asked.consent).await?.into())
    })
}

/// Consents to a link. Says where the browser ends.
#[napi(skip_typescript)]
pub fn sandbox_grant<'env>(
    env: &'env Env,
    onbehalf: &Onbehalf,
    options: Unknown<'_>,
) -> Result<PromiseRaw<'env, String>> {
    drive::<GrantOptions, Follow, _, _>(env, onbehalf, options, |engine, sandbox, asked| async move {
        sandbox.grant(&engine, &asked.link, asked.consent).await.map(Url::into)
    })
}

/// Refuses a link. Says where the browser ends.
#[napi(skip_typescript)]
pub fn sandbox_deny<'env>(
    env: &'env Env,
    onbehalf: &Onbehalf,
    options: Unknown<'_>,
) -> Result<PromiseRaw<'env, String>> {
    drive::<DenyOptions, Follow, _, _>(env, onbehalf, options, |engine, sandbox, asked| async move {
        sandbox.deny(&engine, &asked.link).await.map(Url::into)
    })
}

/// Enters a key in a link's form. Says where the browser ends.
#[napi(skip_typescript)]
pub fn sandbox_submit_key<'env>(
    env: &'env Env,
    onbehalf: &Onbehalf,
    options: Unknown<'_>,
) -> Result<PromiseRaw<'env, String>> {
    drive::<SubmitOptions, Submit, _, _>(env, onbehalf, options, |engine, sandbox, asked| async move {
        sandbox.submit_key(&engine, &asked.link, asked.key).await.map(Url::into)
    })
}

/// Ends access tokens.
#[napi(skip_typescript)]
pub fn sandbox_expire_access_tokens<'env>(
    env: &'env Env,
    onbehalf: &Onbehalf,
    options: Unknown<'_>,
) -> Result<PromiseRaw<'env, ()>> {
    drive::<WhoseOptions, Whose, _, _>(env, onbehalf, options, |engine, sandbox, whose| async move {
        sandbox.expire(&engine, whose.account.as_ref()).await
    })
}

/// Takes grants and keys back.
#[napi(skip_typescript)]
pub fn sandbox_revoke<'env>(env: &'env Env, onbehalf: &Onbehalf, options: Unknown<'_>) -> Result<PromiseRaw<'env, ()>> {
    drive::<WhoseOptions, Whose, _, _>(env, onbehalf, options, |engine, sandbox, whose| async move {
        sandbox.revoke(&engine, whose.account.as_ref()).await
    })
}

/// Takes scopes from grants.
#[napi(skip_typescript)]
pub fn sandbox_narrow_scopes<'env>(
    env: &'env Env,
    onbehalf: &Onbehalf,
    options: Unknown<'_>,
) -> Result<PromiseRaw<'env, ()>> {
    drive::<NarrowOptions, Whose, _, _>(env, onbehalf, options, |engine, sandbox, whose| async move {
        sandbox.narrow(&engine, whose.account.as_ref(), &whose.scopes).await
    })
}

/// Makes a static key.
#[napi(skip_typescript)]
pub fn sandbox_issue_key(env: &Env, onbehalf: &Onbehalf, options: Unknown<'_>) -> Result<String> {
    tell(env, onbehalf, options, |sandbox, asked: KeyOptions| {
        sandbox.issue_key(asked.user.as_deref(), asked.permissions.as_deref())
    })
}

/// Lets the next requests fail.
#[napi(skip_typescript)]
pub fn sandbox_fail_next(env: &Env, onbehalf: &Onbehalf, options: Unknown<'_>) -> Result<()> {
    tell(env, onbehalf, options, |sandbox, asked: FailOptions| sandbox.add_fault(Fault::try_from(asked)?))
}

/// Lets the next requests take longer.
#[napi(skip_typescript)]
pub fn sandbox_slow_next(env: &Env, onbehalf: &Onbehalf, options: Unknown<'_>) -> Result<()> {
    tell(env, onbehalf, options, |sandbox, asked: SlowOptions| sandbox.add_fault(Fault::try_from(asked)?))
}

/// Loses the next answers.
#[napi(skip_typescript)]
pub fn sandbox_drop_next(env: &Env, onbehalf: &Onbehalf, options: Unknown<'_>) -> Result<()> {
    tell(env, onbehalf, options, |sandbox, asked: DropOptions| sandbox.add_fault(Fault::try_from(asked)?))
}

/// Holds the next request.
#[napi(skip_typescript)]
pub fn sandbox_hold_next(env: &Env, onbehalf: &Onbehalf, options: Unknown<'_>) -> Result<External<Held>> {
    tell(env, onbehalf, options, |sandbox, asked: HoldOptions| sandbox.hold_next(asked.path).map(External::new))
}

/// Waits until a request is held.
#[napi(skip_typescript)]
pub fn held_arrived<'env>(env: &'env Env, held: &External<Held>, options: Unknown<'_>) -> Result<PromiseRaw<'env, ()>> {
    attempt(env, || {
        let Call::<'_, Nothing> { patience, .. } = Call::read::<NoOptions>(options)?;
        let held = Held::clone(held);
        promise(env, patience, Abandoned::Stops, async move { held.arrived().await })
    })
}

/// Lets a held request go.
#[napi(catch_unwind, skip_typescript)]
pub fn held_release(held: &External<Held>) {
    held.release();
}

/// Answers in the API's place.
#[napi(skip_typescript)]
pub fn sandbox_reply(env: &Env, onbehalf: &Onbehalf, options: Unknown<'_>) -> Result<()> {
    tell(env, onbehalf, options, |sandbox, asked: ReplyOptions| sandbox.reply(Reply::try_from(asked)?))
}

/// Moves the clock.
#[napi(skip_typescript)]
pub fn sandbox_advance(env: &Env, onbehalf: &Onbehalf, options: Unknown<'_>) -> Result<()> {
    tell(env, onbehalf, options, |sandbox, asked: AdvanceOptions| {
        sandbox.advance(Duration::try_from(asked)?);
        Ok(())
    })
}

/// What has arrived, the oldest first; also when all is closed.
#[napi(skip_typescript)]
pub fn sandbox_requests(env: &Env, onbehalf: &Onbehalf) -> Result<Vec<Arrived>> {
    attempt(env, || Ok(onbehalf.instance().sandbox_that_was()?.arrivals().into_iter().map(arrived).collect()))
}

/// A request that has arrived: when, method, path, query, headers, user, grant type, status.
type Arrived = (f64, String, String, String, IndexMap<String, String>, Option<String>, Option<String>, Option<u16>);

fn arrived(arrival: Arrival) -> Arrived {
    (
        arrival.at.as_millis() as f64,
        arrival.method.to_string(),
        arrival.path,
        arrival.query,
        arrival.headers.into_iter().collect(),
        arrival.user,
        arrival.grant_type,
        arrival.status.map(|status| status.as_u16()),
    )
}

/// Asks the engine and the sandbox something that takes time.
fn drive<'env, O, P, T, F>(
    env: &'env Env,
    onbehalf: &Onbehalf,
    options: Unknown<'_>,
    act: impl FnOnce(Arc<Engine>, Arc<Sandbox>, P) -> F + Send + 'static,
) -> Result<PromiseRaw<'env, T>>
where
    O: DeserializeOwned,
    P: TryFrom<O, Error = Error> + Send + 'static,
    T: ToNapiValue + Send + 'static,
    F: Future<Output = onbehalf_engine::Result<T>> + Send,
{
    attempt(env, || {
        let Call { asked, patience } = Call::read::<O>(options)?;
        let instance = onbehalf.instance().clone();
        enlist(env, &instance)?;
        promise(env, patience, Abandoned::GoesOn, async move {
            let engine = instance.engine().await?;
            act(engine, instance.sandbox()?, asked).await
        })
    })
}

/// Tells the sandbox something that is done at once.
fn tell<O: DeserializeOwned, T>(
    env: &Env,
    onbehalf: &Onbehalf,
    options: Unknown<'_>,
    act: impl FnOnce(&Sandbox, O) -> onbehalf_engine::Result<T>,
) -> Result<T> {
    attempt(env, || {
        let asked = decode(Argument::read(options)?.value)?;
        Ok(act(&*onbehalf.instance().sandbox()?, asked)?)
    })
}
