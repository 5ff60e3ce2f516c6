//! Slack's published rules: which method needs which scope, how often it may be called, and what a message may hold.
//!
//! Written from the published documentation and on its own: nothing is shared with the code that is tested against it.

use chrono::TimeDelta;
use serde_json::Value;

/// What a method demands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    /// How often it may be called, for one workspace.
    pub(super) tier: Tier,
    /// The scope that is needed whatever the arguments; `None` where it depends on them.
    pub(super) scope: Option<&'static str>,
    /// Whether its arguments may come as JSON.
    pub(super) reads_json: bool,
}

/// Calls a minute for one workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tier {
    /// Once.
    One,
    /// 20 times.
    Two,
    /// 50 times.
    Three,
    /// 100 times.
    Four,
    /// Hundreds: one message a second in each channel, and a limit on the workspace that Slack does not publish.
    Special,
    /// Before any workspace is known.
    None,
}

impl Tier {
    pub(super) const fn calls_per_minute(self) -> usize {
        match self {
            Self::One => 1,
            Self::Two => 20,
            Self::Three => 50,
            Self::Four => 100,
            Self::Special => 600,
            Self::None => usize::MAX,
        }
    }
}

/// Between two messages in one channel.
pub(super) const CHANNEL_GAP: TimeDelta = TimeDelta::seconds(1);

const fn writes(tier: Tier, scope: &'static str) -> Rule {
    Rule { tier, scope: Some(scope), reads_json: true }
}

const fn reads(tier: Tier, scope: Option<&'static str>) -> Rule {
    Rule { tier, scope, reads_json: false }
}

/// What a method demands; `None` where there is no such method.
pub(super) fn rule(method: &str) -> Option<Rule> {
    Some(match method {
        "auth.test" | "chat.getPermalink" => reads(Tier::Special, None),
        "auth.revoke" | "conversations.info" | "conversations.history" | "conversations.replies" => {
            reads(Tier::Three, None)
        }
        "chat.postMessage" => writes(Tier::Special, "chat:write"),
        "chat.postEphemeral" => writes(Tier::Four, "chat:write"),
        "chat.update" => writes(Tier::Three, "chat:write"),
        "conversations.list" => reads(Tier::Two, None),
        "conversations.members" => reads(Tier::Four, None),
        "conversations.open" => writes(Tier::Three, "im:write"),
        "files.getUploadURLExternal" => reads(Tier::Four, Some("files:write")),
        "files.completeUploadExternal" => writes(Tier::Four, "files:write"),
        "files.info" => reads(Tier::Four, Some("files:read")),
        "reactions.add" => writes(Tier::Three, "reactions:write"),
        "reactions.remove" => writes(Tier::Two, "reactions:write"),
        "users.info" => reads(Tier::Four, Some("users:read")),
        "users.list" => reads(Tier::Two, Some("users:read")),
        "users.lookupByEmail" => reads(Tier::Three, Some("users:read.email")),
        "openid.connect.userInfo" => reads(Tier::Four, Some("openid")),
        "oauth.v2.access" | "openid.connect.token" => reads(Tier::None, None),
        _ => return None,
    })
}

/// Characters of a message's text.
pub(super) const TEXT_MAX: usize = 40_000;
/// Characters of a message's text when it is changed.
pub(super) const UPDATED_TEXT_MAX: usize = 4_000;
/// Bytes of a message's metadata.
pub(super) const METADATA_MAX: usize = 8_192;

