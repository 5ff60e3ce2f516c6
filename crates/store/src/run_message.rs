//! The messages that an answer, or word of a quiet week, goes out as: one row per recipient, made in the transaction that ends the run.

use std::collections::{BTreeSet, HashMap};

use domain::{DeliveryId, delivery::DeliveryKind, task::Notification};
use uuid::Uuid;

use crate::{Result, Tx};

/// A run of a task that has its answer.
pub(crate) struct AnsweredRun {
    pub(crate) workspace_id: Uuid,
    pub(crate) run_id: Uuid,
    pub(crate) task_id: Uuid,
    pub(crate) thread: Option<(Uuid, i32)>,
    pub(crate) audience: Audience,
}

/// Who is told of an answer.
pub(crate) enum Audience {
    /// Whom the task names.
    Notification(Notification),
    /// The member who asked for a test, and nobody else.
    Test(Uuid),
}

/// Someone who is told, by the run's place in its batch.
struct Recipient {
    index: usize,
    user_id: Uuid,
}

/// One message to each recipient of each run, groups expanded now.
pub(crate) async fn send(tx: &mut Tx, kind: DeliveryKind, runs: &[AnsweredRun]) -> Result<()> {
    let members = members_of_groups(tx, runs).await?;
    let mut recipients = Vec::with_capacity(runs.len());
    for (index, run) in runs.iter().enumerate() {
        let users: BTreeSet<Uuid> = match &run.audience {
            Audience::Test(user_id) => BTreeSet::from([*user_id]),
            Audience::Notification(to) => {
                let grouped =
                    to.group_ids.iter().filter_map(|id| members.get(&(run.workspace_id, id.as_uuid())));
                to.user_ids.iter().map(|id| id.as_uuid()).chain(grouped.flatten().copied()).collect()
            }
        };
        recipients.extend(users.into_iter().map(|user_id| Recipient { index, user_id }));
    }
    send_to_users(tx, kind, runs, &recipients).await?;
    send_to_channels(tx, kind, runs).await
}

/// The members of all groups that the runs' tasks name, by workspace and group.
async fn members_of_groups(tx: &mut Tx, runs: &[AnsweredRun]) -> Result<HashMap<(Uuid, Uuid), Vec<Uuid>>> {
    let mut named = BTreeSet::new();
    for run in runs {
        if let Audience::Notification(to) = &run.audience {
            named.extend(to.group_ids.iter().map(|id| (run.workspace_id, id.as_uuid())));
        }
    }
    let mut members: HashMap<_, Vec<_>> = HashMap::new();
    if named.is_empty() {
        return Ok(members);
    }
    let (workspace_ids, group_ids): (Vec<_>, Vec<_>) = named.into_iter().unzip();
    let rows = sqlx::query!(
        "SELECT group_member.workspace_id, group_member.group_id, group_member.user_id
         FROM unnest($1::uuid[], $2::uuid[]) AS named (workspace_id, group_id)
         JOIN group_member ON group_member.workspace_id = named.workspace_id AND group_member.group_id = named.group_id",
        &workspace_ids,
        &group_ids
    )
    .fetch_all(tx.db())
    .await?;
    for row in rows {
        members.entry((row.workspace_id, row.group_id)).or_default().push(row.user_id);
    }
    Ok(members)
}

