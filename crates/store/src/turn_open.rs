//! What a worker needs to begin a turn, or to go on with one, read in one go: a person waits for it.

use crate::{
    ClaimedRun, Clearance, Connection, Error, Result, Step, Store, StoredChart, StoredResult, TaskTerms,
    Turn, WorkspaceModel, chart, connection, credit_cap,
    error::{json, optional_word},
    result, step, thread,
    vault::Sealed,
};

/// A turn and all that it goes on from, as of one moment.
#[derive(Clone, Debug)]
pub struct TurnOpening {
    /// What the task's run is held to, as the task stands now; nothing for a question and for a deleted task.
    pub terms: TaskTerms,
    /// How the run stands before it asks a model.
    pub clearance: Clearance,
    /// The model provider that the workspace brings itself.
    pub own_model: Option<WorkspaceModel>,
    /// Those that the run names, as far as they ever were, deleted ones included, with what its creator may do with each; where
    /// it names none, all that its creator may query.
    pub connections: Vec<Connection>,
    /// Whether a query is pinned for its task.
    pub has_method: bool,
    /// Whether there are verified questions in the workspace.
    pub has_verified: bool,
    /// The thread's turns, this one included.
    pub turns: Vec<Turn>,
    /// The steps of all of them.
    pub steps: Vec<Step>,
    /// Their results.
    pub results: Vec<StoredResult>,
    /// Their charts.
    pub charts: Vec<StoredChart>,
}

impl Store {
    /// Reads what the turn of a run starts or goes on from. `LeaseLost`, `RunStopped`.
    pub async fn turn_open(&self, run: &ClaimedRun) -> Result<TurnOpening> {
        let mut tx = self.begin(&run.scope).await?;
        let (run_id, thread_id) = (run.lease.run_id, run.thread_id);
        let row = sqlx::query!(
            r#"SELECT queue.stop_reason, coalesce(thread.last_seq, 0) AS "last_seq!", task.condition AS "condition?", task.freshness AS "freshness?",
                   own.id AS "own_id?", own.base_url, own.name AS "own_name?", own.secret, own.secret_key_id,
                   EXISTS (SELECT FROM task_method AS method WHERE method.workspace_id = $1 AND method.task_id = queue.task_id) AS "has_method!",
                   EXISTS (SELECT FROM verified_question AS verified WHERE verified.workspace_id = $1) AS "has_verified!"
               FROM run_queue AS queue
               LEFT JOIN thread ON thread.workspace_id = queue.workspace_id AND thread.id = $4
               LEFT JOIN task ON task.workspace_id = queue.workspace_id AND task.id = queue.task_id AND task.deleted_at IS NULL
               LEFT JOIN workspace_model AS own ON own.workspace_id = queue.workspace_id
               WHERE queue.workspace_id = $1 AND queue.run_id = $2 AND queue.lease_token = $3
               FOR SHARE OF queue"#,
            tx.workspace_id(),
            run_id.as_uuid(),
            run.lease.token,
            thread_id.as_uuid()
        )
        .fetch_optional(tx.db())
        .await?
        .ok_or(Error::LeaseLost)?;
        if let Some(reason) = optional_word("run_queue", "stop_reason", run_id, row.stop_reason.as_deref())? {
            return Err(Error::RunStopped(reason));
        }
        let terms = TaskTerms {
            condition: row.condition.map(|stored| json("task", "condition", run_id, stored)).transpose()?,
            freshness: row.freshness.map(|stored| json("task", "freshness", run_id, stored)).transpose()?,
        };
        let own_model = match row.own_id.zip(row.own_name) {
            Some((id, name)) => {
                let sealed =
                    row.secret.zip(row.secret_key_id).map(|(bytes, key_id)| Sealed { key_id, bytes });
                Some(WorkspaceModel::open(&self.vault, &run.scope, id.into(), row.base_url, name, sealed)?)
            }
            None => None,
        };
        let mut connections = Vec::new();
        if run.connection_ids.is_empty() {
            connections = connection::queryable(&mut tx, run.creator_id).await?;
        }
        for id in &run.connection_ids {
            connections.extend(connection::find(&mut tx, *id, Some(run.creator_id)).await?);
        }
        let mut opening = TurnOpening {
            terms,
            // A provider of the workspace's own costs no credits, of which the caps are.
            clearance: match own_model {
                Some(_) => Clearance { is_left: true, caps: vec![] },
                None => credit_cap::clearance(&mut tx, run).await?,
            },
            own_model,
            connections,
            has_method: row.has_method,
            has_verified: row.has_verified,
            turns: vec![],
            steps: vec![],
            results: vec![],
            charts: vec![],
        };
        // A thread whose sequence has not begun has neither an earlier turn nor a step, and so no result or chart.
        if row.last_seq > 0 {
            opening.turns = thread::turn_list(&mut tx, thread_id).await?;
            opening.steps = step::step_list(&mut tx, thread_id, 0).await?;
            opening.results = result::result_list(&mut tx, thread_id).await?;
            opening.charts = chart::chart_list(&mut tx, thread_id).await?;
        }
        Ok(opening)
    }
}
