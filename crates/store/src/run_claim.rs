//! How workers come by runs.
//!
//! A claim is brief: it leases the runs and reads what their worker needs. The thread of a scheduled run is made with its first
//! step (`run_begin.rs`). Workspaces take turns, each up to its own limit of runs at once.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use domain::{ConnectionId, TaskId, ThreadId, UserId, run::RunTrigger, schedule::Window};
use uuid::Uuid;

use crate::{
    Actor, Error, Places, Result, RunLease, Scope, Store, Tx, credit_wait,
    error::{if_readable, word},
    event,
    run_queue::columns,
};

/// Up to this many waiting runs per free place, and at least [`LISTED_MIN`], are looked at as one list. More are a backlog.
const LISTED_PER_PLACE: u32 = 2;
const LISTED_MIN: u32 = 128;
/// Runs that were listed earlier and committed meanwhile are found again within this time, by looking back.
const LOOK_BACK: TimeDelta = TimeDelta::seconds(5);
/// How often everything that waits is looked at, and not only what was listed since.
pub(crate) const SWEEP_EVERY: TimeDelta = TimeDelta::seconds(30);
/// Workspaces with waiting runs that one transaction of a claim from a backlog looks at, at least.
const WORKSPACES_PER_SLICE: u32 = 16;
/// The same while only workspaces without a run under way are looked for: the others cost one look at the index each.
const WORKSPACES_PER_SEARCH: u32 = 512;
/// Such transactions in one claim. The next claim goes on behind them.
const SLICES_PER_CLAIM: usize = 64;

/// A run that this worker holds now, with all that it needs to start.
#[derive(Clone, Debug, PartialEq)]
pub struct ClaimedRun {
    /// What it may touch.
    pub scope: Scope,
    /// The right to work on it.
    pub lease: RunLease,
    /// Its task; none for a question.
    pub task_id: Option<TaskId>,
    /// What started it.
    pub trigger: RunTrigger,
    /// For whom it runs, and so with whose rights.
    pub creator_id: UserId,
    /// The occurrence that it executes.
    pub occurrence: Option<Window>,
    /// Whether its window has closed.
    pub late: bool,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// Its thread.
    pub thread_id: ThreadId,
    /// Its turn in it.
    pub turn_no: u32,
    /// Whether the thread is there. A scheduled run's is made with its first step, under the id that is known before.
    pub has_thread: bool,
    /// The thread's title: a task's, or made from the first question.
    pub title: String,
    /// The question, with its mentions.
    pub prompt: String,
    /// The instant as of which it is asked: a scheduled run's window opening, else when it was asked.
    pub as_of: DateTime<Utc>,
    /// The zone in which "yesterday" is meant.
    pub timezone: String,
    /// The connections that the thread names, deleted ones included; none: all that the creator may query.
    pub connection_ids: Vec<ConnectionId>,
}

/// What saves a store's claims work, and may be lost.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ClaimMemory {
    /// The last workspace that was served: the next claim starts behind it.
    cursor: Uuid,
    /// All that was listed before is claimed, but for late commits; none: look at everything.
    listed_from: Option<DateTime<Utc>>,
    /// When everything was last looked at.
    swept_at: Option<DateTime<Utc>>,
    /// The last claim took all it could from a backlog: the next one need not find out again.
    is_backlog: bool,
    /// All that was due before is dealt with, but for late commits; none: look at everything.
    pub(crate) due_from: Option<DateTime<Utc>>,
    /// When everything due was last looked at.
    pub(crate) due_swept_at: Option<DateTime<Utc>>,
}

/// The key of a run.
type RunKey = (Uuid, Uuid);

impl Store {
    /// Claims runs for the places of `worker`. Workspaces take turns, each up to its own limit of runs at once, so that one with
    /// thousands of runs does not delay another's one.
    pub async fn run_claim(&self, worker: &str, places: &Places) -> Result<Vec<ClaimedRun>> {
        if places.room() == 0 {
            return Ok(vec![]);
        }
        if !self.claim_memory().is_backlog
            && let Some(claimed) = self.run_claim_listed(worker, places).await?
        {
            return Ok(claimed);
        }
        let claimed = self.run_claim_backlog(worker, places.clone()).await?;
        self.claim_memory_set(ClaimMemory {
            is_backlog: !claimed.is_empty() && claimed.len() >= places.free() as usize,
            ..self.claim_memory()
        });
        Ok(claimed)
    }

