//! The section `[data]`.

use std::path::PathBuf;

use anyhow::Context;
use serde::Deserialize;

/// Folders.
#[derive(Debug)]
pub(crate) struct Data {
    pub(crate) dir: PathBuf,
    pub(crate) files_allowed: Vec<PathBuf>,
    pub(crate) secret_key_file: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    dir: String,
    files_allowed: String,
    secret_key_file: String,
}

impl Written {
    pub(super) fn check(self) -> anyhow::Result<Data> {
        let dir = data_dir(&self.dir)?;
        let secret_key_file = match self.secret_key_file.as_str() {
            "" => dir.join("secret.key"),
            path => PathBuf::from(path),
        };
        let files_allowed = self.files_allowed.split(':').filter(|folder| !folder.is_empty());
        Ok(Data { files_allowed: files_allowed.map(PathBuf::from).collect(), secret_key_file, dir })
    }
}

fn data_dir(written: &str) -> anyhow::Result<PathBuf> {
    let dir = if !written.is_empty() {
        PathBuf::from(written)
    } else if nix::unistd::geteuid().is_root() {
        PathBuf::from("/var/lib/tidings")
    } else if let Some(base) = std::env::var_os("XDG_DATA_HOME").filter(|base| !base.is_empty()) {
        PathBuf::from(base).join("tidings")
    } else {
        let home = std::env::var_os("HOME").context("TIDINGS_DATA_DIR is unset, and so is HOME")?;
        PathBuf::from(home).join(".local/share/tidings")
    };
    std::path::absolute(&dir).with_context(|| format!("TIDINGS_DATA_DIR: {}", dir.display()))
}
