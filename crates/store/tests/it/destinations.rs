//! By what way each recipient is told, which places are paused, and who hears of it.

use chrono::TimeDelta;
use domain::{
    access::Role,
    delivery::{Channel, DeliveryKind, DeliveryState},
    notice::NoticeKind,
    task::SlackChannel,
};
use store::{
    ClaimedDelivery, ClaimedRun, Conflict, DeliveryOutcome, DestinationsOf, Error, NotificationPreference,
    Page, PageNotice,
};
use testkit::{World, world::claim_deliveries};

/// Runs a task to its answer a second later, and claims the messages.
pub(crate) async fn answered(world: &World, task: domain::TaskId) -> (ClaimedRun, Vec<ClaimedDelivery>) {
    world.step(TimeDelta::seconds(1));
    world.store().task_run(&world.scope, task, None).await.expect("a run");
    let run = world.claim_one().await;
    world.succeed(&run).await;
    (run, claim_deliveries(world.store(), "test", 100).await)
}

pub(crate) async fn end(world: &World, delivery: &ClaimedDelivery, outcome: &DeliveryOutcome) {
    world.store().delivery_attempt_start(&delivery.scope, &delivery.lease).await.expect("an attempt");
    world.store().delivery_finish(&delivery.scope, &delivery.lease, outcome).await.expect("an end");
}

pub(crate) fn failed(reason: &str) -> DeliveryOutcome {
    DeliveryOutcome::Failed { reason: reason.into(), message: "550 no".into() }
}

fn sent() -> DeliveryOutcome {
    DeliveryOutcome::Sent { provider_id: "1".into() }
}

pub(crate) async fn notices(world: &World, user: domain::UserId) -> Vec<PageNotice> {
    let mut notices =
        world.store().notice_list(&world.scope, user, &Page::first(50)).await.expect("notices").values;
    notices.reverse();
    notices
}

pub(crate) async fn kinds(world: &World) -> Vec<NoticeKind> {
    notices(world, world.user).await.iter().map(|notice| notice.kind).collect()
}

/// Slack is connected, and these members are linked.
pub(crate) async fn connect_slack(world: &World, linked: &[domain::UserId]) {
    let workspace = world.scope.workspace_id();
    world
        .execute(&format!(
            "INSERT INTO slack_installation (workspace_id, id, team_id, team_name, app_id, bot_user_id, scopes, secret,
                 secret_key_id, state, installed_by, channels_due_at, created_at, updated_at)
             VALUES ('{workspace}', gen_random_uuid(), 'T1', 'Acme', 'A1', 'U0', '{{}}', 's', 'k', 'active', '{}', now(), now(),
                 now())",
            world.user
        ))
        .await;
    for user in linked {
        world
            .execute(&format!(
                "INSERT INTO slack_user (workspace_id, team_id, user_id, slack_user_id, linked_by, linked_at)
                 VALUES ('{workspace}', 'T1', '{user}', 'U{user}', 'sign_in', now())"
            ))
            .await;
    }
}

pub(crate) fn slack_channel(id: &str) -> SlackChannel {
    SlackChannel { id: id.into(), name: format!("#{}", id.to_lowercase()) }
}

