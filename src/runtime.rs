//! The threads that carry what JavaScript waits for.
//!
//! One runtime a process, made when first needed, never torn down: a worker thread of Node may end while a refresh
//! that it began is still under way, and that refresh must finish. Node unmaps a library when the last thread that
//! loaded it ends, so ours is pinned when it is loaded, before anything of it outlives that thread: threads of its own,
//! and what its allocator does when a thread ends.

use std::{
    io::{self, Write as _},
    panic::PanicHookInfo,
    sync::OnceLock,
};

use napi::bindgen_prelude::retain_current_module_for_unload_safety;
use onbehalf_engine::{Error, Result};
use tokio::runtime::{Builder, Runtime};

/// The runtime of this process.
///
/// # Errors
/// `STORE_FAILED` where the system gives the process no descriptor for it. The next call tries again.
pub(crate) fn runtime() -> Result<&'static Runtime> {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime);
    }
    let built = build().map_err(|_| Error::nothing_to_spare())?;
    // Where two threads come here at once, one of the two that they have made ends unused.
    Ok(RUNTIME.get_or_init(|| built))
}

fn build() -> io::Result<Runtime> {
    let mut builder = Builder::new_multi_thread();
    #[cfg(target_os = "linux")]
    builder.on_thread_start(crate::memory::hide_stack);
    // Its work is to wait for databases and providers, which takes few threads.
    builder.worker_threads(2).max_blocking_threads(8).thread_name("onbehalf").enable_all().build()
}

/// Runs when the library is loaded.
#[napi_derive::module_init]
fn prepare() {
    retain_current_module_for_unload_safety();
    std::panic::set_hook(Box::new(report_panic));
    #[cfg(feature = "trace")]
    crate::trace::begin();
}

/// Says where a panic was, and nothing of its message, which may hold what it should not.
fn report_panic(panic: &PanicHookInfo<'_>) {
    let location = panic.location().map(ToString::to_string).unwrap_or_default();
    // Nothing is left to tell it to when standard error is closed.
    let _ = writeln!(std::io::stderr(), "onbehalf has met a defect of its own at {location}; please report it");
}