/// One message to each active member among the recipients, by the way that they prefer. What they do not want, or what would
/// go to a dead address, is recorded as suppressed. A test goes by email whatever was preferred.
///
/// A run ends once, and its recipients are named once each: no message can be there already.
async fn send_to_users(
    tx: &mut Tx,
    kind: DeliveryKind,
    runs: &[AnsweredRun],
    recipients: &[Recipient],
) -> Result<()> {
    if recipients.is_empty() {
        return Ok(());
    }
    let of = |recipient: &Recipient| &runs[recipient.index];
    let workspace_ids: Vec<_> = recipients.iter().map(|to| of(to).workspace_id).collect();
    let task_ids: Vec<_> = recipients.iter().map(|to| of(to).task_id).collect();
    let run_ids: Vec<_> = recipients.iter().map(|to| of(to).run_id).collect();
    let thread_ids: Vec<_> = recipients.iter().map(|to| of(to).thread.map(|(id, _)| id)).collect();
    let turn_nos: Vec<_> = recipients.iter().map(|to| of(to).thread.map(|(_, turn_no)| turn_no)).collect();
    let user_ids: Vec<_> = recipients.iter().map(|to| to.user_id).collect();
    let attach_csv: Vec<_> = recipients
        .iter()
        .map(|to| matches!(&of(to).audience, Audience::Notification(to) if to.attach_csv))
        .collect();
    let are_tests: Vec<_> =
        recipients.iter().map(|to| matches!(of(to).audience, Audience::Test(_))).collect();
    // One of each for either way. Tokens are ids too: ordered by time, so that their index grows at one end, and 74 bits of
    // them random.
    let fresh = || -> Vec<Uuid> { recipients.iter().map(|_| DeliveryId::new(tx.now).as_uuid()).collect() };
    let (mail_ids, mail_tokens, slack_ids, slack_tokens) = (fresh(), fresh(), fresh(), fresh());
    sqlx::query!(
        "INSERT INTO delivery (workspace_id, id, unsubscribe_token, kind, task_id, run_id, thread_id, turn_no, channel,
             user_id, label, attach_csv, state, reason, available_at, created_at, finished_at)
         SELECT workspace_id, id, token, $14, task_id, run_id, thread_id, turn_no, channel, user_id, label, attach_csv,
             CASE WHEN refusal IS NULL THEN 'pending' ELSE 'suppressed' END, refusal, $13, $13,
             CASE WHEN refusal IS NOT NULL THEN $13::timestamptz END
         FROM (
             SELECT given.workspace_id, way.id, way.token, given.task_id, given.run_id, given.thread_id, given.turn_no,
                 way.channel, given.user_id, app_user.name || ' <' || app_user.email || '>' AS label, given.attach_csv,
                 CASE
                     WHEN way.is_unwanted THEN 'not_wanted'
                     WHEN NOT given.is_test AND EXISTS (SELECT FROM task_unsubscription AS quiet
                         WHERE quiet.workspace_id = given.workspace_id AND quiet.task_id = given.task_id
                           AND quiet.user_id = given.user_id) THEN 'unsubscribed'
                     WHEN way.channel = 'email' AND EXISTS (SELECT FROM mail_suppression AS dead
                         WHERE dead.workspace_id = given.workspace_id AND dead.address = app_user.email)
                         THEN 'address_suppressed'
                 END AS refusal
             FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::int[], $6::uuid[], $7::bool[], $8::bool[],
                     $9::uuid[], $10::uuid[], $11::uuid[], $12::uuid[])
                 AS given (workspace_id, task_id, run_id, thread_id, turn_no, user_id, attach_csv, is_test, mail_id,
                     mail_token, slack_id, slack_token)
             JOIN member ON member.workspace_id = given.workspace_id AND member.user_id = given.user_id
             JOIN app_user ON app_user.id = member.user_id
             LEFT JOIN notification_preference AS preference ON preference.workspace_id = member.workspace_id
                 AND preference.user_id = member.user_id
             CROSS JOIN LATERAL (
                 -- Who wants neither is told by neither, and it is recorded.
                 SELECT mail_id AS id, mail_token AS token, 'email' AS channel,
                     NOT given.is_test AND NOT coalesce(preference.email, true) AS is_unwanted
                 WHERE given.is_test OR coalesce(preference.email, true) OR NOT coalesce(preference.slack_dm, false)
                 UNION ALL
                 SELECT slack_id, slack_token, 'slack_dm', false
                 WHERE NOT given.is_test AND coalesce(preference.slack_dm, false)
             ) AS way
             WHERE member.deactivated_at IS NULL
         ) AS recipient",
        &workspace_ids,
        &task_ids,
        &run_ids,
        &thread_ids as &[Option<Uuid>],
        &turn_nos as &[Option<i32>],
        &user_ids,
        &attach_csv,
        &are_tests,
        &mail_ids,
        &mail_tokens,
        &slack_ids,
        &slack_tokens,
        tx.now,
        kind.as_str()
    )
    .execute(tx.db())
    .await?;
    Ok(())
}

async fn send_to_channels(tx: &mut Tx, kind: DeliveryKind, runs: &[AnsweredRun]) -> Result<()> {
    for run in runs {
        let Audience::Notification(to) = &run.audience else { continue };
        for channel in &to.slack_channels {
            sqlx::query!(
                "INSERT INTO delivery (workspace_id, id, kind, task_id, run_id, thread_id, turn_no, channel,
                     slack_channel_id, label, attach_csv, state, available_at, created_at)
                 VALUES ($1, $2, $11, $3, $4, $5, $6, 'slack_channel', $7, $8, $9, 'pending', $10, $10)
                 ON CONFLICT DO NOTHING",
                run.workspace_id,
                DeliveryId::new(tx.now).as_uuid(),
                run.task_id,
                run.run_id,
                run.thread.map(|(id, _)| id),
                run.thread.map(|(_, turn_no)| turn_no),
                channel.id,
                channel.name,
                to.attach_csv,
                tx.now,
                kind.as_str()
            )
            .execute(tx.db())
            .await?;
        }
    }
    Ok(())
}
