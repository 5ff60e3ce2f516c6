//! Connections made from uploaded files.

use std::path::{Path, PathBuf};

use axum::{
    extract::{FromRequest, Multipart, Request, State, multipart::Field},
    http::{StatusCode, header},
    response::IntoResponse,
};
use serde_json::json;
use store::{ConnectionTest, NewConnection};
use tokio::{fs, io::AsyncWriteExt};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use crate::{
    ApiState, Error, Result,
    auth::Caller,
    error::StoreResult,
    etag::etag,
    routes::{
        connections::{DataConnection, check_description, check_name, require_creator},
        target::{self, Target},
    },
};

/// Endings of files that become tables; `.gz` may follow those of text.
const ENDINGS: [&str; 6] = ["csv", "tsv", "json", "jsonl", "ndjson", "parquet"];
/// The longest text part, in bytes.
const TEXT_MAX_BYTES: usize = 64 << 10;

/// The parts of an upload.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the multipart body; the handler reads its parts as they stream in")]
pub(crate) struct UploadForm {
    /// What the connection is called.
    name: String,
    description: Option<String>,
    /// CSV, TSV, JSON (each may be gzipped) and Parquet files; each is a table, named as the file.
    #[schema(value_type = Vec<String>, format = Binary, min_items = 1)]
    files: Vec<u8>,
}

/// Where uploads are received: they take long, and have bounds of their own.
pub(crate) const UPLOAD_PATH: &str = "/api/v1/data-connections/upload";

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(data_connection_upload))
}

/// Make a connection from files.
#[utoipa::path(post, path = "/data-connections/upload", tag = "data",
    request_body(content = UploadForm, content_type = "multipart/form-data"),
    responses((status = 201, body = DataConnection, headers(("ETag" = String)))))]
pub(crate) async fn data_connection_upload(
    State(state): State<ApiState>,
    caller: Caller,
    request: Request,
) -> Result<impl IntoResponse> {
    require_creator(&caller)?;
    let media_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if !media_type.is_some_and(|text| text.to_ascii_lowercase().starts_with("multipart/form-data")) {
        return Err(Error::UnsupportedMediaType("send the files as `multipart/form-data`"));
    }
    let form = Multipart::from_request(request, &state)
        .await
        .map_err(|_| Error::BadRequest("the multipart body has no boundary".to_owned()))?;
    let folder = Folder::create(&state.options.uploads_folder).await?;
    let (name, description) = receive(&state, form, &folder.path).await?;
    let target = Target::upload(&folder.name);
    let test = target::try_out(&state, &target).await?;
    demand_tables(&test)?;
    let connection = NewConnection {
        name,
        engine: "files".to_owned(),
        description,
        details: target.details,
        secret: None,
        limits: json!({}),
        freshness: None,
    };
    let made = state.store.connection_create(&caller.scope, caller.user_id, &connection).await;
    let mut made = made.or_refused("connection")?;
    folder.keep();
    state.store.connection_tested(&caller.scope, made.id, &test).await.or_refused("connection")?;
    made.last_test = Some(test);
    Ok((StatusCode::CREATED, etag(made.version), axum::Json(DataConnection::of(made))))
}

/// A new folder for one upload. It goes with this value unless it is kept.
struct Folder {
    name: String,
    path: PathBuf,
    is_kept: bool,
}

impl Folder {
    async fn create(uploads: &Path) -> Result<Self> {
        let name = Uuid::new_v4().to_string();
        let path = uploads.join(&name);
        fs::create_dir_all(&path).await.map_err(Error::internal)?;
        Ok(Self { name, path, is_kept: false })
    }

    fn keep(mut self) {
        self.is_kept = true;
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.is_kept {
            return;
        }
        // Also reached when the client goes away in the middle: there is nobody to wait for.
        if let Err(error) = std::fs::remove_dir_all(&self.path) {
            tracing::warn!(folder = %self.path.display(), %error, "the files of a refused upload stay");
        }
    }
}

