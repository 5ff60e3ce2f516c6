//! On whose behalf, and in which workspace.

use domain::{UserId, WorkspaceId};

use crate::IdempotencyHold;

/// The right to touch one workspace's rows: the first argument of every tenanted call. It cannot be made from an id; it
/// comes from a resolved session or token, from a claimed run or delivery, or from an operator's command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope {
    workspace_id: WorkspaceId,
    actor: Actor,
    /// The key for which a request acts: each change made with this scope is noted as the key's effect, or refused.
    hold: Option<IdempotencyHold>,
}

/// Who acts, as the audit log tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A member, through the page or a token.
    User(UserId),
    /// Whoever runs the server, by command line.
    Operator,
    /// Tidings itself: a worker, the scheduler.
    System,
}

impl Scope {
    pub(crate) const fn new(workspace_id: WorkspaceId, actor: Actor) -> Self {
        Self { workspace_id, actor, hold: None }
    }

    /// The same right, acting for an idempotency key.
    #[must_use]
    pub const fn acting_for(mut self, hold: IdempotencyHold) -> Self {
        self.hold = Some(hold);
        self
    }

    /// The workspace.
    pub const fn workspace_id(&self) -> WorkspaceId {
        self.workspace_id
    }

    /// Who acts.
    pub const fn actor(&self) -> Actor {
        self.actor
    }

    pub(crate) const fn hold(&self) -> Option<IdempotencyHold> {
        self.hold
    }
}
