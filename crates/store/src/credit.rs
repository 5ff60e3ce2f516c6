//! Credits: a workspace's ledger, and what is left of them.
//!
//! The balance is the sum of 16 shards. A debit is written with the step that caused it, in one transaction, and moves the shard
//! of its run alone, so that the steps of one workspace neither wait for one another's commit nor hold a connection meanwhile.
//! Whether there is anything left is asked before each model call. A shard may go below zero, and so may the sum, by the calls
//! that were under way when it reached zero, and no further.
//!
//! A scheduled run that finds nothing left waits in the queue until its window closes; a grant wakes it. Whoever sets a run to
//! wait holds the first shard for share, and a grant changes that shard before it looks for waiting runs: neither misses the
//! other. How a run is set to wait: `credit_wait.rs`.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use domain::{CreditEntryId, Credits, RunId, TaskId, UserId};
use serde_json::json;
use uuid::Uuid;

use crate::{
    Actor, Result, Scope, Store, Tx, audit, credit_wait,
    page::{Page, Paged},
};

/// Shards of a balance: a run's is chosen by the last byte of its id, which is random.
const SHARDS: u8 = 16;

/// How a workspace stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CreditOverview {
    /// What is left, and what was granted in all; `None` for an unlimited workspace.
    pub pool: Option<CreditPool>,
    /// What was used since the start of this month, by UTC.
    pub used_this_month: Credits,
    /// Runs that wait for credits.
    pub waiting_runs: u64,
}

/// A workspace's credits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CreditPool {
    /// What is left. Below zero by the calls that were under way when it was used up.
    pub balance: Credits,
    /// What was granted so far, less what was taken back.
    pub granted: Credits,
}

/// What the runs of one task, or one person's questions, used on one day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreditUsage {
    /// The day, by UTC.
    pub day: NaiveDate,
    /// The task; none for questions.
    pub task_id: Option<TaskId>,
    /// For whom they ran.
    pub creator_id: UserId,
    /// That person's name.
    pub creator_name: String,
    /// How many runs.
    pub runs: u64,
    /// Replies of models that cost something.
    pub replies: u64,
    /// What they cost.
    pub credits: Credits,
}

impl Store {
    /// Adds to a workspace's credits, or, with an amount below zero, takes some back; an unlimited workspace becomes a limited
    /// one. Runs that waited for credits can be claimed at once, if there are any left now. Answers how many were woken.
    pub async fn credit_grant(&self, scope: &Scope, amount: Credits, purpose: &str) -> Result<u64> {
        let mut tx = self.begin(scope).await?;
        // The first shard takes it, and is changed first: see above.
        sqlx::query!(
            "INSERT INTO credit_balance (workspace_id, shard, amount_micro)
             SELECT $1, shard, CASE shard WHEN 0 THEN $2::bigint ELSE 0 END
             FROM generate_series(0, $3::int - 1) AS shard ORDER BY shard
             ON CONFLICT ON CONSTRAINT credit_balance_pk DO UPDATE
             SET amount_micro = credit_balance.amount_micro + excluded.amount_micro WHERE excluded.shard = 0",
            tx.workspace_id(),
            amount.as_micros(),
            i32::from(SHARDS)
        )
        .execute(tx.db())
        .await?;
        let (actor_kind, actor_id) = audit::words(scope.actor());
        let id = CreditEntryId::new(tx.now);
        sqlx::query!(
            "INSERT INTO credit_entry (workspace_id, id, at, kind, amount_micro, moves_balance, purpose, actor_kind, actor_id)
             VALUES ($1, $2, $3, 'grant', $4, true, $5, $6, $7)",
            tx.workspace_id(),
            id.as_uuid(),
            tx.now,
            amount.as_micros(),
            purpose,
            actor_kind,
            actor_id
        )
        .execute(tx.db())
        .await?;
        let details = json!({ "credits": amount.as_f64(), "purpose": purpose });
        audit::record(&mut tx, scope.actor(), "credits.grant", id.as_uuid(), details).await?;
        let workspace_id = tx.workspace_id();
        let woken =
            if is_used_up(&mut tx, workspace_id).await? { 0 } else { credit_wait::wake(&mut tx).await? };
        tx.commit().await?;
        Ok(woken)
    }

    /// How the workspace stands.
    pub async fn credit_overview(&self, scope: &Scope) -> Result<CreditOverview> {
        let mut tx = self.begin(scope).await?;
        let row = sqlx::query!(
            r#"SELECT (SELECT sum(amount_micro)::bigint FROM credit_balance WHERE workspace_id = $1) AS balance,
                   (SELECT coalesce(sum(amount_micro), 0)::bigint FROM credit_entry
                    WHERE workspace_id = $1 AND kind = 'grant') AS "granted!",
                   (SELECT coalesce(sum(amount_micro), 0)::bigint FROM credit_entry
                    WHERE workspace_id = $1 AND kind = 'debit'
                      AND at >= date_trunc('month', $2::timestamptz, 'UTC')) AS "used!",
                   (SELECT count(*) FROM run_queue
                    JOIN run ON run.workspace_id = run_queue.workspace_id AND run.id = run_queue.run_id
                    WHERE run_queue.workspace_id = $1 AND run_queue.lease_token IS NULL
                      AND run.status = 'waiting' AND run.reason = 'blocked_by_credits') AS "waiting!""#,
            tx.workspace_id(),
            tx.now
        )
        .fetch_one(tx.db())
        .await?;
        Ok(CreditOverview {
            pool: row.balance.map(|balance| CreditPool {
                balance: Credits::from_micros(balance),
                granted: Credits::from_micros(row.granted),
            }),
            used_this_month: Credits::from_micros(row.used),
            waiting_runs: row.waiting.unsigned_abs(),
        })
    }

