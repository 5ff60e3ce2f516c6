//! Tasks by the million, in a minute: rows are made in the database, under ids that follow from their numbers.
//!
//! Loading is not what is measured. It runs without waiting for the disk and without checking foreign keys row by row (what it
//! writes is right by construction), and ends with `VACUUM ANALYZE`: without statistics the first claims after a bulk load are
//! planned for an empty table.

use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, Days, NaiveDate, Utc};
use sqlx::{AssertSqlSafe, PgConnection};

use crate::server::{Database, Server, execute};

/// Workspaces of every database, whatever the number of tasks: growth is to be of the tasks alone. A prime, so that every
/// n-th task falls on all workspaces alike.
pub(crate) const WORKSPACES: u32 = 1_009;
/// Members of each workspace, who take turns as creators.
pub(crate) const MEMBERS: u32 = 10;
/// Runs of a workspace at once: enough for [`crate::row`]'s 50,000 runs in flight.
const RUNS_AT_ONCE: u32 = 200;

/// Which rows an SQL expression `n` numbers: the last digits of the id are the number in hexadecimal.
pub(crate) fn id(kind: u32, number: &str) -> String {
    format!("('00000000-0000-7000-8{kind:03}-' || lpad(to_hex({number}), 12, '0'))::uuid")
}

/// The id of the workspace with the number that an SQL expression gives.
pub(crate) fn workspace_id(number: &str) -> String {
    id(1, number)
}

/// The id of the task with a number. It belongs to the workspace `number % WORKSPACES`.
pub(crate) fn task_id(number: &str) -> String {
    id(4, number)
}

/// The id of a member of a workspace, both given by number.
pub(crate) fn user_id(workspace: &str, member: &str) -> String {
    id(2, &format!("({workspace}) * {MEMBERS} + ({member})"))
}

impl Server {
    /// A migrated database with this many active daily tasks, none of which is due within the next day. Each tells its
    /// creator. Each workspace has a connection that its members may query.
    pub(crate) async fn load(&self, name: &str, tasks: u32) -> anyhow::Result<Database> {
        let database = self.create(name, None).await?;
        store::migrate(&database.url).await?;
        let mut connection = database.connect().await?;
        execute(&mut connection, "SET session_replication_role = replica; SET synchronous_commit = off")
            .await?;
        for statement in statements(tasks) {
            execute(&mut connection, &statement).await?;
        }
        execute(&mut connection, "VACUUM (ANALYZE, FREEZE)").await?;
        Ok(database)
    }
}

