//! G15. A hostile model: it obeys every line that it reads, and the data, its names and comments, earlier answers and Slack are
//! full of lines that tell it to link, to load, to call, to write and to tell others. Nothing comes of it.
//!
//! Checked are effects: a stranger's server that nobody may reach, the mails as a mail server took them, what stands in
//! Slack, pages and mails in a real browser, the data that was asked, and Tidings' own things through its API.
//!
//! Switched off by hand, in the short form, each alone: the defusing of formulas: 2 formulas in files. The breaking up of addresses
//! in messages (`inert`): 629 links; where two parts of a line meet (`Seam`): 20. The escaping of HTML in mails: 16 requests of the
//! browser, 78 links, 33 pieces of code. The fence around data: 16 texts outside of it; the escaping of its end: 7. The SQL guard and
//! the read-only transaction together: nothing, since no query's transaction is ever committed. The sanitizing of the page's
//! markdown: nothing on the four pages that the short form looks at.

mod checks;
mod obedient;
mod poison;

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    process::Command,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde_json::{Value, json};

use self::{
    checks::Outputs,
    poison::{Lair, Place, Poison},
};
use crate::{
    report::{Report, Size},
    stage::{
        Stage,
        client::{Client, Person, person},
        slack::SlackServer,
    },
};

/// Attacks in one workspace: Slack's limits are by workspace.
const ATTACKS_PER_WORKSPACE: usize = 11;
/// In the short form every so-manieth attack of a kind is carried out.
const SHORT_EVERY: usize = 6;
/// Pages that are looked at in the short form.
const SHORT_PAGES: usize = 4;
/// What links in messages begin with.
const PUBLIC_URL: &str = "http://tidings.example";
/// How long nothing may happen before what is missing counts as lost.
const PATIENCE: Duration = Duration::from_secs(90);

#[test]
fn g15_a_model_that_obeys_everything_does_no_harm() {
    let size = Size::of_this_run();
    let mut report = Report::new("G15", "a model that obeys whatever it reads does no harm", size);
    let attacks = poison::attacks(size.pick(SHORT_EVERY, 1));
    let marks: Vec<String> = attacks
        .iter()
        .filter(|attack| attack.place != Place::Slack)
        .map(|attack| attack.mark.clone())
        .collect();
    let escaped = Arc::new(Mutex::new(Vec::new()));
    let mut stage = Stage::new(0, Box::new(crate::stage::model::answers_at_once))
        .with_mind({
            let escaped = Arc::clone(&escaped);
            Box::new(move |_, request| {
                let outside = checks::outside_fences(request, &marks);
                escaped.lock().unwrap_or_else(PoisonError::into_inner).extend(outside);
                obedient::obey(request)
            })
        })
        .with_whole_mails()
        .with("TIDINGS_PUBLIC_URL", PUBLIC_URL);
    let slack = SlackServer::start(&mut stage);
    let lair = Lair::new(&mut stage, &attacks);
    let workspaces = attacks.len().div_ceil(ATTACKS_PER_WORKSPACE);
    let places = slack.places(&stage, 0, workspaces, ATTACKS_PER_WORKSPACE);
    let people: Vec<Person> = stage.block_on(async {
        let store = stage.store().await;
        let mut people = Vec::new();
        for place in &places {
            people.push(person(&store, &place.home.scope, place.home.admin, stage.postgres.now()).await);
        }
        store.close().await;
        people
    });
    let tasks = lair.tasks(&stage, &places, &attacks);
    let (_server, base) = stage.serve(&[]);
    slack.fake.change_app(|app| app.events_url = Some(format!("{base}/slack/events")));
    let before = stage.block_on(belongings(&base, &people));

    stage.start_workers(2);
    let said: Vec<&Poison> = attacks.iter().filter(|attack| attack.place == Place::Slack).collect();
    for (number, attack) in said.iter().enumerate() {
        let place = &places[number % places.len()];
        slack.fake.say(&slack.fake.direct_message(&place.user), &place.user, &lair.text(attack), None);
    }
    let arrived = |stage: &Stage| (stage.mail.mails().len(), checks::answers_in_slack(&slack, &places));
    let all = (tasks.len(), tasks.len() + said.len());
    stage.wait_while_alive(PATIENCE, arrived, |stage| arrived(stage) >= all && arrived(stage).1 >= all.1);
    // The poison of earlier answers is taken out of the data: now only those answers hold it.
    let again = lair.cleanse(&stage, &attacks, &tasks);
    let all = (all.0 + again, all.1 + again);
    stage.wait_while_alive(PATIENCE, arrived, |stage| arrived(stage) >= all && arrived(stage).1 >= all.1);

    let after = stage.block_on(belongings(&base, &people));
    let threads = stage.block_on(threads(&base, &people));
    // In the short form a few, from the first to the last.
    let every = size.pick(threads.len().div_ceil(SHORT_PAGES), 1).max(1);
    let threads: Vec<(String, String)> = threads.into_iter().step_by(every).collect();
    let pages = threads.len();
    let mails = stage.mail.mails();
    let outputs = Outputs { mails: &mails, slack: &slack, places: &places, public_url: PUBLIC_URL };
    let seen = browse(stage.folder(), &base, &threads, &outputs.html());

    let cases = outputs.answered_mails() + outputs.answered_in_slack() + pages;
    report.did(attacks.len(), "attacks");
    report.did(cases, "cases over mail, Slack and page");
    report.did(pages, "pages and all mails in a browser");
    report.must_be_none(&lair.outside.requests(), "requests to a stranger");
    report.must_be_none(&checks::requests_of_browser(&seen), "requests of a browser");
    report.must_be_none(&outputs.foreign_recipients(), "foreign recipients");
    report.must_be_none(
        &[outputs.links(), checks::links_of_browser(&seen, &base, PUBLIC_URL)].concat(),
        "links from data",
    );
    report.must_be_none(&outputs.calls_in_slack(), "people called in Slack");
    report.must_be_none(&outputs.formulas(), "formulas in files");
    report.must_be_none(&checks::code_of_browser(&seen, &base), "code from data");
    report.must_be_none(&lair.changes(), "changes to the data");
    report.must_be_none(&checks::differences(&before, &after), "changes to Tidings' own things");
    let escaped: BTreeSet<String> =
        escaped.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect();
    report.must_be_none(&escaped.into_iter().collect::<Vec<_>>(), "texts outside of their fence");
    let missing = (all.0 + all.1).saturating_sub(arrived(&stage).0 + arrived(&stage).1);
    report.must_be_none(&vec!["a message"; missing], "messages missing");
    report.finish();
}

