//! Saved questions. Pausing, resuming, expiring, deleting: `task_state.rs`. What becomes of occurrences: `due.rs`, `due_change.rs`.

use chrono::{DateTime, NaiveDate, Utc};
use domain::{
    ConnectionId, RunId, TaskId, ThreadId, UserId,
    condition::Condition,
    credit_cap::CreditCaps,
    freshness::FreshnessGate,
    invalid::Issues,
    run::RunStatus,
    schedule::{Schedule, ScheduleSpec, Window},
    task::{Context, Notification, TaskSpec, TaskStatus},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    Conflict, Error, Result, Scope, Store, Tx, audit,
    credit_cap::{self, CapOf},
    due::read_schedule,
    due_change,
    error::{if_readable, json, one_row, optional_word, to_json, word},
    page::{Page, Paged},
    people,
};

/// A task, with all that its list shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// Its id.
    pub id: TaskId,
    /// Whose it is: the only one who sees and edits it.
    pub creator_id: UserId,
    /// What it is called.
    pub title: String,
    /// The question, with its mentions.
    pub prompt: String,
    /// What it may use.
    pub context: Context,
    /// Connections of the context that were deleted since.
    pub missing_connections: Vec<MissingConnection>,
    /// When it fires, as written.
    pub schedule: ScheduleSpec,
    /// Who is told.
    pub notification: Notification,
    /// When its answer is sent; none: always.
    pub condition: Option<Condition>,
    /// Whether it waits for fresh data.
    pub freshness: Option<FreshnessGate>,
    /// The most that its runs may cost.
    pub caps: CreditCaps,
    /// Whether it fires.
    pub status: TaskStatus,
    /// Why it does not, where there is more to say.
    pub status_reason: Option<String>,
    /// When it stops firing.
    pub expires_at: Option<DateTime<Utc>>,
    /// Its next occurrence, while it is active.
    pub next: Option<NextOccurrence>,
    /// Its newest run, whatever became of it.
    pub last_run: Option<LastRun>,
    /// Its newest thread.
    pub latest_thread_id: Option<ThreadId>,
    /// Counts its changes: the ETag.
    pub version: u32,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

impl Task {
    /// The task as its creator would write it anew.
    pub fn spec(&self) -> TaskSpec {
        TaskSpec {
            title: self.title.clone(),
            prompt: self.prompt.clone(),
            context: self.context.clone(),
            schedule: self.schedule.clone(),
            notification: self.notification.clone(),
            condition: self.condition.clone(),
            freshness: self.freshness.clone(),
            caps: self.caps,
            expires_at: self.expires_at,
        }
    }
}

/// A connection that a task names and that is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingConnection {
    /// Its id.
    pub id: ConnectionId,
    /// What it was called.
    pub label: String,
}

/// The next occurrence of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextOccurrence {
    /// Its delivery window.
    pub window: Window,
    /// When in the window it starts.
    pub due_at: DateTime<Utc>,
}

/// The newest run of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastRun {
    /// Its id.
    pub id: RunId,
    /// How it stands.
    pub status: RunStatus,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// Its thread, if it ever started.
    pub thread_id: Option<ThreadId>,
}

/// Which tasks to list.
#[derive(Clone, Debug, Default)]
pub struct TaskFilter {
    /// Of this creator only.
    pub creator_id: Option<UserId>,
    /// In this state only.
    pub status: Option<TaskStatus>,
    /// With this text in their title or prompt, regardless of case.
    pub text: Option<String>,
}

/// How to sort tasks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TaskSort {
    /// The newest first.
    #[default]
    CreatedAt,
    /// By title, A to Z.
    Title,
    /// What runs next first, what never runs last.
    NextRunAt,
}

impl TaskSort {
    const fn as_str(self) -> &'static str {
        match self {
            Self::CreatedAt => "created_at",
            Self::Title => "title",
            Self::NextRunAt => "next_run_at",
        }
    }
}

