//! Events for webhooks: written with what they tell of, sent at least once, and an endpoint that fails for days is switched off.

use chrono::TimeDelta;
use domain::{
    UserId,
    access::Role,
    notice::NoticeKind,
    run::{RunReason, Usage},
    webhook::{OffReason, WebhookEvent, WebhookState},
};
use rand::{SeedableRng as _, rngs::StdRng};
use secrecy::ExposeSecret as _;
use serde_json::Value;
use store::{
    ClaimedWebhook, Conflict, DeliveryOutcome, Error, NewWebhook, Page, Scope, Webhook, WebhookAnswer,
    WebhookChange,
};
use testkit::{
    World,
    world::{self, claim_deliveries},
};

const ALL: [WebhookEvent; 7] = [
    WebhookEvent::RunFinished,
    WebhookEvent::RunFailed,
    WebhookEvent::RunSkipped,
    WebhookEvent::RunMissed,
    WebhookEvent::DeliveryFailed,
    WebhookEvent::TaskPaused,
    WebhookEvent::TaskExpired,
];

async fn webhook(world: &World, events: &[WebhookEvent]) -> Webhook {
    let new = NewWebhook {
        url: "https://hooks.example.com/secret-path".into(),
        description: String::new(),
        events: events.to_vec(),
    };
    let secret = store::webhook_secret(&mut StdRng::seed_from_u64(1));
    world.store().webhook_create(&world.scope, world.user, &new, &secret).await.expect("a webhook")
}

async fn claim(world: &World) -> Vec<ClaimedWebhook> {
    world.store().webhook_claim(100).await.expect("a claim")
}

async fn answer(world: &World, claimed: &ClaimedWebhook, status_code: Option<u16>) -> WebhookState {
    let answer = WebhookAnswer { status_code, text: "said".into(), wait: TimeDelta::hours(1) };
    world.store().webhook_finish(&claimed.scope, &claimed.lease, &answer).await.expect("noted")
}

fn body(claimed: &ClaimedWebhook) -> Value {
    serde_json::from_str(&claimed.payload).expect("JSON")
}

/// Fails where `run_end` does not ask for webhooks, and where `finish` of a delivery does not.
#[tokio::test]
async fn each_event_is_written_with_what_it_tells_of_and_names_things_by_id_alone() {
    let world = World::new().await;
    let store = world.store();
    webhook(&world, &ALL).await;
    let task = world.task(|_| ()).await;
    store.task_run(&world.scope, task.id, None).await.expect("a run");
    let run = world.claim_one().await;
    assert!(claim(&world).await.is_empty());
    world.succeed(&run).await;
    let finished = claim(&world).await.remove(0);
    let told = body(&finished);
    assert_eq!(told["type"], "run.finished");
    assert_eq!(told["data"]["runId"], run.lease.run_id.to_string());
    assert_eq!((&told["data"]["status"], &told["data"]["trigger"]), (&"succeeded".into(), &"manual".into()));
    let delivery = claim_deliveries(store, "test", 1).await.remove(0);
    let failed = DeliveryOutcome::Failed { reason: "refused".into(), message: "554 erin@acme.test".into() };
    store.delivery_finish(&delivery.scope, &delivery.lease, &failed).await.expect("an end");
    let told = body(&claim(&world).await.remove(0));
    assert_eq!((&told["type"], &told["data"]["reason"]), (&"delivery.failed".into(), &"refused".into()));
    store.task_run(&world.scope, task.id, None).await.expect("a run");
    let run = world.claim_one().await;
    let why = RunReason::LimitReached;
    store.run_fail(&run.scope, &run.lease, why, "too much", &Usage::default()).await.expect("an end");
    let told = body(&claim(&world).await.remove(0));
    assert_eq!((&told["type"], &told["data"]["reason"]), (&"run.failed".into(), &"limit_reached".into()));
    store.task_pause(&world.scope, task.id).await.expect("paused");
    assert_eq!(body(&claim(&world).await.remove(0))["type"], "task.paused");
    world.set("2027-01-01T00:00:00Z");
    store.task_expire(10).await.expect("expired");
    assert_eq!(body(&claim(&world).await.remove(0))["type"], "task.expired");
    let payloads = "SELECT count(*) FROM webhook_message
        WHERE payload LIKE '%Flights%' OR payload LIKE '%United%' OR payload LIKE '%@%' OR payload LIKE '%airlines%'";
    assert_eq!(world.number(payloads).await, 0, "no title, figure, address or prompt");
}