/// Fails where `slack_obstacle` finds none: messages to people whom Slack does not reach.
#[tokio::test]
async fn each_is_told_by_the_way_that_they_prefer_and_by_mail_where_slack_does_not_reach_them() {
    let world = World::new().await;
    let store = world.store();
    let mut members = Vec::new();
    for name in ["dm", "both", "unlinked", "unlinked_both", "mail"] {
        members.push(world.member(name, Role::Member).await);
    }
    let [dm, both, unlinked, unlinked_both, _mail] = members[..] else { panic!("five members") };
    let wish = |email, slack_dm| NotificationPreference { email, slack_dm, quiet_task_ids: vec![] };
    for (user, email) in [(dm, false), (both, true), (unlinked, false), (unlinked_both, true)] {
        store.preference_put(&world.scope, user, &wish(email, true)).await.expect("a wish");
    }
    // Named twice: by name and by a group.
    let group = store.group_create(&world.scope, "All", &members).await.expect("a group");
    let task = world
        .task(|spec| {
            spec.notification.user_ids = vec![dm, both];
            spec.notification.group_ids = vec![group];
            spec.notification.slack_channels =
                vec![slack_channel("C1"), slack_channel("C1"), slack_channel("C2")];
        })
        .await;
    let told = async |run: &ClaimedRun| {
        let listed = store.delivery_list(&world.scope, run.lease.run_id).await.expect("deliveries");
        let mut told: Vec<_> = listed
            .iter()
            .map(|delivery| {
                let name = delivery.label.split(' ').next().unwrap_or_default();
                let why = delivery.fallback.as_deref().unwrap_or("-");
                format!("{name} {} {} {why}", delivery.channel.as_str(), delivery.state.as_str())
            })
            .collect();
        told.sort();
        told
    };
    let (run, _) = answered(&world, task.id).await;
    assert_eq!(
        told(&run).await,
        [
            "#c1 slack_channel pending -",
            "#c2 slack_channel pending -",
            "both email pending slack_not_connected",
            "dm email pending slack_not_connected",
            "mail email pending -",
            "unlinked email pending slack_not_connected",
            "unlinked_both email pending slack_not_connected",
        ]
    );
    connect_slack(&world, &[dm, both]).await;
    let (run, _) = answered(&world, task.id).await;
    assert_eq!(
        told(&run).await,
        [
            "#c1 slack_channel pending -",
            "#c2 slack_channel pending -",
            "both email pending -",
            "both slack_dm pending -",
            "dm slack_dm pending -",
            "mail email pending -",
            "unlinked email pending slack_not_linked",
            "unlinked_both email pending slack_not_linked",
        ]
    );
    // What the editor shows beforehand is the same.
    let people = store.audience_people(&world.scope, None).await.expect("people");
    let shown: Vec<_> = people
        .iter()
        .filter(|person| members.contains(&person.id))
        .flat_map(|person| {
            let ways = person.contact.ways();
            let why = ways.fallback.map_or("-", domain::delivery::SlackObstacle::as_str);
            let line = |channel: Channel| format!("{} {} pending {why}", person.name, channel.as_str());
            ways.channels.into_iter().map(line).collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(shown, told(&run).await[2..]);
}

/// Fails where a test goes by email alone, or by nothing to who wants neither; and where the others are told.
#[tokio::test]
async fn a_test_goes_to_its_asker_alone_by_the_ways_that_they_prefer() {
    let world = World::new().await;
    let store = world.store();
    let (asker, erin) = (world.user, world.member("erin", Role::Member).await);
    let task = world
        .task(|spec| {
            spec.notification.user_ids = vec![asker, erin];
            spec.notification.slack_channels = vec![slack_channel("C1")];
            spec.notification.attach_csv = true;
        })
        .await;
    let told = async |email, slack_dm| {
        let wish = NotificationPreference { email, slack_dm, quiet_task_ids: vec![task.id] };
        store.preference_put(&world.scope, asker, &wish).await.expect("a wish");
        world.step(TimeDelta::seconds(1));
        store.task_run(&world.scope, task.id, Some(asker)).await.expect("a test");
        let run = world.claim_one().await;
        world.succeed(&run).await;
        let claimed = claim_deliveries(store, "test", 100).await;
        assert!(claimed.iter().all(|one| one.user.as_ref().is_some_and(|user| user.id == asker)));
        assert!(claimed.iter().all(|one| one.attach_csv), "with what its messages bring along");
        let listed = store.delivery_list(&world.scope, run.lease.run_id).await.expect("deliveries");
        let mut told: Vec<_> = listed
            .iter()
            .map(|one| format!("{} {} {:?}", one.channel.as_str(), one.state.as_str(), one.fallback))
            .collect();
        told.sort();
        told
    };
    assert_eq!(told(false, true).await, ["email pending Some(\"slack_not_connected\")"]);
    connect_slack(&world, &[asker]).await;
    assert_eq!(told(false, true).await, ["slack_dm pending None"]);
    assert_eq!(told(true, true).await, ["email pending None", "slack_dm pending None"]);
    assert_eq!(told(true, false).await, ["email pending None"]);
    assert_eq!(told(false, false).await, ["email pending None"], "they asked for it");
}

/// Fails where no row is written for deactivated members.
#[tokio::test]
async fn a_deactivated_recipient_is_reported_with_the_reason() {
    let world = World::new().await;
    let store = world.store();
    let gone = world.member("gone", Role::Member).await;
    let task = world.task(|spec| spec.notification.user_ids = vec![gone]).await;
    store.member_deactivate(&world.scope, gone).await.expect("a deactivation");
    let (run, claimed) = answered(&world, task.id).await;
    assert!(claimed.is_empty(), "nothing is sent");
    let listed = store.delivery_list(&world.scope, run.lease.run_id).await.expect("deliveries");
    assert_eq!(listed.len(), 1);
    assert_eq!(
        (listed[0].state, listed[0].reason.as_deref()),
        (DeliveryState::Withheld, Some("recipient_deactivated"))
    );
}

/// Fails without `notice_subject_unique`: the creator is told with every run.
#[tokio::test]
async fn a_group_that_reaches_nobody_is_told_to_the_creator_once() {
    let world = World::new().await;
    let store = world.store();
    let erin = world.member("erin", Role::Member).await;
    let empty = store.group_create(&world.scope, "Growth", &[]).await.expect("a group");
    let deleted = store.group_create(&world.scope, "Old", &[erin]).await.expect("a group");
    let task = world
        .task(|spec| {
            spec.notification.user_ids = vec![];
            spec.notification.group_ids = vec![empty, deleted];
        })
        .await;
    store.group_delete(&world.scope, deleted).await.expect("a deletion");
    answered(&world, task.id).await;
    answered(&world, task.id).await;
    let told = notices(&world, world.user).await;
    let mut headlines: Vec<_> = told.iter().map(|notice| notice.headline.as_str()).collect();
    headlines.sort_unstable();
    assert_eq!(
        headlines,
        [
            "“Flights” names a group that was deleted.",
            "“Flights” went to nobody in “Growth”: the group is empty."
        ]
    );
    // It had members meanwhile: told again.
    store.group_update(&world.scope, empty, None, &[erin], &[]).await.expect("a change");
    answered(&world, task.id).await;
    store.group_update(&world.scope, empty, None, &[], &[erin]).await.expect("a change");
    answered(&world, task.id).await;
    assert_eq!(notices(&world, world.user).await.len(), 3);
}

/// Fails without the look at the notice in `repeat_refusal`.
#[tokio::test]
async fn word_of_a_paused_place_is_sent_again_until_it_was_read() {
    let world = World::new().await;
    let store = world.store();
    let task = world.task(|spec| spec.notification.slack_channels = vec![slack_channel("C1")]).await;
    let (_, claimed) = answered(&world, task.id).await;
    let in_slack = claimed.iter().find(|one| one.channel == Channel::SlackChannel).expect("one for Slack");
    end(&world, in_slack, &failed("slack_is_archived")).await;
    let told = claim_deliveries(store, "test", 100).await;
    let told = told.iter().find(|one| one.kind == DeliveryKind::Notice).expect("a notice");
    end(&world, told, &sent()).await;
    let id = told.lease.delivery_id;
    store.delivery_send_again(&world.scope, id, world.user).await.expect("it may still be so");
    let repeat = claim_deliveries(store, "test", 100).await.remove(0);
    end(&world, &repeat, &sent()).await;
    let notice = notices(&world, world.user).await.remove(0);
    store.notice_read(&world.scope, world.user, notice.id).await.expect("read");
    let refused = store.delivery_send_again(&world.scope, id, world.user).await;
    assert!(matches!(refused, Err(Error::Conflict(Conflict::DeliveryOutdated))), "{refused:?}");
}

/// Fails where `destination::failed` never pauses, and where `run_message` does not look for paused places.
#[tokio::test]
async fn a_rotten_channel_is_paused_and_not_the_task() {
    let world = World::new().await;
    let store = world.store();
    let erin = world.member("erin", Role::Member).await;
    let task = world
        .task(|spec| {
            spec.notification.user_ids = vec![erin];
            spec.notification.slack_channels = vec![slack_channel("C1")];
        })
        .await;
    let of = async |run: &ClaimedRun, channel: Channel| {
        let listed = store.delivery_list(&world.scope, run.lease.run_id).await.expect("deliveries");
        let found = listed.into_iter().find(|one| one.channel == channel && one.kind == DeliveryKind::Answer);
        let found = found.expect("a delivery");
        (found.state, found.reason)
    };
    let (_, claimed) = answered(&world, task.id).await;
    // A second message waits for the same channel when the first one is given up for good.
    world.step(TimeDelta::seconds(1));
    store.task_run(&world.scope, task.id, None).await.expect("a run");
    let waiting = world.claim_one().await;
    world.succeed(&waiting).await;
    let in_slack = claimed.iter().find(|one| one.channel == Channel::SlackChannel).expect("one for Slack");
    end(&world, in_slack, &failed("slack_is_archived")).await;
    let paused = (DeliveryState::Suppressed, Some("destination_paused".to_owned()));
    assert_eq!(of(&waiting, Channel::SlackChannel).await, paused, "what waited is taken off the queue");
    let (later, _) = answered(&world, task.id).await;
    assert_eq!(of(&later, Channel::SlackChannel).await, paused);
    assert_eq!(of(&later, Channel::Email).await.0, DeliveryState::Pending, "others are told");
    let found = store.destination_list(&world.scope, DestinationsOf::Task(task.id)).await.expect("places");
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].label.as_str(), found[0].reason.as_str()), ("#c1", "slack_is_archived"));
    assert!(found[0].paused_at.is_some());
    // Told once, by mail since Slack failed, and what to do.
    assert_eq!(kinds(&world).await, [NoticeKind::DestinationPaused]);
    let told = notices(&world, world.user).await.remove(0);
    assert_eq!(told.headline, "Nothing more is sent to #c1 in Slack.");
    assert!(told.advice.contains("Take it out of the archive"), "{}", told.advice);
    let sent_by = "SELECT count(*) FROM delivery WHERE kind = 'notice' AND channel = 'email'";
    assert_eq!(world.number(sent_by).await, 1);
    // Tried again, and it arrives: told once more, and forgotten.
    store.destination_resume(&world.scope, found[0].id).await.expect("resumed");
    let (_, claimed) = answered(&world, task.id).await;
    let in_slack = claimed.iter().find(|one| one.channel == Channel::SlackChannel).expect("one for Slack");
    end(&world, in_slack, &sent()).await;
    assert_eq!(kinds(&world).await, [NoticeKind::DestinationPaused, NoticeKind::DeliveryRecovery]);
    let left = store.destination_list(&world.scope, DestinationsOf::Workspace).await.expect("places");
    assert_eq!(left, []);
    let gone = store.destination_resume(&world.scope, found[0].id).await;
    assert!(matches!(gone, Err(Error::NotFound)));
    assert_eq!(
        world
            .number(
                "SELECT count(*) FROM audit_log WHERE action IN ('destination.pause', 'destination.resume')"
            )
            .await,
        2
    );
}

