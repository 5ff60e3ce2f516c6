//! The messages of one delivery: each in the richest form that Slack takes, and its file below them.

use slack::{Class, block::Block};
use store::SlackPost;

use super::{
    call::Line,
    layout::Part,
    outcome::{Stop, failed},
    post::{Target, post},
    said::{Said, is_there},
    upload,
};
use crate::{email::CsvFile, message::Picture};

/// The number, among a delivery's messages, of the one that says that its file could not be shown: beyond all parts of an answer.
pub(super) const FILE_NOTE_PART: u32 = 1_000;

/// Shows a file below its message, or says there by `note` that it could not be shown: the message has arrived, whatever Slack
/// makes of its file. Answers whether the note is there.
pub(super) async fn attach(
    line: &Line<'_>,
    posts: &[SlackPost],
    target: &Target<'_>,
    file: &CsvFile,
    note: &Part,
    below: &str,
) -> Result<bool, Stop> {
    if is_there(posts, FILE_NOTE_PART as usize) {
        return Ok(true);
    }
    // It is a message, too, and the conversation is ours to rest in.
    line.store.wait(store::SLACK_CHANNEL_REST).await;
    let refusal = match upload::csv(line, target.lease.delivery_id, file, target.channel, below).await {
        Ok(()) => return Ok(false),
        Err(Stop::Slack(error)) if is_refusal(&error) => error,
        Err(stop) => return Err(stop),
    };
    metrics::counter!("tidings_slack_refusals_total", "what" => "file").increment(1);
    tracing::error!(error = %refusal, detail = detail(&refusal), "Slack does not take a CSV file");
    match post(line, target, FILE_NOTE_PART, note, Some(below), false).await {
        Ok(_) => Ok(true),
        Err(Stop::Slack(error)) if is_refusal(&error) => {
            tracing::warn!(%error, "that a file is missing could not be said");
            Ok(false)
        }
        Err(stop) => Err(stop),
    }
}

/// Whether Slack read what we wanted and will not do it.
fn is_refusal(error: &slack::Error) -> bool {
    matches!(error.class(), Class::Ours | Class::Destination | Class::Installation)
}

/// Posts a delivery's first message with its charts, which are `files` in Slack; `None` where it has none that Slack shows, and
/// nothing was posted.
///
/// A message that Slack refuses is not there, and so it may be made anew within the same attempt: somebody may have deleted a
/// chart, and what is gone is uploaded once more. That is done once. A message whose charts are all there, or were uploaded a
/// moment ago, is refused for something else. What cannot be looked for or uploaded now ends the attempt, for another one with
/// all of its charts: nothing of the message was posted. Where nobody knows whether it was, none of this is done: such a message
/// is looked for in Slack before anything else.
pub(super) async fn post_with_pictures(
    line: &Line<'_>,
    target: &Target<'_>,
    pictures: &[Picture],
    mut files: Vec<Option<String>>,
    drawn: impl Fn(&[Option<String>]) -> Part,
    thread_ts: Option<&str>,
    opens_thread: bool,
) -> Result<Option<String>, Stop> {
    for is_anew in [false, true] {
        if files.iter().all(Option::is_none) {
            break;
        }
        match post(line, target, 0, &drawn(&files), thread_ts, opens_thread).await {
            Err(Stop::Slack(error)) if error.class() == Class::Ours => tell_refusal(&error, 0),
            posted => return posted.map(Some),
        }
        // Written down first: whoever goes on where this attempt stops looks for them, too.
        let shown: Vec<_> = files.iter().flatten().cloned().collect();
        line.store.slack_uploads_doubt(line.scope, &shown).await?;
        if is_anew {
            break;
        }
        let found = upload::pictures_anew(line, pictures, &files).await?;
        if found == files {
            break;
        }
        files = found;
    }
    Ok(None)
}

/// Posts the last of `tries`; where Slack refuses its form, the one before it, and so on: a reader had rather have the words
/// alone than nothing. A plainer one is noted in `said` before it is posted: whether it was may never be known.
pub(super) async fn post_or_plainer(
    line: &Line<'_>,
    target: &Target<'_>,
    number: u32,
    mut tries: Vec<Part>,
    thread_ts: Option<&str>,
    opens_thread: bool,
    said: &mut Said,
) -> Result<String, Stop> {
    let Some(mut part) = tries.pop() else {
        return Err(Stop::End(failed("internal", "There is nothing to post.")));
    };
    loop {
        let refusal = match post(line, target, number, &part, thread_ts, opens_thread).await {
            Err(Stop::Slack(error)) if error.class() == Class::Ours => error,
            other => return other,
        };
        tell_refusal(&refusal, number);
        match tries.pop() {
            Some(plainer) => part = plainer,
            None => return Err(Stop::Slack(refusal)),
        }
        said.put(line, target.lease, number, &part).await?;
    }
}

/// That Slack refuses a message's form is for whoever runs the server: it is our mistake, unless a chart of it was deleted.
fn tell_refusal(refusal: &slack::Error, part: u32) {
    metrics::counter!("tidings_slack_refusals_total", "what" => "message").increment(1);
    tracing::error!(error = %refusal, detail = detail(refusal), part, "Slack refuses a message's form");
}

fn detail(error: &slack::Error) -> Option<&str> {
    match error {
        slack::Error::Refused { detail, .. } => detail.as_deref(),
        _ => None,
    }
}

/// A reply in the forms that it may be posted in, the plainest first.
pub(super) fn forms(part: &Part) -> Vec<Part> {
    if part.blocks.is_empty() { vec![part.clone()] } else { vec![words_alone(part), part.clone()] }
}

/// A part's sections without any form.
fn words_alone(part: &Part) -> Part {
    let sections = part.blocks.iter().filter_map(|block| match block {
        Block::Section { text, .. } => Some(text.text.as_str()),
        _ => None,
    });
    Part { text: sections.collect::<Vec<_>>().join("\n\n"), blocks: Vec::new() }
}
