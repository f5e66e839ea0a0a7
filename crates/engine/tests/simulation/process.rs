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

use tokio::{sync::Notify, task, time::Instant};

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
    fuse: Option<Fuse>,
    /// Becomes the fuse of the next token request.
    trap: Option<(u32, Fate)>,
}

/// What will befall a process, after so many steps.
struct Fuse {
    steps: u32,
    fate: Fate,
    /// The task whose steps count; nothing for all.
    task: Option<task::Id>,
}

impl State {
    /// What befalls the process at this step.
    fn burn(&mut self) -> Option<Fate> {
        let counts = |fuse: &&mut Fuse| fuse.task.is_none() || fuse.task == task::try_id();
        let fuse = self.fuse.as_mut().filter(counts)?;
        match fuse.steps.checked_sub(1) {
            Some(left) => {
                fuse.steps = left;
                None
            }
            None => self.fuse.take().map(|fuse| fuse.fate),
        }
    }
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
        self.state.lock().unwrap().fuse = Some(Fuse { steps, fate, task: None });
    }

    /// The same, counted from its next token request on, and only what is done for that.
    pub(crate) fn set_trap(&self, steps: u32, fate: Fate) {
        self.state.lock().unwrap().trap = Some((steps, fate));
    }

    /// This task sends a token request.
    pub(crate) fn spring_trap(&self) {
        let mut state = self.state.lock().unwrap();
        if let Some((steps, fate)) = state.trap.take() {
            state.fuse = Some(Fuse { steps, fate, task: task::try_id() });
        }
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
        let fate = self.state.lock().unwrap().burn();
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
