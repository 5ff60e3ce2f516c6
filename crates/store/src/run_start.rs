//! Runs that a person starts: "run now", "send a test to me only", a question, a follow-up. Thread, turn and run are made at
//! once, so that there is something to watch; a worker is woken.

use domain::{
    ConnectionId, RunId, TaskId, ThreadId, UserId,
    run::RunTrigger,
    task::{TaskStatus, plain_prompt},
    thread::ThreadSource,
};
use serde_json::json;
use uuid::Uuid;

use crate::{Actor, Conflict, Error, Result, Scope, Store, Tx, audit, event, people, task};

/// The longest title that is made from a question, in characters.
const TITLE_MAX: usize = 120;

/// A run that was started, and where to watch it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StartedRun {
    /// The run.
    pub run_id: RunId,
    /// Its thread.
    pub thread_id: ThreadId,
    /// Its turn.
    pub turn_no: u32,
}

/// A question to ask in a thread.
#[derive(Clone, Debug)]
pub struct NewQuestion {
    /// The question, with its mentions.
    pub prompt: String,
    /// The connections that it names; none: all that the asker may query.
    pub connection_ids: Vec<ConnectionId>,
    /// The zone in which "yesterday" is meant.
    pub timezone: String,
    /// Where it was asked.
    pub source: ThreadSource,
}

impl Store {
    /// Runs a task now, beside its schedule; `test_to` makes it a test that only this member is told of.
    pub async fn task_run(&self, scope: &Scope, id: TaskId, test_to: Option<UserId>) -> Result<StartedRun> {
        let mut tx = self.begin(scope).await?;
        let task = task::find(&mut tx, id).await?.ok_or(Error::NotFound)?;
        if task.status == TaskStatus::Cancelled {
            return Err(Conflict::TaskCancelled.into());
        }
        people::demand_active(&mut tx, task.creator_id).await?;
        hold_task(&mut tx, id).await?;
        let thread_id = ThreadId::new(tx.now);
        let thread = NewThread {
            id: thread_id,
            creator_id: task.creator_id,
            task_id: Some(id),
            title: &task.title,
            source: ThreadSource::Task,
            connection_ids: &task.context.connection_ids,
        };
        insert_thread(&mut tx, &thread).await?;
        let run_id = RunId::new(tx.now);
        insert_turn(&mut tx, thread_id, 1, run_id, &task.prompt, &task.schedule.timezone).await?;
        let trigger = if test_to.is_some() { RunTrigger::Test } else { RunTrigger::Manual };
        let run = NewRun {
            id: run_id,
            task_id: Some(id),
            creator_id: task.creator_id,
            trigger,
            thread_id,
            turn_no: 1,
            test_to,
        };
        insert_run(&mut tx, &run).await?;
        let details = json!({ "runId": run_id, "test": test_to.is_some() });
        audit::record(&mut tx, scope.actor(), "task.run", id.as_uuid(), details).await?;
        event::tell_run_ready(&mut tx).await?;
        tx.commit().await?;
        Ok(StartedRun { run_id, thread_id, turn_no: 1 })
    }

    /// Asks a question in a new thread. `Invalid` for connections that the asker may not query.
    pub async fn thread_ask(
        &self,
        scope: &Scope,
        creator_id: UserId,
        question: &NewQuestion,
    ) -> Result<StartedRun> {
        let mut tx = self.begin(scope).await?;
        let started = ask(&mut tx, scope.actor(), creator_id, question).await?;
        tx.commit().await?;
        Ok(started)
    }

    /// Asks a further question in a thread. `Conflict::ThreadBusy` while it works on the last one.
    pub async fn thread_followup(
        &self,
        scope: &Scope,
        thread_id: ThreadId,
        question: &NewQuestion,
    ) -> Result<StartedRun> {
        let mut tx = self.begin(scope).await?;
        let started = follow_up(&mut tx, scope.actor(), thread_id, question).await?;
        tx.commit().await?;
        Ok(started)
    }
}

