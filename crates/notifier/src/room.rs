//! How much memory the messages that bring a file along may take together. A file has up to 8 MB, a mail with it half as much
//! again, and both are there several times over while the mail is made and sent: without a bound, a hundred such mails at once
//! take gigabytes.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::email::ATTACHMENT_BYTES_MAX;

/// What all of them take together unless said otherwise, in bytes.
pub const FILES_BYTES: usize = 256 << 20;

/// What one message with a file may come to while it is made, in bytes: the file, its copy and its base64, the whole mail, and what
/// a growing buffer reserves beyond that.
const MAKING_BYTES: usize = 6 * ATTACHMENT_BYTES_MAX;

/// Memory to be shared, in bytes.
pub(crate) struct Room {
    free: Arc<Semaphore>,
    total: usize,
}

/// A part of it, given back when it is dropped.
pub(crate) struct Place(OwnedSemaphorePermit);

impl Room {
    /// So many bytes. At least one message at a time finds room, whatever it takes.
    pub(crate) fn new(total: usize) -> Self {
        let total = total.clamp(1, u32::MAX as usize);
        Self { free: Arc::new(Semaphore::new(total)), total }
    }

    /// Waits until there is room to make a message with a file.
    pub(crate) async fn take(&self) -> Option<Place> {
        let bytes = MAKING_BYTES.min(self.total) as u32;
        // It is never closed.
        Arc::clone(&self.free).acquire_many_owned(bytes).await.ok().map(Place)
    }
}

impl Place {
    /// Keeps `bytes` of it, and gives the rest back.
    pub(crate) fn shrink_to(&mut self, bytes: usize) {
        let rest = self.0.num_permits().saturating_sub(bytes);
        drop(self.0.split(rest));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_made_waits_for_room_and_what_is_made_takes_what_it_came_to() {
        let room = Room::new(2 * MAKING_BYTES);
        let (mut first, second) = (room.take().await.expect("room"), room.take().await.expect("room"));
        let waiting = tokio::time::timeout(std::time::Duration::ZERO, room.take());
        assert!(waiting.await.is_err(), "there is room for two");
        first.shrink_to(1_000);
        assert_eq!(room.free.available_permits(), MAKING_BYTES - 1_000);
        drop(second);
        let third = room.take().await.expect("room");
        drop((first, third));
        assert_eq!(room.free.available_permits(), 2 * MAKING_BYTES, "all of it is given back");
    }

    #[tokio::test]
    async fn one_at_a_time_fits_into_any_room() {
        let room = Room::new(1);
        let mut place = room.take().await.expect("room");
        place.shrink_to(5);
        drop(place);
        assert_eq!(room.free.available_permits(), 1);
    }
}
