//! Webhooks as a receiver sees them: real requests on loopback, their signatures checked by the published library.

use std::sync::{Arc, Mutex};

use chrono::TimeDelta;
use domain::webhook::{WebhookEvent, WebhookState};
use hyper::{
    HeaderMap,
    header::{HeaderName, HeaderValue},
};
use net::GuardedClient;
use notifier::webhook::Webhooks;
use rand::{SeedableRng as _, rngs::StdRng};
use secrecy::ExposeSecret as _;
use standardwebhooks::Webhook as Verifier;
use store::{NewWebhook, Page, Time, WebhookMessage};
use testkit::World;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};

/// A request as it came.
#[derive(Clone, Debug)]
struct Received {
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Received {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no header {name}")).to_str().expect("text")
    }

    fn verifies(&self, secret: &str) -> bool {
        let verifier = Verifier::new(secret).expect("a secret of the library's form");
        verifier.verify(&self.body, &self.headers).is_ok()
    }
}

/// A receiver that answers what it is told to, one answer a request, and keeps what it got.
struct Receiver {
    url: String,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Receiver {
    /// Each answer is a status line's rest and headers: `200 OK`, `302 Found\r\nLocation: ...`. The last one is repeated.
    async fn start(answers: &[&str]) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a listener");
        let url = format!("http://{}/hook", listener.local_addr().expect("an address"));
        let received = Arc::new(Mutex::new(Vec::new()));
        let (kept, answers) =
            (Arc::clone(&received), answers.iter().map(ToString::to_string).collect::<Vec<_>>());
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.expect("a connection");
                let request = read(stream, |number| answers[number.min(answers.len() - 1)].clone(), &kept);
                request.await;
            }
        });
        Self { url, received }
    }

    fn received(&self) -> Vec<Received> {
        self.received.lock().expect("no panic").clone()
    }
}

