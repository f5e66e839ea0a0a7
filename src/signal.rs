//! `AbortSignal`s, which end a caller's wait.
//!
//! napi's own type overwrites the caller's `onabort` and overlooks a signal that was aborted before, so this is ours:
//! it adds a listener of its own and removes it when the call settles. One signal may end many calls, which Node takes for
//! a leak from the eleventh listener on, and says so: ours don't count ([`make_room`]).

use napi::{
    Env, Unknown, ValueType,
    bindgen_prelude::{FnArgs, FromNapiValue as _, Function, FunctionRef, JsObjectValue as _, Object, ObjectRef},
};
use napi_derive::napi;
use onbehalf_engine::Error;
use tokio_util::sync::CancellationToken;

use crate::error::Failure;

type Listener<'env> = Function<'env, (), ()>;

/// A signal that a caller passed.
pub(crate) struct Signal<'env> {
    object: Object<'env>,
}

impl<'env> Signal<'env> {
    /// Takes whatever behaves like an `AbortSignal`; realms and polyfills have their own classes.
    pub(crate) fn accept(value: Unknown<'env>) -> Result<Self, Failure> {
        let refused = || Failure::from(Error::invalid("signal", "must be an AbortSignal"));
        if value.get_type()? != ValueType::Object {
            return Err(refused());
        }
        let object = Object::from_unknown(value)?;
        for (property, kind) in [("aborted", ValueType::Boolean), ("addEventListener", ValueType::Function)] {
            if object.get_named_property_unchecked::<Unknown<'_>>(property)?.get_type()? != kind {
                return Err(refused());
            }
        }
        Ok(Self { object })
    }

    /// What to reject with when the signal was aborted before the call.
    pub(crate) fn aborted(&self) -> napi::Result<Option<napi::Error>> {
        match self.object.get_named_property_unchecked::<bool>("aborted")? {
            true => reason(&self.object).map(Some),
            false => Ok(None),
        }
    }

    /// Begins to listen.
    pub(crate) fn listen(self, env: &Env) -> napi::Result<Listening> {
        let fired = CancellationToken::new();
        let token = fired.clone();
        let listener: Listener<'_> = env.create_function_from_closure("onbehalf", move |_| {
            token.cancel();
            Ok(())
        })?;
        let reference = listener.create_ref()?;
        make_room(env, self.object, 1);
        call(&self.object, "addEventListener", listener)?;
        Ok(Listening { object: self.object.create_ref()?, listener: reference, fired })
    }
}

/// A listener on a signal, until [`Listening::release`].
pub(crate) struct Listening {
    object: ObjectRef<false>,
    listener: FunctionRef<(), ()>,
    fired: CancellationToken,
}

impl Listening {
    /// Becomes cancelled when the signal fires.
    pub(crate) fn fired(&self) -> CancellationToken {
        self.fired.clone()
    }

    /// Stops listening; returns what to reject with when the signal is why the wait ended.
    pub(crate) fn release(self, env: &Env) -> napi::Result<napi::Error> {
        let object = self.object.get_value(env)?;
        call(&object, "removeEventListener", self.listener.borrow_back(env)?)?;
        make_room(env, object, -1);
        let reason = reason(&object);
        self.object.unref(env)?;
        reason
    }
}

/// Moves the number of listeners from which Node warns about this signal: up before one is added that will be removed,
/// and down afterwards. A signal of somebody else's making, which Node doesn't watch, is left alone.
#[napi(skip_typescript)]
pub fn make_room(env: &Env, signal: Object<'_>, change: i32) {
    let moved = || {
        let process: Object<'_> = env.get_global()?.get_named_property_unchecked("process")?;
        let builtin: Function<'_, &str, Object<'_>> = process.get_named_property_unchecked("getBuiltinModule")?;
        let events = builtin.apply(process, "node:events")?;
        let most: Function<'_, Object<'_>, f64> = events.get_named_property_unchecked("getMaxListeners")?;
        let most = most.call(signal)?;
        // 0 is without end.
        if most > 0.0 {
            let set: Function<'_, FnArgs<(f64, Object<'_>)>, ()> =
                events.get_named_property_unchecked("setMaxListeners")?;
            set.call((most + f64::from(change), signal).into())?;
        }
        napi::Result::Ok(())
    };
    // A warning is all that is at stake.
    let _ = moved();
}

fn reason(signal: &Object<'_>) -> napi::Result<napi::Error> {
    Ok(napi::Error::from_unknown_without_coercion(signal.get_named_property_unchecked("reason")?))
}

fn call(signal: &Object<'_>, method: &str, listener: Listener<'_>) -> napi::Result<()> {
    let method: Function<'_, FnArgs<(&str, Listener<'_>)>, Unknown<'_>> =
        signal.get_named_property_unchecked(method)?;
    method.apply(signal, ("abort", listener).into())?;
    Ok(())
}
