//! The machine's disk, for journals: it outlives every process, and what a write has confirmed stays.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use onbehalf_engine::{Result, store::journal::Disk};

use crate::{process::Process, provider::Provider};

/// All journals.
#[derive(Debug, Default)]
pub(crate) struct Platter(Mutex<BTreeMap<String, File>>);

#[derive(Debug, Default)]
struct File {
    /// The process that has it locked.
    locked_by: Option<String>,
    slots: BTreeMap<usize, Vec<u8>>,
}

impl Platter {
    /// The system takes back what a process had locked.
    pub(crate) fn unlock_all(&self, process: &Process) {
        for file in self.0.lock().unwrap().values_mut() {
            file.locked_by.take_if(|owner| *owner == process.name);
        }
    }

    /// How many entries wait to be dealt with.
    pub(crate) fn entries(&self) -> usize {
        self.0.lock().unwrap().values().map(|file| file.slots.len()).sum()
    }
}

/// A process's way to the disk.
#[derive(Debug)]
pub(crate) struct SimDisk {
    pub(crate) process: Arc<Process>,
    pub(crate) platter: Arc<Platter>,
    pub(crate) provider: Arc<Provider>,
}

#[async_trait]
impl Disk for SimDisk {
    async fn write(&self, owner: &str, slot: usize, bytes: Vec<u8>) -> Result<()> {
        self.process.step().await;
        {
            let mut files = self.platter.0.lock().unwrap();
            let slots = &mut files.entry(owner.into()).or_default().slots;
            if bytes.iter().all(|byte| *byte == 0) {
                slots.remove(&slot);
            } else {
                slots.insert(slot, bytes);
                self.provider.journaled(tokio::task::try_id());
            }
        }
        self.process.step().await;
        Ok(())
    }

    async fn lock(&self, owner: &str) -> Result<Option<BTreeMap<usize, Vec<u8>>>> {
        self.process.step().await;
        let mut files = self.platter.0.lock().unwrap();
        let file = files.entry(owner.into()).or_default();
        if file.locked_by.is_some() {
            return Ok(None);
        }
        file.locked_by = Some(self.process.name.clone());
        Ok(Some(file.slots.clone()))
    }

    async fn read(&self, owner: &str) -> Result<BTreeMap<usize, Vec<u8>>> {
        self.process.step().await;
        let files = self.platter.0.lock().unwrap();
        Ok(files.get(owner).map(|file| file.slots.clone()).unwrap_or_default())
    }

    fn unlock(&self, owner: &str) {
        let mut files = self.platter.0.lock().unwrap();
        let Some(file) = files.get_mut(owner) else { return };
        file.locked_by.take_if(|by| *by == self.process.name);
        if file.locked_by.is_none() && file.slots.is_empty() {
            files.remove(owner);
        }
    }

    async fn owners(&self) -> Result<Vec<String>> {
        self.process.step().await;
        let files = self.platter.0.lock().unwrap();
        Ok(files.iter().filter(|(_, file)| !file.slots.is_empty()).map(|(owner, _)| owner.clone()).collect())
    }
}