    /// Claims from all that waits, where that is little. It is found by time, so that dead index entries of what was claimed
    /// before cost nothing, even while a session with an old snapshot keeps them from being removed. `None`: it is a backlog.
    async fn run_claim_listed(&self, worker: &str, places: &Places) -> Result<Option<Vec<ClaimedRun>>> {
        let mut memory = self.claim_memory();
        let most = places.room().saturating_mul(LISTED_PER_PLACE).max(LISTED_MIN);
        let mut tx = self.begin_across().await?;
        if memory.swept_at.is_none_or(|at| tx.now - at >= SWEEP_EVERY || tx.now < at) {
            memory.listed_from = None;
            memory.swept_at = Some(tx.now);
        }
        let listed = sqlx::query!(
            "SELECT workspace_id, run_id, urgent, available_at, listed_at FROM run_queue
             WHERE lease_token IS NULL AND listed_at >= $1 AND listed_at <= $2
               AND (deadline_at IS NULL OR deadline_at > $2)
             ORDER BY listed_at LIMIT $3",
            memory.listed_from.unwrap_or(DateTime::UNIX_EPOCH),
            tx.now,
            i64::from(most)
        )
        .fetch_all(tx.db())
        .await?;
        let looked_back = tx.now - LOOK_BACK;
        memory.listed_from = Some(listed.first().map_or(looked_back, |row| row.listed_at.min(looked_back)));
        self.claim_memory_set(memory);
        if listed.len() >= most as usize {
            return Ok(None);
        }
        let mut of_workspaces: BTreeMap<Uuid, Vec<_>> = BTreeMap::new();
        for row in listed {
            of_workspaces.entry(row.workspace_id).or_default().push((
                !row.urgent,
                row.available_at,
                row.run_id,
            ));
        }
        let mut placed = Vec::new();
        for (workspace_id, mut runs) in of_workspaces {
            runs.sort_unstable();
            let is_before = workspace_id <= memory.cursor;
            placed.extend(
                runs.into_iter()
                    .enumerate()
                    .map(|(place, (.., run_id))| (place, is_before, (workspace_id, run_id))),
            );
        }
        placed.sort_unstable();
        let wanted: Vec<RunKey> = placed.into_iter().map(|(.., key)| key).collect();
        let leases = self.run_lease_wanted(&mut tx, worker, places, &wanted).await?;
        let claimed = start_leased(&mut tx, &leases).await?;
        tx.commit().await?;
        // In the order of their turns: the last one is where the next claim starts.
        let leased: HashSet<_> = leases.iter().map(|lease| lease.run_id.as_uuid()).collect();
        if let Some((workspace_id, _)) = wanted.iter().rfind(|(_, run_id)| leased.contains(run_id)) {
            self.claim_memory_set(ClaimMemory { cursor: *workspace_id, ..self.claim_memory() });
        }
        Ok(Some(claimed))
    }

    /// Claims from a backlog, in slices of workspaces along the index.
    async fn run_claim_backlog(&self, worker: &str, mut places: Places) -> Result<Vec<ClaimedRun>> {
        let mut start = self.claim_memory().cursor;
        let (mut cursor, mut has_wrapped) = (start, start.is_nil());
        let mut claimed = Vec::new();
        let mut before_round = 0;
        for _ in 0..SLICES_PER_CLAIM {
            let (of_slice, behind) = self.run_claim_slice(worker, &places, cursor).await?;
            places.fill(&of_slice);
            claimed.extend(of_slice);
            cursor = behind.unwrap_or_default();
            let is_round = has_wrapped && (behind.is_none() || cursor >= start);
            has_wrapped |= behind.is_none();
            if places.room() == 0 || is_round && claimed.len() == before_round {
                break;
            }
            if is_round {
                // Each workspace gave its share; whoever has more may give it now.
                (start, has_wrapped, before_round) = (cursor, cursor.is_nil(), claimed.len());
            }
        }
        self.claim_memory_set(ClaimMemory { cursor, ..self.claim_memory() });
        Ok(claimed)
    }

