//! Slack: what it sends, the way to its consent page and back, channels, and accounts. The Slack is a fake of its own
//! (`testkit::slack`), which keeps the published rules.

use ::slack::signature;
use axum::{
    body::Body,
    http::{Method, Request, header},
};
use chrono::TimeDelta;
use domain::{UserId, access::Role};
use secrecy::SecretString;
use serde_json::{Value, json};
use testkit::{
    slack::{FakeSlack, Fault},
    world::{World, workspace},
};
use url::Url;

use crate::harness::{Answer, Api, request, text};

/// An API with an app, and a Slack with a team, an admin of ours in it, and a channel.
pub(crate) struct Stage {
    pub(crate) api: Api,
    pub(crate) fake: FakeSlack,
    pub(crate) team: String,
    pub(crate) admin: String,
    pub(crate) channel: String,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        let world = World::new().await;
        let fake = FakeSlack::start_at(world.database.time.clone()).await;
        let team = fake.add_team("Northwind");
        let admin = fake.add_user(&team, "admin", "admin@acme.test");
        let channel = fake.add_channel(&team, "growth", &[&admin]);
        let app = fake.app();
        let slack = api::SlackOptions {
            client: ::slack::Client::new(net::vendor_client(), fake.base_url()),
            app: ::slack::App {
                client_id: app.client_id,
                client_secret: SecretString::from(app.client_secret),
            },
            signing_secret: SecretString::from(app.signing_secret),
        };
        let api = Api::of(world, |options| options.slack = Some(slack)).await;
        Self { api, fake, team, admin, channel }
    }

    /// A browser in which somebody is signed in: its cookie.
    async fn browser(&mut self, user: UserId) -> String {
        let secret = self.api.sign_in_link(user).await;
        let body = json!({ "token": secret });
        let signed_in = self.api.send(request(Method::POST, "/session/link", None, Some(body))).await;
        assert!(signed_in.status.is_success(), "{}", signed_in.text());
        signed_in.header("set-cookie").split(';').next().expect("a cookie").to_owned()
    }

    async fn in_browser(&self, cookie: &str, method: Method, path: &str) -> Answer {
        let mut request = request(method, path, None, None);
        request.headers_mut().insert(header::COOKIE, cookie.parse().expect("a header"));
        self.api.send(request).await
    }

    /// Asks where to go, as somebody in a browser.
    async fn consent(&self, cookie: &str, path: &str) -> Url {
        let told = self.in_browser(cookie, Method::POST, path).await.expect(200);
        text(&told["authorizeUrl"]).parse().expect("an address")
    }

    /// Comes back from Slack's page. Answers where the browser is sent on to.
    async fn come_back(&self, cookie: Option<&str>, back: &Url) -> String {
        let mut request = Request::get(format!("{}?{}", back.path(), back.query().unwrap_or_default()));
        if let Some(cookie) = cookie {
            request = request.header(header::COOKIE, cookie);
        }
        let answer = self.api.send(request.body(Body::empty()).expect("a request")).await;
        assert_eq!(answer.status, 303, "{}", answer.text());
        answer.header("location").to_owned()
    }

    /// Connects the workspace, as its admin would.
    pub(crate) async fn connect(&mut self) -> String {
        let cookie = self.browser(self.api.world.user).await;
        let url = self.consent(&cookie, "/slack/install").await;
        let back = self.fake.allow(&url, &self.admin);
        assert_eq!(self.come_back(Some(&cookie), &back).await, "/admin/slack?slack=done");
        cookie
    }

    /// Sends a body to an address of Slack's, signed unless said otherwise.
    async fn sent(&self, path: &str, body: &[u8], change: impl FnOnce(&mut Vec<(String, String)>)) -> Answer {
        let mut headers: Vec<_> = self
            .fake
            .courier()
            .headers(body)
            .into_iter()
            .map(|(name, value)| (name.to_lowercase(), value))
            .collect();
        change(&mut headers);
        let mut request = Request::post(path);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        self.api.send(request.body(Body::from(body.to_vec())).expect("a request")).await
    }

    async fn inbox(&self) -> i64 {
        self.api.world.number("SELECT count(*) FROM slack_event").await
    }

    fn direct(&self, words: &str) -> Value {
        json!({"type": "message", "channel": "D01", "channel_type": "im", "user": self.admin, "text": words,
            "ts": "1700000000.000100"})
    }
}

