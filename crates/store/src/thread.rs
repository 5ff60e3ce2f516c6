//! Threads and their turns as they are looked at. How turns start: `run_start.rs`; how they end: `run_end.rs`.

use chrono::{DateTime, Utc};
use domain::{
    ConnectionId, ResultId, RunId, TaskId, ThreadId, UserId,
    access::ConnectionAccess,
    answer::Answer,
    run::RunReason,
    table::{Cell, Column},
    thread::{ThreadSource, ThreadStatus, TurnStatus},
};
use uuid::Uuid;

use crate::{
    Error, Result, Scope, Store, Tx,
    error::{json, optional_word, word},
    page::{Page, Paged},
};

/// A thread, as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thread {
    /// Its id.
    pub id: ThreadId,
    /// Its task's title, or made from the first question.
    pub title: String,
    /// Where it stands.
    pub status: ThreadStatus,
    /// Where it comes from.
    pub source: ThreadSource,
    /// Its task.
    pub task_id: Option<TaskId>,
    /// What the task is called now.
    pub task_title: Option<String>,
    /// The last answer's headline, figures filled in.
    pub headline: Option<String>,
    /// Whose it is: the only one who may prompt.
    pub creator_id: UserId,
    /// Their name.
    pub creator_name: String,
    /// The last number given out in its sequence of events.
    pub last_seq: u64,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

/// A turn.
#[derive(Clone, Debug, PartialEq)]
pub struct Turn {
    /// Counted from 1.
    pub turn_no: u32,
    /// The question, with its mentions.
    pub prompt: String,
    /// Where it stands.
    pub status: TurnStatus,
    /// Why it failed or was stopped.
    pub reason: Option<RunReason>,
    /// The reason as a sentence.
    pub message: Option<String>,
    /// Its answer.
    pub answer: Option<Answer>,
    /// The run that executed it.
    pub run_id: Option<RunId>,
    /// The instant as of which it was asked.
    pub as_of: DateTime<Utc>,
    /// The zone in which "yesterday" was meant.
    pub timezone: String,
    /// When it was first started.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// Where its end stands in the thread's sequence of events.
    pub finished_seq: Option<u64>,
}

/// Which threads to list.
#[derive(Clone, Debug, Default)]
pub struct ThreadFilter {
    /// Of this creator only.
    pub creator_id: Option<UserId>,
    /// Those that this user may read: their own and, by [`Store::thread_rights`], others'.
    pub readable_by: Option<UserId>,
    /// Of this task only.
    pub task_id: Option<TaskId>,
    /// With this text in their title or headline, regardless of case.
    pub text: Option<String>,
}

/// What a user may do with a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThreadRights {
    /// Read it and prompt in it.
    Creator,
    /// Read it: it is shared with them or a message led here, and they may see the results of every connection that it used.
    Reader,
    /// Nothing, as if it did not exist.
    None,
}

/// An earlier thread of a task, for a later run to build on.
#[derive(Clone, Debug, PartialEq)]
pub struct PreviousThread {
    /// The thread.
    pub thread_id: ThreadId,
    /// The instant as of which it asked.
    pub as_of: DateTime<Utc>,
    /// What it asked.
    pub prompt: String,
    /// What it found.
    pub answer: Answer,
    /// The queries that its answer shows results of.
    pub results: Vec<PreviousResult>,
}

/// A result of an earlier thread.
#[derive(Clone, Debug, PartialEq)]
pub struct PreviousResult {
    /// The result.
    pub id: ResultId,
    /// Where the query ran.
    pub connection_id: ConnectionId,
    /// The query.
    pub sql: String,
    /// Its columns.
    pub columns: Vec<Column>,
    /// Its first rows.
    pub rows: Vec<Vec<Cell>>,
    /// How many there are.
    pub row_count: u64,
}

/// A question answered before, found by its words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastAnswer {
    /// Where.
    pub thread_id: ThreadId,
    /// What was asked.
    pub question: String,
    /// What was found.
    pub headline: String,
    /// The queries that were run.
    pub sql: Vec<String>,
}