/// Asks a question in a new thread.
pub(crate) async fn ask(
    tx: &mut Tx,
    actor: Actor,
    creator_id: UserId,
    question: &NewQuestion,
) -> Result<StartedRun> {
    people::demand_active(tx, creator_id).await?;
    demand_queryable(tx, creator_id, &question.connection_ids).await?;
    let thread_id = ThreadId::new(tx.now);
    let thread = NewThread {
        id: thread_id,
        creator_id,
        task_id: None,
        title: &title_of(&question.prompt),
        source: question.source,
        connection_ids: &question.connection_ids,
    };
    insert_thread(tx, &thread).await?;
    let run_id = start_turn(tx, thread_id, creator_id, 1, question).await?;
    audit::record(tx, actor, "thread.ask", thread_id.as_uuid(), json!({ "runId": run_id })).await?;
    Ok(StartedRun { run_id, thread_id, turn_no: 1 })
}

/// Asks a further question in a thread, as its creator.
pub(crate) async fn follow_up(
    tx: &mut Tx,
    actor: Actor,
    thread_id: ThreadId,
    question: &NewQuestion,
) -> Result<StartedRun> {
    let thread = sqlx::query!(
        "SELECT creator_id, status, last_turn_no, connection_ids FROM thread
             WHERE workspace_id = $1 AND id = $2 FOR NO KEY UPDATE",
        tx.workspace_id(),
        thread_id.as_uuid()
    )
    .fetch_optional(tx.db())
    .await?
    .ok_or(Error::NotFound)?;
    if thread.status == "running" {
        return Err(Conflict::ThreadBusy.into());
    }
    let creator_id = UserId::from(thread.creator_id);
    people::demand_active(tx, creator_id).await?;
    demand_queryable(tx, creator_id, &question.connection_ids).await?;
    let turn_no = thread.last_turn_no.unsigned_abs() + 1;
    let mut connection_ids = thread.connection_ids;
    for id in question.connection_ids.iter().map(|id| id.as_uuid()) {
        if !connection_ids.contains(&id) {
            connection_ids.push(id);
        }
    }
    sqlx::query!(
        "UPDATE thread SET status = 'running', last_turn_no = $3, connection_ids = $4, updated_at = $5
             WHERE workspace_id = $1 AND id = $2",
        tx.workspace_id(),
        thread_id.as_uuid(),
        turn_no as i32,
        &connection_ids,
        tx.now
    )
    .execute(tx.db())
    .await?;
    let run_id = start_turn(tx, thread_id, creator_id, turn_no, question).await?;
    let details = json!({ "runId": run_id, "turnNo": turn_no });
    audit::record(tx, actor, "thread.followup", thread_id.as_uuid(), details).await?;
    event::tell_thread_changed(tx, thread_id).await?;
    Ok(StartedRun { run_id, thread_id, turn_no })
}

/// Keeps a task from being deleted until the transaction ends.
async fn hold_task(tx: &mut Tx, id: TaskId) -> Result<()> {
    let held = sqlx::query_scalar!(
        "SELECT id FROM task WHERE workspace_id = $1 AND id = $2 AND deleted_at IS NULL FOR SHARE",
        tx.workspace_id(),
        id.as_uuid()
    );
    held.fetch_optional(tx.db()).await?.ok_or(Error::NotFound)?;
    Ok(())
}

async fn start_turn(
    tx: &mut Tx,
    thread_id: ThreadId,
    creator_id: UserId,
    turn_no: u32,
    question: &NewQuestion,
) -> Result<RunId> {
    let id = RunId::new(tx.now);
    insert_turn(tx, thread_id, turn_no, id, &question.prompt, &question.timezone).await?;
    let trigger = RunTrigger::Thread;
    let run = NewRun { id, task_id: None, creator_id, trigger, thread_id, turn_no, test_to: None };
    insert_run(tx, &run).await?;
    event::tell_run_ready(tx).await?;
    Ok(id)
}

struct NewThread<'a> {
    id: ThreadId,
    creator_id: UserId,
    task_id: Option<TaskId>,
    title: &'a str,
    source: ThreadSource,
    connection_ids: &'a [ConnectionId],
}

async fn insert_thread(tx: &mut Tx, thread: &NewThread<'_>) -> Result<()> {
    let connection_ids: Vec<Uuid> = thread.connection_ids.iter().map(|id| id.as_uuid()).collect();
    sqlx::query!(
        "INSERT INTO thread (workspace_id, id, creator_id, task_id, title, source, status, last_turn_no, connection_ids,
             created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, 'running', 1, $7, $8, $8)",
        tx.workspace_id(),
        thread.id.as_uuid(),
        thread.creator_id.as_uuid(),
        thread.task_id.map(TaskId::as_uuid),
        thread.title,
        thread.source.as_str(),
        &connection_ids,
        tx.now
    )
    .execute(tx.db())
    .await?;
    Ok(())
}

