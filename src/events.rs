//! Events: what the engine tells, as JavaScript's listeners hear it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use napi::{
    JsValue as _, Status, Unknown, ValueType,
    bindgen_prelude::{FromNapiValue as _, Function},
    threadsafe_function::{ThreadsafeCallContext, ThreadsafeFunction, ThreadsafeFunctionCallMode},
};
use napi_derive::napi;
use onbehalf_engine::{Engine, Error, events::StatusChange};

use crate::{
    answers::{Moment, status},
    error::Failure,
};

/// A connected account's status changed.
#[napi(object, object_from_js = false)]
pub struct StatusChanged {
    /// The event's name.
    #[napi(js_name = "type", ts_type = "'statusChanged'")]
    pub kind: &'static str,
    /// `ca_…`
    pub connected_account_id: String,
    /// The connection's name, such as `gmail`.
    pub connection_name: String,
    /// Your app's own id of the person.
    pub identifier: String,
    /// The tenant of your app that it belongs to.
    pub organization_id: String,
    /// Whether the account can be used now.
    #[napi(ts_type = "ConnectorStatus")]
    pub status: &'static str,
    /// What it was before.
    #[napi(ts_type = "ConnectorStatus")]
    pub previous_status: &'static str,
    /// Why it is not active. `revoked`: the provider ended the grant, and said so twice. `lost_rotation`: the same, after
    /// an answer was lost that may have brought a new refresh token. `unconfirmed`: it refused for a whole day in words
    /// that prove nothing. `no_refresh_token`: the token ended and nothing renews it. `connection_changed`: it was granted
    /// to another app; changing the connection back heals it. `disconnected`: you did.
    pub reason: Option<String>,
    /// When it changed.
    #[napi(ts_type = "Date")]
    pub at: Moment,
}

impl From<StatusChange> for StatusChanged {
    fn from(change: StatusChange) -> Self {
        Self {
            kind: STATUS_CHANGED,
            connected_account_id: change.account_id,
            connection_name: change.connection_name,
            identifier: change.identifier,
            organization_id: change.organization.as_str().into(),
            status: status(change.status),
            previous_status: status(change.previous_status),
            reason: change.reason,
            at: Moment(change.at),
        }
    }
}

/// The one event there is.
const STATUS_CHANGED: &str = "statusChanged";

/// Calls a listener on its own thread of JavaScript, and keeps no process alive. What the listener throws is uncaught, as
/// it is of Node's own emitters.
type Teller = ThreadsafeFunction<StatusChange, Unknown<'static>, StatusChanged, Status, false, true>;

/// The listeners of one instance, in the order in which they came.
#[derive(Clone, Default)]
pub(crate) struct Listeners(Arc<Mutex<BTreeMap<u64, Teller>>>);

impl Listeners {
    /// Adds a listener, and returns what removes it.
    pub(crate) fn add(
        &self,
        name: Unknown<'_>,
        listener: Unknown<'_>,
    ) -> Result<impl Fn() + Send + Sync + 'static, Failure> {
        if name.get_type()? != ValueType::String || name.coerce_to_string()?.into_utf8()?.as_str()? != STATUS_CHANGED {
            return Err(Error::invalid("name", format!("must be the name of an event: \"{STATUS_CHANGED}\"")).into());
        }
        if listener.get_type()? != ValueType::Function {
            return Err(Error::invalid("listener", "must be a function").into());
        }
        let listener = Function::<'_, StatusChanged, Unknown<'static>>::from_unknown(listener)?;
        let teller = listener
            .build_threadsafe_function()
            .callee_handled::<false>()
            .weak::<true>()
            .build_callback(|told: ThreadsafeCallContext<StatusChange>| Ok(StatusChanged::from(told.value)))?;
        let mut tellers = self.tellers();
        let number = tellers.last_key_value().map_or(0, |(number, _)| number + 1);
        tellers.insert(number, teller);
        let listeners = self.clone();
        Ok(move || drop(listeners.tellers().remove(&number)))
    }

    /// Tells every listener of what the engine tells, until it is gone.
    pub(crate) fn attach(&self, engine: &Engine) {
        let (listeners, mut changes) = (self.clone(), engine.status_changes());
        tokio::spawn(async move {
            while let Some(change) = changes.recv().await {
                for teller in listeners.tellers().values() {
                    // One whose thread has ended hears no more.
                    let _ = teller.call(change.clone(), ThreadsafeFunctionCallMode::NonBlocking);
                }
            }
        });
    }

    /// Forgets all.
    pub(crate) fn clear(&self) {
        self.tellers().clear();
    }

    fn tellers(&self) -> MutexGuard<'_, BTreeMap<u64, Teller>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