struct ThreadRow {
    id: Uuid,
    title: String,
    status: String,
    source: String,
    task_id: Option<Uuid>,
    task_title: Option<String>,
    headline: Option<String>,
    creator_id: Uuid,
    creator_name: String,
    last_seq: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl TryFrom<ThreadRow> for Thread {
    type Error = Error;

    fn try_from(row: ThreadRow) -> Result<Self> {
        Ok(Self {
            id: row.id.into(),
            status: word("thread", "status", row.id, &row.status)?,
            source: word("thread", "source", row.id, &row.source)?,
            title: row.title,
            task_id: row.task_id.map(TaskId::from),
            task_title: row.task_title,
            headline: row.headline,
            creator_id: row.creator_id.into(),
            creator_name: row.creator_name,
            last_seq: row.last_seq.unsigned_abs(),
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

impl Store {
    /// One thread. Who may see it: [`Store::thread_rights`].
    pub async fn thread_get(&self, scope: &Scope, id: ThreadId) -> Result<Option<Thread>> {
        let mut tx = self.begin(scope).await?;
        let row = sqlx::query_as!(
            ThreadRow,
            r#"SELECT thread.id, thread.title, thread.status, source, task_id, task.title AS "task_title?", headline,
                   thread.creator_id, app_user.name AS creator_name, last_seq, thread.created_at, thread.updated_at
               FROM thread
               JOIN app_user ON app_user.id = thread.creator_id
               LEFT JOIN task ON task.workspace_id = thread.workspace_id AND task.id = thread.task_id
                 AND task.deleted_at IS NULL
               WHERE thread.workspace_id = $1 AND thread.id = $2"#,
            tx.workspace_id(),
            id.as_uuid()
        )
        .fetch_optional(tx.db())
        .await?;
        row.map(Thread::try_from).transpose()
    }

    /// Threads, newest first; those of backtests are found through their backtest alone.
    pub async fn thread_list(
        &self,
        scope: &Scope,
        filter: &ThreadFilter,
        page: &Page,
    ) -> Result<Paged<Thread>> {
        let mut tx = self.begin(scope).await?;
        let pattern = filter.text.as_ref().map(|text| format!("%{}%", crate::task::escape_like(text)));
        let rows = sqlx::query_as!(
            ThreadRow,
            r#"SELECT thread.id, thread.title, thread.status, source, task_id, task.title AS "task_title?", headline,
                   thread.creator_id, app_user.name AS creator_name, last_seq, thread.created_at, thread.updated_at
               FROM thread
               JOIN app_user ON app_user.id = thread.creator_id
               LEFT JOIN task ON task.workspace_id = thread.workspace_id AND task.id = thread.task_id
                 AND task.deleted_at IS NULL
               WHERE thread.workspace_id = $1 AND source <> 'backtest' AND ($2::uuid IS NULL OR thread.creator_id = $2)
                 AND ($3::uuid IS NULL OR thread.task_id = $3)
                 AND ($4::text IS NULL OR thread.title ILIKE $4 OR headline ILIKE $4)
                 AND ($5::uuid IS NULL OR thread.id < $5)
                 AND ($7::uuid IS NULL OR thread.creator_id = $7 OR (
                     EXISTS (SELECT FROM thread_reader AS reader WHERE reader.workspace_id = thread.workspace_id
                       AND reader.thread_id = thread.id AND reader.user_id = $7)
                     AND NOT EXISTS (SELECT FROM connection_used AS used
                       WHERE used.workspace_id = thread.workspace_id AND used.thread_id = thread.id
                         AND NOT EXISTS (SELECT FROM connection_access AS access
                           WHERE access.workspace_id = used.workspace_id
                             AND access.connection_id = used.connection_id AND access.user_id = $7))))
               ORDER BY thread.id DESC LIMIT $6"#,
            tx.workspace_id(),
            filter.creator_id.map(UserId::as_uuid),
            filter.task_id.map(TaskId::as_uuid),
            pattern,
            page.after_id(),
            page.rows_to_fetch(),
            filter.readable_by.map(UserId::as_uuid)
        )
        .fetch_all(tx.db())
        .await?;
        let threads = rows.into_iter().map(Thread::try_from).collect::<Result<Vec<_>>>()?;
        Ok(page.cut(threads, |thread| (String::new(), thread.id.as_uuid())))
    }

    /// A thread's turns, in order.
    pub async fn turn_list(&self, scope: &Scope, thread_id: ThreadId) -> Result<Vec<Turn>> {
        turn_list(&mut self.begin(scope).await?, thread_id).await
    }

    /// What a user may do with a thread. Besides its creator, those read it whom it is shared with, or who got its answer in
    /// a message, and who hold `view_results` on every connection that it used.
    pub async fn thread_rights(&self, scope: &Scope, id: ThreadId, user_id: UserId) -> Result<ThreadRights> {
        let mut tx = self.begin(scope).await?;
        let thread = sqlx::query!(
            r#"SELECT creator_id, EXISTS (
                   SELECT FROM thread_reader AS reader WHERE reader.workspace_id = $1 AND reader.thread_id = $2
                     AND reader.user_id = $3) AS "is_reader!"
               FROM thread WHERE workspace_id = $1 AND id = $2"#,
            tx.workspace_id(),
            id.as_uuid(),
            user_id.as_uuid()
        )
        .fetch_optional(tx.db())
        .await?;
        let Some(thread) = thread else { return Ok(ThreadRights::None) };
        if thread.creator_id == user_id.as_uuid() {
            return Ok(ThreadRights::Creator);
        }
        if !thread.is_reader {
            return Ok(ThreadRights::None);
        }
        drop(tx);
        let used = self.thread_connections_used(scope, id).await?;
        let denied = self.connections_denied(scope, user_id, &used, ConnectionAccess::ViewResults).await?;
        Ok(if denied.is_empty() { ThreadRights::Reader } else { ThreadRights::None })
    }

    /// The connections that a thread used: those that its queries ran on, and those whose data it was given without a query of
    /// its own ([`Store::connection_read_put`]).
    pub async fn thread_connections_used(&self, scope: &Scope, id: ThreadId) -> Result<Vec<ConnectionId>> {
        self.threads_connections_used(scope, &[id]).await
    }

    /// All that any of these threads used: what rests on several of them rests on all of it.
    pub async fn threads_connections_used(
        &self,
        scope: &Scope,
        ids: &[ThreadId],
    ) -> Result<Vec<ConnectionId>> {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.as_uuid()).collect();
        let mut tx = self.begin(scope).await?;
        let ids = sqlx::query_scalar!(
            r#"SELECT DISTINCT connection_id AS "connection_id!" FROM connection_used
               WHERE workspace_id = $1 AND thread_id = ANY ($2) ORDER BY 1"#,
            tx.workspace_id(),
            &ids
        )
        .fetch_all(tx.db())
        .await?;
        Ok(ids.into_iter().map(ConnectionId::from).collect())
    }

    /// The last `limit` answered threads of a task but for one, newest first, each with its answer's results and their first
    /// `rows` rows. Those of tests and backtests are left out; in a backtest they are those of its earlier occurrences.
    pub async fn task_previous_threads(
        &self,
        scope: &Scope,
        task_id: TaskId,
        but: ThreadId,
        limit: u32,
        rows: u32,
    ) -> Result<Vec<PreviousThread>> {
        let mut tx = self.begin(scope).await?;
        let turns = sqlx::query!(
            r#"WITH tested AS MATERIALIZED (
                   SELECT backtest_id, position FROM turn
                   JOIN backtest_occurrence AS this ON this.workspace_id = $1 AND this.run_id = turn.run_id
                   WHERE turn.workspace_id = $1 AND turn.thread_id = $3 AND turn.turn_no = 1
               )
               SELECT thread.id, turn.prompt, turn.as_of, turn.answer AS "answer!"
               FROM thread
               JOIN turn ON turn.workspace_id = thread.workspace_id AND turn.thread_id = thread.id AND turn.turn_no = 1
               WHERE thread.workspace_id = $1 AND thread.task_id = $2 AND thread.id <> $3 AND turn.answer IS NOT NULL
                 AND CASE WHEN EXISTS (SELECT FROM tested)
                     THEN turn.run_id IN (SELECT earlier.run_id FROM tested
                         JOIN backtest_occurrence AS earlier ON earlier.workspace_id = $1
                           AND earlier.backtest_id = tested.backtest_id AND earlier.position < tested.position)
                     ELSE thread.source <> 'backtest' AND NOT EXISTS (
                         SELECT FROM run WHERE run.workspace_id = $1 AND run.id = turn.run_id AND run.trigger = 'test') END
               ORDER BY thread.id DESC LIMIT $4"#,
            tx.workspace_id(),
            task_id.as_uuid(),
            but.as_uuid(),
            i64::from(limit)
        )
        .fetch_all(tx.db())
        .await?;
        let mut threads = Vec::with_capacity(turns.len());
        for turn in turns {
            let answer: Answer = json("turn", "answer", turn.id, turn.answer)?;
            let results = previous_results(&mut tx, &answer, rows).await?;
            threads.push(PreviousThread {
                thread_id: turn.id.into(),
                as_of: turn.as_of,
                prompt: turn.prompt,
                answer,
                results,
            });
        }
        Ok(threads)
    }

    /// A user's answered questions that share words with `text`, best first.
    pub async fn past_answers(
        &self,
        scope: &Scope,
        user_id: UserId,
        text: &str,
        limit: u32,
    ) -> Result<Vec<PastAnswer>> {
        let mut tx = self.begin(scope).await?;
        // Any of the words will do; the rank tells how well they fit.
        let rows = sqlx::query!(
            r#"WITH asked AS (
                   SELECT replace(plainto_tsquery('english', $3)::text, '&', '|')::tsquery AS words
               ), recent AS (
                   SELECT id, workspace_id, headline FROM thread
                   WHERE workspace_id = $1 AND creator_id = $2 AND headline IS NOT NULL AND source <> 'backtest'
                   ORDER BY id DESC LIMIT 500
               )
               SELECT recent.id, turn.prompt, recent.headline AS "headline!", ARRAY(
                   SELECT result.sql FROM result WHERE result.workspace_id = recent.workspace_id
                     AND result.thread_id = recent.id ORDER BY number) AS "sql!"
               FROM recent
               JOIN turn ON turn.workspace_id = recent.workspace_id AND turn.thread_id = recent.id AND turn.turn_no = 1
               CROSS JOIN asked
               WHERE to_tsvector('english', turn.prompt || ' ' || recent.headline) @@ asked.words
               ORDER BY ts_rank(to_tsvector('english', turn.prompt || ' ' || recent.headline), asked.words) DESC,
                   recent.id DESC
               LIMIT $4"#,
            tx.workspace_id(),
            user_id.as_uuid(),
            text,
            i64::from(limit)
        )
        .fetch_all(tx.db())
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| PastAnswer {
                thread_id: row.id.into(),
                question: domain::task::plain_prompt(&row.prompt),
                headline: row.headline,
                sql: row.sql,
            })
            .collect())
    }
}

