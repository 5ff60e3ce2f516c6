//! Caps on what work may cost, and how a run stands against those that hold for it. What a month has used is kept with each
//! debit (`credit.rs`).

use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    Credits, TaskId, UserId,
    credit_cap::{CapStanding, CapSubject, CreditCaps},
    notice::{NoticeKind, cap_words},
};
use serde_json::json;
use uuid::Uuid;

use crate::{
    ClaimedRun, Error, Result, Scope, Store, Tx, audit,
    error::word,
    notice::{self, Word},
};

/// So many of a task's latest answered runs tell what the next one costs.
const PAST_RUNS: i64 = 10;
/// Replies of so many days tell what a reply costs, and at most so many of them.
const PAST_REPLY_DAYS: i64 = 30;
const PAST_REPLIES: i64 = 1_000;

/// Whose a cap is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CapOf {
    /// The workspace's.
    Workspace,
    /// A member's.
    User(UserId),
    /// A task's.
    Task(TaskId),
}

/// The caps of the workspace or of a member, and what this month has used.
#[derive(Clone, Debug, PartialEq)]
pub struct CreditCap {
    /// The member and their name; none for the workspace.
    pub user: Option<(UserId, String)>,
    /// The caps.
    pub caps: CreditCaps,
    /// What was used since the month began, by UTC.
    pub used: Credits,
}

/// How a run stands before it asks a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clearance {
    /// Whether the workspace has credits left, or is unlimited.
    pub is_left: bool,
    /// The caps that hold for the run.
    pub caps: Vec<CapStanding>,
}

/// What work has cost before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PastCost {
    /// A run of the task, on average of the last ten that were answered.
    pub per_run: Option<Credits>,
    /// A reply of a model in this workspace that cost something, on average of the last 30 days.
    pub per_reply: Option<Credits>,
}

impl Store {
    /// Sets the caps of the workspace or of a member; none takes them away. A task's caps are set with the task. `NotFound`
    /// for whoever is no member.
    pub async fn credit_cap_set(&self, scope: &Scope, of: CapOf, caps: &CreditCaps) -> Result<()> {
        let mut tx = self.begin(scope).await?;
        if let CapOf::User(user_id) = of {
            let member = sqlx::query_scalar!(
                "SELECT user_id FROM member WHERE workspace_id = $1 AND user_id = $2",
                tx.workspace_id(),
                user_id.as_uuid()
            );
            member.fetch_optional(tx.db()).await?.ok_or(Error::NotFound)?;
        }
        put(&mut tx, of, caps).await?;
        let (subject, id) = key(&tx, of);
        let details = json!({ "subject": subject.as_str(), "caps": caps });
        audit::record(&mut tx, scope.actor(), "credits.cap", id, details).await?;
        tx.commit().await
    }

    /// The workspace's caps, first, and those of members who have any, by name; with `user_id` of that member alone.
    pub async fn credit_cap_list(&self, scope: &Scope, user_id: Option<UserId>) -> Result<Vec<CreditCap>> {
        let mut tx = self.begin(scope).await?;
        let rows = sqlx::query!(
            r#"SELECT held.user_id AS "user_id?", app_user.name AS "name?", held.per_run_micro AS "per_run_micro?",
                   held.per_month_micro AS "per_month_micro?",
                   (SELECT coalesce(sum(amount_micro), 0)::bigint FROM credit_month
                    WHERE credit_month.workspace_id = $1
                      AND month = (date_trunc('month', $2::timestamptz, 'UTC') AT TIME ZONE 'UTC')::date
                      AND subject = CASE WHEN held.user_id IS NULL THEN 'workspace' ELSE 'user' END
                      AND subject_id = coalesce(held.user_id, $1)) AS "used!"
               FROM (
                   SELECT NULL::uuid AS user_id, cap.per_run_micro, cap.per_month_micro FROM (SELECT) AS one
                   LEFT JOIN credit_cap AS cap ON cap.workspace_id = $1 AND cap.subject = 'workspace'
                   UNION ALL
                   SELECT subject_id, per_run_micro, per_month_micro FROM credit_cap
                   WHERE workspace_id = $1 AND subject = 'user' AND ($3::uuid IS NULL OR subject_id = $3)
               ) AS held
               LEFT JOIN app_user ON app_user.id = held.user_id
               ORDER BY held.user_id IS NOT NULL, lower(app_user.name), held.user_id"#,
            tx.workspace_id(),
            tx.now,
            user_id.map(UserId::as_uuid)
        )
        .fetch_all(tx.db())
        .await?;
        let caps = rows.into_iter().map(|row| CreditCap {
            user: row.user_id.map(UserId::from).zip(row.name),
            caps: caps(row.per_run_micro, row.per_month_micro),
            used: Credits::from_micros(row.used),
        });
        Ok(caps.collect())
    }

