//! What a pause does to what waits for the place, and whose place it is.

use chrono::TimeDelta;
use domain::{
    access::Role, delivery::DeliveryKind, notice::NoticeKind, task::TaskSpec, thread::ThreadSource,
};
use store::{DestinationsOf, NewQuestion, SlackPlace, SlackQuestion};
use testkit::{World, world::claim_deliveries};

use crate::destinations::{answered, connect_slack, end, failed, kinds, notices, slack_channel};

/// Fails where `pause` tells nobody of what it takes off the queue: the other creator would hear of it with their next run.
#[tokio::test]
async fn a_pause_is_told_to_every_creator_whose_message_waited_there() {
    let world = World::new().await;
    let store = world.store();
    let (ann, bob) = (world.member("ann", Role::Editor).await, world.member("bob", Role::Editor).await);
    let in_channel = |spec: &mut TaskSpec| {
        spec.notification.user_ids = vec![];
        spec.notification.slack_channels = vec![slack_channel("C1")];
    };
    let own = world.task(in_channel).await;
    let (_, claimed) = answered(&world, own.id).await;
    // Two of Ann's and one more of the first creator's wait; Bob's goes elsewhere.
    let of_ann = world.task_of(&world.scope, ann, in_channel).await;
    let of_bob = world.task_of(&world.scope, bob, |spec| {
        spec.notification.user_ids = vec![];
        spec.notification.slack_channels = vec![slack_channel("C2")];
    });
    let of_bob = of_bob.await;
    let mut waiting = Vec::new();
    for task in [of_ann.id, of_ann.id, own.id, of_bob.id] {
        world.step(TimeDelta::seconds(1));
        store.task_run(&world.scope, task, None).await.expect("a run");
        let run = world.claim_one().await;
        world.succeed(&run).await;
        waiting.push(run);
    }
    end(&world, &claimed[0], &failed("slack_is_archived")).await;
    let told = notices(&world, ann).await;
    let [word] = &told[..] else { panic!("once: {told:?}") };
    assert_eq!(word.kind, NoticeKind::DestinationPaused);
    assert_eq!((word.task_id, word.run_id), (Some(of_ann.id), Some(waiting[0].lease.run_id)));
    assert_eq!(word.headline, "Nothing more is sent to #c1 in Slack.");
    assert_eq!(kinds(&world).await, [NoticeKind::DestinationPaused], "and not twice");
    assert_eq!(notices(&world, bob).await, []);
}

/// Fails where `pause` leaves `is_told` as it was.
#[tokio::test]
async fn who_was_spared_word_of_an_outage_hears_of_a_pause() {
    let world = World::new().await;
    let (erin, finn) = (world.member("erin", Role::Member).await, world.member("finn", Role::Member).await);
    let task = world.task(|spec| spec.notification.user_ids = vec![erin, finn]).await;
    let (_, claimed) = answered(&world, task.id).await;
    for delivery in &claimed {
        end(&world, delivery, &failed("server_unavailable")).await;
    }
    assert_eq!(kinds(&world).await, [NoticeKind::DeliveryFailure], "one cause");
    let (_, claimed) = answered(&world, task.id).await;
    for delivery in claimed.iter().filter(|one| one.kind == DeliveryKind::Answer) {
        end(&world, delivery, &failed("invalid_address")).await;
    }
    let paused = kinds(&world).await.into_iter().filter(|kind| *kind == NoticeKind::DestinationPaused);
    assert_eq!(paused.count(), 2, "of each of the places");
}

/// Fails where `failed` takes the place's member and label from the delivery, and where `pause` asks for its member's messages.
#[tokio::test]
async fn a_reply_that_fails_pauses_its_channel_under_the_channels_name() {
    let world = World::new().await;
    let store = world.store();
    connect_slack(&world, &[world.user]).await;
    let ann = world.member("ann", Role::Editor).await;
    let of_ann = world.task_of(&world.scope, ann, |spec| {
        spec.notification.user_ids = vec![];
        spec.notification.slack_channels = vec![slack_channel("C1")];
    });
    let of_ann = of_ann.await;
    let reply = async |ts: &str| {
        let place = SlackPlace { channel_id: "C1".into(), root_ts: ts.into() };
        let question = SlackQuestion {
            place,
            message_ts: ts.into(),
            slack_user_id: "U1".into(),
            asker_id: world.user,
            is_dm: false,
            question: NewQuestion {
                prompt: "How many orders?".into(),
                connection_ids: Vec::new(),
                timezone: "UTC".into(),
                source: ThreadSource::Slack,
            },
        };
        store.slack_ask(&world.scope, None, &question).await.expect("asked");
        world.succeed(&world.claim_one().await).await;
        let claimed = claim_deliveries(store, "test", 100).await;
        claimed.into_iter().find(|one| one.kind == DeliveryKind::Reply).expect("a reply")
    };
    let place = async || {
        let of = DestinationsOf::Workspace;
        store.destination_list(&world.scope, of).await.expect("places").remove(0)
    };
    let first = reply("1.000001").await;
    // A thread that is locked says nothing of its channel.
    end(&world, &first, &failed("slack_restricted_action_thread_locked")).await;
    let seen = place().await;
    assert_eq!(
        (seen.label.as_str(), seen.user_id, seen.paused_at),
        ("C1", None, None),
        "nothing else is known"
    );
    world
        .execute(&format!(
            "INSERT INTO slack_channel (workspace_id, channel_id, name, is_private, is_archived, is_member, is_ext_shared,
                 refreshed_at) VALUES ('{}', 'C1', 'growth', false, false, true, false, now());
             DELETE FROM destination",
            world.scope.workspace_id()
        ))
        .await;
    let second = reply("2.000001").await;
    world.step(TimeDelta::seconds(1));
    store.task_run(&world.scope, of_ann.id, None).await.expect("a run");
    let waiting = world.claim_one().await;
    world.succeed(&waiting).await;
    end(&world, &second, &failed("slack_not_in_channel")).await;
    let seen = place().await;
    assert_eq!((seen.label.as_str(), seen.user_id), ("#growth", None));
    assert!(seen.paused_at.is_some());
    let held = store.delivery_list(&world.scope, waiting.lease.run_id).await.expect("deliveries");
    assert_eq!(held[0].reason.as_deref(), Some("destination_paused"), "what waited is taken off the queue");
    let told = notices(&world, ann).await;
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].headline, "Nothing more is sent to #growth in Slack.");
    // A name that it has from a task is kept.
    world.execute("UPDATE destination SET label = '#c1', paused_at = NULL").await;
    let third = reply("3.000001").await;
    end(&world, &third, &failed("slack_not_in_channel")).await;
    assert_eq!(place().await.label, "#c1");
}
