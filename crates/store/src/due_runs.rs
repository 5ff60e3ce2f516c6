//! The runs that due occurrences become: queued for whoever has room, or a worker's own from the start.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use domain::{
    ConnectionId, RunId, ThreadId,
    run::{RunReason, RunStatus, RunTrigger},
    schedule::{Schedule, Window},
};
use uuid::Uuid;

use crate::{
    Actor, ClaimedRun, Places, Result, RunLease, Scope, Tx, credit_wait,
    due::{keys, read_schedule},
    error::if_readable,
    occurrence::Fate,
    run_claim, webhook_event,
};

/// A worker that takes due occurrences as its own.
pub(crate) struct Desk<'a> {
    pub(crate) worker: &'a str,
    /// For how many it has room, and whose.
    pub(crate) places: &'a Places,
    /// Until when it holds them.
    pub(crate) lease_until: DateTime<Utc>,
}

/// A task of a batch, as read after its due row was locked.
pub(crate) struct DueTask {
    pub(crate) workspace_id: Uuid,
    pub(crate) task_id: Uuid,
    creator_id: Uuid,
    title: String,
    prompt: String,
    /// Empty where nobody starts it here.
    connection_ids: Vec<Uuid>,
    pub(crate) schedule: Schedule,
    pub(crate) expires_at: Option<DateTime<Utc>>,
    pub(crate) grace: TimeDelta,
    pub(crate) window: Window,
    /// Dates from the window's on that have their run already, since before a change of schedule or zone.
    pub(crate) taken: Vec<NaiveDate>,
}

/// The tasks of a batch that fire: active ones, and expired ones whose last window opened before. Read after their due rows
/// were locked, so that what a pause or an edit committed is seen. Beside them the keys of those whose schedule cannot be read.
pub(crate) async fn tasks_of(
    tx: &mut Tx,
    windows: &HashMap<(Uuid, Uuid), Window>,
    to_start: bool,
) -> Result<(Vec<DueTask>, Vec<(Uuid, Uuid)>)> {
    let (workspace_ids, task_ids) = keys(windows);
    let dates: Vec<_> = windows.values().map(|window| window.date).collect();
    let rows = sqlx::query!(
        r#"SELECT task.workspace_id, task.id, task.creator_id, task.title, task.prompt, task.schedule,
             task.expires_at, workspace.grace_seconds,
             ARRAY(SELECT run.occurrence_date FROM run
                   WHERE run.workspace_id = due.workspace_id AND run.task_id = due.task_id
                     AND run.occurrence_date >= due.date) AS "taken!",
             CASE WHEN $4 THEN ARRAY(
                 SELECT connection_id FROM task_connection
                 WHERE task_connection.workspace_id = due.workspace_id AND task_connection.task_id = due.task_id
                 ORDER BY position, connection_id) ELSE '{}' END AS "connection_ids!"
         FROM unnest($1::uuid[], $2::uuid[], $3::date[]) AS due (workspace_id, task_id, date)
         JOIN task ON task.workspace_id = due.workspace_id AND task.id = due.task_id
         JOIN workspace ON workspace.id = task.workspace_id
         JOIN member ON member.workspace_id = task.workspace_id AND member.user_id = task.creator_id
         WHERE task.status IN ('active', 'expired') AND task.deleted_at IS NULL AND member.deactivated_at IS NULL"#,
        &workspace_ids,
        &task_ids,
        &dates,
        to_start
    )
    .fetch_all(tx.db())
    .await?;
    let mut tasks = Vec::with_capacity(rows.len());
    let mut unreadable = Vec::new();
    for row in rows {
        let key = (row.workspace_id, row.id);
        let Some(window) = windows.get(&key) else { continue };
        let Some(schedule) = if_readable(read_schedule(row.id, row.schedule)) else {
            unreadable.push(key);
            continue;
        };
        tasks.push(DueTask {
            workspace_id: row.workspace_id,
            task_id: row.id,
            creator_id: row.creator_id,
            title: row.title,
            prompt: row.prompt,
            connection_ids: row.connection_ids,
            schedule,
            expires_at: row.expires_at,
            grace: TimeDelta::seconds(row.grace_seconds.into()),
            window: *window,
            taken: row.taken,
        });
    }
    Ok((tasks, unreadable))
}