/// Fails with `FAULTS_MAX` of 4 and of 2, and where every failure is told.
#[tokio::test]
async fn a_place_that_refuses_three_messages_in_a_row_is_paused_and_told_of_once_a_streak() {
    let world = World::new().await;
    let erin = world.member("erin", Role::Member).await;
    let task = world.task(|spec| spec.notification.user_ids = vec![erin]).await;
    let fail = async |reason: &str| {
        let (_, claimed) = answered(&world, task.id).await;
        let to_erin = claimed.iter().find(|one| one.kind == DeliveryKind::Answer).expect("a message");
        end(&world, to_erin, &failed(reason)).await;
    };
    fail("refused").await;
    fail("refused").await;
    // An outage between them is nobody's fault, and no recovery either.
    fail("server_unavailable").await;
    assert_eq!(kinds(&world).await, [NoticeKind::DeliveryFailure]);
    let (_, claimed) = answered(&world, task.id).await;
    let to_erin = claimed.iter().find(|one| one.kind == DeliveryKind::Answer).expect("a message");
    end(&world, to_erin, &sent()).await;
    assert_eq!(kinds(&world).await, [NoticeKind::DeliveryFailure, NoticeKind::DeliveryRecovery]);
    // The count began anew.
    fail("refused").await;
    fail("refused").await;
    assert_eq!(kinds(&world).await.len(), 3);
    fail("refused").await;
    assert_eq!(
        kinds(&world).await[2..],
        [NoticeKind::DeliveryFailure, NoticeKind::DestinationPaused],
        "the third one in a row"
    );
    let (_, claimed) = answered(&world, task.id).await;
    assert!(claimed.iter().all(|one| one.kind != DeliveryKind::Answer), "nothing more goes there");
}

