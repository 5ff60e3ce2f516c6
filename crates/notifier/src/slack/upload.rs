//! Files, in Slack's three steps. Slack's id of a file is stored after the first step and its end after the third, so that a file
//! that may be there already is looked at instead of being sent twice.

use chrono::TimeDelta;
use fail::fail_point;
use sha2::{Digest as _, Sha256};
use slack::{Class, Error, File};
use store::SlackUpload;

use super::{
    call::{Line, Method},
    outcome::Stop,
};
use crate::{
    email::{CsvFile, file_name},
    message::Picture,
    render::inert::clip,
};

/// How often Slack is asked whether it has looked at a picture yet: an image block with one that it has not is refused.
const LOOKS_MAX: u32 = 6;
/// Between two such questions.
const LOOK_AGAIN_AFTER: TimeDelta = TimeDelta::milliseconds(700);
/// The longest description of a picture, in characters.
const ALT_MAX: usize = 1_000;

/// A file on its way to Slack.
struct Content<'a> {
    /// What it is to us.
    key: &'a str,
    name: &'a str,
    title: &'a str,
    alt: Option<&'a str>,
    bytes: &'a [u8],
    /// The message below which it is shown; none for one that waits for an image block.
    below: Option<(&'a str, &'a str)>,
}

/// A message's charts, in Slack.
#[derive(Debug, Default)]
pub(super) struct Charts {
    /// Slack's ids of their files, in their order; none for one that Slack does not take.
    pub(super) files: Vec<Option<String>>,
    /// Whether Slack was asked about any: all of them may take minutes.
    pub(super) took_calls: bool,
}

/// Brings `pictures` to Slack. A picture is uploaded once, however many messages show it.
pub(super) async fn pictures(line: &Line<'_>, pictures: &[Picture]) -> Result<Charts, Stop> {
    let mut charts = Charts::default();
    for (position, picture) in pictures.iter().enumerate() {
        let key = picture_key(picture);
        let name = format!("chart-{}.png", position + 1);
        let alt = clip(&picture.alt, ALT_MAX);
        let content = Content {
            key: &key,
            name: &name,
            title: &picture.title,
            alt: Some(&alt),
            bytes: &picture.png,
            below: None,
        };
        match upload(line, &content).await {
            Ok(found) => {
                charts.took_calls |= found.took_calls;
                charts.files.push(Some(found.id));
            }
            // The message says in words what the picture shows.
            Err(Stop::Slack(error)) if error.class() == Class::Ours => {
                tracing::error!(%error, "Slack does not take a chart");
                metrics::counter!("tidings_slack_refusals_total", "what" => "picture").increment(1);
                charts.took_calls = true;
                charts.files.push(None);
            }
            Err(stop) => return Err(stop),
        }
    }
    Ok(charts)
}

/// As [`pictures`], whose `files` are in doubt: each is looked for, and what somebody deleted is uploaded anew. Where Slack will
/// not say what is there, as without the right to look, they are answered as they were.
pub(super) async fn pictures_anew(
    line: &Line<'_>,
    pictures: &[Picture],
    files: &[Option<String>],
) -> Result<Vec<Option<String>>, Stop> {
    match self::pictures(line, pictures).await {
        Err(Stop::Slack(error)) if matches!(error.class(), Class::Installation | Class::Destination) => {
            tracing::warn!(%error, "whether a chart is still in Slack is not known");
            Ok(files.to_vec())
        }
        found => found.map(|charts| charts.files),
    }
}

/// Shows a CSV file below a message, once.
pub(super) async fn csv(
    line: &Line<'_>,
    delivery_id: domain::DeliveryId,
    file: &CsvFile,
    channel: &str,
    ts: &str,
) -> Result<(), Stop> {
    let (key, name) = (csv_key(delivery_id), file_name(&file.name));
    let content = Content {
        key: &key,
        name: &name,
        title: &name,
        alt: None,
        bytes: &file.bytes,
        below: Some((channel, ts)),
    };
    upload(line, &content).await.map(|_| ())
}

