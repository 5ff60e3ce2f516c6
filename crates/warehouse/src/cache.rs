//! A small cache of what was read a moment ago.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::Error;

/// Values by key, each for a short time, so many of them. One reader at a time and key; the others wait for its value.
pub(crate) struct Cache<Key, Value> {
    lifetime: Duration,
    most: usize,
    entries: Mutex<HashMap<Key, Entry<Value>>>,
}

struct Entry<Value> {
    since: Instant,
    slot: Arc<tokio::sync::Mutex<Option<Value>>>,
}

impl<Key: Clone + Eq + Hash, Value: Clone> Cache<Key, Value> {
    pub(crate) fn new(lifetime: Duration, most: usize) -> Self {
        Self { lifetime, most, entries: Mutex::default() }
    }

    /// The value that is there, else the one that `read` gives. Errors are not kept.
    pub(crate) async fn get_or_read(
        &self,
        key: Key,
        read: impl Future<Output = Result<Value, Error>>,
    ) -> Result<Value, Error> {
        let slot = self.slot(key);
        let mut value = slot.lock().await;
        if let Some(value) = &*value {
            return Ok(value.clone());
        }
        let fresh = read.await?;
        *value = Some(fresh.clone());
        Ok(fresh)
    }

    /// The value that is there. None while it is being read.
    pub(crate) fn known(&self, key: &Key) -> Option<Value> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.get(key).filter(|entry| entry.since.elapsed() < self.lifetime)?;
        entry.slot.try_lock().ok()?.clone()
    }

    fn slot(&self, key: Key) -> Arc<tokio::sync::Mutex<Option<Value>>> {
        let now = Instant::now();
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|_, entry| now.duration_since(entry.since) < self.lifetime);
        if entries.len() >= self.most && !entries.contains_key(&key) {
            let oldest = entries.iter().min_by_key(|(_, entry)| entry.since).map(|(key, _)| key.clone());
            if let Some(oldest) = oldest {
                entries.remove(&oldest);
            }
        }
        let entry = entries.entry(key).or_insert_with(|| Entry { since: now, slot: Arc::default() });
        Arc::clone(&entry.slot)
    }

    pub(crate) fn forget(&self, is_stale: impl Fn(&Key) -> bool) {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).retain(|key, _| !is_stale(key));
    }
}
