use proptest::prelude::*;
use uuid::Uuid;

use super::*;

const RIGHTS: [Option<ConnectionAccess>; 4] = [
    None,
    Some(ConnectionAccess::ViewResults),
    Some(ConnectionAccess::Query),
    Some(ConnectionAccess::Manage),
];
/// From the one that shows most.
const AUDIENCES: [Audience; 3] = [Audience::Full, Audience::LinkOnly, Audience::Withheld];

fn used(name: &str, rule: ConnectionAudience) -> UsedConnection {
    UsedConnection { id: Uuid::nil().into(), name: name.into(), rule }
}

fn flights() -> DataBehind {
    DataBehind {
        policy: AudiencePolicy::default(),
        connections: vec![used("Flights", ConnectionAudience::default())],
    }
}

fn viewer(standing: Standing, access: Option<ConnectionAccess>) -> Viewer {
    Viewer { standing, access: vec![access] }
}

fn to(data: &DataBehind, standing: Standing, access: Option<ConnectionAccess>) -> Decision {
    decide(data, &Recipient::Person { viewer: &viewer(standing, access), channel: Channel::Email })
}

fn to_channel(data: &DataBehind, viewers: &[Viewer], is_shared_outside: bool) -> Decision {
    decide(data, &Recipient::SlackChannel { viewers: Some(viewers), is_shared_outside })
}

const VIEW: Option<ConnectionAccess> = Some(ConnectionAccess::ViewResults);

#[test]
fn by_default_members_see_all_and_guests_and_outsiders_a_link() {
    let data = flights();
    let creator = to(&data, Standing::Creator, None);
    assert_eq!((creator.audience, creator.opens_thread), (Audience::Full, Some(true)));
    let reader = to(&data, Standing::Member, VIEW);
    assert_eq!((reader.audience, reader.opens_thread), (Audience::Full, Some(true)));
    assert_eq!(reader.reason, "May view the results of every connection used.");
    let chosen = to(&data, Standing::Member, None);
    assert_eq!((chosen.audience, chosen.opens_thread), (Audience::Full, Some(false)));
    assert_eq!(
        chosen.reason,
        "A member whom the creator chose. May not view the results of Flights, and so cannot open the thread."
    );
    let guest = to(&data, Standing::Guest, None);
    assert_eq!((guest.audience, guest.opens_thread), (Audience::LinkOnly, Some(false)));
    assert_eq!(to(&data, Standing::Guest, VIEW).audience, Audience::Full);
    assert_eq!(to(&data, Standing::Outsider, VIEW).audience, Audience::LinkOnly);
    assert_eq!(to(&data, Standing::Gone, VIEW).audience, Audience::Withheld);
}

#[test]
fn a_channel_shows_what_its_least_trusted_member_may_see() {
    let data = flights();
    let member = viewer(Standing::Member, VIEW);
    let colleague = Viewer::without_rights(Standing::Colleague);
    let guest = viewer(Standing::Guest, None);
    let outsider = Viewer::without_rights(Standing::Outsider);
    let said = |viewers: &[Viewer], is_shared: bool| {
        let decision = to_channel(&data, viewers, is_shared);
        (decision.audience, decision.reason)
    };
    let (audience, reason) = said(&[member.clone(), member.clone()], false);
    assert_eq!(audience, Audience::Full);
    assert_eq!(reason, "2 people in the channel, all of whom may view the results of every connection used.");
    let (audience, reason) = said(&[member.clone(), colleague], false);
    assert_eq!(audience, Audience::Full);
    assert!(reason.contains("not all may view the results of Flights"), "{reason}");
    let (audience, reason) = said(&[member.clone(), guest.clone(), guest, outsider], false);
    assert_eq!(audience, Audience::LinkOnly);
    assert_eq!(
        reason,
        "The channel holds 1 person from outside and 2 guests, where policy shows a link only."
    );
    // Nobody of the other organisation has come in yet.
    let (audience, reason) = said(&[member], true);
    assert_eq!(audience, Audience::LinkOnly);
    assert_eq!(reason, "The channel is shared with another organisation, where policy shows a link only.");
}

#[test]
fn a_channel_that_cannot_be_looked_into_is_taken_for_one_with_outsiders() {
    let decision = decide(&flights(), &Recipient::SlackChannel { viewers: None, is_shared_outside: false });
    assert_eq!(decision.audience, Audience::LinkOnly);
    assert_eq!(decision.reason, "The channel cannot be looked into, where policy shows a link only.");
    assert!(!decision.record.channel.expect("a channel").is_known);
}

