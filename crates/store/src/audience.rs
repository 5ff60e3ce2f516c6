//! Who may see how much of a message: the policies, and the rights of those whom it would go to.

use std::collections::HashMap;

use domain::{
    ConnectionId, UserId,
    access::Role,
    audience::{AudiencePolicy, ConnectionAudience, DataBehind, Standing, UsedConnection, Viewer},
    delivery::Contact,
};
use serde_json::json;
use uuid::Uuid;

use crate::{
    Error, Result, Scope, Store, Tx, audit,
    error::{one_row, optional_word, word},
};

/// The data behind a message, and what those whom it would go to are to it.
#[derive(Clone, Debug, Default)]
pub struct AudienceFacts {
    /// The connections used, and the workspace's policy.
    pub data: DataBehind,
    viewers: HashMap<UserId, Viewer>,
}

impl AudienceFacts {
    /// What a user is to the data, and may do with it.
    pub fn viewer(&self, user_id: UserId) -> Viewer {
        self.viewers.get(&user_id).cloned().unwrap_or(Viewer::without_rights(Standing::Gone))
    }
}

/// Somebody in a Slack channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelPerson {
    /// `U…`.
    pub slack_user_id: String,
    /// Whether they are a guest in Slack, or of another organisation.
    pub is_outside: bool,
}

/// A member whom a message would go to, and what is known about reaching them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AudiencePerson {
    /// Who.
    pub id: UserId,
    /// Their name.
    pub name: String,
    /// Their address.
    pub email: String,
    /// By what ways they want to be told, and what stands between.
    pub contact: Contact,
}

impl Store {
    /// Members and how they want to be told, by name: these, or all. Who is no member is left out.
    pub async fn audience_people(
        &self,
        scope: &Scope,
        user_ids: Option<&[UserId]>,
    ) -> Result<Vec<AudiencePerson>> {
        let mut tx = self.begin(scope).await?;
        let users: Option<Vec<Uuid>> = user_ids.map(|ids| ids.iter().map(|id| id.as_uuid()).collect());
        let rows = sqlx::query!(
            r#"SELECT member.user_id, app_user.name, app_user.email, member.deactivated_at IS NOT NULL AS "is_deactivated!",
                   coalesce(preference.email, true) AS "wants_email!", coalesce(preference.slack_dm, false) AS "wants_slack!",
                   CASE WHEN preference.slack_dm THEN slack_obstacle(member.workspace_id, member.user_id) END
                       AS slack_obstacle,
                   coalesce(cardinality(policy.domains) > 0
                     AND NOT substring(lower(app_user.email) FROM '[^@]*$') = ANY (policy.domains), false)
                       AS "is_address_outside!",
                   EXISTS (SELECT FROM destination WHERE destination.workspace_id = member.workspace_id
                     AND destination.channel = 'email' AND destination.target = app_user.email
                     AND destination.paused_at IS NOT NULL) AS "is_email_paused!",
                   EXISTS (SELECT FROM destination WHERE destination.workspace_id = member.workspace_id
                     AND destination.channel = 'slack_dm' AND destination.target = member.user_id::text
                     AND destination.paused_at IS NOT NULL) AS "is_slack_paused!",
                   EXISTS (SELECT FROM mail_suppression AS dead WHERE dead.workspace_id = member.workspace_id
                     AND dead.address = app_user.email) AS "is_address_dead!"
               FROM member
               JOIN app_user ON app_user.id = member.user_id
               LEFT JOIN notification_preference AS preference ON preference.workspace_id = member.workspace_id
                 AND preference.user_id = member.user_id
               LEFT JOIN mail_policy AS policy ON policy.workspace_id = member.workspace_id
               WHERE member.workspace_id = $1 AND ($2::uuid[] IS NULL OR member.user_id = ANY ($2))
               ORDER BY lower(app_user.name), member.user_id"#,
            tx.workspace_id(),
            users.as_deref()
        )
        .fetch_all(tx.db())
        .await?;
        let mut people = Vec::with_capacity(rows.len());
        for row in rows {
            let obstacle = row.slack_obstacle.as_deref();
            let contact = Contact {
                wants_email: row.wants_email,
                wants_slack: row.wants_slack,
                slack_obstacle: optional_word("slack_user", "user_id", row.user_id, obstacle)?,
                is_deactivated: row.is_deactivated,
                is_address_dead: row.is_address_dead,
                is_address_outside: row.is_address_outside,
                is_email_paused: row.is_email_paused,
                is_slack_paused: row.is_slack_paused,
            };
            people.push(AudiencePerson { id: row.user_id.into(), name: row.name, email: row.email, contact });
        }
        Ok(people)
    }

