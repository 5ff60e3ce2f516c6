//! Parquet copies of CSV and JSON files: made once, kept in a bounded folder.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use super::folder::SourceFile;
use crate::{
    Error, WarehouseOptions,
    worker::{
        Pool,
        protocol::{ConvertRequest, Cost, Reply, Request, SourceFormat},
    },
};

/// How long a file may take to be converted.
const TIMEOUT: Duration = Duration::from_mins(15);
/// Tells apart what is being made at once, by warehouses of one process on one folder.
static UNFINISHED: AtomicU64 = AtomicU64::new(0);
/// Part of every copy's name: raised when copies are made differently.
const COPY_FORMAT: &str = "1";

/// Makes and keeps copies.
pub(super) struct Copies {
    options: Arc<WarehouseOptions>,
    pool: Arc<Pool>,
    /// By copy: what is known of it since this process started.
    known: Mutex<HashMap<PathBuf, Known>>,
    /// One file at a time and process is converted: it takes all of a machine's cores anyway.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Clone)]
enum Known {
    /// It was made, with what is wrong with its source.
    Made(Option<String>),
    /// It cannot be made.
    Failed(Error),
}

impl Copies {
    pub(super) fn new(options: Arc<WarehouseOptions>, pool: Arc<Pool>) -> Self {
        Self { options, pool, known: Mutex::default(), turn: tokio::sync::Mutex::default() }
    }

    /// The Parquet copy of a file, made now if there is none, and what is wrong with the file.
    pub(super) async fn copy_of(
        self: &Arc<Self>,
        source: &SourceFile,
        format: SourceFormat,
    ) -> Result<(PathBuf, Option<String>), Error> {
        let copy = self.options.cache_folder.join(copy_name(&source.path, format)?);
        if let Some(answer) = self.look_up(&copy) {
            return answer.map(|problem| (copy, problem));
        }
        // Goes on when the one who asked gives up: the next one finds it done.
        let (this, path, source_path) = (Arc::clone(self), copy.clone(), source.path.clone());
        let making = tokio::spawn(async move { this.make(&source_path, format, &path).await });
        let problem = making.await.map_err(|error| Error::Worker {
            message: format!("the conversion of a file failed: {error}"),
        })??;
        Ok((copy, problem))
    }

    /// What is known of a copy that is there, or that cannot be made.
    fn look_up(&self, copy: &Path) -> Option<Result<Option<String>, Error>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(copy).cloned();
        match known {
            Some(Known::Failed(error)) => Some(Err(error)),
            Some(Known::Made(problem)) if touch(copy) => Some(Ok(problem)),
            None if touch(copy) => Some(Ok(None)),
            _ => None,
        }
    }

    async fn make(&self, source: &Path, format: SourceFormat, copy: &Path) -> Result<Option<String>, Error> {
        let _turn = self.turn.lock().await;
        if let Some(answer) = self.look_up(copy) {
            return answer;
        }
        let cannot_write = |error: std::io::Error| Error::Worker {
            message: format!("the folder of copies cannot be written: {error}"),
        };
        fs::create_dir_all(&self.options.cache_folder).map_err(cannot_write)?;
        let number = UNFINISHED.fetch_add(1, Ordering::Relaxed);
        let unfinished = copy.with_extension(format!("{}-{number}.unfinished", std::process::id()));
        drop(fs::remove_file(&unfinished));
        let request = Request::Convert(ConvertRequest {
            source: source.to_owned(),
            format,
            target: unfinished.clone(),
            file_bytes: self.options.cache_bytes,
            cost: Cost { memory_bytes: self.options.worker_memory_bytes, threads: 2, timeout: TIMEOUT },
        });
        let answer = match self.pool.ask_for_one(&request, &CancellationToken::new()).await {
            Ok(Reply::Converted(problem)) => {
                fs::rename(&unfinished, copy).map_err(cannot_write)?;
                self.make_room(copy);
                Ok(problem)
            }
            Ok(_) => Err(Error::Worker { message: "the conversion of a file failed".to_owned() }),
            Err(error) => Err(error),
        };
        drop(fs::remove_file(&unfinished));
        let known = match &answer {
            Ok(problem) => Known::Made(problem.clone()),
            // A file that cannot be read stays so until it changes; a worker that failed may not fail again.
            Err(error) if !error.is_retryable() => Known::Failed(error.clone()),
            Err(_) => return answer,
        };
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(copy.to_owned(), known);
        answer
    }

    /// Removes the copies used longest ago while all together are too large, but not the newest.
    fn make_room(&self, newest: &Path) {
        let Ok(entries) = fs::read_dir(&self.options.cache_folder) else { return };
        let mut copies: Vec<(SystemTime, u64, PathBuf)> = entries
            .flatten()
            .filter_map(|entry| {
                let metadata = entry.metadata().ok().filter(fs::Metadata::is_file)?;
                Some((metadata.modified().ok()?, metadata.len(), entry.path()))
            })
            .collect();
        copies.sort();
        let mut total: u64 = copies.iter().map(|(_, bytes, _)| bytes).sum();
        for (_, bytes, path) in copies {
            if total <= self.options.cache_bytes {
                return;
            }
            if path != newest && fs::remove_file(&path).is_ok() {
                total -= bytes;
            }
        }
    }
}

/// A name that no other file, and no other state of this one, has.
fn copy_name(source: &Path, format: SourceFormat) -> Result<String, Error> {
    let unreadable =
        |_| Error::Sql { message: "the file cannot be read".to_owned(), position: None, hint: None };
    let metadata = source.metadata().map_err(unreadable)?;
    let modified = metadata.modified().map_err(unreadable)?;
    let age = modified.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
    let state = format!("{COPY_FORMAT}\0{}\0{format:?}\0{age}\0{}", source.display(), metadata.len());
    Ok(format!("{}.parquet", hex::encode(Sha256::digest(state.as_bytes()))))
}

/// Marks a copy as used now. Whether it is there.
fn touch(copy: &Path) -> bool {
    let Ok(file) = fs::File::open(copy) else { return false };
    drop(file.set_modified(SystemTime::now()));
    true
}