async fn read(stream: TcpStream, answer: impl Fn(usize) -> String, kept: &Mutex<Vec<Received>>) {
    let mut stream = BufReader::new(stream);
    let mut headers = HeaderMap::new();
    let mut length = 0;
    let mut line = String::new();
    while stream.read_line(&mut line).await.expect("a line") > 2 {
        if let Some((name, value)) = line.trim().split_once(": ") {
            let name: HeaderName = name.parse().expect("a name");
            if name == "content-length" {
                length = value.parse().expect("a number");
            }
            headers.insert(name, HeaderValue::from_str(value).expect("a value"));
        }
        line.clear();
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.expect("a body");
    let number = {
        let mut kept = kept.lock().expect("no panic");
        kept.push(Received { headers, body });
        kept.len() - 1
    };
    let answer = format!("HTTP/1.1 {}\r\nContent-Length: 4\r\nConnection: close\r\n\r\nsaid", answer(number));
    stream.write_all(answer.as_bytes()).await.expect("written");
}

/// A world by the real clock, by which the library judges how old a signature is.
async fn world() -> World {
    World::with(|options| options.time = Time::Database).await
}

fn webhooks(world: &World, allowed: &str) -> Arc<Webhooks> {
    let allowed = allowed.split_whitespace().map(|address| address.parse().expect("an address")).collect();
    let client = GuardedClient::allowing(allowed);
    Arc::new(Webhooks::new(world.store().clone(), client, StdRng::seed_from_u64(7)))
}

/// A webhook of all events, and its secret.
async fn webhook(world: &World, url: &str) -> (domain::WebhookEndpointId, String) {
    let secret = store::webhook_secret(&mut StdRng::seed_from_u64(1));
    let events = vec![WebhookEvent::RunFinished, WebhookEvent::TaskPaused];
    let new = NewWebhook { url: url.into(), description: String::new(), events };
    let made =
        world.store().webhook_create(&world.scope, world.user, &new, &secret).await.expect("a webhook");
    (made.id, secret.expose_secret().to_owned())
}

async fn pause_a_task(world: &World) {
    let task = world.task(|_| ()).await;
    world.store().task_pause(&world.scope, task.id).await.expect("paused");
}

async fn messages(world: &World, id: domain::WebhookEndpointId) -> Vec<WebhookMessage> {
    world.store().webhook_message_list(&world.scope, id, &Page::first(50)).await.expect("messages").values
}

/// Lets the wait before the next attempt be over.
async fn wait_is_over(world: &World) {
    world.execute("UPDATE webhook_message SET available_at = now() WHERE state = 'pending'").await;
}

/// Must fail where the body is made anew, where the id is the attempt's, and where another text is signed.
#[tokio::test]
async fn the_published_library_verifies_every_attempt_under_one_id() {
    let world = world().await;
    let receiver = Receiver::start(&["500 Oh", "429 Slow\r\nRetry-After: 120", "204 No Content"]).await;
    let (id, secret) = webhook(&world, &receiver.url).await;
    let webhooks = webhooks(&world, "127.0.0.1");
    pause_a_task(&world).await;
    webhooks.run_once().await;
    wait_is_over(&world).await;
    webhooks.run_once().await;
    let asked = messages(&world, id).await[0].next_at.expect("to be tried again");
    let wait = asked - world.store().now().await.expect("a clock");
    assert!(
        wait > TimeDelta::seconds(100) && wait <= TimeDelta::seconds(120),
        "as the endpoint asked: {wait}"
    );
    assert_eq!(webhooks.run_once().await, 0, "not before");
    wait_is_over(&world).await;
    webhooks.run_once().await;
    let received = receiver.received();
    assert_eq!(received.len(), 3);
    let sent = messages(&world, id).await;
    assert_eq!((sent.len(), sent[0].state), (1, WebhookState::Sent));
    for request in &received {
        assert!(request.verifies(&secret));
        assert_eq!(request.header("webhook-id"), sent[0].id.to_string());
        assert_eq!(request.body, sent[0].payload.as_bytes());
        assert_eq!(request.header("content-type"), "application/json");
        let other = store::webhook_secret(&mut StdRng::seed_from_u64(2));
        assert!(!request.verifies(other.expose_secret()), "not with another secret");
        let mut forged = request.clone();
        forged.body[10] ^= 1;
        assert!(!forged.verifies(&secret), "nor another body");
    }
    let codes: Vec<_> = sent[0].attempts.iter().map(|attempt| attempt.status_code).collect();
    assert_eq!(codes, [Some(500), Some(429), Some(204)]);
    assert_eq!(sent[0].attempts[0].answer.as_deref(), Some("said"));
}

/// Must fail where only the newest secret signs.
#[tokio::test]
async fn both_secrets_verify_while_a_receiver_changes_over_and_only_the_new_one_after() {
    let world = world().await;
    let receiver = Receiver::start(&["200 OK"]).await;
    let (id, old) = webhook(&world, &receiver.url).await;
    let webhooks = webhooks(&world, "127.0.0.1");
    let new = store::webhook_secret(&mut StdRng::seed_from_u64(2));
    let overlap = TimeDelta::hours(1);
    world.store().webhook_rotate(&world.scope, id, &new, overlap).await.expect("rotated");
    pause_a_task(&world).await;
    webhooks.run_once().await;
    world.execute("UPDATE webhook_secret SET ends_at = now() WHERE ends_at IS NOT NULL").await;
    pause_a_task(&world).await;
    webhooks.run_once().await;
    let received = receiver.received();
    assert!(received[0].verifies(&old) && received[0].verifies(new.expose_secret()));
    assert!(!received[1].verifies(&old) && received[1].verifies(new.expose_secret()));
}

/// Must fail with a client that is not guarded, and with one that follows redirects.
#[tokio::test]
async fn no_private_address_is_reached_and_no_redirect_followed() {
    let world = world().await;
    let hidden = Receiver::start(&["200 OK"]).await;
    let by_name = hidden.url.replace("127.0.0.1", "localhost");
    let redirecting = Receiver::start(&[&format!("302 Found\r\nLocation: {}", hidden.url)]).await;
    let mut ids = Vec::new();
    for url in [hidden.url.as_str(), by_name.as_str()] {
        ids.push(webhook(&world, url).await.0);
    }
    pause_a_task(&world).await;
    webhooks(&world, "").run_once().await;
    for id in ids {
        let attempts = &messages(&world, id).await[0].attempts;
        assert_eq!((attempts.len(), attempts[0].status_code), (1, None));
        assert!(
            attempts[0]
                .answer
                .as_deref()
                .is_some_and(|why| why.contains("not allowed") || why.contains("public"))
        );
    }
    assert!(hidden.received().is_empty(), "nothing arrived");
    world.execute("DELETE FROM webhook_endpoint").await;
    let (id, _) = webhook(&world, &redirecting.url).await;
    pause_a_task(&world).await;
    webhooks(&world, "127.0.0.1").run_once().await;
    let sent = messages(&world, id).await;
    assert_eq!((sent[0].state, sent[0].attempts[0].status_code), (WebhookState::Pending, Some(302)));
    assert_eq!(redirecting.received().len(), 1);
    assert!(hidden.received().is_empty(), "the redirect was not followed");
}