#[test]
fn a_sensitive_connection_stays_out_of_slack_and_with_those_who_may_view_it() {
    let rule = ConnectionAudience { is_sensitive: true, ..ConnectionAudience::default() };
    let data = DataBehind { policy: AudiencePolicy::default(), connections: vec![used("Payroll", rule)] };
    assert_eq!(to(&data, Standing::Member, VIEW).audience, Audience::Full);
    assert_eq!(to(&data, Standing::Member, None).audience, Audience::LinkOnly);
    for standing in [Standing::Creator, Standing::Member] {
        let viewer = viewer(standing, VIEW);
        let decision = decide(&data, &Recipient::Person { viewer: &viewer, channel: Channel::SlackDm });
        assert_eq!(decision.audience, Audience::LinkOnly);
        assert_eq!(decision.reason, "Payroll is sensitive: what it answers never goes into Slack.");
        assert_eq!(to_channel(&data, &[viewer], false).audience, Audience::LinkOnly);
    }
    // Nor into a channel that nobody is in yet: without the look at the creator it goes there whole.
    let nobody = to_channel(&data, &[], false);
    assert_eq!(nobody.audience, Audience::LinkOnly);
    assert_eq!(nobody.reason, "Payroll is sensitive: what it answers never goes into Slack.");
    assert_eq!(to_channel(&flights(), &[], false).reason, "Nobody is in the channel but the app.");
}

#[test]
fn a_thread_of_unshared_credentials_is_delivered_and_opened_by_nobody_else() {
    let rule = ConnectionAudience { shares_credentials: false, ..ConnectionAudience::default() };
    let data = DataBehind { policy: AudiencePolicy::default(), connections: vec![used("Ledger", rule)] };
    let reader = to(&data, Standing::Member, VIEW);
    assert_eq!((reader.audience, reader.opens_thread), (Audience::Full, Some(false)));
    assert_eq!(to(&data, Standing::Creator, VIEW).opens_thread, Some(true));
}

#[test]
fn a_policy_tightens_for_the_workspace_and_for_a_connection() {
    let mut data = flights();
    data.connections.push(used(
        "Payroll",
        ConnectionAudience { members: Some(Audience::Withheld), ..ConnectionAudience::default() },
    ));
    let both = Viewer { standing: Standing::Member, access: vec![VIEW, VIEW] };
    let one = Viewer { standing: Standing::Member, access: vec![VIEW, None] };
    let mail = |data: &DataBehind, viewer: &Viewer| {
        decide(data, &Recipient::Person { viewer, channel: Channel::Email })
    };
    assert_eq!(mail(&data, &both).audience, Audience::Full);
    let withheld = mail(&data, &one);
    assert_eq!(withheld.audience, Audience::Withheld);
    assert_eq!(
        withheld.reason,
        "May not view the results of Payroll, where policy shows those without that right nothing."
    );
    // A connection cannot give what the workspace takes.
    data.policy.members = Audience::LinkOnly;
    data.connections[1].rule.members = Some(Audience::Full);
    assert_eq!(mail(&data, &one).audience, Audience::LinkOnly);
}

#[test]
fn nothing_is_loosened_beyond_the_default() {
    let policy = AudiencePolicy { members: Audience::Full, outsiders: Audience::Full };
    assert_eq!(policy.check().expect_err("looser").issues[0].path, "outsiders");
    let rule = ConnectionAudience { outsiders: Some(Audience::Full), ..ConnectionAudience::default() };
    assert_eq!(rule.check().expect_err("looser").issues[0].path, "outsiders");
    assert!(AudiencePolicy::default().check().is_ok() && ConnectionAudience::default().check().is_ok());
}

fn audience() -> impl Strategy<Value = Audience> {
    prop::sample::select(AUDIENCES.to_vec())
}

fn policy() -> impl Strategy<Value = AudiencePolicy> {
    (audience(), prop::sample::select(AUDIENCES[1..].to_vec()))
        .prop_map(|(members, outsiders)| AudiencePolicy { members, outsiders })
}

fn rule() -> impl Strategy<Value = ConnectionAudience> {
    let outsiders = prop::option::of(prop::sample::select(AUDIENCES[1..].to_vec()));
    (prop::option::of(audience()), outsiders, any::<bool>(), any::<bool>()).prop_map(
        |(members, outsiders, is_sensitive, shares_credentials)| ConnectionAudience {
            members,
            outsiders,
            is_sensitive,
            shares_credentials,
        },
    )
}

fn data() -> impl Strategy<Value = DataBehind> {
    (policy(), prop::collection::vec(rule(), 0..4)).prop_map(|(policy, rules)| DataBehind {
        policy,
        connections: rules.into_iter().map(|rule| used("Flights", rule)).collect(),
    })
}

fn any_viewer() -> impl Strategy<Value = Viewer> {
    let standing = prop::sample::select(vec![
        Standing::Creator,
        Standing::Member,
        Standing::Colleague,
        Standing::Guest,
        Standing::Outsider,
        Standing::Gone,
    ]);
    (standing, prop::collection::vec(prop::sample::select(RIGHTS.to_vec()), 4))
        .prop_map(|(standing, access)| Viewer { standing, access })
}

fn channel() -> impl Strategy<Value = Channel> {
    prop::sample::select(vec![Channel::Email, Channel::SlackDm])
}

/// How much each kind of recipient sees: the person by either way, and a channel of several.
fn seen(data: &DataBehind, viewers: &[Viewer], channel: Channel, is_shared: bool) -> [Decision; 2] {
    [decide(data, &Recipient::Person { viewer: &viewers[0], channel }), to_channel(data, viewers, is_shared)]
}