    /// Claims from the next workspaces after `cursor` that have waiting runs. Answers where to go on, or none at the end.
    async fn run_claim_slice(
        &self,
        worker: &str,
        places: &Places,
        cursor: Uuid,
    ) -> Result<(Vec<ClaimedRun>, Option<Uuid>)> {
        let limit = places.room();
        let refused: Vec<Uuid> = places.refused().map(Into::into).collect();
        let slice = limit.max(if refused.is_empty() { WORKSPACES_PER_SLICE } else { WORKSPACES_PER_SEARCH });
        let mut tx = self.begin_across().await?;
        // Visits the workspaces with waiting runs one by one along the index, and takes their first runs in rounds: of each no
        // more than its share.
        let candidates = sqlx::query!(
            r#"WITH RECURSIVE busy AS (
                   (SELECT workspace_id, 1 AS visited FROM run_queue
                    WHERE lease_token IS NULL AND workspace_id > $1 ORDER BY workspace_id LIMIT 1)
                   UNION ALL
                   SELECT (SELECT waiting.workspace_id FROM run_queue AS waiting
                           WHERE waiting.lease_token IS NULL AND waiting.workspace_id > busy.workspace_id
                           ORDER BY waiting.workspace_id LIMIT 1), visited + 1
                   FROM busy WHERE busy.workspace_id IS NOT NULL AND visited < $3
               )
               SELECT workspace.id AS workspace_id, waiting.run_id AS "run_id?",
                   waiting.place AS "place?"
               FROM busy
               JOIN workspace ON workspace.id = busy.workspace_id
               LEFT JOIN LATERAL (
                   SELECT run_id, row_number() OVER (ORDER BY urgent DESC, available_at) AS place
                   FROM run_queue
                   WHERE run_queue.workspace_id = workspace.id AND lease_token IS NULL AND available_at <= $2
                     AND NOT workspace.id = ANY ($5)
                     AND (deadline_at IS NULL OR deadline_at > $2)
                   ORDER BY urgent DESC, available_at
                   LIMIT least(ceil($4 / (SELECT count(workspace_id)::float8 FROM busy))::bigint, workspace.max_concurrent_runs - (
                       SELECT count(*) FROM (
                           SELECT FROM run_queue AS leased
                           WHERE leased.workspace_id = workspace.id AND leased.lease_token IS NOT NULL
                           LIMIT workspace.max_concurrent_runs) AS leased))
               ) AS waiting ON true
               ORDER BY waiting.place NULLS LAST, workspace.id"#,
            cursor,
            tx.now,
            slice as i32,
            f64::from(limit),
            &refused
        )
        .fetch_all(tx.db())
        .await?;
        let mut room = places.clone();
        let wanted: Vec<_> = candidates
            .iter()
            .filter_map(|row| Some((row.workspace_id, row.run_id?, row.place?)))
            .filter(|(workspace_id, ..)| room.take((*workspace_id).into()))
            .collect();
        let visited: BTreeSet<_> = candidates.iter().map(|row| row.workspace_id).collect();
        // Where the first round alone was enough, the workspaces behind it have not had their turn.
        let behind = match wanted.last() {
            Some((workspace_id, _, 1)) if wanted.len() == limit as usize => Some(*workspace_id),
            _ if visited.len() < slice as usize => None,
            _ => visited.last().copied(),
        };
        let wanted: Vec<RunKey> =
            wanted.into_iter().map(|(workspace_id, run_id, _)| (workspace_id, run_id)).collect();
        let leases = self.run_lease_wanted(&mut tx, worker, places, &wanted).await?;
        let claimed = start_leased(&mut tx, &leases).await?;
        tx.commit().await?;
        Ok((claimed, behind))
    }

    /// Leases those of the wanted runs, in this order, for which there are places and their workspaces have room. One that was
    /// taken up and put back since it was found is let be: it may not be wanted before later.
    async fn run_lease_wanted(
        &self,
        tx: &mut Tx,
        worker: &str,
        places: &Places,
        wanted: &[RunKey],
    ) -> Result<Vec<RunLease>> {
        if wanted.is_empty() {
            return Ok(vec![]);
        }
        let workspaces: Vec<Uuid> = wanted
            .iter()
            .map(|(workspace_id, _)| *workspace_id)
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
        tx.plan_afresh().await?;
        let mine = keep_others_out(tx, &workspaces).await?;
        let mine = credit_wait::withhold(tx, mine).await?;
        let mut rooms = rooms(tx, &mine).await?;
        let (mut places, mut fitting) = (places.clone(), wanted.to_vec());
        fitting.retain(|(workspace_id, _)| {
            let Some(room) = rooms.get_mut(workspace_id).filter(|room| **room > 0) else { return false };
            if !places.take((*workspace_id).into()) {
                return false;
            }
            *room -= 1;
            true
        });
        let (workspace_ids, run_ids): (Vec<_>, Vec<_>) = fitting.into_iter().unzip();
        let leased = sqlx::query!(
            r#"WITH taken AS (
                   SELECT run_queue.workspace_id, run_queue.run_id
                   FROM unnest($1::uuid[], $2::uuid[]) AS wanted (workspace_id, run_id)
                   JOIN run_queue ON run_queue.workspace_id = wanted.workspace_id AND run_queue.run_id = wanted.run_id
                   WHERE run_queue.lease_token IS NULL AND run_queue.available_at <= $5
                     AND (run_queue.deadline_at IS NULL OR run_queue.deadline_at > $5)
                   FOR UPDATE OF run_queue SKIP LOCKED
               )
               UPDATE run_queue SET lease_token = gen_random_uuid(), lease_until = $3, worker = $4
               FROM taken
               WHERE run_queue.workspace_id = taken.workspace_id AND run_queue.run_id = taken.run_id
               RETURNING run_queue.workspace_id, run_queue.run_id, run_queue.lease_token AS "lease_token!""#,
            &workspace_ids,
            &run_ids,
            tx.now + self.run_lease,
            worker,
            tx.now
        )
        .fetch_all(tx.db())
        .await?;
        let lease = |workspace_id: Uuid, run_id: Uuid, token| RunLease {
            workspace_id: workspace_id.into(),
            run_id: run_id.into(),
            token,
        };
        Ok(leased.into_iter().map(|row| lease(row.workspace_id, row.run_id, row.lease_token)).collect())
    }
}

