//! What people read in Slack besides answers. In `mrkdwn`; names from data are made inert by whoever puts them in.

use slack::block;

/// To somebody whose role asks nothing.
pub(super) const NOT_ALLOWED: &str =
    "Your role in Tidings lets you read, but not ask. An admin of your workspace can change that.";

/// To somebody who asked at too great length.
pub(super) const TOO_LONG: &str =
    "That is more than I can read at once. Ask in fewer words, or in Tidings itself.";

/// A link, where `url` is one.
fn link(url: &str, label: &str) -> String {
    url.parse().map_or_else(|_| label.to_owned(), |url| block::link(&url, label))
}

/// To somebody who replies below what is another's.
pub(super) fn not_creator(thread_url: &str) -> String {
    let thread = link(thread_url, "open it in Tidings");
    format!(
        "Thanks! Only the person who asked can carry this thread on, so I left your reply to the people here. You can {thread} \
         and explore its results."
    )
}

/// To somebody nobody here is known to be.
pub(super) fn not_linked(settings_url: &str) -> String {
    let settings = link(settings_url, "Tidings, under Settings");
    format!("I don't know yet who you are. Link your Slack account in {settings}, and ask me again.")
}

/// To the creator of a thread whose data is not for Slack.
pub(super) fn sensitive(thread_url: &str) -> String {
    let thread = link(thread_url, "Carry it on in Tidings");
    format!("This thread uses data that stays out of Slack. {thread}.")
}

/// To somebody who wants rest from what goes to all.
pub(super) fn everyones(task_url: &str) -> String {
    let task = link(task_url, "task’s page");
    format!(
        "This message goes to everyone here, not to you alone. Whoever made it can change that on the {task}."
    )
}

/// To somebody who has rest for a while, or `None`: for good.
pub(super) fn snoozed(title: &str, until: Option<&str>) -> String {
    let title = block::inert(title);
    match until {
        Some(day) => format!("No messages of “{title}” for you until {day}."),
        None => format!("You get no messages of “{title}” as it is."),
    }
}

/// To somebody who has rest for good.
pub(super) fn unsubscribed(title: &str, settings_url: &str) -> String {
    let (title, settings) = (block::inert(title), link(settings_url, "Settings"));
    format!("You get no more messages of “{title}”. You can change that under {settings}.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_call_nobody_and_links_are_ours() {
        let text = unsubscribed("<!channel> *Sales*", "https://tidings.example/settings");
        assert!(!text.contains("<!channel>"), "{text}");
        assert!(text.contains("<https://tidings.example/settings|Settings>"), "{text}");
        assert!(snoozed("<@U1>", Some("Mon 30 Nov")).contains("&lt;@U1&gt;"));
    }
}