/// Fails without either call of `runs_ended` where occurrences become runs (`due_runs`, `due::supersede`), and where it knows no
/// event for such ends.
#[tokio::test]
async fn runs_that_never_start_are_told_of_with_their_reasons() {
    let world = World::new().await;
    let store = world.store();
    webhook(&world, &ALL).await;
    let task = world.task(|_| ()).await;
    let told = async || {
        let mut told = Vec::new();
        for claimed in claim(&world).await {
            let body = body(&claimed);
            let data = &body["data"];
            let start = if data["startedAt"].is_null() { "" } else { " started" };
            let (occurrence, reason) = (data["occurrence"].as_str(), data["reason"].as_str());
            let (day, reason) = (occurrence.unwrap_or("no day"), reason.unwrap_or("no reason"));
            told.push(format!("{} {day} {reason}{start}", body["type"].as_str().unwrap_or_default()));
            answer(&world, &claimed, Some(200)).await;
        }
        told.sort();
        told
    };
    // Nobody was there on the first two days; the third one is queued and never claimed.
    world.set("2026-03-04T09:30:00Z");
    store.due_claim(10, None).await.expect("a claim");
    assert_eq!(told().await, ["run.missed 2026-03-02 downtime", "run.missed 2026-03-03 downtime"]);
    // It may still run late when the next one is due.
    world.execute("UPDATE workspace SET grace_seconds = 90000").await;
    world.set("2026-03-05T09:30:00Z");
    store.due_claim(10, None).await.expect("a claim");
    assert_eq!(told().await, ["run.missed 2026-03-04 superseded"]);
    // A run that goes on for more than a day has the next one skipped.
    let running = world.claim_one().await;
    world.set("2026-03-06T09:30:00Z");
    store.run_heartbeat(&[running.lease]).await.expect("a heartbeat");
    store.due_claim(10, None).await.expect("a claim");
    assert_eq!(told().await, ["run.skipped 2026-03-06 still_running"]);
    world.succeed(&running).await;
    assert_eq!(told().await, ["run.finished 2026-03-05 no reason started"]);
    world.set("2026-03-07T09:30:00Z");
    store.due_claim(10, None).await.expect("a claim");
    let unfresh = world.claim_one().await;
    store.run_skip_stale(&unfresh.scope, &unfresh.lease, "too old").await.expect("skipped");
    assert_eq!(told().await, ["run.skipped 2026-03-07 stale_data"]);
    world.set("2026-03-08T09:30:00Z");
    store.due_claim(10, None).await.expect("a claim");
    store.task_pause(&world.scope, task.id).await.expect("paused");
    assert_eq!(told().await, ["run.skipped 2026-03-08 paused", "task.paused no day no reason"]);
}

/// Fails where `finish` tells of `Failed` alone: an address that does not exist ends a message as suppressed.
#[tokio::test]
async fn a_message_to_an_address_that_does_not_exist_is_told_of_as_given_up() {
    let world = World::new().await;
    let store = world.store();
    webhook(&world, &[WebhookEvent::DeliveryFailed]).await;
    let task = world.task(|_| ()).await;
    store.task_run(&world.scope, task.id, None).await.expect("a run");
    world.succeed(&world.claim_one().await).await;
    let delivery = claim_deliveries(store, "test", 1).await.remove(0);
    let dead = DeliveryOutcome::Suppressed { reason: "address_dead".into() };
    store.delivery_finish(&delivery.scope, &delivery.lease, &dead).await.expect("an end");
    let told = body(&claim(&world).await.remove(0));
    assert_eq!((&told["type"], &told["data"]["reason"]), (&"delivery.failed".into(), &"address_dead".into()));
}