/// Marks leased runs as running and reads what their worker needs, of those that have no thread yet from the task as it stands
/// now. One that cannot be read keeps its lease and is answered to nobody: once that has run out it is tried again, and after
/// as many times as a worker may vanish it fails.
async fn start_leased(tx: &mut Tx, leases: &[RunLease]) -> Result<Vec<ClaimedRun>> {
    if leases.is_empty() {
        return Ok(vec![]);
    }
    let (workspace_ids, run_ids, _) = columns(leases);
    let rows = sqlx::query!(
        r#"SELECT run.workspace_id, run.id, run.task_id, run.trigger, run.creator_id, run.occurrence_date, run.opens_at,
               run.closes_at, run.late, run.attempt, run.thread_id, run.turn_no, coalesce(thread.title, task.title) AS "title!",
               coalesce(turn.prompt, task.prompt) AS "prompt!", coalesce(turn.as_of, run.opens_at) AS "as_of!",
               coalesce(turn.timezone, task.schedule ->> 'timezone') AS timezone,
               coalesce(thread.connection_ids, ARRAY(
                   SELECT connection_id FROM task_connection
                   WHERE task_connection.workspace_id = run.workspace_id AND task_connection.task_id = run.task_id
                   ORDER BY position, connection_id)) AS "connection_ids!"
           FROM unnest($1::uuid[], $2::uuid[]) AS leased (workspace_id, run_id)
           JOIN run ON run.workspace_id = leased.workspace_id AND run.id = leased.run_id
           LEFT JOIN task ON task.workspace_id = run.workspace_id AND task.id = run.task_id AND run.thread_id IS NULL
           LEFT JOIN thread ON thread.workspace_id = run.workspace_id AND thread.id = run.thread_id
           LEFT JOIN turn ON turn.workspace_id = run.workspace_id AND turn.thread_id = run.thread_id
             AND turn.turn_no = run.turn_no"#,
        &workspace_ids,
        &run_ids
    )
    .fetch_all(tx.db())
    .await?;
    let leases: HashMap<_, _> = leases.iter().map(|lease| (lease.run_id.as_uuid(), *lease)).collect();
    let mut claimed = Vec::with_capacity(rows.len());
    for row in rows {
        let Some(lease) = leases.get(&row.id) else { continue };
        let Some(trigger) = if_readable(word("run", "trigger", row.id, &row.trigger)) else { continue };
        let Some(timezone) = if_readable(row.timezone.ok_or_else(|| no_timezone(row.task_id))) else {
            continue;
        };
        // A thread that is made with the first step has its run's id: known before, and the same whoever makes it.
        let (thread_id, turn_no) = row.thread_id.zip(row.turn_no).unwrap_or((row.id, 1));
        claimed.push(ClaimedRun {
            scope: Scope::new(lease.workspace_id, Actor::System),
            lease: *lease,
            task_id: row.task_id.map(TaskId::from),
            trigger,
            creator_id: row.creator_id.into(),
            occurrence: window(row.occurrence_date, row.opens_at, row.closes_at),
            late: row.late,
            attempt: row.attempt.unsigned_abs() + 1,
            thread_id: thread_id.into(),
            turn_no: turn_no.unsigned_abs(),
            has_thread: row.thread_id.is_some(),
            title: row.title,
            prompt: row.prompt,
            as_of: row.as_of,
            timezone,
            connection_ids: row.connection_ids.into_iter().map(ConnectionId::from).collect(),
        });
    }
    let resumed: Vec<_> = claimed.iter().filter(|run| run.has_thread).collect();
    resume_turns(tx, &resumed).await?;
    mark_running(tx, &claimed).await?;
    Ok(claimed)
}

