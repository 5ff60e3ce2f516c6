//! Users, and their membership of workspaces. Groups and preferences: `group.rs`.

use chrono::{DateTime, Utc};
use domain::{UserId, access::Role};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use crate::{
    Actor, Conflict, Error, Result, Scope, Store, audit,
    error::{one_row, word},
    page::{Page, Paged},
};

/// A person to make.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// The address, any case; stored in lower case.
    pub email: String,
    /// As shown.
    pub name: String,
    /// argon2id in PHC form; `None` for who signs in by link only.
    pub password_hash: Option<SecretString>,
    /// An IANA time zone.
    pub timezone: String,
}

/// A person, as an operator finds them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Their id.
    pub id: UserId,
    /// Their address, in lower case.
    pub email: String,
    /// As shown.
    pub name: String,
    /// An IANA time zone.
    pub timezone: String,
}

/// A member of a workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub id: UserId,
    /// Their address.
    pub email: String,
    /// As shown.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// An IANA time zone.
    pub timezone: String,
    /// Since when they may do nothing.
    pub deactivated_at: Option<DateTime<Utc>>,
    /// When a session of theirs was last used.
    pub last_seen_at: Option<DateTime<Utc>>,
}

/// Which members to list.
#[derive(Clone, Debug, Default)]
pub struct MemberFilter {
    /// Of this group only.
    pub group_id: Option<domain::GroupId>,
    /// These only.
    pub ids: Option<Vec<UserId>>,
    /// Whether to list deactivated ones too.
    pub with_deactivated: bool,
}

/// What a password is checked against.
#[derive(Clone, Debug)]
pub struct PasswordLookup {
    /// Whose it is.
    pub user_id: UserId,
    /// argon2id in PHC form.
    pub password_hash: SecretString,
    /// The scope of the workspace to sign in to: the one they joined first.
    pub scope: Scope,
}

struct MemberRow {
    id: uuid::Uuid,
    email: String,
    name: String,
    role: String,
    timezone: String,
    deactivated_at: Option<DateTime<Utc>>,
    last_seen_at: Option<DateTime<Utc>>,
}

impl TryFrom<MemberRow> for Member {
    type Error = Error;

    fn try_from(row: MemberRow) -> Result<Self> {
        Ok(Self {
            id: row.id.into(),
            role: word("member", "role", row.id, &row.role)?,
            email: row.email,
            name: row.name,
            timezone: row.timezone,
            deactivated_at: row.deactivated_at,
            last_seen_at: row.last_seen_at,
        })
    }
}

impl Store {
    /// Makes a person, member of nothing yet. `Conflict::EmailTaken`.
    pub async fn user_create(&self, user: &NewUser) -> Result<UserId> {
        let mut tx = self.begin_across().await?;
        let id = UserId::new(tx.now);
        sqlx::query!(
            "INSERT INTO app_user (id, email, name, password_hash, timezone, created_at)
             VALUES ($1, $2, $3, $4, $5, $6)",
            id.as_uuid(),
            user.email.trim().to_lowercase(),
            user.name,
            user.password_hash.as_ref().map(ExposeSecret::expose_secret),
            user.timezone,
            tx.now
        )
        .execute(tx.db())
        .await?;
        tx.commit().await?;
        Ok(id)
    }

    /// A person by address, whatever workspaces they are in. For operators.
    pub async fn user_by_email(&self, email: &str) -> Result<Option<User>> {
        let row = sqlx::query!(
            "SELECT id, email, name, timezone FROM app_user WHERE email = $1",
            email.trim().to_lowercase()
        )
        .fetch_optional(&self.worker)
        .await?;
        Ok(row.map(|row| User {
            id: row.id.into(),
            email: row.email,
            name: row.name,
            timezone: row.timezone,
        }))
    }

    /// Sets a person's password and ends all their sessions. For operators.
    pub async fn user_set_password(&self, user_id: UserId, password_hash: &SecretString) -> Result<()> {
        let mut tx = self.begin_across().await?;
        let done = sqlx::query!(
            "UPDATE app_user SET password_hash = $2 WHERE id = $1",
            user_id.as_uuid(),
            password_hash.expose_secret()
        )
        .execute(tx.db())
        .await?;
        one_row(&done, Error::NotFound)?;
        sqlx::query!("DELETE FROM session WHERE user_id = $1", user_id.as_uuid()).execute(tx.db()).await?;
        let workspaces =
            sqlx::query_scalar!("SELECT workspace_id FROM member WHERE user_id = $1", user_id.as_uuid())
                .fetch_all(tx.db())
                .await?;
        for workspace_id in workspaces {
            tx = tx.for_workspace(workspace_id.into());
            audit::record(&mut tx, Actor::Operator, "user.password", user_id.as_uuid(), json!({})).await?;
        }
        tx.commit().await
    }

