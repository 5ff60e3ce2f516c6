//! With whom threads are shared.

use domain::ThreadId;
use serde_json::json;

use crate::{Error, Result, Scope, Store, Subject, audit};

/// Someone with whom a thread is shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadShare {
    /// Who.
    pub subject: Subject,
    /// Their name, as shown.
    pub label: String,
}

impl Store {
    /// With whom a thread is shared: the workspace first, then groups, then users, by name.
    pub async fn thread_share_list(&self, scope: &Scope, id: ThreadId) -> Result<Vec<ThreadShare>> {
        let mut tx = self.begin(scope).await?;
        let rows = sqlx::query!(
            r#"SELECT thread_share.user_id, group_id,
                   coalesce(app_user.name, member_group.name, 'Everyone in the workspace') AS "label!"
               FROM thread_share
               LEFT JOIN app_user ON app_user.id = thread_share.user_id
               LEFT JOIN member_group ON member_group.workspace_id = thread_share.workspace_id
                 AND member_group.id = thread_share.group_id
               WHERE thread_share.workspace_id = $1 AND thread_id = $2
               ORDER BY thread_share.user_id IS NOT NULL, group_id IS NOT NULL, 3"#,
            tx.workspace_id(),
            id.as_uuid()
        )
        .fetch_all(tx.db())
        .await?;
        let shares = rows.into_iter().map(|row| ThreadShare {
            subject: match (row.user_id, row.group_id) {
                (Some(user), _) => Subject::User(user.into()),
                (None, Some(group)) => Subject::Group(group.into()),
                (None, None) => Subject::Workspace,
            },
            label: row.label,
        });
        Ok(shares.collect())
    }

    /// Shares a thread with these and nobody else. `Invalid` names the first one that is not in the workspace, by its
    /// place: `subjects[2]`.
    pub async fn thread_share_put(&self, scope: &Scope, id: ThreadId, subjects: &[Subject]) -> Result<()> {
        let mut tx = self.begin(scope).await?;
        let exists = sqlx::query_scalar!(
            "SELECT id FROM thread WHERE workspace_id = $1 AND id = $2 FOR UPDATE",
            tx.workspace_id(),
            id.as_uuid()
        );
        exists.fetch_optional(tx.db()).await?.ok_or(Error::NotFound)?;
        sqlx::query!(
            "DELETE FROM thread_share WHERE workspace_id = $1 AND thread_id = $2",
            tx.workspace_id(),
            id.as_uuid()
        )
        .execute(tx.db())
        .await?;
        for (index, subject) in subjects.iter().enumerate() {
            let (user_id, group_id) = match subject {
                Subject::User(user) => (Some(user.as_uuid()), None),
                Subject::Group(group) => (None, Some(group.as_uuid())),
                Subject::Workspace => (None, None),
            };
            let added = sqlx::query!(
                "INSERT INTO thread_share (workspace_id, thread_id, user_id, group_id)
                 SELECT $1, $2, $3, $4
                 WHERE ($3::uuid IS NULL OR EXISTS (SELECT FROM member WHERE workspace_id = $1 AND user_id = $3))
                   AND ($4::uuid IS NULL OR EXISTS (SELECT FROM member_group WHERE workspace_id = $1 AND id = $4))",
                tx.workspace_id(),
                id.as_uuid(),
                user_id,
                group_id
            )
            .execute(tx.db())
            .await?;
            if added.rows_affected() == 0 {
                let path = format!("subjects[{index}]");
                return Err(domain::Invalid::new(path, "is no member or group of this workspace").into());
            }
        }
        let shared: Vec<_> = subjects.iter().map(|subject| format!("{subject:?}")).collect();
        audit::record(&mut tx, scope.actor(), "thread.share", id.as_uuid(), json!({ "with": shared }))
            .await?;
        tx.commit().await
    }
}
