//! Puts DuckDB's library beside the binaries of this build, so that they start without a search path.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

fn main() {
    println!("cargo:rerun-if-env-changed=DUCKDB_LIB_DIR");
    let file_name = if env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "macos") {
        "libduckdb.dylib"
    } else {
        "libduckdb.so"
    };
    let folder = env::var_os("DUCKDB_LIB_DIR").map(PathBuf::from).unwrap_or_default();
    let library = folder.join(file_name);
    println!("cargo:rerun-if-changed={}", library.display());
    if !library.is_file() {
        println!(
            "cargo:error=DuckDB's library is not at {}: run `make tools`, which fetches it (or point DUCKDB_LIB_DIR \
             at the folder that holds it)",
            library.display()
        );
        return;
    }
    let Some(profile_folder) = profile_folder() else {
        println!(
            "cargo:warning=the folder of the binaries was not found: set LD_LIBRARY_PATH={}",
            folder.display()
        );
        return;
    };
    let beside = profile_folder.join(file_name);
    println!("cargo:rerun-if-changed={}", beside.display());
    if same_file(&library, &beside) {
        return;
    }
    // A link where it works keeps 70 MB per profile off the disk; the name is swapped in whole for builds that race.
    let fresh = profile_folder.join(format!(".{file_name}.{}", std::process::id()));
    let library = library.canonicalize().unwrap_or(library);
    let placed = fs::hard_link(&library, &fresh).or_else(|_| fs::copy(&library, &fresh).map(drop));
    if let Err(error) = placed.and_then(|()| fs::rename(&fresh, &beside)) {
        println!("cargo:error={} could not be put beside the binaries: {error}", library.display());
    }
}

/// `target/<profile>`: Cargo names only `target/<profile>/build/<crate>-<hash>/out`.
fn profile_folder() -> Option<PathBuf> {
    let out = PathBuf::from(env::var_os("OUT_DIR")?);
    out.ancestors()
        .find(|folder| folder.file_name().is_some_and(|name| name == "build"))?
        .parent()
        .map(Path::to_path_buf)
}

/// Whether both exist with the same length and age.
fn same_file(left: &Path, right: &Path) -> bool {
    let (Ok(left), Ok(right)) = (left.metadata(), right.metadata()) else { return false };
    left.len() == right.len() && left.modified().ok() == right.modified().ok()
}
