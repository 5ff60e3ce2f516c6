//! Data connections: over real files, with secrets that never come back.

use axum::{
    body::Body,
    http::{Method, header},
};
use domain::access::Role;
use serde_json::{Value, json};

use crate::harness::{Answer, Api, request, text};

fn allowed(api: &Api) -> String {
    let folder = api.files.path().join("allowed");
    std::fs::write(folder.join("flights.csv"), "carrier,flights\nUA,58665\nB6,54635\n").expect("a file");
    folder.display().to_string()
}

async fn upload(api: &Api, token: &str, parts: &[(&str, Option<&str>, &[u8])]) -> Answer {
    let mut body = Vec::new();
    for (name, file_name, content) in parts {
        let file_name = file_name.map(|file_name| format!("; filename=\"{file_name}\"")).unwrap_or_default();
        body.extend(
            format!("--X\r\nContent-Disposition: form-data; name=\"{name}\"{file_name}\r\n\r\n").into_bytes(),
        );
        body.extend(*content);
        body.extend(b"\r\n");
    }
    body.extend(b"--X--\r\n");
    let mut request = request(Method::POST, "/data-connections/upload", Some(token), None);
    let media_type = "multipart/form-data; boundary=X".parse().expect("a header");
    request.headers_mut().insert(header::CONTENT_TYPE, media_type);
    *request.body_mut() = Body::from(body);
    api.send(request).await
}

#[tokio::test]
async fn files_are_connected_tested_browsed_and_let_go() {
    let api = Api::new().await;
    let details = json!({"files": {"path": allowed(&api)}});
    let body =
        json!({"name": "NYC", "type": "files", "description": "2013", "connectionDetails": details, "x": 1});
    let made = api.post("/data-connections", body).await;
    assert_eq!(made.header("etag"), "\"1\"");
    let made = made.expect(201);
    assert_eq!((&made["access"], &made["connectionDetails"]), (&json!("manage"), &details));
    assert_eq!((&made["lastTest"]["ok"], &made["lastTest"]["tables"]), (&json!(true), &json!(1)));
    let path = format!("/data-connections/{}", text(&made["id"]));
    let catalog = api.get(&format!("{path}/catalog")).await.expect(200);
    assert_eq!(catalog["tables"][0]["table"], "flights");
    assert_eq!(catalog["tables"][0]["columns"][1]["type"], "integer");
    let tested = api.post(&format!("{path}/test"), json!({})).await.expect(200);
    assert_eq!((&tested["ok"], &tested["tables"]), (&json!(true), &json!(1)));
    let taken = api
        .post("/data-connections", json!({"name": "nyc", "type": "files", "connectionDetails": details}))
        .await;
    assert_eq!(taken.expect(409)["reason"], "name_taken");
    let renamed = api.patch(&path, json!({"name": "New York"})).await.expect(200);
    assert_eq!((&renamed["name"], &renamed["description"]), (&json!("New York"), &json!("2013")));
    let mut lost = request(Method::PATCH, &path, Some(&api.token), Some(json!({"name": "Lost"})));
    lost.headers_mut().insert(header::IF_MATCH, "\"1\"".parse().expect("a header"));
    api.send(lost).await.expect(412);
    assert_eq!(api.call(&api.token, Method::PATCH, &path, None).await.expect(200)["name"], "New York");
    assert_eq!(api.delete(&path).await.status, 204);
    api.get(&path).await.expect(404);
    api.get(&format!("{path}/catalog")).await.expect(404);
}

