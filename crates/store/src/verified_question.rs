//! Questions whose SQL was found right.

use chrono::{DateTime, Utc};
use domain::{
    ConnectionId, Invalid, ResultId, ThreadId, UserId, VerifiedQuestionId, access::ConnectionAccess,
    provenance, question,
};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::{
    Error, Result, Scope, Store, Tx, audit,
    error::{one_row, without_nul, word},
};

/// The most verified questions of a connection: all of one are looked through for each question that is asked.
pub const VERIFIED_QUESTIONS_MAX: i64 = 500;

/// A question whose SQL was found right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedQuestion {
    /// Its id.
    pub id: VerifiedQuestionId,
    /// Where its SQL runs.
    pub connection_id: ConnectionId,
    /// What that is called.
    pub connection_name: String,
    /// What whoever looks may do with it: query it at least.
    pub access: ConnectionAccess,
    /// The question.
    pub question: String,
    /// What questions that ask the same have in common ([`question::key`]).
    pub question_key: String,
    /// The SQL, as it ran.
    pub sql: String,
    /// The instant as of which it was asked.
    pub as_of: DateTime<Utc>,
    /// The zone in which "yesterday" was meant.
    pub timezone: String,
    /// The thread that it was taken from.
    pub thread_id: ThreadId,
    /// The name of who verified it.
    pub verified_by: String,
    /// When.
    pub verified_at: DateTime<Utc>,
}

impl Store {
    /// The verified questions on connections that a user may query: on all of those, or on the ones named. Newest first.
    pub async fn verified_question_list(
        &self,
        scope: &Scope,
        user_id: UserId,
        connection_ids: Option<&[ConnectionId]>,
    ) -> Result<Vec<VerifiedQuestion>> {
        let mut tx = self.begin(scope).await?;
        let wanted: Option<Vec<Uuid>> = connection_ids.map(|ids| ids.iter().map(|id| id.as_uuid()).collect());
        find(&mut tx, user_id, wanted.as_deref(), None).await
    }

    /// One, where its connection may be queried.
    pub async fn verified_question_get(
        &self,
        scope: &Scope,
        user_id: UserId,
        id: VerifiedQuestionId,
    ) -> Result<Option<VerifiedQuestion>> {
        let mut tx = self.begin(scope).await?;
        Ok(find(&mut tx, user_id, None, Some(id)).await?.pop())
    }

    /// Marks a question and the SQL of a stored result as verified, in place of what was verified for the same question on the
    /// same connection. Whether `user_id` may do that is the caller's to ask. `NotFound` without that result; `Invalid` where
    /// it is a comparison, which no query made, or the connection has [`VERIFIED_QUESTIONS_MAX`] already.
    pub async fn verified_question_put(
        &self,
        scope: &Scope,
        user_id: UserId,
        result_id: ResultId,
        question: &str,
    ) -> Result<VerifiedQuestionId> {
        let mut tx = self.begin(scope).await?;
        let source = sqlx::query!(
            "SELECT connection_id, sql, result.thread_id, result.turn_no, as_of, timezone
             FROM result
             JOIN turn ON turn.workspace_id = $1 AND turn.thread_id = result.thread_id AND turn.turn_no = result.turn_no
             WHERE result.workspace_id = $1 AND result.id = $2",
            tx.workspace_id(),
            result_id.as_uuid()
        )
        .fetch_optional(tx.db())
        .await?
        .ok_or(Error::NotFound)?;
        if provenance::is_comparison(&source.sql) {
            return Err(Invalid::new(
                "resultId",
                "is a comparison of results: no query of its own can be verified",
            )
            .into());
        }
        // Those who verify for the same connection at the same time are counted one after the other.
        sqlx::query!(
            "SELECT id FROM connection WHERE workspace_id = $1 AND id = $2 FOR NO KEY UPDATE",
            tx.workspace_id(),
            source.connection_id
        )
        .fetch_one(tx.db())
        .await?;
        let question = without_nul(question);
        let key = question::key(&question);
        let key_sha256 = Sha256::digest(&key);
        let others = sqlx::query_scalar!(
            r#"SELECT count(*) AS "others!" FROM verified_question
               WHERE workspace_id = $1 AND connection_id = $2 AND question_key_sha256 <> $3"#,
            tx.workspace_id(),
            source.connection_id,
            key_sha256.as_slice()
        );
        if others.fetch_one(tx.db()).await? >= VERIFIED_QUESTIONS_MAX {
            let message = format!(
                "the connection has {VERIFIED_QUESTIONS_MAX} verified questions: take one back first"
            );
            return Err(Invalid::new("question", message).into());
        }
        let id = sqlx::query_scalar!(
            "INSERT INTO verified_question (workspace_id, id, connection_id, question, question_key,
                 question_key_sha256, sql, as_of, timezone, thread_id, turn_no, verified_by, verified_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
             ON CONFLICT ON CONSTRAINT verified_question_key_unique DO UPDATE
             SET question = excluded.question, sql = excluded.sql, as_of = excluded.as_of, timezone = excluded.timezone,
                 thread_id = excluded.thread_id, turn_no = excluded.turn_no, verified_by = excluded.verified_by,
                 verified_at = excluded.verified_at
             RETURNING id",
            tx.workspace_id(),
            VerifiedQuestionId::new(tx.now).as_uuid(),
            source.connection_id,
            &question,
            key,
            key_sha256.as_slice(),
            source.sql,
            source.as_of,
            source.timezone,
            source.thread_id,
            source.turn_no,
            user_id.as_uuid(),
            tx.now
        )
        .fetch_one(tx.db())
        .await?;
        let details =
            json!({ "connectionId": source.connection_id, "question": question, "sql": source.sql });
        audit::record(&mut tx, scope.actor(), "verified_question.put", id, details).await?;
        tx.commit().await?;
        Ok(id.into())
    }

