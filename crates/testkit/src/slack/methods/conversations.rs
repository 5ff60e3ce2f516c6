//! `conversations.*`.

use serde_json::{Value, json};

use super::super::{
    call::{Answer, Caller, Refusal, Scene},
    rules,
    world::{Channel, Message},
};

impl Scene<'_> {
    pub(in super::super) fn conversations_info(&mut self, caller: &Caller) -> Answer {
        let channel = self.readable_channel(caller, "read")?;
        let mut shown = self.inner.world.channel_json(&channel);
        if !self.arguments.is_true("include_num_members")
            && let Some(fields) = shown.as_object_mut()
        {
            fields.remove("num_members");
        }
        Ok(json!({ "channel": shown }))
    }

    pub(in super::super) fn conversations_list(&mut self, caller: &Caller) -> Answer {
        let types = self.arguments.text("types").unwrap_or_else(|| "public_channel".to_owned());
        let kinds: Vec<&str> = types.split(',').map(str::trim).collect();
        for kind in &kinds {
            let scope = match *kind {
                "public_channel" => rules::conversation_scope(false, false, "read"),
                "private_channel" => rules::conversation_scope(false, true, "read"),
                "im" => rules::conversation_scope(true, true, "read"),
                "mpim" => "mpim:read".to_owned(),
                _ => return Err(Refusal::new("invalid_types")),
            };
            caller.needs(&scope)?;
        }
        let is_wanted = |channel: &&Channel| {
            let kind = match (&channel.im_user, channel.is_private) {
                (Some(_), _) => "im",
                (None, true) => "private_channel",
                (None, false) => "public_channel",
            };
            channel.team_id == caller.team.id
                && kinds.contains(&kind)
                && (!channel.is_private || channel.members.contains(&caller.team.bot_user_id))
                && !(channel.is_archived && self.arguments.is_true("exclude_archived"))
        };
        let world = &self.inner.world;
        let channels = world.channels.values().filter(is_wanted);
        let channels: Vec<Value> = channels.map(|channel| world.channel_json(channel)).collect();
        let (page, next) = self.page(&channels, 100, 1_000)?;
        Ok(json!({ "channels": page, "response_metadata": next }))
    }

    pub(in super::super) fn conversations_members(&mut self, caller: &Caller) -> Answer {
        let channel = self.readable_channel(caller, "read")?;
        let members: Vec<Value> = channel.members.iter().map(|member| json!(member)).collect();
        let (page, next) = self.page(&members, 100, 1_000)?;
        Ok(json!({ "members": page, "response_metadata": next }))
    }

    pub(in super::super) fn conversations_open(&mut self, caller: &Caller) -> Answer {
        let users = self.arguments.required("users")?;
        let user = self.inner.world.users.get(&users);
        let user = user.filter(|user| user.team_id == caller.team.id);
        let user = user.ok_or_else(|| Refusal::new("user_not_found"))?;
        if user.deleted {
            return Err(Refusal::new("user_disabled"));
        }
        if user.is_bot {
            return Err(Refusal::new("cannot_dm_bot"));
        }
        let (id, was_open) = self.world().im(&caller.team.id, &users);
        self.trace.channel = Some(id.clone());
        Ok(json!({ "no_op": was_open, "already_open": was_open, "channel": { "id": id } }))
    }

    pub(in super::super) fn conversations_history(&mut self, caller: &Caller) -> Answer {
        let channel = self.member_channel(caller)?;
        let stands_alone = |message: &&Message| message.thread_ts.as_ref().is_none_or(|ts| *ts == message.ts);
        let messages = channel.messages.iter().rev().filter(stands_alone);
        let messages = self.between(messages);
        self.messages_page(&channel, &messages)
    }

    pub(in super::super) fn conversations_replies(&mut self, caller: &Caller) -> Answer {
        let channel = self.member_channel(caller)?;
        let ts = self.arguments.required("ts")?;
        // Slack finds a thread by a reply's timestamp too.
        let asked = channel.messages.iter().find(|message| message.ts == ts);
        let asked = asked.ok_or_else(|| Refusal::new("thread_not_found"))?;
        let thread_ts = asked.thread_ts.clone().unwrap_or_else(|| asked.ts.clone());
        let parent = channel.messages.iter().filter(|message| message.ts == thread_ts);
        let replies = channel
            .messages
            .iter()
            .filter(|message| message.ts != thread_ts && message.thread_ts.as_deref() == Some(&*thread_ts));
        // The first message is on each page's thread, whatever the times.
        let mut messages: Vec<Message> = parent.cloned().collect();
        messages.extend(self.between(replies));
        self.messages_page(&channel, &messages)
    }

    /// A conversation whose messages our bot may read.
    fn member_channel(&mut self, caller: &Caller) -> Result<Channel, Refusal> {
        let channel = self.readable_channel(caller, "history")?;
        if !channel.members.contains(&caller.team.bot_user_id) {
            return Err(Refusal::new("not_in_channel"));
        }
        Ok(channel)
    }

    /// Those said between `oldest` and `latest`. Timestamps are ordered as text while they have ten digits.
    fn between<'m>(&self, messages: impl Iterator<Item = &'m Message>) -> Vec<Message> {
        let (oldest, latest) = (self.arguments.text("oldest"), self.arguments.text("latest"));
        let is_inclusive = self.arguments.is_true("inclusive");
        let is_within = |message: &&Message| {
            let is_after = oldest
                .as_ref()
                .is_none_or(|oldest| message.ts > *oldest || is_inclusive && message.ts == *oldest);
            let is_before = latest
                .as_ref()
                .is_none_or(|latest| message.ts < *latest || is_inclusive && message.ts == *latest);
            is_after && is_before
        };
        messages.filter(is_within).cloned().collect()
    }

    fn messages_page(&self, channel: &Channel, messages: &[Message]) -> Answer {
        let with_metadata = self.arguments.is_true("include_all_metadata");
        let (default, max) = (100, 999);
        let (mut page, mut next) = self.page(messages, default, max)?;
        if self.app().is_history_limited && page.len() > 15 {
            page.truncate(15);
            next = json!({ "next_cursor": format!("page:{}", self.arguments.start()? + 15) });
        }
        let has_more = next["next_cursor"] != "";
        let shown: Vec<Value> = page
            .iter()
            .map(|message| self.inner.world.message_json(channel, message, with_metadata))
            .collect();
        Ok(json!({ "messages": shown, "has_more": has_more, "response_metadata": next }))
    }
}
