//! What happens to open instances when their thread of JavaScript ends.
//!
//! `process.exit` and the end of a worker stop JavaScript at once, while a token that was just rotated may be on its
//! way to the store. So the end waits a moment for it: `index.js` calls [`drain`] when the process exits, and Node
//! calls the same through a clean-up hook when a worker ends.

use std::{cell::RefCell, sync::Arc, time::Duration};

use napi::Env;
use tokio::time::timeout;

use crate::{instance::Instance, promise::guarded, runtime::runtime};

/// How long the end of a thread waits for what is under way.
const PATIENCE: Duration = Duration::from_secs(2);

thread_local! {
    /// The instances that this thread used, until they are closed. They are kept alive by this list: a link that is
    /// under way needs its listener even when the app has dropped the instance.
    static USED: RefCell<Option<Vec<Arc<Instance>>>> = const { RefCell::new(None) };
}

/// Remembers an instance for the end of this thread, and forgets those that were closed.
pub(crate) fn enlist(env: &Env, instance: &Arc<Instance>) -> napi::Result<()> {
    if instance.is_enlisted() {
        return Ok(());
    }
    let first = USED.with_borrow_mut(|used| {
        let first = used.is_none();
        let used = used.get_or_insert_default();
        used.retain(|instance| !instance.is_closed());
        used.push(instance.clone());
        first
    });
    if first {
        env.add_env_cleanup_hook((), |()| drain())?;
    }
    Ok(())
}

/// Closes every instance of this thread, and waits for it, at most two seconds for all.
#[napi_derive::napi(skip_typescript)]
pub fn drain() {
    let used = USED.with_borrow_mut(|used| used.as_mut().map(std::mem::take).unwrap_or_default());
    if used.is_empty() {
        return;
    }
    // Without a runtime, nothing was ever opened.
    let Ok(runtime) = runtime() else { return };
    // Nobody is left to tell a failure to; what is stored is kept in any case.
    let _ = guarded(|| {
        runtime.block_on(async {
            let closing: Vec<_> =
                used.into_iter().map(|instance| tokio::spawn(async move { instance.close().await })).collect();
            let _ = timeout(PATIENCE, async {
                for instance in closing {
                    let _ = instance.await;
                }
            })
            .await;
        });
    });
}
