//! Who will see what: the policies, and what they mean for a task that is being written.

use ::slack::MemberKind;
use axum::extract::State;
use domain::{
    ConnectionId, GroupId, UserId,
    audience::{self, AudiencePolicy, ChannelRecord, ConnectionAudience, Decision, Recipient},
    delivery::{Audience, Channel, SlackObstacle},
    task::{Context, ContextKind, Notification, RECIPIENTS_MAX, SlackChannel, mentions},
};
use serde::{Deserialize, Serialize};
use store::{AudienceFacts, AudiencePerson, ChannelPerson};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    ApiState, Error, Result,
    auth::Caller,
    error::StoreResult,
    extract::{Json, Path},
    routes::connections::managed,
    slack,
};

/// A task as it is being written: what its answer may rest on, and who would be told.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TaskAudienceRequest {
    /// The question, with its mentions. May be empty yet.
    #[serde(default)]
    prompt: String,
    #[serde(default)]
    context: Context,
    notification: Notification,
}

/// Who would see what of a task's answers, were they sent now.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TaskAudience {
    /// What the answers may rest on. What they rest on is known when they are sent, and looked at again then.
    connections: Vec<AudienceConnection>,
    /// Whether that is everything the caller may query, because nothing is mentioned.
    uses_all: bool,
    /// The people named.
    people: Vec<PersonAudience>,
    /// The groups named, as they are now.
    groups: Vec<GroupAudience>,
    /// The Slack channels named, by their members now.
    slack_channels: Vec<ChannelAudience>,
}

/// A connection that an answer may rest on.
#[derive(Serialize, ToSchema)]
pub(crate) struct AudienceConnection {
    id: ConnectionId,
    name: String,
}

/// How much a person would see.
#[derive(Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PersonAudience {
    id: UserId,
    name: String,
    /// By what ways they would be told, and how much by each. Empty where they would not be.
    ways: Vec<WayAudience>,
    /// Why they would be told by email although they prefer Slack.
    #[schema(required)]
    fallback: Option<SlackObstacle>,
    /// Why they would not be told; null where they would.
    #[schema(required)]
    untold: Option<String>,
    /// Whether the message's link would open the thread for them.
    opens_thread: bool,
}

/// By what ways a member is told of whatever task.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MemberReach {
    id: UserId,
    name: String,
    /// `email`, `slack_dm`, both, or none.
    ways: Vec<Channel>,
    /// Why by email although they prefer Slack.
    #[schema(required)]
    fallback: Option<SlackObstacle>,
    /// Why by none, as a sentence.
    #[schema(required)]
    untold: Option<String>,
    /// Whether they are deactivated.
    is_deactivated: bool,
}

/// How much goes one way.
#[derive(Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WayAudience {
    channel: Channel,
    audience: Audience,
    /// Why that much: a sentence.
    reason: String,
}

/// How much the members of a group would see.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GroupAudience {
    id: GroupId,
    name: String,
    members: Vec<PersonAudience>,
}

/// How much a Slack channel would see.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChannelAudience {
    id: String,
    name: String,
    audience: Audience,
    /// Why that much: a sentence.
    reason: String,
    /// Who is in it.
    #[schema(required)]
    people: Option<ChannelRecord>,
}

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(audience_policy_get, audience_policy_replace))
        .routes(routes!(connection_audience_get, connection_audience_replace))
        .routes(routes!(task_audience))
        .routes(routes!(member_reach_list))
}

/// The workspace's policy on who sees how much of a message.
#[utoipa::path(get, path = "/workspace/audience", tag = "workspace", responses((status = 200, body = AudiencePolicy)))]
pub(crate) async fn audience_policy_get(
    State(state): State<ApiState>,
    caller: Caller,
) -> Result<axum::Json<AudiencePolicy>> {
    Ok(axum::Json(state.store.audience_policy_get(&caller.scope).await.or_refused("workspace")?))
}

/// Replace the workspace's policy. It holds from the next attempt to send on. For admins.
#[utoipa::path(put, path = "/workspace/audience", tag = "workspace", request_body = AudiencePolicy,
    responses((status = 200, body = AudiencePolicy)))]