/// Checks a message's blocks. `is_usable_picture` tells of a file by its id. Answers what is wrong, as Slack words it.
pub(super) fn check_blocks(
    blocks: &[Value],
    is_usable_picture: impl Fn(&str) -> bool,
) -> Result<(), Vec<String>> {
    let mut complaints = Vec::new();
    if blocks.len() > 50 {
        complaints.push("[ERROR] no more than 50 items allowed [json-pointer:/blocks]".to_owned());
    }
    let tables = blocks.iter().filter(|block| block["type"] == "table").count();
    if tables > 1 {
        complaints.push("[ERROR] only_one_table_allowed [json-pointer:/blocks]".to_owned());
    }
    let mut ids = std::collections::BTreeSet::new();
    for (position, block) in blocks.iter().enumerate() {
        let mut complain =
            |what: String| complaints.push(format!("[ERROR] {what} [json-pointer:/blocks/{position}]"));
        if let Some(id) = block["block_id"].as_str() {
            if id.chars().count() > 255 {
                complain("block_id must be at most 255 characters".to_owned());
            }
            if !ids.insert(id) {
                complain(format!("block_id {id} already exists"));
            }
        }
        if let Err(what) = check_block(block, &is_usable_picture) {
            complain(what);
        }
    }
    if complaints.is_empty() { Ok(()) } else { Err(complaints) }
}

fn check_block(block: &Value, is_usable_picture: &impl Fn(&str) -> bool) -> Result<(), String> {
    match block["type"].as_str().unwrap_or_default() {
        "header" => check_text(&block["text"], &["plain_text"], 150),
        "section" => check_section(block),
        "divider" => Ok(()),
        "image" => check_image(block, is_usable_picture),
        "context" => check_context(block),
        "actions" => check_actions(block),
        "table" => check_table(block),
        "markdown" => {
            let length = block["text"].as_str().map_or(0, |text| text.chars().count());
            if (1..=12_000).contains(&length) {
                Ok(())
            } else {
                Err("text must be 1 to 12000 characters".to_owned())
            }
        }
        "rich_text" => {
            let known = ["rich_text_section", "rich_text_list", "rich_text_preformatted", "rich_text_quote"];
            let elements = block["elements"].as_array().ok_or("missing required field: elements")?;
            let is_known =
                |element: &Value| element["type"].as_str().is_some_and(|kind| known.contains(&kind));
            if elements.iter().all(is_known) { Ok(()) } else { Err("unsupported element".to_owned()) }
        }
        other => Err(format!("unsupported type: {other}")),
    }
}

fn check_text(text: &Value, kinds: &[&str], max: usize) -> Result<(), String> {
    let kind = text["type"].as_str().ok_or("missing required field: text")?;
    if !kinds.contains(&kind) {
        return Err(format!("unsupported type: {kind}"));
    }
    if kind == "mrkdwn" && !text["emoji"].is_null() || kind == "plain_text" && !text["verbatim"].is_null() {
        return Err("invalid additional property".to_owned());
    }
    let length = text["text"].as_str().ok_or("missing required field: text")?.chars().count();
    if length == 0 {
        return Err("must be more than 0 characters".to_owned());
    }
    if length > max {
        return Err(format!("must be less than {} characters", max + 1));
    }
    Ok(())
}

const ANY_TEXT: &[&str] = &["mrkdwn", "plain_text"];

fn check_section(block: &Value) -> Result<(), String> {
    let fields = block["fields"].as_array();
    if block["text"].is_null() && fields.is_none() {
        return Err("missing required field: text".to_owned());
    }
    if !block["text"].is_null() {
        check_text(&block["text"], ANY_TEXT, 3_000)?;
    }
    let fields = fields.map_or(&[][..], Vec::as_slice);
    if fields.len() > 10 {
        return Err("no more than 10 items allowed".to_owned());
    }
    fields.iter().try_for_each(|field| check_text(field, ANY_TEXT, 2_000))
}

fn check_image(block: &Value, is_usable_picture: &impl Fn(&str) -> bool) -> Result<(), String> {
    let alt_text = block["alt_text"].as_str().ok_or("missing required field: alt_text")?;
    if alt_text.is_empty() || alt_text.chars().count() > 2_000 {
        return Err("alt_text must be 1 to 2000 characters".to_owned());
    }
    if !block["title"].is_null() {
        check_text(&block["title"], &["plain_text"], 2_000)?;
    }
    match (block["image_url"].as_str(), block["slack_file"]["id"].as_str()) {
        (Some(url), None) if url.len() <= 3_000 => Ok(()),
        (None, Some(id)) if is_usable_picture(id) => Ok(()),
        (None, Some(_)) => Err("invalid slack file".to_owned()),
        _ => Err("either image_url or slack_file is needed".to_owned()),
    }
}

