//! A thread, live: what happens is told as it happens, and a client that comes back has missed nothing.

use std::{net::SocketAddr, time::Duration};

use domain::step::StepBody;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

use crate::{
    harness::{Api, text},
    threads::work,
};

/// One event of a stream.
#[derive(Debug, PartialEq)]
struct Event {
    name: String,
    id: Option<u64>,
    data: Value,
}

/// A client's end of a stream.
struct Client {
    lines: tokio::io::Lines<BufReader<TcpStream>>,
}

impl Client {
    async fn open(address: SocketAddr, token: &str, thread: &str, last_event_id: Option<u64>) -> Self {
        let mut stream = TcpStream::connect(address).await.expect("a connection");
        let resume = last_event_id.map(|id| format!("Last-Event-ID: {id}\r\n")).unwrap_or_default();
        let request = format!(
            "GET /api/v1/threads/{thread}/events HTTP/1.1\r\nHost: tidings.test\r\nAuthorization: Bearer {token}\r\n\
             Accept: text/event-stream\r\nAccept-Encoding: gzip\r\n{resume}\r\n"
        );
        stream.write_all(request.as_bytes()).await.expect("a request");
        Self { lines: BufReader::new(stream).lines() }
    }

    /// The next event; `None` at the stream's end.
    async fn next(&mut self) -> Option<Event> {
        let next = async {
            let (mut name, mut id, mut data) = (String::new(), None, None);
            while let Some(line) = self.lines.next_line().await.expect("a line") {
                match line.split_once(": ").or_else(|| line.split_once(':')) {
                    Some(("event", value)) => value.clone_into(&mut name),
                    Some(("id", value)) => id = value.parse().ok(),
                    Some(("data", value)) => data = serde_json::from_str(value).ok(),
                    // The blank line after its data ends an event.
                    _ if line.is_empty() && data.is_some() => {
                        return Some(Event { name, id, data: data.unwrap_or_default() });
                    }
                    _ => {}
                }
            }
            None
        };
        tokio::time::timeout(Duration::from_secs(20), next).await.expect("an event in time")
    }

    async fn until(&mut self, name: &str) -> Vec<Event> {
        let mut events = Vec::new();
        loop {
            let event = self.next().await.expect("more events");
            let is_last = event.name == name;
            events.push(event);
            if is_last {
                return events;
            }
        }
    }
}

async fn serve(api: &Api) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let router = api.router.clone();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

#[tokio::test]
async fn what_happens_is_told_and_a_client_that_comes_back_missed_nothing() {
    let api = Api::new().await;
    let address = serve(&api).await;
    let asked = api.post("/threads", json!({"prompt": "How many flights?"})).await.expect(200);
    let thread = text(&asked["threadId"]);
    let mut client = Client::open(address, &api.token, &thread, None).await;
    let first = client.next().await.expect("a status");
    assert_eq!((first.name.as_str(), &first.data["turnStatus"]), ("status", &json!("queued")));
    let run = api.world.claim_one().await;
    let store = api.world.store();
    let step = |text: &str| StepBody::Notice { text: text.into() };
    store.step_append(&run.scope, &run.lease, run.thread_id, 1, &step("One"), 1).await.expect("a step");
    let told = client.until("step").await;
    let one = told.last().expect("a step");
    assert_eq!((one.id, &one.data["body"]["text"]), (Some(1), &json!("One")));
    store.thread_delta_tell(run.thread_id, 1, "Unit").await.expect("told");
    let delta = client.until("delta").await.pop().expect("a delta");
    assert_eq!((delta.id, delta.data), (None, json!({"turnNo": 1, "text": "Unit"})));

    // While it is away: a step, and the end with its own step.
    drop(client);
    store.step_append(&run.scope, &run.lease, run.thread_id, 1, &step("Two"), 1).await.expect("a step");
    work(&api.world, &run).await;
    let mut client = Client::open(address, &api.token, &thread, Some(1)).await;
    let told = client.until("answer").await;
    let ids: Vec<_> = told.iter().filter_map(|event| event.id).collect();
    assert_eq!(ids, [2, 3, 4], "each once and in order");
    let names: Vec<_> = told.iter().map(|event| event.name.as_str()).collect();
    assert_eq!(names, ["step", "step", "status", "answer"]);
    assert_eq!((&told[2].data["turnStatus"], &told[2].data["status"]), (&json!("answered"), &json!("IDLE")));
    assert_eq!(told[3].data["answer"]["figures"][0]["text"], "58,665");

    // From the start, the same; and a further turn goes on in the same stream.
    let mut fresh = Client::open(address, &api.token, &thread, None).await;
    assert_eq!(
        fresh.until("answer").await.iter().filter_map(|event| event.id).collect::<Vec<_>>(),
        [1, 2, 3, 4]
    );
    api.post(&format!("/threads/{thread}/followup"), json!({"prompt": "And?"})).await.expect(200);
    let next = fresh.until("status").await.pop().expect("a status");
    assert_eq!((&next.data["turnNo"], &next.data["turnStatus"]), (&json!(2), &json!("queued")));
    api.post(&format!("/threads/{thread}/cancel"), json!({})).await.expect(200);
    let ended = fresh.until("status").await.pop().expect("a status");
    assert_eq!((ended.id, &ended.data["turnStatus"]), (Some(5), &json!("cancelled")));
    assert_eq!(ended.data["reason"], "cancelled_by_user");
}

#[tokio::test]
async fn a_thousand_steps_arrive_in_order_over_many_reconnects() {
    let api = Api::new().await;
    let address = serve(&api).await;
    let asked = api.post("/threads", json!({"prompt": "How many flights?"})).await.expect(200);
    let thread = text(&asked["threadId"]);
    let run = api.world.claim_one().await;
    let writer = {
        let store = api.world.store().clone();
        let run = run.clone();
        tokio::spawn(async move {
            for number in 0..300 {
                let step = StepBody::Notice { text: number.to_string() };
                store.step_append(&run.scope, &run.lease, run.thread_id, 1, &step, 1).await.expect("a step");
            }
        })
    };
    let mut seen = Vec::new();
    while seen.len() < 300 {
        let mut client = Client::open(address, &api.token, &thread, seen.last().copied()).await;
        // Cut after a while, wherever that is.
        for _ in 0..37 {
            if seen.len() == 300 {
                break;
            }
            let event = client.next().await.expect("more events");
            seen.extend(event.id);
        }
    }
    writer.await.expect("the writer ends");
    assert_eq!(seen, (1..=300).collect::<Vec<u64>>());
}
