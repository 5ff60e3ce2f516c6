//! The messages that an answer, or word of a quiet week, goes out as: one row per recipient, made in the transaction that ends the run.

use std::collections::{BTreeSet, HashMap};

use domain::{
    DeliveryId,
    delivery::DeliveryKind,
    notice::{NoticeKind, group_words},
    task::Notification,
};
use uuid::Uuid;

use crate::{
    Result, Tx,
    destination::{self, HeldBack},
    notice::{self, Word},
};

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
    /// The member who asked for a test, and nobody else; and whether the task's messages bring a file along.
    Test { asker: Uuid, attach_csv: bool },
}

/// Someone who is told, by the run's place in its batch.
struct Recipient {
    index: usize,
    user_id: Uuid,
}

/// One message to each recipient of each run, groups expanded now. A member who is named twice, also through groups, is told
/// once. Groups that reach nobody are told to the task's creator.
pub(crate) async fn send(tx: &mut Tx, kind: DeliveryKind, runs: &[AnsweredRun]) -> Result<()> {
    let members = members_of_groups(tx, runs).await?;
    let mut recipients = Vec::with_capacity(runs.len());
    for (index, run) in runs.iter().enumerate() {
        let users: BTreeSet<Uuid> = match &run.audience {
            Audience::Test { asker, .. } => BTreeSet::from([*asker]),
            Audience::Notification(to) => {
                let grouped =
                    to.group_ids.iter().filter_map(|id| members.get(&(run.workspace_id, id.as_uuid())));
                to.user_ids.iter().map(|id| id.as_uuid()).chain(grouped.flatten().copied()).collect()
            }
        };
        recipients.extend(users.into_iter().map(|user_id| Recipient { index, user_id }));
    }
    let mut held_back = send_to_users(tx, kind, runs, &recipients).await?;
    held_back.extend(send_to_channels(tx, kind, runs).await?);
    destination::tell_held_back(tx, &held_back).await?;
    tell_groups_without_members(tx, runs, &members).await
}

/// The members of all groups that the runs' tasks name, by workspace and group. A group without any is not there.
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