    /// How a run stands before it asks the server's model for more, whatever its workspace has brought meanwhile.
    pub async fn credit_clearance(&self, run: &ClaimedRun) -> Result<Clearance> {
        clearance(&mut self.begin(&run.scope).await?, run).await
    }

    /// Tells people that a cap of a run is near or reached: a task's creator, the person whose it is, or the admins. Each is
    /// told once a month of each. That a task's own cap is reached its creator hears as the run's failure.
    pub async fn credit_cap_tell(&self, run: &ClaimedRun, standing: &CapStanding) -> Result<()> {
        let kind = if standing.is_reached() { NoticeKind::CapReached } else { NoticeKind::CapNear };
        if standing.subject == CapSubject::Task && kind == NoticeKind::CapReached {
            return Ok(());
        }
        let mut tx = self.begin(&run.scope).await?;
        let (readers, task_id) = match standing.subject {
            CapSubject::Workspace => (admins(&mut tx).await?, None),
            CapSubject::User => (vec![run.creator_id.as_uuid()], None),
            CapSubject::Task => (vec![run.creator_id.as_uuid()], run.task_id),
        };
        let title = task_id.map(|_| run.title.as_str());
        // A cap that was raised is another one, of which is told anew.
        let cap = standing.per_month.unwrap_or_default();
        let whose = task_id.map(|id| id.to_string()).unwrap_or_default();
        let subject = format!("{}{whose} {cap} {}", standing.subject.as_str(), tx.now.format("%Y-%m"));
        for user_id in readers {
            let word = Word {
                kind,
                task_id: task_id.map(TaskId::as_uuid),
                words: cap_words(standing, title),
                subject: Some(subject.clone()),
                ..Word::to(tx.workspace_id(), user_id)
            };
            notice::tell(&mut tx, &word).await?;
        }
        tx.commit().await
    }

    /// What a task's runs, and the workspace's replies, have cost before.
    pub async fn credit_past(&self, scope: &Scope, task_id: Option<TaskId>) -> Result<PastCost> {
        let mut tx = self.begin(scope).await?;
        let since: DateTime<Utc> = tx.now - TimeDelta::days(PAST_REPLY_DAYS);
        let row = sqlx::query!(
            r#"SELECT (SELECT avg(credits) FROM (
                       SELECT credits FROM (
                           SELECT id, credits FROM run
                           WHERE workspace_id = $1 AND task_id = $2 AND status IN ('succeeded', 'no_news')
                           OFFSET 0) AS of_task
                       ORDER BY id DESC LIMIT $3) AS answered) AS per_run,
                   (SELECT avg(amount_micro)::float8 FROM (
                       SELECT amount_micro FROM credit_entry
                       WHERE workspace_id = $1 AND kind = 'debit' AND at >= $4 ORDER BY at DESC LIMIT $5) AS replies)
                       AS per_reply_micro"#,
            tx.workspace_id(),
            task_id.map(TaskId::as_uuid),
            PAST_RUNS,
            since,
            PAST_REPLIES
        )
        .fetch_one(tx.db())
        .await?;
        Ok(PastCost {
            per_run: row.per_run.map(Credits::nearest),
            per_reply: row.per_reply_micro.map(|micros| Credits::from_micros(micros.round() as i64)),
        })
    }
}