pub(crate) async fn audience_policy_replace(
    State(state): State<ApiState>,
    caller: Caller,
    Json(policy): Json<AudiencePolicy>,
) -> Result<axum::Json<AudiencePolicy>> {
    caller.require_admin()?;
    state.store.audience_policy_put(&caller.scope, &policy).await.or_refused("workspace")?;
    Ok(axum::Json(policy))
}

/// What a connection takes away beside the workspace's policy. For those who manage it.
#[utoipa::path(get, path = "/data-connections/{id}/audience", tag = "data", params(("id" = Uuid, Path)),
    responses((status = 200, body = ConnectionAudience)))]
pub(crate) async fn connection_audience_get(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<ConnectionId>,
) -> Result<axum::Json<ConnectionAudience>> {
    managed(&state, &caller, id).await?;
    let rule = state.store.connection_audience_get(&caller.scope, id).await.or_refused("connection")?;
    rule.map(axum::Json).ok_or(Error::NotFound("connection"))
}

/// Replace what a connection takes away. For those who manage it.
#[utoipa::path(put, path = "/data-connections/{id}/audience", tag = "data", request_body = ConnectionAudience,
    params(("id" = Uuid, Path)), responses((status = 200, body = ConnectionAudience)))]
pub(crate) async fn connection_audience_replace(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<ConnectionId>,
    Json(rule): Json<ConnectionAudience>,
) -> Result<axum::Json<ConnectionAudience>> {
    managed(&state, &caller, id).await?;
    state.store.connection_audience_put(&caller.scope, id, &rule).await.or_refused("connection")?;
    Ok(axum::Json(rule))
}

/// By what ways each member is told: those who are deactivated as well, since tasks may name them. For those who may ask.
#[utoipa::path(get, path = "/workspace/reach", tag = "people", responses((status = 200, body = Vec<MemberReach>)))]
pub(crate) async fn member_reach_list(
    State(state): State<ApiState>,
    caller: Caller,
) -> Result<axum::Json<Vec<MemberReach>>> {
    caller.require_asking()?;
    let people = state.store.audience_people(&caller.scope, None).await.or_refused("user")?;
    let reach = people.into_iter().map(|person| {
        let ways = person.contact.ways();
        MemberReach {
            id: person.id,
            name: person.name,
            ways: ways.channels,
            fallback: ways.fallback,
            untold: ways.untold.map(|why| why.sentence().to_owned()),
            is_deactivated: person.contact.is_deactivated,
        }
    });
    Ok(axum::Json(reach.collect()))
}

/// Who would see what of a task's answers, before it is saved. Nothing is kept.
#[utoipa::path(post, path = "/tasks/audience", tag = "tasks", request_body = TaskAudienceRequest,
    responses((status = 200, body = TaskAudience)))]
pub(crate) async fn task_audience(
    State(state): State<ApiState>,
    caller: Caller,
    Json(request): Json<TaskAudienceRequest>,
) -> Result<axum::Json<TaskAudience>> {
    caller.require_asking()?;
    let to = request.notification;
    if to.user_ids.len() + to.group_ids.len() + to.slack_channels.len() > RECIPIENTS_MAX {
        return Err(Error::field("notification", format!("at most {RECIPIENTS_MAX} recipients in all")));
    }
    let (connection_ids, uses_all) = behind(&state, &caller, request.context, &request.prompt).await?;
    let groups = groups(&state, &caller, &to.group_ids).await?;
    let grouped = groups.iter().flat_map(|group| &group.member_ids);
    let user_ids: Vec<UserId> = to.user_ids.iter().chain(grouped).copied().collect();
    let facts = state
        .store
        .audience_facts(&caller.scope, caller.user_id, &connection_ids, &user_ids)
        .await
        .or_refused("task")?;
    let people = state.store.audience_people(&caller.scope, Some(&user_ids)).await.or_refused("user")?;
    let outcomes: Vec<PersonAudience> = people.iter().map(|person| outcome(&facts, person)).collect();
    let of = |ids: &[UserId]| -> Vec<PersonAudience> {
        outcomes.iter().filter(|outcome| ids.contains(&outcome.id)).cloned().collect()
    };
    let mut slack_channels = Vec::with_capacity(to.slack_channels.len());
    for channel in to.slack_channels {
        slack_channels.push(channel_outcome(&state, &caller, &connection_ids, channel).await?);
    }
    Ok(axum::Json(TaskAudience {
        connections: facts
            .data
            .connections
            .iter()
            .map(|used| AudienceConnection { id: used.id, name: used.name.clone() })
            .collect(),
        uses_all,
        people: of(&to.user_ids),
        groups: groups
            .into_iter()
            .map(|group| GroupAudience { id: group.id, members: of(&group.member_ids), name: group.name })
            .collect(),
        slack_channels,
    }))
}