#[tokio::test]
async fn an_event_is_kept_once_however_often_it_is_delivered() {
    let mut stage = Stage::new().await;
    stage.connect().await;
    let body = stage.fake.event_body(&stage.team, &stage.direct("How many orders?"));
    for attempt in 0..4 {
        let answer = stage.sent("/slack/events", &body, |headers| {
            if attempt > 0 {
                headers.push(("x-slack-retry-num".to_owned(), attempt.to_string()));
                headers.push(("x-slack-retry-reason".to_owned(), "http_timeout".to_owned()));
            }
        });
        assert_eq!(answer.await.status, 200);
    }
    assert_eq!(stage.inbox().await, 1);
    for nothing in [
        json!({"type": "message", "channel": "C1", "channel_type": "channel", "user": "U1", "text": "lunch?",
            "ts": "1700000000.000200"}),
        json!({"type": "message", "channel": "D01", "channel_type": "im", "bot_id": "B1", "text": "I",
            "ts": "1700000000.000300"}),
        json!({"type": "message", "channel": "D01", "channel_type": "im", "subtype": "message_changed", "hidden": true,
            "ts": "1700000000.000400"}),
        json!({"type": "emoji_changed"}),
    ] {
        let body = stage.fake.event_body(&stage.team, &nothing);
        assert_eq!(stage.sent("/slack/events", &body, |_| ()).await.status, 200);
    }
    let strangers = stage.fake.add_team("Elsewhere");
    let body = stage.fake.event_body(&strangers, &stage.direct("Hello?"));
    assert_eq!(stage.sent("/slack/events", &body, |_| ()).await.status, 200);
    assert_eq!(stage.inbox().await, 1, "chatter, bots, changes and teams of nobody are not kept");

    let asked = json!({"type": "url_verification", "token": "unused", "challenge": "3eZbrw1a"}).to_string();
    let answer = stage.sent("/slack/events", asked.as_bytes(), |_| ()).await;
    assert_eq!((answer.status.as_u16(), answer.text()), (200, "3eZbrw1a"));
}

/// Fails without the call of `verify` in either route: the forged ones are kept.
#[tokio::test]
async fn what_is_forged_changed_or_old_is_refused_and_told_nothing() {
    let mut stage = Stage::new().await;
    stage.connect().await;
    let event = stage.fake.event_body(&stage.team, &stage.direct("Delete everything?"));
    let pressed = json!({"type": "block_actions", "team": {"id": stage.team}, "user": {"id": stage.admin},
        "actions": [{"action_id": "tidings_snooze", "value": "x", "action_ts": "1"}]});
    let pressed = format!("payload={}", urlencoded(&pressed.to_string()));
    for (path, body) in [("/slack/events", event.as_slice()), ("/slack/interactions", pressed.as_bytes())] {
        let forged = |secret: &str, body: &[u8]| {
            let now = stage.api.world.database.time.now().timestamp().to_string();
            signature::sign(&SecretString::from(secret.to_owned()), &now, body)
        };
        let others = forged("another secret", body);
        let of_other_body = forged(&stage.fake.app().signing_secret, b"another body");
        let put = |name: &'static str, value: String| {
            move |headers: &mut Vec<(String, String)>| {
                for header in headers.iter_mut().filter(|(given, _)| given == name) {
                    header.1.clone_from(&value);
                }
            }
        };
        for (name, value) in [
            ("x-slack-signature", others),
            ("x-slack-signature", of_other_body),
            ("x-slack-signature", "v0=".to_owned()),
            ("x-slack-signature", String::new()),
            ("x-slack-request-timestamp", "0".to_owned()),
            ("x-slack-request-timestamp", "now".to_owned()),
        ] {
            let answer = stage.sent(path, body, put(name, value.clone())).await;
            let told = answer.expect(401);
            assert_eq!(told["message"], "the request is not signed by Slack", "{path} {name} {value}");
        }
        let bare = stage.sent(path, body, Vec::clear).await;
        assert_eq!(bare.status, 401);
        let mut longer = body.to_vec();
        longer.push(b' ');
        let headers = stage.fake.courier().headers(body);
        let replayed = stage.sent(path, &longer, |given| {
            *given = headers.iter().map(|(name, value)| (name.to_lowercase(), value.clone())).collect();
        });
        assert_eq!(replayed.await.status, 401, "a body that is longer by a blank");
        let headers = stage.fake.courier().headers(body);
        stage.api.world.step(TimeDelta::seconds(301));
        let late = stage.sent(path, body, |given| {
            *given = headers.iter().map(|(name, value)| (name.to_lowercase(), value.clone())).collect();
        });
        assert_eq!(late.await.status, 401, "five minutes and a second later");
    }
    assert_eq!(stage.inbox().await, 0);
    for _ in 0..4 {
        assert_eq!(stage.sent("/slack/interactions", pressed.as_bytes(), |_| ()).await.status, 200);
    }
    assert_eq!(stage.inbox().await, 1, "a press sent again is the same press");
}

