//! `chat.*` and `reactions.*`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::{
    call::{Answer, Caller, Refusal, Scene},
    rules,
    world::{Channel, Message},
};

/// What a message is made of.
struct Content {
    text: String,
    blocks: Vec<Value>,
    metadata: Option<Value>,
}

impl Scene<'_> {
    pub(in super::super) fn chat_post_message(&mut self, caller: &Caller) -> Answer {
        let channel = self.writable_channel(caller)?;
        let content = self.content(caller, rules::TEXT_MAX)?;
        let thread_ts = self.thread(&channel)?;
        self.keep_the_gap(caller, &channel)?;
        let ts = self.post(caller, &channel, content, thread_ts, Vec::new());
        let channel = &self.inner.world.channels[&channel.id];
        let message = channel.messages.last().expect("what was just posted");
        let message = self.inner.world.message_json(channel, message, true);
        Ok(json!({ "channel": channel.id, "ts": ts, "message": message }))
    }

    pub(in super::super) fn chat_get_permalink(&mut self, caller: &Caller) -> Answer {
        let channel = self.visible_channel(caller, "channel")?;
        let ts = self.arguments.required("message_ts")?;
        self.trace.ts = Some(ts.clone());
        let message = channel.messages.iter().find(|message| message.ts == ts);
        let message = message.ok_or_else(|| Refusal::new("message_not_found"))?;
        let name = caller.team.name.to_lowercase().replace(' ', "-");
        let permalink = format!("https://{name}.slack.com/archives/{}/p{}", channel.id, ts.replace('.', ""));
        let permalink = match message.thread_ts.as_ref().filter(|thread_ts| **thread_ts != ts) {
            Some(thread_ts) => format!("{permalink}?thread_ts={thread_ts}&cid={}", channel.id),
            None => permalink,
        };
        Ok(json!({ "channel": channel.id, "permalink": permalink }))
    }

    pub(in super::super) fn chat_post_ephemeral(&mut self, caller: &Caller) -> Answer {
        let channel = self.writable_channel(caller)?;
        let content = self.content(caller, rules::TEXT_MAX)?;
        let user = self.arguments.required("user")?;
        if !self.inner.world.users.contains_key(&user) {
            return Err(Refusal::new("user_not_found"));
        }
        if !channel.members.contains(&user) {
            return Err(Refusal::new("user_not_in_channel"));
        }
        self.trace.thread_ts = self.arguments.text("thread_ts");
        self.trace.text = Some(content.text);
        let now = self.now;
        let ts = self.world().next_ts(now);
        self.trace.ts = Some(ts.clone());
        Ok(json!({ "message_ts": ts }))
    }

    pub(in super::super) fn chat_update(&mut self, caller: &Caller) -> Answer {
        let channel = self.writable_channel(caller)?;
        let content = self.content(caller, rules::UPDATED_TEXT_MAX)?;
        let ts = self.arguments.required("ts")?;
        let bot = caller.team.bot_user_id.clone();
        let message =
            self.world().message_mut(&channel.id, &ts).ok_or_else(|| Refusal::new("message_not_found"))?;
        if message.user != bot {
            return Err(Refusal::new("cant_update_message"));
        }
        message.text.clone_from(&content.text);
        message.blocks = content.blocks;
        if content.metadata.is_some() {
            message.metadata = content.metadata;
        }
        message.is_edited = true;
        self.trace.ts = Some(ts.clone());
        self.trace.text = Some(content.text.clone());
        Ok(json!({ "channel": channel.id, "ts": ts, "text": content.text }))
    }

    /// The conversation that a message goes to: a person's id stands for the direct message with them.
    fn writable_channel(&mut self, caller: &Caller) -> Result<Channel, Refusal> {
        let id = self.arguments.required("channel")?;
        self.trace.channel = Some(id.clone());
        if let Some(user) = self.inner.world.users.get(&id) {
            if user.is_bot {
                return Err(Refusal::new("cannot_dm_bot"));
            }
            if user.team_id != caller.team.id {
                return Err(Refusal::new("channel_not_found"));
            }
            let (im, _) = self.world().im(&caller.team.id, &id);
            self.trace.channel = Some(im.clone());
            return Ok(self.inner.world.channels[&im].clone());
        }
        let channel = self.visible_channel(caller, "channel")?;
        if channel.is_archived {
            return Err(Refusal::new("is_archived"));
        }
        let is_member = channel.members.contains(&caller.team.bot_user_id);
        if !is_member && !caller.scopes.contains("chat:write.public") {
            return Err(Refusal::new("not_in_channel"));
        }
        if channel.is_posting_restricted {
            return Err(Refusal::new("restricted_action"));
        }
        Ok(channel)
    }

    fn content(&self, caller: &Caller, text_max: usize) -> Result<Content, Refusal> {
        let text = self.arguments.text("text").unwrap_or_default();
        if text.chars().count() > text_max {
            return Err(Refusal::new("msg_too_long"));
        }
        let blocks = match self.arguments.structure("blocks", "invalid_blocks_format")? {
            None => Vec::new(),
            Some(Value::Array(blocks)) => blocks,
            Some(_) => return Err(Refusal::new("invalid_blocks_format")),
        };
        if text.is_empty() && blocks.is_empty() {
            return Err(Refusal::new("no_text"));
        }
        let is_usable = |id: &str| self.is_usable_picture(caller, id);
        if let Err(complaints) = rules::check_blocks(&blocks, is_usable) {
            return Err(Refusal::new("invalid_blocks")
                .with("errors", json!(complaints))
                .with("response_metadata", json!({ "messages": complaints })));
        }
        if rules::text_in(&blocks) > rules::BLOCKS_TEXT_MAX {
            return Err(Refusal::new("msg_blocks_too_long"));
        }
        let metadata = self.arguments.structure("metadata", "invalid_metadata_format")?;
        if let Some(metadata) = &metadata {
            if !metadata["event_type"].is_string() || !metadata["event_payload"].is_object() {
                return Err(Refusal::new("invalid_metadata_format"));
            }
            if metadata.to_string().len() > rules::METADATA_MAX {
                return Err(Refusal::new("metadata_too_large"));
            }
        }
        Ok(Content { text, blocks, metadata })
    }

    /// The thread that a message is to stand in: of a message that exists and is no reply itself.
    pub(super) fn thread(&mut self, channel: &Channel) -> Result<Option<String>, Refusal> {
        let Some(thread_ts) = self.arguments.text("thread_ts") else {
            return Ok(None);
        };
        let parent = channel.messages.iter().find(|message| message.ts == thread_ts);
        let is_first = |message: &&Message| message.thread_ts.as_ref().is_none_or(|ts| *ts == message.ts);
        parent.filter(is_first).ok_or_else(|| Refusal::new("thread_not_found"))?;
        Ok(Some(thread_ts))
    }

    /// One message a second in a channel.
    pub(super) fn keep_the_gap(&mut self, caller: &Caller, channel: &Channel) -> Result<(), Refusal> {
        let gap = rules::CHANNEL_GAP / self.inner.options.speed;
        let key = (&*caller.team.id, &*channel.id);
        self.inner.limits.admit(key, self.now, 1, gap).map_err(|limited| {
            self.trace.limited = Some(limited);
            Refusal::new("ratelimited")
        })
    }

    /// Puts a message of our bot into a conversation.
    pub(super) fn post_files(
        &mut self,
        caller: &Caller,
        channel: &Channel,
        text: String,
        thread_ts: Option<String>,
        files: Vec<String>,
    ) -> String {
        let content = Content { text, blocks: Vec::new(), metadata: None };
        self.post(caller, channel, content, thread_ts, files)
    }

    fn post(
        &mut self,
        caller: &Caller,
        channel: &Channel,
        content: Content,
        thread_ts: Option<String>,
        files: Vec<String>,
    ) -> String {
        let now = self.now;
        let ts = self.world().next_ts(now);
        self.trace.ts = Some(ts.clone());
        self.trace.thread_ts.clone_from(&thread_ts);
        self.trace.metadata.clone_from(&content.metadata);
        self.trace.text = Some(content.text.clone());
        let message = Message {
            ts: ts.clone(),
            thread_ts,
            user: caller.team.bot_user_id.clone(),
            bot_id: Some(caller.team.bot_id.clone()),
            subtype: None,
            text: content.text,
            blocks: content.blocks,
            metadata: content.metadata,
            files,
            reactions: BTreeMap::new(),
            is_edited: false,
        };
        self.inner.say(&channel.id, &message);
        ts
    }

    pub(in super::super) fn reactions_add(&mut self, caller: &Caller) -> Answer {
        let (channel, ts, name) = self.reaction(caller)?;
        let bot = caller.team.bot_user_id.clone();
        let message =
            self.world().message_mut(&channel, &ts).ok_or_else(|| Refusal::new("message_not_found"))?;
        if !message.reactions.entry(name).or_default().insert(bot) {
            return Err(Refusal::new("already_reacted"));
        }
        Ok(json!({}))
    }

    pub(in super::super) fn reactions_remove(&mut self, caller: &Caller) -> Answer {
        let (channel, ts, name) = self.reaction(caller)?;
        let message =
            self.world().message_mut(&channel, &ts).ok_or_else(|| Refusal::new("message_not_found"))?;
        let was_there =
            message.reactions.get_mut(&name).is_some_and(|users| users.remove(&caller.team.bot_user_id));
        message.reactions.retain(|_, users| !users.is_empty());
        if was_there { Ok(json!({})) } else { Err(Refusal::new("no_reaction")) }
    }

    fn reaction(&mut self, caller: &Caller) -> Result<(String, String, String), Refusal> {
        let channel = self.visible_channel(caller, "channel")?;
        if !channel.members.contains(&caller.team.bot_user_id) {
            return Err(Refusal::new("not_in_channel"));
        }
        if channel.is_archived {
            return Err(Refusal::new("is_archived"));
        }
        let ts = self.arguments.required("timestamp")?;
        let name = self.arguments.required("name")?;
        if !name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_+-'".contains(&byte))
        {
            return Err(Refusal::new("invalid_name"));
        }
        self.trace.ts = Some(ts.clone());
        self.trace.text = Some(name.clone());
        Ok((channel.id, ts, name))
    }
}
