//! Who will see what: told before a task is saved, by the rights, policies, groups and channels of the moment.

use axum::http::Method;
use chrono::TimeDelta;
use domain::{
    UserId,
    access::{ConnectionAccess, Role},
};
use serde_json::{Value, json};
use store::{Grant, Subject};
use testkit::world::World;

use crate::{
    harness::{Api, text},
    slack::Stage,
    tasks::task,
    threads,
};

async fn grant(world: &World, user: UserId) {
    let grants = [
        Grant { subject: Subject::User(world.user), label: String::new(), access: ConnectionAccess::Manage },
        Grant { subject: Subject::User(user), label: String::new(), access: ConnectionAccess::ViewResults },
    ];
    world.store().grant_put(&world.scope, world.connection, &grants).await.expect("granted");
}

async fn asked(api: &Api, notification: Value) -> Value {
    let prompt = format!("How many in @[Flights](connection:{})?", api.world.connection);
    api.post("/tasks/audience", json!({"prompt": prompt, "notification": notification})).await.expect(200)
}

/// Name, outcome and whether the thread opens, of each person.
fn told(people: &Value) -> Vec<String> {
    let people = people.as_array().expect("people").iter();
    people
        .map(|person| {
            let ways = person["ways"].as_array().expect("ways").iter();
            let ways: Vec<_> =
                ways.map(|way| format!("{} {}", text(&way["channel"]), text(&way["audience"]))).collect();
            let opens = if person["opensThread"] == true { ", opens" } else { "" };
            format!("{}: {}{opens}", text(&person["name"]), ways.join(" and "))
        })
        .collect()
}

#[tokio::test]
async fn each_recipient_is_told_apart_and_groups_are_opened() {
    let mut api = Api::new().await;
    let (reader, _) = api.member("reader", Role::Member).await;
    let (chosen, chosen_token) = api.member("chosen", Role::Member).await;
    let (guest, _) = api.member("guest", Role::Guest).await;
    grant(&api.world, reader).await;
    let group =
        api.world.store().group_create(&api.world.scope, "Growth", &[reader, guest]).await.expect("a group");
    let to = json!({"userIds": [api.world.user, chosen], "groupIds": [group]});

    let seen = asked(&api, to.clone()).await;
    assert_eq!(seen["connections"][0]["name"], "Flights");
    assert_eq!(seen["usesAll"], false);
    assert_eq!(told(&seen["people"]), ["admin: email full, opens", "chosen: email full"]);
    assert_eq!(told(&seen["groups"][0]["members"]), ["guest: email link_only", "reader: email full, opens"]);
    let why = text(&seen["groups"][0]["members"][0]["ways"][0]["reason"]);
    assert_eq!(
        why,
        "A guest who may not view the results of Flights, where policy shows guests a link only."
    );

    // Without a mention everything that one may query counts.
    let all = api.post("/tasks/audience", json!({"notification": to})).await.expect(200);
    assert_eq!((&all["usesAll"], &all["connections"][0]["name"]), (&json!(true), &json!("Flights")));
    // Of a connection that one may not query nothing is told.
    let prompt = format!("@[Flights](connection:{})", api.world.connection);
    let body = json!({"prompt": prompt, "notification": {"userIds": [guest]}});
    let of_chosen = api.call(&chosen_token, Method::POST, "/tasks/audience", Some(body)).await.expect(200);
    assert_eq!(of_chosen["connections"], json!([]));

    // Who wants neither way is not told, nor who is deactivated.
    let neither = store::NotificationPreference { email: false, slack_dm: false, quiet_task_ids: vec![] };
    let scope = api.scope_of(chosen).await;
    api.world.store().preference_put(&scope, chosen, &neither).await.expect("kept");
    api.world.store().member_deactivate(&api.world.scope, reader).await.expect("deactivated");
    let seen = asked(&api, json!({"userIds": [chosen, reader]})).await;
    assert_eq!(seen["people"][0]["untold"], "Wants to be told neither by email nor in Slack.");
    assert_eq!(seen["people"][1]["untold"], "Is deactivated, and is not told.");
}

