//! What readers think of answers.

use chrono::{DateTime, Utc};
use domain::{FeedbackId, ThreadId, UserId, feedback::Rating};
use serde_json::json;

use crate::{
    Error, Result, Scope, Store, audit,
    error::{without_nul, word},
    page::{Page, Paged},
};

/// A reader's opinion of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feedback {
    /// The turn whose answer it is about.
    pub turn_no: u32,
    /// Whether it helped.
    pub rating: Rating,
    /// Why, in the reader's words; empty where they gave none.
    pub reason: String,
}

/// An opinion as those read it who manage the data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedFeedback {
    /// Its id.
    pub id: FeedbackId,
    /// The thread.
    pub thread_id: ThreadId,
    /// What it says.
    pub feedback: Feedback,
    /// The reader's name.
    pub by: String,
    /// The question, with its mentions, and the headline, figures filled in: where whoever looks may open the thread, or the one
    /// who asked gave the opinion, and so shows them.
    pub subject: Option<FeedbackSubject>,
    /// Whether whoever looks may open the thread.
    pub may_open: bool,
    /// When it was given or last changed.
    pub updated_at: DateTime<Utc>,
}

/// What an opinion is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedbackSubject {
    /// The question, with its mentions.
    pub prompt: String,
    /// The answer's headline, figures filled in.
    pub headline: String,
}