async fn insert_turn(
    tx: &mut Tx,
    thread_id: ThreadId,
    turn_no: u32,
    run_id: RunId,
    prompt: &str,
    timezone: &str,
) -> Result<()> {
    sqlx::query!(
        "INSERT INTO turn (workspace_id, thread_id, turn_no, run_id, prompt, status, as_of, timezone, created_at)
         VALUES ($1, $2, $3, $4, $5, 'queued', $6, $7, $6)",
        tx.workspace_id(),
        thread_id.as_uuid(),
        turn_no as i32,
        run_id.as_uuid(),
        prompt,
        tx.now,
        timezone
    )
    .execute(tx.db())
    .await?;
    Ok(())
}

struct NewRun {
    id: RunId,
    task_id: Option<TaskId>,
    creator_id: UserId,
    trigger: RunTrigger,
    thread_id: ThreadId,
    turn_no: u32,
    test_to: Option<UserId>,
}

async fn insert_run(tx: &mut Tx, run: &NewRun) -> Result<()> {
    sqlx::query!(
        "WITH made AS (
             INSERT INTO run (workspace_id, id, task_id, creator_id, trigger, status, thread_id, turn_no, test_to, created_at)
             VALUES ($1, $2, $3, $4, $5, 'queued', $6, $7, $8, $9)
         )
         INSERT INTO run_queue (workspace_id, run_id, task_id, creator_id, urgent, test, available_at, listed_at)
         VALUES ($1, $2, $3, $4, true, $5 = 'test', $9, $9)",
        tx.workspace_id(),
        run.id.as_uuid(),
        run.task_id.map(TaskId::as_uuid),
        run.creator_id.as_uuid(),
        run.trigger.as_str(),
        run.thread_id.as_uuid(),
        run.turn_no as i32,
        run.test_to.map(UserId::as_uuid),
        tx.now
    )
    .execute(tx.db())
    .await?;
    Ok(())
}

async fn demand_queryable(tx: &mut Tx, user_id: UserId, ids: &[ConnectionId]) -> Result<()> {
    let wanted: Vec<Uuid> = ids.iter().map(|id| id.as_uuid()).collect();
    let usable = sqlx::query_scalar!(
        r#"SELECT connection.id FROM connection
           JOIN connection_access AS access ON access.workspace_id = connection.workspace_id
             AND access.connection_id = connection.id AND access.user_id = $3 AND access.access <> 'view_results'
           WHERE connection.workspace_id = $1 AND connection.id = ANY ($2) AND deleted_at IS NULL"#,
        tx.workspace_id(),
        &wanted,
        user_id.as_uuid()
    )
    .fetch_all(tx.db())
    .await?;
    match wanted.iter().position(|id| !usable.contains(id)) {
        None => Ok(()),
        Some(index) => {
            let path = format!("connectionIds[{index}]");
            Err(domain::Invalid::new(path, "there is no such connection that you may query").into())
        }
    }
}

/// The first line of a question, cut at a word.
fn title_of(prompt: &str) -> String {
    let plain = plain_prompt(prompt);
    let line = plain.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("Question");
    if line.chars().count() <= TITLE_MAX {
        return line.to_owned();
    }
    let cut: String = line.chars().take(TITLE_MAX).collect();
    let cut = cut.rsplit_once(' ').map_or(cut.as_str(), |(words, _)| words);
    format!("{cut}…")
}

#[cfg(test)]
mod tests {
    use super::title_of;

    #[test]
    fn a_title_is_the_first_line_cut_at_a_word() {
        assert_eq!(title_of("\n  How many?\nAnd why?"), "How many?");
        assert_eq!(title_of("  "), "Question");
        let long = title_of(&"word ".repeat(60));
        assert!(long.ends_with("word…") && long.chars().count() <= 121, "{long}");
        assert_eq!(title_of(&"x".repeat(130)).chars().count(), 121);
    }
}