#[tokio::test]
async fn the_editor_says_of_each_member_how_they_are_told() {
    let mut api = Api::new().await;
    let (slack, _) = api.member("slack", Role::Member).await;
    let (_, guest_token) = api.member("guest", Role::Guest).await;
    let (quiet, _) = api.member("quiet", Role::Member).await;
    let (gone, _) = api.member("gone", Role::Member).await;
    let wish = |slack_dm| store::NotificationPreference { email: false, slack_dm, quiet_task_ids: vec![] };
    let store = api.world.store();
    store.preference_put(&api.world.scope, slack, &wish(true)).await.expect("kept");
    store.preference_put(&api.world.scope, quiet, &wish(false)).await.expect("kept");
    store.member_deactivate(&api.world.scope, gone).await.expect("deactivated");
    let told = api.get("/workspace/reach").await.expect(200);
    let of = |name: &str| {
        let found = told.as_array().expect("members").iter().find(|member| member["name"] == name);
        let member = found.expect("a member");
        (member["ways"].clone(), member["fallback"].clone(), member["untold"].clone())
    };
    assert_eq!(of("admin"), (json!(["email"]), json!(null), json!(null)));
    assert_eq!(of("slack"), (json!(["email"]), json!("slack_not_connected"), json!(null)));
    assert_eq!(
        of("quiet"),
        (json!([]), json!(null), json!("Wants to be told neither by email nor in Slack."))
    );
    assert_eq!(of("gone"), (json!([]), json!(null), json!("Is deactivated, and is not told.")));
    // And of those chosen, the same.
    let seen = asked(&api, json!({"userIds": [slack]})).await;
    assert_eq!(seen["people"][0]["ways"][0]["channel"], "email");
    assert_eq!(seen["people"][0]["fallback"], "slack_not_connected");
    // How others want to be told is for those who may tell them.
    api.call(&guest_token, Method::GET, "/workspace/reach", None).await.expect(403);
}

#[tokio::test]
async fn a_policy_tightens_and_never_loosens() {
    let mut api = Api::new().await;
    let (chosen, chosen_token) = api.member("chosen", Role::Member).await;
    let policy = api.get("/workspace/audience").await.expect(200);
    assert_eq!(policy, json!({"members": "full", "outsiders": "link_only"}));
    let looser = api.put("/workspace/audience", json!({"members": "full", "outsiders": "full"})).await;
    assert_eq!(looser.issues(), ["outsiders"]);
    let tighter = json!({"members": "link_only", "outsiders": "withheld"});
    assert_eq!(api.put("/workspace/audience", tighter.clone()).await.expect(200), tighter);
    assert_eq!(api.get("/workspace/audience").await.expect(200), tighter);
    let as_member = api.call(&chosen_token, Method::PUT, "/workspace/audience", Some(tighter)).await;
    as_member.expect(403);
    let of_chosen = async || told(&asked(&api, json!({"userIds": [chosen]})).await["people"]);
    assert_eq!(of_chosen().await, ["chosen: email link_only"]);

    let path = format!("/data-connections/{}/audience", api.world.connection);
    let rule = api.get(&path).await.expect(200);
    assert_eq!(
        rule,
        json!({"members": null, "outsiders": null, "isSensitive": false, "sharesCredentials": true})
    );
    let withheld =
        json!({"members": "withheld", "outsiders": null, "isSensitive": false, "sharesCredentials": true});
    api.put(&path, withheld).await.expect(200);
    assert_eq!(of_chosen().await, ["chosen: email withheld"]);
    // A connection gives nothing that the workspace takes.
    let full = json!({"members": "full", "outsiders": null, "isSensitive": false, "sharesCredentials": true});
    api.put(&path, full).await.expect(200);
    assert_eq!(of_chosen().await, ["chosen: email link_only"]);
}

/// With the condition on `shares_credentials` taken out of the view `thread_reader`, the reader gets in.
#[tokio::test]
async fn a_thread_of_unshared_credentials_is_its_creators_alone() {
    let mut api = Api::new().await;
    let (reader, token) = api.member("reader", Role::Member).await;
    grant(&api.world, reader).await;
    let (thread, ..) = threads::answered(&api).await;
    let (path, sharing) = (format!("/threads/{thread}"), format!("/threads/{thread}/sharing"));
    api.put(&sharing, json!({"userIds": [reader]})).await.expect(200);
    api.call(&token, Method::GET, &path, None).await.expect(200);
    let rule = json!({"members": null, "outsiders": null, "isSensitive": false, "sharesCredentials": false});
    api.put(&format!("/data-connections/{}/audience", api.world.connection), rule).await.expect(200);
    api.call(&token, Method::GET, &path, None).await.expect(404);
    let list = api.call(&token, Method::GET, "/threads", None).await.expect(200);
    assert!(!list.to_string().contains(&thread.to_string()));
    let refused = api.put(&sharing, json!({"workspace": true})).await.expect(409);
    assert_eq!(refused["reason"], "credentials_not_shared");
    api.put(&sharing, json!({})).await.expect(200);
    api.get(&path).await.expect(200);
}

