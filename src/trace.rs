//! Everything that every crate below logs, one file a process. Only builds for development have it (the feature
//! `trace`): they are read by developers, and searched for secrets that should not be there.

use std::{fs::File, path::Path, sync::Mutex};

use tracing_subscriber::filter::LevelFilter;

/// Begins, where `ONBEHALF_TRACE` names a folder.
pub(crate) fn begin() {
    let Some(folder) = std::env::var_os("ONBEHALF_TRACE") else { return };
    let path = Path::new(&folder).join(format!("{}.log", std::process::id()));
    let Ok(file) = File::options().create(true).append(true).open(path) else { return };
    let subscriber = tracing_subscriber::fmt().with_max_level(LevelFilter::TRACE).with_ansi(false);
    // Loaded again by a worker, the library has begun already.
    let _ = subscriber.with_writer(Mutex::new(file)).try_init();
}