/// One message to each member among the recipients, by the way that they prefer: by email, too, where Slack is preferred and
/// does not reach them, and the row says why. Members who are deactivated are recorded as withheld; what somebody does not
/// want, what would go to a dead address, and what would go to a paused place as suppressed. Of these the ones whose place is
/// paused are answered, as that of a dead address is. A test was asked for: it goes by the same ways, to whoever wants neither by
/// email, and past all that is only unwanted or paused.
///
/// A run ends once, and its recipients are named once each: no message can be there already.
async fn send_to_users(
    tx: &mut Tx,
    kind: DeliveryKind,
    runs: &[AnsweredRun],
    recipients: &[Recipient],
) -> Result<Vec<HeldBack>> {
    if recipients.is_empty() {
        return Ok(Vec::new());
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
        .map(|to| match &of(to).audience {
            Audience::Notification(notification) => notification.attach_csv,
            Audience::Test { attach_csv, .. } => *attach_csv,
        })
        .collect();
    let are_tests: Vec<_> =
        recipients.iter().map(|to| matches!(of(to).audience, Audience::Test { .. })).collect();
    // One of each for either way. Tokens are ids too: ordered by time, so that their index grows at one end, and 74 bits of
    // them random.
    let fresh = || -> Vec<Uuid> { recipients.iter().map(|_| DeliveryId::new(tx.now).as_uuid()).collect() };
    let (mail_ids, mail_tokens, slack_ids, slack_tokens) = (fresh(), fresh(), fresh(), fresh());
    let held_back = sqlx::query!(
        r#"WITH inserted AS (
             INSERT INTO delivery (workspace_id, id, unsubscribe_token, kind, task_id, run_id, thread_id, turn_no, channel,
                 user_id, label, attach_csv, state, reason, fallback, available_at, created_at, finished_at)
             SELECT workspace_id, id, token, $14, task_id, run_id, thread_id, turn_no, channel, user_id, label, attach_csv,
                 CASE WHEN refusal IS NULL THEN 'pending' WHEN refusal = 'recipient_deactivated' THEN 'withheld'
                     ELSE 'suppressed' END,
                 refusal, fallback, $13, $13, CASE WHEN refusal IS NOT NULL THEN $13::timestamptz END
             FROM (
                 SELECT given.workspace_id, way.id, way.token, given.task_id, given.run_id, given.thread_id, given.turn_no,
                     way.channel, given.user_id, app_user.name || ' <' || app_user.email || '>' AS label,
                     given.attach_csv, CASE WHEN way.channel = 'email' THEN wish.obstacle END AS fallback,
                     CASE
                         WHEN member.deactivated_at IS NOT NULL THEN 'recipient_deactivated'
                         WHEN way.is_unwanted THEN 'not_wanted'
                         WHEN given.is_test THEN NULL
                         WHEN EXISTS (SELECT FROM task_unsubscription AS quiet
                             WHERE quiet.workspace_id = given.workspace_id AND quiet.task_id = given.task_id
                               AND quiet.user_id = given.user_id) THEN 'unsubscribed'
                         WHEN way.channel = 'email' AND EXISTS (SELECT FROM mail_suppression AS dead
                             WHERE dead.workspace_id = given.workspace_id AND dead.address = app_user.email)
                             THEN 'address_suppressed'
                         WHEN EXISTS (SELECT FROM destination
                             WHERE destination.workspace_id = given.workspace_id AND destination.channel = way.channel
                               AND destination.target = CASE way.channel WHEN 'email' THEN app_user.email
                                   ELSE given.user_id::text END
                               AND destination.paused_at IS NOT NULL) THEN 'destination_paused'
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
                     SELECT coalesce(preference.email, true) OR given.is_test AND NOT preference.slack_dm AS email,
                         coalesce(preference.slack_dm, false) AS slack_dm,
                         -- Asked only of those who prefer Slack.
                         CASE WHEN preference.slack_dm
                             THEN slack_obstacle(given.workspace_id, given.user_id) END AS obstacle
                 ) AS wish
                 CROSS JOIN LATERAL (
                     -- Who wants neither is told by neither, and it is recorded.
                     SELECT mail_id AS id, mail_token AS token, 'email' AS channel,
                         NOT wish.email AND NOT wish.slack_dm AS is_unwanted
                     WHERE wish.email OR NOT wish.slack_dm OR wish.obstacle IS NOT NULL
                     UNION ALL
                     SELECT slack_id, slack_token, 'slack_dm', false WHERE wish.slack_dm AND wish.obstacle IS NULL
                 ) AS way
             ) AS recipient
             RETURNING workspace_id, task_id, run_id, channel, user_id, reason
         )
         SELECT inserted.workspace_id AS "workspace_id!", inserted.task_id AS "task_id!", inserted.run_id AS "run_id!",
             destination.id AS "destination_id!"
         FROM inserted
         JOIN app_user ON app_user.id = inserted.user_id
         JOIN destination ON destination.workspace_id = inserted.workspace_id AND destination.channel = inserted.channel
             AND destination.target = CASE inserted.channel WHEN 'email' THEN app_user.email
                 ELSE inserted.user_id::text END
         WHERE inserted.reason IN ('destination_paused', 'address_suppressed') AND destination.paused_at IS NOT NULL"#,
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
    .fetch_all(tx.db())
    .await?;
    let held_back = held_back.into_iter().map(|row| HeldBack {
        workspace_id: row.workspace_id,
        destination_id: row.destination_id,
        task_id: row.task_id,
        run_id: row.run_id,
    });
    Ok(held_back.collect())
}

