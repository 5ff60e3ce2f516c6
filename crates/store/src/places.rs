//! A worker's places, and who may have the last ones.

use std::collections::HashSet;

use domain::WorkspaceId;

use crate::ClaimedRun;

/// The places of one worker, as a claim may fill them.
///
/// A worker has a few more places than the turns that it is set up for: its reserve, where only runs of workspaces go that have none
/// under way there. So nobody waits for another's turns to end, however long they take and however many they are, and a
/// workspace that is alone has all places that were set up.
#[derive(Clone, Debug)]
pub struct Places {
    free: u32,
    reserve: u32,
    held_by: HashSet<WorkspaceId>,
}

impl Places {
    /// So many free places and no reserve: for whoever ends what it claims before it claims again.
    pub fn unshared(free: u32) -> Self {
        Self::shared(free, 0, [])
    }

    /// So many free places, and so many in the reserve, of a worker that executes turns of these workspaces.
    pub fn shared(free: u32, reserve: u32, held_by: impl IntoIterator<Item = WorkspaceId>) -> Self {
        Self { free, reserve, held_by: held_by.into_iter().collect() }
    }

    /// How many runs they have room for at most.
    pub const fn room(&self) -> u32 {
        self.free + self.reserve
    }

    /// How many of them anybody may have.
    pub(crate) const fn free(&self) -> u32 {
        self.free
    }

    /// The workspaces that may have none.
    pub(crate) fn refused(&self) -> impl Iterator<Item = WorkspaceId> {
        self.held_by.iter().copied().filter(|_| self.free == 0)
    }

    /// Fills places with what was claimed.
    pub fn fill(&mut self, claimed: &[ClaimedRun]) {
        for run in claimed {
            self.take(run.lease.workspace_id);
        }
    }

    /// Gives a place to a run of the workspace, if it may have one.
    pub(crate) fn take(&mut self, workspace_id: WorkspaceId) -> bool {
        if self.free > 0 {
            self.free -= 1;
            self.held_by.insert(workspace_id);
            return true;
        }
        if self.reserve == 0 || !self.held_by.insert(workspace_id) {
            return false;
        }
        self.reserve -= 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn workspace(number: u128) -> WorkspaceId {
        Uuid::from_u128(number).into()
    }

    /// Which of these workspaces get a place, one after the other.
    fn taken(mut places: Places, by: &[u128]) -> Vec<bool> {
        by.iter().map(|number| places.take(workspace(*number))).collect()
    }

    #[test]
    fn the_reserve_is_for_workspaces_that_hold_no_place() {
        let places = || Places::shared(2, 1, []);
        assert_eq!(taken(places(), &[1, 1, 1, 2, 3]), [true, true, false, true, false]);
        assert_eq!(taken(places(), &[1, 2, 2, 1, 3]), [true, true, false, false, true]);
    }

    #[test]
    fn what_is_held_already_counts() {
        let places = Places::shared(0, 2, [workspace(1), workspace(1)]);
        assert_eq!(places.refused().collect::<Vec<_>>(), [workspace(1)]);
        assert_eq!(taken(places, &[1, 2, 2, 3]), [false, true, false, true]);
    }

    #[test]
    fn free_places_are_refused_to_nobody() {
        let places = Places::shared(1, 1, [workspace(1)]);
        assert_eq!((places.room(), places.refused().count()), (2, 0));
        assert_eq!(taken(places, &[1, 1, 2]), [true, false, true]);
    }
}
