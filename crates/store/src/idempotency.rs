//! Requests that may come twice and must act once.
//!
//! Whoever is told to act gets a hold on the key. Every change made under it notes itself as the key's effect, in its own
//! transaction, and is refused once the hold has passed to another. So of a server that died and the one that was asked again,
//! or of one that was only slow, exactly one acts, whenever each of them was stopped.

use chrono::TimeDelta;
use domain::UserId;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    Conflict, Error, Result, Scope, Store, Tx,
    error::{json, one_row, to_json},
};

/// For how long an answer is repeated.
const REMEMBERED: TimeDelta = TimeDelta::hours(24);
/// After this long without an effect the first request is taken for dead, and the next one acts in its place. It may be brief:
/// one that was only slow finds its hold gone, and changes nothing.
const WORKED_ON: TimeDelta = TimeDelta::seconds(20);

/// The right to act for a key, until a later request has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdempotencyHold(Uuid);

/// What a request did, as the audit log tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effect {
    /// Subject and verb: `task.create`.
    pub action: String,
    /// What it was done to, or what was made.
    pub subject_id: Uuid,
    /// What else is known of it. No secret.
    pub details: Value,
}

/// What to do with a request that carries a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Idempotency {
    /// Act, with [`Scope::acting_for`], then call [`Store::idempotency_answer`] or [`Store::idempotency_forget`].
    Act(IdempotencyHold),
    /// Answer this again.
    Repeat {
        /// HTTP status.
        status: u16,
        /// Body.
        body: Vec<u8>,
    },
    /// The first request has acted, and its answer is not known, or not yet.
    Done(Effect),
    /// The first request with the key is still being worked on.
    InProgress,
    /// The key came with another request before.
    OtherRequest,
}

impl Store {
    /// Takes note of a request by its key and the hash of method, path and body. Of callers that race, one is told to act.
    pub async fn idempotency_begin(
        &self,
        scope: &Scope,
        user_id: UserId,
        key: &str,
        request_hash: &[u8],
    ) -> Result<Idempotency> {
        let mut tx = self.begin(scope).await?;
        let (now, workspace_id) = (tx.now, tx.workspace_id());
        // The key is free where it is new, its answer is no longer remembered, or whoever worked on it is gone.
        let hold = sqlx::query_scalar!(
            r#"INSERT INTO idempotency_key (workspace_id, user_id, key, request_hash, created_at, locked_until, hold)
               VALUES ($1, $2, $3, $4, $5, $6, gen_random_uuid())
               ON CONFLICT (workspace_id, user_id, key) DO UPDATE
               SET request_hash = excluded.request_hash, created_at = excluded.created_at,
                   locked_until = excluded.locked_until, response_status = NULL, response_body = NULL,
                   hold = excluded.hold, effect = NULL
               WHERE idempotency_key.created_at <= $7
                  OR (idempotency_key.response_status IS NULL AND idempotency_key.effect IS NULL
                      AND idempotency_key.locked_until <= $5 AND idempotency_key.request_hash = excluded.request_hash)
               RETURNING hold AS "hold!""#,
            workspace_id,
            user_id.as_uuid(),
            key,
            request_hash,
            now,
            now + WORKED_ON,
            now - REMEMBERED
        )
        .fetch_optional(tx.db())
        .await?;
        if let Some(hold) = hold {
            tx.commit().await?;
            return Ok(Idempotency::Act(IdempotencyHold(hold)));
        }
        let row = sqlx::query!(
            "SELECT request_hash, response_status, response_body, effect FROM idempotency_key
             WHERE workspace_id = $1 AND user_id = $2 AND key = $3",
            workspace_id,
            user_id.as_uuid(),
            key
        )
        .fetch_optional(tx.db())
        .await?;
        // Whoever worked on it has just let go of it: the next look gets it.
        let Some(row) = row else { return Ok(Idempotency::InProgress) };
        if row.request_hash != request_hash {
            return Ok(Idempotency::OtherRequest);
        }
        Ok(match (row.response_status, row.response_body, row.effect) {
            (Some(status), Some(body), _) => Idempotency::Repeat { status: status.unsigned_abs(), body },
            (_, _, Some(effect)) => Idempotency::Done(json("idempotency_key", "effect", key, effect)?),
            _ => Idempotency::InProgress,
        })
    }

    /// Remembers the answer to a request that acted.
    pub async fn idempotency_answer(
        &self,
        scope: &Scope,
        hold: IdempotencyHold,
        status: u16,
        body: &[u8],
    ) -> Result<()> {
        let mut tx = self.begin(scope).await?;
        let done = sqlx::query!(
            "UPDATE idempotency_key SET response_status = $3, response_body = $4 WHERE workspace_id = $1 AND hold = $2",
            tx.workspace_id(),
            hold.0,
            status.cast_signed(),
            body
        )
        .execute(tx.db())
        .await?;
        one_row(&done, Conflict::RequestReplaced.into())?;
        tx.commit().await
    }

    /// Frees a key whose request changed nothing, so that it may be tried again. One that did change something stays.
    pub async fn idempotency_forget(&self, scope: &Scope, hold: IdempotencyHold) -> Result<()> {
        let mut tx = self.begin(scope).await?;
        sqlx::query!(
            "DELETE FROM idempotency_key
             WHERE workspace_id = $1 AND hold = $2 AND response_status IS NULL AND effect IS NULL",
            tx.workspace_id(),
            hold.0
        )
        .execute(tx.db())
        .await?;
        tx.commit().await
    }
}

/// Notes what a transaction does as the effect of its key; of several changes the first. `Conflict::RequestReplaced` where
/// another request has the key by now: the row stays locked until this transaction ends, so that only one of them commits.
pub(crate) async fn note_effect(
    tx: &mut Tx,
    hold: IdempotencyHold,
    action: &str,
    subject_id: Uuid,
    details: &Value,
) -> Result<()> {
    let effect = Effect { action: action.to_owned(), subject_id, details: details.clone() };
    let done = sqlx::query!(
        "UPDATE idempotency_key SET effect = coalesce(effect, $3) WHERE workspace_id = $1 AND hold = $2",
        tx.workspace_id(),
        hold.0,
        to_json(&effect)
    )
    .execute(tx.db())
    .await?;
    one_row(&done, Error::Conflict(Conflict::RequestReplaced))
}
