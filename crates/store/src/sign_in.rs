//! Before there is a session: one-time links, and the rate at which passwords may be guessed.

use chrono::TimeDelta;
use domain::UserId;
use secrecy::SecretString;
use serde_json::json;

use crate::{Actor, Result, Scope, Store, audit, secret};

/// The span that attempts are counted over.
pub const SIGN_IN_SPAN: TimeDelta = TimeDelta::minutes(15);
/// Attempts in that span for one address from one IP address.
pub const SIGN_IN_ATTEMPTS_PAIR: i64 = 10;
/// Attempts in that span for one address, and from one IP address.
pub const SIGN_IN_ATTEMPTS_EITHER: i64 = 100;

/// Whether a password may be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignInAdmission {
    /// It may. The attempt is counted already; a success takes it back.
    Allowed,
    /// Too many attempts: not before this much time has passed.
    RetryAfter(TimeDelta),
}

impl Store {
    /// Counts an attempt to sign in, and says whether to look at the password at all.
    pub async fn sign_in_admit(&self, email: &str, ip: &str) -> Result<SignInAdmission> {
        let email = email.trim().to_lowercase();
        let mut tx = self.begin_across().await?;
        let since = tx.now - SIGN_IN_SPAN;
        let seen = sqlx::query!(
            r#"SELECT
                 (SELECT count(*) FROM sign_in_attempt WHERE email = $1 AND ip = $2 AND at > $3) AS "of_pair!",
                 (SELECT count(*) FROM sign_in_attempt WHERE email = $1 AND at > $3) AS "of_email!",
                 (SELECT count(*) FROM sign_in_attempt WHERE ip = $2 AND at > $3) AS "of_ip!",
                 (SELECT min(at) FROM sign_in_attempt WHERE (email = $1 OR ip = $2) AND at > $3) AS first_at"#,
            email,
            ip,
            since
        )
        .fetch_one(tx.db())
        .await?;
        let is_over = seen.of_pair >= SIGN_IN_ATTEMPTS_PAIR
            || seen.of_email >= SIGN_IN_ATTEMPTS_EITHER
            || seen.of_ip >= SIGN_IN_ATTEMPTS_EITHER;
        if is_over {
            let free_at = seen.first_at.map_or(SIGN_IN_SPAN, |first| first - since);
            return Ok(SignInAdmission::RetryAfter(free_at.max(TimeDelta::seconds(1))));
        }
        sqlx::query!("INSERT INTO sign_in_attempt (email, ip, at) VALUES ($1, $2, $3)", email, ip, tx.now)
            .execute(tx.db())
            .await?;
        tx.commit().await?;
        Ok(SignInAdmission::Allowed)
    }

    /// Forgets the attempts of an address from an IP address, after a success.
    pub async fn sign_in_succeeded(&self, email: &str, ip: &str) -> Result<()> {
        sqlx::query!(
            "DELETE FROM sign_in_attempt WHERE email = $1 AND ip = $2",
            email.trim().to_lowercase(),
            ip
        )
        .execute(&self.worker)
        .await?;
        Ok(())
    }

    /// Makes a link that signs a member in once, within `lifetime`.
    pub async fn sign_in_link_create(
        &self,
        scope: &Scope,
        user_id: UserId,
        secret: &SecretString,
        lifetime: TimeDelta,
    ) -> Result<()> {
        let mut tx = self.begin_across().await?.for_workspace(scope.workspace_id());
        sqlx::query!(
            "INSERT INTO sign_in_link (workspace_id, user_id, secret_hash, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5)",
            tx.workspace_id(),
            user_id.as_uuid(),
            secret::hash(secret),
            tx.now,
            tx.now + lifetime
        )
        .execute(tx.db())
        .await?;
        audit::record(&mut tx, scope.actor(), "sign_in_link.create", user_id.as_uuid(), json!({})).await?;
        tx.commit().await
    }

    /// Uses up a link; `None` for one that is unknown, used or too old.
    pub async fn sign_in_link_use(&self, secret: &SecretString) -> Result<Option<(Scope, UserId)>> {
        let row = sqlx::query!(
            "UPDATE sign_in_link SET used_at = instant($2)
             WHERE secret_hash = $1 AND used_at IS NULL AND expires_at > instant($2)
             RETURNING workspace_id, user_id",
            secret::hash(secret),
            self.time.given()
        )
        .fetch_optional(&self.worker)
        .await?;
        Ok(row.map(|row| {
            let user_id = UserId::from(row.user_id);
            (Scope::new(row.workspace_id.into(), Actor::User(user_id)), user_id)
        }))
    }
}