#[tokio::test]
async fn an_endpoint_is_told_only_what_it_asked_for_and_nothing_while_it_is_off() {
    let world = World::new().await;
    let store = world.store();
    let made = webhook(&world, &[WebhookEvent::TaskPaused]).await;
    let task = world.task(|_| ()).await;
    store.task_run(&world.scope, task.id, None).await.expect("a run");
    world.succeed(&world.claim_one().await).await;
    assert!(claim(&world).await.is_empty());
    let pause = async || {
        store.task_pause(&world.scope, task.id).await.expect("paused");
        store.task_resume(&world.scope, task.id).await.expect("resumed");
    };
    pause().await;
    let off = WebhookChange { is_on: Some(false), ..WebhookChange::default() };
    let changed = store.webhook_update(&world.scope, made.id, &off).await.expect("off");
    assert_eq!(changed.off_reason, Some(OffReason::ByAdmin));
    assert!(claim(&world).await.is_empty(), "what waited is given up");
    pause().await;
    let tested = store.webhook_test(&world.scope, made.id, world.user).await;
    assert!(matches!(tested, Err(Error::Conflict(Conflict::WebhookOff))));
    let on = WebhookChange { is_on: Some(true), ..WebhookChange::default() };
    store.webhook_update(&world.scope, made.id, &on).await.expect("on");
    assert!(claim(&world).await.is_empty());
    pause().await;
    assert_eq!(claim(&world).await.len(), 1);
}

/// Fails where a claim makes a new id, or where a rescue does not hand the event back.
#[tokio::test]
async fn an_event_is_tried_under_one_id_until_a_day_is_over() {
    let world = World::new().await;
    let store = world.store();
    let made = webhook(&world, &ALL).await;
    let task = world.task(|_| ()).await;
    store.task_pause(&world.scope, task.id).await.expect("paused");
    let first = claim(&world).await.remove(0);
    assert!(claim(&world).await.is_empty(), "held");
    // Its sender vanishes.
    world.step(TimeDelta::seconds(60));
    assert_eq!(store.webhook_rescue(10).await.expect("a rescue"), 1);
    let again = claim(&world).await.remove(0);
    assert_eq!((again.lease.message_id, &again.payload), (first.lease.message_id, &first.payload));
    let late = WebhookAnswer { status_code: Some(200), text: String::new(), wait: TimeDelta::zero() };
    let late = store.webhook_finish(&first.scope, &first.lease, &late).await;
    assert!(matches!(late, Err(Error::LeaseLost)), "a sleeper writes nothing");
    assert_eq!(answer(&world, &again, Some(500)).await, WebhookState::Pending);
    let busy = store.webhook_resend(&world.scope, made.id, first.lease.message_id).await;
    assert!(matches!(busy, Err(Error::Conflict(Conflict::WebhookBusy))));
    world.step(TimeDelta::minutes(59));
    assert!(claim(&world).await.is_empty());
    let mut state = WebhookState::Pending;
    let mut attempts = 2;
    while state == WebhookState::Pending {
        world.step(TimeDelta::hours(1));
        let claimed = claim(&world).await.remove(0);
        attempts += 1;
        assert_eq!((claimed.lease.message_id, claimed.attempt), (first.lease.message_id, attempts));
        state = answer(&world, &claimed, None).await;
    }
    assert_eq!(state, WebhookState::Failed);
    assert_eq!(
        attempts, 24,
        "the one whose sender vanished, one at once, and one an hour from the second hour on"
    );
    // Sent again by hand, it is the same event.
    store.webhook_resend(&world.scope, made.id, first.lease.message_id).await.expect("again");
    let resent = claim(&world).await.remove(0);
    assert_eq!(resent.lease.message_id, first.lease.message_id);
    assert_eq!(answer(&world, &resent, Some(204)).await, WebhookState::Sent);
    let listed = store.webhook_message_list(&world.scope, made.id, &Page::first(9)).await.expect("messages");
    assert_eq!(listed.values.len(), 1);
    let attempts = &listed.values[0].attempts;
    assert_eq!(attempts.len(), 25);
    assert_eq!((attempts[0].finished_at, attempts[1].status_code), (None, Some(500)));
    assert_eq!(attempts[24].status_code, Some(204));
    world.step(TimeDelta::days(31));
    assert_eq!(store.webhook_forget(10).await.expect("forgotten"), 1);
    assert_eq!(world.number("SELECT count(*) FROM webhook_attempt").await, 0);
}