    /// The workspaces that a person is an active member of, those joined first in front. For operators.
    pub async fn user_scopes(&self, user_id: UserId) -> Result<Vec<Scope>> {
        let rows = sqlx::query!(
            "SELECT workspace_id FROM member WHERE user_id = $1 AND deactivated_at IS NULL
             ORDER BY created_at, workspace_id",
            user_id.as_uuid()
        )
        .fetch_all(&self.worker)
        .await?;
        Ok(rows.into_iter().map(|row| Scope::new(row.workspace_id.into(), Actor::User(user_id))).collect())
    }

    /// What to check a password against; `None` for an unknown address, one without a password, and one that is no active
    /// member of any workspace.
    pub async fn user_password(&self, email: &str) -> Result<Option<PasswordLookup>> {
        let row = sqlx::query!(
            r#"SELECT app_user.id, app_user.password_hash AS "password_hash!", member.workspace_id
               FROM app_user JOIN member ON member.user_id = app_user.id AND member.deactivated_at IS NULL
               WHERE app_user.email = $1 AND app_user.password_hash IS NOT NULL
               ORDER BY member.created_at, member.workspace_id LIMIT 1"#,
            email.trim().to_lowercase()
        )
        .fetch_optional(&self.worker)
        .await?;
        Ok(row.map(|row| PasswordLookup {
            user_id: row.id.into(),
            password_hash: SecretString::from(row.password_hash),
            scope: Scope::new(row.workspace_id.into(), Actor::User(row.id.into())),
        }))
    }

    /// Makes a person a member. `Conflict::AlreadyMember`.
    pub async fn member_add(&self, scope: &Scope, user_id: UserId, role: Role) -> Result<()> {
        let mut tx = self.begin_across().await?.for_workspace(scope.workspace_id());
        let workspace_id = tx.workspace_id();
        sqlx::query!(
            "INSERT INTO member (workspace_id, user_id, role, created_at) VALUES ($1, $2, $3, $4)",
            workspace_id,
            user_id.as_uuid(),
            role.as_str(),
            tx.now
        )
        .execute(tx.db())
        .await?;
        let details = json!({ "role": role });
        audit::record(&mut tx, scope.actor(), "member.add", user_id.as_uuid(), details).await?;
        tx.commit().await
    }

    /// One member, deactivated or not.
    pub async fn member_get(&self, scope: &Scope, user_id: UserId) -> Result<Option<Member>> {
        let filter =
            MemberFilter { ids: Some(vec![user_id]), with_deactivated: true, ..MemberFilter::default() };
        Ok(self.member_list(scope, &filter, &Page::first(1)).await?.values.pop())
    }

    /// Members by name.
    pub async fn member_list(
        &self,
        scope: &Scope,
        filter: &MemberFilter,
        page: &Page,
    ) -> Result<Paged<Member>> {
        let mut tx = self.begin(scope).await?;
        let ids: Option<Vec<_>> = filter.ids.as_ref().map(|ids| ids.iter().map(|id| id.as_uuid()).collect());
        let rows = sqlx::query_as!(
            MemberRow,
            r#"SELECT app_user.id, app_user.email, app_user.name, member.role, app_user.timezone, member.deactivated_at,
                   (SELECT max(session.seen_at) FROM session
                    WHERE session.workspace_id = $1 AND session.user_id = app_user.id) AS last_seen_at
               FROM member JOIN app_user ON app_user.id = member.user_id
               WHERE member.workspace_id = $1
                 AND (member.deactivated_at IS NULL OR $2)
                 AND ($3::uuid[] IS NULL OR member.user_id = ANY ($3))
                 AND ($4::uuid IS NULL OR EXISTS (
                     SELECT FROM group_member WHERE group_member.workspace_id = $1
                        AND group_member.group_id = $4 AND group_member.user_id = member.user_id))
                 AND ($5::text IS NULL OR (lower(app_user.name), app_user.id) > ($5, $6))
               ORDER BY lower(app_user.name), app_user.id LIMIT $7"#,
            tx.workspace_id(),
            filter.with_deactivated,
            ids.as_deref(),
            filter.group_id.map(domain::GroupId::as_uuid),
            page.after.as_ref().map(|cursor| cursor.key.as_str()),
            page.after.as_ref().map(|cursor| cursor.id),
            page.rows_to_fetch()
        )
        .fetch_all(tx.db())
        .await?;
        let members = rows.into_iter().map(Member::try_from).collect::<Result<Vec<_>>>()?;
        Ok(page.cut(members, |member| (member.name.to_lowercase(), member.id.as_uuid())))
    }

