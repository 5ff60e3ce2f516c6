//! The two writes that every message costs, for many at once: that an attempt begins, with what was decided for it, and that it
//! went well. Each is one transaction for all of a batch, whatever their workspaces, so that a thousand messages a second cost
//! some tens of commits.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::TimeDelta;
use domain::run::RunReason;
use serde_json::Value;
use uuid::Uuid;

use crate::{
    DeliveryLease, DeliveryOutcome, Error, NewDecision, Result, Scope, Store, Tx,
    delivery::{finish, release},
    delivery_proof::note_decision,
    destination,
    error::{to_json, without_nul},
};

/// An attempt that is to begin.
#[derive(Clone, Debug, PartialEq)]
pub struct NewAttempt {
    /// The right to make it.
    pub lease: DeliveryLease,
    /// How much its recipient may see, and which bytes were made of it; `None` where that was noted before.
    pub decision: Option<NewDecision>,
    /// Whether it is at the rest of a delivery whose first message is there: one that has arrived is not withheld any more.
    pub is_of_rest: bool,
}

/// The columns that name leases in SQL.
struct Held {
    workspace_ids: Vec<Uuid>,
    ids: Vec<Uuid>,
    tokens: Vec<Uuid>,
}

impl Held {
    fn of<'a>(leases: impl Iterator<Item = &'a DeliveryLease>) -> Self {
        let mut held = Self { workspace_ids: Vec::new(), ids: Vec::new(), tokens: Vec::new() };
        for lease in leases {
            held.workspace_ids.push(lease.workspace_id.as_uuid());
            held.ids.push(lease.delivery_id.as_uuid());
            held.tokens.push(lease.token);
        }
        held
    }
}

impl Store {
    /// Notes that an attempt begins whose decision was noted before: after this bytes may leave. Answers the attempt's number,
    /// from 1. `LeaseLost` also when the delivery was withheld in the meantime, or is withheld now.
    pub async fn delivery_attempt_start(&self, scope: &Scope, lease: &DeliveryLease) -> Result<u32> {
        self.attempt_start(scope, lease, false).await
    }

    /// As [`Store::delivery_attempt_start`], at the rest of a delivery whose first message is in Slack. Where that may not be sent
    /// now, the delivery is let go of as it was: whoever claims it next notes that it arrived.
    pub async fn delivery_rest_start(&self, scope: &Scope, lease: &DeliveryLease) -> Result<u32> {
        self.attempt_start(scope, lease, true).await
    }

    async fn attempt_start(&self, scope: &Scope, lease: &DeliveryLease, is_of_rest: bool) -> Result<u32> {
        debug_assert_eq!(scope.workspace_id(), lease.workspace_id);
        let attempt = NewAttempt { lease: *lease, decision: None, is_of_rest };
        self.delivery_attempts_start(&[attempt]).await?.pop().flatten().ok_or(Error::LeaseLost)
    }

    /// Notes that attempts begin, each with what was decided for it: after this their bytes may leave. Answers each attempt's
    /// number, from 1; none where the lease is lost, or the delivery is withheld now: its recipient or its task's creator is
    /// deactivated, or its task is deleted. One that has arrived but for its rest is let go of instead. Both kinds of row stay
    /// locked until the attempts are committed, so that no attempt begins after a deactivation or a deletion that was committed.
    /// What was decided is kept even then.
    pub async fn delivery_attempts_start(&self, attempts: &[NewAttempt]) -> Result<Vec<Option<u32>>> {
        let mut tx = self.begin_across().await?;
        let held = Held::of(attempts.iter().map(|attempt| &attempt.lease));
        let refusals = refusals(&mut tx, &held).await?;
        let begun = begin(&mut tx, attempts, &refusals, self.delivery_lease).await?;
        for NewAttempt { lease, is_of_rest, .. } in attempts {
            let Some(reason) = refusals.get(&lease.delivery_id.as_uuid()) else { continue };
            if *is_of_rest {
                release(&mut tx, &[*lease]).await?;
                continue;
            }
            let outcome = DeliveryOutcome::Withheld { reason: reason.as_str().to_owned() };
            tx = tx.for_workspace(lease.workspace_id);
            match finish(&mut tx, lease, &outcome).await {
                Ok(_) | Err(Error::LeaseLost) => {}
                Err(error) => return Err(error),
            }
        }
        tx.commit().await?;
        Ok(attempts.iter().map(|attempt| begun.get(&attempt.lease.token).copied()).collect())
    }