    /// The workspace's policy.
    pub async fn audience_policy_get(&self, scope: &Scope) -> Result<AudiencePolicy> {
        let mut tx = self.begin(scope).await?;
        policy(&mut tx).await
    }

    /// Replaces the workspace's policy.
    pub async fn audience_policy_put(&self, scope: &Scope, policy: &AudiencePolicy) -> Result<()> {
        policy.check()?;
        let mut tx = self.begin(scope).await?;
        let id = tx.workspace_id();
        let done = sqlx::query!(
            "UPDATE workspace SET audience_members = $2, audience_outsiders = $3 WHERE id = $1",
            id,
            policy.members.as_str(),
            policy.outsiders.as_str()
        )
        .execute(tx.db())
        .await?;
        one_row(&done, Error::NotFound)?;
        audit::record(&mut tx, scope.actor(), "workspace.audience", id, json!(policy)).await?;
        tx.commit().await
    }

    /// What a connection adds to the workspace's policy.
    pub async fn connection_audience_get(
        &self,
        scope: &Scope,
        id: ConnectionId,
    ) -> Result<Option<ConnectionAudience>> {
        let mut tx = self.begin(scope).await?;
        Ok(used(&mut tx, &[id]).await?.pop().map(|used| used.rule))
    }

    /// Replaces what a connection adds to the workspace's policy.
    pub async fn connection_audience_put(
        &self,
        scope: &Scope,
        id: ConnectionId,
        rule: &ConnectionAudience,
    ) -> Result<()> {
        rule.check()?;
        let mut tx = self.begin(scope).await?;
        let done = sqlx::query!(
            "UPDATE connection SET audience_members = $3, audience_outsiders = $4, sensitive = $5, shares_credentials = $6
             WHERE workspace_id = $1 AND id = $2 AND deleted_at IS NULL",
            tx.workspace_id(),
            id.as_uuid(),
            rule.members.map(domain::delivery::Audience::as_str),
            rule.outsiders.map(domain::delivery::Audience::as_str),
            rule.is_sensitive,
            rule.shares_credentials
        )
        .execute(tx.db())
        .await?;
        one_row(&done, Error::NotFound)?;
        audit::record(&mut tx, scope.actor(), "connection.audience", id.as_uuid(), json!(rule)).await?;
        tx.commit().await
    }

    /// What decides how much `user_ids` see of a message by `creator_id` that rests on `connection_ids`: all of it as of one
    /// instant. Deleted connections count as they were.
    pub async fn audience_facts(
        &self,
        scope: &Scope,
        creator_id: UserId,
        connection_ids: &[ConnectionId],
        user_ids: &[UserId],
    ) -> Result<AudienceFacts> {
        let mut tx = self.begin(scope).await?;
        let data =
            DataBehind { policy: policy(&mut tx).await?, connections: used(&mut tx, connection_ids).await? };
        let connections: Vec<Uuid> = data.connections.iter().map(|used| used.id.as_uuid()).collect();
        let users: Vec<Uuid> = user_ids.iter().map(|id| id.as_uuid()).collect();
        let rows = sqlx::query!(
            r#"SELECT member.user_id, member.role, member.deactivated_at IS NOT NULL AS "is_deactivated!",
                   granted.connection_id AS "connection_id?", granted.access AS "access?"
               FROM member
               LEFT JOIN connection_access AS granted ON granted.workspace_id = member.workspace_id
                 AND granted.user_id = member.user_id AND granted.connection_id = ANY ($3)
               WHERE member.workspace_id = $1 AND member.user_id = ANY ($2)"#,
            tx.workspace_id(),
            &users,
            &connections
        )
        .fetch_all(tx.db())
        .await?;
        let mut viewers: HashMap<UserId, Viewer> = HashMap::new();
        for row in rows {
            let user_id = UserId::from(row.user_id);
            let role: Role = word("member", "role", row.user_id, &row.role)?;
            let standing = standing(role, row.is_deactivated, user_id == creator_id);
            let viewer = viewers
                .entry(user_id)
                .or_insert_with(|| Viewer { standing, access: vec![None; connections.len()] });
            let Some(connection_id) = row.connection_id else { continue };
            let access = optional_word("connection_access", "access", connection_id, row.access.as_deref())?;
            if let Some(index) = connections.iter().position(|id| *id == connection_id) {
                viewer.access[index] = access;
            }
        }
        Ok(AudienceFacts { data, viewers })
    }
}