    /// Takes a verification back.
    pub async fn verified_question_delete(&self, scope: &Scope, id: VerifiedQuestionId) -> Result<()> {
        let mut tx = self.begin(scope).await?;
        let gone = sqlx::query!(
            "DELETE FROM verified_question WHERE workspace_id = $1 AND id = $2",
            tx.workspace_id(),
            id.as_uuid()
        )
        .execute(tx.db())
        .await?;
        one_row(&gone, Error::NotFound)?;
        audit::record(&mut tx, scope.actor(), "verified_question.delete", id.as_uuid(), json!({})).await?;
        tx.commit().await
    }
}

async fn find(
    tx: &mut Tx,
    user_id: UserId,
    connection_ids: Option<&[Uuid]>,
    id: Option<VerifiedQuestionId>,
) -> Result<Vec<VerifiedQuestion>> {
    let rows = sqlx::query!(
        r#"SELECT verified.id, verified.connection_id, connection.name AS connection_name, access.access AS "access!", question,
               question_key, sql, as_of, verified.timezone, thread_id, app_user.name AS verified_by, verified_at
           FROM verified_question AS verified
           JOIN connection ON connection.workspace_id = $1 AND connection.id = verified.connection_id
             AND connection.deleted_at IS NULL
           JOIN connection_access AS access ON access.workspace_id = $1 AND access.connection_id = verified.connection_id
             AND access.user_id = $2 AND access.access <> 'view_results'
           JOIN app_user ON app_user.id = verified_by
           WHERE verified.workspace_id = $1 AND ($3::uuid[] IS NULL OR verified.connection_id = ANY ($3))
             AND ($4::uuid IS NULL OR verified.id = $4)
           ORDER BY verified_at DESC, verified.id DESC"#,
        tx.workspace_id(),
        user_id.as_uuid(),
        connection_ids,
        id.map(VerifiedQuestionId::as_uuid)
    )
    .fetch_all(tx.db())
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(VerifiedQuestion {
                id: row.id.into(),
                connection_id: row.connection_id.into(),
                connection_name: row.connection_name,
                access: word("connection_access", "access", row.id, &row.access)?,
                question: row.question,
                question_key: row.question_key,
                sql: row.sql,
                as_of: row.as_of,
                timezone: row.timezone,
                thread_id: row.thread_id.into(),
                verified_by: row.verified_by,
                verified_at: row.verified_at,
            })
        })
        .collect()
}
