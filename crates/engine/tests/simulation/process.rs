//! A process that may be killed, or stand still, wherever it touches the world.
//!
//! Between two touches nobody can tell where a process stopped, so these are all the places there are: each call of the
//! store, the journal and the way out begins and ends with a [`Process::step`]. A killed process never takes another.

use std::{
    fmt,
    future::pending,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

use crate::world::World;

/// What befalls a process.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fate {
    Killed,
    Stopped(Duration),
}

/// One life of a replica.
pub(crate) struct Process {
    pub(crate) world: Arc<World>,
    /// The replica, and which of its lives: `r1.2`.
    pub(crate) name: String,
    state: Mutex<State>,
    killed: Notify,
}

#[derive(Default)]
struct State {
    killed: bool,
    stopped_until: Option<Instant>,
    last_stop: Option<Instant>,
    /// What will befall it, after so many steps.
    fuse: Option<(u32, Fate)>,
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl Process {
    pub(crate) fn new(world: Arc<World>, name: String) -> Arc<Self> {
        Arc::new(Self { world, name, state: Mutex::default(), killed: Notify::new() })
    }

    pub(crate) fn light(&self, steps: u32, fate: Fate) {
        self.state.lock().unwrap().fuse = Some((steps, fate));
    }

    pub(crate) fn is_killed(&self) -> bool {
        self.state.lock().unwrap().killed
    }

    /// Whether it has stood still since then.
    pub(crate) fn has_stopped_since(&self, then: Instant) -> bool {
        self.state.lock().unwrap().last_stop.is_some_and(|end| end >= then)
    }

    pub(crate) async fn killed(&self) {
        while !self.is_killed() {
            self.killed.notified().await;
        }
    }

    pub(crate) fn kill(&self) {
        self.world.log(format_args!("{self:?} is killed"));
        self.state.lock().unwrap().killed = true;
        self.killed.notify_waiters();
    }

    /// One touch of the world.
    pub(crate) async fn step(&self) {
        let fate = {
            let mut state = self.state.lock().unwrap();
            match &mut state.fuse {
                Some((0, _)) => state.fuse.take().map(|(_, fate)| fate),
                Some((left, _)) => {
                    *left -= 1;
                    None
                }
                None => None,
            }
        };
        match fate {
            Some(Fate::Killed) if !self.world.is_calm() => self.kill(),
            Some(Fate::Stopped(duration)) if !self.world.is_calm() => {
                self.world.log(format_args!("{self:?} stands still for {duration:?}"));
                let end = Instant::now() + duration;
                let mut state = self.state.lock().unwrap();
                (state.stopped_until, state.last_stop) = (Some(end), Some(end));
            }
            _ => {}
        }
        loop {
            if self.is_killed() {
                pending::<()>().await;
            }
            let stopped = self.state.lock().unwrap().stopped_until.filter(|end| *end > Instant::now());
            let Some(end) = stopped else { return };
            tokio::time::sleep_until(end).await;
        }
    }
}