fn statements(tasks: u32) -> Vec<String> {
    let (workspace, task) = (workspace_id("w"), task_id("n"));
    let (of_task, creator) = (
        workspace_id(&format!("n % {WORKSPACES}")),
        user_id(&format!("n % {WORKSPACES}"), &format!("n / {WORKSPACES} % {MEMBERS}")),
    );
    let member = user_id("w", "m");
    let connection = id(3, "w");
    // Hours until the window of task n opens: none comes due by itself while the bench runs, however long that takes.
    let hours = "26 + n % 22";
    let opens_at = format!("(date_trunc('hour', now(), 'UTC') + make_interval(hours => {hours}))");
    let all = format!("FROM generate_series(0, {tasks} - 1) AS n");
    vec![
        format!(
            "INSERT INTO workspace (id, name, slug, max_concurrent_runs, created_at)
             SELECT {workspace}, 'Workspace ' || w, 'workspace-' || w, {RUNS_AT_ONCE}, now()
             FROM generate_series(0, {WORKSPACES} - 1) AS w"
        ),
        format!(
            "INSERT INTO app_user (id, email, name, created_at)
             SELECT {member}, 'member-' || m || '@workspace-' || w || '.test', 'Member ' || m, now()
             FROM generate_series(0, {WORKSPACES} - 1) AS w, generate_series(0, {MEMBERS} - 1) AS m"
        ),
        format!(
            "INSERT INTO member (workspace_id, user_id, role, created_at)
             SELECT {workspace}, {member}, 'editor', now()
             FROM generate_series(0, {WORKSPACES} - 1) AS w, generate_series(0, {MEMBERS} - 1) AS m"
        ),
        format!(
            "INSERT INTO connection (workspace_id, id, name, engine, details, created_by, created_at, updated_at)
             SELECT {workspace}, {connection}, 'Flights', 'files', '{{\"files\":{{\"path\":\"/srv/flights\"}}}}', {}, now(), now()
             FROM generate_series(0, {WORKSPACES} - 1) AS w",
            user_id("w", "0")
        ),
        format!(
            "INSERT INTO connection_grant (workspace_id, connection_id, access)
             SELECT {workspace}, {connection}, 'query' FROM generate_series(0, {WORKSPACES} - 1) AS w"
        ),
        format!(
            "INSERT INTO task (workspace_id, id, creator_id, title, prompt, schedule, notification, status, schedule_since,
                 created_at, updated_at)
             SELECT {of_task}, {task}, {creator}, 'Flights of region ' || n,
                 'How many flights left region ' || n || ' yesterday, and how many of them were more than an hour late?',
                 jsonb_build_object('cadence', 'daily', 'timezone', 'UTC',
                     'windowStart', to_char({opens_at} AT TIME ZONE 'UTC', 'HH24:00')),
                 jsonb_build_object('slackChannels', '[]'::jsonb, 'userIds', jsonb_build_array({creator}),
                     'groupIds', '[]'::jsonb, 'attachCsv', false),
                 'active', now(), now(), now()
             {all}"
        ),
        format!(
            "INSERT INTO task_due (workspace_id, task_id, due_at, occurrence_date, opens_at, closes_at)
             SELECT {of_task}, {task}, {opens_at} + make_interval(secs => n::bigint * 7919 % 5400),
                 ({opens_at} AT TIME ZONE 'UTC')::date, {opens_at}, {opens_at} + interval '2 hours'
             {all}"
        ),
    ]
}

/// A share of a database's tasks: every `stride`-th, from `first` on. Batches of one stride with other firsts share no task.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Batch {
    pub(crate) first: u32,
    pub(crate) stride: u32,
    pub(crate) count: u32,
}

impl Batch {
    /// The `round`-th batch of `count` tasks out of `tasks`, spread over all of them.
    pub(crate) fn of(tasks: u32, count: u32, round: u32) -> anyhow::Result<Self> {
        let stride = tasks / count.max(1);
        anyhow::ensure!(round < stride, "{tasks} tasks have no batch {round} of {count}");
        Ok(Self { first: round, stride, count })
    }

    /// About `count` of the same tasks that are not in this batch, spread over all of them.
    pub(crate) fn beside(self, tasks: u32, count: u32) -> anyhow::Result<Self> {
        anyhow::ensure!(self.stride > 1, "no task is beside a batch of all");
        // A multiple of this batch's stride never falls into step with it.
        let stride = (tasks / count.max(1)).div_ceil(self.stride) * self.stride;
        let first = self.first + 1;
        Ok(Self { first, stride, count: (tasks - first).div_ceil(stride) })
    }

    /// The first and the second half of it.
    pub(crate) const fn halves(self) -> (Self, Self) {
        let Self { first, stride, count } = self;
        let half = count / 2;
        (
            Self { first, stride, count: half },
            Self { first: first + half * stride, stride, count: count - half },
        )
    }

    /// `FROM` of a query over the batch: `n` is a task's number, `k` its place in the batch.
    pub(crate) fn from(self) -> String {
        let Self { first, stride, count } = self;
        format!(
            "FROM (SELECT k, k * {stride} + {first} AS n FROM generate_series(0, {count} - 1) AS k) AS batch"
        )
    }

