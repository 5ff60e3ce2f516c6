//! The Outbox, and the link that a mail ends with.

use axum::{
    body::Body,
    http::{Method, Request},
};
use chrono::TimeDelta;
use domain::access::Role;
use serde_json::json;
use store::NewOutboxMail;
use testkit::world::{World, claim_deliveries};

use crate::harness::Api;

const MAIL: &str = "From: Tidings <tidings@acme.test>\r\nTo: Admin <admin@acme.test>\r\nSubject: =?UTF-8?Q?Fl=C3=BCge?=\r\n\
MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\nContent-Type: multipart/related; boundary=r\r\n\r\n\
--r\r\nContent-Type: multipart/alternative; boundary=a\r\n\r\n--a\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\
United leads.\r\n--a\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>United <img src=\"cid:c1@t\"><script>1</script></p>\r\n\
--a--\r\n--r\r\nContent-Type: image/png\r\nContent-ID: <c1@t>\r\nContent-Disposition: inline\r\n\
Content-Transfer-Encoding: base64\r\n\r\niVBORw0K\r\n--r--\r\n--m\r\nContent-Type: text/csv\r\n\
Content-Disposition: attachment; filename=\"r1.csv\"\r\n\r\ncarrier,n\r\n--m--\r\n";

/// An answered task's mail to the admin, in the Outbox; its id.
pub(crate) async fn mail(world: &World) -> String {
    let task = world.task(|_| {}).await;
    world.store().task_run(&world.scope, task.id, None).await.expect("a run");
    let run = world.claim_one().await;
    world.succeed(&run).await;
    let delivery =
        world.store().delivery_list(&world.scope, run.lease.run_id).await.expect("deliveries").remove(0);
    let mail = NewOutboxMail {
        id: delivery.id,
        sender: "tidings@acme.test".into(),
        recipient: "admin@acme.test".into(),
        subject: "Flüge".into(),
        source: MAIL.into(),
    };
    world.store().outbox_mail_keep(&world.scope, &mail).await.expect("kept");
    delivery.id.to_string()
}

#[tokio::test]
async fn a_mail_is_shown_exactly_as_sent() {
    let mut api = Api::new().await;
    let id = mail(&api.world).await;
    let list = api.get("/outbox").await.expect(200);
    assert_eq!(list["values"][0]["id"], json!(id));
    assert_eq!(list["values"][0]["taskTitle"], "Flights");
    let shown = api.get(&format!("/outbox/{id}")).await.expect(200);
    assert_eq!(shown["text"].as_str().expect("a text").trim(), "United leads.");
    assert_eq!(shown["attachments"][0]["filename"], "r1.csv");
    let subject =
        shown["headers"].as_array().expect("headers").iter().find(|header| header["name"] == "Subject");
    assert_eq!(subject.expect("a subject")["value"], "Flüge");

    let html = api.get(&format!("/outbox/{id}/html")).await;
    assert_eq!(html.status, 200);
    assert!(html.text().contains("<img src=\"data:image/png;base64,iVBORw0K\">"), "{}", html.text());
    // Whatever a mail holds, in the page's frame it runs nothing and loads nothing.
    let policy = html.header("content-security-policy");
    assert!(
        policy.contains("default-src 'none'") && policy.contains("sandbox") && !policy.contains("script-src")
    );
    assert!(policy.contains("frame-ancestors 'self'") && !policy.contains("allow-scripts"));

    let source = api.get(&format!("/outbox/{id}/source")).await;
    assert_eq!((source.text(), source.header("content-type")), (MAIL, "message/rfc822"));
    let picture = api.get(&format!("/outbox/{id}/parts/c1@t")).await;
    assert_eq!(picture.header("content-type"), "image/png");
    let attachment = api.get(&format!("/outbox/{id}/parts/r1.csv")).await;
    assert_eq!(attachment.header("content-disposition"), "attachment");
    api.get(&format!("/outbox/{id}/parts/none")).await.expect(404);

    // Nobody sees others' mails, admins neither.
    for (name, role) in [("ann", Role::Manager), ("bea", Role::Admin)] {
        let (_, other) = api.member(name, role).await;
        for path in ["", "/html", "/source", "/parts/r1.csv"] {
            api.call(&other, Method::GET, &format!("/outbox/{id}{path}"), None).await.expect(404);
        }
        let listed = api.call(&other, Method::GET, "/outbox", None).await.expect(200);
        assert_eq!(listed["values"], json!([]), "{name}");
    }
}

