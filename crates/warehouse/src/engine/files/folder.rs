//! Which folder a connection may read, and which tables its files are.

use std::{
    collections::BTreeMap,
    fs,
    path::{Component, Path, PathBuf},
};

use crate::{Error, FilesSpec, WarehouseOptions, worker::protocol::SourceFormat};

/// More files than these are not looked at.
const MOST_FILES: usize = 1000;
/// DuckDB takes these in a path for patterns.
const PATTERN_CHARACTERS: [char; 4] = ['*', '?', '[', ']'];

const FIELD: &str = "connectionDetails.files.path";

/// A file that is a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SourceFile {
    /// The table's name: the file's, without its endings.
    pub(super) name: String,
    pub(super) path: PathBuf,
    /// `None` for Parquet, which is read as it is.
    pub(super) format: Option<SourceFormat>,
}

/// The folder of a connection, canonical, if it may be read.
///
/// # Errors
/// [`Error::InvalidSpec`] naming `connectionDetails.files.path`.
pub(super) fn resolve(options: &WarehouseOptions, spec: &FilesSpec) -> Result<PathBuf, Error> {
    let folder = match spec {
        FilesSpec::Folder(path) => resolve_named(options, path)?,
        FilesSpec::Upload(path) => resolve_upload(options, path)?,
    };
    if folder.to_string_lossy().contains(PATTERN_CHARACTERS) {
        return Err(Error::invalid_spec(FIELD, "must not contain any of * ? [ ]"));
    }
    if folder.to_str().is_none() {
        return Err(Error::invalid_spec(FIELD, "must be UTF-8"));
    }
    Ok(folder)
}

fn resolve_named(options: &WarehouseOptions, path: &Path) -> Result<PathBuf, Error> {
    if !path.is_absolute() {
        return Err(Error::invalid_spec(FIELD, "must be an absolute path"));
    }
    if path.components().any(|component| component == Component::ParentDir) {
        return Err(Error::invalid_spec(FIELD, "must not contain `..`"));
    }
    // What is not allowed gives the same answer whether it exists or not.
    let not_allowed = || {
        Error::invalid_spec(FIELD, "is not inside a folder that the operator allows (TIDINGS_FILES_ALLOWED)")
    };
    let roots: Vec<PathBuf> =
        options.files_allowed.iter().filter_map(|root| root.canonicalize().ok()).collect();
    let Ok(folder) = path.canonicalize() else {
        let looks_allowed = options.files_allowed.iter().chain(&roots).any(|root| path.starts_with(root));
        return Err(if looks_allowed { Error::invalid_spec(FIELD, "does not exist") } else { not_allowed() });
    };
    if !roots.iter().any(|root| folder.starts_with(root)) {
        return Err(not_allowed());
    }
    // Other people's uploads and the copies of their files are nobody's to name, whatever is allowed.
    let own = [&options.uploads_folder, &options.cache_folder];
    if own.iter().filter_map(|own| own.canonicalize().ok()).any(|own| folder.starts_with(own)) {
        return Err(not_allowed());
    }
    if !folder.is_dir() {
        return Err(Error::invalid_spec(FIELD, "is not a folder"));
    }
    Ok(folder)
}

fn resolve_upload(options: &WarehouseOptions, path: &Path) -> Result<PathBuf, Error> {
    let missing = || Error::invalid_spec("connectionDetails.files.upload", "does not exist");
    let is_plain = path.components().all(|component| matches!(component, Component::Normal(_)));
    if !is_plain || path.as_os_str().is_empty() {
        return Err(missing());
    }
    let root = options.uploads_folder.canonicalize().map_err(|_| missing())?;
    let folder = root.join(path).canonicalize().map_err(|_| missing())?;
    if !folder.starts_with(&root) || folder == root || !folder.is_dir() {
        return Err(missing());
    }
    Ok(folder)
}

/// The tables in a folder, by name, and why other files are none.
pub(super) fn list(folder: &Path) -> Result<(Vec<SourceFile>, Vec<String>), Error> {
    let unreadable = |_| Error::invalid_spec(FIELD, "cannot be read by this server");
    let mut names: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        names.push(entry.map_err(unreadable)?.path());
    }
    names.sort();
    let (mut tables, mut problems) = (BTreeMap::<String, SourceFile>::new(), Vec::new());
    if names.len() > MOST_FILES {
        problems.push(format!(
            "the folder holds {} files: only the first {MOST_FILES} were looked at",
            names.len()
        ));
        names.truncate(MOST_FILES);
    }
    for path in names {
        let Some(file_name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if file_name.starts_with('.') {
            continue;
        }
        let Some((stem, format)) = split_name(file_name) else { continue };
        match check_file(folder, &path) {
            Ok(path) => {
                let table = SourceFile { name: stem.to_owned(), path, format };
                keep_best(&mut tables, table);
            }
            Err(problem) => problems.push(format!("{file_name}: {problem}")),
        }
    }
    Ok((tables.into_values().collect(), problems))
}

/// A file's stem and format, if it is one that is read.
fn split_name(file_name: &str) -> Option<(&str, Option<SourceFormat>)> {
    let plain = file_name.strip_suffix(".gz").unwrap_or(file_name);
    let (stem, ending) = plain.rsplit_once('.')?;
    let format = match ending.to_ascii_lowercase().as_str() {
        "csv" | "tsv" => Some(SourceFormat::Csv),
        "json" | "jsonl" | "ndjson" => Some(SourceFormat::Json),
        "parquet" if plain == file_name => None,
        _ => return None,
    };
    (!stem.is_empty()).then_some((stem, format))
}

fn check_file(folder: &Path, path: &Path) -> Result<PathBuf, &'static str> {
    let file = path.canonicalize().map_err(|_| "it cannot be read")?;
    if !file.starts_with(folder) {
        return Err("it is a link to somewhere outside the folder");
    }
    if !file.is_file() {
        return Err("it is not a file");
    }
    match file.to_str() {
        Some(text) if !text.contains(PATTERN_CHARACTERS) => Ok(file),
        _ => Err("its name contains one of * ? [ ] or is not UTF-8"),
    }
}

/// Of files of one name (regardless of case, as SQL names are) the one that is read best: Parquet, CSV, JSON.
fn keep_best(tables: &mut BTreeMap<String, SourceFile>, table: SourceFile) {
    let rank = |format: Option<SourceFormat>| match format {
        None => 0,
        Some(SourceFormat::Csv) => 1,
        Some(SourceFormat::Json) => 2,
    };
    let key = table.name.to_lowercase();
    match tables.get(&key) {
        Some(present) if rank(present.format) <= rank(table.format) => {}
        _ => {
            tables.insert(key, table);
        }
    }
}