/// The connections that an answer may rest on: those named that the caller may use, or else all that they may query.
async fn behind(
    state: &ApiState,
    caller: &Caller,
    context: Context,
    prompt: &str,
) -> Result<(Vec<ConnectionId>, bool)> {
    let queryable: Vec<ConnectionId> = state
        .store
        .connection_queryable(&caller.scope, caller.user_id)
        .await
        .or_refused("connection")?
        .into_iter()
        .map(|connection| connection.id)
        .collect();
    let mentioned = mentions(prompt)
        .into_iter()
        .filter(|mention| mention.kind == Some(ContextKind::Connection))
        .filter_map(|mention| mention.id.map(ConnectionId::from));
    let named: Vec<ConnectionId> = context.connection_ids.into_iter().chain(mentioned).collect();
    if named.is_empty() {
        return Ok((queryable, true));
    }
    Ok((queryable.into_iter().filter(|id| named.contains(id)).collect(), false))
}

/// The groups that are still there.
async fn groups(state: &ApiState, caller: &Caller, ids: &[GroupId]) -> Result<Vec<store::Group>> {
    let mut groups = Vec::with_capacity(ids.len());
    for id in ids {
        groups.extend(state.store.group_get(&caller.scope, *id).await.or_refused("group")?);
    }
    Ok(groups)
}

fn outcome(facts: &AudienceFacts, person: &AudiencePerson) -> PersonAudience {
    let viewer = facts.viewer(person.id);
    let by = |channel: Channel| -> Decision {
        audience::decide(&facts.data, &Recipient::Person { viewer: &viewer, channel })
    };
    let told = person.contact.ways();
    PersonAudience {
        id: person.id,
        name: person.name.clone(),
        ways: told
            .channels
            .into_iter()
            .map(|channel| {
                let decision = by(channel);
                WayAudience { channel, audience: decision.audience, reason: decision.reason }
            })
            .collect(),
        fallback: told.fallback,
        untold: told.untold.map(|why| why.sentence().to_owned()),
        opens_thread: by(Channel::Email).opens_thread.unwrap_or(false),
    }
}

/// How much a channel would see, by who is in it now.
async fn channel_outcome(
    state: &ApiState,
    caller: &Caller,
    connection_ids: &[ConnectionId],
    channel: SlackChannel,
) -> Result<ChannelAudience> {
    let members = slack::channels::members(state, caller, &channel.id).await?;
    let known = members.as_ref().and_then(|members| members.people.as_ref());
    let people: Vec<ChannelPerson> = known
        .into_iter()
        .flatten()
        .map(|member| ChannelPerson {
            slack_user_id: member.id.clone(),
            is_outside: member.kind != MemberKind::Own,
        })
        .collect();
    let (data, viewers) = state
        .store
        .audience_of_channel(&caller.scope, caller.user_id, connection_ids, &people)
        .await
        .or_refused("channel")?;
    let to = Recipient::SlackChannel {
        viewers: known.map(|_| viewers.as_slice()),
        is_shared_outside: members.is_some_and(|members| members.is_shared_outside),
    };
    let decision = audience::decide(&data, &to);
    Ok(ChannelAudience {
        id: channel.id,
        name: channel.name,
        audience: decision.audience,
        reason: decision.reason,
        people: decision.record.channel,
    })
}
