//! Groups of members, and how members want to be told.

use chrono::{DateTime, Utc};
use domain::{GroupId, TaskId, UserId};
use serde_json::json;
use uuid::Uuid;

use crate::{
    Error, Result, Scope, Store, Tx, audit,
    error::one_row,
    page::{Page, Paged},
    run_message,
};

/// A named set of members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its id.
    pub id: GroupId,
    /// As shown.
    pub name: String,
    /// Who is in it, active or not.
    pub member_ids: Vec<UserId>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// By what way a member wants to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotificationPreference {
    /// By email.
    pub email: bool,
    /// In Slack.
    pub slack_dm: bool,
    /// Tasks whose messages they do not want.
    pub quiet_task_ids: Vec<TaskId>,
}

struct GroupRow {
    id: Uuid,
    name: String,
    member_ids: Vec<Uuid>,
    created_at: DateTime<Utc>,
}

impl From<GroupRow> for Group {
    fn from(row: GroupRow) -> Self {
        Self {
            id: row.id.into(),
            name: row.name,
            member_ids: row.member_ids.into_iter().map(UserId::from).collect(),
            created_at: row.created_at,
        }
    }
}

impl Store {
    /// Makes a group. `Conflict::GroupNameTaken`; `Invalid` for ids that are no members.
    pub async fn group_create(&self, scope: &Scope, name: &str, member_ids: &[UserId]) -> Result<GroupId> {
        let mut tx = self.begin(scope).await?;
        let id = GroupId::new(tx.now);
        sqlx::query!(
            "INSERT INTO member_group (workspace_id, id, name, created_at) VALUES ($1, $2, $3, $4)",
            tx.workspace_id(),
            id.as_uuid(),
            name,
            tx.now
        )
        .execute(tx.db())
        .await?;
        add_members(&mut tx, id, member_ids).await?;
        audit::record(&mut tx, scope.actor(), "group.create", id.as_uuid(), json!({ "name": name })).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// One group.
    pub async fn group_get(&self, scope: &Scope, id: GroupId) -> Result<Option<Group>> {
        let mut tx = self.begin(scope).await?;
        let row = sqlx::query_as!(
            GroupRow,
            r#"SELECT id, name, created_at, ARRAY(SELECT user_id FROM group_member
                   WHERE group_member.workspace_id = $1 AND group_id = id ORDER BY user_id) AS "member_ids!"
               FROM member_group WHERE workspace_id = $1 AND id = $2"#,
            tx.workspace_id(),
            id.as_uuid()
        )
        .fetch_optional(tx.db())
        .await?;
        Ok(row.map(Group::from))
    }