/// Must fail where `note_failure` compares with six days, and where a success does not end the streak.
#[tokio::test]
async fn an_endpoint_that_fails_for_five_days_is_switched_off_and_admins_are_told() {
    let world = World::new().await;
    let store = world.store();
    let editor = world.member("ann", Role::Editor).await;
    let made = webhook(&world, &ALL).await;
    let task = world.task(|spec| spec.expires_at = None).await;
    let tell = async |status: Option<u16>| {
        store.task_pause(&world.scope, task.id).await.expect("paused");
        store.task_resume(&world.scope, task.id).await.expect("resumed");
        let claimed = claim(&world).await;
        let mut last = None;
        for claimed in claimed {
            last = Some(answer(&world, &claimed, status).await);
        }
        last
    };
    let read = async || store.webhook_get(&world.scope, made.id).await.expect("a read").expect("the webhook");
    tell(Some(500)).await;
    world.step(TimeDelta::days(4));
    tell(Some(302)).await;
    assert!(read().await.failing_since.is_some());
    tell(Some(200)).await;
    assert_eq!(read().await.failing_since, None, "a good answer ends the streak");
    world.step(TimeDelta::days(2));
    tell(None).await;
    world.step(TimeDelta::days(5) - TimeDelta::seconds(1));
    tell(None).await;
    assert_eq!(read().await.off_reason, None);
    world.step(TimeDelta::seconds(1));
    store.webhook_test(&world.scope, made.id, world.user).await.expect("a test");
    assert_eq!(tell(None).await, Some(WebhookState::Failed));
    assert_eq!(read().await.off_reason, Some(OffReason::Failing));
    assert!(claim(&world).await.is_empty());
    let told = store.notice_list(&world.scope, world.user, &Page::first(9)).await.expect("notices").values;
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].kind, NoticeKind::WebhookOff);
    assert!(told[0].headline.contains("hooks.example.com") && !told[0].headline.contains("secret-path"));
    let others = store.notice_list(&world.scope, editor, &Page::first(9)).await.expect("notices").values;
    assert_eq!(others, []);
}

#[tokio::test]
async fn an_endpoint_that_says_it_is_gone_is_switched_off_at_once_and_a_test_is_tried_once() {
    let world = World::new().await;
    let store = world.store();
    let made = webhook(&world, &ALL).await;
    store.webhook_test(&world.scope, made.id, world.user).await.expect("a test");
    let test = claim(&world).await.remove(0);
    assert_eq!(body(&test)["type"], "test");
    assert_eq!(answer(&world, &test, Some(410)).await, WebhookState::Failed);
    let read = store.webhook_get(&world.scope, made.id).await.expect("a read").expect("the webhook");
    assert_eq!((read.off_reason, read.failing_since), (None, None), "a test counts for nothing");
    let task = world.task(|_| ()).await;
    store.task_pause(&world.scope, task.id).await.expect("paused");
    let event = claim(&world).await.remove(0);
    assert_eq!(answer(&world, &event, Some(410)).await, WebhookState::Failed);
    let read = store.webhook_get(&world.scope, made.id).await.expect("a read").expect("the webhook");
    assert_eq!(read.off_reason, Some(OffReason::Gone));
}

/// Must fail where the old secret's end is not looked at.
#[tokio::test]
async fn an_old_secret_is_used_beside_the_new_one_until_its_end_and_both_are_sealed() {
    let world = World::new().await;
    let store = world.store();
    let made = webhook(&world, &ALL).await;
    let secrets = async || {
        let secrets = store.webhook_secrets(&world.scope, made.id).await.expect("secrets");
        secrets.iter().map(|secret| secret.expose_secret().to_owned()).collect::<Vec<_>>()
    };
    let first = secrets().await;
    assert_eq!(first.len(), 1);
    let new = store::webhook_secret(&mut StdRng::seed_from_u64(2));
    world.step(TimeDelta::seconds(1));
    let overlap = TimeDelta::hours(24);
    let rotated = store.webhook_rotate(&world.scope, made.id, &new, overlap).await.expect("rotated");
    assert!(rotated.old_secret_ends_at.is_some());
    assert_eq!(secrets().await, [new.expose_secret().to_owned(), first[0].clone()], "the newest first");
    let kept = format!(
        "SELECT count(*) FROM webhook_secret WHERE position('{}'::bytea IN secret) > 0",
        new.expose_secret()
    );
    assert_eq!(world.number(&kept).await, 0, "sealed");
    world.step(overlap);
    assert_eq!(secrets().await, [new.expose_secret().to_owned()]);
    store.webhook_delete(&world.scope, made.id).await.expect("deleted");
    assert_eq!(world.number("SELECT count(*) FROM webhook_secret").await, 0);
}

