//! The domains that a workspace mails.

use axum::http::Method;
use domain::access::Role;
use serde_json::json;

use crate::harness::Api;

#[tokio::test]
async fn admins_say_which_domains_are_mailed() {
    let mut api = Api::new().await;
    let (_, ann) = api.member("ann", Role::Editor).await;
    assert_eq!(api.get("/mail-settings").await.expect(200), json!({"domains": []}));
    let set = json!({"domains": [" Example.com", "@sub.example.com", "example.com"]});
    let expected = json!({"domains": ["example.com", "sub.example.com"]});
    assert_eq!(api.put("/mail-settings", set).await.expect(200), expected);
    assert_eq!(api.get("/mail-settings").await.expect(200), expected);
    let refused = api.put("/mail-settings", json!({"domains": ["not a domain"]})).await;
    refused.expect(422);
    assert_eq!(refused.issues().len(), 1, "{:?}", refused.issues());
    api.call(&ann, Method::GET, "/mail-settings", None).await.expect(403);
    api.call(&ann, Method::PUT, "/mail-settings", Some(json!({"domains": []}))).await.expect(403);
}