/// Whether the CSV file of a delivery lies below its message.
pub(super) async fn has_csv(line: &Line<'_>, delivery_id: domain::DeliveryId) -> Result<bool, Stop> {
    let key = csv_key(delivery_id);
    let Some(known) = line.store.slack_upload_get(line.scope, &line.team_id, &key).await? else {
        return Ok(false);
    };
    Ok(known.is_complete || is_there(line, &key, false, &known).await?)
}

fn csv_key(delivery_id: domain::DeliveryId) -> String {
    format!("csv {delivery_id}")
}

/// The same picture for all messages that show it, whichever chart it was drawn for.
fn picture_key(picture: &Picture) -> String {
    format!("picture {}", hex::encode(Sha256::digest(&picture.png)))
}

/// A file that is in Slack.
struct Uploaded {
    id: String,
    /// Whether Slack was asked about it.
    took_calls: bool,
}

/// Brings a file to Slack unless it is there.
async fn upload(line: &Line<'_>, content: &Content<'_>) -> Result<Uploaded, Stop> {
    let known = line.store.slack_upload_get(line.scope, &line.team_id, content.key).await?;
    if let Some(known) = known {
        let took_calls = !known.is_complete;
        if known.is_complete || is_there(line, content.key, content.below.is_none(), &known).await? {
            return Ok(Uploaded { id: known.file_id, took_calls });
        }
    }
    let upload = line
        .call(Method::UPLOAD_URL, |client, token| async move {
            let length = content.bytes.len() as u64;
            client.files_get_upload_url_external(&token, content.name, length, content.alt).await
        })
        .await?;
    fail_point!("notifier::slack_upload_named");
    line.store.slack_upload_start(line.scope, &line.team_id, content.key, &upload.file_id).await?;
    line.slack.client.upload(&upload, content.bytes.to_vec()).await.map_err(Stop::Slack)?;
    fail_point!("notifier::slack_upload_sent");
    let file_id = &upload.file_id;
    let completed = line
        .call(Method::UPLOAD_DONE, |client, token| async move {
            let (channel, ts) = content.below.unzip();
            client.files_complete_upload_external(&token, file_id, content.title, channel, ts).await
        })
        .await;
    let file = match completed {
        Ok(file) => file,
        // A file in a thread is seen by all: it must not be there twice.
        Err(Stop::Slack(error)) if content.below.is_some() && error.class() == Class::Unknown => {
            return Err(Stop::Unknown(error));
        }
        Err(stop) => return Err(stop),
    };
    fail_point!("notifier::slack_upload_completed");
    if content.below.is_none() {
        wait_until_looked_at(line, file).await?;
    }
    line.store.slack_upload_complete(line.scope, content.key, &upload.file_id).await?;
    Ok(Uploaded { id: upload.file_id, took_calls: true })
}

/// Looks whether a file's third step succeeded after all.
async fn is_there(line: &Line<'_>, key: &str, is_picture: bool, known: &SlackUpload) -> Result<bool, Stop> {
    let found =
        line.call(Method::FILE_INFO, |client, token| async move {
            client.files_info(&token, &known.file_id).await
        })
        .await;
    match found {
        Ok(file) => {
            if is_picture {
                wait_until_looked_at(line, file).await?;
            }
            line.store.slack_upload_complete(line.scope, key, &known.file_id).await?;
            Ok(true)
        }
        Err(Stop::Slack(Error::Refused { code, .. }))
            if matches!(&*code, "file_not_found" | "file_deleted") =>
        {
            Ok(false)
        }
        Err(stop) => Err(stop),
    }
}

/// Waits until Slack knows what kind of file it has, for a few seconds.
async fn wait_until_looked_at(line: &Line<'_>, mut file: File) -> Result<(), Stop> {
    for _ in 0..LOOKS_MAX {
        if !file.mimetype.is_empty() {
            return Ok(());
        }
        line.store.wait(LOOK_AGAIN_AFTER).await;
        let file_id = &file.id;
        file = line
            .call(Method::FILE_INFO, |client, token| async move { client.files_info(&token, file_id).await })
            .await?;
    }
    Ok(())
}