/// Must fail without the limit on each endpoint in the claim.
#[tokio::test]
async fn a_slow_endpoint_does_not_hold_up_another() {
    let world = World::new().await;
    let store = world.store();
    let slow = webhook(&world, &ALL).await;
    let other = webhook(&world, &[WebhookEvent::TaskPaused]).await;
    for _ in 0..20 {
        store.webhook_test(&world.scope, slow.id, world.user).await.expect("a test");
    }
    let task = world.task(|_| ()).await;
    store.task_pause(&world.scope, task.id).await.expect("paused");
    let claimed = claim(&world).await;
    assert_eq!(claimed.iter().filter(|event| event.endpoint_id == slow.id).count(), 4);
    assert_eq!(claimed.iter().filter(|event| event.endpoint_id == other.id).count(), 1);
    assert!(claim(&world).await.is_empty());
}

/// Fails without `PER_WORKSPACE` in the claim (all of the first workspace's webhooks would be claimed), and where `place` leaves
/// out what is under way (the first one's last two would come before the other's).
#[tokio::test]
async fn a_workspace_with_many_slow_endpoints_does_not_hold_up_anothers() {
    let world = World::new().await;
    let store = world.store();
    let secret = store::webhook_secret(&mut StdRng::seed_from_u64(1));
    let test = async |scope: &Scope, user: UserId| {
        let new = NewWebhook {
            url: "https://hooks.example.com/slow".into(),
            description: String::new(),
            events: ALL.to_vec(),
        };
        let made = store.webhook_create(scope, user, &new, &secret).await.expect("a webhook");
        for _ in 0..4 {
            store.webhook_test(scope, made.id, user).await.expect("a test");
        }
    };
    let claim = async |limit: u32| {
        let claimed = store.webhook_claim(limit).await.expect("a claim");
        let own = claimed.iter().filter(|event| event.scope.workspace_id() == world.scope.workspace_id());
        let own = own.count();
        (own, claimed.len() - own)
    };
    for _ in 0..8 {
        test(&world.scope, world.user).await;
    }
    assert_eq!(claim(6).await, (6, 0));
    world.step(TimeDelta::seconds(1));
    let (other, user) = world::workspace(store, "beta").await;
    for _ in 0..2 {
        test(&other, user).await;
    }
    assert_eq!(claim(6).await, (0, 6), "whoever has fewer under way comes first");
    assert_eq!(claim(100).await, (2, 2), "up to eight of each");
    assert_eq!(claim(100).await, (0, 0));
}

/// A newer version started it, before it was rolled back. Both end in one transaction.
#[tokio::test]
async fn a_run_that_cannot_be_read_is_told_to_nobody_and_keeps_no_other_from_its_end() {
    let world = World::new().await;
    webhook(&world, &ALL).await;
    let (spoiled, good) = (world.task(|_| ()).await.id, world.task(|_| ()).await.id);
    world.set("2026-03-02T09:00:00Z");
    world.store().due_claim(10, None).await.expect("occurrences");
    for run in world.claim().await {
        let (reason, usage) = (RunReason::ConnectionFailed, Usage::default());
        world.store().run_fail(&run.scope, &run.lease, reason, "it failed", &usage).await.expect("a failure");
    }
    let spoil = format!(
        "ALTER TABLE run DROP CONSTRAINT run_trigger_word;
         UPDATE run SET trigger = 'hourly' WHERE task_id = '{spoiled}'"
    );
    world.execute(&spoil).await;
    world.set("2026-03-02T11:00:00Z");
    assert_eq!(world.store().run_overdue(10).await.expect("ends"), 2);
    let told: Vec<_> =
        claim(&world).await.iter().map(|event| body(event)["data"]["taskId"].clone()).collect();
    assert_eq!(told, [Value::from(good.to_string())]);
}