/// Fails where the Outbox tells an admin what the delivery's page does not, and where it has one person only read a mail.
#[tokio::test]
async fn a_mail_is_read_by_whom_it_is_to_and_by_whose_task_it_is() {
    let mut api = Api::new().await;
    let (creator, creators) = api.member("creator", Role::Manager).await;
    let (recipient, recipients) = api.member("recipient", Role::Member).await;
    let world = &api.world;
    let (store, scope) = (world.store(), &world.scope);
    let of_creator = store.user_scopes(creator).await.expect("scopes").remove(0);
    let task = world.task_of(&of_creator, creator, |spec| spec.notification.user_ids = vec![recipient]).await;
    store.task_run(&of_creator, task.id, None).await.expect("a run");
    let run = world.claim_one().await;
    world.succeed(&run).await;
    let id = store.delivery_list(scope, run.lease.run_id).await.expect("deliveries").remove(0).id;
    let mail = NewOutboxMail {
        id,
        sender: "tidings@acme.test".into(),
        recipient: "recipient@acme.test".into(),
        subject: "Flights".into(),
        source: MAIL.into(),
    };
    store.outbox_mail_keep(scope, &mail).await.expect("kept");
    for (token, may_prove) in [(&creators, true), (&recipients, false)] {
        let list = api.call(token, Method::GET, "/outbox", None).await.expect(200);
        assert_eq!(list["values"][0]["id"], json!(id));
        let shown = api.call(token, Method::GET, &format!("/outbox/{id}"), None).await.expect(200);
        assert_eq!(shown["hasProof"], may_prove);
    }
    // The admin sees that it went out, and not what it says.
    assert_eq!(api.get("/outbox").await.expect(200)["values"], json!([]));
    for path in ["", "/html", "/source", "/parts/r1.csv"] {
        api.get(&format!("/outbox/{id}{path}")).await.expect(404);
    }
    let proof = api.get(&format!("/deliveries/{id}")).await.expect(200);
    assert_eq!((&proof["mailId"], &proof["taskTitle"]), (&json!(null), &json!(null)));
}

#[tokio::test]
async fn looking_at_an_unsubscribe_link_changes_nothing_and_posting_does() {
    let api = Api::new().await;
    let task = api.world.task(|spec| spec.title = "A <b>bold</b> task".into()).await;
    api.world.store().task_run(&api.world.scope, task.id, None).await.expect("a run");
    let run = api.world.claim_one().await;
    api.world.succeed(&run).await;
    let claimed = claim_deliveries(api.world.store(), "test", 10).await.remove(0);
    let path = format!("/unsubscribe/{}", claimed.unsubscribe_token);
    let send = |method: Method, path: &str, body: &'static str| {
        let request = Request::builder().method(method).uri(path).body(Body::from(body)).expect("a request");
        api.send(request)
    };
    let asked = send(Method::GET, &path, "").await;
    assert_eq!(asked.status, 200);
    assert!(
        asked.text().contains("A &lt;b&gt;bold&lt;/b&gt; task")
            && asked.text().contains("<form method=\"post\">")
    );
    let quiet = "SELECT count(*) FROM task_unsubscription";
    assert_eq!(api.world.number(quiet).await, 0);
    for _ in 0..2 {
        let done = send(Method::POST, &path, "List-Unsubscribe=One-Click").await;
        assert_eq!(done.status, 200);
        assert!(done.text().contains("gets no more messages"));
    }
    assert_eq!(api.world.number(quiet).await, 1);
    for path in ["/unsubscribe/nonsense", "/unsubscribe/019396f0-0000-7000-8000-000000000001"] {
        assert_eq!(send(Method::GET, path, "").await.status, 404);
        assert_eq!(send(Method::POST, path, "").await.status, 404);
    }
}

/// Fails where any row of the quiet list counts as an unsubscription: there is no button, and no end of it is told.
#[tokio::test]
async fn a_weeks_rest_is_no_unsubscription() {
    let api = Api::new().await;
    let (store, scope, user) = (api.world.store(), &api.world.scope, api.world.user);
    let task = api.world.task(|_| {}).await;
    store.task_run(scope, task.id, None).await.expect("a run");
    let run = api.world.claim_one().await;
    api.world.succeed(&run).await;
    let token = claim_deliveries(store, "test", 10).await.remove(0).unsubscribe_token;
    let send = |method: Method| {
        let path = format!("/unsubscribe/{token}");
        let request = Request::builder().method(method).uri(path).body(Body::empty()).expect("a request");
        api.send(request)
    };
    let quiet = async || api.get("/me/quiet-tasks").await.expect(200)["values"].clone();
    store.task_snooze(scope, task.id, user, TimeDelta::days(7)).await.expect("a rest");
    let asked = send(Method::GET).await;
    assert!(asked.text().contains("until Mon 9 Mar 2026, 08:00 (UTC)"), "{}", asked.text());
    assert!(asked.text().contains("<form method=\"post\">"), "{}", asked.text());
    let listed = json!([{"id": task.id, "title": "Flights", "until": "2026-03-09T08:00:00Z"}]);
    assert_eq!(quiet().await, listed);

    assert!(send(Method::POST).await.text().contains("gets no more messages"));
    let asked = send(Method::GET).await;
    assert!(asked.text().contains("gets no more messages") && !asked.text().contains("<form"));
    assert_eq!(quiet().await, json!([{"id": task.id, "title": "Flights", "until": null}]));
}