/// Fails where `concern` tells of every place.
#[tokio::test]
async fn an_outage_pauses_nobody_and_is_told_once_for_all_recipients() {
    let world = World::new().await;
    let store = world.store();
    let mut members = Vec::new();
    for name in ["ann", "bob", "cid"] {
        members.push(world.member(name, Role::Member).await);
    }
    let task = world.task(|spec| spec.notification.user_ids = members).await;
    for _ in 0..4 {
        let (_, claimed) = answered(&world, task.id).await;
        for delivery in claimed.iter().filter(|one| one.kind == DeliveryKind::Answer) {
            end(&world, delivery, &failed("server_unavailable")).await;
        }
    }
    assert_eq!(kinds(&world).await, [NoticeKind::DeliveryFailure]);
    let failing = store.destination_list(&world.scope, DestinationsOf::Workspace).await.expect("places");
    assert_eq!(failing.len(), 3);
    assert!(failing.iter().all(|place| place.paused_at.is_none() && place.failures == 4));
}

/// A place of a member is paused.
async fn pause(world: &World, channel: &str, target: &str, user: domain::UserId) {
    world
        .execute(&format!(
            "INSERT INTO destination (workspace_id, id, channel, target, user_id, label, failures, faults, reason, failing_since,
                 paused_at, updated_at)
             VALUES ('{}', gen_random_uuid(), '{channel}', '{target}', '{user}', 'l', 3, 3, 'refused', now(), now(), now())",
            world.scope.workspace_id()
        ))
        .await;
}

