//! `files.*`: three steps, each once and in their order.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::super::{
    Inner,
    call::{Answer, Caller, Refusal, Scene},
    world::File,
};

impl Scene<'_> {
    pub(in super::super) fn files_get_upload_url(&mut self, caller: &Caller) -> Answer {
        let name = self.arguments.required("filename")?;
        let length = self.arguments.required("length")?.parse::<u64>();
        let length =
            length.ok().filter(|length| *length > 0).ok_or_else(|| Refusal::new("invalid_arguments"))?;
        let id = self.world().next_id("F");
        let file = File {
            id: id.clone(),
            team_id: caller.team.id.clone(),
            title: name.clone(),
            name,
            length,
            bytes: None,
            completed_at: None,
            channels: BTreeSet::new(),
        };
        self.world().files.insert(id.clone(), file);
        let place = self.inner.secret("upload");
        let upload_url = format!("{}upload/v1/{place}", self.inner.root_url);
        self.world().uploads.insert(place, id.clone());
        Ok(json!({ "upload_url": upload_url, "file_id": id }))
    }

    pub(in super::super) fn files_complete_upload(&mut self, caller: &Caller) -> Answer {
        let files = self.arguments.structure("files", "invalid_arguments")?;
        let files = files.as_ref().and_then(Value::as_array).filter(|files| !files.is_empty());
        let files = files.ok_or_else(|| Refusal::new("invalid_arguments"))?.clone();
        let mut named = Vec::new();
        for file in &files {
            let id = file["id"].as_str().unwrap_or_default().to_owned();
            let known = self.inner.world.files.get(&id);
            let known = known.filter(|known| known.team_id == caller.team.id && known.bytes.is_some());
            let known = known.ok_or_else(|| Refusal::new("file_not_found"))?;
            if known.completed_at.is_some() {
                return Err(Refusal::new("file_update_failed"));
            }
            named.push((id, file["title"].as_str().map(str::to_owned)));
        }
        let channel = if self.arguments.text("channel_id").is_none() {
            None
        } else {
            let channel = self.visible_channel(caller, "channel_id")?;
            if !channel.members.contains(&caller.team.bot_user_id) {
                return Err(Refusal::new("not_in_channel"));
            }
            let thread_ts = self.thread(&channel)?;
            self.keep_the_gap(caller, &channel)?;
            Some((channel, thread_ts))
        };
        let now = self.now;
        for (id, title) in &named {
            let file = self.world().files.get_mut(id).expect("it was just found");
            file.completed_at = Some(now);
            if let Some(title) = title {
                file.title.clone_from(title);
            }
            if let Some((channel, _)) = &channel {
                file.channels.insert(channel.id.clone());
            }
        }
        if let Some((channel, thread_ts)) = channel {
            let text = self.arguments.text("initial_comment").unwrap_or_default();
            let ids = named.iter().map(|(id, _)| id.clone()).collect();
            self.post_files(caller, &channel, text, thread_ts, ids);
        }
        let answer: Vec<Value> = named.iter().map(|(id, _)| self.shown_file(id)).collect();
        Ok(json!({ "files": answer }))
    }

    pub(in super::super) fn files_info(&mut self, caller: &Caller) -> Answer {
        let id = self.arguments.required("file")?;
        let file = self.inner.world.files.get(&id);
        let is_there = |file: &&File| file.team_id == caller.team.id && file.completed_at.is_some();
        file.filter(is_there).ok_or_else(|| Refusal::new("file_not_found"))?;
        Ok(json!({ "file": self.shown_file(&id) }))
    }

    /// Whether an image block may show it: completed, looked at by Slack, and a picture.
    pub(super) fn is_usable_picture(&self, caller: &Caller, id: &str) -> bool {
        self.inner.world.files.get(id).is_some_and(|file| {
            file.team_id == caller.team.id && self.is_processed(file) && file.mimetype().starts_with("image/")
        })
    }

    fn is_processed(&self, file: &File) -> bool {
        file.completed_at.is_some_and(|at| at + self.inner.options.file_processing <= self.now)
    }

    fn shown_file(&self, id: &str) -> Value {
        let file = &self.inner.world.files[id];
        self.inner.world.file_json(file, self.is_processed(file))
    }
}

impl Inner {
    /// Takes a file's bytes, once. Answers a status and what it says.
    pub(in super::super) fn take_bytes(&mut self, place: &str, bytes: &[u8]) -> (u16, String) {
        let Some(id) = self.world.uploads.get(place) else {
            return (404, "no such upload".to_owned());
        };
        let file = self.world.files.get_mut(id).expect("a file that was asked for");
        if bytes.len() as u64 != file.length {
            return (400, format!("{} bytes were announced and {} came", file.length, bytes.len()));
        }
        file.bytes = Some(bytes.to_vec());
        self.world.uploads.remove(place);
        (200, format!("OK - {}", bytes.len()))
    }
}
