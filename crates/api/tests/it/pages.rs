//! Lists by the page: nothing twice, nothing hidden, whatever is inserted meanwhile.

use axum::http::Method;
use domain::access::Role;
use serde_json::{Value, json};

use crate::{
    harness::{Api, text},
    tasks::task,
};

async fn all(api: &Api, path: &str, key: &str, mut between: impl AsyncFnMut()) -> Vec<String> {
    let mut seen = Vec::new();
    let mut after = String::new();
    loop {
        let list = api.get(&format!("{path}limit=2{after}")).await.expect(200);
        seen.extend(list["values"].as_array().expect("values").iter().map(|value| text(&value[key])));
        match &list["pagination"]["after"] {
            Value::Null => return seen,
            cursor => after = format!("&after={}", text(cursor)),
        }
        between().await;
    }
}

#[tokio::test]
async fn tasks_are_listed_once_each_under_inserts() {
    let api = Api::new().await;
    for title in ["b", "d", "a", "e", "c"] {
        api.post("/tasks", task(json!({"title": title}))).await.expect(201);
        api.world.step(chrono::TimeDelta::seconds(1));
    }
    // Newer ones come before the place where the reader is, and so are not met.
    let newest_first = all(&api, "/tasks?", "title", async || {
        api.world.step(chrono::TimeDelta::seconds(1));
        api.post("/tasks", task(json!({"title": "0"}))).await.expect(201);
    })
    .await;
    assert_eq!(newest_first, ["c", "e", "a", "d", "b"]);
    let titles = all(&api, "/tasks?sortBy=title&", "title", async || ()).await;
    assert_eq!(titles, ["0", "0", "a", "b", "c", "d", "e"]);
    let titles = all(&api, "/tasks?sortBy=title&sortDirection=DESC&", "title", async || ()).await;
    assert_eq!(titles, ["e", "d", "c", "b", "a", "0", "0"]);
    let found = api.get("/tasks?q=airlines&status=active&limit=100").await.expect(200);
    assert_eq!(found["values"].as_array().expect("values").len(), 7);
    let found = api.get("/tasks?q=%25").await.expect(200);
    assert_eq!(found["values"], json!([]), "a percent sign is itself");
    assert_eq!(api.get("/tasks?status=paused").await.expect(200)["values"], json!([]));
}

#[tokio::test]
async fn users_go_forth_and_back_by_any_sort() {
    let mut api = Api::new().await;
    for name in ["Cleo", "bea", "Ada"] {
        api.member(name, Role::Member).await;
    }
    assert_eq!(all(&api, "/users?", "name", async || ()).await, ["Ada", "admin", "bea", "Cleo"]);
    let descending = all(&api, "/users?sortBy=EMAIL&sortDirection=DESC&", "name", async || ()).await;
    assert_eq!(descending, ["Cleo", "bea", "admin", "Ada"]);
    let second = api.get("/users?limit=2&after=").await;
    assert_eq!(second.issues(), ["after"]);
    let first = api.get("/users?limit=2").await.expect(200);
    let second =
        api.get(&format!("/users?limit=2&after={}", text(&first["pagination"]["after"]))).await.expect(200);
    let back = api
        .get(&format!("/users?limit=2&before={}", text(&second["pagination"]["before"])))
        .await
        .expect(200);
    assert_eq!(back["values"], first["values"]);
    let bare = api.get("/workspace/users").await.expect(200);
    assert_eq!(bare.as_array().expect("a bare array").len(), 4);
    let me = api.get("/users/me").await.expect(200);
    assert_eq!(me["org"]["id"], json!(api.world.scope.workspace_id()));
    assert_eq!(api.get("/user/me").await.expect(200), me, "under the singular noun, too");
    let one = api.get(&format!("/users?userIds={}", text(&me["id"]))).await.expect(200);
    assert_eq!(one["values"].as_array().expect("values").len(), 1);
}

#[tokio::test]
async fn groups_are_listed_with_their_members() {
    let mut api = Api::new().await;
    let (user, _) = api.member("ann", Role::Member).await;
    let group = api.world.store().group_create(&api.world.scope, "Growth", &[user]).await.expect("a group");
    let list = api.get("/groups").await.expect(200);
    assert_eq!(list["values"][0]["name"], "Growth");
    assert_eq!(list["values"][0]["memberCount"], 1);
    assert_eq!(api.get(&format!("/group/{group}")).await.expect(200)["id"], json!(group));
    let members = api.get(&format!("/users?groupId={group}")).await.expect(200);
    assert_eq!(members["values"][0]["name"], "ann");
    assert_eq!(api.get("/workspace/groups").await.expect(200).as_array().expect("a bare array").len(), 1);
}

#[tokio::test]
async fn admins_make_change_and_delete_groups_and_let_members_go() {
    let mut api = Api::new().await;
    let (ann, token) = api.member("ann", Role::Member).await;
    let made =
        api.post("/groups", json!({"name": "Growth", "members": {"users": [{"id": ann}]}})).await.expect(201);
    assert_eq!(made["memberCount"], 1);
    let path = format!("/groups/{}", text(&made["id"]));
    assert_eq!(api.post("/groups", json!({"name": "growth"})).await.expect(409)["reason"], "name_taken");
    let users = json!([{"id": api.world.user}]);
    let change =
        json!({"name": "Sales", "members": {"add": {"users": users}, "remove": {"users": [{"id": ann}]}}});
    let changed = api.patch(&path, change).await.expect(200);
    assert_eq!((&changed["name"], &changed["memberCount"]), (&json!("Sales"), &json!(1)));
    assert_eq!(api.call(&api.token, Method::PATCH, &path, None).await.expect(200), changed);
    let nobody = json!({"members": {"add": {"users": [{"id": "019396f0-0000-7000-8000-000000000001"}]}}});
    assert_eq!(api.patch(&path, nobody).await.status, 422);
    assert_eq!(api.delete(&path).await.status, 204);
    api.get(&path).await.expect(404);
    let gone = api.post(&format!("/users/{ann}/deactivate"), json!({})).await.expect(200);
    assert_eq!(gone["user"]["name"], "ann");
    api.call(&token, Method::GET, "/me", None).await.expect(401);
    let oneself = api.post(&format!("/users/{}/deactivate", api.world.user), json!({})).await;
    assert_eq!(oneself.expect(409)["reason"], "self");
}

#[tokio::test]
async fn wrong_parameters_name_themselves() {
    let api = Api::new().await;
    for (path, field) in [
        ("/tasks?limit=0", "limit"),
        ("/tasks?limit=101", "limit"),
        ("/tasks?limit=many", "limit"),
        ("/tasks?limit=99999999999999999999", "limit"),
        ("/tasks?after=forged", "after"),
        ("/tasks?status=sleeping", "status"),
        ("/tasks?sortBy=size", "sortBy"),
        ("/tasks?q=a%00b", "q"),
        ("/users?limit=501", "limit"),
        ("/users?userIds=me", "userIds"),
        ("/users?after=AAAA&before=AAAA", "before"),
        ("/outbox?limit=-1", "limit"),
    ] {
        assert_eq!(api.get(path).await.issues(), [field], "{path}");
    }
    let unknown = api.get("/tasks?colour=red").await;
    unknown.expect(200);
    api.call(&api.token, Method::GET, "/tasks/not-a-uuid", None).await.expect(404);
}