/// How a run that the server's model answers stands: what its workspace has left, and the caps that hold for it, each with what
/// this month has used. Few rows are read however many the month has.
pub(crate) async fn clearance(tx: &mut Tx, run: &ClaimedRun) -> Result<Clearance> {
    let rows = sqlx::query!(
        r#"SELECT coalesce((SELECT sum(amount_micro) <= 0 FROM credit_balance WHERE workspace_id = $1), false) AS "is_used_up!",
               cap.subject AS "subject?", cap.per_run_micro AS "per_run_micro?", cap.per_month_micro AS "per_month_micro?",
               (SELECT coalesce(sum(amount_micro), 0)::bigint FROM credit_month AS used
                WHERE cap.per_month_micro IS NOT NULL AND used.workspace_id = $1
                  AND used.month = (date_trunc('month', $4::timestamptz, 'UTC') AT TIME ZONE 'UTC')::date
                  AND used.subject = cap.subject AND used.subject_id = cap.subject_id) AS "used!"
           FROM (VALUES ('workspace', $1::uuid), ('user', $2::uuid), ('task', $3::uuid)) AS held (subject, subject_id)
           LEFT JOIN credit_cap AS cap
               ON cap.workspace_id = $1 AND cap.subject = held.subject AND cap.subject_id = held.subject_id"#,
        tx.workspace_id(),
        run.creator_id.as_uuid(),
        run.task_id.map(TaskId::as_uuid),
        tx.now
    )
    .fetch_all(tx.db())
    .await?;
    let is_left = rows.iter().all(|row| !row.is_used_up);
    let mut caps = Vec::new();
    for row in rows {
        let Some(subject) = row.subject else { continue };
        caps.push(CapStanding {
            subject: word("credit_cap", "subject", run.lease.run_id, &subject)?,
            per_run: row.per_run_micro.map(Credits::from_micros),
            per_month: row.per_month_micro.map(Credits::from_micros),
            used: Credits::from_micros(row.used),
        });
    }
    Ok(Clearance { is_left, caps })
}

/// Writes caps, or takes them away where there are none.
pub(crate) async fn put(tx: &mut Tx, of: CapOf, caps: &CreditCaps) -> Result<()> {
    let (subject, id) = key(tx, of);
    if caps.is_none() {
        sqlx::query!(
            "DELETE FROM credit_cap WHERE workspace_id = $1 AND subject = $2 AND subject_id = $3",
            tx.workspace_id(),
            subject.as_str(),
            id
        )
        .execute(tx.db())
        .await?;
        return Ok(());
    }
    let micros = |cap: Option<f64>| cap.map(|cap| Credits::nearest(cap).as_micros());
    sqlx::query!(
        "INSERT INTO credit_cap (workspace_id, subject, subject_id, per_run_micro, per_month_micro, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT ON CONSTRAINT credit_cap_pk DO UPDATE SET per_run_micro = excluded.per_run_micro,
             per_month_micro = excluded.per_month_micro, updated_at = excluded.updated_at",
        tx.workspace_id(),
        subject.as_str(),
        id,
        micros(caps.per_run),
        micros(caps.per_month),
        tx.now
    )
    .execute(tx.db())
    .await?;
    Ok(())
}

/// Caps as they are stored.
pub(crate) fn caps(per_run_micro: Option<i64>, per_month_micro: Option<i64>) -> CreditCaps {
    let credits = |micros: Option<i64>| micros.map(|micros| Credits::from_micros(micros).as_f64());
    CreditCaps { per_run: credits(per_run_micro), per_month: credits(per_month_micro) }
}

fn key(tx: &Tx, of: CapOf) -> (CapSubject, Uuid) {
    match of {
        CapOf::Workspace => (CapSubject::Workspace, tx.workspace_id()),
        CapOf::User(id) => (CapSubject::User, id.as_uuid()),
        CapOf::Task(id) => (CapSubject::Task, id.as_uuid()),
    }
}

async fn admins(tx: &mut Tx) -> Result<Vec<Uuid>> {
    let admins = sqlx::query_scalar!(
        "SELECT user_id FROM member WHERE workspace_id = $1 AND role = 'admin' AND deactivated_at IS NULL ORDER BY user_id",
        tx.workspace_id()
    );
    Ok(admins.fetch_all(tx.db()).await?)
}
