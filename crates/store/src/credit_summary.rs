//! Where a workspace's credits went in the last days: by day, by person, by task.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use domain::{Credits, TaskId, UserId};

use crate::{Result, Scope, Store, Tx};

/// The most people, and the most tasks, that a summary names.
const NAMED_MAX: i64 = 100;

/// What a workspace used in its last days, or one of its people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreditSummary {
    /// The first of these days, by UTC.
    pub first_day: NaiveDate,
    /// The last: today, by UTC.
    pub last_day: NaiveDate,
    /// What all of them cost.
    pub credits: Credits,
    /// The days that anything was used on, oldest first.
    pub days: Vec<CreditDay>,
    /// Who used most, at most a hundred.
    pub people: Vec<CreditPerson>,
    /// How many people used any.
    pub people_count: u64,
    /// What cost most, at most a hundred.
    pub tasks: Vec<CreditTask>,
    /// How many there are.
    pub tasks_count: u64,
}

/// What a day cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreditDay {
    /// The day, by UTC.
    pub day: NaiveDate,
    /// What was used on it.
    pub credits: Credits,
}

/// What one person's runs used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreditPerson {
    /// Who.
    pub user_id: UserId,
    /// Their name.
    pub name: String,
    /// How many runs.
    pub runs: u64,
    /// What they cost.
    pub credits: Credits,
}

/// What one task's runs used, or one person's questions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreditTask {
    /// The task; none for questions.
    pub task_id: Option<TaskId>,
    /// Its title, where the reader is its creator and it was not deleted.
    pub title: Option<String>,
    /// Whose it is.
    pub creator_id: UserId,
    /// That person's name.
    pub creator_name: String,
    /// How many runs.
    pub runs: u64,
    /// What they cost.
    pub credits: Credits,
}

/// Which debits are summed up.
struct Span {
    since: DateTime<Utc>,
    /// Whose; `None` for everybody's.
    creator_id: Option<UserId>,
}

impl Store {
    /// What was used in the last `days` days, today included; with `creator_id`, by them alone. Titles are told to `reader_id`
    /// of their own tasks only.
    pub async fn credit_summary(
        &self,
        scope: &Scope,
        reader_id: UserId,
        creator_id: Option<UserId>,
        days: u32,
    ) -> Result<CreditSummary> {
        let mut tx = self.begin(scope).await?;
        let since = tx.now - TimeDelta::days(i64::from(days).max(1) - 1);
        let span = Span { since, creator_id };
        let by_day = by_day(&mut tx, &span).await?;
        let (people, people_count) = by_person(&mut tx, &span).await?;
        let (tasks, tasks_count) = by_task(&mut tx, &span, reader_id).await?;
        Ok(CreditSummary {
            first_day: since.date_naive(),
            last_day: tx.now.date_naive(),
            credits: by_day.iter().map(|day| day.credits).sum(),
            days: by_day,
            people,
            people_count,
            tasks,
            tasks_count,
        })
    }
}

async fn by_day(tx: &mut Tx, span: &Span) -> Result<Vec<CreditDay>> {
    let rows = sqlx::query!(
        r#"SELECT (entry.at AT TIME ZONE 'UTC')::date AS "day!", sum(entry.amount_micro)::bigint AS "amount_micro!"
           FROM credit_entry AS entry
           JOIN run ON run.workspace_id = entry.workspace_id AND run.id = entry.run_id
           WHERE entry.workspace_id = $1 AND entry.kind = 'debit'
             AND entry.at >= date_trunc('day', $2::timestamptz, 'UTC')
             AND ($3::uuid IS NULL OR run.creator_id = $3)
           GROUP BY 1 ORDER BY 1"#,
        tx.workspace_id(),
        span.since,
        span.creator_id.map(UserId::as_uuid)
    )
    .fetch_all(tx.db())
    .await?;
    let days = rows.into_iter();
    Ok(days.map(|row| CreditDay { day: row.day, credits: Credits::from_micros(row.amount_micro) }).collect())
}

/// The people who used most, and how many used any.
async fn by_person(tx: &mut Tx, span: &Span) -> Result<(Vec<CreditPerson>, u64)> {
    let rows = sqlx::query!(
        r#"SELECT run.creator_id, app_user.name, count(DISTINCT run.id) AS "runs!",
               sum(entry.amount_micro)::bigint AS "amount_micro!", count(*) OVER () AS "people!"
           FROM credit_entry AS entry
           JOIN run ON run.workspace_id = entry.workspace_id AND run.id = entry.run_id
           JOIN app_user ON app_user.id = run.creator_id
           WHERE entry.workspace_id = $1 AND entry.kind = 'debit'
             AND entry.at >= date_trunc('day', $2::timestamptz, 'UTC')
             AND ($3::uuid IS NULL OR run.creator_id = $3)
           GROUP BY run.creator_id, app_user.name
           ORDER BY sum(entry.amount_micro) DESC, run.creator_id LIMIT $4"#,
        tx.workspace_id(),
        span.since,
        span.creator_id.map(UserId::as_uuid),
        NAMED_MAX
    )
    .fetch_all(tx.db())
    .await?;
    let count = rows.first().map_or(0, |row| row.people.unsigned_abs());
    let people = rows.into_iter().map(|row| CreditPerson {
        user_id: row.creator_id.into(),
        name: row.name,
        runs: row.runs.unsigned_abs(),
        credits: Credits::from_micros(row.amount_micro),
    });
    Ok((people.collect(), count))
}

/// The tasks that cost most, a person's questions being one, and how many there are.
async fn by_task(tx: &mut Tx, span: &Span, reader_id: UserId) -> Result<(Vec<CreditTask>, u64)> {
    let rows = sqlx::query!(
        r#"SELECT run.task_id, own.title AS "title?", run.creator_id, app_user.name, count(DISTINCT run.id) AS "runs!",
               sum(entry.amount_micro)::bigint AS "amount_micro!", count(*) OVER () AS "tasks!"
           FROM credit_entry AS entry
           JOIN run ON run.workspace_id = entry.workspace_id AND run.id = entry.run_id
           JOIN app_user ON app_user.id = run.creator_id
           LEFT JOIN task AS own ON own.workspace_id = run.workspace_id AND own.id = run.task_id
               AND own.creator_id = $5 AND own.deleted_at IS NULL
           WHERE entry.workspace_id = $1 AND entry.kind = 'debit'
             AND entry.at >= date_trunc('day', $2::timestamptz, 'UTC')
             AND ($3::uuid IS NULL OR run.creator_id = $3)
           GROUP BY run.task_id, own.title, run.creator_id, app_user.name
           ORDER BY sum(entry.amount_micro) DESC, run.task_id, run.creator_id LIMIT $4"#,
        tx.workspace_id(),
        span.since,
        span.creator_id.map(UserId::as_uuid),
        NAMED_MAX,
        reader_id.as_uuid()
    )
    .fetch_all(tx.db())
    .await?;
    let count = rows.first().map_or(0, |row| row.tasks.unsigned_abs());
    let tasks = rows.into_iter().map(|row| CreditTask {
        task_id: row.task_id.map(TaskId::from),
        title: row.title,
        creator_id: row.creator_id.into(),
        creator_name: row.name,
        runs: row.runs.unsigned_abs(),
        credits: Credits::from_micros(row.amount_micro),
    });
    Ok((tasks.collect(), count))
}
