//! The record of every change: one row, in the transaction of the change. A change that a request with an idempotency key
//! makes is noted as the key's effect, too.

use serde_json::Value;
use uuid::Uuid;

use crate::{Result, Tx, idempotency, scope::Actor};

/// Writes the audit row of a change. `action` is subject and verb: `task.create`. `details` never holds a secret.
pub(crate) async fn record(
    tx: &mut Tx,
    actor: Actor,
    action: &str,
    subject_id: Uuid,
    details: Value,
) -> Result<()> {
    if let Some(hold) = tx.hold() {
        idempotency::note_effect(tx, hold, action, subject_id, &details).await?;
    }
    let (actor_kind, actor_id) = words(actor);
    sqlx::query!(
        "INSERT INTO audit_log (workspace_id, id, at, actor_kind, actor_id, action, subject_id, details)
         VALUES ($1, gen_random_uuid(), $2, $3, $4, $5, $6, $7)",
        tx.workspace_id(),
        tx.now,
        actor_kind,
        actor_id,
        action,
        subject_id,
        details
    )
    .execute(tx.db())
    .await?;
    Ok(())
}

/// Who acts, as rows tell it: the kind, and the member.
pub(crate) const fn words(actor: Actor) -> (&'static str, Option<Uuid>) {
    match actor {
        Actor::User(id) => ("user", Some(id.as_uuid())),
        Actor::Operator => ("operator", None),
        Actor::System => ("system", None),
    }
}