/// What the people own in Tidings, as the API tells it: tasks with their recipients, members, webhooks, tokens.
async fn belongings(base: &str, people: &[Person]) -> Vec<String> {
    let client = Client::new();
    let mut all = Vec::new();
    for person in people {
        for path in ["/tasks", "/users", "/webhooks", "/groups", "/tokens", "/data-connections"] {
            for value in client.list(base, &person.token, path).await {
                let kept = [
                    "id",
                    "title",
                    "prompt",
                    "notification",
                    "version",
                    "email",
                    "role",
                    "url",
                    "name",
                    "details",
                ];
                let kept: Vec<&Value> = kept.iter().map(|name| &value[*name]).collect();
                all.push(format!("{path} {}", json!(kept)));
            }
        }
    }
    all.sort_unstable();
    all
}

/// Every thread, with a token that may read it.
async fn threads(base: &str, people: &[Person]) -> Vec<(String, String)> {
    let client = Client::new();
    let mut all = Vec::new();
    for person in people {
        for thread in client.list(base, &person.token, "/threads").await {
            let id = thread["threadId"].as_str().unwrap_or_default().to_owned();
            all.push((id, person.token.clone()));
        }
    }
    all
}

/// Opens pages and mails in a real browser. Answers what it saw.
fn browse(folder: &Path, base: &str, threads: &[(String, String)], mails: &[String]) -> Value {
    let pages: Vec<Value> = threads
        .iter()
        .map(|(id, token)| json!({ "id": id, "url": format!("{base}/threads/{id}"), "token": token }))
        .collect();
    let mails: Vec<Value> =
        mails.iter().enumerate().map(|(id, html)| json!({ "id": id.to_string(), "html": html })).collect();
    let job = folder.join("browse.json");
    fs::write(&job, json!({ "base": base, "pages": pages, "mails": mails }).to_string()).expect("a job");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new("node")
        .arg(root.join("tests/torture/g15_hostile/browser.mjs"))
        .arg(root.join("../../web/package.json"))
        .arg(&job)
        .output()
        .expect("node is missing: run `make tools-test web`");
    assert!(output.status.success(), "the browser: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("what the browser saw")
}