fn no_timezone(task_id: Option<Uuid>) -> Error {
    let id = task_id.map(|id| id.to_string()).unwrap_or_default();
    Error::Unreadable { table: "task", column: "schedule", id, source: "it names no time zone".into() }
}

/// Those of the workspaces whose runs nobody else leases until the transaction ends: one claimer at a time counts the runs of a
/// workspace, and others pass it by.
pub(crate) async fn keep_others_out(tx: &mut Tx, workspace_ids: &[Uuid]) -> Result<Vec<Uuid>> {
    let mine = sqlx::query_scalar!(
        r#"SELECT workspace_id AS "workspace_id!" FROM unnest($1::uuid[]) AS w (workspace_id)
           WHERE pg_try_advisory_xact_lock(hashtextextended('tidings.run_claim ' || workspace_id::text, 0))"#,
        workspace_ids
    );
    Ok(mine.fetch_all(tx.db()).await?)
}

/// How many more runs each of these workspaces may have at once.
pub(crate) async fn rooms(tx: &mut Tx, workspace_ids: &[Uuid]) -> Result<HashMap<Uuid, usize>> {
    let rows = sqlx::query!(
        r#"SELECT workspace.id, max_concurrent_runs - (
               SELECT count(*) FROM run_queue
               WHERE run_queue.workspace_id = workspace.id AND lease_token IS NOT NULL) AS "free!"
           FROM workspace WHERE id = ANY ($1)"#,
        workspace_ids
    )
    .fetch_all(tx.db())
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, usize::try_from(row.free).unwrap_or_default())).collect())
}

async fn mark_running(tx: &mut Tx, runs: &[ClaimedRun]) -> Result<()> {
    let workspace_ids: Vec<_> = runs.iter().map(|run| run.lease.workspace_id.as_uuid()).collect();
    let run_ids: Vec<_> = runs.iter().map(|run| run.lease.run_id.as_uuid()).collect();
    let done = sqlx::query!(
        "UPDATE run SET status = 'running', attempt = attempt + 1,
             -- What a look at its data found is no error, and not the last one should it fail after this.
             message = CASE WHEN reason = 'stale_data' THEN NULL ELSE message END,
             -- Its start is that of the attempt that its turn is of: where no thread was begun, the question is read anew.
             started_at = CASE WHEN thread_id IS NULL THEN $3 ELSE coalesce(started_at, $3) END
         FROM unnest($1::uuid[], $2::uuid[]) AS leased (workspace_id, run_id)
         WHERE run.workspace_id = leased.workspace_id AND run.id = leased.run_id",
        &workspace_ids,
        &run_ids,
        tx.now
    )
    .execute(tx.db())
    .await?;
    if done.rows_affected() == runs.len() as u64 { Ok(()) } else { Err(Error::NotFound) }
}

fn window(
    date: Option<NaiveDate>,
    opens_at: Option<DateTime<Utc>>,
    closes_at: Option<DateTime<Utc>>,
) -> Option<Window> {
    Some(Window { date: date?, opens_at: opens_at?, closes_at: closes_at? })
}

/// Sets turns going that were made when a person asked, or that an earlier worker began.
async fn resume_turns(tx: &mut Tx, runs: &[&ClaimedRun]) -> Result<()> {
    if runs.is_empty() {
        return Ok(());
    }
    let workspace_ids: Vec<_> = runs.iter().map(|run| run.lease.workspace_id.as_uuid()).collect();
    let thread_ids: Vec<_> = runs.iter().map(|run| run.thread_id.as_uuid()).collect();
    let turn_nos: Vec<_> = runs.iter().map(|run| run.turn_no as i32).collect();
    sqlx::query!(
        "UPDATE turn SET status = 'running', started_at = coalesce(turn.started_at, $4)
         FROM unnest($1::uuid[], $2::uuid[], $3::int[]) AS resumed (workspace_id, thread_id, turn_no)
         WHERE turn.workspace_id = resumed.workspace_id AND turn.thread_id = resumed.thread_id
           AND turn.turn_no = resumed.turn_no AND turn.status <> 'running'",
        &workspace_ids,
        &thread_ids,
        &turn_nos,
        tx.now
    )
    .execute(tx.db())
    .await?;
    for run in runs.iter().filter(|run| run.trigger != RunTrigger::Schedule) {
        event::tell_thread_changed(tx, run.thread_id).await?;
    }
    Ok(())
}