    /// Decides anew about an attempt that has begun and of which no byte has left: what is decided now is noted in the place of
    /// what was. Answers why it is not to be made any more, as [`Store::delivery_attempts_start`] would find; none where it is.
    pub async fn delivery_attempt_decide(
        &self,
        lease: &DeliveryLease,
        decision: &NewDecision,
    ) -> Result<Option<RunReason>> {
        let mut tx = self.begin_across().await?.for_workspace(lease.workspace_id);
        let mut refusals = refusals(&mut tx, &Held::of(std::iter::once(lease))).await?;
        note_decision(&mut tx, lease, decision, false).await?;
        tx.commit().await?;
        Ok(refusals.remove(&lease.delivery_id.as_uuid()))
    }

    /// Notes that the provider took these messages, each by what it calls it, and lets go of them. Answers for each whether it
    /// was still held.
    pub async fn delivery_sent(&self, sent: &[(DeliveryLease, String)]) -> Result<Vec<bool>> {
        let mut tx = self.begin_across().await?;
        let held = Held::of(sent.iter().map(|(lease, _)| lease));
        let provider_ids: Vec<String> =
            sent.iter().map(|(_, provider_id)| without_nul(provider_id)).collect();
        let finished = sqlx::query!(
            r#"WITH finished AS (
                 UPDATE delivery SET state = 'sent', reason = NULL, message = NULL,
                     provider_id = held.provider_id,
                     lease_token = NULL, lease_until = NULL, worker = NULL, sent_at = $5, finished_at = $5
                 FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[]) AS held (workspace_id, id, token, provider_id)
                 WHERE delivery.workspace_id = held.workspace_id AND delivery.id = held.id
                   AND delivery.lease_token = held.token
                 RETURNING delivery.workspace_id, delivery.id, delivery.attempts, held.token
             ), noted AS (
                 UPDATE delivery_attempt SET finished_at = $5, outcome = 'sent'
                 FROM finished
                 WHERE delivery_attempt.workspace_id = finished.workspace_id
                   AND delivery_attempt.delivery_id = finished.id
                   AND delivery_attempt.attempt = finished.attempts AND delivery_attempt.outcome IS NULL
             )
             SELECT workspace_id, id, token AS "token!" FROM finished"#,
            &held.workspace_ids,
            &held.ids,
            &held.tokens,
            &provider_ids,
            tx.now
        )
        .fetch_all(tx.db())
        .await?;
        let (workspace_ids, ids): (Vec<Uuid>, Vec<Uuid>) =
            finished.iter().map(|row| (row.workspace_id, row.id)).unzip();
        destination::arrived(&mut tx, &workspace_ids, &ids).await?;
        tx.commit().await?;
        // By lease: of two that were given for one delivery, the earlier one is lost.
        let finished: HashSet<Uuid> = finished.into_iter().map(|row| row.token).collect();
        Ok(held.tokens.iter().map(|token| finished.contains(token)).collect())
    }
}

/// Why deliveries may not be sent any more, by delivery. Keeps the answer true until the transaction ends. Locks members
/// before tasks and tasks before deliveries, as a deactivation and a deletion do.
async fn refusals(tx: &mut Tx, held: &Held) -> Result<BTreeMap<Uuid, RunReason>> {
    let members = sqlx::query!(
        r#"SELECT delivery.id, member.deactivated_at IS NOT NULL AS "is_deactivated!"
           FROM unnest($1::uuid[], $2::uuid[]) AS held (workspace_id, id)
           JOIN delivery ON delivery.workspace_id = held.workspace_id AND delivery.id = held.id
           LEFT JOIN task ON task.workspace_id = delivery.workspace_id AND task.id = delivery.task_id
           JOIN member ON member.workspace_id = delivery.workspace_id
             AND member.user_id IN (delivery.user_id, task.creator_id)
           ORDER BY member.workspace_id, member.user_id FOR SHARE OF member"#,
        &held.workspace_ids,
        &held.ids
    )
    .fetch_all(tx.db())
    .await?;
    let tasks = sqlx::query!(
        r#"SELECT delivery.id, task.deleted_at IS NOT NULL AS "is_deleted!"
           FROM unnest($1::uuid[], $2::uuid[]) AS held (workspace_id, id)
           JOIN delivery ON delivery.workspace_id = held.workspace_id AND delivery.id = held.id
           JOIN task ON task.workspace_id = delivery.workspace_id AND task.id = delivery.task_id
           ORDER BY task.workspace_id, task.id FOR SHARE OF task"#,
        &held.workspace_ids,
        &held.ids
    )
    .fetch_all(tx.db())
    .await?;
    let mut refusals = BTreeMap::new();
    for task in tasks.iter().filter(|task| task.is_deleted) {
        refusals.insert(task.id, RunReason::TaskDeleted);
    }
    for member in members.iter().filter(|member| member.is_deactivated) {
        refusals.insert(member.id, RunReason::CreatorDeactivated);
    }
    Ok(refusals)
}

