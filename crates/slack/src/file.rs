//! Files in three steps: ask for an address, send the bytes there, complete. A file that is completed without a channel
//! belongs to our bot alone, and an image block shows it by its id.

use secrecy::SecretString;
use serde::Deserialize;
use serde_json::json;

use crate::{Client, Error, UPLOAD_TIMEOUT};

/// What the first step answers.
#[derive(Clone, Deserialize)]
pub struct Upload {
    /// The file's id, before it has any bytes.
    pub file_id: String,
    /// Where its bytes go, once. Whoever knows it may write there, so `Debug` leaves it out.
    pub upload_url: String,
}

impl std::fmt::Debug for Upload {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Upload").field("file_id", &self.file_id).finish_non_exhaustive()
    }
}

/// What Slack says of a file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct File {
    /// Its id.
    pub id: String,
    /// Its name.
    #[serde(default)]
    pub name: Option<String>,
    /// Its type, such as `image/png`. Empty until Slack has looked at the bytes, some seconds after the third step.
    #[serde(default)]
    pub mimetype: String,
    /// Its length in bytes.
    #[serde(default)]
    pub size: u64,
}

impl Client {
    /// The first step: an address for `length` bytes. `alt_text` describes a picture to those who cannot see it.
    pub async fn files_get_upload_url_external(
        &self,
        token: &SecretString,
        file_name: &str,
        length: u64,
        alt_text: Option<&str>,
    ) -> Result<Upload, Error> {
        let length = length.to_string();
        let form = [("filename", Some(file_name)), ("length", Some(&*length)), ("alt_txt", alt_text)];
        self.call_form("files.getUploadURLExternal", token, &form).await
    }

    /// The second step: the bytes, exactly as many as the first step named.
    pub async fn upload(&self, upload: &Upload, bytes: Vec<u8>) -> Result<(), Error> {
        let method = "file upload";
        let request = self.http.post(&upload.upload_url).body(bytes);
        let (status, _) = self.exchange(method, request, UPLOAD_TIMEOUT).await?;
        if !status.is_success() {
            return Err(Error::Status { method, status: status.as_u16() });
        }
        Ok(())
    }

    /// The third step. With a channel the file is posted there as a message of its own; without one it waits for a block
    /// that shows it. Never repeated without a look at [`Client::files_info`].
    pub async fn files_complete_upload_external(
        &self,
        token: &SecretString,
        file_id: &str,
        title: &str,
        channel: Option<&str>,
        thread_ts: Option<&str>,
    ) -> Result<File, Error> {
        #[derive(Deserialize)]
        struct Answer {
            files: [File; 1],
        }
        let files = json!([{ "id": file_id, "title": title }]).to_string();
        let form = [("files", Some(&*files)), ("channel_id", channel), ("thread_ts", thread_ts)];
        let Answer { files: [file] } = self.call_form("files.completeUploadExternal", token, &form).await?;
        Ok(file)
    }

    /// What Slack says of a file. One that was never completed is `file_not_found`.
    pub async fn files_info(&self, token: &SecretString, file_id: &str) -> Result<File, Error> {
        #[derive(Deserialize)]
        struct Answer {
            file: File,
        }
        let answer: Answer = self.call_form("files.info", token, &[("file", Some(file_id))]).await?;
        Ok(answer.file)
    }
}