/// Writes one run row per fate, and a queue row for each that shall run: leased already for as many as the desk takes. An
/// occurrence that has a run already keeps it. Answers the desk's runs.
pub(crate) async fn insert(
    tx: &mut Tx,
    fates: &[(&DueTask, Fate)],
    desk: Option<&Desk<'_>>,
) -> Result<Vec<ClaimedRun>> {
    if fates.is_empty() {
        return Ok(vec![]);
    }
    // Made first and sorted, so that runs of one task sort by id as their occurrences do by date.
    let mut ids: Vec<Uuid> = fates.iter().map(|_| RunId::new(tx.now).as_uuid()).collect();
    ids.sort_unstable();
    let starts = match desk {
        Some(desk) => choose(tx, fates, desk.places).await?,
        None => vec![false; fates.len()],
    };
    let workspace_ids: Vec<_> = fates.iter().map(|(task, _)| task.workspace_id).collect();
    let task_ids: Vec<_> = fates.iter().map(|(task, _)| task.task_id).collect();
    let creator_ids: Vec<_> = fates.iter().map(|(task, _)| task.creator_id).collect();
    let dates: Vec<_> = fates.iter().map(|(_, fate)| fate.window.date).collect();
    let opens: Vec<_> = fates.iter().map(|(_, fate)| fate.window.opens_at).collect();
    let closes: Vec<_> = fates.iter().map(|(_, fate)| fate.window.closes_at).collect();
    let statuses: Vec<_> = fates.iter().map(|(_, fate)| fate.status.as_str()).collect();
    let reasons: Vec<_> = fates.iter().map(|(_, fate)| fate.reason.map(RunReason::as_str)).collect();
    let lates: Vec<_> = fates.iter().map(|(_, fate)| fate.late).collect();
    let deadlines: Vec<_> = fates.iter().map(|(_, fate)| fate.deadline_at).collect();
    let queued = sqlx::query!(
        "WITH fate AS (
             SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::date[], $6::timestamptz[],
                 $7::timestamptz[], $8::text[], $9::text[], $10::bool[], $11::timestamptz[], $12::bool[])
               AS fate (workspace_id, id, task_id, creator_id, date, opens_at, closes_at, status, reason, late, deadline_at,
                 starts)
         ), made AS (
             INSERT INTO run (workspace_id, id, task_id, creator_id, trigger, occurrence_date, opens_at, closes_at, status,
                 reason, late, attempt, created_at, started_at, finished_at)
             SELECT workspace_id, id, task_id, creator_id, 'schedule', date, opens_at, closes_at,
                 CASE WHEN starts THEN 'running' ELSE status END, reason, late, starts::int, $13,
                 CASE WHEN starts THEN $13::timestamptz END, CASE WHEN status <> 'queued' THEN $13::timestamptz END
             FROM fate
             ON CONFLICT ON CONSTRAINT run_occurrence_unique DO NOTHING
             RETURNING workspace_id, id
         )
         INSERT INTO run_queue (workspace_id, run_id, task_id, creator_id, urgent, test, available_at, listed_at, deadline_at,
             lease_token, lease_until, worker)
         SELECT made.workspace_id, made.id, fate.task_id, fate.creator_id, false, false, $13, $13, fate.deadline_at,
             CASE WHEN fate.starts THEN gen_random_uuid() END, CASE WHEN fate.starts THEN $14::timestamptz END,
             CASE WHEN fate.starts THEN $15 END
         FROM made JOIN fate ON fate.workspace_id = made.workspace_id AND fate.id = made.id
         WHERE fate.status = 'queued'
         RETURNING run_id, lease_token",
        &workspace_ids,
        &ids,
        &task_ids,
        &creator_ids,
        &dates,
        &opens,
        &closes,
        &statuses as &[&str],
        &reasons as &[Option<&str>],
        &lates,
        &deadlines as &[Option<DateTime<Utc>>],
        &starts,
        tx.now,
        desk.map(|desk| desk.lease_until),
        desk.map(|desk| desk.worker)
    )
    .fetch_all(tx.db())
    .await?;
    let never_started: Vec<_> = fates
        .iter()
        .zip(&ids)
        .filter(|((_, fate), _)| fate.status != RunStatus::Queued)
        .map(|((task, _), id)| (task.workspace_id, *id))
        .collect();
    webhook_event::runs_ended(tx, &never_started).await?;
    let tokens: HashMap<Uuid, Uuid> =
        queued.into_iter().filter_map(|row| Some((row.run_id, row.lease_token?))).collect();
    let of_fates = fates.iter().zip(ids);
    Ok(of_fates.filter_map(|((task, fate), id)| Some(claimed(task, fate, id, *tokens.get(&id)?))).collect())
}

fn claimed(task: &DueTask, fate: &Fate, run_id: Uuid, token: Uuid) -> ClaimedRun {
    let lease = RunLease { workspace_id: task.workspace_id.into(), run_id: run_id.into(), token };
    ClaimedRun {
        scope: Scope::new(lease.workspace_id, Actor::System),
        lease,
        task_id: Some(task.task_id.into()),
        trigger: RunTrigger::Schedule,
        creator_id: task.creator_id.into(),
        occurrence: Some(fate.window),
        late: fate.late,
        attempt: 1,
        thread_id: ThreadId::from(run_id),
        turn_no: 1,
        has_thread: false,
        title: task.title.clone(),
        prompt: task.prompt.clone(),
        as_of: fate.window.opens_at,
        timezone: task.schedule.spec().timezone.clone(),
        connection_ids: task.connection_ids.iter().copied().map(ConnectionId::from).collect(),
    }
}

/// Which of the runs start at once: those for which there are places, their workspaces by turns, as far as each has room and
/// credits.
async fn choose(tx: &mut Tx, fates: &[(&DueTask, Fate)], places: &Places) -> Result<Vec<bool>> {
    let mut of_workspaces: BTreeMap<Uuid, Vec<usize>> = BTreeMap::new();
    for (index, (task, fate)) in fates.iter().enumerate() {
        if fate.status == RunStatus::Queued {
            of_workspaces.entry(task.workspace_id).or_default().push(index);
        }
    }
    let workspaces: Vec<Uuid> = of_workspaces.keys().copied().collect();
    let mine = run_claim::keep_others_out(tx, &workspaces).await?;
    let used_up = credit_wait::used_up(tx, &mine).await?;
    let rooms = run_claim::rooms(tx, &mine).await?;
    let mut by_turns = Vec::new();
    for (workspace_id, of_workspace) in of_workspaces {
        if used_up.contains(&workspace_id) {
            continue;
        }
        let room = rooms.get(&workspace_id).copied().unwrap_or_default();
        by_turns.extend(of_workspace.into_iter().take(room).enumerate());
    }
    by_turns.sort_unstable();
    let mut places = places.clone();
    let mut starts = vec![false; fates.len()];
    for (_, index) in by_turns {
        starts[index] = places.take(fates[index].0.workspace_id.into());
    }
    Ok(starts)
}