#[track_caller]
fn assert_no_less(more: &[Decision], less: &[Decision]) {
    for (more, less) in more.iter().zip(less) {
        assert!(!more.audience.is_tighter_than(less.audience), "{more:#?}\nshows less than\n{less:#?}");
        assert!(more.opens_thread >= less.opens_thread, "{more:#?}\nopens less than\n{less:#?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    /// With the look at rights switched off (`may_view` always false), the tests above fail; with it turned round, this one.
    #[test]
    fn more_rights_never_see_less(
        data in data(), viewers in prop::collection::vec(any_viewer(), 1..4), channel in channel(),
        is_shared in any::<bool>(), who in 0_usize..3, which in 0_usize..4, right in prop::sample::select(RIGHTS.to_vec()),
    ) {
        let before = seen(&data, &viewers, channel, is_shared);
        let mut raised = viewers.clone();
        let who = who % raised.len();
        let access = &mut raised[who].access[which];
        *access = (*access).max(right);
        assert_no_less(&seen(&data, &raised, channel, is_shared), &before);
    }

    #[test]
    fn a_higher_standing_never_sees_less(
        data in data(), viewers in prop::collection::vec(any_viewer(), 1..4), channel in channel(), is_shared in any::<bool>(),
        // A colleague is no step of this ladder: no rights, but of this organisation. In a channel, who was deactivated counts
        // as one.
        standing in prop::sample::select(vec![Standing::Creator, Standing::Member, Standing::Guest, Standing::Outsider]),
        raised_to in prop::sample::select(vec![Standing::Creator, Standing::Member, Standing::Guest]),
    ) {
        let mut viewers = viewers;
        viewers[0].standing = standing;
        let before = seen(&data, &viewers, channel, is_shared);
        let mut raised = viewers;
        raised[0].standing = raised[0].standing.min(raised_to);
        assert_no_less(&seen(&data, &raised, channel, is_shared), &before);
    }

    /// With `tighter` turned into "looser" in `ConnectionAudience::members`, this fails.
    #[test]
    fn a_tighter_policy_never_shows_more(
        data in data(), viewers in prop::collection::vec(any_viewer(), 1..4), channel in channel(), is_shared in any::<bool>(),
        tighter in policy(), which in 0_usize..4, rule in rule(),
    ) {
        let before = seen(&data, &viewers, channel, is_shared);
        let mut tightened = data.clone();
        tightened.policy.members = tightened.policy.members.tighter(tighter.members);
        tightened.policy.outsiders = tightened.policy.outsiders.tighter(tighter.outsiders);
        assert_no_less(&before, &seen(&tightened, &viewers, channel, is_shared));
        if let Some(used) = tightened.connections.get_mut(which) {
            let own = &mut used.rule;
            let least = |one: Option<Audience>, other: Option<Audience>| match (one, other) {
                (Some(one), Some(other)) => Some(one.tighter(other)),
                (one, other) => one.or(other),
            };
            own.members = least(own.members, rule.members);
            own.outsiders = least(own.outsiders, rule.outsiders);
            own.is_sensitive |= rule.is_sensitive;
            own.shares_credentials &= rule.shares_credentials;
            assert_no_less(&before, &seen(&tightened, &viewers, channel, is_shared));
        }
    }

    #[test]
    fn another_connection_or_another_reader_never_shows_more(
        data in data(), viewers in prop::collection::vec(any_viewer(), 1..4), channel in channel(), is_shared in any::<bool>(),
        rule in rule(), newcomer in any_viewer(),
    ) {
        let before = seen(&data, &viewers, channel, is_shared);
        let mut wider = data.clone();
        wider.connections.push(used("Payroll", rule));
        let after = seen(&wider, &viewers, channel, is_shared);
        assert_no_less(&before, &after);
        let mut joined = viewers.clone();
        joined.push(newcomer);
        assert_no_less(&before, &[before[0].clone(), to_channel(&data, &joined, is_shared)]);
    }

    #[test]
    fn nobody_without_a_right_sees_more_than_the_default_policy_shows(
        data in data(), viewers in prop::collection::vec(any_viewer(), 1..4), channel in channel(), is_shared in any::<bool>(),
    ) {
        let untouched = DataBehind {
            policy: AudiencePolicy::default(),
            connections: data.connections.iter().map(|_| used("Flights", ConnectionAudience::default())).collect(),
        };
        assert_no_less(
            &seen(&untouched, &viewers, channel, is_shared),
            &seen(&data, &viewers, channel, is_shared),
        );
    }

    #[test]
    fn every_reason_is_one_sentence(
        data in data(), viewers in prop::collection::vec(any_viewer(), 1..4), channel in channel(), is_shared in any::<bool>(),
    ) {
        for decision in seen(&data, &viewers, channel, is_shared) {
            let reason = &decision.reason;
            prop_assert!(reason.ends_with('.') && !reason.contains("  ") && !reason.contains("a connection"), "{reason}");
        }
    }
}
