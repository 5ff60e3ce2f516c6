//! Sessions, links, tokens, and the rate of guessing.

use chrono::TimeDelta;
use domain::access::Role;
use secrecy::{ExposeSecret as _, SecretString};
use store::{NewToken, SESSION_IDLE, SESSION_LIFETIME, SignInAdmission, TokenKind, Via};
use testkit::World;

fn secret(text: &str) -> SecretString {
    SecretString::from(text.to_owned())
}

#[tokio::test]
async fn a_session_lives_while_it_is_used_and_never_past_its_end() {
    let world = World::new().await;
    let store = world.store();
    store.session_create(&world.scope, world.user, &secret("s1")).await.expect("a session");
    let caller = store.session_resolve(&secret("s1")).await.expect("a look-up").expect("the caller");
    assert_eq!((caller.user_id, caller.role, caller.scope), (world.user, Role::Admin, world.scope));
    assert!(matches!(caller.via, Via::Session(_)));
    assert!(store.session_resolve(&secret("s2")).await.expect("a look-up").is_none());
    let mut lived = TimeDelta::zero();
    while lived + SESSION_IDLE < SESSION_LIFETIME {
        world.step(SESSION_IDLE - TimeDelta::seconds(1));
        lived += SESSION_IDLE - TimeDelta::seconds(1);
        assert!(store.session_resolve(&secret("s1")).await.expect("a look-up").is_some(), "after {lived}");
    }
    world.step(SESSION_LIFETIME - lived);
    assert!(store.session_resolve(&secret("s1")).await.expect("a look-up").is_none());
}

#[tokio::test]
async fn an_unused_session_ends_and_a_revoked_one_at_once() {
    let world = World::new().await;
    let store = world.store();
    store.session_create(&world.scope, world.user, &secret("idle")).await.expect("a session");
    let revoked =
        store.session_create(&world.scope, world.user, &secret("revoked")).await.expect("a session");
    store.session_revoke(&world.scope, revoked).await.expect("an end");
    assert!(store.session_resolve(&secret("revoked")).await.expect("a look-up").is_none());
    world.step(SESSION_IDLE);
    assert!(store.session_resolve(&secret("idle")).await.expect("a look-up").is_none());
    world.step(TimeDelta::seconds(1));
    assert_eq!(store.expired_rows_delete().await.expect("a cleaning"), 1);
}

#[tokio::test]
async fn deactivation_ends_sessions_and_tokens() {
    let world = World::new().await;
    let store = world.store();
    let erin = world.member("erin", Role::Editor).await;
    store.session_create(&world.scope, erin, &secret("s")).await.expect("a session");
    store.token_create(&world.scope, &token(&world, erin), &secret("t")).await.expect("a token");
    store.member_deactivate(&world.scope, erin).await.expect("a deactivation");
    assert!(store.session_resolve(&secret("s")).await.expect("a look-up").is_none());
    assert!(store.token_resolve(&secret("t")).await.expect("a look-up").is_none());
    store.member_reactivate(&world.scope, erin).await.expect("a reactivation");
    assert!(store.token_resolve(&secret("t")).await.expect("a look-up").is_none(), "it stays revoked");
}

fn token(world: &World, user_id: domain::UserId) -> NewToken {
    NewToken {
        user_id,
        name: "CI".into(),
        kind: TokenKind::Personal,
        scopes: vec![],
        expires_at: Some(world.database.time.now() + TimeDelta::days(30)),
    }
}

#[tokio::test]
async fn a_token_works_until_it_expires_or_is_revoked_and_only_its_hash_is_stored() {
    let world = World::new().await;
    let store = world.store();
    let plain = store::secret::generate("tdgp_", &mut rand::rngs::StdRng::from_seed([7; 32]));
    assert_eq!(plain.expose_secret().len(), 5 + 43);
    let made = store.token_create(&world.scope, &token(&world, world.user), &plain).await.expect("a token");
    let caller = store.token_resolve(&plain).await.expect("a look-up").expect("the caller");
    assert_eq!(caller.user_id, world.user);
    let listed = store.token_list(&world.scope, world.user).await.expect("tokens");
    assert_eq!((listed.len(), listed[0].last_used_at), (1, Some(world.database.time.now())));
    let stored = format!(
        "SELECT count(*) FROM api_token WHERE api_token::text LIKE '%{}%'",
        &plain.expose_secret()[5..]
    );
    assert_eq!(world.number(&stored).await, 0);
    world.step(TimeDelta::days(30));
    assert!(store.token_resolve(&plain).await.expect("a look-up").is_none());
    world.step(-TimeDelta::days(1));
    store.token_revoke(&world.scope, world.user, made.id).await.expect("an end");
    assert!(store.token_resolve(&plain).await.expect("a look-up").is_none());
    assert!(store.token_list(&world.scope, world.user).await.expect("tokens").is_empty());
}

use rand::SeedableRng as _;

#[tokio::test]
async fn a_link_signs_in_once_and_in_time() {
    let world = World::new().await;
    let store = world.store();
    for link in ["used", "late"] {
        let lifetime = TimeDelta::minutes(15);
        store.sign_in_link_create(&world.scope, world.user, &secret(link), lifetime).await.expect("a link");
    }
    let (scope, user) = store.sign_in_link_use(&secret("used")).await.expect("a use").expect("signed in");
    assert_eq!((scope.workspace_id(), user), (world.scope.workspace_id(), world.user));
    assert!(store.sign_in_link_use(&secret("used")).await.expect("a use").is_none());
    world.step(TimeDelta::minutes(15));
    assert!(store.sign_in_link_use(&secret("late")).await.expect("a use").is_none());
}

#[tokio::test]
async fn guessing_is_slowed_by_rate_and_no_account_is_locked() {
    let world = World::new().await;
    let store = world.store();
    for _ in 0..10 {
        let admission = store.sign_in_admit("admin@acme.test", "192.0.2.1").await.expect("an admission");
        assert_eq!(admission, SignInAdmission::Allowed);
        world.step(TimeDelta::seconds(1));
    }
    let refused = store.sign_in_admit("Admin@acme.test", "192.0.2.1").await.expect("an admission");
    assert_eq!(refused, SignInAdmission::RetryAfter(TimeDelta::minutes(15) - TimeDelta::seconds(10)));
    // The owner, from elsewhere, still gets in.
    let owner = store.sign_in_admit("admin@acme.test", "198.51.100.7").await.expect("an admission");
    assert_eq!(owner, SignInAdmission::Allowed);
    store.sign_in_succeeded("admin@acme.test", "192.0.2.1").await.expect("a success");
    let again = store.sign_in_admit("admin@acme.test", "192.0.2.1").await.expect("an admission");
    assert_eq!(again, SignInAdmission::Allowed);
}

#[tokio::test]
async fn a_password_is_looked_up_for_active_members_only() {
    let world = World::new().await;
    let store = world.store();
    assert!(store.user_password("admin@acme.test").await.expect("a look-up").is_none(), "no password yet");
    store.session_create(&world.scope, world.user, &secret("s")).await.expect("a session");
    store.user_set_password(world.user, &secret("$argon2id$x")).await.expect("a password");
    assert!(
        store.session_resolve(&secret("s")).await.expect("a look-up").is_none(),
        "a new password ends sessions"
    );
    let found = store.user_password("ADMIN@acme.test").await.expect("a look-up").expect("the password");
    assert_eq!((found.user_id, found.password_hash.expose_secret()), (world.user, "$argon2id$x"));
    store.member_deactivate(&world.scope, world.user).await.expect("a deactivation");
    assert!(store.user_password("admin@acme.test").await.expect("a look-up").is_none());
}
