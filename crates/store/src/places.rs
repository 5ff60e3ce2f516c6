//! A worker's places, and how workspaces share them.

use std::collections::HashMap;

use domain::WorkspaceId;

use crate::ClaimedRun;

/// A workspace that holds some of a worker's places gets one more only while one is free for each of so many that it then holds.
const HELD_PER_FREE: u32 = 7;

/// The places of one worker, as a claim may fill them.
///
/// Shared places follow dynamic thresholds (Choudhury and Hahne, "Dynamic queue length thresholds for shared-memory packet
/// switches", 1998): what a workspace may hold follows from what is free at the moment. One alone gets seven of eight places, two
/// get seven of fifteen each; some are free at any time, and a workspace that holds none may always have one. So nobody waits
/// for another's turns to end, however long they take, and nothing has to be set up.
#[derive(Clone, Debug)]
pub struct Places {
    free: u32,
    /// How many each workspace has; none where whoever comes first may have all.
    held: Option<HashMap<WorkspaceId, u32>>,
}

impl Places {
    /// So many free places, of which one workspace may have all: for whoever ends what it claims before it claims again.
    pub const fn unshared(free: u32) -> Self {
        Self { free, held: None }
    }

    /// So many free places of a worker that executes a turn of each of these workspaces, once for each turn.
    pub fn shared(free: u32, held_by: impl IntoIterator<Item = WorkspaceId>) -> Self {
        let mut held = HashMap::new();
        for workspace_id in held_by {
            *held.entry(workspace_id).or_default() += 1;
        }
        Self { free, held: Some(held) }
    }

    /// How many are free.
    pub const fn free(&self) -> u32 {
        self.free
    }

    /// Fills places with what was claimed.
    pub fn fill(&mut self, claimed: &[ClaimedRun]) {
        for run in claimed {
            self.occupy(run.lease.workspace_id);
        }
    }

    /// Gives a place to a run of the workspace, if it may have one.
    pub(crate) fn take(&mut self, workspace_id: WorkspaceId) -> bool {
        if self.free == 0 {
            return false;
        }
        let before =
            self.held.as_ref().map_or(0, |held| held.get(&workspace_id).copied().unwrap_or_default());
        if before > 0 && before + 1 > HELD_PER_FREE * (self.free - 1) {
            return false;
        }
        self.occupy(workspace_id);
        true
    }

    fn occupy(&mut self, workspace_id: WorkspaceId) {
        self.free = self.free.saturating_sub(1);
        if let Some(held) = &mut self.held {
            *held.entry(workspace_id).or_default() += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn workspace(number: u128) -> WorkspaceId {
        Uuid::from_u128(number).into()
    }

    /// How many of `all` places each of so many workspaces gets that want all of them, by turns.
    fn shares(all: u32, greedy: u128) -> Vec<u32> {
        let mut places = Places::shared(all, []);
        let mut shares = vec![0; greedy as usize];
        loop {
            let mut has_taken = false;
            for number in 0..greedy {
                if places.take(workspace(number)) {
                    shares[number as usize] += 1;
                    has_taken = true;
                }
            }
            if !has_taken {
                return shares;
            }
        }
    }

    #[test]
    fn some_places_stay_free_for_whoever_comes_next() {
        assert_eq!(shares(64, 1), [56]);
        assert_eq!(shares(64, 2), [30, 29]);
        assert_eq!(shares(8, 1), [7]);
        assert_eq!(shares(4, 1), [3]);
        assert_eq!(shares(64, 20).iter().sum::<u32>(), 63);
    }

    #[test]
    fn a_workspace_that_holds_none_may_have_the_last_one() {
        assert_eq!(shares(1, 1), [1]);
        assert_eq!(shares(4, 5), [1, 1, 1, 1, 0]);
    }

    #[test]
    fn what_is_held_already_counts() {
        let mut places = Places::shared(2, [workspace(1); 14]);
        assert!(!places.take(workspace(1)));
        assert!(places.take(workspace(2)));
        assert_eq!(places.free(), 1);
    }

    #[test]
    fn unshared_places_are_for_whoever_comes_first() {
        let mut places = Places::unshared(2);
        assert!(places.take(workspace(1)) && places.take(workspace(1)) && !places.take(workspace(2)));
    }
}