/// The turns of a thread, in order.
pub(crate) async fn turn_list(tx: &mut Tx, thread_id: ThreadId) -> Result<Vec<Turn>> {
    let rows = sqlx::query!(
        r#"SELECT turn.turn_no, prompt, turn.status, turn.reason, turn.message, answer, as_of, timezone,
               turn.started_at, turn.finished_at, finished_seq, run_id
           FROM turn WHERE workspace_id = $1 AND thread_id = $2 ORDER BY turn.turn_no"#,
        tx.workspace_id(),
        thread_id.as_uuid()
    )
    .fetch_all(tx.db())
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Turn {
                turn_no: row.turn_no.unsigned_abs(),
                prompt: row.prompt,
                status: word("turn", "status", thread_id, &row.status)?,
                reason: optional_word("turn", "reason", thread_id, row.reason.as_deref())?,
                message: row.message,
                answer: row.answer.map(|answer| json("turn", "answer", thread_id, answer)).transpose()?,
                run_id: row.run_id.map(RunId::from),
                as_of: row.as_of,
                timezone: row.timezone,
                started_at: row.started_at,
                finished_at: row.finished_at,
                finished_seq: row.finished_seq.map(i64::unsigned_abs),
            })
        })
        .collect()
}

async fn previous_results(tx: &mut Tx, answer: &Answer, rows: u32) -> Result<Vec<PreviousResult>> {
    let ids: Vec<Uuid> = answer.results.iter().map(|shown| shown.id.as_uuid()).collect();
    let stored = sqlx::query!(
        r#"SELECT result.id, connection_id, sql, columns, row_count, result_chunk.rows AS "rows?"
           FROM result
           LEFT JOIN result_chunk ON result_chunk.workspace_id = result.workspace_id
             AND result_chunk.result_id = result.id AND chunk_no = 0
           WHERE result.workspace_id = $1 AND result.id = ANY ($2) ORDER BY number"#,
        tx.workspace_id(),
        &ids
    )
    .fetch_all(tx.db())
    .await?;
    let mut results = Vec::with_capacity(stored.len());
    for row in stored {
        let mut first: Vec<Vec<Cell>> = match &row.rows {
            None => vec![],
            Some(text) => crate::result::read_rows(row.id.into(), text)?,
        };
        first.truncate(rows as usize);
        results.push(PreviousResult {
            id: row.id.into(),
            connection_id: row.connection_id.into(),
            sql: row.sql,
            columns: json("result", "columns", row.id, row.columns)?,
            rows: first,
            row_count: row.row_count.unsigned_abs(),
        });
    }
    Ok(results)
}