fn check_context(block: &Value) -> Result<(), String> {
    let elements = block["elements"].as_array().ok_or("missing required field: elements")?;
    if elements.is_empty() || elements.len() > 10 {
        return Err("1 to 10 items allowed".to_owned());
    }
    elements.iter().try_for_each(|element| match element["type"].as_str() {
        Some("image") => Ok(()),
        _ => check_text(element, ANY_TEXT, 3_000),
    })
}

fn check_actions(block: &Value) -> Result<(), String> {
    let elements = block["elements"].as_array().ok_or("missing required field: elements")?;
    if elements.is_empty() || elements.len() > 25 {
        return Err("1 to 25 items allowed".to_owned());
    }
    let mut ids = std::collections::BTreeSet::new();
    for element in elements {
        if element["type"] != "button" {
            return Err("unsupported type".to_owned());
        }
        check_text(&element["text"], &["plain_text"], 75)?;
        let is_too_long =
            |name: &str, max| element[name].as_str().is_some_and(|text| text.chars().count() > max);
        if is_too_long("action_id", 255) || is_too_long("value", 2_000) || is_too_long("url", 3_000) {
            return Err("a property is too long".to_owned());
        }
        if !matches!(element["style"].as_str(), None | Some("primary" | "danger")) {
            return Err("invalid style".to_owned());
        }
        if let Some(id) = element["action_id"].as_str()
            && !ids.insert(id)
        {
            return Err(format!("action_id {id} already exists"));
        }
    }
    Ok(())
}

fn check_table(block: &Value) -> Result<(), String> {
    let rows = block["rows"].as_array().ok_or("missing required field: rows")?;
    if rows.is_empty() || rows.len() > 100 {
        return Err("1 to 100 rows allowed".to_owned());
    }
    let mut characters = 0;
    for row in rows {
        let cells = row.as_array().ok_or("a row is an array")?;
        if cells.is_empty() || cells.len() > 20 {
            return Err("1 to 20 cells allowed".to_owned());
        }
        for cell in cells {
            match cell["type"].as_str() {
                Some("raw_text") => {
                    let length = cell["text"].as_str().map_or(0, |text| text.chars().count());
                    if length == 0 {
                        return Err("must be more than 0 characters".to_owned());
                    }
                    characters += length;
                }
                Some("rich_text" | "raw_number") => {}
                _ => return Err("unsupported cell".to_owned()),
            }
        }
    }
    if characters > 10_000 {
        return Err("table may hold 10000 characters".to_owned());
    }
    let columns = block["column_settings"].as_array().map_or(&[][..], Vec::as_slice);
    if columns.len() > 20 {
        return Err("no more than 20 column_settings allowed".to_owned());
    }
    let is_known =
        |column: &Value| matches!(column["align"].as_str(), None | Some("left" | "center" | "right"));
    if columns.iter().all(is_known) { Ok(()) } else { Err("invalid align".to_owned()) }
}

/// The scope that a conversation's kind asks for: `channels:history` of a public channel.
pub(super) fn conversation_scope(is_im: bool, is_private: bool, what: &str) -> String {
    let kind = match (is_im, is_private) {
        (true, _) => "im",
        (false, true) => "groups",
        (false, false) => "channels",
    };
    format!("{kind}:{what}")
}

/// What all text of a message's blocks comes to. Slack refuses more than about 13,200 characters.
pub(super) fn text_in(blocks: &[Value]) -> usize {
    fn count(value: &Value) -> usize {
        match value {
            Value::Array(items) => items.iter().map(count).sum(),
            Value::Object(fields) => {
                let texts = fields.iter().filter(|(name, _)| *name == "text" || *name == "alt_text");
                let own: usize =
                    texts.filter_map(|(_, value)| value.as_str()).map(|text| text.chars().count()).sum();
                own + fields.values().map(count).sum::<usize>()
            }
            _ => 0,
        }
    }
    blocks.iter().map(count).sum()
}

/// Characters in a message's blocks together.
pub(super) const BLOCKS_TEXT_MAX: usize = 13_200;