#[tokio::test]
async fn only_allowed_folders_and_known_engines_are_connected() {
    let api = Api::new().await;
    let outside = api.files.path().display().to_string();
    for (engine, details, field) in [
        ("files", json!({"files": {"path": "/etc"}}), "connectionDetails.files.path"),
        (
            "files",
            json!({"files": {"path": format!("{}/../..", allowed(&api))}}),
            "connectionDetails.files.path",
        ),
        ("files", json!({"files": {"path": outside}}), "connectionDetails.files.path"),
        ("files", json!({"files": {"upload": "someone-elses"}}), "connectionDetails.files.path"),
        ("files", json!({}), "connectionDetails.files"),
        ("files", json!("text"), "connectionDetails.files"),
        ("mysql", json!({"mysql": {}}), "type"),
        ("postgres", json!({"postgres": {"hostname": "h"}}), "connectionDetails.postgres.database"),
        (
            "postgres",
            json!({"postgres": {"hostname": "h", "port": 99_999_999_999_u64, "database": "d", "username": "u"}}),
            "connectionDetails.postgres.port",
        ),
    ] {
        for path in ["/data-connections", "/data-connections/test"] {
            let body = json!({"name": "x", "type": engine, "connectionDetails": details});
            assert_eq!(api.post(path, body.clone()).await.issues(), [field], "{path} {body}");
        }
    }
    assert_eq!(api.world.number("SELECT count(*) FROM connection").await, 1, "only the world's own");
}

#[tokio::test]
async fn a_password_goes_in_and_never_out() {
    const CANARY: &str = "canary-7c1f-password";
    let mut api = Api::new().await;
    // Nothing listens on this port: the connection is kept, and its test has failed.
    let details = json!({"postgres": {
        "hostname": "127.0.0.1", "port": 1, "database": "d", "username": "u", "password": CANARY,
    }});
    let made = api
        .post("/data-connections", json!({"name": "PG", "type": "postgres", "connectionDetails": details}))
        .await;
    let body = made.expect(201);
    assert_eq!(body["lastTest"]["ok"], false);
    assert_eq!(body["connectionDetails"]["postgres"].get("password"), None);
    let path = format!("/data-connections/{}", text(&body["id"]));
    let id = body["id"].as_str().expect("an id").parse().expect("an id");
    let stored = || async {
        let secret = api.world.store().connection_secret(&api.world.scope, id).await.expect("a secret");
        secret.map(|secret| secrecy::ExposeSecret::expose_secret(&secret).to_owned())
    };
    assert_eq!(stored().await.as_deref(), Some(CANARY));
    // A change that leaves the server alone keeps the password; another server needs it again.
    api.patch(&path, json!({"connectionDetails": {"postgres": {"database": "e"}}})).await.expect(200);
    assert_eq!(stored().await.as_deref(), Some(CANARY));
    let elsewhere =
        api.patch(&path, json!({"connectionDetails": {"postgres": {"hostname": "127.0.0.2"}}})).await;
    assert_eq!(elsewhere.issues(), ["connectionDetails.postgres.password"]);
    for answer in [
        api.get(&path).await,
        api.get("/data-connections").await,
        api.get("/workspace/connections").await,
        api.post(&format!("{path}/test"), json!({})).await,
        api.get(&format!("{path}/catalog")).await,
        made,
        elsewhere,
    ] {
        assert!(!answer.text().contains(CANARY), "{}", answer.text());
    }
    assert_eq!(api.get(&format!("{path}/catalog")).await.expect(503)["code"], "UNAVAILABLE");
    let in_the_clear = format!(
        "SELECT count(*) FROM connection WHERE details::text || coalesce(encode(secret, 'escape'), '') LIKE '%{CANARY}%'"
    );
    assert_eq!(api.world.number(&in_the_clear).await, 0);
    assert_eq!(
        api.world
            .number(&format!("SELECT count(*) FROM audit_log WHERE details::text LIKE '%{CANARY}%'"))
            .await,
        0
    );
    // Who may only query it does not see where it is.
    let (ann, token) = api.member("ann", Role::Editor).await;
    let grant = json!({"values": [{"subject": {"userId": ann}, "access": "query"}]});
    api.put(&format!("{path}/grants"), grant).await.expect(200);
    let seen = api.call(&token, Method::GET, &path, None).await.expect(200);
    assert_eq!((&seen["access"], &seen["connectionDetails"]), (&json!("query"), &json!({})));
}

