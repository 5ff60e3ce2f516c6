//! People and groups by the names that people call them.

use domain::{GroupId, UserId};

use crate::{Result, Scope, Store};

/// Who goes by a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedRecipient {
    /// Who.
    pub recipient: Recipient,
    /// Their whole name.
    pub name: String,
}

/// A member or a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recipient {
    /// An active member.
    User(UserId),
    /// A group.
    Group(GroupId),
}

impl Store {
    /// The active members who have this name, first name or address, and the groups of this name, regardless of case; those whose
    /// whole name it is first, at most ten.
    pub async fn recipients_named(&self, scope: &Scope, name: &str) -> Result<Vec<NamedRecipient>> {
        let mut tx = self.begin(scope).await?;
        let rows = sqlx::query!(
            r#"SELECT member.user_id AS "id!", app_user.name AS "name!", false AS "is_group!",
                   lower(app_user.name) = lower($2) OR lower(app_user.email) = lower($2) AS "is_whole!"
               FROM member
               JOIN app_user ON app_user.id = member.user_id
               WHERE member.workspace_id = $1 AND member.deactivated_at IS NULL
                 AND lower($2) IN (lower(app_user.name), lower(app_user.email), lower(split_part(app_user.name, ' ', 1)))
               UNION ALL
               SELECT id, name, true, true FROM member_group WHERE workspace_id = $1 AND lower(name) = lower($2)
               ORDER BY 4 DESC, 2, 1 LIMIT 10"#,
            tx.workspace_id(),
            name
        )
        .fetch_all(tx.db())
        .await?;
        // Whoever has the whole name is meant before those who share a first name with them.
        let has_whole = rows.iter().any(|row| row.is_whole);
        Ok(rows
            .into_iter()
            .filter(|row| row.is_whole || !has_whole)
            .map(|row| NamedRecipient {
                recipient: if row.is_group {
                    Recipient::Group(row.id.into())
                } else {
                    Recipient::User(row.id.into())
                },
                name: row.name,
            })
            .collect())
    }
}