    /// Makes the batch due: task `k` at `at` and `k * apart_micros` later. Their windows opened at the full hour. Answers the
    /// date of these occurrences, which no other call answers: a task may come up in several batches, but never runs the same
    /// occurrence twice.
    pub(crate) async fn make_due(
        self,
        connection: &mut PgConnection,
        at: DateTime<Utc>,
        apart_micros: u64,
    ) -> anyhow::Result<NaiveDate> {
        static CALLS: AtomicU64 = AtomicU64::new(1);
        let date = at.date_naive() - Days::new(CALLS.fetch_add(1, Ordering::Relaxed));
        let statement = format!(
            "UPDATE task_due
             SET due_at = $1 + make_interval(secs => k * $2::float8 / 1e6), opens_at = date_trunc('hour', $1, 'UTC'),
                 closes_at = date_trunc('hour', $1, 'UTC') + interval '2 hours', occurrence_date = $3
             {}
             WHERE workspace_id = {} AND task_id = {}",
            self.from(),
            workspace_id(&format!("n % {WORKSPACES}")),
            task_id("n"),
        );
        let done = sqlx::query(AssertSqlSafe(statement))
            .bind(at)
            .bind(apart_micros as f64)
            .bind(date)
            .execute(&mut *connection)
            .await?;
        anyhow::ensure!(done.rows_affected() == u64::from(self.count), "{self:?} is not there");
        execute(connection, "VACUUM (ANALYZE) task_due").await?;
        Ok(date)
    }

    /// Makes task `k` of the batch due at this moment: [`Batch::make_due`] has made it due later.
    pub(crate) async fn make_one_due(self, connection: &mut PgConnection, k: u32) -> anyhow::Result<()> {
        let n = (self.first + k * self.stride).to_string();
        let statement = format!(
            "UPDATE task_due SET due_at = clock_timestamp() WHERE workspace_id = {} AND task_id = {}",
            workspace_id(&format!("{n} % {WORKSPACES}")),
            task_id(&n),
        );
        let done = sqlx::query(AssertSqlSafe(statement)).execute(connection).await?;
        anyhow::ensure!(done.rows_affected() == 1, "{self:?} has no task {k}");
        Ok(())
    }
}

/// Writes out what the last side left behind, so that the next one does not pay for it.
pub(crate) async fn settle(connection: &mut PgConnection) -> anyhow::Result<()> {
    execute(connection, "CHECKPOINT").await
}

/// The database's clock.
pub(crate) async fn now(connection: &mut PgConnection) -> anyhow::Result<DateTime<Utc>> {
    Ok(sqlx::query_scalar("SELECT clock_timestamp()").fetch_one(connection).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_spread_over_all_tasks_and_share_none() {
        let batch = Batch::of(1_000_000, 100_000, 9).expect("a batch");
        assert_eq!((batch.first, batch.stride), (9, 10));
        assert!(Batch::of(1_000_000, 100_000, 10).is_err());
    }

    #[test]
    fn a_batch_beside_another_shares_no_task_with_it() {
        for (tasks, filled, count) in [(1_000_000, 50_000, 300), (40_000, 2_000, 60), (1_000, 120, 7)] {
            let numbers = |batch: Batch| -> Vec<u32> {
                (0..batch.count).map(|k| k * batch.stride + batch.first).collect()
            };
            let filled = Batch::of(tasks, filled, 0).expect("a batch");
            let beside = filled.beside(tasks, count).expect("a batch");
            let taken = numbers(filled);
            assert!(numbers(beside).iter().all(|number| *number < tasks && !taken.contains(number)));
            assert!(beside.count > count / 2, "{beside:?}");
        }
    }

    #[test]
    fn halves_are_a_batch_without_a_task_twice() {
        let batch = Batch { first: 3, stride: 10, count: 7 };
        let (first, second) = batch.halves();
        assert_eq!((first.first, first.count), (3, 3));
        assert_eq!((second.first, second.count), (33, 4));
    }
}