    /// What was used in the last `days` days, by day, person and task, newest day first; with `creator_id`, theirs alone.
    pub async fn credit_usage_list(
        &self,
        scope: &Scope,
        creator_id: Option<UserId>,
        days: u32,
        page: &Page,
    ) -> Result<Paged<CreditUsage>> {
        let mut tx = self.begin(scope).await?;
        let since: DateTime<Utc> = tx.now - TimeDelta::days(i64::from(days).max(1) - 1);
        let rows = sqlx::query!(
            r#"SELECT used.day AS "day!", used.creator_id AS "creator_id!", used.task_id, used.runs AS "runs!",
                   used.replies AS "replies!", used.amount_micro AS "amount_micro!", used.key AS "key!", app_user.name
               FROM (
                   SELECT spent.*, (spent.day::text || ' ' || spent.creator_id::text) COLLATE "C" AS key
                   FROM (
                       SELECT (entry.at AT TIME ZONE 'UTC')::date AS day, run.creator_id, run.task_id,
                           count(DISTINCT run.id) AS runs, count(*) AS replies, sum(entry.amount_micro)::bigint AS amount_micro
                       FROM credit_entry AS entry
                       JOIN run ON run.workspace_id = entry.workspace_id AND run.id = entry.run_id
                       WHERE entry.workspace_id = $1 AND entry.kind = 'debit'
                         AND entry.at >= date_trunc('day', $2::timestamptz, 'UTC')
                         AND ($3::uuid IS NULL OR run.creator_id = $3)
                       GROUP BY 1, 2, 3
                   ) AS spent
               ) AS used
               JOIN app_user ON app_user.id = used.creator_id
               WHERE $4::text IS NULL OR (used.key, coalesce(used.task_id, $6)) < ($4::text COLLATE "C", $5::uuid)
               ORDER BY used.key DESC, coalesce(used.task_id, $6) DESC LIMIT $7"#,
            tx.workspace_id(),
            since,
            creator_id.map(UserId::as_uuid),
            page.after.as_ref().map(|cursor| cursor.key.as_str()),
            page.after_id(),
            Uuid::nil(),
            page.rows_to_fetch()
        )
        .fetch_all(tx.db())
        .await?;
        let keyed = rows.into_iter().map(|row| {
            let usage = CreditUsage {
                day: row.day,
                task_id: row.task_id.map(TaskId::from),
                creator_id: row.creator_id.into(),
                creator_name: row.name,
                runs: row.runs.unsigned_abs(),
                replies: row.replies.unsigned_abs(),
                credits: Credits::from_micros(row.amount_micro),
            };
            (row.key, usage)
        });
        let paged = page.cut(keyed.collect(), |(key, usage)| {
            (key.clone(), usage.task_id.map_or(Uuid::nil(), TaskId::as_uuid))
        });
        Ok(paged.map(|(_, usage)| usage))
    }
}

/// Writes what a reply cost into the ledger, takes it from the balance, and adds it to what the month has used. The last statement of its transaction, so that the
/// shard is held no longer than the commit takes.
pub(crate) async fn debit(tx: &mut Tx, run_id: RunId, amount: Credits, model: &str) -> Result<()> {
    let (actor_kind, actor_id) = audit::words(Actor::System);
    let model: String = model.chars().take(500).collect();
    sqlx::query!(
        "WITH moved AS (
             UPDATE credit_balance SET amount_micro = amount_micro - $3 WHERE workspace_id = $1 AND shard = $8
             RETURNING shard
         ), of_month AS (
             INSERT INTO credit_month (workspace_id, month, subject, subject_id, shard, amount_micro)
             SELECT $1, (date_trunc('month', $9::timestamptz, 'UTC') AT TIME ZONE 'UTC')::date, used.subject, used.subject_id, $8, $3
             FROM run
             CROSS JOIN LATERAL (VALUES ('workspace', run.workspace_id), ('user', run.creator_id), ('task', run.task_id))
                 AS used (subject, subject_id)
             WHERE run.workspace_id = $1 AND run.id = $4 AND used.subject_id IS NOT NULL
             ON CONFLICT ON CONSTRAINT credit_month_pk DO UPDATE
             SET amount_micro = credit_month.amount_micro + excluded.amount_micro
         )
         INSERT INTO credit_entry (workspace_id, id, at, kind, amount_micro, moves_balance, run_id, purpose, actor_kind, actor_id)
         VALUES ($1, $2, $9, 'debit', $3, EXISTS (SELECT FROM moved), $4, $5, $6, $7)",
        tx.workspace_id(),
        CreditEntryId::new(tx.now).as_uuid(),
        amount.as_micros(),
        run_id.as_uuid(),
        model,
        actor_kind,
        actor_id,
        shard(run_id),
        tx.now
    )
    .execute(tx.db())
    .await?;
    Ok(())
}

/// Whether a limited workspace has nothing left, and needs some: one that brings its own model provider pays that instead.
pub(crate) async fn is_used_up(tx: &mut Tx, workspace_id: Uuid) -> Result<bool> {
    let is_used_up = sqlx::query_scalar!(
        r#"SELECT coalesce(sum(amount_micro) <= 0, false)
               AND NOT EXISTS (SELECT FROM workspace_model WHERE workspace_id = $1) AS "is_used_up!"
           FROM credit_balance WHERE workspace_id = $1"#,
        workspace_id
    );
    Ok(is_used_up.fetch_one(tx.db()).await?)
}

fn shard(run_id: RunId) -> i16 {
    i16::from(run_id.as_uuid().as_bytes()[15] % SHARDS)
}