/// Decisions as columns: each is null for an attempt that brings none.
#[derive(Default)]
struct Decisions<'a> {
    audiences: Vec<Option<&'static str>>,
    reasons: Vec<Option<String>>,
    records: Vec<Option<Value>>,
    hashes: Vec<Option<&'a [u8]>>,
    sizes: Vec<Option<i32>>,
    contents: Vec<Option<Value>>,
}

impl<'a> Decisions<'a> {
    fn of(attempts: &'a [NewAttempt]) -> Self {
        let mut columns = Self::default();
        for attempt in attempts {
            let decision = attempt.decision.as_ref();
            let content = decision.and_then(|decision| decision.content.as_ref());
            columns.audiences.push(decision.map(|decision| decision.audience.as_str()));
            columns.reasons.push(decision.map(|decision| without_nul(&decision.reason)));
            columns.records.push(decision.and_then(|decision| decision.record.as_ref()).map(to_json));
            columns.hashes.push(content.map(|content| content.sha256.as_slice()));
            columns.sizes.push(content.map(|content| i32::try_from(content.bytes).unwrap_or(i32::MAX)));
            columns.contents.push(content.and_then(|content| content.kept.clone()));
        }
        columns
    }
}

/// Writes the attempts of those whose lease holds and that nothing refuses, and the decisions of all whose lease holds. Answers
/// the attempts' numbers by the leases' tokens: of two leases that were given for one delivery, the earlier one is lost.
async fn begin(
    tx: &mut Tx,
    attempts: &[NewAttempt],
    refusals: &BTreeMap<Uuid, RunReason>,
    lease: TimeDelta,
) -> Result<HashMap<Uuid, u32>> {
    let held = Held::of(attempts.iter().map(|attempt| &attempt.lease));
    let begins: Vec<bool> = held.ids.iter().map(|id| !refusals.contains_key(id)).collect();
    let decisions = Decisions::of(attempts);
    let begun = sqlx::query!(
        r#"WITH held AS (
             UPDATE delivery SET
                 state = CASE WHEN asked.begins THEN 'sending' ELSE delivery.state END,
                 attempts = delivery.attempts + asked.begins::integer,
                 lease_until = CASE WHEN asked.begins THEN $5 ELSE delivery.lease_until END,
                 audience = coalesce(asked.audience, delivery.audience),
                 audience_reason = coalesce(asked.reason, delivery.audience_reason)
             FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::boolean[], $7::text[], $8::text[], $9::jsonb[],
                     $10::bytea[], $11::integer[], $12::jsonb[])
                 AS asked (workspace_id, id, token, begins, audience, reason, record, content_sha256, content_bytes, content)
             WHERE delivery.workspace_id = asked.workspace_id AND delivery.id = asked.id
               AND delivery.lease_token = asked.token AND delivery.state IN ('pending', 'unknown')
             RETURNING delivery.workspace_id, delivery.id, asked.token, asked.begins,
                 delivery.attempts + (NOT asked.begins)::integer AS attempt, asked.audience, asked.reason, asked.record,
                 asked.content_sha256, asked.content_bytes, asked.content
         ), decided AS (
             INSERT INTO delivery_decision AS kept (workspace_id, delivery_id, attempt, decided_at, audience, reason, record,
                 content_sha256, content_bytes, content)
             SELECT workspace_id, id, attempt, $6, audience, reason, record, content_sha256, content_bytes, content
             FROM held WHERE audience IS NOT NULL
             ON CONFLICT ON CONSTRAINT delivery_decision_pk DO UPDATE SET decided_at = excluded.decided_at,
                 audience = excluded.audience, reason = excluded.reason, record = excluded.record,
                 content_sha256 = excluded.content_sha256, content_bytes = excluded.content_bytes,
                 content = excluded.content
         ), begun AS (
             INSERT INTO delivery_attempt (workspace_id, delivery_id, attempt, started_at)
             SELECT workspace_id, id, attempt, $6 FROM held WHERE begins
             RETURNING workspace_id, delivery_id, attempt
         )
         SELECT held.token AS "token!", begun.attempt AS "attempt!"
         FROM begun JOIN held ON held.workspace_id = begun.workspace_id AND held.id = begun.delivery_id"#,
        &held.workspace_ids,
        &held.ids,
        &held.tokens,
        &begins,
        tx.now + lease,
        tx.now,
        &decisions.audiences as &[Option<&str>],
        &decisions.reasons as &[Option<String>],
        &decisions.records as &[Option<Value>],
        &decisions.hashes as &[Option<&[u8]>],
        &decisions.sizes as &[Option<i32>],
        &decisions.contents as &[Option<Value>]
    )
    .fetch_all(tx.db())
    .await?;
    Ok(begun.into_iter().map(|row| (row.token, row.attempt.unsigned_abs())).collect())
}