impl Store {
    /// What a reader thinks of the answers of a thread, in order.
    pub async fn feedback_list_own(
        &self,
        scope: &Scope,
        thread_id: ThreadId,
        user_id: UserId,
    ) -> Result<Vec<Feedback>> {
        let mut tx = self.begin(scope).await?;
        let rows = sqlx::query!(
            "SELECT turn_no, rating, reason FROM answer_feedback
             WHERE workspace_id = $1 AND thread_id = $2 AND user_id = $3 ORDER BY turn_no",
            tx.workspace_id(),
            thread_id.as_uuid(),
            user_id.as_uuid()
        )
        .fetch_all(tx.db())
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(Feedback {
                    turn_no: row.turn_no.unsigned_abs(),
                    rating: word("answer_feedback", "rating", thread_id, &row.rating)?,
                    reason: row.reason,
                })
            })
            .collect()
    }

    /// Notes what a reader thinks of an answer, in place of what they thought before. `NotFound` where the turn has no answer.
    /// Whether they may read it is the caller's to ask.
    pub async fn feedback_put(
        &self,
        scope: &Scope,
        thread_id: ThreadId,
        user_id: UserId,
        feedback: &Feedback,
    ) -> Result<()> {
        let mut tx = self.begin(scope).await?;
        let put = sqlx::query!(
            "INSERT INTO answer_feedback (workspace_id, id, thread_id, turn_no, user_id, rating, reason, created_at, updated_at)
             SELECT $1, $2, $3, $4, $5, $6, $7, $8, $8 FROM turn
             WHERE workspace_id = $1 AND thread_id = $3 AND turn_no = $4 AND answer IS NOT NULL
             ON CONFLICT ON CONSTRAINT answer_feedback_person_unique
             DO UPDATE SET rating = excluded.rating, reason = excluded.reason, updated_at = excluded.updated_at",
            tx.workspace_id(),
            FeedbackId::new(tx.now).as_uuid(),
            thread_id.as_uuid(),
            feedback.turn_no as i32,
            user_id.as_uuid(),
            feedback.rating.as_str(),
            without_nul(&feedback.reason),
            tx.now
        )
        .execute(tx.db())
        .await?;
        if put.rows_affected() == 0 {
            return Err(Error::NotFound);
        }
        let details = json!({ "turnNo": feedback.turn_no, "rating": feedback.rating });
        audit::record(&mut tx, scope.actor(), "feedback.give", thread_id.as_uuid(), details).await?;
        tx.commit().await
    }

    /// Takes an opinion back. There need be none.
    pub async fn feedback_withdraw(
        &self,
        scope: &Scope,
        thread_id: ThreadId,
        turn_no: u32,
        user_id: UserId,
    ) -> Result<()> {
        let mut tx = self.begin(scope).await?;
        let gone = sqlx::query!(
            "DELETE FROM answer_feedback WHERE workspace_id = $1 AND thread_id = $2 AND turn_no = $3 AND user_id = $4",
            tx.workspace_id(),
            thread_id.as_uuid(),
            turn_no as i32,
            user_id.as_uuid()
        )
        .execute(tx.db())
        .await?;
        if gone.rows_affected() > 0 {
            let details = json!({ "turnNo": turn_no });
            audit::record(&mut tx, scope.actor(), "feedback.withdraw", thread_id.as_uuid(), details).await?;
        }
        tx.commit().await
    }

    /// The opinions on answers whose data `user_id` manages, every connection of it, newest first; with `with_bare` also on
    /// answers that used no data.
    pub async fn feedback_list(
        &self,
        scope: &Scope,
        user_id: UserId,
        with_bare: bool,
        page: &Page,
    ) -> Result<Paged<ReceivedFeedback>> {
        let mut tx = self.begin(scope).await?;
        let rows = sqlx::query!(
            r#"WITH listed AS (
                   SELECT feedback.*, thread.creator_id, EXISTS (
                           SELECT FROM connection_used AS used
                           WHERE used.workspace_id = $1 AND used.thread_id = feedback.thread_id) AS has_data,
                       thread.creator_id = $2 OR EXISTS (SELECT FROM thread_reader AS reader
                           WHERE reader.workspace_id = $1 AND reader.thread_id = feedback.thread_id
                             AND reader.user_id = $2) AS may_open
                   FROM answer_feedback AS feedback
                   JOIN thread ON thread.workspace_id = $1 AND thread.id = feedback.thread_id
                   WHERE feedback.workspace_id = $1 AND ($4::uuid IS NULL OR feedback.id < $4)
                     AND NOT EXISTS (SELECT FROM connection_used AS used
                         WHERE used.workspace_id = $1 AND used.thread_id = feedback.thread_id
                           AND NOT EXISTS (SELECT FROM connection_access AS access
                               WHERE access.workspace_id = $1 AND access.connection_id = used.connection_id
                                 AND access.user_id = $2 AND access.access = 'manage'))
               )
               SELECT listed.id, listed.thread_id, listed.turn_no, listed.rating, listed.reason, listed.updated_at, may_open AS "may_open!",
                   app_user.name AS by, may_open OR listed.creator_id = listed.user_id AS "is_shown!",
                   turn.prompt, turn.answer
               FROM listed
               JOIN app_user ON app_user.id = listed.user_id
               JOIN turn ON turn.workspace_id = $1 AND turn.thread_id = listed.thread_id AND turn.turn_no = listed.turn_no
               WHERE has_data OR $3
               ORDER BY listed.id DESC LIMIT $5"#,
            tx.workspace_id(),
            user_id.as_uuid(),
            with_bare,
            page.after_id(),
            page.rows_to_fetch()
        )
        .fetch_all(tx.db())
        .await?;
        let mut received = Vec::with_capacity(rows.len());
        for row in rows {
            let answer: Option<domain::answer::Answer> = row
                .answer
                .map(|answer| crate::error::json("turn", "answer", row.thread_id, answer))
                .transpose()?;
            let headline = answer.map(|answer| answer.fill(&answer.headline)).unwrap_or_default();
            let subject = FeedbackSubject { prompt: row.prompt, headline };
            received.push(ReceivedFeedback {
                id: row.id.into(),
                thread_id: row.thread_id.into(),
                feedback: Feedback {
                    turn_no: row.turn_no.unsigned_abs(),
                    rating: word("answer_feedback", "rating", row.id, &row.rating)?,
                    reason: row.reason,
                },
                by: row.by,
                subject: row.is_shown.then_some(subject),
                may_open: row.may_open,
                updated_at: row.updated_at,
            });
        }
        Ok(page.cut(received, |feedback| (String::new(), feedback.id.as_uuid())))
    }
}