struct TaskRow {
    id: Uuid,
    creator_id: Uuid,
    title: String,
    prompt: String,
    schedule: Value,
    notification: Value,
    status: String,
    status_reason: Option<String>,
    expires_at: Option<DateTime<Utc>>,
    version: i32,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    due_at: Option<DateTime<Utc>>,
    occurrence_date: Option<NaiveDate>,
    opens_at: Option<DateTime<Utc>>,
    closes_at: Option<DateTime<Utc>>,
    last_run_id: Option<Uuid>,
    last_run_status: Option<String>,
    last_run_finished_at: Option<DateTime<Utc>>,
    last_run_thread_id: Option<Uuid>,
    latest_thread_id: Option<Uuid>,
    connection_ids: Vec<Uuid>,
    missing_connections: Value,
    condition: Option<Value>,
    freshness: Option<Value>,
    per_run_micro: Option<i64>,
    per_month_micro: Option<i64>,
    sort_key: String,
}

impl TryFrom<TaskRow> for Task {
    type Error = Error;

    fn try_from(row: TaskRow) -> Result<Self> {
        let next = match (row.due_at, row.occurrence_date, row.opens_at, row.closes_at) {
            (Some(due_at), Some(date), Some(opens_at), Some(closes_at)) => {
                Some(NextOccurrence { window: Window { date, opens_at, closes_at }, due_at })
            }
            _ => None,
        };
        let last_status = optional_word("run", "status", row.id, row.last_run_status.as_deref())?;
        let last_run = row.last_run_id.zip(last_status).map(|(id, status)| LastRun {
            id: id.into(),
            status,
            finished_at: row.last_run_finished_at,
            thread_id: row.last_run_thread_id.map(ThreadId::from),
        });
        Ok(Self {
            id: row.id.into(),
            creator_id: row.creator_id.into(),
            context: Context {
                connection_ids: row.connection_ids.into_iter().map(ConnectionId::from).collect(),
                ..Context::default()
            },
            missing_connections: json(
                "task_overview",
                "missing_connections",
                row.id,
                row.missing_connections,
            )?,
            schedule: json("task", "schedule", row.id, row.schedule)?,
            notification: json("task", "notification", row.id, row.notification)?,
            condition: row.condition.map(|stored| json("task", "condition", row.id, stored)).transpose()?,
            freshness: row.freshness.map(|stored| json("task", "freshness", row.id, stored)).transpose()?,
            caps: credit_cap::caps(row.per_run_micro, row.per_month_micro),
            status: word("task", "status", row.id, &row.status)?,
            status_reason: row.status_reason,
            title: row.title,
            prompt: row.prompt,
            expires_at: row.expires_at,
            next,
            last_run,
            latest_thread_id: row.latest_thread_id.map(ThreadId::from),
            version: row.version.unsigned_abs(),
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

impl Store {
    /// Saves a checked task. It fires from now on: its first occurrence is the first window that opens after this moment.
    /// `Invalid` names references that lead nowhere or that the creator may not use.
    pub async fn task_create(
        &self,
        scope: &Scope,
        creator_id: UserId,
        spec: &TaskSpec,
        schedule: &Schedule,
    ) -> Result<Task> {
        self.create(scope, creator_id, spec, schedule, TaskStatus::Active).await
    }

    /// As [`Store::task_create`], but paused: it fires once it is resumed.
    pub async fn task_create_paused(
        &self,
        scope: &Scope,
        creator_id: UserId,
        spec: &TaskSpec,
        schedule: &Schedule,
    ) -> Result<Task> {
        self.create(scope, creator_id, spec, schedule, TaskStatus::Paused).await
    }

    async fn create(
        &self,
        scope: &Scope,
        creator_id: UserId,
        spec: &TaskSpec,
        schedule: &Schedule,
        status: TaskStatus,
    ) -> Result<Task> {
        let mut tx = self.begin(scope).await?;
        people::demand_active(&mut tx, creator_id).await?;
        demand_references(&mut tx, creator_id, spec).await?;
        let id = TaskId::new(tx.now);
        sqlx::query!(
            "INSERT INTO task (workspace_id, id, creator_id, title, prompt, schedule, notification, status, expires_at,
                 schedule_since, created_at, updated_at, condition, freshness)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $12, $8, $9, $9, $9, $10, $11)",
            tx.workspace_id(),
            id.as_uuid(),
            creator_id.as_uuid(),
            spec.title,
            spec.prompt,
            to_json(schedule.spec()),
            to_json(&spec.notification),
            spec.expires_at,
            tx.now,
            spec.condition.as_ref().map(to_json),
            spec.freshness.as_ref().map(to_json),
            status.as_str()
        )
        .execute(tx.db())
        .await?;
        connections_put(&mut tx, id, &spec.context.connection_ids).await?;
        credit_cap::put(&mut tx, CapOf::Task(id), &spec.caps).await?;
        if status == TaskStatus::Active {
            due_change::restart(&mut tx, self.spread, id, schedule, spec.expires_at).await?;
        }
        audit::record(&mut tx, scope.actor(), "task.create", id.as_uuid(), json!({ "title": spec.title }))
            .await?;
        let task = find(&mut tx, id).await?.ok_or(Error::NotFound)?;
        tx.commit().await?;
        Ok(task)
    }

    /// One task, unless it was deleted.
    pub async fn task_get(&self, scope: &Scope, id: TaskId) -> Result<Option<Task>> {
        let mut tx = self.begin(scope).await?;
        find(&mut tx, id).await
    }

    /// Tasks, filtered and sorted.
    pub async fn task_list(
        &self,
        scope: &Scope,
        filter: &TaskFilter,
        sort: TaskSort,
        page: &Page,
    ) -> Result<Paged<Task>> {
        let mut tx = self.begin(scope).await?;
        let pattern = filter.text.as_ref().map(|text| format!("%{}%", escape_like(text)));
        let rows = sqlx::query_as!(
            TaskRow,
            // Only what is on the page is looked up whole: what became of a task's runs costs more than to find the page.
            r#"WITH listed AS MATERIALIZED (
                   SELECT workspace_id, id, sort_key FROM (
                       SELECT task.workspace_id, id, CASE $5::text
                           WHEN 'title' THEN lower(title)
                           WHEN 'next_run_at' THEN coalesce(to_char(due_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '~')
                           ELSE '' END AS sort_key
                       FROM task
                       LEFT JOIN task_due ON task_due.workspace_id = task.workspace_id AND task_due.task_id = task.id
                       WHERE task.workspace_id = $1 AND deleted_at IS NULL AND ($2::uuid IS NULL OR creator_id = $2)
                         AND ($3::text IS NULL OR status = $3)
                         AND ($4::text IS NULL OR title ILIKE $4 OR prompt ILIKE $4)
                   ) AS keyed
                   WHERE $6::text IS NULL
                      OR CASE WHEN $5 = 'created_at' THEN id < $7 ELSE (sort_key, id) > ($6, $7) END
                   ORDER BY sort_key, CASE WHEN $5 = 'created_at' THEN id END DESC, id LIMIT $8
               )
               SELECT id AS "id!", creator_id AS "creator_id!", title AS "title!", prompt AS "prompt!",
                   schedule AS "schedule!", notification AS "notification!", status AS "status!", status_reason,
                   expires_at, version AS "version!", created_at AS "created_at!", updated_at AS "updated_at!", due_at,
                   occurrence_date, opens_at, closes_at, last_run_id, last_run_status, last_run_finished_at,
                   last_run_thread_id, latest_thread_id, connection_ids AS "connection_ids!",
                   missing_connections AS "missing_connections!", condition, freshness, per_run_micro AS "per_run_micro?",
                   per_month_micro AS "per_month_micro?", sort_key AS "sort_key!"
               FROM listed
               JOIN task_overview USING (workspace_id, id)
               LEFT JOIN (SELECT subject_id, per_run_micro, per_month_micro FROM credit_cap
                   WHERE credit_cap.workspace_id = $1 AND subject = 'task') AS cap ON cap.subject_id = id
               ORDER BY sort_key, CASE WHEN $5 = 'created_at' THEN id END DESC, id"#,
            tx.workspace_id(),
            filter.creator_id.map(UserId::as_uuid),
            filter.status.map(TaskStatus::as_str),
            pattern,
            sort.as_str(),
            page.after.as_ref().map(|cursor| cursor.key.as_str()),
            page.after_id(),
            page.rows_to_fetch()
        )
        .fetch_all(tx.db())
        .await?;
        let paged = page.cut(rows, |row: &TaskRow| (row.sort_key.clone(), row.id));
        let values = paged.values.into_iter().map(Task::try_from).collect::<Result<_>>()?;
        Ok(Paged { values, next: paged.next })
    }

    /// Replaces a task's configuration. A changed schedule takes effect from this moment. `expected` is the version that the
    /// change was made from, where the caller names one. `Conflict::VersionMismatch`, `Conflict::TaskCancelled`, `Invalid`.
    pub async fn task_update(
        &self,
        scope: &Scope,
        id: TaskId,
        spec: &TaskSpec,
        schedule: &Schedule,
        expected: Option<u32>,
    ) -> Result<Task> {
        let mut tx = self.begin(scope).await?;
        let before = find(&mut tx, id).await?.ok_or(Error::NotFound)?;
        if expected.is_some_and(|expected| expected != before.version) {
            return Err(Conflict::VersionMismatch.into());
        }
        if before.status == TaskStatus::Cancelled {
            return Err(Conflict::TaskCancelled.into());
        }
        demand_references(&mut tx, before.creator_id, spec).await?;
        // A new expiration in the future revives an expired task, as `extend` does.
        let is_revived =
            before.status == TaskStatus::Expired && spec.expires_at.is_none_or(|instant| instant > tx.now);
        let status = if is_revived { TaskStatus::Active } else { before.status };
        // What the condition's values were before is the history of another question.
        let is_other_question = before.condition != spec.condition
            || before.prompt != spec.prompt
            || before.context.connection_ids != spec.context.connection_ids;
        // One that cannot be read any more, its zone being gone, is mended by an edit.
        let is_rescheduled = if_readable(read_schedule(id.as_uuid(), to_json(&before.schedule)))
            .is_none_or(|before| !before.is_as(schedule));
        let is_extended = before.expires_at != spec.expires_at;
        let is_restarted = if status == TaskStatus::Paused {
            is_rescheduled || is_extended
        } else if is_rescheduled {
            due_change::reschedule(&mut tx, self.spread, id, schedule, spec.expires_at).await?;
            true
        } else {
            is_extended
                && due_change::change_expiration(&mut tx, self.spread, id, schedule, spec.expires_at).await?
        };
        let since = is_restarted.then_some(tx.now);
        connections_put(&mut tx, id, &spec.context.connection_ids).await?;
        if before.caps != spec.caps {
            credit_cap::put(&mut tx, CapOf::Task(id), &spec.caps).await?;
        }
        let done = sqlx::query!(
            "UPDATE task SET title = $3, prompt = $4, schedule = $5, notification = $6, expires_at = $7, status = $8,
                 status_reason = CASE WHEN status = $8 THEN status_reason END,
                 schedule_since = coalesce($9, schedule_since),
                 expiry_warned_at = CASE WHEN expires_at IS NOT DISTINCT FROM $7 THEN expiry_warned_at END,
                 version = version + 1, updated_at = $10, condition = $12, freshness = $13,
                 checked_since = CASE WHEN $14 THEN $10 ELSE checked_since END
             WHERE workspace_id = $1 AND id = $2 AND version = $11",
            tx.workspace_id(),
            id.as_uuid(),
            spec.title,
            spec.prompt,
            to_json(schedule.spec()),
            to_json(&spec.notification),
            spec.expires_at,
            status.as_str(),
            since,
            tx.now,
            before.version as i32,
            spec.condition.as_ref().map(to_json),
            spec.freshness.as_ref().map(to_json),
            is_other_question
        )
        .execute(tx.db())
        .await?;
        one_row(&done, Conflict::VersionMismatch.into())?;
        audit::record(&mut tx, scope.actor(), "task.update", id.as_uuid(), json!({ "title": spec.title }))
            .await?;
        let task = find(&mut tx, id).await?.ok_or(Error::NotFound)?;
        tx.commit().await?;
        Ok(task)
    }
}

pub(crate) async fn find(tx: &mut Tx, id: TaskId) -> Result<Option<Task>> {
    let row = sqlx::query_as!(
        TaskRow,
        r#"SELECT id AS "id!", creator_id AS "creator_id!", title AS "title!", prompt AS "prompt!",
               schedule AS "schedule!", notification AS "notification!", status AS "status!", status_reason,
               expires_at, version AS "version!", created_at AS "created_at!", updated_at AS "updated_at!", due_at,
               occurrence_date, opens_at, closes_at, last_run_id, last_run_status, last_run_finished_at,
               last_run_thread_id, latest_thread_id, connection_ids AS "connection_ids!",
               missing_connections AS "missing_connections!", condition, freshness, per_run_micro AS "per_run_micro?", per_month_micro AS "per_month_micro?",
               '' AS "sort_key!"
           FROM task_overview
           LEFT JOIN (SELECT subject_id, per_run_micro, per_month_micro FROM credit_cap
               WHERE credit_cap.workspace_id = $1 AND subject = 'task') AS cap ON cap.subject_id = id
           WHERE workspace_id = $1 AND id = $2"#,
        tx.workspace_id(),
        id.as_uuid()
    )
    .fetch_optional(tx.db())
    .await?;
    row.map(Task::try_from).transpose()
}

/// Refuses what a task refers to and its creator may not. A connection that was deleted is let be: it is flagged instead.
async fn demand_references(tx: &mut Tx, creator_id: UserId, spec: &TaskSpec) -> Result<()> {
    let mut issues = Issues::default();
    let connections: Vec<Uuid> = spec.context.connection_ids.iter().map(|id| id.as_uuid()).collect();
    let usable = sqlx::query_scalar!(
        "SELECT connection.id FROM connection
         WHERE workspace_id = $1 AND id = ANY ($2) AND (deleted_at IS NOT NULL OR EXISTS (
             SELECT FROM connection_access AS access WHERE access.workspace_id = $1
                AND access.connection_id = connection.id AND access.user_id = $3 AND access.access <> 'view_results'))",
        tx.workspace_id(),
        &connections,
        creator_id.as_uuid()
    )
    .fetch_all(tx.db())
    .await?;
    for (index, id) in connections.iter().enumerate() {
        issues.require(
            usable.contains(id),
            &format!("context.connectionIds[{index}]"),
            "there is no such connection that you may query",
        );
    }
    let users: Vec<Uuid> = spec.notification.user_ids.iter().map(|id| id.as_uuid()).collect();
    let members = sqlx::query_scalar!(
        "SELECT user_id FROM member WHERE workspace_id = $1 AND user_id = ANY ($2)",
        tx.workspace_id(),
        &users
    )
    .fetch_all(tx.db())
    .await?;
    for (index, id) in users.iter().enumerate() {
        issues.require(
            members.contains(id),
            &format!("notification.userIds[{index}]"),
            "there is no such member in this workspace",
        );
    }
    let groups: Vec<Uuid> = spec.notification.group_ids.iter().map(|id| id.as_uuid()).collect();
    let found = sqlx::query_scalar!(
        "SELECT id FROM member_group WHERE workspace_id = $1 AND id = ANY ($2)",
        tx.workspace_id(),
        &groups
    )
    .fetch_all(tx.db())
    .await?;
    for (index, id) in groups.iter().enumerate() {
        issues.require(
            found.contains(id),
            &format!("notification.groupIds[{index}]"),
            "there is no such group in this workspace",
        );
    }
    Ok(issues.into_result()?)
}

async fn connections_put(tx: &mut Tx, id: TaskId, connection_ids: &[ConnectionId]) -> Result<()> {
    sqlx::query!(
        "DELETE FROM task_connection WHERE workspace_id = $1 AND task_id = $2",
        tx.workspace_id(),
        id.as_uuid()
    )
    .execute(tx.db())
    .await?;
    let ids: Vec<Uuid> = connection_ids.iter().map(|id| id.as_uuid()).collect();
    sqlx::query!(
        "INSERT INTO task_connection (workspace_id, task_id, connection_id, position)
         SELECT $1, $2, connection_id, position
         FROM unnest($3::uuid[]) WITH ORDINALITY AS named (connection_id, position)",
        tx.workspace_id(),
        id.as_uuid(),
        &ids
    )
    .execute(tx.db())
    .await?;
    Ok(())
}

pub(crate) fn escape_like(text: &str) -> String {
    text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}
