//! Requests that may come twice and must act once.

use chrono::TimeDelta;
use domain::UserId;

use crate::{Error, Result, Scope, Store, error::one_row};

/// For how long an answer is repeated.
const REMEMBERED: TimeDelta = TimeDelta::hours(24);
/// After this long without an answer the first request is taken for dead, and the next one acts in its place.
const WORKED_ON: TimeDelta = TimeDelta::minutes(2);

/// What to do with a request that carries a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Idempotency {
    /// Act, then call [`Store::idempotency_answer`] or [`Store::idempotency_forget`].
    Act,
    /// Answer this again.
    Repeat {
        /// HTTP status.
        status: u16,
        /// Body.
        body: Vec<u8>,
    },
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
        let taken = sqlx::query_scalar!(
            "INSERT INTO idempotency_key (workspace_id, user_id, key, request_hash, created_at, locked_until)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (workspace_id, user_id, key) DO UPDATE
             SET request_hash = excluded.request_hash, created_at = excluded.created_at,
                 locked_until = excluded.locked_until, response_status = NULL, response_body = NULL
             WHERE idempotency_key.created_at <= $7
                OR (idempotency_key.response_status IS NULL AND idempotency_key.locked_until <= $5
                    AND idempotency_key.request_hash = excluded.request_hash)
             RETURNING 1 AS one",
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
        if taken.is_some() {
            tx.commit().await?;
            return Ok(Idempotency::Act);
        }
        let row = sqlx::query!(
            "SELECT request_hash, response_status, response_body FROM idempotency_key
             WHERE workspace_id = $1 AND user_id = $2 AND key = $3",
            workspace_id,
            user_id.as_uuid(),
            key
        )
        .fetch_one(tx.db())
        .await?;
        if row.request_hash != request_hash {
            return Ok(Idempotency::OtherRequest);
        }
        Ok(match (row.response_status, row.response_body) {
            (Some(status), Some(body)) => Idempotency::Repeat { status: status.unsigned_abs(), body },
            _ => Idempotency::InProgress,
        })
    }

    /// Remembers the answer to a request that acted.
    pub async fn idempotency_answer(
        &self,
        scope: &Scope,
        user_id: UserId,
        key: &str,
        status: u16,
        body: &[u8],
    ) -> Result<()> {
        let mut tx = self.begin(scope).await?;
        let done = sqlx::query!(
            "UPDATE idempotency_key SET response_status = $4, response_body = $5
             WHERE workspace_id = $1 AND user_id = $2 AND key = $3",
            tx.workspace_id(),
            user_id.as_uuid(),
            key,
            status.cast_signed(),
            body
        )
        .execute(tx.db())
        .await?;
        one_row(&done, Error::NotFound)?;
        tx.commit().await
    }

    /// Frees a key whose request changed nothing, so that it may be tried again.
    pub async fn idempotency_forget(&self, scope: &Scope, user_id: UserId, key: &str) -> Result<()> {
        let mut tx = self.begin(scope).await?;
        sqlx::query!(
            "DELETE FROM idempotency_key
             WHERE workspace_id = $1 AND user_id = $2 AND key = $3 AND response_status IS NULL",
            tx.workspace_id(),
            user_id.as_uuid(),
            key
        )
        .execute(tx.db())
        .await?;
        tx.commit().await
    }
}