/// Fails where `notice::way` does not look at what failed, nor at what is known not to work.
#[tokio::test]
async fn word_of_a_failure_goes_by_the_other_way() {
    let world = World::new().await;
    let store = world.store();
    let erin = world.member("erin", Role::Member).await;
    let creator = world.user;
    let told_by = async |what: &str| {
        let by = |channel: &str| {
            format!("SELECT count(*) FROM delivery WHERE kind = 'notice' AND channel = '{channel}'")
        };
        let ways = (world.number(&by("email")).await, world.number(&by("slack_dm")).await);
        world.execute("DELETE FROM delivery WHERE kind = 'notice'; DELETE FROM destination").await;
        assert_eq!(kinds(&world).await.len(), 1, "{what}: in the page in any case");
        world.execute("DELETE FROM notice").await;
        ways
    };
    let task = world.task(|spec| spec.notification.user_ids = vec![erin]).await;
    let own = world.task(|spec| spec.notification.user_ids = vec![creator]).await;
    let fail = async |task: domain::TaskId, reason: &str| {
        let (_, claimed) = answered(&world, task).await;
        end(&world, &claimed[0], &failed(reason)).await;
    };
    fail(task.id, "refused").await;
    assert_eq!(told_by("no Slack").await, (1, 0));
    fail(own.id, "refused").await;
    assert_eq!(told_by("no Slack, and their own address failed").await, (0, 0));
    connect_slack(&world, &[creator, erin]).await;
    fail(own.id, "refused").await;
    assert_eq!(told_by("mail failed").await, (0, 1));
    let wish = NotificationPreference { email: false, slack_dm: true, quiet_task_ids: vec![] };
    store.preference_put(&world.scope, erin, &wish).await.expect("a wish");
    fail(task.id, "slack_user_not_found").await;
    assert_eq!(told_by("Slack failed").await, (1, 0));
    // Slack failed for erin, and no mail reaches the creator.
    store.mail_suppress(&world.scope, "admin@acme.test", "550 5.1.1").await.expect("suppressed");
    fail(task.id, "slack_user_not_found").await;
    assert_eq!(told_by("a dead address").await, (0, 1));
    world.execute("DELETE FROM mail_suppression").await;
    store.mail_domains_set(&world.scope, &["example.com".to_owned()]).await.expect("a policy");
    fail(task.id, "slack_user_not_found").await;
    assert_eq!(told_by("a domain that is not allowed").await, (0, 1));
    store.mail_domains_set(&world.scope, &[]).await.expect("no policy");
    pause(&world, "email", "admin@acme.test", creator).await;
    fail(task.id, "slack_user_not_found").await;
    assert_eq!(told_by("a paused address").await, (0, 1));
    pause(&world, "email", "admin@acme.test", creator).await;
    pause(&world, "slack_dm", &creator.to_string(), creator).await;
    fail(task.id, "slack_user_not_found").await;
    assert_eq!(told_by("nothing works").await, (0, 0));
    // Mail failed for erin, and Slack does not reach the creator.
    let wish = NotificationPreference { email: true, slack_dm: false, ..wish };
    store.preference_put(&world.scope, erin, &wish).await.expect("a wish");
    pause(&world, "slack_dm", &creator.to_string(), creator).await;
    fail(task.id, "refused").await;
    assert_eq!(told_by("Slack is paused").await, (1, 0));
    // A notice that does not arrive itself is told to nobody.
    fail(own.id, "refused").await;
    let notice = claim_deliveries(store, "test", 100).await.remove(0);
    end(&world, &notice, &failed("slack_user_not_found")).await;
    assert_eq!(kinds(&world).await.len(), 1);
}