    /// Changes what a member may change about themselves; `None` leaves as is.
    pub async fn member_update_profile(
        &self,
        scope: &Scope,
        user_id: UserId,
        name: Option<&str>,
        timezone: Option<&str>,
    ) -> Result<()> {
        let mut tx = self.begin(scope).await?;
        let done = sqlx::query!(
            "UPDATE app_user SET name = coalesce($2, name), timezone = coalesce($3, timezone) WHERE id = $1",
            user_id.as_uuid(),
            name,
            timezone
        )
        .execute(tx.db())
        .await?;
        one_row(&done, Error::NotFound)?;
        let details = json!({ "name": name, "timezone": timezone });
        audit::record(&mut tx, scope.actor(), "user.update", user_id.as_uuid(), details).await?;
        tx.commit().await
    }

    /// Changes a member's role.
    pub async fn member_set_role(&self, scope: &Scope, user_id: UserId, role: Role) -> Result<()> {
        let mut tx = self.begin(scope).await?;
        let done = sqlx::query!(
            "UPDATE member SET role = $3 WHERE workspace_id = $1 AND user_id = $2",
            tx.workspace_id(),
            user_id.as_uuid(),
            role.as_str()
        )
        .execute(tx.db())
        .await?;
        one_row(&done, Error::NotFound)?;
        audit::record(&mut tx, scope.actor(), "member.role", user_id.as_uuid(), json!({ "role": role }))
            .await?;
        tx.commit().await
    }

    /// Deactivates a member: their sessions and tokens end, their tasks are cancelled for good, their waiting runs are
    /// cancelled, and their running ones stop before the next step and send nothing.
    pub async fn member_deactivate(&self, scope: &Scope, user_id: UserId) -> Result<()> {
        let mut tx = self.begin(scope).await?;
        // Whoever would start something for them waits from here on.
        let member = sqlx::query_scalar!(
            "SELECT user_id FROM member WHERE workspace_id = $1 AND user_id = $2 FOR NO KEY UPDATE",
            tx.workspace_id(),
            user_id.as_uuid()
        );
        member.fetch_optional(tx.db()).await?.ok_or(Error::NotFound)?;
        // While they are active still: what of their tasks is due gets its fate first.
        crate::task_state::cancel_all_of(&mut tx, self.spread, user_id).await?;
        let done = sqlx::query!(
            "UPDATE member SET deactivated_at = coalesce(deactivated_at, $3) WHERE workspace_id = $1 AND user_id = $2",
            tx.workspace_id(),
            user_id.as_uuid(),
            tx.now
        )
        .execute(tx.db())
        .await?;
        one_row(&done, Error::NotFound)?;
        sqlx::query!(
            "DELETE FROM session WHERE workspace_id = $1 AND user_id = $2",
            tx.workspace_id(),
            user_id.as_uuid()
        )
        .execute(tx.db())
        .await?;
        sqlx::query!(
            "UPDATE api_token SET revoked_at = coalesce(revoked_at, $3)
             WHERE workspace_id = $1 AND user_id = $2 AND kind = 'personal'",
            tx.workspace_id(),
            user_id.as_uuid(),
            tx.now
        )
        .execute(tx.db())
        .await?;
        audit::record(&mut tx, scope.actor(), "member.deactivate", user_id.as_uuid(), json!({})).await?;
        tx.commit().await
    }

    /// Lets a deactivated member in again. Their tasks stay cancelled.
    pub async fn member_reactivate(&self, scope: &Scope, user_id: UserId) -> Result<()> {
        let mut tx = self.begin(scope).await?;
        let done = sqlx::query!(
            "UPDATE member SET deactivated_at = NULL WHERE workspace_id = $1 AND user_id = $2",
            tx.workspace_id(),
            user_id.as_uuid()
        )
        .execute(tx.db())
        .await?;
        one_row(&done, Error::NotFound)?;
        audit::record(&mut tx, scope.actor(), "member.reactivate", user_id.as_uuid(), json!({})).await?;
        tx.commit().await
    }
}

/// Refuses when a creator may no longer have anything done.
pub(crate) async fn demand_active(tx: &mut crate::Tx, user_id: UserId) -> Result<()> {
    let is_active = sqlx::query_scalar!(
        r#"SELECT deactivated_at IS NULL AS "is_active!" FROM member WHERE workspace_id = $1 AND user_id = $2
           FOR SHARE"#,
        tx.workspace_id(),
        user_id.as_uuid()
    )
    .fetch_optional(tx.db())
    .await?
    .ok_or(Error::NotFound)?;
    if is_active { Ok(()) } else { Err(Conflict::CreatorDeactivated.into()) }
}