    /// Groups by name.
    pub async fn group_list(&self, scope: &Scope, page: &Page) -> Result<Paged<Group>> {
        let mut tx = self.begin(scope).await?;
        let rows = sqlx::query_as!(
            GroupRow,
            r#"SELECT id, name, created_at, ARRAY(SELECT user_id FROM group_member
                   WHERE group_member.workspace_id = $1 AND group_id = id ORDER BY user_id) AS "member_ids!"
               FROM member_group
               WHERE workspace_id = $1 AND ($2::text IS NULL OR (lower(name), id) > ($2, $3))
               ORDER BY lower(name), id LIMIT $4"#,
            tx.workspace_id(),
            page.after.as_ref().map(|cursor| cursor.key.as_str()),
            page.after_id(),
            page.rows_to_fetch()
        )
        .fetch_all(tx.db())
        .await?;
        let groups = rows.into_iter().map(Group::from).collect();
        Ok(page.cut(groups, |group: &Group| (group.name.to_lowercase(), group.id.as_uuid())))
    }

    /// Renames a group and adds and removes members. `Conflict::GroupNameTaken`.
    pub async fn group_update(
        &self,
        scope: &Scope,
        id: GroupId,
        name: Option<&str>,
        add: &[UserId],
        remove: &[UserId],
    ) -> Result<()> {
        let mut tx = self.begin(scope).await?;
        let done = sqlx::query!(
            "UPDATE member_group SET name = coalesce($3, name) WHERE workspace_id = $1 AND id = $2",
            tx.workspace_id(),
            id.as_uuid(),
            name
        )
        .execute(tx.db())
        .await?;
        one_row(&done, Error::NotFound)?;
        add_members(&mut tx, id, add).await?;
        if !add.is_empty() {
            run_message::group_has_members(&mut tx, id.as_uuid()).await?;
        }
        let remove: Vec<Uuid> = remove.iter().map(|user| user.as_uuid()).collect();
        sqlx::query!(
            "DELETE FROM group_member WHERE workspace_id = $1 AND group_id = $2 AND user_id = ANY ($3)",
            tx.workspace_id(),
            id.as_uuid(),
            &remove
        )
        .execute(tx.db())
        .await?;
        let details = json!({ "name": name, "added": add, "removed": remove });
        audit::record(&mut tx, scope.actor(), "group.update", id.as_uuid(), details).await?;
        tx.commit().await
    }

    /// Deletes a group, and with it the grants that it had.
    pub async fn group_delete(&self, scope: &Scope, id: GroupId) -> Result<()> {
        let mut tx = self.begin(scope).await?;
        let done = sqlx::query!(
            "DELETE FROM member_group WHERE workspace_id = $1 AND id = $2",
            tx.workspace_id(),
            id.as_uuid()
        )
        .execute(tx.db())
        .await?;
        one_row(&done, Error::NotFound)?;
        audit::record(&mut tx, scope.actor(), "group.delete", id.as_uuid(), json!({})).await?;
        tx.commit().await
    }

    /// How a member wants to be told.
    pub async fn preference_get(&self, scope: &Scope, user_id: UserId) -> Result<NotificationPreference> {
        let mut tx = self.begin(scope).await?;
        let row = sqlx::query!(
            "SELECT email, slack_dm FROM notification_preference WHERE workspace_id = $1 AND user_id = $2",
            tx.workspace_id(),
            user_id.as_uuid()
        )
        .fetch_optional(tx.db())
        .await?;
        let quiet = sqlx::query_scalar!(
            "SELECT task_id FROM task_unsubscription WHERE workspace_id = $1 AND user_id = $2 ORDER BY task_id",
            tx.workspace_id(),
            user_id.as_uuid()
        )
        .fetch_all(tx.db())
        .await?;
        Ok(NotificationPreference {
            email: row.as_ref().is_none_or(|row| row.email),
            slack_dm: row.is_some_and(|row| row.slack_dm),
            quiet_task_ids: quiet.into_iter().map(TaskId::from).collect(),
        })
    }

    /// Changes by what ways a member wants to be told. What they do not want to hear of is left as it is.
    pub async fn preference_ways_put(
        &self,
        scope: &Scope,
        user_id: UserId,
        email: bool,
        slack_dm: bool,
    ) -> Result<()> {
        let mut tx = self.begin(scope).await?;
        put_ways(&mut tx, user_id, email, slack_dm).await?;
        let details = json!({ "email": email, "slackDm": slack_dm });
        audit::record(&mut tx, scope.actor(), "user.preferences", user_id.as_uuid(), details).await?;
        tx.commit().await
    }

    /// Replaces how a member wants to be told. Tasks that do not exist are left out.
    pub async fn preference_put(
        &self,
        scope: &Scope,
        user_id: UserId,
        preference: &NotificationPreference,
    ) -> Result<()> {
        let mut tx = self.begin(scope).await?;
        put_ways(&mut tx, user_id, preference.email, preference.slack_dm).await?;
        let quiet: Vec<Uuid> = preference.quiet_task_ids.iter().map(|task| task.as_uuid()).collect();
        sqlx::query!(
            "DELETE FROM task_unsubscription WHERE workspace_id = $1 AND user_id = $2 AND task_id <> ALL ($3)",
            tx.workspace_id(),
            user_id.as_uuid(),
            &quiet
        )
        .execute(tx.db())
        .await?;
        sqlx::query!(
            "INSERT INTO task_unsubscription (workspace_id, task_id, user_id, created_at)
             SELECT workspace_id, id, $2, $4 FROM task WHERE workspace_id = $1 AND id = ANY ($3)
             ON CONFLICT DO NOTHING",
            tx.workspace_id(),
            user_id.as_uuid(),
            &quiet,
            tx.now
        )
        .execute(tx.db())
        .await?;
        let details =
            json!({ "email": preference.email, "slackDm": preference.slack_dm, "quietTaskIds": quiet });
        audit::record(&mut tx, scope.actor(), "user.preferences", user_id.as_uuid(), details).await?;
        tx.commit().await
    }
}

async fn put_ways(tx: &mut Tx, user_id: UserId, email: bool, slack_dm: bool) -> Result<()> {
    sqlx::query!(
        "INSERT INTO notification_preference (workspace_id, user_id, email, slack_dm) VALUES ($1, $2, $3, $4)
             ON CONFLICT ON CONSTRAINT notification_preference_pk DO UPDATE SET email = $3, slack_dm = $4",
        tx.workspace_id(),
        user_id.as_uuid(),
        email,
        slack_dm
    )
    .execute(tx.db())
    .await?;
    Ok(())
}

async fn add_members(tx: &mut Tx, id: GroupId, user_ids: &[UserId]) -> Result<()> {
    let wanted: Vec<Uuid> = user_ids.iter().map(|user| user.as_uuid()).collect();
    let found = sqlx::query_scalar!(
        "SELECT user_id FROM member WHERE workspace_id = $1 AND user_id = ANY ($2)",
        tx.workspace_id(),
        &wanted
    )
    .fetch_all(tx.db())
    .await?;
    if let Some(index) = wanted.iter().position(|user| !found.contains(user)) {
        return Err(domain::Invalid::new(
            format!("members.users[{index}].id"),
            "is no member of this workspace",
        )
        .into());
    }
    sqlx::query!(
        "INSERT INTO group_member (workspace_id, group_id, user_id)
         SELECT $1, $2, user_id FROM unnest($3::uuid[]) AS wanted (user_id) ON CONFLICT DO NOTHING",
        tx.workspace_id(),
        id.as_uuid(),
        &wanted
    )
    .execute(tx.db())
    .await?;
    Ok(())
}