/// Nothing failed here that must not carry it. Fails where `notice::way` looks at wishes and at what hinders Slack alone.
#[tokio::test]
async fn word_about_a_task_goes_by_a_way_that_works() {
    let world = World::new().await;
    let store = world.store();
    let creator = world.user;
    connect_slack(&world, &[creator]).await;
    let warned_by = async |what: &str| {
        let ends_at = world.database.time.now() + TimeDelta::days(20);
        world.task(|spec| spec.expires_at = Some(ends_at)).await;
        world.step(TimeDelta::days(14));
        store.task_warn_expiring(10).await.expect("a warning");
        let claimed = claim_deliveries(store, "test", 100).await;
        let ways: Vec<_> = claimed.iter().map(|one| (one.kind, one.channel)).collect();
        let [(DeliveryKind::Expiring, way)] = ways[..] else { panic!("{what}: {ways:?}") };
        world.execute("DELETE FROM delivery; UPDATE task SET expires_at = NULL").await;
        way
    };
    assert_eq!(warned_by("by default").await, Channel::Email);
    store.mail_suppress(&world.scope, "admin@acme.test", "550 5.1.1").await.expect("suppressed");
    assert_eq!(warned_by("a dead address").await, Channel::SlackDm);
    world.execute("DELETE FROM mail_suppression").await;
    let wish = NotificationPreference { email: false, slack_dm: true, quiet_task_ids: vec![] };
    store.preference_put(&world.scope, creator, &wish).await.expect("a wish");
    assert_eq!(warned_by("Slack is preferred").await, Channel::SlackDm);
    pause(&world, "slack_dm", &creator.to_string(), creator).await;
    assert_eq!(warned_by("Slack is preferred and paused").await, Channel::Email);
}