fn urlencoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// Fails when the state is bound to no session, or not deleted with its use.
#[tokio::test]
async fn only_the_session_that_set_out_comes_back_and_once() {
    let mut stage = Stage::new().await;
    let admin = stage.api.world.user;
    let mine = stage.browser(admin).await;
    let elsewhere = stage.browser(admin).await;
    let (editor, _) = stage.api.member("editor", Role::Editor).await;
    let editors = stage.browser(editor).await;
    let (_, stranger) = workspace(stage.api.world.store(), "rival").await;
    let strangers = stage.browser(stranger).await;
    let expired = "/settings?slack=expired";

    let url = stage.consent(&mine, "/slack/install").await;
    let back = stage.fake.allow(&url, &stage.admin);
    for (cookie, who) in [
        (None, "nobody"),
        (Some(&elsewhere), "another session of the same person"),
        (Some(&editors), "another person"),
        (Some(&strangers), "another workspace"),
    ] {
        assert_eq!(stage.come_back(cookie.map(String::as_str), &back).await, expired, "{who}");
    }
    let mut forged = back.clone();
    forged.set_query(Some("code=x&state=y"));
    assert_eq!(stage.come_back(Some(&mine), &forged).await, expired);
    assert_eq!(stage.come_back(Some(&mine), &back).await, "/admin/slack?slack=done");
    assert_eq!(stage.come_back(Some(&mine), &back).await, expired, "a second time");

    let late = stage.consent(&mine, "/slack/install").await;
    let late = stage.fake.allow(&late, &stage.admin);
    stage.api.world.step(TimeDelta::minutes(10));
    assert_eq!(stage.come_back(Some(&mine), &late).await, expired, "ten minutes later");
    let url = stage.consent(&mine, "/slack/install").await;
    let state = url.query_pairs().find(|(name, _)| name == "state").expect("a state").1.into_owned();
    let mut denied = back.clone();
    denied.set_query(Some(&format!("error=access_denied&state={}", urlencoded(&state))));
    assert_eq!(stage.come_back(Some(&mine), &denied).await, "/admin/slack?slack=denied");

    let by_token = stage.api.post("/slack/install", json!({})).await;
    assert_eq!(by_token.status, 403, "a token has no browser to come back to");
    assert_eq!(stage.in_browser(&editors, Method::POST, "/slack/install").await.status, 403);
}

/// Fails where the exchange of a code leaves no hold, or heeds none.
#[tokio::test]
async fn nobody_is_connected_before_slack_wants_it() {
    let mut stage = Stage::new().await;
    let cookie = stage.browser(stage.api.world.user).await;
    let connect = async || {
        let url = stage.consent(&cookie, "/slack/install").await;
        let back = stage.fake.allow(&url, &stage.admin);
        stage.come_back(Some(&cookie), &back).await
    };
    stage.fake.script("oauth.v2.access", [Some(Fault::Limited { retry_after_seconds: 120 })]);
    assert_eq!(connect().await, "/admin/slack?slack=busy");
    assert_eq!(connect().await, "/admin/slack?slack=busy");
    let exchanges = || stage.fake.calls().iter().filter(|call| call.method == "oauth.v2.access").count();
    assert_eq!(exchanges(), 1, "Slack is not asked a second time");
    stage.api.world.step(TimeDelta::minutes(3));
    assert_eq!(connect().await, "/admin/slack?slack=done");
}