#[tokio::test]
async fn uploads_become_tables_within_their_limits() {
    let mut api = Api::with(|options| {
        options.upload_bytes = 10_000;
        options.upload_files = 2;
    })
    .await;
    let token = api.token.clone();
    let name = ("name", None, b"Sales".as_slice());
    let csv = b"product,revenue\nA,10\nB,20\n".as_slice();
    let made = upload(&api, &token, &[name, ("files[]", Some("../../sales.csv"), csv)]).await.expect(201);
    assert_eq!(made["connectionDetails"], json!({"files": {"path": null}}));
    let path = format!("/data-connections/{}", text(&made["id"]));
    let catalog = api.get(&format!("{path}/catalog")).await.expect(200);
    assert_eq!(catalog["tables"][0]["table"], "sales");
    let uploads = api.files.path().join("data/uploads");
    let folders = || std::fs::read_dir(&uploads).expect("a folder").count();
    assert_eq!(folders(), 1);

    let big = vec![b'x'; 10_001];
    let refused = upload(&api, &token, &[name, ("files[]", Some("big.csv"), &big)]).await.expect(413);
    assert_eq!(refused["reason"], "body_too_large");
    for (parts, field) in [
        (vec![name], "files"),
        (vec![("files[]", Some("a.csv"), csv)], "name"),
        (vec![name, ("files[]", Some("a.exe"), csv)], "files[0]"),
        (vec![name, ("files[]", Some("a.csv"), csv), ("files[]", Some("a.csv"), csv)], "files[1]"),
        (
            vec![
                name,
                ("files", Some("a.csv"), csv),
                ("files", Some("b.csv"), csv),
                ("files", Some("c.csv"), csv),
            ],
            "files[2]",
        ),
        (vec![name, ("files[]", Some("broken.parquet"), b"no parquet".as_slice())], "files"),
        (vec![("name", None, b"a\0b".as_slice()), ("files[]", Some("a.csv"), csv)], "name"),
    ] {
        assert_eq!(upload(&api, &token, &parts).await.issues(), [field], "{parts:?}");
    }
    let json = api.post("/data-connections/upload", json!({})).await;
    json.expect(415);
    let (_, editor) = api.member("ann", Role::Editor).await;
    upload(&api, &editor, &[name, ("files[]", Some("a.csv"), csv)]).await.expect(403);
    assert_eq!(folders(), 1, "nothing of a refused upload stays");
    assert_eq!(api.delete(&path).await.status, 204);
    assert_eq!(folders(), 0);
}

#[tokio::test]
async fn grants_are_replaced_as_a_whole() {
    let mut api = Api::new().await;
    let (ann, token) = api.member("ann", Role::Editor).await;
    let path = format!("/data-connections/{}", api.world.connection);
    api.call(&token, Method::GET, &path, None).await.expect(404);
    let subject = |subject: Value| json!({"values": [{"subject": subject, "access": "view_results"}]});
    let granted = api.put(&format!("{path}/grants"), subject(json!({"userId": ann}))).await.expect(200);
    assert_eq!(granted["values"][0]["subject"]["label"], "ann");
    // What was read can be sent back.
    api.put(&format!("{path}/grants"), json!({"values": granted["values"]})).await.expect(200);
    api.call(&token, Method::GET, &path, None).await.expect(200);
    api.call(&token, Method::GET, &format!("{path}/catalog"), None).await.expect(403);
    api.call(&token, Method::GET, &format!("{path}/grants"), None).await.expect(403);
    api.call(&token, Method::DELETE, &path, None).await.expect(403);
    for wrong in [json!({}), json!({"userId": ann, "workspace": true})] {
        assert_eq!(api.put(&format!("{path}/grants"), subject(wrong)).await.issues(), ["values[0].subject"]);
    }
    let nobody = json!({"groupId": "019396f0-0000-7000-8000-000000000001"});
    assert_eq!(api.put(&format!("{path}/grants"), subject(nobody)).await.issues(), ["values[0].subject"]);
    let twice = json!({"values": [
        {"subject": {"workspace": true}, "access": "query"}, {"subject": {"workspace": true}, "access": "manage"},
    ]});
    assert_eq!(api.put(&format!("{path}/grants"), twice).await.issues(), ["values[1].subject"]);
    api.put(&format!("{path}/grants"), json!({"values": []})).await.expect(200);
    api.call(&token, Method::GET, &path, None).await.expect(404);
}
