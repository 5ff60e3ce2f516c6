//! OAuth, rotation, and the end of an installation.

use chrono::TimeDelta;
use secrecy::{ExposeSecret as _, SecretString};
use slack::{App, Class, Message};

use crate::Scene;

const REDIRECT: &str = "https://tidings.example/slack/installed";

fn app(scene: &Scene) -> App {
    let app = scene.slack.app();
    App { client_id: app.client_id, client_secret: app.client_secret.into() }
}

/// The value of one part of an address's query.
fn part(url: &url::Url, name: &str) -> String {
    url.query_pairs().find(|(key, _)| key == name).expect("a part").1.into_owned()
}

#[tokio::test]
async fn an_installation_gives_a_token_that_rotates() {
    let scene = Scene::new().await;
    scene.slack.change_app(|app| app.rotates_tokens = true);
    let app = app(&scene);
    let page = scene.client.authorize_url(&app.client_id, &["chat:write", "im:write"], "s1", REDIRECT);
    let back = scene.slack.allow(&page, &scene.user);
    assert_eq!(part(&back, "state"), "s1");
    let code = part(&back, "code");

    let other = scene.client.oauth_v2_access(&app, &code, "https://tidings.example/other").await;
    assert_eq!(other.expect_err("another address").code(), Some("bad_redirect_uri"));
    let code = part(&scene.slack.allow(&page, &scene.user), "code");
    let grant = scene.client.oauth_v2_access(&app, &code, REDIRECT).await.expect("a grant");
    assert_eq!((&grant.team_id, grant.installer_user_id.as_ref()), (&scene.team, Some(&scene.user)));
    assert_eq!(grant.scopes, ["chat:write", "im:write"]);
    assert_eq!(grant.expires_in.expect("a life").as_secs(), 43_200);
    let again = scene.client.oauth_v2_access(&app, &code, REDIRECT).await.expect_err("a code works once");
    assert_eq!(again.code(), Some("invalid_code"));
    let identity = scene.client.auth_test(&grant.access_token).await.expect("an identity");
    assert_eq!((identity.team_id, identity.user_id), (scene.team.clone(), grant.bot_user_id));

    scene.time.step(TimeDelta::hours(12));
    let expired = scene.client.auth_test(&grant.access_token).await.expect_err("it ended");
    assert_eq!((expired.code(), expired.class()), (Some("token_expired"), Class::Installation));
    let refresh = grant.refresh_token.expect("a refresh token");
    let next = scene.client.oauth_v2_refresh(&app, &refresh).await.expect("the next pair");
    scene.client.auth_test(&next.access_token).await.expect("an identity");
    scene.time.step(TimeDelta::minutes(1));
    let used = scene.client.oauth_v2_refresh(&app, &refresh).await.expect_err("it works once");
    assert_eq!((used.code(), used.class()), (Some("invalid_refresh_token"), Class::Installation));
    let wrong = App { client_secret: SecretString::from("wrong"), ..app };
    let refused = scene.client.oauth_v2_refresh(&wrong, &next.refresh_token.expect("one")).await;
    assert_eq!(refused.expect_err("not us").code(), Some("bad_client_secret"));
}

#[tokio::test]
async fn a_user_proves_an_account() {
    let scene = Scene::new().await;
    let app = app(&scene);
    let page = scene.client.openid_authorize_url(&app.client_id, Some(&scene.team), "s1", "n1", REDIRECT);
    let code = part(&scene.slack.allow(&page, &scene.user), "code");
    let token = scene.client.openid_connect_token(&app, &code, REDIRECT).await.expect("a token");
    let user = scene.client.openid_connect_user_info(&token).await.expect("a user");
    assert_eq!((user.user_id, user.team_id), (scene.user.clone(), scene.team.clone()));
    assert_eq!((user.email.as_deref(), user.email_verified), (Some("ana@acme.example"), true));
}

#[tokio::test]
async fn what_a_token_lacks_is_named() {
    let scene = Scene::new().await;
    let (token, _) = scene.slack.install_with(&scene.team, &["users:read"]);
    let error = scene.client.chat_post_message(&token, &scene.message("d")).await.expect_err("refused");
    assert_eq!((error.code(), error.class()), (Some("missing_scope"), Class::Installation));
    let slack::Error::Refused { detail, .. } = error else { unreachable!("a refusal") };
    assert_eq!(detail.as_deref(), Some("needed chat:write, provided users:read"));
    let nobody = SecretString::from("xoxb-none");
    assert!(!format!("{nobody:?}").contains(nobody.expose_secret()));
    let error = scene.client.auth_test(&nobody).await.expect_err("nobody's");
    assert_eq!((error.code(), error.class()), (Some("invalid_auth"), Class::Installation));
}

#[tokio::test]
async fn revoking_the_token_ends_the_installation() {
    let scene = Scene::new().await;
    scene.client.auth_revoke(&scene.token).await.expect("revoked");
    let message = Message::text(&scene.channel, "hello");
    let error = scene.client.chat_post_message(&scene.token, &message).await.expect_err("refused");
    assert_eq!((error.code(), error.class()), (Some("token_revoked"), Class::Installation));
}