/// Writes the files into the folder, and answers name and description.
async fn receive(state: &ApiState, mut form: Multipart, folder: &Path) -> Result<(String, String)> {
    let (mut name, mut description) = (None, None);
    let mut bytes_left = state.options.upload_bytes;
    let mut file_names: Vec<String> = Vec::new();
    while let Some(field) = form.next_field().await.map_err(|_| cut_short())? {
        match field.name().unwrap_or_default() {
            "name" => name = Some(read_text(field, "name").await?),
            "description" => description = Some(read_text(field, "description").await?),
            "files" | "files[]" | "file" => {
                let path = format!("files[{}]", file_names.len());
                if file_names.len() >= state.options.upload_files {
                    return Err(Error::field(path, format!("at most {} files", state.options.upload_files)));
                }
                let file_name = check_file_name(field.file_name().unwrap_or_default(), &path)?;
                if file_names.contains(&file_name) {
                    return Err(Error::field(path, format!("`{file_name}` is given twice")));
                }
                let limit_bytes = state.options.upload_bytes as usize;
                bytes_left = write_file(field, &folder.join(&file_name), bytes_left, limit_bytes).await?;
                file_names.push(file_name);
            }
            _ => {}
        }
    }
    if file_names.is_empty() {
        return Err(Error::field("files", "give at least one file"));
    }
    let name = check_name(&name.ok_or_else(|| Error::field("name", "is needed"))?)?;
    Ok((name, check_description(description)?))
}

async fn read_text(mut field: Field<'_>, path: &str) -> Result<String> {
    let mut bytes = Vec::new();
    while let Some(chunk) = field.chunk().await.map_err(|_| cut_short())? {
        bytes.extend(chunk);
        if bytes.len() > TEXT_MAX_BYTES {
            return Err(Error::field(path, "is too long"));
        }
    }
    String::from_utf8(bytes)
        .ok()
        .filter(|text| !text.contains('\0'))
        .ok_or_else(|| Error::field(path, "must be text in UTF-8 without NUL characters"))
}

/// Writes a file and answers how many bytes are left to the upload.
async fn write_file(mut field: Field<'_>, path: &Path, bytes_left: u64, limit_bytes: usize) -> Result<u64> {
    let mut bytes_left = bytes_left;
    let mut file = fs::File::create(path).await.map_err(Error::internal)?;
    while let Some(chunk) = field.chunk().await.map_err(|_| cut_short())? {
        bytes_left = bytes_left.checked_sub(chunk.len() as u64).ok_or(Error::TooLarge { limit_bytes })?;
        file.write_all(&chunk).await.map_err(Error::internal)?;
    }
    file.flush().await.map_err(Error::internal)?;
    Ok(bytes_left)
}

/// A name to store a file under: plain characters and a known ending, so that it names one table and nothing else.
fn check_file_name(name: &str, path: &str) -> Result<String> {
    let base = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let plain: String = base
        .chars()
        .map(|c| if c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | ' ') { c } else { '_' })
        .collect();
    let plain = plain.trim().trim_start_matches('.').to_owned();
    let lower = plain.to_lowercase();
    let (stem, is_gzipped) = match lower.strip_suffix(".gz") {
        Some(stem) => (stem, true),
        None => (lower.as_str(), false),
    };
    let is_known = stem.rsplit_once('.').is_some_and(|(stem, ending)| {
        !stem.is_empty() && ENDINGS.contains(&ending) && !(is_gzipped && ending == "parquet")
    });
    if is_known && plain.len() <= 200 {
        return Ok(plain);
    }
    Err(Error::field(
        path,
        format!("`{base}` is not a CSV, TSV, JSON (or one of these gzipped) or Parquet file"),
    ))
}

/// An upload that holds no table is refused, with the engine's word.
fn demand_tables(test: &ConnectionTest) -> Result<()> {
    if test.ok && test.tables > Some(0) {
        return Ok(());
    }
    let message = if test.message.is_empty() { "no table was found in the files" } else { &test.message };
    Err(Error::field("files", message))
}

fn cut_short() -> Error {
    Error::BadRequest("the multipart body cannot be read to its end".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_leads_nowhere_else() {
        for (given, kept) in [
            ("flights.csv", Some("flights.csv")),
            ("C:\\data\\Flights 2013.CSV.gz", Some("Flights 2013.CSV.gz")),
            ("../../etc/x.json", Some("x.json")),
            ("a*b?[c].parquet", Some("a_b__c_.parquet")),
            ("Umsätze.csv", Some("Umsätze.csv")),
            (".csv", None),
            (".hidden.csv", Some("hidden.csv")),
            ("..", None),
            ("", None),
            ("data.parquet.gz", None),
            ("data.exe", None),
            ("csv", None),
        ] {
            assert_eq!(check_file_name(given, "files[0]").ok().as_deref(), kept, "{given}");
        }
    }
}
