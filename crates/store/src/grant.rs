//! Who may do what with a data source.

use domain::{ConnectionId, GroupId, UserId, access::ConnectionAccess};
use serde_json::json;
use uuid::Uuid;

use crate::{Error, Result, Scope, Store, audit, error::word};

/// To whom a right is granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// One member.
    User(UserId),
    /// Every member of a group.
    Group(GroupId),
    /// Every member of the workspace.
    Workspace,
}

/// A right on a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Who has it.
    pub subject: Subject,
    /// Their name, as shown; ignored when written.
    pub label: String,
    /// What they may do.
    pub access: ConnectionAccess,
}

impl Store {
    /// The grants on a connection: the workspace's first, then groups, then users, by name.
    pub async fn grant_list(&self, scope: &Scope, id: ConnectionId) -> Result<Vec<Grant>> {
        let mut tx = self.begin(scope).await?;
        let rows = sqlx::query!(
            r#"SELECT connection_grant.user_id, group_id, access,
                   coalesce(app_user.name, member_group.name, 'Everyone in the workspace') AS "label!"
               FROM connection_grant
               LEFT JOIN app_user ON app_user.id = connection_grant.user_id
               LEFT JOIN member_group ON member_group.workspace_id = connection_grant.workspace_id
                 AND member_group.id = connection_grant.group_id
               WHERE connection_grant.workspace_id = $1 AND connection_id = $2
               ORDER BY connection_grant.user_id IS NOT NULL, group_id IS NOT NULL, 4"#,
            tx.workspace_id(),
            id.as_uuid()
        )
        .fetch_all(tx.db())
        .await?;
        rows.into_iter()
            .map(|row| {
                let subject = match (row.user_id, row.group_id) {
                    (Some(user), _) => Subject::User(user.into()),
                    (None, Some(group)) => Subject::Group(group.into()),
                    (None, None) => Subject::Workspace,
                };
                Ok(Grant {
                    subject,
                    label: row.label,
                    access: word("connection_grant", "access", id, &row.access)?,
                })
            })
            .collect()
    }

    /// Replaces the grants on a connection. `Invalid` names the first subject that is not in the workspace.
    pub async fn grant_put(&self, scope: &Scope, id: ConnectionId, grants: &[Grant]) -> Result<()> {
        let mut tx = self.begin(scope).await?;
        let exists = sqlx::query_scalar!(
            "SELECT id FROM connection WHERE workspace_id = $1 AND id = $2 AND deleted_at IS NULL FOR UPDATE",
            tx.workspace_id(),
            id.as_uuid()
        );
        exists.fetch_optional(tx.db()).await?.ok_or(Error::NotFound)?;
        sqlx::query!(
            "DELETE FROM connection_grant WHERE workspace_id = $1 AND connection_id = $2",
            tx.workspace_id(),
            id.as_uuid()
        )
        .execute(tx.db())
        .await?;
        for (index, grant) in grants.iter().enumerate() {
            let (user_id, group_id) = match grant.subject {
                Subject::User(user) => (Some(user.as_uuid()), None),
                Subject::Group(group) => (None, Some(group.as_uuid())),
                Subject::Workspace => (None, None),
            };
            let added = sqlx::query!(
                "INSERT INTO connection_grant (workspace_id, connection_id, user_id, group_id, access)
                 SELECT $1, $2, $3, $4, $5
                 WHERE ($3::uuid IS NULL OR EXISTS (SELECT FROM member WHERE workspace_id = $1 AND user_id = $3))
                   AND ($4::uuid IS NULL OR EXISTS (SELECT FROM member_group WHERE workspace_id = $1 AND id = $4))
                 ON CONFLICT ON CONSTRAINT connection_grant_subject_unique DO UPDATE SET access = excluded.access",
                tx.workspace_id(),
                id.as_uuid(),
                user_id,
                group_id,
                grant.access.as_str()
            )
            .execute(tx.db())
            .await?;
            if added.rows_affected() == 0 {
                let path = format!("values[{index}].subject");
                return Err(domain::Invalid::new(path, "is no member or group of this workspace").into());
            }
        }
        let granted: Vec<_> = grants
            .iter()
            .map(|grant| json!({ "subject": format!("{:?}", grant.subject), "access": grant.access }))
            .collect();
        audit::record(&mut tx, scope.actor(), "connection.grant", id.as_uuid(), json!({ "grants": granted }))
            .await?;
        tx.commit().await
    }

    /// What a user may do with a connection, by their own grant, their groups', the workspace's, or as an admin.
    pub async fn connection_access(
        &self,
        scope: &Scope,
        user_id: UserId,
        id: ConnectionId,
    ) -> Result<Option<ConnectionAccess>> {
        let mut tx = self.begin(scope).await?;
        let access = sqlx::query_scalar!(
            r#"SELECT access AS "access!" FROM connection_access
               WHERE workspace_id = $1 AND connection_id = $2 AND user_id = $3"#,
            tx.workspace_id(),
            id.as_uuid(),
            user_id.as_uuid()
        )
        .fetch_optional(tx.db())
        .await?;
        access.map(|access| word("connection_access", "access", id, &access)).transpose()
    }

    /// Of `ids`, those that a user has less than `needed` on.
    pub async fn connections_denied(
        &self,
        scope: &Scope,
        user_id: UserId,
        ids: &[ConnectionId],
        needed: ConnectionAccess,
    ) -> Result<Vec<ConnectionId>> {
        let mut tx = self.begin(scope).await?;
        let wanted: Vec<Uuid> = ids.iter().map(|id| id.as_uuid()).collect();
        let rows = sqlx::query!(
            r#"SELECT connection_id AS "connection_id!", access AS "access!" FROM connection_access
               WHERE workspace_id = $1 AND user_id = $2 AND connection_id = ANY ($3)"#,
            tx.workspace_id(),
            user_id.as_uuid(),
            &wanted
        )
        .fetch_all(tx.db())
        .await?;
        let mut allowed = Vec::new();
        for row in rows {
            let access: ConnectionAccess =
                word("connection_access", "access", row.connection_id, &row.access)?;
            if access >= needed {
                allowed.push(row.connection_id);
            }
        }
        Ok(ids.iter().copied().filter(|id| !allowed.contains(&id.as_uuid())).collect())
    }
}
