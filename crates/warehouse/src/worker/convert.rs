//! A CSV or JSON file into Parquet, which is read a hundred times faster.

use std::io::Write;

use super::{
    engine::{self, engine_error, quote_text},
    protocol::{ConvertRequest, Reply, SourceFormat, write_frame},
};
use crate::Error;

pub(super) fn run(request: &ConvertRequest, output: &mut impl Write) -> Result<(), Error> {
    let connection = engine::open(request.cost)?;
    engine::lock(&connection, [request.source.as_path(), request.target.as_path()].into_iter())?;
    let source = quote_text(&request.source.to_string_lossy());
    let target = quote_text(&request.target.to_string_lossy());
    let mut first_error = None;
    let missing = missing_markers(&connection, request.format, &source);
    for (reader, problem) in readers(request.format, &source, missing) {
        let copy = format!(
            "COPY (SELECT * FROM {reader}) TO {target} (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, USE_TMP_FILE false)"
        );
        match connection.execute_batch(&copy) {
            Ok(()) => return write_frame(output, &Reply::Converted(problem.map(str::to_owned))),
            Err(error) => {
                first_error.get_or_insert(engine_error(&error));
            }
        }
    }
    Err(first_error.unwrap_or_else(|| Error::Worker { message: "no way to read the file".to_owned() }))
}

/// What stands for a missing value in a CSV file: nothing, and words such as `NA` where they are all that keeps a column
/// from being numbers or dates. A file of which that is not so may mean Namibia by `NA`.
fn missing_markers(connection: &duckdb::Connection, format: SourceFormat, source: &str) -> &'static str {
    const EMPTY: &str = "''";
    const WORDS: &str = "['', 'NA', 'N/A', 'NULL', 'null', '\\N']";
    let types = |markers: &str| {
        let describe = format!("DESCRIBE SELECT * FROM read_csv({source}, nullstr = {markers})");
        let mut statement = connection.prepare(&describe).ok()?;
        let rows = statement.query_map([], |row| row.get::<_, String>(1)).ok()?;
        rows.collect::<Result<Vec<String>, _>>().ok()
    };
    let gains = || {
        let (plain, marked) = (types(EMPTY)?, types(WORDS)?);
        let is_gained = |(before, after): (&String, &String)| before == "VARCHAR" && after != "VARCHAR";
        Some(plain.len() == marked.len() && plain.iter().zip(&marked).any(is_gained))
    };
    if matches!(format, SourceFormat::Csv) && gains() == Some(true) { WORDS } else { EMPTY }
}

/// Ways to read a file, the strictest first, each with what is then wrong with the file.
fn readers(format: SourceFormat, source: &str, missing: &str) -> Vec<(String, Option<&'static str>)> {
    match format {
        SourceFormat::Csv => vec![
            (format!("read_csv({source}, sample_size = -1, nullstr = {missing})"), None),
            (
                format!("read_csv({source}, sample_size = -1, nullstr = {missing}, encoding = 'latin-1')"),
                Some("it is not UTF-8 and was read as Latin-1"),
            ),
            (
                format!(
                    "read_csv({source}, all_varchar = true, nullstr = '', strict_mode = false, null_padding = true, \
                     ignore_errors = true)"
                ),
                Some("it is not well formed: all columns were read as text and bad lines left out"),
            ),
        ],
        SourceFormat::Json => {
            vec![(format!("read_json({source}, sample_size = -1, maximum_object_size = 67108864)"), None)]
        }
    }
}