#[tokio::test]
async fn a_channel_is_told_by_who_is_in_it_now() {
    let mut stage = Stage::new().await;
    stage.connect().await;
    let colleague = stage.fake.add_user(&stage.team, "colleague", "colleague@acme.test");
    let to = json!({"slackChannels": [{"id": stage.channel, "name": "#growth"}]});
    stage.fake.change_channel(&stage.channel, |channel| {
        channel.members.insert(colleague.clone());
    });
    let seen = asked(&stage.api, to.clone()).await;
    let channel = &seen["slackChannels"][0];
    assert_eq!(channel["audience"], "full", "{channel}");
    assert_eq!(channel["people"]["isKnown"], true);
    assert_eq!((&channel["people"]["colleagues"], &channel["people"]["outsiders"]), (&json!(2), &json!(0)));

    // A guest of the team comes in; what was read is kept for a few minutes.
    let guest = stage.fake.add_user(&stage.team, "guest", "guest@elsewhere.test");
    stage.fake.change_user(&guest, |user| user.is_restricted = true);
    stage.fake.change_channel(&stage.channel, |channel| {
        channel.members.insert(guest.clone());
    });
    let calls = stage.fake.call_count();
    assert_eq!(asked(&stage.api, to.clone()).await["slackChannels"][0]["audience"], "full");
    assert_eq!(stage.fake.call_count(), calls, "nothing is asked again so soon");
    stage.api.world.step(TimeDelta::minutes(4));
    let seen = asked(&stage.api, to.clone()).await;
    let channel = &seen["slackChannels"][0];
    assert_eq!(channel["audience"], "link_only");
    assert_eq!(channel["reason"], "The channel holds 1 person from outside, where policy shows a link only.");

    stage.fake.change_channel(&stage.channel, |channel| {
        channel.members.remove(&guest);
        channel.is_ext_shared = true;
    });
    stage.api.world.step(TimeDelta::minutes(4));
    let seen = asked(&stage.api, to).await;
    let why = text(&seen["slackChannels"][0]["reason"]);
    assert_eq!(why, "The channel is shared with another organisation, where policy shows a link only.");
}

#[tokio::test]
async fn a_channel_is_checked_when_a_task_is_saved() {
    let mut stage = Stage::new().await;
    let to = |id: &str| task(json!({"notification": {"slackChannels": [{"id": id, "name": "#old-name"}]}}));
    let path = ["notification.slackChannels[0]"];
    assert_eq!(stage.api.post("/tasks", to(&stage.channel)).await.issues(), path, "Slack is not connected");
    stage.connect().await;
    let saved = stage.api.post("/tasks", to(&stage.channel)).await.expect(201);
    assert_eq!(saved["notification"]["slackChannels"][0]["name"], "#growth");
    let id = text(&saved["id"]);

    assert_eq!(stage.api.post("/tasks", to("C0NOSUCH00")).await.issues(), path);
    let bot = stage.fake.bot_user(&stage.team);
    stage.fake.change_channel(&stage.channel, |channel| {
        channel.members.remove(&bot);
    });
    stage.api.world.step(TimeDelta::minutes(10));
    let refused = stage.api.patch(&format!("/tasks/{id}"), json!({"title": "New"})).await;
    assert_eq!(refused.issues(), path);
    assert!(refused.text().contains("the Tidings app is not in #growth"), "{}", refused.text());
    // Invited a moment later, it is found at once.
    stage.fake.change_channel(&stage.channel, |channel| {
        channel.members.insert(bot.clone());
    });
    stage.api.patch(&format!("/tasks/{id}"), json!({"title": "New"})).await.expect(200);
    stage.fake.change_channel(&stage.channel, |channel| channel.is_archived = true);
    stage.api.world.step(TimeDelta::minutes(10));
    assert_eq!(stage.api.post("/tasks", to(&stage.channel)).await.issues(), path);
}