/// One message to each Slack channel that a run's task names, in a statement for all of them. Answers those to paused ones.
async fn send_to_channels(tx: &mut Tx, kind: DeliveryKind, runs: &[AnsweredRun]) -> Result<Vec<HeldBack>> {
    let mut places = Vec::new();
    for run in runs {
        let Audience::Notification(to) = &run.audience else { continue };
        let mut named = BTreeSet::new();
        for channel in to.slack_channels.iter().filter(|channel| named.insert(channel.id.as_str())) {
            places.push((run, to, channel));
        }
    }
    if places.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<_> = places.iter().map(|_| DeliveryId::new(tx.now).as_uuid()).collect();
    let workspace_ids: Vec<_> = places.iter().map(|(run, ..)| run.workspace_id).collect();
    let task_ids: Vec<_> = places.iter().map(|(run, ..)| run.task_id).collect();
    let run_ids: Vec<_> = places.iter().map(|(run, ..)| run.run_id).collect();
    let thread_ids: Vec<_> = places.iter().map(|(run, ..)| run.thread.map(|(id, _)| id)).collect();
    let turn_nos: Vec<_> = places.iter().map(|(run, ..)| run.thread.map(|(_, turn_no)| turn_no)).collect();
    let channel_ids: Vec<_> = places.iter().map(|(.., channel)| channel.id.clone()).collect();
    let names: Vec<_> = places.iter().map(|(.., channel)| channel.name.clone()).collect();
    let attach_csv: Vec<_> = places.iter().map(|(_, to, _)| to.attach_csv).collect();
    let held_back = sqlx::query!(
        r#"WITH inserted AS (
             INSERT INTO delivery (workspace_id, id, kind, task_id, run_id, thread_id, turn_no, channel, slack_channel_id,
                 label, attach_csv, state, reason, available_at, created_at, finished_at)
             SELECT given.workspace_id, given.id, $10, given.task_id, given.run_id, given.thread_id, given.turn_no,
                 'slack_channel', given.channel_id, given.name, given.attach_csv,
                 CASE WHEN paused.id IS NULL THEN 'pending' ELSE 'suppressed' END,
                 CASE WHEN paused.id IS NOT NULL THEN 'destination_paused' END, $11, $11,
                 CASE WHEN paused.id IS NOT NULL THEN $11::timestamptz END
             FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::int[], $7::text[], $8::text[],
                     $9::bool[])
                 AS given (workspace_id, id, task_id, run_id, thread_id, turn_no, channel_id, name, attach_csv)
             LEFT JOIN destination AS paused ON paused.workspace_id = given.workspace_id
                 AND paused.channel = 'slack_channel' AND paused.target = given.channel_id AND paused.paused_at IS NOT NULL
             RETURNING workspace_id, task_id, run_id, slack_channel_id, reason
         )
         SELECT inserted.workspace_id AS "workspace_id!", inserted.task_id AS "task_id!", inserted.run_id AS "run_id!",
             destination.id AS "destination_id!"
         FROM inserted
         JOIN destination ON destination.workspace_id = inserted.workspace_id AND destination.channel = 'slack_channel'
             AND destination.target = inserted.slack_channel_id
         WHERE inserted.reason = 'destination_paused'"#,
        &workspace_ids,
        &ids,
        &task_ids,
        &run_ids,
        &thread_ids as &[Option<Uuid>],
        &turn_nos as &[Option<i32>],
        &channel_ids,
        &names,
        &attach_csv,
        kind.as_str(),
        tx.now
    )
    .fetch_all(tx.db())
    .await?;
    let held_back = held_back.into_iter().map(|row| HeldBack {
        workspace_id: row.workspace_id,
        destination_id: row.destination_id,
        task_id: row.task_id,
        run_id: row.run_id,
    });
    Ok(held_back.collect())
}

/// Tells the creators of tasks that name a group which is gone, or which nobody is in: once, until the group has members again.
async fn tell_groups_without_members(
    tx: &mut Tx,
    runs: &[AnsweredRun],
    members: &HashMap<(Uuid, Uuid), Vec<Uuid>>,
) -> Result<()> {
    for run in runs {
        let Audience::Notification(to) = &run.audience else { continue };
        for group_id in &to.group_ids {
            if members.contains_key(&(run.workspace_id, group_id.as_uuid())) {
                continue;
            }
            let found = sqlx::query!(
                r#"SELECT task.title, task.creator_id, member_group.name AS "name?" FROM task
                   LEFT JOIN member_group ON member_group.workspace_id = task.workspace_id AND member_group.id = $3
                   WHERE task.workspace_id = $1 AND task.id = $2"#,
                run.workspace_id,
                run.task_id,
                group_id.as_uuid()
            )
            .fetch_one(tx.db())
            .await?;
            let word = Word {
                kind: NoticeKind::GroupWithoutMembers,
                task_id: Some(run.task_id),
                run_id: Some(run.run_id),
                words: group_words(&found.title, found.name.as_deref()),
                subject: Some(group_subject(run.task_id, group_id.as_uuid(), found.name.is_none())),
                ..Word::to(run.workspace_id, found.creator_id)
            };
            notice::tell(tx, &word).await?;
        }
    }
    Ok(())
}

/// What makes word of a group without members be told once. The group comes last: see [`group_has_members`].
fn group_subject(task_id: Uuid, group_id: Uuid, is_deleted: bool) -> String {
    format!("{} {task_id} {group_id}", if is_deleted { "deleted" } else { "empty" })
}

/// A group got members: should it be empty once more, that is told again.
pub(crate) async fn group_has_members(tx: &mut Tx, group_id: Uuid) -> Result<()> {
    sqlx::query!(
        "UPDATE notice SET subject = NULL
         WHERE workspace_id = $1 AND kind = 'group_without_members' AND subject LIKE 'empty %' AND right(subject, 36) = $2",
        tx.workspace_id(),
        group_id.to_string()
    )
    .execute(tx.db())
    .await?;
    Ok(())
}