/// Fails where a call of a sign-in, or the look for an address, leaves no hold or heeds none.
#[tokio::test]
async fn nobody_is_linked_before_slack_wants_it() {
    let mut stage = Stage::new().await;
    let cookie = stage.connect().await;
    let sign_in = async || {
        let url = stage.consent(&cookie, "/me/slack/sign-in").await;
        let back = stage.fake.allow(&url, &stage.admin);
        stage.come_back(Some(&cookie), &back).await
    };
    let calls = |method: &str| stage.fake.calls().iter().filter(|call| call.method == method).count();
    for method in ["openid.connect.token", "openid.connect.userInfo"] {
        let before = calls(method);
        stage.fake.script(method, [Some(Fault::Limited { retry_after_seconds: 120 })]);
        assert_eq!(sign_in().await, "/settings?slack=busy", "{method}");
        assert_eq!(sign_in().await, "/settings?slack=busy", "{method}");
        assert_eq!(calls(method), before + 1, "{method}: Slack is not asked a second time");
        stage.api.world.step(TimeDelta::minutes(3));
        assert_eq!(sign_in().await, "/settings?slack=done", "{method}");
    }
    let by_email = async || stage.api.post("/me/slack/link-by-email", json!({})).await.status;
    stage.fake.script("users.lookupByEmail", [Some(Fault::Limited { retry_after_seconds: 120 })]);
    assert_eq!((by_email().await.as_u16(), by_email().await.as_u16()), (503, 503));
    assert_eq!(calls("users.lookupByEmail"), 1, "Slack is not asked a second time");
    stage.api.world.step(TimeDelta::minutes(3));
    assert_eq!(by_email().await, 200);
}

#[tokio::test]
async fn a_workspace_is_connected_shown_and_disconnected() {
    let mut stage = Stage::new().await;
    let before = stage.api.get("/slack").await.expect(200);
    assert_eq!(before, json!({"available": true, "connected": false, "team": null}));
    let cookie = stage.connect().await;
    let status = stage.api.get("/slack").await.expect(200);
    assert_eq!((&status["connected"], &status["team"]["name"]), (&json!(true), &json!("Northwind")));
    assert_eq!(status["team"]["missingScopes"], json!([]));
    assert_eq!(stage.api.get("/me").await.expect(200)["features"]["slack"], true);
    assert_eq!(
        stage
            .api
            .world
            .number("SELECT count(*) FROM slack_installation WHERE secret::text LIKE '%xoxb%'")
            .await,
        0
    );

    let (_, rival) = workspace(stage.api.world.store(), "rival").await;
    let rivals = stage.browser(rival).await;
    let url = stage.consent(&rivals, "/slack/install").await;
    let back = stage.fake.allow(&url, &stage.admin);
    assert_eq!(stage.come_back(Some(&rivals), &back).await, "/admin/slack?slack=team_taken");
    let other = stage.fake.add_team("Southwind");
    let other_admin = stage.fake.add_user(&other, "other", "other@acme.test");
    let url = stage.consent(&cookie, "/slack/install").await;
    let back = stage.fake.allow(&url, &other_admin);
    assert_eq!(stage.come_back(Some(&cookie), &back).await, "/admin/slack?slack=other_team");

    let ended = stage.api.delete("/slack").await.expect(200);
    assert_eq!(ended, json!({"revoked": true}));
    let status = stage.api.get("/slack").await.expect(200);
    assert_eq!((&status["connected"], &status["team"]["endReason"]), (&json!(false), &json!("disconnected")));
    assert_eq!(stage.api.delete("/slack").await.expect(409)["reason"], "slack_not_connected");
    let told = "SELECT count(*) FROM delivery WHERE kind = 'slack_ended'";
    assert_eq!(stage.api.world.number(told).await, 0, "who did it need not be told");
}