impl Store {
    /// What decides how much those in a Slack channel see: the data behind, and each of `people` as a viewer of it, in their
    /// order. Whoever is linked counts as the member they are.
    pub async fn audience_of_channel(
        &self,
        scope: &Scope,
        creator_id: UserId,
        connection_ids: &[ConnectionId],
        people: &[ChannelPerson],
    ) -> Result<(DataBehind, Vec<Viewer>)> {
        let links = self.linked_members(scope, people).await?;
        let members: Vec<UserId> = links.values().copied().collect();
        let facts = self.audience_facts(scope, creator_id, connection_ids, &members).await?;
        let viewers = people
            .iter()
            .map(|person| match links.get(&person.slack_user_id) {
                Some(user_id) => facts.viewer(*user_id),
                None if person.is_outside => Viewer::without_rights(Standing::Outsider),
                None => Viewer::without_rights(Standing::Colleague),
            })
            .collect();
        Ok((facts.data, viewers))
    }

    /// The active members behind users of the connected team.
    async fn linked_members(
        &self,
        scope: &Scope,
        people: &[ChannelPerson],
    ) -> Result<HashMap<String, UserId>> {
        let mut tx = self.begin(scope).await?;
        let ids: Vec<&str> = people.iter().map(|person| person.slack_user_id.as_str()).collect();
        let rows = sqlx::query!(
            "SELECT slack_user_id, slack_user.user_id FROM slack_user
             JOIN slack_installation AS installation ON installation.workspace_id = slack_user.workspace_id
               AND installation.team_id = slack_user.team_id AND installation.state = 'active'
             JOIN member ON member.workspace_id = slack_user.workspace_id AND member.user_id = slack_user.user_id
             WHERE slack_user.workspace_id = $1 AND slack_user_id = ANY ($2) AND member.deactivated_at IS NULL",
            tx.workspace_id(),
            &ids as &[&str]
        )
        .fetch_all(tx.db())
        .await?;
        Ok(rows.into_iter().map(|row| (row.slack_user_id, row.user_id.into())).collect())
    }
}

/// What a member is to a thread of their workspace.
pub(crate) const fn standing(role: Role, is_deactivated: bool, is_creator: bool) -> Standing {
    match role {
        _ if is_deactivated => Standing::Gone,
        _ if is_creator => Standing::Creator,
        Role::Guest => Standing::Guest,
        Role::Member | Role::Explorer | Role::Editor | Role::Manager | Role::Admin => Standing::Member,
    }
}

async fn policy(tx: &mut Tx) -> Result<AudiencePolicy> {
    let id = tx.workspace_id();
    let row = sqlx::query!("SELECT audience_members, audience_outsiders FROM workspace WHERE id = $1", id)
        .fetch_optional(tx.db())
        .await?
        .ok_or(Error::NotFound)?;
    Ok(AudiencePolicy {
        members: word("workspace", "audience_members", id, &row.audience_members)?,
        outsiders: word("workspace", "audience_outsiders", id, &row.audience_outsiders)?,
    })
}

/// The connections, by name.
async fn used(tx: &mut Tx, ids: &[ConnectionId]) -> Result<Vec<UsedConnection>> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.as_uuid()).collect();
    let rows = sqlx::query!(
        "SELECT id, name, audience_members, audience_outsiders, sensitive, shares_credentials FROM connection
         WHERE workspace_id = $1 AND id = ANY ($2) ORDER BY lower(name), id",
        tx.workspace_id(),
        &ids
    )
    .fetch_all(tx.db())
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(UsedConnection {
                id: row.id.into(),
                name: row.name,
                rule: ConnectionAudience {
                    members: optional_word(
                        "connection",
                        "audience_members",
                        row.id,
                        row.audience_members.as_deref(),
                    )?,
                    outsiders: optional_word(
                        "connection",
                        "audience_outsiders",
                        row.id,
                        row.audience_outsiders.as_deref(),
                    )?,
                    is_sensitive: row.sensitive,
                    shares_credentials: row.shares_credentials,
                },
            })
        })
        .collect()
}
