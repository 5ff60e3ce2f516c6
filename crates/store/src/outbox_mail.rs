//! Mails of the dev transport: kept exactly as they would have been sent.

use chrono::{DateTime, Utc};
use domain::{DeliveryId, RunId, TaskId, ThreadId, UserId};

use crate::{
    Result, Scope, Store,
    page::{Page, Paged},
};

/// A mail to keep.
#[derive(Clone, Debug)]
pub struct NewOutboxMail {
    /// The delivery that it is.
    pub id: DeliveryId,
    /// The address it is from.
    pub sender: String,
    /// The address it is to, in lower case.
    pub recipient: String,
    /// Its subject, decoded.
    pub subject: String,
    /// RFC 5322, byte for byte.
    pub source: Vec<u8>,
}

/// A kept mail, without its source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxMail {
    /// The delivery that it is.
    pub id: DeliveryId,
    /// The address it is from.
    pub sender: String,
    /// The address it is to.
    pub recipient: String,
    /// Its subject.
    pub subject: String,
    /// When it was "sent".
    pub created_at: DateTime<Utc>,
    /// The task that it is about.
    pub task_id: Option<TaskId>,
    /// That task's title now.
    pub task_title: Option<String>,
    /// The run whose answer it holds.
    pub run_id: Option<RunId>,
    /// The thread with that answer.
    pub thread_id: Option<ThreadId>,
}

struct OutboxMailRow {
    id: uuid::Uuid,
    sender: String,
    recipient: String,
    subject: String,
    created_at: DateTime<Utc>,
    task_id: Option<uuid::Uuid>,
    task_title: Option<String>,
    run_id: Option<uuid::Uuid>,
    thread_id: Option<uuid::Uuid>,
}

impl From<OutboxMailRow> for OutboxMail {
    fn from(row: OutboxMailRow) -> Self {
        Self {
            id: row.id.into(),
            sender: row.sender,
            recipient: row.recipient,
            subject: row.subject,
            created_at: row.created_at,
            task_id: row.task_id.map(Into::into),
            task_title: row.task_title,
            run_id: row.run_id.map(Into::into),
            thread_id: row.thread_id.map(Into::into),
        }
    }
}

impl Store {
    /// Keeps a mail. Keeping the same delivery's again changes nothing.
    pub async fn outbox_mail_keep(&self, scope: &Scope, mail: &NewOutboxMail) -> Result<()> {
        let mut tx = self.begin(scope).await?;
        sqlx::query!(
            "INSERT INTO outbox_mail (workspace_id, id, sender, recipient, subject, source, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (workspace_id, id) DO NOTHING",
            tx.workspace_id(),
            mail.id.as_uuid(),
            mail.sender,
            mail.recipient,
            mail.subject,
            mail.source,
            tx.now
        )
        .execute(tx.db())
        .await?;
        tx.commit().await
    }

    /// The mails that `reader` may read, newest first: those to them, and those about their tasks and threads. Nobody reads
    /// others', admins neither.
    pub async fn outbox_mail_list(
        &self,
        scope: &Scope,
        reader: UserId,
        page: &Page,
    ) -> Result<Paged<OutboxMail>> {
        let mut tx = self.begin(scope).await?;
        let rows = sqlx::query_as!(
            OutboxMailRow,
            r#"SELECT mail.id, mail.sender, mail.recipient, mail.subject, mail.created_at, delivery.task_id,
                      task.title AS "task_title?", delivery.run_id, delivery.thread_id
               FROM outbox_mail AS mail
               JOIN delivery USING (workspace_id, id)
               LEFT JOIN task ON task.workspace_id = mail.workspace_id AND task.id = delivery.task_id
               LEFT JOIN thread ON thread.workspace_id = mail.workspace_id AND thread.id = delivery.thread_id
               WHERE mail.workspace_id = $1 AND (delivery.user_id = $2 OR coalesce(task.creator_id, thread.creator_id) = $2)
                 AND ($3::uuid IS NULL OR mail.id < $3)
               ORDER BY mail.id DESC LIMIT $4"#,
            tx.workspace_id(),
            reader.as_uuid(),
            page.after_id(),
            page.rows_to_fetch()
        )
        .fetch_all(tx.db())
        .await?;
        let mails = rows.into_iter().map(OutboxMail::from).collect();
        Ok(page.cut(mails, |mail| (String::new(), mail.id.as_uuid())))
    }

    /// One mail and its source, if `reader` may read it.
    pub async fn outbox_mail_get(
        &self,
        scope: &Scope,
        reader: UserId,
        id: DeliveryId,
    ) -> Result<Option<(OutboxMail, Vec<u8>)>> {
        let mut tx = self.begin(scope).await?;
        let row = sqlx::query!(
            r#"SELECT mail.id, mail.sender, mail.recipient, mail.subject, mail.created_at, mail.source, delivery.task_id,
                      task.title AS "task_title?", delivery.run_id, delivery.thread_id
               FROM outbox_mail AS mail
               JOIN delivery USING (workspace_id, id)
               LEFT JOIN task ON task.workspace_id = mail.workspace_id AND task.id = delivery.task_id
               LEFT JOIN thread ON thread.workspace_id = mail.workspace_id AND thread.id = delivery.thread_id
               WHERE mail.workspace_id = $1 AND (delivery.user_id = $2 OR coalesce(task.creator_id, thread.creator_id) = $2)
                 AND mail.id = $3"#,
            tx.workspace_id(),
            reader.as_uuid(),
            id.as_uuid()
        )
        .fetch_optional(tx.db())
        .await?;
        Ok(row.map(|row| {
            let mail = OutboxMailRow {
                id: row.id,
                sender: row.sender,
                recipient: row.recipient,
                subject: row.subject,
                created_at: row.created_at,
                task_id: row.task_id,
                task_title: row.task_title,
                run_id: row.run_id,
                thread_id: row.thread_id,
            };
            (mail.into(), row.source)
        }))
    }
}