#[tokio::test]
async fn channels_are_found_without_listing_and_private_ones_only_with_the_app_in_them() {
    let mut stage = Stage::new().await;
    let unconnected = stage.api.get(&format!("/slack/channels?q={}", stage.channel)).await;
    assert_eq!(unconnected.expect(409)["reason"], "slack_not_connected");
    stage.connect().await;
    let find = async |q: &str| {
        let found = stage.api.get(&format!("/slack/channels?q={}", urlencoded(q))).await.expect(200);
        found["values"].as_array().expect("channels").clone()
    };
    assert!(find("growth").await.is_empty(), "nothing is known yet, and nothing is listed for it");
    let found = find(&format!("https://northwind.slack.com/archives/{}/p1700", stage.channel)).await;
    assert_eq!((&found[0]["name"], &found[0]["isMember"]), (&json!("growth"), &json!(true)));
    assert_eq!(find("#GRO").await.len(), 1, "and known from then on");
    let calls = stage.fake.call_count();
    find(&stage.channel).await;
    assert_eq!(stage.fake.call_count(), calls, "what was just seen is not asked again");
    stage.api.world.step(TimeDelta::minutes(6));
    let bot = stage.fake.bot_user(&stage.team);
    stage.fake.change_channel(&stage.channel, |channel| {
        channel.is_private = true;
        channel.members.remove(&bot);
    });
    assert!(find(&stage.channel).await.is_empty(), "private, and the app was taken out");
    assert!(find("growth").await.is_empty(), "forgotten, too");
    assert!(stage.fake.calls().iter().all(|call| call.method != "conversations.list"));
}

#[tokio::test]
async fn people_link_themselves_by_signing_in_or_by_a_confirmed_address() {
    let mut stage = Stage::new().await;
    let none = stage.api.post("/me/slack/link-by-email", json!({})).await;
    assert_eq!(none.expect(409)["reason"], "slack_not_connected");
    let cookie = stage.connect().await;
    let linked = stage.api.post("/me/slack/link-by-email", json!({})).await.expect(200);
    assert_eq!((&linked["slackUserId"], &linked["linkedBy"]), (&json!(stage.admin), &json!("email")));
    let unlinked = stage.api.delete("/me/slack").await.expect(200);
    assert_eq!((&unlinked["connected"], &unlinked["slackUserId"]), (&json!(true), &Value::Null));
    stage.fake.change_user(&stage.admin, |user| user.is_email_confirmed = false);
    let unconfirmed = stage.api.post("/me/slack/link-by-email", json!({})).await;
    assert_eq!(unconfirmed.expect(409)["reason"], "slack_no_such_user");

    let url = stage.consent(&cookie, "/me/slack/sign-in").await;
    let back = stage.fake.allow(&url, &stage.admin);
    assert_eq!(stage.come_back(Some(&cookie), &back).await, "/settings?slack=done");
    let account = stage.api.get("/me/slack").await.expect(200);
    assert_eq!((&account["slackUserId"], &account["linkedBy"]), (&json!(stage.admin), &json!("sign_in")));

    let (erin, _) = stage.api.member("erin", Role::Member).await;
    let erins = stage.browser(erin).await;
    let url = stage.consent(&erins, "/me/slack/sign-in").await;
    let back = stage.fake.allow(&url, &stage.admin);
    assert_eq!(stage.come_back(Some(&erins), &back).await, "/settings?slack=user_taken");
    let other = stage.fake.add_team("Southwind");
    let outsider = stage.fake.add_user(&other, "erin", "erin@acme.test");
    let url = stage.consent(&erins, "/me/slack/sign-in").await;
    let back = stage.fake.allow(&url, &outsider);
    assert_eq!(stage.come_back(Some(&erins), &back).await, "/settings?slack=other_team");
}

/// Fails where the look by address leaves no hold, or heeds none.
#[tokio::test]
async fn nobody_is_looked_for_by_address_before_slack_wants_it() {
    let mut stage = Stage::new().await;
    stage.connect().await;
    stage.fake.script("users.lookupByEmail", [Some(Fault::Limited { retry_after_seconds: 120 })]);
    let link = async || stage.api.post("/me/slack/link-by-email", json!({})).await;
    for _ in 0..2 {
        link().await.expect(503);
    }
    let looks = || stage.fake.calls().iter().filter(|call| call.method == "users.lookupByEmail").count();
    assert_eq!(looks(), 1, "Slack is not asked a second time");
    stage.api.world.step(TimeDelta::minutes(3));
    let linked = link().await.expect(200);
    assert_eq!(linked["slackUserId"], json!(stage.admin));
}

#[tokio::test]
async fn without_an_app_nothing_of_slack_is_served() {
    let api = Api::new().await;
    assert_eq!(api.get("/slack").await.expect(200)["available"], false);
    for path in ["/slack/events", "/slack/interactions"] {
        let answer = api.send(Request::post(path).body(Body::from("{}")).expect("a request")).await;
        assert_eq!(answer.status, 404, "{path}");
    }
}