/// Fails where word of it is sent before the place is forgotten: the only way to tell of it would count as paused.
#[tokio::test]
async fn word_that_a_place_is_reached_again_may_go_there() {
    let world = World::new().await;
    let store = world.store();
    let task = world.task(|_| ()).await;
    let (_, claimed) = answered(&world, task.id).await;
    end(&world, &claimed[0], &DeliveryOutcome::Suppressed { reason: "address_dead".into() }).await;
    // What was asked for is tried all the same.
    world.step(TimeDelta::seconds(1));
    store.task_run(&world.scope, task.id, Some(world.user)).await.expect("a test");
    let run = world.claim_one().await;
    world.succeed(&run).await;
    let test = claim_deliveries(store, "test", 100).await.remove(0);
    end(&world, &test, &sent()).await;
    assert_eq!(kinds(&world).await, [NoticeKind::DestinationPaused, NoticeKind::DeliveryRecovery]);
    let told = claim_deliveries(store, "test", 100).await;
    let told: Vec<_> = told.iter().map(|one| (one.kind, one.channel)).collect();
    assert_eq!(told, [(DeliveryKind::Notice, Channel::Email)]);
}

#[tokio::test]
async fn notices_of_runs_are_kept_for_the_page_and_are_read_up_to_one() {
    let world = World::new().await;
    let store = world.store();
    let task = world.task(|spec| spec.expires_at = Some(testkit::world::at("2026-03-05T00:00:00Z"))).await;
    world.execute("UPDATE task SET created_at = created_at - interval '30 days'").await;
    store.task_warn_expiring(10).await.expect("a warning");
    world.set("2026-03-05T00:00:00Z");
    store.task_expire(10).await.expect("expired");
    let told = notices(&world, world.user).await;
    assert_eq!(
        told.iter().map(|notice| notice.kind).collect::<Vec<_>>(),
        [NoticeKind::Expiring, NoticeKind::Expired]
    );
    assert_eq!(told[0].headline, "“Flights” expires on Thursday, 5 March 2026.");
    assert_eq!(told[1].task_id, Some(task.id));
    store.notice_read(&world.scope, world.user, told[0].id).await.expect("read");
    let told = notices(&world, world.user).await;
    assert_eq!((told[0].read_at.is_some(), told[1].read_at.is_some()), (true, false));
    let carried = claim_deliveries(store, "test", 10).await;
    let kept = store.notice_of_delivery(&world.scope, carried[0].lease.delivery_id).await.expect("a read");
    assert_eq!(kept.map(|notice| notice.id), Some(told[0].id));
}

#[tokio::test]
async fn a_recipient_quiets_a_task_and_undoes_it_and_a_stranger_learns_no_title() {
    let world = World::new().await;
    let store = world.store();
    let (erin, stranger) =
        (world.member("erin", Role::Member).await, world.member("sam", Role::Member).await);
    let task = world.task(|spec| spec.notification.user_ids = vec![erin]).await;
    let refused = store.quiet_task_add(&world.scope, stranger, task.id).await;
    assert!(matches!(refused, Err(Error::NotFound)));
    let (_, claimed) = answered(&world, task.id).await;
    assert_eq!(claimed.len(), 1);
    store.quiet_task_add(&world.scope, erin, task.id).await.expect("quiet");
    store.quiet_task_add(&world.scope, erin, task.id).await.expect("quiet still");
    let quiet = store.quiet_task_list(&world.scope, erin).await.expect("a list");
    assert_eq!(quiet.iter().map(|task| task.title.as_str()).collect::<Vec<_>>(), ["Flights"]);
    let (_, claimed) = answered(&world, task.id).await;
    assert_eq!(claimed.len(), 0);
    assert!(store.quiet_task_remove(&world.scope, erin, task.id).await.expect("undone"));
    assert!(!store.quiet_task_remove(&world.scope, erin, task.id).await.expect("nothing to undo"));
    let (_, claimed) = answered(&world, task.id).await;
    assert_eq!(claimed.len(), 1);
    let audit = "SELECT count(*) FROM audit_log WHERE action IN ('task.subscribe', 'task.unsubscribe')";
    assert_eq!(world.number(audit).await, 2);
}
